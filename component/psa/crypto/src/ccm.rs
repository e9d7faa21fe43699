// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AES-CCM-16-64-128 (RFC 3610 with L = 2 and M = 8; COSE algorithm 10). A key is imported as a volatile one for each message and
//! destroyed after it: a device has a few messages a day, and a slot it does not hold cannot be lost over a sleep.

use crate::ffi;

/// AES-128.
pub const KEY_BYTES: usize = 16;
/// 15 − L.
pub const NONCE_BYTES: usize = 13;
/// M.
pub const TAG_BYTES: usize = 8;

/// Why a message was not encrypted or decrypted; its buffer is zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CcmError {
    /// The tag is wrong.
    Forged,
    /// PSA Crypto's own status: it has no AES-CCM, no memory, does not answer.
    Refused(i32),
}

/// `PSA_ERROR_INVALID_SIGNATURE`.
const INVALID_SIGNATURE: i32 = -149;

/// Encrypts what is before the last [`TAG_BYTES`] of `text` in place; those become the tag.
///
/// # Errors
/// [`CcmError::Refused`].
pub fn encrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    additional: &[u8],
    text: &mut [u8],
) -> Result<(), CcmError> {
    let status = ffi::encrypt(key, nonce, additional, text);
    checked(status, text)
}

/// Decrypts in place what is before the last [`TAG_BYTES`] of `text`, which are its tag.
///
/// # Errors
/// [`CcmError`].
pub fn decrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    additional: &[u8],
    text: &mut [u8],
) -> Result<(), CcmError> {
    let status = ffi::decrypt(key, nonce, additional, text);
    checked(status, text)
}

fn checked(status: i32, text: &mut [u8]) -> Result<(), CcmError> {
    match status {
        0 => Ok(()),
        INVALID_SIGNATURE => Err(wipe(text, CcmError::Forged)),
        other => Err(wipe(text, CcmError::Refused(other))),
    }
}

fn wipe(text: &mut [u8], error: CcmError) -> CcmError {
    text.fill(0);
    error
}
