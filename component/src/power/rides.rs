// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When the application has the radio up, as far as that is regular: an upload there needs no wake of its own. The scheduler notes
//! each and asks for the next; nothing here decides anything.

use super::outlook::Recurring;
use crate::time::Millis;

/// When the application has the radio up, as far as that is regular.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rides {
    last: Option<Millis>,
    /// From one to the next, and how far that strays.
    interval: Millis,
    stray: Millis,
}

impl Rides {
    /// The radio is up at `now`. What follows within minutes is the same.
    pub(super) fn note(&mut self, now: Millis) {
        /// As long as it is one.
        const SAME: Millis = Millis::from_secs(20 * 60);
        if let Some(last) = self.last {
            let interval = now.since(last);
            if interval <= SAME {
                return;
            }
            let off = Millis(interval.0.abs_diff(self.interval.0));
            let first = self.interval.0 == 0;
            let mix = |old: Millis, new: Millis| Millis((old.0.saturating_mul(3)).saturating_add(new.0) / 4);
            self.stray = if first { Millis(interval.0 / 4) } else { mix(self.stray, off) };
            self.interval = if first { interval } else { mix(self.interval, interval) };
        }
        self.last = Some(now);
    }

    /// When it was up last.
    pub(super) const fn last(&self) -> Option<Millis> {
        self.last
    }

    /// When the next is expected; `None` when there was no second, or it is long overdue.
    pub(super) fn next(&self, now: Millis) -> Option<Recurring> {
        let about = self.last.filter(|_| self.interval.0 > 0)?.after(self.interval);
        let late = Millis(self.stray.0.saturating_mul(2));
        (now < about.after(late)).then(|| Recurring { first: about.since(now), late, interval: self.interval })
    }

    /// The same at any other time, as far as they keep to the time of day.
    pub(super) fn next_imagined(&self, now: Millis) -> Option<Recurring> {
        const DAY: u64 = 24 * 3_600_000;
        let last = self.last.filter(|_| self.interval.0 > 0)?;
        let daily = self.interval.0.abs_diff(DAY) < DAY / 12;
        let first = if daily { (last.0 % DAY + DAY - now.0 % DAY) % DAY } else { self.interval.0 / 2 };
        Some(Recurring { first: Millis(first), late: Millis(0), interval: self.interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn what_comes_every_day_is_expected_about_a_day_later_and_no_more_when_it_stays_away() {
        let mut rides = Rides::default();
        rides.note(Millis(5 * HOUR));
        assert_eq!(rides.next(Millis(6 * HOUR)), None, "one tells no interval");
        for day in 1..20 {
            rides.note(Millis((day * 24 + 5) * HOUR));
            rides.note(Millis((day * 24 + 5) * HOUR + 60_000));
        }
        let last = Millis((19 * 24 + 5) * HOUR);
        let next = rides.next(last).expect("the next");
        assert!(next.first == Millis(24 * HOUR) && next.late < Millis(HOUR), "{next:?}");
        assert_eq!(rides.next(last.after(Millis(48 * HOUR))), None);
    }
}
