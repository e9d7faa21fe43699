// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Public keys from bytes, checked and decompressed. Called where keys come in; never sees a secret, so its time may
//! depend on its input.

use super::{Algorithm, PublicKey};

/// Why bytes are not a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKeyError {
    /// Not 33 bytes of a compressed or 65 of an uncompressed point, or the point is not on the curve.
    NotAPoint,
    /// This build has no arithmetic for the algorithm's curve.
    Unsupported,
}

impl PublicKey {
    /// Reads a SEC 1 point, compressed or not, and checks that it is on the curve. [`Algorithm::Es256`] takes feature
    /// `es256`.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn from_sec1(alg: Algorithm, bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let xy = match alg {
            _ if !matches!(bytes.first(), Some(2..=4)) => None,
            Algorithm::Es256k => k256_coordinates(bytes),
            #[cfg(feature = "es256")]
            Algorithm::Es256 => p256_coordinates(bytes),
            #[cfg(not(feature = "es256"))]
            Algorithm::Es256 => return Err(PublicKeyError::Unsupported),
        };
        xy.map(|xy| Self { alg, xy }).ok_or(PublicKeyError::NotAPoint)
    }
}

/// X ‖ Y of a point of secp256k1. The tag was checked: the curve crates also read the compact form (tag 5), which no
/// format of ours has, and infinity (tag 0).
fn k256_coordinates(bytes: &[u8]) -> Option<[u8; 64]> {
    use k256::elliptic_curve::sec1::ToSec1Point as _;
    let point = k256::PublicKey::from_sec1_bytes(bytes).ok()?.to_sec1_point(false);
    point.as_bytes().last_chunk().copied()
}

/// X ‖ Y of a point of P-256, whose tag was checked.
#[cfg(feature = "es256")]
fn p256_coordinates(bytes: &[u8]) -> Option<[u8; 64]> {
    use p256::elliptic_curve::sec1::ToSec1Point as _;
    let point = p256::PublicKey::from_sec1_bytes(bytes).ok()?.to_sec1_point(false);
    point.as_bytes().last_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The generators (SEC 2 section 2.4.1, SP 800-186 section 3.2.1.3).
    const SECP256K1: [u8; 33] = [
        0x02, 0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07, 0x02,
        0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
    ];
    const P256: [u8; 33] = [
        0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77,
        0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
    ];

    #[test]
    fn only_compressed_and_uncompressed_points_on_the_curve_are_keys() {
        // Neither 5 nor, on the other curve, 1 is the x coordinate of a point.
        check(Algorithm::Es256k, SECP256K1, 5);
        check(Algorithm::Es256, P256, 1);
    }

    fn check(alg: Algorithm, generator: [u8; 33], no_x: u8) {
        let from = |bytes: &[u8]| PublicKey::from_sec1(alg, bytes);
        let key = from(&generator).unwrap();
        assert_eq!(key.compressed(), generator);
        let mut uncompressed = [4; 65];
        uncompressed[1..].copy_from_slice(&key.xy);
        assert_eq!(from(&uncompressed), Ok(key));

        for tag in (0..=u8::MAX).filter(|tag| !matches!(tag, 2 | 3)) {
            let mut other = generator;
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
        assert_eq!(from(&generator[..32]), Err(PublicKeyError::NotAPoint));
        let mut no_point = [0; 33];
        (no_point[0], no_point[32]) = (2, no_x);
        assert_eq!(from(&no_point), Err(PublicKeyError::NotAPoint));
        // x ≥ p is no field element.
        let mut too_large = [0xff; 33];
        too_large[0] = 2;
        assert_eq!(from(&too_large), Err(PublicKeyError::NotAPoint));
    }
}
