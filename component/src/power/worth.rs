// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What it is worth to have uploaded at a time of day and at a level, and what everything costs on the mean over time. Both are found
//! by imagining one cycle after the other, from one upload to the next, each on what the others are believed to be worth: relative
//! value iteration (Bertsekas, Dynamic Programming and Optimal Control, volume 2). One cycle at a time, where a decision has nothing
//! else to reckon.

use super::{
    coverage::{ByPart, PART_MS, PARTS},
    outlook::{ByLevel, mean},
};
use crate::time::Millis;

/// What was found so far.
#[derive(Clone, Debug)]
pub(super) struct Worth {
    /// What it costs more than the mean to go on from each part of the day and each level.
    pub(super) onward: [ByLevel; PARTS],
    /// What everything costs on the mean, 256ths of a unit an hour.
    pub(super) pace: u32,
    next: usize,
    /// Cycles to imagine until what was learned last is reckoned with.
    to_imagine: u32,
}

impl Worth {
    /// Nothing was imagined yet.
    pub(super) const fn new() -> Self {
        Self { onward: [[0; 3]; PARTS], pace: 0, next: 0, to_imagine: 64 }
    }

    /// Something was learned.
    pub(super) fn is_old(&mut self) {
        self.to_imagine = self.to_imagine.max(16);
    }

    /// From which part of the day to imagine a cycle, if any.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.to_imagine = self.to_imagine.checked_sub(1)?;
        self.next = (self.next + 3) % PARTS;
        Some(self.next)
    }

    /// A cycle that begins in `part` and is at most `slack` long costs this, by the level it begins at.
    pub(super) fn imagined(&mut self, part: usize, found: ByLevel, by_part: &ByPart, slack: Millis) {
        let Some(before) = self.onward.get_mut(part) else { return };
        let shares = by_part.of(part);
        let more = mean(shares, found) - mean(shares, *before);
        *before = found;
        // What is too little for a cycle is so for its time; an eighth of it at a time.
        let quarter_hours = i64::try_from(slack.0 / 900_000).unwrap_or(i64::MAX).max(1);
        let step = i64::from(more) * 256 / quarter_hours / 2;
        self.pace =
            u32::try_from(i64::from(self.pace) + step).unwrap_or(if step < 0 { 0 } else { u32::MAX }).min(1 << 27);
        if slack.0 < PART_MS {
            // From one part of the day it gets to the next whatever is decided.
            self.onward = [[0; 3]; PARTS];
            return;
        }
        // Only differences count: the mean of all is kept at nothing.
        let all = self.onward.iter().enumerate().map(|(part, onward)| mean(by_part.of(part), *onward)).sum::<i32>() / 8;
        self.onward.iter_mut().flatten().for_each(|onward| *onward -= all);
    }
}
