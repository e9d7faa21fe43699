// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The modem's commands for its card (3GPP TS 27.007 sections 8.17, 8.43, 8.45, 8.46). Called by whoever plays the modem
//! with the name and the parameters of a command it does not know; keeps no time and does no I/O.

use crate::{
    card::Card,
    fault::{ModemFault, Plan},
};

/// "Operation not allowed", "SIM failure", "not found", "incorrect parameters" (section 9.2.1).
const NOT_ALLOWED: u16 = 3;
const SIM_FAILURE: u16 = 13;
const NOT_FOUND: u16 = 22;
const INCORRECT_PARAMETERS: u16 = 50;

/// What the modem says, besides restarting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// These lines, which end with a final result or do not.
    Lines(Vec<Vec<u8>>),
    /// `+CME ERROR` with this number, or `ERROR` where numbers are off or there is none.
    Refusal(Option<u16>),
    /// These lines, after the device's patience: 60 s.
    Late(Vec<Vec<u8>>),
    /// Nothing, ever.
    Silence,
    /// The modem restarts.
    Restart,
}

/// The card behind a modem.
#[derive(Clone, Debug)]
pub struct At {
    card: Card,
    plan: Plan,
    commands: usize,
    /// Channels opened with `AT+CCHO`; the session's number is the channel's.
    sessions: Vec<u8>,
}

impl At {
    /// `card` in a modem that makes the mistakes of `plan`.
    #[must_use]
    pub const fn new(card: Card, plan: Plan) -> Self {
        Self { card, plan, commands: 0, sessions: Vec::new() }
    }

    /// The card.
    #[must_use]
    pub const fn card(&self) -> &Card {
        &self.card
    }

    /// Commands for the card so far.
    #[must_use]
    pub const fn commands(&self) -> usize {
        self.commands
    }

    /// The modem restarted, and the card with it.
    pub fn restart(&mut self) {
        self.sessions.clear();
        self.card.power_cycle();
    }

    /// Runs a command by its name (`+CSIM`, …) and its parameters without quotes; `None` when it is not one for the card.
    pub fn command(&mut self, name: &str, parameters: &[&str]) -> Option<Reply> {
        if !matches!(name, "+CSIM" | "+CCHO" | "+CGLA" | "+CCHC") {
            return None;
        }
        self.commands += 1;
        Some(match self.plan.of_modem(self.commands) {
            Some(ModemFault::Silent) => Reply::Silence,
            Some(ModemFault::Error) => Reply::Refusal(None),
            Some(ModemFault::Cme(number)) => Reply::Refusal(Some(number)),
            Some(ModemFault::Restart) => {
                self.restart();
                Reply::Restart
            }
            fault => {
                let line = match self.run(name, parameters) {
                    Ok(line) => line,
                    Err(number) => return Some(Reply::Refusal(Some(number))),
                };
                self.disturb(line, fault)
            }
        })
    }

    /// The answer in lines, as the fault has it.
    fn disturb(&mut self, line: Option<String>, fault: Option<ModemFault>) -> Reply {
        const NOISE: &[u8] = b"\xFF\x80+C\x01SIM: \"90\x7F";
        let ok = b"OK".to_vec();
        let line: Vec<Vec<u8>> = line.map(String::into_bytes).into_iter().collect();
        let with_ok = |lines: Vec<Vec<u8>>| lines.into_iter().chain([b"OK".to_vec()]).collect::<Vec<_>>();
        match fault {
            Some(ModemFault::Late) => Reply::Late(with_ok(line)),
            Some(ModemFault::Lost) => Reply::Lines(vec![ok]),
            Some(ModemFault::NoOk) => Reply::Lines(line),
            Some(ModemFault::Half) => {
                Reply::Lines(with_ok(line.into_iter().map(|line| line[..line.len() * 2 / 3].to_vec()).collect()))
            }
            Some(ModemFault::Noise) => Reply::Lines(with_ok([vec![NOISE.to_vec()], line].concat())),
            Some(ModemFault::Garbage) => Reply::Lines(vec![NOISE.to_vec(), ok]),
            Some(ModemFault::Codes) => {
                let codes = |text: &[&str]| text.iter().map(|code| code.as_bytes().to_vec()).collect::<Vec<_>>();
                let before = codes(&["+CSCON: 1", "+CEREG: 5", "+IP: 10.0.0.1"]);
                let between = codes(&["+CSCON: 0", "+QIURC: \"recv\",0,2,\"9000\"", "+CTZV: 4"]);
                Reply::Lines([before, line, between, vec![ok], codes(&["+CEREG: 1"])].concat())
            }
            Some(ModemFault::RestartAfter) => {
                self.restart();
                Reply::Restart
            }
            _ => Reply::Lines(with_ok(line)),
        }
    }

    /// The line with the answer, if the command has one, or the number of the error.
    fn run(&mut self, name: &str, parameters: &[&str]) -> Result<Option<String>, u16> {
        match (name, parameters) {
            ("+CSIM", [length, command]) => {
                let response = self.exchange(&bytes(length, command)?)?;
                Ok(Some(format!("+CSIM: {},\"{}\"", 2 * response.len(), hex::encode_upper(response))))
            }
            ("+CCHO", [name]) => self.open(&hex::decode(name).map_err(|_| INCORRECT_PARAMETERS)?).map(Some),
            ("+CGLA", [session, length, command]) => {
                let session = self.session(session)?;
                let mut command = bytes(length, command)?;
                // Section 8.45: the modem puts the channel into the class byte.
                command[0] |= session;
                let response = self.exchange(&command)?;
                Ok(Some(format!("+CGLA: {},\"{}\"", 2 * response.len(), hex::encode_upper(response))))
            }
            ("+CCHC", [session]) => {
                let session = self.session(session)?;
                self.sessions.retain(|open| *open != session);
                self.exchange(&[0, 0x70, 0x80, session, 0])?;
                Ok(Some("+CCHC".into()))
            }
            _ => Err(INCORRECT_PARAMETERS),
        }
    }

    fn open(&mut self, name: &[u8]) -> Result<String, u16> {
        let opened = self.exchange(&[0, 0x70, 0, 0, 1])?;
        let [channel @ 1..=3, 0x90, 0x00] = opened[..] else { return Err(SIM_FAILURE) };
        let length = u8::try_from(name.len()).map_err(|_| INCORRECT_PARAMETERS)?;
        let select = [&[channel, 0xA4, 0x04, 0x00, length][..], name].concat();
        let selected = self.exchange(&select)?;
        match selected[..] {
            [0x61, _] | [.., 0x90, 0x00] => {
                self.sessions.push(channel);
                Ok(format!("+CCHO: {channel}"))
            }
            _ => {
                self.exchange(&[0, 0x70, 0x80, channel, 0])?;
                Err(if selected[..] == [0x6A, 0x82] { NOT_FOUND } else { SIM_FAILURE })
            }
        }
    }

    fn session(&self, parameter: &str) -> Result<u8, u16> {
        let session = parameter.parse().map_err(|_| INCORRECT_PARAMETERS)?;
        if self.sessions.contains(&session) { Ok(session) } else { Err(NOT_ALLOWED) }
    }

    /// A card that lost its power is started again by the modem, which forgets its sessions.
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, u16> {
        self.card.exchange(command).ok_or_else(|| {
            self.sessions.clear();
            SIM_FAILURE
        })
    }
}

/// `<length>` counts the digits of `<command>`; a command has a header.
fn bytes(length: &str, command: &str) -> Result<Vec<u8>, u16> {
    let bytes = hex::decode(command).map_err(|_| INCORRECT_PARAMETERS)?;
    let sound = length.trim().parse() == Ok(command.len()) && bytes.len() >= 5;
    if sound { Ok(bytes) } else { Err(INCORRECT_PARAMETERS) }
}
