// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the chip keeps without power: keys with their policies, and curves with their parameters; and the randomness it
//! makes keys from, which a seed fixes. Called by the applet.

use std::collections::BTreeMap;

use k256::elliptic_curve::sec1::ToSec1Point as _;
use sha2::{Digest as _, Sha256};

/// The key pair on P-256 that NXP provisions for attestation (AN12436).
pub const ATTESTER: u32 = 0xf000_0012;

/// AN12413, ECCurve.
pub(crate) const P256: u8 = 0x03;
pub(crate) const SECP256K1: u8 = 0x10;

/// A key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPair {
    pub(crate) curve: u8,
    pub(crate) secret: [u8; 32],
    pub(crate) policy: Vec<u8>,
    /// AN12413, Origin: 2 generated inside, 3 provisioned by NXP.
    pub(crate) origin: u8,
}

impl KeyPair {
    /// The public key, SEC 1 uncompressed.
    pub(crate) fn point(&self) -> Vec<u8> {
        match self.curve {
            SECP256K1 => {
                let secret = k256::SecretKey::from_slice(&self.secret).expect("generated in range");
                secret.public_key().to_sec1_point(false).as_bytes().to_vec()
            }
            _ => {
                let secret = p256::SecretKey::from_slice(&self.secret).expect("generated in range");
                secret.public_key().to_sec1_point(false).as_bytes().to_vec()
            }
        }
    }

    /// r and s over `digest`; s in either half, as `flip` says: the specification does not promise the lower one.
    pub(crate) fn sign(&self, digest: &[u8; 32], flip: bool) -> ([u8; 32], [u8; 32]) {
        match self.curve {
            SECP256K1 => {
                use k256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _};
                let key = SigningKey::from_slice(&self.secret).expect("generated in range");
                let signature: Signature = key.sign_prehash(digest).expect("32 bytes");
                let (r, s) = signature.split_scalars();
                let s = if flip { -*s } else { *s };
                (r.to_bytes().into(), s.to_bytes().into())
            }
            _ => {
                use p256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _};
                let key = SigningKey::from_slice(&self.secret).expect("generated in range");
                let signature: Signature = key.sign_prehash(digest).expect("32 bytes");
                let (r, s) = signature.split_scalars();
                let s = if flip { -*s } else { *s };
                (r.to_bytes().into(), s.to_bytes().into())
            }
        }
    }

    /// Whether the secret is one: not zero and below the order of its curve.
    pub(crate) fn is_in_range(&self) -> bool {
        match self.curve {
            SECP256K1 => k256::SecretKey::from_slice(&self.secret).is_ok(),
            P256 => p256::SecretKey::from_slice(&self.secret).is_ok(),
            _ => false,
        }
    }

    /// What everybody may do with it.
    pub(crate) fn rules(&self) -> u32 {
        rules(&self.policy)
    }
}

/// The access rules of a policy for no authentication object in particular (AN12413, object policies).
pub(crate) fn rules(policy: &[u8]) -> u32 {
    match *policy {
        [8, 0, 0, 0, 0, a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// A counter, big-endian in as many bytes as it was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) value: Vec<u8>,
    pub(crate) policy: Vec<u8>,
}

/// The chip's non-volatile memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) keys: BTreeMap<u32, KeyPair>,
    pub(crate) counters: BTreeMap<u32, Counter>,
    /// Curves, with the parameters set so far.
    pub(crate) curves: BTreeMap<u8, BTreeMap<u8, Vec<u8>>>,
    pub(crate) unique_id: [u8; 18],
    pub(crate) seed: [u8; 32],
    pub(crate) drawn: u64,
}

impl Memory {
    /// A chip as delivered: P-256 is there and so is the attestation key.
    pub(crate) fn new(seed: u64) -> Self {
        let seed: [u8; 32] = Sha256::digest(seed.to_be_bytes()).into();
        let mut memory = Self { seed, ..Self::default() };
        let id = memory.random();
        memory.unique_id.copy_from_slice(&id[..18]);
        memory.curves.insert(P256, parameters(P256));
        let secret = memory.secret(P256);
        let policy = vec![8, 0, 0, 0, 0, 0, 0x20, 0x80, 0];
        memory.keys.insert(ATTESTER, KeyPair { curve: P256, secret, policy, origin: 3 });
        memory
    }

    /// The policy of the object `object`.
    pub(crate) fn policy(&self, object: u32) -> Option<&[u8]> {
        let key = self.keys.get(&object).map(|key| &key.policy[..]);
        key.or_else(|| self.counters.get(&object).map(|counter| &counter.policy[..]))
    }

    /// 32 bytes that nobody has seen.
    pub(crate) fn random(&mut self) -> [u8; 32] {
        self.drawn += 1;
        Sha256::new().chain_update(self.seed).chain_update(self.drawn.to_be_bytes()).finalize().into()
    }

    /// A secret below the order of `curve`.
    pub(crate) fn secret(&mut self, curve: u8) -> [u8; 32] {
        loop {
            let secret = self.random();
            if (KeyPair { curve, secret, policy: Vec::new(), origin: 0 }).is_in_range() {
                return secret;
            }
        }
    }

    /// Whether `curve` is there with all its parameters, and they are right.
    pub(crate) fn has_curve(&self, curve: u8) -> bool {
        matches!(curve, P256 | SECP256K1) && self.curves.get(&curve) == Some(&parameters(curve))
    }
}

/// a, b, G, n, p by their numbers (AN12413, ECCurveParam), of SEC 2 sections 2.4.1 and 2.4.2.
fn parameters(curve: u8) -> BTreeMap<u8, Vec<u8>> {
    let words = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect()
    };
    let (a, b, g, n, p) = match curve {
        SECP256K1 => (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000007",
            "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
             483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
        ),
        _ => (
            "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
            "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
            "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
             4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
            "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
            "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        ),
    };
    [(0x01, a), (0x02, b), (0x04, g), (0x08, n), (0x10, p)].map(|(number, hex)| (number, words(hex))).into()
}
