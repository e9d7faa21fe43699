// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of c/cairn_psa_crypto.h behind safe names. Statuses are PSA Crypto's, 0 is success.

use crate::ccm::{KEY_BYTES, NONCE_BYTES, TAG_BYTES};

unsafe extern "C" {
    fn cairn_psa_hash_begin(operation: *mut u8) -> i32;
    fn cairn_psa_hash_update(operation: u8, bytes: *const u8, length: usize) -> i32;
    fn cairn_psa_hash_finish(operation: u8, hash: *mut u8) -> i32;
    fn cairn_psa_hash_abort(operation: u8);
    fn cairn_psa_ccm_encrypt(
        key: *const u8,
        nonce: *const u8,
        additional: *const u8,
        additional_length: usize,
        text: *mut u8,
        length: usize,
    ) -> i32;
    fn cairn_psa_ccm_decrypt(
        key: *const u8,
        nonce: *const u8,
        additional: *const u8,
        additional_length: usize,
        text: *mut u8,
        length: usize,
    ) -> i32;
}

/// A hash that runs in the C half. Nobody else has its number, and it is given back once: by `finish`, or when it is dropped.
#[derive(Debug)]
pub(crate) struct Operation(u8);

impl Operation {
    pub(crate) fn begin() -> Result<Self, i32> {
        let mut operation = 0;
        // SAFETY: `operation` is valid for writing a byte, for the call.
        let status = unsafe { cairn_psa_hash_begin(&raw mut operation) };
        if status == 0 { Ok(Self(operation)) } else { Err(status) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) -> i32 {
        // SAFETY: the number is of an operation that began and was not given back; `bytes` is valid for reading its length.
        unsafe { cairn_psa_hash_update(self.0, bytes.as_ptr(), bytes.len()) }
    }

    pub(crate) fn finish(self, hash: &mut [u8; 32]) -> i32 {
        let operation = self.0;
        core::mem::forget(self);
        // SAFETY: as in `update`, and this is the last call with the number, which `drop` no longer sees; 32 bytes to write.
        unsafe { cairn_psa_hash_finish(operation, hash.as_mut_ptr()) }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // SAFETY: as in `update`, and this is the last call with the number.
        unsafe { cairn_psa_hash_abort(self.0) };
    }
}

/// Encrypts what is before the last [`TAG_BYTES`] of `text`, which become the tag. Shorter than that is a wrong argument.
pub(crate) fn encrypt(key: &[u8; KEY_BYTES], nonce: &[u8; NONCE_BYTES], additional: &[u8], text: &mut [u8]) -> i32 {
    let Some(length) = text.len().checked_sub(TAG_BYTES) else { return INVALID_ARGUMENT };
    let (additional, additional_length) = (additional.as_ptr(), additional.len());
    // SAFETY: key and nonce are as long as the header says; `additional` is valid for reading its length and `text` for reading
    // and writing `length` + 8 bytes; all for the call.
    unsafe {
        cairn_psa_ccm_encrypt(key.as_ptr(), nonce.as_ptr(), additional, additional_length, text.as_mut_ptr(), length)
    }
}

/// Decrypts what is before the last [`TAG_BYTES`] of `text`, which are the tag. Shorter than that is a wrong argument.
pub(crate) fn decrypt(key: &[u8; KEY_BYTES], nonce: &[u8; NONCE_BYTES], additional: &[u8], text: &mut [u8]) -> i32 {
    let Some(length) = text.len().checked_sub(TAG_BYTES) else { return INVALID_ARGUMENT };
    let (additional, additional_length) = (additional.as_ptr(), additional.len());
    // SAFETY: as in `encrypt`.
    unsafe {
        cairn_psa_ccm_decrypt(key.as_ptr(), nonce.as_ptr(), additional, additional_length, text.as_mut_ptr(), length)
    }
}

/// `PSA_ERROR_INVALID_ARGUMENT`.
const INVALID_ARGUMENT: i32 = -135;
