// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The software signer against rfc6979.json: deterministic nonces, low-S, recovery ids, public keys.

mod vector_files;

use cairn::signer::{Algorithm, Digest, PublicKey, Signature, Signer as _, software::SoftwareSigner};
use serde_json::Value;
use vector_files::{Family, array, bytes, number};

#[test]
fn every_secp256k1_vector_is_signed_the_same_and_low_s() {
    let p256 = |vector: &Value| (vector["curve"] == "p256").then_some("no P-256 key is held in software");
    Family::load("rfc6979").run(p256, check).finish(
        &[("secp256k1", 15), ("secp256k1-digest", 3)],
        &[("p256: no P-256 key is held in software", 18), ("p256-digest: no P-256 key is held in software", 3)],
    );
}

fn check(vector: &Value) {
    let digest = Digest(array(&vector["digest"]));
    let mut signer = SoftwareSigner::new(&array(&vector["priv"])).unwrap();
    let key = signer.public_key().unwrap();
    assert_eq!(key.compressed(), array(&vector["pub_compressed"]));
    for field in ["pub", "pub_compressed"] {
        assert_eq!(PublicKey::from_sec1(Algorithm::Es256k, &bytes(&vector[field])), Ok(key));
    }

    let signature = signer.sign(&digest).unwrap();
    let expected: Vec<u8> = [bytes(&vector["r"]), bytes(&vector["s_low"])].concat();
    assert_eq!(signature.0[..], expected);
    assert_eq!(key.y_parity(&digest, &signature).map(|parity| parity as u8), Some(number(&vector["y_parity_low"])));

    if vector["was_high_s"].as_bool().unwrap() {
        let high: [u8; 64] = [bytes(&vector["r"]), bytes(&vector["s"])].concat().try_into().unwrap();
        assert_eq!(key.y_parity(&digest, &Signature(high)), None, "high-S");
    }
}
