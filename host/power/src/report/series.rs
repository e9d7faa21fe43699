// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Days put together to as many points as a plot or a file needs: the worst of each span, so that nothing bad is smoothed away.

use cairn::power::{cost::MicroJoules, schedule::Degradation};
use serde::Serialize;

use super::quantity::joules;
use crate::outcome::{Comparison, Day, Outcome};

/// Ten years are weeks.
const POINTS_MAX: usize = 530;

/// A span of days.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Point {
    /// Its end, days after the beginning.
    pub(super) day: usize,
    /// What the battery gives at its end.
    pub(super) battery_j: f64,
    /// The least that was in the budget.
    pub(super) budget_j: f64,
    /// The most that was owed.
    pub(super) debt_j: f64,
    /// The furthest that the device did less, 0 to 3.
    pub(super) degradation: u8,
    /// The longest that a record waited, seconds.
    pub(super) wait_s: f64,
    /// Share of the time at each coverage level.
    pub(super) coverage: [f64; 3],
}

/// Days in a point of every series of `compared`.
pub(super) fn days_per_point(compared: &Comparison) -> usize {
    let longest = compared.outcomes.iter().map(|outcome| outcome.days.len()).max().unwrap_or_default();
    longest.div_ceil(POINTS_MAX).max(1)
}

/// `outcome` in spans of `days`.
pub(super) fn of(outcome: &Outcome, days: usize) -> Vec<Point> {
    let spans = outcome.days.chunks(days).enumerate();
    spans.map(|(index, span)| point(index * days + span.len(), span)).collect()
}

fn point(day: usize, span: &[Day]) -> Point {
    let most = |of: fn(&Day) -> f64| span.iter().map(of).fold(0.0, f64::max);
    let mut hours = [0.0; 3];
    for day in span {
        for (sum, hours) in hours.iter_mut().zip(day.coverage_hours) {
            *sum += f64::from(hours);
        }
    }
    let all: f64 = hours.iter().sum();
    Point {
        day,
        battery_j: joules(span.last().map_or(MicroJoules(0), |last| last.battery)),
        budget_j: joules(span.iter().map(|day| day.budget).min().unwrap_or(MicroJoules(0))),
        debt_j: most(|day| joules(day.debt)),
        degradation: span.iter().map(|day| day.degradation).max().unwrap_or(Degradation::None) as u8,
        wait_s: most(|day| day.staleness_ms as f64 / 1e3),
        coverage: hours.map(|hours| if all > 0.0 { hours / all } else { 0.0 }),
    }
}
