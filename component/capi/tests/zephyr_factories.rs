// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The factory images that the tests on Zephyr start devices with: twister-tests/harness/factories.h is made here, and this test says
//! when it is not what would be made. With CAIRN_REGENERATE set it is written anew.

use std::{
    env,
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddrV4},
};

use cairn::{
    factory::{AttestationKey, FACTORY_MAX, Factory},
    signer::Algorithm::{self, Es256, Es256k},
};
use sha2::{Digest as _, Sha256};

const HEADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../twister-tests/harness/factories.h");

const INTRODUCTION: &str = "\
/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Factory images of the devices under test. The keys are no secret: the private key of `factory_meter` is 32 bytes 0x11. Made by
 * component/capi/tests/zephyr_factories.rs as `cairn provision` makes them: change that, and run it with CAIRN_REGENERATE=1. */
#ifndef CAIRN_TEST_FACTORIES_H
#define CAIRN_TEST_FACTORIES_H

#include <stdint.h>
";

/// A device whose relay is on the device itself, behind the loopback interface.
fn factory(alg: Algorithm, private_key: Option<[u8; 32]>) -> Factory {
    Factory {
        alg,
        private_key,
        blind_secret: [0x22; 32],
        deployment: [0x33; 32],
        kid: *b"kid0",
        master_secret: [0x44; 16],
        relay: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5683),
        attestation: None,
    }
}

fn image(factory: &Factory) -> Vec<u8> {
    let mut image = [0; FACTORY_MAX];
    let length = factory.encode(&mut image).unwrap();
    image[..length].to_vec()
}

/// The same image of a format that no build knows.
fn of_another_version(mut image: Vec<u8>) -> Vec<u8> {
    let end = image.len() - 4;
    image[7] = 9;
    let check = <[u8; 32]>::from(Sha256::digest(&image[6..end]));
    image[end..].copy_from_slice(&check[..4]);
    image
}

fn header() -> String {
    let meter = factory(Es256k, Some([0x11; 32]));
    let attestation = Some(AttestationKey { alg: Es256k, private_key: [0x55; 32] });
    let mut out = INTRODUCTION.to_owned();
    for (name, what, image) in [
        ("meter", "secp256k1, with its key", image(&meter)),
        ("other", "The same with another key", image(&factory(Es256k, Some([0x12; 32])))),
        ("attested", "The meter with an attestation key", image(&Factory { attestation, ..meter.clone() })),
        ("p256", "P-256, with its key", image(&factory(Es256, Some([0x11; 32])))),
        ("keyless", "secp256k1; something else has the key", image(&factory(Es256k, None))),
        ("zero", "The meter with a private key that is none", image(&factory(Es256k, Some([0; 32])))),
        ("version", "The meter in a format that no build knows", of_another_version(image(&meter))),
    ] {
        writeln!(out, "\n/* {what}. */\nstatic const uint8_t factory_{name}[] __attribute__((unused)) = {{").unwrap();
        for line in image.chunks(16) {
            let bytes: Vec<String> = line.iter().map(|byte| format!("0x{byte:02x}")).collect();
            writeln!(out, "\t{},", bytes.join(", ")).unwrap();
        }
        out.push_str("};\n");
    }
    out + "\n#endif /* CAIRN_TEST_FACTORIES_H */\n"
}

#[test]
fn the_factory_images_of_the_tests_on_zephyr_are_what_the_component_encodes() {
    let made = header();
    if env::var_os("CAIRN_REGENERATE").is_some() {
        fs::write(HEADER, &made).unwrap();
    }
    assert!(fs::read_to_string(HEADER).is_ok_and(|is| is == made), "{HEADER} is not what this test makes");
}
