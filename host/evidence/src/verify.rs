// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The verification: named steps in a fixed order, each of which refuses with its own words. [`check_statement`] needs no
//! ledger; [`check_inclusion`] needs what the caller gathered from a node. Called by `cairn verify`; never does I/O, and trusts
//! nothing the evidence says about chain, contract or deployment.

use cairn::{
    batch::{Anchor, AnchorFlags, BATCH_DEPTH, Commitment, DeploymentId, relay_leaf},
    merkle::{Hash, root_from_path},
    signer::{DeviceId, Digest, KeyId, PublicKey},
};

use crate::{
    model::{Evidence, Inclusion, Route},
    refusal::Refusal,
    rotation,
    signature::{self, SignatureError},
};

/// What the caller trusts and asks for. It never comes from the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The chain its contract is on (EIP-155).
    pub chain_id: u64,
    /// Its contract.
    pub contract: [u8; 20],
    /// The device the record has to be of, if the caller asks for one.
    pub device: Option<DeviceId>,
    /// Blocks that must stand upon the block that holds the anchor.
    pub min_confirmations: u64,
}

/// What a ledger says of one piece of evidence, gathered by the caller for [`Statement::key_id`] and the evidence's transaction
/// from a node it trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerFacts {
    /// The chain the node serves.
    pub chain_id: u64,
    /// Number of the newest block.
    pub head: u64,
    /// What the contract at the expected address says its deployment is; `None` when there is no such contract.
    pub contract_deployment: Option<DeploymentId>,
    /// When the key was registered, seconds of block time; 0 for never.
    pub registered_at: u64,
    /// When the key was revoked, seconds of block time; 0 for never.
    pub revoked_at: u64,
    /// The device the owner registered the key for; `None` when the contract never said.
    pub registered_for: Option<DeviceId>,
    /// The transaction's receipt; `None` when the node has none.
    pub receipt: Option<Receipt>,
    /// The block on the canonical chain that has the receipt's block number; `None` when the node has none.
    pub block: Option<Block>,
}

/// A transaction's receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction was not reverted.
    pub succeeded: bool,
    /// Number of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: [u8; 32],
    /// The events it emitted, in their order.
    pub events: Vec<Event>,
}

/// An event as the ledger has it. A log of another contract looks the same: who emitted it is compared here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The contract that emitted it.
    pub contract: [u8; 20],
    /// What it says.
    pub says: Anchoring,
}

/// What an anchoring event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchoring {
    /// `RootPosted(bytes32 indexed root)`.
    Root(Hash),
    /// `Anchored(address indexed keyId, bytes32 indexed commitment)`.
    Anchor(KeyId, Commitment),
}

/// A block of the canonical chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its hash.
    pub hash: [u8; 32],
    /// Its time, Unix seconds.
    pub timestamp: u64,
}

/// What holds without a ledger: the device signed an anchor under whose root the record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The device.
    pub device: DeviceId,
    /// The key that signed.
    pub key: PublicKey,
    /// Its id.
    pub key_id: KeyId,
    /// The anchor's name.
    pub commitment: Commitment,
    /// What was signed.
    pub digest: Digest,
}

/// What holds when every step passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who signed what.
    pub statement: Statement,
    /// The transaction that anchored it.
    pub transaction: [u8; 32],
    /// Number of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: [u8; 32],
    /// Time of its block, Unix seconds.
    pub block_time: u64,
    /// Blocks that stand upon it.
    pub confirmations: u64,
    /// When the key was registered, seconds of block time.
    pub registered_at: u64,
    /// When the key was revoked, if it was, after the inclusion.
    pub revoked_at: Option<u64>,
}

/// Runs every step. Use [`check_statement`] first when the facts cost something to gather.
///
/// # Errors
/// The first [`Refusal`], in the order of [`crate::refusal::Step`].
pub fn verify(evidence: &Evidence, expectation: &Expectation, facts: &LedgerFacts) -> Result<Verdict, Refusal> {
    let statement = check_statement(evidence, expectation)?;
    check_inclusion(evidence, &statement, expectation, facts)
}

/// The steps that need no ledger: format, deployment, rotations, device, anchor, record, signature.
///
/// # Errors
/// The first [`Refusal`].
pub fn check_statement(evidence: &Evidence, expectation: &Expectation) -> Result<Statement, Refusal> {
    check_deployment(evidence, expectation)?;
    let named = rotation::follow(evidence, &expectation.deployment)?;
    let key = signature::public_key(evidence.key.alg, &evidence.key.public_key).map_err(|_| Refusal::KeyNotOnCurve)?;
    let device = named.unwrap_or_else(|| key.device_id());
    check_device(device, expectation)?;
    let index = check_anchor(evidence)?;
    check_record(evidence, index)?;
    let commitment = evidence.anchor.commitment();
    let digest = commitment.digest(&expectation.deployment);
    signature::check(&key, &digest, &evidence.signature).map_err(|error| match error {
        SignatureError::NotOnCurve => Refusal::KeyNotOnCurve,
        SignatureError::Malformed => Refusal::SignatureMalformed,
        SignatureError::HighS => Refusal::SignatureHighS,
        SignatureError::Invalid => Refusal::SignatureInvalid,
    })?;
    Ok(Statement { device, key, key_id: key.key_id(), commitment, digest })
}

/// The steps that need a ledger: ledger, transaction, root, block, key.
///
/// # Errors
/// The first [`Refusal`].
pub fn check_inclusion(
    evidence: &Evidence,
    statement: &Statement,
    expectation: &Expectation,
    facts: &LedgerFacts,
) -> Result<Verdict, Refusal> {
    let inclusion = evidence.inclusion.as_ref().ok_or(Refusal::NotIncluded)?;
    check_ledger(inclusion, expectation, facts)?;
    let receipt = check_transaction(inclusion, facts)?;
    check_root(evidence, inclusion, statement, expectation, receipt)?;
    let (block, confirmations) = check_block(receipt, expectation, facts)?;
    check_key(statement, block.timestamp, facts)?;
    Ok(Verdict {
        statement: *statement,
        transaction: inclusion.transaction.hash,
        block_number: receipt.block_number,
        block_hash: receipt.block_hash,
        block_time: block.timestamp,
        confirmations,
        registered_at: facts.registered_at,
        revoked_at: (facts.revoked_at != 0).then_some(facts.revoked_at),
    })
}

fn check_deployment(evidence: &Evidence, expectation: &Expectation) -> Result<(), Refusal> {
    if evidence.deployment == expectation.deployment {
        return Ok(());
    }
    Err(Refusal::WrongDeployment { found: evidence.deployment, expected: expectation.deployment })
}

fn check_device(found: DeviceId, expectation: &Expectation) -> Result<(), Refusal> {
    match expectation.device {
        Some(expected) if expected != found => Err(Refusal::WrongDevice { found, expected }),
        _ => Ok(()),
    }
}

fn check_record(evidence: &Evidence, index: u32) -> Result<(), Refusal> {
    let anchor = &evidence.anchor;
    let leaf = evidence.record.leaf();
    let root = root_from_path(&leaf, u64::from(index), u64::from(anchor.count), &evidence.path)
        .ok_or(Refusal::RecordPathLength { hashes: evidence.path.len(), index, count: anchor.count })?;
    if root == anchor.root { Ok(()) } else { Err(Refusal::RecordNotUnderRoot) }
}

/// Gives the record's place among the batch's leaves.
fn check_anchor(evidence: &Evidence) -> Result<u32, Refusal> {
    let (anchor, seq) = (&evidence.anchor, evidence.record.seq);
    if let Some(contradiction) = contradiction(anchor) {
        return Err(Refusal::AnchorInconsistent(contradiction));
    }
    anchor.leaf_index(seq).ok_or(Refusal::RecordOutsideBatch {
        seq,
        batch: anchor.batch,
        first: anchor.first_seq,
        count: anchor.count,
    })
}

/// What is wrong with an anchor by itself, if anything is: no device that follows the format signs such a one.
#[must_use]
pub fn contradiction(anchor: &Anchor) -> Option<&'static str> {
    let known_flags = AnchorFlags::LOST_RECORDS | AnchorFlags::SYNCHRONISED | AnchorFlags::LAST_OF_KEY;
    if anchor.count >= 1 << BATCH_DEPTH {
        Some("it counts more records than a batch holds")
    } else if anchor.count == 0 {
        Some("it counts no record")
    } else if anchor.end().is_none() {
        Some("its records run past the last sequence number")
    } else if anchor.flags.0 & !known_flags != 0 {
        Some("it has flags that mean nothing")
    } else if anchor.batch.0 == 0 && anchor.prev != Commitment::default() {
        Some("batch 0 names a batch before it")
    } else if anchor.batch.0 == 0 && anchor.first_seq.0 != 0 {
        Some("batch 0 does not start at record 0")
    } else if anchor.batch.0 != 0 && anchor.prev == Commitment::default() {
        Some("a later batch names no batch before it")
    } else {
        None
    }
}

fn check_ledger(inclusion: &Inclusion, expectation: &Expectation, facts: &LedgerFacts) -> Result<(), Refusal> {
    let expected = expectation.chain_id;
    if inclusion.chain_id != expected {
        return Err(Refusal::WrongChain { found: inclusion.chain_id, expected });
    }
    if facts.chain_id != expected {
        return Err(Refusal::NodeOnOtherChain { found: facts.chain_id, expected });
    }
    let contract = expectation.contract;
    if inclusion.contract != contract {
        return Err(Refusal::WrongContract { found: inclusion.contract, expected: contract });
    }
    if facts.contract_deployment != Some(expectation.deployment) {
        return Err(Refusal::ContractOfOtherDeployment { contract, expected: expectation.deployment });
    }
    Ok(())
}

fn check_transaction<'f>(inclusion: &Inclusion, facts: &'f LedgerFacts) -> Result<&'f Receipt, Refusal> {
    let claimed = &inclusion.transaction;
    let receipt = facts.receipt.as_ref().ok_or(Refusal::TransactionUnknown(claimed.hash))?;
    if !receipt.succeeded {
        return Err(Refusal::TransactionReverted(claimed.hash));
    }
    if receipt.block_number != claimed.block_number || receipt.block_hash != claimed.block_hash {
        return Err(Refusal::TransactionElsewhere { found: receipt.block_number, claimed: claimed.block_number });
    }
    Ok(receipt)
}

fn check_root(
    evidence: &Evidence,
    inclusion: &Inclusion,
    statement: &Statement,
    expectation: &Expectation,
    receipt: &Receipt,
) -> Result<(), Refusal> {
    let wanted = match &inclusion.route {
        Route::Root { index, leaves, path } => Anchoring::Root(relay_root(evidence, statement, *index, *leaves, path)?),
        Route::Direct => Anchoring::Anchor(statement.key_id, statement.commitment),
    };
    let of_this_contract = |event: &&Event| event.contract == expectation.contract;
    if receipt.events.iter().filter(of_this_contract).any(|event| event.says == wanted) {
        return Ok(());
    }
    if let Some(stranger) = receipt.events.iter().find(|event| event.says == wanted) {
        return Err(Refusal::EventOfOtherContract(stranger.contract));
    }
    let same_kind = |event: &Event| std::mem::discriminant(&event.says) == std::mem::discriminant(&wanted);
    Err(match wanted {
        _ if !receipt.events.iter().filter(of_this_contract).any(same_kind) => Refusal::NothingAnchored,
        Anchoring::Root(root) => Refusal::OtherRootPosted(root.0),
        Anchoring::Anchor(..) => Refusal::OtherAnchored,
    })
}

fn relay_root(
    evidence: &Evidence,
    statement: &Statement,
    index: u32,
    leaves: u32,
    path: &[Hash],
) -> Result<Hash, Refusal> {
    let leaf = relay_leaf(evidence.key.alg, &statement.key_id, &statement.digest, &evidence.signature);
    root_from_path(&leaf, u64::from(index), u64::from(leaves), path).ok_or(Refusal::RelayPathLength {
        hashes: path.len(),
        index,
        leaves,
    })
}

fn check_block(receipt: &Receipt, expectation: &Expectation, facts: &LedgerFacts) -> Result<(Block, u64), Refusal> {
    let number = receipt.block_number;
    let block = facts.block.ok_or(Refusal::BlockUnknown(number))?;
    if block.hash != receipt.block_hash {
        return Err(Refusal::BlockNotCanonical(number));
    }
    let found = facts.head.saturating_sub(number);
    let needed = expectation.min_confirmations;
    if found < needed {
        return Err(Refusal::TooFewConfirmations { found, needed });
    }
    Ok((block, found))
}

/// The registry stands for whose the key is: by the chain of rotations alone, whoever stole an old key could name a
/// registered key of a device of their own as its successor.
fn check_key(statement: &Statement, included_at: u64, facts: &LedgerFacts) -> Result<(), Refusal> {
    let (key, expected) = (statement.key_id, statement.device);
    if facts.registered_at == 0 {
        return Err(Refusal::KeyUnregistered(key));
    }
    if facts.registered_for != Some(expected) {
        return Err(Refusal::KeyOfOtherDevice { key, found: facts.registered_for, expected });
    }
    if facts.revoked_at != 0 && included_at >= facts.revoked_at {
        return Err(Refusal::KeyRevoked { key, revoked_at: facts.revoked_at, included_at });
    }
    if included_at < facts.registered_at {
        return Err(Refusal::KeyRegisteredLater { key, registered_at: facts.registered_at, included_at });
    }
    Ok(())
}
