// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sum of multiples of two points that a verification needs, on a small stack. Called where signatures are
//! verified; never sees a secret: its time depends on its input.
//!
//! The curve crates' own take 30 % fewer instructions and five times the stack (docs/footprint.md): they keep tables of
//! multiples there, and a task that signs has 6 kB. Here the two scalars share their doublings, and each digit of their
//! non-adjacent forms (0, 1 or -1, a third of them not 0) costs one addition.

use core::ops::{AddAssign, Neg};

use k256::elliptic_curve::Group;

/// The sum of `points`, each times its scalar, big-endian.
pub(super) fn combination<P, A>(points: &[(A, [u8; 32]); 2]) -> P
where
    P: Group + AddAssign<A>,
    A: Copy + Neg<Output = A>,
{
    let tripled = points.each_ref().map(|(_, scalar)| triple(scalar));
    let mut sum = P::identity();
    // Digit i of the non-adjacent form of k is bit i + 1 of 3·k less that of k.
    for bit in (1..258).rev() {
        sum = sum.double();
        for ((point, scalar), tripled) in points.iter().zip(&tripled) {
            match (bit_of(tripled, bit), bit_of(scalar, bit)) {
                (true, false) => sum += *point,
                (false, true) => sum += -*point,
                _ => {}
            }
        }
    }
    sum
}

/// Three times `scalar`, big-endian.
fn triple(scalar: &[u8; 32]) -> [u8; 33] {
    let mut tripled = [0; 33];
    let mut carry = 0_u16;
    for (out, byte) in tripled.iter_mut().rev().zip(scalar.iter().rev().chain([&0])) {
        let [high, low] = (3 * u16::from(*byte) + carry).to_be_bytes();
        (*out, carry) = (low, u16::from(high));
    }
    tripled
}

/// Bit `bit` of a big-endian number; 0 beyond its end.
fn bit_of(number: &[u8], bit: usize) -> bool {
    number.iter().rev().nth(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 != 0)
}

#[cfg(test)]
mod tests {
    use k256::{AffinePoint, ProjectivePoint, Scalar, elliptic_curve::ff::PrimeField as _};

    use super::*;

    #[test]
    fn sums_are_the_curve_crates_own_for_random_and_for_extreme_scalars() {
        let key = ProjectivePoint::GENERATOR * Scalar::from(0xdead_beef_u64);
        let mut state = Scalar::from(3_u64);
        let mut scalars = std::vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(2_u64), Scalar::from(3_u64)];
        for _ in 0..12 {
            state = state * state + Scalar::from(7_u64);
            scalars.push(state);
        }
        for a in &scalars {
            for b in &scalars {
                let sum: ProjectivePoint =
                    combination(&[(AffinePoint::GENERATOR, a.to_repr().into()), (key.to_affine(), b.to_repr().into())]);
                assert_eq!(sum, ProjectivePoint::GENERATOR * a + key * b);
            }
        }
    }

    #[test]
    fn three_times_the_largest_number_has_33_bytes() {
        let mut expected = [0xff; 33];
        (expected[0], expected[32]) = (0x02, 0xfd);
        assert_eq!(triple(&[0xff; 32]), expected);
        assert_eq!(triple(&[0; 32]), [0; 33]);
    }
}
