// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each way an endorsement can be wrong, and its reason; and every COSE vector through the reader that is not ours.

use std::collections::BTreeSet;

use cairn::{
    endorsement::{FactoryKeyRoot, RootError, RootOfTrust, endorse, factory_key::Software},
    signer::{Algorithm, Capabilities, Digest, Signature, Signer, SignerError, software::SoftwareSigner},
    time::{TimeQuality, WallTime},
};
use coset::{
    CborSerializable as _, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable as _,
    cbor::{Value, cbor},
    iana,
};
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use sha2::{Digest as _, Sha256};

use super::{token::Message, *};

const DEPLOYMENT: DeploymentId = DeploymentId([9; 32]);
const NOW: UnixMs = 1_000_000;
const IMPLEMENTATION: [u8; 32] = [0xab; 32];

/// A P-256 key of the p256 crate, which signs in either half.
#[derive(Clone)]
struct P256(p256::ecdsa::SigningKey);

impl P256 {
    fn new(secret: u8) -> Self {
        Self(p256::ecdsa::SigningKey::from_slice(&[secret; 32]).unwrap())
    }
}

impl Signer for P256 {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        let point = self.0.verifying_key().to_sec1_point(false);
        Ok(signature::public_key(Algorithm::Es256, point.as_bytes()).unwrap())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        let made: p256::ecdsa::Signature = self.0.sign_prehash(&digest.0).unwrap();
        Ok(Signature(made.to_bytes().into()))
    }
}

fn key(secret: u8) -> SoftwareSigner {
    SoftwareSigner::new(&[secret; 32]).unwrap()
}

fn public(mut signer: impl Signer) -> PublicKey {
    signer.public_key().unwrap()
}

fn binding() -> Binding {
    Binding { nonce: [1; 32], key: public(key(2)), stream: StreamId(3), kid: *b"kid0", deployment: DEPLOYMENT }
}

fn challenge() -> Challenge {
    let key = binding().key;
    Challenge { device: key.device_id(), key: key.key_id(), kid: binding().kid, expires_ms: NOW + 1, used: false }
}

fn roots() -> Roots {
    let text = format!(
        r#"{{"factoryKeys": [
                {{"alg": "ES256K", "publicKey": "{}"}},
                {{"alg": "ES256", "publicKey": "{}"}},
                {{"alg": "ES256K", "publicKey": "{}", "device": "{}"}}],
            "psa": [{{"instanceId": "{}", "implementationId": "{}", "publicKey": "{}"}}]}}"#,
        hex::encode(public(key(4)).compressed()),
        hex::encode(public(P256::new(4)).compressed()),
        hex::encode(public(key(5)).compressed()),
        hex::encode([5; 32]),
        hex::encode(instance()),
        hex::encode(IMPLEMENTATION),
        hex::encode(public(P256::new(6)).compressed()),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.json");
    std::fs::write(&path, text).unwrap();
    Roots::read(&path).unwrap()
}

fn instance() -> [u8; 33] {
    let mut instance = [1; 33];
    instance[1..].copy_from_slice(&[0xcd; 32]);
    instance
}

fn factory(signer: impl Signer) -> impl RootOfTrust {
    let now = WallTime { unix_ms: NOW, quality: TimeQuality::Network };
    FactoryKeyRoot::new(signer, binding().key.device_id(), now, Some(Software { name: "meter", version: "1" }))
}

fn endorsed_by(root: &mut impl RootOfTrust, binding: &Binding, ledger: &mut impl Signer) -> Vec<u8> {
    let mut out = vec![0; 2048];
    let length = endorse(binding, root, ledger, &mut out).unwrap();
    out.truncate(length);
    out
}

fn good() -> Vec<u8> {
    endorsed_by(&mut factory(key(4)), &binding(), &mut key(2))
}

fn judge(bytes: &[u8]) -> Result<Endorsed, Refusal> {
    judge_for(bytes, Some(&challenge()), |_| ())
}

fn judge_for(
    bytes: &[u8],
    challenge: Option<&Challenge>,
    change: impl FnOnce(&mut Expectation<'_>),
) -> Result<Endorsed, Refusal> {
    let roots = roots();
    let mut expectation = Expectation { deployment: DEPLOYMENT, stream: None, roots: &roots, now: NOW };
    change(&mut expectation);
    verify(bytes, challenge, &expectation)
}

/// A platform whose tokens are made by coset.
struct Platform {
    key: P256,
    claims: Vec<(i64, Value)>,
    low_s: bool,
}

impl Platform {
    fn new() -> Self {
        let claims = vec![
            (256, Value::Bytes(instance().to_vec())),
            (265, Value::Text(PSA_PROFILE.into())),
            (2394, Value::from(-1)),
            (2395, Value::from(0x3000)),
            (2396, Value::Bytes(IMPLEMENTATION.to_vec())),
            (2399, cbor!([{ 2 => Value::Bytes(vec![1; 32]), 5 => Value::Bytes(vec![2; 32]) }]).unwrap()),
        ];
        Self { key: P256::new(6), claims, low_s: true }
    }

    fn with(key: i64, value: impl Into<Option<Value>>) -> Self {
        let mut platform = Self::new();
        platform.claims.retain(|(there, _)| *there != key);
        platform.claims.extend(value.into().map(|value| (key, value)));
        platform
    }
}

impl RootOfTrust for Platform {
    fn token(&mut self, eat_nonce: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
        let mut claims: Vec<(Value, Value)> =
            self.claims.iter().map(|(key, value)| (Value::from(*key), value.clone())).collect();
        if !self.claims.iter().any(|(key, _)| *key == 10) {
            claims.push((Value::from(10), Value::Bytes(eat_nonce.to_vec())));
        }
        let sign = |signed: &[u8]| {
            let made: p256::ecdsa::Signature = self.key.0.sign_prehash(&Sha256::digest(signed)).unwrap();
            let low = made.normalize_s();
            let (r, s) = low.split_scalars();
            let high = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
            if self.low_s { low.to_bytes().to_vec() } else { high.to_bytes().to_vec() }
        };
        let message = CoseSign1Builder::new()
            .protected(HeaderBuilder::new().algorithm(iana::Algorithm::ES256).build())
            .payload(Value::Map(claims).to_vec().unwrap())
            .create_signature(&[], sign)
            .build()
            .to_tagged_vec()
            .unwrap();
        out[..message.len()].copy_from_slice(&message);
        Ok(message.len())
    }
}

fn by_platform(mut platform: Platform) -> Result<Endorsed, Refusal> {
    judge(&endorsed_by(&mut platform, &binding(), &mut key(2)))
}

#[test]
fn a_good_endorsement_of_any_root_is_taken() {
    let endorsed = judge(&good()).unwrap();
    assert_eq!(endorsed.root, Root::FactoryKey(public(key(4)).key_id()));
    assert_eq!((endorsed.binding, endorsed.device), (binding(), binding().key.device_id()));
    let p256 = endorsed_by(&mut factory(P256::new(4)), &binding(), &mut key(2));
    assert_eq!(judge(&p256).unwrap().root, Root::FactoryKey(public(P256::new(4)).key_id()));
    for low_s in [false, true] {
        let endorsed = by_platform(Platform { low_s, ..Platform::new() }).unwrap();
        assert_eq!(endorsed.root, Root::Psa(instance()));
    }
    let as_hex = hex::encode(good());
    let lines = as_hex.as_bytes().chunks(64).collect::<Vec<_>>().join(&b'\n');
    assert_eq!(read(&lines).unwrap(), good(), "as a console prints it");
    assert_eq!(read(&good()).unwrap(), good());
    assert_eq!(nonce(&good()), Ok([1; 32]));
}

#[test]
fn what_is_no_endorsement_is_refused_before_anything_is_looked_up() {
    assert_eq!(read(b"rubbish"), Err(Refusal::Format));
    assert_eq!(read(b""), Err(Refusal::Format));
    assert_eq!(judge(&good()[1..]), Err(Refusal::Format));
    let mut later = good();
    later[1] = 2;
    assert_eq!(judge(&later), Err(Refusal::Version));
}

#[test]
fn a_nonce_that_was_never_drawn_was_used_or_has_expired_is_refused() {
    assert_eq!(judge_for(&good(), None, |_| ()), Err(Refusal::NonceUnknown));
    let used = Challenge { used: true, ..challenge() };
    assert_eq!(judge_for(&good(), Some(&used), |_| ()), Err(Refusal::NonceUsed));
    assert_eq!(judge_for(&good(), Some(&challenge()), |e| e.now = NOW + 1), Err(Refusal::NonceExpired));
}

#[test]
fn an_endorsement_of_another_deployment_kid_key_or_stream_is_refused_by_name() {
    let other = |change: &dyn Fn(&mut Binding)| {
        let mut binding = binding();
        change(&mut binding);
        endorsed_by(&mut factory(key(4)), &binding, &mut key(2))
    };
    let found = DeploymentId([8; 32]);
    let refused = Refusal::OtherDeployment { found, expected: DEPLOYMENT };
    assert_eq!(judge(&other(&|b| b.deployment = found)), Err(refused));
    let refused = Refusal::OtherKid { found: *b"kid1", expected: *b"kid0" };
    assert_eq!(judge(&other(&|b| b.kid = *b"kid1")), Err(refused));
    let stranger = public(key(7));
    let refused = Refusal::OtherKey { found: stranger.key_id(), expected: binding().key.key_id() };
    let theirs = endorsed_by(&mut factory(key(4)), &Binding { key: stranger, ..binding() }, &mut key(7));
    assert_eq!(judge(&theirs), Err(refused));
    let refused = Refusal::OtherStream { found: StreamId(3), expected: StreamId(4) };
    assert_eq!(judge_for(&good(), Some(&challenge()), |e| e.stream = Some(StreamId(4))), Err(refused));
    assert!(judge_for(&good(), Some(&challenge()), |e| e.stream = Some(StreamId(3))).is_ok());
}

/// Whoever has a token cannot put other facts around it: the token's nonce is over them.
#[test]
fn facts_that_are_exchanged_around_a_token_are_refused() {
    struct Made(Vec<u8>);
    impl RootOfTrust for Made {
        fn token(&mut self, _: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
            out[..self.0.len()].copy_from_slice(&self.0);
            Ok(self.0.len())
        }
    }
    let around = |made_for: Binding| {
        let made = endorsed_by(&mut factory(key(4)), &made_for, &mut key(2));
        let token = Endorsement::decode(&made).unwrap().token.to_vec();
        judge(&endorsed_by(&mut Made(token), &binding(), &mut key(2)))
    };
    assert!(around(binding()).is_ok());
    assert_eq!(around(Binding { nonce: [7; 32], ..binding() }), Err(Refusal::OtherNonce));
    assert_eq!(around(Binding { stream: StreamId(7), ..binding() }), Err(Refusal::OtherNonce));
    assert_eq!(around(Binding { kid: *b"kid7", ..binding() }), Err(Refusal::OtherNonce));
    assert_eq!(around(Binding { deployment: DeploymentId([7; 32]), ..binding() }), Err(Refusal::OtherNonce));
    assert_eq!(around(Binding { key: public(key(7)), ..binding() }), Err(Refusal::OtherNonce));
}

#[test]
fn possession_is_proven_by_the_ledger_key_and_by_no_other() {
    let by_another = endorsed_by(&mut factory(key(4)), &binding(), &mut key(7));
    assert_eq!(judge(&by_another), Err(Refusal::Possession(signature::SignatureError::Invalid)));
    let mut of_no_signature = good();
    let proof = of_no_signature.len() - 64;
    of_no_signature[proof..].fill(0);
    assert_eq!(judge(&of_no_signature), Err(Refusal::Possession(signature::SignatureError::Malformed)));
    let mut high = good();
    let low = k256::ecdsa::Signature::from_slice(&high[proof..]).unwrap();
    let (r, s) = low.split_scalars();
    let other = k256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    high[proof..].copy_from_slice(&other.to_bytes());
    assert_eq!(judge(&high), Err(Refusal::Possession(signature::SignatureError::HighS)));

    /// Signs the bare hash of the token, as a Fabric client would sign a proposal.
    struct Bare(SoftwareSigner, Vec<u8>);
    impl Signer for Bare {
        fn public_key(&mut self) -> Result<PublicKey, SignerError> {
            self.0.public_key()
        }
        fn capabilities(&self) -> Capabilities {
            self.0.capabilities()
        }
        fn sign(&mut self, _: &Digest) -> Result<Signature, SignerError> {
            self.0.sign(&Digest(Sha256::digest(&self.1).into()))
        }
    }
    let token = Endorsement::decode(&good()).unwrap().token.to_vec();
    let bare = endorsed_by(&mut factory(key(4)), &binding(), &mut Bare(key(2), token));
    assert_eq!(judge(&bare), Err(Refusal::Possession(signature::SignatureError::Invalid)));
}

#[test]
fn a_root_nobody_trusts_or_that_is_another_devices_is_refused() {
    let by = |root: u8| judge(&endorsed_by(&mut factory(key(root)), &binding(), &mut key(2)));
    let untrusted = |who: &str, id: &[u8]| Err(Refusal::UntrustedRoot(format!("{who} 0x{}", hex::encode(id))));
    assert_eq!(by(7), untrusted("attestation key", &public(key(7)).key_id().0));
    let found = binding().key.device_id();
    assert_eq!(by(5), Err(Refusal::RootOfOtherDevice { trusted: DeviceId([5; 32]), found }));
    let mut other = instance();
    other[32] ^= 1;
    let platform = Platform::with(256, Value::Bytes(other.to_vec()));
    assert_eq!(by_platform(platform), untrusted("PSA instance", &other));
    let platform = Platform { key: P256::new(7), ..Platform::new() };
    assert_eq!(by_platform(platform), Err(Refusal::TokenSignature), "another key under a trusted name");
    // A factory's token under a profile it is not for, and the other way round.
    let platform = Platform::with(265, Value::Text(factory_key::PROFILE.into()));
    assert_eq!(by_platform(platform), untrusted("attestation key", &[]));
}

/// Whichever byte of the token is changed, the endorsement is refused; and its maker signs what was flipped, so that it
/// is not the proof of possession that notices.
#[test]
fn a_token_that_was_changed_anywhere_is_refused() {
    struct Flipped<R>(R, usize);
    impl<R: RootOfTrust> RootOfTrust for Flipped<R> {
        fn token(&mut self, eat_nonce: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
            let length = self.0.token(eat_nonce, out)?;
            out[self.1 / 8] ^= 1 << (self.1 % 8);
            Ok(length)
        }
    }
    let length = Endorsement::decode(&good()).unwrap().token.len();
    for byte in 0..length {
        let bit = byte * 8 + byte % 8;
        let bytes = endorsed_by(&mut Flipped(factory(key(4)), bit), &binding(), &mut key(2));
        let refused = judge(&bytes).expect_err("one bit is another");
        assert!((40..60).contains(&refused.exit_code()), "bit {bit}: {refused}");
    }
}

#[test]
fn a_profile_nobody_knows_and_claims_that_are_missing_or_doubled_are_refused() {
    let profile = Platform::with(265, Value::Text("tag:psacertified.org,2019:psa#legacy".into()));
    let unknown = Refusal::UnknownProfile("tag:psacertified.org,2019:psa#legacy".into());
    assert_eq!(by_platform(profile), Err(unknown));
    assert_eq!(by_platform(Platform::with(265, None)), Err(Refusal::Claim("eat_profile")));
    assert_eq!(by_platform(Platform::with(256, None)), Err(Refusal::Claim("ueid")));
    assert_eq!(
        by_platform(Platform::with(2395, Value::Text("secured".into()))),
        Err(Refusal::Claim("psa-security-lifecycle"))
    );
    assert_eq!(by_platform(Platform::with(2395, Value::from(-1))), Err(Refusal::Claim("psa-security-lifecycle")));
    assert_eq!(by_platform(Platform::with(2396, None)), Err(Refusal::Claim("psa-implementation-id")));
    let list = Value::Array(vec![Value::Bytes(binding().eat_nonce().to_vec()), Value::Bytes(vec![0; 32])]);
    assert_eq!(by_platform(Platform::with(10, list)), Err(Refusal::Claim("eat_nonce")), "two nonces");
    let mut twice = Platform::new();
    twice.claims.push((2395, Value::from(0x4000)));
    assert_eq!(by_platform(twice), Err(Refusal::Claim("set: one key is there twice")));
}

#[test]
fn a_platform_that_can_be_debugged_or_is_another_one_is_refused() {
    for secured in [0x3000, 0x3001, 0x30ff] {
        assert!(by_platform(Platform::with(2395, Value::from(secured))).is_ok());
    }
    for lifecycle in [0, 0x1000, 0x2000, 0x2fff, 0x3100, 0x4000, 0x5000, 0x6000] {
        let platform = Platform::with(2395, Value::from(lifecycle));
        assert_eq!(by_platform(platform), Err(Refusal::NotSecured(lifecycle)));
    }
    let other = vec![0xac; 32];
    let platform = Platform::with(2396, Value::Bytes(other.clone()));
    assert_eq!(by_platform(platform), Err(Refusal::OtherImplementation(other)));
}

#[test]
fn a_device_that_changed_its_key_is_endorsed_under_its_first_keys_name() {
    let device = public(key(9)).device_id();
    let drawn = Challenge { device, ..challenge() };
    let by = |ueid: DeviceId| {
        let mut root = FactoryKeyRoot::new(key(4), ueid, WallTime::default(), None);
        judge_for(&endorsed_by(&mut root, &binding(), &mut key(2)), Some(&drawn), |_| ())
    };
    let endorsed = by(device).unwrap();
    assert_eq!((endorsed.device, endorsed.binding.key), (device, binding().key));
    assert_eq!(by(binding().key.device_id()), Err(Refusal::OtherUeid));
}

#[test]
fn a_factory_key_that_vouches_for_another_device_is_refused() {
    let mut of_another = FactoryKeyRoot::new(key(4), DeviceId([7; 32]), WallTime::default(), None);
    assert_eq!(judge(&endorsed_by(&mut of_another, &binding(), &mut key(2))), Err(Refusal::OtherUeid));
}

#[test]
fn what_is_no_signed_message_with_a_payload_is_refused() {
    struct Bytes(Vec<u8>);
    impl RootOfTrust for Bytes {
        fn token(&mut self, _: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
            out[..self.0.len()].copy_from_slice(&self.0);
            Ok(self.0.len())
        }
    }
    let of = |token: &str| judge(&endorsed_by(&mut Bytes(hex::decode(token).unwrap()), &binding(), &mut key(2)));
    assert_eq!(of(""), Err(Refusal::TokenMalformed));
    assert_eq!(of("8443a10126a0414140"), Err(Refusal::TokenMalformed), "no tag");
    assert_eq!(of("d28443a10126a0f640"), Err(Refusal::TokenMalformed), "no payload");
    assert_eq!(of("d28444a1013822a0414140"), Err(Refusal::TokenAlgorithm), "ES384");
    assert_eq!(of("d28441a0a10126414140"), Err(Refusal::TokenAlgorithm), "not under the signature");
    assert_eq!(of("d28446a20126028104a0414140"), Err(Refusal::TokenAlgorithm), "crit");
    assert_eq!(of("d28443a10126a0414140"), Err(Refusal::Claim("at all")));
}

#[test]
fn every_reason_has_a_sentence_and_a_code_of_its_own() {
    use signature::SignatureError::{HighS, Invalid, Malformed};
    let (id, key) = (DeviceId([0; 32]), KeyId([0; 20]));
    let all = [
        Refusal::Format,
        Refusal::Version,
        Refusal::OtherDeployment { found: DEPLOYMENT, expected: DEPLOYMENT },
        Refusal::NonceUnknown,
        Refusal::NonceUsed,
        Refusal::NonceExpired,
        Refusal::OtherKid { found: [0; 4], expected: [0; 4] },
        Refusal::KeyNotOnCurve,
        Refusal::OtherKey { found: key, expected: key },
        Refusal::OtherStream { found: StreamId(0), expected: StreamId(0) },
        Refusal::TokenMalformed,
        Refusal::TokenAlgorithm,
        Refusal::Claim("ueid"),
        Refusal::UnknownProfile(String::new()),
        Refusal::UntrustedRoot(String::new()),
        Refusal::RootOfOtherDevice { trusted: id, found: id },
        Refusal::TokenSignature,
        Refusal::OtherNonce,
        Refusal::OtherUeid,
        Refusal::NotSecured(0),
        Refusal::OtherImplementation(Vec::new()),
        Refusal::StatementMalformed,
        Refusal::StatementNotFresh,
        Refusal::StatementOfOtherKey,
        Refusal::NotAKeyPair(0),
        Refusal::NotGenerated(0),
        Refusal::Possession(Malformed),
        Refusal::Possession(HighS),
        Refusal::Possession(Invalid),
    ];
    let codes: BTreeSet<u8> = all.iter().map(Refusal::exit_code).collect();
    let sentences: BTreeSet<String> = all.iter().map(Refusal::to_string).collect();
    assert_eq!((codes.len(), sentences.len()), (all.len(), all.len()));
    assert!(codes.iter().all(|code| *code >= 10));
    let page = include_str!("../../../docs/endorsement.md");
    for code in codes {
        assert!(page.contains(&format!("\n| {code} | ")), "docs/endorsement.md does not list {code}");
    }
}

#[test]
fn every_cose_vector_is_verified_by_its_key_and_no_other() {
    let text = include_str!("../../../component/tests/vectors/cose.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    let bytes = |value: &serde_json::Value| hex::decode(&value.as_str().unwrap()[2..]).unwrap();
    let mut ran = 0;
    for vector in file["vectors"].as_array().unwrap() {
        let alg = if vector["kind"] == "ES256" { Algorithm::Es256 } else { Algorithm::Es256k };
        let signed_by = signature::public_key(alg, &bytes(&vector["pub"])).unwrap();
        let other = match alg {
            Algorithm::Es256 => public(P256::new(1)),
            Algorithm::Es256k => public(key(1)),
        };
        let aad = bytes(&vector["external_aad"]);
        for form in ["cose_sign1_tagged", "cose_sign1_tagged_low_s"] {
            let message = Message::read(&bytes(&vector[form])).unwrap();
            assert!(message.is_signed_by(&signed_by, &aad), "{}", vector["id"]);
            assert!(!message.is_signed_by(&signed_by, b"another") && !message.is_signed_by(&other, &aad));
        }
        assert!(Message::read(&bytes(&vector["cose_sign1_untagged"])).is_err());
        ran += 1;
    }
    assert_eq!((ran, &file["count"]), (22, &serde_json::json!(22)));
}
