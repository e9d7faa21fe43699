// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A UICC as a modem sees it, with two applets on it: IoT SAFE (GSMA IoT.05) with a P-256 key, and Cairn's secp256k1 applet
//! (docs/sim-applet.md). Bytes in, bytes out; keys and signatures are real. Used by `cairn modem --sim-applet` and by the
//! tests of `cairn::signer::sim` and `cairn-at-modem`, with which it shares no table, so that one checks the other.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`card`] | logical channels, SELECT, GET RESPONSE, T=0 and T=1 (ISO/IEC 7816-4, ETSI TS 102 221) |
//! | [`applet`] | objects, sessions and commands of both applets |
//! | [`key`] | the two curves |
//! | [`at`] | `AT+CSIM`, `AT+CCHO`, `AT+CGLA`, `AT+CCHC` (3GPP TS 27.007) |
//! | [`fault`] | what goes wrong, and when |
//!
//! Where the specifications leave it open it does what is harder for the device: signatures are high-S every second time, a
//! signature's session stays open until it is closed, a closed channel forgets everything.
#![forbid(unsafe_code)]

pub mod applet;
pub mod at;
pub mod card;
pub mod fault;
pub mod key;

pub use self::{
    applet::Applet,
    at::{At, Reply},
    card::{Card, Protocol},
    fault::{Fault, Plan},
    key::Curve,
};
