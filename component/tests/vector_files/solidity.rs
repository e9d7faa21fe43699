// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Values of Solidity types from the vectors' JSON. What it builds lives as long as the test program.
#![allow(dead_code, reason = "each test program uses the readers it needs")]

use cairn::{
    ledger::{
        eip712::{Field, StructType},
        value::Value as Solidity,
    },
    word::Word,
};
use serde_json::Value;

use super::{bytes, list, text};

fn leak<T>(values: Vec<T>) -> &'static [T] {
    Box::leak(values.into_boxed_slice())
}

/// A decimal integer of up to 256 bits, a negative one in two's complement.
pub(crate) fn decimal(value: &Value) -> Word {
    let text = text(value);
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let mut word = [0_u8; 32];
    for digit in digits.bytes() {
        let mut carry = u32::from(digit.checked_sub(b'0').filter(|digit| *digit < 10).expect("a digit"));
        for byte in word.iter_mut().rev() {
            let product = u32::from(*byte) * 10 + carry;
            *byte = product.to_le_bytes()[0];
            carry = product >> 8;
        }
        assert_eq!(carry, 0, "more than 256 bits: {text}");
    }
    if negative {
        let mut carry = true;
        for byte in word.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    Word(word)
}

/// The types between the parentheses of a function's signature without tuples.
pub(crate) fn parameters(signature: &str) -> Vec<&str> {
    let inner = signature.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).expect("a signature");
    assert!(!inner.contains('('), "tuples are not read here");
    if inner.is_empty() { Vec::new() } else { inner.split(',').collect() }
}

/// A value of type `ty`; `structs` are the struct types it may be of, by name, as EIP-712 JSON gives them.
pub(crate) fn value(ty: &str, json: &Value, structs: &Value) -> Solidity<'static> {
    if let Some((element, size)) = ty.strip_suffix(']').and_then(|ty| ty.rsplit_once('[')) {
        let items = leak(list(json).iter().map(|item| value(element, item, structs)).collect());
        if size.is_empty() {
            return Solidity::Array(items);
        }
        assert_eq!(size.parse(), Ok(items.len()));
        return Solidity::Tuple(items);
    }
    if let Some(fields) = structs.get(ty) {
        let member = |field: &Value| value(text(&field["type"]), &json[text(&field["name"])], structs);
        return Solidity::Tuple(leak(list(fields).iter().map(member).collect()));
    }
    match ty {
        "string" => Solidity::Bytes(leak(text(json).as_bytes().to_vec())),
        "bytes" => Solidity::Bytes(leak(bytes(json))),
        "bool" => Solidity::word(json.as_bool().expect("a bool")),
        "address" => Solidity::Word(Word::from_right(&bytes(json)).expect("20 bytes")),
        _ if ty.starts_with("bytes") => Solidity::Word(Word::from_left(&bytes(json)).expect("32 bytes")),
        _ if ty.contains("int") => Solidity::Word(decimal(json)),
        _ => panic!("unknown type {ty}"),
    }
}

/// The struct type `name` of EIP-712 JSON, with those it refers to.
pub(crate) fn struct_type(name: &'static str, structs: &'static Value) -> &'static StructType<'static> {
    let fields = list(&structs[name]).iter().map(|field| {
        let ty = text(&field["type"]);
        let base = ty.split('[').next().unwrap();
        Field { name: text(&field["name"]), ty, of: structs.get(base).map(|_| struct_type(base, structs)) }
    });
    Box::leak(Box::new(StructType { name, fields: leak(fields.collect()) }))
}
