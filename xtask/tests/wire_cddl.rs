// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the codecs write is what docs/wire.cddl says, for arbitrary values; and the CDDL is strict enough to refuse
//! what is not ours. The validator (crate cddl-cat) shares nothing with the codecs.

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId},
    cose::Sign1,
    endorsement::{
        Binding, Endorsement, FactoryKeyRoot, endorse, endorsement_max,
        factory_key::{FACTORY_TOKEN_MAX, Software},
    },
    factory::{AttestationKey, FACTORY_MAX, Factory},
    firmware::Firmware,
    merkle::Hash,
    power::urgent::Counted,
    record::{BatchKey, Kind, SequenceNumber, StreamId},
    rotation::Rotation as Says,
    signer::{
        Algorithm, Capabilities, DeviceId, Digest, PublicKey, Signature, Signer, SignerError,
        software::{P256Signer, SoftwareSigner},
    },
    time::{TimeQuality, WallTime},
    uplink::{DOWNLINK_MAX, Data, Downlink, Hints, Level, Uplink},
};
use cairn_evidence::{
    Evidence, EvidenceKey, Inclusion, OwnedRecord, Rotation, Route, TransactionRef, cbor, rotation::Told,
};
use cddl_cat::validate_cbor_bytes;
use proptest::{collection::vec, option, prelude::*};

const CDDL: &str = include_str!("../../docs/wire.cddl");

fn matches(rule: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    validate_cbor_bytes(rule, CDDL, bytes).map_err(|e| TestCaseError::fail(format!("{rule}: {e}; {bytes:02x?}")))
}

/// One past the end of numbers is refused by the codecs: keep the last number of a batch representable.
fn anchor() -> impl Strategy<Value = Anchor> {
    let numbers = (any::<u64>(), any::<u32>(), 0..u64::MAX / 2, 1..=u32::MAX, any::<u64>(), any::<u8>());
    (numbers, any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(
        |((stream, batch, first, count, sealed_at, flags), root, prev)| Anchor {
            stream: StreamId(stream),
            batch: BatchNumber(batch),
            first_seq: SequenceNumber(first),
            count,
            sealed_at,
            flags: AnchorFlags(flags),
            root: Hash(root),
            prev: Commitment(prev),
        },
    )
}

fn signature() -> impl Strategy<Value = Signature> {
    any::<[[u8; 32]; 2]>().prop_map(|halves| Signature(halves.concat().try_into().expect("64 bytes")))
}

fn path() -> impl Strategy<Value = Vec<Hash>> {
    vec(any::<[u8; 32]>().prop_map(Hash), 0..=32)
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![Just(Algorithm::Es256k), Just(Algorithm::Es256)]
}

fn record() -> impl Strategy<Value = OwnedRecord> {
    let quality = (0u8..4).prop_map(|number| TimeQuality::from_number(number).expect("0 to 3"));
    (any::<u64>(), any::<u64>(), quality, any::<u16>(), any::<[u8; 16]>(), vec(any::<u8>(), 0..=1024)).prop_map(
        |(seq, unix_ms, quality, kind, blind, payload)| OwnedRecord {
            seq: SequenceNumber(seq),
            time: WallTime { unix_ms, quality },
            kind: Kind(kind),
            blind,
            payload,
        },
    )
}

fn inclusion() -> impl Strategy<Value = Inclusion> {
    let route = prop_oneof![
        Just(Route::Direct),
        (any::<u32>(), any::<u32>(), path()).prop_map(|(index, leaves, path)| Route::Root { index, leaves, path })
    ];
    let transaction = (any::<[u8; 32]>(), any::<u64>(), any::<[u8; 32]>())
        .prop_map(|(hash, block_number, block_hash)| TransactionRef { hash, block_number, block_hash });
    (any::<u64>(), any::<[u8; 20]>(), route, transaction)
        .prop_map(|(chain_id, contract, route, transaction)| Inclusion { chain_id, contract, route, transaction })
}

/// What a rotation record says; the proof is a signature's bytes.
fn rotation_says() -> impl Strategy<Value = Says> {
    (any::<[u8; 32]>(), algorithm(), 1u8..=3, signature()).prop_map(|(device, alg, secret, proof)| Says {
        device: DeviceId(device),
        key: Key::new(alg, secret).public_key().expect("a key"),
        proof,
    })
}

fn rotation() -> impl Strategy<Value = Rotation> {
    (record(), rotation_says(), path(), anchor(), signature()).prop_map(|(record, says, path, anchor, signature)| {
        let record = OwnedRecord { kind: Kind::ROTATION, payload: says.payload().to_vec(), ..record };
        Rotation { record: cbor::record_bytes(&record), path, anchor: cbor::anchor_bytes(&anchor), signature }
    })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let key = (algorithm(), any::<[u8; 32]>(), 2u8..=3).prop_map(|(alg, x, sign)| EvidenceKey {
        alg,
        public_key: [&[sign][..], &x].concat().try_into().expect("33 bytes"),
    });
    let tail = (key, vec(rotation(), 0..3), option::of(inclusion()));
    (any::<[u8; 32]>(), record(), path(), anchor(), signature(), tail).prop_map(
        |(deployment, record, path, anchor, signature, (key, rotations, inclusion))| Evidence {
            deployment: DeploymentId(deployment),
            record,
            path,
            anchor,
            signature,
            key,
            rotations,
            inclusion,
        },
    )
}

/// Written images: a factory holds secrets and cannot be printed.
fn factory() -> impl Strategy<Value = Vec<u8>> {
    let secrets = (option::of(any::<[u8; 32]>()), any::<[u8; 32]>(), any::<[u8; 32]>());
    let attestation = option::of((algorithm(), any::<[u8; 32]>()));
    (algorithm(), secrets, any::<[u8; 4]>(), any::<[u8; 16]>(), any::<(u32, u16)>(), attestation).prop_map(
        |(alg, (private_key, blind_secret, deployment), kid, master_secret, (ip, port), attestation)| {
            let relay = std::net::SocketAddrV4::new(ip.into(), port);
            let attestation = attestation.map(|(alg, private_key)| AttestationKey { alg, private_key });
            let factory =
                Factory { alg, private_key, blind_secret, deployment, kid, master_secret, relay, attestation };
            let mut out = vec![0; FACTORY_MAX];
            let length = factory.encode(&mut out).expect("room");
            out.truncate(length);
            out
        },
    )
}

/// A key of either algorithm.
enum Key {
    Es256k(SoftwareSigner),
    Es256(P256Signer),
}

impl Key {
    fn new(alg: Algorithm, secret: u8) -> Self {
        match alg {
            Algorithm::Es256k => Self::Es256k(SoftwareSigner::new(&[secret; 32]).expect("a key")),
            Algorithm::Es256 => Self::Es256(P256Signer::new(&[secret; 32]).expect("a key")),
        }
    }
}

impl Signer for Key {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        match self {
            Self::Es256k(key) => key.public_key(),
            Self::Es256(key) => key.public_key(),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        match self {
            Self::Es256k(key) => key.sign(digest),
            Self::Es256(key) => key.sign(digest),
        }
    }
}

proptest! {
    #[test]
    fn endorsements_match_the_cddl(
        (deployment, nonce, stream, kid) in any::<([u8; 32], [u8; 32], u64, [u8; 4])>(),
        keys in [algorithm(), algorithm()],
        (unix_ms, quality) in (any::<u64>(), 0u8..4),
        names in option::of(("[a-z]{0,32}", "[0-9.]{0,32}")),
    ) {
        let (mut ledger, attestation) = (Key::new(keys[0], 1), Key::new(keys[1], 2));
        let binding = Binding {
            nonce,
            key: ledger.public_key().expect("a key"),
            stream: StreamId(stream),
            kid,
            deployment: DeploymentId(deployment),
        };
        let now = WallTime { unix_ms, quality: TimeQuality::from_number(quality).expect("0 to 3") };
        let software = names.as_ref().map(|(name, version)| Software { name, version });
        let mut root = FactoryKeyRoot::new(attestation, binding.key.device_id(), now, software);
        let mut out = [0; endorsement_max(FACTORY_TOKEN_MAX)];
        let length = endorse(&binding, &mut root, &mut ledger, &mut out).expect("room");
        let bytes = &out[..length];
        matches("endorsement", bytes)?;
        let token = Endorsement::decode(bytes).expect("an endorsement").token;
        prop_assert_eq!(token[0], 0xd2, "tag 18");
        matches("factoryToken", &token[1..])?;
        prop_assert_eq!(token[1..3].to_vec(), vec![0x84, 0x58]);
        matches("factoryHeaders", &token[4..4 + usize::from(token[3])])?;
        matches("factoryClaims", Sign1::decode(token).expect("a message").payload)?;
    }

    #[test]
    fn uplinks_match_the_cddl(
        anchor in anchor(),
        signature in signature(),
        records in vec(any::<u8>(), 0..600),
        key in any::<[u8; 32]>(),
        shape in 0..3,
    ) {
        let data = match shape {
            0 => None,
            1 => Some(Data::Records { records: &records, key: BatchKey::new(key) }),
            _ => Some(Data::Encrypted(&records)),
        };
        let mut out = [0; 1024];
        let length = Uplink { anchor, signature, data }.encode(&mut out).expect("room");
        matches("uplink", &out[..length])?;
    }

    #[test]
    fn downlinks_match_the_cddl(
        numbers in any::<(u64, u32)>(),
        commitment in any::<[u8; 16]>(),
        final_through in option::of(any::<u32>()),
        hints in (option::of(any::<u32>()), option::of(any::<u64>()), option::of(any::<[u8; 32]>())),
        level in prop_oneof![Just(Level::Stored), Just(Level::Included), Just(Level::Final)],
    ) {
        let downlink = Downlink {
            level,
            stream: StreamId(numbers.0),
            batch: BatchNumber(numbers.1),
            commitment,
            final_through: final_through.map(BatchNumber),
            hints: Hints { included_through: hints.0.map(BatchNumber), unix_ms: hints.1, block_hash: hints.2 },
        };
        let mut out = [0; DOWNLINK_MAX];
        let length = downlink.encode(&mut out).expect("room");
        matches("downlink", &out[..length])?;
    }

    #[test]
    fn evidence_matches_the_cddl(evidence in evidence()) {
        matches("evidence", &cbor::encode(&evidence))?;
        for rotation in &evidence.rotations {
            matches("record", &rotation.record)?;
            matches("anchor", &rotation.anchor)?;
            let told = Told::read(rotation).expect("it was just written");
            matches("rotationPayload", &told.record.payload)?;
        }
    }

    #[test]
    fn firmware_payloads_match_the_cddl(version in "[ -~]{1,24}", hash in any::<[u8; 32]>(), slot in any::<u8>()) {
        let firmware = Firmware::new(version.as_bytes(), hash, slot).expect("a version");
        matches("firmwarePayload", &firmware.payload())?;
    }

    #[test]
    fn counts_of_urgent_records_match_the_cddl(
        kind in option::of(any::<u16>()), count in 1..=u16::MAX, since_s in any::<u32>(),
    ) {
        let payload = Counted { kind: kind.map(Kind), count, since_s }.payload();
        matches("countedPayload", &payload)?;
        prop_assert!(matches("lossPayload", &payload).is_err());
    }

    #[test]
    fn factory_images_match_the_cddl(image in factory()) {
        prop_assert_eq!(&image[..4], b"CAIR");
        let body = usize::from(u16::from_be_bytes([image[4], image[5]]));
        prop_assert_eq!(image.len(), 4 + 2 + body + 4);
        matches("factory", &image[6..6 + body])?;
    }
}

/// A chip's token is made by the driver and the simulated chip.
#[test]
fn tokens_of_secure_elements_match_the_cddl() {
    use cairn::{
        endorsement::{RootOfTrust as _, SecureElementRoot, secure_element::SE050_TOKEN_MAX},
        ports::{Entropy, NoEntropy},
        signer::{
            se050::{AlwaysOn, NXP_ATTESTATION_KEY, ObjectId, Se050, Settings},
            software::Secp256k1,
        },
    };
    struct Unasked;
    impl Entropy for Unasked {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), NoEntropy> {
            Err(NoEntropy)
        }
    }
    let mut chip = cairn_se_sim::Chip::new(cairn_se_sim::Options::default());
    chip.power(true);
    let board = cairn_se_sim::Board::new(chip);
    let settings = Settings::new(ObjectId(0x2000_0001));
    let (bus, clock) = (board.bus(settings.address), board.clock());
    let driver: Se050<Secp256k1, _, _, _, _> = Se050::new(bus, clock, AlwaysOn, Unasked, None, settings);
    let chip = std::cell::RefCell::new(driver);
    chip.borrow_mut().provision().expect("a key");
    let mut out = [0; SE050_TOKEN_MAX];
    let length = SecureElementRoot::new(&chip, NXP_ATTESTATION_KEY).token(&[7; 32], &mut out).expect("a token");
    assert_eq!(out[..3], [0xd9, 0x02, 0x59], "tag 601");
    matches("chipToken", &out[3..length]).expect("as the CDDL says");
}

/// Without this a CDDL of `any` would pass.
#[test]
fn the_cddl_refuses_other_lengths_types_and_fields() {
    let mut out = [0; DOWNLINK_MAX];
    let downlink = Downlink {
        level: Level::Stored,
        stream: StreamId(1),
        batch: BatchNumber(2),
        commitment: [3; 16],
        final_through: None,
        hints: Hints::default(),
    };
    let length = downlink.encode(&mut out).expect("room");
    let good = &out[..length];
    assert!(validate_cbor_bytes("downlink", CDDL, good).is_ok());
    for rule in [
        "uplink",
        "evidence",
        "record",
        "anchor",
        "rotation",
        "rotationPayload",
        "lossPayload",
        "countedPayload",
        "firmwarePayload",
        "factory",
        "endorsement",
        "factoryToken",
        "factoryClaims",
        "chipToken",
    ] {
        assert!(validate_cbor_bytes(rule, CDDL, good).is_err(), "a downlink is no {rule}");
    }
    // [level, stream, batch, commitment, null, {}]
    let with = |at: usize, bytes: &[u8], instead_of: usize| [&good[..at], bytes, &good[at + instead_of..]].concat();
    for (what, bytes) in [
        ("level 4", with(1, &[4], 1)),
        ("a text as stream", with(2, &[0x61, b'a'], 1)),
        ("a batch above 32 bits", with(3, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0], 1)),
        ("15 bytes of commitment", with(4, &[0x4f], 2)),
        ("false for null", with(length - 2, &[0xf4], 1)),
        ("a list of hints", with(length - 1, &[0x80], 1)),
        ("a seventh field", [&[0x87], &good[1..], &[0]].concat()),
    ] {
        assert!(validate_cbor_bytes("downlink", CDDL, &bytes).is_err(), "{what} is taken: {bytes:02x?}");
    }
}
