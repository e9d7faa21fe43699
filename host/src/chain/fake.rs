// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A chain in memory, on virtual time: blocks are mined on command, reorgs and outages too. For tests of whatever is written
//! against [`Ledger`]; the program never uses it. It is as strict as a node: nonces without gaps, replacements at a tenth
//! more, nothing mined below the base fee, gas never free for a relay that the contract does not know.
//!
//! ```
//! use cairn_host::chain::{Fees, Ledger as _, LedgerView as _, Payload, fake::FakeChain};
//! use cairn::merkle::Hash;
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let chain = FakeChain::default();
//! let fees = chain.market_fees().await?;
//! let sent = chain.prepare(&Payload::Root(Hash([7; 32])), chain.next_nonce().await?, fees)?;
//! chain.send(&sent).await?;
//! assert_eq!(chain.receipt(sent.hash).await?, None);
//! let block = chain.mine();
//! assert_eq!(chain.receipt(sent.hash).await?.unwrap().block, block);
//! # Ok::<(), cairn_host::chain::ChainError>(()) }).unwrap();
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy::primitives::keccak256;
use cairn::{
    batch::DeploymentId,
    merkle::Hash,
    signer::{DeviceId, KeyId},
};

use super::{
    Address, B256, Block, ChainError, Event, Fees, Inclusion, KeyStatus, Ledger, LedgerView, Log, PackedAnchors,
    Payload, Receipt, Refusal, Revert, SignedTransaction,
};

/// Seconds between blocks unless [`FakeChain::mine_at`] says otherwise.
pub const BLOCK_SECONDS: u64 = 12;

/// Unix seconds of block 0: 2026-01-01.
pub const GENESIS_SECONDS: u64 = 1_767_225_600;

/// The base fee a new chain starts with, wei per gas. It stays until [`FakeChain::set_base_fee`].
pub const BASE_FEE: u128 = 1_000_000_000;

/// What becomes of the transactions of blocks that a reorg removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// They wait in the node's pool again, and the next block may include them.
    Return,
    /// The node forgets them: whoever wants them included sends them again.
    Vanish,
}

/// How the node treats who talks to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Node {
    #[default]
    Up,
    /// Refuses connections; blocks are still mined by others.
    Down,
    /// Takes the next transaction and loses the answer.
    LosesNextAnswer,
}

#[derive(Clone, Debug)]
struct Transaction {
    signed: SignedTransaction,
    nonce: u64,
    fees: Fees,
    payload: Payload,
}

#[derive(Clone, Debug)]
struct Mined {
    block: Block,
    transactions: Vec<Transaction>,
}

#[derive(Debug)]
struct State {
    deployment: DeploymentId,
    node: Node,
    blocks: Vec<Mined>,
    pool: BTreeMap<u64, Transaction>,
    /// Everything a node ever took, in order: also what was replaced or orphaned.
    taken: Vec<Transaction>,
    keys: HashMap<KeyId, KeyStatus>,
    registrants: HashMap<KeyId, DeviceId>,
    base_fee: u128,
    relay_allowed: bool,
    reorgs: u64,
}

/// The chain, its one node, and the relay's account on it. Clones are the same chain, so that a test keeps one and the relay,
/// killed and started again, gets others.
#[derive(Clone, Debug)]
pub struct FakeChain(Arc<Mutex<State>>);

impl Default for FakeChain {
    /// A chain of deployment `[1; 32]`.
    fn default() -> Self {
        Self::new(DeploymentId([1; 32]))
    }
}

impl FakeChain {
    /// Its EIP-155 id.
    pub const CHAIN_ID: u64 = 31_337;
    /// Its contract.
    pub const CONTRACT: Address = Address::repeat_byte(0xca);
    /// The relay's account.
    pub const ACCOUNT: Address = Address::repeat_byte(0xac);

    /// A chain of one block, its node up, and no key registered.
    #[must_use]
    pub fn new(deployment: DeploymentId) -> Self {
        let genesis = Mined {
            block: Block { number: 0, hash: keccak256(deployment.0), time: GENESIS_SECONDS },
            transactions: Vec::new(),
        };
        Self(Arc::new(Mutex::new(State {
            deployment,
            node: Node::Up,
            blocks: vec![genesis],
            pool: BTreeMap::new(),
            taken: Vec::new(),
            keys: HashMap::new(),
            registrants: HashMap::new(),
            base_fee: BASE_FEE,
            relay_allowed: true,
            reorgs: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing below panics between two writes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reachable(&self) -> Result<MutexGuard<'_, State>, ChainError> {
        let state = self.state();
        if state.node == Node::Down { Err(ChainError::Unreachable("connection refused".into())) } else { Ok(state) }
    }

    /// Mines a block, [`BLOCK_SECONDS`] after the last: waiting transactions in order of nonce, without gaps, that pay the
    /// base fee.
    pub fn mine(&self) -> Block {
        let mut state = self.state();
        let time = state.head().time + BLOCK_SECONDS;
        state.mine(time)
    }

    /// Mines `count` blocks; gives the last.
    ///
    /// # Panics
    /// When `count` is 0.
    pub fn mine_many(&self, count: u64) -> Block {
        assert!(count > 0, "at least one block");
        for _ in 1..count {
            self.mine();
        }
        self.mine()
    }

    /// Mines a block at `time`, Unix seconds.
    ///
    /// # Panics
    /// When `time` is not after the last block's: no chain allows that.
    pub fn mine_at(&self, time: u64) -> Block {
        let mut state = self.state();
        assert!(time > state.head().time, "block time {time} is not after the head's");
        state.mine(time)
    }

    /// Replaces the last `depth` blocks by one more empty block than that, all with other hashes; gives the new head. Only
    /// what happened to transactions is undone: the registry is not.
    ///
    /// # Panics
    /// When it would replace block 0.
    pub fn reorg(&self, depth: u64, orphans: Orphans) -> Block {
        let mut state = self.state();
        assert!(depth <= state.head().number, "block 0 cannot be replaced");
        state.reorgs += 1;
        let kept = state.blocks.len() - usize::try_from(depth).expect("fewer blocks than memory");
        let orphaned: Vec<_> = state.blocks.split_off(kept).into_iter().flat_map(|mined| mined.transactions).collect();
        let pool = std::mem::take(&mut state.pool);
        for _ in 0..=depth {
            let time = state.head().time + BLOCK_SECONDS;
            state.mine(time);
        }
        state.pool = pool;
        if orphans == Orphans::Return {
            for transaction in orphaned {
                state.pool.insert(transaction.nonce, transaction);
            }
        }
        state.head()
    }

    /// Switches the node on or off. Blocks can be mined meanwhile: the chain does not stop for one node.
    pub fn set_up(&self, up: bool) {
        self.state().node = if up { Node::Up } else { Node::Down };
    }

    /// The next [`Ledger::send`] arrives, and its sender is told [`ChainError::Unreachable`].
    pub fn lose_next_answer(&self) {
        self.state().node = Node::LosesNextAnswer;
    }

    /// Forgets every transaction that waits, as a restarted node does.
    pub fn empty_pool(&self) {
        self.state().pool.clear();
    }

    /// Sets the base fee in wei per gas, from the next block on.
    pub fn set_base_fee(&self, wei: u128) {
        self.state().base_fee = wei;
    }

    /// Allows or forbids the relay's account to post: when forbidden, its transactions are included and have no effect.
    pub fn set_relay(&self, allowed: bool) {
        self.state().relay_allowed = allowed;
    }

    /// Registers a key for a device, at the head's time.
    pub fn register(&self, device: DeviceId, key: KeyId) {
        let mut state = self.state();
        state.registrants.insert(key, device);
        let now = state.head().time;
        state.keys.entry(key).or_default().registered_at = now;
    }

    /// Revokes a key, at the head's time.
    pub fn revoke(&self, key: KeyId) {
        let mut state = self.state();
        let now = state.head().time;
        state.keys.entry(key).or_default().revoked_at = now;
    }

    /// How many transactions wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().pool.len()
    }

    /// Every payload the node ever took under `nonce`, without repetitions: more than one breaks "one nonce, one intent".
    #[must_use]
    pub fn intents(&self, nonce: u64) -> Vec<Payload> {
        let mut intents = Vec::new();
        for transaction in self.state().taken.iter().filter(|t| t.nonce == nonce) {
            if !intents.contains(&transaction.payload) {
                intents.push(transaction.payload.clone());
            }
        }
        intents
    }

    /// The fees of every transaction the node took under `nonce`, in order.
    #[must_use]
    pub fn fees_paid_for(&self, nonce: u64) -> Vec<Fees> {
        self.state().taken.iter().filter(|t| t.nonce == nonce).map(|t| t.fees).collect()
    }

    /// Every event of the contract on the best chain, in order, with its place.
    #[must_use]
    pub fn events(&self) -> Vec<(Event, Inclusion)> {
        let state = self.state();
        state.blocks.iter().flat_map(|mined| state.receipts(mined)).flat_map(located).collect()
    }
}

fn located(receipt: Receipt) -> Vec<(Event, Inclusion)> {
    let Receipt { transaction, block, logs, .. } = receipt;
    let place = |log: &Log| Inclusion { transaction, block, log_index: log.index, emitter: log.emitter };
    logs.iter().map(|log| (log.event, place(log))).collect()
}

impl State {
    fn head(&self) -> Block {
        self.blocks.last().expect("block 0 is never removed").block
    }

    /// The account's first nonce that is not on the best chain.
    fn next_nonce(&self) -> u64 {
        self.blocks.iter().map(|mined| mined.transactions.len() as u64).sum()
    }

    fn mine(&mut self, time: u64) -> Block {
        let head = self.head();
        let mut transactions = Vec::new();
        let mut nonce = self.next_nonce();
        while self.pool.get(&nonce).is_some_and(|waiting| waiting.fees.max_per_gas >= self.base_fee) {
            transactions.extend(self.pool.remove(&nonce));
            nonce += 1;
        }
        let mut name = head.hash.to_vec();
        name.extend_from_slice(&self.reorgs.to_be_bytes());
        name.extend_from_slice(&time.to_be_bytes());
        transactions.iter().for_each(|t| name.extend_from_slice(t.signed.hash.as_slice()));
        let block = Block { number: head.number + 1, hash: keccak256(name), time };
        self.blocks.push(Mined { block, transactions });
        block
    }

    /// What the contract says of a payload, or why it refuses.
    fn run(&self, payload: &Payload) -> Result<Vec<Event>, Revert> {
        if !self.relay_allowed {
            return Err(Revert::NotRelay(FakeChain::ACCOUNT));
        }
        match payload {
            Payload::Root(root) => Ok(vec![Event::RootPosted(*root)]),
            Payload::Anchors(packed) if packed.is_empty() => Err(Revert::EmptyBatch),
            Payload::Anchors(packed) => (0..)
                .zip(packed.events(&self.deployment))
                .map(|(index, event)| event.ok_or(Revert::NoSigner(index)))
                .map(|event| event.map(|(key, commitment)| Event::Anchored { key, commitment }))
                .collect(),
        }
    }

    fn receipts(&self, mined: &Mined) -> Vec<Receipt> {
        let mut index = 0;
        let mut receipts = Vec::new();
        for transaction in &mined.transactions {
            let events = self.run(&transaction.payload);
            let succeeded = events.is_ok();
            let logs = events.unwrap_or_default().into_iter().map(|event| {
                index += 1;
                Log { emitter: FakeChain::CONTRACT, index: index - 1, event }
            });
            let logs: Vec<_> = logs.collect();
            let gas_used = 25_000 * (logs.len() as u64).max(1);
            receipts.push(Receipt {
                transaction: transaction.signed.hash,
                block: mined.block,
                succeeded,
                gas_used,
                logs,
            });
        }
        receipts
    }

    fn is_included(&self, hash: B256) -> bool {
        self.blocks.iter().any(|mined| mined.transactions.iter().any(|t| t.signed.hash == hash))
    }

    fn take(&mut self, transaction: Transaction) -> Result<(), Refusal> {
        if self.is_included(transaction.signed.hash) {
            return Ok(());
        }
        if transaction.nonce < self.next_nonce() {
            return Err(Refusal::NonceUsed);
        }
        if let Some(waiting) = self.pool.get(&transaction.nonce) {
            if waiting.signed == transaction.signed {
                return Ok(());
            }
            let enough = |new: u128, old: u128| new >= old.saturating_add(old.div_ceil(10));
            let (new, old) = (transaction.fees, waiting.fees);
            if !enough(new.max_per_gas, old.max_per_gas) || !enough(new.max_priority_per_gas, old.max_priority_per_gas)
            {
                return Err(Refusal::Underpriced);
            }
        }
        self.taken.push(transaction.clone());
        self.pool.insert(transaction.nonce, transaction);
        Ok(())
    }
}

/// The fake's transaction bytes: nonce, both fees, 0 and the root or 1 and the packed anchors.
fn encode(payload: &Payload, nonce: u64, fees: Fees) -> Vec<u8> {
    let mut raw = nonce.to_be_bytes().to_vec();
    raw.extend_from_slice(&fees.max_per_gas.to_be_bytes());
    raw.extend_from_slice(&fees.max_priority_per_gas.to_be_bytes());
    match payload {
        Payload::Root(root) => {
            raw.push(0);
            raw.extend_from_slice(&root.0);
        }
        Payload::Anchors(packed) => {
            raw.push(1);
            raw.extend_from_slice(packed.as_bytes());
        }
    }
    raw
}

fn decode(signed: &SignedTransaction) -> Option<Transaction> {
    let (nonce, rest) = signed.raw.split_first_chunk()?;
    let (max, rest) = rest.split_first_chunk()?;
    let (priority, rest) = rest.split_first_chunk()?;
    let payload = match rest.split_first()? {
        (0, root) => Payload::Root(Hash(root.try_into().ok()?)),
        (1, []) => Payload::Anchors(PackedAnchors::new()),
        (1, packed) => Payload::Anchors(PackedAnchors::from_bytes(packed).ok()?),
        _ => return None,
    };
    let fees = Fees { max_per_gas: u128::from_be_bytes(*max), max_priority_per_gas: u128::from_be_bytes(*priority) };
    let named = signed.hash == keccak256(&signed.raw);
    named.then(|| Transaction { signed: signed.clone(), nonce: u64::from_be_bytes(*nonce), fees, payload })
}

impl LedgerView for FakeChain {
    fn chain_id(&self) -> u64 {
        Self::CHAIN_ID
    }

    fn contract(&self) -> Address {
        Self::CONTRACT
    }

    async fn deployment(&self) -> Result<DeploymentId, ChainError> {
        Ok(self.reachable()?.deployment)
    }

    async fn head(&self) -> Result<Block, ChainError> {
        Ok(self.reachable()?.head())
    }

    async fn block(&self, number: u64) -> Result<Option<Block>, ChainError> {
        Ok(self.reachable()?.blocks.iter().map(|mined| mined.block).find(|block| block.number == number))
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<Block>, ChainError> {
        Ok(self.reachable()?.blocks.iter().map(|mined| mined.block).find(|block| block.hash == hash))
    }

    async fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, ChainError> {
        let state = self.reachable()?;
        let all = state.blocks.iter().flat_map(|mined| state.receipts(mined));
        Ok(all.into_iter().find(|receipt| receipt.transaction == transaction))
    }

    async fn find(&self, event: Event, from: u64) -> Result<Vec<Inclusion>, ChainError> {
        drop(self.reachable()?);
        let matches =
            |(there, place): (Event, Inclusion)| (there == event && place.block.number >= from).then_some(place);
        Ok(self.events().into_iter().filter_map(matches).collect())
    }

    async fn key_status(&self, key: KeyId) -> Result<KeyStatus, ChainError> {
        Ok(self.reachable()?.keys.get(&key).copied().unwrap_or_default())
    }

    async fn registrant(&self, key: KeyId) -> Result<Option<DeviceId>, ChainError> {
        Ok(self.reachable()?.registrants.get(&key).copied())
    }
}

impl Ledger for FakeChain {
    fn account(&self) -> Address {
        Self::ACCOUNT
    }

    fn prepare(&self, payload: &Payload, nonce: u64, fees: Fees) -> Result<SignedTransaction, ChainError> {
        let raw = encode(payload, nonce, fees);
        Ok(SignedTransaction { hash: keccak256(&raw), raw })
    }

    async fn simulate(&self, payload: &Payload) -> Result<(), ChainError> {
        self.reachable()?.run(payload).map(|_events| ()).map_err(ChainError::Reverted)
    }

    async fn send(&self, transaction: &SignedTransaction) -> Result<(), ChainError> {
        let mut state = self.reachable()?;
        let transaction = decode(transaction).ok_or_else(|| ChainError::Answer("cannot decode transaction".into()))?;
        state.take(transaction).map_err(ChainError::Refused)?;
        if state.node == Node::LosesNextAnswer {
            state.node = Node::Up;
            return Err(ChainError::Unreachable("connection closed before the answer".into()));
        }
        Ok(())
    }

    async fn next_nonce(&self) -> Result<u64, ChainError> {
        Ok(self.reachable()?.next_nonce())
    }

    async fn market_fees(&self) -> Result<Fees, ChainError> {
        let tip = 1_000_000;
        Ok(Fees { max_per_gas: self.reachable()?.base_fee * 2 + tip, max_priority_per_gas: tip })
    }
}

#[cfg(test)]
mod tests;
