// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The product's own signer behind the two functions of cairn_port.h. Opened by signer.rs. Believes neither: the key must be a
//! point of the curve, and each signature is verified with it before it leaves.

use core::ffi::c_int;

use cairn::signer::{Algorithm, Capabilities, Digest, PublicKey, Signature, Signer, SignerError};

use crate::result::cairn_result_t;

/// cbindgen:ignore
mod c {
    use super::c_int;

    unsafe extern "C" {
        pub(super) fn cairn_port_signer_public_key(xy: *mut u8) -> c_int;
        pub(super) fn cairn_port_signer_sign(digest: *const u8, signature: *mut u8) -> c_int;
    }
}

/// What the product's number means. A number that is none of the signer's results is a fault.
fn done(answer: c_int) -> Result<(), SignerError> {
    const ERRORS: [(cairn_result_t, SignerError); 4] = [
        (cairn_result_t::CAIRN_E_SIGNER_NOT_PROVISIONED, SignerError::NotProvisioned),
        (cairn_result_t::CAIRN_E_SIGNER_LOCKED, SignerError::Locked),
        (cairn_result_t::CAIRN_E_SIGNER_GONE, SignerError::Gone),
        (cairn_result_t::CAIRN_E_SIGNER_TIMEOUT, SignerError::TimeOut),
    ];
    if answer == cairn_result_t::CAIRN_OK as c_int {
        return Ok(());
    }
    let known = ERRORS.into_iter().find(|(result, _)| *result as c_int == answer);
    Err(known.map_or(SignerError::FaultDetected, |(_, error)| error))
}

/// What holds the key and signs with it, outside Cairn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortSigner {
    public: PublicKey,
}

impl PortSigner {
    /// Asks for the public key.
    ///
    /// # Errors
    /// What the product answers; [`SignerError::NotProvisioned`] for a key that is no point of the curve of `alg`.
    pub(crate) fn open(alg: Algorithm) -> Result<Self, SignerError> {
        let mut point = [4; 65];
        let (_, xy) = point.split_at_mut(1);
        // SAFETY: 64 bytes valid for writing; called by the agent's task only.
        done(unsafe { c::cairn_port_signer_public_key(xy.as_mut_ptr()) })?;
        let public = PublicKey::from_sec1(alg, &point).map_err(|_| SignerError::NotProvisioned)?;
        Ok(Self { public })
    }
}

impl Signer for PortSigner {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        Ok(self.public)
    }

    /// Where the key is, only the product knows.
    fn capabilities(&self) -> Capabilities {
        Capabilities { deterministic: false, recovery_id: false, key_outside_ram: false, fault_guarded: true }
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        let mut signature = [0; 64];
        // SAFETY: 32 bytes valid for reading and 64 for writing; called by the agent's task only.
        done(unsafe { c::cairn_port_signer_sign(digest.0.as_ptr(), signature.as_mut_ptr()) })?;
        self.public.accept(digest, &signature)
    }
}
