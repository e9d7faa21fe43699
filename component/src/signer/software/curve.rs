// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The curves a software signer may be on. Each is a type that gives the arithmetic of a RustCrypto crate the one shape
//! that comb.rs and ecdsa.rs are written in. Nothing outside the software signer can add one.

use k256::elliptic_curve::{FieldBytes as CurveBytes, ff::PrimeField, ops::Reduce, scalar::IsHigh};
use subtle::ConditionallySelectable;
use zeroize::{Zeroize, Zeroizing};

use super::{
    comb::{Comb, Jacobian},
    inverse::Modulus,
};
use crate::signer::Algorithm;

/// 32 bytes, big-endian, as the curve crates take them.
pub(super) type FieldBytes = CurveBytes<k256::Secp256k1>;

/// A curve of order below 2^256 with a comb.
///
/// Its field may reduce lazily: a value's magnitude is the number of reduced values it is the sum of. Magnitudes add up;
/// products and squares have magnitude 1 and take operands of up to 8.
pub trait Curve: Sized {
    /// The algorithm of its signatures.
    const ALGORITHM: Algorithm;
    /// Its comb.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const COMB: Comb;
    /// Its order.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const ORDER: Modulus;
    /// The prime that coordinates are reduced by.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const PRIME: Modulus;
    /// An integer modulo the order.
    type Scalar: PrimeField<Repr = FieldBytes> + Reduce<FieldBytes> + IsHigh + ConditionallySelectable + Zeroize;
    /// The field of coordinates.
    type Field: PrimeField<Repr = FieldBytes> + ConditionallySelectable;

    /// The negative of a value of at most this magnitude, which becomes one more.
    fn negative(value: &Self::Field, magnitude: u32) -> Self::Field;

    /// 2·P for a P that is not the point at infinity; Z stays 0 when it is 0.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    fn double(point: &mut Jacobian<Self>);
}

/// Turns `number` into 1/`number` modulo `modulus`, which is that of its type; false for 0, which stays. A field's value
/// has magnitude 1 then.
#[inline(never)]
pub(super) fn invert<F: PrimeField<Repr = FieldBytes>>(number: &mut F, modulus: &Modulus) -> bool {
    let mut bytes = Zeroizing::new(number.to_repr().into());
    modulus.invert(&mut bytes);
    *number = F::from_repr((*bytes).into()).unwrap_or(F::ZERO);
    !bool::from(number.is_zero())
}
