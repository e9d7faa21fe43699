// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A modem with the simulated card of `cairn-sim-applet` in it, on virtual time. Used by the tests of the SIM.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use cairn::{
    ports::{Clock, Wait},
    time::{Millis, WallTime},
};
use cairn_sim_applet::{At, Card, Plan, Reply};

use crate::wire::Port;

/// How long the modem takes to say anything.
const LATENCY_MS: u64 = 40;

/// The wire, the modem with the card in it, and the time.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) port: Port,
    half: Vec<u8>,
    /// What the modem is going to say, by time and order.
    said: BTreeMap<(u64, usize), Vec<u8>>,
    pub(crate) at: At,
    /// How long a late answer takes: longer than a command's limit of 20 s.
    pub(crate) late_ms: u64,
    /// How many bytes the modem sleeps through before it listens.
    pub(crate) asleep: usize,
    pub(crate) commands: Vec<String>,
    waits: usize,
    lines: usize,
    /// What the wire adds by itself: before which wait, and what.
    pub(crate) chatter: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone)]
pub(crate) struct Ticks(pub(crate) Rc<RefCell<World>>);

impl Clock for Ticks {
    fn now(&self) -> Millis {
        Millis(self.0.borrow().now)
    }
    fn wall(&self) -> WallTime {
        WallTime::default()
    }
}

/// The task's wait: the modem acts, and when it is silent the time passes.
#[derive(Clone)]
pub(crate) struct Asleep(pub(crate) Rc<RefCell<World>>);

impl Wait for Asleep {
    fn wait(&mut self, until: Option<Millis>) {
        let mut world = self.0.borrow_mut();
        world.waits += 1;
        assert!(world.waits < 100_000, "it never ends: {:?}", world.commands);
        world.act();
        let waits = world.waits;
        let chatter: Vec<u8> =
            world.chatter.iter().filter(|(at, _)| *at == waits).flat_map(|(_, bytes)| bytes.clone()).collect();
        world.port.deliver(chatter);
        if world.port.is_silent() {
            let until = until.expect("who waits for the card says until when");
            let next = world.said.keys().next().map_or(u64::MAX, |said| said.0);
            world.now = world.now.max(until.0.min(next));
            world.act();
        }
    }
}

impl World {
    /// A modem with `card` in it, which fails as `plan` says.
    pub(crate) fn new(card: Card, plan: &Plan) -> Self {
        Self {
            now: 1_000,
            port: Port::default(),
            half: Vec::new(),
            said: BTreeMap::new(),
            at: At::new(card, plan.clone()),
            late_ms: 20_100,
            asleep: 0,
            commands: Vec::new(),
            waits: 0,
            lines: 0,
            chatter: Vec::new(),
        }
    }

    pub(crate) fn say(&mut self, lines: &[Vec<u8>]) {
        self.say_after(LATENCY_MS, lines);
    }

    fn say_after(&mut self, delay: u64, lines: &[Vec<u8>]) {
        for line in lines {
            self.lines += 1;
            self.said.insert((self.now + delay, self.lines), [b"\r\n", &line[..], b"\r\n"].concat());
        }
    }

    fn act(&mut self) {
        while let Some(first) = self.said.first_entry().filter(|first| first.key().0 <= self.now) {
            self.port.deliver(first.remove());
        }
        for byte in self.port.written() {
            if self.asleep > 0 {
                self.asleep -= 1;
            } else if byte == b'\r' {
                let command = String::from_utf8(std::mem::take(&mut self.half)).unwrap();
                self.execute(&command);
                self.commands.push(command);
            } else {
                self.half.push(byte);
            }
        }
    }

    fn execute(&mut self, command: &str) {
        // What is left of a line that was slept through.
        if !command.starts_with("AT") {
            return;
        }
        let lines = |text: &[&str]| text.iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>();
        let (name, parameters) = command.split_once('=').unwrap_or((command, ""));
        let parameters: Vec<&str> = parameters.split(',').map(|parameter| parameter.trim_matches('"')).collect();
        if let Some(reply) = self.at.command(&name["AT".len()..], &parameters) {
            return self.reply(reply);
        }
        let answer = match name {
            "AT+CEREG?" => lines(&["+CEREG: 1,1", "OK"]),
            "AT+QIOPEN" => lines(&["OK", "+QIOPEN: 0,0"]),
            "AT+QICLOSE" => lines(&["OK", "CLOSE OK"]),
            "AT+QISEND" | "AT+QISENDEX" => lines(&["OK", "SEND OK"]),
            _ => lines(&["OK"]),
        };
        self.say(&answer);
    }

    fn reply(&mut self, reply: Reply) {
        match reply {
            Reply::Lines(lines) => self.say(&lines),
            Reply::Refusal(Some(number)) => self.say(&[format!("+CME ERROR: {number}").into_bytes()]),
            Reply::Refusal(None) => self.say(&[b"ERROR".to_vec()]),
            Reply::Late(lines) => self.say_after(self.late_ms, &lines),
            Reply::Silence => {}
            Reply::Restart => self.say(&[b"RDY".to_vec(), b"+CFUN: 1".to_vec()]),
        }
    }
}
