// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One command and its answer: writes the command line piece by piece as the port takes it, and decides when the answer is
//! complete. [`super::AtModem`] runs one at a time; it knows nothing of what the command is for.

use core::net::SocketAddrV4;

use cairn::time::Millis;
use embedded_io::Write;
use heapless::Vec;

use super::{Failure, Psm};
use crate::{
    dialect::Command,
    parser::{Line, hex_digits, number},
};

/// What the placeholders of a command stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments<'a> {
    pub(super) context: u8,
    pub(super) payload: &'a [u8],
    pub(super) session: u16,
    pub(super) release: u8,
    pub(super) psm: Option<Psm>,
}

/// Bytes of command line composed ahead of the port.
const AHEAD: usize = 48;
/// Payload bytes turned into digits at a time.
const HEX_STEP: usize = 16;

/// A command on its way.
#[derive(Clone, Debug)]
pub(super) struct Dialogue {
    command: &'static Command,
    socket: u8,
    peer: Option<SocketAddrV4>,
    /// What is left of the text.
    rest: &'static [u8],
    /// Payload bytes already composed; `Some` while inside `%x`.
    payload_at: Option<usize>,
    ahead: Vec<u8, AHEAD>,
    ahead_at: usize,
    ended: bool,
    deadline: Millis,
    accepted: bool,
    verdict: Option<Result<(), Failure>>,
}

impl Dialogue {
    /// Begins `command`; nothing is written yet.
    pub(super) fn new(command: &'static Command, socket: u8, peer: Option<SocketAddrV4>, now: Millis) -> Self {
        Self {
            command,
            socket,
            peer,
            rest: command.text.as_bytes(),
            payload_at: None,
            ahead: Vec::new(),
            ahead_at: 0,
            ended: false,
            deadline: now.after(command.limit),
            accepted: false,
            verdict: None,
        }
    }

    pub(super) const fn deadline(&self) -> Millis {
        self.deadline
    }

    /// Whether the modem said `OK`.
    pub(super) const fn accepted(&self) -> bool {
        self.accepted
    }

    /// Whether the whole command line is with the port.
    pub(super) fn written(&self) -> bool {
        self.ended && self.ahead_at == self.ahead.len()
    }

    /// Writes as much as the port takes without being asked twice.
    ///
    /// # Errors
    /// The port's.
    pub(super) fn write<P: Write>(&mut self, port: &mut P, arguments: &Arguments<'_>) -> Result<(), P::Error> {
        while !self.written() {
            if self.ahead_at == self.ahead.len() {
                self.compose(arguments);
            }
            let pending = self.ahead.get(self.ahead_at..).unwrap_or_default();
            let taken = port.write(pending)?.min(pending.len());
            self.ahead_at += taken;
            if self.ahead_at < self.ahead.len() {
                break;
            }
        }
        Ok(())
    }

    /// Refills `ahead` with the next piece of the command line. A piece always fits: 15 bytes of address are the longest
    /// but hex digits, which come in steps.
    fn compose(&mut self, arguments: &Arguments<'_>) {
        self.ahead.clear();
        self.ahead_at = 0;
        if let Some(at) = self.payload_at {
            let part = arguments.payload.get(at..).unwrap_or_default();
            let part = part.get(..HEX_STEP).unwrap_or(part);
            for byte in part {
                self.append(&hex_digits(*byte));
            }
            let at = at + part.len();
            self.payload_at = (at < arguments.payload.len()).then_some(at);
            return;
        }
        match *self.rest {
            [] => {
                self.append(b"\r");
                self.ended = true;
            }
            [b'%', placeholder, ref rest @ ..] => {
                self.rest = rest;
                self.expand(placeholder, arguments);
            }
            _ => {
                let until = self.rest.iter().position(|byte| *byte == b'%').unwrap_or(self.rest.len()).min(AHEAD);
                let (literal, rest) = self.rest.split_at(until);
                self.append(literal);
                self.rest = rest;
            }
        }
    }

    fn expand(&mut self, placeholder: u8, arguments: &Arguments<'_>) {
        match placeholder {
            b'c' => self.append_number(arguments.context.into()),
            b's' => self.append_number(self.socket.into()),
            b'a' => {
                for (index, octet) in self.peer.map_or([0; 4], |peer| peer.ip().octets()).into_iter().enumerate() {
                    if index > 0 {
                        self.append(b".");
                    }
                    self.append_number(octet.into());
                }
            }
            b'p' => self.append_number(self.peer.map_or(0, |peer| peer.port())),
            b'l' => self.append_number(u16::try_from(arguments.payload.len()).unwrap_or(u16::MAX)),
            b'n' => self.append_number(u16::try_from(2 * arguments.payload.len()).unwrap_or(u16::MAX)),
            b'i' => self.append_number(arguments.session),
            b'x' => self.payload_at = (!arguments.payload.is_empty()).then_some(0),
            b'r' => self.append_number(arguments.release.into()),
            b't' => self.append_bits(arguments.psm.map_or(0, |psm| psm.periodic_update)),
            b'u' => self.append_bits(arguments.psm.map_or(0, |psm| psm.active)),
            _ => {}
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        let fits = self.ahead.extend_from_slice(bytes).is_ok();
        debug_assert!(fits, "a piece of a command line is longer than the write-ahead");
    }

    fn append_number(&mut self, number: u16) {
        let mut divisor = 10_000;
        while divisor > 1 && number < divisor {
            divisor /= 10;
        }
        while divisor > 0 {
            // A decimal digit fits a byte.
            #[allow(clippy::cast_possible_truncation)]
            self.append(&[b'0' + (number / divisor % 10) as u8]);
            divisor /= 10;
        }
    }

    fn append_bits(&mut self, octet: u8) {
        for bit in (0..8).rev() {
            self.append(&[b'0' + (octet >> bit & 1)]);
        }
    }

    /// Looks at a line; `Some` when it completes the answer. `OK` and the verdict count in either order.
    pub(super) fn hear(&mut self, line: Line<'_>) -> Option<Result<(), Failure>> {
        match line {
            Line::Echo => return None,
            Line::Error(code) => return Some(Err(Failure::Refused(code))),
            Line::Ok => self.accepted = true,
            Line::Text(text) => {
                let verdict = self.command.verdict?;
                if matches_template(text, verdict.success, self.socket) == Some(b"".as_slice()) {
                    self.verdict = Some(Ok(()));
                } else if let Some(rest) = matches_template(text, verdict.failure, self.socket) {
                    self.verdict = Some(Err(Failure::Refused(number(rest))));
                }
            }
        }
        match (self.command.verdict, self.verdict) {
            (Some(_), Some(verdict)) if self.accepted => Some(verdict),
            (None, _) if self.accepted => Some(Ok(())),
            _ => None,
        }
    }
}

/// What follows `template` in `text`, when `text` begins with it; `%s` stands for `socket`.
fn matches_template<'a>(text: &'a [u8], template: &str, socket: u8) -> Option<&'a [u8]> {
    let template = template.as_bytes();
    let at = template.iter().position(|byte| *byte == b'%').unwrap_or(template.len());
    let (before, rest) = template.split_at_checked(at)?;
    let text = text.strip_prefix(before)?;
    let [b'%', _, after @ ..] = rest else { return Some(text) };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (id, text) = text.split_at_checked(digits)?;
    (number(id)? == u16::from(socket)).then_some(())?;
    text.strip_prefix(after)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{string::String, vec::Vec};

    use super::*;
    use crate::{dialect, parser::classify};

    /// Takes `0` bytes at most at a time.
    struct Narrow(usize, Vec<u8>);

    impl embedded_io::ErrorType for Narrow {
        type Error = core::convert::Infallible;
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
            let taken = bytes.len().min(self.0);
            self.1.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
        fn flush(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    fn written(command: &'static Command, payload: &[u8], width: usize) -> String {
        let peer = "192.168.0.10:5683".parse().ok();
        let mut dialogue = Dialogue::new(command, 3, peer, Millis(0));
        let mut port = Narrow(width, Vec::new());
        let arguments = Arguments {
            context: 1,
            payload,
            session: 260,
            release: 2,
            psm: Some(Psm { periodic_update: 0b0100_0111, active: 0b0010_0100 }),
        };
        while !dialogue.written() {
            dialogue.write(&mut port, &arguments).unwrap();
        }
        String::from_utf8(port.1).unwrap()
    }

    #[test]
    fn a_command_line_is_the_same_however_little_the_port_takes_at_a_time() {
        let payload: Vec<u8> = (0..=255).collect();
        let whole = written(&dialect::BC660K.send_and_release, &payload, 4096);
        assert!(whole.starts_with("AT+QISEND=3,256,\"000102") && whole.ends_with("FDFEFF\",2\r"), "{whole}");
        assert_eq!(whole.len(), "AT+QISEND=3,256,\"\",2\r".len() + 512);
        for width in 1..50 {
            assert_eq!(written(&dialect::BC660K.send_and_release, &payload, width), whole, "width {width}");
        }
    }

    #[test]
    fn placeholders_are_replaced_by_what_they_stand_for() {
        assert_eq!(written(&dialect::BC66.open, b"", 99), "AT+QIOPEN=1,3,\"UDP\",\"192.168.0.10\",5683,0,1\r");
        assert_eq!(written(&dialect::BC66.send, b"O", 99), "AT+QISENDEX=3,1,4F\r");
        assert_eq!(written(&dialect::BC660K.power_saving, b"", 99), "AT+CPSMS=1,,,\"01000111\",\"00100100\"\r");
    }

    #[test]
    fn commands_for_the_card_are_written_as_in_ts_27_007() {
        let card = &dialect::CARD;
        assert_eq!(written(&card.generic.command, &[0, 0x70, 0, 0, 1], 99), "AT+CSIM=10,\"0070000001\"\r");
        assert_eq!(written(&card.open.command, &[0xA0, 0], 99), "AT+CCHO=\"A000\"\r");
        assert_eq!(written(&card.session.command, &[0x80; 5], 99), "AT+CGLA=260,10,\"8080808080\"\r");
        assert_eq!(written(&card.close.command, &[], 99), "AT+CCHC=260\r");
    }

    fn outcome(command: &'static Command, lines: &[&str]) -> Option<Result<(), Failure>> {
        let mut dialogue = Dialogue::new(command, 0, None, Millis(0));
        lines.iter().find_map(|line| dialogue.hear(classify(line.as_bytes())))
    }

    #[test]
    fn an_answer_is_complete_with_ok_and_verdict_in_either_order() {
        let open = &dialect::BC660K.open;
        assert_eq!(outcome(open, &["OK"]), None);
        assert_eq!(outcome(open, &["+QIOPEN: 0,0"]), None);
        assert_eq!(outcome(open, &["OK", "+QIOPEN: 0,0"]), Some(Ok(())));
        assert_eq!(outcome(open, &["+QIOPEN: 0,0", "OK"]), Some(Ok(())));
        assert_eq!(
            outcome(open, &["AT+QIOPEN", "+CSCON: 1", "OK", "+QIOPEN: 0,566"]),
            Some(Err(Failure::Refused(Some(566))))
        );
        assert_eq!(outcome(&dialect::BC660K.send, &["OK", "SEND FAIL"]), Some(Err(Failure::Refused(None))));
        assert_eq!(outcome(&dialect::BC660K.wake, &["OK"]), Some(Ok(())));
    }

    #[test]
    fn a_verdict_for_another_socket_or_a_longer_line_is_none() {
        let open = &dialect::BC660K.open;
        assert_eq!(
            outcome(open, &["OK", "+QIOPEN: 1,0", "+QIOPEN: 00,", "+QIOPEN: x"]),
            Some(Err(Failure::Refused(None)))
        );
        assert_eq!(outcome(open, &["OK", "+QIOPEN: 1,0"]), None);
        assert_eq!(outcome(&dialect::BC660K.send, &["OK", "SEND OK!"]), None);
        assert_eq!(outcome(open, &["+CME ERROR: 3"]), Some(Err(Failure::Refused(Some(3)))));
    }
}
