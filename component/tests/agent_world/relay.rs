// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the relay of the agent's world knows of keys: it checks every signature with libraries that share nothing with the
//! device's signers, and learns of a key only by the rotation record that the key before it signed.

use std::{cell::RefCell, collections::HashSet};

use cairn::{
    batch::{Anchor, AnchorFlags, Digest},
    record::{Kind, SequenceNumber},
    rotation::Rotation,
    signer::{Algorithm, DeviceId, PublicKey, Signature},
};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;

use super::{DEPLOYMENT, Seen};

/// Which key signs which batches.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    pub device: Option<DeviceId>,
    /// The first batch of each, and the key.
    pub turns: Vec<(u32, PublicKey)>,
}

impl Keys {
    pub fn of(first: PublicKey) -> Self {
        Self { device: Some(first.device_id()), turns: vec![(0, first)] }
    }

    pub fn signer_of(&self, batch: u32) -> &PublicKey {
        &self.turns.iter().rev().find(|(first, _)| *first <= batch).expect("a key").1
    }

    /// The anchor is signed by the key whose turn it is.
    pub fn check(&self, anchor: &Anchor, signature: &Signature) {
        let digest = anchor.commitment().digest(&DEPLOYMENT);
        let key = self.signer_of(anchor.batch.0);
        assert!(is_signed_by(key, &digest, signature), "{:?} is not signed by the key whose turn it is", anchor.batch);
    }

    /// Takes in what a new batch says of keys.
    pub fn learn(&mut self, anchor: &Anchor, records: Option<&[Seen]>) {
        let rotations = records.unwrap_or_default().iter().filter(|seen| is_rotation(seen)).count();
        if !anchor.flags.has(AnchorFlags::LAST_OF_KEY) {
            assert_eq!(rotations, 0, "a rotation is in a batch that is not flagged");
            return;
        }
        let Some([Seen::Record { seq, payload, kind: Kind::ROTATION, .. }]) = records else {
            panic!("a key's last batch holds the rotation record and nothing else, and comes with it: {records:?}");
        };
        let rotation = Rotation::from_payload(payload).expect("a rotation");
        assert_eq!(Some(rotation.device), self.device);
        let proved = Rotation::proof_digest(&rotation.device, anchor.stream, SequenceNumber(*seq));
        assert!(rotation.proves(anchor.stream, SequenceNumber(*seq)));
        assert!(is_signed_by(&rotation.key, &proved, &rotation.proof), "the next key did not agree");
        self.turns.push((anchor.batch.0 + 1, rotation.key));
    }
}

fn is_rotation(seen: &Seen) -> bool {
    matches!(seen, Seen::Record { kind: Kind::ROTATION, .. })
}

thread_local! {
    /// Signatures that were found good: lives that are lived again and again show the same.
    static GOOD: RefCell<HashSet<(PublicKey, Digest, Signature)>> = RefCell::default();
}

/// Whether this is the key's low-S signature: by libsecp256k1, which takes no other, or the p256 crate.
pub fn is_signed_by(key: &PublicKey, digest: &Digest, signature: &Signature) -> bool {
    let what = (*key, *digest, *signature);
    if GOOD.with_borrow(|good| good.contains(&what)) {
        return true;
    }
    let good = match key.alg {
        Algorithm::Es256k => {
            let key = secp256k1::PublicKey::from_slice(&key.compressed()).unwrap();
            let signature = secp256k1::ecdsa::Signature::from_compact(&signature.0).unwrap();
            let message = secp256k1::Message::from_digest(digest.0);
            secp256k1::Secp256k1::verification_only().verify_ecdsa(message, &signature, &key).is_ok()
        }
        Algorithm::Es256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.compressed()).unwrap();
            let signature = p256::ecdsa::Signature::from_slice(&signature.0).unwrap();
            signature == signature.normalize_s() && key.verify_prehash(&digest.0, &signature).is_ok()
        }
    };
    good && GOOD.with_borrow_mut(|known| known.insert(what))
}
