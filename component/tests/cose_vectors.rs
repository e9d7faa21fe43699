// SPDX-License-Identifier: Apache-2.0 OR MIT
//! COSE_Sign1 against cose.json: what is read, what is hashed, what is written byte for byte, and whose signatures hold by the word of
//! libraries that share no code with ours.

mod vector_files;

use cairn::{
    cose::{CoseError, Kid, Sign1, sign1},
    signer::{
        Algorithm, Digest, PublicKey, Signature, Signer,
        software::{P256Signer, SoftwareSigner},
    },
};
use serde_json::Value;
use vector_files::{Family, array, bytes, text};

#[test]
fn every_vector_is_read_hashed_and_written_the_same() {
    Family::load("cose").run(|_| None, check).finish(&[("ES256", 11), ("ES256K", 11)], &[]);
}

fn check(vector: &Value) {
    let alg = match text(&vector["kind"]) {
        "ES256" => Algorithm::Es256,
        "ES256K" => Algorithm::Es256k,
        other => panic!("{other}"),
    };
    let (aad, payload, kid) = (bytes(&vector["external_aad"]), bytes(&vector["payload"]), bytes(&vector["kid"]));
    let kid = if vector["kid_protected"].as_bool().unwrap() { Kid::Protected(&kid) } else { Kid::Unprotected(&kid) };
    let digest = Digest(array(&vector["digest"]));
    let key = PublicKey::from_sec1(alg, &bytes(&vector["pub"])).unwrap();

    for (form, signature) in [
        ("cose_sign1_tagged", "signature"),
        ("cose_sign1_untagged", "signature"),
        ("cose_sign1_tagged_low_s", "signature_low_s"),
    ] {
        let message = bytes(&vector[form]);
        let read = Sign1::decode(&message).unwrap();
        assert_eq!((read.alg, read.kid, read.payload), (alg, kid, &payload[..]), "{form}");
        assert_eq!(read.signature, Signature(array(&vector[signature])), "{form}");
        assert_eq!(read.digest(&aad), digest, "{form}");
        assert_ne!(read.digest(b"other"), digest, "{form}: what is signed beside the payload matters");
        cut_and_lengthened(&message);
    }
    let low = Signature(array(&vector["signature_low_s"]));
    assert!(others_accept(&key, &bytes(&vector["sig_structure"]), &low));
    assert!(!others_accept(&key, b"another structure", &low));

    let secret = array(&vector["priv"]);
    let written = match alg {
        Algorithm::Es256k => write(&mut SoftwareSigner::new(&secret).unwrap(), kid, &aad, &payload),
        Algorithm::Es256 => write(&mut P256Signer::new(&secret).unwrap(), kid, &aad, &payload),
    };
    assert_eq!(written, bytes(&vector["cose_sign1_tagged_low_s"]));
}

fn write(signer: &mut impl Signer, kid: Kid<'_>, aad: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; payload.len() + cairn::cose::OVERHEAD_MAX];
    let length = sign1(signer, kid, aad, payload, &mut out).unwrap();
    out.truncate(length);
    for short in [0, 1, length / 2, length - 1] {
        assert_eq!(sign1(signer, kid, aad, payload, &mut vec![0; short]), Err(CoseError::BufferTooSmall));
    }
    out
}

fn cut_and_lengthened(message: &[u8]) {
    for length in 0..message.len() {
        assert_eq!(Sign1::decode(&message[..length]), Err(CoseError::Malformed));
    }
    assert_eq!(Sign1::decode(&[message, &[0]].concat()), Err(CoseError::Malformed));
}

/// ring verifies P-256 and hashes by itself; libsecp256k1 verifies secp256k1 over ring's hash.
fn others_accept(key: &PublicKey, signed: &[u8], signature: &Signature) -> bool {
    let sec1 = [&[4][..], &key.xy].concat();
    match key.alg {
        Algorithm::Es256 => {
            let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, sec1);
            key.verify(signed, &signature.0).is_ok()
        }
        Algorithm::Es256k => {
            let hash = ring::digest::digest(&ring::digest::SHA256, signed);
            let message = secp256k1::Message::from_digest(hash.as_ref().try_into().unwrap());
            let signature = secp256k1::ecdsa::Signature::from_compact(&signature.0).unwrap();
            let key = secp256k1::PublicKey::from_slice(&sec1).unwrap();
            secp256k1::Secp256k1::verification_only().verify_ecdsa(message, &signature, &key).is_ok()
        }
    }
}

/// A message of these headers, hexadecimal, with a payload and a signature that nobody made.
fn with(protected: &str, unprotected: &str, payload: &str) -> Vec<u8> {
    let protected = hex::decode(protected).unwrap();
    let length = u8::try_from(protected.len()).unwrap();
    let rest = hex::decode(unprotected.to_owned() + payload + "5840").unwrap();
    [&[0xd2, 0x84, 0x40 + length][..], &protected, &rest, &[7; 64]].concat()
}

#[test]
fn what_is_no_message_of_ours_is_refused_by_its_reason() {
    let refusal = |message: Vec<u8>| Sign1::decode(&message).err();
    assert_eq!(refusal(with("a10126", "a0", "4161")), None);
    assert_eq!(refusal(with("a20126616100", "a2616201182a8102", "4161")), None, "headers nobody knows are skipped");
    assert_eq!(refusal(with("a10126", "a0", "f6")), Some(CoseError::Detached));
    assert_eq!(refusal(with("", "a0", "4161")), Some(CoseError::Algorithm), "none");
    assert_eq!(refusal(with("a0", "a10126", "4161")), Some(CoseError::Algorithm), "not signed");
    assert_eq!(refusal(with("a10126", "a10126", "4161")), Some(CoseError::Algorithm), "twice");
    assert_eq!(refusal(with("a1013822", "a0", "4161")), Some(CoseError::Algorithm), "ES384");
    assert_eq!(refusal(with("a10139010a", "a0", "4161")), Some(CoseError::Algorithm), "a long number");
    assert_eq!(refusal(with("a1016141", "a0", "4161")), Some(CoseError::Algorithm), "a name");
    assert_eq!(refusal(with("a20126028104", "a0", "4161")), Some(CoseError::Critical));
    assert_eq!(refusal(with("a10126", "a1028104", "4161")), Some(CoseError::Critical));
    for malformed in [
        with("a201260126", "a0", "4161"),
        with("a201260441aa", "a10441aa", "4161"),
        with("a2012604", "a0", "4161"),
        with("a1012600", "a0", "4161"),
        with("bf0126ff", "a0", "4161"),
        with("a10126", "a0", "6161"),
        with("a10126", "80", "4161"),
        with("a10126", "a20441aa0441aa", "4161"),
    ] {
        assert_eq!(Sign1::decode(&malformed).err(), Some(CoseError::Malformed), "{}", hex::encode(&malformed));
    }
    let mut other_tag = with("a10126", "a0", "4161");
    other_tag[0] = 0xd1;
    assert_eq!(refusal(other_tag), Some(CoseError::Malformed), "COSE_Mac0");
    let mut five = with("a10126", "a0", "4161");
    five[1] = 0x85;
    assert_eq!(refusal(five), Some(CoseError::Malformed));
}

#[test]
fn a_key_identifier_is_as_long_as_it_may_be_and_no_longer() {
    let mut signer = SoftwareSigner::new(&[1; 32]).unwrap();
    let mut out = [0; 256];
    let long = [5; cairn::cose::KID_MAX + 1];
    for kid in [Kid::Protected(&long[1..]), Kid::Unprotected(&long[1..]), Kid::Absent] {
        let length = sign1(&mut signer, kid, &[], b"payload", &mut out).unwrap();
        assert_eq!(Sign1::decode(&out[..length]).unwrap().kid, kid);
        assert!(length <= 7 + cairn::cose::OVERHEAD_MAX);
    }
    for kid in [Kid::Protected(&long), Kid::Unprotected(&long)] {
        assert_eq!(sign1(&mut signer, kid, &[], b"payload", &mut out), Err(CoseError::KidTooLong));
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = Sign1::decode(&bytes);
        let _ = Sign1::decode(&[&[0xd2, 0x84, 0x58, 30][..], &bytes].concat());
    }
}
