// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every byte of a journal, sector by sector in the order they were opened, piece by piece. Judges nothing: [`crate::check`] does.

use core::ops::Range;

use cairn::{
    journal::{
        entry::{Head, Item},
        image::{Content, Walk, read_header, read_payload},
        layout::{Geometry, Header, HeaderRead, Snapshot},
    },
    record::StreamId,
};

use crate::{Image, find::Place};

/// What a sector begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one for each sector of an image")]
pub enum Opening {
    /// A header.
    Sound(Header),
    /// Neither copy of its header reads, but entries do, with what the sector before says its header must have been. A mount
    /// does not read them.
    Inferred(Header),
    /// A header of a format that this build does not know.
    OtherVersion(u8),
    /// No header.
    Missing,
}

/// One sector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sector {
    /// Its place in the ring.
    pub index: u32,
    /// Where it begins in the image.
    pub offset: usize,
    /// What it begins with.
    pub opening: Opening,
    /// What follows, to its end.
    pub pieces: Vec<Piece>,
}

/// A piece of a sector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the image.
    pub offset: usize,
    /// Bytes it takes.
    pub length: u32,
    /// What it is.
    pub what: What,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "most are of the large one")]
pub enum What {
    /// Erased.
    Blank,
    /// No entry: torn, half erased, rotten, or from before the sector was opened.
    Garbage,
    /// An entry's head where one belongs, but head or body is torn or rotten.
    Damaged(Head),
    /// An entry.
    Entry {
        /// The number its record has, or that the next record gets.
        seq: u64,
        /// What it says.
        item: Item,
        /// A record's payload.
        payload: Vec<u8>,
    },
    /// An entry said twice, because the flash reported a failure that was none. It does not count.
    Repeated(Item),
    /// A sound entry that this build does not know.
    Unknown(Head),
    /// Records that numbers say were here; of length 0, before the entry whose number runs ahead.
    Lost(Range<u64>),
}

/// Every sector that the image has whole, as the journal at `place` reads it: oldest first, then those without a header.
#[must_use]
pub fn sectors(image: &[u8], place: &Place) -> Vec<Sector> {
    let bytes = image.get(place.offset..).unwrap_or_default();
    let geometry = &place.geometry;
    let mut flash = Image(bytes);
    let (mut sound, mut others) = (Vec::new(), Vec::new());
    for index in 0..geometry.sectors {
        let Ok(read) = read_header(&mut flash, geometry, index) else { break };
        match read {
            HeaderRead::Valid(header)
                if header.geometry == *geometry && header.generation % geometry.sectors == index =>
            {
                sound.push((index, header));
            }
            HeaderRead::UnknownVersion(version) => others.push((index, Opening::OtherVersion(version))),
            HeaderRead::Valid(_) | HeaderRead::Invalid => others.push((index, Opening::Missing)),
        }
    }
    sound.sort_by_key(|(_, header)| header.generation);
    let mut dump = Dump { flash, place, sectors: Vec::new() };
    for (position, (_, header)) in sound.iter().enumerate() {
        let next = sound.get(position + 1).map(|(_, header)| header);
        let mut end = dump.sector(Opening::Sound(*header), header, next);
        // Sectors after it whose headers rotted.
        let mut generation = header.generation;
        while let Some(follower) = generation.checked_add(1) {
            let index = follower % geometry.sectors;
            let Some(at) = others.iter().position(|other| *other == (index, Opening::Missing)) else { break };
            let inferred = Header { generation: follower, geometry: *geometry, snapshot: end };
            let next = next.filter(|next| next.generation == follower.saturating_add(1));
            let before = dump.sectors.len();
            end = dump.sector(Opening::Inferred(inferred), &inferred, next);
            let reads = dump.sectors.last().is_some_and(|s| s.pieces.iter().any(|piece| piece.what.is_entry()));
            if !reads {
                dump.sectors.truncate(before);
                break;
            }
            others.remove(at);
            generation = follower;
        }
    }
    for (index, opening) in others {
        dump.without_header(index, opening);
    }
    dump.sectors
}

impl What {
    /// Whether it is an entry that counts.
    #[must_use]
    pub const fn is_entry(&self) -> bool {
        matches!(self, Self::Entry { .. })
    }
}

struct Dump<'a> {
    flash: Image<'a>,
    place: &'a Place,
    sectors: Vec<Sector>,
}

impl Dump<'_> {
    /// Adds the sector with `header`, as far as the image goes; says what the journal knew at its end.
    fn sector(&mut self, opening: Opening, header: &Header, next: Option<&Header>) -> Snapshot {
        let geometry = &self.place.geometry;
        let index = header.generation % geometry.sectors;
        let offset = self.place.offset + geometry.address(header.generation) as usize;
        let mut sector = Sector { index, offset, opening, pieces: Vec::new() };
        let mut state = header.snapshot;
        let mut walk = Walk::new(header, geometry);
        while let Ok(Some(piece)) = walk.piece(&mut self.flash, geometry, state.stream) {
            let at = offset + piece.place.offset as usize;
            let what = match piece.content {
                Content::Blank => What::Blank,
                Content::Garbage => What::Garbage,
                Content::Damaged(head) => What::Damaged(head),
                Content::Unknown(head) => What::Unknown(head),
                Content::Repeated(item) => What::Repeated(item),
                Content::Entry(seq, item) => {
                    if !matches!(item, Item::Copy { .. } | Item::Displaced { .. }) {
                        sector.lost(at, state.next_seq..seq);
                    }
                    let mut payload = Vec::new();
                    if let Item::Record { prefix, payload: length, .. } | Item::Copy { prefix, payload: length, .. } =
                        item
                    {
                        payload.resize(length, 0);
                        // It was read a moment ago, from memory.
                        let _: Result<(), _> =
                            read_payload(&mut self.flash, geometry, piece.place, prefix, &mut payload);
                    }
                    state.apply(&item);
                    state.next_seq = walk.next_seq();
                    What::Entry { seq, item, payload }
                }
            };
            sector.push(Piece { offset: at, length: piece.length, what });
        }
        let follows = next.filter(|next| {
            next.generation == header.generation.saturating_add(1) && next.snapshot.stream == state.stream
        });
        if let Some(next) = follows {
            sector.lost(offset + geometry.sector as usize, state.next_seq..next.snapshot.next_seq);
        }
        self.sectors.push(sector);
        state
    }

    /// Adds a sector of which nothing can be said but where it is blank.
    fn without_header(&mut self, index: u32, opening: Opening) {
        let Geometry { granule, sector: length, .. } = self.place.geometry;
        let begin = index as usize * length as usize;
        let Some(bytes) = self.flash.0.get(begin..begin + length as usize) else { return };
        let offset = self.place.offset + begin;
        let mut sector = Sector { index, offset, opening, pieces: Vec::new() };
        for (number, granule_bytes) in bytes.chunks(granule as usize).enumerate() {
            let what = if granule_bytes.iter().all(|&byte| byte == 0xff) { What::Blank } else { What::Garbage };
            sector.push(Piece { offset: offset + number * granule as usize, length: granule, what });
        }
        self.sectors.push(sector);
    }
}

impl Sector {
    /// Adds a piece, to the last one when both are blank or both garbage.
    fn push(&mut self, piece: Piece) {
        match self.pieces.last_mut() {
            Some(last) if last.what == piece.what && matches!(piece.what, What::Blank | What::Garbage) => {
                last.length += piece.length;
            }
            _ => self.pieces.push(piece),
        }
    }

    fn lost(&mut self, offset: usize, numbers: Range<u64>) {
        if !numbers.is_empty() {
            self.pieces.push(Piece { offset, length: 0, what: What::Lost(numbers) });
        }
    }

    /// The stream it belongs to.
    #[must_use]
    pub const fn stream(&self) -> Option<StreamId> {
        match self.opening {
            Opening::Sound(header) | Opening::Inferred(header) => Some(header.snapshot.stream),
            Opening::OtherVersion(_) | Opening::Missing => None,
        }
    }
}
