// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is promised of batteries, each promise measured by living it: lives of the shipped scenarios, and what a record costs the
//! radio beside the reference peer's pattern. `cairn power` and the demonstration show the rows, a test holds them.

use std::{panic::resume_unwind, rc::Rc, sync::mpsc, thread};

use crate::{
    battery::DAYS_PER_YEAR,
    compare::{RunError, run_cairn},
    coverage::Air,
    life::Progress,
    outcome::{Cause, Outcome},
    scenario::{Scenario, Upload},
    strategies::{REFERENCE_CONNECTIONS, reference},
};

/// A promise, and what was measured of it.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// What is promised.
    pub claim: &'static str,
    /// What `measured` and `limit` count.
    pub unit: &'static str,
    /// What was measured.
    pub measured: f64,
    /// What it is to be.
    pub limit: f64,
    /// `measured` is to be at least `limit`; at most, otherwise.
    pub at_least: bool,
    /// How it came about, in a sentence.
    pub note: String,
}

impl Forecast {
    /// Whether the promise holds.
    #[must_use]
    pub fn is_met(&self) -> bool {
        if self.at_least { self.measured >= self.limit } else { self.measured <= self.limit }
    }
}

/// Days of the lives in which only what a record costs is measured.
const COST_DAYS: u32 = 1461;
/// Days of the reference peer's: its battery is empty before.
const REFERENCE_DAYS: u32 = 365;

/// Lives that are to last, with what is claimed and for how many years.
const LASTING: [(&str, &str, f64); 5] = [
    ("meter", "Meter on 8.5 Ah, normal coverage, one data batch a day", 15.0),
    ("meter-ce2", "Meter on 8.5 Ah, worst coverage, one data batch a day", 10.0),
    ("meter-5wh", "5 Wh of 3GPP TR 45.820, normal coverage, with data", 10.0),
    ("meter-5wh-ce2", "5 Wh of 3GPP TR 45.820, worst coverage, hashes only", 10.0),
    ("lock", "Lock on four AA cells, normal coverage, 20 urgent events a day", 1.0),
];

/// All promises. Lives 48 years, as many lives at a time as there are cores: some ten seconds of one core when optimised.
///
/// # Errors
/// [`RunError`].
pub fn forecasts(progress: &mut dyn FnMut(Progress)) -> Result<Vec<Forecast>, RunError> {
    let meter = shipped("meter");
    let mut hashes = Scenario { name: "meter, hashes only".to_owned(), days: COST_DAYS, ..meter.clone() };
    hashes.product.upload = Upload::HashOnly;
    let mut scenarios = LASTING.map(|(name, _, _)| shipped(name)).to_vec();
    scenarios.push(hashes.clone());
    let lived = all_lives(&scenarios, progress)?;
    let [with_data, .., hash_only] = &lived[..] else { unreachable!("a life for each scenario") };
    let mut rows: Vec<Forecast> =
        LASTING.iter().zip(&lived).map(|((_, claim, years), outcome)| lasts(claim, *years, outcome)).collect();
    rows.push(per_record("Radio for a record, hashes only, normal coverage", 6.0, hash_only));
    rows.push(per_record("Radio for a record, with data, normal coverage", 7.5, with_data));
    rows.push(below_reference("Below the reference peer's pattern, hashes only", &hashes, hash_only, progress));
    rows.push(below_reference("Below the reference peer's pattern, with data", &meter, with_data, progress));
    Ok(rows)
}

/// Cairn's life of each scenario, side by side; `progress` is told of their days together.
fn all_lives(scenarios: &[Scenario], progress: &mut dyn FnMut(Progress)) -> Result<Vec<Outcome>, RunError> {
    let days = scenarios.iter().map(|scenario| scenario.days).sum();
    thread::scope(|scope| {
        let (tells, told) = mpsc::channel();
        let live = |scenario| {
            let tells = tells.clone();
            // Nobody listens any more when the caller panicked.
            let mut tell = move |today| _ = tells.send(today);
            scope.spawn(move || run_cairn(scenario, &mut tell))
        };
        let lives: Vec<_> = scenarios.iter().map(live).collect();
        drop(tells);
        for (day, Progress { strategy, .. }) in (0..).zip(told) {
            progress(Progress { strategy, day, days });
        }
        lives.into_iter().map(|life| life.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

fn shipped(name: &str) -> Scenario {
    Scenario::shipped(name).expect("a shipped scenario")
}

fn lasts(claim: &'static str, years: f64, outcome: &Outcome) -> Forecast {
    let energy = outcome.energy();
    let days = outcome.days.len() as f64;
    let a_day = |cause: Cause| energy[cause].0 as f64 / 1e6 / days;
    let radio = energy.radio().0 as f64 / 1e6 / days;
    let note = format!(
        "an upload every {:.1} h in the mean, {:.0} h at most; {radio:.2} J a day for the radio, {:.2} asleep, {:.2} for the product, \
         {:.2} lost by the cell",
        outcome.interval_mean_ms as f64 / 3.6e6,
        outcome.interval_max_ms as f64 / 3.6e6,
        a_day(Cause::Sleep),
        a_day(Cause::Product),
        a_day(Cause::SelfDischarge),
    );
    let measured = outcome.life_days.unwrap_or(0.0) / DAYS_PER_YEAR;
    Forecast { claim, unit: "years", measured, limit: years, at_least: true, note }
}

fn per_record(claim: &'static str, limit: f64, outcome: &Outcome) -> Forecast {
    let measured = outcome.radio_per_record_uj().unwrap_or(f64::INFINITY) / 1e3;
    let energy = outcome.energy();
    let faults = energy[Cause::Fault].0 as f64 / energy.radio().0.max(1) as f64 * measured;
    let note = format!("{faults:.2} mJ of it for the faults of the network that are assumed");
    Forecast { claim, unit: "mJ", measured, limit, at_least: false, note }
}

fn below_reference(
    claim: &'static str,
    scenario: &Scenario,
    ours: &Outcome,
    progress: &mut dyn FnMut(Progress),
) -> Forecast {
    let scenario = Scenario { days: REFERENCE_DAYS, ..scenario.clone() };
    let theirs = reference(&scenario, &Rc::new(Air::of(&scenario)), progress);
    let per = |outcome: &Outcome| outcome.radio_per_record_uj().unwrap_or(0.0);
    let (ours, theirs_each) = (per(ours).max(1e-9), per(&theirs));
    let delivered: u32 = theirs.days.iter().map(|day| day.delivered).sum();
    let waits = theirs.energy()[Cause::RoundTrips].0 as f64 / f64::from(delivered.max(1));
    let note = format!(
        "{:.0} mJ a record; if each of its {REFERENCE_CONNECTIONS} connections waited for one answer instead of TCP's two, {:.0} times",
        theirs_each / 1e3,
        (theirs_each - waits / 2.0) / ours,
    );
    Forecast { claim, unit: "times", measured: theirs_each / ours, limit: 500.0, at_least: true, note }
}
