// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Deploys the contract and does what only its owner may: keys and relays. Called by provisioning, one command at a time; each
//! waits until its transaction is included. Not for the relay, which journals its intents.

use std::time::Duration;

use alloy::{
    primitives::{FixedBytes, TxKind},
    providers::Provider as _,
    rpc::types::TransactionReceipt,
    sol_types::{SolCall, SolConstructor as _},
};
use cairn::{
    batch::DeploymentId,
    signer::{DeviceId, KeyId},
};
use tokio::time::{Instant, sleep};

use super::{CairnAnchor, EvmView, Node, PrivateKeySigner, node::reading, writer::sign};
use crate::chain::{Address, B256, ChainError, LedgerView as _, Revert};

/// How often the node is asked whether a transaction is included.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// A key the owner vouches for, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The device.
    pub device: DeviceId,
    /// Its key.
    pub key: KeyId,
}

/// The contract, and an account that owns it or is to own it.
#[derive(Clone, Debug)]
pub struct EvmOwner {
    view: EvmView,
    signer: PrivateKeySigner,
    patience: Duration,
}

impl EvmOwner {
    /// Acts on `view`'s contract with `signer`'s account, and waits `patience` for each transaction to be included. No I/O.
    #[must_use]
    pub const fn new(view: EvmView, signer: PrivateKeySigner, patience: Duration) -> Self {
        Self { view, signer, patience }
    }

    /// Deploys a contract for `deployment` that `signer`'s account owns; gives a client of it.
    ///
    /// # Errors
    /// As [`EvmOwner::set_relay`].
    pub async fn deploy(
        node: Node,
        signer: PrivateKeySigner,
        deployment: &DeploymentId,
        patience: Duration,
    ) -> Result<Self, ChainError> {
        node.check().await?;
        let mut code = CairnAnchor::BYTECODE.to_vec();
        let arguments =
            CairnAnchor::constructorCall { deploymentId_: FixedBytes(deployment.0), owner_: signer.address() };
        code.extend_from_slice(&arguments.abi_encode());
        let creator = Self::new(EvmView::new(node.clone(), Address::ZERO), signer.clone(), patience);
        let receipt = creator.transact(TxKind::Create, code).await?;
        let contract = receipt.contract_address;
        let contract = contract.ok_or_else(|| ChainError::Answer("a deployment without an address".into()))?;
        Ok(Self::new(EvmView::new(node, contract), signer, patience))
    }

    /// The reading half.
    #[must_use]
    pub const fn view(&self) -> &EvmView {
        &self.view
    }

    /// Registers keys, all or none; gives the transaction.
    ///
    /// # Errors
    /// As [`EvmOwner::set_relay`]; the reasons are [`Revert::KeyAlreadyRegistered`], [`Revert::KeyAlreadyRevoked`],
    /// [`Revert::ZeroKey`], [`Revert::EmptyBatch`] and [`Revert::NotOwner`].
    pub async fn register(&self, keys: &[Vouched]) -> Result<B256, ChainError> {
        if let [Vouched { device, key }] = keys {
            let call = CairnAnchor::registerKeyCall { deviceId: FixedBytes(device.0), keyId: FixedBytes(key.0) };
            return self.act(&call).await;
        }
        let entry = |vouched: &Vouched| CairnAnchor::DeviceKey {
            deviceId: FixedBytes(vouched.device.0),
            keyId: FixedBytes(vouched.key.0),
        };
        self.act(&CairnAnchor::registerKeysCall { keys: keys.iter().map(entry).collect() }).await
    }

    /// Revokes a key for good; gives the transaction.
    ///
    /// # Errors
    /// As [`EvmOwner::set_relay`]; the reasons are [`Revert::KeyNotRegistered`], [`Revert::KeyAlreadyRevoked`] and
    /// [`Revert::NotOwner`].
    pub async fn revoke(&self, key: KeyId) -> Result<B256, ChainError> {
        self.act(&CairnAnchor::revokeKeyCall { keyId: FixedBytes(key.0) }).await
    }

    /// Allows an account to post, or forbids it; gives the transaction.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] with the reason, before anything is sent; [`ChainError::NotIncluded`] when it takes longer than
    /// this client's patience; [`ChainError::Refused`], [`ChainError::Unreachable`], [`ChainError::NoContract`].
    pub async fn set_relay(&self, relay: Address, allowed: bool) -> Result<B256, ChainError> {
        self.act(&CairnAnchor::setRelayCall { relay, allowed }).await
    }

    /// Offers the ownership to `to`, or takes the offer back when that is zero; gives the transaction.
    ///
    /// # Errors
    /// As [`EvmOwner::set_relay`]; the reason is [`Revert::NotOwner`].
    pub async fn offer_ownership(&self, to: Address) -> Result<B256, ChainError> {
        self.act(&CairnAnchor::transferOwnershipCall { newOwner: to }).await
    }

    /// Accepts the ownership that was offered to this client's account; gives the transaction.
    ///
    /// # Errors
    /// As [`EvmOwner::set_relay`]; the reason is [`Revert::NotPendingOwner`].
    pub async fn accept_ownership(&self) -> Result<B256, ChainError> {
        self.act(&CairnAnchor::acceptOwnershipCall {}).await
    }

    async fn act<C: SolCall>(&self, call: &C) -> Result<B256, ChainError> {
        // An address without code takes any call and does nothing: never report that as done.
        self.view.deployment().await?;
        let receipt = self.transact(TxKind::Call(self.view.contract()), call.abi_encode()).await?;
        Ok(receipt.transaction_hash)
    }

    async fn transact(&self, to: TxKind, data: Vec<u8>) -> Result<TransactionReceipt, ChainError> {
        let node = self.view.node();
        let from = self.signer.address();
        // A third more than now: a time that was zero may be set meanwhile.
        let gas_limit = node.estimate(from, to, data.clone()).await?;
        let gas_limit = gas_limit + gas_limit / 3;
        let nonce = node.rpc().get_transaction_count(from).pending().await.map_err(reading)?;
        let fees = node.fees().await?;
        let transaction = sign(&self.signer, node.chain_id(), to, data, (nonce, gas_limit, fees))?;
        node.send(&transaction).await?;
        let receipt = self.included(transaction.hash).await?;
        // It would have succeeded a moment ago: somebody was faster, and why is not in the receipt.
        if receipt.status() { Ok(receipt) } else { Err(ChainError::Reverted(Revert::Other(Default::default()))) }
    }

    async fn included(&self, transaction: B256) -> Result<TransactionReceipt, ChainError> {
        let until = Instant::now() + self.patience;
        loop {
            if let Some(receipt) = self.view.node().receipt(transaction).await? {
                return Ok(receipt);
            }
            if Instant::now() >= until {
                return Err(ChainError::NotIncluded(transaction));
            }
            sleep(ASK_EVERY).await;
        }
    }
}
