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

    /// Finds `seq` where it was first written.
    fn original(&mut self, seq: SequenceNumber) -> Result<Option<RecordEntry>, JournalError> {
        if let Some(found) = self.near(seq)? {
            return Ok(Some(found));
        }
        match self.sector_where(|snapshot| snapshot.next_seq <= seq.0)? {
            Some(header) => self.record_within(self.walk(&header), seq),
            None => Ok(None),
        }
    }

    /// Finds what became of `seq` among the copies: on from the cursor, then from the oldest sector up to it.
    fn copy(&mut self, seq: SequenceNumber) -> Result<Option<FoundRecord>, JournalError> {
        let mut begin = self.oldest;
        if let Some(mut walk) = self.cursor {
            if walk.place.generation == self.newest {
                walk.limit = self.offset;
            }
            if let Some(found) = self.copy_within(walk, seq)? {
                return Ok(Some(found));
            }
            begin = walk.place.generation.saturating_add(1);
        }
        for generation in (begin..=self.newest).chain(self.oldest..begin) {
            let Some(header) = self.header(generation)? else { continue };
            if let Some(found) = self.copy_within(self.walk(&header), seq)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Finds what became of `seq` among the copies further on in one sector; leaves the cursor before it.
    fn copy_within(&mut self, mut walk: Walk, seq: SequenceNumber) -> Result<Option<FoundRecord>, JournalError> {
        loop {
            let before = walk;
            let Some(step) = self.step(&mut walk)? else { return Ok(None) };
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
                    walk.limit = self.offset;
                }
                self.record_within(walk, seq)
            }
            _ => Ok(None),
        }
    }

    /// Finds `seq` by walking on in one sector; leaves the cursor before it.
    fn record_within(&mut self, mut walk: Walk, seq: SequenceNumber) -> Result<Option<RecordEntry>, JournalError> {
        loop {
            let before = walk;
            let Some(step) = self.step(&mut walk)? else { return Ok(None) };
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
    fn loss_of(&mut self, seq: SequenceNumber) -> Result<Option<LossReason>, JournalError> {
        let from = match self.state.moved {
            0 => self.sector_where(|snapshot| snapshot.next_seq <= seq.0)?.map_or(self.oldest, |h| h.generation),
            // It was perhaps copied, before or behind its record's copy.
            _ => self.oldest,
        };
        self.first_from(from, |item| match item {
            Item::Lost { seq: lost, reason } if *lost == seq => Some(*reason),
            _ => None,
        })
    }

    /// Copies a record's payload.
    pub(super) fn read_payload(&mut self, entry: &RecordEntry, out: &mut [u8]) -> Result<(), JournalError> {
        read_payload(&mut self.flash, &Self::GEOMETRY, entry.place, entry.prefix, out).map_err(|_| JournalError::Medium)
    }

    /// What was sealed as `batch`, or `None` when its seal rotted, and what says it again with its signature.
    pub(super) fn seal_of(&mut self, batch: u32) -> Result<Option<(Anchor, bool)>, JournalError> {
        if let Some(header) = self.sector_where(|snapshot| snapshot.next_batch <= batch)? {
            let mut walk = self.walk(&header);
            while let Some(step) = self.step(&mut walk)? {
                if let Item::Seal { anchor, with_data } | Item::Signature { anchor, with_data, .. } = step.item
                    && anchor.batch.0 == batch
                {
                    return Ok(Some((anchor, with_data)));
                }
            }
        }
        if let Some((anchor, with_data, _)) = self.signature_of(batch)? {
            return Ok(Some((anchor, with_data)));
        }
        if self.state.moved == 0 {
            return Ok(None);
        }
        self.first_from(self.oldest, |item| match item {
            Item::Seal { anchor, with_data } if anchor.batch.0 == batch => Some((*anchor, *with_data)),
            _ => None,
        })
    }

    fn signature_of(&mut self, batch: u32) -> Result<Option<(Anchor, bool, Signature)>, JournalError> {
        if self.state.count(BatchState::Signed) <= batch {
            return Ok(None);
        }
        let sector = self.sector_where(|snapshot| snapshot.count(BatchState::Signed) <= batch)?;
        // One that rotted was made again later.
        self.first_from(sector.map_or(self.oldest, |header| header.generation), |item| match item {
            Item::Signature { anchor, with_data, signature } if anchor.batch.0 == batch => {
                Some((*anchor, *with_data, *signature))
            }
            _ => None,
        })
    }

    /// The sealed batch `batch`, which is kept.
    pub(super) fn sealed(&mut self, batch: u32) -> Result<SealedBatch, JournalError> {
        let (anchor, with_data) = self.seal_of(batch)?.ok_or(JournalError::Medium)?;
        let signature = self.signature_of(batch)?.map(|(.., signature)| signature);
        // A signature that rotted is made again, over the same anchor.
        let state = if signature.is_some() { self.state.state(batch) } else { BatchState::Sealed };
        Ok(SealedBatch { anchor, signature, state, with_data })
    }

    /// The first item from `generation` on that `wanted` takes.
    fn first_from<T>(
        &mut self,
        generation: u32,
        wanted: impl Fn(&Item) -> Option<T>,
    ) -> Result<Option<T>, JournalError> {
        for generation in generation.max(self.oldest)..=self.newest {
            let Some(header) = self.header(generation)? else { continue };
            let mut walk = self.walk(&header);
            while let Some(step) = self.step(&mut walk)? {
                if let Some(found) = wanted(&step.item) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The newest sector whose header `is_before` takes. It takes all older ones too.
    pub(super) fn sector_where(
        &mut self,
        is_before: impl Fn(&Snapshot) -> bool,
    ) -> Result<Option<Header>, JournalError> {
        let (mut low, mut high, mut found) = (self.oldest, self.newest + 1, None);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.first_header(middle..high)? {
                Some(header) if is_before(&header.snapshot) => {
                    low = header.generation + 1;
                    found = Some(header);
                }
                _ => high = middle,
            }
        }
        Ok(found)
    }

    pub(super) fn step(&mut self, walk: &mut Walk) -> Result<Option<Step>, JournalError> {
        walk.next(&mut self.flash, &Self::GEOMETRY, self.state.stream)
            .map_err(|_: WalkError<F::Error>| JournalError::Medium)
    }
}
