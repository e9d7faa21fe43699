// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The other end of a simulated life: it takes an uplink as a relay does, checks signature, chain and records, and answers with the
//! downlink of the wire format. A life whose relay had to refuse something is no life of this agent: [`Refusal`] ends it.

use std::collections::VecDeque;

use cairn::{
    batch::{Anchor, BatchNumber, Commitment, DeploymentId},
    merkle::TreeHasher,
    record::SequenceNumber,
    signer::{PublicKey, Signature},
    uplink::{DOWNLINK_MAX, Data, Downlink, Hints, Level, Uplink, delta},
};

/// What a relay does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not decode.
    #[error("an uplink does not decode")]
    Malformed,
    /// It is not signed by the device's key.
    #[error("an anchor is not signed by the device")]
    Signature,
    /// Another anchor of a batch that it has.
    #[error("a batch has two commitments")]
    Equivocation,
    /// It does not follow the batch before it.
    #[error("a batch does not follow the one before it")]
    Chain,
    /// The records do not hash to the root.
    #[error("records do not hash to their root")]
    Root,
}

/// The relay of one device.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    deployment: DeploymentId,
    key: PublicKey,
    last: Option<(Anchor, Signature)>,
    /// Until an anchor is final, milliseconds.
    final_ms: u64,
    /// Batches that are not final yet, and when they were stored.
    waiting: VecDeque<(u64, BatchNumber)>,
    final_through: Option<BatchNumber>,
    /// Every record below this one is stored.
    pub(crate) stored_below: SequenceNumber,
    /// Batches stored without their records.
    pub(crate) hash_only: u32,
    /// What it had to refuse.
    pub(crate) refusal: Option<Refusal>,
}

impl Relay {
    pub(crate) const fn new(deployment: DeploymentId, key: PublicKey, final_ms: u64) -> Self {
        Self {
            deployment,
            key,
            last: None,
            final_ms,
            waiting: VecDeque::new(),
            final_through: None,
            stored_below: SequenceNumber(0),
            hash_only: 0,
            refusal: None,
        }
    }

    /// Takes an uplink and writes the downlink, whose length it returns; 0 when it refuses.
    pub(crate) fn take(&mut self, now: u64, uplink: &[u8], out: &mut [u8; DOWNLINK_MAX]) -> usize {
        match self.store(now, uplink) {
            Ok(downlink) => downlink.encode(out).expect("a downlink fits the longest"),
            Err(refusal) => {
                self.refusal.get_or_insert(refusal);
                0
            }
        }
    }

    fn store(&mut self, now: u64, bytes: &[u8]) -> Result<Downlink, Refusal> {
        let uplink = Uplink::decode(bytes).map_err(|_| Refusal::Malformed)?;
        let anchor = uplink.anchor;
        let again = self.last.is_some_and(|(last, _)| last.batch == anchor.batch);
        if again {
            if self.last != Some((anchor, uplink.signature)) {
                return Err(Refusal::Equivocation);
            }
        } else {
            self.check(&uplink)?;
            self.last = Some((anchor, uplink.signature));
            self.waiting.push_back((now, anchor.batch));
            self.stored_below = anchor.end().ok_or(Refusal::Chain)?;
            self.hash_only += u32::from(uplink.data.is_none());
        }
        while let Some((at, batch)) = self.waiting.front().copied()
            && at + self.final_ms <= now
            && batch <= anchor.batch
        {
            self.final_through = Some(batch);
            self.waiting.pop_front();
        }
        Ok(Downlink {
            level: Level::Stored,
            stream: anchor.stream,
            batch: anchor.batch,
            commitment: anchor.commitment().prefix(),
            final_through: self.final_through,
            hints: Hints::default(),
        })
    }

    fn check(&self, uplink: &Uplink<'_>) -> Result<(), Refusal> {
        let anchor = &uplink.anchor;
        let digest = anchor.commitment().digest(&self.deployment);
        self.key.accept(&digest, &uplink.signature.0).map_err(|_| Refusal::Signature)?;
        let (batch, first, prev) =
            self.last.map_or((BatchNumber(0), SequenceNumber(0), Commitment::default()), |(last, _)| {
                (BatchNumber(last.batch.0 + 1), self.stored_below, last.commitment())
            });
        if (anchor.batch, anchor.first_seq, anchor.prev) != (batch, first, prev) || anchor.count == 0 {
            return Err(Refusal::Chain);
        }
        let Some(data) = &uplink.data else { return Ok(()) };
        let Data::Records { records, key } = data else { return Err(Refusal::Malformed) };
        let mut decoder = delta::Decoder::new(records, anchor.first_seq, anchor.count);
        let (mut tree, mut buf) = (TreeHasher::<16>::new(), [0; 1024]);
        while let Some(entry) = decoder.next(&mut buf).map_err(|_| Refusal::Malformed)? {
            tree.push(entry.leaf(key)).map_err(|_| Refusal::Root)?;
        }
        if tree.root() == anchor.root { Ok(()) } else { Err(Refusal::Root) }
    }
}
