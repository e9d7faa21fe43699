// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which chains of rotations lead from a device's first key to the one that signed, and by which reason each other one
//! does not.

mod chain;

use std::collections::BTreeSet;

use cairn::{
    batch::{AnchorFlags, DeploymentId},
    merkle::Hash,
    record::{Kind, SequenceNumber, StreamId},
    rotation::RotationFields,
    signer::{
        Algorithm::{Es256, Es256k},
        DeviceId, Signature,
    },
};
use cairn_evidence::{
    Evidence, Expectation, Refusal, Rotation, RotationFault, SignatureError, Step, cbor, json, read, rotation,
    verify::{Statement, check_statement},
};
use chain::{DEPLOYMENT, Draft, Key, STREAM, Sealed, record};

/// One device's keys, over both curves and back.
const KEYS: [Key; 4] = [Key(Es256k, 1), Key(Es256, 2), Key(Es256k, 3), Key(Es256, 4)];

fn device() -> DeviceId {
    KEYS[0].public().device_id()
}

/// The rotation from key `number − 1` to key `number`: batch 3, 6, 9 of one stream.
fn draft(number: usize) -> Draft {
    let place = u32::try_from(number).unwrap() * 3;
    Draft::new(device(), KEYS[number - 1], KEYS[number], place, u64::from(place) * 10)
}

fn rotations(count: usize) -> Vec<Rotation> {
    (1..=count).map(|number| draft(number).rotation()).collect()
}

/// A reading in a batch of two that the last of `count` rotations' key signed.
fn sealed(count: usize) -> Sealed {
    let readings = [200, 201].map(|seq| record(seq, Kind::READING, vec![5]));
    Sealed::new(KEYS[count], STREAM, 20, AnchorFlags::SYNCHRONISED, readings.to_vec())
}

fn evidence(count: usize) -> Evidence {
    sealed(count).evidence(1, rotations(count))
}

fn check(evidence: &Evidence) -> Result<Statement, Refusal> {
    let expectation = Expectation {
        deployment: DEPLOYMENT,
        chain_id: 1,
        contract: [0; 20],
        device: Some(device()),
        min_confirmations: 0,
    };
    check_statement(evidence, &expectation)
}

#[test]
fn evidence_after_any_number_of_rotations_is_of_the_first_keys_device_in_both_forms() {
    for (count, signer) in KEYS.iter().enumerate() {
        let evidence = evidence(count);
        let statement = check(&evidence).unwrap();
        assert_eq!((statement.device, statement.key), (device(), signer.public()));
        assert_eq!(statement.key_id, signer.public().key_id());
        assert_eq!(read(&cbor::encode(&evidence)).as_ref(), Ok(&evidence));
        assert_eq!(read(json::to_json(&evidence).as_bytes()).as_ref(), Ok(&evidence));
    }
}

#[test]
fn a_first_key_on_either_curve_is_recovered_from_the_first_rotation() {
    for (old, new) in [(Key(Es256, 7), Key(Es256k, 8)), (Key(Es256k, 7), Key(Es256, 7)), (Key(Es256, 9), Key(Es256, 8))]
    {
        let device = old.public().device_id();
        for batch in 1..20 {
            let rotation = Draft::new(device, old, new, batch, 50).rotation();
            let mut sealed = sealed(0);
            sealed.signer = new;
            sealed.sign();
            let evidence = sealed.evidence(0, vec![rotation]);
            let expectation = Expectation {
                deployment: DEPLOYMENT,
                chain_id: 1,
                contract: [0; 20],
                device: Some(device),
                min_confirmations: 0,
            };
            assert_eq!(check_statement(&evidence, &expectation).unwrap().device, device);
        }
    }
}

#[test]
fn the_rotation_record_itself_is_evidence_of_the_old_key_and_what_it_says_can_be_read() {
    let evidence = draft(2).sealed().evidence(0, rotations(1));
    assert_eq!(check(&evidence).unwrap().key, KEYS[1].public());
    let says = rotation::said_by(&evidence.record).unwrap();
    assert!(says.names(&KEYS[2].public()));
    assert_eq!(rotation::check_place(&evidence.record, &evidence.anchor), Ok(0));
    assert_eq!(rotation::proven_key(&says, &evidence.record, &evidence.anchor), Ok(KEYS[2].public()));
    let told = rotation::Told::read(&rotations(1)[0]).unwrap();
    assert!(told.says.names(&KEYS[1].public()) && told.record.seq == SequenceNumber(30));
}

#[test]
fn a_rotation_in_an_older_stream_or_behind_other_records_of_its_batch_counts() {
    let mut older = draft(1);
    older.stream = StreamId(5);
    older.batch = 900;
    older.proof_over.1 = StreamId(5);
    let mut last = draft(2);
    last.neighbours.0 = 4;
    let evidence = sealed(2).evidence(0, vec![older.rotation(), last.rotation()]);
    assert_eq!(check(&evidence).unwrap().device, device());
}

/// n − s, with the order of the signature's group.
fn high_s(signature: &mut Signature, alg: cairn::signer::Algorithm) {
    let order = match alg {
        Es256k => "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        Es256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    };
    let order = hex::decode(order).unwrap();
    let mut borrow = 0i16;
    for (place, digit) in signature.0[32..].iter_mut().enumerate().rev() {
        let difference = i16::from(order[place]) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
}

/// A rotation that is made wrongly and signed all the same.
fn drafted(number: usize, spoil: impl FnOnce(&mut Draft)) -> Rotation {
    let mut draft = draft(number);
    spoil(&mut draft);
    draft.rotation()
}

/// A rotation whose batch is changed before it is signed.
fn resealed(number: usize, spoil: impl FnOnce(&mut Sealed)) -> Rotation {
    let mut sealed = draft(number).sealed();
    spoil(&mut sealed);
    sealed.sign();
    sealed.rotation(0)
}

/// A rotation that somebody changes afterwards.
fn changed(number: usize, spoil: impl FnOnce(&mut Rotation)) -> Rotation {
    let mut rotation = draft(number).rotation();
    spoil(&mut rotation);
    rotation
}

/// One wrong rotation, by its number; and the fault it must show.
type Wrong = (u8, &'static str, fn(usize) -> Rotation);

const WRONG: &[Wrong] = &[
    (100, "no record", |n| changed(n, |r| r.record.clear())),
    (100, "a record with more behind it", |n| changed(n, |r| r.record.push(0))),
    (101, "no anchor", |n| changed(n, |r| r.anchor.truncate(20))),
    (102, "an application's record with a rotation's payload", |n| drafted(n, |d| d.kind = Kind(64))),
    (102, "a rotation record without a rotation", |n| resealed(n, |s| s.records[0].payload.truncate(30))),
    (103, "an anchor that counts nothing", |n| resealed(n, |s| s.anchor.count = 0)),
    (103, "an anchor with a flag that means nothing", |n| drafted(n, |d| d.flags |= 8)),
    (104, "a record of another batch", |n| resealed(n, |s| s.anchor.first_seq.0 += 1)),
    (105, "another root", |n| resealed(n, |s| s.anchor.root = Hash([1; 32]))),
    (105, "a path that belongs to no such place", |n| changed(n, |r| r.path.push(Hash([1; 32])))),
    (105, "another record", |n| {
        changed(n, |r| {
            let mut record = cbor::read_record(&r.record).unwrap();
            record.time.unix_ms += 1;
            r.record = cbor::record_bytes(&record);
        })
    }),
    (106, "a record behind it", |n| drafted(n, |d| d.neighbours.1 = 1)),
    (107, "not marked as the key's last", |n| drafted(n, |d| d.flags = AnchorFlags::SYNCHRONISED)),
    (109, "signed by a stranger", |n| drafted(n, |d| d.signer = Key(Es256k, 99))),
    (109, "signed by the key it names", |n| drafted(n, |d| d.signer = d.named)),
    (109, "another signature", |n| changed(n, |r| r.signature.0[40] ^= 1)),
    (109, "no signature", |n| changed(n, |r| r.signature = Signature([0; 64]))),
    (109, "another anchor under the same signature", |n| {
        changed(n, |r| {
            let mut anchor = cbor::read_anchor(&r.anchor).unwrap();
            anchor.sealed_at += 1;
            r.anchor = cbor::anchor_bytes(&anchor);
        })
    }),
    (110, "rewritten", |n| changed(n, |r| high_s(&mut r.signature, KEYS[n - 1].0))),
    (112, "proven by another key", |n| drafted(n, |d| d.prover = Key(d.named.0, 99))),
    (112, "proven for another stream", |n| drafted(n, |d| d.proof_over.1.0 ^= 1)),
    (112, "proven for another record", |n| drafted(n, |d| d.proof_over.2.0 += 1)),
    (112, "proven for another device", |n| drafted(n, |d| d.proof_over.0.0[0] ^= 1)),
];

#[test]
fn every_wrong_rotation_is_refused_wherever_it_is_with_its_number_code_and_words() {
    let mut sentences = BTreeSet::new();
    for number in 1..=3 {
        for (code, what, wrong) in WRONG {
            let mut evidence = evidence(3);
            evidence.rotations[number - 1] = wrong(number);
            let refusal = check(&evidence).expect_err(what);
            assert_eq!((refusal.exit_code(), refusal.step()), (*code, Step::Rotations), "{number}, {what}: {refusal}");
            let said = refusal.to_string();
            assert!(said.starts_with(&format!("rotation {number}: ")), "{said}");
            sentences.insert((*code, said));
        }
    }
    let of_codes: BTreeSet<_> = sentences.iter().map(|(_, said)| said).collect();
    assert_eq!(of_codes.len(), sentences.len(), "one sentence for two codes");
}

/// The payload's key, made one that is no point; the proof of it can then be of nobody.
fn no_point(rotation: &mut Sealed) {
    let payload = &mut rotation.records[0].payload;
    let fields = RotationFields::from_payload(payload).unwrap();
    let place = payload.windows(33).position(|window| window == fields.public_key).unwrap();
    payload[place + 1..place + 33].fill(0xff);
    let record = rotation.records[0].clone();
    let Sealed { signer, anchor, .. } = rotation;
    *rotation = Sealed::new(*signer, anchor.stream, anchor.batch.0, anchor.flags.0, vec![record]);
}

#[test]
fn a_key_that_is_no_point_is_refused_as_such() {
    for number in 1..=3 {
        let mut evidence = evidence(3);
        evidence.rotations[number - 1] = resealed(number, no_point);
        assert_eq!(check(&evidence), Err(Refusal::Rotation { number, fault: RotationFault::KeyNotOnCurve }));
    }
}

#[test]
fn a_missing_link_is_refused_wherever_it_is() {
    let fault = |number, fault| Err(Refusal::Rotation { number, fault });
    for (missing, refused) in [
        // The first is now one that the device's first key did not sign.
        (0, fault(1, RotationFault::OtherSigner)),
        (1, fault(2, RotationFault::OtherSigner)),
        (2, Err(Refusal::RotationsLeadElsewhere(KEYS[2].public().compressed()))),
    ] {
        let mut evidence = evidence(3);
        evidence.rotations.remove(missing);
        assert_eq!(check(&evidence), refused, "without {missing}");
    }
    let mut evidence = evidence(3);
    evidence.rotations.clear();
    let found = KEYS[3].public().device_id();
    assert_eq!(check(&evidence), Err(Refusal::WrongDevice { found, expected: device() }));
}

#[test]
fn rotations_in_another_order_twice_or_behind_what_they_lead_to_are_refused() {
    let mut swapped = evidence(3);
    swapped.rotations.swap(1, 2);
    assert_eq!(check(&swapped).unwrap_err().exit_code(), 109);
    let mut twice = evidence(3);
    twice.rotations.push(rotations(3)[2].clone());
    assert_eq!(check(&twice), Err(Refusal::Rotation { number: 4, fault: RotationFault::OutOfOrder }));
    let mut late = evidence(3);
    let [_, _, third] = &mut late.rotations[..] else { panic!("three") };
    *third = drafted(3, |draft| (draft.batch, draft.seq, draft.proof_over.2) = (5, 90, SequenceNumber(90)));
    assert_eq!(check(&late), Err(Refusal::Rotation { number: 3, fault: RotationFault::OutOfOrder }));
    for (batch, seq) in [(20, 90), (21, 90), (9, 200), (9, 201)] {
        let mut late = evidence(3);
        late.rotations[2] = drafted(3, |d| (d.batch, d.seq, d.proof_over.2) = (batch, seq, SequenceNumber(seq)));
        let refusal = check(&late).unwrap_err();
        assert_eq!((refusal.exit_code(), refusal.step()), (114, Step::Rotations), "{batch}, {seq}");
    }
}

#[test]
fn a_rotation_of_another_device_in_between_is_refused() {
    let other = DeviceId([3; 32]);
    let mut evidence = evidence(3);
    evidence.rotations[1] = drafted(2, |draft| (draft.device, draft.proof_over.0) = (other, other));
    let fault = RotationFault::OtherDevice { found: other, expected: device() };
    assert_eq!(fault.exit_code(), 108);
    assert_eq!(check(&evidence), Err(Refusal::Rotation { number: 2, fault }));
    // In the first place nobody can be that device.
    evidence.rotations[0] = drafted(1, |draft| (draft.device, draft.proof_over.0) = (other, other));
    assert_eq!(check(&evidence), Err(Refusal::Rotation { number: 1, fault: RotationFault::OtherSigner }));
}

#[test]
fn the_last_rotation_names_the_key_of_the_evidence_and_its_algorithm() {
    let mut other = evidence(3);
    other.key.public_key = KEYS[2].public().compressed();
    let elsewhere = Refusal::RotationsLeadElsewhere(KEYS[3].public().compressed());
    assert_eq!((check(&other), elsewhere.exit_code()), (Err(elsewhere.clone()), 113));
    let mut algorithm = evidence(3);
    algorithm.key.alg = Es256k;
    assert_eq!(check(&algorithm), Err(elsewhere));
}

#[test]
fn a_chain_of_another_deployment_has_no_first_key_here() {
    let mut evidence = evidence(2);
    evidence.deployment = DeploymentId([8; 32]);
    let expectation = Expectation {
        deployment: DeploymentId([8; 32]),
        chain_id: 1,
        contract: [0; 20],
        device: None,
        min_confirmations: 0,
    };
    let refused = Err(Refusal::Rotation { number: 1, fault: RotationFault::OtherSigner });
    assert_eq!(check_statement(&evidence, &expectation), refused);
}

#[test]
fn a_flipped_bit_anywhere_in_a_chain_is_refused() {
    let good = evidence(2);
    let file = cbor::encode(&good);
    let (statement, mut decoded) = (check(&good).unwrap(), 0);
    for byte in 0..file.len() {
        let mut flipped = file.clone();
        flipped[byte] ^= 1 << (byte % 8);
        let Ok(evidence) = cbor::decode(&flipped) else { continue };
        decoded += 1;
        assert_ne!(check(&evidence), Ok(statement), "bit {}", byte * 8 + byte % 8);
    }
    assert!(decoded > 800, "{decoded}");
}

#[test]
fn the_documented_table_has_every_code_of_a_rotation() {
    let text = include_str!("../../../docs/verify.md");
    for code in 100..=114 {
        assert!(text.contains(&format!("| {code} | rotations |")), "docs/verify.md lacks code {code}");
    }
    assert_eq!(RotationFault::Proof(SignatureError::Invalid).exit_code(), 112);
}
