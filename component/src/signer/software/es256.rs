// SPDX-License-Identifier: Apache-2.0 OR MIT
//! P-256 for the software signer: the field and scalars of p256, doubling for a = −3.

use k256::elliptic_curve::hazmat::FieldArithmetic;
use subtle::{Choice, ConditionallySelectable};

use super::{
    comb::{self, Comb, Field, Jacobian},
    curve::{Curve, FieldBytes},
    inverse::Modulus,
};
use crate::signer::Algorithm;

/// P-256 (SP 800-186 section 3.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct P256;

/// p256 reduces at once: magnitudes mean nothing here.
#[derive(Clone, Copy)]
pub struct Element(Inner);

/// The prime that coordinates are reduced by.
const PRIME: Modulus = Modulus::new(&[
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
]);

type Inner = <p256::NistP256 as FieldArithmetic>::FieldElement;

impl ConditionallySelectable for Element {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self(Inner::conditional_select(&a.0, &b.0, choice))
    }
}

impl Field for Element {
    const ONE: Self = Self(Inner::ONE);

    fn from_words(words: [[u32; 4]; 2]) -> Self {
        let bytes = words.map(|words| words.map(u32::to_ne_bytes));
        let bytes: FieldBytes = bytes.as_flattened().as_flattened().try_into().unwrap_or_default();
        Self(Inner::from_bytes(&bytes).unwrap_or(Inner::ZERO))
    }

    fn mul(&self, other: &Self) -> Self {
        Self(self.0.multiply(&other.0))
    }

    fn square(&self) -> Self {
        Self(self.0.square())
    }

    fn add(&self, other: &Self) -> Self {
        Self(self.0.add(&other.0))
    }

    fn negate(&self, _magnitude: u32) -> Self {
        Self(self.0.neg())
    }

    fn invert(&self) -> Option<Self> {
        let inverse = Inner::from_bytes(&PRIME.invert(&Field::to_bytes(self)).into()).into_option()?;
        (!bool::from(inverse.is_zero())).then_some(Self(inverse))
    }

    fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }
}

impl Curve for P256 {
    const ALGORITHM: Algorithm = Algorithm::Es256;
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const COMB: Comb = comb::P256;
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const ORDER: Modulus = Modulus::new(&[
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ]);
    type Scalar = p256::Scalar;
    type Field = Element;

    /// 4M + 4S: M = 3·(X − Z²)·(X + Z²) as a = −3.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    #[inline(never)]
    fn double(point: &mut Jacobian<Element>) {
        let Jacobian { x: Element(x), y: Element(y), z: Element(z) } = point;
        let zz = z.square();
        let yy = y.square();
        let product = x.sub(&zz).multiply(&x.add(&zz));
        let slope = product.double().add(&product);
        let d = x.multiply(&yy).double().double();
        *z = y.multiply(z).double();
        *x = slope.square().sub(&d.double());
        let yyyy8 = yy.square().double().double().double();
        *y = slope.multiply(&d.sub(x)).sub(&yyyy8);
    }
}
