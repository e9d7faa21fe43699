// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OSCORE over a PSA Crypto that fails: nothing leaves in the clear or under keys that are none, and nothing is believed. Run by the
//! stage `psa`, with features psa-aead, cairn/psa-hash and cairn-psa-crypto/host-mbedtls.

use cairn_coap::{
    message::{Code, Head, Options, Type},
    oscore::{Context, DeriveError, ProtectError, ReplayWindow, Secrets, UnprotectError},
};
use cairn_psa_crypto::hash_faults;

unsafe extern "C" {
    /// What is wrong with PSA Crypto, and after how many calls (component/psa/crypto/tests/disturbed.c).
    static mut crypto_disturbance: i32;
    static mut crypto_disturbed_after: i32;
}

const SETUP_FAILS: i32 = 2;
const UPDATE_FAILS: i32 = 3;
const FINISH_FAILS: i32 = 4;
const AEAD_NOT_SUPPORTED: i32 = 6;
const AEAD_FAILS_HALFWAY: i32 = 7;

const SECRETS: Secrets<'_> = Secrets { master_secret: &[1; 16], master_salt: &[], id_context: Some(&[9; 8]) };

fn disturb(kind: i32, after: i32) {
    // SAFETY: there is one test in this file, and one thread in it.
    unsafe { (crypto_disturbance, crypto_disturbed_after) = (kind, after) };
}

/// One test: the disturbance is one for the whole process.
#[test]
fn a_platform_that_fails_gives_no_keys_sends_nothing_and_believes_nothing() {
    no_context_comes_of_a_hash_that_failed();
    let device = Context::derive(&SECRETS, &[5], &[]).unwrap();
    let relay = Context::derive(&SECRETS, &[], &[5]).unwrap();
    nothing_of_a_message_that_was_not_encrypted_is_left(&device);
    a_message_that_was_not_decrypted_moves_no_window(&device, &relay);
}

fn no_context_comes_of_a_hash_that_failed() {
    // Three values of two HMACs of two hashes each.
    for (kind, hashes) in [(SETUP_FAILS, 12), (UPDATE_FAILS, 24), (FINISH_FAILS, 12)] {
        for after in 0..hashes {
            let before = hash_faults();
            disturb(kind, after);
            assert_eq!(Context::derive(&SECRETS, &[5], &[]).unwrap_err(), DeriveError::Hash, "{kind} after {after}");
            disturb(0, 0);
            assert_ne!(hash_faults(), before);
        }
    }
}

fn head<'a>() -> Head<'a> {
    Head { kind: Type::Confirmable, code: Code::POST, message_id: 1, token: &[1], options: Options::NONE }
}

fn nothing_of_a_message_that_was_not_encrypted_is_left(device: &Context) {
    for kind in [AEAD_NOT_SUPPORTED, AEAD_FAILS_HALFWAY] {
        let mut out = [0; 128];
        disturb(kind, 0);
        let refused = device.protect_request(1, true, &head(), &[0x5a; 32], &mut out);
        disturb(0, 0);
        assert_eq!(refused.unwrap_err(), ProtectError::Platform);
        assert!(!out.windows(4).any(|window| window == [0x5a; 4]), "no plaintext");
    }
}

fn a_message_that_was_not_decrypted_moves_no_window(device: &Context, relay: &Context) {
    let mut datagram = [0; 128];
    let (length, _) = device.protect_request(2, true, &head(), b"reading", &mut datagram).unwrap();
    let mut window = ReplayWindow::EMPTY;
    for kind in [AEAD_NOT_SUPPORTED, AEAD_FAILS_HALFWAY] {
        disturb(kind, 0);
        let mut copy = datagram;
        let refused = relay.unprotect_request(&mut window, &mut copy[..length]);
        disturb(0, 0);
        assert_eq!((refused.unwrap_err(), window), (UnprotectError::Platform, ReplayWindow::EMPTY));
    }
    let (inner, _) = relay.unprotect_request(&mut window, &mut datagram[..length]).unwrap();
    assert_eq!(inner.payload, b"reading");
}
