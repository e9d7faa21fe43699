// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the contract and the chain it is on. Called by the verifier, and by the relay through [`super::EvmLedger`].

use std::{
    collections::HashMap,
    num::NonZeroU64,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::{
    eips::BlockId,
    primitives::{FixedBytes, LogData},
    providers::Provider as _,
    rpc::types::{Filter, Log as RpcLog},
    sol_types::SolEvent as _,
};
use cairn::{
    batch::{Commitment, DeploymentId},
    merkle::Hash,
    signer::{DeviceId, KeyId},
};

use super::{
    CairnAnchor,
    node::{Node, reading},
};
use crate::chain::{Address, B256, Block, ChainError, Event, Inclusion, KeyStatus, LedgerView, Log, Receipt};

/// Blocks one request searches: most public nodes refuse longer ranges, and some this one.
const SEARCHED_BLOCKS: NonZeroU64 = NonZeroU64::new(2_000).expect("not zero");

/// A node and the contract on its chain.
#[derive(Clone, Debug)]
pub struct EvmView {
    node: Node,
    contract: Address,
    searched_blocks: NonZeroU64,
    /// Whose keys are, as far as it was asked: the contract says it once for each.
    registrants: Arc<Mutex<HashMap<KeyId, DeviceId>>>,
}

impl EvmView {
    /// The contract at `contract` as `node` sees it. No I/O: see [`EvmView::connect`].
    #[must_use]
    pub fn new(node: Node, contract: Address) -> Self {
        Self { node, contract, searched_blocks: SEARCHED_BLOCKS, registrants: Arc::default() }
    }

    /// The same, asking for at most `blocks` blocks in one request of [`LedgerView::find`]; 2000 unless told.
    #[must_use]
    pub fn searching(self, blocks: NonZeroU64) -> Self {
        Self { searched_blocks: blocks, ..self }
    }

    /// The contract at `contract` on chain `chain_id`, by the node at `url`, after asking it for both.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`], [`ChainError::WrongChain`], [`ChainError::NoContract`].
    pub async fn connect(url: &str, chain_id: u64, contract: Address) -> Result<Self, ChainError> {
        let view = Self::new(Node::new(url, chain_id)?, contract);
        view.node.check().await?;
        view.deployment().await?;
        Ok(view)
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// The lowest block whose time is `time` or later. Block times never fall, so halving finds it: about as many
    /// headers as the chain's length has bits.
    async fn first_block_at(&self, time: u64) -> Result<u64, ChainError> {
        let (mut low, mut high) = (0, self.head().await?.number);
        while low < high {
            let middle = low + (high - low) / 2;
            let block = self.block(middle).await?;
            let block = block.ok_or_else(|| ChainError::Answer(format!("that there is no block {middle}")))?;
            if block.time < time { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// What the contract said in one block of the registration of `key`.
    async fn registered_in(&self, number: u64, key: KeyId) -> Result<Option<DeviceId>, ChainError> {
        let mut topic = B256::ZERO;
        topic.0[..20].copy_from_slice(&key.0);
        let filter = Filter::new()
            .event_signature(CairnAnchor::KeyRegistered::SIGNATURE_HASH)
            .topic2(topic)
            .address(self.contract)
            .select(number);
        let logs = self.node.rpc().get_logs(&filter).await.map_err(reading)?;
        // A node that ignores a filter must not say whose a key is.
        let said = logs.iter().filter(|log| log.address() == self.contract && !log.removed).find_map(|log| {
            let said = CairnAnchor::KeyRegistered::decode_log_data_validate(&log.inner.data).ok()?;
            (said.keyId.0 == key.0).then_some(DeviceId(said.deviceId.0))
        });
        Ok(said)
    }

    async fn place(&self, log: &RpcLog) -> Result<Option<Inclusion>, ChainError> {
        let (Some(transaction), Some(hash), Some(log_index)) = (log.transaction_hash, log.block_hash, log.log_index)
        else {
            return Ok(None);
        };
        let block = self.node.block(BlockId::hash(hash)).await?;
        Ok(block.map(|block| Inclusion { transaction, block, log_index, emitter: log.address() }))
    }
}

impl LedgerView for EvmView {
    fn chain_id(&self) -> u64 {
        self.node.chain_id()
    }

    fn contract(&self) -> Address {
        self.contract
    }

    async fn deployment(&self) -> Result<DeploymentId, ChainError> {
        let asked = self.node.call(Address::ZERO, self.contract, &CairnAnchor::deploymentIdCall {}).await;
        match asked {
            Ok(id) => Ok(DeploymentId(id.0)),
            // Whatever is there, it is not our contract.
            Err(ChainError::Reverted(_)) => Err(ChainError::NoContract(self.contract)),
            Err(error) => Err(error),
        }
    }

    async fn head(&self) -> Result<Block, ChainError> {
        let head = self.node.block(BlockId::latest()).await?;
        head.ok_or_else(|| ChainError::Answer("that there is no latest block".into()))
    }

    async fn block(&self, number: u64) -> Result<Option<Block>, ChainError> {
        self.node.block(BlockId::number(number)).await
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<Block>, ChainError> {
        self.node.block(BlockId::hash(hash)).await
    }

    async fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, ChainError> {
        let Some(receipt) = self.node.receipt(transaction).await? else { return Ok(None) };
        let Some(hash) = receipt.block_hash else { return Ok(None) };
        // Gone between the two answers: a reorg, and the transaction is in no block now.
        let Some(block) = self.node.block(BlockId::hash(hash)).await? else { return Ok(None) };
        let ours =
            |log: &RpcLog| Some(Log { emitter: log.address(), index: log.log_index?, event: decode(&log.inner.data)? });
        Ok(Some(Receipt {
            transaction,
            block,
            succeeded: receipt.status(),
            gas_used: receipt.gas_used,
            logs: receipt.logs().iter().filter_map(ours).collect(),
        }))
    }

    async fn find(&self, event: Event, from: u64) -> Result<Vec<Inclusion>, ChainError> {
        let head = self.head().await?.number;
        let mut found = Vec::new();
        let mut start = from;
        while start <= head {
            let end = head.min(start.saturating_add(self.searched_blocks.get() - 1));
            let filter = filter(event).address(self.contract).from_block(start).to_block(end);
            for log in self.node.rpc().get_logs(&filter).await.map_err(reading)? {
                // A node that ignores a filter must not make evidence.
                if log.address() == self.contract && decode(&log.inner.data) == Some(event) && !log.removed {
                    found.extend(self.place(&log).await?);
                }
            }
            start = end + 1;
        }
        Ok(found)
    }

    async fn key_status(&self, key: KeyId) -> Result<KeyStatus, ChainError> {
        let call = CairnAnchor::keyStatusCall { keyId: FixedBytes(key.0) };
        let times = self.node.call(Address::ZERO, self.contract, &call).await?;
        Ok(KeyStatus { registered_at: times.registeredAt, revoked_at: times.revokedAt })
    }

    /// The registry keeps the time and not the device, which is in the event only: it is looked for in the blocks of
    /// that time, because nodes refuse to search a whole chain.
    async fn registrant(&self, key: KeyId) -> Result<Option<DeviceId>, ChainError> {
        if let Some(device) = self.registrants.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Some(*device));
        }
        let time = self.key_status(key).await?.registered_at;
        if time == 0 {
            return Ok(None);
        }
        let mut number = self.first_block_at(time).await?;
        while self.block(number).await?.is_some_and(|block| block.time == time) {
            if let Some(device) = self.registered_in(number, key).await? {
                self.registrants.lock().unwrap_or_else(PoisonError::into_inner).insert(key, device);
                return Ok(Some(device));
            }
            number += 1;
        }
        Ok(None)
    }
}

fn filter(event: Event) -> Filter {
    match event {
        Event::RootPosted(root) => {
            Filter::new().event_signature(CairnAnchor::RootPosted::SIGNATURE_HASH).topic1(B256::from(root.0))
        }
        Event::Anchored { key, commitment } => Filter::new()
            .event_signature(CairnAnchor::Anchored::SIGNATURE_HASH)
            .topic1(Address::from(key.0).into_word())
            .topic2(B256::from(commitment.0)),
    }
}

/// What a log says if it reads like one of the contract's two posts, exactly.
fn decode(log: &LogData) -> Option<Event> {
    if let Ok(posted) = CairnAnchor::RootPosted::decode_log_data_validate(log) {
        return Some(Event::RootPosted(Hash(posted.root.0)));
    }
    let anchored = CairnAnchor::Anchored::decode_log_data_validate(log).ok()?;
    Some(Event::Anchored { key: KeyId(anchored.keyId.into()), commitment: Commitment(anchored.commitment.0) })
}
