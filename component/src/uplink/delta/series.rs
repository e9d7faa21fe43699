// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is expected next, and a code for the difference: adaptive Rice codes, and series of integers that grow by steps.
//! Both sides of a transfer hold the same state; `docs/wire.md` fixes the arithmetic. Used by the delta coder only.

use super::{
    WireError,
    bits::{BitReader, BitSink},
};

/// Longest Rice code: the escape, a length, and a number.
pub(super) const CODE_MAX_BITS: u32 = UNARY_MAX + 6 + u64::BITS;

/// Longest unary part of a Rice code; as many ones announce a plain number instead.
const UNARY_MAX: u32 = 20;

/// A Rice code whose parameter follows the mean of what went through it (as LOCO-I does: a sum and a count, halved).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rice {
    sum: u64,
    count: u64,
}

impl Rice {
    /// Starts where a value of `1 << bits` is expected.
    pub(super) const fn expecting(bits: u32) -> Self {
        Self { sum: 1 << bits, count: 1 }
    }

    fn parameter(self) -> u32 {
        (0..40).find(|k| self.count << k >= self.sum).unwrap_or(40)
    }

    fn saw(&mut self, value: u64) {
        let k = self.parameter();
        if value >> k >= u64::from(UNARY_MAX) {
            // One outlier must not set the scale for the values after it; several in a row do, fourfold each.
            self.sum = (self.sum * 4).min(1 << 44);
            return;
        }
        self.sum += value;
        self.count += 1;
        if self.count == 16 {
            self.sum /= 2;
            self.count /= 2;
        }
    }

    pub(super) fn put(&mut self, sink: &mut impl BitSink, value: u64) -> Result<(), WireError> {
        let k = self.parameter();
        let quotient = value >> k;
        if quotient < u64::from(UNARY_MAX) {
            let ones = (1 << quotient) - 1;
            sink.put(ones << 1, u32::try_from(quotient).unwrap_or(UNARY_MAX) + 1)?;
            sink.put(value, k)?;
        } else {
            sink.put((1 << UNARY_MAX) - 1, UNARY_MAX)?;
            let length = u64::BITS - value.leading_zeros();
            sink.put(u64::from(length - 1), 6)?;
            sink.put(value, length)?;
        }
        self.saw(value);
        Ok(())
    }

    pub(super) fn take(&mut self, source: &mut BitReader<'_>) -> Result<u64, WireError> {
        let k = self.parameter();
        let mut quotient = 0;
        while quotient < UNARY_MAX && source.take(1)? == 1 {
            quotient += 1;
        }
        let value = if quotient < UNARY_MAX {
            u64::from(quotient) << k | source.take(k)?
        } else {
            // The plain number must need its length and the escape: one value has one code.
            let length = u32::try_from(source.take(6)?).map_err(|_| WireError::Malformed)? + 1;
            let value = source.take(length)?;
            if value >> k < u64::from(UNARY_MAX) || u64::BITS - value.leading_zeros() != length {
                return Err(WireError::Malformed);
            }
            value
        };
        self.saw(value);
        Ok(value)
    }
}

/// How a series may go on, in the order of preference when two did equally well.
const PREDICTORS: usize = 3;

/// Predicts a series that grows by steps: by its last step, by the last step and its change, or by the mean of its steps,
/// whichever was nearest lately. A load profile is smooth and its change goes on; one household's is not, and the mean wins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series {
    /// Values so far, up to 2: the first has no step, and the second's step is all that is known of the mean.
    seen: u8,
    last: i64,
    step: i64,
    change: i64,
    mean: i64,
    errors: [u64; PREDICTORS],
    residuals: Rice,
}

impl Series {
    pub(super) const fn expecting(bits: u32) -> Self {
        let residuals = Rice::expecting(bits);
        Self { seen: 0, last: 0, step: 0, change: 0, mean: 0, errors: [0; PREDICTORS], residuals }
    }

    /// The steps that the predictors expect next.
    const fn predictions(&self) -> [i64; PREDICTORS] {
        [self.step, self.step.wrapping_add(self.change), self.mean]
    }

    fn predicted_step(&self) -> i64 {
        let best = self.predictions().into_iter().zip(self.errors).min_by_key(|&(_, error)| error);
        best.map_or(self.step, |(step, _)| step)
    }

    fn saw(&mut self, value: i64) {
        let step = value.wrapping_sub(self.last);
        self.last = value;
        if self.seen < 2 {
            if self.seen == 1 {
                (self.step, self.mean) = (step, step);
            }
            self.seen += 1;
            return;
        }
        let predictions = self.predictions();
        for (error, predicted) in self.errors.iter_mut().zip(predictions) {
            *error = (*error / 2).saturating_add(step.wrapping_sub(predicted).unsigned_abs().saturating_mul(4));
        }
        self.mean = self.mean.wrapping_add(step.wrapping_sub(self.mean) >> 2);
        self.change = step.wrapping_sub(self.step);
        self.step = step;
    }

    /// Codes a residual. The first value and the first step are no residuals: they teach the code nothing.
    fn adaptive_residuals<T>(&mut self, code: impl FnOnce(&mut Rice) -> T) -> T {
        if self.seen < 2 { code(&mut self.residuals.clone()) } else { code(&mut self.residuals) }
    }

    pub(super) fn put(&mut self, sink: &mut impl BitSink, value: i64) -> Result<(), WireError> {
        let residual = value.wrapping_sub(self.last).wrapping_sub(self.predicted_step());
        self.adaptive_residuals(|rice| rice.put(sink, zigzag(residual)))?;
        self.saw(value);
        Ok(())
    }

    pub(super) fn take(&mut self, source: &mut BitReader<'_>) -> Result<i64, WireError> {
        let residual = unzigzag(self.adaptive_residuals(|rice| rice.take(source))?);
        let value = self.last.wrapping_add(self.predicted_step()).wrapping_add(residual);
        self.saw(value);
        Ok(value)
    }
}

const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}
