// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What judges Cairn's power on a desk; docs/power.md explains all of it. Nothing here runs on a device, does I/O or reads a clock.
//!
//! The judge of the scheduler: [`traces`] draws months in a device's life, [`price`] says what a choice of wakes costs in one,
//! [`optimum`] finds the cheapest choice with full knowledge, [`play`] lets the device's scheduler choose, [`informed`]
//! and [`gated`] are the bounds that no device can pass. [`fleet`]: many devices at one
//! relay. [`bill`]: what measured use of a radio cost. [`report`]: how lives are shown.
//!
//! The simulator of years: [`scenario`] says what a life is made of, [`product`] what the product does in it, [`coverage`] how the
//! radio is received, [`radio`] what using it costs, [`battery`] and [`diary`] what is left. [`life`] lets the very same agent as a
//! device's live it; [`strategies`] are the others, [`compare`] puts them side by side into an [`outcome`]; [`forecast`] is
//! what is promised, measured.

pub mod battery;
pub mod bill;
mod checks;
pub mod compare;
mod configured;
pub mod coverage;
pub mod diary;
mod flash;
pub mod fleet;
pub mod forecast;
pub mod gated;
pub mod informed;
pub mod life;
mod link;
mod model_file;
pub mod optimum;
pub mod outcome;
pub mod play;
pub mod price;
pub mod product;
pub mod radio;
mod relay;
pub mod report;
pub mod scenario;
pub mod strategies;
pub mod traces;

pub use model_file::{LevelFile, ModelFile};
