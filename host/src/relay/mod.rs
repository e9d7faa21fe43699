// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The relay: takes uplinks, answers "stored" at once, puts anchors on a ledger and says how far they have come.
//!
//! [`store`] is the only place that speaks SQL; [`intake`] judges one uplink and [`rotation`] the end of a key;
//! [`anchoring`] brings stored anchors onto a ledger, driven by the time it is told; [`gather`] decides what goes there
//! together; [`tree`] is the relay's Merkle tree; [`backoff`] spaces retries; [`proof`] makes evidence from what is
//! stored; [`endpoint`] is CoAP and OSCORE around the intake, and [`recent`] the answers it repeats. None of these
//! opens a socket or reads a clock: [`server`] does.

pub mod anchoring;
pub mod backoff;
pub mod endpoint;
pub mod gather;
pub mod intake;
pub mod proof;
pub mod recent;
pub mod rotation;
pub mod server;
pub mod store;
pub mod tree;

/// Unix milliseconds as the caller's clock says.
pub type UnixMs = u64;
