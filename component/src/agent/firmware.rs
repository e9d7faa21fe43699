// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A confirmed firmware image becomes a record, once: whoever confirms an image says so at every start, and the newest firmware record in
//! the journal tells whether it was said. What a power cut leaves is a record or none; the next start finds out which.

use super::{Agent, Event, SubmitError};
use crate::{
    firmware::Confirmation,
    journal::{Journal, JournalError, NewRecord},
    ports::{Clock, Link},
    power::schedule::Schedule,
    record::{Entry, Kind, Priority, SequenceNumber},
    signer::Signer,
};

/// Records looked at in one call: a submission does not wait for a long journal to be read.
const LOOK_AT: u64 = 128;

/// How far a confirmed image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The journal is not searched yet: call again.
    Searching,
    /// The newest firmware record says so already: nothing was journaled.
    Known,
    /// Journaled now.
    Journaled(SequenceNumber),
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// Journals that an image was confirmed, unless the newest firmware record that is kept says the same. Searches the journal a
    /// piece at a time: to be called again while it answers [`Confirmed::Searching`], with the same `confirmation`. The record goes
    /// with the next batch; it asks for no wake of its own.
    ///
    /// A journal gives up the records of final batches when it needs their room. An image whose record is gone by the time the
    /// device starts again is journaled once more.
    ///
    /// # Errors
    /// Those of [`Journal::append`] and [`Journal::read`]: nothing was journaled; call again later. A refusal is an event and counts.
    #[inline(never)]
    pub fn confirm_firmware(
        &mut self,
        confirmation: &mut Confirmation,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Confirmed, JournalError> {
        self.look_for_firmware(confirmation)?;
        if confirmation.looked_before < self.journal.kept().end {
            return Ok(Confirmed::Searching);
        }
        if confirmation.is_newest {
            return Ok(Confirmed::Known);
        }
        let journaled = self.journal_firmware(confirmation, on_event);
        match journaled {
            Ok(seq) => {
                (confirmation.looked_before, confirmation.is_newest) = (seq.next(), true);
                Ok(Confirmed::Journaled(seq))
            }
            Err(error) => {
                let refused = SubmitError::Journal(error);
                self.starved |= error == JournalError::Full;
                self.totals.count_refusal(refused);
                on_event(Event::Refused(refused));
                Err(error)
            }
        }
    }

    /// Never inlined: what it needs on the stack must not lie under a signature.
    #[inline(never)]
    fn look_for_firmware(&mut self, confirmation: &mut Confirmation) -> Result<(), JournalError> {
        let kept = self.journal.kept();
        let first = confirmation.looked_before.0.max(kept.start.0);
        let end = kept.end.0.min(first.saturating_add(LOOK_AT));
        for seq in (first..end).map(SequenceNumber) {
            match self.journal.read(seq, &mut self.payload) {
                Ok(Entry::Record(record)) if record.kind == Kind::FIRMWARE => {
                    confirmation.is_newest = confirmation.firmware.payload() == record.payload;
                }
                Ok(_) | Err(JournalError::NotFound | JournalError::TooLong) => {}
                Err(error) => return Err(error),
            }
            confirmation.looked_before = seq.next();
        }
        Ok(())
    }

    #[inline(never)]
    fn journal_firmware(
        &mut self,
        confirmation: &Confirmation,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<SequenceNumber, JournalError> {
        let record = NewRecord {
            time: self.clock.wall(),
            kind: Kind::FIRMWARE,
            priority: Priority::Routine,
            payload: &confirmation.firmware.payload(),
        };
        self.close_batch_before(&record, on_event)?;
        self.journal_record(&record)
    }
}
