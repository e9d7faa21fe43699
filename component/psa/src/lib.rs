// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signing with a key that PSA Crypto holds: a hardware accelerator's driver, TF-M's secure side, or Mbed TLS in software.
//! The key is named by its persistent identifier and never is in Cairn's memory.
//!
//! [`PsaSigner`] is what the agent takes; [`generate`], [`import`] and [`destroy`] are the key's life before and after.
//! With feature `initial-attestation`, `PsaRoot` is the platform's root of trust for endorsements.
//! `ffi` has the C half's functions (c/cairn_psa.h). docs/signers.md lists which drivers have which curve.
#![no_std]

use cairn::{
    ports::{Entropy, NoEntropy},
    signer::{Algorithm, Capabilities, Digest, PublicKey, Signature, Signer, SignerError},
};

#[cfg(feature = "initial-attestation")]
mod attestation;
mod ffi;
mod status;

#[cfg(feature = "initial-attestation")]
pub use attestation::PsaRoot;
pub use status::PsaError;

/// A persistent key's identifier, 1 to 0x3fff_ffff (PSA Crypto API 1.0, section 9.4.2: `PSA_KEY_ID_USER_MIN` and `_MAX`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyNumber(pub u32);

/// Where a key lives (PSA Crypto API 1.0, section 9.3.2: `psa_key_location_t`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Location(pub u32);

/// Makes a key that cannot be exported, from the implementation's own random numbers.
///
/// # Errors
/// [`PsaError`]: above all [`PsaError::AlreadyExists`], [`PsaError::NotSupported`] when the implementation has not the
/// curve, [`PsaError::InsufficientEntropy`]. There is no key then that was not there before.
pub fn generate(key: KeyNumber, alg: Algorithm, location: Location) -> Result<(), PsaError> {
    status::check(ffi::init())?;
    status::check(ffi::generate(key.0, alg, location.0))
}

/// Stores a secret from outside, big-endian, as a key that cannot be exported again. The caller erases its copy.
///
/// # Errors
/// As [`generate`]; [`PsaError::InvalidArgument`] when it is no secret of the curve.
pub fn import(key: KeyNumber, alg: Algorithm, location: Location, secret: &[u8; 32]) -> Result<(), PsaError> {
    status::check(ffi::init())?;
    status::check(ffi::import(key.0, alg, location.0, secret))
}

/// Destroys a key, in storage too, and sees that it is gone.
///
/// # Errors
/// [`PsaError::DoesNotExist`] when there was none; [`PsaError::CorruptionDetected`] when it is still there.
pub fn destroy(key: KeyNumber) -> Result<(), PsaError> {
    status::check(ffi::init())?;
    status::check(ffi::destroy(key.0))?;
    match ffi::public(key.0) {
        Err(status) if status::of(status) == PsaError::DoesNotExist => Ok(()),
        _ => Err(PsaError::CorruptionDetected),
    }
}

/// Signs with a key of PSA Crypto. Each signature is verified by PSA Crypto before it is given away.
#[derive(Debug)]
pub struct PsaSigner {
    key: KeyNumber,
    public: PublicKey,
    deterministic: bool,
}

impl PsaSigner {
    /// A signer over an existing key.
    ///
    /// # Errors
    /// [`SignerError::NotProvisioned`] when there is no such key or it is none of ours: wrong curve, wrong algorithm.
    pub fn open(key: KeyNumber) -> Result<Self, SignerError> {
        status::check(ffi::init()).map_err(SignerError::from)?;
        let (public, deterministic) = ffi::public(key.0).map_err(|status| SignerError::from(status::of(status)))?;
        Ok(Self { key, public, deterministic })
    }
}

impl Signer for PsaSigner {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        Ok(self.public)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            deterministic: self.deterministic,
            recovery_id: false,
            key_outside_ram: true,
            fault_guarded: true,
        }
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        let signature = ffi::sign(self.key.0, digest).map_err(|status| SignerError::from(status::of(status)))?;
        let low = Signature::low(self.public.alg, &signature).ok_or(SignerError::FaultDetected)?;
        status::check(ffi::verify(&self.public, digest, &low)).map_err(|_| SignerError::FaultDetected)?;
        Ok(low)
    }
}

/// Random bytes of PSA Crypto's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct PsaEntropy;

impl Entropy for PsaEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        status::check(ffi::init()).and_then(|()| status::check(ffi::random(out))).map_err(|_| NoEntropy)
    }
}
