// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An EVM node over JSON-RPC, and `CairnAnchor.sol` on it. [`EvmView`] reads (the verifier), [`EvmLedger`] also posts (the
//! relay), [`EvmOwner`] deploys and keeps the registry (provisioning). It trusts the node for what it says, and never retries:
//! callers know how long they can wait.

mod node;
mod owner;
mod view;
mod writer;

pub use alloy::signers::local::PrivateKeySigner;
pub use node::Node;
pub use owner::{EvmOwner, Vouched};
pub use view::EvmView;
pub use writer::EvmLedger;

/// The contract's interface, from the committed artefact: what was compiled is what is called.
#[allow(missing_docs, clippy::all, clippy::cast_possible_truncation, reason = "generated")]
mod abi {
    alloy::sol!(CairnAnchor, "../contracts/artifacts/CairnAnchor.json");
}
use abi::CairnAnchor;
