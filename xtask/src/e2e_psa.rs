// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A meter whose hashes and whose channel are a PSA Crypto's, end to end in QEMU: Mbed TLS, cross-compiled, in the image. Its relay
//! decrypts and verifies with software of its own, so a wrong bit of either would show.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    demo::{
        self, build_cairn,
        scenario::say,
        world::{Weather, World},
    },
    e2e::{FAST, everything_stored},
    process::Log,
    samples::{Meter, build_meter},
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Provisioned, read, anchored, verified.
pub(crate) const STAGE: Stage = Stage {
    name: "e2e-psa",
    about: "in QEMU, a meter whose SHA-256 and AES-CCM are Mbed TLS's by PSA Crypto",
    needs: demo::NEEDS,
    body: metered,
};

const SOON: Duration = Duration::from_secs(60);
const RUN: Duration = Duration::from_secs(300);

/// Functions of Mbed TLS that are linked only when Cairn calls what leads to them.
const CALLED: &[&str] = &["psa_hash_update", "mbedtls_sha256_update", "psa_aead_encrypt", "psa_aead_decrypt"];

fn metered(context: &Context, log: &mut Log) -> Result<Outcome> {
    let cairn = build_cairn(&context.project, log)?;
    let toolchain = context.toolchain()?;
    let image = build_meter(&context.project, toolchain, log, Meter::Psa)?;
    let names = symbols(log, &image)?;
    for function in CALLED {
        ensure!(names.iter().any(|name| name == function), "{function} is not in the image");
    }
    let plain = build_meter(&context.project, toolchain, log, Meter::Normal)?;
    let plain = symbols(log, &plain)?;
    ensure!(!plain.iter().any(|name| name.starts_with("psa_")), "the meter as it is shipped has a PSA Crypto");

    let folder = context.project.target().join("e2e-psa");
    let mut world = World::create(&context.project, &folder, &cairn, &FAST)?;
    let born = world.provision("meter")?;
    world.start_relay()?;
    let modem = world.modem("meter", &Weather::FAIR)?;
    let mut meter = world.boot("meter", &image, &born, Some(&modem), true)?;

    say("a meter hashes and encrypts by PSA Crypto, and its records verify");
    meter.ask("run 8", RUN)?;
    meter.ask("flush", SOON)?;
    let anchors = everything_stored(&mut meter)?;
    world.wait_final(anchors)?;
    ensure!(!meter.readings.is_empty(), "nothing was read");
    for reading in &meter.readings {
        let evidence = world.evidence(&born.device, reading.seq, "each.cbor")?;
        let said = world.verify(&evidence, &["--device", &born.device])?;
        ensure!(said.code == 0, "reading {} is refused: {}{}", reading.seq, said.out, said.err);
    }
    ensure!(meter.ask("status", SOON)?.number("hash_faults")? == 0, "a hash failed");
    let stats = meter.ask("stats", SOON)?;
    let (used, stack) = (stats.number("cairn_stack_used")?, stats.number("cairn_stack_bytes")?);
    passed(format!("{} readings in {anchors} batches, {used} of {stack} bytes of stack", meter.readings.len()))
}

/// The names in an image.
fn symbols(log: &mut Log, image: &Path) -> Result<Vec<String>> {
    let listed = log.run(Command::new("arm-none-eabi-nm").arg(image))?;
    Ok(listed.lines().filter_map(|line| line.split(' ').next_back()).map(str::to_owned).collect())
}
