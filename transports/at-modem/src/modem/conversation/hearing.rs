// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the modem says: by itself, or as an answer to the task at hand. Called with whole lines; writes nothing.

use cairn::power::cost::{Attach, CoverageLevel};

use super::{
    super::{
        Failure, count,
        dialogue::Dialogue,
        settings::granted,
        slots::{Downlink, OnModem},
    },
    Conversation, Task,
};
use crate::{
    dialect::Meaning,
    parser::{HexError, Line, classify, decode_hex, field, fields, number, octet, signed, universal_time},
};

impl<const SOCKETS: usize, const TX: usize, const RX: usize, const QUEUE: usize, const APDU: usize>
    Conversation<SOCKETS, TX, RX, QUEUE, APDU>
{
    /// Takes a line from the modem: first for what it says by itself, then as an answer. Gives the time, in Unix milliseconds, when it
    /// is what the network told just now.
    pub(in super::super) fn hear(&mut self, line: &[u8]) -> Option<u64> {
        self.heard_at = self.now;
        let line = classify(line);
        if let Line::Text(text) = line {
            let reports = self.dialect.reports.iter();
            let said =
                reports.filter_map(|report| Some((report.meaning, text.strip_prefix(report.prefix.as_bytes())?)));
            match said.into_iter().next() {
                // A line that lay in the UART's buffer tells an earlier time.
                Some((Meaning::UniversalTime, list)) => return universal_time(list).filter(|_| self.attentive),
                Some((meaning, list)) => {
                    self.learn(meaning, list);
                    return None;
                }
                None => {}
            }
            // What comes before the command is with the modem answers another.
            if self.task == Some(Task::Card) && self.dialogue.as_ref().is_some_and(Dialogue::written) {
                self.card.hear(text, self.card_command().answer);
            }
        }
        if let Some(result) = self.dialogue.as_mut().and_then(|dialogue| dialogue.hear(line)) {
            self.finish(result);
        }
        None
    }

    fn learn(&mut self, meaning: Meaning, list: &[u8]) {
        let value = |index| field(list, index).and_then(number);
        match meaning {
            Meaning::Boot => {
                count(&mut self.counters.reboots);
                self.restarted(Some(Failure::Rebooted));
            }
            Meaning::DeepSleep => self.restarted(None),
            Meaning::Datagram { socket, length, data } => {
                self.receive(value(socket), value(length), field(list, data).unwrap_or_default());
            }
            Meaning::SocketClosed => {
                if let Some(slot) = value(0).and_then(|socket| self.slots.get_mut(usize::from(socket))) {
                    slot.forget(Some(Failure::Closed));
                }
            }
            Meaning::Registration => {
                self.learn_registration(list);
                if self.task == Some(Task::RegistrationPause) {
                    self.pause = self.now;
                }
            }
            Meaning::RadioConnected => {
                let connected = value(0).map(|mode| mode != 0);
                if connected == Some(false) {
                    self.radio.tail = self.traffic_at.take().map(|at| self.now.since(at)).or(self.radio.tail);
                }
                self.radio.connected = connected;
            }
            Meaning::UniversalTime => {}
            Meaning::SignalStrength => {
                let step = value(0).filter(|step| *step <= 31).and_then(|step| i16::try_from(step).ok());
                self.radio.rssi_dbm = step.map(|step| step * 2 - 113);
            }
            Meaning::ServingCell { rsrp, coverage } => {
                self.radio.rsrp_dbm = field(list, rsrp).and_then(signed);
                self.radio.coverage = match value(coverage) {
                    Some(0) => Some(CoverageLevel::Ce0),
                    Some(1) => Some(CoverageLevel::Ce1),
                    Some(2) => Some(CoverageLevel::Ce2),
                    _ => None,
                };
                self.heard.coverage = self.radio.coverage.or(self.heard.coverage);
            }
        }
    }

    /// The state of registration, and the timers granted with it.
    fn learn_registration(&mut self, list: &[u8]) {
        /// With the timers there are no fewer.
        const FIELDS: usize = 8;
        // Read, the state comes second; unsolicited, a tracking area code of four digits or nothing does.
        let second = field(list, 1).filter(|second| second.len() <= 2).and_then(number);
        let state = second.or_else(|| field(list, 0).and_then(number));
        self.radio.registered = state.map(|state| matches!(state, 1 | 5));
        match self.radio.registered {
            Some(false) => self.heard.attach = Attach::Attached,
            Some(true) if self.heard.attach == Attach::Unknown => self.heard.attach = Attach::Registered,
            _ => {}
        }
        let count = fields(list);
        if count >= FIELDS {
            let timer = |index: usize| field(list, index).and_then(octet);
            let (active, periodic) = (timer(count - 2), timer(count - 1));
            if active.is_some() || periodic.is_some() {
                self.heard.timers = Some(granted(active, periodic));
            }
        }
    }

    /// Queues a datagram when it is whole and for an open socket.
    fn receive(&mut self, socket: Option<u16>, length: Option<u16>, digits: &[u8]) {
        self.traffic_at = Some(self.now);
        let mut bytes = [0; RX];
        let decoded = decode_hex(digits, &mut bytes);
        let socket = socket.and_then(|socket| u8::try_from(socket).ok());
        let open = socket.filter(|socket| {
            self.slots.get(usize::from(*socket)).is_some_and(|slot| slot.used && slot.on_modem == OnModem::Open)
        });
        let counter = match (open, decoded) {
            (Some(socket), Ok(taken)) if length.map(usize::from) == Some(taken) => {
                let bytes =
                    bytes.get(..taken).and_then(|bytes| heapless::Vec::from_slice(bytes).ok()).unwrap_or_default();
                if self.inbound.push(Downlink { socket, bytes }) {
                    &mut self.counters.received
                } else {
                    &mut self.counters.queue_full
                }
            }
            (Some(_), Err(HexError::TooLong)) => &mut self.counters.too_long,
            _ => &mut self.counters.stray,
        };
        count(counter);
    }
}
