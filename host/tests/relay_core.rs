// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the relay takes, refuses, anchors and never loses: on a fake chain, at times that are numbers.

mod device;

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::Path,
};

use cairn::{
    batch::{BatchNumber, Commitment},
    endorsement::Binding,
    record::{Kind, SequenceNumber},
    uplink::Level,
};
use cairn_evidence::SignatureError;
use cairn_host::{
    chain::{Event, Fees, Ledger as _, Payload, fake::Orphans},
    deployment::EndorsementPolicy,
    endorsement::{Challenge, Endorsed, Root},
    relay::{
        anchoring::locked,
        gather::Mode,
        intake::{Break, Rejection},
        proof::{self, ProofError},
        store::{Store, postings::PostingState},
    },
};
use device::{DEPLOYMENT, DEPTH, HOME, TestDevice, TestRelay, now};

fn level(relay: &TestRelay, commitment: Commitment) -> Level {
    locked(&relay.store).level(commitment).unwrap().unwrap()
}

/// How often each commitment is on the best chain, for the roots that the database says it is under.
fn roots_on_chain(relay: &TestRelay) -> usize {
    relay.chain.events().len()
}

#[test]
fn an_anchor_is_stored_then_included_then_final_and_each_repetition_says_so() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    let batch = device.seal(10, Kind::READING);
    let first = relay.take(device.key, &batch.uplink(true)).unwrap();
    assert_eq!((first.level, first.final_through, first.hints.included_through), (Level::Stored, None, None));
    assert_eq!(first.commitment, batch.commitment().prefix());
    assert_eq!(first.hints.unix_ms, Some(relay.now_ms));
    relay.blocks(1);
    let second = relay.take(device.key, &batch.uplink(true)).unwrap();
    assert_eq!((second.level, second.hints.included_through), (Level::Included, Some(BatchNumber(0))));
    relay.blocks(DEPTH);
    let third = relay.take(device.key, &batch.uplink(true)).unwrap();
    assert_eq!(
        (third.level, third.final_through, third.hints.included_through),
        (Level::Final, Some(BatchNumber(0)), None)
    );
    assert_eq!(roots_on_chain(&relay), 1, "a repetition anchors nothing again");
    assert_eq!(locked(&relay.store).totals().unwrap().stored, 1);
}

#[test]
fn the_next_exchange_says_that_the_batches_before_are_final() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    relay.take(device.key, &device_batch(&mut device, 3)).unwrap();
    relay.blocks(1 + DEPTH);
    let downlink = relay.take(device.key, &device_batch(&mut device, 4)).unwrap();
    assert_eq!((downlink.level, downlink.final_through), (Level::Stored, Some(BatchNumber(0))));
}

fn device_batch(device: &mut TestDevice, count: u32) -> Vec<u8> {
    device.seal(count, Kind::READING).uplink(true)
}

#[test]
fn a_second_commitment_of_a_batch_is_refused_kept_and_reported_and_the_first_is_anchored() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    relay.take(device.key, &device_batch(&mut device, 2)).unwrap();
    let other = device.fork(3, Kind::READING);
    let kept = device.seal(3, Kind::READING);
    relay.take(device.key, &kept.uplink(true)).unwrap();
    for _ in 0..2 {
        let refused = relay.take(device.key, &other.uplink(false)).unwrap_err();
        assert_eq!(refused, Rejection::Equivocation { batch: BatchNumber(1), kept: kept.commitment() });
        assert_eq!(refused.coap_code().0, 0x89);
    }
    let report = locked(&relay.store).equivocations().unwrap();
    assert_eq!(report.len(), 1);
    assert_eq!((report[0].kept.commitment, report[0].other), (kept.commitment(), other.commitment()));
    assert_eq!(report[0].other_uplink, other.uplink(false));
    relay.blocks(1 + DEPTH);
    assert_eq!(level(&relay, kept.commitment()), Level::Final);
    assert_eq!(locked(&relay.store).level(other.commitment()).unwrap(), None);
}

#[test]
fn what_does_not_continue_its_stream_is_refused() {
    let (relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    let (first, second, third) =
        (device.seal(2, Kind::READING), device.seal(2, Kind::READING), device.seal(2, Kind::READING));
    assert_eq!(relay.take(device.key, &second.uplink(true)), Err(Rejection::Chain(Break::Gap)));
    relay.take(device.key, &first.uplink(true)).unwrap();
    assert_eq!(relay.take(device.key, &third.uplink(true)), Err(Rejection::Chain(Break::Gap)));
    let mut spoiled = second.clone();
    spoiled.anchor.prev = Commitment([9; 32]);
    spoiled.signature = device.sign(&spoiled.anchor);
    assert_eq!(relay.take(device.key, &spoiled.uplink(false)), Err(Rejection::Chain(Break::Prev)));
    let mut spoiled = second.clone();
    spoiled.anchor.first_seq = SequenceNumber(3);
    spoiled.signature = device.sign(&spoiled.anchor);
    assert_eq!(relay.take(device.key, &spoiled.uplink(false)), Err(Rejection::Chain(Break::FirstRecord)));
    let mut spoiled = first.clone();
    spoiled.anchor.stream.0 ^= 1;
    spoiled.anchor.first_seq = SequenceNumber(1);
    spoiled.signature = device.sign(&spoiled.anchor);
    let refused = relay.take(device.key, &spoiled.uplink(false)).unwrap_err();
    assert!(matches!(refused, Rejection::Contradiction(_)));
    assert_eq!(refused.coap_code().0, 0x96);
    relay.take(device.key, &second.uplink(true)).unwrap();
    relay.take(device.key, &third.uplink(true)).unwrap();
}

#[test]
fn signatures_and_data_of_others_are_refused() {
    let (relay, mut device, mut stranger) = (TestRelay::new(Mode::Root), TestDevice::new(1), TestDevice::new(2));
    relay.admit(&device);
    let batch = device.seal(4, Kind::READING);
    let invalid = Err(Rejection::Signature(SignatureError::Invalid));
    assert_eq!(relay.take(device.key, &stranger.seal(4, Kind::READING).uplink(false)), invalid);
    let mut spoiled = batch.clone();
    spoiled.anchor.sealed_at += 1;
    assert_eq!(relay.take(device.key, &spoiled.uplink(true)), invalid);
    let mut spoiled = batch.clone();
    spoiled.signature.0[32..].fill(0xfe);
    assert_eq!(relay.take(device.key, &spoiled.uplink(true)), Err(Rejection::Signature(SignatureError::HighS)));
    let mut spoiled = batch.clone();
    spoiled.anchor.root.0[0] ^= 1;
    spoiled.signature = device.sign(&spoiled.anchor);
    assert_eq!(relay.take(device.key, &spoiled.uplink(true)), Err(Rejection::DataOfOtherRoot));
    let mut uplink = batch.uplink(true);
    uplink.pop();
    assert_eq!(relay.take(device.key, &uplink), Err(Rejection::Malformed));
    assert_eq!(locked(&relay.store).totals().unwrap().stored, 0);
}

#[test]
fn an_identity_record_that_names_another_device_is_refused() {
    let relay = TestRelay::new(Mode::Root);
    let (mut device, impostor) = (TestDevice::new(1), TestDevice::new(2));
    relay.admit(&device);
    device.key = impostor.key;
    let batch = device.seal(2, Kind::READING);
    let owner = TestDevice::new(1);
    assert_eq!(relay.take(owner.key, &batch.uplink(true)), Err(Rejection::OtherIdentity));
}

#[test]
fn a_device_without_an_endorsement_is_refused_where_one_is_required() {
    let mut relay = TestRelay::new(Mode::Root);
    let (mut device, other) = (TestDevice::new(1), TestDevice::new(2));
    relay.admit(&device);
    relay.admit(&other);
    let uplink = device_batch(&mut device, 2);
    relay.rules.endorsement = EndorsementPolicy::Required;
    let refused = relay.take(device.key, &uplink).unwrap_err();
    assert_eq!((refused.clone(), refused.coap_code().0), (Rejection::Unendorsed, 0x83));

    let endorse = |device: &TestDevice, nonce: u8| {
        let (nonce, kid) = ([nonce; 32], device.provisioned().kid);
        let binding =
            Binding { nonce, key: device.key, stream: device.stream, kid, deployment: relay.rules.deployment };
        let root = Root::FactoryKey(other.key.key_id());
        let endorsed = Endorsed { root, binding, device: device.key.device_id() };
        let mut store = locked(&relay.store);
        store.add_challenge(&nonce, device.key.key_id(), 5, 6).unwrap();
        let drawn = Challenge { device: device.id, key: device.key.key_id(), kid, expires_ms: 6, used: false };
        assert_eq!(store.challenge(&nonce).unwrap(), Some(drawn));
        store.accept(&endorsed, b"as it came", 5).unwrap();
        assert!(store.accept(&endorsed, b"another", 5).is_err(), "a nonce is used once");
        assert_eq!(store.challenge(&nonce).unwrap(), Some(Challenge { used: true, ..drawn }));
        let accepted = store.accepted(&nonce).unwrap().unwrap();
        assert_eq!((accepted.key, &accepted.bytes[..]), (device.key.key_id(), &b"as it came"[..]));
    };
    endorse(&other, 3);
    assert_eq!(relay.take(device.key, &uplink).unwrap_err(), Rejection::Unendorsed, "another one's");
    endorse(&device, 4);
    relay.take(device.key, &uplink).unwrap();
}

#[test]
fn keys_that_are_unregistered_or_revoked_are_refused_once_the_registry_was_asked() {
    let mut relay = TestRelay::new(Mode::Root);
    let (mut unknown, mut revoked) = (TestDevice::new(1), TestDevice::new(2));
    locked(&relay.store).add_device(&unknown.provisioned(), relay.now_ms).unwrap();
    relay.admit(&revoked);
    let early = unknown.seal(2, Kind::READING);
    relay.take(unknown.key, &early.uplink(true)).unwrap();
    relay.take(revoked.key, &device_batch(&mut revoked, 2)).unwrap();
    relay.chain.mine();
    relay.chain.revoke(revoked.key.key_id());
    relay.blocks(3);
    assert_eq!(roots_on_chain(&relay), 0, "what came before the registry was asked is not posted either");
    assert_eq!(relay.take(unknown.key, &device_batch(&mut unknown, 2)), Err(Rejection::Unregistered));
    let refused = relay.take(revoked.key, &device_batch(&mut revoked, 2)).unwrap_err();
    assert_eq!((refused.clone(), refused.coap_code().0), (Rejection::Revoked, 0x83));
    relay.chain.register(unknown.key.device_id(), unknown.key.key_id());
    relay.now_ms += 600_001;
    relay.blocks(2);
    assert_eq!(level(&relay, early.commitment()), Level::Included);
}

#[test]
fn a_repetition_may_bring_the_data_that_the_first_uplink_did_not() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    let batch = device.seal(5, Kind::READING);
    let (id, seq) = (device.key.device_id(), SequenceNumber(3));
    relay.take(device.key, &batch.uplink(false)).unwrap();
    relay.blocks(1);
    assert!(matches!(proof::of_record(&locked(&relay.store), id, seq, None), Err(ProofError::HashOnly)));
    relay.take(device.key, &batch.uplink(true)).unwrap();
    assert!(proof::of_record(&locked(&relay.store), id, seq, None).is_ok());
}

#[test]
fn a_dead_node_keeps_nobody_from_being_stored_and_is_asked_ever_less_often() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    relay.chain.set_up(false);
    let batch = device.seal(3, Kind::READING);
    assert_eq!(relay.take(device.key, &batch.uplink(true)).unwrap().level, Level::Stored);
    relay.work(3_600_000);
    // Steps grow to 60 s, so jitter of a half on average: about 120 attempts in an hour, and never one per round.
    assert!((60..250).contains(&relay.anchoring.failures()), "{}", relay.anchoring.failures());
    relay.chain.set_up(true);
    relay.work(61_000);
    assert_eq!(relay.anchoring.failures(), 0);
    relay.blocks(1 + DEPTH);
    assert_eq!(level(&relay, batch.commitment()), Level::Final);
}

#[test]
fn a_reorg_takes_the_level_back_and_the_same_transaction_is_sent_again() {
    for orphans in [Orphans::Vanish, Orphans::Return] {
        let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
        relay.admit(&device);
        let batch = device.seal(3, Kind::READING);
        relay.take(device.key, &batch.uplink(true)).unwrap();
        relay.blocks(2);
        assert_eq!(level(&relay, batch.commitment()), Level::Included);
        relay.chain.reorg(2, orphans);
        relay.work(2000);
        assert_eq!(level(&relay, batch.commitment()), Level::Stored);
        relay.blocks(1 + DEPTH);
        assert_eq!(level(&relay, batch.commitment()), Level::Final);
        assert_eq!((relay.chain.intents(0).len(), relay.chain.intents(1).len()), (1, 0));
        assert_eq!(relay.chain.fees_paid_for(0).into_iter().collect::<HashSet<_>>().len(), 1, "the very same bytes");
    }
}

#[test]
fn a_posting_in_another_block_after_a_reorg_is_found_there() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    let batch = device.seal(3, Kind::READING);
    relay.take(device.key, &batch.uplink(true)).unwrap();
    relay.blocks(1);
    relay.chain.reorg(1, Orphans::Return);
    let block = relay.chain.mine();
    relay.work(2000);
    let posting = locked(&relay.store).unsettled().unwrap().remove(0);
    assert_eq!(posting.place.unwrap().block_hash, block.hash);
}

#[test]
fn a_rising_base_fee_raises_the_same_intents_fees_up_to_the_ceiling() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    let batch = device.seal(3, Kind::READING);
    relay.take(device.key, &batch.uplink(true)).unwrap();
    relay.work(2000);
    relay.chain.set_base_fee(100_000_000_000);
    relay.blocks(30);
    assert_eq!(level(&relay, batch.commitment()), Level::Final);
    let fees = relay.chain.fees_paid_for(0);
    assert!(fees.len() >= 2 && fees.is_sorted_by_key(|fees| fees.max_per_gas), "{fees:?}");
    assert_eq!(relay.chain.intents(0).len(), 1);
    relay.take(device.key, &device_batch(&mut device, 2)).unwrap();
    relay.work(61_000);
    relay.chain.set_base_fee(900_000_000_000);
    relay.blocks(60);
    let ceiling = relay.chain.fees_paid_for(1).iter().map(|fees| fees.max_per_gas).max().unwrap();
    assert!(ceiling <= 500_000_000_000);
    relay.chain.set_base_fee(1_000_000_000);
    relay.blocks(2 + DEPTH);
    assert_eq!(locked(&relay.store).totals().unwrap().finalised, 2);
}

#[test]
fn a_nonce_that_somebody_else_used_costs_another_nonce_and_no_anchor() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    let batch = device.seal(3, Kind::READING);
    relay.take(device.key, &batch.uplink(true)).unwrap();
    relay.work(1);
    relay.chain.empty_pool();
    let foreign = Payload::Root(cairn::merkle::Hash([9; 32]));
    let fees = Fees { max_per_gas: 9_000_000_000, max_priority_per_gas: 2 };
    let stolen = relay.chain.prepare(&foreign, 0, fees).unwrap();
    now(relay.chain.send(&stolen)).unwrap();
    relay.chain.mine();
    relay.work(300_000);
    relay.blocks(1 + DEPTH);
    assert_eq!(level(&relay, batch.commitment()), Level::Final);
    assert_eq!(locked(&relay.store).posting(1).unwrap().unwrap().nonce, Some(1));
}

#[test]
fn a_relay_that_the_contract_does_not_know_pays_for_nothing_and_posts_once_it_is_allowed() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    relay.chain.set_relay(false);
    let batch = device.seal(3, Kind::READING);
    relay.take(device.key, &batch.uplink(true)).unwrap();
    relay.blocks(20);
    assert_eq!(now(relay.chain.next_nonce()).unwrap(), 0, "refused in simulation: nothing was sent");
    relay.chain.set_relay(true);
    relay.work(2000);
    relay.blocks(6 + DEPTH);
    assert_eq!(level(&relay, batch.commitment()), Level::Final);
}

#[test]
fn a_transaction_included_without_effect_loses_its_nonce_and_leaves_its_anchors_waiting() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    let batch = device.seal(3, Kind::READING);
    relay.take(device.key, &batch.uplink(true)).unwrap();
    relay.work(2000);
    relay.chain.set_relay(false);
    relay.chain.mine();
    relay.work(2000);
    assert_eq!(level(&relay, batch.commitment()), Level::Stored);
    let posting = locked(&relay.store).unsettled().unwrap().remove(0);
    assert_eq!((posting.nonce, posting.attempts, posting.state), (None, 1, PostingState::Open));
    assert!(posting.retry_ms > relay.now_ms - 2000);
}

#[test]
fn a_clock_that_is_set_back_a_day_stops_nothing() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    relay.take(device.key, &device_batch(&mut device, 2)).unwrap();
    relay.blocks(1 + DEPTH);
    relay.now_ms -= 86_400_000;
    let batch = device.seal(3, Kind::READING);
    relay.take(device.key, &batch.uplink(true)).unwrap();
    relay.blocks(2 + DEPTH);
    assert_eq!(level(&relay, batch.commitment()), Level::Final);
}

/// Copies the database's files as they are: what a power cut leaves.
fn cut_power(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = format!("relay.sqlite{suffix}");
        if from.join(&name).exists() {
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

#[test]
fn power_cut_at_any_moment_loses_no_anchor_and_posts_no_intent_twice() {
    for cut_after in 0..12 {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let open = |place: usize| Store::open(&folders[place].path().join("relay.sqlite"), &HOME).unwrap();
        let mut device = TestDevice::new(1);
        let mut relay = TestRelay::with(open(0), cairn_host::chain::fake::FakeChain::new(DEPLOYMENT), Mode::Root);
        relay.admit(&device);
        let batches: Vec<_> = (0..3).map(|count| device.seal(count + 2, Kind::READING)).collect();
        let mut stored = Vec::new();
        for step in 0..cut_after {
            match step {
                0 | 4 | 8 => {
                    let batch = &batches[step / 4];
                    relay.take(device.key, &batch.uplink(true)).unwrap();
                    stored.push(batch.commitment());
                }
                2 if cut_after % 2 == 0 => relay.chain.lose_next_answer(),
                3 | 6 | 10 => drop(relay.chain.mine()),
                _ => relay.work(61_000),
            }
        }
        cut_power(folders[0].path(), folders[1].path());
        let mut again = TestRelay::with(open(1), relay.chain.clone(), Mode::Root);
        again.now_ms = relay.now_ms;
        drop(relay);
        // What was signed before the cut is not signed again with other fees: it must be remembered.
        again.chain.set_base_fee(1_100_000_000);
        again.work(61_000);
        again.blocks(8 + 2 * DEPTH);
        for commitment in &stored {
            assert_eq!(level(&again, *commitment), Level::Final, "cut after {cut_after}");
        }
        for nonce in 0..4 {
            assert!(again.chain.intents(nonce).len() <= 1, "cut after {cut_after}: nonce {nonce}");
        }
        let roots: Vec<_> = again.chain.events().into_iter().map(|(event, _)| event).collect();
        assert_eq!(roots.iter().collect::<HashSet<_>>().len(), roots.len(), "cut after {cut_after}: a root twice");
    }
}

#[test]
fn a_posting_written_before_the_cut_is_sent_after_it_with_the_same_members() {
    let (mut relay, mut device) = (TestRelay::new(Mode::Root), TestDevice::new(1));
    relay.admit(&device);
    let batch = device.seal(3, Kind::READING);
    relay.take(device.key, &batch.uplink(true)).unwrap();
    relay.chain.lose_next_answer();
    now(relay.anchoring.advance(&relay.store, relay.now_ms));
    assert_eq!(relay.anchoring.failures(), 1);
    let before = locked(&relay.store).unsettled().unwrap().remove(0);
    let TestRelay { store, chain, now_ms, .. } = relay;
    let mut relay = TestRelay::with(store.into_inner().unwrap(), chain, Mode::Root);
    relay.now_ms = now_ms;
    relay.take(device.key, &device_batch(&mut device, 2)).unwrap();
    relay.blocks(1);
    let after = locked(&relay.store).posting(before.id).unwrap().unwrap();
    assert_eq!((after.payload, after.nonce, after.state), (before.payload, before.nonce, PostingState::Included));
    assert_eq!(relay.chain.intents(0).len(), 1);
}

#[test]
fn anchors_of_many_devices_share_a_root_whatever_order_they_came_in() {
    let roots: BTreeSet<_> = [false, true]
        .into_iter()
        .map(|backwards| {
            let mut relay = TestRelay::new(Mode::Root);
            let mut uplinks: Vec<_> = (1..=20)
                .map(|number| {
                    let mut device = TestDevice::new(number);
                    relay.admit(&device);
                    let uplink = device_batch(&mut device, 2);
                    (device, uplink)
                })
                .collect();
            if backwards {
                uplinks.reverse();
            }
            for (device, uplink) in &uplinks {
                relay.take(device.key, uplink).unwrap();
                relay.now_ms += 1;
            }
            relay.blocks(1);
            let events = relay.chain.events();
            assert_eq!(events.len(), 1);
            let Event::RootPosted(root) = events[0].0 else { panic!("a root") };
            root
        })
        .collect();
    assert_eq!(roots.len(), 1);
}
