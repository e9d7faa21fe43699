// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A build's configuration as constants, made by build.rs from the Kconfig `.config` that `CAIRN_DOTCONFIG` names (an
//! absolute path), else from the committed `default.config`. This crate is the only reader of a `.config`; the program
//! `cairn-config` writes the same values as a C header. Used by `cairn-capi`; `cairn` itself knows nothing of it.
#![no_std]
#![forbid(unsafe_code)]

include!(concat!(env!("OUT_DIR"), "/config.rs"));
