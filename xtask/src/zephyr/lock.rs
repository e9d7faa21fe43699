// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Applications in Rust on Zephyr: the lock from its door to the verified evidence, and that Kconfig has an application in Rust or
//! the library for C, never both.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    end_to_end::stack_taken,
    workspace::{NO_WORKSPACE, in_workspace, workspace},
};
use crate::{
    demo::{
        self, build_cairn,
        scenario::say,
        service::Service,
        world::{Born, World},
    },
    e2e::FAST,
    process::Log,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// An event of the Zephyr lock on qemu_cortex_m3, anchored and verified.
pub(crate) const END_TO_END: Stage = Stage {
    name: "e2e-zephyr-lock",
    about: "the Zephyr lock, in Rust, in QEMU over its own IP stack, anchored and verified",
    needs: demo::NEEDS,
    body: end_to_end,
};

/// The two ways to have Cairn.
pub(crate) const EXCLUSION: Stage = Stage {
    name: "zephyr-rust",
    about: "Kconfig refuses CONFIG_CAIRN together with CONFIG_RUST",
    needs: &[],
    body: exclusion,
};

const NO_RUST: &str = "no zephyr-lang-rust in the Zephyr workspace: modules/lang/rust is missing";

/// Where the sample's overlay puts the factory image.
const FACTORY_ADDRESS: &str = "0x3fc00";
/// The host, as QEMU's user network has it.
const HOST: &str = "10.0.2.2";
/// Between two events, on a busy machine.
const NIGHT: Duration = Duration::from_secs(300);
/// What happens to the door first, each in a batch of its own.
pub(super) const EVENTS: [&str; 2] = ["locked by key 17", "knob turned, still locked"];
const QEMU: &str = "-DBOARD=qemu_cortex_m3";
const STACK: &str = "-DEXTRA_CONF_FILE=stack.conf";
const TOOLCHAIN: &str = "ZEPHYR_TOOLCHAIN_VARIANT";
const CONSOLE: &str = "lock.console.log";
/// Of Zephyr's Kconfig.
const GIVES_WAY: &str = "was assigned the value 'y' but got the value 'n'. Check these unsatisfied dependencies:";

/// Zephyr with its module for Rust, or why a stage is skipped.
pub(super) fn rust_workspace() -> Result<PathBuf, Outcome> {
    let base = workspace().ok_or_else(|| Outcome::Skipped(NO_WORKSPACE.to_owned()))?;
    let module = base.parent().map(|top| top.join("modules/lang/rust/CMakeLists.txt"));
    if module.is_some_and(|cmake| cmake.is_file()) { Ok(base) } else { Err(Outcome::Skipped(NO_RUST.to_owned())) }
}

fn end_to_end(context: &Context, log: &mut Log) -> Result<Outcome> {
    let base = match rust_workspace() {
        Ok(base) => base,
        Err(skipped) => return Ok(skipped),
    };
    let cairn = build_cairn(&context.project, log)?;
    let image = build_lock(context, log, &base, "samples/zephyr-lock", "gnuarmemb", &[QEMU, STACK])?.join("zephyr.elf");
    let folder = context.project.target().join("e2e-zephyr-lock");
    let mut world = World::create(&context.project, &folder, &cairn, &FAST)?;
    world.is_reached_at(HOST);
    let born = world.provision("lock")?;
    world.start_relay()?;

    say("a door is locked, and its lock sends over Zephyr's sockets");
    let mut lock = boot(&folder, &image, &born.factory)?;
    let mut events = Vec::new();
    for (batch, what) in (0..).zip(EVENTS) {
        events.push((stored(&mut lock, batch, what)?, what));
    }
    world.wait_final(EVENTS.len() as u64)?;
    let stack = stack_taken(lock, &folder.join(CONSOLE), NIGHT)?;
    events.iter().try_for_each(|&(seq, what)| verifies(&world, &born, seq, what))?;
    passed(format!("{} batches of a lock in Rust over Zephyr's sockets, {stack} bytes of stack", events.len()))
}

/// Waits until this happened to the door and its batch is the relay's; gives its record's number.
pub(super) fn stored(lock: &mut Service, batch: u64, what: &str) -> Result<u64> {
    // The agent's own records, such as that of the relay's clock, have numbers between those of events.
    let said = lock.wait_for(&format!("door: {what}: record "), NIGHT)?;
    let seq = said.rsplit(' ').next().and_then(|number| number.trim().parse().ok());
    lock.wait_for(&format!("cairn: batch {batch} stored"), NIGHT)?;
    seq.with_context(|| format!("no record number in '{said}'"))
}

/// That a record is on the ledger, and says that this happened.
pub(super) fn verifies(world: &World, born: &Born, seq: u64, what: &str) -> Result<()> {
    let evidence = world.evidence(&born.device, seq, &format!("event-{seq}.cbor"))?;
    let said = world.verify(&evidence, &[])?;
    ensure!(said.code == 0, "record {seq} does not verify: {}{}", said.out, said.err);
    let shown = world.as_json(&evidence)?;
    let payload = shown["record"]["payload"].as_str().unwrap_or_default().trim_start_matches("0x");
    ensure!(payload == hex(what), "record {seq} is not '{what}': {shown}");
    Ok(())
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The sample, from what its lock file says, in a build directory of this name; gives its `zephyr`.
pub(super) fn build_lock(
    context: &Context,
    log: &mut Log,
    base: &Path,
    directory: &str,
    toolchain: &str,
    options: &[&str],
) -> Result<PathBuf> {
    let sample = context.project.path("samples/zephyr-lock");
    let build = context.project.directory(directory)?;
    log.run(configure(context, base, &sample, &build, options).env(TOOLCHAIN, toolchain))?;
    // zephyr-lang-rust has no way to say --locked.
    let lock_file = sample.join("Cargo.lock");
    let committed = fs::read_to_string(&lock_file).context("samples/zephyr-lock/Cargo.lock")?;
    let mut ninja = Command::new("cmake");
    ninja.arg("--build").arg(&build);
    log.run(in_workspace(&mut ninja, base).env(TOOLCHAIN, toolchain))?;
    ensure!(
        fs::read_to_string(&lock_file)? == committed,
        "samples/zephyr-lock/Cargo.lock was stale: commit what it is now"
    );
    Ok(build.join("zephyr"))
}

fn configure(context: &Context, base: &Path, sample: &Path, build: &Path, options: &[&str]) -> Command {
    let mut cmake = Command::new("cmake");
    cmake.args(["-G", "Ninja", "-S"]).arg(sample).arg("-B").arg(build).args(options);
    cmake.arg(format!("-DZEPHYR_EXTRA_MODULES={}", context.project.path("").display()));
    in_workspace(&mut cmake, base);
    cmake
}

fn boot(folder: &Path, image: &Path, factory: &Path) -> Result<Service> {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.current_dir(folder).args(["-M", "lm3s6965evb", "-cpu", "cortex-m3", "-display", "none", "-monitor", "none"]);
    qemu.args(["-nic", "user,model=stellaris", "-serial", "stdio", "-kernel"]).arg(image);
    qemu.arg("-device").arg(format!("loader,file={},addr={FACTORY_ADDRESS},force-raw=on", factory.display()));
    Service::start("QEMU", &qemu, &folder.join(CONSOLE))
}

/// Each sample asked for what the other is too: CAIRN gives way, and Zephyr says so.
fn exclusion(context: &Context, log: &mut Log) -> Result<Outcome> {
    let base = match rust_workspace() {
        Ok(base) => base,
        Err(skipped) => return Ok(skipped),
    };
    for (sample, option) in [("zephyr-minimal", "-DCONFIG_RUST=y"), ("zephyr-lock", "-DCONFIG_CAIRN=y")] {
        let build = context.project.directory("zephyr-rust")?.join(sample);
        // Zephyr says it once, when it reads Kconfig.
        if build.exists() {
            fs::remove_dir_all(&build)?;
        }
        let folder = context.project.path("samples").join(sample);
        let said = log.run(&mut configure(context, &base, &folder, &build, &[QEMU, option]))?;
        // Zephyr wraps its lines.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let why = said.split("warning: ").find(|warning| warning.starts_with("CAIRN (") && warning.contains(GIVES_WAY));
        ensure!(why.is_some_and(|why| why.contains("!RUST")), "{sample} with {option} is not told why not: {said}");
        let config = fs::read_to_string(build.join("zephyr/.config")).context("a .config")?;
        let is_set = |name| config.lines().any(|line| line == format!("{name}=y"));
        ensure!(
            is_set("CONFIG_RUST") && !is_set("CONFIG_CAIRN"),
            "{sample} with {option} has both, or not CONFIG_RUST"
        );
    }
    passed("neither a C application with CONFIG_RUST nor one in Rust with CONFIG_CAIRN")
}
