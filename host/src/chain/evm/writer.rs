// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Posts to the contract from one account. Called by the relay, which journals before each step; holds the account's key and
//! no other state: which nonce comes next is for the caller to know.

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::{BlockId, eip2718::Encodable2718 as _},
    network::TxSignerSync as _,
    primitives::{Bytes, FixedBytes, TxKind},
    providers::Provider as _,
    sol_types::SolCall as _,
};
use cairn::{
    batch::DeploymentId,
    signer::{DeviceId, KeyId},
};

use super::{CairnAnchor, EvmView, PrivateKeySigner, node::reading};
use crate::chain::{
    Address, B256, Block, ChainError, Event, Fees, Inclusion, KeyStatus, Ledger, LedgerView, Payload, Receipt,
    SignedTransaction,
};

/// Gas a transaction may use besides its anchors: measured 25,155 for a root, docs/contract.md.
const GAS_LIMIT_BASE: u64 = 60_000;

/// Gas each anchor may use: measured below 8,000. What is not used is not paid. Not estimated by the node, so that a
/// transaction depends on nothing but payload, nonce and fees.
const GAS_LIMIT_PER_ANCHOR: u64 = 12_000;

/// The contract, and an account to post from.
#[derive(Clone, Debug)]
pub struct EvmLedger {
    view: EvmView,
    signer: PrivateKeySigner,
}

impl EvmLedger {
    /// Posts to `view`'s contract with `signer`'s account. No I/O.
    #[must_use]
    pub const fn new(view: EvmView, signer: PrivateKeySigner) -> Self {
        Self { view, signer }
    }

    /// The reading half.
    #[must_use]
    pub const fn view(&self) -> &EvmView {
        &self.view
    }
}

/// Signs an EIP-1559 transaction without value.
pub(super) fn sign(
    signer: &PrivateKeySigner,
    chain_id: u64,
    to: TxKind,
    input: Vec<u8>,
    (nonce, gas_limit, fees): (u64, u64, Fees),
) -> Result<SignedTransaction, ChainError> {
    let mut transaction = TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: fees.max_per_gas,
        max_priority_fee_per_gas: fees.max_priority_per_gas,
        to,
        input: input.into(),
        ..Default::default()
    };
    let signature = signer.sign_transaction_sync(&mut transaction);
    let signature =
        signature.map_err(|error| ChainError::Unusable(format!("the account's key does not sign: {error}")))?;
    let envelope = TxEnvelope::from(transaction.into_signed(signature));
    Ok(SignedTransaction { hash: *envelope.tx_hash(), raw: envelope.encoded_2718() })
}

impl Payload {
    /// The call's data: selector and arguments.
    #[must_use]
    pub fn calldata(&self) -> Vec<u8> {
        match self {
            Self::Root(root) => CairnAnchor::postRootCall { root: FixedBytes(root.0) }.abi_encode(),
            Self::Anchors(packed) => {
                CairnAnchor::anchorManyCall { packed: Bytes::copy_from_slice(packed.as_bytes()) }.abi_encode()
            }
        }
    }

    fn gas_limit(&self) -> u64 {
        match self {
            Self::Root(_) => GAS_LIMIT_BASE,
            Self::Anchors(packed) => GAS_LIMIT_BASE + GAS_LIMIT_PER_ANCHOR * packed.len() as u64,
        }
    }
}

impl LedgerView for EvmLedger {
    fn chain_id(&self) -> u64 {
        self.view.chain_id()
    }

    fn contract(&self) -> Address {
        self.view.contract()
    }

    async fn deployment(&self) -> Result<DeploymentId, ChainError> {
        self.view.deployment().await
    }

    async fn head(&self) -> Result<Block, ChainError> {
        self.view.head().await
    }

    async fn block(&self, number: u64) -> Result<Option<Block>, ChainError> {
        self.view.block(number).await
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<Block>, ChainError> {
        self.view.block_by_hash(hash).await
    }

    async fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, ChainError> {
        self.view.receipt(transaction).await
    }

    async fn find(&self, event: Event, from: u64) -> Result<Vec<Inclusion>, ChainError> {
        self.view.find(event, from).await
    }

    async fn key_status(&self, key: KeyId) -> Result<KeyStatus, ChainError> {
        self.view.key_status(key).await
    }

    async fn registrant(&self, key: KeyId) -> Result<Option<DeviceId>, ChainError> {
        self.view.registrant(key).await
    }
}

impl Ledger for EvmLedger {
    fn account(&self) -> Address {
        self.signer.address()
    }

    fn prepare(&self, payload: &Payload, nonce: u64, fees: Fees) -> Result<SignedTransaction, ChainError> {
        let to = TxKind::Call(self.view.contract());
        sign(&self.signer, self.chain_id(), to, payload.calldata(), (nonce, payload.gas_limit(), fees))
    }

    async fn simulate(&self, payload: &Payload) -> Result<(), ChainError> {
        // An address without code takes any call.
        self.deployment().await?;
        self.view.node().simulate(self.account(), self.contract(), payload.calldata()).await
    }

    async fn send(&self, transaction: &SignedTransaction) -> Result<(), ChainError> {
        self.view.node().send(transaction).await
    }

    async fn next_nonce(&self) -> Result<u64, ChainError> {
        let count = self.view.node().rpc().get_transaction_count(self.account());
        count.block_id(BlockId::latest()).await.map_err(reading)
    }

    async fn market_fees(&self) -> Result<Fees, ChainError> {
        self.view.node().fees().await
    }
}
