// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Evidence from what the relay stored: whole for a batch whose data is here, or the relay's part of it for evidence that a
//! device gave out itself. Called by `cairn evidence`; changes nothing.

use cairn::{
    batch::{BATCH_DEPTH, Commitment},
    merkle::PathBuilder,
    record::{Entry, LossReason, SequenceNumber, StreamId},
    signer::{DeviceId, KeyId},
    uplink::Data,
};
use cairn_evidence::{Evidence, EvidenceKey, Inclusion, OwnedRecord, Rotation, Route, TransactionRef, cbor};

use super::{
    intake::for_each_entry,
    rotation::only_record,
    store::{
        Store, StoreError,
        anchors::StoredAnchor,
        postings::{Posting, PostingState},
    },
    tree,
};
use crate::chain::Payload;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The relay has no batch of this device with this record.
    #[error("the relay has no batch of this device that holds this record")]
    NoBatch,
    /// Several streams of the device have a record of this number.
    #[error("several streams of the device have a record of this number; name one with --stream: {}", list(.0))]
    SeveralStreams(Vec<StreamId>),
    /// The relay does not have the anchor.
    #[error("the relay does not have the anchor with commitment 0x{}", hex::encode(.0.0))]
    NoAnchor(Commitment),
    /// The batch came without data: only the device has its records.
    #[error("the batch came without its records: ask the device for its evidence, and complete that")]
    HashOnly,
    /// The batch's data is encrypted for its owner.
    #[error("the batch's records are encrypted for their owner, who makes evidence")]
    Encrypted,
    /// The record was lost on the device.
    #[error("the record was lost on the device (reason {}); its place in the batch says so", .0.0)]
    Lost(LossReason),
    /// The relay got the anchor with another signature: its leaf is of that one.
    #[error("the relay got this anchor with another signature than the evidence has")]
    OtherSignature,
    /// The anchor is stored and not on the ledger yet.
    #[error("the anchor is not on the ledger yet")]
    NotIncluded,
}

fn list(streams: &[StreamId]) -> String {
    streams.iter().map(|stream| stream.0.to_string()).collect::<Vec<_>>().join(", ")
}

/// The evidence of record `seq` of a device, whole.
///
/// # Errors
/// [`ProofError`].
pub fn of_record(
    store: &Store,
    device: DeviceId,
    seq: SequenceNumber,
    stream: Option<StreamId>,
) -> Result<Evidence, ProofError> {
    let stored = find(store, device, seq, stream)?;
    let mut evidence = within(store, &stored, seq)?;
    evidence.inclusion = Some(inclusion(store, &stored)?);
    Ok(evidence)
}

/// The evidence of the rotation record by which a device came to a key; `None` when the key is its first. It says where
/// it is on the ledger when it is there.
///
/// # Errors
/// [`ProofError`].
pub fn of_rotation(store: &Store, to: KeyId) -> Result<Option<Evidence>, ProofError> {
    let Some(commitment) = store.rotations_to(to)?.pop() else { return Ok(None) };
    let stored = store.anchor(commitment)?.ok_or(StoreError::Damaged("rotation"))?;
    let mut evidence = within(store, &stored, stored.read()?.anchor.first_seq)?;
    evidence.inclusion = match inclusion(store, &stored) {
        Err(ProofError::NotIncluded) => None,
        found => Some(found?),
    };
    Ok(Some(evidence))
}

/// What leads a device from its first key to `to`, as evidence tells it.
///
/// # Errors
/// [`ProofError`].
pub fn rotations_to(store: &Store, to: KeyId) -> Result<Vec<Rotation>, ProofError> {
    let told = |commitment| {
        let stored = store.anchor(commitment)?.ok_or(StoreError::Damaged("rotation"))?;
        let uplink = stored.read()?;
        let Some(Data::Records { records, key }) = &uplink.data else {
            return Err(StoreError::Damaged("rotation").into());
        };
        let record = only_record(&uplink.anchor, records, key).map_err(|_| StoreError::Damaged("rotation"))?;
        // The relay takes rotations that are alone in their batches only: no neighbour, no path.
        Ok(Rotation {
            record: cbor::record_bytes(&record),
            path: Vec::new(),
            anchor: cbor::anchor_bytes(&uplink.anchor),
            signature: uplink.signature,
        })
    };
    store.rotations_to(to)?.into_iter().map(told).collect()
}

/// The evidence of record `seq` of a kept batch, without where it is on the ledger.
fn within(store: &Store, stored: &StoredAnchor, seq: SequenceNumber) -> Result<Evidence, ProofError> {
    let uplink = stored.read()?;
    let (records, key) = match &uplink.data {
        Some(Data::Records { records, key }) => (records, key),
        Some(Data::Encrypted(_)) => return Err(ProofError::Encrypted),
        None => return Err(ProofError::HashOnly),
    };
    let anchor = uplink.anchor;
    let index = anchor.leaf_index(seq).ok_or(ProofError::NoBatch)?;
    let mut path = PathBuilder::<BATCH_DEPTH>::new(index);
    let mut found = None;
    for_each_entry(&anchor, records, key, |entry, leaf| {
        if entry.seq() == seq {
            found = Some(match entry {
                Entry::Record(record) => Ok(OwnedRecord {
                    seq,
                    time: record.time,
                    kind: record.kind,
                    blind: key.blind(seq),
                    payload: record.payload.to_vec(),
                }),
                Entry::Lost { reason, .. } => Err(ProofError::Lost(*reason)),
            });
        }
        path.push(leaf).map_err(|_| super::intake::Rejection::Malformed)
    })
    .map_err(|_| StoreError::Damaged("batch's data"))?;
    let record = found.ok_or(StoreError::Damaged("batch's data"))??;
    let (path, _) = path.finish().ok_or(StoreError::Damaged("batch's data"))?;
    let owner = store.device_by_key(stored.key)?.ok_or(StoreError::Damaged("anchor's key"))?;
    Ok(Evidence {
        deployment: store.home()?.deployment,
        record,
        path: path.to_vec(),
        anchor,
        signature: uplink.signature,
        key: EvidenceKey { alg: owner.key.alg, public_key: owner.key.compressed() },
        rotations: rotations_to(store, stored.key)?,
        inclusion: None,
    })
}

fn find(
    store: &Store,
    device: DeviceId,
    seq: SequenceNumber,
    stream: Option<StreamId>,
) -> Result<StoredAnchor, ProofError> {
    let mut candidates = Vec::new();
    for stored in store.anchors_with(device, seq)? {
        let there = stored.read()?.anchor.stream;
        if stream.is_none_or(|wanted| wanted == there) {
            candidates.push((there, stored));
        }
    }
    if candidates.len() > 1 {
        return Err(ProofError::SeveralStreams(candidates.into_iter().map(|(stream, _)| stream).collect()));
    }
    Ok(candidates.pop().ok_or(ProofError::NoBatch)?.1)
}

/// Adds the relay's part to evidence that a device gave out: what leads to the key that signed, and where the anchor is
/// on the ledger. The anchor has to be here with the very signature of the evidence.
///
/// # Errors
/// [`ProofError`].
pub fn complete(store: &Store, evidence: &mut Evidence) -> Result<(), ProofError> {
    let commitment = evidence.anchor.commitment();
    let stored = store.anchor(commitment)?.ok_or(ProofError::NoAnchor(commitment))?;
    if stored.read()?.signature != evidence.signature {
        return Err(ProofError::OtherSignature);
    }
    evidence.rotations = rotations_to(store, stored.key)?;
    evidence.inclusion = Some(inclusion(store, &stored)?);
    Ok(())
}

fn inclusion(store: &Store, stored: &StoredAnchor) -> Result<Inclusion, ProofError> {
    let (posting, position) = stored.posting.ok_or(ProofError::NotIncluded)?;
    let posting = store.posting(posting)?.ok_or(StoreError::Damaged("posting"))?;
    let place = posting.place.filter(|_| posting.state != PostingState::Open).ok_or(ProofError::NotIncluded)?;
    let home = store.home()?;
    Ok(Inclusion {
        chain_id: home.chain_id,
        contract: home.contract,
        route: route(store, &posting, position)?,
        transaction: TransactionRef {
            hash: place.transaction.0,
            block_number: place.block_number,
            block_hash: place.block_hash.0,
        },
    })
}

fn route(store: &Store, posting: &Posting, position: u32) -> Result<Route, ProofError> {
    match posting.payload {
        Payload::Anchors(_) => Ok(Route::Direct),
        Payload::Root(_) => {
            let leaves = store.leaves(posting.id)?;
            let path = tree::path(&leaves, position).ok_or(StoreError::Damaged("posting's tree"))?;
            Ok(Route::Root { index: position, leaves: posting.members, path })
        }
    }
}
