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
    price::EXCHANGE_BYTES,
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

/// What Cairn's own strategy is called and does.
pub const CAIRN: (&str, &str) = (
    "Cairn",
    "The agent with its scheduler: one signed batch per upload, as late and as cheaply as deadlines, coverage and budget allow.",
);

/// Lives `scenario` under every strategy. `progress` is called with each day of each life.
///
/// # Errors
/// [`RunError`].
pub fn run(scenario: &Scenario, progress: &mut dyn FnMut(Progress)) -> Result<Comparison, RunError> {
    scenario.check()?;
    let air = Rc::new(Air::of(scenario));
    let outcomes = vec![
        cairn(scenario, &air, progress)?,
        strategies::daily(scenario, &air, progress)?,
        strategies::message_per_reading(scenario, &air, progress),
        strategies::reference(scenario, &air, progress),
        strategies::optimum(scenario, &air, progress),
    ];
    Ok(Comparison {
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        battery: Battery::new(scenario.battery).capacity(),
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

/// What the device's scheduler is told, as its configuration would.
#[must_use]
pub fn settings(scenario: &Scenario) -> scheduler::Settings {
    scheduler::Settings {
        patience: scenario.patience(),
        retry_base: Millis::from_secs(60),
        retry_max: Millis::from_secs(3600),
        seed: scenario.seed,
        model: scenario.believed(),
        budget: scenario.budget(),
        tau: Some(millis(scenario.network.t3412_hours * 3600.0)),
        sight: Sight::Blind,
        exchange_bytes: EXCHANGE_BYTES,
    }
}
