// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The C interface of Cairn: `include/cairn.h`, made from here by cbindgen, and the functions behind it. The system
//! below is C too: `include/cairn_port.h`. One instance, in storage of the caller; no heap, no thread of its own.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`api`] | the functions of cairn.h: checks, then hands over to the agent's task |
//! | [`run`] | the functions of cairn.h for the agent's task |
//! | [`agent_task`] | the agent's task: start, step, answer |
//! | [`waiters`] | the table of tasks that wait for the agent |
//! | [`waiting`] | how they wait |
//! | [`instance`] | the instance in the caller's storage, and who may touch what of it |
//! | [`endorsement`] | `cairn_endorse`, and the root of trust behind it |
//! | [`energy`] | `cairn_set_energy_model`, `cairn_set_battery`, `cairn_radio_timers` |
//! | [`keys`] | `cairn_rotate`, `cairn_key_destroy`, `cairn_public_key`, and the key in flash |
//! | [`record`] | what lies in the queue |
//! | [`report`] | status and events as C sees them |
//! | [`firmware`] | `cairn_firmware_confirmed` |
//! | [`selftest`] | `cairn_selftest`, and which primitives this build has |
//! | [`power`] | battery, energy model and deadlines, as the schedule takes them |
//! | [`result`] | `cairn_result_t` and its texts |
//! | [`transport`] | which link the features chose |
//! | [`signer`] | which signer the features chose |
//! | [`wipe`] | what secrets left on the stack |
//! | [`port`] | the functions of cairn_port.h behind safe names |
#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod agent_task;
pub mod api;
pub mod endorsement;
pub mod energy;
pub mod firmware;
pub mod instance;
pub mod keys;
mod port;
mod power;
pub mod record;
pub mod report;
pub mod result;
pub mod run;
pub mod selftest;
mod signer;
mod transport;
mod waiters;
mod waiting;
mod wipe;

cairn_config::define_config_symbol!();
