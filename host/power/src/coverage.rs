// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the radio is received through a whole life, and what is down when: drawn once from the scenario, the same for every strategy.
//! The law is that of [`crate::traces`]. Nothing here costs anything.

use cairn::power::cost::CoverageLevel;

use crate::{
    scenario::{Coverage, Down, Outage, Scenario, millis},
    traces::{Dice, SLOT_MS, SLOTS_PER_DAY, shade_days, wander},
};

/// Milliseconds of a day.
pub const DAY_MS: u64 = SLOT_MS * SLOTS_PER_DAY as u64;

/// A time at which something is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    what: Down,
    begins: u64,
    ends: u64,
    resets: bool,
}

/// Coverage and outages of a life, times in milliseconds from its beginning.
#[derive(Clone, Debug)]
pub struct Air {
    /// Slot by slot.
    levels: Vec<CoverageLevel>,
    /// In the order in which they end.
    gaps: Vec<Gap>,
}

impl Air {
    /// What `scenario` says.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let slots = scenario.days as usize * SLOTS_PER_DAY;
        let mut dice = Dice::new(scenario.seed ^ 0x0a1b_2c3d_4e5f);
        let levels = match scenario.coverage {
            Coverage::Constant { level } => vec![CoverageLevel::ALL[usize::from(level.min(2))]; slots],
            Coverage::Wandering { place, shade } => {
                let mut levels = wander(&mut dice, place, slots);
                shade_days(&mut dice, shade, &mut levels);
                levels
            }
        };
        let end = u64::from(scenario.days) * DAY_MS;
        let mut gaps: Vec<Gap> = scenario.outages.iter().flat_map(|outage| repeated(outage, end)).collect();
        gaps.sort_by_key(|gap| gap.ends);
        Self { levels, gaps }
    }

    /// Slot by slot.
    #[must_use]
    pub fn levels(&self) -> &[CoverageLevel] {
        &self.levels
    }

    /// The level at `now`: the last one goes on for ever.
    #[must_use]
    pub fn level(&self, now: u64) -> CoverageLevel {
        let slot = usize::try_from(now / SLOT_MS).unwrap_or(usize::MAX).min(self.levels.len() - 1);
        self.levels[slot]
    }

    /// Whether `what` is down at `now`.
    #[must_use]
    pub fn is_down(&self, what: Down, now: u64) -> bool {
        let from = self.gaps.partition_point(|gap| gap.ends <= now);
        self.gaps[from..].iter().any(|gap| gap.what == what && gap.begins <= now)
    }

    /// When the network was last back before or at `now`, if it was ever down.
    #[must_use]
    pub fn network_back(&self, now: u64) -> Option<u64> {
        let ended = &self.gaps[..self.gaps.partition_point(|gap| gap.ends <= now)];
        ended.iter().rev().find(|gap| gap.what == Down::Network).map(|gap| gap.ends)
    }

    /// The next time after `now` at which the device gets its power back.
    #[must_use]
    pub fn next_reset(&self, now: u64) -> Option<u64> {
        let to_come = &self.gaps[self.gaps.partition_point(|gap| gap.ends <= now)..];
        to_come.iter().find(|gap| gap.resets).map(|gap| gap.ends)
    }

    /// Whether the device is without power at `now`.
    #[must_use]
    pub fn is_off(&self, now: u64) -> bool {
        let from = self.gaps.partition_point(|gap| gap.ends <= now);
        self.gaps[from..].iter().any(|gap| gap.resets && gap.begins <= now)
    }

    /// Hours at each level on `day`; hours without a network are none.
    #[must_use]
    pub fn hours(&self, day: usize) -> [f32; 3] {
        let mut hours = [0.0; 3];
        for slot in day * SLOTS_PER_DAY..(day + 1) * SLOTS_PER_DAY {
            let Some(level) = self.levels.get(slot) else { break };
            if !self.is_down(Down::Network, slot as u64 * SLOT_MS) {
                hours[*level as usize] += 0.25;
            }
        }
        hours
    }
}

fn repeated(outage: &Outage, end: u64) -> Vec<Gap> {
    let Outage { what, first_day, hours, every_days, resets } = *outage;
    let (first, long) = (millis(first_day * 86_400.0).0, millis(hours * 3600.0).0);
    let every = millis(every_days * 86_400.0).0;
    let begins = (0..).map(|nth| first + nth * every).take(if every == 0 { 1 } else { usize::MAX });
    begins.take_while(|begins| *begins < end).map(|begins| Gap { what, begins, ends: begins + long, resets }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn air(outages: &str) -> Air {
        let text = format!(
            "name='t'\nabout='t'\ndays=30\n[battery]\nmah=1000\nvolts=3\nusable=1\n[product]\nupload='data'\n[coverage]\nlevel=1\n{outages}"
        );
        Air::of(&Scenario::parse(&text).unwrap())
    }

    #[test]
    fn what_is_down_is_down_at_its_times_and_no_other() {
        let air = air(
            "[[outage]]\nwhat='relay'\nfirst_day=2\nhours=3\nevery_days=10\n[[outage]]\nwhat='network'\nfirst_day=5\nhours=1\nresets=true",
        );
        let at = |day: u64, hour: u64| (day * 24 + hour) * DAY_MS / 24;
        for (day, hour, relay, network) in [
            (1, 23, false, false),
            (2, 0, true, false),
            (2, 3, false, false),
            (5, 0, false, true),
            (22, 2, true, false),
        ] {
            assert_eq!(air.is_down(Down::Relay, at(day, hour)), relay, "{day} {hour}");
            assert_eq!(air.is_down(Down::Network, at(day, hour)), network, "{day} {hour}");
        }
        assert_eq!((air.next_reset(0), air.next_reset(at(5, 1))), (Some(at(5, 1)), None));
        assert!(air.is_off(at(5, 0)) && !air.is_off(at(5, 1)) && !air.is_off(at(2, 1)));
        assert_eq!((air.network_back(at(5, 0)), air.network_back(at(9, 0))), (None, Some(at(5, 1))));
        assert!((air.hours(5)[1] - 23.0).abs() < 1e-6 && (air.hours(2)[1] - 24.0).abs() < 1e-6);
    }
}
