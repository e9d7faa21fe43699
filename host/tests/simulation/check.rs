// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must hold at the end of a run, whatever happened in it.

use std::collections::{BTreeMap, BTreeSet};

use cairn::{
    batch::BatchNumber,
    merkle::root_from_path,
    record::{Entry, SequenceNumber},
    signer::PublicKey,
    uplink::Data,
};
use cairn_evidence::{Expectation, verify::check_statement};
use cairn_host::{
    chain::Event,
    relay::{
        anchoring::locked,
        intake, proof,
        store::{Store, anchors::StoredAnchor},
        tree,
    },
};

use super::{
    super::device::{DEPLOYMENT, HOME, TestDevice},
    READINGS, Simulation, public_key,
};

impl Simulation {
    /// Checks what must hold whatever happened.
    pub(crate) fn check(&mut self) {
        let cell = self.conditions;
        let meter = self.meter.as_mut().expect("up at the end");
        let (status, key) = (meter.status(), meter.key());
        let store = locked(&self.store);
        assert_eq!(self.queue.journaled.len() as u64, READINGS, "{cell:?}");
        assert_eq!(store.equivocations().unwrap().len(), 0, "{cell:?}");
        let device = TestDevice::new(3);
        let batches: Vec<_> =
            (0..).map_while(|batch| store.batch(device.id, device.stream, BatchNumber(batch)).unwrap()).collect();
        if cell.rotates {
            self.check_rotation(&store, key);
        }
        let totals = store.totals().unwrap();
        assert_eq!((totals.stored as usize, totals.finalised as usize), (batches.len(), batches.len()), "{cell:?}");
        assert_eq!((status.unsent, status.totals.queue_full), (0, 0), "{cell:?}");
        self.check_records(&batches);
        self.check_postings(&store, &batches);
    }

    /// The device signs with its second key, and the relay and its evidence follow.
    fn check_rotation(&self, store: &Store, key: PublicKey) {
        let (cell, device) = (self.conditions, TestDevice::new(3));
        assert!(self.promoted && key == public_key(true), "{cell:?}");
        let keys: Vec<_> = store.keys_of(device.id).unwrap().iter().map(|known| known.key).collect();
        assert_eq!(keys, [device.key, public_key(true)], "{cell:?}");
        let last = SequenceNumber(READINGS + 1);
        let evidence = proof::of_record(store, device.id, last, None).unwrap();
        assert_eq!(evidence.rotations.len(), 1, "{cell:?}");
        let expectation = Expectation {
            deployment: DEPLOYMENT,
            chain_id: HOME.chain_id,
            contract: HOME.contract,
            device: Some(device.id),
            min_confirmations: 0,
        };
        let statement = check_statement(&evidence, &expectation).unwrap();
        assert_eq!(statement.key, public_key(true), "{cell:?}");
    }

    fn check_records(&self, batches: &[StoredAnchor]) {
        let cell = self.conditions;
        let mut delivered = BTreeMap::new();
        for stored in batches {
            let uplink = stored.read().unwrap();
            let Some(Data::Records { records, key }) = &uplink.data else { panic!("data was uploaded") };
            intake::for_each_entry(&uplink.anchor, records, key, |entry, _| {
                let Entry::Record(record) = entry else { panic!("nothing was lost") };
                let seen = delivered.insert(record.seq, record.payload.to_vec());
                assert_eq!(seen, None, "{cell:?}: record {} is in two batches", record.seq.0);
                Ok(())
            })
            .unwrap();
        }
        let own = 1 + u64::from(cell.rotates);
        assert_eq!(delivered.len() as u64, READINGS + own, "{cell:?}: the readings, the identity and the rotation");
        for (seq, payload) in &self.queue.journaled {
            assert_eq!(delivered.get(seq), Some(payload), "{cell:?}: record {}", seq.0);
        }
    }

    fn check_postings(&self, store: &Store, batches: &[StoredAnchor]) {
        let cell = self.conditions;
        let posted = self.chain.events();
        let mut seen = BTreeSet::new();
        for stored in batches {
            let (id, position) = stored.posting.expect("posted");
            let leaves = store.leaves(id).unwrap();
            let path = tree::path(&leaves, position).unwrap();
            let root = root_from_path(&stored.leaf, u64::from(position), leaves.len() as u64, &path).unwrap();
            let times = posted.iter().filter(|(event, _)| *event == Event::RootPosted(root)).count();
            assert_eq!(times, 1, "{cell:?}: batch is under {times} posted roots");
            seen.insert(root);
        }
        assert_eq!(posted.len(), seen.len(), "{cell:?}: a root that anchors nothing was posted");
        for nonce in 0..posted.len() as u64 {
            assert_eq!(self.chain.intents(nonce).len(), 1, "{cell:?}: nonce {nonce}");
        }
    }
}
