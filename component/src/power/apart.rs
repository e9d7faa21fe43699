// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What keeps devices from acting in step: clocks that all show the same time, a city that gets its power back, a relay that comes
//! back after hours. [`super::scheduler`] draws the random numbers and asks; nothing here decides to send. How well it works,
//! host/power's fleet says.

use crate::time::Millis;

/// Of 1024.
pub(super) const WHOLE: u64 = 1024;
/// Failing for longer than this, a device is one of many that wait for the same thing.
const OUTAGE: Millis = Millis::from_secs(30 * 60);

/// A device's own place among others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Apart {
    /// How early it keeps its deadlines, as a share of what there is to share: 1024ths.
    share: u64,
    /// How much before each step of a plan its own lies: 1024ths of the time between.
    ahead: u32,
    /// From one record to the next, about: devices that read their meters when clocks show the same time share this time.
    spacing: Millis,
    /// When records were last sealed, or when it started.
    sealed: Millis,
    /// The next upload is due by then, whatever the records say.
    by: Option<Millis>,
    /// The first exchange that failed since the last that did not.
    failing: Option<Millis>,
}

impl Apart {
    /// One that starts at `now`; the first upload is due at a random time. `draws` are random, `patience` is that of what comes
    /// regularly.
    pub(super) fn started(now: Millis, patience: Millis, draws: [u64; 2]) -> Self {
        let [share, offset] = draws;
        let ahead = u32::try_from((share >> 32) % WHOLE).unwrap_or_default();
        let mut apart = Self { share: share % WHOLE, ahead, spacing: Millis(0), sealed: now, by: None, failing: None };
        apart.scatter(now, patience, offset);
        apart
    }

    /// The next upload is due at a random time over three quarters of the patience, so that no minute carries more than its share by a
    /// third.
    fn scatter(&mut self, now: Millis, patience: Millis, draw: u64) {
        let (eighth, width) = (patience.0 / 8, (patience.0 / 4).saturating_mul(3).max(1));
        self.by = Some(now.after(Millis(eighth + draw % width)));
    }

    /// By when the next upload is due, whatever the records say, when there was one at `since`.
    pub(super) fn by(&self, since: Option<Millis>) -> Option<Millis> {
        self.by.filter(|by| since.is_some_and(|since| since < *by))
    }

    /// How much before each step of a plan this device's own lies, 1024ths of the time between: what many would do in the same hours
    /// each does at its own time in them.
    pub(super) const fn ahead(&self) -> u32 {
        self.ahead
    }

    /// Whether what it does now, others are likely to do as well: since a start or an outage it had no time of its own.
    pub(super) fn is_in_step(&self, now: Millis) -> bool {
        self.by.is_some_and(|by| now < by) || self.failing.is_some_and(|since| now.since(since) >= OUTAGE)
    }

    /// That no longer holds.
    pub(super) const fn settle(&mut self) {
        self.by = None;
    }

    /// What devices that took a record at `since` share, which is due after `patience`: the time until the next comes. What comes in that
    /// time waits for the upload after anyway, so hardly more uploads are made.
    fn shared(&self, since: Millis, patience: Millis) -> u64 {
        let spacing = self.spacing.max(since.since(self.sealed));
        spacing.0.min(patience.0 / 2).min(1 << 48)
    }

    /// How much earlier than `patience` says a record that came at `since` is due: this device's share.
    pub(super) fn early(&self, since: Millis, patience: Millis) -> Millis {
        Millis(self.shared(since, patience) * self.share / WHOLE)
    }

    /// How much later than at `since` it is considered at all: what its share leaves, so that all that is planned in proportion to the
    /// time between keeps the same distance from what others plan.
    pub(super) fn late(&self, since: Millis, patience: Millis) -> Millis {
        Millis(self.shared(since, patience) * (WHOLE - self.share) / WHOLE)
    }

    /// This device's part of `whole`.
    pub(super) fn part(&self, whole: u64) -> u64 {
        whole / WHOLE * self.share
    }

    /// Some time in the last one so-manieth of `span`: this device's own.
    pub(super) fn within(&self, span: Millis, one_so_manieth: u64) -> Millis {
        Millis(span.0 - self.part(span.0 / one_so_manieth))
    }

    /// So many records were sealed.
    pub(super) fn sealed(&mut self, now: Millis, records: u32) {
        let spacing = now.since(self.sealed).0 / u64::from(records.max(1));
        // Up at once, and down slowly: something urgent may be sealed right after the rest.
        self.spacing = Millis(spacing.max(self.spacing.0 / 4 * 3));
        self.sealed = now;
    }

    /// An exchange failed.
    pub(super) fn failed(&mut self, now: Millis) {
        self.failing.get_or_insert(now);
    }

    /// An exchange succeeded. After a long time without, all that waited for the same thing have just uploaded: this device parts
    /// from them.
    pub(super) fn succeeded(&mut self, now: Millis, patience: Millis, draw: u64) {
        if self.failing.take().is_some_and(|since| now.since(since) >= OUTAGE) {
            self.scatter(now, patience, draw);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const MINUTE: u64 = 60_000;
    const DAY: Millis = Millis(24 * 60 * MINUTE);

    fn devices() -> impl Iterator<Item = Apart> {
        (0..1024).map(|draw| Apart::started(Millis(0), DAY, [draw, draw * 1000]))
    }

    #[test]
    fn devices_that_read_at_the_same_times_share_all_the_time_between() {
        for (minutes, records, patience) in [(15 * 96, 96, DAY), (24 * 60, 24, DAY), (24 * 60, 1, DAY)] {
            let early = devices().map(|mut device| {
                device.sealed(Millis(minutes * MINUTE), records);
                device.early(device.sealed, patience).0
            });
            let mut early: Vec<u64> = early.collect();
            early.sort_unstable();
            let between = (minutes * MINUTE / u64::from(records)).min(patience.0 / 2);
            assert!(early[0] == 0 && early[1023] < between && early[1023] > between / 1024 * 1022);
            let even = early.windows(2).all(|pair| pair[1] - pair[0] <= between / 1000);
            assert!(even, "{minutes} {records}");
        }
    }

    #[test]
    fn no_deadline_is_kept_early_by_more_than_half_and_nothing_overflows() {
        let mut device = Apart::started(Millis(0), Millis(u64::MAX), [1023, u64::MAX]);
        device.sealed(Millis(u64::MAX), 0);
        assert!(device.early(Millis(0), Millis(10)).0 <= 5);
        assert!(device.early(Millis(u64::MAX), Millis(u64::MAX)).0 <= 1 << 48);
        assert_eq!(device.early(Millis(9), Millis(0)), Millis(0));
    }

    #[test]
    fn after_an_outage_devices_part_and_after_a_single_failure_they_do_not() {
        let mut device = Apart::started(Millis(0), DAY, [0, 0]);
        device.settle();
        device.failed(Millis(0));
        device.succeeded(Millis(20 * MINUTE), DAY, 9);
        assert_eq!(device.by, None);
        device.failed(Millis(20 * MINUTE));
        device.failed(Millis(60 * MINUTE));
        device.succeeded(Millis(61 * MINUTE), DAY, 9);
        assert_eq!(device.by, Some(Millis(61 * MINUTE + DAY.0 / 8 + 9)));
        device.settle();
        device.succeeded(Millis(200 * MINUTE), DAY, 9);
        assert_eq!(device.by, None, "once");
    }
}
