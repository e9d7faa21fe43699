// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The curves a software signer may be on. Each is a type that gives the arithmetic of a RustCrypto crate the one shape
//! that comb.rs and ecdsa.rs are written in. Nothing outside the software signer can add one.

use k256::elliptic_curve::{FieldBytes as CurveBytes, ff::PrimeField, ops::Reduce, scalar::IsHigh};
use subtle::ConditionallySelectable;
use zeroize::Zeroize;

use super::{
    comb::{Comb, Field, Jacobian},
    inverse::Modulus,
};
use crate::signer::Algorithm;

/// 32 bytes, big-endian, as the curve crates take them.
pub(super) type FieldBytes = CurveBytes<k256::Secp256k1>;

/// A curve of order below 2^256 with a comb.
pub trait Curve: Sized {
    /// The algorithm of its signatures.
    const ALGORITHM: Algorithm;
    /// Its comb.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const COMB: Comb;
    /// Its order.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    const ORDER: Modulus;
    /// An integer modulo the order.
    type Scalar: PrimeField<Repr = FieldBytes> + Reduce<FieldBytes> + IsHigh + ConditionallySelectable + Zeroize;
    /// The field of coordinates.
    #[allow(private_bounds, reason = "a curve is chosen, not implemented, outside")]
    type Field: Field;

    /// 2·P for a P that is not the point at infinity; Z stays 0 when it is 0.
    #[allow(private_interfaces, reason = "a curve is chosen, not implemented, outside")]
    fn double(point: &mut Jacobian<Self::Field>);
}
