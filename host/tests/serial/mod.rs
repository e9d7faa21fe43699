// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device's end of the serial line to `cairn modem`: TCP, the clock, and the modem's command line. Used by the tests that
//! play a device.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Instant,
};

use cairn::{
    ports::Clock,
    time::{Millis, WallTime},
};
use cairn_host::modem::Args;
use clap::Parser;

pub(crate) struct Line(TcpStream);

impl Line {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }
}

impl embedded_io::ErrorType for Line {
    type Error = embedded_io::ErrorKind;
}

fn port_error(_: std::io::Error) -> embedded_io::ErrorKind {
    embedded_io::ErrorKind::Other
}

impl embedded_io::ReadReady for Line {
    fn read_ready(&mut self) -> Result<bool, embedded_io::ErrorKind> {
        match self.0.peek(&mut [0]) {
            Ok(taken) => Ok(taken > 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(port_error(error)),
        }
    }
}

impl embedded_io::Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, embedded_io::ErrorKind> {
        self.0.read(buffer).map_err(port_error)
    }
}

impl embedded_io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, embedded_io::ErrorKind> {
        self.0.write(bytes).map_err(port_error)
    }
    fn flush(&mut self) -> Result<(), embedded_io::ErrorKind> {
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct Monotonic(Instant);

impl Monotonic {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Millis {
        Millis(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
    fn wall(&self) -> WallTime {
        WallTime::default()
    }
}

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: Args,
}

pub(crate) fn parse(line: &str) -> Args {
    Program::try_parse_from(std::iter::once("modem").chain(line.split_whitespace())).unwrap().args
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
