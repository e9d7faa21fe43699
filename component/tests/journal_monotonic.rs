// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A journal under a rollback-proof counter: an older image of its flash is always found out, power that goes away
//! never looks like one, and after one no number is used twice.

#![allow(clippy::cast_possible_truncation, reason = "dice are cut to indices")]

mod journal_flash;

use std::cell::Cell;

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber},
    journal::{
        FlashJournal, GuardError, Guarded, Intent, Journal, JournalError, Marks, MountError, NewRecord, RolledBack,
        Spending,
    },
    merkle::Hash,
    ports::{Mark, Monotonic, MonotonicError},
    record::{Kind, Priority, StreamId},
    signer::Signature,
    time::WallTime,
};
use journal_flash::{CUTS, Dice, MockFlash, device::STREAM};
use proptest::prelude::*;

const CAPACITY: usize = 8192;
type Flash = MockFlash<8, 1024, CAPACITY>;
type Log<'a> = FlashJournal<&'a mut Flash, CAPACITY, 64>;

/// A counter that can be made to fail while it is in use.
#[derive(Clone, Debug, Default)]
struct Counter {
    marks: Cell<[u64; 3]>,
    fails: Cell<bool>,
    raises: Cell<u32>,
}

impl Monotonic for &Counter {
    fn read(&mut self, mark: Mark) -> Result<u64, MonotonicError> {
        if self.fails.get() { Err(MonotonicError) } else { Ok(self.marks.get()[mark as usize]) }
    }

    fn raise(&mut self, mark: Mark, value: u64) -> Result<(), MonotonicError> {
        if self.fails.get() {
            return Err(MonotonicError);
        }
        let mut marks = self.marks.get();
        marks[mark as usize] = marks[mark as usize].max(value);
        self.marks.set(marks);
        self.raises.set(self.raises.get() + 1);
        Ok(())
    }
}

fn formatted() -> Flash {
    let mut flash = Flash::new(1);
    Log::format(&mut &mut flash, STREAM).unwrap();
    flash
}

fn guarded<'a>(flash: &'a mut Flash, counter: &'a Counter) -> Result<Guarded<Log<'a>, &'a Counter>, GuardError> {
    Guarded::new(Log::mount(flash).unwrap(), counter)
}

fn append(journal: &mut impl Journal) -> Result<(), JournalError> {
    let record =
        NewRecord { time: WallTime::default(), kind: Kind::READING, priority: Priority::Routine, payload: &[1; 8] };
    journal.append(&record).map(drop)
}

fn seal(journal: &mut impl Journal) -> Result<BatchNumber, JournalError> {
    let anchor = Anchor {
        stream: journal.stream(),
        batch: journal.batches().end,
        first_seq: journal.unsealed().start,
        count: 1,
        sealed_at: 0,
        flags: AnchorFlags(0),
        root: Hash([1; 32]),
        prev: journal.last_commitment(),
    };
    journal.seal(&anchor, true).map(|()| anchor.batch)
}

fn intend(journal: &mut impl Journal) -> Result<(), JournalError> {
    let Spending { next_nonce, pending } = journal.spending()?;
    if let Some(pending) = pending {
        return journal.settle(pending.nonce);
    }
    journal.intend(&Intent { nonce: next_nonce, digest: Hash([2; 32]), fee: 1 })
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Append,
    Seal,
    Reserve,
    Spend,
    Restart,
    Format,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Append),
        2 => Just(Act::Seal),
        2 => Just(Act::Reserve),
        2 => Just(Act::Spend),
        1 => Just(Act::Restart),
        1 => Just(Act::Format),
    ]
}

/// Does it; says whether that may not happen twice.
fn perform(journal: &mut impl Journal, act: Act) -> Result<bool, JournalError> {
    match act {
        Act::Append => append(journal).map(|()| false),
        Act::Seal if journal.unsealed().is_empty() => Ok(false),
        Act::Seal => seal(journal).map(|_| true),
        Act::Reserve => journal.reserve_sender_sequence(32).map(|_| true),
        Act::Spend => {
            let pending = journal.spending()?.pending.is_some();
            intend(journal).map(|()| !pending)
        }
        Act::Restart | Act::Format => Ok(false),
    }
}

/// Lives on; says whether anything happened that may not happen twice.
fn live(flash: &mut Flash, counter: &Counter, acts: &[Act]) -> bool {
    let mut marked = false;
    let mut acts = acts;
    while let Some((act, rest)) = acts.split_first() {
        if matches!(act, Act::Format) {
            let stream = StreamId(STREAM.0 + u64::from(counter.raises.get()));
            Log::format_above(&mut &mut *flash, stream, &Marks::counted(&mut &*counter).unwrap()).unwrap();
            marked = true;
        }
        let mut journal = guarded(flash, counter).expect("no rollback yet");
        assert!(!journal.after_rollback(), "a format by name is none");
        let until = rest.iter().position(|act| matches!(act, Act::Restart | Act::Format)).unwrap_or(rest.len());
        for act in [&[*act], &rest[..until]].concat() {
            marked |= perform(&mut journal, act).unwrap_or_else(|error| {
                assert_eq!(error, JournalError::Full);
                false
            });
        }
        acts = &rest[until..];
    }
    marked
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn an_older_image_is_found_out_once_a_batch_was_sealed_a_block_reserved_or_a_nonce_used_after_it(
        before in proptest::collection::vec(act(), 0..40),
        after in proptest::collection::vec(act(), 0..20),
    ) {
        let (mut flash, counter) = (formatted(), Counter::default());
        live(&mut flash, &counter, &before);
        prop_assert!(guarded(&mut flash, &counter).is_ok());
        let mut image = flash.clone();
        let marked = live(&mut flash, &counter, &after);
        let result = guarded(&mut image, &counter).map(drop);
        if marked {
            let Err(GuardError::RolledBack(found)) = result else { panic!("{result:?}") };
            prop_assert!(found.flash < found.counter);
        } else {
            prop_assert_eq!(result, Ok(()));
        }
        prop_assert!(guarded(&mut flash, &counter).is_ok());
    }
}

#[test]
fn after_a_rollback_a_new_stream_goes_on_above_every_number_that_was_used() {
    let (mut flash, counter) = (formatted(), Counter::default());
    let mut journal = guarded(&mut flash, &counter).unwrap();
    append(&mut journal).unwrap();
    intend(&mut journal).unwrap();
    let image = flash.clone();
    let mut journal = guarded(&mut flash, &counter).unwrap();
    seal(&mut journal).unwrap();
    let reserved = journal.reserve_sender_sequence(32).unwrap();
    for _ in 0..4 {
        intend(&mut journal).unwrap();
    }
    let next_nonce = journal.spending().unwrap().next_nonce;
    let began = journal.began();
    let blank = {
        let mut blank = Flash::new(1);
        embedded_storage::nor_flash::NorFlash::erase(&mut blank, 0, CAPACITY as u32).unwrap();
        blank
    };
    for (mut flash, counter) in [(image, counter.clone()), (blank, counter.clone())] {
        match Log::mount(&mut flash) {
            Ok(journal) => assert_eq!(
                Guarded::new(journal, &counter).map(drop),
                Err(GuardError::RolledBack(RolledBack { mark: Mark::Batches, flash: 0, counter: 1 }))
            ),
            Err(error) => assert_eq!(error, MountError::NotFormatted),
        }
        let counted = Marks::counted(&mut &counter).unwrap();
        Log::format_above(&mut &mut flash, StreamId(9), &counted).unwrap();
        for _ in 0..2 {
            let mut journal = guarded(&mut flash, &counter).unwrap();
            assert!(journal.after_rollback() && journal.began() > began && journal.stream() == StreamId(9));
            assert!(journal.reserve_sender_sequence(32).unwrap().start >= reserved.end);
            let spending = journal.spending().unwrap();
            assert!(spending.next_nonce >= next_nonce, "{spending:?}");
            intend(&mut journal).unwrap();
            append(&mut journal).unwrap();
            assert!(seal(&mut journal).is_ok());
        }
        // It lasts as long as the stream.
        let counted = Marks::counted(&mut &counter).unwrap();
        Log::format_above(&mut &mut flash, StreamId(10), &counted).unwrap();
        assert!(!guarded(&mut flash, &counter).unwrap().after_rollback());
    }
}

#[test]
fn what_the_counter_does_not_know_of_is_neither_signed_nor_used() {
    let (mut flash, counter) = (formatted(), Counter::default());
    let mut journal = guarded(&mut flash, &counter).unwrap();
    append(&mut journal).unwrap();
    counter.fails.set(true);
    let batch = seal(&mut journal).unwrap();
    assert_eq!(journal.attach_signature(batch, &Signature([1; 64])), Err(JournalError::Counter));
    assert_eq!(journal.batch(batch).unwrap().signature, None);
    assert_eq!(journal.reserve_sender_sequence(8), Err(JournalError::Counter));
    let intent = Intent { nonce: 1, digest: Hash([2; 32]), fee: 1 };
    assert_eq!(journal.intend(&intent), Err(JournalError::Counter));
    assert_eq!(journal.spending(), Err(JournalError::Counter), "what is pending is not shown");
    append(&mut journal).expect("records need no counter");
    assert_eq!(guarded(&mut flash, &counter).map(drop), Err(GuardError::Counter(MonotonicError)));

    counter.fails.set(false);
    let mut journal = guarded(&mut flash, &counter).expect("the flash is ahead");
    assert_eq!(counter.marks.get(), [1, 8, 2]);
    assert_eq!(journal.reserve_sender_sequence(8), Ok(8..16), "the block in doubt is passed over");
    assert_eq!(journal.spending(), Ok(Spending { next_nonce: 2, pending: Some(intent) }));
    journal.attach_signature(batch, &Signature([1; 64])).unwrap();
}

/// Cuts in every flash operation, and behind the last, before the counter is raised.
#[test]
fn power_that_goes_away_between_flash_and_counter_is_no_rollback() {
    let (mut flash, counter) = (formatted(), Counter::default());
    let mut dice = Dice::new(5);
    let mut tried = 0;
    for _ in 0..200 {
        let act = [Act::Append, Act::Seal, Act::Reserve, Act::Spend][dice.below(4) as usize];
        let before = (flash.clone(), counter.clone());
        live(&mut flash, &counter, &[act]);
        let operations = flash.operations - before.0.operations;
        let cuts = (0..operations).flat_map(|at| CUTS.map(|kind| Some((at, kind)))).chain([None]);
        for cut in cuts {
            let (mut flash, counter) = before.clone();
            if let Some((at, kind)) = cut {
                flash.cut_at(at, kind);
            }
            let mut journal = guarded(&mut flash, &counter).unwrap();
            counter.fails.set(cut.is_none());
            let _: Result<bool, JournalError> = perform(&mut journal, act);
            flash.power_on();
            counter.fails.set(false);
            let held = Marks::held(&mut Log::mount(&mut flash).unwrap()).unwrap();
            assert_eq!(guarded(&mut flash, &counter).map(drop), Ok(()), "{act:?} cut at {cut:?}");
            assert_eq!(Marks::counted(&mut &counter), Ok(held));
            tried += 1;
        }
    }
    assert!(tried > 1000, "{tried}");
}
