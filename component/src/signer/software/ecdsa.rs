// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One ECDSA signature (SEC 1 section 4.1.3, RFC 6979), and the public key of a secret, on any [`Curve`]. The signer
//! calls it twice per signature and compares; here nothing is compared and nothing is kept.

use k256::elliptic_curve::{
    ff::{Field as _, PrimeField as _},
    ops::Reduce as _,
    scalar::IsHigh as _,
};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::{
    comb::{Affine, multiply_generator},
    curve::{Curve, invert},
    nonces,
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

impl Signed {
    /// No signature.
    pub(super) const NOTHING: Self = Self { signature: Signature([0; 64]), parity: None };
}

/// The scalar in `bytes`; `None` when it is 0 or not reduced.
fn scalar<C: Curve>(bytes: &[u8; 32]) -> Option<C::Scalar> {
    C::Scalar::from_repr((*bytes).into()).into_option().filter(|scalar| !bool::from(scalar.is_zero()))
}

/// The public key of `secret`; `None` when that is none.
#[inline(never)]
pub(super) fn public_key<C: Curve>(secret: &[u8; 32]) -> Option<PublicKey> {
    let d = Zeroizing::new(scalar::<C>(secret)?);
    let Affine { x, y } = multiply_generator::<C>(&d)?;
    let mut xy = [0; 64];
    xy[..32].copy_from_slice(&x);
    xy[32..].copy_from_slice(&y);
    Some(PublicKey { alg: C::ALGORITHM, xy })
}

/// One signature, low-S, to `signed`. A secret that is no scalar any more was disturbed in memory.
///
/// Nothing but the nonce is kept from one step to the next: what a step computes with is off the stack when the next one
/// begins.
#[inline(never)]
pub(super) fn sign_once<C: Curve>(
    secret: &[u8; 32],
    digest: &Digest,
    extra: &[u8],
    signed: &mut Signed,
) -> Result<(), SignerError> {
    let mut k = Zeroizing::new(C::Scalar::ZERO);
    for attempt in 0..NONCE_ATTEMPTS {
        // RFC 6979 section 3.4: without a signature go on to the next nonce.
        if !draw::<C>(secret, digest, extra, attempt, &mut k) || !nonce_point::<C>(&k, signed) {
            continue;
        }
        invert(&mut *k, &C::ORDER);
        if complete::<C>(secret, digest, &k, signed).ok_or(SignerError::FaultDetected)? {
            return Ok(());
        }
    }
    Err(SignerError::FaultDetected)
}

/// A nonce, to `k`; false when it is none.
#[inline(never)]
fn draw<C: Curve>(secret: &[u8; 32], digest: &Digest, extra: &[u8], attempt: usize, k: &mut C::Scalar) -> bool {
    let hash = C::Scalar::reduce(&digest.0.into()).to_repr().into();
    let mut nonce = Zeroizing::new([0; 32]);
    nonces::draw(&mut nonce, secret, &hash, extra, attempt);
    *k = C::Scalar::from_repr((*nonce).into()).unwrap_or(C::Scalar::ZERO);
    !bool::from(k.is_zero())
}

/// r and the parity of the nonce point k·G, to `signed`; false when r is 0.
#[inline(never)]
fn nonce_point<C: Curve>(k: &C::Scalar, signed: &mut Signed) -> bool {
    let Some(Affine { x, y }) = multiply_generator::<C>(k) else { return false };
    let r = C::Scalar::reduce(&x.into());
    let (r_is_0, r) = (r.is_zero(), r.to_repr());
    let parity = if y[31] & 1 == 0 { YParity::Even } else { YParity::Odd };
    signed.parity = bool::from(r.as_slice().ct_eq(&x)).then_some(parity);
    signed.signature.0[..32].copy_from_slice(&r);
    !bool::from(r_is_0)
}

/// s = (z + r·d)/k, made low, beside the r that is in `signed`. `None` when the secret or r is no scalar, false when s is
/// 0.
#[inline(never)]
fn complete<C: Curve>(secret: &[u8; 32], digest: &Digest, inverse: &C::Scalar, signed: &mut Signed) -> Option<bool> {
    let (r, s_bytes) = signed.signature.0.split_first_chunk_mut()?;
    let mut s = Zeroizing::new(scalar::<C>(secret)?);
    *s *= &scalar::<C>(r)?;
    *s += &C::Scalar::reduce(&digest.0.into());
    *s *= inverse;
    let high = s.is_high();
    let negative = -*s;
    s.conditional_assign(&negative, high);
    s_bytes.copy_from_slice(&s.to_repr());
    // The nonce of −s is −k, whose point has the other y.
    signed.parity = signed.parity.map(|parity| match (parity, bool::from(high)) {
        (YParity::Even, true) | (YParity::Odd, false) => YParity::Odd,
        _ => YParity::Even,
    });
    Some(!bool::from(s.is_zero()))
}
