// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of c/cairn_psa.h behind safe names. Statuses are PSA Crypto's, 0 is success.

use cairn::signer::{Algorithm, Digest, PublicKey, Signature};

use crate::status::DATA_INVALID;

unsafe extern "C" {
    fn cairn_psa_init() -> i32;
    fn cairn_psa_key_generate(id: u32, alg: i32, location: u32) -> i32;
    fn cairn_psa_key_import(id: u32, alg: i32, location: u32, secret: *const u8) -> i32;
    fn cairn_psa_key_public(id: u32, alg: *mut i32, xy: *mut u8, deterministic: *mut u8) -> i32;
    fn cairn_psa_key_destroy(id: u32) -> i32;
    fn cairn_psa_sign(id: u32, digest: *const u8, signature: *mut u8) -> i32;
    fn cairn_psa_verify(alg: i32, xy: *const u8, digest: *const u8, signature: *const u8) -> i32;
    fn cairn_psa_random(out: *mut u8, length: usize) -> i32;
}

pub(crate) fn init() -> i32 {
    // SAFETY: takes nothing.
    unsafe { cairn_psa_init() }
}

pub(crate) fn generate(id: u32, alg: Algorithm, location: u32) -> i32 {
    // SAFETY: takes numbers.
    unsafe { cairn_psa_key_generate(id, i32::from(alg.cose()), location) }
}

pub(crate) fn import(id: u32, alg: Algorithm, location: u32, secret: &[u8; 32]) -> i32 {
    // SAFETY: `secret` is 32 bytes, valid for the call.
    unsafe { cairn_psa_key_import(id, i32::from(alg.cose()), location, secret.as_ptr()) }
}

/// The public key, and whether its signatures are deterministic.
pub(crate) fn public(id: u32) -> Result<(PublicKey, bool), i32> {
    let (mut alg, mut xy, mut deterministic) = (0, [0; 64], 0);
    // SAFETY: all three are valid for writing what cairn_psa.h says, for the call.
    let status = unsafe { cairn_psa_key_public(id, &raw mut alg, xy.as_mut_ptr(), &raw mut deterministic) };
    if status != 0 {
        return Err(status);
    }
    let alg = i8::try_from(alg).ok().and_then(Algorithm::from_cose).ok_or(DATA_INVALID)?;
    Ok((PublicKey { alg, xy }, deterministic != 0))
}

pub(crate) fn destroy(id: u32) -> i32 {
    // SAFETY: takes a number.
    unsafe { cairn_psa_key_destroy(id) }
}

pub(crate) fn sign(id: u32, digest: &Digest) -> Result<[u8; 64], i32> {
    let mut signature = [0; 64];
    // SAFETY: 32 bytes to read and 64 to write, valid for the call.
    let status = unsafe { cairn_psa_sign(id, digest.0.as_ptr(), signature.as_mut_ptr()) };
    if status == 0 { Ok(signature) } else { Err(status) }
}

pub(crate) fn verify(key: &PublicKey, digest: &Digest, signature: &Signature) -> i32 {
    let alg = i32::from(key.alg.cose());
    // SAFETY: 64, 32 and 64 bytes to read, valid for the call.
    unsafe { cairn_psa_verify(alg, key.xy.as_ptr(), digest.0.as_ptr(), signature.0.as_ptr()) }
}

pub(crate) fn random(out: &mut [u8]) -> i32 {
    // SAFETY: `out` is valid for writing its length, for the call.
    unsafe { cairn_psa_random(out.as_mut_ptr(), out.len()) }
}
