// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When to try again: exponential back-off with full jitter (a uniform choice between zero and the step), so that relays that
//! lost one node do not come back to it together. Used by [`super::anchoring`]; reads no clock.

use super::UnixMs;

/// The steps of a back-off, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// After the first failure.
    pub first_ms: u64,
    /// Never more than this.
    pub most_ms: u64,
}

impl Steps {
    /// The longest wait after `failures` failures in a row (at least one).
    #[must_use]
    pub fn step_ms(&self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(63);
        self.first_ms.saturating_mul(1 << doublings).min(self.most_ms)
    }

    /// When to try again after `failures` failures in a row; `random` is uniform.
    #[must_use]
    pub fn retry_at(&self, now: UnixMs, failures: u32, random: u64) -> UnixMs {
        // A wait of zero would be a second try at once: one millisecond at least.
        now + 1 + random % self.step_ms(failures).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_double_up_to_the_most_and_the_wait_is_anywhere_below() {
        let steps = Steps { first_ms: 1000, most_ms: 60_000 };
        let seen: Vec<_> = [1, 2, 3, 6, 7, 200, u32::MAX].iter().map(|n| steps.step_ms(*n)).collect();
        assert_eq!(seen, [1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000]);
        assert_eq!(steps.retry_at(50, 2, 0), 51);
        assert_eq!(steps.retry_at(50, 2, 1999), 2050);
        assert_eq!(steps.retry_at(50, 2, 2000), 51);
    }
}
