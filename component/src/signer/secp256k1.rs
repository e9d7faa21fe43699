// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The recovery id of a secp256k1 signature, found with the public key. Called by ledger adapters where a signer does
//! not give it; never sees a secret, so its time may depend on its input.

use k256::{
    AffinePoint, FieldBytes, ProjectivePoint, Scalar,
    ecdsa::Signature as Ecdsa,
    elliptic_curve::{
        ff::PrimeField as _,
        ops::{Invert as _, Reduce as _},
        point::AffineCoordinates as _,
        scalar::IsHigh as _,
    },
};

use super::{Algorithm, Digest, PublicKey, Signature, combination::combination};

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
    /// The recovery id of `signature` over `digest` by this key; `None` when the signature is not this key's, is
    /// high-S, or is one that Ethereum cannot name (r not below the group's order before reduction: nobody has ever
    /// seen one). Takes about as long as a verification, and is one.
    #[must_use]
    pub fn y_parity(&self, digest: &Digest, signature: &Signature) -> Option<YParity> {
        if self.alg != Algorithm::Es256k {
            return None;
        }
        let mut sec1 = [4; 65];
        sec1[1..].copy_from_slice(&self.xy);
        let key = *k256::PublicKey::from_sec1_bytes(&sec1).ok()?.as_affine();
        let (r, s) = Ecdsa::from_slice(&signature.0).ok()?.split_scalars();
        if bool::from(s.is_high()) {
            return None;
        }
        let inverse = *s.invert_vartime();
        let z: Scalar = Scalar::reduce(&FieldBytes::from(digest.0));
        let nonce_point: ProjectivePoint = combination(&[
            (AffinePoint::GENERATOR, (z * inverse).to_repr().into()),
            (key, (*r * inverse).to_repr().into()),
        ]);
        let nonce_point = nonce_point.to_affine();
        // r is X of the nonce point, unless that was reduced.
        (nonce_point.x() == r.to_repr())
            .then(|| if bool::from(nonce_point.y_is_odd()) { YParity::Odd } else { YParity::Even })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::{Signer as _, software::SoftwareSigner};

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
