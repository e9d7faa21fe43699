// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a full journal does for an urgent record when the oldest unsealed routine records give way to it.

#![allow(clippy::cast_possible_truncation, reason = "patterns are cut to bytes")]

mod journal_flash;

use std::collections::BTreeSet;

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber},
    journal::{BatchState, FlashJournal, Journal, JournalError, NewRecord},
    merkle::Hash,
    record::{Entry, Kind, LossReason, Priority, SequenceNumber},
    signer::Signature,
    time::{TimeQuality, WallTime},
};
use journal_flash::{MockFlash, device::STREAM};

const CAPACITY: usize = 9216;
const SECTOR: usize = 1024;
type Flash = MockFlash<4, SECTOR, CAPACITY>;
type Log<'a> = FlashJournal<&'a mut Flash, CAPACITY, 64, true>;

fn formatted() -> Flash {
    let mut flash = Flash::new(1);
    Log::format(&mut &mut flash, STREAM).unwrap();
    flash
}

fn time(seq: u64) -> WallTime {
    WallTime { unix_ms: 1_768_345_200_000 + seq * 900_000, quality: TimeQuality::Network }
}

fn payload(seq: u64) -> Vec<u8> {
    (0..8 + seq % 7).map(|at| (seq + at) as u8).collect()
}

fn append(journal: &mut impl Journal, kind: Kind, priority: Priority) -> Result<SequenceNumber, JournalError> {
    let seq = journal.kept().end.0;
    let payload = payload(seq);
    let record = NewRecord { time: time(seq), kind, priority, payload: &payload };
    match journal.append(&record) {
        Err(JournalError::Full) if priority == Priority::Urgent => {
            journal.give_way(&record, false, &mut [0; 64])?;
            journal.append(&record)
        }
        result => result,
    }
}

fn seal(journal: &mut impl Journal) -> Anchor {
    let unsealed = journal.unsealed();
    let anchor = Anchor {
        stream: STREAM,
        batch: journal.batches().end,
        first_seq: unsealed.start,
        count: u32::try_from(unsealed.end.0 - unsealed.start.0).unwrap(),
        sealed_at: 77,
        flags: AnchorFlags(2),
        root: Hash([journal.batches().end.0 as u8; 32]),
        prev: journal.last_commitment(),
    };
    journal.seal(&anchor, true).unwrap();
    anchor
}

fn sign(journal: &mut impl Journal, batch: BatchNumber) {
    journal.attach_signature(batch, &Signature([batch.0 as u8; 64])).unwrap();
}

fn finish(journal: &mut impl Journal, batch: BatchNumber) {
    for state in [BatchState::Sent, BatchState::Stored, BatchState::Included, BatchState::Final] {
        journal.advance(batch, state).unwrap();
    }
}

/// What must be there, record by record: what reads otherwise is an error.
fn check(journal: &mut impl Journal, displaced: &BTreeSet<u64>) {
    let kept = journal.kept();
    let mut buf = [0; 64];
    for seq in kept.start.0..kept.end.0 {
        match journal.read(SequenceNumber(seq), &mut buf).unwrap() {
            Entry::Record(record) => {
                assert!(!displaced.contains(&seq), "{seq} was displaced");
                assert_eq!((record.seq.0, record.time, record.payload), (seq, time(seq), &payload(seq)[..]));
            }
            Entry::Lost { reason, .. } => {
                assert!(displaced.contains(&seq), "{seq} of {kept:?} is lost, {reason:?}");
                assert_eq!(reason, LossReason::DISPLACED);
            }
        }
    }
}

/// The numbers that read as displaced.
fn displaced(journal: &mut impl Journal) -> BTreeSet<u64> {
    let kept = journal.kept();
    let mut buf = [0; 64];
    let is_displaced = |seq: &u64| {
        let entry = journal.read(SequenceNumber(*seq), &mut buf).unwrap();
        matches!(entry, Entry::Lost { reason: LossReason::DISPLACED, .. })
    };
    (kept.start.0..kept.end.0).filter(is_displaced).collect()
}

#[test]
fn with_a_dead_link_urgent_records_displace_the_unsealed_routine_ones_and_nothing_that_is_sealed() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    append(&mut journal, Kind::IDENTITY, Priority::Routine).unwrap();
    let mut anchors = Vec::new();
    for _ in 0..2 {
        for _ in 0..20 {
            append(&mut journal, Kind::READING, Priority::Routine).unwrap();
        }
        anchors.push(seal(&mut journal));
        sign(&mut journal, anchors.last().unwrap().batch);
    }
    let sealed_to = journal.unsealed().start.0;
    append(&mut journal, Kind::CLOCK_STEP, Priority::Routine).unwrap();
    while append(&mut journal, Kind::READING, Priority::Routine).is_ok() {}
    let full_at = journal.kept().end.0;
    let mut urgent = 0;
    while append(&mut journal, Kind::EVENT, Priority::Urgent).is_ok() {
        urgent += 1;
        let gone = displaced(&mut journal);
        check(&mut journal, &gone);
        assert!(gone.iter().all(|seq| (sealed_to + 1..full_at).contains(seq)), "{gone:?}");
    }
    assert_eq!(append(&mut journal, Kind::EVENT, Priority::Urgent), Err(JournalError::Full));
    assert!(urgent > (full_at - sealed_to) / 2, "{urgent} urgent records for {} others", full_at - sealed_to);
    let gone = displaced(&mut journal);
    assert_eq!(gone.len() as u64, full_at - sealed_to - 1, "every routine record but the clock step gave way");
    // The link comes back: everything can be finished.
    anchors.push(seal(&mut journal));
    let mut journal = Log::mount(&mut flash).unwrap();
    check(&mut journal, &gone);
    sign(&mut journal, BatchNumber(2));
    for anchor in &anchors {
        let sealed = journal.batch(anchor.batch).unwrap();
        assert_eq!((sealed.anchor, sealed.signature), (*anchor, Some(Signature([anchor.batch.0 as u8; 64]))));
        check(&mut journal, &gone);
        finish(&mut journal, anchor.batch);
    }
    for _ in 0..100 {
        append(&mut journal, Kind::READING, Priority::Routine).unwrap();
    }
}

/// A journal whose oldest sectors were moved, and what gave way.
fn moved() -> (Flash, BTreeSet<u64>) {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    for _ in 0..12 {
        append(&mut journal, Kind::READING, Priority::Routine).unwrap();
    }
    let batch = seal(&mut journal).batch;
    sign(&mut journal, batch);
    append(&mut journal, Kind::EVENT, Priority::Urgent).unwrap();
    while append(&mut journal, Kind::READING, Priority::Routine).is_ok() {}
    for _ in 0..8 {
        append(&mut journal, Kind::EVENT, Priority::Urgent).unwrap();
    }
    let gone = displaced(&mut journal);
    assert!(gone.len() > 10, "{gone:?}");
    check(&mut journal, &gone);
    (flash, gone)
}

#[test]
fn what_rotted_before_its_sector_was_moved_stays_damaged_and_everything_else_is_copied() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    for _ in 0..6 {
        append(&mut journal, Kind::EVENT, Priority::Urgent).unwrap();
    }
    // The third record's payload.
    let needle = payload(2);
    let at = flash.cells.windows(needle.len()).position(|window| window == needle).unwrap();
    flash.rot(at, 0x10);
    let mut journal = Log::mount(&mut flash).unwrap();
    while append(&mut journal, Kind::READING, Priority::Routine).is_ok() {}
    while displaced(&mut journal).is_empty() {
        append(&mut journal, Kind::EVENT, Priority::Urgent).unwrap();
    }
    let mut journal = Log::mount(&mut flash).unwrap();
    let mut buf = [0; 64];
    for seq in 0..6 {
        let read = journal.read(SequenceNumber(seq), &mut buf).unwrap();
        let lost = Entry::Lost { seq: SequenceNumber(2), reason: LossReason::DAMAGED };
        assert_eq!(read == lost, seq == 2, "{read:?}");
        assert!(seq == 2 || matches!(read, Entry::Record(record) if record.payload == payload(seq)), "{seq}");
    }
}

#[test]
fn a_rotten_byte_costs_the_copy_it_is_in_and_no_other_and_no_displaced_record_comes_back() {
    let (pristine, gone) = moved();
    let next = Log::mount(&mut pristine.clone()).unwrap().kept().end.0;
    let mut damaged_copies = 0;
    for at in 0..CAPACITY {
        let mut flash = pristine.clone();
        flash.rot(at, 0x41);
        let mut journal = Log::mount(&mut flash).unwrap();
        assert!(next - journal.kept().end.0 <= 1, "byte {at}: {:?}", journal.kept());
        let (mut damaged, mut buf) = (0, [0; 64]);
        for seq in journal.kept().start.0..journal.kept().end.0 {
            match journal.read(SequenceNumber(seq), &mut buf).unwrap() {
                Entry::Record(record) => {
                    assert!(!gone.contains(&seq), "byte {at}: {seq} was displaced");
                    assert_eq!(record.payload, payload(seq), "byte {at}: {seq}");
                }
                // What says that records gave way may rot too.
                Entry::Lost { reason, .. } if gone.contains(&seq) => {
                    assert!(matches!(reason, LossReason::DISPLACED | LossReason::DAMAGED));
                }
                Entry::Lost { reason, .. } => {
                    assert_eq!(reason, LossReason::DAMAGED, "byte {at}: {seq}");
                    damaged += 1;
                }
            }
        }
        assert!(damaged <= 1, "byte {at} costs {damaged} records");
        damaged_copies += damaged;
        let sealed = journal.batch(BatchNumber(0)).unwrap();
        assert!(sealed.signature.is_none_or(|signature| signature.0 == [0; 64]), "byte {at}");
    }
    assert!(damaged_copies > 200, "{damaged_copies}");
}
