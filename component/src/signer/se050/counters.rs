// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The chip's counters as what no rollback of the journal's flash takes back. Called by `journal::Guarded`, in the task of
//! the agent that signs with the same chip; each raise is a write to the chip's non-volatile memory.

use core::cell::RefCell;

use embedded_hal::{delay::DelayNs, i2c::I2c};

use super::{ChipCurve, ObjectId, PowerGate, Se050};
use crate::ports::{Entropy, Mark, Monotonic, MonotonicError};

/// One counter for each [`Mark`] in three objects of the chip that follow each other. With platform keys they can be read and
/// raised through the secure channel only; nobody can lower or delete them, so a board keeps its chip for life, or starts
/// with counters of other numbers.
pub struct ChipCounters<'a, S> {
    chip: &'a RefCell<S>,
    first: ObjectId,
}

impl<'a, S> ChipCounters<'a, S> {
    /// Counters in the objects `first` and the two after it, which are nothing else's.
    pub const fn new(chip: &'a RefCell<S>, first: ObjectId) -> Self {
        Self { chip, first }
    }

    const fn object(&self, mark: Mark) -> ObjectId {
        ObjectId(self.first.0.wrapping_add(mark as u32))
    }
}

impl<C: ChipCurve, B: I2c, D: DelayNs, G: PowerGate, E: Entropy> Monotonic for ChipCounters<'_, Se050<C, B, D, G, E>> {
    fn read(&mut self, mark: Mark) -> Result<u64, MonotonicError> {
        let mut chip = self.chip.try_borrow_mut().map_err(|_| MonotonicError)?;
        chip.counter(self.object(mark)).map_err(|_| MonotonicError)
    }

    fn raise(&mut self, mark: Mark, value: u64) -> Result<(), MonotonicError> {
        let mut chip = self.chip.try_borrow_mut().map_err(|_| MonotonicError)?;
        chip.raise_counter(self.object(mark), value).map_err(|_| MonotonicError)
    }
}
