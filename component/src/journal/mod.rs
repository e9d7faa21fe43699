// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal: records, batch states and counters. The agent is its only caller.
//!
//! [`FlashJournal`] keeps it in NOR flash: [`layout`] has every byte of a sector's header, [`entry`] of its entries, [`scan`]
//! walks a sector, [`find`] finds entries, [`write`] makes them, [`cell`] is what is kept beside records and batches and
//! [`carry`] how, [`format`] begins a stream, [`mount`] takes it up, [`image`] is for whoever reads one elsewhere.
//! [`monotonic`] finds out that the flash was rolled back.

use core::ops::Range;

use crate::{
    batch::{Anchor, BatchNumber, Commitment},
    record::{Entry, Kind, LossReason, Priority, SequenceNumber, StreamId},
    signer::Signature,
    time::WallTime,
};

mod bytes;
mod carry;
pub mod cell;
mod crc;
mod displace;
pub mod entry;
mod find;
pub mod flash;
mod format;
pub mod head;
pub mod image;
pub mod layout;
pub mod monotonic;
pub mod mount;
#[cfg(feature = "sabotage")]
pub mod sabotage;
#[cfg(not(feature = "sabotage"))]
#[allow(unreachable_pub, dead_code, reason = "what it can do, only a test build can choose")]
pub(crate) mod sabotage;
mod scan;
mod write;

pub use carry::CellPlaces;
pub use cell::{BUDGET_MAX, BudgetState, Intent, Spending};
#[cfg(feature = "key-store")]
pub(crate) use crc::crc32;
pub use flash::FlashJournal;
pub use monotonic::{GuardError, Guarded, Marks, RolledBack};
pub use mount::MountError;

/// How far a sealed batch has come. Only ever moves to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BatchState {
    /// Its anchor is fixed; it has no signature yet.
    Sealed = 0,
    /// Signed; never sent.
    Signed = 1,
    /// Sent at least once; no acknowledgement yet.
    Sent = 2,
    /// The relay has it.
    Stored = 3,
    /// On chain, not final yet.
    Included = 4,
    /// On chain for good.
    Final = 5,
}

/// A sealed batch as the journal keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedBatch {
    /// Its statement.
    pub anchor: Anchor,
    /// The device's signature; `None` in state [`BatchState::Sealed`] only.
    pub signature: Option<Signature>,
    /// How far it has come.
    pub state: BatchState,
    /// The relay was given the records too, or will be.
    pub with_data: bool,
}

/// Why the journal did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// No space, and nothing may be reclaimed.
    Full,
    /// The payload is longer than this journal takes.
    TooLong,
    /// No such record or batch, or it was reclaimed.
    NotFound,
    /// The call contradicts what the journal holds: a batch sealed twice, a signature for another state.
    Conflict,
    /// The medium failed.
    Medium,
    /// The rollback-proof counter failed.
    Counter,
    /// The platform's SHA-256 failed (feature `psa-hash`): what was hashed is not journaled.
    Hash,
}

/// What a new record needs to be journaled.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// When it was submitted.
    pub time: WallTime,
    /// What it is about.
    pub kind: Kind,
    /// How long it may wait.
    pub priority: Priority,
    /// The application's bytes.
    pub payload: &'a [u8],
}

/// An append-only log. When a call returned success its effect is durable.
pub trait Journal {
    /// The stream drawn when the journal was formatted.
    fn stream(&self) -> StreamId;

    /// Orders a device's streams: a later one began in a later generation.
    fn began(&self) -> u32;

    /// Whether the stream was begun because the flash had been rolled back.
    fn after_rollback(&self) -> bool;

    /// Appends a record and gives it the next sequence number.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::TooLong`], [`JournalError::Medium`]; no number was used then.
    fn append(&mut self, record: &NewRecord<'_>) -> Result<SequenceNumber, JournalError>;

    /// Whether [`Journal::give_way`] may ever help.
    fn gives_way(&self) -> bool;

    /// Makes room for an urgent record that [`Journal::append`] refuses as [`JournalError::Full`]: the oldest unsealed records
    /// that the application submitted and that are not urgent give way, and read as lost, [`LossReason::DISPLACED`], from then
    /// on. Returns how many: none when there is room. With `closes_batch`, what is unsealed is sealed before the record is
    /// journaled, unless it is so much less by then that it need not. `buf` is as long as the longest payload;
    /// what was in it is overwritten.
    ///
    /// # Errors
    /// [`JournalError::Full`] when that does not help, and from a journal that does not do it: nothing was displaced.
    /// [`JournalError::Medium`]: some may have been.
    fn give_way(&mut self, record: &NewRecord<'_>, closes_batch: bool, buf: &mut [u8]) -> Result<u32, JournalError>;

    /// Sequence numbers whose entries are kept: oldest kept to next given.
    fn kept(&self) -> Range<SequenceNumber>;

    /// Sequence numbers not sealed in a batch yet.
    fn unsealed(&self) -> Range<SequenceNumber>;

    /// About how many more records have room, of the length of those that are there, once what is unsealed is sealed.
    /// [`u32::MAX`] from a journal that does not know.
    fn records_left(&self) -> u32 {
        u32::MAX
    }

    /// Reads one entry into `buf` (as long as the longest payload). A damaged entry reads as lost.
    ///
    /// # Errors
    /// [`JournalError::NotFound`], [`JournalError::Medium`].
    fn read<'b>(&mut self, seq: SequenceNumber, buf: &'b mut [u8]) -> Result<Entry<'b>, JournalError>;

    /// How pressing an entry is: the agent asks when it starts, to plan for what is unsealed.
    ///
    /// # Errors
    /// [`JournalError::NotFound`], [`JournalError::Medium`].
    fn priority(&mut self, seq: SequenceNumber) -> Result<Priority, JournalError>;

    /// Marks an unsealed entry as lost.
    ///
    /// # Errors
    /// [`JournalError::NotFound`], [`JournalError::Conflict`] when it is sealed, [`JournalError::Medium`].
    fn lose(&mut self, seq: SequenceNumber, reason: LossReason) -> Result<(), JournalError>;

    /// Seals a batch: it must start at the first unsealed number and follow the last batch.
    ///
    /// # Errors
    /// [`JournalError::Conflict`], [`JournalError::Full`], [`JournalError::Medium`].
    fn seal(&mut self, anchor: &Anchor, with_data: bool) -> Result<(), JournalError>;

    /// Attaches the signature to a batch in state [`BatchState::Sealed`]; batches are signed in order.
    ///
    /// # Errors
    /// [`JournalError::NotFound`], [`JournalError::Conflict`], [`JournalError::Medium`].
    fn attach_signature(&mut self, batch: BatchNumber, signature: &Signature) -> Result<(), JournalError>;

    /// Moves a batch, and all before it, to a later state; an earlier or equal one changes nothing.
    ///
    /// # Errors
    /// [`JournalError::NotFound`], [`JournalError::Conflict`] for a batch without signature, [`JournalError::Full`] for one that was
    /// given up by [`Journal::prune`] when there is no room to say so, [`JournalError::Medium`].
    fn advance(&mut self, batch: BatchNumber, state: BatchState) -> Result<(), JournalError>;

    /// The last batch that has come at least as far as `state`; all before it have too.
    fn through(&self, state: BatchState) -> Option<BatchNumber>;

    /// The commitment of the last batch sealed, zero before the first.
    fn last_commitment(&self) -> Commitment;

    /// Until the stream's first batch is sealed: the last commitment of the device's stream before it, if the journal had one.
    fn previous_stream(&self) -> Option<Commitment>;

    /// Numbers of the batches kept: oldest kept to next sealed.
    fn batches(&self) -> Range<BatchNumber>;

    /// One batch.
    ///
    /// # Errors
    /// [`JournalError::NotFound`], [`JournalError::Medium`].
    fn batch(&mut self, batch: BatchNumber) -> Result<SealedBatch, JournalError>;

    /// Lets go of the records of a hash-only batch and of all before it: once final, they may be reclaimed when space is needed.
    ///
    /// # Errors
    /// [`JournalError::NotFound`], [`JournalError::Medium`].
    fn release(&mut self, batch: BatchNumber) -> Result<(), JournalError>;

    /// Lets the records of batches up to `through` be reclaimed before their batch is final, as far as their data went up or they
    /// were released. Their levels are told afterwards as of any other batch, as far as there is room. Whether more may go now.
    ///
    /// # Errors
    /// [`JournalError::Conflict`] for a batch that the relay does not have, [`JournalError::Full`], [`JournalError::Medium`].
    fn prune(&mut self, through: BatchNumber) -> Result<bool, JournalError>;

    /// The first sender sequence number that was never reserved.
    fn sender_sequence(&self) -> u64;

    /// Reserves the next `length` sender sequence numbers of the secure channel, or more, for ever.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::Medium`].
    fn reserve_sender_sequence(&mut self, length: u64) -> Result<Range<u64>, JournalError>;

    /// How far nonces are used, and what is pending.
    ///
    /// # Errors
    /// [`JournalError::Medium`], also when what said so rotted: nothing may be signed then.
    fn spending(&mut self) -> Result<Spending, JournalError>;

    /// Journals what is to be signed, before it is: the next nonce's first intent, or one that replaces the pending intent by
    /// offering a higher fee for the same.
    ///
    /// # Errors
    /// [`JournalError::Conflict`] for anything else; [`JournalError::Full`], [`JournalError::Medium`].
    fn intend(&mut self, intent: &Intent) -> Result<(), JournalError>;

    /// The pending intent, of `nonce`, is done with: the next nonce may be used. A nonce that was settled before stays settled.
    ///
    /// # Errors
    /// [`JournalError::Conflict`] for a nonce that no intent has; [`JournalError::Medium`].
    fn settle(&mut self, nonce: u64) -> Result<(), JournalError>;

    /// Keeps the state of the power budget in place of the last.
    ///
    /// # Errors
    /// [`JournalError::TooLong`] over [`BUDGET_MAX`] bytes; [`JournalError::Full`], [`JournalError::Medium`].
    fn keep_budget(&mut self, state: &[u8]) -> Result<(), JournalError>;

    /// The same in a journal that is full, in the room kept for finishing: for a state that a caller keeps once and that holds
    /// until there is room again, whatever is spent.
    ///
    /// # Errors
    /// Those of [`Journal::keep_budget`].
    fn keep_last_budget(&mut self, state: &[u8]) -> Result<(), JournalError> {
        self.keep_budget(state)
    }

    /// The state kept last; `None` when there was none, or it rotted.
    ///
    /// # Errors
    /// [`JournalError::Medium`].
    fn budget(&mut self) -> Result<Option<BudgetState>, JournalError>;

    /// What the journal did to its flash since it was last asked, for what that costs. One that is not in flash did nothing.
    fn flash_work(&mut self) -> FlashWork {
        FlashWork::default()
    }
}

/// What was done to a flash, as far as it can be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlashWork {
    /// Writes, of at most 64 bytes each.
    pub writes: u16,
    /// Sectors erased.
    pub erases: u16,
}

/// A journal that lives elsewhere, so that the agent that uses it can be small enough to move.
impl<J: Journal> Journal for &mut J {
    fn stream(&self) -> StreamId {
        (**self).stream()
    }

    fn began(&self) -> u32 {
        (**self).began()
    }

    fn after_rollback(&self) -> bool {
        (**self).after_rollback()
    }

    fn append(&mut self, record: &NewRecord<'_>) -> Result<SequenceNumber, JournalError> {
        (**self).append(record)
    }

    fn gives_way(&self) -> bool {
        (**self).gives_way()
    }

    fn give_way(&mut self, record: &NewRecord<'_>, closes_batch: bool, buf: &mut [u8]) -> Result<u32, JournalError> {
        (**self).give_way(record, closes_batch, buf)
    }

    fn kept(&self) -> Range<SequenceNumber> {
        (**self).kept()
    }

    fn unsealed(&self) -> Range<SequenceNumber> {
        (**self).unsealed()
    }

    fn records_left(&self) -> u32 {
        (**self).records_left()
    }

    fn read<'b>(&mut self, seq: SequenceNumber, buf: &'b mut [u8]) -> Result<Entry<'b>, JournalError> {
        (**self).read(seq, buf)
    }

    fn priority(&mut self, seq: SequenceNumber) -> Result<Priority, JournalError> {
        (**self).priority(seq)
    }

    fn lose(&mut self, seq: SequenceNumber, reason: LossReason) -> Result<(), JournalError> {
        (**self).lose(seq, reason)
    }

    fn seal(&mut self, anchor: &Anchor, with_data: bool) -> Result<(), JournalError> {
        (**self).seal(anchor, with_data)
    }

    fn attach_signature(&mut self, batch: BatchNumber, signature: &Signature) -> Result<(), JournalError> {
        (**self).attach_signature(batch, signature)
    }

    fn advance(&mut self, batch: BatchNumber, state: BatchState) -> Result<(), JournalError> {
        (**self).advance(batch, state)
    }

    fn through(&self, state: BatchState) -> Option<BatchNumber> {
        (**self).through(state)
    }

    fn last_commitment(&self) -> Commitment {
        (**self).last_commitment()
    }

    fn batches(&self) -> Range<BatchNumber> {
        (**self).batches()
    }

    fn batch(&mut self, batch: BatchNumber) -> Result<SealedBatch, JournalError> {
        (**self).batch(batch)
    }

    fn release(&mut self, batch: BatchNumber) -> Result<(), JournalError> {
        (**self).release(batch)
    }

    fn prune(&mut self, through: BatchNumber) -> Result<bool, JournalError> {
        (**self).prune(through)
    }

    fn sender_sequence(&self) -> u64 {
        (**self).sender_sequence()
    }

    fn reserve_sender_sequence(&mut self, length: u64) -> Result<Range<u64>, JournalError> {
        (**self).reserve_sender_sequence(length)
    }

    fn previous_stream(&self) -> Option<Commitment> {
        (**self).previous_stream()
    }

    fn spending(&mut self) -> Result<Spending, JournalError> {
        (**self).spending()
    }

    fn intend(&mut self, intent: &Intent) -> Result<(), JournalError> {
        (**self).intend(intent)
    }

    fn settle(&mut self, nonce: u64) -> Result<(), JournalError> {
        (**self).settle(nonce)
    }

    fn keep_budget(&mut self, state: &[u8]) -> Result<(), JournalError> {
        (**self).keep_budget(state)
    }

    fn keep_last_budget(&mut self, state: &[u8]) -> Result<(), JournalError> {
        (**self).keep_last_budget(state)
    }

    fn budget(&mut self) -> Result<Option<BudgetState>, JournalError> {
        (**self).budget()
    }

    fn flash_work(&mut self) -> FlashWork {
        (**self).flash_work()
    }
}
