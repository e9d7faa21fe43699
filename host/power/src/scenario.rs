// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a simulated life is made of, as a TOML file says it: battery, product, deadlines, coverage, network, outages, budget. Every
//! value is checked before anything runs. The shipped files are in the program itself. Read by [`crate::life`] and its neighbours;
//! nothing here draws or spends.

use cairn::{
    agent::UploadMode,
    power::{cost::MicroJoules, urgent::BURST_MAX},
    time::Millis,
};
use serde::Deserialize;

use crate::{
    checks::Checks,
    model_file::ModelFile,
    traces::{Place, Shade},
};

/// The scenarios that are shipped, by name.
pub const SHIPPED: [(&str, &str); 9] = [
    ("meter", include_str!("../scenarios/meter.toml")),
    ("meter-ce2", include_str!("../scenarios/meter-ce2.toml")),
    ("meter-5wh", include_str!("../scenarios/meter-5wh.toml")),
    ("meter-5wh-ce2", include_str!("../scenarios/meter-5wh-ce2.toml")),
    ("lock", include_str!("../scenarios/lock.toml")),
    ("blackout", include_str!("../scenarios/blackout.toml")),
    ("coverage-comes-and-goes", include_str!("../scenarios/coverage-comes-and-goes.toml")),
    ("relay-down", include_str!("../scenarios/relay-down.toml")),
    ("squeeze", include_str!("../scenarios/squeeze.toml")),
];

/// The longest scenario, and the last day that one may name.
const DAYS_MAX: f64 = 40.0 * 366.0;

/// Why a scenario is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScenarioError {
    /// The file is no TOML, has a field that nobody knows, or lacks one.
    #[error("{0}")]
    File(String),
    /// A value that cannot be.
    #[error("{field} = {value}: must be {allowed}")]
    Value {
        /// Which, as the file names it.
        field: String,
        /// What it says.
        value: String,
        /// What it could say.
        allowed: String,
    },
}

/// A life to simulate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is, in a sentence or two.
    pub about: String,
    /// How long it goes on.
    pub days: u32,
    /// All that is random follows from it.
    #[serde(default = "one")]
    pub seed: u64,
    /// Where the energy comes from.
    pub battery: Battery,
    /// What the product does.
    pub product: Product,
    /// How long records may wait.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// How the radio is received.
    pub coverage: Coverage,
    /// What the network and the modem are like.
    #[serde(default)]
    pub network: Network,
    /// Times at which something is down.
    #[serde(default, rename = "outage")]
    pub outages: Vec<Outage>,
    /// What the device may spend.
    #[serde(default)]
    pub budget: Budget,
    /// What things cost in truth, where it is not the default.
    #[serde(default)]
    pub truth: ModelFile,
    /// What the device believes that they cost, where it is not the default.
    #[serde(default)]
    pub believed: ModelFile,
}

const fn one() -> u64 {
    1
}

/// A primary cell, or several.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// Nominal capacity, milliampere hours.
    pub mah: f64,
    /// Nominal voltage.
    pub volts: f64,
    /// What of it can be used at room temperature: pulses, the voltage at which the device stops. A share.
    pub usable: f64,
    /// What the cell loses by itself in a year, as a share of what is left in it.
    #[serde(default)]
    pub self_discharge_per_year: f64,
    /// What cannot be used besides on the coldest day of a year, a share of the capacity; a sine over the year, 0 on the warmest day.
    #[serde(default)]
    pub cold_derating: f64,
    /// The coldest day of a year, counted from the first day of the scenario.
    #[serde(default)]
    pub coldest_day: f64,
}

/// What the product measures and draws.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// What it draws by itself all the time, microwatts: measuring, a display.
    #[serde(default)]
    pub draw_uw: f64,
    /// Readings of a counter a day, evenly spaced; routine records.
    #[serde(default)]
    pub readings_per_day: u32,
    /// The most that the counter goes on from one reading to the next.
    #[serde(default = "two_hundred")]
    pub counter_step_max: u32,
    /// Logs a day; bulk records.
    #[serde(default)]
    pub logs_per_day: u32,
    /// Bytes of a log.
    #[serde(default = "thirty_two")]
    pub log_bytes: usize,
    /// Urgent events a day in the mean, at random times.
    #[serde(default)]
    pub urgent_per_day: f64,
    /// What the product spends on each itself, millijoules: a motor.
    #[serde(default)]
    pub urgent_mj: f64,
    /// Times a year at which somebody rattles: many urgent events within a minute.
    #[serde(default)]
    pub rattles_per_year: f64,
    /// How many events that makes.
    #[serde(default = "forty")]
    pub rattle_events: u32,
    /// Hours between the product's own uses of the radio, 0 for none: records may ride along.
    #[serde(default)]
    pub radio_every_hours: f64,
    /// Bytes on the wire of such a use, both ways.
    #[serde(default = "two_hundred")]
    pub radio_bytes: u32,
    /// What the relay is given.
    pub upload: Upload,
    /// Hours after which records go that were uploaded as hashes, CONFIG_CAIRN_RETENTION_HOURS: what else fetches them did so by then. The
    /// journal must hold as many. 0: they never go.
    #[serde(default = "ten_days")]
    pub retention_hours: f64,
}

const fn ten_days() -> f64 {
    240.0
}

const fn two_hundred() -> u32 {
    200
}

const fn thirty_two() -> usize {
    32
}

const fn forty() -> u32 {
    40
}

/// What the relay is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upload {
    /// Anchors and records.
    Data,
    /// Anchors only.
    HashOnly,
}

impl From<Upload> for UploadMode {
    fn from(upload: Upload) -> Self {
        match upload {
            Upload::Data => Self::Data,
            Upload::HashOnly => Self::HashOnly,
        }
    }
}

/// How long records may wait, by priority.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deadlines {
    /// Bulk records, hours.
    pub bulk_hours: f64,
    /// Routine records, hours.
    pub routine_hours: f64,
    /// Urgent records wait so long for others of the same event, seconds.
    pub urgent_s: f64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { bulk_hours: 168.0, routine_hours: 24.0, urgent_s: 2.0 }
    }
}

/// How the radio is received: one level for ever, or a place and what shades it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "CoverageFile")]
pub enum Coverage {
    /// One coverage enhancement level for ever.
    Constant {
        /// 0, 1 or 2.
        level: u8,
    },
    /// It wanders by the law of [`crate::traces`].
    Wandering {
        /// Where the device is.
        place: Place,
        /// What makes the same hours of each day worse.
        shade: Shade,
    },
}

/// As a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CoverageFile {
    level: Option<u8>,
    place: Option<Place>,
    shade: Option<Shade>,
}

impl TryFrom<CoverageFile> for Coverage {
    type Error = &'static str;

    fn try_from(file: CoverageFile) -> Result<Self, Self::Error> {
        match file {
            CoverageFile { level: Some(level), place: None, shade: None } => Ok(Self::Constant { level }),
            CoverageFile { level: None, place: Some(place), shade: Some(shade) } => {
                Ok(Self::Wandering { place, shade })
            }
            _ => Err("coverage must have either a level, or a place and a shade"),
        }
    }
}

/// What the network grants and loses. Lists are by coverage level.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The granted T3412: from a connection to the tracking area update after it, hours.
    pub t3412_hours: f64,
    /// The modem tells the level after an exchange.
    pub reports_level: bool,
    /// Sigma of the lognormal factor, of mean 1, that an exchange costs more or less than the model says.
    pub noise_sigma: [f64; 3],
    /// How probable it is that a datagram, or the answer to it, is lost.
    pub loss: [f64; 3],
    /// How probable it is that no connection comes about.
    pub refused: [f64; 3],
    /// Faults of the network a year that keep the modem searching.
    pub faults_per_year: f64,
    /// The most that one costs, joules; the least is a joule, and the logarithm is even between.
    pub fault_max_j: f64,
    /// How long the modem searches for a network that is not there, seconds.
    pub search_s: f64,
    /// How long the ledger takes until an anchor is final, hours.
    pub final_hours: f64,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            t3412_hours: 48.0,
            reports_level: true,
            noise_sigma: [0.5, 0.65, 0.8],
            loss: [0.01, 0.03, 0.08],
            refused: [0.002, 0.01, 0.04],
            faults_per_year: 0.5,
            fault_max_j: 200.0,
            search_s: 60.0,
            final_hours: 1.0,
        }
    }
}

/// What is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Down {
    /// The network: nothing is reached, and modems attach anew when it is back.
    Network,
    /// The relay: the network is there, and nobody answers.
    Relay,
}

/// A time at which something is down, once or again and again.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// What.
    pub what: Down,
    /// When it begins, days from the beginning of the scenario.
    pub first_day: f64,
    /// How long it is down.
    pub hours: f64,
    /// Days from one such time to the next; 0: it is the only one.
    #[serde(default)]
    pub every_days: f64,
    /// The device loses power with it, and starts again when it ends.
    #[serde(default)]
    pub resets: bool,
}

/// What the device is told that it may spend.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// The years that the battery must last; what comes in follows from it, and from what the battery holds.
    pub years: u32,
    /// What comes in, microwatts, when it does not follow from the years.
    pub refill_uw: Option<u32>,
    /// How much may be saved up, joules; 0 for what the device's configuration chooses: [`Scenario::budget`].
    pub burst_j: f64,
    /// How much may be saved up besides for urgent records alone, joules; 0 as above.
    pub reserve_j: f64,
    /// Urgent records of one kind that may come at once.
    pub urgent_burst: u8,
    /// Minutes until another of that kind may come.
    pub urgent_minutes: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { years: 10, refill_uw: None, burst_j: 0.0, reserve_j: 0.0, urgent_burst: 3, urgent_minutes: 10.0 }
    }
}

impl Scenario {
    /// A scenario from the text of a file.
    ///
    /// # Errors
    /// [`ScenarioError`]: which field, what it says, what it could say.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| ScenarioError::File(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// A shipped scenario; `None` when there is none of that name.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse(text).expect("what is shipped was tested"))
    }

    /// Refuses what cannot be. Whoever changes a scenario that was parsed asks again.
    ///
    /// # Errors
    /// [`ScenarioError::Value`].
    pub fn check(&self) -> Result<(), ScenarioError> {
        let Self { battery, product, deadlines, network, budget, .. } = self;
        let mut checks = Checks::default();
        checks.within("days", f64::from(self.days), 1.0, DAYS_MAX);
        checks.within("battery.mah", battery.mah, 1.0, 1e6);
        checks.within("battery.volts", battery.volts, 0.5, 60.0);
        checks.within("battery.usable", battery.usable, 0.01, 1.0);
        checks.within("battery.self_discharge_per_year", battery.self_discharge_per_year, 0.0, 0.9);
        checks.within("battery.cold_derating", battery.cold_derating, 0.0, battery.usable - 0.01);
        checks.within("battery.coldest_day", battery.coldest_day, 0.0, 366.0);
        checks.within("product.draw_uw", product.draw_uw, 0.0, 1e6);
        checks.within("product.readings_per_day", f64::from(product.readings_per_day), 0.0, 1440.0);
        checks.within("product.counter_step_max", f64::from(product.counter_step_max), 1.0, 1e6);
        checks.within("product.logs_per_day", f64::from(product.logs_per_day), 0.0, 96.0);
        checks.within("product.log_bytes", product.log_bytes as f64, 1.0, 64.0);
        checks.within("product.urgent_per_day", product.urgent_per_day, 0.0, 1000.0);
        checks.within("product.urgent_mj", product.urgent_mj, 0.0, 1e6);
        checks.within("product.rattles_per_year", product.rattles_per_year, 0.0, 366.0);
        checks.within("product.rattle_events", f64::from(product.rattle_events), 1.0, 1000.0);
        checks.within("product.radio_every_hours", product.radio_every_hours, 0.0, 10_000.0);
        checks.within("product.radio_bytes", f64::from(product.radio_bytes), 0.0, 1e6);
        checks.within("product.retention_hours", product.retention_hours, 0.0, 175_200.0);
        checks.within("deadlines.bulk_hours", deadlines.bulk_hours, 0.25, 960.0);
        checks.within("deadlines.routine_hours", deadlines.routine_hours, 0.25, 960.0);
        checks.within("deadlines.urgent_s", deadlines.urgent_s, 0.0, 3600.0);
        checks.within("network.t3412_hours", network.t3412_hours, 0.25, 9920.0);
        checks.each("network.noise_sigma", network.noise_sigma, 0.0, 1.5);
        checks.each("network.loss", network.loss, 0.0, 0.9);
        checks.each("network.refused", network.refused, 0.0, 0.9);
        checks.within("network.faults_per_year", network.faults_per_year, 0.0, 1000.0);
        checks.within("network.fault_max_j", network.fault_max_j, 1.0, 1000.0);
        checks.within("network.search_s", network.search_s, 0.0, 3600.0);
        checks.within("network.final_hours", network.final_hours, 0.0, 10_000.0);
        checks.within("budget.years", f64::from(budget.years), 1.0, 40.0);
        checks.within("budget.burst_j", budget.burst_j, 0.0, 1e5);
        checks.within("budget.reserve_j", budget.reserve_j, 0.0, 1e5);
        checks.within("budget.urgent_burst", f64::from(budget.urgent_burst), 1.0, f64::from(BURST_MAX));
        checks.within("budget.urgent_minutes", budget.urgent_minutes, 0.001, 1e5);
        if let Coverage::Constant { level } = self.coverage {
            checks.within("coverage.level", f64::from(level), 0.0, 2.0);
        }
        for Outage { first_day, hours, every_days, .. } in &self.outages {
            checks.within("outage.first_day", *first_day, 0.0, DAYS_MAX);
            checks.within("outage.hours", *hours, 0.01, 24.0 * 366.0);
            let least = if *every_days == 0.0 { 0.0 } else { *hours / 24.0 + 0.01 };
            checks.within("outage.every_days", *every_days, least, DAYS_MAX);
        }
        self.truth.check("truth", &mut checks);
        self.believed.check("believed", &mut checks);
        checks.verdict()
    }
}

/// A checked number, rounded.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked, and is cut to what fits")]
pub(crate) const fn whole(value: f64) -> u32 {
    value.round() as u32
}

/// Seconds as milliseconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked, and is cut to what fits")]
pub(crate) const fn millis(seconds: f64) -> Millis {
    Millis((seconds * 1000.0).round() as u64)
}

/// Joules as microjoules.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked, and is cut to what fits")]
pub(crate) const fn joules(joules: f64) -> MicroJoules {
    MicroJoules((joules * 1e6).round() as u64)
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
