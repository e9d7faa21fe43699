// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The blocks that the link writes, byte for byte, to a chip that follows a script. Scenarios after ISO/IEC 7816-3
//! annex A.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, vec::Vec};

use embedded_hal::i2c::{ErrorKind, ErrorType, Operation};

use super::*;

/// What each written block must be, without its CRC, and what the chip then says; nothing when it stays silent.
type Script = Rc<RefCell<VecDeque<(Vec<u8>, Vec<u8>)>>>;

struct Chip {
    script: Script,
    saying: Vec<u8>,
}

struct Instantly;

impl DelayNs for Instantly {
    fn delay_ns(&mut self, _: u32) {}
}

impl ErrorType for Chip {
    type Error = ErrorKind;
}

impl I2c for Chip {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        assert_eq!(address, 0x48);
        for operation in operations {
            match operation {
                Operation::Write(block) => {
                    let (block, crc) = block.split_last_chunk::<2>().unwrap();
                    assert_eq!(crc16(&[block]).to_le_bytes(), *crc);
                    let (expected, answer) = self.script.borrow_mut().pop_front().expect("the script goes on");
                    assert_eq!(hex::encode(block), hex::encode(expected));
                    self.saying = answer;
                }
                Operation::Read(_) if self.saying.is_empty() => return Err(ErrorKind::Other),
                Operation::Read(into) => {
                    let bytes = into.len().min(self.saying.len());
                    into[..bytes].copy_from_slice(&self.saying[..bytes]);
                    into[bytes..].fill(0xff);
                    self.saying.drain(..bytes);
                }
            }
        }
        Ok(())
    }
}

/// A block from the chip: PCB and INF in hexadecimal.
fn says(block: &str) -> Vec<u8> {
    let bytes = hex::decode(block).unwrap();
    let mut block = std::vec![0xa5, bytes[0], u8::try_from(bytes.len() - 1).unwrap()];
    block.extend(&bytes[1..]);
    block.extend(crc16(&[&block]).to_le_bytes());
    block
}

/// One exchange of the command 01020304 in blocks of `information_bytes`; the response, which must be the script's end.
fn follow(information_bytes: u8, script: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, LinkError> {
    let script = script.iter().map(|(block, answer)| (hex::decode(block).unwrap(), answer.clone())).collect();
    let script = Rc::new(RefCell::new(script));
    let mut link = Link::new(Chip { script: script.clone(), saying: Vec::new() }, Instantly, 0x48, 400);
    link.atr.information_bytes = information_bytes;
    link.grant(10_000);
    let mut response = [0; 16];
    let result = link.exchange(&[1, 2, 3, 4], &mut response);
    assert!(script.borrow().is_empty(), "the link did not get to {:?}", script.borrow());
    result.map(|bytes| response[..bytes].to_vec())
}

#[test]
fn one_block_each_way() {
    assert_eq!(follow(254, &[("5a000401020304", says("009000"))]), Ok(std::vec![0x90, 0]));
}

#[test]
fn a_command_and_a_response_in_parts() {
    let script = [
        ("5a20020102", says("90")),
        ("5a40020304", says("20aabb")),
        ("5a9000", says("60cc")),
        ("5a8000", says("009000")),
    ];
    assert_eq!(follow(2, &script), Ok(std::vec![0xaa, 0xbb, 0xcc, 0x90, 0]));
}

#[test]
fn more_time_is_granted_with_the_multiple_that_was_asked_for() {
    let script = [("5a000401020304", says("c305")), ("5ae30105", says("c301")), ("5ae30101", says("009000"))];
    assert_eq!(follow(254, &script), Ok(std::vec![0x90, 0]));
}

#[test]
fn a_block_out_of_sequence_is_not_the_response() {
    // N(S) = 1 first: a response to another command. The link asks for N(S) = 0.
    let script = [("5a000401020304", says("409111")), ("5a8200", says("009000"))];
    assert_eq!(follow(254, &script), Ok(std::vec![0x90, 0]));
    // And in a chain, the same part twice.
    let script = [("5a000401020304", says("20aa")), ("5a9000", says("20aa")), ("5a9200", says("40bb"))];
    assert_eq!(follow(254, &script), Ok(std::vec![0xaa, 0xbb]));
}

#[test]
fn a_bad_checksum_is_complained_of_as_one_and_silence_as_something_else() {
    let mut garbled = says("009000");
    garbled[4] ^= 1;
    let script = [("5a000401020304", garbled), ("5a8100", says("009000"))];
    assert_eq!(follow(254, &script), Ok(std::vec![0x90, 0]));
    let script = [("5a000401020304", Vec::new()), ("5a8200", says("009000"))];
    assert_eq!(follow(254, &script), Ok(std::vec![0x90, 0]));
}

#[test]
fn a_block_the_chip_did_not_get_is_sent_again_and_no_other() {
    let script = [("5a000401020304", says("81")), ("5a000401020304", says("009000"))];
    assert_eq!(follow(254, &script), Ok(std::vec![0x90, 0]));
    let script = [
        // It awaits N(S) = 0 still.
        ("5a20020102", says("80")),
        ("5a20020102", says("90")),
        ("5a40020304", says("91")),
        // It awaits N(S) = 1, which is this one.
        ("5a40020304", says("009000")),
    ];
    assert_eq!(follow(2, &script), Ok(std::vec![0x90, 0]));
}

#[test]
fn after_four_complaints_both_sides_start_again() {
    let silence = Vec::new;
    let script = [
        ("5a000401020304", silence()),
        ("5a8200", silence()),
        ("5a8200", silence()),
        ("5a8200", silence()),
        ("5ac000", says("e0")),
    ];
    assert_eq!(follow(254, &script), Err(LinkError::Resynchronised));
    let mut script = script.to_vec();
    script.truncate(4);
    script.extend(std::iter::repeat_n(("5ac000", silence()), 3));
    assert_eq!(follow(254, &script), Err(LinkError::Broken));
}

#[test]
fn a_chip_that_wants_smaller_blocks_or_gives_up_is_heard() {
    let script = [("5a000401020304", says("c110")), ("5ae10110", says("009000"))];
    assert_eq!(follow(254, &script), Ok(std::vec![0x90, 0]));
    let script = [("5a000401020304", says("c2")), ("5ac000", says("e0"))];
    assert_eq!(follow(254, &script), Err(LinkError::Resynchronised));
}

#[test]
fn a_response_that_does_not_fit_is_refused_whole() {
    let script = [("5a000401020304", says(&"00".repeat(18)))];
    assert_eq!(follow(254, &script), Err(LinkError::TooLong));
}
