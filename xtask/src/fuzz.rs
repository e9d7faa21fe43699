// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs every fuzz target of host/fuzz for a while. libFuzzer needs compiler flags that stable Rust hides:
//! `RUSTC_BOOTSTRAP=1` shows them, for this build only.

use std::{fs, num::NonZero, panic::resume_unwind, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context as _, Result, bail};

use crate::{
    process::Log,
    setup::{Need, tools},
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Every target, with the address sanitizer.
pub(crate) const STAGE: Stage =
    Stage { name: "fuzz", about: "no fuzz target finds anything in the time given", needs: &[Need::Fuzz], body: fuzz };

/// Besides fuzzing: start, seeds, end.
const MARGIN: Duration = Duration::from_secs(120);

fn fuzz(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let directory = project.path("host/fuzz");
    // The seeds hold, and are taken: otherwise the fuzzer starts from nothing.
    let build_directory = project.directory("fuzz")?;
    let mut seeds = Command::new("cargo");
    seeds.args(["test", "--locked", "--quiet", "--manifest-path"]).arg(directory.join("Cargo.toml"));
    log.run(seeds.env("CARGO_TARGET_DIR", &build_directory))?;

    let cargo_fuzz = |verb: &str| {
        let mut command = Command::new(tools::FUZZ.path(project));
        command.args([verb, "--fuzz-dir"]).arg(&directory).arg("--target-dir").arg(&build_directory);
        command.current_dir(project.path("")).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTFLAGS");
        command
    };
    log.run(&mut cargo_fuzz("build"))?;
    let targets = targets(&directory)?;
    // A fuzzer is one thread: as many at a time as there are cores, each for its whole time.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut runs = Vec::new();
    for some in targets.chunks(cores) {
        println!("      {}", some.join(", "));
        let ended: Vec<Result<String>> = thread::scope(|scope| {
            let started: Vec<_> = some
                .iter()
                .map(|target| (target, cargo_fuzz("run")))
                .map(|(target, run)| scope.spawn(move || fuzz_target(context, target, run)))
                .collect();
            started.into_iter().map(|run| run.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        runs.extend(ended.into_iter().collect::<Result<Vec<_>>>()?);
    }
    passed(format!("{} s each; runs: {}", context.fuzz_seconds, runs.join(", ")))
}

/// Fuzzes one target with a log of its own; gives how often it ran.
fn fuzz_target(context: &Context, target: &str, mut run: Command) -> Result<String> {
    let project = &context.project;
    let corpus = project.directory(&format!("fuzz-corpus/{target}"))?;
    let artifacts = project.directory(&format!("fuzz-artifacts/{target}"))?;
    run.arg(target).arg(corpus).arg(project.path("host/fuzz/seeds").join(target)).arg("--");
    run.arg(format!("-max_total_time={}", context.fuzz_seconds)).arg("-print_final_stats=1");
    run.arg(format!("-artifact_prefix={}/", artifacts.display()));
    // A change is judged by what it did, not by a new roll of the dice: those are for long runs.
    if !context.long {
        run.arg(format!("-seed={}", context.seed.unwrap_or(1)));
    }
    let mut log = Log::create(project, &format!("fuzz-{target}"))?;
    let said = log.run_within(&mut run, Duration::from_secs(context.fuzz_seconds) + MARGIN)?;
    let count = executions(&said).with_context(|| format!("{target} does not say how often it ran"))?;
    if count == 0 {
        bail!("{target} never ran");
    }
    Ok(format!("{target} {count}"))
}

/// Every file of host/fuzz/targets is one.
fn targets(directory: &Path) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(directory.join("targets"))? {
        let path = entry?.path();
        targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    targets.sort();
    if targets.is_empty() {
        bail!("{} has no targets", directory.display());
    }
    Ok(targets)
}

fn executions(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok())
}
