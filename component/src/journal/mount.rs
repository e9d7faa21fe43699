// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a journal begins, and how it finds its place again: one read per sector for the headers, then a walk over the newest.
//! Mounting writes nothing; [`super::format`] begins a stream.

use core::ops::Range;

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use super::{
    BatchState, FlashWork,
    carry::{CellPlaces, CellsSeen},
    flash::{FlashJournal, LogEnd},
    layout::{Geometry, Header, HeaderSeen, Snapshot},
    sabotage::{Mistake, makes},
    scan::{Step, Walk, WalkError, see_header},
};
use crate::record::StreamId;

/// Why a flash holds no journal that can be used. Nothing was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountError {
    /// There is no journal.
    NotFormatted,
    /// The journal is of another version of the format, or has sound headers or entries that this build does not know or that
    /// contradict one another: no rot and no power cut makes such.
    UnknownVersion,
    /// The journal was made for another division of the flash, or the flash is too small for it.
    OtherGeometry,
    /// The flash cannot be read.
    Medium,
}

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize, const GIVES_WAY: bool>
    FlashJournal<F, CAPACITY, PAYLOAD, GIVES_WAY>
{
    /// Takes up the journal that the flash holds.
    ///
    /// # Errors
    /// [`MountError`].
    pub fn mount(mut flash: F) -> Result<Self, MountError> {
        const { Self::CHECKED };
        if flash.capacity() < CAPACITY {
            return Err(MountError::OtherGeometry);
        }
        let Mounted { state, newest, oldest, needed, offset, base_ms, cells, kept_seq, kept_batch, opening_was_cut } =
            Mounted::find(&mut flash, &Self::GEOMETRY)?;
        let (end, cursor) = (LogEnd::found(offset, opening_was_cut), None);
        let work = FlashWork::default();
        Ok(Self { flash, state, newest, oldest, needed, end, base_ms, cells, kept_seq, kept_batch, cursor, work })
    }
}

/// What a mount finds out, for a division of the flash known only when it runs: all there is to a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// What the journal says.
    pub state: Snapshot,
    /// The sector that is written.
    pub newest: u32,
    /// The oldest sector that was not given up.
    pub oldest: u32,
    /// The oldest sector that may not be given up.
    pub needed: u32,
    /// Where the next entry goes in the newest sector; what does not fit goes to the next.
    pub offset: u32,
    /// What record times in the newest sector are relative to.
    pub base_ms: u64,
    /// Where the cells are in the newest sector.
    pub cells: CellPlaces,
    /// The first record that the oldest sector may hold. What is needed of earlier ones are copies.
    pub kept_seq: u64,
    /// The first batch that the oldest sector may hold.
    pub kept_batch: u32,
    /// The next sector is not blank where its headers go, and holds none, or not its cells: power went away while it was opened,
    /// or noise or rot is there. It is erased before anything else is written.
    pub opening_was_cut: bool,
}

impl Mounted {
    /// Numbers of the records that are kept.
    #[must_use]
    pub fn kept(&self) -> Range<u64> {
        self.kept_seq.min(self.state.reclaim_seq)..self.state.next_seq
    }

    /// Numbers of the batches that are kept.
    #[must_use]
    pub fn kept_batches(&self) -> Range<u32> {
        self.kept_batch.min(self.state.reclaim_batch)..self.state.next_batch
    }

    /// Finds the journal in a flash that is divided as `geometry` says, from the flash's beginning. Reads only.
    ///
    /// # Errors
    /// [`MountError`].
    #[inline(never)]
    pub fn find<F: ReadNorFlash>(flash: &mut F, geometry: &Geometry) -> Result<Self, MountError> {
        let mut newest = Header::NONE;
        newest_header(flash, geometry, &mut newest)?;
        let mut read = Sector::NONE;
        read.read(flash, geometry, &newest)?;
        let mut opening_was_cut = false;
        if read.cells.opening_was_cut(newest.snapshot.cells) && !makes(Mistake::TrustsCutOpening) {
            if sector_before(flash, geometry, &mut newest)? {
                opening_was_cut = true;
                read.read(flash, geometry, &newest)?;
            } else if newest.snapshot.began == newest.generation {
                // A format was cut, and nothing was there before it. Else the header of the sector before it rotted.
                return Err(MountError::NotFormatted);
            }
        }
        let Sector { state, walk, cells } = read;
        let mut mounted = Self {
            state,
            newest: newest.generation,
            oldest: newest.generation,
            needed: newest.generation,
            offset: if makes(Mistake::ForgetsTornWords) { walk.sound } else { walk.written },
            base_ms: newest.snapshot.time.unix_ms,
            cells: cells.places,
            kept_seq: newest.snapshot.next_seq,
            kept_batch: newest.snapshot.next_batch,
            opening_was_cut,
        };
        mounted.find_oldest(flash, geometry, &newest.snapshot)?;
        mounted.opening_was_cut |= mounted.next_header_is_torn(flash, geometry)?;
        Ok(mounted)
    }

    /// Finds the oldest sector that still counts, from the newest back. The one that is opened next does not when nothing in it
    /// is needed: its erasure may have begun.
    #[inline(never)]
    fn find_oldest<F: ReadNorFlash>(
        &mut self,
        flash: &mut F,
        geometry: &Geometry,
        newest: &Snapshot,
    ) -> Result<(), MountError> {
        let first = (self.newest + 1).saturating_sub(geometry.sectors);
        let full = self.newest + 1 >= geometry.sectors;
        // Where the sector after the one looked at begins.
        let (mut next_seq, mut next_batch, mut signed) =
            (newest.next_seq, newest.next_batch, newest.count(BatchState::Signed));
        // What was moved does not count, whatever is left of it.
        let mut header = Header::NONE;
        for generation in (first.max(self.state.moved)..self.newest).rev() {
            let readable = header_of(flash, geometry, generation, self.state.stream, &mut header);
            let readable = readable.map_err(|_| MountError::Medium)?;
            let needed = next_seq > self.state.reclaim_seq || next_batch > self.state.reclaim_batch;
            let next_to_open = full && generation == first;
            if !needed && (!readable || next_to_open) {
                break;
            }
            self.oldest = generation;
            if needed {
                self.needed = generation;
            }
            if readable {
                let begin = &header.snapshot;
                let count = begin.count(BatchState::Signed);
                if begin.next_seq > next_seq || begin.next_batch > next_batch || count > signed {
                    // Sectors are looked for by these numbers: with one that goes back, later records would not be found.
                    return Err(MountError::UnknownVersion);
                }
                (next_seq, next_batch, signed) = (begin.next_seq, begin.next_batch, count);
                (self.kept_seq, self.kept_batch) = (next_seq, next_batch);
            } else {
                // Both copies of its header rotted; what it held that is needed reads as damaged.
                self.kept_seq = self.kept_seq.min(self.state.reclaim_seq);
                self.kept_batch = self.kept_batch.min(self.state.reclaim_batch);
            }
        }
        Ok(())
    }

    /// Whether the sector that is opened next has a header that is neither sound nor blank: power went away while it was opened.
    /// It could read as sound next time, so that nothing may be written before it was erased.
    #[inline(never)]
    fn next_header_is_torn<F: ReadNorFlash>(&self, flash: &mut F, geometry: &Geometry) -> Result<bool, MountError> {
        let Some(next) = self.newest.checked_add(1) else { return Ok(false) };
        if next - self.oldest >= geometry.sectors {
            return Ok(false);
        }
        let start = geometry.address(next);
        let mut piece = [0; 32];
        for offset in (0..geometry.entries_start()).step_by(piece.len()) {
            let length = (geometry.entries_start() - offset).min(32) as usize;
            let bytes = piece.get_mut(..length).unwrap_or_default();
            flash.read(start + offset, bytes).map_err(|_| MountError::Medium)?;
            if bytes.iter().any(|&byte| byte != 0xff) {
                let mut header = Header::NONE;
                return Ok(see(flash, geometry, next % geometry.sectors, &mut header)? != HeaderSeen::Valid);
            }
        }
        Ok(false)
    }
}

/// What a sector says.
struct Sector {
    /// Its header's state, moved on by each entry.
    state: Snapshot,
    /// At its end.
    walk: Walk,
    cells: CellsSeen,
}

impl Sector {
    /// Before one was read into it.
    const NONE: Self = Self { state: Header::NONE.snapshot, walk: Walk::NONE, cells: CellsSeen::NONE };

    /// Reads the sector of `header`.
    #[inline(never)]
    fn read<F: ReadNorFlash>(&mut self, flash: &mut F, geometry: &Geometry, header: &Header) -> Result<(), MountError> {
        (self.state, self.walk, self.cells) = (header.snapshot, Walk::new(header, geometry), CellsSeen::NONE);
        let mut step = Step::NONE;
        loop {
            match self.walk.next(flash, geometry, header.snapshot.stream, &mut step) {
                Ok(true) => {
                    self.state.apply(&step.item);
                    self.state.next_seq = self.walk.next_seq;
                    self.cells.note(&step.item, step.place.offset);
                }
                Ok(false) if self.state.can_be(geometry) => return Ok(()),
                Ok(false) => return Err(MountError::UnknownVersion),
                Err(WalkError::Flash(_)) => return Err(MountError::Medium),
                Err(WalkError::Unknown) => return Err(MountError::UnknownVersion),
            }
        }
    }
}

/// Reads the header of the sector that was opened before the one of `header`, of whatever stream, in its place. False, and
/// `header` as it was, when it cannot be read.
#[inline(never)]
fn sector_before<F: ReadNorFlash>(flash: &mut F, geometry: &Geometry, header: &mut Header) -> Result<bool, MountError> {
    let Some(generation) = header.generation.checked_sub(1) else { return Ok(false) };
    let mut before = Header::NONE;
    let seen = see(flash, geometry, generation % geometry.sectors, &mut before)?;
    let is_it = seen == HeaderSeen::Valid && before.generation == generation;
    if is_it {
        *header = before;
    }
    Ok(is_it)
}

/// Reads the header of `generation` of this stream into `header`: whether it can be read.
pub(super) fn header_of<F: ReadNorFlash>(
    flash: &mut F,
    geometry: &Geometry,
    generation: u32,
    stream: StreamId,
    header: &mut Header,
) -> Result<bool, F::Error> {
    let seen = see_header(flash, geometry, generation % geometry.sectors, header)?;
    Ok(seen == HeaderSeen::Valid && header.generation == generation && header.snapshot.stream == stream)
}

/// Reads the header of the sector opened last into `newest`.
#[inline(never)]
pub(super) fn newest_header<F: ReadNorFlash>(
    flash: &mut F,
    geometry: &Geometry,
    newest: &mut Header,
) -> Result<(), MountError> {
    let (mut header, mut found) = (Header::NONE, false);
    for sector in 0..geometry.sectors {
        match see(flash, geometry, sector, &mut header)? {
            HeaderSeen::Invalid => {}
            HeaderSeen::UnknownVersion(_) => return Err(MountError::UnknownVersion),
            HeaderSeen::Valid if header.geometry != *geometry => return Err(MountError::OtherGeometry),
            HeaderSeen::Valid => {
                let belongs = header.generation % geometry.sectors == sector;
                if belongs && (!found || newest.generation < header.generation) {
                    (*newest, found) = (header, true);
                }
            }
        }
    }
    if found { Ok(()) } else { Err(MountError::NotFormatted) }
}

/// Reads the header of the ring's `sector`th sector into `header`.
pub(super) fn see<F: ReadNorFlash>(
    flash: &mut F,
    geometry: &Geometry,
    sector: u32,
    header: &mut Header,
) -> Result<HeaderSeen, MountError> {
    see_header(flash, geometry, sector, header).map_err(|_| MountError::Medium)
}
