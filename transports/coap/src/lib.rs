// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CoAP (RFC 7252) with OSCORE (RFC 8613).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod client;
pub mod message;
pub mod oscore;

pub use client::{CoapLink, Settings, Transmission};
