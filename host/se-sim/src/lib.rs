// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A secure element of NXP's SE050 family, for tests and for images that run in QEMU: what its I2C pins do, byte by
//! byte, written from the published specifications and not from the driver it tests. It shares no code and no constant
//! with it.
//!
//! [`Chip`] has the bus face ([`Chip::write`], [`Chip::read`]), the clock ([`Chip::pass`]) and the supply
//! ([`Chip::power`]). Below it, one module a layer: `block` (NXP UM11225, ISO/IEC 7816-3: T=1), `applet` (NXP AN12413)
//! with its `memory` (`image`: as a file), `channel` (GlobalPlatform Amendment D: SCP03). [`Fault`] says what can be made
//! to go wrong, `plan` at which transfer. [`Board`] wraps a chip as an embedded-hal bus and delay on one virtual clock;
//! [`wire`] puts it behind a byte stream, whose other end is [`Remote`].
//!
//! Where a specification is silent (what an absent object answers, how long a signature takes) the choice is named
//! where it is made.
#![forbid(unsafe_code)]

mod apdu;
mod applet;
mod block;
mod board;
mod channel;
mod chip;
mod fault;
mod image;
mod memory;
mod plan;
mod remote;
pub mod wire;

pub use board::{Board, Bus, Clock};
pub use channel::Keys;
pub use chip::{Chip, Options};
pub use fault::Fault;
pub use image::BadImage;
pub use memory::ATTESTER;
pub use plan::{Chance, Plan};
pub use remote::Remote;

/// The target did not acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack;
