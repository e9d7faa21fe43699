// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the log finds entries: the sector by its header, halving; the entry by walking the sector. Reading on in order goes on
//! where the last reading was. What lives on as a copy only is found by walking the log, from where the last reading was.

use embedded_storage::nor_flash::NorFlash;

use super::{
    BatchState, Journal, JournalError, SealedBatch,
    entry::Item,
    flash::FlashJournal,
    layout::{Header, Snapshot},
    scan::{Place, Step, Walk, WalkError, read_payload},
};
use crate::{
    batch::Anchor,
    record::{Kind, LossReason, Priority, SequenceNumber},
    signer::Signature,
    time::WallTime,
};

/// How far ahead walking on beats looking for the sector.
const NEAR: u64 = 32;

/// A record's entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordEntry {
    pub(super) place: Place,
    pub(super) prefix: usize,
    pub(super) payload: usize,
    pub(super) kind: Kind,
    pub(super) priority: Priority,
    pub(super) time: WallTime,
}

/// What became of a record.
#[derive(Clone, Copy, Debug)]
pub(super) enum FoundRecord {
    There(RecordEntry),
    Lost(LossReason),
}

/// What a sector is looked for by: all that was written before it began is before this.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sought {
    /// A record's number.
    Record(u64),
    /// A batch whose seal it is.
    Seal(u32),
    /// A batch whose signature it is.
    Signature(u32),
}

impl Sought {
    /// Whether what is sought comes after the beginning of a sector that begins so.
    fn is_after(self, begin: &Snapshot) -> bool {
        match self {
            Self::Record(seq) => begin.next_seq <= seq,
            Self::Seal(batch) => begin.next_batch <= batch,
            Self::Signature(batch) => begin.count(BatchState::Signed) <= batch,
        }
    }
}

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize, const GIVES_WAY: bool>
    FlashJournal<F, CAPACITY, PAYLOAD, GIVES_WAY>
{
    /// Finds the record `seq`.
    pub(super) fn record(&mut self, seq: SequenceNumber) -> Result<FoundRecord, JournalError> {
        if !self.kept().contains(&seq) {
            return Err(JournalError::NotFound);
        }
        if seq.0 < self.state.loss_end
            && let Some(reason) = self.loss_of(seq)?
        {
            return Ok(FoundRecord::Lost(reason));
        }
        if seq.0 >= self.kept_seq
            && let Some(found) = self.original(seq)?
        {
            let displaced = self.state.displaces(found.place.generation, seq.0, found.kind, found.priority);
            return Ok(if displaced { FoundRecord::Lost(LossReason::DISPLACED) } else { FoundRecord::There(found) });
        }
        let copy = if self.state.moved > 0 { self.copy(seq)? } else { None };
        Ok(copy.unwrap_or(FoundRecord::Lost(LossReason::DAMAGED)))
    }

    /// Finds `seq` where it was first written. Never inlined, as most here: walks are long, and few may lie under one another.
    #[inline(never)]
    fn original(&mut self, seq: SequenceNumber) -> Result<Option<RecordEntry>, JournalError> {
        if let Some(found) = self.near(seq)? {
            return Ok(Some(found));
        }
        match self.sector_of(Sought::Record(seq.0))? {
            Some(walk) => self.record_within(walk, seq),
            None => Ok(None),
        }
    }

    /// Finds what became of `seq` among the copies: on from the cursor, then from the oldest sector up to it.
    #[inline(never)]
    fn copy(&mut self, seq: SequenceNumber) -> Result<Option<FoundRecord>, JournalError> {
        let mut begin = self.oldest;
        if let Some(mut walk) = self.cursor {
            if walk.place.generation == self.newest {
                walk.limit = self.end.offset();
            }
            if let Some(found) = self.copy_within(walk, seq)? {
                return Ok(Some(found));
            }
            begin = walk.place.generation.saturating_add(1);
        }
        for generation in (begin..=self.newest).chain(self.oldest..begin) {
            let Some(walk) = self.walk_over(generation)? else { continue };
            if let Some(found) = self.copy_within(walk, seq)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Finds what became of `seq` among the copies further on in one sector; leaves the cursor before it.
    fn copy_within(&mut self, mut walk: Walk, seq: SequenceNumber) -> Result<Option<FoundRecord>, JournalError> {
        let mut step = Step::NONE;
        loop {
            let before = walk;
            if !self.step(&mut walk, &mut step)? {
                return Ok(None);
            }
            let found = match step.item {
                Item::Copy { kind, priority, time, prefix, payload } if step.seq == seq.0 => {
                    FoundRecord::There(RecordEntry { place: step.place, prefix, payload, kind, priority, time })
                }
                Item::Displaced { count } if (step.seq..step.seq.saturating_add(count.into())).contains(&seq.0) => {
                    FoundRecord::Lost(LossReason::DISPLACED)
                }
                _ => continue,
            };
            self.cursor = Some(before);
            return Ok(Some(found));
        }
    }

    /// Finds `seq` by walking on from the cursor.
    fn near(&mut self, seq: SequenceNumber) -> Result<Option<RecordEntry>, JournalError> {
        match self.cursor {
            Some(mut walk) if walk.next_seq <= seq.0 && seq.0 - walk.next_seq < NEAR => {
                if walk.place.generation == self.newest {
                    walk.limit = self.end.offset();
                }
                self.record_within(walk, seq)
            }
            _ => Ok(None),
        }
    }

    /// Finds `seq` by walking on in one sector; leaves the cursor before it.
    #[inline(never)]
    fn record_within(&mut self, mut walk: Walk, seq: SequenceNumber) -> Result<Option<RecordEntry>, JournalError> {
        let mut step = Step::NONE;
        loop {
            let before = walk;
            if !self.step(&mut walk, &mut step)? {
                return Ok(None);
            }
            if let Item::Record { kind, priority, time, prefix, payload } = step.item {
                if step.seq == seq.0 {
                    self.cursor = Some(before);
                    return Ok(Some(RecordEntry { place: step.place, prefix, payload, kind, priority, time }));
                }
                if step.seq > seq.0 {
                    return Ok(None);
                }
            }
        }
    }

    /// Why `seq` was given up, if it was. Walks from its sector to the end: losses are rare.
    #[inline(never)]
    fn loss_of(&mut self, seq: SequenceNumber) -> Result<Option<LossReason>, JournalError> {
        let from = match self.state.moved {
            0 => self.sector_of(Sought::Record(seq.0))?.map_or(self.oldest, |walk| walk.place.generation),
            // It was perhaps copied, before or behind its record's copy.
            _ => self.oldest,
        };
        let mut step = Step::NONE;
        let given_up = |item: &Item| matches!(item, Item::Lost { seq: lost, .. } if *lost == seq);
        let found = self.first_from(from, &mut step, &given_up)?;
        Ok(match step.item {
            Item::Lost { reason, .. } if found => Some(reason),
            _ => None,
        })
    }

    /// Copies a record's payload.
    pub(super) fn read_payload(&mut self, entry: &RecordEntry, out: &mut [u8]) -> Result<(), JournalError> {
        read_payload(&mut self.flash, &Self::GEOMETRY, entry.place, entry.prefix, out).map_err(|_| JournalError::Medium)
    }

    /// What was sealed as `batch`, or `None` when its seal rotted, and what says it again with its signature. It is read into
    /// `step`.
    pub(super) fn seal_of<'s>(
        &mut self,
        batch: u32,
        step: &'s mut Step,
    ) -> Result<Option<(&'s Anchor, bool)>, JournalError> {
        let found = self.find_seal(batch, step)?;
        Ok(step.item.sealed().filter(|_| found))
    }

    fn find_seal(&mut self, batch: u32, step: &mut Step) -> Result<bool, JournalError> {
        let is_it = |item: &Item| item.sealed().is_some_and(|(anchor, _)| anchor.batch.0 == batch);
        if let Some(mut walk) = self.sector_of(Sought::Seal(batch))? {
            while self.step(&mut walk, step)? {
                if is_it(&step.item) {
                    return Ok(true);
                }
            }
        }
        if self.signature_of(batch, step)?.is_some() {
            return Ok(true);
        }
        if self.state.moved == 0 {
            return Ok(false);
        }
        self.first_from(self.oldest, step, &|item| matches!(item, Item::Seal { .. }) && is_it(item))
    }

    /// The signature of `batch`, or `None` when there is none or it rotted. It is read into `step`.
    pub(super) fn signature_of<'s>(
        &mut self,
        batch: u32,
        step: &'s mut Step,
    ) -> Result<Option<&'s Signature>, JournalError> {
        if self.state.count(BatchState::Signed) <= batch {
            return Ok(None);
        }
        let sector = self.sector_of(Sought::Signature(batch))?.map_or(self.oldest, |walk| walk.place.generation);
        // One that rotted was made again later.
        let is_it = |item: &Item| matches!(item, Item::Signature { anchor, .. } if anchor.batch.0 == batch);
        let found = self.first_from(sector, step, &is_it)?;
        Ok(match &step.item {
            Item::Signature { signature, .. } if found => Some(signature),
            _ => None,
        })
    }

    /// The sealed batch `batch`, which is kept.
    pub(super) fn sealed(&mut self, batch: u32) -> Result<SealedBatch, JournalError> {
        let mut step = Step::NONE;
        let (&anchor, with_data) = self.seal_of(batch, &mut step)?.ok_or(JournalError::Medium)?;
        let mut sealed = SealedBatch { anchor, signature: None, state: BatchState::Sealed, with_data };
        if let Some(&signature) = self.signature_of(batch, &mut step)? {
            // A signature that rotted is made again, over the same anchor: until then the batch is only sealed.
            (sealed.signature, sealed.state) = (Some(signature), self.state.state(batch));
        }
        Ok(sealed)
    }

    /// Reads on from `generation` to the first item that is `wanted`: `step` has it when this is true.
    #[inline(never)]
    fn first_from(
        &mut self,
        generation: u32,
        step: &mut Step,
        wanted: &dyn Fn(&Item) -> bool,
    ) -> Result<bool, JournalError> {
        for generation in generation.max(self.oldest)..=self.newest {
            let Some(mut walk) = self.walk_over(generation)? else { continue };
            while self.step(&mut walk, step)? {
                if wanted(&step.item) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// A walk over the newest sector that begins before what is sought: it is nowhere before it. Never inlined, as
    /// [`Self::walk_over`]: headers are long, and none must lie under a walk.
    #[inline(never)]
    pub(super) fn sector_of(&mut self, sought: Sought) -> Result<Option<Walk>, JournalError> {
        let (mut low, mut high, mut found) = (self.oldest, self.newest + 1, None);
        let mut header = Header::NONE;
        while low < high {
            let middle = low + (high - low) / 2;
            if self.first_header(middle..high, &mut header)? && sought.is_after(&header.snapshot) {
                low = header.generation + 1;
                found = Some(self.walk(&header));
            } else {
                high = middle;
            }
        }
        Ok(found)
    }

    /// A walk over the whole of the first sector of these generations whose header can be read.
    #[inline(never)]
    pub(super) fn first_walk(&mut self, generations: core::ops::Range<u32>) -> Result<Option<Walk>, JournalError> {
        let mut header = Header::NONE;
        Ok(self.first_header(generations, &mut header)?.then(|| Walk::new(&header, &Self::GEOMETRY)))
    }

    /// A walk over the sector of `generation`, if its header can be read.
    #[inline(never)]
    pub(super) fn walk_over(&mut self, generation: u32) -> Result<Option<Walk>, JournalError> {
        let mut header = Header::NONE;
        Ok(self.header(generation, &mut header)?.then(|| self.walk(&header)))
    }

    /// Reads the next good entry of `walk` into `step`; false at its end.
    pub(super) fn step(&mut self, walk: &mut Walk, step: &mut Step) -> Result<bool, JournalError> {
        walk.next(&mut self.flash, &Self::GEOMETRY, self.state.stream, step)
            .map_err(|_: WalkError<F::Error>| JournalError::Medium)
    }
}
