// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Evidence as JSON, for people and for tools without CBOR. Bytes are 0x-hex; numbers of 64 bits are decimal strings, always,
//! because a JSON number is only exact up to 2^53; smaller ones are numbers. Unknown fields are refused. The CBOR form is
//! the one that is compared and kept: [`from_json`] gives the value whose CBOR it is.

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId},
    merkle::Hash,
    record::{Kind, SequenceNumber, StreamId},
    signer::{Algorithm, Signature},
    time::{TimeQuality, WallTime},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    cbor::{self, FormatError},
    model::{Evidence, EvidenceKey, Inclusion, OwnedRecord, Rotation, Route, TransactionRef},
};

/// Fixed bytes as 0x-hex.
struct Hex<const N: usize>([u8; N]);
/// Bytes of any length as 0x-hex.
struct HexBytes(Vec<u8>);
/// A 64-bit number as a decimal string.
struct Decimal(u64);

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("0x{}", hex::encode(self.0)))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes = HexBytes::deserialize(d)?.0;
        let found = bytes.len();
        bytes.try_into().map(Self).map_err(|_| D::Error::custom(format!("{found} bytes where {N} belong")))
    }
}

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("0x{}", hex::encode(&self.0)))
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom("hexadecimal without 0x"))?;
        hex::decode(digits).map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let number: u64 = text.parse().map_err(D::Error::custom)?;
        if number.to_string() == text { Ok(Self(number)) } else { Err(D::Error::custom("not a plain decimal number")) }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EvidenceForm {
    version: u64,
    deployment: Hex<32>,
    record: RecordForm,
    path: Vec<Hex<32>>,
    anchor: AnchorForm,
    signature: Hex<64>,
    key: KeyForm,
    rotations: Vec<RotationForm>,
    inclusion: Option<InclusionForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RecordForm {
    seq: Decimal,
    time: Decimal,
    tq: u8,
    kind: u16,
    blind: Hex<16>,
    payload: HexBytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AnchorForm {
    stream: Decimal,
    batch: u32,
    first_seq: Decimal,
    count: u32,
    sealed_at: Decimal,
    flags: u8,
    root: Hex<32>,
    prev: Hex<32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KeyForm {
    alg: i8,
    public_key: Hex<33>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RotationForm {
    record: HexBytes,
    path: Vec<Hex<32>>,
    anchor: HexBytes,
    signature: Hex<64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct InclusionForm {
    ledger: u8,
    chain_id: Decimal,
    contract: Hex<20>,
    route: RouteForm,
    transaction: TransactionForm,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
enum RouteForm {
    Root { index: u32, leaves: u32, path: Vec<Hex<32>> },
    Direct,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TransactionForm {
    hash: Hex<32>,
    block_number: Decimal,
    block_hash: Hex<32>,
}

fn path_form(path: &[Hash]) -> Vec<Hex<32>> {
    path.iter().map(|hash| Hex(hash.0)).collect()
}

fn path(form: Vec<Hex<32>>) -> Vec<Hash> {
    form.into_iter().map(|hash| Hash(hash.0)).collect()
}

/// The JSON form, indented.
#[must_use]
pub fn to_json(evidence: &Evidence) -> String {
    // Strings, numbers and lists only: there is no key that JSON could refuse.
    serde_json::to_string_pretty(&EvidenceForm::from(evidence)).unwrap_or_default()
}

/// Reads the JSON form.
///
/// # Errors
/// [`FormatError::Json`] with the parser's words, or what the CBOR form would be refused for.
pub fn from_json(bytes: &[u8]) -> Result<Evidence, FormatError> {
    if bytes.len() > 3 * cbor::MAX_FILE_BYTES {
        return Err(FormatError::TooLong);
    }
    let form: EvidenceForm = serde_json::from_slice(bytes).map_err(|error| FormatError::Json(error.to_string()))?;
    let evidence = form.into_evidence()?;
    // The CBOR decoder holds the bounds: passing through it leaves them in one place.
    cbor::decode(&cbor::encode(&evidence))
}

impl From<&Evidence> for EvidenceForm {
    fn from(evidence: &Evidence) -> Self {
        let (record, anchor) = (&evidence.record, &evidence.anchor);
        Self {
            version: 1,
            deployment: Hex(evidence.deployment.0),
            record: RecordForm {
                seq: Decimal(record.seq.0),
                time: Decimal(record.time.unix_ms),
                tq: record.time.quality as u8,
                kind: record.kind.0,
                blind: Hex(record.blind),
                payload: HexBytes(record.payload.clone()),
            },
            path: path_form(&evidence.path),
            anchor: AnchorForm {
                stream: Decimal(anchor.stream.0),
                batch: anchor.batch.0,
                first_seq: Decimal(anchor.first_seq.0),
                count: anchor.count,
                sealed_at: Decimal(anchor.sealed_at),
                flags: anchor.flags.0,
                root: Hex(anchor.root.0),
                prev: Hex(anchor.prev.0),
            },
            signature: Hex(evidence.signature.0),
            key: KeyForm { alg: evidence.key.alg.cose(), public_key: Hex(evidence.key.public_key) },
            rotations: evidence.rotations.iter().map(RotationForm::from).collect(),
            inclusion: evidence.inclusion.as_ref().map(InclusionForm::from),
        }
    }
}

impl From<&Rotation> for RotationForm {
    fn from(rotation: &Rotation) -> Self {
        Self {
            record: HexBytes(rotation.record.clone()),
            path: path_form(&rotation.path),
            anchor: HexBytes(rotation.anchor.clone()),
            signature: Hex(rotation.signature.0),
        }
    }
}

impl From<&Inclusion> for InclusionForm {
    fn from(inclusion: &Inclusion) -> Self {
        let transaction = &inclusion.transaction;
        Self {
            ledger: cbor::LEDGER_EVM,
            chain_id: Decimal(inclusion.chain_id),
            contract: Hex(inclusion.contract),
            route: match &inclusion.route {
                Route::Root { index, leaves, path } => {
                    RouteForm::Root { index: *index, leaves: *leaves, path: path_form(path) }
                }
                Route::Direct => RouteForm::Direct,
            },
            transaction: TransactionForm {
                hash: Hex(transaction.hash),
                block_number: Decimal(transaction.block_number),
                block_hash: Hex(transaction.block_hash),
            },
        }
    }
}

impl EvidenceForm {
    fn into_evidence(self) -> Result<Evidence, FormatError> {
        if self.version != 1 {
            return Err(FormatError::Version(self.version));
        }
        let (record, anchor) = (self.record, self.anchor);
        Ok(Evidence {
            deployment: DeploymentId(self.deployment.0),
            record: OwnedRecord {
                seq: SequenceNumber(record.seq.0),
                time: WallTime {
                    unix_ms: record.time.0,
                    quality: TimeQuality::from_number(record.tq).ok_or(FormatError::Bounds("time quality"))?,
                },
                kind: Kind(record.kind),
                blind: record.blind.0,
                payload: record.payload.0,
            },
            path: path(self.path),
            anchor: Anchor {
                stream: StreamId(anchor.stream.0),
                batch: BatchNumber(anchor.batch),
                first_seq: SequenceNumber(anchor.first_seq.0),
                count: anchor.count,
                sealed_at: anchor.sealed_at.0,
                flags: AnchorFlags(anchor.flags),
                root: Hash(anchor.root.0),
                prev: Commitment(anchor.prev.0),
            },
            signature: Signature(self.signature.0),
            key: EvidenceKey {
                alg: Algorithm::from_cose(self.key.alg).ok_or(FormatError::Bounds("algorithm"))?,
                public_key: self.key.public_key.0,
            },
            rotations: self.rotations.into_iter().map(RotationForm::into_rotation).collect(),
            inclusion: self.inclusion.map(InclusionForm::into_inclusion).transpose()?,
        })
    }
}

impl RotationForm {
    fn into_rotation(self) -> Rotation {
        Rotation {
            record: self.record.0,
            path: path(self.path),
            anchor: self.anchor.0,
            signature: Signature(self.signature.0),
        }
    }
}

impl InclusionForm {
    fn into_inclusion(self) -> Result<Inclusion, FormatError> {
        if self.ledger != cbor::LEDGER_EVM {
            return Err(FormatError::Bounds("ledger"));
        }
        Ok(Inclusion {
            chain_id: self.chain_id.0,
            contract: self.contract.0,
            route: match self.route {
                RouteForm::Root { index, leaves, path: form } => Route::Root { index, leaves, path: path(form) },
                RouteForm::Direct => Route::Direct,
            },
            transaction: TransactionRef {
                hash: self.transaction.hash.0,
                block_number: self.transaction.block_number.0,
                block_hash: self.transaction.block_hash.0,
            },
        })
    }
}
