// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ten years of a device that uploads once a day, on the simulator of `host/power`: how many seconds they take here. Part of
//! `cargo xtask bench`, and alone with `--decade`. The simulator's own tests say whether what it lives is right.

use std::{
    error::Error,
    process::{Command, ExitCode},
    str::FromStr,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    process::Log,
    project::Project,
    stage::{Stages, passed},
};

/// What ten years may take of a machine with two cores.
const SECONDS_MAX: f64 = 10.0;
const DAYS: u64 = 3653;

/// A decade that was lived.
pub(crate) struct Decade {
    records: u64,
    seconds: f64,
}

impl Decade {
    /// As docs/bench.md has it.
    pub(crate) fn section(&self) -> String {
        let Self { records, seconds } = self;
        format!(
            "\n## Power\n`cargo xtask bench --decade`: {DAYS} days of the scenario *meter* on the device's own agent, {records} \
             records, one signed batch with data a day, release profile, one thread, seconds of the processor.\n\n\
             | what | measured |\n| --- | ---: |\n| seconds for ten years | {seconds:.1} |\n"
        )
    }
}

/// Alone.
pub(crate) fn bench() -> Result<ExitCode> {
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    let mut lived = None;
    stages.run(STAGE, |log| {
        lived = Some(measure(&project, log)?);
        passed("")
    });
    if let Some(lived) = lived {
        println!("{}", lived.section());
    }
    Ok(stages.finish())
}

/// What the stage is called.
pub(crate) const STAGE: &str = "decade: ten years of a daily uploader, simulated";

/// Lives it once.
pub(crate) fn measure(project: &Project, log: &mut Log) -> Result<Decade> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--locked", "--release", "-q", "-p", "cairn-power", "--example", "decade"]);
    let said = log.run(cargo.current_dir(project.path("")))?;
    let (days, records, delivered): (u64, u64, u64) =
        (number(&said, "days")?, number(&said, "records")?, number(&said, "delivered")?);
    let seconds: f64 = number(&said, "seconds")?;
    ensure!(days == DAYS, "the life ended before its time");
    // What came since the last upload waits.
    ensure!(delivered + 200 > records, "{delivered} of {records} records are at the relay");
    ensure!(seconds < SECONDS_MAX, "ten years took {seconds} s, limit {SECONDS_MAX}");
    Ok(Decade { records, seconds })
}

/// The number that a line "name: number" says.
fn number<T: FromStr<Err: Error + Send + Sync + 'static>>(said: &str, name: &str) -> Result<T> {
    let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Ok(value.with_context(|| format!("it says no {name}"))?.parse()?)
}
