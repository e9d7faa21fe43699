// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When to seal and when to wake the radio. The agent shows a [`View`] and does what the [`Schedule`] decides; it never
//! decides itself. [`FixedInterval`] seals every so many hours.

use crate::{
    journal::{BudgetState, FlashWork},
    ports::LinkError,
    power::{
        cost::{ExchangeCost, PsmTimers},
        urgent::Urgent,
    },
    record::Priority,
    time::Millis,
};

/// What a schedule may know. Only monotonic time: a wall clock that steps moves no deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The time now.
    pub now: Millis,
    /// Records in no batch yet.
    pub unsealed: u32,
    /// When the oldest of them was journaled; `None` when there are none.
    pub oldest_unsealed: Option<Millis>,
    /// The most pressing priority among them.
    pub most_pressing: Option<Priority>,
    /// When the oldest of them of each priority was journaled: bulk, routine, urgent.
    pub oldest: [Option<Millis>; 3],
    /// Bytes that their data adds to an upload; 0 where only hashes go.
    pub pending_bytes: u32,
    /// Sealed batches that the relay does not have yet.
    pub unsent: u32,
    /// The journal is full and the relay has all of it: an exchange about the last batch may tell what became final, and
    /// nothing else will.
    pub starved: bool,
    /// The application asked for everything to be sent now.
    pub flush: bool,
    /// The radio is up anyway until then.
    pub radio_up_until: Option<Millis>,
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

/// How a [`FixedInterval`] keeps time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Between two regular uploads.
    pub interval: Millis,
    /// How long an urgent record may wait before its batch is sealed: others of the same event join it.
    pub urgent_delay: Millis,
    /// First retry after a failed exchange: at a random time up to twice this.
    pub retry_base: Millis,
    /// The random time before a retry never exceeds this.
    pub retry_max: Millis,
    /// This device's own share of randomness, so that a fleet does not wake in step.
    pub seed: u64,
}

/// Seals and sends at fixed intervals since boot; urgent records at once; failed exchanges again after full jitter. Asks
/// for news while starved, after full jitter too.
#[derive(Clone, Debug)]
pub struct FixedInterval {
    settings: Settings,
    next_upload: Millis,
    not_before: Millis,
    failures: u32,
    ask_at: Millis,
    /// Exchanges that only asked, since the last that brought a batch.
    asks: u32,
    random: u64,
}

impl FixedInterval {
    /// A schedule whose first upload is due one interval after boot.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        let (next_upload, random) = (settings.interval, settings.seed);
        Self { settings, next_upload, not_before: Millis(0), failures: 0, ask_at: Millis(0), asks: 0, random }
    }

    /// SplitMix64: spreads retries; nothing secret depends on it.
    const fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Full jitter: some time from now, within a span that doubles with each of `tries`.
    fn some_time_after(&mut self, now: Millis, tries: u32) -> Millis {
        let limit = self.settings.retry_base.0.saturating_mul(2 << tries.min(16));
        let limit = limit.clamp(1, self.settings.retry_max.0.max(1));
        now.after(Millis(self.draw() % limit + 1))
    }

    fn seal_at(&self, view: &View) -> Option<Millis> {
        let oldest = view.oldest_unsealed?;
        let radio_up = view.radio_up_until.is_some_and(|until| view.now < until);
        if view.flush || radio_up {
            return Some(view.now);
        }
        let urgent = view.most_pressing == Some(Priority::Urgent);
        let urgent_at = if urgent { oldest.after(self.settings.urgent_delay) } else { self.next_upload };
        Some(urgent_at.min(self.next_upload))
    }
}

impl Schedule for FixedInterval {
    fn decide(&mut self, view: &View) -> Decision {
        if self.seal_at(view).is_some_and(|at| at <= view.now) {
            return Decision::Seal;
        }
        if view.now >= self.next_upload {
            // Intervals that passed with nothing to seal are not made up for.
            let interval = self.settings.interval.0.max(1);
            let passed = view.now.since(self.next_upload).0 / interval + 1;
            self.next_upload = self.next_upload.after(Millis(passed.saturating_mul(interval)));
        }
        let send_at = (view.unsent > 0).then_some(if view.flush { view.now } else { self.not_before });
        if send_at.is_some_and(|at| at <= view.now) {
            self.asks = 0;
            return Decision::Send;
        }
        let ask_at = view.starved.then_some(if view.flush { view.now } else { self.ask_at });
        if ask_at.is_some_and(|at| at <= view.now) {
            self.asks = self.asks.saturating_add(1);
            return Decision::Send;
        }
        Decision::Wait(self.seal_at(view).into_iter().chain(send_at).chain(ask_at).min())
    }

    fn exchange_ended(&mut self, now: Millis, result: Result<(), LinkError>, _: &ExchangeCost) {
        self.ask_at = self.some_time_after(now, self.asks);
        if result.is_ok() {
            (self.failures, self.not_before) = (0, now);
            return;
        }
        self.not_before = self.some_time_after(now, self.failures);
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn schedule() -> FixedInterval {
        FixedInterval::new(Settings {
            interval: Millis(12 * HOUR),
            urgent_delay: Millis(2_000),
            retry_base: Millis(60_000),
            retry_max: Millis(HOUR),
            seed: 7,
        })
    }

    fn view(now: u64) -> View {
        View {
            now: Millis(now),
            unsealed: 0,
            oldest_unsealed: None,
            most_pressing: None,
            oldest: [None; 3],
            pending_bytes: 0,
            unsent: 0,
            starved: false,
            flush: false,
            radio_up_until: None,
        }
    }

    fn holding(now: u64, since: u64, priority: Priority) -> View {
        View { unsealed: 1, oldest_unsealed: Some(Millis(since)), most_pressing: Some(priority), ..view(now) }
    }

    #[test]
    fn routine_records_wait_for_the_interval_and_urgent_ones_for_their_delay() {
        let mut schedule = schedule();
        let routine = |now| holding(now, 5_000, Priority::Routine);
        assert_eq!(schedule.decide(&routine(6_000)), Decision::Wait(Some(Millis(12 * HOUR))));
        assert_eq!(schedule.decide(&holding(6_000, 5_000, Priority::Urgent)), Decision::Wait(Some(Millis(7_000))));
        assert_eq!(schedule.decide(&holding(7_000, 5_000, Priority::Urgent)), Decision::Seal);
        assert_eq!(schedule.decide(&routine(12 * HOUR)), Decision::Seal);
        assert_eq!(schedule.decide(&View { unsent: 1, ..view(12 * HOUR) }), Decision::Send);
        assert_eq!(
            schedule.decide(&holding(13 * HOUR, 13 * HOUR, Priority::Bulk)),
            Decision::Wait(Some(Millis(24 * HOUR)))
        );
    }

    #[test]
    fn intervals_without_records_are_not_made_up_for() {
        let mut schedule = schedule();
        assert_eq!(schedule.decide(&view(100 * HOUR)), Decision::Wait(None));
        let late = holding(101 * HOUR, 101 * HOUR, Priority::Routine);
        assert_eq!(schedule.decide(&late), Decision::Wait(Some(Millis(108 * HOUR))));
    }

    #[test]
    fn a_flush_and_a_radio_that_is_up_seal_and_send_at_once() {
        let mut schedule = schedule();
        let routine = holding(6_000, 5_000, Priority::Routine);
        assert_eq!(schedule.decide(&View { flush: true, ..routine }), Decision::Seal);
        assert_eq!(schedule.decide(&View { radio_up_until: Some(Millis(6_001)), ..routine }), Decision::Seal);
        assert_eq!(
            schedule.decide(&View { radio_up_until: Some(Millis(6_000)), ..routine }),
            Decision::Wait(Some(Millis(12 * HOUR)))
        );
    }

    #[test]
    fn retries_spread_over_a_doubling_span_and_end_with_a_success() {
        let mut schedule = schedule();
        let unsent = |now| View { unsent: 1, ..view(now) };
        let mut longest = 0;
        for failures in 0..40_u32 {
            schedule.exchange_ended(Millis(0), Err(LinkError::TimeOut), &ExchangeCost::default());
            let Decision::Wait(Some(Millis(at))) = schedule.decide(&unsent(0)) else { panic!("must wait") };
            assert!(at >= 1 && at <= (120_000_u64 << failures.min(8)).min(HOUR), "retry {failures} at {at}");
            longest = longest.max(at);
            assert_eq!(schedule.decide(&unsent(at)), Decision::Send);
        }
        assert!(longest > HOUR / 2, "the span never grew: {longest}");
        schedule.exchange_ended(Millis(9), Ok(()), &ExchangeCost::default());
        assert_eq!(schedule.decide(&unsent(9)), Decision::Send);
    }

    #[test]
    fn a_starved_device_asks_at_ever_longer_times_until_it_has_a_batch_to_send() {
        let mut schedule = schedule();
        let starved = |now| View { starved: true, ..view(now) };
        assert_eq!(schedule.decide(&starved(0)), Decision::Send, "at first at once");
        let mut longest = 0;
        for asks in 1..40_u32 {
            schedule.exchange_ended(Millis(0), Ok(()), &ExchangeCost::default());
            let Decision::Wait(Some(Millis(at))) = schedule.decide(&starved(0)) else { panic!("must wait") };
            assert!(at >= 1 && at <= (120_000_u64 << asks.min(8)).min(HOUR), "ask {asks} at {at}");
            longest = longest.max(at);
            assert_eq!(schedule.decide(&View { flush: true, ..starved(0) }), Decision::Send, "or when told to");
        }
        assert!(longest > HOUR / 2, "the span never grew: {longest}");
        assert_eq!(schedule.decide(&View { unsent: 1, ..view(HOUR) }), Decision::Send);
        schedule.exchange_ended(Millis(HOUR), Ok(()), &ExchangeCost::default());
        let Decision::Wait(Some(Millis(at))) = schedule.decide(&starved(HOUR)) else { panic!("must wait") };
        assert!(at <= HOUR + 120_000);
    }
}
