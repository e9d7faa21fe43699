// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask demo`: the main path, from a meter's reading to a verdict. Its parts are used by the end-to-end tests
//! too.
//!
//! - `scenario.rs`: the steps, and what must hold after each;
//! - `world.rs`: chain, relay, modems and the program `cairn`; `chain.rs`, `rpc.rs`, `service.rs` below it;
//! - `device.rs`: an image in QEMU and its console;
//! - `verdicts.rs`: what a third party makes of true and false evidence; `table.rs`: the closing table; `energy.rs`: its part
//!   about energy.

use std::{path::PathBuf, process::Command, process::ExitCode};

use anyhow::{Result, bail};

use crate::{
    embedded::Toolchain,
    process::Log,
    project::Project,
    samples::{self, Meter},
    setup::{self, Need},
    stage::{Stages, passed},
};

pub(crate) mod chain;
pub(crate) mod device;
pub(crate) mod energy;
pub(crate) mod rpc;
pub(crate) mod scenario;
pub(crate) mod service;
pub(crate) mod table;
pub(crate) mod verdicts;
pub(crate) mod world;

use scenario::Images;
use world::{Pace, World};

/// What a run in QEMU needs.
pub(crate) const NEEDS: &[Need] = &[Need::Embedded, Need::Qemu, Need::Npm, Need::Python];

/// Ethereum's slots; two blocks are deep enough on a chain of one node.
const DEMO_PACE: Pace = Pace { block_seconds: 12, finality_depth: 2, posting_seconds: 5 };

/// `cargo xtask demo`.
pub(crate) fn run() -> Result<ExitCode> {
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    let installed = setup::install(&project, &mut stages, NEEDS);
    let mut cairn = None;
    stages.run("host: the program cairn", |log| {
        installed.check(NEEDS)?;
        cairn = Some(build_cairn(&project, log)?);
        passed("relay, verify, provision, modem")
    });
    let mut images = None;
    stages.run("images: samples/freertos-meter and its control build", |log| {
        installed.check(NEEDS)?;
        images = Some(build_images(&project, installed.toolchain()?, log)?);
        passed("")
    });
    if let (Some(cairn), Some(images)) = (cairn, images) {
        let mut measured = None;
        let forecasts = energy::Forecasts::begin(&cairn)?;
        stages.run("demo: a day of readings, anchored and verified", |_| {
            let folder = project.target().join("demo");
            println!("      logs: {}", folder.display());
            let mut world = World::create(&project, &folder, &cairn, &DEMO_PACE)?;
            scenario::say("anvil runs with blocks each 12 s; contract deployed, the relay's account allowed");
            measured = Some(scenario::play(&mut world, &images)?);
            passed("")
        });
        if let Some(measured) = measured {
            table::print(&measured)?;
            table::print_energy(&measured, &energy::of_the_day(&cairn, &measured)?, &forecasts.end()?)?;
        }
    }
    Ok(stages.finish())
}

/// Builds the host program and gives its path. The whole workspace is named, as by the stage `tests`: cargo then takes the crates
/// that are compiled already, where `-p cairn-host` alone would have features of its own in some that alloy stands on.
pub(crate) fn build_cairn(project: &Project, log: &mut Log) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--workspace", "--bin", "cairn"]).current_dir(project.path(""));
    log.run(&mut cargo)?;
    let cairn = project.target().join("debug/cairn");
    if !cairn.is_file() {
        bail!("{} was not built", cairn.display());
    }
    Ok(cairn)
}

/// Builds both images.
pub(crate) fn build_images(project: &Project, toolchain: Toolchain, log: &mut Log) -> Result<Images> {
    let meter = samples::build_meter(project, toolchain, log, Meter::Normal)?;
    let control = samples::build_meter(project, toolchain, log, Meter::Control)?;
    Ok(Images { meter, control })
}
