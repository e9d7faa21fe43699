// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EIP-155 and EIP-1559 transactions against ethereum.json: what is signed, the signature, the raw transaction and its hash.

mod vector_files;

use cairn::{
    ledger::{
        Buffer, BufferTooSmall, Length,
        evm::{Address, Fees, Payload, Transaction, compact_signature, from_compact_signature, message_signature},
    },
    signer::{Signer as _, software::SoftwareSigner},
    word::Word,
};
use serde_json::Value;
use vector_files::{Family, array, bytes, number, solidity::decimal};

#[test]
fn every_transaction_vector_is_encoded_signed_and_hashed_the_same() {
    Family::load("ethereum").run(|_| None, check).finish(&[("eip1559", 29), ("legacy", 38)], &[]);
}

fn transaction<'t>(vector: &Value, data: &'t [u8]) -> Transaction<'t> {
    let tx = &vector["tx"];
    let fees = match vector["kind"].as_str() {
        Some("legacy") => Fees::Legacy { gas_price: decimal(&tx["gas_price"]) },
        Some("eip1559") => {
            Fees::Eip1559 { max_priority_fee: decimal(&tx["max_priority_fee"]), max_fee: decimal(&tx["max_fee"]) }
        }
        kind => panic!("unknown kind {kind:?}"),
    };
    Transaction {
        chain_id: number(&tx["chain_id"]),
        nonce: number(&tx["nonce"]),
        gas: number(&tx["gas"]),
        to: (!tx["to"].is_null()).then(|| Address(array(&tx["to"]))),
        value: decimal(&tx["value"]),
        data: Payload::Bytes(data),
        fees,
    }
}

fn check(vector: &Value) {
    let data = bytes(&vector["tx"]["data"]);
    let transaction = transaction(vector, &data);
    let mut memory = [0; 4096];
    let mut buffer = Buffer::new(&mut memory);
    transaction.encode_unsigned(&mut buffer);
    let length = buffer.finish().unwrap();
    assert_eq!(memory[..length], bytes(&vector["unsigned_payload"]));
    assert_eq!(transaction.digest().0, array(&vector["sighash"]));

    let mut signer = SoftwareSigner::new(&array(&vector["priv"])).unwrap();
    let key = signer.public_key().unwrap();
    assert_eq!(Address::from(key.key_id()).0, array(&vector["sender"]));
    let signature = signer.sign(&transaction.digest()).unwrap();
    assert_eq!(signature.0[..], [bytes(&vector["r"]), bytes(&vector["s"])].concat());
    let parity = key.y_parity(&transaction.digest(), &signature).unwrap();
    assert_eq!(parity as u8, number::<u8>(&vector["y_parity"]));
    assert_eq!(transaction.v(parity), decimal(&vector["v"]));

    let raw = bytes(&vector["raw"]);
    let length = transaction.write_signed(&signature, parity, &mut memory).unwrap();
    assert_eq!(memory[..length], raw);
    assert_eq!(transaction.hash(&signature, parity).0, array(&vector["tx_hash"]));

    let mut counted = Length::default();
    transaction.encode_signed(&signature, parity, &mut counted);
    assert_eq!(counted.0, raw.len());
    for short in [0, 1, raw.len() - 1] {
        let result = transaction.write_signed(&signature, parity, &mut memory[..short]);
        assert_eq!(result, Err(BufferTooSmall { needed: raw.len() }));
    }

    let compact = compact_signature(&signature, parity);
    assert_eq!(compact[32] >> 7, parity as u8);
    assert_eq!(from_compact_signature(&compact), (signature, parity));
    assert_eq!(message_signature(&signature, parity)[64], 27 + parity as u8);
}

/// The examples of EIP-2098.
#[test]
fn the_compact_signatures_of_eip_2098_are_reproduced() {
    let cases = [
        (
            "68a020a209d3d56c46f38cc50a33f704f4a9a10a59377f8dd762ac66910e9b90",
            "7e865ad05c4035ab5792787d4a0297a43617ae897930a6fe4d822b8faea52064",
            27,
            "7e865ad05c4035ab5792787d4a0297a43617ae897930a6fe4d822b8faea52064",
        ),
        (
            "9328da16089fcba9bececa81663203989f2df5fe1faa6291a45381c81bd17f76",
            "139c6d6b623b42da56557e5e734a43dc83345ddfadec52cbe24d0cc64f550793",
            28,
            "939c6d6b623b42da56557e5e734a43dc83345ddfadec52cbe24d0cc64f550793",
        ),
    ];
    for (r, s, v, parity_and_s) in cases {
        let compact: [u8; 64] = hex::decode(format!("{r}{parity_and_s}")).unwrap().try_into().unwrap();
        let (signature, parity) = from_compact_signature(&compact);
        assert_eq!(signature.0[..], hex::decode(format!("{r}{s}")).unwrap());
        assert_eq!(message_signature(&signature, parity)[64], v);
        assert_eq!(compact_signature(&signature, parity), compact);
    }
}

#[test]
fn the_largest_chain_id_has_a_v_and_the_largest_word_is_a_value() {
    let fees = Fees::Legacy { gas_price: Word([0xff; 32]) };
    let transaction = Transaction {
        chain_id: u64::MAX,
        nonce: u64::MAX,
        gas: u64::MAX,
        to: None,
        value: Word([0xff; 32]),
        data: Payload::Bytes(&[]),
        fees,
    };
    let expected = 35 + 2 * u128::from(u64::MAX) + 1;
    assert_eq!(transaction.v(cairn::signer::YParity::Odd), Word::from(expected));
    let mut length = Length::default();
    transaction.encode_unsigned(&mut length);
    // Header 2, three 8-byte integers with header, two words with header, empty `to` and data, two zeros.
    assert_eq!(length.0, 2 + 3 * 9 + 2 * 33 + 2 + 2);
}
