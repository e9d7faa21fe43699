// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A primary cell over years: what is drawn leaves it, it loses a share of what is left by itself, and cold keeps a part of it from
//! being used. [`crate::diary`] draws from it day by day; nothing here knows what for.

use cairn::power::cost::MicroJoules;

use crate::scenario::{self, joules};

/// Days of a year.
pub const DAYS_PER_YEAR: f64 = 365.25;
/// No life is told to be longer.
pub const LIFE_MAX_DAYS: f64 = 100.0 * DAYS_PER_YEAR;

/// The cell.
#[derive(Clone, Debug)]
pub struct Battery {
    told: scenario::Battery,
    /// What it holds when it is new.
    capacity: MicroJoules,
    left: MicroJoules,
}

impl Battery {
    /// A new one.
    #[must_use]
    pub const fn new(told: scenario::Battery) -> Self {
        let capacity = joules(told.mah * told.volts * 3.6);
        Self { told, capacity, left: capacity }
    }

    /// What of it can be used when it is new, at room temperature.
    #[must_use]
    pub fn usable(&self) -> MicroJoules {
        joules(self.capacity.0 as f64 * self.told.usable / 1e6)
    }

    /// What is left in it, usable or not.
    #[must_use]
    pub const fn left(&self) -> MicroJoules {
        self.left
    }

    /// `energy` leaves it, or all there is.
    pub fn draw(&mut self, energy: MicroJoules) {
        self.left = self.left.minus(energy);
    }

    /// A day goes by: what it loses by itself.
    pub fn lose_a_day(&mut self) -> MicroJoules {
        let share = 1.0 - libm::pow(1.0 - self.told.self_discharge_per_year, 1.0 / DAYS_PER_YEAR);
        let lost = joules(self.left.0 as f64 * share / 1e6);
        self.draw(lost);
        lost
    }

    /// What it still gives on `day`; 0 when it is empty.
    #[must_use]
    pub fn gives(&self, day: f64) -> MicroJoules {
        let angle = (day - self.told.coldest_day) / DAYS_PER_YEAR * core::f64::consts::TAU;
        let cold = self.told.cold_derating * 0.5 * (1.0 + libm::cos(angle));
        let useless = (1.0 - self.told.usable + cold).min(1.0);
        self.left.minus(joules(self.capacity.0 as f64 * useless / 1e6))
    }

    /// The day on which it is empty if `a_day` is drawn each day from `day` on, [`LIFE_MAX_DAYS`] at most.
    #[must_use]
    pub fn lasts_until(&self, day: f64, a_day: MicroJoules) -> f64 {
        let (mut battery, mut day) = (self.clone(), day);
        while battery.gives(day).0 > 0 && day < LIFE_MAX_DAYS {
            battery.draw(a_day);
            battery.lose_a_day();
            day += 1.0;
        }
        day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(self_discharge_per_year: f64, cold_derating: f64) -> Battery {
        let (mah, volts, usable) = (1000.0, 3.6, 0.8);
        Battery::new(scenario::Battery { mah, volts, usable, self_discharge_per_year, cold_derating, coldest_day: 0.0 })
    }

    #[test]
    fn a_cell_without_losses_gives_what_it_says() {
        let cell = cell(0.0, 0.0);
        assert_eq!(cell.capacity, MicroJoules(12_960_000_000));
        assert_eq!((cell.usable(), cell.gives(7.0)), (MicroJoules(10_368_000_000), MicroJoules(10_368_000_000)));
        assert!((cell.lasts_until(0.0, MicroJoules::from_mj(10_368)) - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn ten_years_of_one_percent_leave_nine_tenths() {
        let mut cell = cell(0.01, 0.0);
        let mut lost = 0;
        for _ in 0..3653 {
            lost += cell.lose_a_day().0;
        }
        let share = cell.left().0 as f64 / cell.capacity.0 as f64;
        assert!((share - 0.99_f64.powi(10)).abs() < 1e-4, "{share}");
        assert_eq!(lost + cell.left().0, cell.capacity.0, "what is lost is told");
    }

    #[test]
    fn cold_takes_most_on_the_coldest_day_and_nothing_in_summer() {
        let cell = cell(0.0, 0.1);
        let share = |day| cell.gives(day).0 as f64 / cell.capacity.0 as f64;
        assert!((share(0.0) - 0.7).abs() < 1e-9 && (share(DAYS_PER_YEAR / 2.0) - 0.8).abs() < 1e-9);
        assert!(share(30.0) < share(60.0));
    }

    #[test]
    fn an_empty_cell_gives_nothing() {
        let mut cell = cell(0.0, 0.0);
        cell.draw(MicroJoules(u64::MAX));
        assert_eq!((cell.left(), cell.gives(1.0)), (MicroJoules(0), MicroJoules(0)));
    }
}
