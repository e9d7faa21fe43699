// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The server's replay window (RFC 8613 sections 7.4 and 3.2.2: 32 numbers). The relay persists its parts before it acts on a
//! request; a window older than what was accepted lets a replay in.

/// Numbers the window looks back, its newest included.
const SPAN: u64 = 32;

/// The number was seen, or is older than the window looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed;

/// Which of a sender's last 32 numbers were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    newest: u64,
    /// Bit i: `newest` − i was seen. Zero: nothing was ever seen.
    seen: u32,
}

impl ReplayWindow {
    /// A window that has seen nothing.
    pub const EMPTY: Self = Self { newest: 0, seen: 0 };

    /// The window with parts that [`ReplayWindow::parts`] gave.
    #[must_use]
    pub const fn from_parts(newest: u64, seen: u32) -> Self {
        Self { newest, seen }
    }

    /// What to persist: the newest number, and bit i set when the number i below it was seen (all zero: nothing was seen).
    #[must_use]
    pub const fn parts(self) -> (u64, u32) {
        (self.newest, self.seen)
    }

    /// Whether `number` may be taken.
    ///
    /// # Errors
    /// [`Replayed`].
    pub const fn check(self, number: u64) -> Result<(), Replayed> {
        if self.seen == 0 || number > self.newest {
            return Ok(());
        }
        let age = self.newest - number;
        if age < SPAN && self.seen >> age & 1 == 0 { Ok(()) } else { Err(Replayed) }
    }

    /// Takes `number`, whose message was verified.
    ///
    /// # Errors
    /// [`Replayed`]; the window is then unchanged.
    pub fn accept(&mut self, number: u64) -> Result<(), Replayed> {
        self.check(number)?;
        if self.seen == 0 || number > self.newest {
            let step = if self.seen == 0 { SPAN } else { number - self.newest };
            let shifted = if step < SPAN { self.seen << step } else { 0 };
            *self = Self { newest: number, seen: shifted | 1 };
        } else {
            self.seen |= 1 << (self.newest - number);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_number_is_taken_once_also_out_of_order() {
        let mut window = ReplayWindow::EMPTY;
        for number in [0, 5, 3, 4, 1, 40, 9, 10] {
            assert_eq!(window.accept(number), Ok(()), "{number}");
            assert_eq!(window.accept(number), Err(Replayed), "{number}");
        }
        assert_eq!(window.check(8), Err(Replayed), "32 below the newest");
        assert_eq!(window.check(11), Ok(()));
        let (newest, seen) = window.parts();
        assert_eq!(ReplayWindow::from_parts(newest, seen), window);
    }

    proptest! {
        #[test]
        fn no_number_is_taken_twice_and_no_fresh_one_refused(numbers in prop::collection::vec(0..100u64, 0..200)) {
            let mut window = ReplayWindow::EMPTY;
            let mut taken = BTreeSet::new();
            for number in numbers {
                let newest = taken.last().copied();
                let fresh = !taken.contains(&number) && newest.is_none_or(|newest| number + SPAN > newest);
                prop_assert_eq!(window.accept(number).is_ok(), fresh);
                if fresh {
                    taken.insert(number);
                }
            }
        }
    }
}
