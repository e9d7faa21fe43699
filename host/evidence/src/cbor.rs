// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Evidence as deterministic CBOR (RFC 8949 section 4.2; docs/wire.cddl, `evidence`). Decoding is strict: the bytes must be
//! exactly what [`encode`] writes, so a file has one form, no trailing bytes, no indefinite lengths and no second encoding of
//! a number. Never panics, whatever the bytes.

use std::convert::Infallible;

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId},
    merkle::{Hash, MAX_DEPTH},
    record::{Kind, PAYLOAD_LIMIT, SequenceNumber, StreamId},
    signer::{Algorithm, Signature},
    time::{TimeQuality, WallTime},
};
use minicbor::{Decoder, Encoder, data::Type};

use crate::model::{Evidence, EvidenceKey, Inclusion, OwnedRecord, Rotation, Route, TransactionRef};

/// Longest file taken, in bytes: 64 rotations with the deepest paths and the longest records fit.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// Rotations a file may carry.
pub const MAX_ROTATIONS: usize = 64;

/// Longest CBOR of a rotation's record or anchor taken, in bytes.
const MAX_ROTATION_PART_BYTES: usize = PAYLOAD_LIMIT + 64;

/// The number of EVM in `inclusion.ledger`.
pub const LEDGER_EVM: u8 = 1;

const VERSION: u8 = 1;

/// Why bytes are not an evidence file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Longer than [`MAX_FILE_BYTES`].
    #[error("longer than {MAX_FILE_BYTES} bytes")]
    TooLong,
    /// The bytes are not CBOR, or not of the shape `evidence` has.
    #[error("not CBOR of the shape `evidence` has, at byte {0}")]
    Shape(usize),
    /// An evidence file of another version.
    #[error("evidence version {0} is not known, this program knows version 1")]
    Version(u64),
    /// A value outside its bounds.
    #[error("{0} is out of bounds")]
    Bounds(&'static str),
    /// Bytes after the end.
    #[error("bytes after the end of the evidence")]
    Trailing,
    /// The same content has a shorter or differently ordered encoding.
    #[error("not deterministically encoded")]
    NotDeterministic,
    /// The JSON form does not parse.
    #[error("not JSON of the shape `evidence` has: {0}")]
    Json(String),
}

/// The file's bytes.
#[must_use]
pub fn encode(evidence: &Evidence) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let written: Result<(), minicbor::encode::Error<Infallible>> = encode_into(evidence, &mut e);
    debug_assert!(written.is_ok(), "a Vec takes any number of bytes");
    e.into_writer()
}

/// A record as `rotation.record` holds it: the bytes of `evidence.record`.
#[must_use]
pub fn record_bytes(record: &OwnedRecord) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let written = encode_record(record, &mut e);
    debug_assert!(written.is_ok(), "a Vec takes any number of bytes");
    e.into_writer()
}

/// An anchor as `rotation.anchor` holds it: the bytes of `evidence.anchor`.
#[must_use]
pub fn anchor_bytes(anchor: &Anchor) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let written = encode_anchor(anchor, &mut e);
    debug_assert!(written.is_ok(), "a Vec takes any number of bytes");
    e.into_writer()
}

type Sink<'a> = &'a mut Encoder<Vec<u8>>;
type Written = Result<(), minicbor::encode::Error<Infallible>>;

fn encode_into(evidence: &Evidence, e: Sink<'_>) -> Written {
    e.array(9)?.u8(VERSION)?.bytes(&evidence.deployment.0)?;
    encode_record(&evidence.record, e)?;
    encode_path(&evidence.path, e)?;
    encode_anchor(&evidence.anchor, e)?;
    e.bytes(&evidence.signature.0)?;
    e.array(2)?.i8(evidence.key.alg.cose())?.bytes(&evidence.key.public_key)?;
    e.array(evidence.rotations.len() as u64)?;
    for rotation in &evidence.rotations {
        e.array(4)?.bytes(&rotation.record)?;
        encode_path(&rotation.path, e)?;
        e.bytes(&rotation.anchor)?.bytes(&rotation.signature.0)?;
    }
    match &evidence.inclusion {
        Some(inclusion) => encode_inclusion(inclusion, e),
        None => e.null().map(|_| ()),
    }
}

fn encode_record(record: &OwnedRecord, e: Sink<'_>) -> Written {
    e.array(6)?.u64(record.seq.0)?.u64(record.time.unix_ms)?.u8(record.time.quality as u8)?;
    e.u16(record.kind.0)?.bytes(&record.blind)?.bytes(&record.payload)?;
    Ok(())
}

fn encode_path(path: &[Hash], e: Sink<'_>) -> Written {
    e.array(path.len() as u64)?;
    for hash in path {
        e.bytes(&hash.0)?;
    }
    Ok(())
}

fn encode_anchor(anchor: &Anchor, e: Sink<'_>) -> Written {
    e.array(8)?.u64(anchor.stream.0)?.u32(anchor.batch.0)?.u64(anchor.first_seq.0)?.u32(anchor.count)?;
    e.u64(anchor.sealed_at)?.u8(anchor.flags.0)?.bytes(&anchor.root.0)?.bytes(&anchor.prev.0)?;
    Ok(())
}

fn encode_inclusion(inclusion: &Inclusion, e: Sink<'_>) -> Written {
    e.array(5)?.u8(LEDGER_EVM)?.u64(inclusion.chain_id)?.bytes(&inclusion.contract)?;
    match &inclusion.route {
        Route::Root { index, leaves, path } => {
            e.array(4)?.u8(0)?.u32(*index)?.u32(*leaves)?;
            encode_path(path, e)?;
        }
        Route::Direct => {
            e.array(1)?.u8(1)?;
        }
    }
    let transaction = &inclusion.transaction;
    e.array(3)?.bytes(&transaction.hash)?.u64(transaction.block_number)?.bytes(&transaction.block_hash)?;
    Ok(())
}

/// Reads a file. Only the bytes [`encode`] writes are taken.
///
/// # Errors
/// [`FormatError`], with what is wrong and, for a wrong shape, where.
pub fn decode(bytes: &[u8]) -> Result<Evidence, FormatError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(FormatError::TooLong);
    }
    whole(bytes, Reader::evidence, encode)
}

/// Reads what [`record_bytes`] writes, and nothing else.
///
/// # Errors
/// [`FormatError`].
pub fn read_record(bytes: &[u8]) -> Result<OwnedRecord, FormatError> {
    whole(bytes, Reader::record, record_bytes)
}

/// Reads what [`anchor_bytes`] writes, and nothing else.
///
/// # Errors
/// [`FormatError`].
pub fn read_anchor(bytes: &[u8]) -> Result<Anchor, FormatError> {
    whole(bytes, Reader::anchor, anchor_bytes)
}

fn whole<'b, T>(
    bytes: &'b [u8],
    read: impl Fn(&mut Reader<'b>) -> Result<T, FormatError>,
    write: impl Fn(&T) -> Vec<u8>,
) -> Result<T, FormatError> {
    let mut reader = Reader { d: Decoder::new(bytes) };
    let value = read(&mut reader)?;
    if reader.d.position() != bytes.len() {
        return Err(FormatError::Trailing);
    }
    if write(&value) == bytes { Ok(value) } else { Err(FormatError::NotDeterministic) }
}

/// Reads the parts of a file in their order.
struct Reader<'b> {
    d: Decoder<'b>,
}

impl<'b> Reader<'b> {
    fn shape(&self) -> FormatError {
        FormatError::Shape(self.d.position())
    }

    fn array(&mut self, length: u64) -> Result<(), FormatError> {
        match self.d.array() {
            Ok(Some(found)) if found == length => Ok(()),
            _ => Err(self.shape()),
        }
    }

    fn list(&mut self, what: &'static str, limit: usize) -> Result<usize, FormatError> {
        let length = self.d.array().ok().flatten().ok_or_else(|| self.shape())?;
        usize::try_from(length).ok().filter(|length| *length <= limit).ok_or(FormatError::Bounds(what))
    }

    fn uint(&mut self) -> Result<u64, FormatError> {
        self.d.u64().map_err(|_| self.shape())
    }

    fn small<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, FormatError> {
        T::try_from(self.uint()?).map_err(|_| FormatError::Bounds(what))
    }

    fn slice(&mut self) -> Result<&'b [u8], FormatError> {
        self.d.bytes().map_err(|_| self.shape())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let bytes = self.slice()?;
        bytes.try_into().map_err(|_| self.shape())
    }

    fn limited(&mut self, what: &'static str, limit: usize) -> Result<Vec<u8>, FormatError> {
        let bytes = self.slice()?;
        if bytes.len() > limit { Err(FormatError::Bounds(what)) } else { Ok(bytes.to_vec()) }
    }

    fn path(&mut self) -> Result<Vec<Hash>, FormatError> {
        let length = self.list("length of a path", MAX_DEPTH)?;
        (0..length).map(|_| Ok(Hash(self.fixed()?))).collect()
    }

    fn evidence(&mut self) -> Result<Evidence, FormatError> {
        // The version comes first so that a later one, of whatever shape, is told apart from rubbish.
        let length = self.d.array().ok().flatten().ok_or_else(|| self.shape())?;
        let version = self.uint()?;
        if version != u64::from(VERSION) {
            return Err(FormatError::Version(version));
        }
        if length != 9 {
            return Err(FormatError::Shape(0));
        }
        Ok(Evidence {
            deployment: DeploymentId(self.fixed()?),
            record: self.record()?,
            path: self.path()?,
            anchor: self.anchor()?,
            signature: Signature(self.fixed()?),
            key: self.key()?,
            rotations: self.rotations()?,
            inclusion: self.inclusion()?,
        })
    }

    fn record(&mut self) -> Result<OwnedRecord, FormatError> {
        self.array(6)?;
        let seq = SequenceNumber(self.uint()?);
        let unix_ms = self.uint()?;
        let quality =
            TimeQuality::from_number(self.small("time quality")?).ok_or(FormatError::Bounds("time quality"))?;
        Ok(OwnedRecord {
            seq,
            time: WallTime { unix_ms, quality },
            kind: Kind(self.small("kind")?),
            blind: self.fixed()?,
            payload: self.limited("length of the payload", PAYLOAD_LIMIT)?,
        })
    }

    fn anchor(&mut self) -> Result<Anchor, FormatError> {
        self.array(8)?;
        Ok(Anchor {
            stream: StreamId(self.uint()?),
            batch: BatchNumber(self.small("batch number")?),
            first_seq: SequenceNumber(self.uint()?),
            count: self.small("count")?,
            sealed_at: self.uint()?,
            flags: AnchorFlags(self.small("flags")?),
            root: Hash(self.fixed()?),
            prev: Commitment(self.fixed()?),
        })
    }

    fn key(&mut self) -> Result<EvidenceKey, FormatError> {
        self.array(2)?;
        let number = self.d.i64().map_err(|_| self.shape())?;
        let alg = i8::try_from(number).ok().and_then(Algorithm::from_cose).ok_or(FormatError::Bounds("algorithm"))?;
        Ok(EvidenceKey { alg, public_key: self.fixed()? })
    }

    fn rotations(&mut self) -> Result<Vec<Rotation>, FormatError> {
        let length = self.list("number of rotations", MAX_ROTATIONS)?;
        (0..length)
            .map(|_| {
                self.array(4)?;
                Ok(Rotation {
                    record: self.limited("length of a rotation's record", MAX_ROTATION_PART_BYTES)?,
                    path: self.path()?,
                    anchor: self.limited("length of a rotation's anchor", MAX_ROTATION_PART_BYTES)?,
                    signature: Signature(self.fixed()?),
                })
            })
            .collect()
    }

    fn inclusion(&mut self) -> Result<Option<Inclusion>, FormatError> {
        if self.d.datatype().map_err(|_| self.shape())? == Type::Null {
            return self.d.null().map(|()| None).map_err(|_| self.shape());
        }
        self.array(5)?;
        if self.uint()? != u64::from(LEDGER_EVM) {
            return Err(FormatError::Bounds("ledger"));
        }
        let chain_id = self.uint()?;
        let contract = self.fixed()?;
        let route = self.route()?;
        self.array(3)?;
        let transaction = TransactionRef { hash: self.fixed()?, block_number: self.uint()?, block_hash: self.fixed()? };
        Ok(Some(Inclusion { chain_id, contract, route, transaction }))
    }

    fn route(&mut self) -> Result<Route, FormatError> {
        let length = self.d.array().ok().flatten().ok_or_else(|| self.shape())?;
        match (self.uint()?, length) {
            (0, 4) => Ok(Route::Root {
                index: self.small("relay leaf's index")?,
                leaves: self.small("relay tree's leaves")?,
                path: self.path()?,
            }),
            (1, 1) => Ok(Route::Direct),
            _ => Err(self.shape()),
        }
    }
}
