// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is bound, in which bytes, and that nothing else is read.

use std::vec::Vec;

use super::{factory_key::*, *};
use crate::{
    cose::{Kid, Sign1},
    signer::software::{P256Signer, SoftwareSigner},
    time::{TimeQuality, WallTime},
};

const NEVER_SET: WallTime = WallTime { unix_ms: 5_000, quality: TimeQuality::SinceBoot };
const SET: WallTime = WallTime { unix_ms: 1_767_225_600_999, quality: TimeQuality::Relay };
const SOFTWARE: Software<'_> = Software { name: "meter", version: "1.2.3" };

fn ledger() -> SoftwareSigner {
    // The public key is the generator.
    let mut one = [0; 32];
    one[31] = 1;
    SoftwareSigner::new(&one).unwrap()
}

fn binding() -> Binding {
    Binding {
        nonce: [0x22; 32],
        key: ledger().public_key().unwrap(),
        stream: StreamId(0x0102_0304_0506_0708),
        kid: *b"kid0",
        deployment: DeploymentId([0x33; 32]),
    }
}

fn root() -> FactoryKeyRoot<'static, SoftwareSigner> {
    let key = SoftwareSigner::new(&[0x44; 32]).unwrap();
    FactoryKeyRoot::new(key, binding().key.device_id(), SET, Some(SOFTWARE))
}

fn endorsed() -> Vec<u8> {
    let mut out = std::vec![0xee; endorsement_max(FACTORY_TOKEN_MAX)];
    let length = endorse(&binding(), &mut root(), &mut ledger(), &mut out).unwrap();
    out.truncate(length);
    out
}

/// A root whose tokens are as long as asked.
struct Long(usize);

impl RootOfTrust for Long {
    fn token(&mut self, _: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
        out.iter_mut().take(self.0).for_each(|byte| *byte = 0x55);
        Ok(self.0)
    }
}

/// Made with Python's hashlib.
#[test]
fn the_nonce_and_the_proof_are_over_these_very_bytes() {
    assert_eq!(hex::encode(binding().eat_nonce()), EAT_NONCE);
    assert_eq!(hex::encode(possession_digest(b"token").0), POSSESSION);
}

const EAT_NONCE: &str = "21a2d038ccb0f4cd313c7482432c326e2ca8dca7a64ff848b2f77d68d589645a";
const POSSESSION: &str = "c06808dbec9b3d3391500393b9991ffa20c69a570a10bf813c9f5162aa9c1a8b";

#[test]
fn every_part_of_the_binding_changes_the_nonce() {
    let same = binding().eat_nonce();
    let other = |change: &dyn Fn(&mut Binding)| {
        let mut binding = binding();
        change(&mut binding);
        assert_ne!(binding.eat_nonce(), same);
    };
    other(&|b| b.nonce[31] ^= 1);
    other(&|b| b.key.xy[63] ^= 1);
    other(&|b| b.stream.0 ^= 1);
    other(&|b| b.kid[3] ^= 1);
    other(&|b| b.deployment.0[31] ^= 1);
}

#[test]
fn an_endorsement_reads_back_and_its_token_says_what_was_asked() {
    let bytes = endorsed();
    let read = Endorsement::decode(&bytes).unwrap();
    assert_eq!(read.binding(binding().key), binding());
    assert_eq!((read.alg, read.public_key), (Algorithm::Es256k, binding().key.compressed()));
    assert_eq!(read.proof, ledger().sign(&possession_digest(read.token)).unwrap());

    let token = Sign1::decode(read.token).unwrap();
    let mut attestation = SoftwareSigner::new(&[0x44; 32]).unwrap();
    assert_eq!(token.kid, Kid::Protected(&attestation.public_key().unwrap().key_id().0));
    assert_eq!(token.signature, attestation.sign(&token.digest(&[])).unwrap());
    let expected = [
        &[0xa6, 0x06, 0x1a, 0x69, 0x55, 0xb9, 0x00, 0x0a, 0x58, 0x20][..],
        &binding().eat_nonce(),
        &[0x19, 0x01, 0x00, 0x58, 0x21, 0x01],
        &binding().key.device_id().0,
        &[0x19, 0x01, 0x09, 0x78, 0x2d],
        PROFILE.as_bytes(),
        b"\x19\x01\x0e\x65meter\x19\x01\x0f\x81\x651.2.3",
    ];
    assert_eq!(token.payload, expected.concat());
}

#[test]
fn what_is_not_known_is_not_claimed_and_the_longest_claims_fit() {
    let key = || P256Signer::new(&[0x44; 32]).unwrap();
    let device = binding().key.device_id();
    let mut out = [0; FACTORY_TOKEN_MAX];
    let length = FactoryKeyRoot::new(key(), device, NEVER_SET, None).token(&[1; 32], &mut out).unwrap();
    let short = Sign1::decode(&out[..length]).unwrap();
    assert_eq!((short.alg, short.payload[0]), (Algorithm::Es256, 0xa3));

    let name = core::str::from_utf8(&[b'x'; SOFTWARE_MAX + 1]).unwrap();
    let late = WallTime { unix_ms: u64::MAX, quality: TimeQuality::Authenticated };
    let longest = Software { name: &name[1..], version: &name[1..] };
    assert!(FactoryKeyRoot::new(key(), device, late, Some(longest)).token(&[1; 32], &mut out).is_ok());
    for longer in [Software { name, ..longest }, Software { version: name, ..longest }] {
        let mut wide = [0; 2 * FACTORY_TOKEN_MAX];
        let refused = FactoryKeyRoot::new(key(), device, late, Some(longer)).token(&[1; 32], &mut wide);
        assert_eq!(refused, Err(RootError::BufferTooSmall));
    }
}

#[test]
fn tokens_of_any_length_are_read_back() {
    for length in [0, 1, 23, 24, 255, 256, 600, TOKEN_MAX] {
        let mut out = std::vec![0; endorsement_max(length)];
        let written = endorse(&binding(), &mut Long(length), &mut ledger(), &mut out).unwrap();
        let read = Endorsement::decode(&out[..written]).unwrap();
        assert_eq!(read.token, std::vec![0x55; length]);
        let refused = endorse(&binding(), &mut Long(length), &mut ledger(), &mut out[..written - 1]);
        assert_eq!(refused, Err(EndorseError::BufferTooSmall));
    }
}

#[test]
fn a_root_that_refuses_or_lies_about_its_length_is_no_endorsement() {
    struct Refusing(RootError);
    impl RootOfTrust for Refusing {
        fn token(&mut self, _: &[u8; 32], _: &mut [u8]) -> Result<usize, RootError> {
            Err(self.0)
        }
    }
    let mut out = [0; 1024];
    let mut with = |root: RootError| endorse(&binding(), &mut Refusing(root), &mut ledger(), &mut out);
    assert_eq!(with(RootError::Refused(-132)), Err(EndorseError::Root(RootError::Refused(-132))));
    assert_eq!(with(RootError::BufferTooSmall), Err(EndorseError::BufferTooSmall));
    for lie in [1024, 900, usize::MAX] {
        assert_eq!(endorse(&binding(), &mut Long(lie), &mut ledger(), &mut out), Err(EndorseError::BufferTooSmall));
    }
    for room in 0..200 {
        let mut out = std::vec![0; room];
        assert_eq!(endorse(&binding(), &mut root(), &mut ledger(), &mut out), Err(EndorseError::BufferTooSmall));
    }
}

#[test]
fn only_the_shortest_encoding_is_read_and_no_prefix_of_it() {
    let bytes = endorsed();
    for length in 0..bytes.len() {
        assert!(Endorsement::decode(&bytes[..length]).is_err());
    }
    assert!(Endorsement::decode(&[&bytes[..], &[0]].concat()).is_err());
    let with = |at: usize, new: &[u8], instead_of: usize| [&bytes[..at], new, &bytes[at + instead_of..]].concat();
    assert_eq!(Endorsement::decode(&with(1, &[2], 1)), Err(NotAnEndorsement::UnknownVersion));
    // [1, deployment, nonce, alg, key, stream, kid, token, proof]
    let (deployment, alg, key, kid) = (2, 2 + 34 + 34, 2 + 34 + 34 + 2, 2 + 34 + 34 + 2 + 35 + 9);
    let token = kid + 5;
    assert_eq!(bytes[token], 0x58, "the token has 24 to 255 bytes");
    for (what, other) in [
        ("ten fields", with(0, &[0x8a], 1)),
        ("an indefinite list", [&[0x9f], &bytes[1..], &[0xff]].concat()),
        ("a version in two bytes", with(1, &[0x18, 1], 1)),
        ("31 bytes of deployment", with(deployment, &[0x58, 31], 3)),
        ("a long length", with(deployment, &[0x59, 0, 32], 2)),
        ("an algorithm nobody has", with(alg, &[0x38, 0x22], 2)),
        ("a text as key", with(key, &[0x78], 1)),
        ("a kid of five bytes", with(kid, &[0x45, 0], 1)),
        ("a token with a long length", with(token, &[0x59, 0], 1)),
    ] {
        assert_eq!(Endorsement::decode(&other), Err(NotAnEndorsement::Malformed), "{what}");
    }
}

proptest::proptest! {
    #[test]
    fn what_is_read_is_what_was_written(change in 0..endorsed().len(), to in proptest::num::u8::ANY) {
        let mut bytes = endorsed();
        bytes[change] = to;
        if let Ok(read) = Endorsement::decode(&bytes) {
            let head = Head {
                deployment: read.deployment, nonce: read.nonce, alg: read.alg, public_key: read.public_key,
                stream: read.stream, kid: read.kid,
            };
            let mut again = std::vec![0; bytes.len()];
            let start = head.encode(&mut again).unwrap();
            proptest::prop_assert_eq!(&again[..start], &bytes[..start]);
        }
    }
}
