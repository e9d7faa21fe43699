// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PSA initial attestation (PSA Attestation API 1.0) as the root of trust of endorsements: TF-M's secure side signs,
//! with a key that this side never sees. Called by `cairn::endorsement`; does not look into the token, which `cairn
//! provision endorse` judges.

use cairn::endorsement::{RootError, RootOfTrust};

/// `PSA_ERROR_BUFFER_TOO_SMALL`.
const BUFFER_TOO_SMALL: i32 = -138;

unsafe extern "C" {
    /// `psa/initial_attestation.h`, section 3.4 of the API; unlike keys, its parameters have no layout of their own.
    fn psa_initial_attest_get_token(
        auth_challenge: *const u8,
        challenge_size: usize,
        token_buf: *mut u8,
        token_buf_size: usize,
        token_size: *mut usize,
    ) -> i32;
}

/// The platform's initial attestation service.
#[derive(Clone, Copy, Debug, Default)]
pub struct PsaRoot;

impl RootOfTrust for PsaRoot {
    fn token(&mut self, eat_nonce: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
        // Some implementations call an empty buffer a wrong argument.
        if out.is_empty() {
            return Err(RootError::BufferTooSmall);
        }
        let mut length = 0;
        // SAFETY: 32 bytes to read, which is a size the API allows for a challenge; `out` is valid for writing its
        // length and `length` for writing, for the call.
        let status = unsafe {
            psa_initial_attest_get_token(eat_nonce.as_ptr(), 32, out.as_mut_ptr(), out.len(), &raw mut length)
        };
        match status {
            0 if length <= out.len() => Ok(length),
            0 | BUFFER_TOO_SMALL => Err(RootError::BufferTooSmall),
            other => Err(RootError::Refused(other)),
        }
    }
}
