// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A journal whose flash may be rolled back. Whoever can write the flash can put back what it held yesterday, and then
//! numbers would be used twice: a batch, a sender sequence number, a nonce. [`Guarded`] has a rollback-proof counter
//! know how far each of them is, and refuses a flash that is behind. It costs nothing where it is not used, and keeps
//! nothing itself.
//!
//! The flash is written first, then the counter is raised, then the caller is answered: power that goes away in between
//! leaves the flash ahead, which is no rollback. What was not answered was not used.

use core::ops::Range;

use super::{BatchState, BudgetState, FlashWork, Intent, Journal, JournalError, NewRecord, SealedBatch, Spending};
use crate::{
    batch::{Anchor, BatchNumber, Commitment},
    ports::{Mark, Monotonic, MonotonicError},
    record::{Entry, LossReason, Priority, SequenceNumber, StreamId},
    signer::Signature,
};

/// How far a journal is in what may never be done twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The generation that the stream began in, times 2^32, and batches sealed in it: a later stream is always further.
    pub batches: u64,
    /// Sender sequence numbers before this one are reserved.
    pub sender_sequence: u64,
    /// Nonces before this one have an intent.
    pub next_nonce: u64,
}

/// The flash is behind the counter: an older image of it was put back, or it was wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// In what.
    pub mark: Mark,
    /// How far the flash is.
    pub flash: u64,
    /// How far it must be.
    pub counter: u64,
}

/// Why a journal is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardError {
    /// The flash was rolled back. The way on is a new stream above the counter's marks:
    /// [`super::FlashJournal::format_above`] with [`Marks::counted`].
    RolledBack(RolledBack),
    /// The counter does not answer.
    Counter(MonotonicError),
    /// The journal cannot be read.
    Journal(JournalError),
}

impl Marks {
    /// How far the counter says.
    ///
    /// # Errors
    /// [`MonotonicError`].
    pub fn counted(counter: &mut impl Monotonic) -> Result<Self, MonotonicError> {
        Ok(Self {
            batches: counter.read(Mark::Batches)?,
            sender_sequence: counter.read(Mark::SenderSequence)?,
            next_nonce: counter.read(Mark::Spending)?,
        })
    }

    /// How far `journal` is.
    ///
    /// # Errors
    /// [`JournalError::Medium`].
    pub fn held(journal: &mut impl Journal) -> Result<Self, JournalError> {
        Ok(Self {
            batches: batches_mark(journal.began(), journal.batches().end.0),
            sender_sequence: journal.sender_sequence(),
            next_nonce: journal.spending()?.next_nonce,
        })
    }

    /// In what these are behind `counter`, if they are.
    #[must_use]
    pub fn behind(&self, counter: &Self) -> Option<RolledBack> {
        let both = Mark::ALL.map(|mark| RolledBack { mark, flash: *self.of(mark), counter: *counter.of(mark) });
        both.into_iter().find(|both| both.flash < both.counter)
    }

    /// The first generation that a stream above these marks may begin in.
    pub(super) const fn generation_above(&self) -> u32 {
        // Nothing was ever marked.
        if self.batches == 0 {
            return 0;
        }
        #[allow(clippy::cast_possible_truncation, reason = "the upper half")]
        let began = (self.batches >> 32) as u32;
        began.saturating_add(1)
    }

    const fn of(&self, mark: Mark) -> &u64 {
        match mark {
            Mark::Batches => &self.batches,
            Mark::SenderSequence => &self.sender_sequence,
            Mark::Spending => &self.next_nonce,
        }
    }

    const fn of_mut(&mut self, mark: Mark) -> &mut u64 {
        match mark {
            Mark::Batches => &mut self.batches,
            Mark::SenderSequence => &mut self.sender_sequence,
            Mark::Spending => &mut self.next_nonce,
        }
    }
}

/// [`Marks::batches`] of a stream that began in generation `began` and has sealed `batches`.
pub(super) fn batches_mark(began: u32, batches: u32) -> u64 {
    u64::from(began) << 32 | u64::from(batches)
}

/// A journal under a rollback-proof counter.
#[derive(Debug)]
pub struct Guarded<J, M> {
    journal: J,
    counter: M,
    /// What the counter is known to say.
    raised: Marks,
}

impl<J: Journal, M: Monotonic> Guarded<J, M> {
    /// Compares the journal with the counter, and raises the counter where power went away before that was done. Give a
    /// reference to either to have it back when this fails.
    ///
    /// # Errors
    /// [`GuardError`]; nothing was written then, and nothing raised but what the flash was ahead in.
    pub fn new(mut journal: J, mut counter: M) -> Result<Self, GuardError> {
        let raised = Marks::counted(&mut counter).map_err(GuardError::Counter)?;
        let held = Marks::held(&mut journal).map_err(GuardError::Journal)?;
        if let Some(rolled_back) = held.behind(&raised) {
            return Err(GuardError::RolledBack(rolled_back));
        }
        let mut guarded = Self { journal, counter, raised };
        for mark in Mark::ALL {
            guarded.raise(mark, *held.of(mark)).map_err(GuardError::Counter)?;
        }
        Ok(guarded)
    }

    /// Gives both back.
    pub fn into_parts(self) -> (J, M) {
        (self.journal, self.counter)
    }

    fn raise(&mut self, mark: Mark, value: u64) -> Result<(), MonotonicError> {
        if value > *self.raised.of(mark) {
            self.counter.raise(mark, value)?;
            *self.raised.of_mut(mark) = value;
        }
        Ok(())
    }

    fn raise_batches(&mut self) -> Result<(), JournalError> {
        let mark = batches_mark(self.journal.began(), self.journal.batches().end.0);
        self.raise(Mark::Batches, mark).map_err(|_| JournalError::Counter)
    }
}

impl<J: Journal, M: Monotonic> Journal for Guarded<J, M> {
    /// Seals, and raises the counter. Should that fail the batch is sealed all the same, and is not signed before it
    /// was done.
    fn seal(&mut self, anchor: &Anchor, with_data: bool) -> Result<(), JournalError> {
        self.journal.seal(anchor, with_data)?;
        let _: Result<(), _> = self.raise_batches();
        Ok(())
    }

    /// No signature is anybody's before the counter knows of the batch.
    fn attach_signature(&mut self, batch: BatchNumber, signature: &Signature) -> Result<(), JournalError> {
        self.raise_batches()?;
        self.journal.attach_signature(batch, signature)
    }

    fn reserve_sender_sequence(&mut self, length: u64) -> Result<Range<u64>, JournalError> {
        let range = self.journal.reserve_sender_sequence(length)?;
        self.raise(Mark::SenderSequence, range.end).map_err(|_| JournalError::Counter)?;
        Ok(range)
    }

    /// No intent is shown before the counter knows of its nonce.
    fn spending(&mut self) -> Result<Spending, JournalError> {
        let spending = self.journal.spending()?;
        self.raise(Mark::Spending, spending.next_nonce).map_err(|_| JournalError::Counter)?;
        Ok(spending)
    }

    fn intend(&mut self, intent: &Intent) -> Result<(), JournalError> {
        self.journal.intend(intent)?;
        self.spending().map(drop)
    }

    fn settle(&mut self, nonce: u64) -> Result<(), JournalError> {
        self.journal.settle(nonce)
    }

    fn keep_budget(&mut self, state: &[u8]) -> Result<(), JournalError> {
        self.journal.keep_budget(state)
    }

    fn keep_last_budget(&mut self, state: &[u8]) -> Result<(), JournalError> {
        self.journal.keep_last_budget(state)
    }

    fn budget(&mut self) -> Result<Option<BudgetState>, JournalError> {
        self.journal.budget()
    }

    fn flash_work(&mut self) -> FlashWork {
        self.journal.flash_work()
    }

    fn stream(&self) -> StreamId {
        self.journal.stream()
    }

    fn began(&self) -> u32 {
        self.journal.began()
    }

    fn after_rollback(&self) -> bool {
        self.journal.after_rollback()
    }

    fn append(&mut self, record: &NewRecord<'_>) -> Result<SequenceNumber, JournalError> {
        self.journal.append(record)
    }

    fn gives_way(&self) -> bool {
        self.journal.gives_way()
    }

    fn give_way(&mut self, record: &NewRecord<'_>, closes_batch: bool, buf: &mut [u8]) -> Result<u32, JournalError> {
        self.journal.give_way(record, closes_batch, buf)
    }

    fn kept(&self) -> Range<SequenceNumber> {
        self.journal.kept()
    }

    fn unsealed(&self) -> Range<SequenceNumber> {
        self.journal.unsealed()
    }

    fn records_left(&self) -> u32 {
        self.journal.records_left()
    }

    fn read<'b>(&mut self, seq: SequenceNumber, buf: &'b mut [u8]) -> Result<Entry<'b>, JournalError> {
        self.journal.read(seq, buf)
    }

    fn priority(&mut self, seq: SequenceNumber) -> Result<Priority, JournalError> {
        self.journal.priority(seq)
    }

    fn lose(&mut self, seq: SequenceNumber, reason: LossReason) -> Result<(), JournalError> {
        self.journal.lose(seq, reason)
    }

    fn advance(&mut self, batch: BatchNumber, state: BatchState) -> Result<(), JournalError> {
        self.journal.advance(batch, state)
    }

    fn through(&self, state: BatchState) -> Option<BatchNumber> {
        self.journal.through(state)
    }

    fn last_commitment(&self) -> Commitment {
        self.journal.last_commitment()
    }

    fn previous_stream(&self) -> Option<Commitment> {
        self.journal.previous_stream()
    }

    fn batches(&self) -> Range<BatchNumber> {
        self.journal.batches()
    }

    fn batch(&mut self, batch: BatchNumber) -> Result<SealedBatch, JournalError> {
        self.journal.batch(batch)
    }

    fn release(&mut self, batch: BatchNumber) -> Result<(), JournalError> {
        self.journal.release(batch)
    }

    fn prune(&mut self, through: BatchNumber) -> Result<bool, JournalError> {
        self.journal.prune(through)
    }

    fn sender_sequence(&self) -> u64 {
        self.journal.sender_sequence()
    }
}
