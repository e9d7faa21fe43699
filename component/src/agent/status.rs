// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the agent tells the outside: events as they happen, and a status to look at.

use super::{Agent, RotationState, SubmitError};
use crate::{
    batch::BatchNumber,
    journal::{BatchState, Journal, JournalError},
    ports::{Clock, Link, LinkError},
    power::{
        cost::ExchangeCost,
        schedule::{Degradation, Schedule},
    },
    record::{SequenceNumber, StreamId},
    signer::{DeviceId, KeyId, Signer, SignerError},
    time::WallTime,
};

/// Something happened. Told in the agent's task, while it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A batch is fixed for ever.
    Sealed {
        /// Which.
        batch: BatchNumber,
        /// Its records.
        count: u32,
    },
    /// The signer is asked for a signature now.
    Signing {
        /// Of which batch.
        batch: BatchNumber,
    },
    /// The signer answered.
    Signed {
        /// Of which batch.
        batch: BatchNumber,
        /// Whether it signed.
        result: Result<(), SignerError>,
    },
    /// The key signed its last batch: the next key, which the rotation record in it names, signs from here on, once it was adopted.
    Rotated {
        /// The last batch.
        batch: BatchNumber,
    },
    /// An uplink was given to the link.
    Sent {
        /// Of which batch.
        batch: BatchNumber,
        /// Its length in bytes, before the secure channel.
        bytes: usize,
    },
    /// The relay has the batch.
    Stored {
        /// Which.
        batch: BatchNumber,
    },
    /// The batch is on chain.
    Included {
        /// Which.
        batch: BatchNumber,
    },
    /// The batch is on chain for good.
    Final {
        /// Which.
        batch: BatchNumber,
    },
    /// An exchange gave nothing; it will be tried again.
    ExchangeFailed(LinkError),
    /// The wall clock stepped; the record of it is journaled.
    ClockStepped {
        /// What it would have shown.
        old: WallTime,
        /// What it shows.
        new: WallTime,
    },
    /// A submission got no sequence number.
    Refused(SubmitError),
    /// Unsealed routine records of a full journal gave way to an urgent one: they are lost, and their batch will say so.
    Displaced {
        /// How many.
        records: u32,
    },
}

/// Sums since the agent started. Counters saturate in a thousand years of the busiest device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Submissions journaled.
    pub accepted: u64,
    /// Submissions the queue had no room for.
    pub queue_full: u32,
    /// Submissions the journal had no room for.
    pub journal_full: u32,
    /// Urgent submissions over their limit: counted, not journaled. Those before a restart that no record told yet are not in it.
    pub coalesced: u32,
    /// Records journaled that say how many were counted.
    pub counts: u32,
    /// Unsealed routine records that gave way to urgent ones in a full journal. Those before a power cut are not in it.
    pub displaced: u32,
    /// Submissions of a kind or length that is not taken, or that the medium failed.
    pub refused: u32,
    /// Exchanges started.
    pub exchanges: u32,
    /// Exchanges that gave no usable downlink.
    pub exchange_failures: u32,
    /// UDP payload bytes sent.
    pub bytes_up: u64,
    /// UDP payload bytes received.
    pub bytes_down: u64,
    /// Datagrams sent.
    pub datagrams_up: u32,
    /// Datagrams received.
    pub datagrams_down: u32,
    /// Sockets opened.
    pub connections: u32,
    /// Signatures made.
    pub signatures: u32,
    /// Rotations that the old key signed.
    pub rotations: u32,
    /// Times the signer refused.
    pub signer_failures: u32,
    /// Times something was not sealed, proven or sent because the platform's SHA-256 failed; it is tried again.
    pub hash_faults: u32,
    /// Clock records journaled.
    pub clock_steps: u32,
    /// Hints of the relay that would have moved the clock too far.
    pub clock_steps_refused: u32,
    /// Loss records journaled: batches of which records rotted after they were sealed.
    pub losses: u32,
    /// Every batch up to this one is at the relay.
    pub stored_through: Option<BatchNumber>,
    /// Every batch up to this one is on chain.
    pub included_through: Option<BatchNumber>,
    /// Every batch up to this one is on chain for good.
    pub final_through: Option<BatchNumber>,
    /// How the last failed exchange failed.
    pub last_link_error: Option<LinkError>,
    /// What the signer last refused with.
    pub last_signer_error: Option<SignerError>,
}

impl Totals {
    pub(super) fn count_refusal(&mut self, error: SubmitError) {
        match error {
            SubmitError::Journal(JournalError::Full) => self.journal_full += 1,
            SubmitError::Coalesced => self.coalesced = self.coalesced.saturating_add(1),
            SubmitError::Kind | SubmitError::TooLong | SubmitError::Journal(_) => self.refused += 1,
        }
    }

    pub(super) fn add_cost(&mut self, cost: &ExchangeCost) {
        self.bytes_up += u64::from(cost.bytes_up);
        self.bytes_down += u64::from(cost.bytes_down);
        self.datagrams_up += u32::from(cost.datagrams_up);
        self.datagrams_down += u32::from(cost.datagrams_down);
        self.connections += u32::from(cost.connections);
    }

    pub(super) fn note_level(&mut self, batch: BatchNumber, state: BatchState) {
        let through = match state {
            BatchState::Final => &mut self.final_through,
            BatchState::Included => &mut self.included_through,
            _ => &mut self.stored_through,
        };
        *through = (*through).max(Some(batch));
    }
}

/// Whether the agent's task could be asleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Activity {
    /// Waiting for a deadline or a submission.
    Idle = 0,
    /// An exchange runs, or submissions wait.
    Busy = 1,
}

/// The agent at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The device.
    pub device: DeviceId,
    /// The key that signs.
    pub key: KeyId,
    /// How far a rotation to another key is.
    pub rotation: RotationState,
    /// The stream.
    pub stream: StreamId,
    /// The stream was begun because somebody had put back an older image of the journal's flash, or wiped it.
    pub after_rollback: bool,
    /// The sequence number the next record gets.
    pub next_seq: SequenceNumber,
    /// The oldest sequence number still kept.
    pub oldest_seq: SequenceNumber,
    /// Records in no batch yet.
    pub unsealed: u32,
    /// The number the next sealed batch gets.
    pub next_batch: BatchNumber,
    /// Sealed batches that the relay does not have.
    pub unsent: u32,
    /// Whether something runs.
    pub activity: Activity,
    /// How far what is left to spend makes the device do less.
    pub degradation: Degradation,
    /// A flush is wanted, and no exchange was begun for it yet: it waits until it can be paid for, for the signer or for the next key.
    pub flush_waits: bool,
    /// The wall clock.
    pub wall: WallTime,
    /// Sums since start.
    pub totals: Totals,
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// The agent as it is now.
    pub fn status(&mut self) -> Status {
        let busy = self.exchange.is_some() || self.more_submissions;
        Status {
            device: self.device(),
            key: self.key_id,
            rotation: self.rotation(),
            stream: self.journal.stream(),
            after_rollback: self.journal.after_rollback(),
            next_seq: self.journal.kept().end,
            oldest_seq: self.journal.kept().start,
            unsealed: self.open.leaves(),
            next_batch: self.journal.batches().end,
            unsent: self.unsent(),
            activity: if busy { Activity::Busy } else { Activity::Idle },
            degradation: self.schedule.degradation(),
            flush_waits: self.flush,
            wall: self.clock.wall(),
            totals: self.totals,
        }
    }
}
