// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A key and the thing that signs with it. The agent calls it once per batch; which implementation is behind it is
//! chosen at build time. [`software`] is the portable one; `se050` (feature `signer-se050`) an external chip.

use crate::{
    keccak::keccak256,
    sha256::{Digest as _, Sha256},
};

mod combination;
mod foreign;
mod points;
#[cfg(feature = "signer-se050")]
pub mod se050;
mod secp256k1;
#[cfg(feature = "signer-sim")]
pub mod sim;
pub mod software;

pub use points::PublicKeyError;
pub use secp256k1::YParity;

/// A signature algorithm by its COSE number (RFC 8812, RFC 9053).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum Algorithm {
    /// ECDSA over secp256k1.
    Es256k = -47,
    /// ECDSA over P-256.
    Es256 = -7,
}

impl Algorithm {
    /// The algorithm with this COSE number, or `None` when Cairn does not use it.
    #[must_use]
    pub const fn from_cose(number: i8) -> Option<Self> {
        match number {
            -47 => Some(Self::Es256k),
            -7 => Some(Self::Es256),
            _ => None,
        }
    }

    /// The COSE number.
    #[must_use]
    pub const fn cose(self) -> i8 {
        self as i8
    }
}

/// A point on the algorithm's curve, X ‖ Y big-endian. That it is on the curve is checked where it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey {
    /// The algorithm the key is for.
    pub alg: Algorithm,
    /// X ‖ Y.
    pub xy: [u8; 64],
}

/// keccak256(X ‖ Y)\[12..]: an Ethereum address when the key is on secp256k1, and the same formula for P-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 20]);

/// Names a device for life: SHA-256("Cairn-device-1" ‖ alg as one signed byte ‖ compressed public key of its first
/// key).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub [u8; 32]);

impl PublicKey {
    /// SEC 1 compressed form: 0x02 or 0x03, then X.
    #[must_use]
    pub fn compressed(&self) -> [u8; 33] {
        let mut out = [0; 33];
        out[0] = 2 | (self.xy[63] & 1);
        out[1..].copy_from_slice(&self.xy[..32]);
        out
    }

    /// The key's id.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        let hash = keccak256(&[&self.xy]);
        let mut id = [0; 20];
        id.copy_from_slice(&hash[12..]);
        KeyId(id)
    }

    /// The id of the device whose first key this is.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        let mut hash = Sha256::new_with_prefix(b"Cairn-device-1");
        hash.update(self.alg.cose().to_be_bytes());
        hash.update(self.compressed());
        DeviceId(hash.finalize().into())
    }
}

/// What a key signs: the EIP-712 digest of an anchor, or the signature hash of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// r ‖ s, 32 bytes each big-endian, s in the lower half of the group order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

/// Why a signer did not sign. None of these is retried within a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerError {
    /// There is no key.
    NotProvisioned,
    /// The key exists and may not be used now.
    Locked,
    /// The element does not answer at all.
    Gone,
    /// The element did not answer in time.
    TimeOut,
    /// Two signatures over the same digest differed, or the key does not verify the one there is: something disturbed
    /// the computation.
    FaultDetected,
    /// The algorithm's signatures have no recovery id.
    NotRecoverable,
}

/// What a signer can do beyond signing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "four independent facts about hardware, not states")]
pub struct Capabilities {
    /// The same digest gives the same signature (RFC 6979).
    pub deterministic: bool,
    /// Gives the recovery id without a search.
    pub recovery_id: bool,
    /// The key never is in the main processor's memory.
    pub key_outside_ram: bool,
    /// A fault in the computation is detected before a signature leaves.
    pub fault_guarded: bool,
}

/// Signs 32-byte digests with one key.
pub trait Signer {
    /// The public key.
    ///
    /// # Errors
    /// [`SignerError`] when there is no key or the element does not answer.
    fn public_key(&mut self) -> Result<PublicKey, SignerError>;

    /// What this signer can do beyond signing.
    fn capabilities(&self) -> Capabilities;

    /// Signs `digest`; the signature is low-S. Blocks for as long as the signature takes.
    ///
    /// # Errors
    /// [`SignerError`]; nothing was signed then.
    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError>;

    /// Signs `digest` and gives the recovery id as well. Where the signer does not know it
    /// ([`Capabilities::recovery_id`]) it is found with the public key, which takes twice the instructions of a guarded
    /// signature in software, and 0.6 kB more stack.
    ///
    /// # Errors
    /// As [`Signer::sign`]; [`SignerError::NotRecoverable`] when the algorithm is not [`Algorithm::Es256k`];
    /// [`SignerError::FaultDetected`] when what was signed is no signature of this key.
    fn sign_recoverable(&mut self, digest: &Digest) -> Result<(Signature, YParity), SignerError> {
        let key = self.public_key()?;
        if key.alg != Algorithm::Es256k {
            return Err(SignerError::NotRecoverable);
        }
        let signature = self.sign(digest)?;
        let parity = key.y_parity(digest, &signature).ok_or(SignerError::FaultDetected)?;
        Ok((signature, parity))
    }
}
