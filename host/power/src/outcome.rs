// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What became of a device's life under one strategy: the numbers behind the tables and the report. Filled by the simulator, read by
//! the report; nothing here decides or draws.

use core::ops::{AddAssign, Index, IndexMut};

use cairn::power::{cost::MicroJoules, schedule::Degradation};
use serde::Serialize;

/// What energy was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Asleep: the floor of PSM and of the processor.
    Sleep,
    /// The modem wakes and finds its cell.
    Wake,
    /// Random access and the set-up of a connection.
    SetUp,
    /// Bytes on the wire.
    Bytes,
    /// Waiting for answers.
    RoundTrips,
    /// A connection that the network keeps, or that something delays.
    Tail,
    /// Giving a connection up.
    Release,
    /// Tracking area updates.
    TrackingArea,
    /// Attaching after power was off.
    Attach,
    /// Faults of the network that keep the modem searching.
    Fault,
    /// Signatures.
    Signature,
    /// Writing and erasing flash.
    Flash,
    /// What the cell loses by itself.
    SelfDischarge,
    /// The product itself: measuring, a motor.
    Product,
}

impl Cause {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 14] = [
        Self::Sleep,
        Self::Wake,
        Self::SetUp,
        Self::Bytes,
        Self::RoundTrips,
        Self::Tail,
        Self::Release,
        Self::TrackingArea,
        Self::Attach,
        Self::Fault,
        Self::Signature,
        Self::Flash,
        Self::SelfDischarge,
        Self::Product,
    ];

    /// As a reader of a table or a plot is told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sleep => "asleep",
            Self::Wake => "waking the modem",
            Self::SetUp => "connection set-up",
            Self::Bytes => "bytes on the wire",
            Self::RoundTrips => "waiting for answers",
            Self::Tail => "connected, idle",
            Self::Release => "connection release",
            Self::TrackingArea => "tracking area updates",
            Self::Attach => "attaching",
            Self::Fault => "network faults",
            Self::Signature => "signatures",
            Self::Flash => "flash",
            Self::SelfDischarge => "self-discharge",
            Self::Product => "the product itself",
        }
    }

    /// The radio's, tracking area updates and faults included.
    #[must_use]
    pub const fn is_radio(self) -> bool {
        !matches!(self, Self::Sleep | Self::Signature | Self::Flash | Self::SelfDischarge | Self::Product)
    }
}

/// Energy by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByCause([MicroJoules; Cause::ALL.len()]);

impl ByCause {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> MicroJoules {
        self.0.into_iter().fold(MicroJoules(0), MicroJoules::plus)
    }

    /// The radio's part.
    #[must_use]
    pub fn radio(&self) -> MicroJoules {
        let radio = Cause::ALL.into_iter().filter(|cause| cause.is_radio());
        radio.fold(MicroJoules(0), |sum, cause| sum.plus(self[cause]))
    }
}

impl Index<Cause> for ByCause {
    type Output = MicroJoules;

    fn index(&self, cause: Cause) -> &MicroJoules {
        &self.0[cause as usize]
    }
}

impl IndexMut<Cause> for ByCause {
    fn index_mut(&mut self, cause: Cause) -> &mut MicroJoules {
        &mut self.0[cause as usize]
    }
}

impl AddAssign for ByCause {
    fn add_assign(&mut self, more: Self) {
        for cause in Cause::ALL {
            self[cause] = self[cause].plus(more[cause]);
        }
    }
}

/// One day, as it ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Day {
    /// What was spent in it.
    pub energy: ByCause,
    /// What the battery still gives, derating for temperature included; 0 when it is empty.
    pub battery: MicroJoules,
    /// What is in the budget's bucket; 0 for a strategy without one.
    pub budget: MicroJoules,
    /// What it owes.
    pub debt: MicroJoules,
    /// The furthest that it made the device do less that day.
    pub degradation: Degradation,
    /// Wakes of the radio for uploads, and tracking area updates.
    pub wakes: u32,
    /// Tracking area updates.
    pub updates: u32,
    /// Exchanges that failed.
    pub failures: u32,
    /// Records that the product handed over.
    pub records: u32,
    /// Records that the relay stored.
    pub delivered: u32,
    /// Records that a deadline passed over.
    pub late: u32,
    /// Records that were refused, displaced or coalesced.
    pub lost: u32,
    /// Records that wait at its end.
    pub waiting: u32,
    /// What the device's own model makes of what it was told that it spent: exchanges, signatures, flash.
    pub charged: MicroJoules,
    /// The longest that a record had waited when it was delivered that day, or waits still at its end, milliseconds.
    pub staleness_ms: u64,
    /// Hours at each coverage level.
    pub coverage_hours: [f32; 3],
}

/// A life under one strategy.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// As a reader is told.
    pub strategy: &'static str,
    /// In one sentence: what it does.
    pub does: &'static str,
    /// Day by day; ends when the battery is empty or the scenario ends.
    pub days: Vec<Day>,
    /// Days until the battery was empty, or would be if the rest went on as the last year of the scenario (or all of it, when it is
    /// shorter). `None`: the strategy needs no battery that the scenario names.
    pub life_days: Option<f64>,
    /// The battery was empty before the scenario ended.
    pub emptied: bool,
    /// Longest and mean time from one upload to the next, milliseconds.
    pub interval_max_ms: u64,
    /// Mean.
    pub interval_mean_ms: u64,
}

impl Outcome {
    /// Sums over all days.
    #[must_use]
    pub fn energy(&self) -> ByCause {
        let mut sum = ByCause::default();
        self.days.iter().for_each(|day| sum += day.energy);
        sum
    }

    /// The radio's energy for each record that was delivered, microjoules.
    #[must_use]
    pub fn radio_per_record_uj(&self) -> Option<f64> {
        let delivered: u64 = self.days.iter().map(|day| u64::from(day.delivered)).sum();
        (delivered > 0).then(|| self.energy().radio().0 as f64 / delivered as f64)
    }
}

/// Strategies side by side over the same scenario.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The scenario's name.
    pub scenario: String,
    /// What it is, in its author's words.
    pub about: String,
    /// What can be used of the battery when it is new, at room temperature.
    pub battery: MicroJoules,
    /// One for each strategy, Cairn's first.
    pub outcomes: Vec<Outcome>,
}
