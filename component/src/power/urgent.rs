// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many urgent records of one kind are taken as such: a few at once, then one per interval. The rest is counted, and one
//! record says how many there were, so that rattling a lock cannot empty its battery. Kept with the budget; the agent asks.

use crate::{record::Kind, time::Millis};

/// Kinds that are limited apart from each other; what is more shares the last place.
pub const KINDS: usize = 5;
/// Bytes of a place in [`Urgent::state`].
const PLACE_BYTES: usize = 5;
/// Bytes of [`Urgent::state`].
pub(super) const STATE_BYTES: usize = KINDS * PLACE_BYTES;

/// What becomes of an urgent record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is journaled.
    Alone,
    /// It was counted: [`Urgent::excess`] tells when it is time to say how many.
    Counted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    kind: u16,
    /// Records that were taken and not made up for by time.
    used: u8,
    /// Records that were counted and not told.
    excess: u16,
}

impl Place {
    /// Nothing of its kind counts any more.
    const fn is_free(&self) -> bool {
        self.used == 0 && self.excess == 0
    }
}

/// The limits, kind by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urgent {
    burst: u8,
    interval: Millis,
    /// Time that went by and made up for nothing yet.
    passed: Millis,
    places: [Place; KINDS],
}

impl Urgent {
    pub(super) fn new(burst: u8, interval: Millis) -> Self {
        let interval = Millis(interval.0.max(1));
        Self { burst: burst.max(1), interval, passed: Millis(0), places: [Place::default(); KINDS] }
    }

    /// `span` goes by.
    pub(super) fn pass(&mut self, span: Millis) {
        let passed = self.passed.after(span);
        let times = u8::try_from(passed.0 / self.interval.0).unwrap_or(u8::MAX);
        self.passed = Millis(passed.0 % self.interval.0);
        for place in &mut self.places {
            place.used = place.used.saturating_sub(times);
        }
    }

    /// The place of `kind`: its own, a free one, or the last.
    fn place(&mut self, kind: Kind) -> Option<&mut Place> {
        let own = self.places.iter().position(|place| !place.is_free() && place.kind == kind.0);
        let index = own.or_else(|| self.places.iter().position(Place::is_free)).unwrap_or(KINDS - 1);
        let place = self.places.get_mut(index)?;
        if place.is_free() {
            place.kind = kind.0;
        }
        Some(place)
    }

    /// An urgent record of `kind` came.
    pub fn admit(&mut self, kind: Kind) -> Admission {
        let burst = self.burst;
        let Some(place) = self.place(kind) else { return Admission::Counted };
        if place.used < burst && place.excess == 0 {
            place.used += 1;
            return Admission::Alone;
        }
        place.excess = place.excess.saturating_add(1);
        Admission::Counted
    }

    /// A kind of which more came than were taken, and how many, once its interval is over. They are told then, in one record, which
    /// counts as one of them. The kind is the first that came to a place: the last place stands for all that found no other.
    pub fn excess(&mut self) -> Option<(Kind, u16)> {
        let burst = self.burst;
        let place = self.places.iter_mut().find(|place| place.excess > 0 && place.used < burst)?;
        place.used += 1;
        Some((Kind(place.kind), core::mem::take(&mut place.excess)))
    }

    /// How long until [`Urgent::excess`] has something; `None` when nothing was counted.
    #[must_use]
    pub fn wait(&self) -> Option<Millis> {
        let counted = self.places.iter().filter(|place| place.excess > 0);
        counted.map(|place| if place.used < self.burst { Millis(0) } else { self.interval.since(self.passed) }).min()
    }

    pub(super) fn state(&self) -> [u8; STATE_BYTES] {
        let mut state = [0; STATE_BYTES];
        for (out, place) in state.chunks_exact_mut(PLACE_BYTES).zip(&self.places) {
            let ([kind, kind_low], [excess, excess_low]) = (place.kind.to_be_bytes(), place.excess.to_be_bytes());
            out.copy_from_slice(&[kind, kind_low, place.used, excess, excess_low]);
        }
        state
    }

    pub(super) fn take_up(&mut self, kept: &mut impl Iterator<Item = u8>) {
        for place in &mut self.places {
            let mut next = || kept.next().unwrap_or_default();
            let kind = u16::from_be_bytes([next(), next()]);
            let used = next();
            *place = Place { kind, used, excess: u16::from_be_bytes([next(), next()]) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = Millis::from_secs(60);

    fn limits() -> Urgent {
        Urgent::new(3, Millis::from_secs(600))
    }

    #[test]
    fn a_rattled_lock_makes_a_bounded_number_of_records_and_none_goes_uncounted() {
        let (mut urgent, mut records, mut told, mut came) = (limits(), 0_u32, 0_u32, 0_u32);
        for _ in 0..24 * 60 {
            for _ in 0..20 {
                came += 1;
                if urgent.admit(Kind(64)) == Admission::Alone {
                    (records, told) = (records + 1, told + 1);
                }
            }
            urgent.pass(MINUTE);
            while let Some((kind, count)) = urgent.excess() {
                assert_eq!(kind, Kind(64));
                (records, told) = (records + 1, told + u32::from(count));
            }
        }
        assert!(records <= 3 + 24 * 6 + 1, "{records}");
        urgent.pass(Millis::from_secs(3600));
        told += urgent.excess().map_or(0, |(_, count)| u32::from(count));
        assert_eq!(told, came, "each is in a record of its own or in a count");
    }

    #[test]
    fn kinds_do_not_use_up_each_others_share_and_what_is_more_shares_one() {
        let mut urgent = limits();
        for _ in 0..100 {
            urgent.admit(Kind(64));
        }
        assert_eq!(urgent.admit(Kind(65)), Admission::Alone);
        let alone = (66..200).filter(|kind| urgent.admit(Kind(*kind)) == Admission::Alone).count();
        assert!((3..=5).contains(&alone), "{alone}");
    }

    #[test]
    fn a_reset_gives_no_share_back() {
        let mut urgent = limits();
        for _ in 0..10 {
            urgent.admit(Kind(64));
        }
        let kept = urgent.state();
        let mut after = limits();
        after.take_up(&mut kept.into_iter());
        assert_eq!(after, urgent);
        assert_eq!(after.admit(Kind(64)), Admission::Counted);
        assert_eq!(after.wait(), Some(Millis::from_secs(600)));
    }
}
