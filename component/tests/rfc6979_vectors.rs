// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The software signer against rfc6979.json: deterministic nonces, low-S, recovery ids, public keys.

mod vector_files;

use cairn::signer::{
    Algorithm, Digest, PublicKey, Signature, Signer, SignerError,
    software::{P256Signer, SoftwareSigner},
};
use serde_json::Value;
use vector_files::{Family, array, bytes, number};

#[test]
fn every_vector_of_both_curves_is_signed_the_same_and_low_s() {
    Family::load("rfc6979")
        .run(|_| None, check)
        .finish(&[("secp256k1", 15), ("secp256k1-digest", 3), ("p256", 18), ("p256-digest", 3)], &[]);
}

fn check(vector: &Value) {
    match vector["curve"].as_str() {
        Some("secp256k1") => {
            check_signer(vector, Algorithm::Es256k, SoftwareSigner::new(&array(&vector["priv"])).unwrap());
            check_recovery_id(vector);
        }
        Some("p256") => check_signer(vector, Algorithm::Es256, P256Signer::new(&array(&vector["priv"])).unwrap()),
        other => panic!("{other:?}"),
    }
}

fn check_signer(vector: &Value, alg: Algorithm, mut signer: impl Signer) {
    let key = signer.public_key().unwrap();
    assert_eq!(key.alg, alg);
    assert_eq!(key.compressed(), array(&vector["pub_compressed"]));
    for field in ["pub", "pub_compressed"] {
        assert_eq!(PublicKey::from_sec1(alg, &bytes(&vector[field])), Ok(key));
    }

    let digest = Digest(array(&vector["digest"]));
    let signature = signer.sign(&digest).unwrap();
    let expected: Vec<u8> = [bytes(&vector["r"]), bytes(&vector["s_low"])].concat();
    assert_eq!(signature.0[..], expected);
    let recoverable = signer.sign_recoverable(&digest);
    if alg == Algorithm::Es256k {
        let (again, parity) = recoverable.unwrap();
        assert_eq!((again, parity as u8), (signature, number(&vector["y_parity_low"])));
    } else {
        assert_eq!(recoverable, Err(SignerError::NotRecoverable));
    }
}

fn check_recovery_id(vector: &Value) {
    let digest = Digest(array(&vector["digest"]));
    let key = PublicKey::from_sec1(Algorithm::Es256k, &bytes(&vector["pub"])).unwrap();
    let low: [u8; 64] = [bytes(&vector["r"]), bytes(&vector["s_low"])].concat().try_into().unwrap();
    let found = key.y_parity(&digest, &Signature(low));
    assert_eq!(found.map(|parity| parity as u8), Some(number(&vector["y_parity_low"])));
    if vector["was_high_s"].as_bool().unwrap() {
        let high: [u8; 64] = [bytes(&vector["r"]), bytes(&vector["s"])].concat().try_into().unwrap();
        assert_eq!(key.y_parity(&digest, &Signature(high)), None, "high-S");
    }
}
