// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal in flash against a plain model, over arbitrary calls in arbitrary order, with mounts in between; and what it
//! says of rotten flash.

#![allow(clippy::cast_possible_truncation, reason = "patterns are cut to bytes")]

mod journal_flash;

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber},
    journal::{BatchState, FlashJournal, Intent, Journal, JournalError, MountError, NewRecord, Spending},
    merkle::Hash,
    record::{Entry, Kind, LossReason, Priority, SequenceNumber},
    signer::Signature,
    time::{TimeQuality, WallTime},
};
use journal_flash::{MockFlash, device::STREAM, next_anchor};
use proptest::prelude::*;

const CAPACITY: usize = 7168;
type Flash = MockFlash<8, 1024, CAPACITY>;
type Log<'a> = FlashJournal<&'a mut Flash, CAPACITY, 100>;

#[derive(Clone, Debug)]
enum Call {
    Append {
        length: usize,
        fill: u8,
        kind: u16,
        priority: u8,
        time: u64,
        quality: u8,
    },
    Seal {
        count: u32,
        with_data: bool,
    },
    Sign(u32),
    Advance(u32, u8),
    Release(u32),
    Lose(u64, u16),
    Reserve(u64),
    /// A nonce from the first that could be pending on, a purpose, a fee.
    Intend(u64, u8, u8),
    Settle(u64),
    Budget(usize),
    /// Room for an urgent record of so many bytes, and of what is unsealed as a batch or not; then the record.
    GiveWay(usize, bool),
    Mount,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        20 => (0..=101_usize, any::<u8>(), 0..300_u16, 0..3_u8, any::<u64>(), 0..4_u8)
            .prop_map(|(length, fill, kind, priority, time, quality)| Call::Append { length, fill, kind, priority, time, quality }),
        4 => (0..40_u32, any::<bool>()).prop_map(|(count, with_data)| Call::Seal { count, with_data }),
        4 => (0..3_u32).prop_map(Call::Sign),
        8 => (0..4_u32, 2..6_u8).prop_map(|(back, state)| Call::Advance(back, state)),
        3 => (0..4_u32).prop_map(Call::Release),
        1 => (0..60_u64, 1..3_u16).prop_map(|(back, reason)| Call::Lose(back, reason)),
        2 => (1..100_u64).prop_map(Call::Reserve),
        3 => (0..3_u64, 0..2_u8, 0..8_u8).prop_map(|(ahead, of, fee)| Call::Intend(ahead, of, fee)),
        3 => (0..3_u64).prop_map(Call::Settle),
        2 => (0..50_usize).prop_map(Call::Budget),
        2 => Just(Call::Mount),
    ]
}

/// Calls of a device whose link is dead most of the time, and whose records give way.
fn crowded_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        40 => call(),
        20 => (0..60_usize, any::<u8>(), 0..3_u8, any::<u64>())
            .prop_map(|(length, fill, priority, time)| Call::Append { length, fill, kind: 1, priority, time, quality: 2 }),
        6 => (0..100_usize, any::<bool>()).prop_map(|(length, closes)| Call::GiveWay(length, closes)),
    ]
}

fn state(number: u8) -> BatchState {
    match number {
        1 => BatchState::Signed,
        2 => BatchState::Sent,
        3 => BatchState::Stored,
        4 => BatchState::Included,
        _ => BatchState::Final,
    }
}

#[derive(Clone, Debug)]
struct Kept {
    time: WallTime,
    kind: Kind,
    priority: Priority,
    payload: Vec<u8>,
    lost: Option<LossReason>,
}

/// The journal as it would be with endless memory.
#[derive(Default)]
struct Model {
    records: Vec<Kept>,
    batches: Vec<(Anchor, bool, Option<Signature>)>,
    /// Batches that have come at least so far, from signed to final.
    reached: [u32; 6],
    released: u32,
    sender_end: u64,
    /// Every intent ever journaled; the last is pending while it is not settled.
    intents: Vec<Intent>,
    settled: bool,
    budget: Option<Vec<u8>>,
    /// Records that gave way.
    displaced: u64,
}

impl Model {
    fn unsealed_from(&self) -> u64 {
        self.batches.last().map_or(0, |(anchor, ..)| anchor.end().unwrap().0)
    }

    /// The first record that the journal must still have.
    fn needed_from(&self) -> u64 {
        let gone = |index: usize, with_data: bool| {
            let index = u32::try_from(index).unwrap();
            index < self.reached[5] && (with_data || index < self.released)
        };
        let first = self.batches.iter().enumerate().find(|(index, (_, with_data, _))| !gone(*index, *with_data));
        first.map_or(self.unsealed_from(), |(_, (anchor, ..))| anchor.first_seq.0)
    }

    fn state(&self, batch: u32) -> BatchState {
        (1..6).rev().find(|&number| self.reached[usize::from(number)] > batch).map_or(BatchState::Sealed, state)
    }

    fn compare(&self, journal: &mut impl Journal) {
        let (kept, batches) = (journal.kept(), journal.batches());
        assert_eq!(kept.end.0, self.records.len() as u64);
        assert_eq!(journal.unsealed(), SequenceNumber(self.unsealed_from())..kept.end);
        assert!(kept.start.0 <= self.needed_from());
        assert_eq!(batches.end.0 as usize, self.batches.len());
        let mut buf = [0; 100];
        for (seq, model) in (0..).zip(&self.records).skip(usize::try_from(kept.start.0).unwrap()) {
            let expected = match model.lost {
                Some(reason) => Entry::Lost { seq: SequenceNumber(seq), reason },
                None => Entry::Record(cairn::record::Record {
                    seq: SequenceNumber(seq),
                    time: model.time,
                    kind: model.kind,
                    payload: &model.payload,
                }),
            };
            assert_eq!(journal.read(SequenceNumber(seq), &mut buf), Ok(expected));
            if model.lost.is_none() {
                assert_eq!(journal.priority(SequenceNumber(seq)), Ok(model.priority));
            }
        }
        for batch in batches.start.0..batches.end.0 {
            let sealed = journal.batch(BatchNumber(batch)).unwrap();
            let (anchor, with_data, signature) = self.batches[batch as usize];
            assert_eq!((sealed.anchor, sealed.with_data, sealed.signature), (anchor, with_data, signature));
            assert_eq!(sealed.state, self.state(batch));
        }
        let last = self.batches.last().map(|(anchor, ..)| anchor.commitment()).unwrap_or_default();
        assert_eq!(journal.last_commitment(), last);
        let last = self.intents.last();
        let spending = Spending {
            next_nonce: last.map_or(0, |intent| intent.nonce + 1),
            pending: last.copied().filter(|_| !self.settled),
        };
        assert_eq!(journal.spending(), Ok(spending));
        let budget = journal.budget().unwrap();
        assert_eq!(budget.as_ref().map(|budget| budget.bytes()), self.budget.as_deref());
    }

    /// Whether the wallet may sign `intent`, said the long way: all intents of one nonce are for the same, each offers more.
    fn may_intend(&self, intent: &Intent) -> bool {
        match self.intents.last() {
            None => true,
            Some(last) if self.settled => intent.nonce == last.nonce + 1,
            Some(last) => intent.nonce == last.nonce && intent.digest == last.digest && intent.fee > last.fee,
        }
    }

    /// What gave way is the journal's to choose, among what may.
    fn note_displaced(&mut self, journal: &mut impl Journal, count: u32) {
        let (unsealed, mut displaced, mut buf) = (self.unsealed_from(), 0, [0; 100]);
        for (seq, kept) in (0..).zip(&mut self.records).skip(usize::try_from(unsealed).unwrap()) {
            let lost = Entry::Lost { seq: SequenceNumber(seq), reason: LossReason::DISPLACED };
            if kept.lost.is_none() && journal.read(SequenceNumber(seq), &mut buf) == Ok(lost) {
                assert!(kept.kind.is_submittable() && kept.priority != Priority::Urgent, "{seq} may not give way");
                (kept.lost, displaced) = (Some(LossReason::DISPLACED), displaced + 1);
            }
        }
        assert!(displaced <= count, "{displaced} were displaced, not {count}");
        // One that was given up before may be among them.
        self.displaced += u64::from(displaced);
    }

    /// Makes a call on both. A refusal for want of space is the journal's to decide, and changes nothing.
    fn call(&mut self, journal: &mut impl Journal, call: &Call) {
        let next = u32::try_from(self.batches.len()).unwrap();
        match *call {
            Call::Mount => {}
            Call::GiveWay(length, closes) => {
                let payload = vec![7; length];
                let time = WallTime { unix_ms: 5, quality: TimeQuality::Network };
                let record = NewRecord { time, kind: Kind::EVENT, priority: Priority::Urgent, payload: &payload };
                match journal.give_way(&record, closes, &mut [0; 100]) {
                    Ok(count) => {
                        self.note_displaced(journal, count);
                        assert_eq!(journal.append(&record).map(|seq| seq.0), Ok(self.records.len() as u64));
                        let (kind, priority) = (Kind::EVENT, Priority::Urgent);
                        self.records.push(Kept { time, kind, priority, payload, lost: None });
                    }
                    Err(error) => assert_eq!(error, JournalError::Full),
                }
            }
            Call::Append { length, fill, kind, priority, time, quality } => {
                let kept = Kept {
                    time: WallTime { unix_ms: time, quality: TimeQuality::from_number(quality).unwrap() },
                    kind: Kind(kind),
                    priority: Priority::from_number(priority).unwrap(),
                    payload: vec![fill; length],
                    lost: None,
                };
                let Kept { time, kind, priority, .. } = kept;
                match journal.append(&NewRecord { time, kind, priority, payload: &kept.payload }) {
                    Ok(seq) => {
                        assert_eq!(seq.0, self.records.len() as u64);
                        self.records.push(kept);
                    }
                    Err(JournalError::TooLong) => assert_eq!(length, 101),
                    Err(error) => assert_eq!(error, JournalError::Full),
                }
            }
            Call::Seal { count, with_data } => {
                let first = self.unsealed_from();
                let anchor = Anchor {
                    stream: STREAM,
                    batch: BatchNumber(next),
                    first_seq: SequenceNumber(first),
                    count,
                    sealed_at: u64::from(next) << 40,
                    flags: AnchorFlags((next % 8) as u8),
                    root: Hash([next as u8; 32]),
                    prev: self.batches.last().map(|(anchor, ..)| anchor.commitment()).unwrap_or_default(),
                };
                let possible = count > 0 && first + u64::from(count) <= self.records.len() as u64;
                match journal.seal(&anchor, with_data) {
                    Ok(()) => {
                        assert!(possible);
                        self.batches.push((anchor, with_data, None));
                    }
                    Err(JournalError::Full) => assert!(first + u64::from(count) < self.records.len() as u64),
                    Err(error) => assert_eq!((error, possible), (JournalError::Conflict, false)),
                }
            }
            Call::Sign(ahead) => {
                let batch = self.reached[1] + ahead;
                let signature = Signature([batch as u8; 64]);
                let expected = match batch {
                    _ if batch >= next => Err(JournalError::NotFound),
                    _ if ahead > 0 => Err(JournalError::Conflict),
                    _ => Ok(()),
                };
                assert_eq!(journal.attach_signature(BatchNumber(batch), &signature), expected);
                if expected.is_ok() {
                    self.batches[batch as usize].2 = Some(signature);
                    self.reached[1] = batch + 1;
                }
            }
            Call::Advance(back, number) => {
                let Some(batch) = next.checked_sub(1 + back) else { return };
                if BatchNumber(batch) < journal.batches().start {
                    return;
                }
                let expected = if batch < self.reached[1] { Ok(()) } else { Err(JournalError::Conflict) };
                assert_eq!(journal.advance(BatchNumber(batch), state(number)), expected);
                for reached in self.reached.iter_mut().take(usize::from(number) + 1).filter(|_| expected.is_ok()) {
                    *reached = (*reached).max(batch + 1);
                }
            }
            Call::Release(back) => {
                let Some(batch) = next.checked_sub(1 + back) else { return };
                if BatchNumber(batch) >= journal.batches().start && batch >= self.released {
                    assert_eq!(journal.release(BatchNumber(batch)), Ok(()));
                    self.released = self.released.max(batch + 1);
                }
            }
            Call::Lose(back, reason) => {
                let Some(seq) = (self.records.len() as u64).checked_sub(1 + back) else { return };
                if seq < self.unsealed_from() || self.records[usize::try_from(seq).unwrap()].lost.is_some() {
                    return;
                }
                match journal.lose(SequenceNumber(seq), LossReason(reason)) {
                    Ok(()) => self.records[usize::try_from(seq).unwrap()].lost = Some(LossReason(reason)),
                    Err(error) => assert_eq!(error, JournalError::Full),
                }
            }
            Call::Intend(ahead, of, fee) => {
                let nonce = self.intents.last().map_or(0, |last| last.nonce) + ahead;
                let intent = Intent { nonce, digest: Hash([of; 32]), fee: fee.into() };
                match journal.intend(&intent) {
                    Ok(()) => {
                        assert!(self.may_intend(&intent), "{intent:?} after {:?}", self.intents.last());
                        self.intents.push(intent);
                        self.settled = false;
                    }
                    Err(JournalError::Conflict) => assert!(!self.may_intend(&intent)),
                    Err(error) => assert_eq!(error, JournalError::Full),
                }
            }
            // What is pending can be settled however full the journal is.
            Call::Settle(back) => {
                let Some(nonce) = (self.intents.last().map_or(0, |last| last.nonce) + 1).checked_sub(back) else {
                    return;
                };
                let known = self.intents.iter().any(|intent| intent.nonce == nonce)
                    || self.intents.first().is_some_and(|first| nonce < first.nonce);
                assert_eq!(journal.settle(nonce), if known { Ok(()) } else { Err(JournalError::Conflict) });
                self.settled |= self.intents.last().is_some_and(|last| last.nonce == nonce);
            }
            Call::Budget(length) => match journal.keep_budget(&vec![length as u8; length]) {
                Ok(()) => self.budget = Some(vec![length as u8; length]),
                Err(JournalError::TooLong) => assert_eq!(length, 49),
                Err(error) => assert_eq!(error, JournalError::Full),
            },
            Call::Reserve(length) => match journal.reserve_sender_sequence(length) {
                Ok(range) => {
                    assert!(range.start == self.sender_end && range.end - range.start >= length);
                    self.sender_end = range.end;
                }
                Err(error) => assert_eq!(error, JournalError::Full),
            },
        }
    }
}

/// Does the calls on a journal and on the model, and compares them at each start and end.
fn live<const CAPACITY: usize, const GIVES_WAY: bool>(calls: &[Call]) {
    let mut flash = MockFlash::<8, 1024, CAPACITY>::new(3);
    FlashJournal::<_, CAPACITY, 100, GIVES_WAY>::format(&mut &mut flash, STREAM).unwrap();
    let mut model = Model::default();
    for life in calls.split_inclusive(|call| matches!(call, Call::Mount)) {
        let mut journal = FlashJournal::<_, CAPACITY, 100, GIVES_WAY>::mount(&mut flash).unwrap();
        model.compare(&mut journal);
        for call in life {
            model.call(&mut journal, call);
        }
        model.compare(&mut journal);
    }
    model.compare(&mut FlashJournal::<_, CAPACITY, 100, GIVES_WAY>::mount(&mut flash).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_journal_does_what_a_plain_list_would(calls in proptest::collection::vec(call(), 1..400)) {
        live::<CAPACITY, false>(&calls);
    }

    #[test]
    fn the_journal_whose_records_give_way_does_what_a_plain_list_would(
        calls in proptest::collection::vec(crowded_call(), 1..600),
    ) {
        live::<10240, true>(&calls);
    }

    /// Neither loops nor panics, and never takes noise for a journal.
    #[test]
    fn arbitrary_flash_is_refused_or_read(seed in any::<u64>(), damage in proptest::collection::vec((0..CAPACITY, any::<u8>()), 0..200)) {
        let mut flash = Flash::new(seed);
        prop_assert_eq!(Log::mount(&mut flash).map(drop), Err(MountError::NotFormatted));
        let (mut flash, _) = lived_in(40);
        for (at, bits) in damage {
            flash.rot(at, bits);
        }
        if let Ok(mut journal) = Log::mount(&mut flash) {
            for seq in journal.kept().start.0..journal.kept().end.0 {
                let _ = journal.read(SequenceNumber(seq), &mut [0; 100]);
            }
            for batch in journal.batches().start.0..journal.batches().end.0 {
                let _ = journal.batch(BatchNumber(batch));
            }
        }
    }
}

fn payload(seq: u64) -> [u8; 20] {
    [seq as u8; 20]
}

const PENDING: Intent = Intent { nonce: 3, digest: Hash([8; 32]), fee: 5 };

/// A flash with `count` records, a pending intent and a budget, sealed by tens, of which the first two batches are final.
fn lived_in(count: u64) -> (Flash, Vec<Anchor>) {
    let mut flash = Flash::new(3);
    Log::format(&mut &mut flash, STREAM).unwrap();
    let mut journal = Log::mount(&mut flash).unwrap();
    let mut anchors = Vec::new();
    journal.keep_budget(&[7; 30]).unwrap();
    for seq in 0..count {
        if seq == 25 {
            journal.intend(&PENDING).unwrap();
        }
        let time = WallTime { unix_ms: 1_768_345_200_000 + seq * 900_000, quality: TimeQuality::Network };
        let record = NewRecord { time, kind: Kind::READING, priority: Priority::Routine, payload: &payload(seq) };
        assert_eq!(journal.append(&record), Ok(SequenceNumber(seq)));
        if seq % 10 == 9 && seq < 30 {
            let anchor = next_anchor(&journal, seq);
            journal.seal(&anchor, true).unwrap();
            journal.attach_signature(anchor.batch, &Signature([9; 64])).unwrap();
            anchors.push(anchor);
            if seq < 20 {
                journal.advance(anchor.batch, BatchState::Final).unwrap();
            }
        }
    }
    (flash, anchors)
}

/// Bit rot in any byte: what the journal gives is what was put in, or says that it is damaged; never something else.
#[test]
fn a_rotten_byte_costs_the_entry_it_is_in_and_no_other() {
    let (pristine, anchors) = lived_in(50);
    let end = 50;
    let mut damaged_records = 0;
    for at in 0..CAPACITY {
        for bits in [0x01, 0x80, 0xff] {
            let mut flash = pristine.clone();
            flash.rot(at, bits);
            let mut journal = match Log::mount(&mut flash) {
                Ok(journal) => journal,
                Err(error) => panic!("byte {at}: {error:?}"),
            };
            let lost_at_end = end - journal.kept().end.0;
            assert!(lost_at_end <= 1, "byte {at}: {:?}", journal.kept());
            let mut damaged = 0;
            let mut buf = [0; 100];
            for seq in journal.kept().start.0..journal.kept().end.0 {
                match journal.read(SequenceNumber(seq), &mut buf).unwrap() {
                    Entry::Record(record) => assert_eq!(record.payload, payload(seq), "byte {at}"),
                    Entry::Lost { reason, .. } => {
                        assert_eq!(reason, LossReason::DAMAGED);
                        damaged += 1;
                    }
                }
            }
            assert!(damaged <= 1, "byte {at} ({bits:#x}) costs {damaged} records");
            damaged_records += damaged;
            for anchor in &anchors[journal.batches().start.0 as usize..] {
                let sealed = journal.batch(anchor.batch).unwrap();
                assert_eq!(sealed.anchor, *anchor);
                assert!(sealed.signature.is_none_or(|signature| signature.0 == [9; 64]));
            }
            assert_eq!(journal.batches().end, BatchNumber(3), "byte {at}: no batch number is given twice");
            assert_eq!(journal.last_commitment(), anchors[2].commitment(), "byte {at}");
            assert_eq!(journal.spending(), Ok(Spending { next_nonce: 4, pending: Some(PENDING) }), "byte {at}");
            let budget = journal.budget().unwrap();
            assert!(budget.is_none_or(|budget| budget.bytes() == [7; 30]), "byte {at}");
        }
    }
    assert!(damaged_records > 1000, "{damaged_records}");
}

/// Both copies of a sector's header gone: what it held is damaged and known by number, the rest stays.
#[test]
fn a_sector_without_a_header_reads_as_damaged_and_takes_nothing_else_with_it() {
    let (pristine, anchors) = lived_in(51);
    let whole = Log::mount(&mut pristine.clone()).unwrap().kept();
    for sector in 0..CAPACITY / 1024 {
        let mut flash = pristine.clone();
        let newest = Log::mount(&mut flash).unwrap().generation() as usize % (CAPACITY / 1024);
        if sector == newest {
            continue;
        }
        for copy in [0, 160] {
            flash.rot(sector * 1024 + copy + 30, 0x55);
        }
        let mut journal = Log::mount(&mut flash).unwrap();
        assert_eq!(journal.kept().end, whole.end);
        let needed = SequenceNumber(20);
        assert!(journal.kept().start <= needed, "{:?}", journal.kept());
        let mut lost = Vec::new();
        for seq in journal.kept().start.0..journal.kept().end.0 {
            match journal.read(SequenceNumber(seq), &mut [0; 100]).unwrap() {
                Entry::Record(record) => assert_eq!(record.payload, payload(seq)),
                Entry::Lost { .. } => lost.push(seq),
            }
        }
        assert!(lost.len() < 25 && lost.last().zip(lost.first()).is_none_or(|(l, f)| l - f + 1 == lost.len() as u64));
        assert_eq!((journal.batches().end, journal.last_commitment()), (BatchNumber(3), anchors[2].commitment()));
    }
}
