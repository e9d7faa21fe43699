// SPDX-License-Identifier: Apache-2.0 OR MIT
//! P-256 for the software signer: its numbers, and doubling for a = −3. The field and the scalars are p256's.

use k256::elliptic_curve::hazmat::FieldArithmetic;

use super::{
    comb::{self, Comb, Jacobian},
    curve::Curve,
    inverse::Modulus,
};
use crate::signer::Algorithm;

/// P-256 (SP 800-186 section 3.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct P256;

type Element = <p256::NistP256 as FieldArithmetic>::FieldElement;

impl Curve for P256 {
    const ALGORITHM: Algorithm = Algorithm::Es256;
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const COMB: Comb = comb::P256;
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const ORDER: Modulus = Modulus::new(&[
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ]);
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const PRIME: Modulus = Modulus::new(&[
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ]);
    type Scalar = p256::Scalar;
    type Field = Element;

    /// p256 reduces at once: magnitudes mean nothing here.
    fn negative(value: &Element, _magnitude: u32) -> Element {
        -*value
    }

    /// 4M + 4S: as for a = 0, but with M = 3·(X − Z²)·(X + Z²) as a = −3.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    #[inline(never)]
    fn double(point: &mut Jacobian<Self>) {
        let Jacobian { x, y, z } = point;
        let mut new_x = z.square();
        *z *= &*y;
        *z = z.double();
        *y = y.square();
        let mut slope = *x - new_x;
        new_x += &*x;
        slope *= &new_x;
        slope = slope.double() + slope;
        // D takes the place of X, 8·Y⁴ that of Y.
        *x *= &*y;
        *x = x.double().double();
        *y = y.square().double().double().double();
        new_x = slope.square() - x.double();
        *x -= &new_x;
        slope *= &*x;
        *y = slope - *y;
        *x = new_x;
    }
}
