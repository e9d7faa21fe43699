// SPDX-License-Identifier: Apache-2.0 OR MIT
//! k·G for a secret k, on either curve, from a small constant table in flash: a signed comb (M. Hamburg, "Fast and
//! compact elliptic-curve cryptography", 2012, section 3.3). The signers call it for nonces and for public keys.
//! Neither branches nor addresses depend on k.
//!
//! k is written as Σ ±2^i over BITS bits, which every k modulo the odd order can be. The bits are dealt to BLOCKS ×
//! TEETH teeth of SPACING bits; the bits at one place of all teeth of a block choose one of the block's entries and its
//! sign, so that SPACING − 1 doublings and BLOCKS × SPACING additions make the product.

use core::{array::from_fn, hint::black_box};

use k256::elliptic_curve::ff::{Field as _, PrimeField};
use subtle::{Choice, ConditionallySelectable as _};
use zeroize::{Zeroize as _, ZeroizeOnDrop};

use super::curve::{Curve, FieldBytes, invert};

/// The entries of one block (build.rs).
type Block = [[[u32; 4]; 4]; ENTRIES];

include!(concat!(env!("OUT_DIR"), "/combs.rs"));

/// Entries of one block.
const ENTRIES: usize = 1 << (TEETH - 1);
/// Bits of one tooth.
const SPACING: usize = BITS / (BLOCKS * TEETH);

/// The comb of one curve.
pub(super) struct Comb {
    table: &'static [Block; BLOCKS],
    /// (2^BITS − 1) / 2 modulo the order, big-endian.
    pub(super) offset: [u8; 32],
}

/// The comb of secp256k1.
pub(super) const SECP256K1: Comb = Comb { table: &SECP256K1_TABLE, offset: SECP256K1_OFFSET };
/// The comb of P-256.
#[cfg(feature = "es256")]
pub(super) const P256: Comb = Comb { table: &P256_TABLE, offset: P256_OFFSET };

/// A point in Jacobian coordinates (x = X/Z², y = Y/Z³). X, Y and Z have at most the magnitudes 6, 3 and 2.
pub(super) struct Jacobian<C: Curve> {
    pub(super) x: C::Field,
    pub(super) y: C::Field,
    pub(super) z: C::Field,
}

/// A point that is not the point at infinity.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    /// Big-endian.
    pub(super) x: [u8; 32],
    /// Big-endian.
    pub(super) y: [u8; 32],
}

/// k·G. `None` for k = 0 and for a few more, of which a random k is one with a probability below 2^-140: see
/// [`Jacobian::add`].
pub(super) fn multiply_generator<C: Curve>(k: &C::Scalar) -> Option<Affine> {
    let mut sum = Jacobian::<C> { x: C::Field::ZERO, y: C::Field::ZERO, z: C::Field::ONE };
    add_entries::<C>(k, &mut sum);
    sum.into_affine()
}

/// Adds up what the digits of k ask for. Not inlined: its frame is gone when Z is inverted.
#[inline(never)]
fn add_entries<C: Curve>(k: &C::Scalar, sum: &mut Jacobian<C>) {
    let digits = Digits::of::<C>(k);
    let (mut x, mut y) = (C::Field::ZERO, C::Field::ZERO);
    // Z is 1: the first entry is the sum itself.
    entry::<C>(0, digits.at(0, SPACING - 1), &mut sum.x, &mut sum.y);
    for place in (0..SPACING).rev() {
        for block in 0..BLOCKS {
            if (place, block) == (SPACING - 1, 0) {
                continue;
            }
            if block == 0 {
                C::double(sum);
            }
            entry::<C>(block, digits.at(block, place), &mut x, &mut y);
            sum.add(&mut x, &mut y);
        }
    }
}

/// The signs of a scalar's bits, in words, least significant first: a set bit is plus.
#[derive(ZeroizeOnDrop)]
struct Digits([u32; BITS.div_ceil(32)]);

impl Digits {
    /// d with k = Σ (2·d_i − 1)·2^i = 2·d − (2^BITS − 1) modulo the order.
    #[inline(never)]
    fn of<C: Curve>(k: &C::Scalar) -> Self {
        let offset = C::Scalar::from_repr(C::COMB.offset.into()).unwrap_or(C::Scalar::ZERO);
        let mut d = *k * C::Scalar::TWO_INV + offset;
        let mut bytes = d.to_repr();
        let mut words = [0; BITS.div_ceil(32)];
        for (word, bytes) in words.iter_mut().zip(bytes.rchunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        d.zeroize();
        bytes.zeroize();
        Self(words)
    }

    /// The bits of a block's teeth at one place.
    fn at(&self, block: usize, place: usize) -> u32 {
        (0..TEETH).fold(0, |bits, tooth| {
            let position = (block * TEETH + tooth) * SPACING + place;
            bits | (self.0[position / 32] >> (position % 32) & 1) << tooth
        })
    }
}

/// The multiple of G that a block's teeth ask for, to (x, y).
#[inline(never)]
fn entry<C: Curve>(block: usize, bits: u32, x: &mut C::Field, y: &mut C::Field) {
    // The highest tooth's sign is that of all others once they are flipped with it: half the entries suffice.
    let negative = black_box(1 ^ (bits >> (TEETH - 1)));
    let mut quarters = [[0; 4]; 4];
    read(&C::COMB.table[block], (bits ^ negative.wrapping_neg()) & low_word(ENTRIES - 1), &mut quarters);
    let [x_high, x_low, y_high, y_low] = quarters;
    *x = from_words([x_high, x_low]);
    *y = from_words([y_high, y_low]);
    y.conditional_assign(&C::negative(y, 1), Choice::from(negative.to_le_bytes()[0] & 1));
}

/// The value whose 32 bytes, big-endian and reduced, the words are in memory.
#[inline(never)]
fn from_words<F: PrimeField<Repr = FieldBytes>>(words: [[u32; 4]; 2]) -> F {
    let bytes = words.map(|words| words.map(u32::to_ne_bytes));
    let bytes: FieldBytes = bytes.as_flattened().as_flattened().try_into().unwrap_or_default();
    F::from_repr(bytes).unwrap_or(F::ZERO)
}

/// The entry with that index, found by reading the whole block.
#[inline(never)]
fn read(block: &Block, index: u32, found: &mut [[u32; 4]; 4]) {
    // All ones for the entry with that index: only then does the difference borrow. `black_box` keeps the compiler from
    // making branches of it.
    let masks: [u32; ENTRIES] = from_fn(|i| ((low_word(i) ^ index).wrapping_sub(1) >> 31).wrapping_neg());
    let masks = black_box(&masks);
    for (quarter, found) in found.iter_mut().enumerate() {
        let masked = block.iter().zip(masks);
        *found = masked.fold([0; 4], |found, (entry, mask)| with(found, &entry[quarter], *mask));
    }
}

/// `found` and the masked words. Written out, and no more than four at a time, so that all stay in registers also where
/// the compiler saves space.
#[inline(always)]
fn with(found: [u32; 4], words: &[u32; 4], mask: u32) -> [u32; 4] {
    let ([a, b, c, d], [e, f, g, h]) = (found, words);
    [a | e & mask, b | f & mask, c | g & mask, d | h & mask]
}

/// An index below 2^32.
#[allow(clippy::cast_possible_truncation, reason = "the indices of a table of few entries")]
const fn low_word(index: usize) -> u32 {
    index as u32
}

impl<C: Curve> Jacobian<C> {
    /// Adds the affine point (x, y) with x of magnitude 1 and y of at most 2. When both points are equal or opposite
    /// the formula (8M + 3S) does not hold: Z becomes 0 then, and stays 0 whatever is added or doubled afterwards, so
    /// that the exception shows at the end.
    ///
    /// As integers, the sum and the entry that is added to it are never equal or opposite: one of the two is odd, the
    /// other even. So their difference or sum is a multiple of the order other than 0. At least 2^255 in size, it takes
    /// the sum of all places but the last four or five; given the entry and the multiple, those follow. Fewer than
    /// 2^110 scalars remain.
    ///
    /// x and y are where it computes: what they are afterwards says nothing. With H = x·Z² − X and R = y·Z³ − Y the sum
    /// has X' = R² − H³ − 2·X·H², Y' = R·(X·H² − X') − Y·H³ and Z' = Z·H.
    #[inline(never)]
    fn add(&mut self, x: &mut C::Field, y: &mut C::Field) {
        let mut t = self.z.square();
        *x *= &t;
        t *= &self.z;
        *y *= &t;
        // H and R take the place of x and y.
        *x += &C::negative(&self.x, 6);
        *y += &C::negative(&self.y, 3);
        self.z *= &*x;
        t = x.square();
        // H³, X·H² and Y·H³.
        *x *= &t;
        self.x *= &t;
        self.y *= &*x;
        t = y.square();
        t += &C::negative(x, 1);
        t += &C::negative(&self.x.double(), 2);
        self.x += &C::negative(&t, 6);
        *y *= &self.x;
        self.x = t;
        *y += &C::negative(&self.y, 1);
        self.y = *y;
    }

    /// The affine point; `None` when Z is 0.
    #[inline(never)]
    fn into_affine(mut self) -> Option<Affine> {
        if !invert(&mut self.z, &C::PRIME) {
            return None;
        }
        let mut power = self.z.square();
        self.x *= &power;
        power *= &self.z;
        self.y *= &power;
        Some(Affine { x: self.x.to_repr().into(), y: self.y.to_repr().into() })
    }
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::{Group, ops::Reduce as _, point::AffineCoordinates};
    use proptest::prelude::*;

    use super::*;
    use crate::signer::software::{P256, Secp256k1, curve::FieldBytes};

    /// k·G by the curve crate's own multiplication.
    fn expected<G>(k: G::Scalar) -> (FieldBytes, FieldBytes)
    where
        G: Group + k256::elliptic_curve::group::Curve,
        G::Affine: AffineCoordinates<FieldRepr = FieldBytes>,
    {
        let point = (G::generator() * k).to_affine();
        (point.x(), point.y())
    }

    fn agree(bytes: [u8; 32]) {
        let k = k256::Scalar::reduce(&FieldBytes::from(bytes));
        let point = multiply_generator::<Secp256k1>(&k).expect("no exception");
        assert_eq!((point.x.into(), point.y.into()), expected::<k256::ProjectivePoint>(k), "{bytes:02x?}");
        let k = p256::Scalar::reduce(&FieldBytes::from(bytes));
        let point = multiply_generator::<P256>(&k).expect("no exception");
        assert_eq!((point.x.into(), point.y.into()), expected::<p256::ProjectivePoint>(k), "{bytes:02x?}");
    }

    #[test]
    fn products_with_small_numbers_with_single_bits_and_their_negatives_are_the_curve_crates() {
        for small in 1..=40_u16 {
            let mut bytes = [0; 32];
            bytes[30..].copy_from_slice(&small.to_be_bytes());
            agree(bytes);
            agree((-k256::Scalar::reduce(&FieldBytes::from(bytes))).to_repr().into());
            agree((-p256::Scalar::reduce(&FieldBytes::from(bytes))).to_repr().into());
        }
        for bit in 0..256 {
            let mut bytes = [0; 32];
            bytes[bit / 8] = 1 << (bit % 8);
            agree(if bit % 2 == 0 { bytes } else { bytes.map(|byte| !byte) });
        }
    }

    proptest! {
        #[test]
        fn products_with_random_numbers_are_the_curve_crates(bytes: [u8; 32]) {
            agree(bytes);
        }
    }

    #[test]
    fn zero_and_the_exceptions_of_the_addition_give_no_product() {
        assert!(multiply_generator::<Secp256k1>(&k256::Scalar::ZERO).is_none());
        assert!(multiply_generator::<P256>(&p256::Scalar::ZERO).is_none());
        // Before the last addition the sum is this scalar's last entry e once more: k = 2·e, and the digits of k ask
        // for e.
        let exceptions: [&[(usize, u8)]; 2] = if BLOCKS == 2 {
            [&[(235, 1), (209, 1), (183, 1), (157, 1), (131, 1)], &[(235, 1), (209, 0), (183, 1), (157, 1), (131, 1)]]
        } else {
            [&[(248, 1), (235, 1), (222, 1), (209, 1), (196, 1)], &[(248, 1), (235, 0), (222, 0), (209, 0), (196, 1)]]
        };
        assert!(multiply_generator::<Secp256k1>(&signed_sum(exceptions[0])).is_none());
        assert!(multiply_generator::<P256>(&signed_sum(exceptions[1])).is_none());
        // One more is none.
        agree((signed_sum::<k256::Scalar>(exceptions[0]) + k256::Scalar::ONE).to_repr().into());
    }

    /// Σ ±2^bit, plus where the sign is 1.
    fn signed_sum<S: PrimeField>(bits: &[(usize, u8)]) -> S {
        bits.iter().fold(S::ZERO, |sum, (bit, sign)| {
            let power = S::from(2).pow_vartime([*bit as u64]);
            if *sign == 1 { sum + power } else { sum - power }
        })
    }
}
