// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an RTOS, a modem or a simulator supplies. The agent calls these and nothing else of the outside world.

use core::ops::Range;

use crate::{
    power::cost::{ExchangeCost, PsmTimers},
    record::{Kind, Priority},
    time::{Millis, WallTime},
};

/// The two clocks of a device.
pub trait Clock {
    /// Monotonic time since boot.
    fn now(&self) -> Millis;
    /// Wall time; [`crate::time::TimeQuality::SinceBoot`] when it was never set.
    fn wall(&self) -> WallTime;
    /// Sets the wall clock; [`Clock::now`] goes on as it was. Provided for clocks that something better sets: it does nothing.
    fn set_wall(&mut self, wall: WallTime) {
        let _ = wall;
    }
}

/// Cryptographically secure random bytes.
pub trait Entropy {
    /// Fills `out` whole.
    ///
    /// # Errors
    /// [`NoEntropy`] when the source failed its health test or is not there; `out` is then not to be used.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The entropy source failed its health test or is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntropy;

/// Names a caller who waits for the sequence number of what it submitted; meaningful only to the [`Inbox`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u8);

/// What a [`Monotonic`] counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mark {
    /// Streams and batches sealed.
    Batches = 0,
    /// Sender sequence numbers reserved.
    SenderSequence = 1,
    /// Nonces used.
    Spending = 2,
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Batches, Self::SenderSequence, Self::Spending];
}

/// A counter does not answer: the element that keeps it failed, or it is worn out. It says what it said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonotonicError;

/// Numbers that never fall, also when somebody puts back an old image of the journal's flash: kept in a secure element, by
/// trusted firmware, or in flash that only this processor can write. Raised once a batch, once a block of sender sequence
/// numbers and once a nonce.
pub trait Monotonic {
    /// What `mark` was raised to; 0 when it never was.
    ///
    /// # Errors
    /// [`MonotonicError`].
    fn read(&mut self, mark: Mark) -> Result<u64, MonotonicError>;

    /// Raises `mark` to `value`, durably; a lower value changes nothing.
    ///
    /// # Errors
    /// [`MonotonicError`]; whether it was raised is then not known.
    fn raise(&mut self, mark: Mark, value: u64) -> Result<(), MonotonicError>;
}

/// A counter that lives elsewhere.
impl<M: Monotonic> Monotonic for &mut M {
    fn read(&mut self, mark: Mark) -> Result<u64, MonotonicError> {
        (**self).read(mark)
    }

    fn raise(&mut self, mark: Mark, value: u64) -> Result<(), MonotonicError> {
        (**self).raise(mark, value)
    }
}

/// What an application handed over, not journaled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission<'a> {
    /// When it was submitted.
    pub time: WallTime,
    /// What it is about.
    pub kind: Kind,
    /// How long it may wait.
    pub priority: Priority,
    /// The application's bytes.
    pub payload: &'a [u8],
    /// Who waits for the answer, if anybody.
    pub ticket: Option<Ticket>,
}

/// The message queue between the application's tasks and the agent's.
pub trait Inbox {
    /// Takes the oldest submission; the agent answers a ticket with [`Inbox::answer`] before it takes the next.
    fn take(&mut self) -> Option<Submission<'_>>;
    /// Tells the holder of `ticket` what became of its submission.
    fn answer(&mut self, ticket: Ticket, result: Result<crate::record::SequenceNumber, crate::agent::SubmitError>);
    /// Submissions refused because the queue was full, since boot.
    fn refused(&self) -> u32;
}

/// Sleeps the agent's task.
pub trait Wait {
    /// Returns at `until` (never, when `None`), or earlier when a submission, a request or a link event arrived. May return
    /// early for no reason; never spins.
    fn wait(&mut self, until: Option<Millis>);
}

/// Why an exchange gave no downlink. The agent retries in a later wake with the same anchor and signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// An exchange is running, or the message is larger than the link carries.
    Refused,
    /// No answer within the time the protocol allows.
    TimeOut,
    /// The network could not be reached: no coverage, modem error, socket error.
    Unreachable,
    /// The peer answered and refused; the code is the protocol's (CoAP: class × 32 + detail, e.g. 0x81 is 4.01).
    Rejected(u8),
    /// The sender sequence numbers granted are used up.
    SequenceExhausted,
    /// The answer is authentic and does not belong to the uplink.
    Unusable,
}

/// How an exchange ended, and what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// The verified downlink, or why there is none.
    pub downlink: Result<&'a [u8], LinkError>,
    /// What it cost, also when it failed.
    pub cost: ExchangeCost,
}

/// One exchange at a time: one uplink, one downlink, in one radio wake. It never blocks.
pub trait Link {
    /// Starts an exchange with the bytes of one uplink, which the link has taken over when it returns.
    ///
    /// # Errors
    /// [`LinkError::Refused`] while an exchange runs or when `uplink` is too long; [`LinkError::SequenceExhausted`].
    fn start(&mut self, now: Millis, uplink: &[u8]) -> Result<(), LinkError>;

    /// Drives the exchange. `WouldBlock` means call again when an event arrives, at [`Link::wake_at`] the latest.
    /// Any answer ends the exchange, and then the link is ready for the next.
    ///
    /// # Errors
    /// Only `WouldBlock`: how an exchange failed is in [`Outcome::downlink`], with its cost.
    fn poll(&mut self, now: Millis) -> nb::Result<Outcome<'_>, core::convert::Infallible>;

    /// When [`Link::poll`] must be called next; `None` when no exchange runs.
    fn wake_at(&self) -> Option<Millis>;

    /// Largest uplink [`Link::start`] takes, in bytes.
    fn capacity(&self) -> usize;

    /// Sender sequence numbers this link may use from now on. They are reserved durably before they are granted, so that a
    /// reboot never uses one twice; numbers of an earlier grant that were not used are not used any more.
    fn grant(&mut self, numbers: Range<u64>);

    /// How many granted numbers are left.
    fn granted(&self) -> u64;

    /// The timers of power saving mode that the network granted, once each time that they changed; asked when an exchange ended.
    /// A link that cannot know them says nothing: the application may ([`crate::agent::Agent::radio_timers`]).
    fn psm_timers(&mut self) -> Option<PsmTimers> {
        None
    }
}

/// A link that lives elsewhere, so that the agent that uses it can be small enough to move.
impl<L: Link> Link for &mut L {
    fn start(&mut self, now: Millis, uplink: &[u8]) -> Result<(), LinkError> {
        (**self).start(now, uplink)
    }

    fn poll(&mut self, now: Millis) -> nb::Result<Outcome<'_>, core::convert::Infallible> {
        (**self).poll(now)
    }

    fn wake_at(&self) -> Option<Millis> {
        (**self).wake_at()
    }

    fn capacity(&self) -> usize {
        (**self).capacity()
    }

    fn grant(&mut self, numbers: Range<u64>) {
        (**self).grant(numbers);
    }

    fn granted(&self) -> u64 {
        (**self).granted()
    }

    fn psm_timers(&mut self) -> Option<PsmTimers> {
        (**self).psm_timers()
    }
}
