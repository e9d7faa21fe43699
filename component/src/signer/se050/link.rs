// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Carries APDUs to the chip and back: blocks over I2C with chaining, waiting time extensions and the error rules of
//! ISO/IEC 7816-3 section 11.6. Called by the element; knows nothing of what the APDUs mean.
//!
//! All waiting is taken from a [`Budget`]: what an exchange costs is bounded whatever the bus does, without a clock.

use embedded_hal::{delay::DelayNs, i2c::I2c};

use super::{
    atr::Atr,
    block::{self, BLOCK_BYTES, CRC_BYTES, Complaint, HEADER_BYTES, INF_BYTES, NAD_TO_HOST, Pcb, Supervision, crc16},
};

/// Between two looks whether the chip has something to say, which it does not acknowledge its address until it has; and
/// before a block to it: more than the guard time and the polling time of its ATR (100 us and 1 ms).
const POLL_US: u32 = 1_000;

/// How long a write is tried again while the chip does not acknowledge it: it may be at work.
const WRITE_PATIENCE_US: u32 = 20_000;

/// The same while nothing has been heard of the chip: it may be waking up, or at work on a command that was given up.
const FIRST_PATIENCE_US: u32 = 250_000;

/// How often one exchange asks for a block again before it is given up (ISO/IEC 7816-3 rule 7.4.2: at most two repeats
/// of the same block; three here, because I2C has no parity bit of its own).
const COMPLAINTS: u8 = 3;

/// The longest the link waits for a block whatever the chip asks for.
const BLOCK_WAIT_MS: u16 = 1_000;

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    /// Nothing was heard from the chip since the budget was granted.
    Gone,
    /// The budget is spent.
    TimeOut,
    /// The exchange failed; the chip listens and has started again at sequence number zero.
    Resynchronised,
    /// The exchange failed and the connection with it.
    Broken,
    /// The response does not fit.
    TooLong,
}

/// Time that may still be waited, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left_us: u32,
    heard: bool,
}

impl Budget {
    fn spend(&mut self, us: u32) -> Result<(), LinkError> {
        match self.left_us.checked_sub(us) {
            Some(left_us) => {
                self.left_us = left_us;
                Ok(())
            }
            None => {
                self.left_us = 0;
                Err(if self.heard { LinkError::TimeOut } else { LinkError::Gone })
            }
        }
    }
}

/// One chip on one bus.
pub(super) struct Link<B, D> {
    bus: B,
    delay: D,
    address: u8,
    byte_us: u32,
    budget: Budget,
    /// N(S) of the next I-block to the chip.
    send: bool,
    /// N(S) of the next I-block from it.
    awaited: bool,
    atr: Atr,
    block: [u8; BLOCK_BYTES],
}

/// What was read, or what was wrong with it.
enum Heard {
    Block { pcb: Pcb, inf_bytes: usize },
    Nothing,
    Garbled(Complaint),
}

impl<B: I2c, D: DelayNs> Link<B, D> {
    /// A link at I2C address `address` of a bus that runs at `bus_khz`.
    pub(super) fn new(bus: B, delay: D, address: u8, bus_khz: u16) -> Self {
        Self {
            bus,
            delay,
            address,
            byte_us: 9_000_u32.div_ceil(u32::from(bus_khz.max(1))),
            budget: Budget { left_us: 0, heard: false },
            send: false,
            awaited: false,
            atr: Atr { block_wait_ms: BLOCK_WAIT_MS, information_bytes: 254 },
            block: [0; BLOCK_BYTES],
        }
    }

    /// Allows `ms` milliseconds from now; what was left is forgotten.
    pub(super) fn grant(&mut self, ms: u16) {
        self.budget = Budget { left_us: u32::from(ms) * 1_000, heard: false };
    }

    /// Waits.
    pub(super) fn pause(&mut self, us: u32) -> Result<(), LinkError> {
        self.budget.spend(us)?;
        self.delay.delay_us(us);
        Ok(())
    }

    /// Waits on nobody's budget: for power switches.
    pub(super) fn settle_ms(&mut self, ms: u16) {
        self.delay.delay_ms(u32::from(ms));
    }

    /// Starts the connection: an interface soft reset, whose answer is the ATR, and an information size smaller than
    /// the largest when `information_bytes` says so.
    pub(super) fn open(&mut self, information_bytes: u8) -> Result<(), LinkError> {
        for _ in 0..COMPLAINTS {
            let inf_bytes = self.supervise(Supervision::SoftReset, &[])?;
            let atr = inf_bytes.and_then(|bytes| Atr::parse(self.inf(bytes)));
            if let Some(atr) = atr {
                self.atr = Atr { block_wait_ms: atr.block_wait_ms.min(BLOCK_WAIT_MS), ..atr };
                (self.send, self.awaited) = (false, false);
                if usize::from(information_bytes) < INF_BYTES {
                    self.supervise(Supervision::InformationSize, &[information_bytes])?.ok_or(LinkError::Broken)?;
                }
                return Ok(());
            }
        }
        Err(LinkError::Broken)
    }

    /// Tells the chip that no APDU follows, so that it may save power. A chip that does not answer is left alone.
    pub(super) fn close(&mut self) {
        let _ = self.supervise(Supervision::EndOfSession, &[]);
    }

    /// Asks the chip to restart, for boards that cannot take its power. A chip that does not answer is left alone.
    pub(super) fn restart(&mut self) {
        let _ = self.supervise(Supervision::ChipReset, &[]);
    }

    /// Sends `command` and receives the response into `response`; returns the length of the response.
    pub(super) fn exchange(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, LinkError> {
        let mut exchange = Exchange { command, response, sent: 0, received: 0, answering: false };
        let mut turn = Turn::Command;
        let mut complaints = 0;
        loop {
            let wait_ms = self.take_turn(turn, &exchange)?;
            turn = match self.hear(wait_ms)? {
                Heard::Block { pcb, inf_bytes } => self.judge(&mut exchange, turn, pcb, inf_bytes)?,
                Heard::Nothing => Turn::Complain(Complaint::Other),
                Heard::Garbled(complaint) => Turn::Complain(complaint),
            };
            match turn {
                Turn::Done => return Ok(exchange.received),
                Turn::Complain(_) | Turn::Again => complaints += 1,
                _ => {}
            }
            if complaints > COMPLAINTS {
                return Err(self.resynchronise()?);
            }
        }
    }

    /// Writes the block that `turn` says; returns how long its answer may take.
    fn take_turn(&mut self, turn: Turn, exchange: &Exchange<'_>) -> Result<u16, LinkError> {
        let mut wait_ms = self.atr.block_wait_ms;
        match turn {
            Turn::Command | Turn::Again if !exchange.answering => {
                let (inf, more) = exchange.chunk(self.atr.information_bytes);
                self.tell(Pcb::Information { sequence: self.send, more }, inf)?;
            }
            Turn::Complain(complaint) => self.tell(Pcb::Ready { awaited: self.awaited, complaint }, &[])?,
            Turn::Extend(multiple) => {
                wait_ms = wait_ms.saturating_mul(u16::from(multiple.max(1)));
                self.tell(Pcb::Response(Supervision::WaitingTime), &[multiple])?;
            }
            Turn::Resize(bytes) => self.tell(Pcb::Response(Supervision::InformationSize), &[bytes])?,
            Turn::Command | Turn::Again | Turn::Acknowledge | Turn::Done => {
                self.tell(Pcb::Ready { awaited: self.awaited, complaint: Complaint::None }, &[])?;
            }
        }
        Ok(wait_ms)
    }

    /// What to do next, now that a valid block is here.
    fn judge(
        &mut self,
        exchange: &mut Exchange<'_>,
        turn: Turn,
        pcb: Pcb,
        inf_bytes: usize,
    ) -> Result<Turn, LinkError> {
        let last = !exchange.chunk(self.atr.information_bytes).1;
        Ok(match pcb {
            Pcb::Information { sequence, more } if sequence == self.awaited && last => {
                let inf = self.block.get(HEADER_BYTES..HEADER_BYTES + inf_bytes).unwrap_or_default();
                exchange.append(inf)?;
                self.awaited = !self.awaited;
                if !exchange.answering {
                    exchange.answering = true;
                    self.send = !self.send;
                }
                if more { Turn::Acknowledge } else { Turn::Done }
            }
            // The chip has the block and waits for the next.
            Pcb::Ready { awaited, complaint: Complaint::None }
                if awaited != self.send && !exchange.answering && !last =>
            {
                exchange.sent += usize::from(self.atr.information_bytes);
                self.send = awaited;
                Turn::Command
            }
            // It has not: the same block again. Where its answer was lost, asking again fetches that.
            Pcb::Ready { awaited, .. } if awaited == self.send && !exchange.answering => Turn::Again,
            Pcb::Ready { .. } if exchange.answering => Turn::Again,
            Pcb::Request(Supervision::WaitingTime) if inf_bytes == 1 => Turn::Extend(self.first_inf_byte()),
            Pcb::Request(Supervision::InformationSize) if inf_bytes == 1 => self.resize(),
            // The chip gives the command up.
            Pcb::Request(Supervision::Abort) => return Err(self.resynchronise()?),
            _ => match turn {
                Turn::Complain(complaint) => Turn::Complain(complaint),
                _ => Turn::Complain(Complaint::Other),
            },
        })
    }

    fn resize(&mut self) -> Turn {
        match self.first_inf_byte() {
            bytes @ 1..=254 => {
                self.atr.information_bytes = bytes;
                Turn::Resize(bytes)
            }
            _ => Turn::Complain(Complaint::Other),
        }
    }

    /// Both sides start again at zero (ISO/IEC 7816-3 rule 6.4); the error says whether the chip took part.
    fn resynchronise(&mut self) -> Result<LinkError, LinkError> {
        let answer = self.supervise(Supervision::Resynchronise, &[])?;
        (self.send, self.awaited) = (false, false);
        Ok(if answer.is_some() { LinkError::Resynchronised } else { LinkError::Broken })
    }

    /// One S-block request, three times at most; the length of the answer's INF, `None` when there was no good answer.
    fn supervise(&mut self, supervision: Supervision, inf: &[u8]) -> Result<Option<usize>, LinkError> {
        for _ in 0..COMPLAINTS {
            self.tell(Pcb::Request(supervision), inf)?;
            match self.hear(self.atr.block_wait_ms)? {
                Heard::Block { pcb: Pcb::Response(answer), inf_bytes } if answer == supervision => {
                    return Ok(Some(inf_bytes));
                }
                Heard::Block { .. } | Heard::Nothing | Heard::Garbled(_) => {}
            }
        }
        Ok(None)
    }

    /// Writes one block, and again for a while when the chip does not acknowledge it. A chip that was never heard is
    /// gone; of another, that the block did not get through shows when there is no answer.
    fn tell(&mut self, pcb: Pcb, inf: &[u8]) -> Result<(), LinkError> {
        let mut patience_us = if self.budget.heard { WRITE_PATIENCE_US } else { FIRST_PATIENCE_US };
        loop {
            self.pause(POLL_US)?;
            let block = block::emit(&mut self.block, pcb, inf);
            self.budget.spend(bus_us(self.byte_us, block.len()))?;
            if self.bus.write(self.address, block).is_ok() {
                self.budget.heard = true;
                return Ok(());
            }
            let Some(left_us) = patience_us.checked_sub(POLL_US) else {
                return if self.budget.heard { Ok(()) } else { Err(LinkError::Gone) };
            };
            patience_us = left_us;
        }
    }

    /// Reads one block that begins within `wait_ms`.
    fn hear(&mut self, wait_ms: u16) -> Result<Heard, LinkError> {
        let mut patience_us = u32::from(wait_ms) * 1_000;
        loop {
            self.pause(POLL_US)?;
            match self.read(0, HEADER_BYTES)? {
                Some([NAD_TO_HOST, _, _]) => return self.hear_rest(),
                // The pull-ups answered: nobody drives the bus.
                None | Some([0xff, 0xff, 0xff]) => {}
                Some(_) => {
                    self.drain()?;
                    return Ok(Heard::Garbled(Complaint::Other));
                }
            }
            match patience_us.checked_sub(POLL_US) {
                Some(left_us) => patience_us = left_us,
                None => return Ok(Heard::Nothing),
            }
        }
    }

    /// Reads what follows a header, and judges the block as a whole.
    fn hear_rest(&mut self) -> Result<Heard, LinkError> {
        let [_, pcb, inf_bytes, ..] = self.block;
        let inf_bytes = usize::from(inf_bytes);
        let end = HEADER_BYTES + inf_bytes;
        if inf_bytes > INF_BYTES || self.read(HEADER_BYTES, inf_bytes + CRC_BYTES)?.is_none() {
            self.drain()?;
            return Ok(Heard::Garbled(Complaint::Other));
        }
        let crc = self.block.get(end..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        if crc16(&[self.block.get(..end).unwrap_or_default()]) != u16::from_le_bytes(crc) {
            // The length may be what was wrong.
            self.drain()?;
            return Ok(Heard::Garbled(Complaint::Checksum));
        }
        Ok(Pcb::from_byte(pcb).map_or(Heard::Garbled(Complaint::Other), |pcb| Heard::Block { pcb, inf_bytes }))
    }

    /// Reads `bytes` bytes to `offset`; the first three bytes of the block when the chip gave them.
    fn read(&mut self, offset: usize, bytes: usize) -> Result<Option<[u8; HEADER_BYTES]>, LinkError> {
        self.budget.spend(bus_us(self.byte_us, bytes))?;
        let Some(into) = self.block.get_mut(offset..offset + bytes) else { return Ok(None) };
        if self.bus.read(self.address, into).is_err() {
            return Ok(None);
        }
        self.budget.heard |= into.iter().any(|byte| *byte != u8::MAX);
        Ok(self.block.first_chunk().copied())
    }

    /// Reads away what is left of a block whose length cannot be trusted.
    fn drain(&mut self) -> Result<(), LinkError> {
        self.pause(POLL_US)?;
        self.read(0, BLOCK_BYTES)?;
        Ok(())
    }

    /// The INF of the block that was just read.
    fn inf(&self, bytes: usize) -> &[u8] {
        self.block.get(HEADER_BYTES..HEADER_BYTES + bytes).unwrap_or_default()
    }

    fn first_inf_byte(&self) -> u8 {
        self.block.get(HEADER_BYTES).copied().unwrap_or_default()
    }
}

/// What the link writes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The current part of the command.
    Command,
    /// What was written before, because the chip did not get it.
    Again,
    /// An acknowledgement of a part of the response.
    Acknowledge,
    /// The chip's last block was no use.
    Complain(Complaint),
    /// More time, as the chip asked.
    Extend(u8),
    /// Smaller or larger blocks, as the chip asked.
    Resize(u8),
    /// Nothing: the response is complete.
    Done,
}

/// A command on its way, and its response.
struct Exchange<'a> {
    command: &'a [u8],
    response: &'a mut [u8],
    /// Bytes of the command that the chip has acknowledged.
    sent: usize,
    /// Bytes of the response.
    received: usize,
    /// The response has begun: the command is acknowledged as a whole.
    answering: bool,
}

impl Exchange<'_> {
    /// The part of the command to send, and whether more follows.
    fn chunk(&self, information_bytes: u8) -> (&[u8], bool) {
        let rest = self.command.get(self.sent..).unwrap_or_default();
        match rest.split_at_checked(usize::from(information_bytes)) {
            Some((chunk, more)) => (chunk, !more.is_empty()),
            None => (rest, false),
        }
    }

    fn append(&mut self, inf: &[u8]) -> Result<(), LinkError> {
        let end = self.received + inf.len();
        self.response.get_mut(self.received..end).ok_or(LinkError::TooLong)?.copy_from_slice(inf);
        self.received = end;
        Ok(())
    }
}

/// How long `bytes` and the address take on the bus.
fn bus_us(byte_us: u32, bytes: usize) -> u32 {
    byte_us.saturating_mul(u32::try_from(bytes + 1).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
