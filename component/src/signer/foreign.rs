// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signatures that were made outside this processor's software: by an accelerator, a secure element, a SIM. Called by their
//! signers before they give one away; never sees a secret, so its time may depend on its input.

use super::{Algorithm, Digest, PublicKey, Signature, SignerError, combination::combination};

impl Algorithm {
    /// The order of the curve's group, big-endian (SEC 2 section 2.4.1, SP 800-186 section 3.2.1.3).
    const fn order(self) -> [u8; 32] {
        let (high, low): (u128, u128) = match self {
            Self::Es256k => (0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe, 0xbaae_dce6_af48_a03b_bfd2_5e8c_d036_4141),
            Self::Es256 => (0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff, 0xbce6_faad_a717_9e84_f3b9_cac2_fc63_2551),
        };
        let mut order = [0; 32];
        let (first, last) = order.split_at_mut(16);
        first.copy_from_slice(&high.to_be_bytes());
        last.copy_from_slice(&low.to_be_bytes());
        order
    }

    /// Whether 32 bytes, big-endian, are above 0 and below the group's order: a secret key, or half of a signature. Looks at
    /// all of them whatever they are.
    #[must_use]
    pub fn is_scalar(self, bytes: &[u8; 32]) -> bool {
        let (mut borrow, mut any) = (0_u16, 0_u8);
        for (byte, order) in bytes.iter().zip(self.order()).rev() {
            borrow = (u16::from(*byte).wrapping_sub(u16::from(order)).wrapping_sub(borrow) >> 8) & 1;
            any |= byte;
        }
        borrow == 1 && any != 0
    }
}

impl Signature {
    /// r ‖ s with s in the lower half of the group's order: s and the order less s sign alike. `None` when r or s is 0 or
    /// not below the order.
    #[must_use]
    pub fn low(alg: Algorithm, signature: &[u8; 64]) -> Option<Self> {
        let (r, s) = (signature.first_chunk()?, signature.last_chunk()?);
        if !alg.is_scalar(r) || !alg.is_scalar(s) {
            return None;
        }
        let mut other = [0; 32];
        let mut borrow = 0_u8;
        for ((out, n), s) in other.iter_mut().zip(alg.order()).zip(s).rev() {
            let (less, first) = n.overflowing_sub(*s);
            let (less, second) = less.overflowing_sub(borrow);
            (*out, borrow) = (less, u8::from(first || second));
        }
        let mut low = *signature;
        if other < *s {
            low[32..].copy_from_slice(&other);
        }
        Some(Self(low))
    }
}

impl PublicKey {
    /// Makes r ‖ s low-S and checks that it is this key's signature over `digest`: what came over a bus, or out of a
    /// disturbed chip, leaves the device only when it is right. Takes as long as a verification in software, and its
    /// stack (docs/signers.md).
    ///
    /// # Errors
    /// [`SignerError::FaultDetected`] when it is not, or when this build has no arithmetic for the key's curve.
    pub fn accept(&self, digest: &Digest, signature: &[u8; 64]) -> Result<Signature, SignerError> {
        let low = Signature::low(self.alg, signature).ok_or(SignerError::FaultDetected)?;
        let sound = match self.alg {
            Algorithm::Es256k => es256k_verifies(&self.xy, digest, &low),
            #[cfg(feature = "es256")]
            Algorithm::Es256 => es256_verifies(&self.xy, digest, &low),
            #[cfg(not(feature = "es256"))]
            Algorithm::Es256 => false,
        };
        if sound { Ok(low) } else { Err(SignerError::FaultDetected) }
    }
}

/// Both curve crates have the same items under the same names.
macro_rules! verifies {
    ($name:ident, $curve:ident) => {
        /// SEC 1 section 4.1.4, with `signature`'s r and s in range.
        fn $name(xy: &[u8; 64], digest: &Digest, signature: &Signature) -> bool {
            use $curve::{
                AffinePoint, FieldBytes, ProjectivePoint, PublicKey, Scalar,
                ecdsa::Signature,
                elliptic_curve::{
                    ff::PrimeField as _,
                    ops::{Invert as _, Reduce as _},
                    point::AffineCoordinates as _,
                },
            };
            let mut sec1 = [4; 65];
            sec1[1..].copy_from_slice(xy);
            let (Ok(key), Ok(signature)) = (PublicKey::from_sec1_bytes(&sec1), Signature::from_slice(&signature.0))
            else {
                return false;
            };
            let (r, s) = signature.split_scalars();
            let inverse = *s.invert_vartime();
            let z: Scalar = Scalar::reduce(&FieldBytes::from(digest.0));
            let point: ProjectivePoint = combination(&[
                (AffinePoint::GENERATOR, (z * inverse).to_repr().into()),
                (*key.as_affine(), (*r * inverse).to_repr().into()),
            ]);
            let x: Scalar = Scalar::reduce(&point.to_affine().x());
            x == *r
        }
    };
}

verifies!(es256k_verifies, k256);
#[cfg(feature = "es256")]
verifies!(es256_verifies, p256);

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
        let order = hex::decode(order).unwrap();
        for (at, scalar) in [(0, &order[..]), (32, &order), (0, &[0; 32]), (32, &[0; 32])] {
            let mut wrong = low.0;
            wrong[at..at + 32].copy_from_slice(scalar);
            assert_eq!(Signature::low(key.alg, &wrong), None, "no scalar");
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
