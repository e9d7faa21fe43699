// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The contract ABI (Solidity documentation, "Contract ABI Specification"), written as a stream: heads with offsets, then tails.
//! Called by transaction encoders; never decodes.

use core::slice::{Iter, from_ref};

use super::{
    Sink,
    value::{MAX_NESTING, TooDeep, Value, Walk},
};
use crate::{keccak::keccak256, word::Word};

const WORD_BYTES: usize = 32;

/// The first four bytes of the hash of a function's canonical signature, such as `transfer(address,uint256)`.
#[must_use]
pub fn selector(signature: &str) -> [u8; 4] {
    let [a, b, c, d, ..] = keccak256(&[signature.as_bytes()]);
    [a, b, c, d]
}

/// A call of a contract's function.
#[derive(Clone, Copy, Debug)]
pub struct Call<'v> {
    selector: [u8; 4],
    arguments: &'v [Value<'v>],
    length: usize,
}

impl<'v> Call<'v> {
    /// A call of the function with `selector`, whose parameter types the arguments must have: nobody checks that here.
    ///
    /// # Errors
    /// [`TooDeep`] when the arguments nest deeper than [`MAX_NESTING`].
    pub fn new(selector: [u8; 4], arguments: &'v [Value<'v>]) -> Result<Self, TooDeep> {
        Ok(Self { selector, arguments, length: selector.len() + encoded_length(arguments)? })
    }

    /// Bytes of the calldata.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a call has at least its selector")]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Writes the calldata.
    pub fn encode(&self, sink: &mut dyn Sink) {
        sink.put(&self.selector);
        // The depth was checked when the call was made.
        let _ = encode(self.arguments, sink);
    }
}

/// Writes `values` as the arguments of a function: `abi.encode(...)`.
///
/// # Errors
/// [`TooDeep`] when they nest deeper than [`MAX_NESTING`]; what was written is then not to be used.
pub fn encode<'v>(values: &'v [Value<'v>], sink: &mut dyn Sink) -> Result<(), TooDeep> {
    // The tails still to be written: a tail lies in the tail of the value around it.
    let mut levels = heapless::Vec::<Iter<'v, Value<'v>>, MAX_NESTING>::new();
    encode_heads(values, sink)?;
    levels.push(values.iter()).map_err(|_| TooDeep)?;
    while let Some(level) = levels.last_mut() {
        let Some(value) = level.next() else {
            levels.pop();
            continue;
        };
        let items = match value {
            Value::Bytes(bytes) => {
                encode_bytes(bytes, sink);
                continue;
            }
            Value::Array(items) => {
                put_length(items.len(), sink);
                items
            }
            Value::Tuple(items) if is_dynamic(value)? => items,
            Value::Tuple(_) | Value::Word(_) => continue,
        };
        if !items.is_empty() {
            encode_heads(items, sink)?;
            levels.push(items.iter()).map_err(|_| TooDeep)?;
        }
    }
    Ok(())
}

/// Length of what [`encode`] writes, in bytes.
///
/// # Errors
/// As [`encode`].
pub fn encoded_length(values: &[Value<'_>]) -> Result<usize, TooDeep> {
    let mut length = 0;
    let mut walk = Walk::new(values);
    while let Some(value) = walk.next()? {
        // An offset, unless the value stands in its head; what lies within a tuple or array comes by itself.
        length += match value {
            Value::Word(_) => WORD_BYTES,
            Value::Bytes(bytes) => 2 * WORD_BYTES + bytes.len().next_multiple_of(WORD_BYTES),
            Value::Array(_) => 2 * WORD_BYTES,
            Value::Tuple(_) if is_dynamic(value)? => WORD_BYTES,
            Value::Tuple(_) => 0,
        };
    }
    Ok(length)
}

/// Whether the value stands in the tail, with an offset in its head.
fn is_dynamic(value: &Value<'_>) -> Result<bool, TooDeep> {
    let mut walk = Walk::new(from_ref(value));
    while let Some(value) = walk.next()? {
        if matches!(value, Value::Bytes(_) | Value::Array(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Bytes a value takes in the tail, or in the head when it is static.
fn length_in_place(value: &Value<'_>) -> Result<usize, TooDeep> {
    let offset = if is_dynamic(value)? { WORD_BYTES } else { 0 };
    Ok(encoded_length(from_ref(value))? - offset)
}

fn encode_heads(values: &[Value<'_>], sink: &mut dyn Sink) -> Result<(), TooDeep> {
    let mut offset = 0;
    for value in values {
        offset += if is_dynamic(value)? { WORD_BYTES } else { length_in_place(value)? };
    }
    for value in values {
        if is_dynamic(value)? {
            put_length(offset, sink);
            offset += length_in_place(value)?;
        } else {
            encode_static(value, sink)?;
        }
    }
    Ok(())
}

fn encode_static(value: &Value<'_>, sink: &mut dyn Sink) -> Result<(), TooDeep> {
    let mut walk = Walk::new(from_ref(value));
    while let Some(value) = walk.next()? {
        if let Value::Word(word) = value {
            sink.put(&word.0);
        }
    }
    Ok(())
}

fn encode_bytes(bytes: &[u8], sink: &mut dyn Sink) {
    put_length(bytes.len(), sink);
    sink.put(bytes);
    let padding = bytes.len().next_multiple_of(WORD_BYTES) - bytes.len();
    sink.put(Word::ZERO.0.get(..padding).unwrap_or_default());
}

fn put_length(length: usize, sink: &mut dyn Sink) {
    sink.put(&Word::from(length as u64).0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Buffer;

    fn calldata(signature: &str, arguments: &[Value<'_>]) -> ([u8; 1024], usize) {
        let call = Call::new(selector(signature), arguments).unwrap();
        let mut memory = [0; 1024];
        let mut buffer = Buffer::new(&mut memory);
        call.encode(&mut buffer);
        let length = buffer.finish().unwrap();
        assert_eq!(length, call.len());
        (memory, length)
    }

    /// `expected`: words as numbers, or as text padded on the right.
    fn check(signature: &str, arguments: &[Value<'_>], expected_selector: [u8; 4], expected: &[Expected]) {
        let (memory, length) = calldata(signature, arguments);
        assert_eq!(memory[..4], expected_selector);
        assert_eq!((length - 4) / WORD_BYTES, expected.len());
        for (index, (word, expected)) in memory[4..length].chunks(WORD_BYTES).zip(expected).enumerate() {
            let expected = match expected {
                Expected::Number(number) => Word::from(*number),
                Expected::Text(text) => Word::from_left(text.as_bytes()).unwrap(),
            };
            assert_eq!(word, expected.0, "word {index}");
        }
    }

    enum Expected {
        Number(u64),
        Text(&'static str),
    }
    use Expected::{Number as N, Text as T};

    /// The worked examples of the Solidity documentation, "Contract ABI Specification".
    #[test]
    fn the_examples_of_the_specification_are_reproduced() {
        let numbers = [Value::word(0x456_u32), Value::word(0x789_u32)];
        let arguments = [
            Value::word(0x123_u32),
            Value::Array(&numbers),
            Value::Word(Word::from_left(b"1234567890").unwrap()),
            Value::Bytes(b"Hello, world!"),
        ];
        let expected =
            [N(0x123), N(0x80), T("1234567890"), N(0xe0), N(2), N(0x456), N(0x789), N(13), T("Hello, world!")];
        check("f(uint256,uint32[],bytes10,bytes)", &arguments, [0x8b, 0xe6, 0x52, 0x46], &expected);

        let (first, second) = ([Value::word(1_u8), Value::word(2_u8)], [Value::word(3_u8)]);
        let arguments = [
            Value::Array(&[Value::Array(&first), Value::Array(&second)]),
            Value::Array(&[Value::Bytes(b"one"), Value::Bytes(b"two"), Value::Bytes(b"three")]),
        ];
        #[rustfmt::skip]
        let expected = [
            N(0x40), N(0x140),
            N(2), N(0x40), N(0xa0), N(2), N(1), N(2), N(1), N(3),
            N(3), N(0x60), N(0xa0), N(0xe0), N(3), T("one"), N(3), T("two"), N(5), T("three"),
        ];
        check("g(uint256[][],string[])", &arguments, [0x22, 0x89, 0xb1, 0x8c], &expected);

        let pair = [Value::Word(Word::from_left(b"abc").unwrap()), Value::Word(Word::from_left(b"def").unwrap())];
        check("bar(bytes3[2])", &[Value::Tuple(&pair)], [0xfc, 0xe3, 0x53, 0xf6], &[T("abc"), T("def")]);
    }

    #[test]
    fn a_static_tuple_stands_in_the_head_and_a_dynamic_one_in_the_tail() {
        let flat = [Value::word(1_u8), Value::Tuple(&[Value::word(2_u8), Value::word(3_u8)])];
        let noted = [Value::word(4_u8), Value::Bytes(b"note")];
        let arguments = [Value::Tuple(&flat), Value::Tuple(&noted), Value::word(5_u8)];
        let expected = [N(1), N(2), N(3), N(0xa0), N(5), N(4), N(0x40), N(4), T("note")];
        let signature = "h((uint256,(uint256,uint256)),(uint256,string),uint256)";
        check(signature, &arguments, selector(signature), &expected);
    }

    #[test]
    fn nesting_to_the_limit_is_encoded_and_one_more_is_refused() {
        let one = [Value::word(1_u8)];
        let two = [Value::Array(&one)];
        let three = [Value::Array(&two)];
        let four = [Value::Array(&three)];
        let five = [Value::Array(&four)];
        let six = [Value::Array(&five)];
        assert_eq!(MAX_NESTING, 5);
        let expected = [N(0x20), N(1), N(0x20), N(1), N(0x20), N(1), N(0x20), N(1), N(1)];
        check("deep(uint256[][][][])", &five, selector("deep(uint256[][][][])"), &expected);
        assert_eq!(Call::new([0; 4], &six).err(), Some(TooDeep));
        assert_eq!(encode(&six, &mut crate::keccak::Keccak::new()), Err(TooDeep));
        // An array without items opens no level.
        let empty = [Value::Array(&[Value::Array(&[Value::Array(&[Value::Array(&[Value::Array(&[])])])])])];
        let expected = [N(0x20), N(1), N(0x20), N(1), N(0x20), N(1), N(0x20), N(1), N(0x20), N(0)];
        check("empty(uint256[][][][][])", &empty, selector("empty(uint256[][][][][])"), &expected);
    }
}
