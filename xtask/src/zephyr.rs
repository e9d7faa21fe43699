// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs twister over twister-tests/ when there is a Zephyr workspace on this machine; it is too large to install for a
//! test.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, bail, ensure};

use crate::{
    demo::{self, build_cairn, scenario::say, service::Service, world::World},
    e2e::FAST,
    process::Log,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// twister, or why not.
pub(crate) const STAGE: Stage =
    Stage { name: "zephyr", about: "twister, when there is a Zephyr workspace", needs: &[], body: twister };

const NO_WORKSPACE: &str = "no Zephyr workspace: neither ZEPHYR_BASE nor ~/zephyrproject/zephyr is one";

fn workspace() -> Option<PathBuf> {
    let named = env::var_os("ZEPHYR_BASE").map(PathBuf::from);
    let usual = env::var_os("HOME").map(|home| PathBuf::from(home).join("zephyrproject/zephyr"));
    named.into_iter().chain(usual).find(|base| base.join("scripts/twister").is_file())
}

fn twister(context: &Context, log: &mut Log) -> Result<Outcome> {
    let tests = context.project.path("twister-tests");
    if std::fs::read_dir(&tests).map_or(true, |mut entries| entries.next().is_none()) {
        return Ok(Outcome::Skipped("this version has no twister tests".to_owned()));
    }
    let Some(base) = workspace() else {
        return Ok(Outcome::Skipped(NO_WORKSPACE.to_owned()));
    };
    let mut twister = Command::new(base.join("scripts/twister"));
    twister.arg("--testsuite-root").arg(&tests).arg("--outdir").arg(context.project.directory("twister")?);
    // With Debian's compiler twister would otherwise drop the board without a word.
    twister.args(["--force-toolchain", "--integration"]).env("ZEPHYR_TOOLCHAIN_VARIANT", "gnuarmemb");
    twister.env("GNUARMEMB_TOOLCHAIN_PATH", "/usr").env("ZEPHYR_BASE", &base);
    twister.env("ZEPHYR_EXTRA_MODULES", context.project.path(""));
    let said = log.run(&mut twister)?;
    if said.contains("0 of 0 ") {
        bail!("twister ran no test");
    }
    passed(said.lines().find(|line| line.contains(" passed")).unwrap_or_default())
}

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

/// With the workspace's Python, Debian's compiler, and cargo's directories of its own.
fn in_workspace<'a>(command: &'a mut Command, base: &Path) -> &'a mut Command {
    // Where Zephyr's getting-started guide has west and what it needs installed.
    let venv = base.parent().map(|top| top.join(".venv/bin")).filter(|bin| bin.is_dir());
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(venv.into_iter().chain(env::split_paths(&path))).unwrap_or(path);
    command.env("PATH", path);
    command.env("ZEPHYR_BASE", base).env("ZEPHYR_TOOLCHAIN_VARIANT", "gnuarmemb");
    command.env("GNUARMEMB_TOOLCHAIN_PATH", "/usr").env_remove("CARGO_TARGET_DIR")
}

fn boot(folder: &Path, image: &Path, factory: &Path) -> Result<Service> {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.current_dir(folder).args(["-M", "lm3s6965evb", "-cpu", "cortex-m3", "-display", "none", "-monitor", "none"]);
    qemu.args(["-nic", "user,model=stellaris", "-serial", "stdio", "-kernel"]).arg(image);
    qemu.arg("-device").arg(format!("loader,file={},addr={FACTORY_ADDRESS},force-raw=on", factory.display()));
    Service::start("QEMU", &qemu, &folder.join("meter.console.log"))
}
