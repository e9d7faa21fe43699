// SPDX-License-Identifier: Apache-2.0 OR MIT
//! libsecp256k1 against rfc6979.json and against the signer in Rust.

use cairn::{
    ports::{Entropy, NoEntropy},
    signer::{Digest, Signer as _, software::SoftwareSigner},
};
use cairn_libsecp256k1::{Libsecp256k1Signer, OpenError, Storage};
use serde_json::Value;

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap().try_into().unwrap()
}

/// Counts on, so that two sources give the same.
#[derive(Default)]
struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        self.0 += 1;
        out.fill(self.0);
        Ok(())
    }
}

#[test]
fn every_secp256k1_vector_is_signed_the_same_with_its_recovery_id() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/rfc6979.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap().iter().filter(|vector| vector["curve"] == "secp256k1");
    let mut count = 0;
    for vector in vectors {
        let mut storage = Storage::new();
        let mut signer = Libsecp256k1Signer::new(&mut storage, &bytes(&vector["priv"])).unwrap();
        assert_eq!(signer.public_key().unwrap().compressed(), bytes(&vector["pub_compressed"]));
        let (signature, parity) = signer.sign_recoverable(&Digest(bytes(&vector["digest"]))).unwrap();
        let (r, s): ([u8; 32], [u8; 32]) = (bytes(&vector["r"]), bytes(&vector["s_low"]));
        assert_eq!(signature.0, [r, s].concat()[..], "{}", vector["id"]);
        assert_eq!(u64::from(parity as u8), vector["y_parity_low"].as_u64().unwrap());
        count += 1;
    }
    assert_eq!(count, 18);
}

#[test]
fn with_the_same_entropy_both_signers_give_the_same_signature() {
    for byte in 1..=50 {
        let mut storage = Storage::new();
        // It takes one filling more, to blind with.
        let mut c = Libsecp256k1Signer::with_entropy(&mut storage, &[byte; 32], Counting(0)).unwrap();
        let mut rust = SoftwareSigner::with_entropy(&[byte; 32], Counting(1)).unwrap();
        assert_eq!(c.public_key(), rust.public_key());
        for _ in 0..4 {
            let digest = Digest([byte ^ 0x5a; 32]);
            assert_eq!(c.sign_recoverable(&digest), rust.sign_recoverable(&digest));
        }
        assert!(!c.capabilities().deterministic && c.capabilities().fault_guarded);
    }
}

#[test]
fn what_is_no_secret_makes_no_signer() {
    for secret in [[0; 32], [0xff; 32]] {
        let mut storage = Storage::default();
        assert_eq!(Libsecp256k1Signer::new(&mut storage, &secret).err(), Some(OpenError::NotASecret));
    }
}
