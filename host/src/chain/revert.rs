// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why the contract refused, as its custom errors say. Made by [`super::evm`] from revert data; never guesses: what it does
//! not know stays bytes.

use alloy::primitives::{Address, Bytes};
use cairn::signer::KeyId;

/// A custom error of `CairnAnchor.sol`, or what else a call reverted with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Revert {
    /// The caller is no relay.
    #[error("{0} is not a relay of this contract")]
    NotRelay(Address),
    /// The caller is not the owner.
    #[error("{0} does not own this contract")]
    NotOwner(Address),
    /// The caller was not offered the ownership.
    #[error("the ownership was not offered to {0}")]
    NotPendingOwner(Address),
    /// An owner or relay of zero.
    #[error("the zero address cannot be an owner or a relay")]
    ZeroAddress,
    /// A deployment id of zero.
    #[error("a deployment id of zero names no deployment")]
    ZeroDeployment,
    /// A key id of zero.
    #[error("a key id of zero names no key")]
    ZeroKey,
    /// A batch without anything in it.
    #[error("the batch is empty")]
    EmptyBatch,
    /// The packed bytes are not a whole number of anchors.
    #[error("{0} bytes are not a whole number of anchors")]
    PackedLength(u64),
    /// The signature's s is in the upper half.
    #[error("the signature of anchor {0} in the call is high-S")]
    HighS(u64),
    /// The signature recovers to no key.
    #[error("the signature of anchor {0} in the call recovers to no key")]
    NoSigner(u64),
    /// Registered before.
    #[error("key {} is registered already", hex::encode(.0.0))]
    KeyAlreadyRegistered(KeyId),
    /// Revoked before, and for good.
    #[error("key {} was revoked, and that is for good", hex::encode(.0.0))]
    KeyAlreadyRevoked(KeyId),
    /// Never registered.
    #[error("key {} was never registered", hex::encode(.0.0))]
    KeyNotRegistered(KeyId),
    /// None of the contract's errors: out of gas when empty, or another contract's.
    #[error("revert data {0}")]
    Other(Bytes),
}
