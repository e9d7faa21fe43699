// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The software signers on a Cortex-M in QEMU: what they take (`cargo xtask bench --sign`), that what the processor
//! does is the same for every key and digest, and that no key is left in RAM (stage `signing` of `cargo xtask test`).
//! The images are those of component/bench.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    embedded::{SAMPLE_TARGET, Toolchain},
    process::Log,
    project::Project,
    setup::{self, Need},
    stage::{Outcome, Stages, passed},
    suite::{Context, Stage},
};

const NEEDS: &[Need] = &[Need::Embedded, Need::Qemu];

/// A sample of pairs, and that leaks are seen.
pub(crate) const STAGE: Stage = Stage {
    name: "signing",
    about: "signing takes the same path through code and memory for every key, and leaves none in RAM",
    needs: NEEDS,
    body: test,
};

/// What one signing may take; the guard's second one counts extra. The limits of secp256k1 were set before it was
/// written, those of P-256 a little above what it took.
struct Row {
    name: &'static str,
    target: &'static str,
    features: &'static str,
    instructions: u64,
    stack_bytes: u64,
    flash_bytes: u64,
}

const ROWS: &[Row] = &[
    Row {
        name: "secp256k1, small",
        target: SAMPLE_TARGET,
        features: "",
        instructions: 1_400_000,
        stack_bytes: 3_200,
        flash_bytes: 34_000,
    },
    Row {
        name: "secp256k1, fast",
        target: SAMPLE_TARGET,
        features: "signer-fast",
        instructions: 1_100_000,
        stack_bytes: 2_600,
        flash_bytes: 44_000,
    },
    Row {
        name: "P-256, small",
        target: SAMPLE_TARGET,
        features: "es256",
        instructions: 1_850_000,
        stack_bytes: 3_200,
        flash_bytes: 34_000,
    },
    Row {
        name: "libsecp256k1",
        target: SAMPLE_TARGET,
        features: "libsecp256k1",
        instructions: 710_000,
        stack_bytes: 1_800,
        flash_bytes: 28_000,
    },
    Row {
        name: "secp256k1 on Cortex-M0, small",
        target: "thumbv6m-none-eabi",
        features: "",
        instructions: 4_600_000,
        stack_bytes: 2_048,
        flash_bytes: 32_000,
    },
];

/// What the function that wipes the stack leaves at its end: return addresses. One spilled number is 32 bytes more.
const LEFT_BYTES: u64 = 24;

/// What a decision of the schedule may take of a Cortex-M3, docs/power.md. Every link of today tells its level after an exchange, or never.
const DECISION_INSTRUCTIONS: u64 = 20_000;

/// `cargo xtask bench --sign`.
pub(crate) fn bench() -> Result<ExitCode> {
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    let installed = setup::install(&project, &mut stages, NEEDS);
    let mut table = String::from(
        "| signer | instructions for one signing | guarded signing | public key | stack B | flash B |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in ROWS {
        stages.run(&format!("sign: {}", row.name), |log| {
            installed.check(NEEDS)?;
            let bench = Bench::build(&project, installed.toolchain()?, log, row.target, row.features)?;
            let line = bench.measure(log, row)?;
            table += &line;
            passed("")
        });
    }
    stages.run("sign: one path for 1,000 keys and digests", |log| {
        installed.check(NEEDS)?;
        let bench = Bench::build(&project, installed.toolchain()?, log, SAMPLE_TARGET, "all-pairs")?;
        let paths = bench.paths(&project, log)?;
        ensure!(paths.pairs == 1_000 && paths.are_one(), "{paths:?}");
        passed("")
    });
    stages.run("schedule: a decision on a Cortex-M3, whatever the link tells", |log| {
        installed.check(NEEDS)?;
        let bench = Bench::build(&project, installed.toolchain()?, log, SAMPLE_TARGET, "")?;
        let output = bench.run(log, "schedule", &[])?;
        let mut told = Vec::new();
        for sight in ["blind", "gated", "seen"] {
            let of = |what: &str| most(&output, &format!("{sight}_{what}"));
            let (took, decisions) = (of("instructions")?, of("decisions")?);
            ensure!(decisions >= 100 && of("sent")? >= 20, "{sight}: {decisions} decisions say little");
            ensure!(took <= DECISION_INSTRUCTIONS, "{sight}: {took} instructions, limit {DECISION_INSTRUCTIONS}");
            told.push(format!("{sight} {took} instructions at most in {decisions} decisions"));
        }
        passed(told.join("; "))
    });
    println!("\n{table}");
    Ok(stages.finish())
}

fn test(context: &Context, log: &mut Log) -> Result<Outcome> {
    let (project, toolchain) = (&context.project, context.toolchain()?);
    for features in ["", "es256", "libsecp256k1"] {
        let bench = Bench::build(project, toolchain, log, SAMPLE_TARGET, features)?;
        let paths = bench.paths(project, log)?;
        ensure!(paths.pairs == 16 && paths.are_one(), "features '{features}': {paths:?}");
        bench.check_residue(log)?;
        if features == "libsecp256k1" {
            let output = bench.run(log, "field", &[])?;
            ensure!(most(&output, "products")? == 20_576, "not all products in assembly were compared");
        }
    }
    for features in ["leaky-branch", "leaky-address"] {
        let bench = Bench::build(project, toolchain, log, SAMPLE_TARGET, features)?;
        let paths = bench.paths(project, log)?;
        ensure!(paths.pairs == 16 && !paths.are_one(), "{features} went unnoticed: {paths:?}");
    }
    passed("16 pairs on each curve; two leaks on purpose were seen")
}

/// What different things the processor did.
#[derive(Debug)]
struct Paths {
    pairs: usize,
    new: BTreeSet<String>,
    sign: BTreeSet<String>,
}

impl Paths {
    fn are_one(&self) -> bool {
        self.new.len() == 1 && self.sign.len() == 1
    }
}

/// The images of component/bench, built with some features.
struct Bench {
    directory: PathBuf,
}

impl Bench {
    fn build(project: &Project, toolchain: Toolchain, log: &mut Log, target: &str, features: &str) -> Result<Self> {
        let mut cargo = toolchain.cargo(project, "build");
        cargo.args(["--locked", "--quiet", "--package", "cairn-bench", "--bins", "--profile", "device"]);
        cargo.args(["--target", target, "--features", features]);
        let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        log.run(cargo.env(linker, "arm-none-eabi-ld"))?;
        Ok(Self { directory: toolchain.target_dir(project).join(target).join("device") })
    }

    fn image(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Runs an image to its end; what it printed.
    fn run(&self, log: &mut Log, name: &str, more: &[&str]) -> Result<String> {
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-M", "mps2-an385", "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]);
        qemu.args(["-semihosting-config", "enable=on,target=native"]).args(more).arg("-kernel").arg(self.image(name));
        log.run(&mut qemu)
    }

    /// A line of the table; an error when a limit is passed.
    fn measure(&self, log: &mut Log, row: &Row) -> Result<String> {
        let output = self.run(log, "signer", &[])?;
        let (new, new_stack) = (most(&output, "new_instructions")?, most(&output, "new_stack_bytes")?);
        let (guarded, sign_stack) = (most(&output, "sign_instructions")?, most(&output, "sign_stack_bytes")?);
        let (one, stack) = (guarded / 2, new_stack.max(sign_stack));
        // The C library wipes what it knows to be secret, and not what its compiler spilled.
        if row.features != "libsecp256k1" {
            let left = most(&output, "new_left_bytes")?.max(most(&output, "sign_left_bytes")?);
            ensure!(left <= LEFT_BYTES, "{}: {left} of the deepest 256 bytes of stack were not wiped", row.name);
        }
        let flash = flash_bytes(log, &self.image("signer"))? - flash_bytes(log, &self.image("empty"))?;
        for (what, value, limit) in [
            ("instructions", one, row.instructions),
            ("bytes of stack", stack, row.stack_bytes),
            ("bytes of flash", flash, row.flash_bytes),
        ] {
            ensure!(value <= limit, "{}: {value} {what}, limit {limit}", row.name);
        }
        let mut line = String::new();
        writeln!(line, "| {} | {one} | {guarded} | {new} | {stack} | {flash} |", row.name)?;
        Ok(line)
    }

    /// Loads keys and signs under the plugin.
    fn paths(&self, project: &Project, log: &mut Log) -> Result<Paths> {
        let plugin = project.directory("xtask")?.join("trace.so");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]).arg(&plugin);
        log.run(cc.arg(project.path("component/bench/trace.c")))?;
        let symbols = log.run(Command::new("arm-none-eabi-nm").arg(self.image("constant_time")))?;
        let address = |name: &str| {
            let line = symbols.lines().find(|line| line.ends_with(&format!(" T {name}")));
            let address = line.and_then(|line| line.split_whitespace().next());
            address.map(str::to_owned).with_context(|| format!("the image has no {name}"))
        };
        let (begin, end) = (address("trace_begin")?, address("trace_end")?);
        let plugin = format!("{},begin=0x{begin},end=0x{end}", plugin.display());
        let output = self.run(log, "constant_time", &["-plugin", &plugin])?;
        let traces: Vec<&str> = output.lines().filter(|line| line.starts_with("trace ")).collect();
        let pairs = most(&output, "pairs")?;
        ensure!(traces.len() as u64 == 2 * pairs, "{} traces of {pairs} pairs", traces.len());
        let every_other = |first| traces.iter().skip(first).step_by(2).map(|trace| (*trace).to_owned()).collect();
        Ok(Paths { pairs: traces.len() / 2, new: every_other(0), sign: every_other(1) })
    }

    /// Nothing of the key is in RAM outside the signer, and the search does find it inside.
    fn check_residue(&self, log: &mut Log) -> Result<()> {
        let output = self.run(log, "residue", &[])?;
        ensure!(most(&output, "found_inside")? == 50, "the search is blind");
        for name in ["found_outside_after_new", "found_outside_after_sign", "found_after_drop"] {
            ensure!(most(&output, name)? == 0, "{name}: parts of the key are in RAM");
        }
        Ok(())
    }
}

/// The largest of the values that `output` gives `name` as name=value.
fn most(output: &str, name: &str) -> Result<u64> {
    let values = output.split_whitespace().filter_map(|word| word.split_once('=')).filter(|(key, _)| *key == name);
    let values = values.map(|(_, value)| value.parse().with_context(|| format!("{name}={value}")));
    let values: Vec<u64> = values.collect::<Result<_>>()?;
    values.into_iter().max().with_context(|| format!("the image did not print {name}"))
}

/// What an image takes of flash: code, constants and the initial content of RAM.
fn flash_bytes(log: &mut Log, image: &Path) -> Result<u64> {
    let output = log.run(Command::new("arm-none-eabi-size").arg(image))?;
    let line = output.lines().last().context("size printed nothing")?;
    let sections: Vec<u64> = line.split_whitespace().take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(sections.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_counts_and_a_missing_one_is_an_error() {
        let output = "calibration=1\nsign_instructions=5 sign_stack_bytes=7\nsign_instructions=9 sign_stack_bytes=6\n";
        assert_eq!(most(output, "sign_instructions").unwrap(), 9);
        assert_eq!(most(output, "sign_stack_bytes").unwrap(), 7);
        assert!(most(output, "new_instructions").is_err());
        assert!(most("a=b", "a").is_err());
    }
}
