// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why evidence is refused: one variant, one sentence and one exit code per reason. The codes are in docs/verify.md and in
//! scripts: never renumber one, never use one twice.

use cairn::{
    batch::{BatchNumber, DeploymentId},
    record::SequenceNumber,
    signer::{DeviceId, KeyId},
};

use crate::{cbor::FormatError, signature::SignatureError};

/// The steps of a verification, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The file is evidence of a version that can be checked.
    Format,
    /// It is about the expected deployment.
    Deployment,
    /// The rotations lead from the device's first key to the signing key.
    Rotations,
    /// It is about the expected device.
    Device,
    /// The anchor is consistent with itself, and the record is one of its batch.
    Anchor,
    /// The record hashes to its place under the anchor's root.
    Record,
    /// The key signed the anchor.
    Signature,
    /// The node, the chain and the contract are the expected ones.
    Ledger,
    /// The transaction the evidence names is on the ledger.
    Transaction,
    /// The transaction anchored what was signed.
    Root,
    /// Its block is on the canonical chain and deep enough.
    Block,
    /// The key was registered, and not revoked, when the anchor was included.
    Key,
}

impl Step {
    /// The step's name, as `cairn verify` prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Deployment => "deployment",
            Self::Rotations => "rotations",
            Self::Device => "device",
            Self::Record => "record",
            Self::Anchor => "anchor",
            Self::Signature => "signature",
            Self::Ledger => "ledger",
            Self::Transaction => "transaction",
            Self::Root => "root",
            Self::Block => "block",
            Self::Key => "key",
        }
    }

    /// All steps in their order.
    pub const ALL: [Self; 12] = [
        Self::Format,
        Self::Deployment,
        Self::Rotations,
        Self::Device,
        Self::Anchor,
        Self::Record,
        Self::Signature,
        Self::Ledger,
        Self::Transaction,
        Self::Root,
        Self::Block,
        Self::Key,
    ];
}

/// Why evidence is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an evidence file.
    #[error("this is not an evidence file: {0}")]
    Format(#[from] FormatError),
    /// A rotation is not what leads from one key of the device to the next.
    #[error("rotation {number}: {fault}")]
    Rotation {
        /// Which, counted from 1 in the order of the evidence.
        number: usize,
        /// What is wrong with it.
        fault: RotationFault,
    },
    /// The last rotation names another key than the one that signed.
    #[error("the rotations do not lead to the key in the evidence: the last one names key {}", hex0x(.0))]
    RotationsLeadElsewhere([u8; 33]),
    /// It says nothing of a ledger.
    #[error("the evidence names no transaction: a relay has to complete it with its path and block")]
    NotIncluded,
    /// Signed for another deployment.
    #[error("the evidence is of deployment {}, not of {}", hex0x(&found.0), hex0x(&expected.0))]
    WrongDeployment {
        /// What the evidence says.
        found: DeploymentId,
        /// What the caller trusts.
        expected: DeploymentId,
    },
    /// Made by another device.
    #[error("the record is of device {}, not of {}", hex0x(&found.0), hex0x(&expected.0))]
    WrongDevice {
        /// The device whose key signed.
        found: DeviceId,
        /// The device the caller asked for.
        expected: DeviceId,
    },
    /// The path is too long or too short for the record's place.
    #[error("the record's path has {hashes} hashes, which belongs to no place {index} among {count} records")]
    RecordPathLength {
        /// Hashes in the path.
        hashes: usize,
        /// The record's place in its batch.
        index: u32,
        /// Records in the batch.
        count: u32,
    },
    /// The record, its blind, its path or the root was changed.
    #[error("the record does not hash to its place under the anchor's root")]
    RecordNotUnderRoot,
    /// The record's number is not in the batch.
    #[error("record {seq} is not in batch {}, which holds {count} records from {first}", batch.0, seq = seq.0, first = first.0)]
    RecordOutsideBatch {
        /// The record.
        seq: SequenceNumber,
        /// The batch.
        batch: BatchNumber,
        /// The batch's first record.
        first: SequenceNumber,
        /// Records in the batch.
        count: u32,
    },
    /// The anchor contradicts itself.
    #[error("the anchor contradicts itself: {0}")]
    AnchorInconsistent(&'static str),
    /// The public key is no point of its curve.
    #[error("the public key in the evidence is no point of its curve")]
    KeyNotOnCurve,
    /// r or s is zero, or not below the group order.
    #[error("r or s of the signature is outside the group order")]
    SignatureMalformed,
    /// A rewritten signature.
    #[error("the signature is high-S: devices sign low-S, somebody rewrote it")]
    SignatureHighS,
    /// The key did not sign this anchor.
    #[error("the signature over the anchor is not of the key in the evidence")]
    SignatureInvalid,
    /// The key was never registered.
    #[error("key {} is not registered with the deployment's contract", hex0x(&.0.0))]
    KeyUnregistered(KeyId),
    /// The key was revoked before the anchor was included.
    #[error("key {} was revoked at Unix time {revoked_at}, and the anchor was included at {included_at}", hex0x(&key.0))]
    KeyRevoked {
        /// The key.
        key: KeyId,
        /// Block time of the revocation, seconds.
        revoked_at: u64,
        /// Block time of the inclusion, seconds.
        included_at: u64,
    },
    /// The owner registered the key for another device.
    #[error("key {} was registered for {}, not for device {}", hex0x(&key.0), device_or_none(found.as_ref()), hex0x(&expected.0))]
    KeyOfOtherDevice {
        /// The key.
        key: KeyId,
        /// The device the registry names; `None` when it says of none that the key is its.
        found: Option<DeviceId>,
        /// The device the evidence is of.
        expected: DeviceId,
    },
    /// The key was registered only after the anchor was included.
    #[error("key {} was registered at Unix time {registered_at}, and the anchor was included at {included_at}", hex0x(&key.0))]
    KeyRegisteredLater {
        /// The key.
        key: KeyId,
        /// Block time of the registration, seconds.
        registered_at: u64,
        /// Block time of the inclusion, seconds.
        included_at: u64,
    },
    /// The evidence names another chain.
    #[error("the evidence names chain {found}, the deployment is on chain {expected}")]
    WrongChain {
        /// What the evidence says.
        found: u64,
        /// What the caller trusts.
        expected: u64,
    },
    /// The node serves another chain.
    #[error("the node serves chain {found}, the deployment is on chain {expected}")]
    NodeOnOtherChain {
        /// What the node says.
        found: u64,
        /// What the caller trusts.
        expected: u64,
    },
    /// The evidence names another contract.
    #[error("the evidence names contract {}, the deployment's is {}", hex0x(found), hex0x(expected))]
    WrongContract {
        /// What the evidence says.
        found: [u8; 20],
        /// What the caller trusts.
        expected: [u8; 20],
    },
    /// At the contract's address there is no contract of this deployment.
    #[error("the contract at {} is not of deployment {}", hex0x(contract), hex0x(&expected.0))]
    ContractOfOtherDeployment {
        /// The address.
        contract: [u8; 20],
        /// What the caller trusts.
        expected: DeploymentId,
    },
    /// The ledger has no such transaction.
    #[error("transaction {} is not on the ledger", hex0x(.0))]
    TransactionUnknown([u8; 32]),
    /// It was reverted.
    #[error("transaction {} was reverted: it anchored nothing", hex0x(.0))]
    TransactionReverted([u8; 32]),
    /// It is in another block than the evidence says.
    #[error(
        "the ledger has the transaction in block {found}, the evidence says block {claimed}: ask the relay for fresh evidence"
    )]
    TransactionElsewhere {
        /// The ledger's block number.
        found: u64,
        /// The evidence's block number.
        claimed: u64,
    },
    /// An event of the right shape came from another contract.
    #[error("the anchoring event was emitted by contract {}, which is not the deployment's", hex0x(.0))]
    EventOfOtherContract([u8; 20]),
    /// There is no anchoring event at all.
    #[error("the transaction holds no anchoring event of the deployment's contract")]
    NothingAnchored,
    /// The path is too long or too short for the relay leaf's place.
    #[error("the relay's path has {hashes} hashes, which belongs to no place {index} among {leaves} leaves")]
    RelayPathLength {
        /// Hashes in the path.
        hashes: usize,
        /// The leaf's place.
        index: u32,
        /// Leaves under the root.
        leaves: u32,
    },
    /// The relay's path leads to a root that this transaction did not post.
    #[error("the relay's path leads to root {}, which the transaction did not post", hex0x(.0))]
    OtherRootPosted([u8; 32]),
    /// The transaction anchored other batches.
    #[error("the transaction anchored other batches, not this one")]
    OtherAnchored,
    /// The node does not know the block.
    #[error("the node does not know block {0}")]
    BlockUnknown(u64),
    /// The block was reorganised away.
    #[error("block {0} of that hash is not on the canonical chain")]
    BlockNotCanonical(u64),
    /// Not deep enough.
    #[error("{found} blocks stand upon the anchor's block, {needed} are needed")]
    TooFewConfirmations {
        /// Blocks that stand upon it.
        found: u64,
        /// What the caller asks for.
        needed: u64,
    },
}

impl Refusal {
    /// The step that failed.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::Format(_) => Step::Format,
            Self::WrongDeployment { .. } => Step::Deployment,
            Self::Rotation { .. } | Self::RotationsLeadElsewhere(_) => Step::Rotations,
            Self::WrongDevice { .. } | Self::KeyNotOnCurve => Step::Device,
            Self::RecordPathLength { .. } | Self::RecordNotUnderRoot => Step::Record,
            Self::RecordOutsideBatch { .. } | Self::AnchorInconsistent(_) => Step::Anchor,
            Self::SignatureMalformed | Self::SignatureHighS | Self::SignatureInvalid => Step::Signature,
            Self::NotIncluded
            | Self::WrongChain { .. }
            | Self::NodeOnOtherChain { .. }
            | Self::WrongContract { .. }
            | Self::ContractOfOtherDeployment { .. } => Step::Ledger,
            Self::TransactionUnknown(_) | Self::TransactionReverted(_) | Self::TransactionElsewhere { .. } => {
                Step::Transaction
            }
            Self::EventOfOtherContract(_)
            | Self::NothingAnchored
            | Self::RelayPathLength { .. }
            | Self::OtherRootPosted(_)
            | Self::OtherAnchored => Step::Root,
            Self::BlockUnknown(_) | Self::BlockNotCanonical(_) | Self::TooFewConfirmations { .. } => Step::Block,
            Self::KeyUnregistered(_)
            | Self::KeyRevoked { .. }
            | Self::KeyRegisteredLater { .. }
            | Self::KeyOfOtherDevice { .. } => Step::Key,
        }
    }

    /// What `cairn verify` exits with. 0 is verified, 1 a failure that says nothing of the evidence, 2 wrong usage. 11
    /// was "carries rotations, which cannot be checked" and is retired.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Format(_) => 10,
            Self::Rotation { fault, .. } => fault.exit_code(),
            Self::RotationsLeadElsewhere(_) => 113,
            Self::WrongDeployment { .. } => 20,
            Self::WrongDevice { .. } => 21,
            Self::RecordPathLength { .. } => 32,
            Self::RecordNotUnderRoot => 33,
            Self::RecordOutsideBatch { .. } => 31,
            Self::AnchorInconsistent(_) => 30,
            Self::KeyNotOnCurve => 22,
            Self::SignatureMalformed => 41,
            Self::SignatureHighS => 42,
            Self::SignatureInvalid => 43,
            Self::WrongChain { .. } => 50,
            Self::NodeOnOtherChain { .. } => 51,
            Self::WrongContract { .. } => 52,
            Self::ContractOfOtherDeployment { .. } => 53,
            Self::NotIncluded => 54,
            Self::TransactionUnknown(_) => 60,
            Self::TransactionReverted(_) => 61,
            Self::TransactionElsewhere { .. } => 62,
            Self::EventOfOtherContract(_) => 70,
            Self::NothingAnchored => 71,
            Self::RelayPathLength { .. } => 72,
            Self::OtherRootPosted(_) => 73,
            Self::OtherAnchored => 74,
            Self::BlockUnknown(_) => 80,
            Self::BlockNotCanonical(_) => 81,
            Self::TooFewConfirmations { .. } => 82,
            Self::KeyUnregistered(_) => 90,
            Self::KeyRevoked { .. } => 91,
            Self::KeyRegisteredLater { .. } => 92,
            Self::KeyOfOtherDevice { .. } => 93,
        }
    }
}

/// What is wrong with one rotation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationFault {
    /// Its record is no record.
    #[error("its record does not read: {0}")]
    Record(FormatError),
    /// Its anchor is no anchor.
    #[error("its anchor does not read: {0}")]
    Anchor(FormatError),
    /// Its record is of another kind, or says something else.
    #[error("its record is no rotation record")]
    NotARotation,
    /// Its anchor contradicts itself.
    #[error("its anchor contradicts itself: {0}")]
    AnchorInconsistent(&'static str),
    /// Its record's number is not in the anchor's batch.
    #[error("its record is not one of its anchor's batch")]
    OutsideBatch,
    /// Its record does not hash to its place under the anchor's root.
    #[error("its record does not hash to its place under its anchor's root")]
    NotUnderRoot,
    /// Records follow it in its batch.
    #[error("its record is not the last of its batch")]
    NotLast,
    /// The anchor does not say that it is the key's last.
    #[error("its anchor does not say that it is the old key's last")]
    NotMarked,
    /// It names another device than the rotations before.
    #[error("it is of device {}, the one before is of {}", hex0x(&found.0), hex0x(&expected.0))]
    OtherDevice {
        /// What it says.
        found: DeviceId,
        /// What the rotations before say.
        expected: DeviceId,
    },
    /// The key before did not sign it: a link is missing, or somebody else's is there.
    #[error("the device's key before it did not sign it")]
    OtherSigner,
    /// The key before signed it, and somebody rewrote the signature.
    #[error("the old key's signature is high-S: devices sign low-S, somebody rewrote it")]
    HighS,
    /// The key it names is no point of its curve.
    #[error("the key it names is no point of its curve")]
    KeyNotOnCurve,
    /// The key it names did not agree to this place in this stream of this device.
    #[error("the key it names does not prove possession for this device, stream and record: {0}")]
    Proof(SignatureError),
    /// The same stream has it at or behind what the key it names signed.
    #[error("its batch is not before what the key it names signed in the same stream")]
    OutOfOrder,
}

impl RotationFault {
    /// As [`Refusal::exit_code`].
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Record(_) => 100,
            Self::Anchor(_) => 101,
            Self::NotARotation => 102,
            Self::AnchorInconsistent(_) => 103,
            Self::OutsideBatch => 104,
            Self::NotUnderRoot => 105,
            Self::NotLast => 106,
            Self::NotMarked => 107,
            Self::OtherDevice { .. } => 108,
            Self::OtherSigner => 109,
            Self::HighS => 110,
            Self::KeyNotOnCurve => 111,
            Self::Proof(_) => 112,
            Self::OutOfOrder => 114,
        }
    }
}

fn device_or_none(device: Option<&DeviceId>) -> String {
    device.map_or_else(|| "no device".into(), |device| format!("device {}", hex0x(&device.0)))
}

fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
