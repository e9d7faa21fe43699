// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A city gets its power back, and every meter in it starts at once: what arrives at the relay from then on, second by second. Each
//! device runs the scheduler of the firmware, with a seed drawn at each start as the firmware draws one; here it is shown what its agent
//! would show it, and told how its exchanges ended. The tests of host/power/tests/fleet.rs and `cairn power fleet` call it.
//!
//! It counts exchanges, not datagrams, and moves no bytes: what a single device does, host/power's other parts say.

use std::{cmp::Reverse, collections::BinaryHeap};

use cairn::{
    power::{
        budget,
        cost::{CoverageLevel, MicroJoules, Model},
    },
    time::Millis,
};

use self::device::{Device, Step};
use crate::traces::Dice;

mod device;

/// Milliseconds of a second.
const SECOND_MS: u64 = 1000;

/// What the devices' coverage is, and whether their modems tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sky {
    /// Normal, and the modem tells nothing: as over a socket of the system's IP stack.
    Untold,
    /// The same level for ever, told with each exchange; an eighth of the devices each CE1 and CE2.
    Steady,
    /// One level worse for all devices at once from the 8th to the 20th hour of each day: told with each exchange.
    BusyDays,
}

/// A fleet, and what happens to it. Times count from when the power returns.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// How many devices.
    pub devices: u32,
    /// When to stop counting.
    pub horizon: Millis,
    /// Within which time all of them have started.
    pub starts_within: Millis,
    /// How long a record may wait: bulk, routine, urgent.
    pub patience: [Millis; 3],
    /// Devices take a reading whenever the clock on the wall shows a multiple of this: all of them at the same time.
    pub reading_every: Millis,
    /// Percent of the devices that have something urgent to say when they start.
    pub urgent_percent: u8,
    /// How many exchanges the relay answers in a second; it turns the rest away. `None`: all.
    pub capacity_per_s: Option<u32>,
    /// When the relay answers nobody.
    pub outage: Option<(Millis, Millis)>,
    /// When the power fails and returns once more.
    pub blackout: Option<(Millis, Millis)>,
    /// The granted T3412.
    pub tau: Option<Millis>,
    /// Coverage.
    pub sky: Sky,
    /// How much a device may spend.
    pub budget: budget::Settings,
    /// From what all seeds are drawn.
    pub seed: u64,
    /// What is taken away, to see that it is needed.
    pub without: Option<Protection>,
}

/// What keeps a fleet from acting in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Devices draw seeds of their own.
    OwnSeeds,
    /// The first upload after a start is due at a random time.
    BootOffset,
}

impl Fleet {
    /// 100,000 meters that read every quarter of an hour, have a day to send it, and a tenth of which call out when the power returns: for
    /// three days. Their budget is that of docs/power.md's meter.
    #[must_use]
    pub const fn city() -> Self {
        const HOUR: u64 = 3_600_000;
        Self {
            devices: 100_000,
            horizon: Millis(72 * HOUR),
            starts_within: Millis::from_secs(5),
            patience: [Millis(7 * 24 * HOUR), Millis(24 * HOUR), Millis::from_secs(2)],
            reading_every: Millis(HOUR / 4),
            urgent_percent: 10,
            capacity_per_s: None,
            outage: None,
            blackout: None,
            tau: Some(Millis(12 * HOUR)),
            sky: Sky::Steady,
            budget: budget::Settings {
                refill_uw: 251,
                burst: MicroJoules::from_mj(43_000),
                reserve: MicroJoules::from_mj(20_000),
                urgent_burst: 3,
                urgent_interval: Millis(600_000),
            },
            seed: 1,
            without: None,
        }
    }

    /// With records that are due after `routine`, for `horizon`, and a budget that pays for it.
    #[must_use]
    pub fn hurried(routine: Millis, horizon: Millis) -> Self {
        let city = Self::city();
        let budget = budget::Settings {
            refill_uw: 20_000,
            burst: MicroJoules::from_mj(1_700_000),
            reserve: MicroJoules::from_mj(200_000),
            ..city.budget
        };
        Self { patience: [routine.max(city.patience[0]), routine, city.patience[2]], horizon, budget, ..city }
    }
}

/// The busiest 60 seconds of a time, and what is usual in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Busiest {
    /// Arrivals in the busiest 60 seconds.
    pub peak: u32,
    /// When they begin, in seconds.
    pub at_s: usize,
    /// Arrivals in 60 seconds on the mean of the whole time.
    pub mean: f64,
}

impl Busiest {
    /// How many times the mean the peak is.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        f64::from(self.peak) / self.mean
    }

    /// Of what came in each second, from second `from` on: every window of 60 seconds counts, wherever it begins.
    fn of(seconds: &[u32], from: usize) -> Option<Self> {
        let after = seconds.get(from..).filter(|after| after.len() >= 60)?;
        let (at, peak) =
            after.windows(60).map(|window| window.iter().sum::<u32>()).enumerate().max_by_key(|at| at.1)?;
        let all = after.iter().map(|count| u64::from(*count)).sum::<u64>();
        Some(Self { peak, at_s: from + at, mean: all as f64 * 60.0 / after.len() as f64 })
    }
}

/// What became of a fleet.
#[derive(Clone, Debug)]
pub struct FleetOutcome {
    /// Exchanges that reached the relay in each second, those it turned away included; in an outage, those that tried to.
    pub arrivals: Vec<u32>,
    /// Tracking area updates in each second, which the modems make by themselves.
    pub updates: Vec<u32>,
    /// Exchanges that failed.
    pub failed: u64,
    /// Urgent records, and how long the last of them took to be stored.
    pub urgent: (u64, Millis),
    /// Routine records that were stored later than they were due, although the relay answered.
    pub late: u64,
    /// Devices that never had an exchange.
    pub silent: u32,
}

impl FleetOutcome {
    /// The busiest minute at the relay from `from` on; `None` when nothing is left of the time.
    #[must_use]
    pub fn busiest(&self, from: Millis) -> Option<Busiest> {
        Busiest::of(&self.arrivals, second(from))
    }

    /// The busiest minute of tracking area updates.
    #[must_use]
    pub fn busiest_updates(&self, from: Millis) -> Option<Busiest> {
        Busiest::of(&self.updates, second(from))
    }

    /// Arrivals in each hour.
    #[must_use]
    pub fn by_hour(&self) -> Vec<u32> {
        self.arrivals.chunks(3600).map(|hour| hour.iter().sum()).collect()
    }
}

fn second(time: Millis) -> usize {
    usize::try_from(time.0 / SECOND_MS).unwrap_or(usize::MAX)
}

/// The relay, as far as devices notice it.
struct Relay<'a> {
    fleet: &'a Fleet,
    arrivals: Vec<u32>,
}

/// How an exchange goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    TurnedAway,
    Unheard,
}

impl Relay<'_> {
    fn exchange(&mut self, at: Millis) -> Fate {
        let Some(count) = self.arrivals.get_mut(second(at)) else { return Fate::Answered };
        *count += 1;
        match (self.fleet.outage, self.fleet.capacity_per_s) {
            (Some((from, to)), _) if at >= from && at < to => Fate::Unheard,
            (_, Some(capacity)) if *count > capacity => Fate::TurnedAway,
            _ => Fate::Answered,
        }
    }
}

/// Lives through it.
#[must_use]
pub fn run(fleet: &Fleet) -> FleetOutcome {
    let seconds = second(fleet.horizon);
    let mut relay = Relay { fleet, arrivals: vec![0; seconds] };
    let mut updates = vec![0; seconds];
    let mut dice = Dice::new(fleet.seed);
    let model = Model::DEFAULT;
    let mut devices: Vec<Device> = (0..fleet.devices).map(|number| Device::new(fleet, number, &mut dice)).collect();
    let powered = fleet
        .blackout
        .map_or_else(|| vec![(Millis(0), fleet.horizon)], |(off, on)| vec![(Millis(0), off), (on, fleet.horizon)]);
    for (on, off) in powered {
        let start = |(number, device): (u32, &mut Device)| {
            let at = on.after(Millis(dice.below(fleet.starts_within.0.max(1))));
            device.start(fleet, &model, at, &mut dice);
            Reverse((at.0, number))
        };
        // One entry for each device: when it is to be looked at next.
        let mut wakes: BinaryHeap<Reverse<(u64, u32)>> = (0..).zip(&mut devices).map(start).collect();
        while let Some(Reverse((now, number))) = wakes.pop()
            && now < off.0
        {
            let device = &mut devices[usize::try_from(number).expect("a device")];
            let then = loop {
                match device.step(fleet, &model, Millis(now)) {
                    Step::Exchange => device.begin(Millis(now), relay.exchange(Millis(now)), &model, fleet),
                    Step::Wait(then) => break then,
                }
            };
            device.updated(fleet, Millis(now), |at| {
                if let Some(count) = updates.get_mut(second(at)) {
                    *count += 1;
                }
            });
            wakes.push(Reverse((then.0.max(now + 1), number)));
        }
    }
    let sum = |of: fn(&Device) -> u64| devices.iter().map(of).sum::<u64>();
    FleetOutcome {
        failed: sum(|device| device.failed),
        urgent: (
            sum(|device| device.urgent_stored),
            devices.iter().map(|device| device.urgent_took).max().unwrap_or_default(),
        ),
        late: sum(|device| device.late),
        silent: u32::try_from(devices.iter().filter(|device| device.exchanges == 0).count()).unwrap_or(u32::MAX),
        arrivals: relay.arrivals,
        updates,
    }
}

/// The level that `device` has at `at`: seven in eight are well placed.
fn level(sky: Sky, device: u32, at: Millis) -> CoverageLevel {
    use CoverageLevel::{Ce0, Ce1, Ce2};
    let busy = (8..20).contains(&(at.0 / 3_600_000 % 24));
    match (sky, device % 8) {
        (Sky::Steady, 0) => Ce2,
        (Sky::Steady, 1) => Ce1,
        (Sky::Untold | Sky::Steady, _) => Ce0,
        (Sky::BusyDays, 0) => {
            if busy {
                Ce2
            } else {
                Ce1
            }
        }
        (Sky::BusyDays, _) => {
            if busy {
                Ce1
            } else {
                Ce0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_wherever_it_begins() {
        let mut seconds = vec![1; 600];
        // 30 on either side of the end of a minute.
        seconds[270..330].fill(5);
        let busiest = Busiest::of(&seconds, 0).unwrap();
        assert_eq!((busiest.peak, busiest.at_s, busiest.mean), (300, 270, 84.0));
        assert_eq!(Busiest::of(&seconds, 330).unwrap().ratio(), 1.0);
        assert_eq!(Busiest::of(&seconds, 541), None);
    }

    #[test]
    fn the_same_fleet_has_the_same_life() {
        let fleet = Fleet { devices: 200, capacity_per_s: Some(3), ..Fleet::city() };
        let (one, other) = (run(&fleet), run(&fleet));
        assert_eq!((&one.arrivals, &one.updates), (&other.arrivals, &other.updates));
        assert_ne!(one.arrivals, run(&Fleet { seed: 2, ..fleet }).arrivals);
        assert_eq!(one.by_hour().iter().sum::<u32>(), one.arrivals.iter().sum::<u32>());
    }

    #[test]
    fn a_relay_turns_away_what_is_beyond_its_room_and_hears_nothing_while_it_is_out() {
        let fleet = Fleet { capacity_per_s: Some(2), outage: Some((Millis(5_000), Millis(6_000))), ..Fleet::city() };
        let mut relay = Relay { fleet: &fleet, arrivals: vec![0; 10] };
        let fates = [1_000, 1_400, 1_999, 2_000, 5_000, 6_000].map(|at| relay.exchange(Millis(at)));
        use Fate::{Answered, TurnedAway, Unheard};
        assert_eq!(fates, [Answered, Answered, TurnedAway, Answered, Unheard, Answered]);
        assert_eq!(relay.arrivals[..7], [0, 3, 1, 0, 0, 1, 1]);
    }
}
