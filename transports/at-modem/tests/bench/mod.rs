// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A modem that answers from a script, on virtual time: it knows the dialects' answers by heart, and a test changes those it
//! is about. Used by the behaviour and recovery tests; shares no table with the driver.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{cell::Cell, collections::VecDeque, convert::Infallible, net::SocketAddr, rc::Rc};

use cairn::{
    ports::Clock,
    time::{Millis, WallTime},
};
use cairn_at_modem::{AtModem, Dialect, Error, Settings, Socket};
use embedded_nal::UdpClientStack;

use crate::wire::Port;

pub(crate) const TX: usize = 512;
pub(crate) const RX: usize = 64;
pub(crate) const QUEUE: usize = 2;
pub(crate) type Modem = AtModem<Port, Ticks, 2, TX, RX, QUEUE, 168>;
pub(crate) type Failed = Error<Infallible>;

#[derive(Clone, Default)]
pub(crate) struct Ticks(Rc<Cell<u64>>, Rc<Cell<WallTime>>);

impl Clock for Ticks {
    fn now(&self) -> Millis {
        Millis(self.0.get())
    }
    /// As it was set: it stands still.
    fn wall(&self) -> WallTime {
        self.1.get()
    }
    fn set_wall(&mut self, wall: WallTime) {
        self.1.set(wall);
    }
}

/// A changed answer: to the next `times` commands that begin with `prefix`.
struct Rule {
    prefix: &'static str,
    answer: String,
    times: usize,
}

pub(crate) struct Bench {
    pub(crate) modem: Modem,
    pub(crate) clock: Ticks,
    port: Port,
    rules: Vec<Rule>,
    half: Vec<u8>,
    /// Every command line so far.
    pub(crate) commands: Vec<String>,
    /// Bytes the modem has said but the wire did not deliver yet, and how many it delivers at a time.
    delayed: VecDeque<u8>,
    pub(crate) chunk: usize,
    pub(crate) echo: bool,
}

impl Bench {
    pub(crate) fn new(dialect: &'static Dialect) -> Self {
        Self::with(dialect, Settings { survey: false, ..Settings::default() })
    }

    pub(crate) fn with(dialect: &'static Dialect, settings: Settings) -> Self {
        let (port, clock) = (Port::default(), Ticks::default());
        Self {
            modem: Modem::new(dialect, settings, port.clone(), clock.clone()),
            clock,
            port,
            rules: Vec::new(),
            half: Vec::new(),
            commands: Vec::new(),
            delayed: VecDeque::new(),
            chunk: usize::MAX,
            echo: false,
        }
    }

    /// Answers the next `times` commands beginning with `prefix` with `answer`, lines separated by `|`; empty for silence.
    pub(crate) fn answer(&mut self, prefix: &'static str, answer: &str, times: usize) {
        self.rules.push(Rule { prefix, answer: answer.into(), times });
    }

    /// The modem says `lines` by itself.
    pub(crate) fn say(&mut self, lines: &str) {
        for line in lines.split('|').filter(|line| !line.is_empty()) {
            self.delayed.extend(format!("\r\n{line}\r\n").bytes());
        }
    }

    /// The modem's UART sends `bytes` as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.delayed.extend(bytes);
    }

    fn reply(&mut self, command: &str) -> String {
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule.times > 0 && command.starts_with(rule.prefix)) {
            rule.times -= 1;
            return rule.answer.clone();
        }
        let id = command.split(['=', ',']).nth(1).unwrap_or("").to_string();
        let open = command.split(['=', ',']).nth(2).unwrap_or("").to_string();
        match command.split(['=', '?']).next().unwrap_or("") {
            "AT+QIOPEN" => format!("OK|+QIOPEN: {open},0"),
            "AT+QICLOSE" => "OK|CLOSE OK".into(),
            "AT+QISEND" | "AT+QISENDEX" => {
                assert!(id == "0" || id == "1", "{command}");
                "OK|SEND OK".into()
            }
            "AT+CEREG" if command.ends_with('?') => "+CEREG: 1,1|OK".into(),
            "AT+CSQ" => "+CSQ: 22,0|OK".into(),
            "AT+QENG" => "+QENG: 0,1694,12,284,\"022FE6CF\",-92,-5,-87,10,3,\"33C2\",1,14,2|OK".into(),
            _ => "OK".into(),
        }
    }

    /// Lets the modem take what was written and answer, and delivers the next chunk.
    pub(crate) fn turn(&mut self) {
        for byte in self.port.written() {
            if byte != b'\r' {
                self.half.push(byte);
                continue;
            }
            let command = String::from_utf8(std::mem::take(&mut self.half)).unwrap();
            if self.echo {
                self.delayed.extend(format!("{command}\r").bytes());
            }
            let reply = self.reply(&command);
            self.commands.push(command);
            self.say(&reply);
        }
        let taken = self.chunk.min(self.delayed.len());
        self.port.deliver(self.delayed.drain(..taken));
    }

    pub(crate) fn advance(&mut self, millis: u64) {
        self.clock.0.set(self.clock.0.get() + millis);
    }

    /// Sends to the end; time passes only when nothing else can happen.
    pub(crate) fn send(&mut self, socket: &mut Socket, datagram: &[u8]) -> Result<(), Failed> {
        for _ in 0..100_000 {
            match self.modem.send(socket, datagram) {
                Ok(()) => return Ok(()),
                Err(nb::Error::Other(error)) => return Err(error),
                Err(nb::Error::WouldBlock) => self.wait(),
            }
        }
        panic!("send never ends; commands: {:?}", self.commands);
    }

    /// One turn; when the wire is silent, the time the driver asked to be woken at.
    fn wait(&mut self) {
        self.turn();
        if self.port.is_silent() {
            let until = self.modem.wake_at().expect("a driver at work wants to be woken");
            self.clock.0.set(until.0.max(self.clock.0.get()));
        }
    }

    /// Polls until nothing is under way.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            self.modem.poll().unwrap();
            self.turn();
            let silent = self.port.is_silent() && self.delayed.is_empty();
            if silent && self.modem.wake_at().is_none() {
                return;
            }
            if silent {
                let until = self.modem.wake_at().unwrap();
                self.clock.0.set(until.0.max(self.clock.0.get()));
            }
        }
        panic!("the driver never comes to rest; commands: {:?}", self.commands);
    }

    pub(crate) fn receive(&mut self, socket: &mut Socket) -> nb::Result<(Vec<u8>, SocketAddr), Failed> {
        let mut buffer = [0xEE; RX];
        self.modem.receive(socket, &mut buffer).map(|(taken, from)| (buffer[..taken].to_vec(), from))
    }

    /// A connected socket that has sent `hello`.
    pub(crate) fn opened(&mut self) -> Socket {
        let mut socket = self.connected();
        self.send(&mut socket, b"hello").unwrap();
        self.settle();
        self.commands.clear();
        socket
    }

    pub(crate) fn connected(&mut self) -> Socket {
        let mut socket = self.modem.socket().unwrap();
        self.modem.connect(&mut socket, PEER.parse().unwrap()).unwrap();
        socket
    }
}

/// No survey, no release assistance, no power saving: what most tests are not about.
pub(crate) const SETTINGS: Settings = Settings {
    survey: false,
    release: cairn_at_modem::Release::Never,
    psm: None,
    attach_limit: Millis::from_secs(60),
    card_limit: Millis::from_secs(60),
};

pub(crate) const PEER: &str = "192.0.2.7:5683";
