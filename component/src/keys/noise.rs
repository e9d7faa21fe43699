// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entropy from a noise source, with the health tests of NIST SP 800-90B section 4.4: repetition count and adaptive proportion,
//! over samples as they come from the source, before anything is done with them. A source that fails once gives nothing
//! any more until the device restarts.

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::ports::{Entropy, NoEntropy};

/// Where noise comes from: a ring oscillator's counter, an ADC's low bits, a TRNG in its raw mode. What the hardware already
/// conditioned hides a failure from the tests.
pub trait NoiseSource {
    /// The next 8-bit sample.
    ///
    /// # Errors
    /// [`NoEntropy`] when the hardware says that it failed.
    fn sample(&mut self) -> Result<u8, NoEntropy>;
}

/// Window of the adaptive proportion test for samples of more than two values.
const WINDOW: u16 = 512;

/// Samples tested before the first is used (section 4.3, requirement 10: at least 1,024).
const START_UP: u32 = 1_024;

/// A sound source is taken for a failed one at one test in 2^30.
const FALSE_ALARM_BITS: u32 = 30;

/// Min-entropy, in bits, that goes into 32 bytes of output: twice as much as comes out.
const BITS_IN: u32 = 512;

/// A noise source of at least `H` bits of min-entropy in each 8-bit sample, 1 to 8, as its assessment found.
#[derive(Debug)]
pub struct TestedNoise<S, const H: u32> {
    source: S,
    started: bool,
    failed: bool,
    last: u8,
    repeats: u32,
    watched: u8,
    seen: u16,
    position: u16,
}

/// Repetitions of one sample that no sound source gives: section 4.4.1, 1 + ⌈-log2(α) / H⌉.
const fn repetition_cutoff(h: u32) -> u32 {
    1 + FALSE_ALARM_BITS.div_ceil(h)
}

/// Times one sample may be in a window: section 4.4.2, 1 + the least k with P(B(W, 2^-H) ≤ k) ≥ 1 - α.
const fn proportion_cutoff(h: u32) -> u16 {
    let p = 1.0 / (1_u32 << h) as f64;
    let mut term = 1.0;
    let mut i = 0;
    while i < WINDOW {
        term *= 1.0 - p;
        i += 1;
    }
    let allowed = 1.0 / (1_u64 << FALSE_ALARM_BITS) as f64;
    let (mut k, mut sum) = (0_u16, term);
    while 1.0 - sum > allowed && k < WINDOW {
        term *= (WINDOW - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
        k += 1;
        sum += term;
    }
    1 + k
}

impl<S: NoiseSource, const H: u32> TestedNoise<S, H> {
    const REPETITIONS: u32 = repetition_cutoff(H);
    const PROPORTION: u16 = proportion_cutoff(H);

    /// Entropy from `source`. The start-up test is made when entropy is first wanted.
    pub const fn new(source: S) -> Self {
        const { assert!(H >= 1 && H <= 8, "a sample of 8 bits has 1 to 8 bits of min-entropy") };
        Self { source, started: false, failed: false, last: 0, repeats: 0, watched: 0, seen: 0, position: WINDOW }
    }

    /// Whether a test failed since the device started.
    pub const fn failed(&self) -> bool {
        self.failed
    }

    /// The next sample, tested.
    fn sample(&mut self) -> Result<u8, NoEntropy> {
        let sample = self.source.sample().inspect_err(|_| self.failed = true)?;
        self.repeats = if self.repeats > 0 && sample == self.last { self.repeats + 1 } else { 1 };
        self.last = sample;
        if self.position == WINDOW {
            (self.watched, self.seen, self.position) = (sample, 0, 0);
        }
        self.position += 1;
        self.seen += u16::from(sample == self.watched);
        self.failed |= self.repeats >= Self::REPETITIONS || self.seen >= Self::PROPORTION;
        if self.failed { Err(NoEntropy) } else { Ok(sample) }
    }

    fn block(&mut self) -> Result<Zeroizing<[u8; 32]>, NoEntropy> {
        let mut hash = Sha256::new();
        for _ in 0..BITS_IN.div_ceil(H) {
            hash.update([self.sample()?]);
        }
        Ok(Zeroizing::new(hash.finalize().into()))
    }

    fn try_fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        if self.failed {
            return Err(NoEntropy);
        }
        if !self.started {
            for _ in 0..START_UP {
                self.sample()?;
            }
            self.started = true;
        }
        for piece in out.chunks_mut(32) {
            let block = self.block()?;
            for (to, from) in piece.iter_mut().zip(*block) {
                *to = from;
            }
        }
        Ok(())
    }
}

impl<S: NoiseSource, const H: u32> Entropy for TestedNoise<S, H> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        let filled = self.try_fill(out);
        if filled.is_err() {
            out.zeroize();
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// xorshift64* (S. Vigna, 2016): no entropy, but as evenly spread as a sound source's samples.
    struct Sound(u64);

    impl Sound {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }
    }

    /// Samples of `sound` changed by a function of their number and themselves.
    struct Bent<F> {
        sound: Sound,
        count: u64,
        bend: F,
    }

    impl<F: FnMut(u64, u8) -> Result<u8, NoEntropy>> NoiseSource for Bent<F> {
        fn sample(&mut self) -> Result<u8, NoEntropy> {
            self.count += 1;
            let [.., sample] = (self.sound.next() >> 32).to_le_bytes();
            let [.., other] = self.sound.next().to_le_bytes();
            (self.bend)(self.count, sample ^ other)
        }
    }

    fn bent<const H: u32, F: FnMut(u64, u8) -> Result<u8, NoEntropy>>(bend: F) -> TestedNoise<Bent<F>, H> {
        TestedNoise::new(Bent { sound: Sound(0x9e37_79b9_7f4a_7c15), count: 0, bend })
    }

    #[test]
    fn the_cutoffs_are_those_of_the_standard() {
        // SP 800-90B section 4.4.1: α = 2^-30 and H = 1 give 31; H = 8 gives 5.
        assert_eq!([1, 2, 4, 8].map(repetition_cutoff), [31, 16, 9, 5]);
        // CRITBINOM(512, 2^-H, 1 - 2^-30) + 1, by exact binomial sums in Python's fractions.
        assert_eq!([1, 2, 4, 8].map(proportion_cutoff), [325, 190, 71, 16]);
    }

    #[test]
    fn a_sound_source_fills_any_length_and_no_two_fillings_are_alike() {
        let mut noise = bent::<8, _>(|_, sample| Ok(sample));
        let mut seen = Vec::new();
        for length in (0..200).chain([4096]) {
            let mut out = std::vec![0; length];
            noise.fill(&mut out).unwrap();
            if length >= 16 {
                assert!(!seen.contains(&out[..16].to_vec()));
                seen.push(out[..16].to_vec());
            }
        }
        assert!(!noise.failed());
    }

    #[test]
    fn a_stuck_source_gives_nothing_at_start_up_or_later_and_never_again() {
        for from in [1, 1_000, 1_025, 1_100] {
            let mut noise =
                bent::<4, _>(move |count, sample| Ok(if (from..from + 40).contains(&count) { 7 } else { sample }));
            let mut out = [0x55; 320];
            assert_eq!(noise.fill(&mut out), Err(NoEntropy), "stuck from sample {from}");
            assert_eq!(out, [0; 320], "nothing of it is to be used");
            assert_eq!(noise.fill(&mut out), Err(NoEntropy), "it is sound again, but it failed");
            assert!(noise.failed());
        }
    }

    #[test]
    fn a_source_that_prefers_one_sample_fails_the_adaptive_proportion_test() {
        // One sample in three is 0x42, never often in a row.
        let mut noise = bent::<4, _>(|count, sample| Ok(if count % 3 == 0 { 0x42 } else { sample }));
        assert_eq!(noise.fill(&mut [0; 32]), Err(NoEntropy));
        assert!(noise.failed());
    }

    #[test]
    fn a_source_that_says_it_failed_gives_nothing_any_more() {
        let mut noise = bent::<4, _>(|count, sample| if count == 1_050 { Err(NoEntropy) } else { Ok(sample) });
        assert_eq!(noise.fill(&mut [0; 32]), Err(NoEntropy));
        assert_eq!(noise.fill(&mut [0; 32]), Err(NoEntropy));
    }
}
