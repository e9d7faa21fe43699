// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What machines read: the numbers of the tables, energy by every cause, and the series that the plots draw.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    quantity::joules,
    series::{self, Point},
    summary::Summary,
};
use crate::outcome::{Cause, Comparison, Outcome};

/// A comparison, as it is written. Units are in the names.
#[derive(Debug, Serialize)]
pub struct Document {
    scenario: String,
    about: String,
    battery_j: f64,
    /// Days in each point of `series`; of those the worst is told, and the last of the battery.
    days_per_point: usize,
    strategies: Vec<Life>,
}

#[derive(Debug, Serialize)]
struct Life {
    strategy: &'static str,
    does: &'static str,
    #[serde(flatten)]
    summary: Summary,
    energy_j_per_day_by_cause: BTreeMap<&'static str, f64>,
    series: Vec<Point>,
}

impl Document {
    /// Of `compared`.
    #[must_use]
    pub fn of(compared: &Comparison) -> Self {
        let days = series::days_per_point(compared);
        Self {
            scenario: compared.scenario.clone(),
            about: compared.about.clone(),
            battery_j: joules(compared.battery),
            days_per_point: days,
            strategies: compared.outcomes.iter().map(|outcome| life(outcome, days)).collect(),
        }
    }
}

fn life(outcome: &Outcome, days: usize) -> Life {
    let energy = outcome.energy();
    let lived = outcome.days.len().max(1) as f64;
    Life {
        strategy: outcome.strategy,
        does: outcome.does,
        summary: Summary::of(outcome),
        energy_j_per_day_by_cause: Cause::ALL.map(|cause| (cause.name(), joules(energy[cause]) / lived)).into(),
        series: series::of(outcome, days),
    }
}
