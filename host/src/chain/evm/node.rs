// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One JSON-RPC node: requests with a time-out, and what its errors mean. Used by the rest of [`super`] only for transport;
//! knows the contract's errors, not its functions.

use std::{sync::Once, time::Duration};

use alloy::{
    eips::BlockId,
    network::Ethereum,
    primitives::{Bytes, TxKind},
    providers::{Provider as _, RootProvider},
    rpc::{
        client::RpcClient,
        types::{TransactionInput, TransactionReceipt, TransactionRequest},
    },
    sol_types::{SolCall, SolInterface as _},
    transports::{RpcError, TransportError, TransportErrorKind},
};
use cairn::signer::KeyId;

use super::CairnAnchor::{self, CairnAnchorErrors as Errors};
use crate::chain::{Address, B256, Block, ChainError, Fees, Refusal, Revert, SignedTransaction};

/// How long a node may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A node and the chain it is expected to serve.
#[derive(Clone, Debug)]
pub struct Node {
    rpc: RootProvider<Ethereum>,
    chain_id: u64,
}

impl Node {
    /// A node at `url` (`http` or `https`) that serves chain `chain_id`. No I/O: see [`Node::check`].
    ///
    /// # Errors
    /// [`ChainError::Unusable`] when `url` is not a URL.
    pub fn new(url: &str, chain_id: u64) -> Result<Self, ChainError> {
        // rustls has no built-in provider of cryptography in this build, and an HTTP client cannot even be made without one.
        // Whoever installed one first is as good.
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let url = url.parse().map_err(|_| ChainError::Unusable("the node's URL is no URL".into()))?;
        // JSON-RPC has no use for redirects, and one from https to http would be trusted.
        let http =
            reqwest::Client::builder().timeout(ANSWER_WITHIN).redirect(reqwest::redirect::Policy::none()).build();
        let http = http.map_err(|error| ChainError::Unusable(format!("no HTTP client: {}", causes(&error))))?;
        let client = RpcClient::new_http_with_client(http, url);
        Ok(Self { rpc: RootProvider::new(client), chain_id })
    }

    /// A node at `url`, on whatever chain it says it is.
    ///
    /// # Errors
    /// As [`Node::new`]; [`ChainError::Unreachable`].
    pub async fn discover(url: &str) -> Result<Self, ChainError> {
        let node = Self::new(url, 0)?;
        let chain_id = node.rpc.get_chain_id().await.map_err(reading)?;
        Ok(Self { chain_id, ..node })
    }

    /// The chain this node is expected to serve.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Asks the node whether it serves the chain expected of it.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`], [`ChainError::Unreachable`].
    pub async fn check(&self) -> Result<(), ChainError> {
        let found = self.rpc.get_chain_id().await.map_err(reading)?;
        if found == self.chain_id { Ok(()) } else { Err(ChainError::WrongChain { expected: self.chain_id, found }) }
    }

    /// The connection, for what this module does not ask.
    #[must_use]
    pub const fn rpc(&self) -> &RootProvider<Ethereum> {
        &self.rpc
    }

    pub(super) async fn block(&self, id: BlockId) -> Result<Option<Block>, ChainError> {
        let block = match id {
            BlockId::Hash(hash) => self.rpc.get_block_by_hash(hash.block_hash).await,
            BlockId::Number(number) => self.rpc.get_block_by_number(number).await,
        };
        let header = match block {
            Ok(block) => block.map(|block| block.header),
            // Some nodes answer a hash or height they do not have with an error instead of null.
            Err(RpcError::ErrorResp(error)) if error.message.to_lowercase().contains("not found") => None,
            Err(error) => return Err(reading(error)),
        };
        Ok(header.map(|header| Block { number: header.number, hash: header.hash, time: header.timestamp }))
    }

    pub(super) async fn receipt(&self, transaction: B256) -> Result<Option<TransactionReceipt>, ChainError> {
        self.rpc.get_transaction_receipt(transaction).await.map_err(reading)
    }

    /// Calls a function that returns something, without a transaction, at the head.
    pub(super) async fn call<C: SolCall>(&self, from: Address, to: Address, call: &C) -> Result<C::Return, ChainError> {
        let request = request(from, TxKind::Call(to), call.abi_encode());
        let data = self.rpc.call(request).await.map_err(reading)?;
        if data.is_empty() {
            return Err(ChainError::NoContract(to));
        }
        C::abi_decode_returns(&data).map_err(|error| ChainError::Answer(format!("what does not decode: {error}")))
    }

    /// Whether a transaction with `data` would succeed now.
    pub(super) async fn simulate(&self, from: Address, to: Address, data: Vec<u8>) -> Result<(), ChainError> {
        self.rpc.call(request(from, TxKind::Call(to), data)).await.map_err(reading).map(|_nothing| ())
    }

    /// Gas that `data` would use now.
    pub(super) async fn estimate(&self, from: Address, to: TxKind, data: Vec<u8>) -> Result<u64, ChainError> {
        self.rpc.estimate_gas(request(from, to, data)).await.map_err(reading)
    }

    pub(super) async fn fees(&self) -> Result<Fees, ChainError> {
        let estimate = self.rpc.estimate_eip1559_fees().await.map_err(reading)?;
        Ok(Fees { max_per_gas: estimate.max_fee_per_gas, max_priority_per_gas: estimate.max_priority_fee_per_gas })
    }

    /// Hands over a signed transaction; one that the node has already, waiting or included, is success.
    pub(super) async fn send(&self, transaction: &SignedTransaction) -> Result<(), ChainError> {
        let refusal = match self.rpc.send_raw_transaction(&transaction.raw).await {
            Ok(_) => return Ok(()),
            Err(RpcError::ErrorResp(error)) => match refusal(&error.message) {
                Some(refusal) => refusal,
                None => return Ok(()),
            },
            Err(error) => return Err(reading(error)),
        };
        // A node that says so may mean this very transaction.
        if refusal == Refusal::NonceUsed && self.receipt(transaction.hash).await?.is_some() {
            return Ok(());
        }
        Err(ChainError::Refused(refusal))
    }
}

fn request(from: Address, to: TxKind, data: Vec<u8>) -> TransactionRequest {
    TransactionRequest {
        from: Some(from),
        to: Some(to),
        input: TransactionInput::new(data.into()),
        ..Default::default()
    }
}

/// What an error of anything but sending means.
pub(super) fn reading(error: TransportError) -> ChainError {
    match error {
        RpcError::ErrorResp(payload) => match payload.as_revert_data() {
            Some(data) => ChainError::Reverted(revert(data)),
            None if payload.message.contains("revert") => ChainError::Reverted(Revert::Other(Bytes::new())),
            None => ChainError::Answer(format!("error {}: {}", payload.code, payload.message)),
        },
        RpcError::Transport(TransportErrorKind::Custom(source)) => {
            // A URL often holds the key that its node knows a customer by: keep it out of messages and logs.
            ChainError::Unreachable(match source.downcast::<reqwest::Error>() {
                Ok(error) => causes(&error.without_url()),
                Err(source) => causes(source.as_ref()),
            })
        }
        RpcError::Transport(kind) => ChainError::Unreachable(kind.to_string()),
        other => ChainError::Answer(other.to_string()),
    }
}

/// An error and what caused it: the outermost of an HTTP client says only that sending failed.
fn causes(mut error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    while let Some(source) = error.source() {
        text = format!("{text}: {source}");
        error = source;
    }
    text
}

/// Why a node does not take a transaction; `None` when it has it already. The standard gives no codes for this: these are the
/// words of geth, which Reth and anvil share, and those of Erigon, Nethermind and Besu where they differ.
fn refusal(message: &str) -> Option<Refusal> {
    let text = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    let taken = says(&["already known", "already imported", "alreadyknown"]) || text.starts_with("known transaction");
    Some(if taken {
        return None;
    } else if says(&["nonce too low", "nonce is too low", "oldnonce"]) {
        Refusal::NonceUsed
    } else if says(&["replacement", "could not replace"]) {
        Refusal::Underpriced
    } else if says(&["underpriced", "less than block base fee", "fee too low", "feetoolow", "gas price too low"])
        || says(&["below configured minimum"])
    {
        Refusal::FeesTooLow
    } else if says(&["insufficient funds", "insufficientfunds", "upfront cost exceeds"]) {
        Refusal::Funds
    } else {
        Refusal::Other(message.to_owned())
    })
}

/// The contract's custom error in revert data.
pub(super) fn revert(data: Bytes) -> Revert {
    let number = |value: alloy::primitives::U256| value.saturating_to();
    let Ok(error) = Errors::abi_decode(&data) else { return Revert::Other(data) };
    match error {
        Errors::NotRelay(CairnAnchor::NotRelay { caller }) => Revert::NotRelay(caller),
        Errors::NotOwner(CairnAnchor::NotOwner { caller }) => Revert::NotOwner(caller),
        Errors::NotPendingOwner(CairnAnchor::NotPendingOwner { caller }) => Revert::NotPendingOwner(caller),
        Errors::ZeroAddress(_) => Revert::ZeroAddress,
        Errors::ZeroDeployment(_) => Revert::ZeroDeployment,
        Errors::ZeroKey(_) => Revert::ZeroKey,
        Errors::EmptyBatch(_) => Revert::EmptyBatch,
        Errors::PackedLength(CairnAnchor::PackedLength { length }) => Revert::PackedLength(number(length)),
        Errors::HighS(CairnAnchor::HighS { index }) => Revert::HighS(number(index)),
        Errors::NoSigner(CairnAnchor::NoSigner { index }) => Revert::NoSigner(number(index)),
        Errors::KeyAlreadyRegistered(CairnAnchor::KeyAlreadyRegistered { keyId }) => {
            Revert::KeyAlreadyRegistered(KeyId(keyId.0))
        }
        Errors::KeyAlreadyRevoked(CairnAnchor::KeyAlreadyRevoked { keyId }) => {
            Revert::KeyAlreadyRevoked(KeyId(keyId.0))
        }
        Errors::KeyNotRegistered(CairnAnchor::KeyNotRegistered { keyId }) => Revert::KeyNotRegistered(KeyId(keyId.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_each_node_mean_what_they_say() {
        let cases = [
            ("already known", None),
            ("transaction already imported", None),
            ("Known transaction", None),
            ("AlreadyKnown", None),
            ("nonce too low: next nonce 8, tx nonce 7", Some(Refusal::NonceUsed)),
            ("OldNonce, Current nonce: 8, nonce of rejected tx: 7", Some(Refusal::NonceUsed)),
            ("replacement transaction underpriced", Some(Refusal::Underpriced)),
            ("ReplacementNotAllowed", Some(Refusal::Underpriced)),
            ("could not replace existing tx", Some(Refusal::Underpriced)),
            ("transaction underpriced: tip needed 1, tip permitted 0", Some(Refusal::FeesTooLow)),
            ("max fee per gas less than block base fee", Some(Refusal::FeesTooLow)),
            ("FeeTooLow, MaxFeePerGas too low", Some(Refusal::FeesTooLow)),
            ("Gas price below configured minimum gas price", Some(Refusal::FeesTooLow)),
            ("insufficient funds for gas * price + value: balance 0", Some(Refusal::Funds)),
            ("Upfront cost exceeds account balance", Some(Refusal::Funds)),
            ("unknown transaction type", Some(Refusal::Other("unknown transaction type".into()))),
            ("invalid chain id for signer", Some(Refusal::Other("invalid chain id for signer".into()))),
        ];
        for (words, meaning) in cases {
            assert_eq!(refusal(words), meaning, "{words}");
        }
    }

    #[test]
    fn revert_data_of_another_contract_stays_bytes() {
        for data in [&[][..], &[1, 2, 3], &[0x08, 0xc3, 0x79, 0xa0, 1]] {
            let data = Bytes::copy_from_slice(data);
            assert_eq!(revert(data.clone()), Revert::Other(data));
        }
    }
}
