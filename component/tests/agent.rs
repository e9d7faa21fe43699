// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The agent's behaviour on virtual time, against a relay that checks every signature, chain and leaf.

mod agent_world;
mod journal_flash;

use agent_world::{DEPLOYMENT, Device, Fate, HOUR, STREAM, Seen, UPLINK, minicbor_uint};
use cairn::{
    agent::{Activity, Event, EvidenceError, SubmitError, UploadMode, evidence_max},
    batch::{AnchorFlags, BatchNumber},
    journal::JournalError,
    merkle::{Hash, root_from_path},
    ports::{LinkError, Ticket},
    record::{Kind, Priority, Record, SequenceNumber},
    signer::SignerError,
    time::{TimeQuality, WallTime},
    uplink::Uplink,
};

const QUARTER: u64 = 15 * 60_000;

fn quarter_hours(device: &mut Device, count: u32) {
    for quarter in 0..count {
        device.read_meter(100_000 + quarter * 57 + quarter * quarter % 13);
        device.run_for(QUARTER);
    }
}

#[test]
fn a_day_of_readings_arrives_whole_in_one_exchange_for_each_batch() {
    let mut device = Device::new(UploadMode::Data);
    quarter_hours(&mut device, 96);
    device.agent.flush();
    device.run_for(QUARTER);
    let delivered = device.delivered();
    let world = device.world();
    // The first after half its time, to learn what the link tells; then when they are due.
    assert_eq!((world.uplinks.len(), world.anchors.len()), (3, 3), "one exchange per batch");
    for (seq, seen) in (0..).zip(&delivered) {
        let Seen::Record { seq: seen_seq, kind, payload, .. } = seen else { panic!("lost") };
        assert_eq!(*seen_seq, seq);
        if seq == 0 {
            assert_eq!(*kind, Kind::IDENTITY);
        } else {
            let quarter = u32::try_from(seq - 1).unwrap();
            assert_eq!(*payload, minicbor_uint(100_000 + quarter * 57 + quarter * quarter % 13));
        }
    }
    assert_eq!(delivered.len(), 97, "the identity and 96 readings");
    assert!(world.anchors.iter().all(|(anchor, _)| anchor.flags.0 == AnchorFlags::SYNCHRONISED));
}

#[test]
fn what_was_final_before_an_exchange_is_known_after_it() {
    let mut device = Device::new(UploadMode::Data);
    quarter_hours(&mut device, 48);
    device.run_for(60_000);
    assert_eq!(device.agent.status().totals.stored_through, Some(BatchNumber(0)));
    assert_eq!(device.agent.status().totals.final_through, None);
    device.world().final_through = Some(BatchNumber(0));
    quarter_hours(&mut device, 48);
    device.run_for(60_000);
    let totals = device.agent.status().totals;
    assert_eq!((totals.stored_through, totals.final_through), (Some(BatchNumber(1)), Some(BatchNumber(0))));
    assert_eq!(totals.included_through, Some(BatchNumber(0)), "what is final is included");
    let batch = BatchNumber(0);
    let levels: Vec<_> =
        device.world().events.iter().copied().filter(|event| levels_of(event) == Some(batch)).collect();
    assert_eq!(levels, [Event::Stored { batch }, Event::Included { batch }, Event::Final { batch }]);
}

fn levels_of(event: &Event) -> Option<BatchNumber> {
    match event {
        Event::Stored { batch } | Event::Included { batch } | Event::Final { batch } => Some(*batch),
        _ => None,
    }
}

#[test]
fn a_dead_link_costs_retries_and_nothing_else() {
    let mut device = Device::new(UploadMode::Data);
    device.world().fates = [
        Fate::Fails(LinkError::TimeOut),
        Fate::Fails(LinkError::Unreachable),
        Fate::AnswerLost,
        Fate::Fails(LinkError::Rejected(0xa3)),
    ]
    .into();
    quarter_hours(&mut device, 96);
    device.agent.flush();
    device.run_for(QUARTER);
    assert_eq!(device.delivered().len(), 97);
    let world = device.world();
    assert!(world.uplinks.len() >= 6, "{}", world.uplinks.len());
    assert!(
        world.uplinks[..4].iter().all(|uplink| *uplink == world.uplinks[0]),
        "a retry repeats anchor and signature"
    );
    let mut numbers = world.used_numbers.clone();
    numbers.dedup();
    assert_eq!(numbers.len(), world.uplinks.len(), "every exchange has a sender sequence number of its own");
    assert!(numbers.is_sorted());
}

#[test]
fn a_downlink_that_does_not_answer_the_uplink_moves_nothing() {
    for fate in [
        Fate::Garbage,
        Fate::OtherCommitment,
        Fate::OtherStream,
        Fate::OtherBatch,
        Fate::FinalFromTheFuture,
        Fate::Fails(LinkError::Rejected(0x81)),
    ] {
        let mut device = Device::new(UploadMode::Data);
        device.world().fates = [fate].into();
        device.read_meter(1);
        device.agent.flush();
        device.poll();
        device.world().now += 3_000;
        device.poll();
        let status = device.agent.status();
        assert_eq!(status.totals.exchange_failures, 1, "{fate:?}");
        assert_eq!((status.unsent, status.totals.stored_through), (1, None), "{fate:?}");
        device.run_for(HOUR);
        assert_eq!(device.agent.status().unsent, 0, "{fate:?}: the retry is accepted");
    }
}

#[test]
fn a_signer_that_refuses_is_asked_again_for_the_same_anchor() {
    let mut device = Device::new(UploadMode::Data);
    device.world().signer_errors = [SignerError::Gone, SignerError::TimeOut].into();
    device.read_meter(1);
    device.agent.flush();
    device.poll();
    assert_eq!(device.world().uplinks.len(), 0);
    let status = device.agent.status();
    assert_eq!(status.totals.last_signer_error, Some(SignerError::TimeOut));
    assert_eq!(device.agent.evidence(SequenceNumber(0), &mut [0; 2048]), Err(EvidenceError::NotSealed));
    device.read_meter(2);
    device.run_for(5 * 60_000);
    assert_eq!(device.world().anchors.len(), 1);
    assert_eq!(device.world().anchors[0].0.count, 2, "the second reading is not in the batch sealed before it");
    assert_eq!(device.agent.status().totals.signer_failures, 2);
}

#[test]
fn records_too_long_to_share_an_uplink_are_sealed_apart() {
    let mut device = Device::new(UploadMode::Data);
    device.world().finalises_quickly = true;
    for filler in 0..40_u8 {
        device.world().submit(Kind::EVENT, Priority::Routine, &[filler; 64]);
        device.poll();
        device.run_for(60_000);
    }
    device.agent.flush();
    device.run_for(HOUR);
    assert_eq!(device.delivered().len(), 41);
    let world = device.world();
    assert!(world.anchors.len() > 8, "{}", world.anchors.len());
    assert!(world.uplinks.iter().all(|uplink| uplink.len() <= UPLINK));
}

#[test]
fn a_hash_only_batch_sends_no_records_and_the_device_proves_them_itself() {
    let mut device = Device::new(UploadMode::HashOnly);
    for value in 0..20 {
        device.read_meter(value);
    }
    device.agent.flush();
    device.run_for(60_000);
    assert_eq!(device.world().data, [None]);
    let uplink = device.world().uplinks[0].clone();
    assert!(uplink.len() <= 175, "{}", uplink.len());
    let (anchor, signature) = device.world().anchors[0];
    let mut out = [0; evidence_max(64)];
    for seq in 0..21 {
        let length = device.agent.evidence(SequenceNumber(seq), &mut out).unwrap();
        let root = checked_evidence(&out[..length], &signature.0, &device.key.compressed());
        assert_eq!(root, anchor.root);
    }
    assert_eq!(device.agent.evidence(SequenceNumber(21), &mut out), Err(EvidenceError::NotFound));
    device.read_meter(9);
    assert_eq!(device.agent.evidence(SequenceNumber(21), &mut out), Err(EvidenceError::NotSealed));
    assert_eq!(device.agent.evidence(SequenceNumber(1), &mut out[..100]), Err(EvidenceError::BufferTooSmall));
    assert_eq!(device.agent.release(BatchNumber(0)), Ok(()));
    assert_eq!(device.agent.release(BatchNumber(7)), Err(JournalError::NotFound));
}

/// Reads device evidence by `docs/wire.cddl` and gives the root its path leads to.
fn checked_evidence(bytes: &[u8], signature: &[u8], key: &[u8]) -> Hash {
    let mut d = minicbor::Decoder::new(bytes);
    assert_eq!((d.array().unwrap(), d.u8().unwrap()), (Some(9), 1));
    assert_eq!(d.bytes().unwrap(), DEPLOYMENT.0);
    assert_eq!(d.array().unwrap(), Some(6));
    let seq = SequenceNumber(d.u64().unwrap());
    let unix_ms = d.u64().unwrap();
    let quality = TimeQuality::from_number(d.u8().unwrap()).unwrap();
    let kind = Kind(d.u16().unwrap());
    let blind: [u8; 16] = d.bytes().unwrap().try_into().unwrap();
    let record = Record { seq, time: WallTime { unix_ms, quality }, kind, payload: d.bytes().unwrap() };
    let leaf = record.leaf(&blind);
    let path: Vec<_> = (0..d.array().unwrap().unwrap()).map(|_| Hash(d.bytes().unwrap().try_into().unwrap())).collect();
    assert_eq!(d.array().unwrap(), Some(8));
    let anchor = cairn::uplink::decode_anchor_fields(&mut d).unwrap();
    assert_eq!(anchor.stream, STREAM);
    assert_eq!(d.bytes().unwrap(), signature);
    assert_eq!((d.array().unwrap(), d.i8().unwrap()), (Some(2), -47));
    assert_eq!(d.bytes().unwrap(), key);
    assert_eq!(d.array().unwrap(), Some(0));
    d.null().unwrap();
    assert_eq!(d.position(), bytes.len());
    let index = anchor.leaf_index(seq).unwrap();
    root_from_path(&leaf, u64::from(index), u64::from(anchor.count), &path).unwrap()
}

#[test]
fn what_an_application_may_not_submit_is_refused_and_counted() {
    let mut device = Device::new(UploadMode::Data);
    let submissions: [(Kind, &[u8], SubmitError); 4] = [
        (Kind::IDENTITY, b"x", SubmitError::Kind),
        (Kind::CLOCK_STEP, b"x", SubmitError::Kind),
        (Kind(63), b"x", SubmitError::Kind),
        (Kind::EVENT, &[0; 65], SubmitError::TooLong),
    ];
    for (number, (kind, payload, error)) in (0..).zip(submissions) {
        let wall = device.world().wall();
        let ticket = Some(Ticket(number));
        device.world().queue.push_back((wall, kind, Priority::Routine, payload.to_vec(), ticket));
        device.poll();
        assert_eq!(device.world().answers.last(), Some(&(Ticket(number), Err(error))));
        assert_eq!(device.world().events.last(), Some(&Event::Refused(error)));
    }
    assert_eq!(device.agent.status().totals.refused, 4);
    assert_eq!(device.agent.status().next_seq, SequenceNumber(1));
    let wall = device.world().wall();
    device.world().queue.push_back((wall, Kind(64), Priority::Bulk, vec![], Some(Ticket(9))));
    device.poll();
    assert_eq!(device.world().answers.last(), Some(&(Ticket(9), Ok(SequenceNumber(1)))));
}

#[test]
fn a_full_journal_refuses_new_records_and_loses_none() {
    let mut device = Device::new(UploadMode::Data);
    device.world().fates = vec![Fate::Fails(LinkError::TimeOut); 1000].into();
    let mut accepted = 0;
    for value in 0..600 {
        let before = device.agent.status().totals.accepted;
        device.read_meter(value);
        accepted += device.agent.status().totals.accepted - before;
        device.run_for(60_000);
    }
    let totals = device.agent.status().totals;
    assert!(totals.journal_full > 0 && accepted > 100, "{totals:?}");
    assert_eq!(accepted + u64::from(totals.journal_full), 600);
    device.world().fates.clear();
    device.agent.flush();
    device.run_for(24 * HOUR);
    assert_eq!(device.delivered().len() as u64, accepted + 1);
}

/// The relay's last word was 'stored', everything is stored, and there is no room for a record whose batch would bring more news.
#[test]
fn a_device_that_is_full_of_what_it_does_not_know_to_be_final_asks() {
    let mut device = Device::new(UploadMode::Data);
    let mut accepted = 0;
    let mut value = 0;
    while device.agent.status().totals.journal_full == 0 {
        let before = device.agent.status().totals.accepted;
        device.read_meter(value);
        accepted += device.agent.status().totals.accepted - before;
        value += 1;
        device.agent.flush();
        device.run_for(60_000);
    }
    device.run_for(HOUR);
    let uplinks = device.world().uplinks.len();
    let batches = device.world().anchors.len();
    assert!(uplinks > batches, "it asked");
    device.run_for(24 * HOUR);
    let asked = device.world().uplinks.len() - uplinks;
    assert!((24..96).contains(&asked), "{asked} times a day, at longest once an hour");
    let last = device.world().uplinks.last().cloned().unwrap();
    assert!(Uplink::decode(&last).unwrap().data.is_none(), "what the relay has is not sent again");
    device.world().final_through = Some(BatchNumber(u32::try_from(batches - 2).unwrap()));
    device.run_for(2 * HOUR);
    let uplinks = device.world().uplinks.len();
    device.run_for(24 * HOUR);
    assert_eq!(device.world().uplinks.len(), uplinks, "it knows, and asks no more");
    for _ in 0..20 {
        device.read_meter(value);
        value += 1;
    }
    device.agent.flush();
    device.run_for(HOUR);
    assert_eq!(device.delivered().len() as u64, accepted + 21);
}

#[test]
fn a_clock_that_is_set_leaves_a_record_of_the_step() {
    let mut device = Device::with_clock(UploadMode::Data, 0, TimeQuality::SinceBoot);
    device.world().now = 5_000;
    device.read_meter(1);
    {
        let mut world = device.world();
        (world.wall_offset, world.quality) = (1_768_345_200_000, TimeQuality::Network);
    }
    device.read_meter(2);
    device.agent.flush();
    device.run_for(60_000);
    let delivered = device.delivered();
    let Seen::Record { kind, payload, time, .. } = &delivered[2] else { panic!("lost") };
    assert_eq!((*kind, time.quality), (Kind::CLOCK_STEP, TimeQuality::Network));
    let mut d = minicbor::Decoder::new(payload);
    assert_eq!(d.array().unwrap(), Some(4));
    assert_eq!((d.u64().unwrap(), d.u64().unwrap(), d.u8().unwrap()), (5_000, 1_768_345_205_000, 2));
    d.null().unwrap();
    assert_eq!(device.agent.status().totals.clock_steps, 1);
}

#[test]
fn the_relay_sets_a_clock_that_nothing_else_set_and_later_moves_it_only_a_little() {
    let mut device = Device::with_clock(UploadMode::Data, 0, TimeQuality::SinceBoot);
    let exchange = |device: &mut Device, unix_ms| {
        device.world().hint_unix_ms = Some(unix_ms);
        device.read_meter(1);
        device.agent.flush();
        device.run_for(10_000);
        device.agent.status()
    };
    let noon = 1_768_392_000_000;
    let status = exchange(&mut device, noon);
    assert_eq!((status.wall.quality, status.totals.clock_steps), (TimeQuality::Relay, 1));
    let now = status.wall.unix_ms;
    let status = exchange(&mut device, now + 2 * HOUR);
    assert_eq!((status.totals.clock_steps, status.totals.clock_steps_refused), (1, 1));
    let now = status.wall.unix_ms;
    let status = exchange(&mut device, now + HOUR / 2);
    assert_eq!((status.totals.clock_steps, status.totals.clock_steps_refused), (2, 1));
    let mut device = Device::new(UploadMode::Data);
    let before = device.world().wall_offset;
    exchange(&mut device, noon);
    assert_eq!(device.world().wall_offset, before, "a relay does not move a clock that the network set");
}

#[test]
fn an_urgent_record_leaves_within_seconds_and_takes_the_others_along() {
    let mut device = Device::new(UploadMode::Data);
    device.read_meter(1);
    device.run_for(HOUR);
    assert!(device.world().uplinks.is_empty());
    device.world().submit(Kind::EVENT, Priority::Urgent, b"forced");
    device.run_for(10_000);
    assert_eq!(device.delivered().len(), 3);
}

#[test]
fn a_radio_that_is_up_anyway_is_used() {
    let mut device = Device::new(UploadMode::Data);
    device.read_meter(1);
    device.agent.radio_hint(cairn::time::Millis(30_000));
    device.run_for(10_000);
    assert_eq!(device.delivered().len(), 2);
}

#[test]
fn the_status_says_when_the_task_is_idle() {
    let mut device = Device::new(UploadMode::Data);
    assert_eq!(device.agent.status().activity, Activity::Idle);
    device.agent.flush();
    device.poll();
    assert_eq!(device.agent.status().activity, Activity::Busy);
    device.world().now += 3_000;
    device.poll();
    assert_eq!(device.agent.status().activity, Activity::Idle);
    assert_eq!(device.agent.status().totals.bytes_up, 200);
}

#[test]
fn every_uplink_started_decodes() {
    let mut device = Device::new(UploadMode::Data);
    quarter_hours(&mut device, 50);
    assert!(device.world().uplinks.iter().all(|uplink| Uplink::decode(uplink).is_ok()));
}

#[test]
fn a_device_that_starts_again_goes_on_where_it_was() {
    let mut device = Device::new(UploadMode::Data);
    device.world().finalises_quickly = true;
    for _ in 0..6 {
        quarter_hours(&mut device, 20);
        let before = device.agent.status();
        device.reboot();
        let after = device.agent.status();
        assert_eq!(
            (before.next_seq, before.unsealed, before.next_batch),
            (after.next_seq, after.unsealed, after.next_batch)
        );
        assert_eq!(before.totals.stored_through, after.totals.stored_through);
    }
    device.agent.flush();
    device.run_for(HOUR);
    assert_eq!(device.delivered().len(), 121);
    assert_eq!(device.boots, 7);
}

#[test]
fn a_record_that_rots_after_it_was_sealed_leaves_its_anchor_and_a_record_of_the_loss() {
    let mut device = Device::new(UploadMode::Data);
    device.world().fates = vec![Fate::Fails(LinkError::TimeOut); 2].into();
    for value in 0..9 {
        device.read_meter(value);
    }
    let place = {
        let wanted = minicbor_uint(0x00c0_ffee);
        device.read_meter(0x00c0_ffee);
        let flash = device.flash.0.borrow();
        flash.cells.windows(wanted.len()).position(|cells| cells == wanted).expect("the reading is in flash")
    };
    device.agent.flush();
    device.poll();
    assert_eq!(device.world().uplinks.len(), 1);
    device.flash.0.borrow_mut().rot(place, 0x10);
    device.run_for(HOUR);
    device.agent.flush();
    device.run_for(HOUR);
    let delivered = device.delivered();
    let world = device.world();
    assert_eq!(world.data[0], None, "the batch went without its data");
    let Seen::Record { kind, payload, .. } = &delivered[0] else { panic!("lost") };
    assert_eq!(*kind, Kind::LOSS);
    let mut d = minicbor::Decoder::new(payload);
    assert_eq!((d.array().unwrap(), d.u64().unwrap(), d.u64().unwrap(), d.u16().unwrap()), (Some(3), 10, 10, 1));
    assert_eq!(delivered.len(), 1, "one record of the loss, however often the batch was tried");
}
