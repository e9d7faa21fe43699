// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keccak-256 against keccak.json, in one piece and in pieces of every small size.

mod vector_files;

use cairn::keccak::{Keccak, keccak256};
use serde_json::Value;
use vector_files::{Family, array, bytes};

#[test]
fn every_keccak_vector_is_hashed_the_same_however_it_is_cut() {
    Family::load("keccak").run(|_| None, check).finish(&[("keccak256", 13)], &[]);
}

fn check(vector: &Value) {
    let message = bytes(&vector["msg"]);
    let digest: [u8; 32] = array(&vector["digest"]);
    assert_eq!(keccak256(&[&message]), digest);
    for piece in (1..=16).chain([134, 135, 136, 137, 271, 272, 273]) {
        let mut hash = Keccak::new();
        for part in message.chunks(piece) {
            hash.update(part);
        }
        assert_eq!(hash.finalize(), digest, "pieces of {piece}");
    }
}
