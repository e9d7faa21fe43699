// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cairn's ports on Zephyr for applications in Rust, which have Zephyr through zephyr-lang-rust (`CONFIG_RUST=y`). C applications
//! use the C files beside this crate instead (`CONFIG_CAIRN=y`); the two exclude each other.
//!
//! | module | what |
//! | --- | --- |
//! | [`clock`] | [`cairn::ports::Clock`] from Zephyr's uptime, and the device's wall clock |
//! | [`entropy`] | [`cairn::ports::Entropy`] from Zephyr's cryptographically secure generator |
//! | [`flash`] | `NorFlash` of embedded-storage on the partition that the devicetree chose as `cairn,journal` |
//! | [`factory`] | the factory image in the partition `cairn,factory` |
//! | [`mailbox`] | [`cairn::ports::Inbox`], and the application's end of it |
//! | [`wait`] | [`cairn::ports::Wait`]; threads and interrupts end it with [`wait::wake`] |
//! | [`sockets`] | UDP and TCP clients of embedded-nal on Zephyr's sockets |
//!
//! It calls `rust/shim.c`, which the module's CMake compiles with `CONFIG_CAIRN_RUST=y`; without that option an image does not
//! link. It needs an implementation of `critical-section`, which the crate `zephyr` brings. It allocates nothing.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod clock;
pub mod entropy;
pub mod factory;
pub mod flash;
pub mod mailbox;
#[cfg_attr(test, path = "simulated.rs")]
mod shim;
pub mod sockets;
pub mod wait;
