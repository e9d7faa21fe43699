// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Records of hash-only batches go when they are older than the retention time and their batch is final (or as far as
//! `Settings::prune_at` says), so that a device whose application releases nothing does not fill up. Called once a poll; looks
//! into the journal once an hour at most.
//!
//! How old a record is can be known in two ways. By the wall clock, when it is set by the network or better now and was
//! so when the record was submitted: a relay's word moves no record out. Otherwise by the time since boot: what was
//! final when the agent first saw it is at least as old as that is ago. A restart begins that anew; it never makes
//! anything older.

use super::{Agent, next_after};
use crate::{
    batch::BatchNumber,
    journal::{Journal, JournalError, SealedBatch},
    ports::{Clock, Link},
    power::schedule::Schedule,
    record::{Entry, SequenceNumber},
    signer::Signer,
    time::{Millis, TimeQuality},
};

/// Between two looks.
const LOOK_EVERY: Millis = Millis::from_secs(3600);

/// Batches looked at in one poll.
const BATCHES_PER_LOOK: u32 = 16;

/// What has been found out since boot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retention {
    /// Batches before this one are released, or hold nothing that waits for it.
    done: BatchNumber,
    /// Batches before this one are old enough by the time since boot.
    old: BatchNumber,
    /// Batches before this one were final then.
    watched: Option<(BatchNumber, Millis)>,
    /// Not before then.
    look_at: Millis,
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// Releases what is old enough. A journal that cannot take it is asked again at the next look. Never inlined: what
    /// it needs on the stack must not lie under a signature.
    #[inline(never)]
    pub(super) fn release_what_is_old(&mut self) {
        let (Some(retention), now) = (self.settings.retention, self.clock.now()) else { return };
        if now < self.retention.look_at {
            return;
        }
        self.retention.look_at = now.after(LOOK_EVERY);
        let finished = next_after(self.journal.through(self.may_go_at()));
        match self.retention.watched {
            Some((batch, since)) if now.since(since) >= retention => {
                self.retention.old = batch;
                self.retention.watched = Some((finished, now));
            }
            Some(_) => {}
            None => self.retention.watched = Some((finished, now)),
        }
        let first = self.retention.done.max(self.journal.batches().start);
        let end = BatchNumber(finished.0.min(first.0.saturating_add(BATCHES_PER_LOOK)));
        let (mut done, mut waits) = (first, false);
        for batch in (first.0..end.0).map(BatchNumber) {
            let sealed = self.journal.batch(batch);
            let wall_age = sealed.ok().and_then(|sealed| self.wall_age(&sealed));
            if batch < self.retention.old || wall_age.is_some_and(|age| age >= retention) {
                done = BatchNumber(batch.0.saturating_add(1));
                // One that cannot be read goes with the others.
                waits |= sealed.is_ok_and(|sealed| !sealed.with_data);
            } else if wall_age.is_some() {
                break;
            }
        }
        if done == end && done < finished {
            self.retention.look_at = now;
        }
        if self.release_before(done, waits).is_ok() {
            self.prune();
            self.retention.done = done;
        }
    }

    fn release_before(&mut self, done: BatchNumber, waits: bool) -> Result<(), JournalError> {
        match done.0.checked_sub(1) {
            Some(last) if waits => self.journal.release(BatchNumber(last)),
            _ => Ok(()),
        }
    }

    /// How old a batch's last record is by a wall clock that was set by the network or better then and is so now.
    fn wall_age(&mut self, sealed: &SealedBatch) -> Option<Millis> {
        let wall = self.clock.wall();
        let last = SequenceNumber(sealed.anchor.end()?.0.checked_sub(1)?);
        let Ok(Entry::Record(record)) = self.journal.read(last, &mut self.payload) else { return None };
        let known = wall.quality.min(record.time.quality) >= TimeQuality::Network;
        known.then(|| Millis(wall.unix_ms.saturating_sub(record.time.unix_ms)))
    }
}
