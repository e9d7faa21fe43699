// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signing on secp256k1 with libsecp256k1, the C library that Bitcoin's nodes sign with: for images with a C compiler at
//! hand. The agent takes [`Libsecp256k1Signer`] where it takes the software signer in Rust; both give the same signatures.
//! docs/signers.md compares them.
#![no_std]

use core::ptr::NonNull;

use cairn::{
    ports::{Entropy, NoEntropy},
    signer::{
        Algorithm, Capabilities, Digest, PublicKey, Signature, Signer, SignerError, YParity,
        software::{Deterministic, GuardedSecret},
    },
};
use secp256k1_sys::types::AlignedType;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize;

mod ffi;

// What the library's C calls when it is compiled with USE_EXTERNAL_ASM, and nothing calls otherwise.
#[cfg(long_multiplication)]
core::arch::global_asm!(include_str!("field.s"), options(raw));

/// Where the library keeps what it blinds scalar multiplications with, and where a signature is made: 432 bytes. Lent to a
/// signer for its life: the library's object in it must not move.
pub struct Storage {
    context: [AlignedType; ffi::CONTEXT_BYTES / size_of::<AlignedType>()],
    work: Work,
}

/// What signing needs beside the library's own stack, which is deep: kept here instead of on it. Zeros between two
/// signatures.
#[derive(Zeroize)]
struct Work {
    extra: [u8; 32],
    first: ffi::Made,
    second: ffi::Made,
}

impl Storage {
    /// Unused storage.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            context: [AlignedType::ZERO; ffi::CONTEXT_BYTES / size_of::<AlignedType>()],
            work: Work { extra: [0; 32], first: [0; 65], second: [0; 65] },
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self::new()
    }
}

/// Why there is no signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The 32 bytes are 0 or not below the group's order.
    NotASecret,
    /// This build of the library needs more than [`Storage`] has, or its self-test failed.
    Unusable,
}

/// A key in this processor's memory, and libsecp256k1 that signs with it. Every signature is computed twice, from another
/// copy of the secret each time, and leaves only when both are equal.
pub struct Libsecp256k1Signer<'s, E = Deterministic> {
    context: ffi::Context<'s>,
    work: &'s mut Work,
    secret: GuardedSecret,
    public: PublicKey,
    entropy: E,
    hedged: bool,
}

impl<'s> Libsecp256k1Signer<'s> {
    /// A signer with the secret `secret`, big-endian: RFC 6979 as it is.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn new(storage: &'s mut Storage, secret: &[u8; 32]) -> Result<Self, OpenError> {
        Self::build(storage, secret, Deterministic, false)
    }
}

impl<'s, E: Entropy> Libsecp256k1Signer<'s, E> {
    /// A signer that mixes 32 bytes of `entropy` into each nonce (RFC 6979 section 3.6), and blinds the library's
    /// multiplications with 32 more once. When the source gives none, the nonce is RFC 6979's.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn with_entropy(storage: &'s mut Storage, secret: &[u8; 32], entropy: E) -> Result<Self, OpenError> {
        Self::build(storage, secret, entropy, true)
    }

    fn build(storage: &'s mut Storage, secret: &[u8; 32], mut entropy: E, hedged: bool) -> Result<Self, OpenError> {
        let Storage { context, work } = storage;
        let mut context = ffi::Context::new(context).ok_or(OpenError::Unusable)?;
        let seeded = entropy.fill(&mut work.extra).is_ok();
        let usable = !seeded || context.blind(&work.extra);
        work.zeroize();
        if !usable {
            return Err(OpenError::Unusable);
        }
        let xy = context.public_key(secret).ok_or(OpenError::NotASecret)?;
        let public = PublicKey { alg: Algorithm::Es256k, xy };
        Ok(Self { context, work, secret: GuardedSecret::new(secret), public, entropy, hedged })
    }

    /// The signature of both computations, to `work.first`. Its frame lies under the library's: it keeps nothing there.
    #[inline(never)]
    fn sign_twice(&mut self, digest: &Digest) -> Result<(), SignerError> {
        let Work { extra, first, second } = &mut *self.work;
        let extra = match self.entropy.fill(extra) {
            Ok(()) => Some(&*extra),
            Err(NoEntropy) => None,
        };
        // The compiler cannot make one computation of both: it does not see into the library.
        let once = self.context.sign(digest, self.secret.first(), extra, first);
        let twice = self.context.sign(digest, &self.secret.second(), extra, second);
        if once && twice && bool::from(first.ct_eq(second)) { Ok(()) } else { Err(SignerError::FaultDetected) }
    }
}

impl<E: Entropy> Signer for Libsecp256k1Signer<'_, E> {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        Ok(self.public)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { deterministic: !self.hedged, recovery_id: true, key_outside_ram: false, fault_guarded: true }
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        self.sign_recoverable(digest).map(|(signature, _)| signature)
    }

    fn sign_recoverable(&mut self, digest: &Digest) -> Result<(Signature, YParity), SignerError> {
        let agreed = self.sign_twice(digest);
        let mut signature = Signature([0; 64]);
        let odd = agreed.map(|()| self.context.write(&self.work.first, &mut signature.0));
        // Also after a fault: two signatures of which it made one tell the key.
        self.work.zeroize();
        let parity = if odd?.ok_or(SignerError::FaultDetected)? { YParity::Odd } else { YParity::Even };
        Ok((signature, parity))
    }
}

/// A pointer to the first of `storage`.
const fn start(storage: &mut [AlignedType]) -> NonNull<AlignedType> {
    // A slice's pointer is never null.
    NonNull::from_mut(storage).cast()
}
