// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What judges Cairn's scheduler on a desk. [`traces`] draws months in a device's life, [`price`] says what a choice of wakes
//! costs in one, [`optimum`] finds the cheapest choice with full knowledge. docs/power.md explains all three.
//!
//! Nothing here runs on a device, does I/O or reads a clock.

pub mod bill;
pub mod gated;
pub mod informed;
pub mod optimum;
pub mod outcome;
pub mod play;
pub mod price;
pub mod report;
pub mod traces;
