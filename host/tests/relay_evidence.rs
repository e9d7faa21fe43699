// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What goes on the ledger directly, and the evidence the relay makes and completes: on a fake chain, at times that are numbers.

mod device;

use cairn::{
    record::{Kind, SequenceNumber},
    uplink::Level,
};
use cairn_evidence::{Expectation, Refusal, verify};
use cairn_host::{
    chain::Event,
    facts,
    relay::{
        anchoring::locked,
        gather::{DirectRules, Mode},
        proof::{self, ProofError},
    },
};
use device::{DEPLOYMENT, DEPTH, HOME, TestDevice, TestRelay, now};

fn device_batch(device: &mut TestDevice, count: u32) -> Vec<u8> {
    device.seal(count, Kind::READING).uplink(true)
}

fn direct(allow_private: bool, allow_unknown: bool) -> Mode {
    Mode::Direct(DirectRules { private_kinds: vec![Kind::READING], allow_private, allow_unknown })
}

#[test]
fn direct_mode_publishes_only_what_may_be_published_and_the_rest_goes_under_a_root() {
    for (mode, with_data, kind, published) in [
        (direct(false, false), true, Kind::EVENT, true),
        (direct(false, false), true, Kind::READING, false),
        (direct(true, false), true, Kind::READING, true),
        (direct(true, false), false, Kind::EVENT, false),
        (direct(false, true), false, Kind::READING, true),
    ] {
        let (mut relay, mut device) = (TestRelay::new(mode), TestDevice::new(1));
        relay.admit(&device);
        let batch = device.seal(3, kind);
        relay.take(device.key, &batch.uplink(with_data)).unwrap();
        relay.blocks(1 + DEPTH);
        assert_eq!(locked(&relay.store).level(batch.commitment()).unwrap(), Some(Level::Final));
        let event = relay.chain.events()[0].0;
        let anchored = Event::Anchored { key: device.key.key_id(), commitment: batch.commitment() };
        assert_eq!(event == anchored, published, "{kind:?} {with_data}");
    }
}

#[test]
fn a_p_256_device_goes_under_a_root_also_in_direct_mode_and_its_evidence_verifies() {
    let mut relay = TestRelay::new(direct(true, true));
    let (mut device, mut other) = (TestDevice::p256(1), TestDevice::new(2));
    relay.admit(&device);
    relay.admit(&other);
    let batch = device.seal(6, Kind::READING);
    relay.take(device.key, &batch.uplink(true)).unwrap();
    relay.take(other.key, &device_batch(&mut other, 3)).unwrap();
    relay.blocks(2 + DEPTH);
    let events: Vec<_> = relay.chain.events().into_iter().map(|(event, _)| event).collect();
    let roots = events.iter().filter(|event| matches!(event, Event::RootPosted(_))).count();
    assert_eq!((events.len(), roots), (2, 1), "one root for P-256, one direct anchor for secp256k1");
    let seq = SequenceNumber(2);
    let evidence = proof::of_record(&locked(&relay.store), device.key.device_id(), seq, None).unwrap();
    let facts = now(facts::gather(&relay.chain, &evidence, device.key.key_id())).unwrap();
    assert!(verify(&evidence, &expectation(&device), &facts).is_ok());
}

fn expectation(device: &TestDevice) -> Expectation {
    Expectation {
        deployment: DEPLOYMENT,
        chain_id: HOME.chain_id,
        contract: HOME.contract,
        device: Some(device.key.device_id()),
        min_confirmations: DEPTH,
    }
}

#[test]
fn evidence_from_the_relay_and_evidence_it_completes_verify_in_both_modes() {
    for mode in [Mode::Root, direct(true, true)] {
        let mut relay = TestRelay::new(mode);
        let (mut device, mut other) = (TestDevice::new(1), TestDevice::new(2));
        relay.admit(&device);
        relay.admit(&other);
        let (with_data, hash_only) = (device.seal(12, Kind::READING), device.seal(5, Kind::READING));
        relay.take(device.key, &with_data.uplink(true)).unwrap();
        relay.take(device.key, &hash_only.uplink(false)).unwrap();
        relay.take(other.key, &device_batch(&mut other, 3)).unwrap();
        let id = device.key.device_id();
        let get = |relay: &TestRelay, seq| proof::of_record(&locked(&relay.store), id, SequenceNumber(seq), None);
        assert!(matches!(get(&relay, 7), Err(ProofError::NotIncluded)));
        relay.blocks(1 + DEPTH);
        let check = |evidence: &cairn_evidence::Evidence| {
            let facts = now(facts::gather(&relay.chain, evidence, device.key.key_id())).unwrap();
            verify(evidence, &expectation(&device), &facts)
        };
        for seq in 0..12 {
            let mut evidence = get(&relay, seq).unwrap();
            assert_eq!(evidence.record, with_data.records[usize::try_from(seq).unwrap()]);
            assert_eq!(check(&evidence).unwrap().confirmations, DEPTH);
            evidence.record.payload[0] ^= 1;
            assert_eq!(check(&evidence), Err(Refusal::RecordNotUnderRoot));
        }
        assert!(matches!(get(&relay, 13), Err(ProofError::HashOnly)));
        assert!(matches!(get(&relay, 17), Err(ProofError::NoBatch)));
        let mut evidence = device.evidence(&hash_only, 2);
        assert_eq!(check(&evidence), Err(Refusal::NotIncluded));
        proof::complete(&locked(&relay.store), &mut evidence).unwrap();
        assert!(check(&evidence).is_ok());
        let mut other = cairn_evidence::Evidence { signature: with_data.signature, ..evidence.clone() };
        assert!(matches!(proof::complete(&locked(&relay.store), &mut other), Err(ProofError::OtherSignature)));
        relay.chain.mine();
        relay.chain.revoke(device.key.key_id());
        assert!(check(&evidence).unwrap().revoked_at.is_some(), "revoked after the inclusion");
    }
}

#[test]
fn two_streams_of_one_device_are_told_apart() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    relay.take(device.key, &device_batch(&mut device, 3)).unwrap();
    let mut rebooted = TestDevice::new(1);
    rebooted.stream.0 ^= 0xff;
    relay.take(rebooted.key, &device_batch(&mut rebooted, 3)).unwrap();
    relay.blocks(1);
    let get = |stream| proof::of_record(&locked(&relay.store), device.key.device_id(), SequenceNumber(1), stream);
    assert!(matches!(get(None), Err(ProofError::SeveralStreams(streams)) if streams.len() == 2));
    assert_eq!(get(Some(rebooted.stream)).unwrap().anchor.stream, rebooted.stream);
}
