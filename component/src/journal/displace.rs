// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a full journal makes room for an urgent record: its oldest sectors are *moved*. What must live of a sector is copied to
//! the log's end, the unsealed records in it that may give way are displaced, and the sector is free. Called for
//! [`super::Journal::give_way`]; never touches what is sealed.
//!
//! 1. A trial: the same walk and the same rules, nothing written. When the urgent record would not fit in the end, or the room
//!    to finish would be touched on the way, nothing happens.
//! 2. For each sector an entry says that it is being moved. From then on its unsealed routine records read as displaced, also
//!    when power goes away now: what is sealed next is sealed without them.
//! 3. Copies under their own numbers; consecutive displaced records are one entry.
//! 4. An entry says that the sector is needed no more.
//!
//! A move that power cut short is taken up by the next call: what has its copy is not copied again.

use embedded_storage::nor_flash::NorFlash;

use super::{
    JournalError,
    cell::CellSet,
    entry::{Item, RECORD_PREFIX_MAX, Run, body},
    find::{RecordEntry, Sought},
    flash::FlashJournal,
    layout::gives_way,
    sabotage::{Mistake, makes},
    scan::{Step, Walk},
    write::ATTEMPTS,
};

/// What copies are read by is written so many times: rot in one takes no copy with it.
pub(super) const RUN_COPIES: u32 = 2;

/// A run goes on over a gap shorter than this: the low byte of a number tells no more.
const GAP: u64 = 0x80;

/// What room is made for.
pub(super) struct Wanted<'a> {
    /// A record.
    pub(super) item: Item,
    pub(super) payload: &'a [u8],
    /// What is unsealed is sealed before.
    pub(super) closes_batch: bool,
}

/// Where the log ends, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// In the newest sector.
    pub(super) offset: u32,
    /// Sectors that hold nothing needed.
    pub(super) free: u32,
    /// Sectors opened since the trial began.
    opened: u32,
    /// Bytes written to what was the newest sector when the trial began.
    before: u32,
    /// Bytes of the cells.
    carried: u32,
}

/// The run that copies are written to.
#[derive(Clone, Copy, Debug)]
struct OpenRun {
    /// What the next copy is read by.
    run: Run,
    generation: u32,
}

/// Consecutive displaced records that no entry says yet.
#[derive(Clone, Copy, Debug)]
struct Gap {
    first: u64,
    count: u32,
}

/// The copies that a move made before power cut it short.
#[derive(Clone, Copy, Debug)]
struct Copied {
    from: Walk,
    newest: u32,
    offset: u32,
}

/// What writes copies, or only tries.
struct Pen {
    trial: Option<End>,
    run: Option<OpenRun>,
    gap: Option<Gap>,
    copied: Option<Copied>,
    /// The first number that was in no batch when the move began.
    unsealed: u64,
    displaced: u32,
}

impl Pen {
    const fn new(trial: Option<End>) -> Self {
        Self { trial, run: None, gap: None, copied: None, unsealed: 0, displaced: 0 }
    }
}

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize, const GIVES_WAY: bool>
    FlashJournal<F, CAPACITY, PAYLOAD, GIVES_WAY>
{
    /// Bytes that a journal whose records give way keeps free to move a sector: a whole sector's entries, what may stay unused
    /// at a sector's end, the runs that are begun anew because of it, and what a move begins and ends with.
    pub(super) const fn spare() -> u64 {
        if !GIVES_WAY {
            return 0;
        }
        let g = Self::GEOMETRY;
        let runs = 3 * RUN_COPIES * g.entry(body::RUN);
        Self::usable(CellSet::NONE) + (Self::longest() + runs + g.entry(body::MOVING) + g.entry(body::MOVED)) as u64
    }

    /// Bytes of the longest entry.
    const fn longest() -> u32 {
        let (record, other) =
            (Self::GEOMETRY.entry(RECORD_PREFIX_MAX + PAYLOAD), Self::GEOMETRY.entry(body::SIGNATURE));
        if record > other { record } else { other }
    }

    /// Moves the oldest sectors until what is wanted can be journaled. Returns how many records were displaced.
    ///
    /// # Errors
    /// [`JournalError::Full`] when that does not help: nothing was displaced. [`JournalError::Medium`] when a move that began
    /// could not be ended: records may have been displaced.
    pub(super) fn make_way(&mut self, wanted: &Wanted<'_>, buf: &mut [u8]) -> Result<u32, JournalError> {
        if self.has_room_for_wanted(self.end.offset(), self.free_sectors(), self.base_ms, wanted, 0) {
            return Ok(0);
        }
        if self.state.displacing.is_none() && !self.something_gives_way()? {
            return Err(JournalError::Full);
        }
        let first = self.needed;
        let end = first + self.sectors_to_move(wanted, buf)?;
        let mut pen = Pen::new(None);
        for generation in first..end {
            // What reclaiming gave up on the way needs no move.
            if generation == self.needed {
                self.move_sector(generation, &mut pen, buf).map_err(|_| JournalError::Medium)?;
            }
        }
        Ok(pen.displaced)
    }

    /// Whether what is wanted is admitted when the log ends there, and `more` is left. A batch that is closed takes its room, and
    /// leaves another open.
    fn has_room_for_wanted(&self, offset: u32, free: u32, base_ms: u64, wanted: &Wanted<'_>, more: u64) -> bool {
        let Wanted { item, payload, closes_batch } = wanted;
        let more = more + if *closes_batch { Self::batch_room() } else { 0 };
        self.has_room_at(offset, free, base_ms, item, payload)
            && self.room_at(offset, free)
                >= self.room_needed() + more + u64::from(self.entry_bytes(item, payload, base_ms))
    }

    /// Whether any unsealed record may give way.
    fn something_gives_way(&mut self) -> Result<bool, JournalError> {
        let unsealed = self.state.first_unsealed;
        let sector = self.sector_of(Sought::Record(unsealed))?;
        let mut step = Step::NONE;
        for generation in sector.map_or(self.oldest, |walk| walk.place.generation)..=self.newest {
            let Some(mut walk) = self.walk_over(generation)? else { continue };
            while self.step(&mut walk, &mut step)? {
                if let Item::Record { kind, priority, .. } = step.item
                    && step.seq >= unsealed
                    && gives_way(kind, priority)
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// How many of the oldest sectors must be moved for what is wanted to fit.
    fn sectors_to_move(&mut self, wanted: &Wanted<'_>, buf: &mut [u8]) -> Result<u32, JournalError> {
        let (offset, free) = (self.end.offset(), self.free_sectors());
        let carried = self.cells()?.bytes(&Self::GEOMETRY);
        let mut pen = Pen::new(Some(End { offset, free, opened: 0, before: 0, carried }));
        for (count, generation) in (1..).zip(self.needed..=self.newest) {
            // The newest can be moved once there is a newer one.
            if generation == self.newest && pen.trial.is_some_and(|end| end.opened == 0) {
                break;
            }
            self.take_up(generation, &mut pen)?;
            if !self.is_moving(generation) {
                self.write(&mut pen, &Item::Moving { generation, unsealed: 0 })?;
            }
            self.copy_sector(generation, &mut pen, buf)?;
            if generation == self.newest {
                self.copy_again(&mut pen)?;
            }
            self.write(&mut pen, &Item::Moved { before: generation })?;
            let Some(end) = &mut pen.trial else { break };
            if self.room_at(end.offset, end.free) < self.room_to_finish() {
                break;
            }
            end.free += 1;
            let base_ms = if end.opened == 0 { self.base_ms } else { self.state.time.unix_ms };
            // How the newest sector's copies will lie is not known exactly.
            let more = if generation == self.newest { Self::waste() + u64::from(Self::longest()) } else { 0 };
            if self.has_room_for_wanted(end.offset, end.free, base_ms, wanted, more) {
                return Ok(count);
            }
        }
        Err(JournalError::Full)
    }

    /// Whether the move of the sector `generation` was begun.
    fn is_moving(&self, generation: u32) -> bool {
        self.state.displacing.is_some() && self.state.moved == generation
    }

    /// Finds the copies of the sector `generation` when its move was cut short.
    fn take_up(&mut self, generation: u32, pen: &mut Pen) -> Result<(), JournalError> {
        (pen.copied, pen.unsealed) = (None, self.state.first_unsealed);
        let Some(unsealed) = self.state.unsealed_when_moving().filter(|_| self.is_moving(generation)) else {
            return Ok(());
        };
        pen.unsealed = unsealed;
        let (newest, offset) = (self.newest, self.end.offset());
        let mut step = Step::NONE;
        for later in generation + 1..=self.newest {
            let Some(mut walk) = self.walk_over(later)? else { continue };
            while self.step(&mut walk, &mut step)? {
                if matches!(step.item, Item::Moving { generation: moving, .. } if moving == generation) {
                    pen.copied = Some(Copied { from: walk, newest, offset });
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn move_sector(&mut self, generation: u32, pen: &mut Pen, buf: &mut [u8]) -> Result<(), JournalError> {
        self.take_up(generation, pen)?;
        let displaced = pen.displaced;
        let begun = self.is_moving(generation);
        if !begun {
            self.put(&Item::Moving { generation, unsealed: pen.unsealed }, &[])?;
        }
        let moved = Item::Moved { before: generation + 1 };
        if makes(Mistake::FreesBeforeCopying) {
            self.put(&moved, &[])?;
        }
        self.copy_sector(generation, pen, buf)?;
        if !makes(Mistake::FreesBeforeCopying) {
            self.put(&moved, &[])?;
        }
        if begun {
            // They were displaced before power went away.
            pen.displaced = displaced;
        }
        self.give_up_before(generation + 1)
    }

    /// Copies what must live of a sector: first what was copied before, then its own records, which so are one run.
    fn copy_sector(&mut self, generation: u32, pen: &mut Pen, buf: &mut [u8]) -> Result<(), JournalError> {
        let Some(whole) = self.walk_over(generation)? else { return Ok(()) };
        let mut step = Step::NONE;
        for own in [false, true] {
            let mut walk = whole;
            while self.step(&mut walk, &mut step)? {
                let base_ms = if own { walk.base_ms } else { walk.run.base_ms };
                if matches!(step.item, Item::Record { .. }) == own {
                    self.copy_entry(&step, base_ms, pen, buf)?;
                }
            }
        }
        self.end_gap(pen)
    }

    fn copy_entry(&mut self, step: &Step, base_ms: u64, pen: &mut Pen, buf: &mut [u8]) -> Result<(), JournalError> {
        let (reclaim_seq, reclaim_batch) = (self.state.reclaim_seq, self.state.reclaim_batch);
        match step.item {
            Item::Record { kind, priority, .. }
                if step.seq >= pen.unsealed.max(reclaim_seq) && gives_way(kind, priority) =>
            {
                pen.displaced += 1;
                self.leave_out(step.seq, 1, pen)
            }
            Item::Record { kind, priority, time, prefix, payload }
            | Item::Copy { kind, priority, time, prefix, payload }
                if step.seq >= reclaim_seq =>
            {
                let record = RecordEntry { place: step.place, prefix, payload, kind, priority, time };
                self.copy_record(step.seq, &record, base_ms, pen, buf)
            }
            Item::Displaced { count } if step.seq.saturating_add(count.into()) > reclaim_seq => {
                self.leave_out(step.seq, count, pen)
            }
            Item::Seal { anchor, .. } | Item::Signature { anchor, .. } if anchor.batch.0 >= reclaim_batch => {
                self.copy_whole(&step.item, pen)
            }
            Item::Lost { seq, .. } if seq.0 >= reclaim_seq => self.copy_whole(&step.item, pen),
            _ => Ok(()),
        }
    }

    /// Copies an entry that says whole numbers.
    fn copy_whole(&mut self, item: &Item, pen: &mut Pen) -> Result<(), JournalError> {
        if self.has_copy(pen, |step| step.item == *item)? {
            return Ok(());
        }
        self.write(pen, item)
    }

    fn copy_record(
        &mut self,
        seq: u64,
        record: &RecordEntry,
        base_ms: u64,
        pen: &mut Pen,
        buf: &mut [u8],
    ) -> Result<(), JournalError> {
        self.end_gap(pen)?;
        if self.has_copy(pen, |step| step.seq == seq && matches!(step.item, Item::Copy { .. }))? {
            return Ok(());
        }
        // A longer one is of a build that took longer payloads.
        let payload = buf.get_mut(..record.payload).ok_or(JournalError::Full)?;
        if pen.trial.is_none() {
            self.read_payload(record, payload)?;
        }
        let RecordEntry { kind, priority, time, .. } = *record;
        let item = Item::Copy { kind, priority, time, prefix: 0, payload: record.payload };
        self.write_copy(&item, payload, seq, 1, Some(base_ms), pen)
    }

    /// Takes down that `count` records from `first` on are displaced.
    fn leave_out(&mut self, first: u64, count: u32, pen: &mut Pen) -> Result<(), JournalError> {
        let end = first.saturating_add(count.into());
        let said = |step: &Step| match step.item {
            Item::Displaced { count } => step.seq <= first && step.seq.saturating_add(count.into()) >= end,
            _ => false,
        };
        if self.has_copy(pen, said)? {
            return self.end_gap(pen);
        }
        match &mut pen.gap {
            Some(gap) if gap.first.saturating_add(gap.count.into()) == first => {
                gap.count = gap.count.saturating_add(count);
                Ok(())
            }
            _ => {
                self.end_gap(pen)?;
                pen.gap = Some(Gap { first, count });
                Ok(())
            }
        }
    }

    fn end_gap(&mut self, pen: &mut Pen) -> Result<(), JournalError> {
        let Some(Gap { first, count }) = pen.gap.take() else { return Ok(()) };
        self.write_copy(&Item::Displaced { count }, &[], first, count.into(), None, pen)
    }

    /// Whether a move that was cut short has made the copy that `is_it`. Copies follow one another in the order in which they
    /// are asked for, so that few are looked at twice.
    fn has_copy(&mut self, pen: &mut Pen, is_it: impl Fn(&Step) -> bool) -> Result<bool, JournalError> {
        let Some(copied) = &mut pen.copied else { return Ok(false) };
        let (mut walk, mut step) = (copied.from, Step::NONE);
        loop {
            if walk.place.generation == copied.newest {
                walk.limit = copied.offset;
            }
            let before = walk;
            match self.step(&mut walk, &mut step)? {
                true if is_it(&step) => {
                    copied.from = before;
                    return Ok(true);
                }
                true => {}
                false => {
                    let later = walk.place.generation + 1..copied.newest + 1;
                    let Some(next) = self.first_walk(later)? else { return Ok(false) };
                    walk = next;
                }
            }
        }
    }

    /// Writes what is read by a run: `count` records from `seq` on, with times relative to `base_ms` if they have any.
    fn write_copy(
        &mut self,
        item: &Item,
        payload: &[u8],
        seq: u64,
        count: u64,
        base_ms: Option<u64>,
        pen: &mut Pen,
    ) -> Result<(), JournalError> {
        for _ in 0..ATTEMPTS {
            let length = self.entry_bytes(item, payload, base_ms.unwrap_or_default());
            let mut open = self.run_for(seq, length, base_ms, pen)?;
            match &mut pen.trial {
                Some(end) => end.offset += length,
                None => self.put_copy(item, payload, Run { first: seq, ..open.run })?,
            }
            if self.generation_of(pen) == open.generation {
                open.run.first = seq.saturating_add(count);
                pen.run = Some(open);
                return Ok(());
            }
            // It did not read back, and was written anew in another sector, where its run is not known.
        }
        Err(JournalError::Medium)
    }

    /// The run for a copy of `seq` that takes `length` bytes: the one that is open, or a new one.
    fn run_for(&mut self, seq: u64, length: u32, base_ms: Option<u64>, pen: &mut Pen) -> Result<OpenRun, JournalError> {
        let offset = self.offset_of(pen);
        if let Some(open) = pen.run
            && open.generation == self.generation_of(pen)
            && base_ms.is_none_or(|base_ms| base_ms == open.run.base_ms)
            && (open.run.first..open.run.first.saturating_add(GAP)).contains(&seq)
            && offset + length <= Self::GEOMETRY.sector
        {
            return Ok(open);
        }
        if offset + RUN_COPIES * Self::GEOMETRY.entry(body::RUN) + length > Self::GEOMETRY.sector {
            self.open(pen)?;
        }
        let run = Run { first: seq, base_ms: base_ms.unwrap_or_default() };
        for _ in 0..RUN_COPIES {
            self.write(pen, &Item::Run(run))?;
        }
        Ok(OpenRun { run, generation: self.generation_of(pen) })
    }

    /// Appends an entry, or only counts it.
    fn write(&mut self, pen: &mut Pen, item: &Item) -> Result<(), JournalError> {
        if pen.trial.is_none() {
            return self.put(item, &[]);
        }
        let length = self.entry_bytes(item, &[], 0);
        if self.offset_of(pen) + length > Self::GEOMETRY.sector {
            self.open(pen)?;
        }
        if let Some(end) = &mut pen.trial {
            end.offset += length;
        }
        Ok(())
    }

    /// Opens the next sector, or only counts it.
    fn open(&mut self, pen: &mut Pen) -> Result<(), JournalError> {
        let Some(end) = &mut pen.trial else { return self.open_next() };
        if end.opened == 0 {
            end.before = end.offset.saturating_sub(self.end.offset());
        }
        end.free = end.free.checked_sub(1).ok_or(JournalError::Full)?;
        // What cells there are is said again behind the header.
        (end.offset, end.opened) = (Self::GEOMETRY.entries_start() + end.carried, end.opened + 1);
        Ok(())
    }

    /// Counts what a trial has copied to the sector that it now moves itself: at most that, the runs anew, and what more may stay
    /// unused at a sector's end because all is in another order.
    fn copy_again(&mut self, pen: &mut Pen) -> Result<(), JournalError> {
        let Some(End { offset, opened: 1.., before, .. }) = pen.trial else { return Ok(()) };
        let again = before + RUN_COPIES * Self::GEOMETRY.entry(body::RUN) + Self::longest();
        let rest = (Self::GEOMETRY.sector - offset).saturating_sub(Self::longest());
        if again > rest {
            self.open(pen)?;
        }
        if let Some(end) = &mut pen.trial {
            end.offset += if again > rest { again - rest } else { again };
        }
        Ok(())
    }

    fn offset_of(&self, pen: &Pen) -> u32 {
        pen.trial.map_or(self.end.offset(), |end| end.offset)
    }

    fn generation_of(&self, pen: &Pen) -> u32 {
        self.newest + pen.trial.map_or(0, |end| end.opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Kind, Priority};

    #[test]
    fn only_what_an_application_may_submit_and_is_not_urgent_gives_way() {
        assert!(gives_way(Kind::READING, Priority::Routine) && gives_way(Kind(64), Priority::Bulk));
        assert!(!gives_way(Kind::READING, Priority::Urgent));
        for kind in [Kind::IDENTITY, Kind::FIRMWARE, Kind::CLOCK_STEP, Kind::LOSS, Kind::ROTATION, Kind::PAYMENT] {
            assert!(!gives_way(kind, Priority::Bulk), "{kind:?}");
        }
    }
}
