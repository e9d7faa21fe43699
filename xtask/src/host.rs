// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests that run on the host: unit, property, vector and contract tests of the workspace, and that the golden vectors
//! are the ones we were given.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{
    process::Log,
    setup::{Need, npm, python},
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// All tests of the workspace.
pub(crate) const TESTS: Stage = Stage {
    name: "tests",
    about: "unit, property, vector and contract tests of the workspace",
    needs: &[Need::Npm],
    body: tests,
};

/// CoAP and OSCORE against a peer that is not ours, in both roles.
pub(crate) const INTEROP: Stage = Stage {
    name: "interop",
    about: "CoAP and OSCORE with aiocoap, as client and as server",
    needs: &[Need::Python],
    body: interop,
};

/// What the power-cut sweep is worth: it must find each of several mistakes made on purpose.
pub(crate) const MUTATIONS: Stage = Stage {
    name: "mutations",
    about: "the journal's power-cut sweep finds every mistake made on purpose",
    needs: &[],
    body: mutations,
};

/// The golden vectors are unchanged.
pub(crate) const VECTORS: Stage =
    Stage { name: "vectors", about: "golden vectors are unchanged", needs: &[], body: vectors };

fn tests(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]).current_dir(project.path(""));
    cargo.env("CAIRN_ANVIL", npm::anvil(project));
    if context.long {
        cargo.env("PROPTEST_CASES", "20000").env("CAIRN_LONG", "1");
    }
    let count = Counts::of(&log.run(&mut cargo)?);
    if count.passed == 0 {
        bail!("no test ran");
    }
    if count.ignored > 0 {
        bail!("{} tests are ignored; a test is run or removed", count.ignored);
    }
    passed(format!("{} tests", count.passed))
}

fn interop(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let mut build = Command::new("cargo");
    build.args(["build", "--locked", "--workspace", "--example", "interop"]).current_dir(project.path(""));
    log.run(&mut build)?;
    let mut peer = Command::new(python::interpreter(project));
    peer.arg(project.path("transports/coap/tests/interop_aiocoap.py"));
    peer.arg(project.target().join("debug/examples/interop"));
    log.run(&mut peer)?;
    passed("both ways, with Echo")
}

fn mutations(context: &Context, log: &mut Log) -> Result<Outcome> {
    let mut cargo = Command::new("cargo");
    // Of the whole workspace, for the crates that the stage `tests` has compiled.
    cargo.args(["test", "--locked", "--workspace", "--features", "cairn-rtos/sabotage"]);
    cargo.args(["--test", "journal_mutations", "--test", "journal_displace_mutations"]);
    cargo.args(["--test", "agent_rotation_mutations", "--test", "selftest_sabotage"]);
    let count = Counts::of(&log.run(cargo.current_dir(context.project.path("")))?);
    if count.passed == 0 {
        bail!("no test ran");
    }
    passed("all found")
}

/// Sums of the lines `test result: ok. P passed; F failed; I ignored; …`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u32,
    /// Tests that were not run.
    pub(crate) ignored: u32,
}

impl Counts {
    /// Counts what every test program of `output` says at its end.
    pub(crate) fn of(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines().filter_map(|line| line.trim().strip_prefix("test result: ")) {
            let words: Vec<&str> = line.split([' ', ';']).filter(|word| !word.is_empty()).collect();
            for pair in words.windows(2) {
                let number = pair[0].parse::<u32>();
                match (number, pair[1]) {
                    (Ok(number), "passed") => counts.passed += number,
                    (Ok(number), "ignored") => counts.ignored += number,
                    _ => {}
                }
            }
        }
        counts
    }
}

fn vectors(context: &Context, log: &mut Log) -> Result<Outcome> {
    let directory = context.project.path("component/tests/vectors");
    let sums = context.project.path("xtask/vectors.sha256");
    log.run(Command::new("sha256sum").args(["--check", "--strict", "--quiet"]).arg(&sums).current_dir(&directory))?;
    let listed = std::fs::read_to_string(&sums).context("xtask/vectors.sha256")?.lines().count();
    let there = std::fs::read_dir(&directory)?.count();
    if listed != there {
        bail!("{} lists {listed} files, {} holds {there}", sums.display(), directory.display());
    }
    passed(format!("{listed} files"))
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn results_of_several_test_binaries_are_added_up() {
        let output = "running 3 tests\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s\n";
        assert_eq!(Counts::of(output), Counts { passed: 42, ignored: 1 });
    }
}
