// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two forms of evidence on arbitrary values and on rubbish.

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId},
    merkle::Hash,
    record::{Kind, SequenceNumber, StreamId},
    signer::{Algorithm, Signature},
    time::{TimeQuality, WallTime},
};
use cairn_evidence::{
    Evidence, EvidenceKey, Inclusion, OwnedRecord, Rotation, Route, TransactionRef,
    cbor::{self, FormatError},
    json, read,
};
use proptest::{collection::vec, option, prelude::*, strategy::ValueTree as _};

fn signature() -> impl Strategy<Value = Signature> {
    vec(any::<u8>(), 64).prop_map(|bytes| Signature(bytes.try_into().unwrap()))
}

fn path() -> impl Strategy<Value = Vec<Hash>> {
    vec(any::<[u8; 32]>().prop_map(Hash), 0..=32)
}

fn record() -> impl Strategy<Value = OwnedRecord> {
    let quality = (0u8..4).prop_map(|number| TimeQuality::from_number(number).unwrap());
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

fn anchor() -> impl Strategy<Value = Anchor> {
    let numbers = (any::<u64>(), any::<u32>(), any::<u64>(), any::<u32>(), any::<u64>(), any::<u8>());
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

fn key() -> impl Strategy<Value = EvidenceKey> {
    (any::<bool>(), vec(any::<u8>(), 33)).prop_map(|(es256, bytes)| EvidenceKey {
        alg: if es256 { Algorithm::Es256 } else { Algorithm::Es256k },
        public_key: bytes.try_into().unwrap(),
    })
}

fn rotation() -> impl Strategy<Value = Rotation> {
    (vec(any::<u8>(), 0..=200), path(), vec(any::<u8>(), 0..=200), signature())
        .prop_map(|(record, path, anchor, signature)| Rotation { record, path, anchor, signature })
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

fn evidence() -> impl Strategy<Value = Evidence> {
    let tail = (key(), vec(rotation(), 0..3), option::of(inclusion()));
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

proptest! {
    #[test]
    fn both_forms_read_back(evidence in evidence()) {
        let file = cbor::encode(&evidence);
        prop_assert_eq!(read(&file), Ok(evidence.clone()));
        prop_assert_eq!(read(json::to_json(&evidence).as_bytes()), Ok(evidence));
    }

    #[test]
    fn no_prefix_and_no_longer_file_is_taken(evidence in evidence(), cut in any::<prop::sample::Index>(), more in any::<u8>()) {
        let mut file = cbor::encode(&evidence);
        prop_assert!(cbor::decode(&file[..cut.index(file.len())]).is_err());
        file.push(more);
        prop_assert_eq!(cbor::decode(&file), Err(FormatError::Trailing));
    }

    #[test]
    fn what_is_taken_is_what_would_be_written(evidence in evidence(), places in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut file = cbor::encode(&evidence);
        for (place, byte) in places {
            let place = place.index(file.len());
            file[place] = byte;
        }
        if let Ok(found) = cbor::decode(&file) {
            prop_assert_eq!(cbor::encode(&found), file);
        }
    }

    #[test]
    fn rubbish_is_refused_without_panic(bytes in vec(any::<u8>(), 0..2000), brace in any::<bool>()) {
        let mut bytes = bytes;
        if brace {
            bytes.insert(0, b'{');
        }
        prop_assert!(read(&bytes).is_err());
    }
}

#[test]
fn a_later_version_is_told_apart_from_rubbish() {
    assert_eq!(cbor::decode(&[0x82, 0x02, 0x00]), Err(FormatError::Version(2)));
    assert_eq!(cbor::decode(&[]), Err(FormatError::Shape(0)));
    assert_eq!(cbor::decode(&vec![0x89; cbor::MAX_FILE_BYTES + 1]), Err(FormatError::TooLong));
}

#[test]
fn a_longer_encoding_of_the_same_number_is_refused() {
    let mut file = vec![0x89, 0x18, 0x01];
    file.extend(std::iter::repeat_n(0, 40));
    assert!(cbor::decode(&file).is_err());
}

#[test]
fn json_with_an_unknown_field_or_a_number_for_a_string_is_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let evidence = evidence().new_tree(&mut runner).unwrap().current();
    let text = json::to_json(&evidence);
    let more = text.replacen('{', "{\"note\": 1,", 1);
    let number = text.replacen("\"seq\": \"", "\"seq\": ", 1).replacen("\",\n    \"time\"", ",\n    \"time\"", 1);
    assert_ne!(number, text);
    for spoiled in [more, number, text.replace("0x", "")] {
        assert!(matches!(read(spoiled.as_bytes()), Err(FormatError::Json(_))), "{spoiled}");
    }
}
