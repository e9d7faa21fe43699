// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys of either curve. Called by the applets; the card's randomness is a hash chain from its seed, so that a run repeats.

use sha2::{Digest as _, Sha256};

/// What an applet's keys are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// secp256k1.
    Secp256k1,
}

/// A private key.
#[derive(Clone, Debug)]
pub enum Key {
    /// On P-256.
    P256(p256::ecdsa::SigningKey),
    /// On secp256k1.
    Secp256k1(k256::ecdsa::SigningKey),
}

impl Key {
    /// The key with this secret; `None` when it is 0 or not below the order.
    #[must_use]
    pub fn from_secret(curve: Curve, secret: &[u8; 32]) -> Option<Self> {
        match curve {
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(secret).ok().map(Self::P256),
            Curve::Secp256k1 => k256::ecdsa::SigningKey::from_slice(secret).ok().map(Self::Secp256k1),
        }
    }

    /// The secret, big-endian.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        match self {
            Self::P256(key) => key.to_bytes().into(),
            Self::Secp256k1(key) => key.to_bytes().into(),
        }
    }

    /// 04 ‖ X ‖ Y.
    #[must_use]
    pub fn point(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Secp256k1(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
        }
    }

    /// r ‖ s over a hash, s in the upper half of the order when `high`.
    ///
    /// # Panics
    /// Never: a hash of 32 bytes can be signed.
    #[must_use]
    pub fn sign(&self, hash: &[u8; 32], high: bool) -> [u8; 64] {
        macro_rules! sign {
            ($curve:ident, $key:expr) => {{
                use $curve::ecdsa::{Signature, signature::hazmat::PrehashSigner as _};
                let made: Signature = $key.sign_prehash(hash).expect("a hash of 32 bytes is signed");
                let low = made.normalize_s();
                let (r, s) = low.split_scalars();
                let other = Signature::from_scalars(*r, -*s).expect("neither scalar is 0");
                if high { other.to_bytes().into() } else { low.to_bytes().into() }
            }};
        }
        match self {
            Self::P256(key) => sign!(p256, key),
            Self::Secp256k1(key) => sign!(k256, key),
        }
    }
}

/// The card's random numbers.
#[derive(Clone, Debug)]
pub struct Chain {
    seed: [u8; 32],
    count: u64,
}

impl Chain {
    /// Numbers that follow from `seed`.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, count: 0 }
    }

    /// The next 32 bytes.
    pub fn next_bytes(&mut self) -> [u8; 32] {
        self.count += 1;
        Sha256::new().chain_update(self.seed).chain_update(self.count.to_be_bytes()).finalize().into()
    }

    /// A new key.
    pub fn next_key(&mut self, curve: Curve) -> Key {
        loop {
            if let Some(key) = Key::from_secret(curve, &self.next_bytes()) {
                return key;
            }
        }
    }
}
