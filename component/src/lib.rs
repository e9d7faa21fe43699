// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cairn: an RTOS component that journals a device's records, stacks them into Merkle batches, signs one anchor per batch
//! and uploads it in as few radio wakes as the power budget and the deadlines allow.
//!
//! Data flows one way, and a module knows only the ones before it:
//! [`time`], [`keccak`], [`sha256`], [`word`] → [`merkle`] → [`record`] → [`signer`] → [`batch`] → [`identity`],
//! [`rotation`], [`firmware`], [`journal`], [`ledger`] → [`power`] → [`uplink`], [`factory`], [`cose`] → [`endorsement`] →
//! [`ports`] → [`keys`], [`agent`].
//!
//! No heap, no recursion, no `unsafe`, no I/O: everything outside is a trait in [`ports`], [`journal`] or [`signer`].
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod agent;
pub mod batch;
mod cbor;
pub mod cose;
pub mod endorsement;
pub mod factory;
pub mod firmware;
pub mod identity;
pub mod journal;
pub mod keccak;
pub mod keys;
pub mod ledger;
pub mod merkle;
pub mod ports;
pub mod power;
pub mod record;
pub mod rotation;
pub mod selftest;
pub mod sha256;
pub mod signer;
pub mod time;
pub mod uplink;
pub mod word;

pub use selftest::selftest;
