// SPDX-License-Identifier: Apache-2.0 OR MIT
//! secp256k1 for the software signer: its numbers, and doubling for a = 0. The field and the scalars are k256's.

use k256::elliptic_curve::hazmat::FieldArithmetic;

use super::{
    comb::{self, Comb, Jacobian},
    curve::Curve,
    inverse::Modulus,
};
use crate::signer::Algorithm;

/// secp256k1 (SEC 2 section 2.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secp256k1;

type Element = <k256::Secp256k1 as FieldArithmetic>::FieldElement;

impl Curve for Secp256k1 {
    const ALGORITHM: Algorithm = Algorithm::Es256k;
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const COMB: Comb = comb::SECP256K1;
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const ORDER: Modulus = Modulus::new(&[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ]);
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const PRIME: Modulus = Modulus::new(&[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xfc, 0x2f,
    ]);
    type Scalar = k256::Scalar;
    type Field = Element;

    /// k256 reduces lazily.
    fn negative(value: &Element, magnitude: u32) -> Element {
        value.negate(magnitude)
    }

    /// 3M + 4S, after dbl-2009-l of the Explicit-Formulas Database: with M = 3·X² and D = 4·X·Y² the double has X' = M² −
    /// 2·D, Y' = M·(D − X') − 8·Y⁴ and Z' = 2·Y·Z.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    #[inline(never)]
    fn double(point: &mut Jacobian<Self>) {
        let Jacobian { x, y, z } = point;
        *z *= &*y;
        *z = z.double();
        *y = y.square();
        let mut slope = x.square().mul_single(3);
        // D takes the place of X, 8·Y⁴ that of Y.
        *x *= &*y;
        *x = x.mul_single(4);
        *y = y.square().mul_single(8);
        let new_x = (slope.square() + x.double().negate(8)).normalize_weak();
        *x += &new_x.negate(1);
        slope *= &*x;
        *y = (slope + y.negate(8)).normalize_weak();
        *x = new_x;
    }
}
