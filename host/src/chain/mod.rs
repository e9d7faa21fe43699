// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A ledger as the relay and the verifier see it: post a payload, learn what became of it, read what is there.
//!
//! [`LedgerView`] reads and [`Ledger`] also writes; [`evm`] is an EVM node behind both, [`fake`] a chain in memory on virtual
//! time for tests. [`pack`] makes the bytes of `anchorMany`, [`revert`] names why the contract refused. Nothing here decides:
//! which nonce an intent has, when to raise a fee and when a block is final enough is the relay's business, and it journals
//! before it calls.
//!
//! # How a writer keeps "one nonce, one intent"
//! 1. Journal `(nonce, payload)`; the first nonce is [`Ledger::next_nonce`], each next intent takes the number after.
//! 2. [`Ledger::prepare`] with fees: no I/O, the same arguments give the same bytes and hash. Journal the hash.
//! 3. [`Ledger::send`]. Sending the same transaction again is harmless: "already known" is success.
//! 4. Ask [`LedgerView::receipt`] for every journaled hash of the nonce. Stuck: [`Fees::raised`], then `prepare` the *same*
//!    payload and nonce. A receipt of any of the hashes settles the intent.
//! 5. Once included, keep asking: when the receipt is gone or its block changed (a reorg), send the same bytes again.
//! 6. [`Refusal::NonceUsed`], and none of the hashes has a receipt: somebody else used the account's key.

use std::future::Future;

use cairn::{
    batch::{Commitment, DeploymentId},
    merkle::Hash,
    signer::{DeviceId, KeyId},
};

pub use alloy::primitives::{Address, B256};

pub mod evm;
pub mod fake;
pub mod pack;
pub mod revert;

pub use pack::{PackError, PackedAnchors, SignedAnchor};
pub use revert::Revert;

/// What the relay puts on the ledger in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// The root over relay leaves: `postRoot`.
    Root(Hash),
    /// Anchors whose keys the contract recovers itself: `anchorMany`.
    Anchors(PackedAnchors),
}

/// EIP-1559 fees of a transaction, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fees {
    /// The most a unit of gas may cost, base fee included.
    pub max_per_gas: u128,
    /// The most of it that goes to the block's author.
    pub max_priority_per_gas: u128,
}

impl Fees {
    /// Nodes take a replacement only when both fees are at least a tenth higher; an eighth leaves room for rounding.
    const REPLACEMENT_DIVISOR: u128 = 8;

    /// The fees of the next replacement: at least an eighth above these, and at least `market`. `None` when that is above
    /// `ceiling` (wei per gas): then the transaction waits as it is.
    #[must_use]
    pub fn raised(self, market: Self, ceiling: u128) -> Option<Self> {
        let raise = |fee: u128| fee.saturating_add(fee.div_ceil(Self::REPLACEMENT_DIVISOR)).saturating_add(1);
        let max_per_gas = raise(self.max_per_gas).max(market.max_per_gas);
        let max_priority_per_gas = raise(self.max_priority_per_gas).max(market.max_priority_per_gas).min(max_per_gas);
        (max_per_gas <= ceiling).then_some(Self { max_per_gas, max_priority_per_gas })
    }

    /// These fees, or `ceiling` where they are above it: what a first submission pays.
    #[must_use]
    pub fn at_most(self, ceiling: u128) -> Self {
        let max_per_gas = self.max_per_gas.min(ceiling);
        Self { max_per_gas, max_priority_per_gas: self.max_priority_per_gas.min(max_per_gas) }
    }
}

/// A signed transaction that was not necessarily sent. The bytes are all that is needed to send it, also after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignedTransaction {
    /// What receipts name it by.
    pub hash: B256,
    /// What goes to the node.
    pub raw: Vec<u8>,
}

/// A block's name and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Block {
    /// Height.
    pub number: u64,
    /// Name: two blocks of one height have two hashes.
    pub hash: B256,
    /// Unix seconds, as its author says.
    pub time: u64,
}

impl Block {
    /// Whether a block `depth` or more blocks stand upon counts as final, seen from this head.
    #[must_use]
    pub const fn finalises(&self, number: u64, depth: u64) -> bool {
        match self.number.checked_sub(number) {
            Some(above) => above >= depth,
            None => false,
        }
    }
}

/// What the contract says in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// `RootPosted`.
    RootPosted(Hash),
    /// `Anchored`: `key` signed the anchor with this commitment. Says nothing of whether the key is registered.
    Anchored {
        /// Whom the contract recovered.
        key: KeyId,
        /// The anchor's EIP-712 struct hash.
        commitment: Commitment,
    },
}

/// An event and who emitted it: a log of another contract looks the same, so compare [`Log::emitter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Log {
    /// The contract that emitted it.
    pub emitter: Address,
    /// The log's index within its block.
    pub index: u64,
    /// What it says.
    pub event: Event,
}

/// What became of an included transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub transaction: B256,
    /// The block it is in, on the chain the node now holds for the best.
    pub block: Block,
    /// `false`: included, paid for, and without effect.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Logs that read like ours, of any emitter, in order.
    pub logs: Vec<Log>,
}

/// Where an event of the contract is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inclusion {
    /// The transaction that emitted it.
    pub transaction: B256,
    /// The block.
    pub block: Block,
    /// The log's index within the block.
    pub log_index: u64,
    /// The contract.
    pub emitter: Address,
}

/// Times of a key in the contract's registry, Unix seconds of the block; 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyStatus {
    /// When the owner registered it.
    pub registered_at: u64,
    /// When the owner revoked it.
    pub revoked_at: u64,
}

/// What the registry says of a key at the time an anchor was included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The key was this deployment's.
    Good,
    /// The key was never registered.
    Unregistered,
    /// The key was registered only after that time.
    RegisteredLater,
    /// The key had been revoked, in the same block at the latest.
    Revoked,
}

impl KeyStatus {
    /// The key's standing at `time`, Unix seconds of a block. A block that both includes an anchor and revokes its key
    /// counts as revoked; one that both registers the key and includes the anchor counts as good.
    #[must_use]
    pub const fn standing(&self, time: u64) -> Standing {
        if self.registered_at == 0 {
            Standing::Unregistered
        } else if self.revoked_at != 0 && time >= self.revoked_at {
            Standing::Revoked
        } else if time < self.registered_at {
            Standing::RegisteredLater
        } else {
            Standing::Good
        }
    }
}

/// Why a node did not take a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A transaction of the account with this nonce is included already, this one or another.
    #[error("the nonce is used already")]
    NonceUsed,
    /// The node holds another transaction of this nonce and the fees are not high enough above its.
    #[error("the fees are too low to replace the transaction that waits")]
    Underpriced,
    /// The node takes nothing at these fees at all.
    #[error("the fees are below what the node takes")]
    FeesTooLow,
    /// The account cannot pay.
    #[error("the account has not enough funds")]
    Funds,
    /// Something else, in the node's words.
    #[error("{0}")]
    Other(String),
}

/// Why a ledger gave no answer, or refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No answer: whether a transaction arrived is not known. Try again later.
    #[error("the node does not answer: {0}")]
    Unreachable(String),
    /// The node serves another chain.
    #[error("the node is on chain {found}, not on chain {expected}")]
    WrongChain {
        /// The chain asked for.
        expected: u64,
        /// The chain the node says it is on.
        found: u64,
    },
    /// There is no contract of ours at the address.
    #[error("no CairnAnchor contract at {0}")]
    NoContract(Address),
    /// The contract refused.
    #[error("the contract refused: {0}")]
    Reverted(Revert),
    /// The node refused the transaction.
    #[error("the node refused the transaction: {0}")]
    Refused(Refusal),
    /// Sent, and not included within the time the caller gave it. It may still be.
    #[error("transaction {0} is not included yet")]
    NotIncluded(B256),
    /// What the caller gave cannot be used: a URL that is none, a key that cannot sign.
    #[error("{0}")]
    Unusable(String),
    /// The node answered with an error, or with something that is no answer to the question.
    #[error("the node answered {0}")]
    Answer(String),
}

/// Reads a ledger and the contract on it. Every answer is what one node says at that moment.
pub trait LedgerView: Send + Sync {
    /// EIP-155 id of the chain.
    fn chain_id(&self) -> u64;

    /// The contract.
    fn contract(&self) -> Address;

    /// The deployment the contract says it is of.
    ///
    /// # Errors
    /// As [`LedgerView::head`]; [`ChainError::NoContract`] when there is none of ours.
    fn deployment(&self) -> impl Future<Output = Result<DeploymentId, ChainError>> + Send;

    /// The best block.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`], [`ChainError::Answer`], as for every other read.
    fn head(&self) -> impl Future<Output = Result<Block, ChainError>> + Send;

    /// The block at this height of the best chain; `None` above the head. Differs from what it was: a reorg.
    ///
    /// # Errors
    /// As [`LedgerView::head`].
    fn block(&self, number: u64) -> impl Future<Output = Result<Option<Block>, ChainError>> + Send;

    /// The block with this hash, if the node has it. It may have left the best chain: see [`LedgerView::canonical`].
    ///
    /// # Errors
    /// As [`LedgerView::head`].
    fn block_by_hash(&self, hash: B256) -> impl Future<Output = Result<Option<Block>, ChainError>> + Send;

    /// The receipt of a transaction; `None` when it is not in the best chain, whether it waits or was never seen.
    ///
    /// # Errors
    /// As [`LedgerView::head`].
    fn receipt(&self, transaction: B256) -> impl Future<Output = Result<Option<Receipt>, ChainError>> + Send;

    /// Where this contract emitted `event` at height `from` or above, oldest first.
    ///
    /// # Errors
    /// As [`LedgerView::head`]; nodes refuse with [`ChainError::Answer`] when the range is longer than they search.
    fn find(&self, event: Event, from: u64) -> impl Future<Output = Result<Vec<Inclusion>, ChainError>> + Send;

    /// What the contract's registry says of a key, at the head.
    ///
    /// # Errors
    /// As [`LedgerView::head`].
    fn key_status(&self, key: KeyId) -> impl Future<Output = Result<KeyStatus, ChainError>> + Send;

    /// The device the owner registered a key for; `None` when the contract never said.
    ///
    /// # Errors
    /// As [`LedgerView::head`].
    fn registrant(&self, key: KeyId) -> impl Future<Output = Result<Option<DeviceId>, ChainError>> + Send;

    /// Whether `block` is on the best chain.
    ///
    /// # Errors
    /// As [`LedgerView::head`].
    fn canonical(&self, block: &Block) -> impl Future<Output = Result<bool, ChainError>> + Send {
        async { Ok(self.block(block.number).await?.is_some_and(|there| there.hash == block.hash)) }
    }

    /// Where this contract emitted `event` in `transaction`; `None` when the transaction is not in the best chain, had no
    /// effect, or does not hold that event of this contract.
    ///
    /// # Errors
    /// As [`LedgerView::head`].
    fn locate(
        &self,
        transaction: B256,
        event: Event,
    ) -> impl Future<Output = Result<Option<Inclusion>, ChainError>> + Send {
        async move {
            let Some(receipt) = self.receipt(transaction).await? else { return Ok(None) };
            let contract = self.contract();
            let log = receipt.logs.iter().find(|log| log.emitter == contract && log.event == event);
            Ok(log.filter(|_| receipt.succeeded).map(|log| Inclusion {
                transaction,
                block: receipt.block,
                log_index: log.index,
                emitter: log.emitter,
            }))
        }
    }
}

/// Writes to a ledger from one account. See the [module](self) for the order of calls.
pub trait Ledger: LedgerView {
    /// The account that pays.
    fn account(&self) -> Address;

    /// Signs `payload` under `nonce`. No I/O; the same arguments give the same transaction.
    ///
    /// # Errors
    /// [`ChainError::Unusable`] when the key cannot sign, and for no other reason.
    fn prepare(&self, payload: &Payload, nonce: u64, fees: Fees) -> Result<SignedTransaction, ChainError>;

    /// Asks whether the contract would take `payload` from this account now. Costs nothing and promises nothing.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] with the reason; as [`LedgerView::head`].
    fn simulate(&self, payload: &Payload) -> impl Future<Output = Result<(), ChainError>> + Send;

    /// Hands a transaction to the node. A node that has it already, waiting or included, is success.
    ///
    /// # Errors
    /// [`ChainError::Refused`]: the node will not take it as it is. [`ChainError::Unreachable`]: it may have arrived.
    fn send(&self, transaction: &SignedTransaction) -> impl Future<Output = Result<(), ChainError>> + Send;

    /// The account's first nonce that is not in the best chain. Transactions that wait do not count.
    ///
    /// # Errors
    /// As [`LedgerView::head`].
    fn next_nonce(&self) -> impl Future<Output = Result<u64, ChainError>> + Send;

    /// What a transaction costs now, with room for a few blocks of rising base fee; no ceiling is applied.
    ///
    /// # Errors
    /// As [`LedgerView::head`].
    fn market_fees(&self) -> impl Future<Output = Result<Fees, ChainError>> + Send;
}
