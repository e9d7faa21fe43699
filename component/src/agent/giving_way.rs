// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An urgent record that finds the journal full: where the journal lets them, unsealed routine records give way to it. The open
//! batch is then not what it was, and is read anew.

use super::{Agent, Event};
use crate::{
    journal::{Journal, JournalError, NewRecord},
    ports::{Clock, Link},
    power::schedule::Schedule,
    record::SequenceNumber,
    signer::Signer,
};

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// Journals an urgent record, if need be in the place of routine ones. Never inlined: what it needs on the stack is not every
    /// record's.
    #[inline(never)]
    pub(super) fn journal_urgently(
        &mut self,
        record: &NewRecord<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<SequenceNumber, JournalError> {
        self.refresh_open_batch()?;
        if self.turn.unsealed {
            self.seal(on_event)?;
        }
        let belongs = self.belongs_to_open_batch(record);
        if belongs {
            match self.journal_record(record) {
                Err(JournalError::Full) => {}
                journaled => return journaled,
            }
        }
        // Before the open batch is closed, for what is sealed gives way no more.
        let given_way = self.journal.give_way(record, !belongs, &mut self.payload);
        if given_way == Err(JournalError::Full) {
            return Err(JournalError::Full);
        }
        // Also when it failed on the way: some may be gone.
        self.open_is_stale = true;
        let records = given_way?;
        if records > 0 {
            self.totals.displaced = self.totals.displaced.saturating_add(records);
            on_event(Event::Displaced { records });
        }
        self.close_batch_before(record, on_event)?;
        self.journal_record(record)
    }

    /// Reads the open batch anew when the journal says otherwise.
    pub(super) fn refresh_open_batch(&mut self) -> Result<(), JournalError> {
        if self.open_is_stale { self.read_open_batch(self.packed_limit()) } else { Ok(()) }
    }

    /// Reads what is unsealed, as much of it as takes `limit` bytes packed and has room in a tree.
    #[inline(never)]
    pub(super) fn read_open_batch(&mut self, limit: u64) -> Result<(), JournalError> {
        let key = self.settings.blind_secret.batch_key(self.journal.stream(), self.journal.batches().end.0);
        let since = self.open.since().unwrap_or_else(|| self.clock.now());
        self.open.restart(key);
        let unsealed = self.journal.unsealed();
        for seq in (unsealed.start.0..unsealed.end.0).map(SequenceNumber) {
            let priority = self.journal.priority(seq)?;
            let entry = self.journal.read(seq, &mut self.payload)?;
            if self.open.leaves() > 0 && !self.open.has_room_for(&entry, limit) {
                break;
            }
            self.open.push(&entry, priority, since);
        }
        self.open_is_stale = false;
        Ok(())
    }

    /// Whether what is unsealed waits for the batches before it: they are sent first, one by one, so that sealing it earlier
    /// would bring it no further. What is sealed gives way no more, and many short batches take more room than one.
    pub(super) fn holds_back(&self) -> bool {
        self.journal.gives_way() && self.first_unsent().is_some()
    }
}
