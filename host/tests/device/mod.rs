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
    signer::{Algorithm, Digest, PublicKey, Signature, Signer as _, software::SoftwareSigner},
    time::{TimeQuality, WallTime},
    uplink::{
        Data, Downlink, Uplink,
        delta::{BitWriter, Encoder},
    },
};
use cairn_evidence::{Evidence, EvidenceKey, OwnedRecord, signature};
use cairn_host::{
    chain::{KeyStatus, fake::FakeChain},
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

/// A device with a key, a stream, and the batches it made.
pub(crate) struct TestDevice {
    signer: Box<dyn FnMut(&Digest) -> Signature>,
    pub(crate) key: PublicKey,
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
        let mut signer = SoftwareSigner::new(key).unwrap();
        let key = signer.public_key().unwrap();
        Self::signing(number, key, Box::new(move |digest| signer.sign(digest).unwrap()), blind_secret, deployment)
    }

    /// A device whose secure element signs with P-256.
    pub(crate) fn p256(number: u8) -> Self {
        let signer = p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap();
        let key =
            signature::public_key(Algorithm::Es256, signer.verifying_key().to_sec1_point(true).as_bytes()).unwrap();
        let sign = move |digest: &Digest| {
            let made: p256::ecdsa::Signature = signer.sign_prehash(&digest.0).unwrap();
            Signature(made.normalize_s().to_bytes().into())
        };
        Self::signing(number, key, Box::new(sign), [number; 32], DEPLOYMENT)
    }

    fn signing(
        number: u8,
        key: PublicKey,
        signer: Box<dyn FnMut(&Digest) -> Signature>,
        blind_secret: [u8; 32],
        deployment: DeploymentId,
    ) -> Self {
        Self {
            signer,
            key,
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
        Device {
            key: self.key,
            kid: [0, 0, 0, self.number],
            master_secret: Zeroizing::new([self.number; 16]),
            status: KeyStatus::default(),
            checked_ms: None,
        }
    }

    /// Seals the next batch, of `count` records of `kind` besides the identity in the first.
    pub(crate) fn seal(&mut self, count: u32, kind: Kind) -> Batch {
        let batch = self.make(self.next_seq, count, kind, 0);
        self.next_seq = batch.anchor.end().unwrap();
        self.batches += 1;
        self.prev = batch.commitment();
        batch
    }

    /// The batch the next [`TestDevice::seal`] would make, with other readings: a second statement about one batch.
    pub(crate) fn fork(&mut self, count: u32, kind: Kind) -> Batch {
        self.make(self.next_seq, count, kind, 1)
    }

    fn make(&mut self, first: SequenceNumber, count: u32, kind: Kind, shift: u64) -> Batch {
        let batch_key = self.secret.batch_key(self.stream, self.batches);
        let mut records = Vec::new();
        for seq in first.0..first.0 + u64::from(count) {
            let time = WallTime { unix_ms: START_MS + seq * 900_000, quality: TimeQuality::Network };
            let identity = Identity::new(self.key.device_id(), &self.key, None).payload();
            let (kind, payload) = match seq {
                0 => (Kind::IDENTITY, identity.to_vec()),
                _ => (kind, minicbor::to_vec(1000 + seq * 7 + shift).unwrap()),
            };
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
            first_seq: first,
            count,
            sealed_at: START_MS + 1,
            flags: AnchorFlags(AnchorFlags::SYNCHRONISED),
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
            rotations: Vec::new(),
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
        self.chain.register(device.key.key_id());
    }

    pub(crate) fn take(&self, key: PublicKey, uplink: &[u8]) -> Result<Downlink, Rejection> {
        let mut store = locked(&self.store);
        let known = store.device_by_key(key.key_id()).unwrap().expect("admitted");
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
