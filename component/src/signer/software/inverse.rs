// SPDX-License-Identifier: Apache-2.0 OR MIT
//! 1/x modulo an odd 256-bit modulus for a secret x, in the words of a 32-bit processor: D. J. Bernstein and B.-Y.
//! Yang, "Fast constant-time gcd computation and modular inversion", 2019, with the half-delta start of P. Wuille.
//! Called once per multiplication (the point's Z) and once per signature (the nonce). Neither branches nor addresses
//! depend on x.
//!
//! The curve crates invert by the same method in 64-bit words, which a Cortex-M3 has to put together: eight times the
//! instructions, and three times the stack.

use zeroize::Zeroize;

/// Bits of a limb, and division steps that are done at a time.
const LIMB_BITS: u32 = 30;
/// Limbs of a number of 256 bits and a sign.
const LIMBS: usize = 9;
/// Division steps that suffice for 256 bits are 590 (P. Wuille, G. Maxwell: safegcd-bounds).
const BATCHES: usize = 590_usize.div_ceil(LIMB_BITS as usize);
const MASK: u32 = (1 << LIMB_BITS) - 1;

/// Σ limb_i·2^(30·i). All limbs but the highest are from 0 to 2^30 − 1; the highest has the sign.
type Signed = [i32; LIMBS];

/// An odd modulus of 256 bits.
pub(super) struct Modulus {
    limbs: Signed,
    /// 1/modulus modulo 2^30.
    inverse: u32,
}

/// What a batch of division steps does to a pair of numbers, times 2^30: the first becomes u·f + v·g, the second q·f +
/// r·g.
/// |u| + |v| and |q| + |r| are at most 2^30.
struct Transition {
    u: i32,
    v: i32,
    q: i32,
    r: i32,
}

impl Modulus {
    /// The modulus with these big-endian bytes, of which the last is odd.
    pub(super) const fn new(bytes: &[u8; 32]) -> Self {
        let limbs = limbs(bytes);
        let low = limbs[0].cast_unsigned();
        // An odd number is its own inverse modulo 8; each step of Newton doubles the bits.
        let mut inverse = low;
        let mut bits = 3;
        while bits < LIMB_BITS {
            inverse = inverse.wrapping_mul(2_u32.wrapping_sub(low.wrapping_mul(inverse)));
            bits *= 2;
        }
        Self { limbs, inverse: inverse & MASK }
    }

    /// Turns an x below the modulus, big-endian, into 1/x; 0 stays 0.
    #[inline(never)]
    pub(super) fn invert(&self, x: &mut [u8; 32]) {
        // Throughout, f = d·x and g = e·x modulo the modulus. In the end f is ±1 and g is 0.
        let (mut f, mut g) = (self.limbs, limbs(x));
        let (mut d, mut e) = ([0; LIMBS], [0; LIMBS]);
        e[0] = 1;
        let mut zeta = -1;
        for _ in 0..BATCHES {
            let transition = division_steps(&mut zeta, f[0].cast_unsigned(), g[0].cast_unsigned());
            transition.shrink(&mut f, &mut g);
            transition.follow(&mut d, &mut e, self);
        }
        self.normalize(&mut d, f[LIMBS - 1] >> 31);
        write_bytes(&d, x);
        f.zeroize();
        g.zeroize();
        d.zeroize();
        e.zeroize();
    }

    /// Brings ±`number`, which is above −2·modulus and below the modulus, to 0..modulus. `negate` is −1 for minus, else
    /// 0.
    fn normalize(&self, number: &mut Signed, negate: i32) {
        self.add_when(number, number[LIMBS - 1] >> 31);
        for limb in number.iter_mut() {
            *limb = (*limb ^ negate) - negate;
        }
        carry(number);
        self.add_when(number, number[LIMBS - 1] >> 31);
    }

    /// Adds the modulus when `mask` is −1, nothing when it is 0.
    fn add_when(&self, number: &mut Signed, mask: i32) {
        for (limb, modulus) in number.iter_mut().zip(&self.limbs) {
            *limb += modulus & mask;
        }
        carry(number);
    }
}

/// Brings all limbs but the highest to 0..2^30.
fn carry(number: &mut Signed) {
    let mut carry = 0;
    for limb in &mut number[..LIMBS - 1] {
        let sum = *limb + carry;
        *limb = sum & MASK.cast_signed();
        carry = sum >> LIMB_BITS;
    }
    number[LIMBS - 1] += carry;
}

/// Thirty division steps on the low words of f and g. `zeta` is −(delta + 1/2), between batches as well.
#[inline(never)]
fn division_steps(zeta: &mut i32, mut f: u32, mut g: u32) -> Transition {
    let (mut u, mut v, mut q, mut r) = (1_u32, 0_u32, 0_u32, 1_u32);
    for _ in 0..LIMB_BITS {
        // All ones when delta > 0, and when g is odd.
        let positive = (*zeta >> 31).cast_unsigned();
        let odd = (g & 1).wrapping_neg();
        // g + f or g − f when g is odd.
        g = g.wrapping_add((f ^ positive).wrapping_sub(positive) & odd);
        q = q.wrapping_add((u ^ positive).wrapping_sub(positive) & odd);
        r = r.wrapping_add((v ^ positive).wrapping_sub(positive) & odd);
        // When both: the old g becomes f, which is the new g plus f, and delta changes its sign.
        let swap = positive & odd;
        *zeta = (*zeta ^ swap.cast_signed()).wrapping_sub(1);
        f = f.wrapping_add(g & swap);
        u = u.wrapping_add(q & swap);
        v = v.wrapping_add(r & swap);
        // Instead of halving g's coefficients, f's are doubled.
        g >>= 1;
        u <<= 1;
        v <<= 1;
    }
    Transition { u: u.cast_signed(), v: v.cast_signed(), q: q.cast_signed(), r: r.cast_signed() }
}

/// The low limb of a sum.
#[allow(clippy::cast_possible_truncation, reason = "the low limb is what is asked for")]
const fn low(sum: i64) -> i32 {
    sum as i32 & MASK.cast_signed()
}

/// The highest limb, which a sum has become.
#[allow(clippy::cast_possible_truncation, reason = "the bounds of d, e, f and g keep it within a word")]
const fn highest(sum: i64) -> i32 {
    sum as i32
}

impl Transition {
    /// (f, g) becomes (u·f + v·g, q·f + r·g) / 2^30, which is exact.
    #[inline(never)]
    fn shrink(&self, f: &mut Signed, g: &mut Signed) {
        let (u, v, q, r) = (i64::from(self.u), i64::from(self.v), i64::from(self.q), i64::from(self.r));
        let (mut sum_f, mut sum_g) = (0, 0);
        for i in 0..LIMBS {
            let (limb_f, limb_g) = (i64::from(f[i]), i64::from(g[i]));
            sum_f += u * limb_f + v * limb_g;
            sum_g += q * limb_f + r * limb_g;
            if i > 0 {
                f[i - 1] = low(sum_f);
                g[i - 1] = low(sum_g);
            }
            sum_f >>= LIMB_BITS;
            sum_g >>= LIMB_BITS;
        }
        f[LIMBS - 1] = highest(sum_f);
        g[LIMBS - 1] = highest(sum_g);
    }

    /// (d, e) becomes (u·d + v·e, q·d + r·e) / 2^30 modulo the modulus. Both stay above −2·modulus and below the
    /// modulus.
    #[inline(never)]
    fn follow(&self, d: &mut Signed, e: &mut Signed, modulus: &Modulus) {
        let (u, v, q, r) = (i64::from(self.u), i64::from(self.v), i64::from(self.q), i64::from(self.r));
        // A multiple of the modulus keeps the bounds for a negative d or e; another makes the low limb 0.
        let (sign_d, sign_e) = (d[LIMBS - 1] >> 31, e[LIMBS - 1] >> 31);
        let multiple = |a: i32, b: i32| {
            let kept = (a & sign_d) + (b & sign_e);
            let low = a.wrapping_mul(d[0]).wrapping_add(b.wrapping_mul(e[0])).cast_unsigned();
            let wrong = modulus.inverse.wrapping_mul(low).wrapping_add(kept.cast_unsigned()) & MASK;
            i64::from(kept - wrong.cast_signed())
        };
        let (multiple_d, multiple_e) = (multiple(self.u, self.v), multiple(self.q, self.r));
        let (mut sum_d, mut sum_e) = (0, 0);
        for i in 0..LIMBS {
            let (limb_d, limb_e, limb) = (i64::from(d[i]), i64::from(e[i]), i64::from(modulus.limbs[i]));
            sum_d += u * limb_d + v * limb_e + multiple_d * limb;
            sum_e += q * limb_d + r * limb_e + multiple_e * limb;
            if i > 0 {
                d[i - 1] = low(sum_d);
                e[i - 1] = low(sum_e);
            }
            sum_d >>= LIMB_BITS;
            sum_e >>= LIMB_BITS;
        }
        d[LIMBS - 1] = highest(sum_d);
        e[LIMBS - 1] = highest(sum_e);
    }
}

/// Big-endian bytes as limbs.
const fn limbs(bytes: &[u8; 32]) -> Signed {
    let mut limbs = [0; LIMBS];
    // Bits wait in `window` until they fill a limb.
    let (mut window, mut waiting, mut next) = (0_u64, 0, 0);
    let mut i = bytes.len();
    while i > 0 {
        i -= 1;
        window |= (bytes[i] as u64) << waiting;
        waiting += 8;
        if waiting >= LIMB_BITS || i == 0 {
            limbs[next] = low(window.cast_signed());
            next += 1;
            window >>= LIMB_BITS;
            waiting = waiting.saturating_sub(LIMB_BITS);
        }
    }
    limbs
}

/// A number from 0 to 2^256 − 1 as big-endian bytes.
fn write_bytes(limbs: &Signed, bytes: &mut [u8; 32]) {
    let (mut window, mut waiting) = (0_u64, 0);
    let mut rest = limbs.iter();
    for byte in bytes.iter_mut().rev() {
        if waiting < 8 {
            window |= u64::from(rest.next().copied().unwrap_or(0).cast_unsigned()) << waiting;
            waiting += LIMB_BITS;
        }
        *byte = window.to_le_bytes()[0];
        window >>= 8;
        waiting -= 8;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use k256::{
        U256,
        elliptic_curve::{
            bigint::{NonZero, Odd},
            ff::PrimeField,
        },
    };
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;

    fn prime<F: PrimeField>() -> U256 {
        U256::from_be_hex(F::MODULUS.trim_start_matches("0x"))
    }

    fn moduli() -> Vec<U256> {
        let fields = [
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
            "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        ];
        let mut moduli: Vec<U256> = fields.iter().map(|hex| U256::from_be_hex(hex)).collect();
        moduli.extend([prime::<k256::Scalar>(), prime::<p256::Scalar>()]);
        moduli
    }

    /// The inverse by the big-number library the curve crates use.
    fn check(modulus: &U256, x: U256) {
        let x = x.rem(&NonZero::new(*modulus).unwrap());
        let expected = x.invert_odd_mod(&Odd::new(*modulus).unwrap()).into_option().unwrap_or(U256::ZERO);
        let mut ours = x.to_be_bytes().into();
        Modulus::new(&modulus.to_be_bytes().into()).invert(&mut ours);
        assert_eq!(U256::from_be_slice(&ours), expected, "1/{x} modulo {modulus}");
    }

    #[test]
    fn small_numbers_powers_of_two_and_their_negatives_have_the_inverses_of_another_library() {
        for modulus in moduli() {
            let mut numbers: Vec<U256> = (0..100_u32).map(U256::from_u32).collect();
            numbers.extend((0..256).map(|bit| U256::ONE.shl_vartime(bit)));
            numbers.extend((0..256).map(|bit| U256::MAX.shr_vartime(bit)));
            for x in numbers {
                check(&modulus, x);
                check(&modulus, modulus.wrapping_sub(&x.rem(&NonZero::new(modulus).unwrap())));
            }
        }
    }

    #[test]
    fn bytes_and_limbs_are_the_same_number() {
        for number in [[0; 32], [0xff; 32], core::array::from_fn(|i| u8::try_from(i * 7 + 1).unwrap())] {
            let mut back = [0x5a; 32];
            write_bytes(&limbs(&number), &mut back);
            assert_eq!(back, number);
        }
        let mut two_to_the_thirty = [0; 32];
        two_to_the_thirty[28] = 0x40;
        assert_eq!(limbs(&two_to_the_thirty), [0, 1, 0, 0, 0, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn random_numbers_have_the_inverses_of_another_library(words: [u64; 4]) {
            for modulus in moduli() {
                check(&modulus, U256::from_words(words));
            }
        }
    }
}
