// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A key in this processor's memory, in software: RFC 6979, low-S, constant-time, guarded against faults by signing
//! twice. The agent signs with it where there is no secure element. It never gives the secret out.
//!
//! The parts: [`ecdsa`] makes one signature with the nonces of [`nonces`] and the multiplications of [`comb`];
//! [`es256k`] and [`es256`] give them a [`Curve`] each.
//!
//! Secrets, nonces and the state of their hashes are wiped when they are dropped, and the stack that a computation used
//! when it has ended. What the compiler leaves behind when a signer is moved is not: make it where it stays.

use core::{hint::black_box, marker::PhantomData};

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Algorithm, Capabilities, Digest, PublicKey, Signature, Signer, SignerError, YParity};
use crate::ports::{Entropy, NoEntropy};

mod comb;
mod curve;
mod ecdsa;
#[cfg(feature = "es256")]
mod es256;
mod es256k;
mod guarded;
mod inverse;
mod nonces;

pub use curve::Curve;
use ecdsa::{Signed, sign_once};
#[cfg(feature = "es256")]
pub use es256::P256;
pub use es256k::Secp256k1;
pub use guarded::{GuardedSecret, Restored};

/// The 32 bytes are 0 or not below the group's order: no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASecret;

/// No entropy is mixed into the nonce: RFC 6979 as it is, the same digest gives the same signature.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deterministic;

impl Entropy for Deterministic {
    fn fill(&mut self, _out: &mut [u8]) -> Result<(), NoEntropy> {
        Err(NoEntropy)
    }
}

/// A key in this processor's memory, and the code that signs with it.
///
/// Every signature is computed twice, each time from another copy of the secret, and leaves only when both are equal: a
/// fault in a copy, in a nonce or in the arithmetic becomes [`SignerError::FaultDetected`] instead of a signature that
/// tells the key.
pub struct CurveSigner<C, E = Deterministic> {
    secret: GuardedSecret,
    public: PublicKey,
    entropy: E,
    hedged: bool,
    curve: PhantomData<C>,
}

/// A signer of [`Algorithm::Es256k`], what Ethereum's ledgers verify.
pub type SoftwareSigner<E = Deterministic> = CurveSigner<Secp256k1, E>;

/// A signer of [`Algorithm::Es256`]: root mode, Fabric, attestation.
#[cfg(feature = "es256")]
pub type P256Signer<E = Deterministic> = CurveSigner<P256, E>;

impl<C: Curve> CurveSigner<C> {
    /// A signer with the secret `secret`, big-endian. Derives the public key, which takes nearly as long as a
    /// signature.
    ///
    /// # Errors
    /// [`NotASecret`] when it is 0 or not below the group's order.
    pub fn new(secret: &[u8; 32]) -> Result<Self, NotASecret> {
        Self::build(secret, Deterministic, false)
    }
}

impl<C: Curve, E: Entropy> CurveSigner<C, E> {
    /// A signer that mixes 32 bytes of `entropy` into each nonce (RFC 6979 section 3.6), so that neither a fault nor a
    /// power trace sees the same computation twice in two signatures. When the source gives none, the nonce is RFC
    /// 6979's, which does not depend on entropy.
    ///
    /// # Errors
    /// As [`CurveSigner::new`].
    pub fn with_entropy(secret: &[u8; 32], entropy: E) -> Result<Self, NotASecret> {
        Self::build(secret, entropy, true)
    }

    fn build(secret: &[u8; 32], entropy: E, hedged: bool) -> Result<Self, NotASecret> {
        let public = ecdsa::public_key::<C>(secret);
        wipe_stack();
        let public = public.ok_or(NotASecret)?;
        Ok(Self { secret: GuardedSecret::new(secret), public, entropy, hedged, curve: PhantomData })
    }

    /// A signature, to `signed`, which stays empty when there is none.
    #[inline(never)]
    fn sign_twice(&mut self, digest: &Digest, signed: &mut Signed) -> Result<(), SignerError> {
        let mut extra = Zeroizing::new([0; 32]);
        let extra = match self.entropy.fill(&mut *extra) {
            Ok(()) => &extra[..],
            Err(NoEntropy) => &[],
        };
        // `black_box` keeps the compiler from seeing that both computations are the same one.
        let mut again = Signed::NOTHING;
        let first = sign_once::<C>(self.secret.first(), black_box(digest), extra, signed);
        let second = sign_once::<C>(&self.secret.second(), black_box(digest), extra, &mut again);
        wipe_stack();
        if first.is_ok() && second.is_ok() && agree(signed, &again) {
            return Ok(());
        }
        // Two signatures of which a fault made one tell the key.
        signed.signature.0.zeroize();
        again.signature.0.zeroize();
        Err(SignerError::FaultDetected)
    }
}

impl<C: Curve, E: Entropy> Signer for CurveSigner<C, E> {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        Ok(self.public)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            deterministic: !self.hedged,
            recovery_id: C::ALGORITHM == Algorithm::Es256k,
            key_outside_ram: false,
            fault_guarded: true,
        }
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        let mut signed = Signed::NOTHING;
        self.sign_twice(digest, &mut signed)?;
        Ok(signed.signature)
    }

    fn sign_recoverable(&mut self, digest: &Digest) -> Result<(Signature, YParity), SignerError> {
        if C::ALGORITHM != Algorithm::Es256k {
            return Err(SignerError::NotRecoverable);
        }
        let mut signed = Signed::NOTHING;
        self.sign_twice(digest, &mut signed)?;
        Ok((signed.signature, signed.parity.ok_or(SignerError::NotRecoverable)?))
    }
}

/// What a computation on a Cortex-M uses of the stack, at most: `bench --sign` looks whether anything lies deeper.
const WIPED_BYTES: usize = 1_216;

/// Overwrites the stack below its caller, where the calls that have returned kept what they computed with: hash blocks
/// with the secret in them, the nonce's digits, coordinates of intermediate points.
#[inline(never)]
fn wipe_stack() {
    let mut below = [0_u32; WIPED_BYTES / size_of::<u32>()];
    below.zeroize();
    black_box(&below);
}

/// Whether both are the same.
fn agree(first: &Signed, second: &Signed) -> bool {
    bool::from(first.signature.0.ct_eq(&second.signature.0)) && first.parity == second.parity
}

#[cfg(test)]
mod tests;
