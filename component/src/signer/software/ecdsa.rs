// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One ECDSA signature (SEC 1 section 4.1.3, RFC 6979), and the public key of a secret, on any [`Curve`]. The signer
//! calls it twice per signature and compares; here nothing is compared and nothing is kept.

use k256::elliptic_curve::{
    ff::{Field as _, PrimeField as _},
    ops::Reduce as _,
    scalar::IsHigh as _,
};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    comb::{Affine, multiply_generator},
    curve::Curve,
    nonces::nonce,
};
use crate::signer::{Digest, PublicKey, Signature, SignerError, YParity};

/// How many nonces are tried. One fails with probability 2^-127: four in a row are a fault, not luck.
pub(super) const NONCE_ATTEMPTS: usize = 4;

/// A signature and what is known of its nonce point.
#[derive(Clone, Copy)]
pub(super) struct Signed {
    pub(super) signature: Signature,
    /// Of the point that a verifier finds; `None` when its X is not below the order.
    pub(super) parity: Option<YParity>,
}

/// The scalar in `bytes`; `None` when it is 0 or not reduced.
fn scalar<C: Curve>(bytes: &[u8; 32]) -> Option<C::Scalar> {
    C::Scalar::from_repr((*bytes).into()).into_option().filter(|scalar| !bool::from(scalar.is_zero()))
}

/// The public key of `secret`; `None` when that is none.
#[inline(never)]
pub(super) fn public_key<C: Curve>(secret: &[u8; 32]) -> Option<PublicKey> {
    let mut d = scalar::<C>(secret)?;
    let point = multiply_generator::<C>(&d);
    d.zeroize();
    let Affine { x, y } = point?;
    let mut xy = [0; 64];
    xy[..32].copy_from_slice(&x);
    xy[32..].copy_from_slice(&y);
    Some(PublicKey { alg: C::ALGORITHM, xy })
}

/// One signature, low-S. A secret that is no scalar any more was disturbed in memory.
#[inline(never)]
pub(super) fn sign_once<C: Curve>(secret: &[u8; 32], digest: &Digest, extra: &[u8]) -> Result<Signed, SignerError> {
    let z = C::Scalar::reduce(&digest.0.into());
    for attempt in 0..NONCE_ATTEMPTS {
        let Some(k) = scalar::<C>(&nonce(secret, &z.to_repr().into(), extra, attempt)) else { continue };
        let mut k = Zeroizing::new(k);
        // RFC 6979 section 3.4: without a signature go on to the next nonce.
        if let Some(signed) = with_nonce::<C>(secret, &mut k, &z)? {
            return Ok(signed);
        }
    }
    Err(SignerError::FaultDetected)
}

/// The signature of `z` with nonce `k`, which is inverted in place; `None` when r or s is 0.
fn with_nonce<C: Curve>(secret: &[u8; 32], k: &mut C::Scalar, z: &C::Scalar) -> Result<Option<Signed>, SignerError> {
    let Some(point) = multiply_generator::<C>(k) else { return Ok(None) };
    let r = C::Scalar::reduce(&point.x.into());
    let mut d = scalar::<C>(secret).ok_or(SignerError::FaultDetected)?;
    let mut sum = *z + r * d;
    d.zeroize();
    let inverse = Zeroizing::new(C::ORDER.invert(&k.to_repr().into()));
    *k = C::Scalar::from_repr((*inverse).into()).unwrap_or(C::Scalar::ZERO);
    let s = *k * sum;
    sum.zeroize();
    let high = s.is_high();
    let s = C::Scalar::conditional_select(&s, &-s, high);
    if bool::from(r.is_zero() | s.is_zero()) {
        return Ok(None);
    }
    let mut signature = Signature([0; 64]);
    signature.0[..32].copy_from_slice(&r.to_repr());
    signature.0[32..].copy_from_slice(&s.to_repr());
    // The nonce of −s is −k, whose point has the other y.
    let odd = (point.y[31] & 1) ^ high.unwrap_u8();
    let parity = if odd == 0 { YParity::Even } else { YParity::Odd };
    let named = bool::from(r.to_repr().as_slice().ct_eq(point.x.as_slice()));
    Ok(Some(Signed { signature, parity: named.then_some(parity) }))
}
