// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a device learns of the coverage where it is: how often each level is met at each time of day, and how long a level stays.
//! [`super::outlook`] asks what to expect. Only what the modem reported goes in: an exchange's level, or one that was reported
//! while the radio was up anyway. Asleep, a modem knows nothing.

use super::cost::CoverageLevel;
use crate::time::Millis;

/// Parts of a day that are told apart.
pub(super) const PARTS: usize = 8;
/// Milliseconds of such a part.
pub(super) const PART_MS: u64 = DAY_MS / PARTS as u64;
/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 24 * 3_600_000;
/// A probability of one.
pub const CERTAIN: u32 = 1024;

/// Weights in a count of what was seen: one observation.
const SEEN: u16 = 16;
/// When a part's counts reach this, all are halved: old observations fade.
const COUNT_MAX: u16 = 20 * SEEN;
/// How much all parts together count in one part: one and a half observations.
const PRIOR_WEIGHT: u32 = 3 * SEEN as u32 / 2;
/// How much what was seen in the part before and in the one after counts, 16ths.
const NEAR: u32 = 10;
/// Minutes at a level that are assumed before anything was seen, and the changes in them.
const PRIOR_MINUTES: u32 = 12 * 60;
/// Exposure beyond which both are halved.
const EXPOSURE_MAX: u32 = 60 * 24 * 60;

/// Shares of the three levels; they sum to [`CERTAIN`].
pub type Shares = [u32; 3];

/// What was learned.
#[derive(Clone, Debug)]
pub struct Coverage {
    seen: [[u16; 3]; PARTS],
    /// Minutes that each level was seen to stay.
    stayed: [u32; 3],
    /// Changes from each level, sixteenths.
    left: [u32; 3],
    last: Option<(CoverageLevel, Millis)>,
    /// How much earlier the first part of the day begins.
    phase: Millis,
}

impl Coverage {
    /// Nothing learned. Where a part of the day ends, expectations change, and plans with them; and which part is the first decides
    /// what is imagined first: devices whose days began at the same time differ by their `phase`, below a day.
    #[must_use]
    pub const fn new(phase: Millis) -> Self {
        Self { seen: [[0; 3]; PARTS], stayed: [PRIOR_MINUTES; 3], left: [16; 3], last: None, phase }
    }

    /// Milliseconds from the beginning of the first part of a day to `time`.
    pub(super) const fn of_day(&self, time: Millis) -> u64 {
        time.after(self.phase).0 % DAY_MS
    }

    /// A time in the middle of a part of the day.
    pub(super) const fn amid(&self, part: usize) -> Millis {
        Millis((part + PARTS) as u64 * PART_MS + PART_MS / 2 - self.phase.0)
    }

    /// The level last reported, and when.
    #[must_use]
    pub const fn last(&self) -> Option<(CoverageLevel, Millis)> {
        self.last
    }

    /// The modem reports `level` now, at a time that tells nothing of the time of day.
    pub(super) fn pass(&mut self, level: CoverageLevel, now: Millis) {
        if let Some((before, at)) = self.last {
            let minutes = u32::try_from(now.since(at).0 / 60_000).unwrap_or(u32::MAX).min(PRIOR_MINUTES * 4);
            self.expose(before, if before == level { minutes } else { minutes / 2 }, before != level);
        }
        self.last = Some((level, now));
    }

    /// The modem reports `level` now.
    pub fn hear(&mut self, level: CoverageLevel, now: Millis) {
        self.pass(level, now);
        let part = part_of(Millis(self.of_day(now)));
        let Some(part) = self.seen.get_mut(part) else { return };
        if let Some(count) = part.get_mut(level as usize) {
            *count += SEEN;
        }
        if part.iter().sum::<u16>() >= COUNT_MAX {
            part.iter_mut().for_each(|count| *count /= 2);
        }
    }

    fn expose(&mut self, level: CoverageLevel, minutes: u32, changed: bool) {
        let (Some(stayed), Some(left)) = (self.stayed.get_mut(level as usize), self.left.get_mut(level as usize))
        else {
            return;
        };
        *stayed += minutes;
        *left += if changed { 16 } else { 0 };
        if *stayed > EXPOSURE_MAX {
            (*stayed, *left) = (*stayed / 2, (*left / 2).max(1));
        }
    }

    /// How often each level is met at all, by what was seen and a prior of one observation each, two for the last.
    fn overall(&self) -> Shares {
        let mut counts = [u32::from(SEEN) / 2; 3];
        for part in &self.seen {
            for (count, seen) in counts.iter_mut().zip(part) {
                *count += u32::from(*seen);
            }
        }
        shares(counts)
    }

    /// What to expect in each part of the day where nothing newer is known. Computed once per plan.
    #[must_use]
    pub fn by_part(&self) -> ByPart {
        let overall = self.overall();
        ByPart(core::array::from_fn(|index| {
            let of = |part: usize| self.seen.get(part % PARTS).copied().unwrap_or_default();
            let (before, part, after) = (of(index + PARTS - 1), of(index), of(index + 1));
            let mut counts = overall.map(|share| share * PRIOR_WEIGHT);
            for (count, ((before, seen), after)) in counts.iter_mut().zip(before.into_iter().zip(part).zip(after)) {
                let near = (u32::from(before) + u32::from(after)) * NEAR / 16;
                *count += (u32::from(seen) + near) * CERTAIN;
            }
            shares(counts)
        }))
    }

    /// How many changes of `level` are to be expected in a tick, 64 an hour: 2^20ths, 2^16 of them at most.
    #[must_use]
    pub(super) fn changes_per_tick(&self, level: CoverageLevel) -> u32 {
        let (stayed, left) = (self.stayed.get(level as usize), self.left.get(level as usize));
        let (Some(stayed), Some(left)) = (stayed, left) else { return 0 };
        // Sixteenths in fifteen sixteenths of a minute.
        (left.saturating_mul((1 << 20) / 256 * 15) / (*stayed).max(1)).min(1 << 16)
    }
}

/// Shares of the levels by part of the day.
#[derive(Clone, Debug)]
pub struct ByPart([Shares; PARTS]);

impl ByPart {
    pub(super) fn of(&self, part: usize) -> Shares {
        self.0.get(part).copied().unwrap_or([CERTAIN, 0, 0])
    }
}

pub(super) fn part_of(time: Millis) -> usize {
    usize::try_from(time.0 / PART_MS % PARTS as u64).unwrap_or_default()
}

fn shares([ce0, ce1, ce2]: [u32; 3]) -> Shares {
    let all = (ce0 + ce1 + ce2).max(1);
    let (ce1, ce2) = (ce1 * CERTAIN / all, ce2 * CERTAIN / all);
    [CERTAIN - ce1 - ce2, ce1, ce2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use CoverageLevel::{Ce0, Ce1, Ce2};

    const HOUR: u64 = 3_600_000;

    #[test]
    fn what_is_seen_at_a_time_of_day_is_expected_at_it() {
        let mut coverage = Coverage::new(Millis(0));
        for day in 0..20 {
            coverage.hear(Ce0, Millis((day * 24 + 4) * HOUR));
            coverage.hear(Ce2, Millis((day * 24 + 16) * HOUR));
        }
        let parts = coverage.by_part();
        let (night, day) = (
            parts.of(part_of(Millis(1000 * 24 * HOUR + 4 * HOUR))),
            parts.of(part_of(Millis(1000 * 24 * HOUR + 16 * HOUR))),
        );
        assert!(night[0] > 800 && day[2] > 800, "{night:?} {day:?}");
        for part in 0..PARTS {
            assert_eq!(parts.of(part).iter().sum::<u32>(), CERTAIN);
        }
    }

    #[test]
    fn the_parts_of_a_day_begin_earlier_by_the_phase() {
        let mut coverage = Coverage::new(Millis(HOUR));
        coverage.hear(Ce2, Millis(3 * HOUR - 1));
        coverage.hear(Ce2, Millis(2 * HOUR));
        let parts = coverage.by_part();
        assert!(parts.of(1)[2] > parts.of(0)[2] && parts.of(0) == parts.of(2), "{parts:?}");
    }

    #[test]
    fn a_level_that_stayed_is_expected_to_stay_and_one_that_changed_is_not() {
        let (mut steady, mut restless) = (Coverage::new(Millis(0)), Coverage::new(Millis(0)));
        for hour in 0..200 {
            steady.hear(Ce1, Millis(hour * HOUR));
            restless.hear(if hour % 2 == 0 { Ce1 } else { Ce0 }, Millis(hour * HOUR));
        }
        let changes = |coverage: &Coverage| (coverage.changes_per_tick(Ce1) * 6 * 64) >> 10;
        assert!(changes(&steady) < CERTAIN / 16, "{}", changes(&steady));
        assert!(changes(&restless) > 4 * CERTAIN, "{}", changes(&restless));
    }

    #[test]
    fn nothing_overflows_whatever_is_heard() {
        let mut coverage = Coverage::new(Millis(0));
        let mut time = 1_u64;
        for step in 0..100_000_u64 {
            time = time.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
            let level = CoverageLevel::ALL[usize::try_from(time >> 40).unwrap() % 3];
            coverage.hear(level, Millis(time));
            let shares = coverage.by_part().of(part_of(Millis(time)));
            assert_eq!(shares.iter().sum::<u32>(), CERTAIN);
            assert!(coverage.changes_per_tick(Ce2) <= 1 << 16);
        }
    }
}
