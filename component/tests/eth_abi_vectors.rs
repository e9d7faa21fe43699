// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calldata against eth_abi.json, by itself and streamed through a transaction.

mod vector_files;

use cairn::{
    ledger::{
        Buffer, BufferTooSmall,
        abi::{Call, encode, encoded_length, selector},
        evm::{Address, Fees, Payload, Transaction},
        value::Value as Solidity,
    },
    word::Word,
};
use serde_json::Value;
use vector_files::{
    Family, array, bytes, list,
    solidity::{decimal, parameters, value},
    text,
};

#[test]
fn every_call_vector_is_encoded_the_same() {
    Family::load("eth_abi").run(|_| None, check).finish(&[("call", 12)], &[]);
}

fn check(vector: &Value) {
    let signature = text(&vector["signature"]);
    let types = parameters(signature);
    let arguments = list(&vector["args"]);
    assert_eq!(types.len(), arguments.len());
    let arguments: Vec<Solidity<'_>> =
        types.iter().zip(arguments).map(|(ty, argument)| value(ty, argument, &Value::Null)).collect();
    let calldata = bytes(&vector["calldata"]);

    assert_eq!(selector(signature), array(&vector["selector"]));
    let call = Call::new(selector(signature), &arguments).unwrap();
    assert_eq!(call.len(), calldata.len());
    let mut memory = [0; 4096];
    let mut buffer = Buffer::new(&mut memory);
    call.encode(&mut buffer);
    let length = buffer.finish().unwrap();
    assert_eq!(memory[..length], calldata);

    let mut buffer = Buffer::new(&mut memory);
    encode(&arguments, &mut buffer).unwrap();
    let length = buffer.finish().unwrap();
    assert_eq!(memory[..length], calldata[4..]);
    assert_eq!(encoded_length(&arguments), Ok(length));

    let mut buffer = Buffer::new(&mut memory[..calldata.len() - 1]);
    call.encode(&mut buffer);
    assert_eq!(buffer.finish(), Err(BufferTooSmall { needed: calldata.len() }));

    streamed_through_a_transaction(call, &calldata);
}

/// A call encoded on the way gives the same transaction as its bytes.
fn streamed_through_a_transaction(call: Call<'_>, calldata: &[u8]) {
    let fees = Fees::Eip1559 { max_priority_fee: Word::from(2_u8), max_fee: Word::from(3_u8) };
    let with =
        |data| Transaction { chain_id: 1, nonce: 0, gas: 1, to: Some(Address([1; 20])), value: Word::ZERO, data, fees };
    let (streamed, whole) = (with(Payload::Call(call)), with(Payload::Bytes(calldata)));
    assert_eq!(streamed.digest(), whole.digest());
}

#[test]
fn decimals_are_read_right_to_256_bits() {
    assert_eq!(decimal(&Value::from("258")), Word::from(258_u32));
    assert_eq!(decimal(&Value::from("-1")), Word([0xff; 32]));
    assert_eq!(decimal(&Value::from("-9223372036854775808")), Word::from(i64::MIN));
    let most = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    assert_eq!(decimal(&Value::from(most)), Word([0xff; 32]));
}
