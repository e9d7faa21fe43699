// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cairn's ports on FreeRTOS for applications in Rust, over the crate `freertos-next`. C applications use the C files
//! beside this crate instead.
//!
//! | module | port |
//! | --- | --- |
//! | [`clock`] | [`cairn::ports::Clock`] from the kernel's tick |
//! | [`inbox`] | [`cairn::ports::Inbox`] as a FreeRTOS queue; [`inbox::Submitter`] is the application's end of it |
//! | [`wake`] | [`cairn::ports::Wait`] as a task notification; [`wake::Waker`] ends it from tasks and interrupts |
//!
//! The journal's flash is the product's, as are UART and entropy: any `NorFlash` of embedded-storage, given to
//! [`cairn::journal::FlashJournal`]. It is used by the agent's task only; what a power cut may leave is in docs/journal.md.
//!
//! `freertos-next` allocates its objects from the kernel's heap; Cairn itself does not.
#![no_std]

extern crate alloc;

pub mod clock;
pub mod inbox;
pub mod wake;
