// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must hold for any bytes whatever, one function for each fuzz target. Called by the targets with what libFuzzer
//! makes up, and by tests/seeds.rs with the committed seeds. A property that fails panics.
#![forbid(unsafe_code)]

mod at;
mod coap;
mod journal;
mod wire;

pub use at::at_parser;
pub use coap::{coap_message, oscore};
pub use journal::{journal, journal_mounts};
pub use wire::{delta, downlink, endorsement, evidence, factory, uplink};
