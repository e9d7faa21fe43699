// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The chip: its bus face, its clock and its supply, and the faults that are armed. Everything below it is told whole
//! blocks and whole commands.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{
    BadImage, Chance, Fault, Keys, Nack, Plan,
    applet::Applet,
    block::{Endpoint, Event, frame},
    memory::Memory,
};

/// From power to the first block that is answered.
const BOOT_US: u64 = 5_000;

/// How a chip is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What its randomness is made from.
    pub seed: u64,
    /// Platform keys for SCP03, and whether commands without it are refused.
    pub keys: Option<(Keys, bool)>,
    /// The largest INF it takes (IFSC), 1 to 254.
    pub information_bytes: u8,
    /// After how much work it asks for more time, in milliseconds.
    pub patience_ms: u32,
    /// How many times faster than a real chip it works: tests that sweep over its transfers wait for fewer of them.
    pub haste: u32,
    /// The applet's version, told on SELECT; the simulator behaves as one before 7 whatever it says.
    pub applet: [u8; 3],
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, keys: None, information_bytes: 254, patience_ms: 900, haste: 1, applet: [3, 1, 1] }
    }
}

/// How badly the chip hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Well,
    /// Acknowledges, and answers resets only.
    Hangs,
    /// Acknowledges nothing.
    LatchedUp,
    Dead,
}

#[derive(Clone)]
struct Work {
    command: Vec<u8>,
    left_us: u64,
    /// When it is done, or when more time has to be asked for.
    until_us: u64,
    /// It has been asked for.
    asked: bool,
}

#[derive(Clone)]
struct Reply {
    block: Vec<u8>,
    read: usize,
    from_us: u64,
}

/// A secure element. A clone is another chip with the same keys, in the same state.
#[derive(Clone)]
pub struct Chip {
    options: Options,
    applet: Applet,
    endpoint: Endpoint,
    now_us: u64,
    powered: bool,
    booted_us: u64,
    health: Health,
    work: Option<Work>,
    reply: Option<Reply>,
    /// A block that goes out when the host has answered what was asked in between.
    withheld: Option<Vec<u8>>,
    plan: BTreeMap<u64, Fault>,
    chance: Option<Chance>,
    armed: Vec<Fault>,
    waits_forever: bool,
    transfers: u64,
    happened: Option<Fault>,
    signatures: u64,
}

impl Chip {
    /// A chip as delivered, without power.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::with(Memory::new(options.seed), options)
    }

    /// A chip that was there before, without power: [`Chip::image`] is what it kept. Its seed was decided then.
    ///
    /// # Errors
    /// [`BadImage`].
    pub fn from_image(options: Options, image: &str) -> Result<Self, BadImage> {
        Ok(Self::with(Memory::from_image(image)?, options))
    }

    fn with(memory: Memory, options: Options) -> Self {
        Self {
            options,
            applet: Applet::new(memory, options.keys, options.applet),
            endpoint: Endpoint::new(options.information_bytes),
            now_us: 0,
            powered: false,
            booted_us: 0,
            health: Health::Well,
            work: None,
            reply: None,
            withheld: None,
            plan: BTreeMap::new(),
            chance: None,
            armed: Vec::new(),
            waits_forever: false,
            transfers: 0,
            happened: None,
            signatures: 0,
        }
    }

    /// Makes `fault` happen at transfer number `transfer`; see [`Chip::transfers`].
    pub fn arm(&mut self, transfer: u64, fault: Fault) {
        self.plan.insert(transfer, fault);
    }

    /// Arms every fault of `plan`, which counts transfers from 1, and lets others happen by `chance`.
    pub fn follow(&mut self, plan: &Plan, chance: Option<Chance>) {
        for (number, fault) in &plan.0 {
            self.arm(number - 1, *fault);
        }
        self.chance = chance;
    }

    /// What the chip keeps without power, its private keys among it, as text.
    #[must_use]
    pub fn image(&self) -> String {
        self.applet.memory.image()
    }

    /// Names the chip.
    #[must_use]
    pub const fn unique_id(&self) -> [u8; 18] {
        self.applet.memory.unique_id
    }

    /// The objects that are keys.
    pub fn objects(&self) -> impl Iterator<Item = u32> {
        self.applet.memory.keys.keys().copied()
    }

    /// Writes and reads that a host has begun so far: the number of the next.
    #[must_use]
    pub const fn transfers(&self) -> u64 {
        self.transfers
    }

    /// Forgets the faults that are armed and have not happened; a chip that hangs stays so until its power is cut.
    pub fn disarm_all(&mut self) {
        self.plan.clear();
        self.chance = None;
        self.armed.clear();
        self.waits_forever = false;
    }

    /// Makes a dead chip live again, without power and with the memory it had: what a test uses for a host that died.
    pub fn replace(&mut self) {
        self.health = Health::Well;
        self.disarm_all();
        self.power(false);
    }

    /// The fault of the transfer before the next.
    #[must_use]
    pub const fn happened(&self) -> Option<Fault> {
        self.happened
    }

    /// How many faults have been armed and have not happened.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.plan.len() + self.armed.len()
    }

    /// Signatures made so far.
    #[must_use]
    pub const fn signatures(&self) -> u64 {
        self.signatures
    }

    /// The public key of object `object`, SEC 1 uncompressed.
    #[must_use]
    pub fn public_key(&self, object: u32) -> Option<Vec<u8>> {
        self.applet.memory.keys.get(&object).map(crate::memory::KeyPair::point)
    }

    /// The access rules of object `object`.
    #[must_use]
    pub fn rules(&self, object: u32) -> Option<u32> {
        self.applet.memory.keys.get(&object).map(crate::memory::KeyPair::rules)
    }

    /// The value of the counter `object`.
    #[must_use]
    pub fn counter(&self, object: u32) -> Option<u64> {
        let counter = self.applet.memory.counters.get(&object)?;
        Some(counter.value.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A hash of all keys, policies and curves: equal when nothing of them changed.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let memory = &self.applet.memory;
        Sha256::digest(format!("{:?}{:?}", memory.keys, memory.curves)).into()
    }

    /// Microseconds since the chip was made.
    #[must_use]
    pub const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Time passes.
    pub fn pass(&mut self, us: u64) {
        self.now_us += us;
    }

    /// Gives or takes the supply.
    pub fn power(&mut self, on: bool) {
        if on && !self.powered {
            self.boot();
        }
        self.powered = on;
        if !on && self.health < Health::Dead {
            self.health = Health::Well;
        }
    }

    /// A write to the chip's address, from START to STOP.
    ///
    /// # Errors
    /// [`Nack`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Nack> {
        let fault = self.begin();
        if fault == Some(Fault::Nack) || !self.is_there() || self.is_busy() {
            return Err(Nack);
        }
        let mut bytes = bytes.to_vec();
        if let Some(Fault::Flip(at)) = fault {
            flip(&mut bytes, at);
        }
        if fault != Some(Fault::Deaf) {
            self.receive(&bytes);
        }
        if fault == Some(Fault::GhostNack) { Err(Nack) } else { Ok(()) }
    }

    /// A read from the chip's address, from START to STOP. A block may be read in several.
    ///
    /// # Errors
    /// [`Nack`] when the chip has nothing to say, or not yet.
    pub fn read(&mut self, into: &mut [u8]) -> Result<(), Nack> {
        let fault = self.begin();
        if fault == Some(Fault::Nack) || !self.is_there() {
            return Err(Nack);
        }
        self.is_busy();
        if fault == Some(Fault::Ones) {
            self.reply = None;
            into.fill(0xff);
            return Ok(());
        }
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.from_us <= self.now_us) else { return Err(Nack) };
        for byte in into.iter_mut() {
            *byte = reply.block.get(reply.read).copied().unwrap_or(0xff);
            reply.read += 1;
        }
        let done = reply.read >= reply.block.len();
        match fault {
            Some(Fault::Flip(at)) => flip(into, at),
            Some(Fault::Torn) => {
                let half = into.len() / 2;
                into[half..].fill(0xff);
            }
            _ => {}
        }
        if done || fault == Some(Fault::Torn) {
            self.reply = None;
        }
        Ok(())
    }

    /// Counts a transfer, and lets happen what was armed for it.
    fn begin(&mut self) -> Option<Fault> {
        let by_chance = || self.chance.as_ref().and_then(|chance| chance.draw(self.transfers));
        let fault = self.plan.remove(&self.transfers).or_else(by_chance);
        self.happened = fault;
        self.transfers += 1;
        match fault {
            Some(Fault::PowerLoss) => self.boot(),
            Some(Fault::Hang) => self.fall_to(Health::Hangs),
            Some(Fault::Latchup) => self.fall_to(Health::LatchedUp),
            Some(Fault::Death) => self.fall_to(Health::Dead),
            Some(Fault::WaitingForever) => self.waits_forever = true,
            Some(
                armed @ (Fault::Ready(_)
                | Fault::WrongReady(_)
                | Fault::WrongSequence
                | Fault::Late(_)
                | Fault::Resize(_)
                | Fault::Abort
                | Fault::Status(_)
                | Fault::StatusAfter(_)
                | Fault::FalseSignature),
            ) => self.armed.push(armed),
            Some(Fault::Nack | Fault::GhostNack | Fault::Flip(_) | Fault::Deaf | Fault::Ones | Fault::Torn) | None => {}
        }
        fault
    }

    fn fall_to(&mut self, health: Health) {
        self.health = self.health.max(health);
        self.work = None;
        self.reply = None;
    }

    fn is_there(&self) -> bool {
        self.powered && self.now_us >= self.booted_us && self.health < Health::LatchedUp
    }

    /// All that is volatile is as after power-on.
    fn boot(&mut self) {
        self.applet.reset();
        self.reset_connection();
        self.booted_us = self.now_us + BOOT_US;
        self.armed.clear();
    }

    fn reset_connection(&mut self) {
        self.endpoint = Endpoint::new(self.options.information_bytes);
        self.work = None;
        self.reply = None;
        self.withheld = None;
        self.waits_forever = false;
        if self.health == Health::Hangs {
            self.health = Health::Well;
        }
    }

    fn receive(&mut self, block: &[u8]) {
        let event = self.endpoint.receive(block);
        if self.health == Health::Hangs && !matches!(event, Event::SoftReset | Event::ChipReset) {
            return;
        }
        match event {
            Event::Reply(block) => self.say(block),
            Event::Command(command) => {
                let left_us = Applet::duration_us(&command) / u64::from(self.options.haste.max(1));
                self.reply = None;
                self.work = Some(Work { command, left_us, until_us: 0, asked: false });
                self.go_on();
            }
            Event::Granted if self.work.is_some() => self.go_on(),
            Event::Granted | Event::Noted => {
                if let Some(block) = self.withheld.take() {
                    self.say(block);
                }
            }
            Event::SoftReset => {
                self.reset_connection();
                self.applet.reset();
                let atr = self.endpoint.atr();
                let block = self.endpoint.send(0xef, &atr);
                self.say(block);
            }
            Event::ChipReset => self.boot(),
            Event::EndOfSession => {
                let block = self.endpoint.send(0xe5, &[]);
                self.say(block);
            }
        }
    }

    /// Works on, until it is done or out of patience.
    fn go_on(&mut self) {
        let patience_us = u64::from(self.options.patience_ms) * 1_000;
        if let Some(work) = &mut self.work {
            let slice_us = work.left_us.min(patience_us);
            work.left_us -= slice_us;
            work.until_us = self.now_us + slice_us;
            work.asked = false;
        }
    }

    /// Whether a command is being worked on; what is due by now is done first.
    fn is_busy(&mut self) -> bool {
        let Some(work) = &mut self.work else { return false };
        if work.asked {
            return false;
        }
        if self.now_us < work.until_us {
            return true;
        }
        if work.left_us > 0 || self.waits_forever {
            work.asked = true;
            let block = self.endpoint.send(0xc3, &[1]);
            self.reply = Some(Reply { block, read: 0, from_us: self.now_us });
            return false;
        }
        let command = self.work.take().map(|work| work.command).unwrap_or_default();
        let response = self.execute(&command);
        let block = self.endpoint.respond(&response);
        self.say(block);
        false
    }

    fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        if self.disarm(|fault| matches!(fault, Fault::FalseSignature)).is_some() {
            self.applet.false_signature = true;
        }
        if let Some(Fault::Status(status)) = self.disarm(|fault| matches!(fault, Fault::Status(_))) {
            return status.to_be_bytes().to_vec();
        }
        let response = self.applet.process(command);
        if matches!(command, [_, 0x03, 0x0c, 0x09, ..]) && response.ends_with(&[0x90, 0]) {
            self.signatures += 1;
        }
        match self.disarm(|fault| matches!(fault, Fault::StatusAfter(_))) {
            Some(Fault::StatusAfter(status)) => status.to_be_bytes().to_vec(),
            _ => response,
        }
    }

    fn disarm(&mut self, which: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let at = self.armed.iter().position(which)?;
        Some(self.armed.remove(at))
    }

    /// Puts a block out, or what a fault makes of it.
    fn say(&mut self, block: Vec<u8>) {
        let information = block[1] & 0x80 == 0;
        let fault = self.disarm(|fault| match fault {
            Fault::WrongSequence => information,
            Fault::Ready(_) | Fault::WrongReady(_) | Fault::Late(_) | Fault::Resize(_) | Fault::Abort => true,
            _ => false,
        });
        let mut from_us = self.now_us;
        let block = match fault {
            Some(Fault::Ready(error)) => self.endpoint.ready_block(false, error),
            Some(Fault::WrongReady(error)) => self.endpoint.ready_block(true, error),
            Some(Fault::WrongSequence) => {
                let inf = block[3..block.len() - 2].to_vec();
                frame(block[1] ^ 0x40, &inf)
            }
            Some(Fault::Late(ms)) => {
                from_us += u64::from(ms) * 1_000;
                block
            }
            Some(Fault::Resize(bytes)) => {
                self.withheld = Some(block);
                frame(0xc1, &[bytes])
            }
            Some(Fault::Abort) => frame(0xc2, &[]),
            _ => block,
        };
        self.reply = Some(Reply { block, read: 0, from_us });
    }
}

fn flip(bytes: &mut [u8], at: i8) {
    let length = bytes.len();
    let at =
        if at < 0 { length.checked_sub(usize::from(at.unsigned_abs())) } else { Some(usize::from(at.unsigned_abs())) };
    if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
        *byte ^= 0x10;
    }
}
