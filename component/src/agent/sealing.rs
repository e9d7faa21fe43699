// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seal, then sign. The anchor is durable before it is signed, so that a reset in between signs the same anchor again and no
//! batch ever has two commitments.

use super::{Agent, Event, REFUSAL_PAUSE, RotationState, UploadMode, exchange::records_limit};
use crate::{
    batch::{Anchor, AnchorFlags, BatchNumber},
    journal::{Journal, JournalError, NewRecord},
    ports::{Clock, Link},
    power::schedule::Schedule,
    record::{Entry, Record},
    signer::{Digest, Signature, Signer, SignerError},
    time::{Millis, TimeQuality},
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
    /// Seals the open batch when `next` no longer belongs into it: its tree is full, the uplink would be too long, or it is the
    /// rotation's. While the next key is waited for, what no longer belongs into it stays for the batches after it.
    pub(super) fn close_batch_before(
        &mut self,
        next: &NewRecord<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), JournalError> {
        self.refresh_open_batch()?;
        if self.turn.unsealed || !(self.waits_for_next_key() || self.belongs_to_open_batch(next)) {
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
        !self.is_too_much() && (self.open.leaves() == 0 || self.open.has_room_for(&entry, self.packed_limit()))
    }

    /// Most bytes that the records of a batch take packed.
    pub(super) fn packed_limit(&self) -> u64 {
        match self.upload() {
            UploadMode::Data => records_limit(UPLINK.min(self.link.capacity())),
            UploadMode::HashOnly => u64::MAX,
        }
    }

    /// Whether more records are in no batch than belong into the next: those that were journaled while nothing could be sealed.
    pub(super) fn is_too_much(&self) -> bool {
        let unsealed = self.journal.unsealed();
        !self.open_is_stale && u64::from(self.open.leaves()) < unsealed.end.0.saturating_sub(unsealed.start.0)
    }

    /// Whether a batch may be sealed and signed now.
    pub(super) fn may_seal(&self, now: Millis) -> bool {
        now >= self.pause_until && !self.waits_for_next_key()
    }

    /// Seals a batch of what is too much for one. What is left is for the next poll, which is then due at once.
    #[inline(never)]
    pub(super) fn seal_what_is_too_much(&mut self, on_event: &mut dyn FnMut(Event)) {
        let now = self.clock.now();
        if self.is_too_much() && self.may_seal(now) && self.seal(on_event).is_err() {
            self.pause_until = now.after(REFUSAL_PAUSE);
        }
    }

    /// Seals the open batch, which has at least one record, and signs it. A signer that refuses is asked again later.
    #[inline(never)]
    pub(super) fn seal(&mut self, on_event: &mut dyn FnMut(Event)) -> Result<(), JournalError> {
        self.refresh_open_batch()?;
        if self.waits_for_next_key() {
            return Err(JournalError::Conflict);
        }
        let (batch, count) = match self.seal_open_batch() {
            // There is no room to finish two batches: what is unsealed becomes one, whatever its length.
            Err(JournalError::Full) if self.is_too_much() => {
                self.read_open_batch(u64::MAX)?;
                let sealed = self.seal_open_batch();
                self.open_is_stale |= sealed.is_err();
                sealed?
            }
            sealed => sealed?,
        };
        on_event(Event::Sealed { batch, count });
        self.open_is_stale = !self.journal.unsealed().is_empty();
        // Should that fail, whoever needs it next tries again.
        let _: Result<(), _> = self.refresh_open_batch();
        // What cannot be paid for is signed before it is sent.
        let now = self.clock.now();
        if self.turn.state == RotationState::None && !self.schedule.affords_signature(now) {
            return Ok(());
        }
        // Batches are signed in order: one that the signer refused before comes first.
        self.sign_all(on_event)
    }

    /// Makes what is open a sealed batch: its number, and of how many records. The rotation's goes with its record whatever the
    /// upload is: it reveals nothing else, and without it nobody knows the next key.
    #[inline(never)]
    fn seal_open_batch(&mut self) -> Result<(BatchNumber, u32), JournalError> {
        let wall = self.clock.wall();
        let synchronised = if wall.quality == TimeQuality::SinceBoot { 0 } else { AnchorFlags::SYNCHRONISED };
        let last_of_key = if self.turn.unsealed { AnchorFlags::LAST_OF_KEY } else { 0 };
        let anchor = Anchor {
            stream: self.journal.stream(),
            batch: self.journal.batches().end,
            first_seq: self.journal.unsealed().start,
            count: self.open.leaves(),
            sealed_at: wall.unix_ms,
            flags: AnchorFlags(self.open.flags() | synchronised | last_of_key),
            root: self.open.root(),
            prev: self.journal.last_commitment(),
        };
        if self.hash_failed() {
            return Err(JournalError::Hash);
        }
        let fits = self.open.packed_bytes() <= records_limit(UPLINK.min(self.link.capacity()));
        let with_data = self.turn.unsealed || (self.upload() == UploadMode::Data && fits);
        self.journal.seal(&anchor, with_data)?;
        self.turn.unsealed = false;
        self.open.restart(self.settings.blind_secret.batch_key(anchor.stream, anchor.batch.0.saturating_add(1)));
        Ok((anchor.batch, anchor.count))
    }

    /// Whether a hash failed since this was last asked: what was made of hashes since then is not to be kept, signed or sent. It
    /// may be one of the open batch's, which is read anew before it is used.
    pub(super) fn hash_failed(&mut self) -> bool {
        let failed = self.hashes.failed();
        if failed {
            self.open_is_stale = true;
            self.totals.hash_faults = self.totals.hash_faults.saturating_add(1);
        }
        failed
    }

    /// Signs a sealed batch and makes the signature durable.
    #[inline(never)]
    pub(super) fn sign(&mut self, batch: BatchNumber, on_event: &mut dyn FnMut(Event)) -> Result<Signature, NotSigned> {
        let digest = self.digest_of(batch).map_err(NotSigned::Journal)?;
        let result = if batch < self.turn.first {
            // What it was signed with rotted, and the key is gone.
            Err(SignerError::NotProvisioned)
        } else {
            on_event(Event::Signing { batch });
            self.signed = self.signed.saturating_add(1);
            self.signer.sign(&digest)
        };
        on_event(Event::Signed { batch, result: result.map(drop) });
        match result {
            Ok(signature) => {
                self.totals.signatures += 1;
                self.journal.attach_signature(batch, &signature).map_err(NotSigned::Journal)?;
                self.hand_over(batch, on_event);
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
