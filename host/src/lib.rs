// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the program `cairn` is made of. Tests and the program's verbs call it; nothing here runs on a device.

pub mod chain;
pub mod cli;
pub mod deployment;
pub mod endorsement;
pub mod facts;
pub mod file_flash;
pub mod files;
pub mod modem;
pub mod relay;
pub mod se_sim;
pub mod succession;
