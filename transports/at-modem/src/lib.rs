// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An embedded-nal 0.9 UDP client ([`embedded_nal::UdpClientStack`]) over the AT commands of an NB-IoT modem on a serial
//! port. `no_std`, no heap, no `unsafe`; every buffer is a const generic.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`parser`] | lines, fields and hex digits out of a byte stream; pure, fuzzed on its own |
//! | [`dialect`] | what differs between modems, as tables: command texts, answers, unsolicited codes, time limits |
//! | [`modem`] | [`AtModem`]: the dialogue with the modem as a state machine that never blocks |
//! | `sim` | feature `sim`: the SIM in the modem as a channel for `cairn::signer::sim` |
//!
//! ```
//! use cairn_at_modem::{AtModem, Settings, dialect};
//! use embedded_nal::UdpClientStack;
//! # struct Port;
//! # impl embedded_io::ErrorType for Port { type Error = core::convert::Infallible; }
//! # impl embedded_io::Read for Port { fn read(&mut self, _: &mut [u8]) -> Result<usize, Self::Error> { Ok(0) } }
//! # impl embedded_io::ReadReady for Port { fn read_ready(&mut self) -> Result<bool, Self::Error> { Ok(false) } }
//! # impl embedded_io::Write for Port {
//! #     fn write(&mut self, b: &[u8]) -> Result<usize, Self::Error> { Ok(b.len()) }
//! #     fn flush(&mut self) -> Result<(), Self::Error> { Ok(()) }
//! # }
//! # struct Ticks;
//! # impl cairn::ports::Clock for Ticks {
//! #     fn now(&self) -> cairn::time::Millis { cairn::time::Millis(0) }
//! #     fn wall(&self) -> cairn::time::WallTime { cairn::time::WallTime::default() }
//! #     fn set_wall(&mut self, _: cairn::time::WallTime) {}
//! # }
//! // One socket, 1024 bytes up, 128 bytes down, two datagrams queued, lines of at most 320 bytes.
//! let mut modem = AtModem::<_, _, 1, 1024, 128, 2, 320>::new(&dialect::BC660K, Settings::default(), Port, Ticks);
//! let mut socket = modem.socket().unwrap();
//! modem.connect(&mut socket, "192.0.2.1:5683".parse().unwrap()).unwrap();
//! assert_eq!(modem.send(&mut socket, b"uplink"), Err(nb::Error::WouldBlock)); // the AT dialogue has begun
//! ```
//!
//! # Who calls when
//! Nothing here waits. `send` and `receive` do what can be done now and return `WouldBlock`; call them (or
//! [`AtModem::poll`]) again when the UART's receive interrupt signals the task that waits in `cairn::ports::Wait`, and at
//! [`AtModem::wake_at`] at the latest, which is when the current command's time limit ends.
//!
//! `close` closes the modem's socket only as far as it gets at once; the rest is done by the next calls, at the latest before
//! the socket is opened again. Nothing is lost when nobody calls: an open UDP socket costs no energy.
//!
//! # Sleep
//! The modem may sleep whenever it likes (`AT+QSCLK=1`). Before a command that follows a silence it is woken with `AT` until
//! it answers, ten times in five seconds. Where the board wires the wake-up pin, pulse it before `send`; where it wires the
//! reset, pulse that after [`modem::Failure::NoAnswer`]: this driver knows no pins. Deep sleep and restarts are noticed by
//! what the modem says of them; sockets are then opened again by the next `send`.
//!
//! # SIM
//! With a last const argument [`AtModem`] also passes commands on to the SIM ([`AtModem::card`]); `sim::Shared` lends one
//! driver to the CoAP client and to the signer.
//!
//! # Limits
//! IPv4, UDP, one command at a time. The dialects are written from the manuals, transcripts and other drivers, and tested
//! against `cairn modem`, which is written from the manuals too; no real modem has been on the other side yet. Of the texts,
//! the fourth parameter of the BC660K's `AT+QISEND` is the least documented: [`Release::Never`] does without.
#![no_std]
#![forbid(unsafe_code)]

pub mod dialect;
pub mod modem;
pub mod parser;
#[cfg(feature = "sim")]
pub mod sim;

pub use dialect::Dialect;
pub use modem::{AtModem, Counters, Error, Radio, Release, Settings, Socket};
