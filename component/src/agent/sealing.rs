// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seal, then sign. The anchor is durable before it is signed, so that a reset in between signs the same anchor again and no
//! batch ever has two commitments.

use super::{Agent, Event, UploadMode, exchange::records_limit, next_after};
use crate::{
    batch::{Anchor, AnchorFlags, BatchNumber},
    journal::{BatchState, Journal, JournalError, NewRecord},
    ports::{Clock, Link},
    power::schedule::Schedule,
    record::{Entry, Record},
    signer::{Digest, Signature, Signer},
    time::TimeQuality,
};

/// Why a sealed batch has no signature yet.
pub(super) enum NotSigned {
    /// The signer refused; the totals say why.
    Refused,
    /// The signature cannot be kept.
    Journal(JournalError),
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// Seals the open batch when `next` no longer belongs into it: its tree is full, or the uplink would be too long.
    pub(super) fn close_batch_before(
        &mut self,
        next: &NewRecord<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), JournalError> {
        self.refresh_open_batch()?;
        if !self.belongs_to_open_batch(next) {
            self.seal(on_event)?;
        }
        Ok(())
    }

    /// Whether `next` may be the open batch's next record. Never inlined, as most here: a signature is made below
    /// [`Self::seal`], and what others need on the stack must not lie under it.
    #[inline(never)]
    pub(super) fn belongs_to_open_batch(&self, next: &NewRecord<'_>) -> bool {
        let NewRecord { time, kind, payload, .. } = *next;
        let entry = Entry::Record(Record { seq: self.journal.unsealed().end, time, kind, payload });
        let limit = match self.settings.upload {
            UploadMode::Data => records_limit(UPLINK.min(self.link.capacity())),
            UploadMode::HashOnly => u64::MAX,
        };
        self.open.leaves() == 0 || self.open.has_room_for(&entry, limit)
    }

    /// Seals the open batch, which has at least one record, and signs it. A signer that refuses is asked again later.
    #[inline(never)]
    pub(super) fn seal(&mut self, on_event: &mut dyn FnMut(Event)) -> Result<(), JournalError> {
        self.refresh_open_batch()?;
        let (last, count) = self.seal_open_batch()?;
        on_event(Event::Sealed { batch: last, count });
        // Batches are signed in order: one that the signer refused before comes first.
        for batch in next_after(self.journal.through(BatchState::Signed)).0..=last.0 {
            match self.sign(BatchNumber(batch), on_event) {
                Ok(_) => {}
                Err(NotSigned::Journal(error)) => return Err(error),
                Err(NotSigned::Refused) => break,
            }
        }
        Ok(())
    }

    /// Makes what is open a sealed batch: its number, and of how many records.
    #[inline(never)]
    fn seal_open_batch(&mut self) -> Result<(BatchNumber, u32), JournalError> {
        let wall = self.clock.wall();
        let synchronised = if wall.quality == TimeQuality::SinceBoot { 0 } else { AnchorFlags::SYNCHRONISED };
        let anchor = Anchor {
            stream: self.journal.stream(),
            batch: self.journal.batches().end,
            first_seq: self.journal.unsealed().start,
            count: self.open.leaves(),
            sealed_at: wall.unix_ms,
            flags: AnchorFlags(self.open.flags() | synchronised),
            root: self.open.root(),
            prev: self.journal.last_commitment(),
        };
        let fits = self.open.packed_bytes() <= records_limit(UPLINK.min(self.link.capacity()));
        self.journal.seal(&anchor, self.settings.upload == UploadMode::Data && fits)?;
        self.open.restart(self.settings.blind_secret.batch_key(anchor.stream, anchor.batch.0.saturating_add(1)));
        Ok((anchor.batch, anchor.count))
    }

    /// Signs a sealed batch and makes the signature durable.
    #[inline(never)]
    pub(super) fn sign(&mut self, batch: BatchNumber, on_event: &mut dyn FnMut(Event)) -> Result<Signature, NotSigned> {
        let digest = self.digest_of(batch).map_err(NotSigned::Journal)?;
        on_event(Event::Signing { batch });
        let result = self.signer.sign(&digest);
        on_event(Event::Signed { batch, result: result.map(drop) });
        match result {
            Ok(signature) => {
                self.totals.signatures += 1;
                self.journal.attach_signature(batch, &signature).map_err(NotSigned::Journal)?;
                Ok(signature)
            }
            Err(error) => {
                self.totals.signer_failures += 1;
                self.totals.last_signer_error = Some(error);
                Err(NotSigned::Refused)
            }
        }
    }

    /// What the signature of a sealed batch is over.
    #[inline(never)]
    fn digest_of(&mut self, batch: BatchNumber) -> Result<Digest, JournalError> {
        let sealed = self.journal.batch(batch)?;
        Ok(sealed.anchor.commitment().digest(&self.settings.deployment))
    }
}
