// SPDX-License-Identifier: Apache-2.0 OR MIT
//! samples/factory-for-tests.bin, which samples are built with where nobody provisions them: twister. Its key is one that everybody
//! knows, and its relay an address that nobody has (RFC 5737).

use std::net::{Ipv4Addr, SocketAddrV4};

use cairn::{factory::Factory, signer::Algorithm};

#[test]
fn the_image_for_tests_has_a_key_that_everybody_knows_and_a_relay_that_nobody_has() {
    let factory = Factory {
        alg: Algorithm::Es256k,
        private_key: Some([1; 32]),
        blind_secret: [2; 32],
        deployment: [3; 32],
        kid: [4; 4],
        master_secret: [5; 16],
        relay: SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 5683),
        attestation: None,
    };
    let mut image = [0; 256];
    let length = factory.encode(&mut image).unwrap();
    assert_eq!(include_bytes!("../../samples/factory-for-tests.bin"), &image[..length]);
}
