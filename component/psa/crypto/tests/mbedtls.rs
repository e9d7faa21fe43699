// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SHA-256 and AES-CCM over a real PSA Crypto, the Mbed TLS of this machine, against crates that share no code with it; and
//! what comes of a driver that fails. Run by the stage `psa`.

use std::sync::{Mutex, MutexGuard};

use cairn_psa_crypto::{
    Sha256,
    ccm::{CcmError, TAG_BYTES, decrypt, encrypt},
    hash_faults,
};
use ccm::{AeadInOut, Ccm, KeyInit, aead::inout::InOutBuf};
use digest::Digest as _;
use proptest::prelude::*;

unsafe extern "C" {
    /// What is wrong with PSA Crypto, and after how many calls (disturbed.c).
    static mut crypto_disturbance: i32;
    static mut crypto_disturbed_after: i32;
}

const INIT_FAILS: i32 = 1;
const SETUP_FAILS: i32 = 2;
const UPDATE_FAILS: i32 = 3;
const FINISH_FAILS: i32 = 4;
const SHORT_HASH: i32 = 5;
const AEAD_NOT_SUPPORTED: i32 = 6;
const AEAD_FAILS_HALFWAY: i32 = 7;
const SHORT_TEXT: i32 = 8;

/// Mbed TLS 2.28 has no locks, and the disturbance is one for all.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Does something while PSA Crypto is in trouble. The caller holds the lock of `alone`.
fn disturbed<T>(kind: i32, after: i32, act: impl FnOnce() -> T) -> T {
    // SAFETY: the caller holds the lock of `alone`, so nobody else reads or writes them.
    unsafe { (crypto_disturbance, crypto_disturbed_after) = (kind, after) };
    let result = act();
    // SAFETY: as above.
    unsafe { (crypto_disturbance, crypto_disturbed_after) = (0, 0) };
    result
}

fn hash(pieces: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    pieces.iter().for_each(|piece| hash.update(piece));
    hash.finalize().into()
}

fn theirs(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

proptest! {
    #[test]
    fn hashes_are_those_of_the_sha2_crate_however_they_are_fed(
        bytes in prop::collection::vec(any::<u8>(), 0..500),
        cut in any::<prop::sample::Index>(),
    ) {
        let _alone = alone();
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        let before = hash_faults();
        prop_assert_eq!(hash(&[first, second]), theirs(&bytes));
        prop_assert_eq!(<[u8; 32]>::from(Sha256::digest(&bytes)), theirs(&bytes));
        prop_assert_eq!(hash_faults(), before);
    }

    #[test]
    fn messages_are_those_of_the_ccm_crate_and_open_again(
        key: [u8; 16],
        nonce: [u8; 13],
        additional in prop::collection::vec(any::<u8>(), 1..100),
        text in prop::collection::vec(any::<u8>(), 0..1200),
        (byte, bit) in (any::<prop::sample::Index>(), 0..8_u8),
    ) {
        let _alone = alone();
        let cipher = Ccm::<aes::Aes128Enc, ccm::consts::U8, ccm::consts::U13>::new((&key).into());
        let mut sealed = text.clone();
        let tag = cipher.encrypt_inout_detached((&nonce).into(), &additional, InOutBuf::from(&mut sealed[..])).unwrap();
        sealed.extend_from_slice(&tag);

        let mut ours = text.clone();
        ours.extend_from_slice(&[0xee; TAG_BYTES]);
        prop_assert_eq!(encrypt(&key, &nonce, &additional, &mut ours), Ok(()));
        prop_assert_eq!(&ours, &sealed);
        prop_assert_eq!(decrypt(&key, &nonce, &additional, &mut ours), Ok(()));
        prop_assert_eq!(&ours[..text.len()], &text[..]);

        let forged = byte.index(sealed.len());
        sealed[forged] ^= 1_u8 << bit;
        prop_assert_eq!(decrypt(&key, &nonce, &additional, &mut sealed), Err(CcmError::Forged));
        prop_assert!(sealed.iter().all(|byte| *byte == 0), "nothing of a forged text is left");
    }
}

#[test]
fn a_hash_that_fails_anywhere_is_zeros_and_counted_once_and_the_next_is_sound() {
    let _alone = alone();
    for (kind, after) in [
        (INIT_FAILS, 0),
        (SETUP_FAILS, 0),
        (UPDATE_FAILS, 0),
        (UPDATE_FAILS, 1),
        (UPDATE_FAILS, 2),
        (FINISH_FAILS, 0),
        (SHORT_HASH, 0),
    ] {
        let before = hash_faults();
        let failed = disturbed(kind, after, || hash(&[b"one", b"two", b"three"]));
        assert_eq!((failed, hash_faults()), ([0; 32], before.wrapping_add(1)), "disturbance {kind} after {after}");
        // More of them than there are operations: each was given back.
        for _ in 0..8 {
            disturbed(kind, after, || hash(&[b"one", b"two", b"three"]));
        }
        let before = hash_faults();
        assert_eq!(hash(&[b"one"]), theirs(b"one"));
        assert_eq!(hash_faults(), before);
    }
}

#[test]
fn a_hash_that_is_dropped_gives_its_operation_back() {
    let _alone = alone();
    for _ in 0..1000 {
        drop(Sha256::new_with_prefix(b"begun"));
    }
    let before = hash_faults();
    assert_eq!(hash(&[b"after"]), theirs(b"after"));
    assert_eq!(hash_faults(), before);
}

#[test]
fn more_hashes_at_a_time_than_there_are_operations_fail_and_disturb_none_of_those_that_run() {
    let _alone = alone();
    let before = hash_faults();
    let running: Vec<Sha256> = (0..4_u8).map(|i| Sha256::new_with_prefix([i])).collect();
    assert_eq!(hash_faults(), before);
    assert_eq!(hash(&[b"fifth"]), [0; 32]);
    assert_eq!(hash_faults(), before.wrapping_add(1));
    // They were moved, into a vector that grew: their states were not.
    for (i, mut hash) in (0..4_u8).zip(running) {
        hash.update(b"more");
        assert_eq!(<[u8; 32]>::from(hash.finalize()), theirs(&[&[i], &b"more"[..]].concat()));
    }
}

#[test]
fn a_cipher_that_fails_leaves_zeros_and_no_key_behind() {
    let _alone = alone();
    let (key, nonce) = ([1; 16], [2; 13]);
    let mut sealed = [7; 40];
    encrypt(&key, &nonce, &[3], &mut sealed).unwrap();
    for (kind, status) in
        [(INIT_FAILS, -145), (AEAD_NOT_SUPPORTED, -134), (AEAD_FAILS_HALFWAY, -147), (SHORT_TEXT, -153)]
    {
        // More often than Mbed TLS has slots for keys (32).
        for _ in 0..40 {
            let mut text = [7; 40];
            let result = disturbed(kind, 0, || encrypt(&key, &nonce, &[3], &mut text));
            assert_eq!((result, text), (Err(CcmError::Refused(status)), [0; 40]), "disturbance {kind}");
            let mut text = sealed;
            let result = disturbed(kind, 0, || decrypt(&key, &nonce, &[3], &mut text));
            assert_eq!((result, text), (Err(CcmError::Refused(status)), [0; 40]), "disturbance {kind}");
        }
        assert_eq!(decrypt(&key, &nonce, &[3], &mut sealed.clone()), Ok(()));
    }
}

#[test]
fn a_buffer_without_room_for_a_tag_is_refused() {
    let _alone = alone();
    for length in 0..TAG_BYTES {
        let mut text = [7; TAG_BYTES];
        assert_eq!(encrypt(&[0; 16], &[0; 13], &[1], &mut text[..length]), Err(CcmError::Refused(-135)));
        assert_eq!(decrypt(&[0; 16], &[0; 13], &[1], &mut text[..length]), Err(CcmError::Refused(-135)));
    }
}
