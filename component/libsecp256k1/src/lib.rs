// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signing on secp256k1 with libsecp256k1, the C library that Bitcoin's nodes sign with: for images with a C compiler at
//! hand. The agent takes [`Libsecp256k1Signer`] where it takes the software signer in Rust; both give the same signatures.
//! docs/signers.md compares them.
#![no_std]

use core::{hint::black_box, ptr::NonNull};

use cairn::{
    ports::{Entropy, NoEntropy},
    signer::{
        Algorithm, Capabilities, Digest, PublicKey, Signature, Signer, SignerError, YParity, software::Deterministic,
    },
};
use secp256k1_sys::types::AlignedType;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

mod ffi;

/// Where the library keeps what it blinds scalar multiplications with. Lent to a signer for its life: the library's object in
/// it must not move.
pub struct Storage([AlignedType; ffi::CONTEXT_BYTES / size_of::<AlignedType>()]);

impl Storage {
    /// Unused storage.
    #[must_use]
    pub const fn new() -> Self {
        Self([AlignedType::ZERO; ffi::CONTEXT_BYTES / size_of::<AlignedType>()])
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

/// The secret twice, the second time with all bits inverted.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Secret {
    plain: [u8; 32],
    inverted: [u8; 32],
}

/// A key in this processor's memory, and libsecp256k1 that signs with it. Every signature is computed twice, from another
/// copy of the secret each time, and leaves only when both are equal.
pub struct Libsecp256k1Signer<'s, E = Deterministic> {
    context: ffi::Context<'s>,
    secret: Secret,
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
        let mut context = ffi::Context::new(&mut storage.0).ok_or(OpenError::Unusable)?;
        let mut seed = Zeroizing::new([0; 32]);
        if entropy.fill(&mut *seed).is_ok() && !context.blind(&seed) {
            return Err(OpenError::Unusable);
        }
        let xy = context.public_key(secret).ok_or(OpenError::NotASecret)?;
        let mut inverted = Zeroizing::new([0; 32]);
        invert(secret, &mut inverted);
        let secret = Secret { plain: *secret, inverted: *inverted };
        Ok(Self { context, secret, public: PublicKey { alg: Algorithm::Es256k, xy }, entropy, hedged })
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
        let mut extra = Zeroizing::new([0; 32]);
        let extra = match self.entropy.fill(&mut *extra) {
            Ok(()) => Some(&*extra),
            Err(NoEntropy) => None,
        };
        // `black_box` keeps the compiler from seeing that both computations are the same one.
        let (mut first, mut second) = ([0; 64], [0; 64]);
        let parity = self.context.sign(black_box(digest), &self.secret.plain, extra, &mut first);
        let mut restored = Zeroizing::new([0; 32]);
        invert(black_box(&self.secret.inverted), &mut restored);
        let again = self.context.sign(black_box(digest), &restored, extra, &mut second);
        match parity {
            Some(odd) if parity == again && bool::from(first.ct_eq(&second)) => {
                Ok((Signature(first), if odd { YParity::Odd } else { YParity::Even }))
            }
            _ => Err(SignerError::FaultDetected),
        }
    }
}

/// All bits of `bytes` inverted, without a copy on the way.
#[inline(never)]
fn invert(bytes: &[u8; 32], inverted: &mut [u8; 32]) {
    for (inverted, byte) in inverted.iter_mut().zip(bytes) {
        *inverted = !byte;
    }
}

/// A pointer to the first of `storage`.
const fn start(storage: &mut [AlignedType]) -> NonNull<AlignedType> {
    // A slice's pointer is never null.
    NonNull::from_mut(storage).cast()
}
