// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `personal_sign` and EIP-712 against eth_messages.json: type hashes, domains, digests and signatures. Also: an anchor hashed
//! through the general EIP-712 code is the commitment that anchors compute themselves.

mod vector_files;

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId},
    ledger::{
        eip712::{Domain, Field, StructType, digest},
        evm::{Address, message_signature, personal_digest},
        value::Value as Solidity,
    },
    merkle::Hash,
    record::{SequenceNumber, StreamId},
    signer::{Digest, Signer as _, software::SoftwareSigner},
    word::Word,
};
use serde_json::Value;
use vector_files::{
    Family, array, bytes, number,
    solidity::{struct_type, value},
    text,
};

#[test]
fn every_message_vector_is_hashed_and_signed_the_same() {
    Family::load("eth_messages").run(|_| None, check).finish(&[("eip712", 10), ("personal_sign", 8)], &[]);
}

fn check(vector: &Value) {
    let digest = match text(&vector["kind"]) {
        "personal_sign" => personal_digest(&bytes(&vector["message"])),
        "eip712" => typed_data(Box::leak(Box::new(vector.clone()))),
        kind => panic!("unknown kind {kind}"),
    };
    assert_eq!(digest.0, array(&vector["digest"]));

    let mut signer = SoftwareSigner::new(&array(&vector["priv"])).unwrap();
    let key = signer.public_key().unwrap();
    assert_eq!(Address::from(key.key_id()).0, array(&vector["signer"]));
    let signature = signer.sign(&digest).unwrap();
    let parity = key.y_parity(&digest, &signature).unwrap();
    assert_eq!(parity as u8, number::<u8>(&vector["y_parity"]));
    assert_eq!(message_signature(&signature, parity)[..], bytes(&vector["signature"]));
}

fn typed_data(vector: &'static Value) -> Digest {
    let domain = &vector["domain"];
    let present = |member: &str| domain.get(member);
    let domain = Domain {
        name: present("name").map(text),
        version: present("version").map(text),
        chain_id: present("chainId").map(number),
        verifying_contract: present("verifyingContract").map(|address| Address(array(address))),
        salt: present("salt").map(array),
    };
    assert_eq!(domain.separator(), array(&vector["domain_separator"]));

    let (types, primary) = (&vector["types"], text(&vector["primary_type"]));
    let Solidity::Tuple(members) = value(primary, &vector["message"], types) else { panic!("not a struct") };
    let hash = struct_type(primary, types).hash(members).unwrap();
    assert_eq!(hash, array(&vector["struct_hash"]));
    digest(&domain.separator(), &hash)
}

#[test]
fn an_anchor_hashes_like_any_other_typed_data() {
    const ANCHOR: StructType<'_> = StructType {
        name: "Anchor",
        fields: &[
            Field::new("stream", "uint64"),
            Field::new("batch", "uint32"),
            Field::new("firstSeq", "uint64"),
            Field::new("count", "uint32"),
            Field::new("sealedAt", "uint64"),
            Field::new("flags", "uint8"),
            Field::new("root", "bytes32"),
            Field::new("prev", "bytes32"),
        ],
    };
    let anchor = Anchor {
        stream: StreamId(u64::MAX),
        batch: BatchNumber(7),
        first_seq: SequenceNumber(1 << 40),
        count: 96,
        sealed_at: 1_764_668_009_515,
        flags: AnchorFlags(3),
        root: Hash([0xaa; 32]),
        prev: Commitment([0xbb; 32]),
    };
    let values = [
        Solidity::word(anchor.stream.0),
        Solidity::word(anchor.batch.0),
        Solidity::word(anchor.first_seq.0),
        Solidity::word(anchor.count),
        Solidity::word(anchor.sealed_at),
        Solidity::word(anchor.flags.0),
        Solidity::Word(Word(anchor.root.0)),
        Solidity::Word(Word(anchor.prev.0)),
    ];
    let deployment = DeploymentId([0xcc; 32]);
    let domain = Domain { name: Some("Cairn"), version: Some("1"), salt: Some(deployment.0), ..Domain::default() };
    assert_eq!(domain.separator(), deployment.domain_separator());
    let hash = ANCHOR.hash(&values).unwrap();
    assert_eq!(hash, anchor.commitment().0);
    assert_eq!(digest(&domain.separator(), &hash), anchor.commitment().digest(&deployment));
}
