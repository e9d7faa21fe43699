// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One scenario, all strategies, the same coverage, product and luck: what `cairn power` shows. [`run`] is the simulator's door.

use std::rc::Rc;

use cairn::{
    power::{
        outlook::Sight,
        scheduler::{self, Scheduler},
    },
    time::Millis,
};

use crate::{
    battery::Battery,
    coverage::Air,
    life::{LifeError, Progress, live},
    outcome::{Comparison, Outcome},
    scenario::{Scenario, ScenarioError, millis},
    strategies,
};

/// Why there is no comparison.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunError {
    /// The scenario was changed into one that cannot be.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A life could not be lived.
    #[error(transparent)]
    Life(#[from] LifeError),
}

/// A strategy that a life can be lived under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Cairn's scheduler.
    Cairn,
    /// Everything once a day.
    Daily,
    /// Each record in a message of its own.
    Message,
    /// Each record written to a chain by itself.
    Reference,
    /// The cheapest uploads, with full knowledge of what comes.
    Optimum,
}

impl Strategy {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Cairn, Self::Daily, Self::Message, Self::Reference, Self::Optimum];

    /// As one asks for it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Cairn => "cairn",
            Self::Daily => "daily",
            Self::Message => "message",
            Self::Reference => "reference",
            Self::Optimum => "optimum",
        }
    }
}

/// What Cairn's own strategy is called and does.
pub const CAIRN: (&str, &str) = (
    "Cairn",
    "The agent with its scheduler: one signed batch per upload, as late and as cheaply as deadlines, coverage and budget allow.",
);

/// Lives `scenario` under each of `wanted`, in the order of [`Strategy::ALL`]. `progress` is called with each day of each life.
///
/// # Errors
/// [`RunError`].
pub fn run(
    scenario: &Scenario,
    wanted: &[Strategy],
    progress: &mut dyn FnMut(Progress),
) -> Result<Comparison, RunError> {
    scenario.check()?;
    let air = Rc::new(Air::of(scenario));
    let mut outcomes = Vec::new();
    for strategy in Strategy::ALL.into_iter().filter(|strategy| wanted.contains(strategy)) {
        outcomes.push(match strategy {
            Strategy::Cairn => cairn(scenario, &air, progress)?,
            Strategy::Daily => strategies::daily(scenario, &air, progress)?,
            Strategy::Message => strategies::message_per_reading(scenario, &air, progress),
            Strategy::Reference => strategies::reference(scenario, &air, progress),
            Strategy::Optimum => strategies::optimum(scenario, &air, progress),
        });
    }
    Ok(Comparison {
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        battery: Battery::new(scenario.battery).usable(),
        outcomes,
    })
}

/// Cairn's own life alone.
///
/// # Errors
/// [`RunError`].
pub fn run_cairn(scenario: &Scenario, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, RunError> {
    scenario.check()?;
    Ok(cairn(scenario, &Rc::new(Air::of(scenario)), progress)?)
}

fn cairn(scenario: &Scenario, air: &Rc<Air>, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, LifeError> {
    let settings = settings(scenario);
    live(scenario, CAIRN, air, |kept, now| Scheduler::new(settings, kept, now), progress)
}

/// What the device's scheduler is told, as component/capi/src/power.rs tells it.
#[must_use]
pub fn settings(scenario: &Scenario) -> scheduler::Settings {
    scheduler::Settings {
        patience: scenario.patience(),
        retry_base: Millis::from_secs(30),
        retry_max: Millis::from_secs(3600),
        seed: scenario.seed,
        model: scenario.believed(),
        budget: scenario.budget(),
        tau: Some(millis(scenario.network.t3412_hours * 3600.0)),
        sight: Sight::Blind,
    }
}
