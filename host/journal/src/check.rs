// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a mount would do with an image: the component's own mount is asked, and what it finds is counted through.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use cairn::{
    batch::Anchor,
    journal::{
        BatchState, MountError,
        entry::Item,
        image::{Content, Mounted, Walk, read_header},
        layout::{Geometry, Header, HeaderRead, Snapshot},
    },
    record::LossReason,
    signer::Signature,
};

use crate::{Image, find::Place};

/// Records that read as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first of these numbers.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// Why.
    pub reason: LossReason,
}

/// A sealed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What was sealed.
    pub anchor: Anchor,
    /// The relay is given the records too.
    pub with_data: bool,
    /// Its signature; `None` also when that rotted: it is then made again.
    pub signature: Option<Signature>,
    /// How far it has come.
    pub state: BatchState,
}

/// Bytes behind a sector's header that are neither blank nor an entry: what a power cut leaves, or rot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where they begin in the image.
    pub offset: usize,
    /// How many.
    pub length: u32,
}

/// What a mount finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// What it knows from then on.
    pub mounted: Mounted,
    /// Numbers that are kept and read as lost, in order.
    pub lost: Vec<Lost>,
    /// Batches that are kept, in order.
    pub batches: Vec<Batch>,
    /// Batches that should be and of which neither seal nor signature reads.
    pub rotten_batches: Vec<RangeInclusive<u32>>,
    /// What is no entry in the sectors that count.
    pub torn: Vec<Torn>,
    /// Generations of sectors that count whose header does not read.
    pub headerless: Vec<u32>,
}

impl Findings {
    /// Whether everything that was accepted and is still kept is there. What a power cut leaves behind is no damage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let rotten = self.lost.iter().any(|lost| lost.reason == LossReason::DAMAGED);
        !rotten && self.headerless.is_empty() && self.rotten_batches.is_empty()
    }

    /// How often the sector at `index` of the ring was erased at least, since the flash was new.
    #[must_use]
    pub const fn erases(&self, index: u32, geometry: &Geometry) -> u32 {
        let newest = self.mounted.newest;
        if index > newest { 0 } else { (newest - index) / geometry.sectors + 1 }
    }
}

/// Mounts the journal at `place`.
///
/// # Errors
/// What the mount says: a device with this image would go no further. [`MountError::Medium`]: the image ends before the journal.
pub fn check(image: &[u8], place: &Place) -> Result<Findings, MountError> {
    let mut flash = Image(image.get(place.offset..).unwrap_or_default());
    let geometry = &place.geometry;
    let mounted = Mounted::find(&mut flash, geometry)?;
    let mut count = Count {
        place,
        state: &mounted.state,
        records: BTreeSet::new(),
        lost: BTreeMap::new(),
        displaced: BTreeMap::new(),
        seals: BTreeMap::new(),
        torn: Vec::new(),
    };
    let mut headerless = Vec::new();
    for generation in mounted.oldest..=mounted.newest {
        match read_header(&mut flash, geometry, generation % geometry.sectors).map_err(|_| MountError::Medium)? {
            HeaderRead::Valid(header)
                if header.generation == generation && header.snapshot.stream == mounted.state.stream =>
            {
                count.sector(&mut flash, &header)?;
            }
            _ if generation >= mounted.needed => headerless.push(generation),
            _ => {}
        }
    }
    let lost = count.lost_of(&mounted);
    let (batches, rotten_batches) = count.batches_of(&mounted);
    Ok(Findings { mounted, lost, batches, rotten_batches, torn: count.torn, headerless })
}

/// What the entries say, of all sectors that count.
struct Count<'a> {
    place: &'a Place,
    state: &'a Snapshot,
    records: BTreeSet<u64>,
    /// From each of these numbers on, records before another were displaced.
    displaced: BTreeMap<u64, u64>,
    lost: BTreeMap<u64, LossReason>,
    seals: BTreeMap<u32, ((Anchor, bool), Option<Signature>)>,
    torn: Vec<Torn>,
}

impl Count<'_> {
    fn sector(&mut self, flash: &mut Image<'_>, header: &Header) -> Result<(), MountError> {
        let geometry = &self.place.geometry;
        let begin = self.place.offset + geometry.address(header.generation) as usize;
        let mut walk = Walk::new(header, geometry);
        while let Some(piece) = walk.piece(flash, geometry, header.snapshot.stream).map_err(|_| MountError::Medium)? {
            match piece.content {
                Content::Entry(seq, item) => self.entry(seq, &item, header.generation),
                Content::Garbage | Content::Damaged(_) => self.torn(begin + piece.place.offset as usize, piece.length),
                Content::Unknown(_) => return Ok(()),
                Content::Blank | Content::Repeated(_) => {}
            }
        }
        Ok(())
    }

    fn entry(&mut self, seq: u64, item: &Item, generation: u32) {
        match item {
            Item::Record { kind, priority, .. } if self.state.displaces(generation, seq, *kind, *priority) => {
                self.displace(seq, 1);
            }
            Item::Record { .. } | Item::Copy { .. } => {
                self.records.insert(seq);
            }
            Item::Displaced { count } => self.displace(seq, *count),
            Item::Lost { seq, reason } => {
                self.lost.entry(seq.0).or_insert(*reason);
            }
            Item::Seal { anchor, with_data } => {
                self.seals.entry(anchor.batch.0).or_insert(((*anchor, *with_data), None));
            }
            Item::Signature { anchor, with_data, signature } => {
                let sealed = self.seals.entry(anchor.batch.0).or_insert(((*anchor, *with_data), None));
                sealed.1.get_or_insert(*signature);
            }
            // The mount has taken in what these say.
            _ => {}
        }
    }

    fn displace(&mut self, first: u64, count: u32) {
        let end = self.displaced.entry(first).or_default();
        *end = (*end).max(first.saturating_add(count.into()));
    }

    fn torn(&mut self, offset: usize, length: u32) {
        match self.torn.last_mut() {
            Some(last) if last.offset + last.length as usize == offset => last.length += length,
            _ => self.torn.push(Torn { offset, length }),
        }
    }

    /// A header may claim any number: only what is there is counted one by one.
    fn lost_of(&self, mounted: &Mounted) -> Vec<Lost> {
        let kept = mounted.kept();
        let there = self.records.range(kept.clone()).map(|seq| (*seq, (seq + 1, None)));
        let displaced = self.displaced.range(..kept.end).filter(|&(_, end)| *end > kept.start);
        let displaced = displaced
            .map(|(first, end)| ((*first).max(kept.start), ((*end).min(kept.end), Some(LossReason::DISPLACED))));
        let given_up = self.lost.range(kept.clone()).map(|(seq, reason)| (*seq, (seq + 1, Some(*reason))));
        // What was given up is lost, also where the record still reads.
        let known: BTreeMap<u64, (u64, Option<LossReason>)> = there.chain(displaced).chain(given_up).collect();
        let mut all = Vec::<Lost>::new();
        let mut lose = |first: u64, last: u64, reason| match all.last_mut() {
            Some(lost) if lost.last + 1 == first && lost.reason == reason => lost.last = last,
            _ => all.push(Lost { first, last, reason }),
        };
        let mut expected = kept.start;
        for (first, (end, reason)) in known.into_iter().filter(|(_, (end, _))| *end > kept.start) {
            if expected < first {
                lose(expected, first - 1, LossReason::DAMAGED);
            }
            let first = first.max(expected);
            if let Some(reason) = reason.filter(|_| first < end) {
                lose(first, end - 1, reason);
            }
            expected = expected.max(end);
        }
        if expected < kept.end {
            lose(expected, kept.end - 1, LossReason::DAMAGED);
        }
        all
    }

    fn batches_of(&self, mounted: &Mounted) -> (Vec<Batch>, Vec<RangeInclusive<u32>>) {
        let kept = mounted.kept_batches();
        let (mut there, mut rotten) = (Vec::new(), Vec::new());
        let mut expected = kept.start;
        for (&number, &((anchor, with_data), signature)) in self.seals.range(kept.clone()) {
            if expected < number {
                rotten.push(expected..=number - 1);
            }
            // A signature that rotted is made again, over the same anchor.
            let state = if signature.is_some() { mounted.state.state(number) } else { BatchState::Sealed };
            there.push(Batch { anchor, with_data, signature, state });
            expected = number + 1;
        }
        if expected < kept.end {
            rotten.push(expected..=kept.end - 1);
        }
        (there, rotten)
    }
}
