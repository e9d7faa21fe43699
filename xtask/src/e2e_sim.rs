// SPDX-License-Identifier: Apache-2.0 OR MIT
//! End to end with the key on the SIM (stage `e2e-sim`): the lock in QEMU signs through the modem that also carries its
//! datagrams, with a card that makes mistakes; what it anchored verifies. The device's image and factory blob hold no key.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};

use crate::{
    demo::{
        self, build_cairn,
        scenario::say,
        service::{Service, events},
        world::{Weather, World},
    },
    e2e::FAST,
    process::Log,
    samples,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Signatures on the SIM, anchored and verified.
pub(crate) const STAGE: Stage = Stage {
    name: "e2e-sim",
    about: "a lock in QEMU whose key is on the SIM, anchored and verified",
    needs: demo::NEEDS,
    body: night,
};

/// A card that fails, one that loses its power, codes and noise around answers, and an answer that never comes.
const FAULTS: &str = "5:6f00,9:codes,14:power,19:noise,26:silent";
/// For two batches with their exchanges, twenty seconds of silence and the pauses between the lock's events.
const NIGHT: Duration = Duration::from_secs(300);
const BATCHES: u64 = 2;

/// A build of the lock, the applet it wants, and how it reaches it.
struct Way {
    feature: &'static str,
    applet: &'static str,
    alg: &'static str,
    command: &'static str,
}

const WAYS: [Way; 2] = [
    Way { feature: "sim", applet: "secp256k1", alg: "es256k", command: "AT+CGLA" },
    Way { feature: "sim-iot-safe", applet: "iot-safe", alg: "es256", command: "AT+CSIM" },
];

fn night(context: &Context, log: &mut Log) -> Result<Outcome> {
    let cairn = build_cairn(&context.project, log)?;
    let mut told = Vec::new();
    for way in &WAYS {
        let built = samples::build_lock(&context.project, context.toolchain()?, log, &["--features", way.feature])?;
        let folder = context.project.directory("e2e-sim")?.join(way.applet);
        let mut world = World::create(&context.project, &folder, &cairn, &FAST)?;
        // The next build takes its place.
        let image = world.file("lock.elf");
        fs::copy(built, &image)?;
        told.push(format!("{}: {} commands", way.applet, one_night(&mut world, &folder, &image, way)?));
    }
    passed(format!("{BATCHES} batches signed on the SIM by each applet; {}", told.join(", ")))
}

/// The number of commands for the card.
fn one_night(world: &mut World, folder: &Path, image: &Path, way: &Way) -> Result<usize> {
    let key = world.file("sim.key");
    let sim = ["--sim-applet", way.applet, "--sim-faults", FAULTS, "--sim-key"].map(str::to_owned);
    let modem = world.modem_with("lock", &Weather::FAIR, &[&sim[..], &[demo::world::text(&key)]].concat())?;
    let public_key = public_key(modem.log())?;
    let born = world.provision_with("lock", &["--alg", way.alg, "--public-key", &public_key])?;
    ensure_secret_is_nowhere(&key, &[image, &born.factory])?;
    world.start_relay()?;

    say(&format!("the lock signs on the SIM ({}), which fails now and then", way.applet));
    let mut lock = boot(folder, image, &born.factory, modem.port())?;
    for batch in 0..BATCHES {
        lock.wait_for(&format!("cairn: batch {batch} stored"), NIGHT)?;
    }
    world.wait_final(BATCHES)?;
    drop(lock);

    for seq in 0..3 {
        let evidence = world.evidence(&born.device, seq, &format!("event-{seq}.cbor"))?;
        let said = world.verify(&evidence, &[])?;
        ensure!(said.code == 0, "record {seq} does not verify: {}{}", said.out, said.err);
    }
    let asked = commands(modem.log())?;
    ensure!(asked.contains(way.command) && asked.contains("AT+QISEND"), "the SIM and the network share the modem");
    Ok(asked.matches(way.command).count())
}

/// The modem tells which key is on its SIM.
fn public_key(log: &Path) -> Result<String> {
    let said = events(log, "sim")?;
    let line = said.first().context("the modem says nothing of its SIM")?;
    Ok(line["text"].as_str().context("no key")?.to_owned())
}

/// Every command line the modem was given.
fn commands(log: &Path) -> Result<String> {
    let commands = events(log, "command")?;
    Ok(commands.iter().filter_map(|line| line["text"].as_str().map(|text| format!("{text}\n"))).collect())
}

/// The key on the card is neither in the image nor in what the factory wrote.
fn ensure_secret_is_nowhere(key: &Path, files: &[&Path]) -> Result<()> {
    let text = fs::read_to_string(key)?;
    let digits = text.trim();
    let secret: Vec<u8> = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).context("the key's file"))
        .collect::<Result<_>>()?;
    ensure!(secret.len() == 32, "the key's file holds {} bytes", secret.len());
    for file in files {
        let bytes = fs::read(file).with_context(|| file.display().to_string())?;
        ensure!(!bytes.windows(8).any(|window| secret.windows(8).any(|part| part == window)), "{}", file.display());
    }
    Ok(())
}

/// The lock in QEMU. Its flash is a file in the folder it runs in.
fn boot(folder: &Path, image: &Path, factory: &Path, port: u16) -> Result<Service> {
    let mut qemu = samples::lock_in_qemu(folder);
    qemu.arg("-device").arg(format!("loader,file={},addr=0x21000000,force-raw=on", factory.display()));
    qemu.arg("-kernel").arg(image).args(["-serial", "stdio", "-serial"]).arg(format!("tcp:127.0.0.1:{port}"));
    Service::start("QEMU", &qemu, &folder.join("lock.console.log"))
}
