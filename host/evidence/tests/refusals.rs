// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is verified and what is refused, step by step, on evidence made of anchor.json.

mod ledger;

use std::collections::{BTreeMap, BTreeSet};

use cairn::{
    batch::{AnchorFlags, Commitment, DeploymentId},
    merkle::Hash,
    signer::{Algorithm, DeviceId},
};
use cairn_evidence::{
    Evidence, Expectation, LedgerFacts, Refusal, Rotation, Route, Step, cbor, json, read, signature,
    verify::{Anchoring, Event},
};
use ledger::{CONTRACT, ask, direct, expectation, facts, posted};

#[test]
fn every_proof_in_the_vectors_verifies_in_both_modes_and_both_forms() {
    let (all, root) = posted();
    let mut algorithms = BTreeMap::new();
    for evidence in &all {
        let expected = expectation(evidence);
        let verdict = ask(evidence, &expected, &facts(evidence, Anchoring::Root(root))).unwrap();
        assert_eq!((verdict.block_number, verdict.confirmations), (41, 9));
        assert_eq!(Some(verdict.statement.device), expected.device);
        *algorithms.entry(evidence.key.alg.cose()).or_insert(0) += 1;
        assert_eq!(cbor::decode(&cbor::encode(evidence)).as_ref(), Ok(evidence));
        assert_eq!(read(json::to_json(evidence).as_bytes()).as_ref(), Ok(evidence));
        let (evidence, says) = direct(evidence.clone());
        assert!(ask(&evidence, &expected, &facts(&evidence, says)).is_ok());
        assert_eq!(read(&cbor::encode(&evidence)).as_ref(), Ok(&evidence));
        assert_eq!(read(json::to_json(&evidence).as_bytes()).as_ref(), Ok(&evidence));
    }
    assert!(algorithms[&-47] >= 15 && algorithms[&-7] >= 8, "{algorithms:?}");
}

/// One way to spoil a good case.
type Spoil = fn(&mut Evidence, &mut Expectation, &mut LedgerFacts);

/// n − s, with the order of the signature's group.
fn high_s(evidence: &mut Evidence) {
    let order = match evidence.key.alg {
        Algorithm::Es256k => "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        Algorithm::Es256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    };
    let order = hex::decode(order).unwrap();
    let mut borrow = 0i16;
    for (place, digit) in evidence.signature.0[32..].iter_mut().enumerate().rev() {
        let difference = i16::from(order[place]) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
}

fn route(evidence: &mut Evidence) -> (&mut u32, &mut u32, &mut Vec<Hash>) {
    match &mut evidence.inclusion.as_mut().unwrap().route {
        Route::Root { index, leaves, path } => (index, leaves, path),
        Route::Direct => panic!("made in root mode"),
    }
}

/// Every way, with the exit code it must lead to.
const SPOILED: &[(u8, &str, Spoil)] = &[
    (100, "carries a rotation that is none", |e, _, _| {
        let (record, path, anchor) = (vec![], vec![], vec![]);
        e.rotations.push(Rotation { record, path, anchor, signature: e.signature });
    }),
    (54, "names no transaction", |e, _, _| e.inclusion = None),
    (20, "wrong deployment", |_, x, _| x.deployment = DeploymentId([9; 32])),
    (21, "a record of another device", |_, x, _| x.device = Some(DeviceId([9; 32]))),
    (30, "empty batch", |e, _, _| e.anchor.count = 0),
    (30, "huge batch", |e, _, _| e.anchor.count = 1 << 16),
    (30, "past the last number", |e, _, _| e.anchor.first_seq.0 = u64::MAX),
    (30, "unknown flag", |e, _, _| e.anchor.flags = AnchorFlags(8)),
    (30, "a batch before the first", |e, _, _| {
        (e.anchor.batch.0, e.anchor.first_seq.0, e.anchor.prev) = (0, 0, Commitment([1; 32]));
    }),
    (30, "no batch before a later one", |e, _, _| e.anchor.prev = Commitment::default()),
    (31, "a record of another batch", |e, _, _| e.record.seq.0 += 1000),
    (32, "a path cut short", |e, _, _| e.path.truncate(1)),
    (32, "a path too long", |e, _, _| e.path.push(Hash([1; 32]))),
    (33, "one bit of the reading", |e, _, _| e.record.payload[0] ^= 1),
    (33, "its time", |e, _, _| e.record.time.unix_ms += 1),
    (33, "its kind", |e, _, _| e.record.kind.0 ^= 1),
    (33, "its blind", |e, _, _| e.record.blind[15] ^= 1),
    (33, "its neighbour", |e, _, _| e.path[0].0[0] ^= 1),
    (33, "a proof for another batch's root", |e, _, _| e.anchor.root.0[31] ^= 1),
    (22, "a key that is no point", |e, _, _| e.key.public_key[0] = 5),
    (41, "s of zero", |e, _, _| e.signature.0[32..].fill(0)),
    (41, "r above the order", |e, _, _| e.signature.0[..32].fill(0xff)),
    (42, "high-S", |e, _, _| high_s(e)),
    (43, "another signature", |e, _, _| e.signature.0[5] ^= 1),
    (43, "another anchor", |e, _, _| e.anchor.sealed_at += 1),
    (50, "the evidence names another chain", |e, _, _| e.inclusion.as_mut().unwrap().chain_id = 1),
    (51, "the node is on another chain", |_, _, f| f.chain_id = 1),
    (52, "wrong contract", |e, _, _| e.inclusion.as_mut().unwrap().contract = [1; 20]),
    (53, "no contract there", |_, _, f| f.contract_deployment = None),
    (53, "a contract of another deployment", |_, _, f| f.contract_deployment = Some(DeploymentId([9; 32]))),
    (60, "a root that is not on chain", |e, _, _| e.inclusion.as_mut().unwrap().transaction.hash = [1; 32]),
    (61, "reverted", |_, _, f| f.receipt.as_mut().unwrap().succeeded = false),
    (62, "another block number", |e, _, _| e.inclusion.as_mut().unwrap().transaction.block_number += 1),
    (62, "another block hash", |e, _, _| e.inclusion.as_mut().unwrap().transaction.block_hash = [1; 32]),
    (70, "a stranger's event", |_, _, f| f.receipt.as_mut().unwrap().events[0].contract = [1; 20]),
    (71, "no event", |_, _, f| f.receipt.as_mut().unwrap().events.clear()),
    (72, "the relay's path cut short", |e, _, _| route(e).2.truncate(1)),
    (72, "an index outside the relay's tree", |e, _, _| *route(e).0 = u32::MAX),
    (73, "a proof for another root", |e, _, _| route(e).2[0].0[0] ^= 1),
    (73, "another root posted", |_, _, f| {
        f.receipt.as_mut().unwrap().events[0].says = Anchoring::Root(Hash([1; 32]));
    }),
    (80, "the node lacks the block", |_, _, f| f.block = None),
    (81, "reorganised away", |_, _, f| f.block.as_mut().unwrap().hash = [1; 32]),
    (82, "too young", |_, x, _| x.min_confirmations += 1),
    (82, "a head below the block", |_, _, f| f.head = 3),
    (90, "unregistered key", |_, _, f| f.registered_at = 0),
    (91, "revoked in the same block", |_, _, f| f.revoked_at = ledger::BLOCK_TIME),
    (93, "registered for another device", |_, _, f| f.registered_for = Some(DeviceId([9; 32]))),
    (93, "registered for nobody the contract told of", |_, _, f| f.registered_for = None),
    (92, "registered later", |_, _, f| f.registered_at = ledger::BLOCK_TIME + 1),
];

#[test]
fn every_change_is_refused_with_its_own_code_and_words_whatever_the_algorithm() {
    let (all, root) = posted();
    let mut words: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    for alg in [Algorithm::Es256k, Algorithm::Es256] {
        let deep = |e: &&Evidence| e.key.alg == alg && e.path.len() >= 2 && e.anchor.batch.0 > 0;
        let good = all.iter().filter(deep).find(|e| !e.record.payload.is_empty()).unwrap();
        for (code, what, spoil) in SPOILED {
            let (mut evidence, mut expected) = (good.clone(), expectation(good));
            let mut facts = facts(good, Anchoring::Root(root));
            spoil(&mut evidence, &mut expected, &mut facts);
            let refusal = ask(&evidence, &expected, &facts).expect_err(what);
            assert_eq!(refusal.exit_code(), *code, "{what}: {refusal}");
            words.entry(*code).or_default().insert(refusal.to_string());
        }
    }
    let sentences: Vec<_> = words.values().flatten().collect();
    let distinct: BTreeSet<_> = sentences.iter().collect();
    assert_eq!(sentences.len(), distinct.len(), "one sentence for two codes");
}

#[test]
fn direct_evidence_is_refused_when_its_transaction_anchored_something_else() {
    let (all, root) = posted();
    let (evidence, says) = direct(all[4].clone());
    let expected = expectation(&evidence);
    let Anchoring::Anchor(key, commitment) = says else { panic!("direct") };
    let refusal = |says| ask(&evidence, &expected, &facts(&evidence, says)).unwrap_err();
    assert_eq!(refusal(Anchoring::Anchor(key, Commitment([1; 32]))), Refusal::OtherAnchored);
    assert_eq!(refusal(Anchoring::Anchor(cairn::signer::KeyId([1; 20]), commitment)), Refusal::OtherAnchored);
    assert_eq!(refusal(Anchoring::Root(root)), Refusal::NothingAnchored);
    let mut facts = facts(&evidence, says);
    let events = &mut facts.receipt.as_mut().unwrap().events;
    events.insert(0, Event { contract: [1; 20], says });
    assert!(ask(&evidence, &expected, &facts).is_ok(), "a stranger's copy beside the contract's event is harmless");
    facts.receipt.as_mut().unwrap().events.truncate(1);
    assert_eq!(ask(&evidence, &expected, &facts), Err(Refusal::EventOfOtherContract([1; 20])));
    assert_ne!(CONTRACT, [1; 20]);
}

#[test]
fn a_key_revoked_after_the_inclusion_still_verifies_and_the_verdict_says_so() {
    let (all, root) = posted();
    let mut facts = facts(&all[0], Anchoring::Root(root));
    facts.revoked_at = ledger::BLOCK_TIME + 1;
    let verdict = ask(&all[0], &expectation(&all[0]), &facts).unwrap();
    assert_eq!(verdict.revoked_at, Some(ledger::BLOCK_TIME + 1));
}

#[test]
fn a_flipped_bit_in_any_byte_is_refused_or_changes_nothing_that_was_verified() {
    let (all, root) = posted();
    let good = all.iter().find(|e| e.path.len() >= 2 && e.record.payload.len() < 64).unwrap();
    let (expected, facts) = (expectation(good), facts(good, Anchoring::Root(root)));
    let verdict = ask(good, &expected, &facts).unwrap();
    let file = cbor::encode(good);
    let mut harmless = Vec::new();
    for byte in 0..file.len() {
        let (mut flipped, bit) = (file.clone(), byte * 8 + byte % 8);
        flipped[byte] ^= 1 << (byte % 8);
        let Ok(evidence) = cbor::decode(&flipped) else { continue };
        if let Ok(found) = ask(&evidence, &expected, &facts) {
            assert_eq!(found, verdict, "bit {bit}");
            // Only the size of the relay's tree: a leaf's path can be the same in a tree of another size.
            let mut like_good = evidence.clone();
            *route(&mut like_good).1 = *route(&mut good.clone()).1;
            assert_eq!(&like_good, good, "bit {bit}");
            harmless.push(bit);
        }
    }
    assert!(harmless.len() <= 2, "{harmless:?}");
}

#[test]
fn keys_are_read_in_every_sec_1_form() {
    for evidence in posted().0 {
        let alg = evidence.key.alg;
        let key = signature::public_key(alg, &evidence.key.public_key).unwrap();
        assert_eq!(key.compressed(), evidence.key.public_key);
        assert_eq!(signature::public_key(alg, &key.xy), Ok(key));
        let uncompressed: Vec<u8> = [4].into_iter().chain(key.xy).collect();
        assert_eq!(signature::public_key(alg, &uncompressed), Ok(key));
        assert!(signature::public_key(alg, &key.xy[..63]).is_err());
        assert!(signature::public_key(alg, &[]).is_err());
    }
}

#[test]
fn the_documented_table_has_every_exit_code_with_its_step() {
    let text = include_str!("../../../docs/verify.md");
    let (all, root) = posted();
    let good = all.iter().find(|e| e.path.len() >= 2 && e.anchor.batch.0 > 0 && !e.record.payload.is_empty()).unwrap();
    let mut seen = BTreeSet::from([10, 74]);
    for (code, what, spoil) in SPOILED {
        let (mut evidence, mut expected) = (good.clone(), expectation(good));
        let mut facts = facts(good, Anchoring::Root(root));
        spoil(&mut evidence, &mut expected, &mut facts);
        let step = ask(&evidence, &expected, &facts).expect_err(what).step().name();
        assert!(text.contains(&format!("| {code} | {step} |")), "docs/verify.md lacks code {code} of step {step}");
        seen.insert(*code);
    }
    assert!(text.contains("| 10 | format |") && text.contains("| 74 | root |"));
    let documented = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse::<u8>().ok());
    // Those of rotations: tests/rotations.rs.
    seen.extend(100..=114);
    let documented: BTreeSet<u8> = documented.filter(|code| *code >= 10).collect();
    assert_eq!(documented, seen);
    let order: Vec<_> = Step::ALL.iter().map(|step| text.find(&format!("**{}**", step.name())).unwrap()).collect();
    assert!(order.is_sorted(), "docs/verify.md tells the steps in another order");
}
