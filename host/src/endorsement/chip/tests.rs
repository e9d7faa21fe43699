// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tokens that the component made with a simulated chip, and statements of this file's own: each way one can be wrong, and
//! its reason.

use std::cell::RefCell;

use cairn::{
    batch::DeploymentId,
    endorsement::{Binding, RootOfTrust as _, SecureElementRoot, endorse, secure_element::SE050_TOKEN_MAX},
    ports::NoEntropy,
    record::StreamId,
    signer::{
        Signer as _,
        se050::{AlwaysOn, NXP_ATTESTATION_KEY, ObjectId, Se050, Settings, SharedChip},
        software::Secp256k1,
    },
};
use cairn_evidence::signature;
use cairn_se_sim::{ATTESTER, Board, Bus, Chip, Clock, Options};
use coset::{CborSerializable as _, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable as _, iana};
use p256::ecdsa::{DerSignature, SigningKey, signature::Signer as _};

use super::*;
use crate::endorsement::{Challenge, Endorsed, Expectation, Root, verify};

const KEY: ObjectId = ObjectId(0x2000_0001);
const NONCE: [u8; 32] = [0xa5; 32];

/// No secure channel, no challenges.
struct Unasked;

impl cairn::ports::Entropy for Unasked {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), NoEntropy> {
        Err(NoEntropy)
    }
}

type Driver = Se050<Secp256k1, Bus, Clock, AlwaysOn, Unasked>;

fn powered(mut chip: Chip) -> (Board, RefCell<Driver>) {
    chip.power(true);
    let board = Board::new(chip);
    let driver = Se050::new(board.bus(0x48), board.clock(), AlwaysOn, Unasked, None, Settings::new(KEY));
    (board, RefCell::new(driver))
}

/// A chip with a ledger key, and the roots that believe it.
fn chip() -> (RefCell<Driver>, PublicKey, Roots) {
    let (board, driver) = powered(Chip::new(Options::default()));
    let key = driver.borrow_mut().provision().unwrap().0;
    (driver, key, board.chip(|chip| believing(chip.unique_id(), &chip.public_key(ATTESTER).unwrap())))
}

fn believing(id: ChipId, attester: &[u8]) -> Roots {
    let (id, key) = (hex::encode(id), hex::encode(attester));
    Roots::parse(&format!(r#"{{"se050": [{{"chipId": "{id}", "publicKey": "{key}"}}]}}"#)).unwrap()
}

fn token(chip: &RefCell<Driver>) -> Vec<u8> {
    let mut out = [0; SE050_TOKEN_MAX];
    let length = SecureElementRoot::new(chip, NXP_ATTESTATION_KEY).token(&NONCE, &mut out).unwrap();
    out[..length].to_vec()
}

#[test]
fn a_chip_vouches_for_the_key_it_generated_and_signs_with() {
    let (chip, key, roots) = chip();
    let deployment = DeploymentId([9; 32]);
    let binding = Binding { nonce: [1; 32], key, stream: StreamId(3), kid: *b"kid0", deployment };
    let mut out = [0; 1024];
    let mut root = SecureElementRoot::new(&chip, NXP_ATTESTATION_KEY);
    let length = endorse(&binding, &mut root, &mut SharedChip::new(&chip), &mut out).unwrap();
    let challenge = Challenge { device: key.device_id(), key: key.key_id(), kid: *b"kid0", expires_ms: 1, used: false };
    let expectation = Expectation { deployment, stream: None, roots: &roots, now: 0 };
    let Endorsed { root: Root::Chip(id), binding: bound, device } =
        verify(&out[..length], Some(&challenge), &expectation).unwrap()
    else {
        panic!("another root")
    };
    assert_eq!((bound, device), (binding, key.device_id()));
    assert!(roots.chip(&id).is_some());
    // The proof of possession is of the same chip; another's does not do.
    let mut other = cairn::signer::software::SoftwareSigner::new(&[7; 32]).unwrap();
    let length = endorse(&binding, &mut root, &mut other, &mut out).unwrap();
    let refused = verify(&out[..length], Some(&challenge), &expectation);
    assert_eq!(refused, Err(Refusal::Possession(signature::SignatureError::Invalid)));
}

/// In which part of the token a byte lies, and the codes that a change there may have.
fn codes(token: &[u8], at: usize) -> &'static [u8] {
    let find = |bytes: &[u8]| token.windows(bytes.len()).position(|window| window == bytes).unwrap();
    let (nonce, profile) = (find(&NONCE), find(PROFILE.as_bytes()));
    let statement = find(&[0x41, 65, 4]);
    // Behind TAG_1: attributes, time, freshness, identifier, signature, with two bytes before each.
    let attributes = statement + 2 + 65 + 2;
    let policy = attributes + BEFORE_POLICY;
    let time = attributes + usize::from(token[attributes - 1]) + 2;
    let freshness = time + 12 + 2;
    let chip = freshness + 16 + 2;
    let signature = chip + 18 + 2;
    let heads = [statement, attributes - 2, time - 2, freshness - 2, chip - 2, signature - 2];
    match at {
        _ if (nonce..nonce + 32).contains(&at) => &[60],
        // No text any more, or another profile.
        _ if (profile..profile + PROFILE.len()).contains(&at) => &[40, 43],
        _ if at < statement => &[40, 42, 43, 44],
        _ if heads.iter().any(|head| (*head..head + 2).contains(&at)) => &[44],
        // The length of its only rule.
        _ if at == policy => &[44],
        _ if (chip..chip + 18).contains(&at) => &[50],
        _ => &[52],
    }
}

#[test]
fn a_token_of_which_any_bit_is_another_is_refused_with_the_reason_of_its_part() {
    let (chip, key, roots) = chip();
    let token = token(&chip);
    assert!(vouches(&token, &key, &NONCE, &roots).is_ok());
    for bit in 0..token.len() * 8 {
        let mut changed = token.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let code = if is_unprotected(&changed) {
            vouches(&changed, &key, &NONCE, &roots).expect_err("changed").exit_code()
        } else {
            // It goes the way of signed tokens, and is none.
            let refused = crate::endorsement::token::Token::read(&changed).err();
            refused.expect("no COSE_Sign1").exit_code()
        };
        assert!(codes(&token, bit / 8).contains(&code), "bit {} of byte {}: {code}", bit % 8, bit / 8);
    }
    for length in 0..token.len() {
        assert_eq!(vouches(&token[..length], &key, &NONCE, &roots), Err(Refusal::TokenMalformed));
    }
    assert_eq!(vouches(&[&token[..], &[0]].concat(), &key, &NONCE, &roots), Err(Refusal::TokenMalformed));
}

#[test]
fn a_key_that_was_put_into_the_chip_is_refused_though_the_chip_vouches_for_it() {
    let (board, driver) = powered(Chip::new(Options::default()));
    driver.borrow_mut().provision().unwrap();
    let image = board.chip(|chip| chip.image());
    for origin in [1, 3] {
        // "key", object, curve, origin.
        let imported = image.replace("key 20000001 10 02", &format!("key 20000001 10 0{origin}"));
        assert_ne!(imported, image);
        let (board, driver) = powered(Chip::from_image(Options::default(), &imported).unwrap());
        let key = driver.borrow_mut().public_key().unwrap();
        let roots = board.chip(|chip| believing(chip.unique_id(), &chip.public_key(ATTESTER).unwrap()));
        assert_eq!(vouches(&token(&driver), &key, &NONCE, &roots), Err(Refusal::NotGenerated(origin)));
    }
}

/// A statement by this file's hand, signed as it says.
struct Made {
    attester: SigningKey,
    point: Vec<u8>,
    attributes: Vec<u8>,
    freshness: Vec<u8>,
    chip: Vec<u8>,
    profile: &'static str,
    long_lengths: bool,
}

fn ledger(secret: u8) -> PublicKey {
    cairn::signer::software::SoftwareSigner::new(&[secret; 32]).unwrap().public_key().unwrap()
}

fn attester() -> SigningKey {
    SigningKey::from_slice(&[6; 32]).unwrap()
}

fn made() -> Made {
    let mut attributes = vec![0x20, 0, 0, 1, 0x01, 1];
    attributes.extend([0; 8]);
    attributes.extend([8, 0, 0, 0, 0, 0x10, 0x24, 0, 0]);
    attributes.extend([GENERATED, 0, 0, 0, 0]);
    Made {
        attester: attester(),
        point: [&[4][..], &ledger(2).xy].concat(),
        attributes,
        freshness: NONCE[..16].to_vec(),
        chip: vec![5; 18],
        profile: PROFILE,
        long_lengths: false,
    }
}

impl Made {
    fn judged(&self) -> Result<ChipId, Refusal> {
        let signed = [&self.point[..], &self.attributes, &[0; 12], &self.freshness, &self.chip];
        let signature: DerSignature = self.attester.sign(&signed.concat());
        let mut statement = Vec::new();
        for (tag, value) in (0x41..).zip(signed.into_iter().chain([signature.as_bytes()])) {
            let length = u8::try_from(value.len()).unwrap();
            statement.extend(if self.long_lengths { vec![tag, 0x82, 0, length] } else { vec![tag, length] });
            statement.extend(value);
        }
        let claims = [
            (Value::from(10), Value::Bytes(NONCE.to_vec())),
            (Value::from(265), Value::Text(self.profile.into())),
            (Value::from(-65537), Value::Bytes(statement)),
        ];
        let token = Value::Tag(UCCS, Box::new(Value::Map(claims.to_vec()))).to_vec().unwrap();
        let roots = believing([5; 18], attester().verifying_key().to_sec1_point(false).as_bytes());
        vouches(&token, &ledger(2), &NONCE, &roots)
    }
}

#[test]
fn each_wrong_statement_has_its_reason_though_its_signature_holds() {
    assert_eq!(made().judged(), Ok([5; 18]));
    assert_eq!(Made { long_lengths: true, ..made() }.judged(), Ok([5; 18]), "as real chips code lengths");
    let another = SigningKey::from_slice(&[7; 32]).unwrap();
    assert_eq!(Made { attester: another, ..made() }.judged(), Err(Refusal::TokenSignature));
    let stranger = Made { chip: vec![6; 18], ..made() }.judged();
    assert_eq!(stranger, Err(Refusal::UntrustedRoot(format!("chip 0x{}", "06".repeat(18)))));
    assert_eq!(Made { freshness: vec![0; 16], ..made() }.judged(), Err(Refusal::StatementNotFresh));
    let point = [&[4][..], &ledger(3).xy].concat();
    assert_eq!(Made { point, ..made() }.judged(), Err(Refusal::StatementOfOtherKey));
    let with = |at: usize, byte: u8| {
        let mut attributes = made().attributes;
        attributes[at] = byte;
        Made { attributes, ..made() }.judged()
    };
    // A public key, a key pair on P-256, a key pair on secp256k1.
    assert_eq!(with(4, 0x03), Err(Refusal::NotAKeyPair(0x03)));
    assert_eq!(with(4, 0x29), Err(Refusal::NotAKeyPair(0x29)));
    assert_eq!(with(4, 0x5d), Ok([5; 18]));
    for origin in [0, 1, 3] {
        assert_eq!(with(BEFORE_POLICY + 9, origin), Err(Refusal::NotGenerated(origin)));
    }
    for length in [0, 7, 9, 0xff] {
        assert_eq!(with(BEFORE_POLICY, length), Err(Refusal::StatementMalformed), "a policy of {length} bytes");
    }
    for wrong in [
        Made { point: vec![4; 64], ..made() },
        Made { freshness: vec![0xa5; 17], ..made() },
        Made { chip: vec![5; 17], ..made() },
        Made { attributes: vec![0; BEFORE_POLICY + BEHIND_POLICY - 1], ..made() },
    ] {
        assert_eq!(wrong.judged(), Err(Refusal::StatementMalformed));
    }
}

#[test]
fn claims_that_nobody_signed_are_believed_under_no_other_profile_and_no_signature_makes_them_better() {
    for profile in [crate::endorsement::PSA_PROFILE, cairn::endorsement::factory_key::PROFILE] {
        assert_eq!(Made { profile, ..made() }.judged(), Err(Refusal::UnknownProfile(profile.into())));
    }
    let claims = Value::Map(vec![(Value::from(265), Value::Text(PROFILE.into()))]);
    let message = CoseSign1Builder::new()
        .protected(HeaderBuilder::new().algorithm(iana::Algorithm::ES256).build())
        .payload(claims.to_vec().unwrap())
        .create_signature(&[], |signed| {
            let signature: p256::ecdsa::Signature = attester().sign(signed);
            signature.to_bytes().to_vec()
        })
        .build()
        .to_tagged_vec()
        .unwrap();
    let deployment = DeploymentId([9; 32]);
    let binding = Binding { nonce: [1; 32], key: ledger(2), stream: StreamId(3), kid: *b"kid0", deployment };
    let roots = believing([5; 18], attester().verifying_key().to_sec1_point(false).as_bytes());
    let refused = crate::endorsement::vouched(&message, &binding, ledger(2).device_id(), &roots);
    assert_eq!(refused, Err(Refusal::UnknownProfile(PROFILE.into())));
}
