// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The meter on native_sim, over this machine's sockets and with its flash in a file: anchored and verified, also what a killed
//! process had journaled and not yet sealed.

use std::{
    fs::OpenOptions,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    sample::{self, Build},
    workspace::{NO_WORKSPACE, workspace},
};
use crate::{
    demo::{
        self, build_cairn,
        scenario::{no_equivocation, say},
        service::Service,
        world::World,
    },
    e2e::FAST,
    process::Log,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// A reading of the Zephyr meter on native_sim, anchored and verified, and nothing lost when the process is killed.
pub(crate) const END_TO_END_NATIVE: Stage = Stage {
    name: "e2e-zephyr-native",
    about: "the Zephyr meter as a process over this machine's sockets, killed and started again, verified",
    needs: demo::NEEDS,
    body: end_to_end,
};

/// Where the sample's overlay has the factory image in the simulated flash.
const FACTORY_OFFSET: u64 = 0x0010_0000;
/// A batch a minute, and a busy machine.
const NIGHT: Duration = Duration::from_secs(300);
/// Readings that wait unsealed when the process is killed.
const UNSEALED: u64 = 10;

fn end_to_end(context: &Context, log: &mut Log) -> Result<Outcome> {
    let Some(base) = workspace() else {
        return Ok(Outcome::Skipped(NO_WORKSPACE.to_owned()));
    };
    let cairn = build_cairn(&context.project, log)?;
    let build = Build {
        board: "native_sim/native/64",
        directory: "samples/zephyr-meter-native",
        configuration: "fast.conf",
        toolchain: "host",
    };
    let program = build.run(context, log, &base)?.join("zephyr.exe");
    let folder = context.project.target().join("e2e-zephyr-native");
    let mut world = World::create(&context.project, &folder, &cairn, &FAST)?;
    world.is_reached_at("127.0.0.1");
    let born = world.provision("meter")?;
    write_factory(&folder.join("meter.flash"), &born.factory)?;
    world.start_relay()?;

    say("the Zephyr meter reads, and sends over this machine's sockets");
    let mut meter = start(&folder, &program, "meter.first.log")?;
    meter.wait_for("batch 0 stored", NIGHT)?;
    let sealed = sample::readings(&folder.join("meter.first.log"))?.last().context("no reading")?.seq;
    meter.wait_for(&format!("reading {}:", sealed + UNSEALED), NIGHT)?;
    meter.kill()?;
    let before = sample::readings(&folder.join("meter.first.log"))?;
    let last = before.last().context("no reading")?.seq;
    say(&format!("killed after reading {last}, at most {sealed} of them sealed; the same flash goes on"));

    let mut meter = start(&folder, &program, "meter.second.log")?;
    meter.wait_for("batch 1 stored", NIGHT)?;
    world.wait_final(2)?;
    meter.kill()?;
    let after = sample::readings(&folder.join("meter.second.log"))?;
    let next = after.first().context("no reading after the restart")?.seq;
    // One reading may have been journaled whose line was not printed.
    ensure!(next == last + 1 || next == last + 2, "reading {last} before the restart, {next} after it");
    no_equivocation(&world)?;
    // One number is that of the clock's step, which the relay's first answer made.
    sample::verify(&world, &before, &born, usize::try_from(sealed + UNSEALED - 1)?)?;
    sample::verify(&world, &after[..1], &born, 1)?;
    passed(format!("{} readings before the kill, each verified; {next} is the first after it", before.len()))
}

/// Writes the factory image where the firmware looks for it. The rest of the file is the journal's to format.
pub(super) fn write_factory(flash: &Path, factory: &Path) -> Result<()> {
    let image = std::fs::read(factory).with_context(|| factory.display().to_string())?;
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(flash)?;
    file.seek(SeekFrom::Start(FACTORY_OFFSET))?;
    Ok(file.write_all(&image)?)
}

fn start(folder: &Path, program: &Path, console: &str) -> Result<Service> {
    let mut meter = Command::new(program);
    meter.current_dir(folder).args(["-flash=meter.flash", "-seed-random", "-rt"]);
    Service::start("the meter", &meter, &folder.join(console))
}
