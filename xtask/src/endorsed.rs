// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A deployment that requires endorsements, end to end in QEMU: the device is refused until its own word, given on its
//! console for a nonce, was verified; then it is registered, served, and what it recorded before counts too.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};

use crate::{
    demo::{
        self, build_cairn,
        device::Device,
        scenario::{say, stack_holds},
        world::{Born, Said, Weather, World, text},
    },
    e2e::{FAST, everything_stored},
    process::Log,
    samples::{Meter, build_meter},
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Refused, endorsed, served.
pub(crate) const STAGE: Stage = Stage {
    name: "e2e-endorsed",
    about: "in QEMU, a device is refused until it was endorsed",
    needs: demo::NEEDS,
    body: endorsed,
};

/// The attestation key is the number 1, whose public half is the generator of secp256k1; the other one is the
/// generator's double.
const SECRET: &str = "0000000000000000000000000000000000000000000000000000000000000001";
const TRUSTED: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const ANOTHER: &str = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";

const SOON: Duration = Duration::from_secs(60);
const RUN: Duration = Duration::from_secs(300);
const EXCHANGES: Duration = Duration::from_secs(300);

fn endorsed(context: &Context, log: &mut Log) -> Result<Outcome> {
    let cairn = build_cairn(&context.project, log)?;
    let image = build_meter(&context.project, context.toolchain()?, log, Meter::Endorsed)?;
    let folder = context.project.target().join("e2e-endorsed");
    let mut world = World::create_with(&context.project, &folder, &cairn, &FAST, "required")?;
    let secret = world.file("attestation.key");
    fs::write(&secret, SECRET)?;
    let born = world.provision_with("meter", &["--attestation-key", &text(&secret)])?;
    world.start_relay()?;
    let modem = world.modem("meter", &Weather::FAIR)?;
    let mut meter = world.boot("meter", &image, &born, Some(&modem), true)?;

    say("a device that nobody vouched for is refused");
    meter.ask("run 8", RUN)?;
    meter.ask("flush", SOON)?;
    meter.wait_event("an exchange fails", EXCHANGES, |event| event.name == "exchange-failed")?;
    ensure!(world.report()?["anchors"] == 0, "the relay took an anchor of a device that is not endorsed");

    say("its endorsement is verified, and no other is taken");
    let file = ask(&world, &mut meter, &born)?;
    refused(&endorse(&world, &file, ANOTHER)?, 50)?;
    let said = endorse(&world, &file, TRUSTED)?;
    ensure!(said.code == 0 && said.out.starts_with("ENDORSED"), "{}{}", said.out, said.err);
    refused(&endorse(&world, &file, TRUSTED)?, 31)?;

    say("it is served, and its records verify");
    meter.ask("flush", SOON)?;
    let anchors = everything_stored(&mut meter)?;
    world.wait_final(anchors)?;
    for reading in &meter.readings {
        let evidence = world.evidence(&born.device, reading.seq, "each.cbor")?;
        let said = world.verify(&evidence, &["--device", &born.device])?;
        ensure!(said.code == 0, "reading {} is refused: {}{}", reading.seq, said.out, said.err);
    }
    let (bytes, stats) = (fs::read(&file)?.len() / 2, meter.ask("stats", SOON)?);
    let used = stack_holds(&stats)?;
    passed(format!("{} readings, an endorsement of {bytes} bytes, {used} bytes of stack", meter.readings.len()))
}

/// Draws a nonce and has the device answer it; gives the file with the answer.
fn ask(world: &World, meter: &mut Device, born: &Born) -> Result<PathBuf> {
    let (deployment, db) = (text(&world.deployment()), text(&world.db()));
    let challenge = ["provision", "challenge", "--deployment", &deployment, "--db", &db, "--device", &born.device];
    let nonce = world.cairn(&challenge)?;
    let words = meter.ask(&format!("endorse {}", nonce.trim()), SOON)?;
    let file = world.file("endorsement.hex");
    fs::write(&file, words.text("hex")?).context("the endorsement")?;
    Ok(file)
}

/// Runs `cairn provision endorse` with one trusted key.
fn endorse(world: &World, file: &std::path::Path, trusted: &str) -> Result<Said> {
    let roots = world.file("roots.json");
    fs::write(&roots, format!(r#"{{"factoryKeys": [{{"alg": "ES256K", "publicKey": "{trusted}"}}]}}"#))?;
    world.cairn_says(&[
        "provision",
        "endorse",
        &text(file),
        "--rpc",
        &world.chain.url(),
        "--key-file",
        &text(&world.chain.owner_key()),
        "--deployment",
        &text(&world.deployment()),
        "--db",
        &text(&world.db()),
        "--roots",
        &text(&roots),
    ])
}

fn refused(said: &Said, code: i32) -> Result<()> {
    ensure!(
        said.code == code && said.out.starts_with("REFUSED"),
        "not refused with {code}: {} {}",
        said.code,
        said.out
    );
    Ok(())
}
