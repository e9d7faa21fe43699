// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cairn's own formats against anchor.json, wholly: ids, keys, blinds, leaves, roots, proofs, commitments, digests,
//! signatures and relay leaves.

mod vector_files;

use cairn::{
    batch::{Anchor, AnchorFlags, BATCH_DEPTH, BatchNumber, Commitment, DeploymentId, Digest, RelayLeaf, relay_leaf},
    identity::Identity,
    merkle::{Hash, PathBuilder, TreeHasher, root_from_path},
    record::{BatchKey, BlindSecret, Entry, Kind, LossReason, Record, SequenceNumber, StreamId},
    signer::{Algorithm, PublicKey, Signature, Signer as _, software::SoftwareSigner},
    time::{TimeQuality, WallTime},
};
use minicbor::Encoder;
use p256::{ecdsa::signature::hazmat::PrehashVerifier as _, elliptic_curve::sec1::ToSec1Point as _};
use serde_json::Value;
use vector_files::{Family, array, bytes, list, number, signed};

/// The device of one vector.
struct Device {
    key: PublicKey,
    blind_secret: BlindSecret,
    deployment: DeploymentId,
    stream: StreamId,
}

#[test]
fn every_anchor_vector_is_reproduced_byte_for_byte() {
    Family::load("anchor").run(|_| None, check_vector).finish(&[("vector", 8)], &[]);
}

fn check_vector(vector: &Value) {
    let device = device(vector);
    assert_eq!(device.key.compressed(), array(&vector["public_key"]));
    assert_eq!(device.key.device_id().0, array(&vector["device_id"]));
    assert_eq!(device.key.key_id().0, array(&vector["key_id"]));

    let mut prev = Commitment::default();
    let mut next_seq = SequenceNumber(0);
    for (number_of_batch, batch) in list(&vector["batches"]).iter().enumerate() {
        assert_eq!(number::<usize>(&batch["batch"]), number_of_batch, "batches have no hole");
        let anchor = check_anchor(&device, batch);
        assert_eq!((anchor.prev, anchor.first_seq), (prev, next_seq), "batches form a chain");
        let leaves = check_records(&device, &anchor, batch);
        check_proofs(&anchor, &leaves, batch);
        check_signature(&device, &anchor, vector, batch);
        prev = anchor.commitment();
        next_seq = anchor.end().unwrap();
    }
}

fn device(vector: &Value) -> Device {
    let alg = Algorithm::from_cose(signed(&vector["alg"])).unwrap();
    let key = match alg {
        Algorithm::Es256k => PublicKey::from_sec1(alg, &bytes(&vector["public_key"])).unwrap(),
        Algorithm::Es256 => {
            let key = p256::PublicKey::from_sec1_bytes(&bytes(&vector["public_key"])).unwrap();
            let point = key.to_sec1_point(false);
            PublicKey { alg, xy: point.as_bytes()[1..].try_into().unwrap() }
        }
    };
    Device {
        key,
        blind_secret: BlindSecret::new(array(&vector["blind_secret"])),
        deployment: DeploymentId(array(&vector["deployment_id"])),
        stream: StreamId(number(&vector["stream"])),
    }
}

fn check_anchor(device: &Device, batch: &Value) -> Anchor {
    let anchor = Anchor {
        stream: device.stream,
        batch: BatchNumber(number(&batch["batch"])),
        first_seq: SequenceNumber(number(&batch["first_seq"])),
        count: number(&batch["count"]),
        sealed_at: number(&batch["sealed_at"]),
        flags: AnchorFlags(number(&batch["flags"])),
        root: Hash(array(&batch["root"])),
        prev: Commitment(array(&batch["prev"])),
    };
    assert_eq!(device.deployment.domain_separator(), array(&batch["domain_separator"]));
    assert_eq!(anchor.commitment().0, array(&batch["commitment"]));
    assert_eq!(anchor.commitment().digest(&device.deployment).0, array(&batch["digest"]));
    anchor
}

/// Checks every record of a batch; gives the leaves.
fn check_records(device: &Device, anchor: &Anchor, batch: &Value) -> Vec<Hash> {
    let key = device.blind_secret.batch_key(device.stream, anchor.batch.0);
    assert_eq!(*key.as_bytes(), array(&batch["batch_key"]));
    let records = list(&batch["records"]);
    assert_eq!(records.len(), anchor.count as usize);
    let mut tree = TreeHasher::<BATCH_DEPTH>::new();
    let mut lost = false;
    let leaves = records
        .iter()
        .enumerate()
        .map(|(index, record)| {
            let leaf = if record.get("lost").is_some() {
                lost = true;
                check_lost(&key, record)
            } else {
                check_record(device, &key, record)
            };
            assert_eq!(anchor.leaf_index(SequenceNumber(number(&record["seq"]))), u32::try_from(index).ok());
            assert_eq!(leaf.0, array(&record["leaf"]));
            tree.push(leaf).unwrap();
            leaf
        })
        .collect();
    assert_eq!(anchor.flags.has(AnchorFlags::LOST_RECORDS), lost);
    assert_eq!(tree.root(), anchor.root);
    assert_eq!(tree.leaves(), anchor.count);
    leaves
}

fn check_record(device: &Device, key: &BatchKey, vector: &Value) -> Hash {
    let payload = bytes(&vector["payload"]);
    let record = Record {
        seq: SequenceNumber(number(&vector["seq"])),
        time: WallTime {
            unix_ms: number(&vector["time"]),
            quality: TimeQuality::from_number(number(&vector["tq"])).unwrap(),
        },
        kind: Kind(number(&vector["kind"])),
        payload: &payload,
    };
    let blind = array(&vector["blind"]);
    assert_eq!(key.blind(record.seq), blind);
    let mut cbor = [0; 2048];
    let mut e = Encoder::new(&mut cbor[..]);
    record.encode_leaf(&blind, &mut e).unwrap();
    let left = e.into_writer().len();
    assert_eq!(cbor[..cbor.len() - left], bytes(&vector["leaf_cbor"]));
    if record.kind == Kind::IDENTITY {
        let identity = Identity::new(device.key.device_id(), &device.key, None);
        assert_eq!(*identity.payload(), payload);
        assert_eq!(Identity::from_payload(&payload), Ok(identity));
    }
    let leaf = Entry::Record(record).leaf(key);
    assert_eq!(leaf, record.leaf(&blind));
    leaf
}

fn check_lost(key: &BatchKey, vector: &Value) -> Hash {
    let entry =
        Entry::Lost { seq: SequenceNumber(number(&vector["seq"])), reason: LossReason(number(&vector["lost"])) };
    let mut cbor = [0; 16];
    let mut e = Encoder::new(&mut cbor[..]);
    entry.encode_lost(&mut e).unwrap();
    let left = e.into_writer().len();
    assert_eq!(cbor[..cbor.len() - left], bytes(&vector["leaf_cbor"]));
    entry.leaf(key)
}

fn check_proofs(anchor: &Anchor, leaves: &[Hash], batch: &Value) {
    let proofs = list(&batch["proofs"]);
    assert!(!proofs.is_empty());
    for proof in proofs {
        let index: u32 = number(&proof["index"]);
        let expected: Vec<Hash> = list(&proof["path"]).iter().map(|hash| Hash(array(hash))).collect();
        let mut builder = PathBuilder::<BATCH_DEPTH>::new(index);
        for leaf in leaves {
            builder.push(*leaf).unwrap();
        }
        let (path, root) = builder.finish().unwrap();
        assert_eq!((path.as_slice(), root), (expected.as_slice(), anchor.root), "proof of leaf {index}");
        let leaf = &leaves[index as usize];
        assert_eq!(root_from_path(leaf, index.into(), anchor.count.into(), &path), Some(anchor.root));
    }
}

fn check_signature(device: &Device, anchor: &Anchor, vector: &Value, batch: &Value) {
    let digest = anchor.commitment().digest(&device.deployment);
    let signature = Signature(array(&batch["signature"]));
    match device.key.alg {
        Algorithm::Es256k => check_es256k(device, vector, batch, &digest, &signature),
        Algorithm::Es256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&device.key.compressed()).unwrap();
            let parsed = p256::ecdsa::Signature::from_slice(&signature.0).unwrap();
            key.verify_prehash(&digest.0, &parsed).unwrap();
            assert_eq!(parsed.normalize_s(), parsed, "low-S");
        }
    }
    let leaf = RelayLeaf { alg: device.key.alg, key_id: device.key.key_id(), digest, signature };
    let mut cbor = [0; 160];
    let mut e = Encoder::new(&mut cbor[..]);
    leaf.encode(&mut e).unwrap();
    let left = e.into_writer().len();
    assert_eq!(cbor[..cbor.len() - left], bytes(&batch["relay_leaf_cbor"]));
    assert_eq!(leaf.hash().0, array(&batch["relay_leaf"]));
    assert_eq!(relay_leaf(leaf.alg, &leaf.key_id, &digest, &signature), leaf.hash());
}

fn check_es256k(device: &Device, vector: &Value, batch: &Value, digest: &Digest, signature: &Signature) {
    let mut signer = SoftwareSigner::new(&array(&vector["priv"])).unwrap();
    assert_eq!(signer.public_key(), Ok(device.key));
    assert_eq!(signer.sign(digest), Ok(*signature));
    let y_parity: u8 = number(&batch["y_parity"]);
    assert_eq!(device.key.y_parity(digest, signature).map(|parity| parity as u8), Some(y_parity));
}
