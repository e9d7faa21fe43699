// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an evidence file says, as plain values. Built by the codecs and by the relay; checks nothing.

use cairn::{
    batch::{Anchor, DeploymentId},
    merkle::Hash,
    record::{BLIND_BYTES, Kind, Record, SequenceNumber},
    signer::{Algorithm, Signature},
    time::WallTime,
};

/// One evidence file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The deployment the anchor was signed for.
    pub deployment: DeploymentId,
    /// The record, with the blind of its leaf.
    pub record: OwnedRecord,
    /// From the record's leaf to the anchor's root, bottom-up.
    pub path: Vec<Hash>,
    /// The signed statement of the record's batch.
    pub anchor: Anchor,
    /// The device's signature over the anchor's digest.
    pub signature: Signature,
    /// The key that signed.
    pub key: EvidenceKey,
    /// From the device's first key to the signing key; empty when they are the same.
    pub rotations: Vec<Rotation>,
    /// Where the anchor is on a ledger; `None` in what a device gives out itself.
    pub inclusion: Option<Inclusion>,
}

/// A record that owns its payload, and the blind that hides it from its neighbours' proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Its place in the stream.
    pub seq: SequenceNumber,
    /// When it was submitted.
    pub time: WallTime,
    /// What it is about.
    pub kind: Kind,
    /// The blind of its leaf.
    pub blind: [u8; BLIND_BYTES],
    /// The application's bytes.
    pub payload: Vec<u8>,
}

impl OwnedRecord {
    /// The record's leaf, recomputed from what it says.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        Record { seq: self.seq, time: self.time, kind: self.kind, payload: &self.payload }.leaf(&self.blind)
    }
}

/// A public key as a file names it: whether it is a point of its curve is [`crate::signature::public_key`]'s to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceKey {
    /// The algorithm it is for.
    pub alg: Algorithm,
    /// SEC 1 compressed.
    pub public_key: [u8; 33],
}

/// One change of a device's key: the rotation record, and the anchor by which the old key signed it.
/// [`crate::rotation`] reads and judges them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The record: [`crate::cbor::record_bytes`].
    pub record: Vec<u8>,
    /// From its leaf to the root of the anchor.
    pub path: Vec<Hash>,
    /// The anchor: [`crate::cbor::anchor_bytes`].
    pub anchor: Vec<u8>,
    /// The old key's signature.
    pub signature: Signature,
}

/// Where an anchor is on an EVM ledger. Chain and contract are hints: a verifier trusts its own configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract that emitted the event.
    pub contract: [u8; 20],
    /// How the event names the anchor.
    pub route: Route,
    /// The transaction that emitted it.
    pub transaction: TransactionRef,
}

/// How a ledger event names an anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The relay leaf is one of many under a posted root.
    Root {
        /// The leaf's place.
        index: u32,
        /// Leaves under the root.
        leaves: u32,
        /// From the relay leaf to the root, bottom-up.
        path: Vec<Hash>,
    },
    /// The event carries key id and commitment itself.
    Direct,
}

/// A transaction and the block that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionRef {
    /// Its hash.
    pub hash: [u8; 32],
    /// The block's number.
    pub block_number: u64,
    /// The block's hash.
    pub block_hash: [u8; 32],
}
