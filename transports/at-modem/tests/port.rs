// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A serial port that fails: nothing is believed that it garbled, everybody is told once, and it works again when it does.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use cairn::{
    ports::Clock,
    time::{Millis, WallTime},
};
use cairn_at_modem::{AtModem, Error, Release, Settings, Socket, dialect::BC660K};
use embedded_io::ErrorKind;
use embedded_nal::UdpClientStack;

#[derive(Default)]
struct Wire {
    to_driver: VecDeque<u8>,
    from_driver: Vec<u8>,
    write_fails: bool,
    read_fails: bool,
    full: bool,
}

#[derive(Clone, Default)]
struct Port(Rc<RefCell<Wire>>);

impl embedded_io::ErrorType for Port {
    type Error = ErrorKind;
}

impl embedded_io::ReadReady for Port {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        let wire = self.0.borrow();
        Ok(wire.read_fails || !wire.to_driver.is_empty())
    }
}

impl embedded_io::Read for Port {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let mut wire = self.0.borrow_mut();
        if std::mem::take(&mut wire.read_fails) {
            return Err(ErrorKind::Other);
        }
        let taken = buffer.len().min(wire.to_driver.len());
        for (slot, byte) in buffer.iter_mut().zip(wire.to_driver.drain(..taken)) {
            *slot = byte;
        }
        Ok(taken)
    }
}

impl embedded_io::Write for Port {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let mut wire = self.0.borrow_mut();
        if wire.write_fails {
            return Err(ErrorKind::BrokenPipe);
        }
        if wire.full {
            return Ok(0);
        }
        wire.from_driver.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Millis {
        Millis(1000)
    }
    fn wall(&self) -> WallTime {
        WallTime::default()
    }
    fn set_wall(&mut self, _: WallTime) {}
}

type Modem = AtModem<Port, Stopped, 1, 64, 16, 2, 80>;

fn opened() -> (Modem, Port, Socket) {
    let port = Port::default();
    let settings = Settings { survey: false, release: Release::Never, ..Settings::default() };
    let mut modem = Modem::new(&BC660K, settings, port.clone(), Stopped);
    let mut socket = modem.socket().unwrap();
    modem.connect(&mut socket, "192.0.2.1:1".parse().unwrap()).unwrap();
    assert_eq!(send(&mut modem, &port, &mut socket), Ok(()));
    (modem, port, socket)
}

fn send(modem: &mut Modem, port: &Port, socket: &mut Socket) -> Result<(), Error<ErrorKind>> {
    for _ in 0..1000 {
        match modem.send(socket, b"x") {
            Ok(()) => return Ok(()),
            Err(nb::Error::Other(error)) => return Err(error),
            Err(nb::Error::WouldBlock) => answer(port),
        }
    }
    panic!("send never ends");
}

fn answer(port: &Port) {
    let mut wire = port.0.borrow_mut();
    let written = std::mem::take(&mut wire.from_driver);
    for line in written.split(|byte| *byte == b'\r').filter(|line| !line.is_empty()) {
        let answer: &[u8] = match line.split(|byte| *byte == b'=').next().unwrap() {
            b"AT+CEREG?" => b"\r\n+CEREG: 1,1\r\n\r\nOK\r\n",
            b"AT+QICLOSE" => b"\r\nOK\r\n\r\nCLOSE OK\r\n",
            b"AT+QIOPEN" => b"\r\nOK\r\n\r\n+QIOPEN: 0,0\r\n",
            b"AT+QISEND" => b"\r\nOK\r\n\r\nSEND OK\r\n",
            _ => b"\r\nOK\r\n",
        };
        wire.to_driver.extend(answer);
    }
}

#[test]
fn a_port_that_cannot_write_fails_the_send_once_and_the_next_send_starts_over() {
    let (mut modem, port, mut socket) = opened();
    port.0.borrow_mut().write_fails = true;
    // Queued by the first call, met by the same.
    assert_eq!(send(&mut modem, &port, &mut socket), Err(Error::Port(ErrorKind::BrokenPipe)));
    port.0.borrow_mut().write_fails = false;
    assert_eq!(send(&mut modem, &port, &mut socket), Ok(()));
    assert_eq!((modem.counters().port_errors, modem.counters().opened), (1, 2));
}

#[test]
fn a_port_that_is_full_holds_the_command_back_and_asks_to_be_tried_again_soon() {
    let (mut modem, port, mut socket) = opened();
    port.0.borrow_mut().full = true;
    assert_eq!(modem.send(&mut socket, b"x"), Err(nb::Error::WouldBlock));
    assert_eq!(modem.wake_at(), Some(Millis(1001)));
    port.0.borrow_mut().full = false;
    assert_eq!(send(&mut modem, &port, &mut socket), Ok(()));
}

#[test]
fn a_line_in_which_the_port_lost_bytes_is_not_believed() {
    let (mut modem, port, mut socket) = opened();
    let mut buffer = [0; 16];
    port.0.borrow_mut().to_driver.extend(b"\r\n+QIURC: \"recv\",0,1,\"");
    assert_eq!(modem.receive(&mut socket, &mut buffer), Err(nb::Error::WouldBlock));
    port.0.borrow_mut().read_fails = true;
    assert_eq!(modem.receive(&mut socket, &mut buffer), Err(nb::Error::WouldBlock));
    port.0.borrow_mut().to_driver.extend(b"2A\"\r\n\r\n+QIURC: \"recv\",0,1,\"2B\"\r\n");
    assert_eq!(modem.receive(&mut socket, &mut buffer), Ok((1, "192.0.2.1:1".parse().unwrap())));
    assert_eq!(buffer[0], 0x2B);
    let counters = modem.counters();
    assert_eq!((counters.port_errors, counters.lines_dropped, counters.received), (1, 1, 1));
}
