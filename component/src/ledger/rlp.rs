// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Recursive Length Prefix, Ethereum's serialisation (Yellow Paper appendix B), written as a stream: a list is walked twice,
//! once for its length and once for its bytes. Called by transaction encoders; never reads RLP.

use super::{Length, Sink};
use crate::word::Word;

/// Payloads up to this length have their length in the first byte.
const SHORT: usize = 55;

/// Writes RLP items one after the other.
pub struct Rlp<'s> {
    sink: &'s mut dyn Sink,
}

impl<'s> Rlp<'s> {
    /// A writer into `sink`.
    pub fn new(sink: &'s mut dyn Sink) -> Self {
        Self { sink }
    }

    /// A byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        // A byte below 0x80 is its own encoding.
        if !matches!(bytes, [0..=0x7f]) {
            self.header(0x80, bytes.len());
        }
        self.sink.put(bytes);
    }

    /// A byte string of `length` bytes, not 1, that `write` writes.
    pub fn streamed(&mut self, length: usize, write: impl FnOnce(&mut dyn Sink)) {
        debug_assert_ne!(length, 1, "whether one byte has a header depends on the byte");
        self.header(0x80, length);
        write(self.sink);
    }

    /// An unsigned integer, without leading zeros.
    pub fn integer(&mut self, value: impl Into<Word>) {
        let word: Word = value.into();
        self.bytes(word.minimal());
    }

    /// A list of the items that `items` writes, each time the same.
    pub fn list(&mut self, items: impl Fn(&mut Rlp<'_>)) {
        let mut length = Length::default();
        items(&mut Rlp::new(&mut length));
        self.header(0xc0, length.0);
        items(self);
    }

    #[allow(clippy::cast_possible_truncation, reason = "at most 55, and a length has at most 8 bytes")]
    fn header(&mut self, base: u8, length: usize) {
        if length <= SHORT {
            self.sink.put(&[base + length as u8]);
        } else {
            let length = Word::from(length as u64);
            let bytes = length.minimal();
            self.sink.put(&[base + SHORT as u8 + bytes.len() as u8]);
            self.sink.put(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Buffer;

    fn encoded(write: impl Fn(&mut Rlp<'_>)) -> ([u8; 2048], usize) {
        let mut memory = [0; 2048];
        let mut buffer = Buffer::new(&mut memory);
        write(&mut Rlp::new(&mut buffer));
        let length = buffer.finish().unwrap();
        (memory, length)
    }

    /// The examples of <https://ethereum.org/en/developers/docs/data-structures-and-encoding/rlp/>.
    #[test]
    fn the_published_examples_are_reproduced() {
        let check = |write: &dyn Fn(&mut Rlp<'_>), expected: &[u8]| {
            let (memory, length) = encoded(write);
            assert_eq!(&memory[..length], expected);
        };
        check(&|rlp| rlp.bytes(b"dog"), &[0x83, b'd', b'o', b'g']);
        check(
            &|rlp| {
                rlp.list(|rlp| {
                    rlp.bytes(b"cat");
                    rlp.bytes(b"dog");
                });
            },
            &[0xc8, 0x83, b'c', b'a', b't', 0x83, b'd', b'o', b'g'],
        );
        check(&|rlp| rlp.bytes(b""), &[0x80]);
        check(&|rlp| rlp.list(|_| {}), &[0xc0]);
        check(&|rlp| rlp.integer(0_u64), &[0x80]);
        check(&|rlp| rlp.bytes(&[0]), &[0x00]);
        check(&|rlp| rlp.integer(15_u64), &[0x0f]);
        check(&|rlp| rlp.integer(1024_u64), &[0x82, 0x04, 0x00]);
        let three = |rlp: &mut Rlp<'_>| {
            rlp.list(|rlp| {
                rlp.list(|_| {});
                rlp.list(|rlp| rlp.list(|_| {}));
                rlp.list(|rlp| {
                    rlp.list(|_| {});
                    rlp.list(|rlp| rlp.list(|_| {}));
                });
            });
        };
        check(&three, &[0xc7, 0xc0, 0xc1, 0xc0, 0xc3, 0xc0, 0xc1, 0xc0]);
        let lorem = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit";
        let (memory, length) = encoded(|rlp| rlp.bytes(lorem));
        assert_eq!((&memory[..2], &memory[2..length]), (&[0xb8, 0x38][..], &lorem[..]));
    }

    #[test]
    fn lengths_around_every_header_boundary_are_written_right() {
        let zeros = [0; 1500];
        for (length, header) in [
            (2, &[0x82][..]),
            (55, &[0xb7]),
            (56, &[0xb8, 56]),
            (255, &[0xb8, 255]),
            (256, &[0xb9, 1, 0]),
            (1500, &[0xb9, 5, 0xdc]),
        ] {
            let (memory, total) = encoded(|rlp| rlp.bytes(&zeros[..length]));
            assert_eq!((&memory[..header.len()], total), (header, header.len() + length));
            let streamed = encoded(|rlp| rlp.streamed(length, |sink| sink.put(&zeros[..length])));
            assert_eq!(streamed, (memory, total));
        }
        for (byte, expected) in [(0x7f, &[0x7f][..]), (0x80, &[0x81, 0x80]), (0xff, &[0x81, 0xff])] {
            let (memory, length) = encoded(|rlp| rlp.bytes(&[byte]));
            assert_eq!(&memory[..length], expected);
        }
        let (memory, length) = encoded(|rlp| rlp.integer(Word([0xff; 32])));
        assert_eq!((memory[0], length), (0xa0, 33));
    }
}
