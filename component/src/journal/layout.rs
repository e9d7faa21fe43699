// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the flash is divided, and every byte of a sector's header, as pure functions. docs/journal.md tells the same in prose.
//! Called by the log and by whoever reads a flash image; touches no flash.

use core::num::NonZeroU64;

use heapless::Vec;

use super::{
    BatchState,
    bytes::{Reader, put},
    cell::CellSet,
    crc::crc32,
    entry::{HEAD_BYTES, Item, Reclaim, body},
};
use crate::{
    batch::{Anchor, Commitment},
    record::{Kind, Priority, StreamId},
    time::{TimeQuality, WallTime},
};

/// The format this build writes, and the only one it reads.
pub const FORMAT_VERSION: u8 = 1;

/// What a sector begins with, in every version: two letters, the version, a zero, and a CRC-32 over these four bytes.
const MAGIC: [u8; 2] = *b"CJ";

/// Bytes that every version of the format begins a sector with.
pub const PROLOGUE_BYTES: usize = 8;

/// Bytes of a sector header before padding.
pub const HEADER_BYTES: usize = 160;

/// Copies of a sector's header: rot in one takes nothing with it.
pub const HEADER_COPIES: u32 = 2;

/// A sector is at least this long: several erase units make one where they are shorter.
pub const SECTOR_MIN: u32 = 1024;

/// A sector is at most this long.
pub const SECTOR_MAX: u32 = 1 << 20;

/// How the flash is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Every entry starts at a multiple of this many bytes.
    pub granule: u32,
    /// Bytes of a sector: erased as one.
    pub sector: u32,
    /// How many sectors.
    pub sectors: u32,
}

impl Geometry {
    /// The geometry of `capacity` bytes of a flash that programs `write` and erases `erase` bytes at a time.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "flash offsets are u32; longer ones are refused at compile time"
    )]
    pub const fn new(write: usize, erase: usize, capacity: usize) -> Self {
        let granule = if write > HEAD_BYTES { write } else { HEAD_BYTES } as u32;
        let sector = if erase as u32 > SECTOR_MIN { erase as u32 } else { SECTOR_MIN };
        Self { granule, sector, sectors: capacity as u32 / sector }
    }

    /// Whether a journal can be divided so. What is compiled is checked when it is compiled; this is for what was read.
    #[must_use]
    pub const fn is_possible(&self) -> bool {
        let granule = matches!(self.granule, 8 | 16 | 32);
        let sector = self.sector.is_power_of_two() && self.sector >= SECTOR_MIN && self.sector <= SECTOR_MAX;
        granule
            && sector
            && self.sectors >= 2
            && self.sectors <= 65535
            && self.sectors as u64 * self.sector as u64 <= i32::MAX as u64
    }

    /// `length` rounded up to whole granules.
    #[must_use]
    pub const fn padded(&self, length: u32) -> u32 {
        length.div_ceil(self.granule) * self.granule
    }

    /// Bytes an entry with `body` bytes of body takes.
    #[must_use]
    pub const fn entry(&self, body: usize) -> u32 {
        #[allow(clippy::cast_possible_truncation, reason = "a body is at most 4095 bytes")]
        self.padded((HEAD_BYTES + body) as u32)
    }

    /// Bytes of one header.
    #[must_use]
    pub const fn header(&self) -> u32 {
        #[allow(clippy::cast_possible_truncation, reason = "a constant")]
        self.padded(HEADER_BYTES as u32)
    }

    /// Where a sector's first entry starts.
    #[must_use]
    pub const fn entries_start(&self) -> u32 {
        self.header() * HEADER_COPIES
    }

    /// Where the sector of `generation` starts in flash.
    #[must_use]
    pub const fn address(&self, generation: u32) -> u32 {
        generation % self.sectors * self.sector
    }
}

/// Everything the journal knows at a moment beside the entries themselves: what a sector's header says of the time before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The stream.
    pub stream: StreamId,
    /// The number the next record gets.
    pub next_seq: u64,
    /// The first number in no batch.
    pub first_unsealed: u64,
    /// The first sender sequence number that was never reserved.
    pub sender_end: u64,
    /// Records before this one may be reclaimed.
    pub reclaim_seq: u64,
    /// Loss entries name only numbers before this one.
    pub loss_end: u64,
    /// Time of the last record.
    pub time: WallTime,
    /// The number the next batch gets.
    pub next_batch: u32,
    /// For the states from signed to final: how many batches have come at least that far.
    pub reached: [u32; 5],
    /// How many batches the application has released.
    pub released: u32,
    /// Batches before this one may be reclaimed.
    pub reclaim_batch: u32,
    /// Commitment of the last batch; before the first, of the last batch of the stream before this one, or zero.
    pub prev: Commitment,
    /// The generation that the stream began in: a later stream began in a later one.
    pub began: u32,
    /// The cells that were ever written. Behind a sector's header each of them is said again.
    pub cells: CellSet,
    /// The stream was begun because the flash had been rolled back.
    pub after_rollback: bool,
    /// Sectors before this generation are needed no more: what must live of them has a copy further on.
    pub moved: u32,
    /// While the sector of generation `moved` is being moved: how many numbers were in a batch when that began, plus one. Its
    /// records behind them that may give way are displaced.
    pub displacing: Option<NonZeroU64>,
}

/// A header's byte of flags.
mod flag {
    pub(super) const SPENDING: u8 = 1;
    pub(super) const BUDGET: u8 = 1 << 1;
    pub(super) const AFTER_ROLLBACK: u8 = 1 << 7;
}

/// Where `state` is counted in [`Snapshot::reached`]; `None` for sealed, which is [`Snapshot::next_batch`].
const fn reached_index(state: BatchState) -> Option<usize> {
    match state {
        BatchState::Sealed => None,
        BatchState::Signed => Some(0),
        BatchState::Sent => Some(1),
        BatchState::Stored => Some(2),
        BatchState::Included => Some(3),
        BatchState::Final => Some(4),
    }
}

/// Whether an unsealed record of this kind and priority gives way to an urgent one: what the application submitted and what is
/// not urgent itself. What Cairn journals of its own accord stays.
pub(super) const fn gives_way(kind: Kind, priority: Priority) -> bool {
    kind.is_submittable() && !matches!(priority, Priority::Urgent)
}

impl Snapshot {
    /// Whether this can be in a flash divided so: no more batches wait to be given up than it has room for.
    pub(super) fn can_be(&self, geometry: &Geometry) -> bool {
        let waiting = u64::from(self.next_batch.saturating_sub(self.reclaim_batch));
        // Every one of them has a seal.
        let room = u64::from(geometry.sectors) * u64::from(geometry.sector);
        self.is_consistent() && waiting * body::SEAL as u64 <= room
    }

    /// Whether numbers follow one another, and no batch is further than the one before it. What the log relies on.
    fn is_consistent(&self) -> bool {
        let batches = self.reached.iter().try_fold(self.next_batch, |most, &count| (count <= most).then_some(count));
        batches.is_some()
            && self.reclaim_seq <= self.first_unsealed
            && self.first_unsealed <= self.next_seq
            && self.reclaim_batch <= self.next_batch
            && self.unsealed_when_moving().is_none_or(|unsealed| unsealed <= self.first_unsealed)
    }

    /// While the sector of generation `moved` is being moved: the first number that was in no batch when that began.
    #[must_use]
    pub fn unsealed_when_moving(&self) -> Option<u64> {
        self.displacing.map(|plus_one| plus_one.get() - 1)
    }

    /// Whether the record `seq`, which is still in the sector of `generation`, was displaced by the move that is under way.
    #[must_use]
    pub fn displaces(&self, generation: u32, seq: u64, kind: Kind, priority: Priority) -> bool {
        let unsealed = self.unsealed_when_moving().filter(|_| generation == self.moved);
        unsealed.is_some_and(|unsealed| seq >= unsealed && gives_way(kind, priority))
    }

    /// How many batches have come at least as far as `state`.
    #[must_use]
    pub fn count(&self, state: BatchState) -> u32 {
        reached_index(state).map_or(self.next_batch, |index| self.reached[index])
    }

    /// How far `batch` has come.
    #[must_use]
    pub fn state(&self, batch: u32) -> BatchState {
        [BatchState::Final, BatchState::Included, BatchState::Stored, BatchState::Sent, BatchState::Signed]
            .into_iter()
            .find(|&state| self.count(state) > batch)
            .unwrap_or(BatchState::Sealed)
    }

    /// Takes in what `item` says. The log does this for what it writes, and for what it reads when it mounts.
    pub fn apply(&mut self, item: &Item) {
        match item {
            // Copies say what was said.
            Item::Run(_) | Item::Copy { .. } | Item::Displaced { .. } => {}
            Item::Moving { generation, unsealed } => {
                (self.moved, self.displacing) = (*generation, NonZeroU64::new(unsealed.saturating_add(1)));
            }
            Item::Moved { before } => (self.moved, self.displacing) = (*before, None),
            Item::Record { time, .. } => {
                self.next_seq = self.next_seq.saturating_add(1);
                self.time = *time;
            }
            Item::Seal { anchor, .. } => self.seal(anchor),
            Item::Signature { anchor, .. } => {
                self.seal(anchor);
                self.reach(BatchState::Signed, anchor.batch.0);
            }
            Item::Level { state, through, reclaim } => {
                self.reach(*state, through.0);
                self.reclaim(*reclaim);
            }
            Item::Release { through, reclaim } => {
                self.released = self.released.max(through.0.saturating_add(1));
                self.reclaim(*reclaim);
            }
            Item::SenderSequence { end } => self.sender_end = self.sender_end.max(*end),
            Item::Lost { seq, .. } => self.loss_end = self.loss_end.max(seq.0.saturating_add(1)),
            Item::Spending(_) => self.cells.spending = true,
            Item::Budget(_) => self.cells.budget = true,
        }
    }

    fn flags(&self) -> u8 {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        bit(self.cells.spending, flag::SPENDING)
            | bit(self.cells.budget, flag::BUDGET)
            | bit(self.after_rollback, flag::AFTER_ROLLBACK)
    }

    /// Takes in a header's flags; `None` when there are others.
    fn take_flags(&mut self, flags: u8) -> Option<()> {
        self.cells = CellSet { spending: flags & flag::SPENDING != 0, budget: flags & flag::BUDGET != 0 };
        self.after_rollback = flags & flag::AFTER_ROLLBACK != 0;
        (self.flags() == flags).then_some(())
    }

    /// A batch is sealed once; what seals it again says so again.
    fn seal(&mut self, anchor: &Anchor) {
        if anchor.batch.0 < self.next_batch {
            return;
        }
        self.first_unsealed = anchor.end().map_or(self.first_unsealed, |end| end.0);
        self.next_batch = anchor.batch.0.saturating_add(1);
        self.prev = anchor.commitment();
    }

    fn reach(&mut self, state: BatchState, batch: u32) {
        let upto = reached_index(state).map_or(0, |index| index + 1);
        for count in self.reached.iter_mut().take(upto) {
            *count = (*count).max(batch.saturating_add(1));
        }
    }

    fn reclaim(&mut self, to: Reclaim) {
        self.reclaim_batch = self.reclaim_batch.max(to.batch);
        self.reclaim_seq = self.reclaim_seq.max(to.seq);
    }
}

/// A sector's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Counts the sectors opened since the flash was new; never repeats.
    pub generation: u32,
    /// How the journal that wrote it divides the flash.
    pub geometry: Geometry,
    /// The journal when the sector was opened.
    pub snapshot: Snapshot,
}

/// What a sector begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack of one call")]
pub enum HeaderRead {
    /// A header.
    Valid(Header),
    /// A header of a format that this build does not know.
    UnknownVersion(u8),
    /// No header: blank, torn, half erased or rotten.
    Invalid,
}

/// [`HeaderRead`] of a header whose place is the caller's: it is long, and a stack has few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderSeen {
    Valid,
    UnknownVersion(u8),
    Invalid,
}

impl Header {
    /// What a place for a header holds before one was read into it.
    pub(super) const NONE: Self = Self {
        generation: 0,
        geometry: Geometry { granule: 0, sector: 0, sectors: 0 },
        snapshot: Snapshot {
            stream: StreamId(0),
            next_seq: 0,
            first_unsealed: 0,
            sender_end: 0,
            reclaim_seq: 0,
            loss_end: 0,
            time: WallTime { unix_ms: 0, quality: TimeQuality::SinceBoot },
            next_batch: 0,
            reached: [0; 5],
            released: 0,
            reclaim_batch: 0,
            prev: Commitment([0; 32]),
            began: 0,
            cells: CellSet::NONE,
            after_rollback: false,
            moved: 0,
            displacing: None,
        },
    };

    /// The header's bytes, without padding.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let Snapshot { reached: [signed, sent, stored, included, finalised], .. } = self.snapshot;
        let s = &self.snapshot;
        let mut out = Vec::<u8, HEADER_BYTES>::new();
        let prologue = [MAGIC[0], MAGIC[1], FORMAT_VERSION, 0];
        put(&mut out, &prologue);
        put(&mut out, &crc32(&prologue).to_le_bytes());
        put(&mut out, &self.generation.to_le_bytes());
        put(&mut out, &[log2(self.geometry.granule), log2(self.geometry.sector)]);
        #[allow(clippy::cast_possible_truncation, reason = "at most 65535 sectors, checked when the journal is made")]
        put(&mut out, &(self.geometry.sectors as u16).to_le_bytes());
        for number in [s.stream.0, s.next_seq, s.first_unsealed, s.sender_end, s.reclaim_seq, s.loss_end] {
            put(&mut out, &number.to_le_bytes());
        }
        put(&mut out, &s.time.unix_ms.to_le_bytes());
        for count in [s.next_batch, signed, sent, stored, included, finalised, s.released, s.reclaim_batch] {
            put(&mut out, &count.to_le_bytes());
        }
        put(&mut out, &s.prev.0);
        put(&mut out, &[s.time.quality as u8, s.flags(), 0, 0]);
        put(&mut out, &s.began.to_le_bytes());
        put(&mut out, &s.moved.to_le_bytes());
        put(&mut out, &s.displacing.map_or(0, NonZeroU64::get).to_le_bytes());
        let crc = crc32(&out);
        put(&mut out, &crc.to_le_bytes());
        out.into_array().unwrap_or([0; HEADER_BYTES])
    }

    /// Reads a header.
    #[must_use]
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> HeaderRead {
        let mut header = Self::NONE;
        match header.read(bytes) {
            HeaderSeen::Valid => HeaderRead::Valid(header),
            HeaderSeen::UnknownVersion(version) => HeaderRead::UnknownVersion(version),
            HeaderSeen::Invalid => HeaderRead::Invalid,
        }
    }

    /// As [`Self::decode`], into this header's place; when there is no valid one, what is in it is of no use.
    #[inline(never)]
    pub(super) fn read(&mut self, bytes: &[u8; HEADER_BYTES]) -> HeaderSeen {
        let mut r = Reader(bytes);
        let prologue: [u8; 4] = r.array();
        let prologue_crc = r.u32();
        if prologue[..2] != MAGIC || prologue_crc != crc32(&prologue) {
            return HeaderSeen::Invalid;
        }
        if prologue[2] != FORMAT_VERSION {
            return HeaderSeen::UnknownVersion(prologue[2]);
        }
        let (covered, crc) = bytes.split_at(HEADER_BYTES - 4);
        if crc != crc32(covered).to_le_bytes() {
            return HeaderSeen::Invalid;
        }
        if self.read_sound(r).is_some() { HeaderSeen::Valid } else { HeaderSeen::Invalid }
    }

    /// Reads what stands behind the prologue under a good checksum. `None` when it says what cannot be.
    fn read_sound(&mut self, mut r: Reader<'_>) -> Option<()> {
        self.generation = r.u32();
        let [granule, sector] = r.array();
        self.geometry = Geometry {
            granule: 1_u32.checked_shl(granule.into())?,
            sector: 1_u32.checked_shl(sector.into())?,
            sectors: u32::from(u16::from_le_bytes(r.array())),
        };
        let s = &mut self.snapshot;
        s.stream = StreamId(r.u64());
        for number in [&mut s.next_seq, &mut s.first_unsealed, &mut s.sender_end, &mut s.reclaim_seq, &mut s.loss_end] {
            *number = r.u64();
        }
        s.time.unix_ms = r.u64();
        s.next_batch = r.u32();
        for count in &mut s.reached {
            *count = r.u32();
        }
        s.released = r.u32();
        s.reclaim_batch = r.u32();
        s.prev = Commitment(r.array());
        s.time.quality = TimeQuality::from_number(r.u8())?;
        let [flags, _, _] = r.array();
        s.began = r.u32();
        s.moved = r.u32();
        s.displacing = NonZeroU64::new(r.u64());
        s.take_flags(flags)?;
        let opened = self.generation.max(s.began).max(s.moved);
        let possible = self.generation != u32::MAX && opened <= self.generation && s.can_be(&self.geometry);
        possible.then_some(())
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a logarithm of a u32 is at most 31")]
const fn log2(power: u32) -> u8 {
    power.ilog2() as u8
}

#[cfg(test)]
mod tests;
