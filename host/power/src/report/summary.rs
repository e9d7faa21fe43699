// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The numbers of a life that are told of it, each reckoned in one place.

use cairn::power::schedule::Degradation;
use serde::Serialize;

use super::{
    group::Group,
    quantity::{YEAR_DAYS, joules},
};
use crate::outcome::{Day, Outcome};

/// A life in numbers. Days without any leave zeros.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Days that were lived through.
    pub days: usize,
    /// All energy, joules a day.
    pub energy_j_per_day: f64,
    /// The radio's part of it.
    pub radio_j_per_day: f64,
    /// The radio's energy for each record that the relay stored, millijoules.
    pub radio_mj_per_record: Option<f64>,
    /// Until the battery is empty, years; as [`Outcome::life_days`].
    pub life_years: Option<f64>,
    /// The battery was empty before the scenario ended.
    pub emptied: bool,
    /// Wakes of the radio a day, tracking area updates included.
    pub wakes_per_day: f64,
    /// Tracking area updates a day.
    pub updates_per_day: f64,
    /// The longest that a record waited, on the median day, milliseconds.
    pub wait_median_ms: u64,
    /// And on the worst.
    pub wait_max_ms: u64,
    /// Records that the product handed over.
    pub records: u64,
    /// Those that the relay stored.
    pub delivered: u64,
    /// Those that a deadline passed over.
    pub late: u64,
    /// Those that were refused, displaced or coalesced.
    pub lost: u64,
    /// Exchanges that failed.
    pub failures: u64,
    /// From one upload to the next, on the mean, milliseconds.
    pub interval_mean_ms: u64,
    /// And at most.
    pub interval_max_ms: u64,
    /// Days on which the device did less, by how far: longer intervals, hashes only, urgent only.
    pub degraded_days: [usize; 3],
    /// Days that ended in debt.
    pub debt_days: usize,
    /// The most that was owed at a day's end, joules.
    pub debt_max_j: f64,
    #[serde(skip)]
    pub(super) groups_j_per_day: [f64; Group::COUNT],
}

impl Summary {
    /// Of `outcome`.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let days = &outcome.days;
        let energy = outcome.energy();
        let per_day = |sum: f64| if days.is_empty() { 0.0 } else { sum / days.len() as f64 };
        let total = |of: fn(&Day) -> u32| days.iter().map(|day| u64::from(of(day))).sum::<u64>();
        let degraded = |to: Degradation| days.iter().filter(|day| day.degradation == to).count();
        let mut waits: Vec<u64> = days.iter().map(|day| day.staleness_ms).collect();
        waits.sort_unstable();
        Self {
            days: days.len(),
            energy_j_per_day: per_day(joules(energy.total())),
            radio_j_per_day: per_day(joules(energy.radio())),
            radio_mj_per_record: outcome.radio_per_record_uj().map(|energy| energy / 1e3),
            life_years: outcome.life_days.map(|days| days / YEAR_DAYS),
            emptied: outcome.emptied,
            wakes_per_day: per_day(total(|day| day.wakes) as f64),
            updates_per_day: per_day(total(|day| day.updates) as f64),
            wait_median_ms: waits.get(waits.len() / 2).copied().unwrap_or_default(),
            wait_max_ms: waits.last().copied().unwrap_or_default(),
            records: total(|day| day.records),
            delivered: total(|day| day.delivered),
            late: total(|day| day.late),
            lost: total(|day| day.lost),
            failures: total(|day| day.failures),
            interval_mean_ms: outcome.interval_mean_ms,
            interval_max_ms: outcome.interval_max_ms,
            degraded_days: [Degradation::LongerIntervals, Degradation::HashOnly, Degradation::UrgentOnly].map(degraded),
            debt_days: days.iter().filter(|day| day.debt.0 > 0).count(),
            debt_max_j: days.iter().map(|day| joules(day.debt)).fold(0.0, f64::max),
            groups_j_per_day: Group::joules(&energy).map(per_day),
        }
    }
}
