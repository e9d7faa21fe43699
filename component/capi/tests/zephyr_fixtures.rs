// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the tests on Zephyr start devices with: twister-tests/harness/fixtures.h is made here, and this test says when it is not what
//! would be made. With CAIRN_REGENERATE set it is written anew.

use std::{
    env,
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddrV4},
};

use cairn::{
    factory::{AttestationKey, FACTORY_MAX, Factory},
    journal::layout::{FORMAT_VERSION, Geometry, Header, Snapshot},
    signer::Algorithm::{self, Es256, Es256k},
};
use sha2::{Digest as _, Sha256};

const HEADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../twister-tests/harness/fixtures.h");

const INTRODUCTION: &str = "\
/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Factory images of the devices under test, as `cairn provision` makes them, and journals that no build takes. The keys are no secret:
 * the private key of `factory_meter` is 32 bytes 0x11. Made by component/capi/tests/zephyr_fixtures.rs: change that, and run it with
 * CAIRN_REGENERATE=1. */
#ifndef CAIRN_TEST_FIXTURES_H
#define CAIRN_TEST_FIXTURES_H

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

/// The header of a journal in a flash that no device under test has.
fn journal() -> Vec<u8> {
    let geometry = Geometry::new(4, 1024, 1 << 20);
    Header { generation: 0, geometry, snapshot: Snapshot::default() }.encode().to_vec()
}

/// CRC-32 as in docs/journal.md.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}

/// The same header of a format that is to come.
fn of_a_later_format(mut header: Vec<u8>) -> Vec<u8> {
    header[2] = FORMAT_VERSION + 1;
    let check = crc32(&header[..4]).to_le_bytes();
    header[4..8].copy_from_slice(&check);
    header
}

fn header() -> String {
    let meter = factory(Es256k, Some([0x11; 32]));
    let attestation = Some(AttestationKey { alg: Es256k, private_key: [0x55; 32] });
    let mut out = INTRODUCTION.to_owned();
    for (name, what, bytes) in [
        ("factory_meter", "secp256k1, with its key", image(&meter)),
        ("factory_other", "The same with another key", image(&factory(Es256k, Some([0x12; 32])))),
        ("factory_attested", "The meter with an attestation key", image(&Factory { attestation, ..meter.clone() })),
        ("factory_p256", "P-256, with its key", image(&factory(Es256, Some([0x11; 32])))),
        ("factory_keyless", "secp256k1; something else has the key", image(&factory(Es256k, None))),
        ("factory_zero", "The meter with a private key that is none", image(&factory(Es256k, Some([0; 32])))),
        ("factory_version", "The meter in a format that no build knows", of_another_version(image(&meter))),
        ("journal_geometry", "The header of a journal in a larger flash", journal()),
        ("journal_version", "The header of a journal of a format to come", of_a_later_format(journal())),
    ] {
        writeln!(out, "\n/* {what}. */\nstatic const uint8_t {name}[] __attribute__((unused)) = {{").unwrap();
        for line in bytes.chunks(16) {
            let bytes: Vec<String> = line.iter().map(|byte| format!("0x{byte:02x}")).collect();
            writeln!(out, "\t{},", bytes.join(", ")).unwrap();
        }
        out.push_str("};\n");
    }
    out + "\n#endif /* CAIRN_TEST_FIXTURES_H */\n"
}

#[test]
fn what_the_tests_on_zephyr_start_with_is_what_the_component_encodes() {
    let made = header();
    if env::var_os("CAIRN_REGENERATE").is_some() {
        fs::write(HEADER, &made).unwrap();
    }
    assert!(fs::read_to_string(HEADER).is_ok_and(|is| is == made), "{HEADER} is not what this test makes");
}
