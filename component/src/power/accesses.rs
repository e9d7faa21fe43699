// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How often a device wakes its radio by itself: at most [`Accesses::PER_HOUR`] times in any hour, also across resets. Kept with
//! the budget; the schedule asks. Urgent records are exempt: the reserve bounds them.

use crate::time::Millis;

/// The last automatic accesses, by how long ago they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accesses {
    /// Milliseconds ago, the latest first; an hour when longer.
    ages: [u32; Self::PER_HOUR],
}

impl Accesses {
    /// How many there are in an hour at most.
    pub const PER_HOUR: usize = 4;
    const HOUR_MS: u32 = 3_600_000;
    /// Ages are kept in steps of this, rounded down: an access is rather younger after a reset.
    const STEP_MS: u32 = Self::HOUR_MS / 255;

    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { ages: [Self::HOUR_MS; Self::PER_HOUR] }
    }

    /// As many as an hour has, just now.
    pub(super) const fn all_now() -> Self {
        Self { ages: [0; Self::PER_HOUR] }
    }

    /// `span` goes by.
    pub fn pass(&mut self, span: Millis) {
        let span = u32::try_from(span.0).unwrap_or(u32::MAX);
        for age in &mut self.ages {
            *age = age.saturating_add(span).min(Self::HOUR_MS);
        }
    }

    /// How long until one more is allowed; zero when it is.
    #[must_use]
    pub const fn wait(&self) -> Millis {
        let [.., oldest] = self.ages;
        Millis((Self::HOUR_MS - oldest) as u64)
    }

    /// One more, now.
    pub const fn note(&mut self) {
        let [first, second, third, _] = self.ages;
        self.ages = [0, first, second, third];
    }

    pub(super) fn state(&self) -> [u8; Self::PER_HOUR] {
        let aged = |age| u8::try_from(age / Self::STEP_MS).unwrap_or(u8::MAX).min(u8::MAX - 1);
        self.ages.map(|age| if age == Self::HOUR_MS { u8::MAX } else { aged(age) })
    }

    pub(super) fn take_up(&mut self, kept: &mut impl Iterator<Item = u8>) {
        for (age, kept) in self.ages.iter_mut().zip(kept) {
            *age = if kept == u8::MAX { Self::HOUR_MS } else { u32::from(kept) * Self::STEP_MS };
        }
    }
}

impl Default for Accesses {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hour_has_more_than_four_accesses_even_when_every_one_is_followed_by_a_reset() {
        let (mut accesses, mut now, mut times) = (Accesses::new(), 0_u64, std::vec::Vec::new());
        for step in 0..2_000_u64 {
            let span = step * 7_919 % 400_000;
            now += span;
            accesses.pass(Millis(span));
            if accesses.wait() == Millis(0) {
                accesses.note();
                times.push(now);
            }
            if step % 3 == 0 {
                let kept = accesses.state();
                accesses = Accesses::new();
                accesses.take_up(&mut kept.into_iter());
            }
        }
        assert!(times.len() > 100);
        assert!(times.windows(5).all(|five| five[4] - five[0] >= 3_600_000));
    }

    #[test]
    fn the_wait_ends_an_hour_after_the_fourth_last() {
        let mut accesses = Accesses::new();
        for minutes in [0, 10, 10, 10] {
            accesses.pass(Millis::from_secs(minutes * 60));
            assert_eq!(accesses.wait(), Millis(0));
            accesses.note();
        }
        assert_eq!(accesses.wait(), Millis::from_secs(30 * 60));
        accesses.pass(Millis::from_secs(30 * 60));
        assert_eq!(accesses.wait(), Millis(0));
    }
}
