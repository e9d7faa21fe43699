// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device as the relay sees one, and a relay on a fake chain whose clock is a number. For the tests of the relay's core.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod client;

use std::sync::Mutex;

use cairn::{
    batch::{Anchor, AnchorFlags, BATCH_DEPTH, BatchNumber, Commitment, DeploymentId},
    identity::Identity,
    merkle::{PathBuilder, TreeHasher},
    record::{BlindSecret, Entry, Kind, Record, SequenceNumber, StreamId},
    rotation::Rotation as Payload,
    signer::{Algorithm, DeviceId, Digest, PublicKey, Signature, Signer as _, software::SoftwareSigner},
    time::{TimeQuality, WallTime},
    uplink::{
        Data, Downlink, Uplink,
        delta::{BitWriter, Encoder},
    },
};
use cairn_evidence::{Evidence, EvidenceKey, OwnedRecord, Rotation, cbor, signature};
use cairn_host::{
    chain::fake::FakeChain,
    deployment::EndorsementPolicy,
    relay::{
        anchoring::{Anchoring, Settings, locked},
        backoff::Steps,
        gather::Mode,
        intake::{self, IntakeError, Offer, Rejection, Rules},
        store::{Home, Store, devices::Device},
    },
};
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use zeroize::Zeroizing;

pub(crate) const DEPLOYMENT: DeploymentId = DeploymentId([1; 32]);
pub(crate) const HOME: Home =
    Home { deployment: DEPLOYMENT, chain_id: FakeChain::CHAIN_ID, contract: FakeChain::CONTRACT.0.0 };
/// Devices of these tests come without endorsements, where the test is not about them.
pub(crate) const RULES: Rules = Rules { deployment: DEPLOYMENT, endorsement: EndorsementPolicy::Optional };
pub(crate) const START_MS: u64 = 1_767_225_600_000;
pub(crate) const DEPTH: u64 = 3;

/// Runs a future that waits for nothing real.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A key that signs.
pub(crate) struct TestKey {
    pub(crate) public: PublicKey,
    sign: Box<dyn FnMut(&Digest) -> Signature>,
}

impl TestKey {
    pub(crate) fn software(secret: &[u8; 32]) -> Self {
        let mut signer = SoftwareSigner::new(secret).unwrap();
        let public = signer.public_key().unwrap();
        Self { public, sign: Box::new(move |digest| signer.sign(digest).unwrap()) }
    }

    /// As a secure element has it.
    pub(crate) fn p256(number: u8) -> Self {
        let signer = p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap();
        let public =
            signature::public_key(Algorithm::Es256, signer.verifying_key().to_sec1_point(true).as_bytes()).unwrap();
        let sign = move |digest: &Digest| {
            let made: p256::ecdsa::Signature = signer.sign_prehash(&digest.0).unwrap();
            Signature(made.normalize_s().to_bytes().into())
        };
        Self { public, sign: Box::new(sign) }
    }
}

/// A device with a key, a stream, and the batches it made.
pub(crate) struct TestDevice {
    signer: Box<dyn FnMut(&Digest) -> Signature>,
    pub(crate) key: PublicKey,
    /// Its first key's.
    pub(crate) id: DeviceId,
    rotations: Vec<Rotation>,
    pub(crate) number: u8,
    pub(crate) stream: StreamId,
    deployment: DeploymentId,
    secret: BlindSecret,
    next_seq: SequenceNumber,
    batches: u32,
    prev: Commitment,
}

/// One batch as its device has it.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) anchor: Anchor,
    pub(crate) signature: Signature,
    pub(crate) records: Vec<OwnedRecord>,
    delta: Vec<u8>,
    key: cairn::record::BatchKey,
}

impl Batch {
    pub(crate) fn uplink(&self, with_data: bool) -> Vec<u8> {
        let data = Data::Records { records: &self.delta, key: self.key.clone() };
        let uplink = Uplink { anchor: self.anchor, signature: self.signature, data: with_data.then_some(data) };
        let mut out = vec![0; 4096];
        let length = uplink.encode(&mut out).unwrap();
        out.truncate(length);
        out
    }

    pub(crate) fn commitment(&self) -> Commitment {
        self.anchor.commitment()
    }
}

impl TestDevice {
    pub(crate) fn new(number: u8) -> Self {
        Self::with(number, &[number; 32], [number; 32], DEPLOYMENT)
    }

    /// A device of a deployment that is not the tests' own.
    pub(crate) fn with(number: u8, key: &[u8; 32], blind_secret: [u8; 32], deployment: DeploymentId) -> Self {
        Self::signing(number, TestKey::software(key), blind_secret, deployment)
    }

    /// A device whose secure element signs with P-256.
    pub(crate) fn p256(number: u8) -> Self {
        Self::signing(number, TestKey::p256(number), [number; 32], DEPLOYMENT)
    }

    fn signing(number: u8, key: TestKey, blind_secret: [u8; 32], deployment: DeploymentId) -> Self {
        Self {
            signer: key.sign,
            key: key.public,
            id: key.public.device_id(),
            rotations: Vec::new(),
            number,
            stream: StreamId(u64::MAX - u64::from(number)),
            deployment,
            secret: BlindSecret::new(blind_secret),
            next_seq: SequenceNumber(0),
            batches: 0,
            prev: Commitment([0; 32]),
        }
    }

    /// What provisioning puts into the relay's database.
    pub(crate) fn provisioned(&self) -> Device {
        Device::born(self.key, [0, 0, 0, self.number], Zeroizing::new([self.number; 16]))
    }

    /// Seals the next batch, of `count` records of `kind` besides the identity in the first.
    pub(crate) fn seal(&mut self, count: u32, kind: Kind) -> Batch {
        let batch = self.readings(count, kind, 0);
        self.goes_on_after(&batch);
        batch
    }

    /// The batch the next [`TestDevice::seal`] would make, with other readings: a second statement about one batch.
    pub(crate) fn fork(&mut self, count: u32, kind: Kind) -> Batch {
        self.readings(count, kind, 1)
    }

    fn readings(&mut self, count: u32, kind: Kind, shift: u64) -> Batch {
        let record = |seq| match seq {
            0 => (Kind::IDENTITY, Identity::new(self.id, &self.key, None).payload().to_vec()),
            _ => (kind, minicbor::to_vec(1000 + seq * 7 + shift).unwrap()),
        };
        let records = (self.next_seq.0..self.next_seq.0 + u64::from(count)).map(record).collect();
        self.batch_of(records, AnchorFlags::SYNCHRONISED)
    }

    /// What a rotation to `next` says, from the next record on.
    pub(crate) fn rotation_payload(&self, next: &mut TestKey) -> Vec<u8> {
        let proof = (next.sign)(&Payload::proof_digest(&self.id, self.stream, self.next_seq));
        Payload { device: self.id, key: next.public, proof }.payload().to_vec()
    }

    /// Seals the rotation record, with the present key, and goes on with the next one.
    pub(crate) fn rotate(&mut self, mut next: TestKey) -> Batch {
        let records = vec![(Kind::ROTATION, self.rotation_payload(&mut next))];
        let batch = self.batch_of(records, AnchorFlags::SYNCHRONISED | AnchorFlags::LAST_OF_KEY);
        self.goes_on_after(&batch);
        self.rotations.push(Rotation {
            record: cbor::record_bytes(&batch.records[0]),
            path: Vec::new(),
            anchor: cbor::anchor_bytes(&batch.anchor),
            signature: batch.signature,
        });
        (self.key, self.signer) = (next.public, next.sign);
        batch
    }

    /// Formats its journal: another stream from its beginning.
    pub(crate) fn format(&mut self) {
        self.stream.0 ^= 0xff00;
        (self.next_seq, self.batches, self.prev) = (SequenceNumber(0), 0, Commitment([0; 32]));
    }

    fn goes_on_after(&mut self, batch: &Batch) {
        self.next_seq = batch.anchor.end().unwrap();
        self.batches += 1;
        self.prev = batch.commitment();
    }

    /// The next batch with these records; the device does not go on after it.
    pub(crate) fn batch_of(&mut self, contents: Vec<(Kind, Vec<u8>)>, flags: u8) -> Batch {
        let batch_key = self.secret.batch_key(self.stream, self.batches);
        let mut records = Vec::new();
        for (seq, (kind, payload)) in (self.next_seq.0..).zip(contents) {
            let time = WallTime { unix_ms: START_MS + seq * 900_000, quality: TimeQuality::Network };
            let seq = SequenceNumber(seq);
            records.push(OwnedRecord { seq, time, kind, blind: batch_key.blind(seq), payload });
        }
        let mut buffer = vec![0; 4096];
        let mut encoder = Encoder::new(BitWriter::new(&mut buffer));
        let mut tree = TreeHasher::<BATCH_DEPTH>::new();
        for record in &records {
            tree.push(record.leaf()).unwrap();
            let OwnedRecord { seq, time, kind, payload, .. } = record;
            encoder.push(&Entry::Record(Record { seq: *seq, time: *time, kind: *kind, payload })).unwrap();
        }
        let length = encoder.sink().bytes();
        buffer.truncate(length);
        let anchor = Anchor {
            stream: self.stream,
            batch: BatchNumber(self.batches),
            first_seq: self.next_seq,
            count: u32::try_from(records.len()).unwrap(),
            sealed_at: START_MS + 1,
            flags: AnchorFlags(flags),
            root: tree.root(),
            prev: self.prev,
        };
        Batch { anchor, signature: self.sign(&anchor), records, delta: buffer, key: batch_key }
    }

    pub(crate) fn sign(&mut self, anchor: &Anchor) -> Signature {
        (self.signer)(&anchor.commitment().digest(&self.deployment))
    }

    /// What the device gives out itself of one of a batch's records.
    pub(crate) fn evidence(&self, batch: &Batch, place: usize) -> Evidence {
        let mut path = PathBuilder::<BATCH_DEPTH>::new(u32::try_from(place).unwrap());
        batch.records.iter().for_each(|record| path.push(record.leaf()).unwrap());
        Evidence {
            deployment: self.deployment,
            record: batch.records[place].clone(),
            path: path.finish().unwrap().0.to_vec(),
            anchor: batch.anchor,
            signature: batch.signature,
            key: EvidenceKey { alg: self.key.alg, public_key: self.key.compressed() },
            rotations: self.rotations.clone(),
            inclusion: None,
        }
    }
}

pub(crate) fn settings(mode: Mode) -> Settings {
    Settings {
        deployment: DEPLOYMENT,
        mode,
        finality_depth: DEPTH,
        batch_interval_ms: 60_000,
        round_ms: 2000,
        resend_ms: 30_000,
        raise_fees_ms: 120_000,
        fee_ceiling: 500_000_000_000,
        key_check_ms: 600_000,
        retry: Steps { first_ms: 1000, most_ms: 60_000 },
    }
}

/// A relay on a fake chain, at a time of its own.
pub(crate) struct TestRelay {
    pub(crate) store: Mutex<Store>,
    pub(crate) chain: FakeChain,
    pub(crate) anchoring: Anchoring<FakeChain>,
    pub(crate) rules: Rules,
    pub(crate) now_ms: u64,
}

impl TestRelay {
    pub(crate) fn new(mode: Mode) -> Self {
        Self::with(Store::in_memory(&HOME).unwrap(), FakeChain::new(DEPLOYMENT), mode)
    }

    pub(crate) fn with(store: Store, chain: FakeChain, mode: Mode) -> Self {
        let anchoring = Anchoring::new(chain.clone(), settings(mode), 7);
        Self { store: Mutex::new(store), chain, anchoring, rules: RULES, now_ms: START_MS }
    }

    /// Puts a device into the database and its key into the registry.
    pub(crate) fn admit(&self, device: &TestDevice) {
        locked(&self.store).add_device(&device.provisioned(), self.now_ms).unwrap();
        self.chain.register(device.key.device_id(), device.key.key_id());
    }

    pub(crate) fn take(&self, key: PublicKey, uplink: &[u8]) -> Result<Downlink, Rejection> {
        let mut store = locked(&self.store);
        let device = store.device_by_key(key.key_id()).unwrap().expect("admitted").id;
        // As the endpoint finds it: by what names the device, under its present key.
        let known = store.device_by_id(device).unwrap().expect("admitted");
        match intake::take(&mut store, &self.rules, &known, uplink, &Offer::default(), self.now_ms) {
            Ok(downlink) => Ok(downlink),
            Err(IntakeError::Rejected(rejection)) => Err(rejection),
            Err(IntakeError::Store(error)) => panic!("{error}"),
        }
    }

    /// Lets the relay work for `ms`, in as many rounds as it wants; no block is mined.
    pub(crate) fn work(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            let next = now(self.anchoring.advance(&self.store, self.now_ms));
            self.now_ms = next.clamp(self.now_ms + 1, end);
        }
        now(self.anchoring.advance(&self.store, self.now_ms));
    }

    /// A block every 12 seconds, and the relay at work in between.
    pub(crate) fn blocks(&mut self, count: u64) {
        for _ in 0..count {
            self.work(12_000);
            self.chain.mine();
        }
        self.work(12_000);
    }
}
