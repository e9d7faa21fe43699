// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the journal in flash does when nothing goes wrong, and when it is full or finds what it does not know.

#![allow(clippy::cast_possible_truncation, reason = "patterns are cut to bytes")]

mod journal_flash;

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment},
    journal::entry::body,
    journal::layout::{HEADER_BYTES, Header, HeaderRead, Snapshot},
    journal::{BatchState, FlashJournal, FlashWork, Intent, Journal, JournalError, MountError, NewRecord, Spending},
    merkle::Hash,
    record::{Entry, Kind, LossReason, Priority, SequenceNumber, StreamId},
    signer::Signature,
    time::{TimeQuality, WallTime},
};
use embedded_storage::nor_flash::NorFlash as _;
use journal_flash::{CUTS, MockFlash};

const STREAM: StreamId = StreamId(0x1122_3344_5566_7788);
const CAPACITY: usize = 8192;
type Flash = MockFlash<4, 1024, CAPACITY>;
type Log<'a> = FlashJournal<&'a mut Flash, CAPACITY, 128>;

fn formatted() -> Flash {
    let mut flash = Flash::new(1);
    Log::format(&mut &mut flash, STREAM).unwrap();
    flash
}

fn time(seq: u64) -> WallTime {
    WallTime { unix_ms: 1_768_345_200_000 + seq * 900_000, quality: TimeQuality::Network }
}

fn payload(seq: u64) -> Vec<u8> {
    (0..seq % 40).map(|at| (seq + at) as u8).collect()
}

fn append(journal: &mut impl Journal) -> Result<SequenceNumber, JournalError> {
    let seq = journal.kept().end.0;
    let record = NewRecord { time: time(seq), kind: Kind(64), priority: Priority::Urgent, payload: &payload(seq) };
    journal.append(&record)
}

fn check(journal: &mut impl Journal, seq: SequenceNumber) {
    let mut buf = [0; 128];
    let Entry::Record(record) = journal.read(seq, &mut buf).unwrap() else { panic!("{seq:?} is lost") };
    assert_eq!((record.seq, record.time, record.kind), (seq, time(seq.0), Kind(64)));
    assert_eq!(record.payload, payload(seq.0));
    assert_eq!(journal.priority(seq), Ok(Priority::Urgent));
}

fn seal(journal: &mut impl Journal, count: u32, with_data: bool) -> Result<Anchor, JournalError> {
    let anchor = Anchor {
        stream: journal.stream(),
        batch: journal.batches().end,
        first_seq: journal.unsealed().start,
        count,
        sealed_at: 77,
        flags: AnchorFlags(2),
        root: Hash([journal.batches().end.0 as u8; 32]),
        prev: journal.last_commitment(),
    };
    journal.seal(&anchor, with_data).map(|()| anchor)
}

fn finish(journal: &mut impl Journal, batch: BatchNumber) {
    journal.attach_signature(batch, &Signature([batch.0 as u8; 64])).unwrap();
    for state in [BatchState::Sent, BatchState::Stored, BatchState::Included, BatchState::Final] {
        journal.advance(batch, state).unwrap();
        assert_eq!(journal.through(state), Some(batch));
        assert_eq!(journal.batch(batch).unwrap().state, state);
    }
}

#[test]
fn records_and_batches_read_back_over_many_turns_of_the_ring_and_after_a_mount_at_any_time() {
    let mut flash = formatted();
    for round in 0..400_u64 {
        let mut journal = Log::mount(&mut flash).unwrap();
        let before = (journal.kept(), journal.unsealed(), journal.batches(), journal.last_commitment());
        for _ in 0..1 + round % 5 {
            let seq = append(&mut journal).unwrap();
            check(&mut journal, seq);
        }
        assert!(before.0.start <= journal.kept().start);
        for seq in [journal.kept().start.0, (journal.kept().start.0 + journal.kept().end.0) / 2] {
            check(&mut journal, SequenceNumber(seq));
        }
        let count = journal.unsealed().end.0 - journal.unsealed().start.0;
        let anchor = seal(&mut journal, u32::try_from(count).unwrap(), true).unwrap();
        assert_eq!(journal.batch(anchor.batch).unwrap().anchor, anchor);
        assert_eq!(journal.batch(anchor.batch).unwrap().state, BatchState::Sealed);
        finish(&mut journal, anchor.batch);
        let sealed = journal.batch(anchor.batch).unwrap();
        assert_eq!((sealed.anchor, sealed.signature.unwrap().0[0]), (anchor, anchor.batch.0 as u8));
        let after = (journal.kept(), journal.unsealed(), journal.batches(), journal.last_commitment());
        let journal = Log::mount(&mut flash).unwrap();
        // Of the sector that is opened next nothing counts any more: its erasure may have begun.
        assert!(journal.kept().start <= journal.unsealed().start && journal.batches().start >= after.2.start);
        assert_eq!(after.0.end, journal.kept().end);
        assert_eq!(
            (after.1, after.2.end, after.3),
            (journal.unsealed(), journal.batches().end, journal.last_commitment())
        );
    }
    let (least, most) = (flash.erases.iter().min().unwrap(), flash.erases.iter().max().unwrap());
    assert!(*least > 3 && most - least <= 1, "wear is level: {:?}", flash.erases);
}

#[test]
fn a_journal_full_of_records_that_nobody_took_refuses_more_and_can_still_finish_everything() {
    for with_data in [true, false] {
        let mut flash = formatted();
        let mut journal = Log::mount(&mut flash).unwrap();
        for _ in 0..4 {
            while append(&mut journal).is_ok() {}
            assert_eq!(append(&mut journal), Err(JournalError::Full));
            let unsealed = journal.unsealed();
            assert!(unsealed.end.0 - unsealed.start.0 > 20, "{unsealed:?}");
            for seq in unsealed.start.0..unsealed.end.0 {
                check(&mut journal, SequenceNumber(seq));
            }
            let anchor =
                seal(&mut journal, u32::try_from(unsealed.end.0 - unsealed.start.0).unwrap(), with_data).unwrap();
            assert_eq!(journal.reserve_sender_sequence(4).map(|range| range.end - range.start), Ok(1 << 16));
            finish(&mut journal, anchor.batch);
            if !with_data {
                assert_eq!(append(&mut journal), Err(JournalError::Full), "records stay until they are released");
                journal.release(anchor.batch).unwrap();
            }
        }
    }
}

#[test]
fn only_the_next_batch_can_be_sealed_and_only_once() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    assert_eq!(seal(&mut journal, 1, true).map(drop), Err(JournalError::Conflict));
    append(&mut journal).unwrap();
    assert_eq!(seal(&mut journal, 0, true).map(drop), Err(JournalError::Conflict));
    assert_eq!(seal(&mut journal, 2, true).map(drop), Err(JournalError::Conflict));
    let anchor = seal(&mut journal, 1, true).unwrap();
    let batch = anchor.batch;
    assert_eq!(journal.seal(&anchor, true), Err(JournalError::Conflict));
    assert_eq!(journal.advance(batch, BatchState::Sent), Err(JournalError::Conflict));
    journal.attach_signature(batch, &Signature([1; 64])).unwrap();
    assert_eq!(journal.attach_signature(batch, &Signature([2; 64])), Err(JournalError::Conflict));
    journal.advance(batch, BatchState::Stored).unwrap();
    journal.advance(batch, BatchState::Sent).unwrap();
    assert_eq!(journal.batch(batch).unwrap().state, BatchState::Stored);
    assert_eq!(journal.lose(SequenceNumber(0), LossReason::DAMAGED), Err(JournalError::Conflict));
    assert_eq!(journal.lose(SequenceNumber(1), LossReason::DAMAGED), Err(JournalError::NotFound));
    assert_eq!(journal.batch(BatchNumber(1)), Err(JournalError::NotFound));
    assert_eq!(journal.release(BatchNumber(1)), Err(JournalError::NotFound));
    let long = NewRecord { time: time(0), kind: Kind(64), priority: Priority::Bulk, payload: &[0; 129] };
    assert_eq!(journal.append(&long), Err(JournalError::TooLong));
}

#[test]
fn a_lost_record_reads_as_lost_also_after_a_mount() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    let seq = append(&mut journal).unwrap();
    append(&mut journal).unwrap();
    journal.lose(seq, LossReason::DISPLACED).unwrap();
    let lost = Entry::Lost { seq, reason: LossReason::DISPLACED };
    assert_eq!(journal.read(seq, &mut [0; 8]), Ok(lost));
    let mut journal = Log::mount(&mut flash).unwrap();
    assert_eq!(journal.read(seq, &mut [0; 8]), Ok(lost));
    check(&mut journal, SequenceNumber(1));
}

#[test]
fn sender_sequence_numbers_are_reserved_once() {
    let mut flash = formatted();
    for start in 0..200 {
        let mut journal = Log::mount(&mut flash).unwrap();
        let range = journal.reserve_sender_sequence(32).unwrap();
        assert_eq!(range, start * 32..(start + 1) * 32);
    }
    let mut journal = Log::mount(&mut flash).unwrap();
    assert_eq!(journal.reserve_sender_sequence(u64::MAX), Err(JournalError::Full));
}

fn intent(nonce: u64, of: u8, fee: u128) -> Intent {
    Intent { nonce, digest: Hash([of; 32]), fee }
}

#[test]
fn a_full_journal_can_still_settle_what_is_pending() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    journal.intend(&intent(5, 1, 10)).unwrap();
    while append(&mut journal).is_ok() {}
    assert_eq!(journal.intend(&intent(5, 1, 11)), Err(JournalError::Full));
    assert_eq!(journal.keep_budget(&[1; 48]), Err(JournalError::Full));
    let count = u32::try_from(journal.unsealed().end.0).unwrap();
    let anchor = seal(&mut journal, count, true).unwrap();
    while journal.reserve_sender_sequence(4).is_ok() {}
    journal.settle(5).unwrap();
    finish(&mut journal, anchor.batch);
    assert_eq!(journal.spending(), Ok(Spending { next_nonce: 6, pending: None }));
    let mut journal = Log::mount(&mut flash).unwrap();
    assert_eq!(journal.spending(), Ok(Spending { next_nonce: 6, pending: None }));
    journal.intend(&intent(6, 2, 1)).unwrap();
}

#[test]
fn the_cells_outlive_every_sector_they_were_written_in() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    journal.intend(&intent(7, 1, 10)).unwrap();
    journal.keep_budget(b"budget").unwrap();
    for _ in 0..200 {
        let mut journal = Log::mount(&mut flash).unwrap();
        assert_eq!(journal.spending(), Ok(Spending { next_nonce: 8, pending: Some(intent(7, 1, 10)) }));
        assert_eq!(journal.budget().unwrap().unwrap().bytes(), b"budget");
        for _ in 0..5 {
            append(&mut journal).unwrap();
        }
        let anchor = seal(&mut journal, 5, true).unwrap();
        finish(&mut journal, anchor.batch);
    }
    assert!(Log::mount(&mut flash).unwrap().generation() > 50);
}

/// An older value in its place could give a nonce to two purposes.
#[test]
fn a_spending_cell_that_rots_in_one_place_is_still_there() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    journal.intend(&intent(0, 1, 10)).unwrap();
    journal.settle(0).unwrap();
    let before = journal.used();
    journal.intend(&intent(1, 2, 10)).unwrap();
    let after = journal.used();
    append(&mut journal).unwrap();
    let spending = journal.spending().unwrap();
    assert_eq!(spending.pending, Some(intent(1, 2, 10)));
    for at in before..after {
        let mut flash = flash.clone();
        flash.rot(at as usize, 0x10);
        assert_eq!(Log::mount(&mut flash).unwrap().spending(), Ok(spending), "byte {at}");
    }
}

#[test]
fn a_spending_cell_of_which_nothing_is_left_is_an_error_until_a_format_and_stops_no_record() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    journal.intend(&intent(7, 1, 10)).unwrap();
    let written = journal.generation();
    while journal.generation() == written {
        append(&mut journal).unwrap();
    }
    let sector = journal.generation() * Log::GEOMETRY.sector;
    append(&mut journal).unwrap();
    // Said twice behind the next sector's header, and nowhere else in it.
    let length = Log::GEOMETRY.entry(body::SPENDING);
    for copy in 0..2 {
        flash.rot((sector + Log::GEOMETRY.entries_start() + copy * length + 20) as usize, 0x10);
    }
    for _ in 0..20 {
        let mut journal = Log::mount(&mut flash).unwrap();
        assert_eq!(journal.spending(), Err(JournalError::Medium));
        assert_eq!(journal.intend(&intent(8, 1, 10)), Err(JournalError::Medium));
        assert_eq!(journal.settle(7), Err(JournalError::Medium));
        append(&mut journal).unwrap();
        let count = journal.unsealed().end.0 - journal.unsealed().start.0;
        let anchor = seal(&mut journal, u32::try_from(count).unwrap(), true).unwrap();
        finish(&mut journal, anchor.batch);
    }
    assert!(Log::mount(&mut flash).unwrap().generation() > 4);
    Log::format(&mut &mut flash, StreamId(5)).unwrap();
    assert_eq!(Log::mount(&mut flash).unwrap().spending(), Ok(Spending::default()));
}

#[test]
fn what_is_no_journal_is_not_mounted_and_not_touched() {
    let mut flash = Flash::new(9);
    assert_eq!(Log::mount(&mut flash).map(drop), Err(MountError::NotFormatted));
    flash = formatted();
    let cells = flash.cells.clone();
    // Another version, in a prologue that is sound.
    let other = [b'C', b'J', 2, 0];
    flash.cells[..4].copy_from_slice(&other);
    let crc = !other.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    flash.cells[4..8].copy_from_slice(&crc.to_le_bytes());
    let operations = flash.operations;
    assert_eq!(Log::mount(&mut flash).map(drop), Err(MountError::UnknownVersion));
    assert_eq!(flash.operations, operations);
    flash.cells = cells;
    type Other<'a> = FlashJournal<&'a mut Flash, 6144, 128>;
    assert_eq!(Other::mount(&mut flash).map(drop), Err(MountError::OtherGeometry));
    assert!(Log::mount(&mut flash).is_ok());
}

#[test]
fn a_blank_flash_is_fresh_also_after_a_first_format_was_cut_anywhere_until_there_is_a_journal() {
    for cut in CUTS {
        for at in 0.. {
            let mut flash = Flash::new(1);
            flash.erase(0, CAPACITY as u32).unwrap();
            assert_eq!(Log::is_fresh(&mut &mut flash), Ok(true));
            flash.cut_at(at, cut);
            let formatted = Log::format(&mut &mut flash, STREAM);
            flash.power_on();
            let fresh = Log::is_fresh(&mut &mut flash).unwrap();
            match Log::mount(&mut flash) {
                Ok(journal) => assert!(!fresh && journal.stream() == STREAM, "cut {at} {cut:?}"),
                Err(error) => assert!(fresh && error == MountError::NotFormatted, "cut {at} {cut:?}: {error:?}"),
            }
            if formatted.is_ok() {
                assert!(at > 2 * 160 / 4, "a format is an erase and two headers: {at} operations");
                break;
            }
        }
    }
}

#[test]
fn a_flash_with_anything_but_its_first_sector_used_is_not_fresh() {
    assert_eq!(Log::is_fresh(&mut &mut Flash::new(1)), Ok(false));
    for at in [1024, 4000, CAPACITY - 1] {
        let mut flash = Flash::new(1);
        flash.erase(0, CAPACITY as u32).unwrap();
        flash.rot(at, 0x10);
        assert_eq!(Log::is_fresh(&mut &mut flash), Ok(false), "byte {at}");
        assert_eq!(Log::mount(&mut flash).err(), Some(MountError::NotFormatted));
    }
    assert_eq!(Log::is_fresh(&mut &mut formatted()), Ok(false));
}

#[test]
fn a_new_format_begins_a_new_stream_and_forgets_the_old_one() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    for _ in 0..100 {
        append(&mut journal).unwrap();
    }
    Log::format(&mut &mut flash, StreamId(5)).unwrap();
    let mut journal = Log::mount(&mut flash).unwrap();
    assert_eq!((journal.stream(), journal.kept()), (StreamId(5), SequenceNumber(0)..SequenceNumber(0)));
    assert_eq!(journal.previous_stream(), None, "the old one sealed nothing");
    for _ in 0..100 {
        let seq = append(&mut journal).unwrap();
        check(&mut journal, seq);
    }
    let mut journal = Log::mount(&mut flash).unwrap();
    for seq in 0..100 {
        check(&mut journal, SequenceNumber(seq));
    }
}

#[test]
fn a_new_stream_knows_the_last_commitment_and_the_nonces_of_the_old_one_also_when_its_format_was_cut() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    assert_eq!(journal.previous_stream(), None);
    for _ in 0..3 {
        append(&mut journal).unwrap();
        let anchor = seal(&mut journal, 1, true).unwrap();
        finish(&mut journal, anchor.batch);
    }
    let (last, generation) = (journal.last_commitment(), journal.generation());
    journal.intend(&intent(7, 1, 10)).unwrap();
    let spending = journal.spending().unwrap();
    let begun = flash.operations;
    let mut whole = flash.clone();
    Log::format(&mut &mut whole, StreamId(5)).unwrap();
    for at in 0..=whole.operations - begun {
        for kind in CUTS {
            let mut flash = flash.clone();
            flash.cut_at(at, kind);
            let _ = Log::format(&mut &mut flash, StreamId(5));
            flash.power_on();
            let mut journal = Log::mount(&mut flash).unwrap_or_else(|error| panic!("cut {at} {kind:?}: {error:?}"));
            if journal.stream() == STREAM {
                assert_eq!((journal.last_commitment(), journal.spending()), (last, Ok(spending)));
                Log::format(&mut &mut flash, StreamId(5)).unwrap();
                journal = Log::mount(&mut flash).unwrap();
            }
            assert_eq!((journal.stream(), journal.generation()), (StreamId(5), generation + 1));
            assert_eq!(journal.previous_stream(), Some(last));
            assert_eq!((journal.last_commitment(), journal.spending()), (Commitment::default(), Ok(spending)));
            // A stream that sealed nothing passes on what it was given.
            Log::format(&mut &mut flash, StreamId(6)).unwrap();
            let mut journal = Log::mount(&mut flash).unwrap();
            assert_eq!((journal.previous_stream(), journal.spending()), (Some(last), Ok(spending)));
            append(&mut journal).unwrap();
            assert_eq!(seal(&mut journal, 1, true).unwrap().prev, Commitment::default());
            assert_eq!(journal.previous_stream(), None);
        }
    }
}

#[test]
fn the_journal_in_ram_is_small_whatever_the_flash() {
    type Large<'a> = FlashJournal<&'a mut MockFlash<1, 4096, 16_777_216>, 16_777_216, 1024>;
    assert!(size_of::<Large<'_>>() - size_of::<usize>() <= 264, "{}", size_of::<Large<'_>>());
}

#[test]
fn what_the_journal_did_to_its_flash_is_what_the_flash_saw() {
    let mut flash = formatted();
    let (writes, erases) = (flash.writes, flash.erases.iter().sum::<u32>());
    let mut told = (0, 0);
    {
        let mut journal = Log::mount(&mut flash).unwrap();
        assert_eq!(journal.flash_work(), FlashWork::default());
        for round in 0..60_u8 {
            append(&mut journal).unwrap();
            if round % 3 == 2 {
                let sealed = seal(&mut journal, 3, true).unwrap();
                finish(&mut journal, sealed.batch);
            }
            journal.keep_budget(&[round; 20]).unwrap();
            let FlashWork { writes, erases } = journal.flash_work();
            told = (told.0 + u64::from(writes), told.1 + u32::from(erases));
        }
        assert_eq!(journal.flash_work(), FlashWork::default(), "told once");
    }
    let seen = (flash.writes - writes, flash.erases.iter().sum::<u32>() - erases);
    assert!(seen.1 > 3, "no sector was ever opened");
    assert_eq!(told, seen);
}

/// No rot makes a header whose checksum is right, but a journal that took one would accept records and not find them again.
#[test]
fn a_header_that_says_more_than_the_one_after_it_is_refused() {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    append(&mut journal).unwrap();
    seal(&mut journal, 1, true).unwrap();
    while journal.generation() == 0 {
        append(&mut journal).unwrap();
    }
    let more: [fn(&mut Snapshot); 3] = [
        |s| s.next_seq = 500,
        |s| s.next_batch = 9,
        |s| {
            (s.next_batch, s.reached[0]) = (1, 1);
        },
    ];
    for say_more in more {
        let mut flash = flash.clone();
        let bytes: [u8; HEADER_BYTES] = flash.cells[..HEADER_BYTES].try_into().unwrap();
        let HeaderRead::Valid(mut header) = Header::decode(&bytes) else { panic!("a journal was there") };
        say_more(&mut header.snapshot);
        flash.cells[..HEADER_BYTES].copy_from_slice(&header.encode());
        assert_eq!(Log::mount(&mut flash).map(drop), Err(MountError::UnknownVersion));
    }
    assert!(Log::mount(&mut flash).is_ok());
}
