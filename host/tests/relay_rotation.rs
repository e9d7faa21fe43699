// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that change their keys, as the relay sees them: what it takes, what it refuses, whose anchors it posts, and
//! the evidence it makes. On a fake chain, at times that are numbers.

mod device;

use cairn::{
    batch::{AnchorFlags, BatchNumber},
    endorsement::Binding,
    record::{Kind, SequenceNumber, StreamId},
    rotation::Rotation as Payload,
    signer::{DeviceId, PublicKey, Signature},
    uplink::Level,
};
use cairn_evidence::{Expectation, Refusal, RotationFault, SignatureError, Verdict, verify};
use cairn_host::{
    chain::Event,
    deployment::EndorsementPolicy,
    endorsement::{Endorsed, Root},
    facts,
    relay::{
        anchoring::locked,
        gather::{DirectRules, Mode},
        intake::{Break, Rejection},
        proof,
        rotation::NotTaken,
        store::Store,
    },
};
use device::{Batch, DEPLOYMENT, DEPTH, HOME, TestDevice, TestKey, TestRelay, now};

fn key(number: u8) -> TestKey {
    TestKey::software(&[number; 32])
}

/// A relay that has a device's first batch.
fn served(mode: Mode) -> (TestRelay, TestDevice, PublicKey) {
    let (relay, mut device) = (TestRelay::new(mode), TestDevice::new(1));
    relay.admit(&device);
    let first = device.key;
    relay.take(first, &device.seal(3, Kind::READING).uplink(true)).unwrap();
    (relay, device, first)
}

fn level(relay: &TestRelay, batch: &Batch) -> Level {
    locked(&relay.store).level(batch.commitment()).unwrap().unwrap()
}

/// The owner registers a device's present key, and the relay asks.
fn register(relay: &mut TestRelay, device: &TestDevice) {
    relay.chain.register(device.id, device.key.key_id());
    relay.now_ms += 600_001;
    relay.blocks(2 + DEPTH);
}

fn judge(relay: &TestRelay, device: &TestDevice, seq: u64, stream: Option<StreamId>) -> Result<Verdict, Refusal> {
    let evidence = proof::of_record(&locked(&relay.store), device.id, SequenceNumber(seq), stream).unwrap();
    let signer = cairn_evidence::signature::public_key(evidence.key.alg, &evidence.key.public_key).unwrap();
    let facts = now(facts::gather(&relay.chain, &evidence, signer.key_id())).unwrap();
    let expectation = Expectation {
        deployment: DEPLOYMENT,
        chain_id: HOME.chain_id,
        contract: HOME.contract,
        device: Some(device.id),
        min_confirmations: DEPTH,
    };
    verify(&evidence, &expectation, &facts)
}

#[test]
fn after_a_rotation_the_new_key_counts_and_evidence_leads_back_to_the_device_in_both_modes() {
    let everything = DirectRules { private_kinds: Vec::new(), allow_private: true, allow_unknown: true };
    for mode in [Mode::Root, Mode::Direct(everything)] {
        let (mut relay, mut device, first) = served(mode);
        let rotation = device.rotate(TestKey::p256(2));
        assert_eq!(relay.take(first, &rotation.uplink(true)).unwrap().level, Level::Stored);
        let second = device.key;
        relay.take(first, &device.seal(4, Kind::READING).uplink(true)).unwrap();
        register(&mut relay, &device);
        relay.take(first, &device.rotate(key(3)).uplink(true)).unwrap();
        relay.take(first, &device.seal(2, Kind::READING).uplink(true)).unwrap();
        register(&mut relay, &device);
        for (seq, signer, rotations) in
            [(1, first, 0), (3, first, 0), (4, second, 1), (7, second, 1), (8, second, 1), (9, device.key, 2)]
        {
            let verdict = judge(&relay, &device, seq, None).unwrap();
            assert_eq!((verdict.statement.key, verdict.statement.device), (signer, device.id), "record {seq}");
            let evidence = proof::of_record(&locked(&relay.store), device.id, SequenceNumber(seq), None).unwrap();
            assert_eq!(evidence.rotations.len(), rotations, "record {seq}");
        }
        let keys = locked(&relay.store).keys_of(device.id).unwrap();
        assert_eq!(keys.iter().map(|known| known.key).collect::<Vec<_>>(), [first, second, device.key]);
        let present = locked(&relay.store).device_by_kid(&[0, 0, 0, 1]).unwrap().unwrap();
        assert_eq!((present.id, present.key, present.place), (device.id, device.key, 2));
        let of_rotation = |key: PublicKey| proof::of_rotation(&locked(&relay.store), key.key_id()).unwrap();
        assert_eq!(of_rotation(first), None);
        let evidence = of_rotation(device.key).unwrap();
        assert!(
            evidence.record.kind == Kind::ROTATION && evidence.rotations.len() == 1 && evidence.inclusion.is_some()
        );
    }
}

#[test]
fn what_the_old_key_sent_before_may_come_again_and_nothing_new_of_it() {
    let (mut relay, mut device, first) = served(Mode::Root);
    let hash_only = device.seal(2, Kind::READING);
    relay.take(first, &hash_only.uplink(false)).unwrap();
    let mut old = TestDevice::new(1);
    old.seal(3, Kind::READING);
    old.seal(2, Kind::READING);
    let rotation = device.rotate(key(2));
    relay.take(first, &rotation.uplink(true)).unwrap();
    // The answer was lost, and the device asks again; with what an earlier uplink did not bring.
    assert_eq!(relay.take(first, &rotation.uplink(true)).unwrap().level, Level::Stored);
    assert_eq!(relay.take(first, &rotation.uplink(false)).unwrap().level, Level::Stored);
    relay.take(first, &hash_only.uplink(true)).unwrap();
    assert!(locked(&relay.store).anchor(hash_only.commitment()).unwrap().unwrap().kinds.is_some());
    assert_eq!(locked(&relay.store).totals().unwrap().stored, 3);
    // What goes on after the rotation, by the key that ended with it.
    let late = {
        let mut late = device.seal(2, Kind::READING);
        late.signature = old.sign(&late.anchor);
        late
    };
    let refused = relay.take(first, &late.uplink(true)).unwrap_err();
    assert_eq!((refused.clone(), refused.coap_code().0), (Rejection::RetiredKey, 0x96));
    old.format();
    assert_eq!(relay.take(first, &old.seal(2, Kind::READING).uplink(true)), Err(Rejection::RetiredKey));
    // Another statement about a batch that is here is an equivocation, by either key.
    let mut other = rotation.clone();
    other.anchor.sealed_at += 1;
    other.signature = device.sign(&other.anchor);
    let kept = Rejection::Equivocation { batch: BatchNumber(2), kept: rotation.commitment() };
    assert_eq!(relay.take(first, &other.uplink(true)), Err(kept.clone()));
    let mut old = TestDevice::new(1);
    other.anchor.sealed_at += 1;
    other.signature = old.sign(&other.anchor);
    assert_eq!(relay.take(first, &other.uplink(true)), Err(kept));
    assert_eq!(locked(&relay.store).equivocations().unwrap().len(), 2);
    register(&mut relay, &device);
    let downlink = relay.take(first, &rotation.uplink(true)).unwrap();
    assert_eq!((downlink.level, downlink.final_through), (Level::Final, Some(BatchNumber(2))));
}

#[test]
fn a_batch_of_the_new_key_that_comes_before_the_rotation_is_refused_and_taken_after_it() {
    let (mut relay, mut device, first) = served(Mode::Root);
    let (rotation, next) = (device.rotate(key(2)), device.seal(2, Kind::READING));
    let refused = relay.take(first, &next.uplink(true)).unwrap_err();
    assert_eq!((refused.clone(), refused.coap_code().0), (Rejection::Signature(SignatureError::Invalid), 0x96));
    relay.take(first, &rotation.uplink(true)).unwrap();
    relay.take(first, &next.uplink(true)).unwrap();
    let mut unknown = next.clone();
    unknown.signature = Signature([1; 64]);
    assert_eq!(relay.take(first, &unknown.uplink(true)), Err(Rejection::Signature(SignatureError::Invalid)));
    register(&mut relay, &device);
    assert_eq!(level(&relay, &next), Level::Final);
}

#[test]
fn the_end_of_a_key_that_is_no_rotation_of_the_device_is_refused_and_changes_nothing() {
    let (relay, mut device, first) = served(Mode::Root);
    let other = TestDevice::new(9);
    relay.admit(&other);
    let good = device.rotation_payload(&mut key(2));
    let flags = AnchorFlags::SYNCHRONISED | AnchorFlags::LAST_OF_KEY;
    let rotation = |payload: &[u8]| vec![(Kind::ROTATION, payload.to_vec())];
    let reading = (Kind::READING, vec![1]);
    let says = |change: &dyn Fn(&mut Payload)| {
        let mut says = Payload::from_payload(&good).unwrap();
        change(&mut says);
        rotation(&says.payload())
    };
    let proof = |error| NotTaken::Fault(RotationFault::Proof(error));
    let mut impostor = TestDevice::new(1);
    impostor.id = DeviceId([7; 32]);
    impostor.seal(3, Kind::READING);
    let in_use = device.rotation_payload(&mut key(9));
    let itself = device.rotation_payload(&mut key(1));
    for (what, records, flags, reason) in [
        ("without the flag", rotation(&good), AnchorFlags::SYNCHRONISED, NotTaken::NotMarked),
        ("a reading", vec![reading.clone()], flags, NotTaken::Fault(RotationFault::NotARotation)),
        ("rubbish", rotation(&good[1..]), flags, NotTaken::Fault(RotationFault::NotARotation)),
        ("with another", [vec![reading], rotation(&good)].concat(), flags, NotTaken::NotAlone),
        ("of a device", rotation(&impostor.rotation_payload(&mut key(2))), flags, NotTaken::OtherDevice(impostor.id)),
        ("unproven", says(&|says| says.proof.0[40] ^= 1), flags, proof(SignatureError::Invalid)),
        ("of another key", says(&|says| says.key = other.key), flags, proof(SignatureError::Invalid)),
        ("to a key of another", rotation(&in_use), flags, NotTaken::KeyInUse),
        ("to itself", rotation(&itself), flags, NotTaken::KeyInUse),
    ] {
        let refused = relay.take(first, &device.batch_of(records, flags).uplink(true)).unwrap_err();
        assert_eq!((refused.clone(), refused.coap_code().0), (Rejection::Rotation(reason), 0x96), "{what}");
    }
    // The proof is for one record of one stream.
    let mut elsewhere = TestDevice::new(1);
    elsewhere.seal(4, Kind::READING);
    let moved = device.batch_of(rotation(&elsewhere.rotation_payload(&mut key(2))), flags);
    let refused = Err(Rejection::Rotation(proof(SignatureError::Invalid)));
    assert_eq!(relay.take(first, &moved.uplink(true)), refused);
    let good = device.batch_of(rotation(&good), flags);
    assert_eq!(relay.take(first, &good.uplink(false)), Err(Rejection::Rotation(NotTaken::WithoutRecord)));
    let mut gap = good.clone();
    gap.anchor.batch.0 += 1;
    gap.signature = device.sign(&gap.anchor);
    assert_eq!(relay.take(first, &gap.uplink(true)), Err(Rejection::Chain(Break::Gap)));
    assert_eq!(locked(&relay.store).keys_of(device.id).unwrap().len(), 1);
    relay.take(first, &good.uplink(true)).unwrap();
    assert_eq!(locked(&relay.store).keys_of(device.id).unwrap().len(), 2);
}

#[test]
fn a_rotated_key_is_served_before_it_is_registered_and_posted_only_then() {
    let (mut relay, mut device, first) = served(Mode::Root);
    let rotation = device.rotate(key(2));
    relay.take(first, &rotation.uplink(true)).unwrap();
    let early = device.seal(2, Kind::READING);
    relay.take(first, &early.uplink(true)).unwrap();
    relay.blocks(2 + DEPTH);
    let later = device.seal(2, Kind::READING);
    let downlink = relay.take(first, &later.uplink(true)).unwrap();
    assert_eq!((downlink.level, downlink.final_through), (Level::Stored, Some(BatchNumber(1))));
    assert_eq!(level(&relay, &rotation), Level::Final, "the old key's last word is posted");
    assert_eq!((level(&relay, &early), level(&relay, &later)), (Level::Stored, Level::Stored));
    assert_eq!(locked(&relay.store).not_included(device.key.key_id()).unwrap(), 2);
    register(&mut relay, &device);
    assert_eq!((level(&relay, &early), level(&relay, &later)), (Level::Final, Level::Final));
    assert_eq!(locked(&relay.store).not_included(device.key.key_id()).unwrap(), 0);
    let downlink = relay.take(first, &later.uplink(true)).unwrap();
    assert_eq!(downlink.final_through, Some(BatchNumber(3)));
}

#[test]
fn a_new_stream_after_a_rotation_names_the_device_with_its_present_key() {
    let (mut relay, mut device, first) = served(Mode::Root);
    relay.take(first, &device.rotate(key(2)).uplink(true)).unwrap();
    device.format();
    let mut forgot = TestDevice::with(1, &[2; 32], [1; 32], DEPLOYMENT);
    forgot.stream = device.stream;
    assert_eq!(relay.take(first, &forgot.seal(2, Kind::READING).uplink(true)), Err(Rejection::OtherIdentity));
    let batch = device.seal(3, Kind::READING);
    relay.take(first, &batch.uplink(true)).unwrap();
    register(&mut relay, &device);
    for seq in 0..3 {
        let verdict = judge(&relay, &device, seq, Some(device.stream)).unwrap();
        assert_eq!((verdict.statement.device, verdict.statement.key), (device.id, device.key));
    }
}

#[test]
fn an_endorsed_key_hands_its_endorsement_on_and_no_key_hands_it_back() {
    let (mut relay, mut device, first) = served(Mode::Root);
    relay.rules.endorsement = EndorsementPolicy::Required;
    let rotation = device.rotate(key(2));
    assert_eq!(relay.take(first, &rotation.uplink(true)), Err(Rejection::Unendorsed));
    let endorse = |key: PublicKey, nonce: u8| {
        let binding =
            Binding { nonce: [nonce; 32], key, stream: device.stream, kid: [0, 0, 0, 1], deployment: DEPLOYMENT };
        let mut store = locked(&relay.store);
        store.add_challenge(&binding.nonce, key.key_id(), 5, 6).unwrap();
        let endorsed = Endorsed { root: Root::FactoryKey(key.key_id()), binding, device: device.id };
        store.accept(&endorsed, b"as it came", 5).unwrap();
    };
    endorse(first, 1);
    relay.take(first, &rotation.uplink(true)).unwrap();
    relay.take(first, &device.seal(2, Kind::READING).uplink(true)).unwrap();
    assert!(locked(&relay.store).is_endorsed(device.key.key_id()).unwrap());
    // Of a device whose later key alone was endorsed the first is not.
    let (relay, mut device, first) = served(Mode::Root);
    relay.take(first, &device.rotate(key(2)).uplink(true)).unwrap();
    let binding =
        Binding { nonce: [2; 32], key: device.key, stream: device.stream, kid: [0, 0, 0, 1], deployment: DEPLOYMENT };
    let mut store = locked(&relay.store);
    store.add_challenge(&binding.nonce, device.key.key_id(), 5, 6).unwrap();
    let endorsed = Endorsed { root: Root::FactoryKey(first.key_id()), binding, device: device.id };
    store.accept(&endorsed, b"as it came", 5).unwrap();
    assert!(store.is_endorsed(device.key.key_id()).unwrap() && !store.is_endorsed(first.key_id()).unwrap());
}

#[test]
fn a_revoked_key_hands_nothing_over_and_a_retired_one_that_is_revoked_takes_nothing_back() {
    let (mut relay, mut device, first) = served(Mode::Root);
    relay.blocks(1 + DEPTH);
    let rotation = device.rotate(key(2));
    relay.take(first, &rotation.uplink(true)).unwrap();
    register(&mut relay, &device);
    let before = judge(&relay, &device, 3, None).unwrap();
    relay.take(first, &device.seal(2, Kind::READING).uplink(true)).unwrap();
    relay.chain.mine();
    relay.chain.revoke(first.key_id());
    relay.now_ms += 600_001;
    relay.blocks(1 + DEPTH);
    // The device still asks about its last word, and goes on.
    assert_eq!(relay.take(first, &rotation.uplink(true)).unwrap().level, Level::Final);
    relay.take(first, &device.seal(2, Kind::READING).uplink(true)).unwrap();
    relay.blocks(2 + DEPTH);
    assert_eq!(judge(&relay, &device, 3, None).unwrap().block_hash, before.block_hash);
    assert!(judge(&relay, &device, 3, None).unwrap().revoked_at.is_some());
    assert!(judge(&relay, &device, 6, None).unwrap().revoked_at.is_none());
    // The present one revoked: not even a rotation.
    relay.chain.mine();
    relay.chain.revoke(device.key.key_id());
    relay.now_ms += 600_001;
    relay.blocks(1);
    let refused = relay.take(first, &device.rotate(key(3)).uplink(true)).unwrap_err();
    assert_eq!((refused.clone(), refused.coap_code().0), (Rejection::Revoked, 0x83));
}

#[test]
fn a_registered_key_of_a_thiefs_own_device_does_not_become_a_stolen_keys_successor() {
    let (mut relay, device, _) = served(Mode::Root);
    let mut thief = TestDevice::new(5);
    relay.admit(&thief);
    relay.take(thief.key, &thief.seal(3, Kind::READING).uplink(true)).unwrap();
    relay.blocks(2 + DEPTH);
    let genuine = proof::of_record(&locked(&relay.store), thief.id, SequenceNumber(1), None).unwrap();
    let mut stolen = TestDevice::new(1);
    stolen.stream = StreamId(99);
    stolen.rotate(TestKey::software(&[5; 32]));
    let mut forged = genuine.clone();
    let batch = stolen.seal(1, Kind::READING);
    forged.rotations = stolen.evidence(&batch, 0).rotations;
    let expectation = Expectation {
        deployment: DEPLOYMENT,
        chain_id: HOME.chain_id,
        contract: HOME.contract,
        device: Some(device.id),
        min_confirmations: DEPTH,
    };
    let facts = now(facts::gather(&relay.chain, &forged, thief.key.key_id())).unwrap();
    let refused = Refusal::KeyOfOtherDevice { key: thief.key.key_id(), found: Some(thief.id), expected: device.id };
    assert_eq!(verify(&forged, &expectation, &facts), Err(refused));
    let posted = relay.chain.events().into_iter().all(|(event, _)| matches!(event, Event::RootPosted(_)));
    assert!(posted);
}

#[test]
fn rotations_survive_a_restart_of_the_relay() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Store::open(&folder.path().join("relay.sqlite"), &HOME).unwrap();
    let mut relay = TestRelay::with(open(), cairn_host::chain::fake::FakeChain::new(DEPLOYMENT), Mode::Root);
    let mut device = TestDevice::new(1);
    relay.admit(&device);
    let first = device.key;
    relay.take(first, &device.seal(3, Kind::READING).uplink(true)).unwrap();
    relay.take(first, &device.rotate(key(2)).uplink(true)).unwrap();
    let (chain, now_ms) = (relay.chain.clone(), relay.now_ms);
    drop(relay);
    relay = TestRelay::with(open(), chain, Mode::Root);
    relay.now_ms = now_ms;
    relay.take(first, &device.seal(2, Kind::READING).uplink(true)).unwrap();
    register(&mut relay, &device);
    assert_eq!(judge(&relay, &device, 5, None).unwrap().statement.device, device.id);
}
