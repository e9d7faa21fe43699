// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the application submits, and the leaf it becomes. Called by the journal, the batch and by verifiers; never does I/O.

use minicbor::{Encoder, encode::Write};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    merkle::Hash,
    sha256::{Digest as _, Sha256, hkdf, hmac},
    time::WallTime,
};

/// Largest payload of any record, in bytes. A build may lower it.
pub const PAYLOAD_LIMIT: usize = 1024;

/// Bytes of a blind.
pub const BLIND_BYTES: usize = 16;

/// A number given when a record is journaled; never reused, never skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub u64);

impl SequenceNumber {
    /// The number after this one, saturating: a journal that writes a billion records a second for 500 years does not get
    /// there, bytes from outside may.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// 64 random bits drawn when a journal is formatted. (key, stream, batch) names a batch for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// What a record is about. Numbers below 64 are Cairn's, from 64 the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

impl Kind {
    /// Record 0 of a stream: who the device is.
    pub const IDENTITY: Self = Self(0);
    /// A meter reading.
    pub const READING: Self = Self(1);
    /// Something that happened: a door opened, a lid was lifted.
    pub const EVENT: Self = Self(2);
    /// A firmware image was confirmed.
    pub const FIRMWARE: Self = Self(3);
    /// The wall clock stepped: payload `[old, new, source, recent block hash or null]`.
    pub const CLOCK_STEP: Self = Self(4);
    /// Records of an already sealed batch were lost: names the range.
    pub const LOSS: Self = Self(5);
    /// The device's key changes.
    pub const ROTATION: Self = Self(6);
    /// A payment intent.
    pub const PAYMENT: Self = Self(7);
    /// First kind number that is the application's own.
    pub const FIRST_APPLICATION: Self = Self(64);

    /// What this kind is called; `None` for numbers that nobody has given out yet.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::IDENTITY => "identity",
            Self::READING => "reading",
            Self::EVENT => "event",
            Self::FIRMWARE => "firmware",
            Self::CLOCK_STEP => "clock step",
            Self::LOSS => "loss",
            Self::ROTATION => "rotation",
            Self::PAYMENT => "payment",
            kind if kind.0 >= Self::FIRST_APPLICATION.0 => "the application's own",
            _ => return None,
        })
    }

    /// Whether an application may submit this kind: readings, events, and its own.
    #[must_use]
    pub const fn is_submittable(self) -> bool {
        matches!(self, Self::READING | Self::EVENT) || self.0 >= Self::FIRST_APPLICATION.0
    }
}

/// How long a record may wait. It is not part of the leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// Days: logs, statistics.
    Bulk = 0,
    /// Hours: readings.
    #[default]
    Routine = 1,
    /// Seconds: tampering, a door forced.
    Urgent = 2,
}

impl Priority {
    /// The priority with number `number`, or `None` when there is no such priority.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Bulk,
            1 => Self::Routine,
            2 => Self::Urgent,
            _ => return None,
        })
    }
}

/// Why a record that had a sequence number has no content. The numbers are in leaves: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LossReason(pub u16);

impl LossReason {
    /// The entry in flash failed its checksum.
    pub const DAMAGED: Self = Self(1);
    /// The journal was full and an urgent record took its place.
    pub const DISPLACED: Self = Self(2);
    /// More urgent records of a kind came than are taken: they were counted, and had no sequence numbers. No leaf says this.
    pub const COALESCED: Self = Self(3);
}

/// A journaled record: everything its leaf says except the blind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the stream.
    pub seq: SequenceNumber,
    /// When it was submitted.
    pub time: WallTime,
    /// What it is about.
    pub kind: Kind,
    /// The application's bytes, at most [`PAYLOAD_LIMIT`].
    pub payload: &'a [u8],
}

/// One place in a stream: a record, or the statement that it was lost before its batch was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The record is there.
    Record(Record<'a>),
    /// The record was lost.
    Lost {
        /// The place.
        seq: SequenceNumber,
        /// Why.
        reason: LossReason,
    },
}

impl Entry<'_> {
    /// The place in the stream.
    #[must_use]
    pub const fn seq(&self) -> SequenceNumber {
        match self {
            Self::Record(record) => record.seq,
            Self::Lost { seq, .. } => *seq,
        }
    }

    /// The leaf hash: SHA-256(0x00 ‖ leaf CBOR). `key` blinds records; a lost place has nothing to blind.
    #[must_use]
    pub fn leaf(&self, key: &BatchKey) -> Hash {
        match self {
            Self::Record(record) => record.leaf(&key.blind(record.seq)),
            Self::Lost { .. } => hash_leaf(|e| self.encode_lost(e)),
        }
    }

    /// Writes the leaf CBOR of a lost place, `[0, seq, reason]`; nothing for a record.
    ///
    /// # Errors
    /// Only what `e` says when its buffer is full.
    pub fn encode_lost<W: Write>(&self, e: &mut Encoder<W>) -> Result<(), minicbor::encode::Error<W::Error>> {
        if let Self::Lost { seq, reason } = self {
            e.array(3)?.u8(0)?.u64(seq.0)?.u16(reason.0)?;
        }
        Ok(())
    }
}

impl Record<'_> {
    /// Writes the leaf CBOR `[1, seq, time, tq, kind, blind, payload]` (deterministic encoding, RFC 8949 section 4.2).
    ///
    /// # Errors
    /// Only what `e` says when its buffer is full.
    pub fn encode_leaf<W: Write>(
        &self,
        blind: &[u8; BLIND_BYTES],
        e: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(7)?
            .u8(1)?
            .u64(self.seq.0)?
            .u64(self.time.unix_ms)?
            .u8(self.time.quality as u8)?
            .u16(self.kind.0)?
            .bytes(blind)?
            .bytes(self.payload)?;
        Ok(())
    }

    /// The leaf hash under a known blind: what a verifier recomputes.
    #[must_use]
    pub fn leaf(&self, blind: &[u8; BLIND_BYTES]) -> Hash {
        hash_leaf(|e| self.encode_leaf(blind, e))
    }
}

type Infallible = core::convert::Infallible;

/// A CBOR writer that hashes what it is given, so that no leaf is ever held whole.
pub(crate) struct HashWriter(Sha256);

impl Write for HashWriter {
    type Error = Infallible;
    fn write_all(&mut self, buf: &[u8]) -> Result<(), Infallible> {
        self.0.update(buf);
        Ok(())
    }
}

/// SHA-256(0x00 ‖ what `encode` writes).
pub(crate) fn hash_leaf(
    encode: impl FnOnce(&mut Encoder<HashWriter>) -> Result<(), minicbor::encode::Error<Infallible>>,
) -> Hash {
    let mut e = Encoder::new(HashWriter(Sha256::new_with_prefix([0x00])));
    // A hash never refuses bytes.
    let _: Result<(), _> = encode(&mut e);
    Hash(e.into_writer().0.finalize().into())
}

/// The device's secret from which every batch key is derived. 32 bytes of the factory's or the device's entropy.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct BlindSecret([u8; 32]);

impl BlindSecret {
    /// Takes the secret.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// HKDF-SHA-256(secret, no salt, "cairn-blind-1" ‖ stream 8 B BE ‖ batch 4 B BE, 32).
    #[must_use]
    pub fn batch_key(&self, stream: StreamId, batch: u32) -> BatchKey {
        let mut key = [0; 32];
        let info: [&[u8]; 3] = [b"cairn-blind-1", &stream.0.to_be_bytes(), &batch.to_be_bytes()];
        hkdf(&[], &self.0, &info, &mut key);
        BatchKey(key)
    }
}

/// Derives the blinds of one batch. Given to the relay with a batch's data; erased with the data.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct BatchKey([u8; 32]);

impl BatchKey {
    /// Takes a key as it came in an uplink.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The key's bytes, for an uplink.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA-256(key, seq as 8 B BE)\[0..16].
    #[must_use]
    pub fn blind(&self, seq: SequenceNumber) -> [u8; BLIND_BYTES] {
        let tag = hmac(&self.0, &[&seq.0.to_be_bytes()]);
        let mut blind = [0; BLIND_BYTES];
        blind.copy_from_slice(&tag[..BLIND_BYTES]);
        blind
    }
}
