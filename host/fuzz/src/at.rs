// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Properties of `cairn-at-modem`: whatever the UART brings, nothing panics, the driver never wants to be called for
//! ever without time passing, and every datagram it hands out fits its limit.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    convert::Infallible,
    rc::Rc,
};

use cairn::{
    ports::Clock,
    time::{Millis, WallTime},
};
use cairn_at_modem::{
    AtModem, Settings,
    dialect::ALL,
    parser::{self, Lines, Pushed},
};
use embedded_nal::UdpClientStack;

const TX: usize = 256;
const RX: usize = 64;
const LINE: usize = 168;

#[derive(Clone, Default)]
struct Ticks(Rc<Cell<u64>>);

impl Clock for Ticks {
    fn now(&self) -> Millis {
        Millis(self.0.get())
    }
    fn wall(&self) -> WallTime {
        WallTime::default()
    }
}

/// The two directions of the wire.
#[derive(Clone, Default)]
struct Port {
    to_driver: Rc<RefCell<VecDeque<u8>>>,
    from_driver: Rc<RefCell<Vec<u8>>>,
}

impl embedded_io::ErrorType for Port {
    type Error = Infallible;
}

impl embedded_io::ReadReady for Port {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.to_driver.borrow().is_empty())
    }
}

impl embedded_io::Read for Port {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let mut bytes = self.to_driver.borrow_mut();
        let taken = buffer.len().min(bytes.len());
        for (slot, byte) in buffer.iter_mut().zip(bytes.drain(..taken)) {
            *slot = byte;
        }
        Ok(taken)
    }
}

impl embedded_io::Write for Port {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.from_driver.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What a modem in good health says to a command.
fn healthy(command: &str) -> &'static str {
    match command.split(['=', '?']).next().unwrap_or("") {
        "AT+QIOPEN" => "\r\nOK\r\n\r\n+QIOPEN: 0,0\r\n",
        "AT+QICLOSE" => "\r\nOK\r\n\r\nCLOSE OK\r\n",
        "AT+QISEND" | "AT+QISENDEX" => "\r\nOK\r\n\r\nSEND OK\r\n",
        "AT+CEREG" if command.ends_with('?') => "\r\n+CEREG: 1,1\r\n\r\nOK\r\n",
        "AT+CSQ" => "\r\n+CSQ: 22,0\r\n\r\nOK\r\n",
        _ => "\r\nOK\r\n",
    }
}

/// First byte: dialect and survey. Second byte: bit i says that the modem answers the i-th command (modulo 8) in good
/// health, else it is silent. The rest comes over the UART in chunks, each led by its length (low 6 bits) and how much
/// time passes before it (high 2 bits).
pub fn at_parser(data: &[u8]) {
    lines(data);
    let Some((&[mode, health], mut chatter)) = data.split_first_chunk() else { return };
    let (port, clock) = (Port::default(), Ticks::default());
    let settings = Settings { survey: mode & 2 != 0, ..Settings::default() };
    let dialect = &ALL[usize::from(mode & 1)];
    let mut modem = AtModem::<_, _, 2, TX, RX, 2, LINE>::new(dialect, settings, port.clone(), clock.clone());
    let Ok(mut socket) = modem.socket() else { return };
    modem.connect(&mut socket, "192.0.2.7:5683".parse().expect("address")).expect("a new socket connects");
    let mut commands = 0;
    let mut half = Vec::new();
    let mut buffer = [0; RX];
    // The dialogue with a silent modem ends within 100 commands and their time limits.
    for _ in 0..100 + chatter.len() {
        let _ = modem.send(&mut socket, b"probe");
        while let Ok((taken, from)) = modem.receive(&mut socket, &mut buffer) {
            assert!(taken <= RX);
            assert_eq!(from.port(), 5683);
        }
        for byte in port.from_driver.take() {
            if byte != b'\r' {
                half.push(byte);
                continue;
            }
            let command = String::from_utf8(std::mem::take(&mut half)).expect("commands are ASCII");
            if health >> (commands % 8) & 1 == 1 {
                port.to_driver.borrow_mut().extend(healthy(&command).bytes());
            }
            commands += 1;
        }
        let chunk;
        let mut pause = 0;
        if let Some((&head, rest)) = chatter.split_first() {
            pause = u64::from(head >> 6) * 1500;
            (chunk, chatter) = rest.split_at(usize::from(head & 63).min(rest.len()));
            port.to_driver.borrow_mut().extend(chunk);
        } else if port.to_driver.borrow().is_empty() {
            let Some(wake) = modem.wake_at() else { break };
            pause = wake.0.saturating_sub(clock.0.get()).max(1);
        }
        clock.0.set(clock.0.get() + pause);
    }
}

/// The parser on its own.
fn lines(data: &[u8]) {
    let mut lines = Lines::<LINE>::new();
    for byte in data {
        if lines.push(*byte) != Pushed::Line {
            continue;
        }
        let line = lines.line();
        assert!(!line.is_empty() && line.len() <= LINE);
        assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)), "only printable characters are handed on");
        let _ = parser::classify(line);
        for index in 0..parser::fields(line) {
            assert!(parser::field(line, index).is_some());
        }
        assert!(parser::field(line, parser::fields(line)).is_none());
        let mut out = [0; LINE];
        if let Ok(length) = parser::decode_hex(line, &mut out) {
            let again: Vec<u8> = out[..length].iter().flat_map(|byte| parser::hex_digits(*byte)).collect();
            assert!(again.eq_ignore_ascii_case(line));
        }
    }
}
