// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random months in a device's life: coverage, records with deadlines, times at which the radio is up anyway. The same seed
//! gives the same month on every machine: integers only, one generator of random numbers, no library's.
//!
//! Written before the scheduler was tuned, and the ranges are what was believed to be plausible, not what was found to be easy.
//! [`TUNING_SEEDS`] are for tuning; [`FINAL_SEEDS`] are looked at once, for the figure that is told.

use core::ops::Range;

use cairn::{power::cost::CoverageLevel, record::Priority};
use serde::Deserialize;

/// Milliseconds of a slot: the shortest time that matters to anything but an urgent record.
pub const SLOT_MS: u64 = 15 * 60 * 1000;
/// Slots of an hour.
pub const SLOTS_PER_HOUR: usize = 4;
/// Slots of a day.
pub const SLOTS_PER_DAY: usize = 24 * SLOTS_PER_HOUR;
/// Days of a trace.
pub const DAYS: usize = 28;

/// Seeds to tune the scheduler with.
pub const TUNING_SEEDS: Range<u64> = 1_000_000..1_001_200;
/// Seeds of the final figure. 9,000,000 to 9,001,199 were those of an earlier scheduler: what was looked at is not looked at again.
pub const FINAL_SEEDS: Range<u64> = 12_000_000..12_001_200;

/// Random numbers: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Starts at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`, which is not 0. The bias is below 2^-40 for what is asked here.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// A number from `first` to `last`.
    pub const fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// True `share` times in a million.
    pub const fn happens(&mut self, share: u64) -> bool {
        self.below(1_000_000) < share
    }

    /// One of `choices`, which are not empty.
    pub fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[usize::try_from(self.below(N as u64)).expect("an index")]
    }
}

/// Where the device is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Mostly normal coverage.
    Good,
    /// Between two levels.
    Edge,
    /// Mostly the worst level: a basement.
    Deep,
}

/// What makes coverage worse at the same time of every day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shade {
    /// Nothing.
    None,
    /// A busy cell: one level worse for some hours, on most days.
    Busy,
    /// A car above the lid, a metal door that is closed: one or two levels worse for half the day, on most days.
    Covered,
}

/// What a device has to send, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it is journaled, at the beginning of the slot.
    pub slot: usize,
    /// How pressing it is.
    pub priority: Priority,
    /// What it adds to an upload, in bytes: nothing where only hashes go.
    pub bytes: u32,
}

/// What a trace's coverage was drawn from: a chain of levels, [`Law::first`] and [`Law::next`], made worse by a shade.
#[derive(Clone, Debug)]
pub struct Law {
    /// How probable each level is before the first slot.
    pub first: [f64; 3],
    /// How probable each level is in a slot after each level.
    pub next: [[f64; 3]; 3],
    /// The levels that were drawn, without the shade.
    pub bare: Vec<CoverageLevel>,
    /// What the shade makes of CE0, slot by slot.
    pub shade: Vec<CoverageLevel>,
}

impl Law {
    /// What the shade of `slot` makes of `bare`.
    #[must_use]
    pub fn shaded(&self, slot: usize, bare: usize) -> CoverageLevel {
        CoverageLevel::ALL[(bare + self.shade[slot] as usize).min(2)]
    }
}

/// A month in a device's life.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What it was drawn from.
    pub seed: u64,
    /// Where the device is.
    pub place: Place,
    /// What shades it.
    pub shade: Shade,
    /// Coverage, slot by slot.
    pub levels: Vec<CoverageLevel>,
    /// Records, by slot.
    pub arrivals: Vec<Arrival>,
    /// Slots in which the application has the radio up.
    pub radio_up: Vec<bool>,
    /// Slots from a connection to the tracking area update that follows when there is no other: the granted T3412.
    pub tau_slots: usize,
    /// How many slots a record may wait, by priority: bulk, routine, urgent.
    pub patience: [usize; 3],
}

impl Trace {
    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.levels.len()
    }

    /// The last slot in which `arrival` may be sent. What is not sent at the end of the trace is sent then.
    #[must_use]
    pub fn due(&self, arrival: &Arrival) -> usize {
        (arrival.slot + self.patience[arrival.priority as usize]).min(self.slots() - 1)
    }

    /// The law that the coverage was drawn from, and what of it this trace drew.
    #[must_use]
    pub fn law(&self) -> Law {
        let mut dice = Dice::new(self.seed);
        let _ = (dice.below(100), dice.below(100));
        let bare = wander(&mut dice.clone(), self.place, self.slots());
        let [ce0, ce1, ce2] = means(&mut dice.clone(), self.place).map(|mean| mean as f64);
        let up = ce0 / (ce0 + ce2);
        let [leaves0, leaves1, leaves2] = [1.0 / ce0, 1.0 / ce1, 1.0 / ce2];
        let next = [
            [1.0 - leaves0, leaves0 * 0.9, leaves0 * 0.1],
            [leaves1 * up, 1.0 - leaves1, leaves1 * (1.0 - up)],
            [leaves2 * 0.1, leaves2 * 0.9, 1.0 - leaves2],
        ];
        let first = match self.place {
            Place::Good => [1.0, 0.0, 0.0],
            Place::Edge => [0.5, 0.5, 0.0],
            Place::Deep => [0.0, 0.5, 0.5],
        };
        let _ = wander(&mut dice, self.place, self.slots());
        let mut shade = vec![CoverageLevel::Ce0; self.slots()];
        shade_days(&mut dice, self.shade, &mut shade);
        Law { first, next, bare, shade }
    }

    /// Another month at the same place, under the same law and the same shade: what a device may have lived through before this one.
    #[must_use]
    pub fn another_month(&self) -> Self {
        let mut dice = Dice::new(self.seed);
        let _ = (dice.below(100), dice.below(100));
        let means = means(&mut dice.clone(), self.place);
        let _ = wander(&mut dice, self.place, self.slots());
        let shading = Shading::of(&mut dice, self.shade);
        let mut dice = Dice::new(!self.seed);
        let mut levels = walk(&mut dice, self.place, means, self.slots());
        shade_hours(&mut dice, shading, &mut levels);
        Self { levels, ..self.clone() }
    }

    /// The trace of `seed`.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let slots = DAYS * SLOTS_PER_DAY;
        let place = match dice.below(100) {
            0..40 => Place::Good,
            40..75 => Place::Edge,
            _ => Place::Deep,
        };
        let shade = match dice.below(100) {
            0..40 => Shade::None,
            40..70 => Shade::Busy,
            _ => Shade::Covered,
        };
        let mut levels = wander(&mut dice, place, slots);
        shade_days(&mut dice, shade, &mut levels);
        let (arrivals, patience) = records(&mut dice, slots);
        let radio_up = application(&mut dice, slots);
        let tau_slots = dice.pick([12, 24, 48, 168]) * SLOTS_PER_HOUR;
        Self { seed, place, shade, levels, arrivals, radio_up, tau_slots, patience }
    }
}

/// Mean hours at CE0, CE1 and CE2 before the level changes.
const fn mean_dwell_hours(place: Place) -> [u64; 3] {
    match place {
        Place::Good => [72, 6, 2],
        Place::Edge => [16, 12, 4],
        Place::Deep => [4, 12, 24],
    }
}

/// Mean slots at each level in a given trace.
fn means(dice: &mut Dice, place: Place) -> [u64; 3] {
    let percent = dice.pick([50, 71, 100, 141, 200]);
    mean_dwell_hours(place).map(|hours| (hours * SLOTS_PER_HOUR as u64 * percent / 100).max(1))
}

/// Coverage that stays for a while and then changes: dwell times are geometric, with means of the place, all of them half to
/// twice as long in a given trace. From the middle level it goes up as often as down in expectation of the place's means;
/// from the ends mostly to the middle.
pub(crate) fn wander(dice: &mut Dice, place: Place, slots: usize) -> Vec<CoverageLevel> {
    let means = means(dice, place);
    walk(dice, place, means, slots)
}

fn walk(dice: &mut Dice, place: Place, means: [u64; 3], slots: usize) -> Vec<CoverageLevel> {
    let mut level = match place {
        Place::Good => 0,
        Place::Edge => dice.below(2),
        Place::Deep => dice.between(1, 2),
    };
    (0..slots)
        .map(|_| {
            let index = usize::try_from(level).expect("a level");
            if dice.below(means[index]) == 0 {
                level = match level {
                    0 if dice.below(10) == 0 => 2,
                    2 if dice.below(10) == 0 => 0,
                    0 | 2 => 1,
                    // To where it stays long, mostly.
                    _ => 2 * u64::from(dice.below(means[0] + means[2]) >= means[0]),
                };
            }
            CoverageLevel::ALL[usize::try_from(level).expect("a level")]
        })
        .collect()
}

/// A shade whose hours are drawn.
#[derive(Clone, Copy)]
struct Shading {
    hours: u64,
    steps: u64,
    begin_hour: u64,
    /// On how many days, in millionths.
    days: u64,
}

impl Shading {
    fn of(dice: &mut Dice, shade: Shade) -> Option<Self> {
        let (hours, steps) = match shade {
            Shade::None => return None,
            Shade::Busy => (dice.between(3, 8), 1),
            Shade::Covered => (dice.between(9, 14), dice.between(1, 2)),
        };
        let begin_hour = dice.below(24);
        let days = dice.between(700_000, 950_000);
        Some(Self { hours, steps, begin_hour, days })
    }
}

/// Makes the same hours of most days worse, with edges that move by an hour from day to day.
pub(crate) fn shade_days(dice: &mut Dice, shade: Shade, levels: &mut [CoverageLevel]) {
    let shading = Shading::of(dice, shade);
    shade_hours(dice, shading, levels);
}

fn shade_hours(dice: &mut Dice, shading: Option<Shading>, levels: &mut [CoverageLevel]) {
    let Some(Shading { hours, steps, begin_hour, days: most_days }) = shading else { return };
    let jitter = 2 * SLOTS_PER_HOUR as u64;
    for day in 0..=(levels.len() / SLOTS_PER_DAY) as u64 {
        if !dice.happens(most_days) {
            continue;
        }
        // A day early, so that what goes past midnight is there on the first day too.
        let first = (day * 24 + begin_hour) * SLOTS_PER_HOUR as u64 + dice.below(jitter);
        let last = first + hours * SLOTS_PER_HOUR as u64 + dice.below(jitter);
        for slot in first..last {
            let slot = usize::try_from(slot).expect("a slot").checked_sub(SLOTS_PER_DAY);
            if let Some(level) = slot.and_then(|slot| levels.get_mut(slot)) {
                let worse = (*level as u64 + steps).min(2);
                *level = CoverageLevel::ALL[usize::try_from(worse).expect("a level")];
            }
        }
    }
}

/// Readings every slot, a log once a day, and urgent events now and then; and how long each may wait.
fn records(dice: &mut Dice, slots: usize) -> (Vec<Arrival>, [usize; 3]) {
    let reading = if dice.below(10) < 7 { Priority::Routine } else { Priority::Bulk };
    let bytes = dice.pick([0, 6]);
    let routine = dice.pick([6, 12, 24]) * SLOTS_PER_HOUR;
    let bulk = dice.pick([48, 168]) * SLOTS_PER_HOUR;
    // Events a day, in millionths of a slot.
    let urgent_share = dice.pick([0, 200_000, 1_000_000, 4_000_000]) / SLOTS_PER_DAY as u64;
    let log_at = usize::try_from(dice.below(SLOTS_PER_DAY as u64)).expect("a slot");
    let mut arrivals = Vec::new();
    for slot in 0..slots {
        arrivals.push(Arrival { slot, priority: reading, bytes });
        if slot % SLOTS_PER_DAY == log_at {
            arrivals.push(Arrival { slot, priority: Priority::Bulk, bytes: 6 * bytes });
        }
        if dice.happens(urgent_share) {
            arrivals.push(Arrival { slot, priority: Priority::Urgent, bytes });
        }
    }
    (arrivals, [bulk, routine, 0])
}

/// Slots in which the application has something of its own to send: never, once a day at about the same time, or every few hours.
fn application(dice: &mut Dice, slots: usize) -> Vec<bool> {
    let mut up = vec![false; slots];
    let (period, jitter) = match dice.below(100) {
        0..70 => return up,
        70..85 => (SLOTS_PER_DAY as u64, 2 * SLOTS_PER_HOUR as u64),
        _ => (dice.between(4, 12) * SLOTS_PER_HOUR as u64, SLOTS_PER_HOUR as u64),
    };
    let mut base = dice.below(period);
    while base < slots as u64 {
        let slot = usize::try_from(base + dice.below(jitter)).expect("a slot");
        if let Some(up) = up.get_mut(slot) {
            *up = true;
        }
        base += period;
    }
    up
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_trace_for_ever() {
        let trace = Trace::of(TUNING_SEEDS.start);
        let mut print = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |value: u64| print = (print ^ value).wrapping_mul(0x0000_0100_0000_01b3);
        trace.levels.iter().for_each(|level| add(*level as u64));
        trace.arrivals.iter().for_each(|arrival| add(arrival.slot as u64 + arrival.priority as u64 * 7));
        trace.radio_up.iter().for_each(|up| add(u64::from(*up)));
        trace.patience.iter().for_each(|slots| add(*slots as u64));
        add(trace.tau_slots as u64);
        assert_eq!(print, PRINT_OF_THE_FIRST, "the generator changed: every figure that was told of it is void");
    }

    const PRINT_OF_THE_FIRST: u64 = 4_119_245_224_612_471_322;

    #[test]
    fn the_two_sets_of_seeds_share_none_and_are_a_thousand_each() {
        const { assert!(TUNING_SEEDS.end <= FINAL_SEEDS.start) };
        assert!(TUNING_SEEDS.count() >= 1000 && FINAL_SEEDS.count() >= 1000);
    }

    #[test]
    fn every_kind_of_month_is_drawn() {
        let traces: Vec<Trace> = (0..300).map(Trace::of).collect();
        for place in [Place::Good, Place::Edge, Place::Deep] {
            for shade in [Shade::None, Shade::Busy, Shade::Covered] {
                assert!(traces.iter().any(|trace| trace.place == place && trace.shade == shade), "{place:?} {shade:?}");
            }
        }
        let share = |level| {
            let slots = traces.iter().flat_map(|trace| &trace.levels);
            slots.filter(|at| **at == level).count() * 100 / (300 * DAYS * SLOTS_PER_DAY)
        };
        let [ce0, ce1, ce2] = CoverageLevel::ALL.map(share);
        assert!(ce0 >= 25 && ce1 >= 15 && ce2 >= 15, "{ce0} {ce1} {ce2} %");
        assert!(traces.iter().any(|trace| trace.radio_up.contains(&true)));
        assert!(traces.iter().any(|trace| trace.arrivals.iter().any(|arrival| arrival.priority == Priority::Urgent)));
    }

    #[test]
    fn the_law_of_a_trace_gives_its_levels_and_what_was_drawn_obeys_it() {
        let (mut seen, mut expected) = ([[0.0; 3]; 3], [[0.0; 3]; 3]);
        for trace in (0..200).map(Trace::of) {
            let law = trace.law();
            for (slot, level) in trace.levels.iter().enumerate() {
                assert_eq!(law.shaded(slot, law.bare[slot] as usize), *level);
            }
            for pair in law.bare.windows(2) {
                seen[pair[0] as usize][pair[1] as usize] += 1.0;
                expected[pair[0] as usize].iter_mut().zip(law.next[pair[0] as usize]).for_each(|(sum, p)| *sum += p);
            }
        }
        for (seen, expected) in seen.iter().flatten().zip(expected.iter().flatten()) {
            let sigma: f64 = f64::sqrt(*expected);
            assert!((seen - expected).abs() < 5.0 * sigma, "{seen} where {expected} were to be expected");
        }
    }

    #[test]
    fn coverage_stays_for_hours() {
        for seed in 0..50 {
            let trace = Trace::of(seed);
            let changes = trace.levels.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(changes < DAYS * 24, "seed {seed}: {changes} changes");
        }
    }
}
