// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Urgent records over their limit: they are not journaled but counted, and one record says later how many there were. The limits
//! are the schedule's and kept with its budget; here is only what becomes of them in the journal.
//!
//! A count is kept before anybody is told of it, and the number of the record that tells it before that is journaled: after a power
//! cut the journal says at that number whether it was told, so that each submission is counted once.

use super::{Agent, Event, REFUSAL_PAUSE, SubmitError};
use crate::{
    journal::{Journal, JournalError, NewRecord},
    ports::{Clock, Link},
    power::{
        schedule::Schedule,
        urgent::{Admission, Counted, KINDS},
    },
    record::{Entry, Kind, Priority, SequenceNumber},
    signer::Signer,
    time::Millis,
};

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// Whether an urgent record is journaled. What is not is counted, and the count kept.
    #[inline(never)]
    pub(super) fn admit_urgent(&mut self, record: &NewRecord<'_>) -> Result<(), SubmitError> {
        let now = self.clock.now();
        let Some(limits) = self.schedule.urgent(now) else { return Ok(()) };
        match limits.admit(record.kind, record.time) {
            // That it came is kept with the rest of this poll: what is urgent comes first.
            Admission::Alone => return Ok(()),
            Admission::Uncountable => return Err(SubmitError::Journal(JournalError::Full)),
            Admission::Counted => {}
        }
        let Err(error) = self.keep_budget() else { return Err(SubmitError::Coalesced) };
        if let Some(limits) = self.schedule.urgent(now) {
            limits.take_back(record.kind);
        }
        Err(SubmitError::Journal(error))
    }

    /// Journals what was counted and is due; returns when there is more. What the journal does not take is tried again.
    #[inline(never)]
    pub(super) fn tell_counts(&mut self, on_event: &mut dyn FnMut(Event)) -> Option<Millis> {
        let now = self.clock.now();
        for _ in 0..KINDS {
            let limits = self.schedule.urgent(now)?;
            let Some(counted) = limits.due() else { break };
            if let Err(error) = self.tell_count(&counted, now, on_event) {
                self.starved |= error == JournalError::Full;
                return Some(now.after(REFUSAL_PAUSE));
            }
            self.totals.counts = self.totals.counts.saturating_add(1);
        }
        self.schedule.urgent(now)?.wait().map(|wait| now.after(wait))
    }

    fn tell_count(
        &mut self,
        counted: &Counted,
        now: Millis,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), JournalError> {
        let record = NewRecord {
            time: self.clock.wall(),
            kind: Kind::LOSS,
            priority: Priority::Urgent,
            payload: &counted.payload(),
        };
        let seq = self.journal.unsealed().end;
        if let Some(limits) = self.schedule.urgent(now) {
            limits.begin_to_tell(seq);
        }
        let journaled = self.keep_budget().and_then(|()| self.journal_new(&record, on_event));
        self.end_telling(now, journaled.is_ok());
        journaled.map(drop)
    }

    /// Finds out whether a count was told before a power cut. Called at a start.
    #[inline(never)]
    pub(super) fn settle_count(&mut self) -> Result<(), JournalError> {
        let (now, end) = (self.clock.now(), self.journal.unsealed().end);
        let Some(limits) = self.schedule.urgent(now) else { return Ok(()) };
        let (Some(seq), Some(counted)) = (limits.may_have_told(end), limits.due()) else { return Ok(()) };
        let told = seq < end && self.says(seq, &counted)?;
        self.end_telling(now, told);
        Ok(())
    }

    /// The record that was to tell a count is journaled, or is not.
    fn end_telling(&mut self, now: Millis, told: bool) {
        let Some(limits) = self.schedule.urgent(now) else { return };
        if told { limits.told() } else { limits.not_told() }
    }

    /// Whether the record `seq` tells `counted`.
    fn says(&mut self, seq: SequenceNumber, counted: &Counted) -> Result<bool, JournalError> {
        match self.journal.read(seq, &mut self.payload) {
            Ok(Entry::Record(record)) => Ok(record.kind == Kind::LOSS && record.payload == counted.payload()),
            // One that rotted says nothing any more; one that is longer is none of Cairn's own.
            Ok(Entry::Lost { .. }) | Err(JournalError::NotFound | JournalError::TooLong) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
