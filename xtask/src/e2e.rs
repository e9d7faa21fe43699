// SPDX-License-Identifier: Apache-2.0 OR MIT
//! End to end in QEMU, two cells. The clean one plays the demonstration on fast blocks. The rough one loses and delays
//! datagrams, kills relay and node, and reorganises the chain; every reading must still end in exactly one anchored
//! batch. Wider matrices run on virtual time on the host (component/tests, host/tests).

use std::{collections::BTreeSet, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};

use crate::{
    demo::{
        self, build_cairn, build_images,
        device::Device,
        scenario::{self, Images, say},
        service::wait_until,
        world::{Modem, Pace, Weather, World},
    },
    process::Log,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// The demonstration's steps.
pub(crate) const CLEAN: Stage =
    Stage { name: "e2e-clean", about: "a day in QEMU, anchored and verified", needs: demo::NEEDS, body: clean };

/// Loss, delay, kills, a reorganisation.
pub(crate) const ROUGH: Stage = Stage {
    name: "e2e-rough",
    about: "a day in QEMU with loss, delay, kills and a reorganisation",
    needs: demo::NEEDS,
    body: rough,
};

pub(crate) const FAST: Pace = Pace { block_seconds: 1, finality_depth: 4, posting_seconds: 2 };

/// One datagram in five is lost each way; a round trip takes 2 to 10 s.
const ROUGH_WEATHER: Weather = Weather { seed: 20_260_114, loss: "0.2", delay_ms: "1000..5000" };

/// For all exchanges of one step. CoAP gives one up after 105 s at most.
const EXCHANGES: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_secs(60);
const RUN: Duration = Duration::from_secs(600);

fn prepare(context: &Context, log: &mut Log) -> Result<(std::path::PathBuf, Images)> {
    let cairn = build_cairn(&context.project, log)?;
    let images = build_images(&context.project, context.toolchain()?, log)?;
    Ok((cairn, images))
}

fn clean(context: &Context, log: &mut Log) -> Result<Outcome> {
    let (cairn, images) = prepare(context, log)?;
    let folder = context.project.target().join("e2e-clean");
    let mut world = World::create(&context.project, &folder, &cairn, &FAST)?;
    let measured = scenario::play(&mut world, &images)?;
    let stack = scenario::stack_holds(&measured.stats)?;
    passed(format!("{} readings, {} bytes up, {stack} bytes of stack", measured.readings, measured.traffic.up_bytes))
}

fn rough(context: &Context, log: &mut Log) -> Result<Outcome> {
    let (cairn, images) = prepare(context, log)?;
    let folder = context.project.target().join("e2e-rough");
    rough_day(context, &folder, &cairn, &images)
}

fn rough_day(context: &Context, folder: &Path, cairn: &Path, images: &Images) -> Result<Outcome> {
    let mut world = World::create(&context.project, folder, cairn, &FAST)?;
    let born = world.provision("meter")?;
    world.start_relay()?;
    let mut modem = world.modem("meter", &ROUGH_WEATHER)?;
    let mut meter = world.boot("meter", &images.meter, &born, Some(&modem), true)?;

    say("the relay is killed while an uplink is on its way, and started again");
    meter.ask("run 40", RUN)?;
    // The schedule sent something by itself meanwhile: another one is meant.
    let seen = meter.events.len();
    meter.ask("flush", SOON)?;
    meter.wait_event_after(seen, "an uplink is sent", EXCHANGES, |event| event.name == "sent")?;
    world.kill_relay()?;
    world.start_relay()?;
    let anchors = everything_stored(&mut meter)?;
    world.wait_final(anchors)?;

    say("the node is dead; the device gets its 'stored' all the same; then the relay is killed too");
    world.chain.kill()?;
    meter.ask("run 32", RUN)?;
    meter.ask("flush", SOON)?;
    let stored = everything_stored(&mut meter)?;
    ensure!(stored > anchors && included(&world)? == anchors, "nothing can be included without a node");
    world.kill_relay()?;
    world.start_relay()?;
    world.chain.revive()?;
    wait_included(&world, stored)?;

    say("the chain is reorganised before the last batch is final");
    meter.ask("run 24", RUN)?;
    meter.ask("flush", SOON)?;
    let anchors = everything_stored(&mut meter)?;
    wait_included(&world, anchors)?;
    world.chain.reorganise(2)?;
    world.wait_final(anchors)?;

    every_record_in_one_batch(&mut meter)?;
    scenario::every_reading_verifies(&world, &meter.readings, &born)?;
    scenario::no_equivocation(&world)?;
    ensure!(world.report()?["anchors"] == anchors, "{anchors} batches, and the relay says {}", world.report()?);
    weather_was_rough(&mut modem)
}

/// Lets the device try until the relay has every record; gives the number of batches.
pub(crate) fn everything_stored(meter: &mut Device) -> Result<u64> {
    let (mut failed, mut batches) = (failures(meter), 0);
    wait_until("everything is stored", EXCHANGES, || {
        let status = meter.ask("status", SOON)?;
        batches = status.number("next_batch")?;
        if failures(meter) > failed {
            // Not waiting for the device's own retry, which may come an hour later.
            failed = failures(meter);
            meter.ask("flush", SOON)?;
        }
        Ok(status.number("idle")? == 1 && status.number("unsealed")? == 0 && status.number("unsent")? == 0)
    })?;
    Ok(batches)
}

pub(crate) fn failures(meter: &Device) -> usize {
    meter.events.iter().filter(|event| event.name == "exchange-failed").count()
}

/// Anchors on chain, final or not.
fn included(world: &World) -> Result<u64> {
    let report = world.report()?;
    let count = |name: &str| report[name].as_u64().with_context(|| format!("the relay reports no {name}"));
    Ok(count("included")? + count("final")?)
}

fn wait_included(world: &World, anchors: u64) -> Result<()> {
    wait_until(&format!("{anchors} anchors are included"), world.pace().finality_limit(), || {
        Ok(included(world)? >= anchors)
    })
}

/// The sealed batches hold every sequence number once: none is missing, none twice.
fn every_record_in_one_batch(meter: &mut Device) -> Result<()> {
    let status = scenario::settled(meter)?;
    let mut batches = BTreeSet::new();
    let mut sealed = 0;
    for event in meter.events.iter().filter(|event| event.name == "sealed") {
        ensure!(batches.insert(event.words.number("batch")?), "a batch was sealed twice: {event:?}");
        sealed += event.words.number("records")?;
    }
    ensure!(status.number("unsealed")? == 0, "records are left over");
    ensure!(sealed == status.number("next_seq")?, "{sealed} records in batches, {} given", status.text("next_seq")?);
    ensure!(status.number("journal_full")? + status.number("queue_full")? == 0, "records were refused");
    Ok(())
}

/// A rough cell in which nothing was lost would prove nothing.
fn weather_was_rough(modem: &mut Modem) -> Result<Outcome> {
    let traffic = modem.traffic()?;
    ensure!(traffic.lost > 0, "no datagram was lost");
    passed(format!("{} datagrams up, {} lost on the way", traffic.up, traffic.lost))
}
