// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The signer over a real PSA Crypto: the Mbed TLS of this machine, with keys in files. Run by the stage `psa`.

use std::sync::{Mutex, MutexGuard, OnceLock};

use cairn::{
    ports::Entropy as _,
    signer::{Algorithm, Digest, PublicKey, Signer as _, SignerError, YParity},
};
use cairn_psa::{KeyNumber, Location, PsaEntropy, PsaError, PsaSigner, destroy, generate, import};
use serde_json::Value;

unsafe extern "C" {
    /// What is wrong with psa_sign_hash (disturbed.c).
    static mut disturbance: i32;
    /// Forgets everything that is not in storage, as a reboot does.
    fn mbedtls_psa_crypto_free();
}

/// Key files go to the working directory, and Mbed TLS 2.28 has no locks.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static STORAGE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let guard = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = STORAGE.get_or_init(|| tempfile::tempdir().unwrap());
    std::env::set_current_dir(folder.path()).unwrap();
    guard
}

fn reboot() {
    // SAFETY: the caller holds the lock of `alone`, so nobody is inside the library.
    unsafe { mbedtls_psa_crypto_free() };
}

/// Disturbs signatures until it is dropped. The caller holds the lock of `alone`.
struct Disturbance;

impl Disturbance {
    fn begin(number: i32) -> Self {
        // SAFETY: the caller holds the lock of `alone`, so nobody else reads or writes it.
        unsafe { disturbance = number };
        Self
    }
}

impl Drop for Disturbance {
    fn drop(&mut self) {
        // SAFETY: as in `begin`.
        unsafe { disturbance = 0 };
    }
}

const OWN: Location = Location(0);

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let text = value.as_str().unwrap().trim_start_matches("0x");
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn every_rfc6979_vector_of_both_curves_is_signed_the_same_and_low_s() {
    let _alone = alone();
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/rfc6979.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let alg = if vector["curve"] == "secp256k1" { Algorithm::Es256k } else { Algorithm::Es256 };
        let key = KeyNumber(1);
        import(key, alg, OWN, &bytes(&vector["priv"])).unwrap();
        let mut signer = PsaSigner::open(key).unwrap();
        assert_eq!(signer.public_key().unwrap().compressed(), bytes(&vector["pub_compressed"]));
        let signature = signer.sign(&Digest(bytes(&vector["digest"]))).unwrap();
        let (r, s): ([u8; 32], [u8; 32]) = (bytes(&vector["r"]), bytes(&vector["s_low"]));
        assert_eq!(signature.0, [r, s].concat()[..], "{}", vector["id"]);
        destroy(key).unwrap();
    }
    assert_eq!(vectors.len(), 39);
}

#[test]
fn a_generated_key_of_either_curve_signs_what_others_accept_and_outlives_a_reboot() {
    let _alone = alone();
    for (number, alg) in [(10, Algorithm::Es256k), (11, Algorithm::Es256)] {
        let key = KeyNumber(number);
        generate(key, alg, OWN).unwrap();
        let public = PsaSigner::open(key).unwrap().public_key().unwrap();
        assert_eq!(PublicKey::from_sec1(alg, &public.compressed()), Ok(public), "a point of the curve");
        reboot();
        let mut signer = PsaSigner::open(key).unwrap();
        assert_eq!(signer.public_key(), Ok(public));
        assert!(signer.capabilities().deterministic && signer.capabilities().key_outside_ram);
        for byte in 0..8 {
            let digest = Digest([byte; 32]);
            let signature = signer.sign(&digest).unwrap();
            assert_eq!(public.accept(&digest, &signature.0), Ok(signature));
            assert_eq!(signer.sign(&digest), Ok(signature), "deterministic");
        }
        destroy(key).unwrap();
    }
}

#[test]
fn the_recovery_id_of_a_secp256k1_signature_is_found() {
    let _alone = alone();
    let key = KeyNumber(20);
    generate(key, Algorithm::Es256k, OWN).unwrap();
    let mut signer = PsaSigner::open(key).unwrap();
    let (signature, parity) = signer.sign_recoverable(&Digest([3; 32])).unwrap();
    assert!(matches!(parity, YParity::Even | YParity::Odd));
    assert_eq!(signer.public_key().unwrap().y_parity(&Digest([3; 32]), &signature), Some(parity));
    destroy(key).unwrap();
}

#[test]
fn a_key_is_made_once_and_a_destroyed_one_is_gone_also_after_a_reboot() {
    let _alone = alone();
    let key = KeyNumber(30);
    assert_eq!(PsaSigner::open(key).unwrap_err(), SignerError::NotProvisioned);
    assert_eq!(destroy(key), Err(PsaError::DoesNotExist));
    generate(key, Algorithm::Es256k, OWN).unwrap();
    assert_eq!(generate(key, Algorithm::Es256k, OWN), Err(PsaError::AlreadyExists));
    assert_eq!(import(key, Algorithm::Es256, OWN, &[7; 32]), Err(PsaError::AlreadyExists));
    let mut open = PsaSigner::open(key).unwrap();
    destroy(key).unwrap();
    assert_eq!(open.sign(&Digest([1; 32])), Err(SignerError::NotProvisioned));
    reboot();
    assert_eq!(PsaSigner::open(key).unwrap_err(), SignerError::NotProvisioned);
}

#[test]
fn what_is_no_secret_no_number_or_no_location_is_refused_and_leaves_no_key() {
    let _alone = alone();
    let key = KeyNumber(40);
    for secret in [[0; 32], [0xff; 32]] {
        for alg in [Algorithm::Es256k, Algorithm::Es256] {
            assert_eq!(import(key, alg, OWN, &secret), Err(PsaError::InvalidArgument));
        }
    }
    for number in [0, 0x4000_0000, u32::MAX] {
        assert_eq!(generate(KeyNumber(number), Algorithm::Es256k, OWN), Err(PsaError::InvalidArgument));
    }
    assert!(generate(key, Algorithm::Es256k, Location(0x0080_0001)).is_err(), "no such element");
    assert_eq!(PsaSigner::open(key).unwrap_err(), SignerError::NotProvisioned);
}

#[test]
fn random_bytes_fill_the_whole_of_a_buffer() {
    let _alone = alone();
    let mut buffer = [0; 4096];
    PsaEntropy.fill(&mut buffer).unwrap();
    let mut seen = [false; 256];
    buffer.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    assert!(seen.iter().filter(|seen| **seen).count() > 250);
    assert!(buffer.chunks(16).all(|piece| piece.iter().any(|byte| *byte != 0)));
}

#[test]
fn a_driver_without_deterministic_signatures_gets_a_key_for_randomised_ones() {
    let _alone = alone();
    let key = KeyNumber(50);
    let disturbed = Disturbance::begin(1);
    generate(key, Algorithm::Es256, OWN).unwrap();
    let mut signer = PsaSigner::open(key).unwrap();
    assert!(!signer.capabilities().deterministic);
    let public = signer.public_key().unwrap();
    let (one, two) = (signer.sign(&Digest([1; 32])).unwrap(), signer.sign(&Digest([1; 32])).unwrap());
    assert_ne!(one, two);
    assert_eq!(public.accept(&Digest([1; 32]), &two.0), Ok(two));
    drop(disturbed);
    destroy(key).unwrap();
}

#[test]
fn a_driver_that_cannot_sign_at_all_leaves_no_key_behind() {
    let _alone = alone();
    let key = KeyNumber(60);
    for (number, error) in [(2, PsaError::NotSupported), (3, PsaError::CommunicationFailure)] {
        let disturbed = Disturbance::begin(number);
        assert_eq!(generate(key, Algorithm::Es256k, OWN), Err(error));
        drop(disturbed);
        assert_eq!(PsaSigner::open(key).unwrap_err(), SignerError::NotProvisioned);
    }
}

#[test]
fn a_disturbed_signature_never_leaves_and_the_next_is_sound() {
    let _alone = alone();
    let key = KeyNumber(70);
    generate(key, Algorithm::Es256k, OWN).unwrap();
    let mut signer = PsaSigner::open(key).unwrap();
    let wrong = [
        (3, SignerError::Gone),
        (4, SignerError::Locked),
        (5, SignerError::FaultDetected),
        (6, SignerError::FaultDetected),
        (7, SignerError::FaultDetected),
    ];
    for (number, error) in wrong {
        let disturbed = Disturbance::begin(number);
        assert_eq!(signer.sign(&Digest([2; 32])), Err(error), "disturbance {number}");
        drop(disturbed);
        assert!(signer.sign(&Digest([2; 32])).is_ok());
    }
    destroy(key).unwrap();
}
