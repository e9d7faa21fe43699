// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CoAP (RFC 7252) with OSCORE (RFC 8613): how a device's agent reaches its relay in one exchange, and what the relay needs to
//! answer it. `no_std`, no heap, no `unsafe`; no panic is reachable from what is received.
//!
//! | module | what | who calls it |
//! | --- | --- | --- |
//! | [`message`] | the datagram's codec, pure | client, relay, fuzzing |
//! | [`oscore`] | derivation, protection, verification, replay window; pure, both roles | client, relay, fuzzing |
//! | [`client`] | [`CoapLink`], the agent's `Link` over any embedded-nal 0.9 UDP stack | the device |
//!
//! # One exchange
//! ```text
//!  device                                                        relay
//!    │ CON POST  [OSCORE: PIV 7, kid, kid context]                 │  the kid context until the relay answered with success
//!    │   { POST, Uri-Path "a", uplink } ─────────────────────────> │
//!    │ <───────────────── ACK 2.04  [OSCORE: PIV 3] { 4.01, Echo } │  only in a new context
//!    │ CON POST  [OSCORE: PIV 8, kid, kid context]                 │
//!    │   { POST, Uri-Path "a", Echo, uplink } ───────────────────> │
//!    │ <────────────────────── ACK 2.04  [OSCORE] { 2.04, downlink }│
//! ```
//! A CoAP retransmission repeats bytes; an exchange in a later wake protects the same uplink anew. Only what OSCORE verifies ends
//! an exchange before its time: what everything else does is in a table in `client/datagram.rs`.
//!
//! The kid context is left out once the relay has answered with success in this context, and sent again after an exchange
//! that failed: a relay that lost its state finds the context by it, and an Echo challenge does not mean that it was accepted.
//!
//! # Overhead
//! UDP payload of a 170-byte uplink: 206 bytes with the kid context, 196 without; with an 8-byte Echo 10 more. That is 4 header,
//! 2 token, 7 OSCORE option (17 with the kid context), 1 marker, 1 code, 2 path, 1 marker, 8 tag. The Partial IV grows by a
//! byte at numbers 2^8, 2^16, … A downlink has 18 bytes around it.
//!
//! # Size
//! On a Cortex-M3, `opt-level = "s"`, fat LTO, with AES, SHA-256, HMAC and the memory functions: 15.1 kB of flash when the image
//! is built with `--cfg aes_backend_soft="compact" --cfg sha2_backend_soft="compact"`, 23.0 kB without (SHA-256 7 kB of it,
//! which the component needs anyway). State beside the two buffers: 392 bytes.
//!
//! | instructions (QEMU), compact / not | | stack |
//! | --- | --- | --- |
//! | derive a context | 120 k / 77 k | 1.2 kB |
//! | protect a 170-byte uplink | 136 k / 131 k | 1.2 kB |
//! | verify a challenge and repeat the uplink with Echo | 356 k / 342 k | 1.4 kB |
//! | verify a 60-byte downlink | 66 k / 64 k | 1.0 kB |
//!
//! # What embedded-nal cannot say
//! NB-IoT networks release the radio earlier when they are told that nothing follows a datagram, or one answer (release assistance
//! indication). embedded-nal has no such call: a modem's stack can send the hint with every datagram longer than an ACK, since
//! this client expects exactly one answer to it. A stack must keep a datagram it said `WouldBlock` to until it is offered the
//! same bytes again, or its socket is closed; it is not asked to receive in between.
//!
//! # Fuzzing
//! [`message::Message::parse`], [`oscore::Identifiers::parse`], [`oscore::Context::unprotect_request`] and
//! [`oscore::Context::unprotect_response`] take any bytes; a [`CoapLink`] over a stack that plays back datagrams takes any
//! sequence of them.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod client;
pub mod message;
pub mod oscore;

pub use client::{CoapLink, Settings, Transmission};
