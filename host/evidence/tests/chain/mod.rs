// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device that changes its key, and evidence of what it signs afterwards; each rotation can be made wrongly in one
//! way.

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId},
    merkle::{Hash, PathBuilder, TreeHasher},
    record::{Kind, SequenceNumber, StreamId},
    rotation::Rotation as Payload,
    signer::{
        Algorithm, DeviceId, Digest, PublicKey, Signature, Signer,
        software::{P256Signer, SoftwareSigner},
    },
    time::{TimeQuality, WallTime},
};
use cairn_evidence::{Evidence, EvidenceKey, OwnedRecord, Rotation, cbor};

pub(crate) const DEPLOYMENT: DeploymentId = DeploymentId([7; 32]);
pub(crate) const STREAM: StreamId = StreamId(0x0102_0304_0506_0708);

/// A key of either algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) Algorithm, pub(crate) u8);

impl Key {
    pub(crate) fn public(self) -> PublicKey {
        self.with(|signer| signer.public_key().unwrap())
    }

    pub(crate) fn sign(self, digest: &Digest) -> Signature {
        self.with(|signer| signer.sign(digest).unwrap())
    }

    fn with<T>(self, act: impl FnOnce(&mut dyn Signer) -> T) -> T {
        match self.0 {
            Algorithm::Es256k => act(&mut SoftwareSigner::new(&[self.1; 32]).unwrap()),
            Algorithm::Es256 => act(&mut P256Signer::new(&[self.1; 32]).unwrap()),
        }
    }
}

/// Everything a rotation is made of.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Who signs the anchor.
    pub(crate) signer: Key,
    /// Whom the record names.
    pub(crate) named: Key,
    /// Who makes the proof, over what.
    pub(crate) prover: Key,
    pub(crate) proof_over: (DeviceId, StreamId, SequenceNumber),
    pub(crate) device: DeviceId,
    pub(crate) kind: Kind,
    /// Records before and after it in its batch.
    pub(crate) neighbours: (u64, u64),
    pub(crate) stream: StreamId,
    pub(crate) batch: u32,
    pub(crate) seq: u64,
    pub(crate) flags: u8,
}

impl Draft {
    /// A rotation as a device makes it: alone in its batch.
    pub(crate) fn new(device: DeviceId, old: Key, new: Key, batch: u32, seq: u64) -> Self {
        Self {
            signer: old,
            named: new,
            prover: new,
            proof_over: (device, STREAM, SequenceNumber(seq)),
            device,
            kind: Kind::ROTATION,
            neighbours: (0, 0),
            stream: STREAM,
            batch,
            seq,
            flags: AnchorFlags::SYNCHRONISED | AnchorFlags::LAST_OF_KEY,
        }
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let (device, stream, seq) = self.proof_over;
        let proof = self.prover.sign(&Payload::proof_digest(&device, stream, seq));
        Payload { device: self.device, key: self.named.public(), proof }.payload().to_vec()
    }

    pub(crate) fn sealed(&self) -> Sealed {
        let (before, after) = self.neighbours;
        let payload = self.payload();
        let records = (self.seq - before..=self.seq + after).map(|seq| match seq {
            seq if seq == self.seq => record(seq, self.kind, payload.clone()),
            seq => record(seq, Kind::READING, vec![1]),
        });
        Sealed::new(self.signer, self.stream, self.batch, self.flags, records.collect())
    }

    pub(crate) fn rotation(&self) -> Rotation {
        self.sealed().rotation(usize::try_from(self.neighbours.0).unwrap())
    }
}

pub(crate) fn record(seq: u64, kind: Kind, payload: Vec<u8>) -> OwnedRecord {
    let time = WallTime { unix_ms: 1_770_000_000_000 + seq, quality: TimeQuality::Network };
    OwnedRecord { seq: SequenceNumber(seq), time, kind, blind: [9; 16], payload }
}

/// A batch and its signature.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) records: Vec<OwnedRecord>,
    pub(crate) anchor: Anchor,
    pub(crate) signature: Signature,
    pub(crate) signer: Key,
}

impl Sealed {
    pub(crate) fn new(signer: Key, stream: StreamId, batch: u32, flags: u8, records: Vec<OwnedRecord>) -> Self {
        let mut tree = TreeHasher::<16>::new();
        records.iter().for_each(|record| tree.push(record.leaf()).unwrap());
        let anchor = Anchor {
            stream,
            batch: BatchNumber(batch),
            first_seq: records[0].seq,
            count: u32::try_from(records.len()).unwrap(),
            sealed_at: 1_770_000_000_000,
            flags: AnchorFlags(flags),
            root: tree.root(),
            prev: Commitment([u8::from(batch != 0); 32]),
        };
        let mut sealed = Self { records, anchor, signature: Signature([0; 64]), signer };
        sealed.sign();
        sealed
    }

    pub(crate) fn sign(&mut self) {
        self.signature = self.signer.sign(&self.anchor.commitment().digest(&DEPLOYMENT));
    }

    fn path(&self, place: usize) -> Vec<Hash> {
        let mut path = PathBuilder::<16>::new(u32::try_from(place).unwrap());
        self.records.iter().for_each(|record| path.push(record.leaf()).unwrap());
        path.finish().unwrap().0.to_vec()
    }

    pub(crate) fn rotation(&self, place: usize) -> Rotation {
        Rotation {
            record: cbor::record_bytes(&self.records[place]),
            path: self.path(place),
            anchor: cbor::anchor_bytes(&self.anchor),
            signature: self.signature,
        }
    }

    /// Evidence of one of the records, as far as a device makes it.
    pub(crate) fn evidence(&self, place: usize, rotations: Vec<Rotation>) -> Evidence {
        let key = self.signer.public();
        Evidence {
            deployment: DEPLOYMENT,
            record: self.records[place].clone(),
            path: self.path(place),
            anchor: self.anchor,
            signature: self.signature,
            key: EvidenceKey { alg: key.alg, public_key: key.compressed() },
            rotations,
            inclusion: None,
        }
    }
}
