// SPDX-License-Identifier: Apache-2.0 OR MIT
//! secp256k1 for the software signer: the field and scalars of k256, doubling for a = 0.

use k256::elliptic_curve::hazmat::FieldArithmetic;
use subtle::{Choice, ConditionallySelectable};

use super::{
    comb::{self, Comb, Field, Jacobian},
    curve::{Curve, FieldBytes},
    inverse::Modulus,
};
use crate::signer::Algorithm;

/// secp256k1 (SEC 2 section 2.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secp256k1;

/// k256 reduces lazily: its magnitudes are those of [`Field`].
#[derive(Clone, Copy)]
pub struct Element(Inner);

/// The prime that coordinates are reduced by.
const PRIME: Modulus = Modulus::new(&[
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xfc, 0x2f,
]);

type Inner = <k256::Secp256k1 as FieldArithmetic>::FieldElement;

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
        Self(self.0.mul(&other.0))
    }

    fn square(&self) -> Self {
        Self(self.0.square())
    }

    fn add(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }

    fn negate(&self, magnitude: u32) -> Self {
        Self(self.0.negate(magnitude))
    }

    fn invert(&self) -> Option<Self> {
        let inverse = Inner::from_bytes(&PRIME.invert(&Field::to_bytes(self)).into()).into_option()?;
        (!bool::from(inverse.is_zero())).then_some(Self(inverse))
    }

    fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }
}

impl Curve for Secp256k1 {
    const ALGORITHM: Algorithm = Algorithm::Es256k;
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const COMB: Comb = comb::SECP256K1;
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const ORDER: Modulus = Modulus::new(&[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ]);
    type Scalar = k256::Scalar;
    type Field = Element;

    /// 3M + 4S, after dbl-2009-l of the Explicit-Formulas Database.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    #[inline(never)]
    fn double(point: &mut Jacobian<Element>) {
        let Jacobian { x: Element(x), y: Element(y), z: Element(z) } = point;
        let yy = y.square();
        let xx = x.square();
        let slope = xx.double() + xx;
        // D = 4·X·Y², with magnitude 4.
        let d = x.mul(&yy).mul_single(4);
        *z = y.mul(z).double();
        *x = (slope.square() + d.double().negate(8)).normalize_weak();
        let yyyy8 = yy.square().mul_single(8);
        *y = (slope.mul(&(d + x.negate(1))) + yyyy8.negate(8)).normalize_weak();
    }
}
