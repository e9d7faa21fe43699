// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gathers from a node what the verification of one piece of evidence needs to know. Called by `cairn verify`; judges nothing.

use cairn::signer::KeyId;
use cairn_evidence::{
    Evidence, LedgerFacts,
    verify::{Anchoring, Block, Event, Receipt},
};

use crate::chain::{self, B256, ChainError, LedgerView};

/// What `view`'s node says of the key and of the transaction that the evidence names.
///
/// # Errors
/// [`ChainError`] when the node does not answer. A node on another chain, or an address without our contract, is a fact.
pub async fn gather(view: &impl LedgerView, evidence: &Evidence, key: KeyId) -> Result<LedgerFacts, ChainError> {
    let contract_deployment = match view.deployment().await {
        Ok(deployment) => Some(deployment),
        Err(ChainError::NoContract(_)) => None,
        Err(error) => return Err(error),
    };
    let mut facts = LedgerFacts { chain_id: view.chain_id(), contract_deployment, ..LedgerFacts::default() };
    if contract_deployment.is_none() {
        return Ok(facts);
    }
    let status = view.key_status(key).await?;
    (facts.registered_at, facts.revoked_at) = (status.registered_at, status.revoked_at);
    facts.registered_for = view.registrant(key).await?;
    if let Some(inclusion) = &evidence.inclusion
        && let Some(receipt) = view.receipt(B256::from(inclusion.transaction.hash)).await?
    {
        let block = view.block(receipt.block.number).await?;
        facts.block = block.map(|block| Block { hash: block.hash.0, timestamp: block.time });
        facts.receipt = Some(converted(&receipt));
    }
    facts.head = view.head().await?.number;
    Ok(facts)
}

fn converted(receipt: &chain::Receipt) -> Receipt {
    let event = |log: &chain::Log| Event {
        contract: log.emitter.into_array(),
        says: match log.event {
            chain::Event::RootPosted(root) => Anchoring::Root(root),
            chain::Event::Anchored { key, commitment } => Anchoring::Anchor(key, commitment),
        },
    };
    Receipt {
        succeeded: receipt.succeeded,
        block_number: receipt.block.number,
        block_hash: receipt.block.hash.0,
        events: receipt.logs.iter().map(event).collect(),
    }
}
