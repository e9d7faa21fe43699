// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask bench`: gas on a local node, bytes on the wire and instructions of a signature in QEMU, ten simulated years. Everything
//! printed was measured in this run; `--record` writes it to docs/bench.md with the commands.

use std::{fmt::Write as _, fs, process::Command, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::{
    decade,
    demo::{
        self, build_cairn, build_images,
        scenario::{self},
        table::{self, Measured},
        world::{Pace, World},
    },
    process::{Log, ask},
    project::Project,
    setup::{self, npm},
    signing,
    stage::{Stages, passed},
    sweep,
};

/// What to do with the numbers.
#[derive(Args)]
pub(crate) struct Options {
    /// Write docs/bench.md.
    #[arg(long)]
    record: bool,
    /// Only the software signers: instructions, stack, flash and constant time on Cortex-M.
    #[arg(long, conflicts_with = "record")]
    sign: bool,
    /// Only ten years of a daily uploader on the simulator.
    #[arg(long, conflicts_with_all = ["record", "sign", "sweep"])]
    decade: bool,
    /// Only the journal's power-cut sweep, with every second cut: hours.
    #[arg(long, conflicts_with_all = ["record", "sign"])]
    sweep: bool,
    /// With --sweep: only the flashes with these numbers, comma-separated; one at a time is a way to do it in pieces.
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', requires = "sweep")]
    geometry: Vec<u32>,
    /// With --sweep: calls after a cut in which power is cut again. With 1, which does again what was cut, each of its operations is
    /// cut in one way that is drawn; with more, in all three.
    #[arg(long, value_name = "1..4", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4), requires = "sweep")]
    calls: u32,
}

const RECORD: &str = "docs/bench.md";
/// What the contract may take: most gas for a root, and for each anchor of 100.
const GAS_LIMITS: &[(&str, u64, u64)] = &[("postRoot", 1, 27_500), ("anchorMany", 100, 9_000)];
const FAST: Pace = Pace { block_seconds: 1, finality_depth: 4, posting_seconds: 2 };

/// `cargo xtask bench`.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.sign {
        return signing::bench();
    }
    if options.decade {
        return decade::bench();
    }
    if options.sweep {
        return sweep::bench(&options.geometry, options.calls);
    }
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    let installed = setup::install(&project, &mut stages, demo::NEEDS);
    let mut gas = None;
    stages.run("gas: the contract on a local node, default hard fork", |log| {
        installed.check(demo::NEEDS)?;
        let report = measure_gas(&project, log)?;
        gas = Some(gas_table(&report)?);
        passed("")
    });
    let mut measured = None;
    stages.run("device: a day in QEMU", |log| {
        installed.check(demo::NEEDS)?;
        let cairn = build_cairn(&project, log)?;
        let images = build_images(&project, installed.toolchain()?, log)?;
        let mut world = World::create(&project, &project.target().join("bench"), &cairn, &FAST)?;
        measured = Some(scenario::play(&mut world, &images)?);
        passed("")
    });
    let mut lived = None;
    stages.run(decade::STAGE, |log| {
        lived = Some(decade::measure(&project, log)?);
        passed("")
    });
    if let Some(gas) = &gas {
        println!("\n{gas}");
    }
    if let Some(measured) = &measured {
        println!("{}", device_table(measured)?);
        table::print(measured)?;
    }
    if options.record
        && let (Some(gas), Some(measured), Some(lived)) = (gas, measured, lived)
    {
        stages.run("record: docs/bench.md", |_| {
            fs::write(project.path(RECORD), record(&project, &gas, &measured, &lived)?).context(RECORD)?;
            passed("")
        });
    }
    Ok(stages.finish())
}

/// The contract's own test measures; its report has `rows` of `{case, n, gas, gas_each}`.
fn measure_gas(project: &Project, log: &mut Log) -> Result<Value> {
    let file = project.directory("xtask")?.join("gas.json");
    // An old report must not be taken for this run's.
    if file.exists() {
        fs::remove_file(&file)?;
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--locked", "-p", "cairn-host", "--test", "gas"]).current_dir(project.path(""));
    log.run(cargo.env("CAIRN_ANVIL", npm::anvil(project)).env("CAIRN_GAS_REPORT", &file))?;
    Ok(serde_json::from_str(&fs::read_to_string(&file).context("the gas test wrote no report")?)?)
}

fn gas_table(report: &Value) -> Result<String> {
    let rows = report["rows"].as_array().context("the gas report has no rows")?;
    let mut out = String::from("| call | n | gas | gas for each |\n| --- | ---: | ---: | ---: |\n");
    for row in rows {
        let case = row["case"].as_str().context("a figure without case")?;
        let (n, gas) = (row["n"].as_u64().context("n")?, row["gas"].as_u64().context("gas")?);
        let each = gas / n.max(1);
        writeln!(out, "| {case} | {n} | {gas} | {each} |")?;
        for (name, count, limit) in GAS_LIMITS {
            ensure!((*name, *count) != (case, n) || each <= *limit, "{case} of {n}: {each} gas each, limit {limit}");
        }
    }
    for (name, count, _) in GAS_LIMITS {
        let there = rows.iter().any(|row| row["case"] == *name && row["n"] == *count);
        ensure!(there, "the gas report has no figure for {name} of {count}");
    }
    Ok(out)
}

fn device_table(measured: &Measured) -> Result<String> {
    let Measured { status, beat, stats, traffic, readings, hash_only } = measured;
    let exchanges = status.number("exchanges")?;
    let mut out = String::from("| what | measured |\n| --- | ---: |\n");
    let instructions = beat.number("last_signature_instructions")?;
    for (what, value) in [
        ("readings of the day", readings.to_string()),
        ("batches and exchanges", exchanges.to_string()),
        ("UDP payload up, with data, bytes for each batch", (traffic.up_bytes / exchanges.max(1)).to_string()),
        ("UDP payload down, bytes for each batch", (traffic.down_bytes / exchanges.max(1)).to_string()),
        ("UDP payload up, with data, bytes for each reading", format!("{:.1}", ratio(traffic.up_bytes, *readings))),
        ("hash-only exchange, UDP payload up, bytes", hash_only.0.to_string()),
        ("hash-only exchange, UDP payload down, bytes", hash_only.1.to_string()),
        ("instructions from `signing` to `signed` (two signatures, compared)", instructions.to_string()),
        ("beats of 20 ms inside each signature, fewest", beat.text("fewest_inside")?.to_owned()),
        ("a beat late by at most, ns", beat.text("worst_late_ns")?.to_owned()),
        ("agent's stack, high-water, bytes", stats.text("cairn_stack_used")?.to_owned()),
        ("image in flash, bytes", stats.text("image_bytes")?.to_owned()),
        ("static RAM of the image, bytes", stats.text("static_ram_bytes")?.to_owned()),
        ("Cairn's storage of that, bytes", stats.text("cairn_storage_bytes")?.to_owned()),
    ] {
        writeln!(out, "| {what} | {value} |")?;
    }
    Ok(out)
}

/// Both are small enough for a double to hold them exactly.
#[allow(clippy::cast_precision_loss)]
fn ratio(total: u64, number: u64) -> f64 {
    total as f64 / number.max(1) as f64
}

fn record(project: &Project, gas: &str, measured: &Measured, lived: &decade::Decade) -> Result<String> {
    let commit = ask("git", &["-C", &project.path("").to_string_lossy(), "rev-parse", "--short", "HEAD"]);
    let device = device_table(measured)?;
    Ok(format!(
        "# Measured\n\nWritten by `cargo xtask bench --record` at commit {}.\n\n\
         ## Gas\n`cargo test -p cairn-host --test gas`, on anvil under its default hard fork.\n\n{gas}\n\
         ## Device\nsamples/freertos-meter in QEMU mps2-an385 (Cortex-M3) under `-icount shift=6`: one instruction is \
         64 ns of virtual time, read from the CMSDK timer. UDP payload as `cairn modem` counts it.\n\n{device}{}",
        commit.as_deref().unwrap_or("unknown"),
        lived.section()
    ))
}
