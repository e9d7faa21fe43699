// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Properties of the journal over any flash image whatever. Mounting ends, does not panic, and writes nothing. What reads as a
//! record or a batch has an entry with right checksums behind it. What is accepted afterwards reads back, also after another
//! mount, and no word is programmed that is not blank. `cairn journal` finds in the image what the journal does.

mod flash;
mod life;
mod oracle;

use core::ops::Range;

use cairn::{
    batch::{BatchNumber, Commitment},
    journal::{
        BatchState, BudgetState, FlashJournal, Journal, JournalError, MountError, Spending, image::Mounted,
        layout::HEADER_BYTES,
    },
    record::{Entry, SequenceNumber, StreamId},
};
use cairn_journal::{check, dump, find};

use flash::Flash;
use life::{Done, append, call};

const PAYLOAD: usize = 64;
const STREAM: StreamId = StreamId(0x0123_4567_89ab_cdef);
/// Numbers looked at from either end of a range: a header may claim any range.
const LOOKED_AT: u64 = 48;

type Log<'a, const W: usize, const E: usize, const CAPACITY: usize> =
    FlashJournal<&'a mut Flash<W, E>, CAPACITY, PAYLOAD>;

/// First byte: which flash, and whether the image is the input itself or is made and then changed. Of a made one: a length and as
/// many calls of a life; a length and as many changes of five bytes. The rest are calls after the mount; of an input that is
/// the image, the last eight bytes are.
pub fn journal(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    match first & 7 {
        0 => over::<1, 256, 6144>(first, rest),
        1 => over::<4, 1024, 8192>(first, rest),
        2 => over::<8, 2048, 6144>(first, rest),
        3 => over::<8, 1024, 7168>(first, rest),
        4 => over::<16, 1024, 8192>(first, rest),
        5 => over::<32, 1024, 10240>(first, rest),
        6 => over::<2, 4096, 8192>(first, rest),
        _ => over::<32, 4096, 8192>(first, rest),
    }
}

fn over<const W: usize, const E: usize, const CAPACITY: usize>(first: u8, input: &[u8]) {
    let (image, calls, is_honest, has_rot) = if first & 8 == 0 {
        let (image, calls) = input.split_at(input.len().saturating_sub(8));
        let mut cells = image.to_vec();
        cells.resize(CAPACITY, if first & 16 == 0 { 0xff } else { 0 });
        (cells, calls, false, true)
    } else {
        made::<W, E, CAPACITY>(input)
    };
    let place = find::Place { offset: 0, geometry: Log::<W, E, CAPACITY>::GEOMETRY };
    looked_at(&image, &place);
    let mut world = World::<W, E, CAPACITY> { flash: Flash::new(image), place, is_honest, has_rot };
    if !world.mounted() {
        return;
    }
    for &byte in calls.iter().take(64) {
        world.call(byte);
    }
}

/// What `cairn journal` makes of an image, whatever it is: every byte is in one piece, and nothing panics.
fn looked_at(image: &[u8], place: &find::Place) {
    for journal in find::survey(image).journals {
        if journal.place != *place && journal.place.is_within(image.len()) {
            let _ = check::check(image, &journal.place);
            let _ = dump::sectors(image, &journal.place);
        }
    }
    let sectors = dump::sectors(image, place);
    assert_eq!(sectors.len(), place.geometry.sectors as usize);
    for sector in sectors {
        let mut end = sector.offset;
        for (number, piece) in sector.pieces.iter().enumerate() {
            assert!(piece.offset == end || number == 0, "no gap between pieces");
            end = piece.offset + piece.length as usize;
        }
        assert_eq!(end, sector.offset + place.geometry.sector as usize);
    }
}

struct World<const W: usize, const E: usize, const CAPACITY: usize> {
    flash: Flash<W, E>,
    place: find::Place,
    /// No checksum was made right by hand: what the entries say was all said by a journal.
    is_honest: bool,
    /// Something was changed behind the journal's back.
    has_rot: bool,
}

impl<const W: usize, const E: usize, const CAPACITY: usize> World<W, E, CAPACITY> {
    /// Operations in which any call ends: some walks over the whole ring, in each of which every granule may look like an entry's
    /// head, for each batch that the ring may hold.
    fn bound(&self) -> u64 {
        let geometry = &self.place.geometry;
        let granules = (CAPACITY as u64).div_ceil(geometry.granule.into());
        let walk = granules * (4096 / 64 + 2);
        let batches = CAPACITY as u64 / 88 + 1;
        walk * (4 + 2 * batches)
    }

    /// Mounts, and holds what it finds against the image. Whether there is a journal.
    fn mounted(&mut self) -> bool {
        let bound = self.bound();
        let (before, changes) = (self.flash.cells.clone(), self.flash.changes);
        let found = check::check(&before, &self.place);
        self.flash.allow(bound);
        let mut journal = match Log::<W, E, CAPACITY>::mount(&mut self.flash) {
            Ok(journal) => journal,
            Err(error) => {
                assert!(error != MountError::Medium, "this flash can be read");
                assert_eq!(found.map(drop), Err(error));
                assert_eq!(self.flash.changes, changes, "a mount that failed changed nothing");
                return false;
            }
        };
        let found = found.expect("a journal that mounts is one for the check too");
        agree(&journal, &found.mounted);
        let geometry = &self.place.geometry;
        let backed = oracle::entries(
            &before,
            geometry.sector as usize,
            geometry.granule as usize,
            journal.stream().0,
            journal.generation(),
        );
        let mut buf = [0; PAYLOAD];
        for seq in some(journal.kept().start.0, journal.kept().end.0) {
            let seq = SequenceNumber(seq);
            let told = found.lost.iter().find(|lost| (lost.first..=lost.last).contains(&seq.0)).map(|lost| lost.reason);
            let read = match journal.read(seq, &mut buf) {
                Ok(Entry::Record(record)) => {
                    assert_eq!(record.seq, seq);
                    assert!(backed.backs(record.payload), "{seq:?} has no entry behind it");
                    None
                }
                Ok(Entry::Lost { reason, .. }) => Some(reason),
                Err(error) => {
                    assert!(!self.is_honest || error == JournalError::TooLong, "{seq:?} reads {error:?}");
                    continue;
                }
            };
            assert!(!self.is_honest || read == told, "{seq:?} reads {read:?}, the check says {told:?}");
            let _ = journal.priority(seq);
        }
        for batch in some(journal.batches().start.0.into(), journal.batches().end.0.into()) {
            let number = u32::try_from(batch).expect("a batch's number");
            let told = found.batches.iter().find(|batch| batch.anchor.batch.0 == number);
            let read = journal.batch(BatchNumber(number)).ok();
            if let Some(sealed) = &read {
                let key = (number, sealed.anchor.root.0);
                assert!(backed.seals.contains(&key), "batch {batch} has no entry behind it");
            }
            let read = read.map(|sealed| (sealed.anchor, sealed.with_data, sealed.signature, sealed.state));
            let told = told.map(|batch| (batch.anchor, batch.with_data, batch.signature, batch.state));
            assert!(!self.is_honest || read == told, "batch {batch} reads {read:?}, the check says {told:?}");
        }
        drop(journal);
        assert_eq!(self.flash.changes, changes, "a mount and reading change nothing");
        true
    }

    /// One call, and then another mount: what was accepted is there, and everything else is as the journal said.
    fn call(&mut self, byte: u8) {
        let bound = self.bound();
        self.flash.allow(bound);
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut self.flash).expect("it mounted before");
        let done = call(&mut journal, byte);
        if let Done::Appended(seq, payload) = &done {
            reads_back(&mut journal, *seq, payload);
        }
        if let Done::Refused(error) = done {
            // A seal that rotted can be said again only with its signature.
            assert!(error != JournalError::Medium || self.has_rot, "this flash does what it is told");
        }
        let before = summary(&mut journal);
        drop(journal);
        self.flash.allow(bound);
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut self.flash).expect("a journal that was used mounts");
        assert_eq!(summary(&mut journal), before, "a second mount says the same");
        match done {
            Done::Appended(seq, payload) => reads_back(&mut journal, seq, &payload),
            Done::Sealed(anchor) => {
                assert_eq!(journal.batch(anchor.batch).map(|sealed| sealed.anchor), Ok(anchor));
            }
            Done::Other | Done::Refused(_) => {}
        }
        drop(journal);
        let found = check::check(&self.flash.cells, &self.place).expect("and is one for the check");
        let journal = Log::<W, E, CAPACITY>::mount(&mut self.flash).expect("it still mounts");
        agree(&journal, &found.mounted);
    }
}

fn reads_back(journal: &mut impl Journal, seq: SequenceNumber, payload: &[u8]) {
    let mut buf = [0; PAYLOAD];
    match journal.read(seq, &mut buf) {
        Ok(Entry::Record(record)) => assert_eq!((record.seq, record.payload), (seq, payload)),
        other => panic!("{seq:?} was accepted and reads {other:?}"),
    }
}

/// What a journal says of itself that does not depend on what it has let go.
#[derive(Debug, PartialEq)]
struct Summary {
    stream: StreamId,
    next: SequenceNumber,
    unsealed: Range<SequenceNumber>,
    next_batch: BatchNumber,
    last_commitment: Commitment,
    through: [Option<BatchNumber>; 5],
    spending: Result<Spending, JournalError>,
    budget: Result<Option<BudgetState>, JournalError>,
}

fn summary(journal: &mut impl Journal) -> Summary {
    let states = [BatchState::Signed, BatchState::Sent, BatchState::Stored, BatchState::Included, BatchState::Final];
    Summary {
        stream: journal.stream(),
        next: journal.kept().end,
        unsealed: journal.unsealed(),
        next_batch: journal.batches().end,
        last_commitment: journal.last_commitment(),
        through: states.map(|state| journal.through(state)),
        spending: journal.spending(),
        budget: journal.budget(),
    }
}

fn agree<const W: usize, const E: usize, const CAPACITY: usize>(journal: &Log<'_, W, E, CAPACITY>, found: &Mounted) {
    let (records, batches) = (found.kept(), found.kept_batches());
    assert_eq!(journal.kept(), SequenceNumber(records.start)..SequenceNumber(records.end));
    assert_eq!(journal.batches(), BatchNumber(batches.start)..BatchNumber(batches.end));
    assert_eq!((journal.generation(), journal.used()), (found.newest, found.offset));
    assert_eq!(journal.stream(), found.state.stream);
}

/// Numbers at both ends of a range.
fn some(start: u64, end: u64) -> impl Iterator<Item = u64> {
    let low = start..end.min(start.saturating_add(LOOKED_AT));
    let high = low.end.max(end.saturating_sub(LOOKED_AT))..end;
    low.chain(high)
}

/// An image that a journal made and that was then changed; the calls that are left; whether no checksum was made right by hand;
/// whether anything was changed.
fn made<const W: usize, const E: usize, const CAPACITY: usize>(input: &[u8]) -> (Vec<u8>, &[u8], bool, bool) {
    let mut flash = Flash::<W, E>::new(vec![0xff; CAPACITY]);
    flash.allow(u64::MAX);
    Log::<W, E, CAPACITY>::format(&mut &mut flash, STREAM).expect("a blank flash is formatted");
    let (life, rest) = counted(input, 1);
    let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).expect("a formatted flash mounts");
    let _ = append(&mut journal, b"first", 1);
    for &byte in life {
        // As many of the same as fit a sector: a life goes round the ring.
        for _ in 0..=(byte >> 3) % 3 {
            let _ = call(&mut journal, byte);
        }
    }
    drop(journal);
    let (changes, calls) = counted(rest, 5);
    let mut is_honest = true;
    let geometry = Log::<W, E, CAPACITY>::GEOMETRY;
    for change in changes.chunks_exact(5) {
        let &[kind, low, high, value, length] = change else { continue };
        let at = usize::from(u16::from_le_bytes([low, high])) % CAPACITY;
        let cells = &mut flash.cells;
        let sector = geometry.sector as usize;
        match kind % 6 {
            0 => cells[at] ^= value,
            1 => cells[at..(at + usize::from(length)).min(CAPACITY)].fill(value),
            2 => cells[at / sector * sector..][..sector].fill(0xff),
            3 => {
                // A header's field, and its checksum.
                is_honest = false;
                let copy = at / sector * sector + usize::from(length & 1) * geometry.header() as usize;
                let header = &mut cells[copy..copy + HEADER_BYTES];
                header[8 + at % (HEADER_BYTES - 12)] ^= value;
                let crc = oracle::crc32(&header[..HEADER_BYTES - 4]);
                header[HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
            }
            4 => {
                // A byte of whatever is at a granule, as an entry, and its checksums.
                is_honest = false;
                let granule = geometry.granule as usize;
                fix_entry(cells, at / granule * granule, usize::from(length), value, sector);
            }
            _ => {
                is_honest = false;
                let to = usize::from(value) * sector % CAPACITY;
                let copied = cells[at / sector * sector..][..sector].to_vec();
                cells[to / sector * sector..][..sector].copy_from_slice(&copied);
            }
        }
    }
    (flash.cells, calls, is_honest, changes.len() >= 5)
}

/// A length byte and as many things of `size` bytes.
fn counted(input: &[u8], size: usize) -> (&[u8], &[u8]) {
    let Some((&count, rest)) = input.split_first() else { return (&[], &[]) };
    rest.split_at((usize::from(count) * size).min(rest.len()))
}

/// Changes the `which`th byte of what is at `at`, without its checksums, and makes it an entry of the sector it is in.
fn fix_entry(cells: &mut [u8], at: usize, which: usize, value: u8, sector: usize) {
    let start = at / sector * sector;
    let Some(generation) = cells.get(start + 8..start + 12) else { return };
    let generation = u32::from_le_bytes(generation.try_into().expect("four"));
    let room = (start + sector).saturating_sub(at + 8);
    let length = usize::from(u16::from_le_bytes([cells[at], cells[at + 1]]) >> 4).min(room);
    let places: Vec<usize> = [0, 1, 2].into_iter().chain(8..8 + length).collect();
    cells[at + places[which % places.len()]] ^= value;
    let length = usize::from(u16::from_le_bytes([cells[at], cells[at + 1]]) >> 4);
    if length > room {
        return;
    }
    cells[at + 3] = oracle::crc8(&cells[at..at + 3]);
    let crc = oracle::entry_crc(STREAM.0, generation, &cells[at..at + 4], &cells[at + 8..at + 8 + length]);
    cells[at + 4..at + 8].copy_from_slice(&crc);
}

/// Whether an input gets as far as a journal that mounts: seeds must.
#[must_use]
pub fn journal_mounts(data: &[u8]) -> bool {
    let Some((&first, rest)) = data.split_first() else { return false };
    let (image, ..) = made::<4, 1024, 8192>(rest);
    first & 15 == 9 && Log::<4, 1024, 8192>::mount(&mut Flash::new(image).allowed(1 << 20)).is_ok()
}
