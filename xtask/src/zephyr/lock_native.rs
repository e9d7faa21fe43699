// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The lock in Rust on native_sim, over this machine's sockets and with its flash in a file: anchored and verified, and after a kill
//! it goes on in the same stream.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Result, ensure};

use super::{
    lock::{EVENTS, build_lock, rust_workspace, stored, verifies},
    native::write_factory,
};
use crate::{
    demo::{
        self, build_cairn,
        scenario::{no_equivocation, say},
        service::Service,
        world::World,
    },
    e2e::FAST,
    process::{Log, ask},
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// An event of the Zephyr lock on native_sim, anchored and verified, and nothing lost when the process is killed.
pub(crate) const END_TO_END_LOCK_NATIVE: Stage = Stage {
    name: "e2e-zephyr-lock-native",
    about: "the Zephyr lock, in Rust, as a process over this machine's sockets, killed and started again, verified",
    needs: demo::NEEDS,
    body: end_to_end,
};

/// What zephyr-lang-rust builds for native_sim on a PC.
const TARGET: &str = "x86_64-unknown-none";
const SOON: Duration = Duration::from_secs(60);

fn end_to_end(context: &Context, log: &mut Log) -> Result<Outcome> {
    let base = match rust_workspace() {
        Ok(base) => base,
        Err(skipped) => return Ok(skipped),
    };
    let library = ask("rustc", &["--print", "target-libdir", "--target", TARGET]);
    if !library.is_some_and(|path| Path::new(&path).is_dir()) {
        return Ok(Outcome::Skipped(format!("no Rust for native_sim: rustup target add {TARGET}")));
    }
    let cairn = build_cairn(&context.project, log)?;
    let options = ["-DBOARD=native_sim/native/64"];
    let program = build_lock(context, log, &base, "samples/zephyr-lock-native", "host", &options)?.join("zephyr.exe");
    let folder = context.project.target().join("e2e-zephyr-lock-native");
    let mut world = World::create(&context.project, &folder, &cairn, &FAST)?;
    world.is_reached_at("127.0.0.1");
    let born = world.provision("lock")?;
    write_factory(&folder.join("lock.flash"), &born.factory)?;
    world.start_relay()?;

    say("a door is locked, and its lock sends over this machine's sockets");
    let mut lock = start(&folder, &program, "lock.first.log")?;
    let stream = lock.wait_for("lock: ready, stream ", SOON)?;
    let before = stored(&mut lock, 0, EVENTS[0])?;
    lock.kill()?;

    say("killed; the same flash goes on, and the door is locked again");
    let mut lock = start(&folder, &program, "lock.second.log")?;
    let resumed = lock.wait_for("lock: ready, stream ", SOON)?;
    ensure!(resumed == stream, "'{stream}' before the kill, '{resumed}' after it");
    let after = stored(&mut lock, 1, EVENTS[0])?;
    ensure!(after > before, "record {before} before the kill, {after} after it");
    world.wait_final(2)?;
    lock.kill()?;
    no_equivocation(&world)?;
    [before, after].into_iter().try_for_each(|seq| verifies(&world, &born, seq, EVENTS[0]))?;
    passed(format!("record {before} before the kill and {after} after it, each verified"))
}

fn start(folder: &Path, program: &Path, console: &str) -> Result<Service> {
    let mut lock = Command::new(program);
    lock.current_dir(folder).args(["-flash=lock.flash", "-seed-random", "-rt"]);
    Service::start("the lock", &lock, &folder.join(console))
}
