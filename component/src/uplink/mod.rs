// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What goes over the air: one uplink (an anchor, its signature, perhaps its records) and one downlink. Pure codecs without
//! I/O, checked against `docs/wire.cddl`; called by the agent and the relay. [`delta`] packs the records.

use minicbor::{
    Decoder, Encoder,
    data::Type,
    encode::write::{Cursor, EndOfSlice},
};

use crate::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment},
    cbor,
    merkle::Hash,
    record::{BatchKey, SequenceNumber, StreamId},
    signer::Signature,
};

pub mod delta;

/// The version in an uplink.
const VERSION: u8 = 1;

/// Bytes of a commitment that a downlink repeats.
pub const COMMITMENT_PREFIX_BYTES: usize = 16;

/// Most bytes of an uplink without records: every integer at its longest.
pub const HASH_ONLY_MAX: usize = 1 + 1 + 9 + 5 + 9 + 5 + 9 + 2 + 34 + 34 + 66;

/// Most bytes that records add beside themselves: array header, form, byte string header, batch key.
pub const DATA_OVERHEAD_MAX: usize = 1 + 1 + 3 + 34;

/// Most bytes of a downlink.
pub const DOWNLINK_MAX: usize = 1 + 1 + 9 + 5 + 17 + 5 + 1 + (1 + 5) + (1 + 9) + (1 + 34);

/// Why bytes are not a message, or a message is not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The output buffer is too small.
    BufferTooSmall,
    /// Not well-formed, not the shape `docs/wire.cddl` fixes, or bytes left over.
    Malformed,
    /// A version this build does not know.
    UnknownVersion,
    /// A number outside its range.
    OutOfRange,
}

impl From<minicbor::decode::Error> for WireError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

impl From<minicbor::encode::Error<EndOfSlice>> for WireError {
    fn from(_: minicbor::encode::Error<EndOfSlice>) -> Self {
        Self::BufferTooSmall
    }
}

/// The records beside an anchor.
#[derive(Clone, PartialEq, Eq)]
pub enum Data<'a> {
    /// Delta-coded records and the key of their blinds.
    Records {
        /// See [`delta`].
        records: &'a [u8],
        /// Derives the blinds of the batch.
        key: BatchKey,
    },
    /// A COSE_Encrypt0 that only the data's owner can open.
    Encrypted(&'a [u8]),
}

/// One message up.
#[derive(Clone, PartialEq, Eq)]
pub struct Uplink<'a> {
    /// The statement.
    pub anchor: Anchor,
    /// The device's signature over its digest.
    pub signature: Signature,
    /// The records, or nothing for a hash-only batch.
    pub data: Option<Data<'a>>,
}

impl<'a> Uplink<'a> {
    /// Writes the message into `out` and returns its length in bytes.
    ///
    /// # Errors
    /// [`WireError::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let mut e = Encoder::new(Cursor::new(out));
        encode_head(&mut e, &self.anchor, &self.signature, self.data.is_some())?;
        match &self.data {
            None => {}
            Some(Data::Records { records, key }) => {
                e.array(3)?.u8(0)?.bytes(records)?.bytes(key.as_bytes())?;
            }
            Some(Data::Encrypted(bytes)) => {
                e.array(2)?.u8(1)?.bytes(bytes)?;
            }
        }
        Ok(e.writer().position())
    }

    /// Writes a message whose `length` bytes of records `write` produces in place: a device has no second buffer for them.
    ///
    /// # Errors
    /// [`WireError::BufferTooSmall`], or what `write` says.
    pub fn encode_with_records(
        anchor: &Anchor,
        signature: &Signature,
        key: &BatchKey,
        length: usize,
        out: &mut [u8],
        write: impl FnOnce(&mut [u8]) -> Result<(), WireError>,
    ) -> Result<usize, WireError> {
        let mut e = Encoder::new(Cursor::new(&mut *out));
        encode_head(&mut e, anchor, signature, true)?;
        e.array(3)?.u8(0)?.bytes_len(length as u64)?;
        let start = e.writer().position();
        let end = start.checked_add(length).ok_or(WireError::BufferTooSmall)?;
        write(out.get_mut(start..end).ok_or(WireError::BufferTooSmall)?)?;
        let mut e = Encoder::new(Cursor::new(out.get_mut(end..).ok_or(WireError::BufferTooSmall)?));
        e.bytes(key.as_bytes())?;
        Ok(end + e.writer().position())
    }

    /// Reads a message; every byte must belong to it.
    ///
    /// # Errors
    /// [`WireError`] except `BufferTooSmall`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let fields = d.array()?;
        if cbor::unsigned::<u8>(&mut d)? != VERSION {
            return Err(WireError::UnknownVersion);
        }
        let anchor = decode_anchor_fields(&mut d)?;
        let signature = Signature(fixed(&mut d)?);
        let data = match fields {
            Some(10) => None,
            Some(11) => Some(decode_data(&mut d)?),
            _ => return Err(WireError::Malformed),
        };
        end(&d, bytes)?;
        Ok(Self { anchor, signature, data })
    }
}

fn encode_head(
    e: &mut Encoder<Cursor<&mut [u8]>>,
    anchor: &Anchor,
    signature: &Signature,
    with_data: bool,
) -> Result<(), WireError> {
    e.array(if with_data { 11 } else { 10 })?.u8(VERSION)?;
    encode_anchor_fields(e, anchor)?;
    e.bytes(&signature.0)?;
    Ok(())
}

fn decode_data<'a>(d: &mut Decoder<'a>) -> Result<Data<'a>, WireError> {
    match (d.array()?, cbor::unsigned::<u8>(d)?) {
        (Some(3), 0) => Ok(Data::Records { records: d.bytes()?, key: BatchKey::new(fixed(d)?) }),
        (Some(2), 1) => Ok(Data::Encrypted(d.bytes()?)),
        _ => Err(WireError::Malformed),
    }
}

/// Writes the eight fields of an anchor as they stand in an uplink and in evidence, without an array header.
///
/// # Errors
/// Only what the writer says when it is full.
pub fn encode_anchor_fields<W: minicbor::encode::Write>(
    e: &mut Encoder<W>,
    anchor: &Anchor,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    e.u64(anchor.stream.0)?
        .u32(anchor.batch.0)?
        .u64(anchor.first_seq.0)?
        .u32(anchor.count)?
        .u64(anchor.sealed_at)?
        .u8(anchor.flags.0)?
        .bytes(&anchor.root.0)?
        .bytes(&anchor.prev.0)?;
    Ok(())
}

/// Reads what [`encode_anchor_fields`] wrote, and refuses what no device can have sealed.
///
/// # Errors
/// [`WireError::Malformed`]; [`WireError::OutOfRange`] for an empty batch or one past the last sequence number.
pub fn decode_anchor_fields(d: &mut Decoder<'_>) -> Result<Anchor, WireError> {
    let anchor = Anchor {
        stream: StreamId(d.u64()?),
        batch: BatchNumber(cbor::unsigned(d)?),
        first_seq: SequenceNumber(d.u64()?),
        count: cbor::unsigned(d)?,
        sealed_at: d.u64()?,
        flags: AnchorFlags(cbor::unsigned(d)?),
        root: Hash(fixed(d)?),
        prev: Commitment(fixed(d)?),
    };
    if anchor.count == 0 || anchor.end().is_none() { Err(WireError::OutOfRange) } else { Ok(anchor) }
}

fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], WireError> {
    d.bytes()?.try_into().map_err(|_| WireError::Malformed)
}

fn end(d: &Decoder<'_>, bytes: &[u8]) -> Result<(), WireError> {
    if d.position() == bytes.len() { Ok(()) } else { Err(WireError::Malformed) }
}

/// How far the relay has brought the batch that an exchange was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Durable at the relay.
    Stored = 1,
    /// On chain, not final yet.
    Included = 2,
    /// On chain for good.
    Final = 3,
}

/// What a relay may add; believed only as far as a relay is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Every batch of the stream up to this one is on chain.
    pub included_through: Option<BatchNumber>,
    /// The relay's clock, Unix milliseconds.
    pub unix_ms: Option<u64>,
    /// Hash of a recent block: the time is not before that block.
    pub block_hash: Option<[u8; 32]>,
}

/// One message down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downlink {
    /// How far the batch named next has come.
    pub level: Level,
    /// Its stream.
    pub stream: StreamId,
    /// Its number.
    pub batch: BatchNumber,
    /// The first bytes of its commitment.
    pub commitment: [u8; COMMITMENT_PREFIX_BYTES],
    /// Every batch of the stream up to this one is final.
    pub final_through: Option<BatchNumber>,
    /// See [`Hints`].
    pub hints: Hints,
}

impl Commitment {
    /// What a downlink repeats of it.
    #[must_use]
    pub fn prefix(&self) -> [u8; COMMITMENT_PREFIX_BYTES] {
        let mut prefix = [0; COMMITMENT_PREFIX_BYTES];
        prefix.copy_from_slice(&self.0[..COMMITMENT_PREFIX_BYTES]);
        prefix
    }
}

impl Downlink {
    /// Writes the message into `out` and returns its length in bytes.
    ///
    /// # Errors
    /// [`WireError::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let mut e = Encoder::new(Cursor::new(out));
        e.array(6)?.u8(self.level as u8)?.u64(self.stream.0)?.u32(self.batch.0)?.bytes(&self.commitment)?;
        match self.final_through {
            Some(batch) => e.u32(batch.0)?,
            None => e.null()?,
        };
        let Hints { included_through, unix_ms, block_hash } = self.hints;
        let hints = [included_through.is_some(), unix_ms.is_some(), block_hash.is_some()];
        e.map(hints.iter().map(|&there| u64::from(there)).sum())?;
        if let Some(batch) = included_through {
            e.u8(0)?.u32(batch.0)?;
        }
        if let Some(unix_ms) = unix_ms {
            e.u8(1)?.u64(unix_ms)?;
        }
        if let Some(hash) = block_hash {
            e.u8(2)?.bytes(&hash)?;
        }
        Ok(e.writer().position())
    }

    /// Reads a message. Hints this build does not know are passed over, so that a newer relay can speak to it.
    ///
    /// # Errors
    /// [`WireError`] except `BufferTooSmall`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        if d.array()? != Some(6) {
            return Err(WireError::Malformed);
        }
        let level = match cbor::unsigned::<u8>(&mut d)? {
            1 => Level::Stored,
            2 => Level::Included,
            3 => Level::Final,
            _ => return Err(WireError::OutOfRange),
        };
        let (stream, batch, commitment) = (StreamId(d.u64()?), BatchNumber(cbor::unsigned(&mut d)?), fixed(&mut d)?);
        // Not `decode::<Option<u32>>`, which would bring `Decoder::skip` along: 2.4 kB of flash, and as deep as the input says.
        let final_through = match d.datatype()? {
            Type::Null => d.null().map(|()| None)?,
            _ => Some(BatchNumber(cbor::unsigned(&mut d)?)),
        };
        let hints = decode_hints(&mut d)?;
        end(&d, bytes)?;
        Ok(Self { level, stream, batch, commitment, final_through, hints })
    }
}

fn decode_hints(d: &mut Decoder<'_>) -> Result<Hints, WireError> {
    let mut hints = Hints::default();
    for _ in 0..d.map()?.ok_or(WireError::Malformed)? {
        match cbor::unsigned::<u32>(d)? {
            0 => hints.included_through = Some(BatchNumber(cbor::unsigned(d)?)),
            1 => hints.unix_ms = Some(d.u64()?),
            2 => hints.block_hash = Some(fixed(d)?),
            _ => skip_scalar(d)?,
        }
    }
    Ok(hints)
}

/// Passes over one integer, string or simple value. Not `Decoder::skip`, which follows nesting as deep as the input says.
fn skip_scalar(d: &mut Decoder<'_>) -> Result<(), WireError> {
    match d.datatype()? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => d.u64().map(drop)?,
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => d.i64().map(drop)?,
        Type::Bytes => d.bytes().map(drop)?,
        Type::String => d.str().map(drop)?,
        Type::Bool => d.bool().map(drop)?,
        Type::Null => d.null()?,
        _ => return Err(WireError::Malformed),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(longest: bool) -> Anchor {
        let big = |small: u64| if longest { u64::MAX - u64::from(u32::MAX) } else { small };
        Anchor {
            stream: StreamId(big(1)),
            batch: BatchNumber(if longest { u32::MAX } else { 3 }),
            first_seq: SequenceNumber(big(96)),
            count: if longest { u32::MAX } else { 48 },
            sealed_at: big(5),
            flags: AnchorFlags(if longest { 255 } else { 2 }),
            root: Hash([7; 32]),
            prev: Commitment([8; 32]),
        }
    }

    #[test]
    fn the_longest_uplink_is_as_long_as_its_constants_say() {
        let mut out = [0; 640];
        let mut uplink = Uplink { anchor: anchor(true), signature: Signature([9; 64]), data: None };
        assert_eq!(uplink.encode(&mut out), Ok(HASH_ONLY_MAX));
        let records = [1; 300];
        uplink.data = Some(Data::Records { records: &records, key: BatchKey::new([3; 32]) });
        assert_eq!(uplink.encode(&mut out), Ok(HASH_ONLY_MAX + DATA_OVERHEAD_MAX + records.len()));
        assert_eq!(uplink.encode(&mut out[..HASH_ONLY_MAX]), Err(WireError::BufferTooSmall));
    }

    #[test]
    fn an_uplink_reads_back_and_no_shorter_or_longer_one_does() {
        let mut out = [0; 640];
        for data in [
            None,
            Some(Data::Records { records: &[1, 2, 3], key: BatchKey::new([3; 32]) }),
            Some(Data::Encrypted(&[4, 5])),
        ] {
            let uplink = Uplink { anchor: anchor(false), signature: Signature([9; 64]), data };
            let length = uplink.encode(&mut out).unwrap();
            assert!(Uplink::decode(&out[..length]).unwrap() == uplink);
            for shorter in 0..length {
                assert!(Uplink::decode(&out[..shorter]).is_err());
            }
            assert!(Uplink::decode(&out[..=length]).is_err());
        }
    }

    #[test]
    fn an_empty_batch_is_refused() {
        let mut out = [0; 256];
        let empty = Anchor { count: 0, ..anchor(false) };
        let length = Uplink { anchor: empty, signature: Signature([0; 64]), data: None }.encode(&mut out).unwrap();
        assert!(Uplink::decode(&out[..length]).err() == Some(WireError::OutOfRange));
    }

    fn downlink() -> Downlink {
        Downlink {
            level: Level::Final,
            stream: StreamId(u64::MAX),
            batch: BatchNumber(u32::MAX),
            commitment: [5; 16],
            final_through: Some(BatchNumber(u32::MAX)),
            hints: Hints {
                included_through: Some(BatchNumber(u32::MAX)),
                unix_ms: Some(u64::MAX),
                block_hash: Some([6; 32]),
            },
        }
    }

    #[test]
    fn the_longest_downlink_is_as_long_as_its_constant_says_and_reads_back() {
        let mut out = [0; 128];
        let length = downlink().encode(&mut out).unwrap();
        assert_eq!(length, DOWNLINK_MAX);
        assert_eq!(Downlink::decode(&out[..length]), Ok(downlink()));
        assert!(Downlink::decode(&out[..length - 1]).is_err());
        assert!(Downlink::decode(&out[..=length]).is_err());
        let shortest = Downlink { final_through: None, hints: Hints::default(), ..downlink() };
        let length = shortest.encode(&mut out).unwrap();
        assert_eq!(Downlink::decode(&out[..length]), Ok(shortest));
    }

    #[test]
    fn hints_of_a_newer_relay_are_passed_over() {
        let mut out = [0; 128];
        let mut e = Encoder::new(Cursor::new(&mut out[..]));
        e.array(6).unwrap().u8(1).unwrap().u64(1).unwrap().u32(2).unwrap().bytes(&[0; 16]).unwrap().null().unwrap();
        e.map(2).unwrap().u8(1).unwrap().u64(77).unwrap().u8(9).unwrap().str("new").unwrap();
        let length = e.writer().position();
        assert_eq!(Downlink::decode(&out[..length]).unwrap().hints.unix_ms, Some(77));
    }
}
