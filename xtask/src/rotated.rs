// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A key's life end to end in QEMU (stage `e2e-rotated`): the meter draws it, the factory registers it, another follows
//! it, the owner registers that one too and revokes both, one after the other; last it is destroyed. What was signed
//! when is judged by the chain's times only.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};

use crate::{
    demo::{
        self, build_cairn,
        device::{Device, Flash, Power, Reading},
        scenario::{no_equivocation, say, stack_holds},
        service::wait_until,
        world::{Born, Modem, Weather, World, text},
    },
    e2e::{FAST, everything_stored},
    process::Log,
    samples::{Meter, build_meter},
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Drawn, followed, revoked.
pub(crate) const STAGE: Stage = Stage {
    name: "e2e-rotated",
    about: "in QEMU, a device draws its key and rotates; the old key is revoked, then the new one",
    needs: demo::NEEDS,
    body: rotated,
};

const NAME: &str = "meter";
const SOON: Duration = Duration::from_secs(60);
const RUN: Duration = Duration::from_secs(300);
const EXCHANGES: Duration = Duration::from_secs(300);
/// `cairn evidence get` of what is not on the ledger yet.
const NOT_YET: i32 = 3;
/// CoAP's 4.03, as an event says it: class and detail (RFC 7252 section 3).
const FORBIDDEN: u64 = 4 << 5 | 3;
/// `CAIRN_E_KEY_DESTROYED` of cairn.h.
const KEY_DESTROYED: u64 = 43;

fn rotated(context: &Context, log: &mut Log) -> Result<Outcome> {
    let cairn = build_cairn(&context.project, log)?;
    let image = build_meter(&context.project, context.toolchain()?, log, Meter::KeyStore)?;
    let folder = context.project.target().join("e2e-rotated");
    let mut world = World::create(&context.project, &folder, &cairn, &FAST)?;
    world.start_relay()?;
    let modem = world.modem(NAME, &Weather::FAIR)?;

    say("the device draws its key at its first start, and the factory registers it");
    let factory = world.prepare(NAME)?;
    let mut meter = boot(&world, &image, &factory, &modem)?;
    let old = key(&mut meter)?;
    let born = world.provision_with(NAME, &["--public-key", &old])?;
    let (by_old, before) = anchored(&mut world, &mut meter)?;

    let at_rest = world.flash(NAME).with_extension("flash.keys");
    let sealed = fs::read(&at_rest)?;
    say("another key follows it");
    let new = rotate(&mut meter, &old)?;
    nothing_is_left(&sealed, &fs::read(&at_rest)?)?;
    let (by_new, batches) = stored_and_not_posted(&world, &mut meter, &born, before)?;
    let stack = stack_holds(&meter.ask("stats", SOON)?)?;

    say("the owner registers it: what it signed is posted");
    world.as_owner("rotate", &["--db", &text(&world.db()), "--device", &born.device])?;
    world.wait_final(batches)?;
    verifies(&world, &born, by_old, 0)?;
    verifies(&world, &born, by_new, 1)?;

    say("the old key is revoked, and a reboot goes on with the new one");
    revoke(&world, &["--key", &born.key])?;
    meter.pull_the_plug()?;
    let mut meter = boot(&world, &image, &factory, &modem)?;
    ensure!(key(&mut meter)? == new, "after a reboot another key signs");
    let (rebooted, _) = anchored(&mut world, &mut meter)?;
    for (reading, rotations) in [(by_old, 0), (by_new, 1), (rebooted, 1)] {
        verifies(&world, &born, reading, rotations)?;
    }

    say("the new key is revoked: nothing of it is taken any more, and what was anchored stands");
    revoke(&world, &["--device", &born.device])?;
    refused(&world, &mut meter)?;
    for (reading, rotations) in [(by_old, 0), (by_new, 1), (rebooted, 1)] {
        verifies(&world, &born, reading, rotations)?;
    }
    no_equivocation(&world)?;

    say("the new key is destroyed in the device: a reboot finds none, and draws none");
    let sealed = fs::read(&at_rest)?;
    meter.ask("key destroy", SOON)?;
    ensure!(!holds_of(&sealed, &fs::read(&at_rest)?)?, "something of the destroyed key is in flash");
    meter.pull_the_plug()?;
    let mut meter = boot(&world, &image, &factory, &modem)?;
    ensure!(meter.ask("status", SOON)?.number("start")? == KEY_DESTROYED, "the agent started without its key");
    verifies(&world, &born, rebooted, 1)?;
    passed(format!(
        "one key followed another, both were revoked, the last one destroyed; a rotation took {stack} bytes of stack"
    ))
}

/// Switches the meter on with a factory image that says nothing of its key.
fn boot(world: &World, image: &Path, factory: &Path, modem: &Modem) -> Result<Device> {
    Device::boot(&Power {
        image,
        factory,
        flash: Flash::Fast(world.flash(NAME)),
        modem: Some(modem.port()),
        machine: Vec::new(),
        console_log: world.file("meter.console.log"),
        show: true,
    })
}

/// The public key of whoever signs now.
fn key(meter: &mut Device) -> Result<String> {
    let said = meter.ask("key", SOON)?;
    ensure!(said.text("alg")? == "es256k", "the key is of another algorithm");
    Ok(said.text("hex")?.to_owned())
}

/// Some readings, stored by the relay; gives the last of them, and how many batches there are.
fn stored(meter: &mut Device) -> Result<(Reading, u64)> {
    meter.ask("run 4", RUN)?;
    meter.ask("flush", SOON)?;
    let batches = everything_stored(meter)?;
    Ok((*meter.readings.last().context("no reading")?, batches))
}

/// Some readings, final on the chain; gives the last of them, and how many batches there are.
fn anchored(world: &mut World, meter: &mut Device) -> Result<(Reading, u64)> {
    let (reading, batches) = stored(meter)?;
    world.wait_final(batches)?;
    Ok((reading, batches))
}

/// Has another key follow, and gives it when it signs.
fn rotate(meter: &mut Device, old: &str) -> Result<String> {
    meter.ask("rotate", SOON)?;
    meter.wait_event("the old key signed its last batch", SOON, |event| event.name == "rotated")?;
    let mut new = String::new();
    wait_until("the next key is the current one", SOON, || {
        let said = meter.ask("key", SOON)?;
        said.text("hex")?.clone_into(&mut new);
        Ok(new != old && said.number("rotation")? == 0)
    })?;
    Ok(new)
}

/// Nothing of the old key is in its flash any more, sealed or not: one unit is blank, the other has another key.
fn nothing_is_left(before: &[u8], after: &[u8]) -> Result<()> {
    ensure!(!holds_of(before, after)?, "something of the old key is in flash");
    let units: Vec<&[u8]> = after.chunks(before.len() / 2).collect();
    ensure!(units.iter().any(|unit| unit.starts_with(b"CK")), "there is no new key in flash");
    ensure!(units.iter().any(|unit| unit.iter().all(|byte| *byte == 0xff)), "no unit is blank");
    Ok(())
}

/// Whether the key's flash holds eight bytes of what was the current key in it before.
fn holds_of(before: &[u8], after: &[u8]) -> Result<bool> {
    // docs/keys.md, At rest: 40 bytes at 12 of the image, which begins a unit.
    let image = before.chunks(before.len() / 2).find(|unit| unit.starts_with(b"CK")).context("no key was in flash")?;
    let wrapped = image.get(12..52).context("a unit is too short")?;
    ensure!(after.len() == before.len(), "the key's flash has another size");
    Ok(after.windows(8).any(|window| wrapped.windows(8).any(|part| part == window)))
}

/// The relay takes what the new key signed, and keeps it back until the owner has registered the key. Gives the last reading, and how
/// many batches there are: those `before` the rotation, its own, and what the schedule made of the readings after it.
fn stored_and_not_posted(world: &World, meter: &mut Device, born: &Born, before: u64) -> Result<(Reading, u64)> {
    let (reading, batches) = stored(meter)?;
    let old_ones = before + 1;
    ensure!(batches > old_ones, "{before} batches, a rotation and another batch are not {batches}");
    let counted = |what: &str| -> Result<u64> {
        world.report()?[what].as_u64().with_context(|| format!("the relay reports no {what}"))
    };
    // The rotation itself is the old key's. While it becomes final the relay had many a round to post the other too.
    wait_until("the rotation is final", world.pace().finality_limit(), || Ok(counted("final")? == old_ones))?;
    thread::sleep(Duration::from_secs(2 * world.pace().posting_seconds));
    let said = (counted("anchors")?, counted("included")?, counted("final")?);
    ensure!(
        said == (batches, 0, old_ones),
        "stored, included and final are {said:?}: a batch of an unregistered key was posted"
    );
    let (db, seq) = (text(&world.db()), reading.seq.to_string());
    let file = text(&world.file("early.cbor"));
    let get = ["evidence", "get", "--db", &db, "--device", &born.device, "--seq", &seq, "-o", &file];
    let code = world.cairn_says(&get)?.code;
    ensure!(code == NOT_YET, "evidence of what was not posted: code {code}");
    Ok((reading, batches))
}

/// A reading's evidence is accepted for this device, and carries so many rotations.
fn verifies(world: &World, born: &Born, reading: Reading, rotations: usize) -> Result<()> {
    let evidence = world.evidence(&born.device, reading.seq, &format!("reading-{}.cbor", reading.seq))?;
    let said = world.verify(&evidence, &["--device", &born.device])?;
    ensure!(said.code == 0, "reading {} is refused: {}{}", reading.seq, said.out, said.err);
    let json = world.as_json(&evidence)?;
    let listed = json["rotations"].as_array().map_or(0, Vec::len);
    ensure!(listed == rotations, "evidence of reading {} lists {listed} rotations", reading.seq);
    Ok(())
}

/// Revokes a key, and tells the relay; nothing of it may get lost.
fn revoke(world: &World, which: &[&str]) -> Result<()> {
    let db = text(&world.db());
    let said = world.as_owner("revoke", &[&["--db", &db], which].concat())?;
    ensure!(said.contains(" revoked: ") && !said.contains("not on the ledger"), "{said}");
    Ok(())
}

/// What a revoked key signs the relay refuses with 4.03.
fn refused(world: &World, meter: &mut Device) -> Result<()> {
    let anchors = world.report()?["anchors"].clone();
    let seen = meter.events.len();
    meter.ask("run 2", RUN)?;
    meter.ask("flush", SOON)?;
    let failed =
        meter.wait_event_after(seen, "the relay refuses", EXCHANGES, |event| event.name == "exchange-failed")?;
    ensure!(
        failed.words.number("code")? == FORBIDDEN && failed.words.text("link")? == "rejected",
        "refused otherwise: {failed:?}"
    );
    ensure!(world.report()?["anchors"] == anchors, "the relay took an anchor of a revoked key");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::nothing_is_left;

    fn unit(key: u8) -> Vec<u8> {
        let mut unit = vec![0xff; 512];
        unit[..2].copy_from_slice(b"CK");
        unit[12..52].iter_mut().zip(key..).for_each(|(byte, value)| *byte = value);
        unit
    }

    #[test]
    fn eight_bytes_of_the_old_key_that_are_left_in_flash_are_found() {
        let blank = vec![0xff; 512];
        let before = [unit(1), blank.clone()].concat();
        let after = [blank.clone(), unit(101)].concat();
        nothing_is_left(&before, &after).unwrap();
        let mut left = after.clone();
        left[300..308].copy_from_slice(&before[20..28]);
        assert!(nothing_is_left(&before, &left).is_err());
        for wrong in [&before, &blank.repeat(2), &[unit(60), unit(101)].concat(), &after[1..].to_vec()] {
            assert!(nothing_is_left(&before, wrong).is_err());
        }
    }
}
