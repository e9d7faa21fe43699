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

const FAST: Pace = Pace { block_seconds: 1, finality_depth: 4, posting_seconds: 2 };

/// One datagram in five is lost each way; a round trip takes 2 to 10 s.
const ROUGH_WEATHER: Weather = Weather { seed: 20_260_114, loss: "0.2", delay_ms: "1000..5000" };

/// Exchanges that may fail in a row before this is not weather any more.
const ATTEMPTS: u32 = 6;
/// CoAP gives up after 105 s at most; the modem may take longer to be set up again.
const EXCHANGE: Duration = Duration::from_secs(300);
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
    passed(format!("{} readings, {} bytes up", measured.readings, measured.traffic.up_bytes))
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

    say("batch 0: the relay is killed while its uplink is on its way, and started again");
    meter.ask("run 32", RUN)?;
    meter.ask("flush", SOON)?;
    meter.wait_event("the uplink is sent", EXCHANGE, |event| event.name == "sent")?;
    world.kill_relay()?;
    world.start_relay()?;
    bring(&mut meter, 0)?;
    world.wait_final(1)?;

    say("batch 1: the node is dead; the device gets its 'stored' all the same");
    world.chain.kill()?;
    meter.ask("run 32", RUN)?;
    meter.ask("flush", SOON)?;
    bring(&mut meter, 1)?;
    ensure!(included(&world)? == 1, "nothing can be included without a node");
    world.kill_relay()?;
    world.start_relay()?;
    world.chain.revive()?;
    wait_included(&world, 2)?;

    say("batch 2: the chain is reorganised before it is final");
    meter.ask("run 32", RUN)?;
    meter.ask("flush", SOON)?;
    bring(&mut meter, 2)?;
    wait_included(&world, 3)?;
    world.chain.reorganise(2)?;
    world.wait_final(3)?;

    every_record_in_one_batch(&mut meter)?;
    scenario::every_reading_verifies(&world, &meter.readings, &born)?;
    scenario::no_equivocation(&world)?;
    ensure!(world.report()?["anchors"] == 3, "three batches, three anchors: {}", world.report()?);
    weather_was_rough(&mut modem)
}

/// Lets the device try until `batch` is stored.
fn bring(meter: &mut Device, batch: u64) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let seen = meter.events.len();
        if meter.has_event("stored", batch) {
            return Ok(());
        }
        let what = format!("the exchange of batch {batch} ends");
        meter.wait_event_after(seen, &what, EXCHANGE, |event| {
            event.name == "exchange-failed" || event.name == "stored"
        })?;
        if !meter.has_event("stored", batch) {
            meter.ask("flush", SOON)?;
        }
    }
    ensure!(meter.has_event("stored", batch), "batch {batch} was not stored in {ATTEMPTS} attempts");
    Ok(())
}

/// Anchors on chain, final or not.
fn included(world: &World) -> Result<u64> {
    let report = world.report()?;
    let count = |name: &str| report[name].as_u64().with_context(|| format!("the relay reports no {name}"));
    Ok(count("included")? + count("final")?)
}

fn wait_included(world: &World, anchors: u64) -> Result<()> {
    demo::service::wait_until(&format!("{anchors} anchors are included"), world.pace().finality_limit(), || {
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
