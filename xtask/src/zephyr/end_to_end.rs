// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The samples on Zephyr against a relay and a chain, from the reading to the verified evidence.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};

use super::workspace::{NO_WORKSPACE, in_workspace, workspace};
use crate::{
    demo::{self, build_cairn, scenario::say, service::Service, world::World},
    e2e::FAST,
    process::Log,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// A reading of the Zephyr meter on qemu_cortex_m3, anchored and verified.
pub(crate) const END_TO_END: Stage = Stage {
    name: "e2e-zephyr",
    about: "the Zephyr meter in QEMU over its own IP stack, anchored and verified",
    needs: demo::NEEDS,
    body: end_to_end,
};

/// Where the sample's overlay puts the factory image.
const FACTORY_ADDRESS: &str = "0x3fc00";
/// The host, as QEMU's user network has it.
const HOST: &str = "10.0.2.2";
/// Two batches a minute apart, and a busy machine.
const NIGHT: Duration = Duration::from_secs(300);
const BATCHES: u64 = 2;

fn end_to_end(context: &Context, log: &mut Log) -> Result<Outcome> {
    let Some(base) = workspace() else {
        return Ok(Outcome::Skipped(NO_WORKSPACE.to_owned()));
    };
    let cairn = build_cairn(&context.project, log)?;
    let image = build_meter(context, log, &base)?;
    let folder = context.project.target().join("e2e-zephyr");
    let mut world = World::create(&context.project, &folder, &cairn, &FAST)?;
    world.is_reached_at(HOST);
    let born = world.provision("meter")?;
    world.start_relay()?;

    say("the Zephyr meter reads, and sends over its own IP stack");
    let mut meter = boot(&folder, &image, &born.factory)?;
    for batch in 0..BATCHES {
        meter.wait_for(&format!("batch {batch} stored"), NIGHT)?;
    }
    world.wait_final(BATCHES)?;
    drop(meter);
    for seq in [1, 2, 30] {
        let evidence = world.evidence(&born.device, seq, &format!("reading-{seq}.cbor"))?;
        let said = world.verify(&evidence, &[])?;
        ensure!(said.code == 0, "record {seq} does not verify: {}{}", said.out, said.err);
    }
    passed(format!("{BATCHES} batches over Zephyr's sockets"))
}

/// The sample with its clock for tests.
fn build_meter(context: &Context, log: &mut Log, base: &Path) -> Result<PathBuf> {
    let sample = context.project.path("samples/zephyr-meter");
    let build = context.project.directory("samples/zephyr-meter")?;
    let mut configure = Command::new("cmake");
    configure.args(["-G", "Ninja", "-S"]).arg(&sample).arg("-B").arg(&build);
    configure.args(["-DBOARD=qemu_cortex_m3", "-DEXTRA_CONF_FILE=fast.conf"]);
    configure.arg(format!("-DZEPHYR_EXTRA_MODULES={}", context.project.path("").display()));
    log.run(in_workspace(&mut configure, base))?;
    let mut ninja = Command::new("cmake");
    ninja.arg("--build").arg(&build);
    log.run(in_workspace(&mut ninja, base))?;
    Ok(build.join("zephyr/zephyr.elf"))
}

fn boot(folder: &Path, image: &Path, factory: &Path) -> Result<Service> {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.current_dir(folder).args(["-M", "lm3s6965evb", "-cpu", "cortex-m3", "-display", "none", "-monitor", "none"]);
    qemu.args(["-nic", "user,model=stellaris", "-serial", "stdio", "-kernel"]).arg(image);
    qemu.arg("-device").arg(format!("loader,file={},addr={FACTORY_ADDRESS},force-raw=on", factory.display()));
    Service::start("QEMU", &qemu, &folder.join("meter.console.log"))
}
