// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A list of stages with what each needs: installs that first, then runs them. Used by every verb that checks
//! something.

use std::{
    panic::resume_unwind,
    process::ExitCode,
    thread::{self, ScopedJoinHandle},
};

use anyhow::Result;

use crate::{
    embedded::Toolchain,
    process::Log,
    project::Project,
    setup::{self, Installed, Need},
    stage::{Ended, Outcome, Stages},
};

/// What a stage gets.
pub(crate) struct Context {
    /// Where things are.
    pub(crate) project: Project,
    /// How long each fuzz target runs.
    pub(crate) fuzz_seconds: u64,
    /// Whole matrices instead of samples of them.
    pub(crate) long: bool,
    /// Of what happens at random moments, when one was asked for.
    pub(crate) seed: Option<u64>,
    installed: Installed,
}

impl Context {
    /// The toolchain for devices.
    ///
    /// # Errors
    /// When the stage did not ask for [`Need::Embedded`].
    pub(crate) fn toolchain(&self) -> Result<Toolchain> {
        self.installed.toolchain()
    }
}

/// One stage.
pub(crate) struct Stage {
    /// A short name, for `--only`.
    pub(crate) name: &'static str,
    /// What holds when it passes.
    pub(crate) about: &'static str,
    /// What must be installed.
    pub(crate) needs: &'static [Need],
    /// Does it.
    pub(crate) body: fn(&Context, &mut Log) -> Result<Outcome>,
}

/// How thorough to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Whole matrices.
    pub(crate) long: bool,
    /// How long each fuzz target runs.
    pub(crate) fuzz_seconds: u64,
    /// Of what happens at random moments, when one was asked for.
    pub(crate) seed: Option<u64>,
}

/// A stage that mostly waits, and so runs beside those that follow it.
pub(crate) struct Beside {
    /// Its name.
    pub(crate) stage: &'static str,
    /// The first that it must not disturb; the end of all when that is not run.
    pub(crate) until: &'static str,
}

/// Installs what `stages` need and runs them in order, those in `beside` in the background.
///
/// # Errors
/// Only when the project cannot be found; failed stages are in the exit code.
pub(crate) fn run(stages: &[&Stage], effort: Effort, beside: &[Beside]) -> Result<ExitCode> {
    let project = Project::find()?;
    let mut needs: Vec<Need> = stages.iter().flat_map(|stage| stage.needs).copied().collect();
    needs.sort_unstable();
    needs.dedup();
    let mut ended = Stages::new(&project);
    let installed = setup::install(&project, &mut ended, &needs);
    let Effort { long, fuzz_seconds, seed } = effort;
    let context = Context { project, fuzz_seconds, long, seed, installed };
    let context = &context;
    thread::scope(|scope| {
        let mut running = Vec::new();
        for &stage in stages {
            let name = format!("{}: {}", stage.name, stage.about);
            let body = move |log: &mut Log| {
                context.installed.check(stage.needs)?;
                (stage.body)(context, log)
            };
            let (over, still) = running.into_iter().partition(|(until, _)| *until == stage.name);
            running = still;
            join(&mut ended, over);
            match beside.iter().find(|beside| beside.stage == stage.name) {
                None => {
                    ended.run(&name, body);
                }
                Some(beside) => {
                    println!("==> {name} (beside the next ones)");
                    let project = &context.project;
                    running.push((beside.until, scope.spawn(move || Ended::after(project, &name, body))));
                }
            }
        }
        join(&mut ended, running);
    });
    Ok(ended.finish())
}

/// Waits for stages that ran beside others, and counts them.
fn join(stages: &mut Stages, running: Vec<(&str, ScopedJoinHandle<'_, Ended>)>) {
    for (_, stage) in running {
        let ended = stage.join().unwrap_or_else(|panic| resume_unwind(panic));
        println!("==> {} (ran beside the others)", ended.name());
        stages.add(ended);
    }
}
