// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The main path, step by step: a day of readings, the batches that the schedule makes of it, what the third party makes of
//! them. The same steps are the demonstration and, on faster blocks, the clean cell of the end-to-end tests. A step that does
//! not hold ends the run.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    device::{Device, Reading, Words},
    service::wait_until,
    table::Measured,
    verdicts::{self, Exhibits},
    world::{Born, Modem, Traffic, Weather, World, text},
};
use crate::e2e::everything_stored;

/// Quarter hours in half a day.
const HALF_DAY: u64 = 48;
/// For a command that does not wait for the network.
const SOON: Duration = Duration::from_secs(60);
/// For a run of readings: time is skipped, but each submission is journaled and acknowledged.
const RUN: Duration = Duration::from_secs(300);
/// For an exchange in fair weather.
const EXCHANGE: Duration = Duration::from_secs(120);
/// A beat may be this late, nanoseconds.
const JITTER_LIMIT_NS: u64 = 100_000;
/// Beats that must fall inside each signature.
const BEATS_INSIDE: u64 = 3;
/// Most bytes of stack that the agent's task may ever have used: what a Cortex-M3 with the default signer is promised.
pub(crate) const STACK_LIMIT_BYTES: u64 = 6_144;
/// UDP payload of a hash-only exchange.
const HASH_ONLY_LIMIT: (u64, u64) = (300, 80);

/// The images.
pub(crate) struct Images {
    /// samples/freertos-meter.
    pub(crate) meter: PathBuf,
    /// Its control build.
    pub(crate) control: PathBuf,
}

/// Two devices: one on the main path, and one whose registration gets lost.
struct Devices {
    meter: Born,
    unlucky: Born,
}

/// Plays the whole scenario and gives what was measured.
///
/// # Errors
/// The first step that does not hold.
pub(crate) fn play(world: &mut World, images: &Images) -> Result<Measured> {
    let devices = provision(world)?;
    world.start_relay()?;
    say("relay runs, database is one SQLite file");
    let mut modem = world.modem("meter", &Weather::FAIR)?;
    let mut meter = world.boot("meter", &images.meter, &devices.meter, Some(&modem), true)?;
    say("FreeRTOS image runs in QEMU mps2-an385 (Cortex-M3)");

    first_half(world, &mut meter)?;
    let unregistered = anchor_unlucky(world, images, &devices.unlucky)?;
    say("waiting until batch 0 is final on chain");
    world.wait_final(1)?;
    let measured = second_half(&mut meter, &mut modem)?;
    let (evidence_hash_only, hash_only) = hash_only_batch(world, &mut meter, &mut modem)?;
    beat_holds(&measured.1)?;
    control_run_fails(world, &images.control, &devices.meter)?;

    say("waiting until every batch is final");
    // Those of the day, one hash-only, one of the other device.
    world.wait_final(measured.0.number("next_batch")? + 2)?;
    let exhibits = exhibits(world, &meter, &devices, unregistered, &evidence_hash_only).context("making evidence")?;
    let exhibits = revoked_later(world, &mut meter, &devices, exhibits)?;
    let count = verdicts::check(world, &exhibits)?;
    say(&format!("{count} verdicts, each as it should be"));
    every_reading_verifies(world, &meter.readings, &devices.meter)?;
    no_equivocation(world)?;
    let (status, beat, traffic) = measured;
    let stats = meter.ask("stats", SOON)?;
    stack_holds(&stats)?;
    Ok(Measured { status, beat, stats, traffic, readings: 2 * HALF_DAY, hash_only })
}

/// A line of progress.
pub(crate) fn say(line: &str) {
    println!("      {line}");
}

/// Registers both devices, then lets the chain forget the second registration, as a reorganisation would.
fn provision(world: &World) -> Result<Devices> {
    let meter = world.provision("meter")?;
    say(&format!("device {} provisioned: key registered, OSCORE secret and kid shared", meter.device));
    let before = world.chain.snapshot()?;
    let unlucky = world.provision("unlucky")?;
    world.chain.revert(&before)?;
    say(&format!("device {} provisioned too, and a reorganisation undid its registration", unlucky.device));
    Ok(Devices { meter, unlucky })
}

fn first_half(world: &World, meter: &mut Device) -> Result<()> {
    say("48 quarter-hour readings of BDEW profile H0, a winter day");
    meter.ask(&format!("run {HALF_DAY}"), RUN)?;
    // Half a day is what a reading may wait, and the first after a start goes sooner, at a random time: nobody asks for it.
    let status = settled(meter)?;
    ensure!(status.number("next_batch")? > 0, "the schedule sent nothing in half a day");
    stored(meter, 0)?;
    ensure!(world.report()?["anchors"] == status.number("stored")? + 1, "device and relay count the same batches");
    Ok(())
}

fn stored(meter: &mut Device, batch: u64) -> Result<()> {
    meter
        .wait_event(&format!("batch {batch} stored"), EXCHANGE, |event| {
            event.name == "stored" && event.words.number("batch").is_ok_and(|number| number == batch)
        })
        .map(drop)
}

/// The second half of the day. Its last exchange brings the news that batch 0 is final.
fn second_half(meter: &mut Device, modem: &mut Modem) -> Result<(Words, Words, Traffic)> {
    say("the other 48 readings");
    meter.ask(&format!("run {HALF_DAY}"), RUN)?;
    let by_itself = settled(meter)?.number("next_batch")?;
    ensure!(by_itself >= 2, "the schedule sent {by_itself} batches of a day whose records may wait half a day");
    // The day ends here; what came since the last batch would be sent tomorrow.
    meter.ask("flush", SOON)?;
    everything_stored(meter)?;
    meter.wait_event("batch 0 final", SOON, |event| event.name == "final")?;
    ensure!(meter.has_event("final", 0), "a later exchange must say that batch 0 is final");
    let until_final = meter.events.iter().take_while(|event| event.name != "final");
    let sent = until_final.filter(|event| event.name == "sent").count();
    ensure!(sent >= 2, "the first exchange cannot say final");
    let status = settled(meter)?;
    say(&format!("{by_itself} of {} batches were the schedule's own", status.number("next_batch")?));
    say(&format!("status: {}", shown(&status)?));
    let batches = status.number("next_batch")?;
    ensure!(status.number("exchanges")? == batches, "one exchange for each batch, and no other");
    ensure!(status.number("exchange_failures")? == 0, "no exchange failed in fair weather");
    let traffic = modem.traffic()?;
    ensure!(traffic.up_bytes == status.number("bytes_up")?, "device and modem count the same bytes up");
    ensure!(traffic.down_bytes == status.number("bytes_down")?, "device and modem count the same bytes down");
    Ok((status, meter.ask("beat", SOON)?, traffic))
}

/// The device's status once its agent is idle: events are told in the middle of a step, the status after it.
pub(crate) fn settled(meter: &mut Device) -> Result<Words> {
    let mut status = Words::default();
    wait_until("the agent is idle", SOON, || {
        status = meter.ask("status", SOON)?;
        Ok(status.number("idle")? == 1 && status.number("unsent")? == 0)
    })?;
    Ok(status)
}

fn shown(status: &Words) -> Result<String> {
    ["next_seq", "next_batch", "stored", "included", "final", "exchanges", "bytes_up", "bytes_down", "signatures"]
        .iter()
        .map(|name| Ok(format!("{name}={}", status.text(name)?)))
        .collect::<Result<Vec<_>>>()
        .map(|words| words.join(" "))
}

/// A batch whose records stay on the device: the device itself gives record, proof and anchor.
fn hash_only_batch(world: &World, meter: &mut Device, modem: &mut Modem) -> Result<(PathBuf, (u64, u64))> {
    say("hash-only: four readings whose data stays on the device");
    let batch = settled(meter)?.number("next_batch")?;
    let before = modem.traffic()?;
    meter.ask("mode hash", SOON)?;
    meter.ask("run 4", RUN)?;
    meter.ask("flush", SOON)?;
    stored(meter, batch)?;
    settled(meter)?;
    let after = modem.traffic()?;
    let bytes = (after.up_bytes - before.up_bytes, after.down_bytes - before.down_bytes);
    ensure!(
        bytes.0 <= HASH_ONLY_LIMIT.0 && bytes.1 <= HASH_ONLY_LIMIT.1,
        "a hash-only exchange took {} bytes up and {} down; the limits are {HASH_ONLY_LIMIT:?}",
        bytes.0,
        bytes.1
    );
    let seq = meter.readings.last().context("no reading")?.seq;
    let given = meter.ask(&format!("evidence {seq}"), SOON)?;
    let file = world.file("from-device.hex");
    fs::write(&file, given.text("hex")?)?;
    meter.ask("mode data", SOON)?;
    Ok((file, bytes))
}

fn beat_holds(beat: &Words) -> Result<()> {
    let (inside, late) = (beat.number("fewest_inside")?, beat.number("worst_late_ns")?);
    let interval = beat.number("worst_interval_ns")?;
    say(&format!("20 ms beat: at least {inside} inside each signature, late by at most {} us", late / 1000));
    ensure!(beat.number("signatures")? >= 2, "two signatures were to be seen");
    ensure!(inside >= BEATS_INSIDE, "only {inside} beats fell inside a signature");
    ensure!(late <= JITTER_LIMIT_NS, "a beat was {late} ns late");
    ensure!(interval <= JITTER_LIMIT_NS, "two beats were {interval} ns off their distance");
    Ok(())
}

/// The agent's task needed no more stack than it may, whatever it did so far. Says how much it needed.
///
/// # Errors
/// When it needed more, or the device's answer cannot be right.
pub(crate) fn stack_holds(stats: &Words) -> Result<u64> {
    let (used, there) = (stats.number("cairn_stack_used")?, stats.number("cairn_stack_bytes")?);
    ensure!(used > 0 && used < there, "{used} of {there} bytes of stack used: it overflowed, or nothing ran");
    ensure!(used <= STACK_LIMIT_BYTES, "the agent's task used {used} bytes of stack, limit {STACK_LIMIT_BYTES}");
    Ok(used)
}

/// The same with the agent above the beat: if this did not fail, the check above would prove nothing.
fn control_run_fails(world: &World, image: &Path, born: &Born) -> Result<()> {
    let mut control = world.boot("control", image, born, None, false)?;
    control.ask("run 2", RUN)?;
    control.ask("flush", SOON)?;
    control.wait_event("a signature", SOON, |event| event.name == "signed")?;
    // The late beats come in right after the signature.
    std::thread::sleep(Duration::from_secs(1));
    let beat = control.ask("beat", SOON)?;
    let late = beat.number("worst_late_ns")?;
    ensure!(beat_holds_silently(&beat)? == (false, false), "the control run does not show beats missed");
    say(&format!(
        "control run, agent above the beat: {} inside, late by {} ms",
        beat.text("fewest_inside")?,
        late / 1_000_000
    ));
    Ok(())
}

fn beat_holds_silently(beat: &Words) -> Result<(bool, bool)> {
    Ok((beat.number("fewest_inside")? >= BEATS_INSIDE, beat.number("worst_late_ns")? <= JITTER_LIMIT_NS))
}

/// The device that the registry does not know any more sends a batch; a relay with old news posts it.
fn anchor_unlucky(world: &World, images: &Images, born: &Born) -> Result<u64> {
    let modem = world.modem("unlucky", &Weather::FAIR)?;
    let mut device = world.boot("unlucky", &images.meter, born, Some(&modem), false)?;
    device.ask("run 2", RUN)?;
    device.ask("flush", SOON)?;
    stored(&mut device, 0)?;
    Ok(device.readings.first().context("no reading")?.seq)
}

fn exhibits(world: &World, meter: &Device, devices: &Devices, unregistered: u64, hash_only: &Path) -> Result<Exhibits> {
    let id = &devices.meter.device;
    let completed = world.file("hash-only.cbor");
    world.cairn(&["evidence", "complete", "--db", &text(&world.db()), &text(hash_only), "-o", &text(&completed)])?;
    Ok(Exhibits {
        reading: world.evidence(id, reading(meter, 11)?.seq, "evidence.cbor")?,
        hash_only: completed,
        unregistered: world.evidence(&devices.unlucky.device, unregistered, "unregistered.cbor")?,
        revoked: PathBuf::new(),
        device: id.clone(),
        other_device: devices.unlucky.device.clone(),
    })
}

fn reading(meter: &Device, index: usize) -> Result<Reading> {
    meter.readings.get(index).copied().with_context(|| format!("there is no reading {index}"))
}

/// Shows the first verdict in full, revokes the key, and lets the device anchor one more reading.
fn revoked_later(world: &mut World, meter: &mut Device, devices: &Devices, exhibits: Exhibits) -> Result<Exhibits> {
    let said = world.verify(&exhibits.reading, &[])?;
    say("cairn verify evidence.cbor --rpc … --deployment deployment.json");
    said.out.lines().for_each(|line| println!("        {line}"));
    world.revoke(&devices.meter.key)?;
    say("key revoked; one more reading, which a relay with old news still posts");
    let (anchors, batch) = (count(world, "anchors")?, settled(meter)?.number("next_batch")?);
    meter.ask("run 1", RUN)?;
    meter.ask("flush", SOON)?;
    stored(meter, batch)?;
    world.wait_final(anchors + 1)?;
    let seq = meter.readings.last().context("no reading")?.seq;
    let revoked = world.evidence(&devices.meter.device, seq, "revoked.cbor")?;
    Ok(Exhibits { revoked, ..exhibits })
}

fn count(world: &World, what: &str) -> Result<u64> {
    world.report()?[what].as_u64().with_context(|| format!("the relay reports no {what}"))
}

/// Each reading whose data the relay has is in a batch on chain, and says what the device's console said.
pub(crate) fn every_reading_verifies(world: &World, readings: &[Reading], born: &Born) -> Result<()> {
    let day = usize::try_from(2 * HALF_DAY)?;
    let readings = readings.get(..day).with_context(|| format!("only {} readings", readings.len()))?;
    let mut seen = std::collections::BTreeSet::new();
    for reading in readings {
        ensure!(seen.insert(reading.seq), "sequence number {} was given twice", reading.seq);
        reading_verifies(world, reading, born)?;
    }
    say(&format!("all {} readings of the day verified, one by one", readings.len()));
    Ok(())
}

/// A reading is in a batch on chain, and says what the device's console said.
pub(crate) fn reading_verifies(world: &World, reading: &Reading, born: &Born) -> Result<()> {
    let file = world.evidence(&born.device, reading.seq, "each.cbor")?;
    let said = world.verify(&file, &["--device", &born.device, "--json"])?;
    ensure!(said.code == 0, "reading {} is refused: {}{}", reading.seq, said.out, said.err);
    let verdict: serde_json::Value = serde_json::from_str(&said.out)?;
    let payload = verdict["record"]["payload"].as_str().unwrap_or_default().trim_start_matches("0x");
    let wh = cbor_unsigned(&hex::decode(payload)?).with_context(|| format!("payload {payload}"))?;
    ensure!(wh == reading.wh, "reading {} is {wh} Wh on chain and was {} Wh", reading.seq, reading.wh);
    Ok(())
}

/// No key signed two anchors for one batch.
pub(crate) fn no_equivocation(world: &World) -> Result<()> {
    let report = world.report()?;
    if report["equivocations"].as_array().is_none_or(|list| !list.is_empty()) {
        bail!("the relay reports equivocations: {report}");
    }
    Ok(())
}

/// One CBOR unsigned integer, which is all a reading's payload holds.
pub(crate) fn cbor_unsigned(bytes: &[u8]) -> Option<u64> {
    let (&head, rest) = bytes.split_first()?;
    match (head, rest.len()) {
        (0..=23, 0) => Some(u64::from(head)),
        (24, 1) | (25, 2) | (26, 4) | (27, 8) => Some(rest.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{STACK_LIMIT_BYTES, Words, cbor_unsigned, stack_holds};

    #[test]
    fn a_payload_is_one_integer_and_nothing_else() {
        assert_eq!(cbor_unsigned(&[0x17]), Some(23));
        assert_eq!(cbor_unsigned(&[0x19, 0x01, 0x2c]), Some(300));
        for other in [&[][..], &[0x19, 1], &[0x17, 0], &[0x61, b'a']] {
            assert_eq!(cbor_unsigned(other), None);
        }
    }

    #[test]
    fn a_task_that_used_more_stack_than_it_may_or_all_or_none_fails_the_run() {
        let stats = |used: u64| Words::of(&format!("ok stats cairn_stack_bytes=7168 cairn_stack_used={used}"));
        assert_eq!(stack_holds(&stats(STACK_LIMIT_BYTES)).unwrap(), STACK_LIMIT_BYTES);
        for used in [0, STACK_LIMIT_BYTES + 1, 7168] {
            assert!(stack_holds(&stats(used)).is_err(), "{used}");
        }
        assert!(stack_holds(&Words::of("ok stats")).is_err());
    }
}
