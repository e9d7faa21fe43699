// SPDX-License-Identifier: Apache-2.0 OR MIT
//! k·G for a secret k, on either curve, from a small constant table in flash: a signed comb (M. Hamburg, "Fast and
//! compact elliptic-curve cryptography", 2012, section 3.3). The signers call it for nonces and for public keys.
//! Neither branches nor addresses depend on k.
//!
//! k is written as Σ ±2^i over BITS bits, which every k modulo the odd order can be. The bits are dealt to BLOCKS ×
//! TEETH teeth of SPACING bits; the bits at one place of all teeth of a block choose one of the block's entries and its
//! sign, so that SPACING − 1 doublings and BLOCKS × SPACING additions make the product.

use core::{array::from_fn, hint::black_box};

use k256::elliptic_curve::ff::{Field as _, PrimeField as _};
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize as _, ZeroizeOnDrop};

use super::curve::Curve;

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

/// What the comb needs of a curve's base field. Implementations may reduce lazily: a value's magnitude is the number of
/// reduced values it is the sum of, and products take operands of up to 8.
pub(super) trait Field: Copy + ConditionallySelectable {
    /// 1.
    const ONE: Self;
    /// From the 32 bytes, big-endian and below the field's prime, that the words are in memory.
    fn from_words(words: [[u32; 4]; 2]) -> Self;
    /// Magnitude 1.
    fn mul(&self, other: &Self) -> Self;
    /// Magnitude 1.
    fn square(&self) -> Self;
    /// Magnitudes add up.
    fn add(&self, other: &Self) -> Self;
    /// The negative of a value of at most this magnitude, which becomes one more.
    fn negate(&self, magnitude: u32) -> Self;
    /// 1/self, magnitude 1; `None` for zero.
    fn invert(&self) -> Option<Self>;
    /// Big-endian and reduced.
    fn to_bytes(&self) -> [u8; 32];
}

/// A point in Jacobian coordinates (x = X/Z², y = Y/Z³). X, Y and Z have at most the magnitudes 6, 3 and 2.
#[derive(Clone, Copy)]
pub(super) struct Jacobian<F> {
    pub(super) x: F,
    pub(super) y: F,
    pub(super) z: F,
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
    let digits = Digits::of::<C>(k);
    let mut sum = None;
    for place in (0..SPACING).rev() {
        if let Some(sum) = &mut sum {
            C::double(sum);
        }
        for block in 0..BLOCKS {
            let (x, y) = entry(C::COMB.table, block, digits.at(block, place));
            match &mut sum {
                None => sum = Some(Jacobian { x, y, z: C::Field::ONE }),
                Some(sum) => sum.add(&x, &y),
            }
        }
    }
    sum?.to_affine()
}

/// The signs of a scalar's bits, in words, least significant first: a set bit is plus.
#[derive(ZeroizeOnDrop)]
struct Digits([u32; BITS.div_ceil(32)]);

impl Digits {
    /// d with k = Σ (2·d_i − 1)·2^i = 2·d − (2^BITS − 1) modulo the order.
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

/// The multiple of G that a block's teeth ask for, by reading the whole block.
#[inline(never)]
fn entry<F: Field>(table: &[Block; BLOCKS], block: usize, bits: u32) -> (F, F) {
    // The highest tooth's sign is that of all others once they are flipped with it: half the entries suffice.
    let negative = black_box(1 ^ (bits >> (TEETH - 1)));
    let index = (bits ^ negative.wrapping_neg()) & low_word(ENTRIES - 1);
    // All ones for the entry with that index: only then does the difference borrow. `black_box` keeps the compiler from
    // making branches of it.
    let masks: [u32; ENTRIES] = from_fn(|i| ((low_word(i) ^ index).wrapping_sub(1) >> 31).wrapping_neg());
    let masks = black_box(&masks);
    let quarter = |quarter: usize| {
        let masked = table[block].iter().zip(masks);
        masked.fold([0; 4], |found, (entry, mask)| with(found, &entry[quarter], *mask))
    };
    let y = F::from_words([quarter(2), quarter(3)]);
    let y = F::conditional_select(&y, &y.negate(1), Choice::from(negative.to_le_bytes()[0] & 1));
    (F::from_words([quarter(0), quarter(1)]), y)
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

impl<F: Field> Jacobian<F> {
    /// Adds the affine point (x, y) with x of magnitude 1 and y of at most 2. When both points are equal or opposite
    /// the formula (8M + 3S) does not hold: Z becomes 0 then, and stays 0 whatever is added or doubled afterwards, so
    /// that the exception shows at the end.
    ///
    /// As integers, the sum and the entry that is added to it are never equal or opposite: one of the two is odd, the
    /// other even. So their difference or sum is a multiple of the order other than 0. At least 2^255 in size, it takes
    /// the sum of all places but the last four or five; given the entry and the multiple, those follow. Fewer than
    /// 2^110 scalars remain.
    #[inline(never)]
    pub(super) fn add(&mut self, x: &F, y: &F) {
        let zz = self.z.square();
        let h = x.mul(&zz).add(&self.x.negate(6));
        let r = y.mul(&self.z.mul(&zz)).add(&self.y.negate(3));
        let hh = h.square();
        let hhh = hh.mul(&h).negate(1);
        let v = self.x.mul(&hh);
        self.z = self.z.mul(&h);
        self.x = r.square().add(&hhh).add(&v.add(&v).negate(2));
        self.y = r.mul(&v.add(&self.x.negate(6))).add(&self.y.mul(&hhh));
    }

    /// The affine point; `None` when Z is 0.
    fn to_affine(self) -> Option<Affine> {
        let inverse = self.z.invert()?;
        let squared = inverse.square();
        let y = self.y.mul(&squared.mul(&inverse));
        Some(Affine { x: self.x.mul(&squared).to_bytes(), y: y.to_bytes() })
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
    fn signed_sum<S: k256::elliptic_curve::ff::PrimeField>(bits: &[(usize, u8)]) -> S {
        bits.iter().fold(S::ZERO, |sum, (bit, sign)| {
            let power = S::from(2).pow_vartime([*bit as u64]);
            if *sign == 1 { sum + power } else { sum - power }
        })
    }
}
