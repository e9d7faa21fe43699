// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal in NOR flash: an append-only log over a ring of sectors. docs/journal.md says why it is as it is, and every byte.
//!
//! Here: the type, its checks at compile time, and what it answers the agent. [`super::mount`]: how it finds its place again.
//! [`super::write`]: entries, sectors, and what may be reclaimed. [`super::find`]: how it finds entries.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;

use super::{
    BatchState, FlashWork, Journal, JournalError, NewRecord, SealedBatch,
    carry::{CellPlaces, Cells},
    cell::{BudgetState, CellSet, Intent, Spending},
    displace::{RUN_COPIES, Wanted},
    entry::{Item, RECORD_PREFIX_MAX, Reclaim, body},
    find::FoundRecord,
    layout::{Geometry, Snapshot},
    sabotage::{Mistake, makes},
    scan::{Step, Walk},
};
use crate::{
    batch::{Anchor, BatchNumber, Commitment},
    record::{Entry, LossReason, Priority, Record, SequenceNumber, StreamId},
    signer::Signature,
};

/// Sender sequence numbers given out at once when the journal is nearly full, so that a dead link cannot fill the room kept
/// for finishing what is sealed: 2^16 numbers are years of retries.
const LONG_RESERVATION: u64 = 1 << 16;

/// Reservations for which room is kept.
const RESERVATIONS_KEPT: u64 = 16;

/// Torn entries for which room is kept in a full journal, at least and at most, and for how many bytes of flash there is one: each
/// time power goes away while something is finished, what was being written is written again further on.
const TEARS_KEPT: (u64, u64) = (2, 16);
const BYTES_PER_TEAR: u64 = 4096;

/// A journal in the first `CAPACITY` bytes of a flash, for payloads of up to `PAYLOAD` bytes.
///
/// Its RAM is its fields, at most 264 bytes beside the flash driver, whatever the capacity.
///
/// With `GIVES_WAY`, the oldest unsealed routine records of a full journal give way to urgent ones; it then has 4 sectors or
/// more and keeps one of them, and a little more, free to move others.
#[derive(Debug)]
pub struct FlashJournal<F, const CAPACITY: usize, const PAYLOAD: usize, const GIVES_WAY: bool = false> {
    pub(super) flash: F,
    pub(super) state: Snapshot,
    /// The sector that is written.
    pub(super) newest: u32,
    /// The oldest sector that was not given up.
    pub(super) oldest: u32,
    /// The oldest sector that may not be given up.
    pub(super) needed: u32,
    /// Where the log ends in the newest sector.
    pub(super) end: LogEnd,
    /// What record times in the newest sector are relative to.
    pub(super) base_ms: u64,
    /// Where the cells are in the newest sector.
    pub(super) cells: CellPlaces,
    /// The first record and the first batch that the oldest sector may hold. What is needed of earlier ones are copies.
    pub(super) kept_seq: u64,
    pub(super) kept_batch: u32,
    /// Before the record read last.
    pub(super) cursor: Option<Walk>,
    /// What was done to the flash and not told.
    pub(super) work: FlashWork,
}

/// Where the next entry goes in the newest sector, and whether the sector that is opened next must be erased first. Entries
/// begin at multiples of 8, so that both are one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogEnd(u32);

impl LogEnd {
    const NEXT_IS_UNCLEAR: u32 = 1;

    pub(super) const fn at(offset: u32) -> Self {
        Self(offset)
    }

    /// As a mount finds it.
    pub(super) const fn found(offset: u32, next_is_unclear: bool) -> Self {
        Self(if next_is_unclear { offset | Self::NEXT_IS_UNCLEAR } else { offset })
    }

    pub(super) const fn offset(self) -> u32 {
        self.0 & !Self::NEXT_IS_UNCLEAR
    }

    /// What the sector that is opened next holds could read as its header later.
    pub(super) const fn next_is_unclear(self) -> bool {
        self.0 & Self::NEXT_IS_UNCLEAR != 0
    }
}

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize, const GIVES_WAY: bool>
    FlashJournal<F, CAPACITY, PAYLOAD, GIVES_WAY>
{
    /// How the flash is divided.
    pub const GEOMETRY: Geometry = Geometry::new(F::WRITE_SIZE, F::ERASE_SIZE, CAPACITY);

    /// Fails to compile when the flash, the capacity or the payload cannot work.
    pub(super) const CHECKED: () = {
        let g = Self::GEOMETRY;
        assert!(F::WRITE_SIZE.is_power_of_two() && F::WRITE_SIZE <= 32, "the write size is 1 to 32 bytes");
        assert!(F::READ_SIZE <= g.granule as usize && F::READ_SIZE.is_power_of_two(), "reads are coarser than entries");
        assert!(F::ERASE_SIZE.is_power_of_two() && F::ERASE_SIZE <= 1 << 20, "the erase size is a power of two");
        assert!(
            CAPACITY <= i32::MAX as usize && CAPACITY.is_multiple_of(g.sector as usize),
            "CAPACITY is no whole sectors"
        );
        assert!(g.sectors >= 2 && g.sectors <= 65535, "a journal has 2 to 65535 sectors");
        assert!(RECORD_PREFIX_MAX + PAYLOAD < 4096, "PAYLOAD is longer than an entry can say");
        let record = g.entry(RECORD_PREFIX_MAX + PAYLOAD);
        assert!(g.entries_start() + record <= g.sector, "a longest record does not fit a sector");
        let usable = Self::usable(CellSet::ALL);
        assert!(usable > Self::waste(), "a sector is too short");
        let room = usable + (g.sectors as u64 - 1) * (usable - Self::waste());
        let two = 2 * (record as u64 + Self::batch_room()) + Self::spending_room(CellSet::ALL) + Self::spare();
        assert!(
            two + RESERVATIONS_KEPT * Self::entry(body::SENDER_SEQUENCE)
                + Self::tears()
                + Self::last_budget_room(CellSet::ALL)
                <= room,
            "CAPACITY is too small: two batches do not fit"
        );
        assert!(!GIVES_WAY || g.sectors >= 4, "records give way in a journal of 4 sectors or more");
        let moved = RUN_COPIES * g.entry(body::RUN) + record;
        assert!(!GIVES_WAY || g.entries_start() + moved <= g.sector, "a longest record cannot be moved to a sector");
    };

    pub(super) const fn entry(length: usize) -> u64 {
        Self::GEOMETRY.entry(length) as u64
    }

    /// Bytes of a sector that entries can use when `cells` are carried.
    pub(super) const fn usable(cells: CellSet) -> u64 {
        ((Self::GEOMETRY.sector - Self::GEOMETRY.entries_start()) as u64).saturating_sub(Self::carried(cells))
    }

    /// Most bytes that stay unused at a sector's end because what is no record does not fit.
    pub(super) const fn waste() -> u64 {
        let spending = Self::spending_room(CellSet::ALL);
        let signature = Self::entry(body::SIGNATURE);
        let longest = if spending > signature { spending } else { signature };
        longest - Self::GEOMETRY.granule as u64
    }

    /// Bytes to take a sealed batch to its end: signed, sent, stored, included, final.
    const fn finishing() -> u64 {
        Self::entry(body::SIGNATURE) + 3 * Self::entry(body::LEVEL) + Self::entry(body::FINAL)
    }

    /// Bytes that one more batch takes that is sealed, finished and released.
    pub(super) const fn batch_room() -> u64 {
        Self::entry(body::SEAL) + Self::finishing() + Self::entry(body::RELEASE)
    }

    /// Bytes that must stay free so that everything that is journaled can be finished, what is unsealed as one batch.
    pub(super) fn room_to_finish(&self) -> u64 {
        let unsealed = self.state.first_unsealed < self.state.next_seq;
        self.room_to_finish_sealed() + if unsealed { Self::batch_room() } else { 0 }
    }

    fn room_to_finish_sealed(&self) -> u64 {
        let since = |batch: u32| u64::from(self.state.next_batch.saturating_sub(batch));
        // Only what is still to be said of a batch: what was said took its room.
        let to_say = |state, length| since(self.state.count(state)) * Self::entry(length);
        // A batch that was given up before it got there goes without.
        let to_say_of_kept =
            |state, length| since(self.state.count(state).max(self.state.reclaim_batch)) * Self::entry(length);
        let unfinished = to_say(BatchState::Signed, body::SIGNATURE)
            + to_say(BatchState::Sent, body::LEVEL)
            + to_say(BatchState::Stored, body::LEVEL)
            + to_say_of_kept(BatchState::Included, body::LEVEL)
            + to_say_of_kept(BatchState::Final, body::FINAL);
        let unreleased = since(self.state.reclaim_batch) * Self::entry(body::RELEASE);
        unfinished + unreleased + Self::spending_room(self.state.cells)
    }

    /// Bytes that records leave free.
    pub(super) fn room_needed(&self) -> u64 {
        self.room_to_finish_sealed()
            + Self::batch_room()
            + RESERVATIONS_KEPT * Self::entry(body::SENDER_SEQUENCE)
            + Self::tears()
            + Self::spare()
            + Self::last_budget_room(self.state.cells)
    }

    /// Bytes of a budget that is kept when the journal is full, if there is one.
    pub(super) const fn last_budget_room(cells: CellSet) -> u64 {
        if cells.budget { Self::entry(body::BUDGET) } else { 0 }
    }

    /// Bytes of the torn entries for which room is kept.
    const fn tears() -> u64 {
        let (least, most) = TEARS_KEPT;
        let tears = CAPACITY as u64 / BYTES_PER_TEAR;
        let tears = if tears < least { least } else { tears };
        (if tears > most { most } else { tears }) * Self::entry(body::SIGNATURE)
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// Sectors opened since the flash was new: every one was an erase, so erases per sector are this over
    /// [`Geometry::sectors`].
    pub const fn generation(&self) -> u32 {
        self.newest
    }

    /// Bytes of the newest sector that are used.
    pub const fn used(&self) -> u32 {
        self.end.offset()
    }

    fn known(&self, batch: BatchNumber) -> Result<(), JournalError> {
        if self.batches().contains(&batch) { Ok(()) } else { Err(JournalError::NotFound) }
    }
}

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize, const GIVES_WAY: bool> Journal
    for FlashJournal<F, CAPACITY, PAYLOAD, GIVES_WAY>
{
    fn stream(&self) -> StreamId {
        self.state.stream
    }

    fn began(&self) -> u32 {
        self.state.began
    }

    fn after_rollback(&self) -> bool {
        self.state.after_rollback
    }

    fn append(&mut self, record: &NewRecord<'_>) -> Result<SequenceNumber, JournalError> {
        let NewRecord { time, kind, priority, payload } = *record;
        if payload.len() > PAYLOAD {
            return Err(JournalError::TooLong);
        }
        let item = Item::Record { kind, priority, time, prefix: 0, payload: payload.len() };
        self.admit(&item, payload)?;
        let seq = SequenceNumber(self.state.next_seq);
        self.put(&item, payload)?;
        Ok(seq)
    }

    fn gives_way(&self) -> bool {
        GIVES_WAY
    }

    fn give_way(&mut self, record: &NewRecord<'_>, closes_batch: bool, buf: &mut [u8]) -> Result<u32, JournalError> {
        if !GIVES_WAY {
            return Err(JournalError::Full);
        }
        let NewRecord { time, kind, priority, payload } = *record;
        let item = Item::Record { kind, priority, time, prefix: 0, payload: payload.len() };
        self.make_way(&Wanted { item, payload, closes_batch }, buf)
    }

    fn kept(&self) -> Range<SequenceNumber> {
        SequenceNumber(self.kept_seq.min(self.state.reclaim_seq))..SequenceNumber(self.state.next_seq)
    }

    fn unsealed(&self) -> Range<SequenceNumber> {
        SequenceNumber(self.state.first_unsealed)..SequenceNumber(self.state.next_seq)
    }

    fn records_left(&self) -> u32 {
        self.records_that_fit()
    }

    fn read<'b>(&mut self, seq: SequenceNumber, buf: &'b mut [u8]) -> Result<Entry<'b>, JournalError> {
        let found = match self.record(seq)? {
            FoundRecord::There(found) => found,
            FoundRecord::Lost(reason) => return Ok(Entry::Lost { seq, reason }),
        };
        let payload = buf.get_mut(..found.payload).ok_or(JournalError::TooLong)?;
        self.read_payload(&found, payload)?;
        Ok(Entry::Record(Record { seq, time: found.time, kind: found.kind, payload }))
    }

    fn priority(&mut self, seq: SequenceNumber) -> Result<Priority, JournalError> {
        Ok(match self.record(seq)? {
            FoundRecord::There(found) => found.priority,
            FoundRecord::Lost(_) => Priority::Routine,
        })
    }

    fn lose(&mut self, seq: SequenceNumber, reason: LossReason) -> Result<(), JournalError> {
        if !self.kept().contains(&seq) {
            return Err(JournalError::NotFound);
        }
        if seq.0 < self.state.first_unsealed {
            return Err(JournalError::Conflict);
        }
        let item = Item::Lost { seq, reason };
        self.admit(&item, &[])?;
        self.put(&item, &[])
    }

    fn seal(&mut self, anchor: &Anchor, with_data: bool) -> Result<(), JournalError> {
        let end = anchor.end().ok_or(JournalError::Conflict)?;
        let follows = anchor.stream == self.state.stream
            && anchor.batch.0 == self.state.next_batch
            && anchor.first_seq.0 == self.state.first_unsealed
            && anchor.prev == self.last_commitment()
            && anchor.count > 0
            && anchor.count < 1 << 24
            && anchor.flags.0 < 1 << 7
            && end.0 <= self.state.next_seq;
        if !follows {
            return Err(JournalError::Conflict);
        }
        // What stays unsealed takes a batch of its own later.
        let another = if end.0 < self.state.next_seq { Self::batch_room() } else { 0 };
        if anchor.batch.0 == u32::MAX || (another > 0 && self.room() < self.room_needed() + another) {
            return Err(JournalError::Full);
        }
        self.put(&Item::Seal { anchor: *anchor, with_data }, &[])
    }

    fn attach_signature(&mut self, batch: BatchNumber, signature: &Signature) -> Result<(), JournalError> {
        self.known(batch)?;
        if batch.0 > self.state.count(BatchState::Signed) {
            return Err(JournalError::Conflict);
        }
        let mut step = Step::NONE;
        if self.signature_of(batch.0, &mut step)?.is_some() {
            return Err(JournalError::Conflict);
        }
        let (&anchor, with_data) = self.seal_of(batch.0, &mut step)?.ok_or(JournalError::Medium)?;
        step.item = Item::Signature { anchor, with_data, signature: *signature };
        self.put(&step.item, &[])
    }

    fn advance(&mut self, batch: BatchNumber, state: BatchState) -> Result<(), JournalError> {
        let given_up = batch.0 < self.state.reclaim_batch && self.state.count(state) <= batch.0;
        if !given_up {
            self.known(batch)?;
        }
        if self.state.count(BatchState::Signed) <= batch.0 {
            return Err(JournalError::Conflict);
        }
        if self.state.count(state) > batch.0 {
            return Ok(());
        }
        // No room is kept for it, and nothing depends on it.
        if given_up && self.room() < self.room_to_finish() + Self::entry(body::FINAL) {
            return Err(JournalError::Full);
        }
        let reclaim = match state {
            BatchState::Final => self.reclaimable(batch.0.saturating_add(1), self.state.released)?,
            BatchState::Stored if makes(Mistake::ReclaimsEarly) => {
                let reclaim = self.reclaimable(batch.0.saturating_add(1), self.state.released)?;
                self.state.apply(&Item::Release { through: BatchNumber(0), reclaim });
                Reclaim::default()
            }
            _ => Reclaim::default(),
        };
        self.put(&Item::Level { state, through: batch, reclaim }, &[])?;
        self.give_up_what_may_go()
    }

    fn through(&self, state: BatchState) -> Option<BatchNumber> {
        self.state.count(state).checked_sub(1).map(BatchNumber)
    }

    fn last_commitment(&self) -> Commitment {
        if self.state.next_batch == 0 { Commitment::default() } else { self.state.prev }
    }

    fn previous_stream(&self) -> Option<Commitment> {
        let prev = self.state.prev;
        (self.state.next_batch == 0 && prev != Commitment::default()).then_some(prev)
    }

    fn batches(&self) -> Range<BatchNumber> {
        BatchNumber(self.kept_batch.min(self.state.reclaim_batch))..BatchNumber(self.state.next_batch)
    }

    fn batch(&mut self, batch: BatchNumber) -> Result<SealedBatch, JournalError> {
        self.known(batch)?;
        self.sealed(batch.0)
    }

    fn release(&mut self, batch: BatchNumber) -> Result<(), JournalError> {
        self.known(batch)?;
        if self.state.released.max(self.state.reclaim_batch) > batch.0 {
            return Ok(());
        }
        let released = batch.0.saturating_add(1);
        let reclaim = self.reclaimable(self.state.count(BatchState::Final), released)?;
        self.put(&Item::Release { through: batch, reclaim }, &[])?;
        self.give_up_what_may_go()
    }

    fn prune(&mut self, through: BatchNumber) -> Result<bool, JournalError> {
        if self.state.count(BatchState::Stored) <= through.0 {
            return Err(JournalError::Conflict);
        }
        let before = self.state.reclaim_batch;
        let reclaim = self.reclaimable(through.0.saturating_add(1), self.state.released)?;
        let more = reclaim.batch.saturating_sub(before);
        // It is said as a release of all that goes: of those, what was hash-only was released before.
        let Some(last) = reclaim.batch.checked_sub(1).filter(|_| more > 0) else { return Ok(false) };
        // Each batch that may go takes the room kept for its release with it.
        let entry = Self::entry(body::RELEASE);
        if self.room() + u64::from(more) * entry < self.room_to_finish() + entry {
            return Err(JournalError::Full);
        }
        self.put(&Item::Release { through: BatchNumber(last), reclaim }, &[])?;
        self.give_up_what_may_go()?;
        Ok(true)
    }

    fn sender_sequence(&self) -> u64 {
        self.state.sender_end
    }

    fn reserve_sender_sequence(&mut self, length: u64) -> Result<Range<u64>, JournalError> {
        let room = self.room();
        // A device without numbers finishes nothing: room for entries that may tear is of no use to it, but for one while it does.
        let torn = Self::entry(body::SIGNATURE);
        if room < self.room_to_finish() + torn + Self::entry(body::SENDER_SEQUENCE) {
            return Err(JournalError::Full);
        }
        let length = if room < self.room_needed() { length.max(LONG_RESERVATION) } else { length };
        let start = self.state.sender_end;
        let end = start.checked_add(length).ok_or(JournalError::Full)?;
        self.put(&Item::SenderSequence { end }, &[])?;
        Ok(start..end)
    }

    fn spending(&mut self) -> Result<Spending, JournalError> {
        let Cells { spending, .. } = self.cells()?;
        spending.map_or(Ok(Spending::default()), |spending| spending.ok_or(JournalError::Medium))
    }

    fn intend(&mut self, intent: &Intent) -> Result<(), JournalError> {
        let spending = self.spending()?.with(intent).ok_or(JournalError::Conflict)?;
        self.admit(&Item::Spending(Some(spending)), &[])?;
        self.keep_spending(spending)
    }

    fn settle(&mut self, nonce: u64) -> Result<(), JournalError> {
        let spending = self.spending()?;
        if spending.is_settled(nonce) {
            return Ok(());
        }
        if spending.pending.is_none_or(|pending| pending.nonce != nonce) {
            return Err(JournalError::Conflict);
        }
        self.keep_spending(Spending { pending: None, ..spending })
    }

    fn keep_budget(&mut self, state: &[u8]) -> Result<(), JournalError> {
        let item = Item::Budget(BudgetState::new(state).ok_or(JournalError::TooLong)?);
        self.admit(&item, &[])?;
        self.put_cell(&item)
    }

    fn keep_last_budget(&mut self, state: &[u8]) -> Result<(), JournalError> {
        let item = Item::Budget(BudgetState::new(state).ok_or(JournalError::TooLong)?);
        // As a reservation of sender sequence numbers: a device that may not spend finishes nothing.
        let torn = Self::entry(body::SIGNATURE);
        if self.room_with_cells(self.state.cells.with(&item)) < self.room_to_finish() + torn + Self::entry(body::BUDGET)
        {
            return Err(JournalError::Full);
        }
        self.put_cell(&item)
    }

    fn budget(&mut self) -> Result<Option<BudgetState>, JournalError> {
        Ok(self.cells()?.budget)
    }

    fn flash_work(&mut self) -> FlashWork {
        core::mem::take(&mut self.work)
    }
}
