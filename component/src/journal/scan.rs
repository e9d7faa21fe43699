// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Walks the entries of one sector, over torn writes, half-programmed words and rot. Called by the log and by whoever reads a
//! flash image; never writes.
//!
//! Numbers are not stored whole: an entry has the low byte of the number its record gets, or the next record will get. The
//! walk counts on from the sector's header; where the low byte runs ahead, the records in between are damaged.

use embedded_storage::nor_flash::ReadNorFlash;

use super::sabotage::{Mistake, makes};
use super::{
    entry::{BODY_MAX, HEAD_BYTES, Head, Item, Run},
    head::Context,
    layout::{Geometry, HEADER_BYTES, HEADER_COPIES, Header, HeaderRead, HeaderSeen},
};
use crate::record::StreamId;

/// Bytes read from flash at a time: a multiple of every granule.
pub(crate) const CHUNK: usize = 64;

/// An entry whose checksum is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Low byte of the number.
    pub(crate) low: u8,
    /// Bytes it takes, padded.
    pub(crate) length: u32,
}

/// What there is at a place. What an entry says is the caller's to keep: an [`Item`] is long, and a stack has few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// This many erased bytes.
    Blank(u32),
    /// Something that is no entry's head.
    Garbage,
    /// A head, of an entry this long, whose checksum is wrong.
    Damaged(Head, u32),
    /// An entry.
    Good(Found),
    /// A sound entry, this long, that this build does not know.
    Unknown(Head, u32),
}

/// A place in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The sector's generation.
    pub generation: u32,
    /// Bytes from the sector's beginning.
    pub offset: u32,
}

/// Reads the header of the ring's `sector`th sector, from either copy.
///
/// # Errors
/// When the flash cannot be read.
pub fn read_header<F: ReadNorFlash>(flash: &mut F, geometry: &Geometry, sector: u32) -> Result<HeaderRead, F::Error> {
    let mut header = Header::NONE;
    Ok(match see_header(flash, geometry, sector, &mut header)? {
        HeaderSeen::Valid => HeaderRead::Valid(header),
        HeaderSeen::UnknownVersion(version) => HeaderRead::UnknownVersion(version),
        HeaderSeen::Invalid => HeaderRead::Invalid,
    })
}

/// As [`read_header`], into `header`.
#[inline(never)]
pub(super) fn see_header<F: ReadNorFlash>(
    flash: &mut F,
    geometry: &Geometry,
    sector: u32,
    header: &mut Header,
) -> Result<HeaderSeen, F::Error> {
    let mut padded = [0; HEADER_BYTES.next_multiple_of(32)];
    let length = (geometry.header() as usize).min(padded.len());
    for copy in 0..HEADER_COPIES {
        flash
            .read(sector * geometry.sector + copy * geometry.header(), padded.get_mut(..length).unwrap_or_default())?;
        match padded.first_chunk().map(|bytes| header.read(bytes)) {
            Some(HeaderSeen::Invalid) | None => {}
            Some(seen) => return Ok(seen),
        }
    }
    Ok(HeaderSeen::Invalid)
}

/// Looks at what is at `offset` in the sector of the context's generation: one entry at most. What a good one says is in
/// `item` then; else that is as it was.
#[inline(never)]
pub(crate) fn look<F: ReadNorFlash>(
    flash: &mut F,
    geometry: &Geometry,
    context: &Context,
    offset: u32,
    item: &mut Item,
) -> Result<Seen, F::Error> {
    let start = geometry.address(context.generation);
    let mut chunk = [0; CHUNK];
    let first = read_chunk(flash, geometry, start, offset, &mut chunk)?;
    let blank = first.iter().take_while(|&&byte| byte == 0xff).count();
    #[allow(clippy::cast_possible_truncation, reason = "at most a chunk")]
    let blank = blank as u32 / geometry.granule * geometry.granule;
    if blank > 0 {
        return Ok(Seen::Blank(blank));
    }
    let Some((head, mut piece)) = first.split_first_chunk::<HEAD_BYTES>() else { return Ok(Seen::Garbage) };
    let Some(head) = Head::decode(head) else { return Ok(Seen::Garbage) };
    let length = geometry.entry(head.body);
    if offset + length > geometry.sector {
        return Ok(Seen::Garbage);
    }
    let mut crc = head.crc_start(context);
    let mut begin = heapless::Vec::<u8, BODY_MAX>::new();
    let (mut left, mut offset) = (head.body, offset);
    loop {
        let body = piece.get(..left).unwrap_or(piece);
        crc.update(body);
        let wanted = (BODY_MAX - begin.len()).min(body.len());
        // `wanted` fits by the line before.
        let _: Result<(), _> = begin.extend_from_slice(body.get(..wanted).unwrap_or_default());
        left -= body.len();
        if left == 0 || body.is_empty() {
            break;
        }
        #[allow(clippy::cast_possible_truncation, reason = "a chunk's length")]
        {
            offset += CHUNK as u32;
        }
        piece = read_chunk(flash, geometry, start, offset, &mut chunk)?;
    }
    if left > 0 || (crc.value() != head.crc && !makes(Mistake::NoChecksum)) {
        // A length that cannot be is believed of a sound entry only: what tore it would take the room behind it along.
        return Ok(if head.is_plausible() { Seen::Damaged(head, length) } else { Seen::Garbage });
    }
    let known = item.read(head.tag, &begin, head.body, context.base_of(head.tag), context.stream);
    Ok(known.map_or(Seen::Unknown(head, length), |()| Seen::Good(Found { low: head.low, length })))
}

/// Reads from `offset` as much as a chunk holds and the sector has.
fn read_chunk<'c, F: ReadNorFlash>(
    flash: &mut F,
    geometry: &Geometry,
    start: u32,
    offset: u32,
    chunk: &'c mut [u8; CHUNK],
) -> Result<&'c [u8], F::Error> {
    let length = (geometry.sector.saturating_sub(offset) as usize).min(CHUNK);
    let bytes = chunk.get_mut(..length).unwrap_or_default();
    flash.read(start + offset, bytes)?;
    Ok(bytes)
}

/// Copies what an entry has behind the first `skip` bytes of its body into `out`.
///
/// # Errors
/// When the flash cannot be read.
pub fn read_payload<F: ReadNorFlash>(
    flash: &mut F,
    geometry: &Geometry,
    place: Place,
    skip: usize,
    out: &mut [u8],
) -> Result<(), F::Error> {
    let mut chunk = [0; CHUNK];
    let (mut skip, mut done, mut offset) = (HEAD_BYTES + skip, 0, place.offset);
    while done < out.len() {
        let bytes = read_chunk(flash, geometry, geometry.address(place.generation), offset, &mut chunk)?;
        let bytes = bytes.get(skip..).unwrap_or_default();
        let Some(room) = out.get_mut(done..).filter(|_| !bytes.is_empty()) else { break };
        let count = room.len().min(bytes.len());
        if let (Some(to), Some(from)) = (room.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        (skip, done) = (0, done + count);
        #[allow(clippy::cast_possible_truncation, reason = "a chunk's length")]
        {
            offset += CHUNK as u32;
        }
    }
    Ok(())
}

/// A walk over one sector's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    pub(crate) place: Place,
    /// The sector's end, or where the log ends in it.
    pub(crate) limit: u32,
    /// The number the next record gets.
    pub(crate) next_seq: u64,
    pub(crate) base_ms: u64,
    /// What the copies that come are read by.
    pub(crate) run: Run,
    /// The last thing was an entry, so that a head here is where a head belongs.
    trusted: bool,
    /// Behind everything that is not erased.
    pub(crate) written: u32,
    /// Behind the last good entry.
    pub(crate) sound: u32,
}

/// What a walk comes upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins.
    pub place: Place,
    /// Bytes it takes.
    pub length: u32,
    /// What it is.
    pub content: Content,
}

/// What a piece of a sector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack of one call")]
pub enum Content {
    /// Erased.
    Blank,
    /// No entry: torn, half erased, rotten, or from before the sector was opened.
    Garbage,
    /// The head of an entry where one belongs; head or body is torn or rotten.
    Damaged(Head),
    /// An entry, with the number its record has, or the first of those it names, or that the next record gets.
    Entry(u64, Item),
    /// An entry once more: it was written again because the flash reported a failure that was none. It does not count.
    Repeated(Item),
    /// A sound entry that this build does not know. A mount refuses the journal.
    Unknown(Head),
}

/// What [`Content`] says, without the item.
enum Met {
    Blank,
    Garbage,
    Damaged(Head),
    Entry(u64),
    Repeated,
    Unknown(Head),
}

/// One good entry of a walk: its place is taken once, and each entry is read into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Where it is.
    pub(crate) place: Place,
    /// The number its record has, or the first of those it names, or that the next record gets.
    pub(crate) seq: u64,
    /// What it says.
    pub(crate) item: Item,
}

impl Step {
    /// Before the first.
    pub(crate) const NONE: Self = Self { place: Place { generation: 0, offset: 0 }, seq: 0, item: Item::NONE };
}

/// Why a walk cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WalkError<E> {
    /// The flash cannot be read.
    Flash(E),
    /// A sound entry that this build does not know.
    Unknown,
}

impl Walk {
    /// Over nothing.
    pub(super) const NONE: Self = Self {
        place: Place { generation: 0, offset: 0 },
        limit: 0,
        next_seq: 0,
        base_ms: 0,
        run: Run { first: 0, base_ms: 0 },
        trusted: true,
        written: 0,
        sound: 0,
    };

    /// A walk over the sector with `header`.
    #[must_use]
    pub fn new(header: &Header, geometry: &Geometry) -> Self {
        let offset = geometry.entries_start();
        Self {
            place: Place { generation: header.generation, offset },
            limit: geometry.sector,
            next_seq: header.snapshot.next_seq,
            base_ms: header.snapshot.time.unix_ms,
            run: Run::default(),
            trusted: true,
            written: offset,
            sound: offset,
        }
    }

    /// The number that the next record gets.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Reads the next good entry into `step`; false at the end.
    #[inline(never)]
    pub(crate) fn next<F: ReadNorFlash>(
        &mut self,
        flash: &mut F,
        geometry: &Geometry,
        stream: StreamId,
        step: &mut Step,
    ) -> Result<bool, WalkError<F::Error>> {
        loop {
            step.place = self.place;
            match self.meet(flash, geometry, stream, &mut step.item).map_err(WalkError::Flash)? {
                None => return Ok(false),
                Some((_, Met::Entry(seq))) => {
                    step.seq = seq;
                    return Ok(true);
                }
                Some((_, Met::Unknown(_))) => return Err(WalkError::Unknown),
                Some((_, Met::Blank | Met::Garbage | Met::Damaged(_) | Met::Repeated)) => {}
            }
        }
    }

    /// Whatever comes next, a granule of it at least; `None` at the end. Pieces follow one another without a gap.
    ///
    /// # Errors
    /// When the flash cannot be read.
    pub fn piece<F: ReadNorFlash>(
        &mut self,
        flash: &mut F,
        geometry: &Geometry,
        stream: StreamId,
    ) -> Result<Option<Piece>, F::Error> {
        let (place, mut item) = (self.place, Item::NONE);
        let Some((length, met)) = self.meet(flash, geometry, stream, &mut item)? else { return Ok(None) };
        let content = match met {
            Met::Blank => Content::Blank,
            Met::Garbage => Content::Garbage,
            Met::Damaged(head) => Content::Damaged(head),
            Met::Entry(seq) => Content::Entry(seq, item),
            Met::Repeated => Content::Repeated(item),
            Met::Unknown(head) => Content::Unknown(head),
        };
        Ok(Some(Piece { place, length, content }))
    }

    /// As [`Self::piece`], with what an entry says in `item`.
    fn meet<F: ReadNorFlash>(
        &mut self,
        flash: &mut F,
        geometry: &Geometry,
        stream: StreamId,
        item: &mut Item,
    ) -> Result<Option<(u32, Met)>, F::Error> {
        let place = self.place;
        if place.offset >= self.limit {
            return Ok(None);
        }
        let Self { base_ms, run, .. } = *self;
        let context = Context { stream, generation: place.generation, base_ms, run };
        let (length, met) = match look(flash, geometry, &context, place.offset, item)? {
            Seen::Blank(length) => (length, Met::Blank),
            Seen::Damaged(head, length) if self.trusted => (length, Met::Damaged(head)),
            Seen::Damaged(..) | Seen::Garbage => (geometry.granule, Met::Garbage),
            Seen::Unknown(head, length) => (length, Met::Unknown(head)),
            Seen::Good(Found { low, length }) => (length, self.count(item, low).map_or(Met::Repeated, Met::Entry)),
        };
        self.place.offset += length;
        match met {
            Met::Blank => self.trusted = false,
            Met::Garbage => (self.trusted, self.written) = (false, self.place.offset),
            Met::Damaged(_) => self.written = self.place.offset,
            Met::Entry(_) | Met::Repeated | Met::Unknown(_) => {
                self.trusted = true;
                (self.written, self.sound) = (self.place.offset, self.place.offset);
            }
        }
        Ok(Some((length, met)))
    }

    /// Gives the entry its number. `None` for one that runs behind: it was written twice because the flash reported a failure
    /// that was none.
    fn count(&mut self, item: &Item, low: u8) -> Option<u64> {
        if let Item::Run(run) = item {
            self.run = *run;
        }
        let next = match item {
            Item::Copy { .. } | Item::Displaced { .. } => &mut self.run.first,
            _ => &mut self.next_seq,
        };
        #[allow(clippy::cast_possible_truncation, reason = "the low byte is what is stored")]
        let ahead = low.wrapping_sub(*next as u8);
        if ahead >= 0x80 {
            return None;
        }
        let seq = next.saturating_add(u64::from(ahead));
        *next = seq.saturating_add(match item {
            Item::Record { .. } | Item::Copy { .. } => 1,
            Item::Displaced { count } => u64::from(*count),
            _ => 0,
        });
        Some(seq)
    }
}
