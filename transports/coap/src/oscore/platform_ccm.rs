// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AES-CCM-16-64-128 by the platform's PSA Crypto (feature `psa-aead`), with the functions of `ccm.rs`. Called by `cipher.rs` only.
//! Keys stay in the context and are handed over for each message, so that a context is the same thing in both builds.

use cairn_psa_crypto::ccm::{self, CcmError};

use super::cipher::{IV_BYTES, KEY_BYTES, TAG_BYTES, Unsealed};

/// Encrypts in place what is before the last [`TAG_BYTES`] of `text`, which become the tag. On an error `text` is zeros.
pub(super) fn encrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; IV_BYTES],
    additional: &[u8],
    text: &mut [u8],
) -> Result<(), Unsealed> {
    countable(text)?;
    ccm::encrypt(key, nonce, additional, text).map_err(unsealed)
}

/// Decrypts in place what is before the last [`TAG_BYTES`] of `text`, if those are its tag, and else leaves zeros.
pub(super) fn decrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; IV_BYTES],
    additional: &[u8],
    text: &mut [u8],
) -> Result<(), Unsealed> {
    countable(text)?;
    ccm::decrypt(key, nonce, additional, text).map_err(unsealed)
}

/// CCM with L = 2 counts up to 65535 bytes of text: an implementation's own idea of what is longer is not asked for.
fn countable(text: &[u8]) -> Result<(), Unsealed> {
    let length = text.len().checked_sub(TAG_BYTES).ok_or(Unsealed::Length)?;
    if length > usize::from(u16::MAX) { Err(Unsealed::Length) } else { Ok(()) }
}

fn unsealed(error: CcmError) -> Unsealed {
    match error {
        CcmError::Forged => Unsealed::Forged,
        CcmError::Refused(_) => Unsealed::Platform,
    }
}
