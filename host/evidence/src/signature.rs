// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Public keys and signatures of devices: ES256K and ES256 over a 32-byte digest, low-S only. Called by [`mod@crate::verify`] and
//! by the relay; holds no secret keys.

use cairn::signer::{Algorithm, Digest, PublicKey, Signature};
use k256::ecdsa::{RecoveryId, signature::hazmat::PrehashVerifier as _};

/// Why a signature is not a device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The public key is no point of its curve.
    #[error("the public key is no point of its curve")]
    NotOnCurve,
    /// r or s is zero, or not below the group order.
    #[error("r or s of the signature is outside the group order")]
    Malformed,
    /// s is in the upper half of the group order: somebody other than the device rewrote the signature.
    #[error("s of the signature is in the upper half of the group order (high-S)")]
    HighS,
    /// The key did not make this signature over this digest.
    #[error("the key did not sign this digest")]
    Invalid,
}

/// The public key in any SEC 1 form: compressed (33 bytes), uncompressed (65), or X ‖ Y (64).
///
/// # Errors
/// [`SignatureError::NotOnCurve`], also for any other length.
pub fn public_key(alg: Algorithm, sec1: &[u8]) -> Result<PublicKey, SignatureError> {
    let mut tagged = [0x04; 65];
    // The forms are named here because the parser knows more: a compact form (0x05) that would give one key a second name.
    let bytes = match (sec1.len(), sec1.first()) {
        (64, _) => {
            tagged[1..].copy_from_slice(sec1);
            &tagged[..]
        }
        (33, Some(2 | 3)) | (65, Some(4)) => sec1,
        _ => return Err(SignatureError::NotOnCurve),
    };
    let uncompressed = match alg {
        Algorithm::Es256k => k256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
            .map(|key| key.to_sec1_point(false).as_bytes().to_vec())
            .map_err(|_| SignatureError::NotOnCurve)?,
        Algorithm::Es256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
            .map(|key| key.to_sec1_point(false).as_bytes().to_vec())
            .map_err(|_| SignatureError::NotOnCurve)?,
    };
    let xy = uncompressed.get(1..).and_then(|xy| xy.try_into().ok()).ok_or(SignatureError::NotOnCurve)?;
    Ok(PublicKey { alg, xy })
}

/// Every key that would make `signature` one over `digest`, for the signatures whose maker is known by the hash of its
/// key (SEC 1 section 4.1.6): at most four an algorithm, none when r or s is outside the group order. A rewritten
/// signature (high-S) has the same candidates; [`check`] refuses it.
#[must_use]
pub fn candidates(digest: &Digest, signature: &Signature) -> Vec<PublicKey> {
    let mut found = Vec::new();
    for id in 0..=RecoveryId::MAX {
        let Some(id) = RecoveryId::from_byte(id) else { continue };
        if let Ok(parsed) = k256::ecdsa::Signature::from_slice(&signature.0)
            && let Ok(key) = k256::ecdsa::VerifyingKey::recover_from_prehash(&digest.0, &parsed.normalize_s(), id)
        {
            found.extend(public_key(Algorithm::Es256k, key.to_sec1_point(false).as_bytes()));
        }
        if let Ok(parsed) = p256::ecdsa::Signature::from_slice(&signature.0)
            && let Ok(key) = p256::ecdsa::VerifyingKey::recover_from_prehash(&digest.0, &parsed.normalize_s(), id)
        {
            found.extend(public_key(Algorithm::Es256, key.to_sec1_point(false).as_bytes()));
        }
    }
    found
}

/// Checks that `key` made `signature` over `digest`, in low-S form.
///
/// # Errors
/// [`SignatureError`]; high-S is told apart from a signature of another key or digest.
pub fn check(key: &PublicKey, digest: &Digest, signature: &Signature) -> Result<(), SignatureError> {
    let mut sec1 = [0x04; 65];
    sec1[1..].copy_from_slice(&key.xy);
    match key.alg {
        Algorithm::Es256k => {
            let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).map_err(|_| SignatureError::NotOnCurve)?;
            let parsed = k256::ecdsa::Signature::from_slice(&signature.0).map_err(|_| SignatureError::Malformed)?;
            if parsed.normalize_s() != parsed {
                return Err(SignatureError::HighS);
            }
            key.verify_prehash(&digest.0, &parsed).map_err(|_| SignatureError::Invalid)
        }
        Algorithm::Es256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).map_err(|_| SignatureError::NotOnCurve)?;
            let parsed = p256::ecdsa::Signature::from_slice(&signature.0).map_err(|_| SignatureError::Malformed)?;
            if parsed.normalize_s() != parsed {
                return Err(SignatureError::HighS);
            }
            key.verify_prehash(&digest.0, &parsed).map_err(|_| SignatureError::Invalid)
        }
    }
}
