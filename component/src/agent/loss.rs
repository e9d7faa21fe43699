// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Records that rotted after their batch was sealed: the anchor stands, their content is gone, and a loss record says so.

use minicbor::{Encoder, encode::write::Cursor};

use super::{Agent, Event};
use crate::{
    batch::BatchNumber,
    journal::{Journal, NewRecord, SealedBatch},
    merkle::TreeHasher,
    ports::{Clock, Link},
    power::schedule::Schedule,
    record::{Entry, Kind, LossReason, Priority, SequenceNumber},
    signer::Signer,
    uplink::WireError,
};

/// `[first, last, reason]` at its longest.
const PAYLOAD_MAX: usize = 1 + 9 + 9 + 3;

/// The first and the last record of a batch that are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LostRange {
    first: SequenceNumber,
    last: SequenceNumber,
    reason: LossReason,
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// What of a batch is lost that its anchor has not as lost. Hashes only when something is lost.
    #[inline(never)]
    pub(super) fn rotten_since_sealed(&mut self, sealed: &SealedBatch) -> Result<Option<LostRange>, WireError> {
        let first = sealed.anchor.first_seq.0;
        let end = first.saturating_add(u64::from(sealed.anchor.count));
        let mut range: Option<LostRange> = None;
        for seq in (first..end).map(SequenceNumber) {
            let entry = self.journal.read(seq, &mut self.payload).map_err(|_| WireError::OutOfRange)?;
            if let Entry::Lost { reason, .. } = entry {
                let first = range.map_or(seq, |range| range.first);
                range = Some(LostRange { first, last: seq, reason });
            }
        }
        if range.is_none() {
            return Ok(None);
        }
        let key = self.settings.blind_secret.batch_key(sealed.anchor.stream, sealed.anchor.batch.0);
        let mut tree = TreeHasher::<{ crate::batch::BATCH_DEPTH }>::new();
        for seq in (first..end).map(SequenceNumber) {
            let entry = self.journal.read(seq, &mut self.payload).map_err(|_| WireError::OutOfRange)?;
            tree.push(entry.leaf(&key)).map_err(|_| WireError::OutOfRange)?;
        }
        Ok(range.filter(|_| tree.root() != sealed.anchor.root))
    }

    /// Journals a loss record, once while the agent runs: retries of the batch make no more. A journal that is full does not
    /// take it; then the next try does.
    #[inline(never)]
    pub(super) fn tell_loss(&mut self, batch: BatchNumber, range: &LostRange, on_event: &mut dyn FnMut(Event)) {
        if self.loss_told == Some(batch) {
            return;
        }
        let mut payload = [0; PAYLOAD_MAX];
        let Some(length) = encode(range, &mut payload) else { return };
        let record = NewRecord {
            time: self.clock.wall(),
            kind: Kind::LOSS,
            priority: Priority::Routine,
            payload: payload.get(..length).unwrap_or_default(),
        };
        if self.close_batch_before(&record, on_event).and_then(|()| self.journal_record(&record)).is_ok() {
            self.loss_told = Some(batch);
            self.totals.losses += 1;
        }
    }
}

fn encode(range: &LostRange, out: &mut [u8]) -> Option<usize> {
    let mut e = Encoder::new(Cursor::new(out));
    e.array(3).ok()?.u64(range.first.0).ok()?.u64(range.last.0).ok()?.u16(range.reason.0).ok()?;
    Some(e.writer().position())
}
