// SPDX-License-Identifier: Apache-2.0 OR MIT
//! secp256k1 in software (k256): RFC 6979, low-S, constant-time, guarded against faults by signing twice. The agent signs with
//! it where there is no secure element. It never gives the secret out.
//!
//! Secrets, nonces and the state of their hashes are wiped when they are dropped. What the compiler spills to the stack while it
//! computes, or leaves behind when a signer is moved, is not: make it where it stays, and keep its task's stack from other tasks.

use core::hint::black_box;

use hmac::{Hmac, KeyInit as _, Mac as _};
use k256::{
    FieldBytes, NonZeroScalar, ProjectivePoint, Scalar,
    elliptic_curve::{
        ff::PrimeField as _,
        ops::{Invert as _, Reduce as _},
        point::AffineCoordinates as _,
        scalar::IsHigh as _,
    },
};
use sha2::Sha256;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Capabilities, Digest, PublicKey, Signature, Signer, SignerError};
use crate::ports::{Entropy, NoEntropy};

/// The 32 bytes are 0 or not below the group's order: no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASecret;

/// No entropy is mixed into the nonce: RFC 6979 as it is, the same digest gives the same signature.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deterministic;

impl Entropy for Deterministic {
    fn fill(&mut self, _out: &mut [u8]) -> Result<(), NoEntropy> {
        Err(NoEntropy)
    }
}

/// How many nonces are tried. One fails with probability 2^-127: four in a row are a fault, not luck.
const NONCE_ATTEMPTS: usize = 4;

/// A secp256k1 key in this processor's memory, and the code that signs with it.
///
/// Every signature is computed twice, each time from another copy of the secret, and leaves only when both are equal: a fault
/// in a copy, in a nonce or in the arithmetic becomes [`SignerError::FaultDetected`] instead of a signature that tells the key.
pub struct SoftwareSigner<E = Deterministic> {
    secret: Secret,
    public: PublicKey,
    entropy: E,
    hedged: bool,
}

/// The secret twice, the second time with all bits inverted.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Secret {
    plain: [u8; 32],
    inverted: [u8; 32],
}

impl SoftwareSigner {
    /// A signer with the secret `secret`, big-endian. Derives the public key, which takes as long as a signature.
    ///
    /// # Errors
    /// [`NotASecret`] when it is 0 or not below the group's order.
    pub fn new(secret: &[u8; 32]) -> Result<Self, NotASecret> {
        Self::build(secret, Deterministic, false)
    }
}

impl<E: Entropy> SoftwareSigner<E> {
    /// A signer that mixes 32 bytes of `entropy` into each nonce (RFC 6979 section 3.6), so that neither a fault nor a power
    /// trace sees the same computation twice in two signatures. When the source gives none, the nonce is RFC 6979's, which
    /// does not depend on entropy.
    ///
    /// # Errors
    /// As [`SoftwareSigner::new`].
    pub fn with_entropy(secret: &[u8; 32], entropy: E) -> Result<Self, NotASecret> {
        Self::build(secret, entropy, true)
    }

    fn build(secret: &[u8; 32], entropy: E, hedged: bool) -> Result<Self, NotASecret> {
        let mut scalar = scalar(secret).ok_or(NotASecret)?;
        let public = PublicKey::es256k(&k256::PublicKey::from_secret_scalar(&scalar));
        scalar.zeroize();
        let secret = Secret { plain: *secret, inverted: secret.map(|byte| !byte) };
        Ok(Self { secret, public, entropy, hedged })
    }
}

impl<E: Entropy> Signer for SoftwareSigner<E> {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        Ok(self.public)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { deterministic: !self.hedged, recovery_id: false, key_outside_ram: false, fault_guarded: true }
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        let mut extra = Zeroizing::new([0; 32]);
        let extra = match self.entropy.fill(&mut *extra) {
            Ok(()) => &extra[..],
            Err(NoEntropy) => &[],
        };
        // `black_box` keeps the compiler from seeing that both computations are the same one.
        let first = sign_once(&self.secret.plain, black_box(digest), extra)?;
        let restored = Zeroizing::new(black_box(&self.secret.inverted).map(|byte| !byte));
        let second = sign_once(&restored, black_box(digest), extra)?;
        agreed(&first, &second)
    }
}

/// `first`, when both are equal.
fn agreed(first: &Signature, second: &Signature) -> Result<Signature, SignerError> {
    if bool::from(first.0.ct_eq(&second.0)) { Ok(*first) } else { Err(SignerError::FaultDetected) }
}

/// The scalar in `bytes`; `None` when it is 0 or not reduced.
fn scalar(bytes: &[u8; 32]) -> Option<NonZeroScalar> {
    NonZeroScalar::from_repr(FieldBytes::from(*bytes)).into_option()
}

/// One signature, low-S. A secret that is no scalar any more was disturbed in memory.
#[inline(never)]
fn sign_once(secret: &[u8; 32], digest: &Digest, extra: &[u8]) -> Result<Signature, SignerError> {
    let mut d = scalar(secret).ok_or(SignerError::FaultDetected)?;
    let mut nonces = Nonces::new(secret, digest, extra);
    let mut signature = Err(SignerError::FaultDetected);
    for _ in 0..NONCE_ATTEMPTS {
        let Some(mut k) = scalar(&nonces.next()) else { continue };
        let found = ecdsa(&d, &k, digest);
        k.zeroize();
        // RFC 6979 section 3.4: without a signature go on to the next nonce.
        if let Some(found) = found {
            signature = Ok(found);
            break;
        }
    }
    d.zeroize();
    signature
}

/// The signature of `digest` by `d` with nonce `k` (SEC 1 section 4.1.3), s in the lower half; `None` when r or s is 0.
fn ecdsa(d: &NonZeroScalar, k: &NonZeroScalar, digest: &Digest) -> Option<Signature> {
    let point = ProjectivePoint::mul_by_generator(k).to_affine();
    let r: Scalar = Scalar::reduce(&point.x());
    let z: Scalar = Scalar::reduce(&FieldBytes::from(digest.0));
    let mut inverse = k.invert();
    let s = *inverse * (z + r * **d);
    inverse.zeroize();
    let s = Scalar::conditional_select(&s, &-s, s.is_high());
    if bool::from(r.is_zero() | s.is_zero()) {
        return None;
    }
    let mut signature = Signature([0; 64]);
    signature.0[..32].copy_from_slice(&r.to_repr());
    signature.0[32..].copy_from_slice(&s.to_repr());
    Some(signature)
}

/// The nonces of RFC 6979 section 3.2 with HMAC-SHA-256, `extra` appended to the seed as section 3.6 allows.
#[derive(ZeroizeOnDrop)]
struct Nonces {
    key: [u8; 32],
    value: [u8; 32],
    used: bool,
}

impl Nonces {
    fn new(secret: &[u8; 32], digest: &Digest, extra: &[u8]) -> Self {
        // bits2octets (section 2.3.4): the digest modulo the group's order.
        let hash: [u8; 32] = Scalar::reduce(&FieldBytes::from(digest.0)).to_repr().into();
        let mut nonces = Self { key: [0; 32], value: [1; 32], used: false };
        nonces.seed(&[&[0], secret, &hash, extra]);
        nonces.seed(&[&[1], secret, &hash, extra]);
        nonces
    }

    /// The next candidate, which may be 0 or not below the order.
    fn next(&mut self) -> Zeroizing<[u8; 32]> {
        if self.used {
            self.seed(&[&[0]]);
        }
        self.used = true;
        self.value = *self.mac(&[]);
        Zeroizing::new(self.value)
    }

    /// K = HMAC(K, V ‖ parts), V = HMAC(K, V).
    fn seed(&mut self, parts: &[&[u8]]) {
        self.key = *self.mac(parts);
        self.value = *self.mac(&[]);
    }

    /// HMAC(K, V ‖ parts).
    fn mac(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        // HMAC pads a short key with zeros to the hash's block; doing it here leaves no error to handle.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&self.key);
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(&self.value);
        for part in parts {
            mac.update(part);
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use k256::{U256, elliptic_curve::Curve as _};

    use super::*;

    const SECRET: [u8; 32] = [0x42; 32];

    /// Counts up; gives nothing when `working` is false.
    struct Counter {
        next: u8,
        working: bool,
    }

    impl Entropy for Counter {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill(self.next);
            self.next += 1;
            if self.working { Ok(()) } else { Err(NoEntropy) }
        }
    }

    fn order_plus(offset: i8) -> [u8; 32] {
        let order = k256::Secp256k1::ORDER.get();
        let moved = match u8::try_from(offset) {
            Ok(up) => order.wrapping_add(&U256::from_u8(up)),
            Err(_) => order.wrapping_sub(&U256::from_u8(offset.unsigned_abs())),
        };
        moved.to_be_bytes().into()
    }

    #[test]
    fn zero_and_everything_from_the_order_up_is_no_secret() {
        let mut one = [0; 32];
        one[31] = 1;
        for secret in [one, order_plus(-1)] {
            assert!(SoftwareSigner::new(&secret).is_ok());
        }
        for secret in [[0; 32], order_plus(0), order_plus(1), [0xff; 32]] {
            assert_eq!(SoftwareSigner::new(&secret).err(), Some(NotASecret));
        }
    }

    #[test]
    fn any_bit_flipped_in_either_copy_of_the_secret_is_a_detected_fault() {
        let digest = Digest([0x17; 32]);
        for bit in (0..256).step_by(37).chain([255]) {
            let mut signer = SoftwareSigner::new(&SECRET).unwrap();
            signer.secret.plain[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(signer.sign(&digest), Err(SignerError::FaultDetected), "plain, bit {bit}");
            let mut signer = SoftwareSigner::new(&SECRET).unwrap();
            signer.secret.inverted[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(signer.sign(&digest), Err(SignerError::FaultDetected), "inverted, bit {bit}");
        }
    }

    #[test]
    fn a_secret_that_is_no_scalar_any_more_is_a_detected_fault() {
        let mut signer = SoftwareSigner::new(&SECRET).unwrap();
        signer.secret = Secret { plain: [0; 32], inverted: [0xff; 32] };
        assert_eq!(signer.sign(&Digest([1; 32])), Err(SignerError::FaultDetected));
    }

    #[test]
    fn signatures_that_differ_in_any_bit_do_not_leave() {
        let signature = Signature([0x5a; 64]);
        assert_eq!(agreed(&signature, &signature), Ok(signature));
        for bit in 0..512 {
            let mut other = signature;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(agreed(&signature, &other), Err(SignerError::FaultDetected), "bit {bit}");
            assert_eq!(agreed(&other, &signature), Err(SignerError::FaultDetected), "bit {bit}");
        }
    }

    #[test]
    fn entropy_changes_the_signature_each_time_and_its_absence_gives_rfc_6979s() {
        let digest = Digest([3; 32]);
        let plain = SoftwareSigner::new(&SECRET).unwrap().sign(&digest).unwrap();
        let mut hedged = SoftwareSigner::with_entropy(&SECRET, Counter { next: 0, working: true }).unwrap();
        assert!(!hedged.capabilities().deterministic);
        let key = hedged.public_key().unwrap();
        let (first, second) = (hedged.sign(&digest).unwrap(), hedged.sign(&digest).unwrap());
        assert!(first != second && first != plain && second != plain);
        for signature in [first, second] {
            assert!(key.y_parity(&digest, &signature).is_some(), "valid and low-S");
        }
        let mut broken = SoftwareSigner::with_entropy(&SECRET, Counter { next: 0, working: false }).unwrap();
        assert_eq!(broken.sign(&digest), Ok(plain));
    }

    #[test]
    fn nonces_are_those_of_an_independent_rfc_6979_also_after_the_first() {
        for (digest, extra) in [([0x33; 32], &[][..]), ([0xff; 32], &[]), (order_plus(0), &[]), ([0; 32], &[0xab; 32])]
        {
            let mut oracle = rfc6979::KGenerator::<Sha256, U256>::new(&SECRET, &digest, extra, &k256::Secp256k1::ORDER);
            let mut nonces = Nonces::new(&SECRET, &Digest(digest), extra);
            for attempt in 0..NONCE_ATTEMPTS {
                let mut expected = [0; 32];
                oracle.fill_next_k(&mut expected);
                assert_eq!(*nonces.next(), expected, "nonce {attempt}");
            }
        }
    }

    #[test]
    fn the_secret_is_wiped_when_it_is_dropped() {
        let mut secret = Secret { plain: SECRET, inverted: SECRET.map(|byte| !byte) };
        secret.zeroize();
        assert_eq!((secret.plain, secret.inverted), ([0; 32], [0; 32]));
        const fn drops<T: ZeroizeOnDrop>() {}
        drops::<Secret>();
        drops::<Nonces>();
    }
}
