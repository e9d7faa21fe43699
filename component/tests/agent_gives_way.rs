// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A lock on virtual time whose link is dead and whose journal is full: urgent records keep being taken, routine ones give way, and
//! when the link is back the relay is told of every one of them.

mod agent_world;
mod journal_flash;

use std::collections::BTreeMap;

use agent_world::{Device, Fate, HOUR, Seen};
use cairn::{
    agent::{Event, EvidenceError, SubmitError, UploadMode, evidence_max},
    batch::AnchorFlags,
    journal::JournalError,
    ports::{LinkError, Ticket},
    record::{Kind, LossReason, Priority, SequenceNumber},
    time::TimeQuality,
};

const QUARTER: u64 = 15 * 60_000;

/// A lock with a dead link.
fn lock<const GIVES_WAY: bool>(upload: UploadMode) -> Device<GIVES_WAY> {
    let device = Device::made(upload, 1_768_345_200_000, TimeQuality::Network);
    device.world().fates = vec![Fate::Fails(LinkError::Unreachable); 100_000].into();
    device
}

/// Submits a record and says what became of it.
fn submit<const GIVES_WAY: bool>(
    device: &mut Device<GIVES_WAY>,
    kind: Kind,
    priority: Priority,
    payload: &[u8],
) -> Result<SequenceNumber, SubmitError> {
    {
        let mut world = device.world();
        let wall = world.wall();
        world.queue.push_back((wall, kind, priority, payload.to_vec(), Some(Ticket(7))));
    }
    device.poll();
    let answer = device.world().answers.pop();
    answer.expect("an answer").1
}

/// Reads the meter every quarter of an hour until the journal is full. What was accepted, by number.
fn fill<const GIVES_WAY: bool>(device: &mut Device<GIVES_WAY>) -> BTreeMap<u64, Vec<u8>> {
    let mut accepted = BTreeMap::new();
    for quarter in 0..20_000_u32 {
        let payload = agent_world::minicbor_uint(100_000 + quarter * 57 + quarter * quarter % 13);
        match submit(device, Kind::READING, Priority::Routine, &payload) {
            Ok(seq) => drop(accepted.insert(seq.0, payload)),
            Err(error) => {
                assert_eq!(error, SubmitError::Journal(JournalError::Full));
                return accepted;
            }
        }
        device.run_for(QUARTER);
    }
    panic!("the journal is never full");
}

const FULL: Result<SequenceNumber, SubmitError> = Err(SubmitError::Journal(JournalError::Full));

/// Urgent records every twenty minutes, until one is refused, and a reboot among them. Adds what was accepted; their numbers.
fn force_the_door(device: &mut Device<true>, accepted: &mut BTreeMap<u64, Vec<u8>>) -> Vec<u64> {
    let mut urgent = Vec::new();
    for event in 0..400_u32 {
        device.run_for(20 * 60_000);
        let payload = [&b"forced"[..], &event.to_be_bytes()].concat();
        match submit(device, Kind::EVENT, Priority::Urgent, &payload) {
            Ok(seq) => {
                assert_eq!(accepted.insert(seq.0, payload), None);
                urgent.push(seq.0);
            }
            refused => {
                assert_eq!(refused, FULL);
                return urgent;
            }
        }
        if event == 5 {
            device.reboot();
        }
    }
    panic!("endless room");
}

/// The link is back for some days: everything is sealed, sent and final.
fn link_returns<const GIVES_WAY: bool>(device: &mut Device<GIVES_WAY>) {
    device.world().fates.clear();
    device.world().finalises_quickly = true;
    device.run_for(3 * 24 * HOUR);
    let status = device.agent.status();
    assert_eq!((status.unsent, status.unsealed), (0, 0));
    let ends = device.world().anchors.last().and_then(|(anchor, _)| anchor.end());
    assert_eq!(ends, Some(status.next_seq), "every number is in a batch that the relay has");
}

#[test]
fn urgent_records_are_taken_while_the_link_is_dead_and_the_journal_full_and_every_loss_is_a_leaf() {
    let mut device = lock::<true>(UploadMode::HashOnly);
    let mut accepted = fill(&mut device);
    let urgent = force_the_door(&mut device, &mut accepted);
    let told: u32 = device.world().events.iter().map(displaced).sum();
    assert!(urgent.len() > 100, "only {} urgent records were taken", urgent.len());
    assert!(u64::from(told) > 200 && device.agent.status().totals.displaced <= told, "{told}");
    assert_eq!(device.agent.status().totals.stored_through, None, "the link was dead all the time");
    link_returns(&mut device);
    let mut lost = 0;
    let mut out = [0; evidence_max(agent_world::PAYLOAD)];
    for &seq in accepted.keys() {
        // Evidence holds only when every leaf of the batch, lost ones too, gives the root that was signed.
        match device.agent.evidence(SequenceNumber(seq), &mut out) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, EvidenceError::Lost(LossReason::DISPLACED), "record {seq}");
                assert!(!urgent.contains(&seq), "record {seq} is urgent");
                lost += 1;
            }
        }
    }
    assert_eq!(lost, told, "as many as were told");
}

#[test]
fn the_relay_is_told_of_every_record_that_gave_way() {
    let mut device = lock::<true>(UploadMode::Data);
    let mut accepted = fill(&mut device);
    let urgent = force_the_door(&mut device, &mut accepted);
    let told: u32 = device.world().events.iter().map(displaced).sum();
    assert!(urgent.len() >= 5 && told >= 20, "{} urgent records, {told} gave way", urgent.len());
    link_returns(&mut device);
    assert!(device.world().data.iter().all(Option::is_some), "every batch with its records");
    let mut lost = 0;
    for (seq, seen) in (0..).zip(&device.delivered()) {
        match seen {
            Seen::Record { seq: read, payload, kind, .. } => {
                assert_eq!(*read, seq);
                assert!(*kind == Kind::IDENTITY || accepted.get(&seq) == Some(payload), "record {seq}");
            }
            Seen::Lost { seq: read, reason } => {
                assert_eq!((*read, *reason), (seq, LossReason::DISPLACED));
                assert!(accepted.contains_key(&seq) && !urgent.contains(&seq), "record {seq}");
                lost += 1;
            }
        }
    }
    assert_eq!(lost, told, "as many as were told");
    let world = device.world();
    let flagged = world.anchors.iter().filter(|(anchor, _)| anchor.flags.has(AnchorFlags::LOST_RECORDS));
    assert!(flagged.map(|(anchor, _)| anchor.count).sum::<u32>() >= lost, "their batches say so");
}

fn displaced(event: &Event) -> u32 {
    match event {
        Event::Displaced { records } => *records,
        _ => 0,
    }
}

#[test]
fn without_the_option_a_full_journal_refuses_urgent_records_too_and_nothing_is_lost() {
    let mut device = lock::<false>(UploadMode::Data);
    let accepted = fill(&mut device);
    assert_eq!(submit(&mut device, Kind::EVENT, Priority::Urgent, b"forced"), FULL);
    let totals = device.agent.status().totals;
    assert_eq!((totals.displaced, totals.journal_full), (0, 2));
    link_returns(&mut device);
    let records = device.delivered().iter().filter(|seen| matches!(seen, Seen::Record { .. })).count();
    assert_eq!(records, accepted.len() + 1);
}
