// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signatures that were made outside this processor's software: by an accelerator, a secure element, a SIM. Called by their
//! signers before they give one away; never sees a secret, so its time may depend on its input.

use super::{Algorithm, Digest, PublicKey, Signature, SignerError};

impl PublicKey {
    /// Makes r ‖ s low-S and checks that it is this key's signature over `digest`: what came over a bus, or out of a
    /// disturbed chip, leaves the device only when it is right. Takes as long as a verification in software, and its
    /// stack (docs/signers.md).
    ///
    /// # Errors
    /// [`SignerError::FaultDetected`] when it is not, or when this build has no arithmetic for the key's curve.
    pub fn accept(&self, digest: &Digest, signature: &[u8; 64]) -> Result<Signature, SignerError> {
        match self.alg {
            Algorithm::Es256k => es256k(&self.xy, digest, signature),
            #[cfg(feature = "es256")]
            Algorithm::Es256 => es256(&self.xy, digest, signature),
            #[cfg(not(feature = "es256"))]
            Algorithm::Es256 => None,
        }
        .map(Signature)
        .ok_or(SignerError::FaultDetected)
    }
}

/// Both curve crates have the same items under the same names.
macro_rules! accept_with {
    ($name:ident, $curve:ident) => {
        fn $name(xy: &[u8; 64], digest: &Digest, signature: &[u8; 64]) -> Option<[u8; 64]> {
            use $curve::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _};
            let mut sec1 = [4; 65];
            sec1[1..].copy_from_slice(xy);
            let key = VerifyingKey::from_sec1_bytes(&sec1).ok()?;
            let low = Signature::from_slice(signature).ok()?.normalize_s();
            key.verify_prehash(&digest.0, &low).ok()?;
            Some(low.to_bytes().into())
        }
    };
}

accept_with!(es256k, k256);
#[cfg(feature = "es256")]
accept_with!(es256, p256);

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::signer::{
        Signer,
        software::{P256Signer, SoftwareSigner},
    };

    /// n − s, both big-endian.
    fn other_half(s: &[u8], order: &str) -> Vec<u8> {
        let mut out = hex::decode(order).unwrap();
        let mut borrow = 0_i16;
        for (n, s) in out.iter_mut().zip(s).rev() {
            let difference = i16::from(*n) - i16::from(*s) - borrow;
            borrow = i16::from(difference < 0);
            *n = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        out
    }

    fn check(signer: &mut dyn Signer, order: &str) {
        let (key, digest) = (signer.public_key().unwrap(), Digest([9; 32]));
        let low = signer.sign(&digest).unwrap();
        assert_eq!(key.accept(&digest, &low.0), Ok(low));
        let mut high = low.0;
        high[32..].copy_from_slice(&other_half(&low.0[32..], order));
        assert_eq!(key.accept(&digest, &high), Ok(low), "the other half is made the lower one");
        for byte in 0..64 {
            let mut wrong = low.0;
            wrong[byte] ^= 0x10;
            assert_eq!(key.accept(&digest, &wrong), Err(SignerError::FaultDetected), "byte {byte}");
        }
        for wrong in [[0; 64], [0xff; 64]] {
            assert_eq!(key.accept(&digest, &wrong), Err(SignerError::FaultDetected));
        }
        assert_eq!(key.accept(&Digest([8; 32]), &low.0), Err(SignerError::FaultDetected));
    }

    #[test]
    fn only_a_signature_of_the_key_over_the_digest_is_accepted_and_comes_out_low() {
        check(
            &mut SoftwareSigner::new(&[7; 32]).unwrap(),
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        );
        check(
            &mut P256Signer::new(&[7; 32]).unwrap(),
            "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        );
    }
}
