// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Evidence for every proof in anchor.json, and a ledger on which one relay posted the anchors of all of them under one root.

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId, relay_leaf},
    merkle::{Hash, PathBuilder, TreeHasher},
    record::{Kind, SequenceNumber, StreamId},
    signer::{Algorithm, Signature},
    time::{TimeQuality, WallTime},
};
use cairn_evidence::{
    Evidence, EvidenceKey, Expectation, Inclusion, LedgerFacts, OwnedRecord, Refusal, Route, TransactionRef, Verdict,
    signature, verify,
    verify::{Anchoring, Block, Event, Receipt},
};
use serde_json::Value;

pub(crate) const CHAIN: u64 = 31_337;
pub(crate) const CONTRACT: [u8; 20] = [0xca; 20];
pub(crate) const TRANSACTION: TransactionRef =
    TransactionRef { hash: [0x77; 32], block_number: 41, block_hash: [0xb1; 32] };
pub(crate) const HEAD: u64 = 50;
pub(crate) const BLOCK_TIME: u64 = 1_767_225_600;

pub(crate) fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(&value.as_str().unwrap()[2..]).unwrap().try_into().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn anchor(stream: u64, batch: &Value) -> Anchor {
    Anchor {
        stream: StreamId(stream),
        batch: BatchNumber(number(&batch["batch"]).try_into().unwrap()),
        first_seq: SequenceNumber(number(&batch["first_seq"])),
        count: number(&batch["count"]).try_into().unwrap(),
        sealed_at: number(&batch["sealed_at"]),
        flags: AnchorFlags(number(&batch["flags"]).try_into().unwrap()),
        root: Hash(bytes(&batch["root"])),
        prev: Commitment(bytes(&batch["prev"])),
    }
}

fn record(record: &Value) -> OwnedRecord {
    OwnedRecord {
        seq: SequenceNumber(number(&record["seq"])),
        time: WallTime {
            unix_ms: number(&record["time"]),
            quality: TimeQuality::from_number(number(&record["tq"]).try_into().unwrap()).unwrap(),
        },
        kind: Kind(number(&record["kind"]).try_into().unwrap()),
        blind: bytes(&record["blind"]),
        payload: hex::decode(&record["payload"].as_str().unwrap()[2..]).unwrap(),
    }
}

/// What a device would give out for every proof of the vectors that is of a record, not of a lost place.
fn device_evidence() -> Vec<Evidence> {
    let text = include_str!("../../../../component/tests/vectors/anchor.json");
    let family: Value = serde_json::from_str(text).unwrap();
    let mut all = Vec::new();
    for vector in family["vectors"].as_array().unwrap() {
        let alg = Algorithm::from_cose(vector["alg"].as_i64().unwrap().try_into().unwrap()).unwrap();
        for batch in vector["batches"].as_array().unwrap() {
            for proof in batch["proofs"].as_array().unwrap() {
                let source = &batch["records"][usize::try_from(number(&proof["index"])).unwrap()];
                if source.get("lost").is_some() {
                    continue;
                }
                all.push(Evidence {
                    deployment: DeploymentId(bytes(&vector["deployment_id"])),
                    record: record(source),
                    path: proof["path"].as_array().unwrap().iter().map(|hash| Hash(bytes(hash))).collect(),
                    anchor: anchor(number(&vector["stream"]), batch),
                    signature: Signature(bytes(&batch["signature"])),
                    key: EvidenceKey { alg, public_key: bytes(&vector["public_key"]) },
                    rotations: Vec::new(),
                    inclusion: None,
                });
            }
        }
    }
    all
}

fn leaf_of(evidence: &Evidence) -> Hash {
    let key = signature::public_key(evidence.key.alg, &evidence.key.public_key).unwrap();
    let digest = evidence.anchor.commitment().digest(&evidence.deployment);
    relay_leaf(key.alg, &key.key_id(), &digest, &evidence.signature)
}

/// The vectors as evidence in root mode, and the root that was posted.
pub(crate) fn posted() -> (Vec<Evidence>, Hash) {
    let mut all = device_evidence();
    let mut leaves: Vec<Hash> = all.iter().map(leaf_of).collect();
    leaves.sort_unstable();
    leaves.dedup();
    let mut tree = TreeHasher::<16>::new();
    leaves.iter().for_each(|leaf| tree.push(*leaf).unwrap());
    for evidence in &mut all {
        let index = u32::try_from(leaves.binary_search(&leaf_of(evidence)).unwrap()).unwrap();
        let mut path = PathBuilder::<16>::new(index);
        leaves.iter().for_each(|leaf| path.push(*leaf).unwrap());
        let (path, root) = path.finish().unwrap();
        assert_eq!(root, tree.root());
        evidence.inclusion = Some(Inclusion {
            chain_id: CHAIN,
            contract: CONTRACT,
            route: Route::Root { index, leaves: tree.leaves(), path: path.to_vec() },
            transaction: TRANSACTION,
        });
    }
    (all, tree.root())
}

/// The same evidence in direct mode, and the event that its transaction emitted.
pub(crate) fn direct(mut evidence: Evidence) -> (Evidence, Anchoring) {
    let key = signature::public_key(evidence.key.alg, &evidence.key.public_key).unwrap();
    evidence.inclusion.as_mut().unwrap().route = Route::Direct;
    let says = Anchoring::Anchor(key.key_id(), evidence.anchor.commitment());
    (evidence, says)
}

pub(crate) fn expectation(evidence: &Evidence) -> Expectation {
    let key = signature::public_key(evidence.key.alg, &evidence.key.public_key).unwrap();
    Expectation {
        deployment: evidence.deployment,
        chain_id: CHAIN,
        contract: CONTRACT,
        device: Some(key.device_id()),
        min_confirmations: HEAD - TRANSACTION.block_number,
    }
}

/// What a node says of the transaction that emitted `says`.
pub(crate) fn facts(evidence: &Evidence, says: Anchoring) -> LedgerFacts {
    let key = signature::public_key(evidence.key.alg, &evidence.key.public_key).unwrap();
    LedgerFacts {
        chain_id: CHAIN,
        head: HEAD,
        contract_deployment: Some(evidence.deployment),
        registered_at: BLOCK_TIME - 1000,
        revoked_at: 0,
        registered_for: Some(key.device_id()),
        receipt: Some(Receipt {
            succeeded: true,
            block_number: TRANSACTION.block_number,
            block_hash: TRANSACTION.block_hash,
            events: vec![Event { contract: CONTRACT, says }],
        }),
        block: Some(Block { hash: TRANSACTION.block_hash, timestamp: BLOCK_TIME }),
    }
}

/// Verifies as the program does: the facts are asked for by what the evidence names.
pub(crate) fn ask(evidence: &Evidence, expectation: &Expectation, facts: &LedgerFacts) -> Result<Verdict, Refusal> {
    let mut facts = facts.clone();
    if evidence.inclusion.as_ref().is_some_and(|inclusion| inclusion.transaction.hash != TRANSACTION.hash) {
        facts.receipt = None;
    }
    verify(evidence, expectation, &facts)
}
