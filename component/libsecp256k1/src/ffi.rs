// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The library's functions behind safe names.

use core::{marker::PhantomData, ptr};

use cairn::signer::Digest;
use secp256k1_sys::{
    self as lib, SECP256K1_SER_UNCOMPRESSED, SECP256K1_START_SIGN,
    recovery::{
        RecoverableSignature, secp256k1_ecdsa_recoverable_signature_serialize_compact, secp256k1_ecdsa_sign_recoverable,
    },
    types::AlignedType,
};

use crate::start;

/// Bytes of a context, with some to spare: 208 on a 64-bit host, 180 on a Cortex-M with version 0.14 of the crate.
pub(crate) const CONTEXT_BYTES: usize = 256;

/// A signature with its recovery id as the library keeps it, or zeros.
pub(crate) type Made = [u8; size_of::<RecoverableSignature>()];

/// The library's context. Signing only: its table is in flash.
pub(crate) struct Context<'s> {
    context: ptr::NonNull<lib::Context>,
    storage: PhantomData<&'s mut AlignedType>,
}

// SAFETY: the context is memory that nobody else refers to while `'s` lasts, and the library keeps nothing per thread.
unsafe impl Send for Context<'_> {}

impl<'s> Context<'s> {
    /// A context in `storage`; `None` when it does not fit.
    pub(crate) fn new(storage: &'s mut [AlignedType]) -> Option<Self> {
        // SAFETY: a pure function of its flag, which is one of the library's.
        let needed = unsafe { lib::secp256k1_context_preallocated_size(SECP256K1_START_SIGN) };
        if needed > size_of_val(storage) {
            return None;
        }
        // SAFETY: `storage` is aligned for anything, long enough by the line above, and lent for `'s`.
        let context =
            unsafe { lib::secp256k1_context_preallocated_create(start(storage).cast(), SECP256K1_START_SIGN) };
        Some(Self { context, storage: PhantomData })
    }

    /// Blinds multiplications by the generator with a seed.
    pub(crate) fn blind(&mut self, seed: &[u8; 32]) -> bool {
        // SAFETY: the context is valid while `self` is, and ours alone; the seed is 32 bytes.
        unsafe { lib::secp256k1_context_randomize(self.context, seed.as_ptr()) == 1 }
    }

    /// X ‖ Y of the secret's public key; `None` when it is no secret.
    pub(crate) fn public_key(&self, secret: &[u8; 32]) -> Option<[u8; 64]> {
        // SAFETY: only ever written to by the next call before it is read.
        let mut key = unsafe { lib::PublicKey::new() };
        // SAFETY: a valid context, a key to write, 32 bytes to read.
        if unsafe { lib::secp256k1_ec_pubkey_create(self.context.as_ptr(), &raw mut key, secret.as_ptr()) } != 1 {
            return None;
        }
        let (mut sec1, mut length) = ([0_u8; 65], 65);
        // SAFETY: a valid context, 65 bytes to write as `length` says, a key that was made above.
        let made = unsafe {
            lib::secp256k1_ec_pubkey_serialize(
                self.context.as_ptr(),
                sec1.as_mut_ptr(),
                &raw mut length,
                &raw const key,
                SECP256K1_SER_UNCOMPRESSED,
            )
        };
        if made == 1 { sec1.last_chunk().copied() } else { None }
    }

    /// Signs with RFC 6979 and `extra`, low-S, to `made`; false when the secret is none.
    #[inline(always)]
    pub(crate) fn sign(&self, digest: &Digest, secret: &[u8; 32], extra: Option<&[u8; 32]>, made: &mut Made) -> bool {
        let extra = extra.map_or(ptr::null(), |extra| extra.as_ptr().cast());
        // SAFETY: a valid context; as many bytes to write as a signature has, which is bytes; 32 bytes of digest and of secret to
        // read; the library's own nonce function, which reads 32 bytes of `extra` unless it is null.
        let status = unsafe {
            secp256k1_ecdsa_sign_recoverable(
                self.context.as_ptr(),
                (&raw mut *made).cast::<RecoverableSignature>(),
                digest.0.as_ptr(),
                secret.as_ptr(),
                None,
                extra,
            )
        };
        status == 1
    }

    /// r ‖ s of `made`, to `signature`; gives whether the nonce point's y is odd. `None` when that has no name: r was
    /// reduced, which nobody has ever seen and Ethereum cannot say.
    #[inline(never)]
    pub(crate) fn write(&self, made: &Made, signature: &mut [u8; 64]) -> Option<bool> {
        let mut recovery = 0;
        // SAFETY: a valid context, 64 bytes and a number to write, and the bytes of a signature that the library made, or
        // zeros, which are r = 0 and s = 0.
        let written = unsafe {
            secp256k1_ecdsa_recoverable_signature_serialize_compact(
                self.context.as_ptr(),
                signature.as_mut_ptr(),
                &raw mut recovery,
                (&raw const *made).cast::<RecoverableSignature>(),
            )
        };
        (written == 1 && matches!(recovery, 0 | 1)).then_some(recovery == 1)
    }
}
