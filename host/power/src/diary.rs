// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps the books of a life: what is spent and on what, day by day, until the battery is empty; records from when the product hands
//! them over until the relay has them. Every strategy writes one; it becomes an [`Outcome`].

use std::{collections::VecDeque, rc::Rc};

use cairn::{
    power::{
        cost::{MicroJoules, Model},
        schedule::Degradation,
    },
    record::Priority,
    time::Millis,
};

use crate::{
    battery::{Battery, LIFE_MAX_DAYS},
    coverage::{Air, DAY_MS},
    outcome::{ByCause, Cause, Day, Outcome},
    scenario::{Scenario, joules},
    traces::SLOT_MS,
};

/// Uploads within this are one: batches that follow each other in a wake, repetitions.
const SAME_UPLOAD_MS: u64 = 10 * 60 * 1000;
/// How much later than its deadline a record may be: as exact as the optimum reckons.
const LATE_MS: u64 = SLOT_MS;

/// A record that the relay does not have yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// It is there when the relay has everything below this.
    number: u64,
    at: u64,
    priority: Priority,
}

/// The books.
#[derive(Clone, Debug)]
pub struct Diary {
    battery: Battery,
    air: Rc<Air>,
    /// What is drawn all the time, in a day.
    asleep: MicroJoules,
    product: MicroJoules,
    /// What the product spends on something urgent: a lock's motor.
    urgent: MicroJoules,
    patience: [Millis; 3],
    today: Day,
    days: Vec<Day>,
    pending: VecDeque<Pending>,
    /// The first and the last upload, how many there were, and the longest time between two.
    uploads: (Option<u64>, u64, u64, u64),
}

impl Diary {
    /// Books for a life of `scenario`.
    #[must_use]
    pub fn of(scenario: &Scenario, air: Rc<Air>) -> Self {
        let Model { floor_nw, .. } = scenario.truth();
        let a_day = DAY_MS as f64 / 1000.0;
        Self {
            battery: Battery::new(scenario.battery),
            air,
            asleep: joules(f64::from(floor_nw) * 1e-9 * a_day),
            product: joules(scenario.product.draw_uw * 1e-6 * a_day),
            urgent: joules(scenario.product.urgent_mj / 1000.0),
            patience: scenario.patience(),
            today: Day::default(),
            days: Vec::with_capacity(scenario.days as usize),
            pending: VecDeque::new(),
            uploads: (None, 0, 0, 0),
        }
    }

    /// `energy` was spent on `cause`.
    pub fn spend(&mut self, cause: Cause, energy: MicroJoules) {
        self.today.energy[cause] = self.today.energy[cause].plus(energy);
    }

    /// The same for several causes.
    pub fn spend_all(&mut self, energy: ByCause) {
        self.today.energy += energy;
    }

    /// Something happened to the product that it makes a record of.
    pub fn note_event(&mut self, priority: Priority) {
        if priority == Priority::Urgent {
            self.spend(Cause::Product, self.urgent);
        }
    }

    /// The product handed over a record, which is there when the relay has all below `number`.
    pub fn note_record(&mut self, number: u64, at: u64, priority: Priority) {
        self.today.records += 1;
        self.pending.push_back(Pending { number, at, priority });
    }

    /// The product handed over a record that came to nothing.
    pub const fn note_lost(&mut self) {
        self.today.records += 1;
        self.today.lost += 1;
    }

    /// Records that were journaled gave way to urgent ones.
    pub const fn note_displaced(&mut self, records: u32) {
        self.today.lost += records;
    }

    /// The radio was woken for an upload.
    pub const fn note_wake(&mut self) {
        self.today.wakes += 1;
    }

    /// The modem updated its tracking area.
    pub const fn note_update(&mut self) {
        self.today.wakes += 1;
        self.today.updates += 1;
    }

    /// An exchange failed.
    pub const fn note_failure(&mut self) {
        self.today.failures += 1;
    }

    /// The relay has all records below `number` since `now`.
    pub fn note_delivered(&mut self, now: u64, number: u64) {
        if self.pending.front().is_none_or(|pending| pending.number >= number) {
            return;
        }
        while let Some(pending) = self.pending.front().copied().filter(|pending| pending.number < number) {
            self.pending.pop_front();
            let waited = now.saturating_sub(pending.at);
            self.today.delivered += 1;
            self.today.staleness_ms = self.today.staleness_ms.max(waited);
            let due = self.patience[pending.priority as usize].0;
            self.today.late += u32::from(waited > due + LATE_MS);
        }
        let (first, last, count, longest) = self.uploads;
        if first.is_none() || now > last + SAME_UPLOAD_MS {
            let longest = if first.is_some() { longest.max(now - last) } else { longest };
            self.uploads = (first.or(Some(now)), now, count + 1, longest);
        }
    }

    /// What the budget says: level, debt, and how far it makes the device do less.
    pub fn note_budget(&mut self, level: MicroJoules, debt: MicroJoules, degradation: Degradation) {
        (self.today.budget, self.today.debt) = (level, debt);
        self.today.degradation = self.today.degradation.max(degradation);
    }

    /// The device was told that it spent this, by its own model.
    pub fn note_charged(&mut self, energy: MicroJoules) {
        self.today.charged = self.today.charged.plus(energy);
    }

    /// The day ends: what was drawn all through it leaves the battery with the rest. Whether the battery still gives anything.
    pub fn close_day(&mut self) -> bool {
        self.spend(Cause::Sleep, self.asleep);
        self.spend(Cause::Product, self.product);
        self.battery.draw(self.today.energy.total());
        let lost = self.battery.lose_a_day();
        self.spend(Cause::SelfDischarge, lost);
        let ended = (self.days.len() + 1) as u64 * DAY_MS;
        let oldest = self.pending.front().map_or(0, |pending| ended.saturating_sub(pending.at));
        self.today.staleness_ms = self.today.staleness_ms.max(oldest);
        self.today.waiting = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        self.today.coverage_hours = self.air.hours(self.days.len());
        self.today.battery = self.battery.gives(self.days.len() as f64 + 1.0);
        let gives = self.today.battery.0 > 0;
        let (budget, debt) = (self.today.budget, self.today.debt);
        self.days.push(self.today);
        self.today = Day { budget, debt, ..Day::default() };
        gives
    }

    /// What became of it.
    #[must_use]
    pub fn outcome(self, strategy: &'static str, does: &'static str) -> Outcome {
        let emptied = self.days.last().is_some_and(|day| day.battery.0 == 0);
        let (first, last, count, longest) = self.uploads;
        Outcome {
            strategy,
            does,
            life_days: Some(self.life_days(emptied)),
            emptied,
            interval_max_ms: longest,
            interval_mean_ms: (last - first.unwrap_or(last)) / count.saturating_sub(1).max(1),
            days: self.days,
        }
    }

    fn life_days(&self, emptied: bool) -> f64 {
        let lived = self.days.len();
        if emptied {
            return lived as f64;
        }
        let year = &self.days[lived.saturating_sub(365)..];
        let drawn: u64 = year.iter().map(|day| day.energy.total().0 - day.energy[Cause::SelfDischarge].0).sum();
        let a_day = MicroJoules(drawn / (year.len() as u64).max(1));
        self.battery.lasts_until(lived as f64, a_day).min(LIFE_MAX_DAYS)
    }
}
