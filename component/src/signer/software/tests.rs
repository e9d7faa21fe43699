// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The software signer from inside: secrets that are none, faults, entropy, nonces, wiping.

use k256::{
    U256,
    elliptic_curve::{Curve as _, ff::PrimeField as _, ops::Reduce as _},
};

use sha2::Sha256;

use super::{ecdsa::NONCE_ATTEMPTS, nonces, *};

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
    signer.secret = GuardedSecret::new(&[0; 32]);
    assert_eq!(signer.sign(&Digest([1; 32])), Err(SignerError::FaultDetected));
}

#[test]
fn signatures_that_differ_in_any_bit_do_not_agree() {
    let same = Signed { signature: Signature([0x5a; 64]), parity: Some(YParity::Odd) };
    assert!(agree(&same, &same));
    let refuses = |other: Signed| !agree(&same, &other) && !agree(&other, &same);
    for bit in 0..512 {
        let mut other = same;
        other.signature.0[bit / 8] ^= 1 << (bit % 8);
        assert!(refuses(other), "bit {bit}");
    }
    assert!(refuses(Signed { parity: Some(YParity::Even), ..same }) && refuses(Signed { parity: None, ..same }));
}

#[test]
fn a_fault_leaves_nothing_of_either_signature_with_the_caller() {
    let mut signer = SoftwareSigner::new(&SECRET).unwrap();
    signer.secret.inverted[7] ^= 1;
    let mut signed = Signed::NOTHING;
    assert_eq!(signer.sign_twice(&Digest([0x17; 32]), &mut signed), Err(SignerError::FaultDetected));
    assert_eq!(signed.signature.0, [0; 64]);
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
    for (digest, extra) in [([0x33; 32], &[][..]), ([0xff; 32], &[]), (order_plus(0), &[]), ([0; 32], &[0xab; 32])] {
        let mut oracle = rfc6979::KGenerator::<Sha256, U256>::new(&SECRET, &digest, extra, &k256::Secp256k1::ORDER);
        let hash = k256::Scalar::reduce(&k256::FieldBytes::from(digest)).to_repr().into();
        for attempt in 0..NONCE_ATTEMPTS {
            let mut expected = [0; 32];
            oracle.fill_next_k(&mut expected);
            let mut nonce = [0; 32];
            nonces::draw(&mut nonce, &SECRET, &hash, extra, attempt);
            assert_eq!(nonce, expected, "nonce {attempt}");
        }
    }
}
