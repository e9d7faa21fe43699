// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask relay`: a chain, the contract, a relay and one provisioned device on this machine, for whoever tries a sample or a
//! first application. Decides nothing; everything is gone when it ends.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    demo::{
        build_cairn,
        world::{Born, Pace, World, text},
    },
    project::Project,
    setup::{self, Need},
    stage::{Stages, passed},
};

/// A block every two seconds: whoever tries something waits for it.
const PACE: Pace = Pace { block_seconds: 2, finality_depth: 4, posting_seconds: 5 };

/// What the verb takes.
#[derive(Args)]
pub(crate) struct Options {
    /// How the device reaches this machine: 10.0.2.2 from QEMU's user network, 127.0.0.1 from native_sim.
    #[arg(long, default_value = "10.0.2.2", value_name = "ADDRESS")]
    reached_at: IpAddr,
    /// Where the device's factory image is written; by default in the target directory.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs until it is stopped.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    let needs: &[Need] = &[Need::Npm];
    let installed = setup::install(&project, &mut stages, needs);
    let mut cairn = None;
    stages.run("host: the program cairn", |log| {
        installed.check(needs)?;
        cairn = Some(build_cairn(&project, log)?);
        passed("")
    });
    let Some(cairn) = cairn else { return Ok(stages.finish()) };
    let mut world = World::create(&project, &project.target().join("relay"), &cairn, &PACE)?;
    world.is_reached_at(&options.reached_at.to_string());
    let born = world.provision("device")?;
    let factory = match &options.output {
        Some(output) => {
            std::fs::copy(&born.factory, output)?;
            std::path::absolute(output)?
        }
        None => born.factory.clone(),
    };
    world.start_relay()?;
    explain(&world, &cairn, &born, &factory);
    watch(&mut world)
}

fn explain(world: &World, cairn: &Path, born: &Born, factory: &Path) {
    let (cairn, db, deployment) = (cairn.display(), text(&world.db()), text(&world.deployment()));
    println!(
        "
A chain, a relay and one device, until Ctrl-C ends them; the chain is forgotten then.

  device         {device}
  factory image  {factory}

When a batch is final, evidence of its record 1, and what a third party makes of it:

  {cairn} evidence get --db {db} --device {device} --seq 1 -o reading.cbor
  {cairn} verify reading.cbor --rpc {url} --deployment {deployment}
",
        device = born.device,
        factory = factory.display(),
        url = world.chain.url(),
    );
}

/// Says how far the device's batches have come, each time that it changes.
fn watch(world: &mut World) -> Result<ExitCode> {
    let mut said = String::new();
    loop {
        world.check_relay()?;
        let report = world.report()?;
        let count = |what: &str| report[what].as_u64().with_context(|| format!("the relay reports no {what}"));
        // The report counts an anchor once: as on chain until it is final.
        let (stored, last) = (count("anchors")?, count("final")?);
        let now = format!("batches: {stored} stored, {} on chain, {last} final", count("included")? + last);
        if now != said {
            println!("{now}");
            said = now;
        }
        sleep(Duration::from_secs(1));
    }
}
