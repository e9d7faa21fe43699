// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random keys and digests: what the software signers make of them is what other people's libraries accept, and on
//! secp256k1 also what they make themselves. secp256k1 is Bitcoin Core's C library, ring descends from BoringSSL.

use cairn::signer::{
    Digest, PublicKey, Signature, Signer as _,
    software::{P256Signer, SoftwareSigner},
};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use secp256k1::{Message, Secp256k1, SecretKey, ecdsa};
use sha2::{Digest as _, Sha256};

/// Pairs of a key and a message: 10^3, and with CAIRN_LONG set 10^5.
fn pairs() -> u32 {
    if std::env::var_os("CAIRN_LONG").is_some() { 100_000 } else { 1_000 }
}

/// The pair of this number: hashes, so that a failure can be repeated.
fn pair(name: &str, number: u32) -> ([u8; 32], [u8; 32]) {
    let hash = |what: &str| Sha256::digest(format!("{name} {what} {number}")).into();
    (hash("key"), hash("message"))
}

#[test]
fn libsecp256k1_makes_and_accepts_the_same_signatures_and_recovers_the_key() {
    let context = Secp256k1::new();
    for number in 0..pairs() {
        let (secret, digest) = pair("secp256k1", number);
        let mut signer = SoftwareSigner::new(&secret).unwrap();
        let (Signature(signature), parity) = signer.sign_recoverable(&Digest(digest)).unwrap();
        let message = Message::from_digest(digest);
        let theirs = SecretKey::from_byte_array(secret).unwrap();
        let key = theirs.public_key(&context);
        assert_eq!(signer.public_key().unwrap().compressed(), key.serialize(), "key {number}");

        let parsed = ecdsa::Signature::from_compact(&signature).unwrap();
        assert_eq!(context.verify_ecdsa(message, &parsed, &key), Ok(()), "signature {number}");
        assert_eq!(context.sign_ecdsa(message, &theirs), parsed, "signature {number}");
        let id = ecdsa::RecoveryId::try_from(i32::from(parity as u8)).unwrap();
        let recoverable = ecdsa::RecoverableSignature::from_compact(&signature, id).unwrap();
        assert_eq!(context.recover_ecdsa(message, &recoverable), Ok(key), "recovery id {number}");

        let mut other = digest;
        other[number as usize % 32] ^= 1;
        assert!(context.verify_ecdsa(Message::from_digest(other), &parsed, &key).is_err(), "another digest {number}");
    }
}

#[test]
fn ring_accepts_signatures_on_p256() {
    for number in 0..pairs() {
        // ring hashes what it verifies.
        let (secret, message) = pair("P-256", number);
        let mut signer = P256Signer::new(&secret).unwrap();
        let PublicKey { xy, .. } = signer.public_key().unwrap();
        let Signature(signature) = signer.sign(&Digest(Sha256::digest(message).into())).unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], &xy[..]].concat());
        assert!(key.verify(&message, &signature).is_ok(), "signature {number}");
        assert!(key.verify(&secret, &signature).is_err(), "another message {number}");
    }
}
