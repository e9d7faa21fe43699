// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Timed stages: each prints a line when it starts and one when it ended; all are counted at the end. A stage that
//! fails does not stop the next, so that one run shows everything that is wrong.

use std::{process::ExitCode, time::Instant};

use anyhow::Result;

use crate::{process::Log, project::Project};

/// How a stage ended when it did not fail.
pub(crate) enum Outcome {
    /// What it found, in a few words.
    Passed(String),
    /// Why it could not run here. Counted neither as passed nor as failed.
    Skipped(String),
}

/// Passed, with what was found.
pub(crate) fn passed(what: impl Into<String>) -> Result<Outcome> {
    Ok(Outcome::Passed(what.into()))
}

/// A stage that was run.
pub(crate) struct Ended {
    name: String,
    seconds: f64,
    result: Result<Outcome>,
}

impl Ended {
    /// Runs a stage, and prints nothing of how it ended: [`Stages::add`] does.
    pub(crate) fn after(project: &Project, name: &str, body: impl FnOnce(&mut Log) -> Result<Outcome>) -> Self {
        let begun = Instant::now();
        let result = Log::create(project, name.split(':').next().unwrap_or(name)).and_then(|mut log| body(&mut log));
        Self { name: name.to_owned(), seconds: begun.elapsed().as_secs_f64(), result }
    }

    /// Its name, and what it shows.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The stages run so far.
pub(crate) struct Stages {
    project: Project,
    ended: Vec<Ended>,
    begun: Instant,
}

impl Stages {
    /// None yet.
    pub(crate) fn new(project: &Project) -> Self {
        Self { project: project.clone(), ended: Vec::new(), begun: Instant::now() }
    }

    /// Runs one stage; gives whether it passed.
    pub(crate) fn run(&mut self, name: &str, body: impl FnOnce(&mut Log) -> Result<Outcome>) -> bool {
        println!("==> {name}");
        let ended = Ended::after(&self.project, name, body);
        self.add(ended)
    }

    /// Prints how a stage ended and counts it; gives whether it passed.
    pub(crate) fn add(&mut self, ended: Ended) -> bool {
        let seconds = ended.seconds;
        match &ended.result {
            Ok(Outcome::Passed(what)) => println!("    ok       {seconds:7.1} s  {what}"),
            Ok(Outcome::Skipped(why)) => println!("    skipped  {seconds:7.1} s  {why}"),
            Err(error) => println!("    FAILED   {seconds:7.1} s\n{}", indented(&format!("{error:#}"))),
        }
        let good = ended.result.is_ok();
        self.ended.push(ended);
        good
    }

    /// Prints the table, and as the last line the count; the code says whether every stage passed.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n{:-<78}", "");
        let (mut good, mut bad) = (0, 0);
        for stage in &self.ended {
            let verdict = match &stage.result {
                Ok(Outcome::Passed(_)) => {
                    good += 1;
                    "ok"
                }
                Ok(Outcome::Skipped(_)) => "skipped",
                Err(_) => {
                    bad += 1;
                    "FAILED"
                }
            };
            println!("{:<58} {verdict:<8} {:8.1} s", stage.name, stage.seconds);
        }
        println!("{:<58} {:<8} {:8.1} s", "all", "", self.begun.elapsed().as_secs_f64());
        println!("{good} passed, {bad} failed");
        if bad == 0 && good > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    | {line}")).collect::<Vec<_>>().join("\n")
}
