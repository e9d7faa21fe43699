// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What anybody may compute of a secp256k1 key: its points checked and decompressed, and the recovery id of a signature.
//! Called where keys come in and by ledger adapters; never sees a secret, so its time may depend on its input.

use k256::{
    AffinePoint, FieldBytes, ProjectivePoint, Scalar,
    ecdsa::Signature as Ecdsa,
    elliptic_curve::{
        ff::PrimeField as _,
        ops::{Invert as _, MulByGeneratorVartime as _, Reduce as _},
        point::AffineCoordinates as _,
        scalar::IsHigh as _,
        sec1::ToSec1Point as _,
    },
};

use super::{Algorithm, Digest, PublicKey, Signature};

/// Why bytes are not a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKeyError {
    /// Not 33 bytes of a compressed or 65 of an uncompressed point, or the point is not on the curve.
    NotAPoint,
    /// This build has no arithmetic for the algorithm's curve.
    Unsupported,
}

/// Whether the y coordinate of a signature's nonce point is odd: the recovery id that Ethereum calls `yParity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum YParity {
    /// y is even: `v` is 27, or 35 + 2 × chain id.
    Even = 0,
    /// y is odd: one more.
    Odd = 1,
}

impl PublicKey {
    /// Reads a SEC 1 point, compressed or not, and checks that it is on the curve. Only [`Algorithm::Es256k`] here.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn from_sec1(alg: Algorithm, bytes: &[u8]) -> Result<Self, PublicKeyError> {
        if alg != Algorithm::Es256k {
            return Err(PublicKeyError::Unsupported);
        }
        // k256 also reads the compact form (tag 5), which no format of ours has.
        match bytes.first() {
            Some(2..=4) => k256::PublicKey::from_sec1_bytes(bytes).map(|key| Self::es256k(&key)).ok(),
            _ => None,
        }
        .ok_or(PublicKeyError::NotAPoint)
    }

    /// The key as Cairn keeps it.
    pub(super) fn es256k(key: &k256::PublicKey) -> Self {
        let point = key.to_sec1_point(false);
        let mut xy = [0; 64];
        // Tag 4, X, Y: a public key is never the point at infinity, whose encoding is shorter.
        if let Some(bytes) = point.as_bytes().get(1..65) {
            xy.copy_from_slice(bytes);
        }
        Self { alg: Algorithm::Es256k, xy }
    }

    /// The recovery id of `signature` over `digest` by this key; `None` when the signature is not this key's, is high-S, or
    /// is one that Ethereum cannot name (r not below the group's order before reduction: nobody has ever seen one).
    /// Takes about as long as a verification, and is one.
    #[must_use]
    pub fn y_parity(&self, digest: &Digest, signature: &Signature) -> Option<YParity> {
        if self.alg != Algorithm::Es256k {
            return None;
        }
        let mut sec1 = [4; 65];
        sec1[1..].copy_from_slice(&self.xy);
        let key = k256::PublicKey::from_sec1_bytes(&sec1).ok()?.to_projective();
        let (r, s) = Ecdsa::from_slice(&signature.0).ok()?.split_scalars();
        if bool::from(s.is_high()) {
            return None;
        }
        let inverse = *s.invert_vartime();
        let z: Scalar = Scalar::reduce(&FieldBytes::from(digest.0));
        let nonce_point: AffinePoint =
            ProjectivePoint::mul_by_generator_and_mul_add_vartime(&(z * inverse), &(*r * inverse), &key).to_affine();
        // r is X of the nonce point, unless that was reduced.
        (nonce_point.x() == r.to_repr())
            .then(|| if bool::from(nonce_point.y_is_odd()) { YParity::Odd } else { YParity::Even })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::{Signer as _, software::SoftwareSigner};

    const GENERATOR: [u8; 33] = [
        0x02, 0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07, 0x02,
        0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
    ];

    #[test]
    fn only_compressed_and_uncompressed_points_on_the_curve_are_keys() {
        let from = |bytes: &[u8]| PublicKey::from_sec1(Algorithm::Es256k, bytes);
        let key = from(&GENERATOR).unwrap();
        assert_eq!(key.compressed(), GENERATOR);
        let mut uncompressed = [4; 65];
        uncompressed[1..].copy_from_slice(&key.xy);
        assert_eq!(from(&uncompressed), Ok(key));

        for tag in (0..=u8::MAX).filter(|tag| !matches!(tag, 2 | 3)) {
            let mut other = GENERATOR;
            other[0] = tag;
            assert_eq!(from(&other), Err(PublicKeyError::NotAPoint), "tag {tag}");
        }
        for tag in (0..=u8::MAX).filter(|tag| *tag != 4) {
            let mut other = uncompressed;
            other[0] = tag;
            assert_eq!(from(&other), Err(PublicKeyError::NotAPoint), "tag {tag}");
        }
        uncompressed[64] ^= 1;
        assert_eq!(from(&uncompressed), Err(PublicKeyError::NotAPoint), "off the curve");
        assert_eq!(from(&[]), Err(PublicKeyError::NotAPoint));
        assert_eq!(from(&[0]), Err(PublicKeyError::NotAPoint), "infinity");
        assert_eq!(from(&GENERATOR[..32]), Err(PublicKeyError::NotAPoint));
        // x = 5 is no x coordinate on secp256k1; x ≥ p is no field element.
        let mut no_point = [0; 33];
        (no_point[0], no_point[32]) = (2, 5);
        assert_eq!(from(&no_point), Err(PublicKeyError::NotAPoint));
        let mut too_large = [0xff; 33];
        too_large[0] = 2;
        assert_eq!(from(&too_large), Err(PublicKeyError::NotAPoint));
        assert_eq!(PublicKey::from_sec1(Algorithm::Es256, &GENERATOR), Err(PublicKeyError::Unsupported));
    }

    #[test]
    fn a_signature_of_another_key_digest_or_half_has_no_recovery_id() {
        let mut signer = SoftwareSigner::new(&[7; 32]).unwrap();
        let (key, digest) = (signer.public_key().unwrap(), Digest([9; 32]));
        let signature = signer.sign(&digest).unwrap();
        assert!(key.y_parity(&digest, &signature).is_some());
        assert_eq!(key.y_parity(&Digest([8; 32]), &signature), None);
        let other = SoftwareSigner::new(&[6; 32]).unwrap().public_key().unwrap();
        assert_eq!(other.y_parity(&digest, &signature), None);
        let (r, s) = Ecdsa::from_slice(&signature.0).unwrap().split_scalars();
        let high: [u8; 64] = Ecdsa::from_scalars(r.to_repr(), (-*s).to_repr()).unwrap().to_bytes().into();
        assert_eq!(key.y_parity(&digest, &Signature(high)), None);
        assert_eq!(key.y_parity(&digest, &Signature([0; 64])), None);
        assert_eq!(key.y_parity(&digest, &Signature([0xff; 64])), None);
        assert_eq!(PublicKey { alg: Algorithm::Es256, ..key }.y_parity(&digest, &signature), None);
        assert_eq!(PublicKey { xy: [1; 64], ..key }.y_parity(&digest, &signature), None, "no point");
    }
}
