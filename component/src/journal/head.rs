// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stands before every entry's body, and what its checksum covers, as pure functions. Called by the log and by whoever
//! reads a flash image; touches no flash.

use super::{
    crc::{Crc32, crc8},
    entry::{Item, RECORD_PREFIX_MAX, Run, body, tag},
};
use crate::record::{PAYLOAD_LIMIT, StreamId};

/// Bytes of an entry before its body.
pub const HEAD_BYTES: usize = 8;

/// The first eight bytes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The entry's type.
    pub tag: u8,
    /// Bytes of its body.
    pub body: usize,
    /// Low byte of the number the record gets, or that the next record will get.
    pub low: u8,
    /// CRC-32 over stream and generation, in a copy its number and what its times are relative to, the head's first four bytes
    /// and the body.
    pub crc: u32,
}

/// What an entry's checksum and numbers depend on beside the entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The journal's stream.
    pub stream: StreamId,
    /// The sector's generation.
    pub generation: u32,
    /// What record times are relative to: the time in the sector's header, milliseconds.
    pub base_ms: u64,
    /// What the next copy is read by.
    pub run: Run,
}

impl Context {
    /// What times in an entry of type `tag` are relative to.
    #[must_use]
    pub const fn base_of(&self, tag: u8) -> u64 {
        if is_read_by_run(tag) { self.run.base_ms } else { self.base_ms }
    }
}

impl Head {
    /// Whether an entry of this type can be as long. One of 256 torn heads has a right CRC-8; few of them say a length that can be.
    #[must_use]
    pub const fn is_plausible(&self) -> bool {
        match self.tag {
            tag::RECORD | tag::COPY => self.body <= RECORD_PREFIX_MAX + PAYLOAD_LIMIT,
            tag::SEAL => self.body == body::SEAL,
            tag::SIGNATURE => self.body == body::SIGNATURE,
            tag::LEVEL => self.body == body::LEVEL || self.body == body::FINAL,
            tag::RELEASE => self.body == body::RELEASE,
            tag::SENDER_SEQUENCE => self.body == body::SENDER_SEQUENCE,
            tag::LOST => self.body == body::LOST,
            tag::CELL => self.body <= body::SPENDING,
            tag::MOVE => self.body == body::MOVING || self.body == body::MOVED,
            tag::RUN => self.body == body::RUN,
            tag::DISPLACED => self.body == body::DISPLACED,
            _ => false,
        }
    }

    /// The head of `item` with `payload` behind its body's beginning, and the CRC-32 over all of it.
    #[must_use]
    pub fn of(item: &Item, begin: &[u8], payload: &[u8], low: u8, context: &Context) -> Self {
        let mut head = Self { tag: item.tag(), body: begin.len() + payload.len(), low, crc: 0 };
        let mut crc = head.crc_start(context);
        crc.update(begin);
        crc.update(payload);
        head.crc = crc.value();
        head
    }

    fn first_half(&self) -> [u8; 4] {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "bodies are at most 4095 bytes, checked when the journal is made"
        )]
        let [low, high] = ((self.body as u16) << 4 | u16::from(self.tag)).to_le_bytes();
        [low, high, self.low, crc8(&[low, high, self.low])]
    }

    /// The CRC-32 before the body is taken in.
    pub(crate) fn crc_start(&self, context: &Context) -> Crc32 {
        let mut crc = Crc32::new();
        crc.update(&context.stream.0.to_le_bytes());
        crc.update(&context.generation.to_le_bytes());
        if is_read_by_run(self.tag) {
            // Its whole number, of which the head has the low byte.
            let Run { first, base_ms } = context.run;
            #[allow(clippy::cast_possible_truncation, reason = "the low byte is what is stored")]
            let ahead = self.low.wrapping_sub(first as u8);
            crc.update(&first.wrapping_add(u64::from(ahead)).to_le_bytes());
            crc.update(&base_ms.to_le_bytes());
        }
        crc.update(&self.first_half());
        crc
    }

    /// The head's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEAD_BYTES] {
        let [a, b, c, d] = self.first_half();
        let [e, f, g, h] = self.crc.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    /// Reads a head; `None` when its CRC-8 is wrong or it is of no type.
    #[must_use]
    pub fn decode(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let [low, high, seq, check, crc @ ..] = *bytes;
        let number = u16::from_le_bytes([low, high]);
        let tag = low & 15;
        let sound = check == crc8(&[low, high, seq]) && tag != 0 && tag != 15;
        sound.then_some(Self { tag, body: usize::from(number >> 4), low: seq, crc: u32::from_le_bytes(crc) })
    }
}

/// Whether an entry of type `tag` is read by the run before it.
const fn is_read_by_run(tag: u8) -> bool {
    matches!(tag, tag::COPY | tag::DISPLACED)
}
