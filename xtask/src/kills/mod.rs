// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pulling the plug for real: a device in QEMU, its flash in a file, killed at random moments while it takes readings, seals,
//! signs, sends and turns its journal's ring, against a real relay and a real chain. Then everything it said it had accepted
//! must be on chain, once.
//!
//! Here: the stage. `lives.rs`: the device over its lives, and the table. `autopsy.rs`: what each left in its flash. `judge.rs`:
//! what must hold in the end. `ledger.rs`: what is on chain.

mod autopsy;
mod judge;
mod ledger;
mod lives;

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, anyhow, ensure};

use crate::{
    demo::{
        self, build_cairn,
        scenario::{self, say},
        world::{Born, Weather, World},
    },
    e2e,
    process::Log,
    samples::{self, Meter},
    stage::{Outcome, passed},
    suite::{Context, Stage},
};
use judge::Tally;
use lives::{Biography, Lamp, Victim};

/// The plug is pulled again and again.
pub(crate) const STAGE: Stage = Stage {
    name: "e2e-kills",
    about: "a meter in QEMU is killed at random moments; what it accepted is on chain, once",
    needs: demo::NEEDS,
    body: kills,
};

const KILLS: u32 = 20;
const KILLS_LONG: u32 = 200;
/// The ring must turn this often in the long run.
const TURNS_LONG: u64 = 3;

fn kills(context: &Context, log: &mut Log) -> Result<Outcome> {
    let cairn = build_cairn(&context.project, log)?;
    let image = samples::build_meter(&context.project, context.toolchain()?, log, Meter::Kills)?;
    let folder = context.project.target().join("e2e-kills");
    let seed = context.seed.unwrap_or_else(drawn_seed);
    let number = if context.long { KILLS_LONG } else { KILLS };
    say(&format!("{number} kills, --seed {seed}; logs: {}", folder.display()));
    let mut world = World::create(&context.project, &folder, &cairn, &e2e::FAST)?;
    let born = world.provision("meter")?;
    world.start_relay()?;
    let modem = world.modem("meter", &Weather::FAIR)?;
    let mut meter = Victim::new(&world, image, &born, &modem, seed);
    meter.die(number)?;
    let meter = meter.settle()?;
    world.wait_final(meter.batches)?;
    let tally = verdict(&world, &born, &meter)?;
    held_up(&meter, &world)?;
    ensure!(!context.long || meter.turns >= TURNS_LONG, "the ring turned {} times only", meter.turns);
    passed(summary(&meter, tally))
}

/// A run in which no kill fell into a flash operation would prove little. And in fair weather the secure channel outlives every
/// reboot: no exchange fails, and the relay challenges the device once, when it first meets it.
fn held_up(meter: &Biography, world: &World) -> Result<()> {
    for lamp in [Lamp::Program, Lamp::Erase] {
        ensure!(meter.caught(lamp) > 0, "no kill fell into a flash operation of this kind: {lamp}");
    }
    ensure!(meter.failed_exchanges == 0, "{} exchanges failed in fair weather", meter.failed_exchanges);
    let relay = fs::read_to_string(world.file("relay.log"))?;
    let challenged = relay.lines().filter(|line| line.contains("new ID Context")).count();
    ensure!(challenged == 1, "the relay took up {challenged} contexts of one device with one journal");
    Ok(())
}

/// Milliseconds since 1970.
fn drawn_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or_default()
}

fn summary(meter: &Biography, tally: Tally) -> String {
    let Tally { accepted, unheard, batches } = tally;
    let line = format!(
        "{} kills, {} inside a program, {} inside an erase; {} left torn entries, {} a sector half opened: {accepted} readings \
         accepted, all on chain, each once; {unheard} more on chain, each once; {batches} batches without a hole; the ring \
         turned {} times",
        meter.deaths.len(),
        meter.caught(Lamp::Program),
        meter.caught(Lamp::Erase),
        meter.torn,
        meter.cut_openings,
        meter.turns
    );
    say(&line);
    line
}

fn verdict(world: &World, born: &Born, meter: &Biography) -> Result<Tally> {
    say(&format!("{} records: evidence of each, verified one by one", meter.records));
    let (leaves, batches) = ledger::verified(world, born, meter.records)?;
    scenario::no_equivocation(world)?;
    ensure!(world.report()?["anchors"] == batches.len(), "{} batches, the relay: {}", batches.len(), world.report()?);
    judge::judge(&meter.accepted, &leaves, &batches).map_err(|faults| {
        let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow!("{}", all.join("\n"))
    })
}
