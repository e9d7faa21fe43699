// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the device itself can prove of a record: record, blind, path, anchor and signature, without where it was included.
//! The relay completes it. `docs/wire.cddl` fixes the shape.

use minicbor::{
    Encoder,
    encode::write::{Cursor, EndOfSlice},
};

use super::{
    Agent,
    rotation::Turn,
    succession::{NamedKey, Tenure, last_of_key},
};
use crate::{
    batch::{BATCH_DEPTH, BatchNumber},
    journal::{Journal, JournalError, SealedBatch},
    merkle::{Hash, PathBuilder},
    ports::{Clock, Link},
    power::schedule::Schedule,
    record::{Entry, LossReason, SequenceNumber},
    signer::{Signature, Signer},
    uplink::encode_anchor_fields,
};

/// The version in evidence.
const VERSION: u8 = 1;

/// Why there is no evidence of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceError {
    /// No such record, or it was reclaimed.
    NotFound,
    /// The record is in no signed batch yet.
    NotSealed,
    /// The record was lost; its place is in the batch.
    Lost(LossReason),
    /// The batch was signed by a key before the current one, and the journal does not name it any more.
    KeyUnknown,
    /// The records no longer hash to what was sealed.
    Damaged,
    /// The buffer is too small; see [`evidence_max`].
    BufferTooSmall,
    /// The journal cannot be read.
    Journal(JournalError),
}

impl From<minicbor::encode::Error<EndOfSlice>> for EvidenceError {
    fn from(_: minicbor::encode::Error<EndOfSlice>) -> Self {
        Self::BufferTooSmall
    }
}

/// Most bytes of a device's evidence of a record with `payload` bytes of payload.
#[must_use]
pub const fn evidence_max(payload: usize) -> usize {
    let record = 1 + 9 + 9 + 1 + 3 + 17 + 3 + payload;
    let path = 1 + BATCH_DEPTH * 34;
    let anchor = 1 + 9 + 5 + 9 + 5 + 9 + 2 + 34 + 34;
    1 + 1 + 34 + record + path + anchor + 66 + (1 + 2 + 35) + 1 + 1
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// Writes the device's evidence of record `seq` into `out` and returns its length. Reads every record of the batch once. It names
    /// the key that signed the batch; the rotations from the device's first key to that one are the relay's to add, as the inclusion is.
    ///
    /// # Errors
    /// [`EvidenceError`].
    #[inline(never)]
    pub fn evidence(&mut self, seq: SequenceNumber, out: &mut [u8]) -> Result<usize, EvidenceError> {
        let proven = self.prove(seq, out);
        // Also when it says that the records are damaged: they may not be.
        if self.hash_failed() { Err(EvidenceError::Journal(JournalError::Hash)) } else { proven }
    }

    fn prove(&mut self, seq: SequenceNumber, out: &mut [u8]) -> Result<usize, EvidenceError> {
        let (batch, signature) = self.batch_of(seq)?;
        let mut path = PathBuilder::<BATCH_DEPTH>::new(batch.anchor.leaf_index(seq).ok_or(EvidenceError::NotFound)?);
        self.walk_batch(&batch, &mut path)?;
        let signed_by = self.key_of(batch.anchor.batch)?;
        self.write_evidence(seq, &batch, &signature, path.path(), &signed_by, out)
    }

    /// Never inlined, as what follows: what each needs on the stack is gone when the next begins.
    #[inline(never)]
    fn write_evidence(
        &mut self,
        seq: SequenceNumber,
        batch: &SealedBatch,
        signature: &Signature,
        path: &[Hash],
        signed_by: &NamedKey,
        out: &mut [u8],
    ) -> Result<usize, EvidenceError> {
        let key = self.settings.blind_secret.batch_key(batch.anchor.stream, batch.anchor.batch.0);
        let record = match self.journal.read(seq, &mut self.payload).map_err(EvidenceError::Journal)? {
            Entry::Record(record) => record,
            Entry::Lost { reason, .. } => return Err(EvidenceError::Lost(reason)),
        };
        let mut e = Encoder::new(Cursor::new(out));
        e.array(9)?.u8(VERSION)?.bytes(&self.settings.deployment.0)?;
        e.array(6)?
            .u64(record.seq.0)?
            .u64(record.time.unix_ms)?
            .u8(record.time.quality as u8)?
            .u16(record.kind.0)?
            .bytes(&key.blind(seq))?
            .bytes(record.payload)?;
        e.array(path.len() as u64)?;
        for hash in path {
            e.bytes(&hash.0)?;
        }
        e.array(8)?;
        encode_anchor_fields(&mut e, &batch.anchor)?;
        e.bytes(&signature.0)?;
        e.array(2)?.i8(signed_by.alg.cose())?.bytes(&signed_by.public_key)?;
        e.array(0)?.null()?;
        Ok(e.writer().position())
    }

    #[inline(never)]
    fn batch_of(&mut self, seq: SequenceNumber) -> Result<(SealedBatch, Signature), EvidenceError> {
        if self.journal.unsealed().contains(&seq) {
            return Err(EvidenceError::NotSealed);
        }
        // Batches follow one another: halve.
        let batches = self.journal.batches();
        let (mut low, mut high) = (batches.start.0, batches.end.0);
        while low < high {
            let middle = low + (high - low) / 2;
            let batch = self.journal.batch(BatchNumber(middle)).map_err(EvidenceError::Journal)?;
            if batch.anchor.leaf_index(seq).is_some() {
                return batch.signature.map(|signature| (batch, signature)).ok_or(EvidenceError::NotSealed);
            }
            if batch.anchor.first_seq > seq { high = middle } else { low = middle + 1 }
        }
        Err(EvidenceError::NotFound)
    }

    /// The key that signed `batch`.
    #[inline(never)]
    fn key_of(&mut self, batch: BatchNumber) -> Result<NamedKey, EvidenceError> {
        let Turn { first, sure_from, .. } = self.turn;
        let rotated = |batch| matches!(last_of_key(&mut self.journal, BatchNumber(batch)), Ok(Some(_)));
        if batch >= first && !(batch.0..sure_from.0).any(rotated) {
            return Ok(self.named());
        }
        let tenure = Tenure::until(&mut self.journal, batch).map_err(EvidenceError::Journal)?;
        tenure.key.ok_or(EvidenceError::KeyUnknown)
    }

    /// Has every leaf of a batch go by.
    #[inline(never)]
    fn walk_batch(&mut self, batch: &SealedBatch, path: &mut PathBuilder<BATCH_DEPTH>) -> Result<(), EvidenceError> {
        let anchor = &batch.anchor;
        let key = self.settings.blind_secret.batch_key(anchor.stream, anchor.batch.0);
        for leaf in 0..u64::from(anchor.count) {
            let seq = SequenceNumber(anchor.first_seq.0.saturating_add(leaf));
            let entry = self.journal.read(seq, &mut self.payload).map_err(|error| match error {
                JournalError::NotFound => EvidenceError::NotFound,
                other => EvidenceError::Journal(other),
            })?;
            path.push(entry.leaf(&key)).map_err(|_| EvidenceError::Damaged)?;
        }
        if path.close() == Some(anchor.root) { Ok(()) } else { Err(EvidenceError::Damaged) }
    }
}
