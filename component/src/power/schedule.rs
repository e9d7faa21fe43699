// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When to seal and when to wake the radio. The agent shows a [`View`] and does what the [`Schedule`] decides; it never
//! decides itself. [`super::scheduler::Scheduler`] is the product's.

use crate::{
    journal::{BudgetState, FlashWork},
    ports::LinkError,
    power::{
        cost::{ExchangeCost, PsmTimers},
        urgent::Urgent,
    },
    time::Millis,
};

/// What a schedule may know. Only monotonic time: a wall clock that steps moves no deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The time now.
    pub now: Millis,
    /// Records in no batch yet.
    pub unsealed: u32,
    /// When the oldest of them of each priority was journaled: bulk, routine, urgent.
    pub oldest: [Option<Millis>; 3],
    /// Bytes that their data adds to an upload; 0 where only hashes go.
    pub pending_bytes: u32,
    /// Sealed batches that the relay does not have yet.
    pub unsent: u32,
    /// Records that the relay does not have, in a batch or not.
    pub waiting: u32,
    /// About how many more the journal takes once what is unsealed is sealed; [`u32::MAX`] where an upload makes no room.
    pub room: u32,
    /// The journal is full and the relay has all of it: an exchange about the last batch may tell what became final, and
    /// nothing else will.
    pub starved: bool,
    /// The application asked for everything to be sent now.
    pub flush: bool,
    /// The radio is up anyway until then.
    pub radio_up_until: Option<Millis>,
}

impl View {
    /// Nothing to do, at `now`, and room for whatever comes.
    #[must_use]
    pub const fn at(now: Millis) -> Self {
        Self {
            now,
            unsealed: 0,
            oldest: [None; 3],
            pending_bytes: 0,
            unsent: 0,
            waiting: 0,
            room: u32::MAX,
            starved: false,
            flush: false,
            radio_up_until: None,
        }
    }

    /// When the oldest record that is in no batch was journaled; `None` when there are none.
    #[must_use]
    pub fn oldest_unsealed(&self) -> Option<Millis> {
        self.oldest.into_iter().flatten().min()
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Seal what is unsealed, then ask again.
    Seal,
    /// Send the oldest batch that the relay does not have.
    Send,
    /// Nothing until then, or until something happens.
    Wait(Option<Millis>),
}

/// Decides when to spend energy.
pub trait Schedule {
    /// What to do now. [`Decision::Seal`] only with something unsealed, [`Decision::Send`] only with something unsent, or
    /// starved.
    fn decide(&mut self, view: &View) -> Decision;

    /// How an exchange ended and what it cost.
    fn exchange_ended(&mut self, now: Millis, result: Result<(), LinkError>, cost: &ExchangeCost);

    /// What the agent keeps durably before an exchange starts, and after one; `None` when nothing is to be kept.
    fn to_keep(&self) -> Option<BudgetState> {
        None
    }

    /// That was kept.
    fn was_kept(&mut self) {}

    /// What the agent keeps before an exchange starts when the journal is too full for [`Schedule::to_keep`]: a state that holds
    /// whatever is spent, until there is room. `None` when a reset would give nothing back.
    fn to_keep_at_worst(&self) -> Option<BudgetState> {
        self.to_keep()
    }

    /// That was kept.
    fn was_kept_at_worst(&mut self) {
        self.was_kept();
    }

    /// How far what is left to spend makes the device do less.
    fn degradation(&self) -> Degradation {
        Degradation::None
    }

    /// The limits of urgent records, at `now`; `None` when there are none. The agent admits by them before it journals.
    fn urgent(&mut self, now: Millis) -> Option<&mut Urgent> {
        let _ = now;
        None
    }

    /// The device worked: this was spent without the radio.
    fn worked(&mut self, now: Millis, work: Work) {
        let _ = (now, work);
    }

    /// Whether a signature can be paid for that no upload was decided for: a batch that had to be sealed for want of room. It is made
    /// before the batch is sent otherwise.
    fn affords_signature(&mut self, now: Millis) -> bool {
        let _ = now;
        true
    }

    /// The network granted other timers.
    fn timers(&mut self, now: Millis, timers: PsmTimers) {
        let _ = (now, timers);
    }
}

/// A schedule that lives elsewhere, so that the agent that asks it can be small enough to move.
impl<S: Schedule> Schedule for &mut S {
    fn decide(&mut self, view: &View) -> Decision {
        (**self).decide(view)
    }

    fn exchange_ended(&mut self, now: Millis, result: Result<(), LinkError>, cost: &ExchangeCost) {
        (**self).exchange_ended(now, result, cost);
    }

    fn to_keep(&self) -> Option<BudgetState> {
        (**self).to_keep()
    }

    fn was_kept(&mut self) {
        (**self).was_kept();
    }

    fn to_keep_at_worst(&self) -> Option<BudgetState> {
        (**self).to_keep_at_worst()
    }

    fn was_kept_at_worst(&mut self) {
        (**self).was_kept_at_worst();
    }

    fn degradation(&self) -> Degradation {
        (**self).degradation()
    }

    fn urgent(&mut self, now: Millis) -> Option<&mut Urgent> {
        (**self).urgent(now)
    }

    fn worked(&mut self, now: Millis, work: Work) {
        (**self).worked(now, work);
    }

    fn affords_signature(&mut self, now: Millis) -> bool {
        (**self).affords_signature(now)
    }

    fn timers(&mut self, now: Millis, timers: PsmTimers) {
        (**self).timers(now, timers);
    }
}

/// What the device did without the radio that costs energy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Signatures made or tried.
    pub signatures: u32,
    /// What the journal did to its flash.
    pub flash: FlashWork,
}

/// How far what is left to spend makes the device do less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Degradation {
    /// Not at all.
    #[default]
    None = 0,
    /// Routine and bulk records wait twice as long.
    LongerIntervals = 1,
    /// They wait four times as long, and go as hashes: the device keeps their data.
    HashOnly = 2,
    /// Only urgent records are sent.
    UrgentOnly = 3,
}
