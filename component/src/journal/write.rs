// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the log grows: entries are programmed and read back, sectors are erased and opened, the oldest are given up. Every word
//! is programmed once between two erases.

use embedded_storage::nor_flash::NorFlash;

use super::{
    JournalError,
    carry::{SPENDING_COPIES, open_sector},
    cell::CellSet,
    entry::{Head, Item, Reclaim, Run},
    flash::{FlashJournal, LogEnd},
    head::Context,
    layout::{Geometry, HEADER_COPIES, Header, HeaderSeen, Snapshot},
    mount::header_of,
    sabotage::{Mistake, makes},
    scan::{CHUNK, Seen, Step, Walk, look, see_header},
};

/// Times an entry is written anew, further on, when it does not read back.
pub(super) const ATTEMPTS: u32 = 3;

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize, const GIVES_WAY: bool>
    FlashJournal<F, CAPACITY, PAYLOAD, GIVES_WAY>
{
    /// Whether `item` may be journaled: what is journaled must leave room to finish everything.
    ///
    /// # Errors
    /// [`JournalError::Full`]; [`JournalError::Medium`] when a new sector was wanted and could not be had.
    pub(super) fn admit(&mut self, item: &Item, payload: &[u8]) -> Result<(), JournalError> {
        if self.has_room_for(item, payload) {
            return Ok(());
        }
        // With nothing left to finish, every sector but the newest may go; so may the newest once there is a newer one.
        let idle = self.state.reclaim_seq == self.state.next_seq && self.state.reclaim_batch == self.state.next_batch;
        if !idle {
            return Err(JournalError::Full);
        }
        self.open_next()?;
        if self.has_room_for(item, payload) { Ok(()) } else { Err(JournalError::Full) }
    }

    fn has_room_for(&self, item: &Item, payload: &[u8]) -> bool {
        self.has_room_at(self.end.offset(), self.free_sectors(), self.base_ms, item, payload)
    }

    /// Whether `item` is admitted when the log ends at `offset` of a sector with times relative to `base_ms`, and `free` sectors
    /// hold nothing needed.
    pub(super) fn has_room_at(&self, offset: u32, free: u32, base_ms: u64, item: &Item, payload: &[u8]) -> bool {
        let (cells, copies) = (self.state.cells.with(item), copies(item));
        let room_of = |cells| Self::spending_room(cells) + Self::last_budget_room(cells);
        let needed = self.room_needed() + room_of(cells) - room_of(self.state.cells);
        let length = copies * self.entry_bytes(item, payload, base_ms);
        if offset + length <= Self::GEOMETRY.sector {
            let rest = u64::from(Self::GEOMETRY.sector - offset);
            return Self::room_with(rest, free, cells) >= needed + u64::from(length);
        }
        let length = copies * self.entry_bytes(item, payload, self.state.time.unix_ms);
        let rest = Self::usable(self.state.cells);
        free > 0 && Self::room_with(rest, free - 1, cells) >= needed + u64::from(length)
    }

    pub(super) fn entry_bytes(&self, item: &Item, payload: &[u8], base_ms: u64) -> u32 {
        item.entry_bytes(&Self::GEOMETRY, base_ms, payload.len())
    }

    /// Bytes that entries other than records can count on.
    pub(super) fn room(&self) -> u64 {
        self.room_at(self.end.offset(), self.free_sectors())
    }

    /// The same once there are `cells`.
    pub(super) fn room_with_cells(&self, cells: CellSet) -> u64 {
        Self::room_with(u64::from(Self::GEOMETRY.sector - self.end.offset()), self.free_sectors(), cells)
    }

    /// The same, when the log ends at `offset` and `free` sectors hold nothing needed.
    pub(super) fn room_at(&self, offset: u32, free: u32) -> u64 {
        Self::room_with(u64::from(Self::GEOMETRY.sector - offset), free, self.state.cells)
    }

    /// The same with `rest` bytes in the newest sector and `free` sectors to open. What a sector's end wastes is at most what is
    /// left of it: so an entry never takes more of this than its own bytes, wherever it lies.
    fn room_with(rest: u64, free: u32, cells: CellSet) -> u64 {
        if free == 0 {
            return rest;
        }
        rest.max(Self::waste()) + u64::from(free) * Self::usable(cells).saturating_sub(Self::waste())
    }

    /// How many records fit beside another batch, when one takes as much of the log as those in it did on the mean, seals and headers
    /// included.
    pub(super) fn records_that_fit(&self) -> u32 {
        let log =
            u64::from(self.newest - self.oldest) * u64::from(Self::GEOMETRY.sector) + u64::from(self.end.offset());
        let records = self.state.next_seq.saturating_sub(self.kept_seq).max(1);
        let room = self.room().saturating_sub(self.room_needed() + Self::batch_room());
        u32::try_from(room / (log / records).max(1)).unwrap_or(u32::MAX)
    }

    /// Sectors that hold nothing, or nothing needed.
    pub(super) fn free_sectors(&self) -> u32 {
        Self::GEOMETRY.sectors.saturating_sub(self.newest - self.needed + 1)
    }

    /// Appends an entry. It is durable when this returns, and everything else is as it was when this fails.
    pub(super) fn put(&mut self, item: &Item, payload: &[u8]) -> Result<(), JournalError> {
        #[allow(clippy::cast_possible_truncation, reason = "the low byte is what is stored")]
        self.put_as(item, payload, self.state.next_seq as u8, Run::default())
    }

    /// Appends what is copied, under its own number.
    pub(super) fn put_copy(&mut self, item: &Item, payload: &[u8], run: Run) -> Result<(), JournalError> {
        #[allow(clippy::cast_possible_truncation, reason = "the low byte is what is stored")]
        self.put_as(item, payload, run.first as u8, run)
    }

    /// Appends an entry with `low` as its number's low byte; of what is copied, the number and the time's base are in `run`.
    fn put_as(&mut self, item: &Item, payload: &[u8], low: u8, run: Run) -> Result<(), JournalError> {
        for _ in 0..ATTEMPTS {
            let context = self.context(run);
            if self.end.offset() + self.entry_bytes(item, payload, context.base_of(item.tag())) > Self::GEOMETRY.sector
            {
                self.open_next_for(item)?;
            }
            self.clear_next()?;
            if self.put_here(item, payload, low, run) {
                self.state.apply(item);
                return Ok(());
            }
        }
        Err(JournalError::Medium)
    }

    /// Programs an entry where the log ends, which has room, and reads it back: whether it is there. Never inlined: its body
    /// must not lie under the opening of a sector.
    #[inline(never)]
    fn put_here(&mut self, item: &Item, payload: &[u8], low: u8, run: Run) -> bool {
        let context = self.context(run);
        let begin = item.body(context.base_of(item.tag()));
        let head = Head::of(item, &begin, payload, low, &context);
        let offset = self.end.offset();
        // What a failed write left is seen by reading it back.
        let address = Self::GEOMETRY.address(self.newest) + offset;
        let _: Result<(), _> = program(&mut self.flash, address, &head, &begin, payload);
        self.note_writes(Self::GEOMETRY.entry(head.body));
        self.end = LogEnd::at(offset + Self::GEOMETRY.entry(head.body));
        holds(&mut self.flash, &Self::GEOMETRY, &context, offset, &head)
    }

    /// Opens the next sector because `item` does not fit this one.
    fn open_next_for(&mut self, item: &Item) -> Result<(), JournalError> {
        if !makes(Mistake::HeaderBeforeEntry) {
            let cells = self.state.cells;
            let opened = self.open_next();
            self.state.cells = cells;
            return opened;
        }
        let before = self.state;
        self.state.apply(item);
        let opened = self.open_next();
        self.state = before;
        opened
    }

    /// What entries in the newest sector depend on.
    const fn context(&self, run: Run) -> Context {
        Context { stream: self.state.stream, generation: self.newest, base_ms: self.base_ms, run }
    }

    /// Erases the next sector of the ring and opens it with a header. It is always erased first: whether a sector that looks
    /// blank is blank cannot be known.
    #[inline(never)]
    pub(super) fn open_next(&mut self) -> Result<(), JournalError> {
        let generation = self.newest.checked_add(1).ok_or(JournalError::Full)?;
        if generation - self.oldest >= Self::GEOMETRY.sectors {
            self.give_up_oldest()?;
        }
        let cells = self.cells()?;
        let snapshot = Snapshot { cells: cells.set(), ..self.state };
        let header = Header { generation, geometry: Self::GEOMETRY, snapshot };
        self.work.erases = self.work.erases.saturating_add(1);
        for _ in 0..HEADER_COPIES {
            self.note_writes(Self::GEOMETRY.header());
        }
        match open_sector(&mut self.flash, &header, &cells) {
            Ok((places, offset)) => {
                (self.cells, self.end) = (places, LogEnd::at(offset));
                self.note_writes(offset - Self::GEOMETRY.entries_start());
            }
            Err(error) => {
                // A header may be there that reads well later: nothing is written behind its back any more.
                self.end = LogEnd::at(Self::GEOMETRY.sector);
                return Err(error);
            }
        }
        (self.newest, self.state.cells) = (generation, cells.set());
        self.base_ms = self.state.time.unix_ms;
        self.give_up_what_may_go()
    }

    /// So many bytes were written one after the other.
    #[allow(clippy::cast_possible_truncation, reason = "a chunk's length, and a sector's in chunks")]
    const fn note_writes(&mut self, bytes: u32) {
        self.work.writes = self.work.writes.saturating_add(bytes.div_ceil(CHUNK as u32) as u16);
    }

    /// Erases the sector that is opened next when it holds what could read as a header later: what is written to the newest one
    /// would be gone then.
    fn clear_next(&mut self) -> Result<(), JournalError> {
        if !self.end.next_is_unclear() {
            return Ok(());
        }
        let start = Self::GEOMETRY.address(self.newest.checked_add(1).ok_or(JournalError::Full)?);
        self.work.erases = self.work.erases.saturating_add(1);
        self.flash.erase(start, start + Self::GEOMETRY.sector).map_err(|_| JournalError::Medium)?;
        self.end = LogEnd::at(self.end.offset());
        Ok(())
    }

    fn give_up_oldest(&mut self) -> Result<(), JournalError> {
        if self.needed <= self.oldest {
            return Err(JournalError::Full);
        }
        let oldest = self.oldest + 1;
        self.keep_from(oldest)?;
        self.oldest = oldest;
        self.cursor = self.cursor.filter(|walk| walk.place.generation >= oldest);
        Ok(())
    }

    /// Takes down what the sectors from `generation` on may hold.
    #[inline(never)]
    fn keep_from(&mut self, generation: u32) -> Result<(), JournalError> {
        let mut header = Header::NONE;
        if self.first_header(generation..self.newest + 1, &mut header)? {
            (self.kept_seq, self.kept_batch) = (header.snapshot.next_seq, header.snapshot.next_batch);
        }
        Ok(())
    }

    /// Lets go of all sectors before `generation`: what they held that is needed lives on as copies.
    pub(super) fn give_up_before(&mut self, generation: u32) -> Result<(), JournalError> {
        (self.oldest, self.needed) = (self.oldest.max(generation), self.needed.max(generation));
        self.cursor = self.cursor.filter(|walk| walk.place.generation >= generation);
        self.keep_from(generation)?;
        self.give_up_what_may_go()
    }

    /// Lets go of the oldest sectors that hold nothing needed. They stay readable until their space is.
    #[inline(never)]
    pub(super) fn give_up_what_may_go(&mut self) -> Result<(), JournalError> {
        let mut next = Header::NONE;
        while self.needed < self.newest {
            if !self.first_header(self.needed + 1..self.newest + 1, &mut next)? {
                break;
            }
            if next.snapshot.next_seq > self.state.reclaim_seq || next.snapshot.next_batch > self.state.reclaim_batch {
                break;
            }
            self.needed = next.generation;
        }
        Ok(())
    }

    /// Up to where the journal may be reclaimed when `finished` batches are final and `released` are released.
    pub(super) fn reclaimable(&mut self, finished: u32, released: u32) -> Result<Reclaim, JournalError> {
        let mut reclaim = Reclaim { batch: self.state.reclaim_batch, seq: self.state.reclaim_seq };
        let mut step = Step::NONE;
        while reclaim.batch < finished {
            match self.seal_of(reclaim.batch, &mut step)? {
                Some((_, with_data)) if !with_data && reclaim.batch >= released => break,
                Some((anchor, _)) => reclaim.seq = anchor.end().map_or(reclaim.seq, |end| end.0),
                // The seal rotted. It is on chain, and its records go with the next batch's.
                None => {}
            }
            reclaim.batch += 1;
        }
        Ok(reclaim)
    }

    /// Reads the first header that can be read of these generations into `header`; false when none can.
    pub(super) fn first_header(
        &mut self,
        generations: core::ops::Range<u32>,
        header: &mut Header,
    ) -> Result<bool, JournalError> {
        for generation in generations {
            if self.header(generation, header)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the header of `generation` into `header`: whether it can be read.
    pub(super) fn header(&mut self, generation: u32, header: &mut Header) -> Result<bool, JournalError> {
        header_of(&mut self.flash, &Self::GEOMETRY, generation, self.state.stream, header)
            .map_err(|_| JournalError::Medium)
    }

    /// A walk over the sector of `header`, to where the log ends in it.
    pub(super) fn walk(&self, header: &Header) -> Walk {
        let mut walk = Walk::new(header, &Self::GEOMETRY);
        if header.generation == self.newest {
            walk.limit = self.end.offset();
        }
        walk
    }
}

/// How often an item is said.
const fn copies(item: &Item) -> u32 {
    if matches!(item, Item::Spending(_)) { SPENDING_COPIES } else { 1 }
}

/// Programs head, body and payload one after the other, in whole words. Never inlined, as [`holds`]: what one needs on the
/// stack is gone when the other begins.
#[inline(never)]
pub(super) fn program<F: NorFlash>(
    flash: &mut F,
    mut address: u32,
    head: &Head,
    begin: &[u8],
    payload: &[u8],
) -> Result<(), F::Error> {
    let mut chunk = Chunk([0xff; CHUNK]);
    let mut filled = 0;
    for &byte in head.encode().iter().chain(begin).chain(payload) {
        if let Some(slot) = chunk.0.get_mut(filled) {
            *slot = byte;
        }
        filled += 1;
        if filled == CHUNK {
            flash.write(address, &chunk.0)?;
            #[allow(clippy::cast_possible_truncation, reason = "a chunk's length")]
            {
                address += CHUNK as u32;
            }
            (chunk, filled) = (Chunk([0xff; CHUNK]), 0);
        }
    }
    match chunk.0.get(..filled.next_multiple_of(F::WRITE_SIZE)) {
        Some(words) if filled > 0 => flash.write(address, words),
        _ => Ok(()),
    }
}

/// Whether the entry with `head` is sound at `offset` of a sector.
#[inline(never)]
pub(super) fn holds<F: NorFlash>(
    flash: &mut F,
    geometry: &Geometry,
    context: &Context,
    offset: u32,
    head: &Head,
) -> bool {
    let length = geometry.entry(head.body);
    let mut item = Item::NONE;
    let seen = look(flash, geometry, context, offset, &mut item);
    seen.is_ok_and(|seen| matches!(seen, Seen::Good(found) if found.length == length && found.low == head.low))
}

/// Words on their way to the flash. Some drivers read them as 32-bit numbers.
#[repr(align(8))]
struct Chunk([u8; CHUNK]);

/// Erases a sector and writes its header.
#[inline(never)]
pub(super) fn write_header<F: NorFlash>(flash: &mut F, header: &Header) -> Result<(), JournalError> {
    let geometry = &header.geometry;
    let start = geometry.address(header.generation);
    let mut begin = [0; 32];
    let trusted =
        makes(Mistake::TrustsBlank) && flash.read(start, &mut begin).is_ok() && begin.iter().all(|&byte| byte == 0xff);
    if !trusted {
        flash.erase(start, start + geometry.sector).map_err(|_| JournalError::Medium)?;
    }
    let bytes = header.encode();
    for copy in 0..HEADER_COPIES {
        let mut address = start + copy * geometry.header();
        for piece in bytes.chunks(CHUNK) {
            let mut chunk = Chunk([0xff; CHUNK]);
            for (to, from) in chunk.0.iter_mut().zip(piece) {
                *to = *from;
            }
            let words = chunk.0.get(..piece.len().next_multiple_of(F::WRITE_SIZE)).unwrap_or_default();
            // What a failed write left is seen by reading it back.
            let _: Result<(), _> = flash.write(address, words);
            #[allow(clippy::cast_possible_truncation, reason = "at most a chunk")]
            {
                address += words.len() as u32;
            }
        }
    }
    let sector = header.generation % geometry.sectors;
    let mut read = Header::NONE;
    match see_header(flash, geometry, sector, &mut read) {
        Ok(HeaderSeen::Valid) if read == *header => Ok(()),
        _ => Err(JournalError::Medium),
    }
}
