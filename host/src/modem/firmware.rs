// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the modem answers, written from Quectel's manuals (BC660K-GL&BC950K-GL AT Commands Manual 1.4 and TCP(IP) Application
//! Note; BC66 AT Commands Manual and TCP/IP Application Note). Fed by `bridge`; does no I/O and keeps no time.
//!
//! Harsher than the real thing where the manuals leave it open: a restart forgets every setting, also those that real modems
//! keep. The data mode of `AT+QISEND` (the `>` prompt) is not played: it answers `ERROR`.

use std::net::{Ipv4Addr, SocketAddr};

use cairn_sim_applet::{At, Reply as SimReply};
use jiff::Timestamp;

use super::args::{Args, DialectName, Granted};

/// Sockets, numbered from 0.
pub(super) const SOCKETS: usize = 5;
/// Longer command lines are refused.
const LINE: usize = 4096;
/// "Socket connect failed".
const CONNECT_FAILED: u16 = 566;
/// "Operation not allowed", "SIM not inserted", "Incorrect parameters" of the +CME ERROR table.
const NOT_ALLOWED: u16 = 3;
const SIM_NOT_INSERTED: u16 = 10;
const INCORRECT_PARAMETERS: u16 = 50;

/// What a command makes happen, besides its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Say this, framed as a line.
    Say(String),
    /// Send these bytes as they are: echo.
    Echo(u8),
    /// A command line was read.
    Command(String),
    /// Open a socket; `Firmware::opened` says how it went.
    Open { socket: u8, peer: SocketAddr },
    /// Close it.
    Close { socket: u8 },
    /// Send a datagram with this release assistance.
    Send { socket: u8, payload: Vec<u8>, release: u8 },
    /// Say these lines of the SIM's, which need not be text; `late` when no device waits for them any more.
    SimLines { lines: Vec<Vec<u8>>, late: bool },
    /// Start again.
    Restart,
}

/// What becomes of a command about a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Proceed,
    Refuse,
    Crash,
}

/// Commands whose [`Fate`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Open,
    Send,
}

/// Why a command has not the usual answer.
enum Refusal {
    /// `ERROR`, whatever `AT+CMEE` says.
    Syntax,
    /// `+CME ERROR: n` if `AT+CMEE` wants numbers.
    Code(u16),
    /// No answer at all.
    Crash,
    /// What the SIM's faults make of the answer, final result and all.
    Sim(Vec<Effect>),
}

/// Answer lines before `OK`, and effects after it.
#[derive(Default)]
struct Reply {
    lines: Vec<String>,
    effects: Vec<Effect>,
}

type Answer = Result<Reply, Refusal>;

fn ok() -> Answer {
    Ok(Reply::default())
}

fn line(text: String) -> Answer {
    Ok(Reply { lines: vec![text], effects: Vec::new() })
}

/// Settings that a restart forgets.
#[derive(Debug)]
struct Volatile {
    echo: bool,
    numbers: bool,
    radio_reports: bool,
    registration_reports: u8,
    universal_time_reports: bool,
    hex_up: bool,
    hex_down: bool,
    one_line: bool,
    show_length: bool,
    release: u8,
    open: [bool; SOCKETS],
    input: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Firmware {
    dialect: DialectName,
    echo_at_start: bool,
    coverage: u8,
    network_time: bool,
    /// By the network, whatever was asked for.
    granted: Option<Granted>,
    /// Asked for.
    wanted: Option<Granted>,
    volatile: Volatile,
    sim: Option<At>,
    pub(super) registered: bool,
    pub(super) radio_connected: bool,
}

impl Firmware {
    pub(super) fn new(args: &Args, sim: Option<At>) -> Self {
        Self {
            dialect: args.dialect,
            echo_at_start: args.echo,
            coverage: args.coverage,
            network_time: args.network_time,
            granted: args.granted.clone(),
            wanted: None,
            volatile: Volatile::at_start(args.echo),
            sim,
            registered: false,
            radio_connected: false,
        }
    }

    /// Forgets everything; the lines said when it is up again.
    pub(super) fn restart(&mut self) -> Vec<String> {
        self.volatile = Volatile::at_start(self.echo_at_start);
        self.wanted = None;
        self.registered = false;
        self.radio_connected = false;
        if let Some(sim) = &mut self.sim {
            sim.restart();
        }
        ["RDY", "+CFUN: 1", "+CPIN: READY"].map(String::from).to_vec()
    }

    /// The network took it in, now; the lines said about that.
    pub(super) fn attach(&mut self, now: Timestamp) -> Vec<String> {
        self.registered = true;
        let report = (self.volatile.registration_reports > 0).then(|| format!("+CEREG: 1{}", self.place()));
        let tells_time = self.network_time && self.volatile.universal_time_reports;
        let time = tells_time.then(|| now.strftime("+CTZEU: \"+32\",0,\"%Y/%m/%d,%H:%M:%S\"").to_string());
        report.into_iter().chain(["+IP: 10.170.0.2".to_string()]).chain(time).collect()
    }

    /// What `+CEREG` says behind the state: where the modem is, and the granted timers. BC66 has one empty field more.
    fn place(&self) -> String {
        let timers = self.granted.as_ref().or(self.wanted.as_ref());
        let level = self.volatile.registration_reports;
        let place = if level >= 2 { ",\"33C2\",\"022FE6CF\",9" } else { "" };
        match timers {
            Some(Granted { active, periodic }) if level >= 4 => {
                let more = if self.dialect == DialectName::Bc66 { "," } else { "" };
                format!("{place},,{more},\"{active}\",\"{periodic}\"")
            }
            _ => place.to_owned(),
        }
    }

    /// The radio connected or was released; the line said about that.
    pub(super) fn radio(&mut self, connected: bool) -> Option<String> {
        self.radio_connected = connected;
        self.volatile.radio_reports.then(|| format!("+CSCON: {}", u8::from(connected)))
    }

    /// How an [`Effect::Open`] went, as a line.
    pub(super) fn opened(&mut self, socket: u8, success: bool) -> String {
        if let Some(open) = self.volatile.open.get_mut(usize::from(socket)) {
            *open = success;
        }
        format!("+QIOPEN: {socket},{}", if success { 0 } else { CONNECT_FAILED })
    }

    /// A datagram from the network, in direct push mode; the line or lines said about it.
    pub(super) fn push(&self, socket: u8, payload: &[u8]) -> String {
        let data = if self.volatile.hex_down {
            hex::encode_upper(payload)
        } else {
            String::from_utf8_lossy(payload).into_owned()
        };
        let length = payload.len();
        match self.dialect {
            DialectName::Bc660k => format!("+QIURC: \"recv\",{socket},{length},\"{data}\""),
            DialectName::Bc66 => {
                let length = if self.volatile.show_length { format!(",{length}") } else { String::new() };
                let separator = if self.volatile.one_line { "," } else { "\r\n" };
                format!("+QIURC: \"recv\",{socket}{length}{separator}{data}")
            }
        }
    }

    /// Takes a byte from the device.
    pub(super) fn hear(&mut self, byte: u8, fate: &mut impl FnMut(About) -> Fate) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.volatile.echo {
            effects.push(Effect::Echo(byte));
        }
        match byte {
            b'\r' => {
                let input = std::mem::take(&mut self.volatile.input);
                if !input.is_empty() {
                    self.execute(&input, fate, &mut effects);
                }
            }
            b'\n' => {}
            // The last byte beyond the limit stays, and makes the line too long for good.
            _ if self.volatile.input.len() <= LINE => self.volatile.input.push(byte),
            _ => {}
        }
        effects
    }

    fn execute(&mut self, input: &[u8], fate: &mut impl FnMut(About) -> Fate, effects: &mut Vec<Effect>) {
        let text = String::from_utf8_lossy(input).into_owned();
        effects.push(Effect::Command(text.clone()));
        let answer = if input.len() > LINE { Err(Refusal::Syntax) } else { self.command(&text, fate) };
        match answer {
            Ok(reply) => {
                effects.extend(reply.lines.into_iter().chain(["OK".to_string()]).map(Effect::Say));
                effects.extend(reply.effects);
            }
            Err(Refusal::Code(number)) if self.volatile.numbers => {
                effects.push(Effect::Say(format!("+CME ERROR: {number}")));
            }
            Err(Refusal::Syntax | Refusal::Code(_)) => effects.push(Effect::Say("ERROR".into())),
            Err(Refusal::Crash) => effects.push(Effect::Restart),
            Err(Refusal::Sim(said)) => effects.extend(said),
        }
    }

    fn command(&mut self, text: &str, fate: &mut impl FnMut(About) -> Fate) -> Answer {
        let upper = text.trim().to_ascii_uppercase();
        let Some(rest) = upper.strip_prefix("AT") else { return Err(Refusal::Syntax) };
        match rest {
            "" | "E" | "E0" | "E1" => {
                self.volatile.echo = if rest.is_empty() { self.volatile.echo } else { rest != "E0" };
                return ok();
            }
            "I" => return line(format!("Quectel_Ltd\r\nQuectel_{:?}\r\nRevision: cairn", self.dialect)),
            _ => {}
        }
        let Some(at) = rest.find(['=', '?']) else { return self.execution_command(rest) };
        let (name, form) = rest.split_at(at);
        // Behind the name the case counts: it is taken from the text as it was typed.
        let parameters: Vec<String> = match form.strip_prefix('=') {
            Some(_) => split(&text.trim()["AT".len() + at + 1..]),
            None if form == "?" => return self.read_command(name),
            None => return Err(Refusal::Syntax),
        };
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
        match name {
            "+QIOPEN" => self.open(&parameters, fate),
            "+QICLOSE" => self.close(&parameters),
            "+QISEND" | "+QISENDEX" => self.send(name, &parameters, fate),
            "+CSIM" | "+CCHO" | "+CGLA" | "+CCHC" => self.card(name, &parameters),
            _ => self.write_command(name, &parameters),
        }
    }

    /// 3GPP TS 27.007 sections 8.17, 8.43, 8.45, 8.46. Without a SIM that can be talked to: not inserted.
    fn card(&mut self, name: &str, parameters: &[&str]) -> Answer {
        let reply = self.sim.as_mut().and_then(|sim| sim.command(name, parameters));
        Err(match reply {
            None => Refusal::Code(SIM_NOT_INSERTED),
            Some(SimReply::Refusal(Some(number))) => Refusal::Code(number),
            Some(SimReply::Refusal(None)) => Refusal::Syntax,
            Some(SimReply::Lines(lines)) => Refusal::Sim(vec![Effect::SimLines { lines, late: false }]),
            Some(SimReply::Late(lines)) => Refusal::Sim(vec![Effect::SimLines { lines, late: true }]),
            Some(SimReply::Silence) => Refusal::Sim(Vec::new()),
            Some(SimReply::Restart) => Refusal::Crash,
        })
    }

    fn execution_command(&self, name: &str) -> Answer {
        match name {
            "+CSQ" => line("+CSQ: 22,0".into()),
            "+CGMM" => line(format!("Quectel_{:?}", self.dialect)),
            _ => Err(Refusal::Syntax),
        }
    }

    fn read_command(&self, name: &str) -> Answer {
        match name {
            "+CEREG" => {
                let state = if self.registered { 1 } else { 2 };
                let place = if self.registered { self.place() } else { String::new() };
                line(format!("+CEREG: {},{state}{place}", self.volatile.registration_reports))
            }
            "+CSCON" => {
                let reports = u8::from(self.volatile.radio_reports);
                line(format!("+CSCON: {reports},{}", u8::from(self.radio_connected)))
            }
            "+CFUN" => line("+CFUN: 1".into()),
            "+CGATT" => line(format!("+CGATT: {}", u8::from(self.registered))),
            "+CMEE" => line(format!("+CMEE: {}", u8::from(self.volatile.numbers))),
            _ => Err(Refusal::Syntax),
        }
    }

    fn write_command(&mut self, name: &str, parameters: &[&str]) -> Answer {
        let volatile = &mut self.volatile;
        match (name, parameters) {
            ("+CMEE", ["0" | "1"]) => volatile.numbers = parameters == ["1"],
            ("+CSCON", ["0" | "1"]) => volatile.radio_reports = parameters == ["1"],
            ("+CEREG", [level @ ("0" | "1" | "2" | "3" | "4" | "5")]) => {
                volatile.registration_reports = level.parse().unwrap_or(0);
            }
            ("+CTZR", [level @ ("0" | "1" | "2" | "3")]) => volatile.universal_time_reports = *level == "3",
            ("+CFUN", ["1"]) | ("+QSCLK", ["0" | "1" | "2"]) => {}
            ("+CPSMS", ["0" | "2"]) => self.wanted = None,
            ("+CPSMS", ["1", "", "", periodic, active]) if is_timer(periodic) && is_timer(active) => {
                self.wanted = Some(Granted { active: (*active).to_owned(), periodic: (*periodic).to_owned() });
            }
            ("+QCFG", [name, "0" | "1"]) if name.eq_ignore_ascii_case("dsevent") => {}
            ("+QICFG", ["dataformat", up @ ("0" | "1"), down @ ("0" | "1")]) => {
                (volatile.hex_up, volatile.hex_down) = (*up == "1", *down == "1");
            }
            ("+QICFG", ["viewmode", mode @ ("0" | "1")]) => volatile.one_line = *mode == "1",
            ("+QICFG", ["showlength", mode @ ("0" | "1")]) => volatile.show_length = *mode == "1",
            ("+QNBIOTRAI", [mode]) => return self.announce_release(mode),
            ("+QENG", ["0"]) => {
                let mode = if self.dialect == DialectName::Bc660k { ",2" } else { "" };
                let coverage = self.coverage;
                return line(format!("+QENG: 0,1694,12,284,\"022FE6CF\",-92,-5,-87,10,3,\"33C2\",{coverage},14{mode}"));
            }
            ("+QRST", ["1"]) => return Ok(Reply { lines: Vec::new(), effects: vec![Effect::Restart] }),
            _ => return Err(Refusal::Code(INCORRECT_PARAMETERS)),
        }
        ok()
    }

    /// BC660K-GL: 0 or 1, only while the radio is connected. BC66: 0 to 2, for the next datagram.
    fn announce_release(&mut self, mode: &str) -> Answer {
        match (self.dialect, mode) {
            (DialectName::Bc660k, "0" | "1") if self.radio_connected => ok(),
            (DialectName::Bc660k, "0" | "1") => Err(Refusal::Code(NOT_ALLOWED)),
            (DialectName::Bc66, "0" | "1" | "2") => {
                self.volatile.release = mode.parse().unwrap_or(0);
                ok()
            }
            _ => Err(Refusal::Code(INCORRECT_PARAMETERS)),
        }
    }

    /// `AT+QIOPEN=<contextID>,<connectID>,"UDP",<address>,<remote port>[,<local port>[,<access mode>]]`.
    fn open(&mut self, parameters: &[&str], fate: &mut impl FnMut(About) -> Fate) -> Answer {
        let [context, socket, "UDP", address, port, rest @ ..] = parameters else { return Err(Refusal::Syntax) };
        let expected = if self.dialect == DialectName::Bc660k { "0" } else { "1" };
        let push_mode = matches!(rest, [] | [_] | [_, "1", ..]);
        let number = self.socket(socket)?;
        let peer = address.parse::<Ipv4Addr>().ok().zip(port.parse::<u16>().ok());
        let (Some(peer), true, true) = (peer, *context == expected, push_mode) else { return Err(Refusal::Syntax) };
        if !self.registered || self.is_open(number) {
            return Err(Refusal::Code(NOT_ALLOWED));
        }
        self.ask(About::Open, fate)?;
        Ok(Reply { lines: Vec::new(), effects: vec![Effect::Open { socket: number, peer: SocketAddr::from(peer) }] })
    }

    fn close(&mut self, parameters: &[&str]) -> Answer {
        let [socket, ..] = parameters else { return Err(Refusal::Syntax) };
        let socket = self.socket(socket)?;
        if !self.is_open(socket) {
            return Err(Refusal::Code(NOT_ALLOWED));
        }
        self.volatile.open[usize::from(socket)] = false;
        let effects = vec![Effect::Close { socket }, Effect::Say("CLOSE OK".into())];
        Ok(Reply { lines: Vec::new(), effects })
    }

    /// BC660K-GL: `AT+QISEND=<connectID>,<length>,<data>[,<RAI>]`, hex when "dataformat" says so. BC66: `AT+QISENDEX` for hex.
    fn send(&mut self, name: &str, parameters: &[&str], fate: &mut impl FnMut(About) -> Fate) -> Answer {
        let (longest, hexadecimal) = match (self.dialect, name) {
            (DialectName::Bc660k, "+QISEND") => (1024, self.volatile.hex_up),
            (DialectName::Bc66, "+QISENDEX") => (512, true),
            (DialectName::Bc66, "+QISEND") => (1024, false),
            _ => return Err(Refusal::Syntax),
        };
        let (socket, length, data, release) = match parameters {
            [_, "0"] => return line("+QISEND: 0,0,0".into()),
            [socket, length, data] => (socket, length, data, std::mem::take(&mut self.volatile.release)),
            [socket, length, data, release @ ("0" | "1" | "2")] if self.dialect == DialectName::Bc660k => {
                (socket, length, data, release.parse().unwrap_or(0))
            }
            _ => return Err(Refusal::Syntax),
        };
        let socket = self.socket(socket)?;
        let payload = if hexadecimal { hex::decode(data).ok() } else { Some(data.as_bytes().to_vec()) };
        let payload =
            payload.filter(|payload| length.parse() == Ok(payload.len()) && (1..=longest).contains(&payload.len()));
        let Some(payload) = payload else { return Err(Refusal::Code(INCORRECT_PARAMETERS)) };
        if !self.is_open(socket) {
            return Err(Refusal::Code(NOT_ALLOWED));
        }
        self.ask(About::Send, fate)?;
        let effects = vec![Effect::Send { socket, payload, release }, Effect::Say("SEND OK".into())];
        Ok(Reply { lines: Vec::new(), effects })
    }

    fn ask(&self, about: About, fate: &mut impl FnMut(About) -> Fate) -> Result<(), Refusal> {
        match fate(about) {
            Fate::Proceed => Ok(()),
            Fate::Refuse => Err(Refusal::Code(NOT_ALLOWED)),
            Fate::Crash => Err(Refusal::Crash),
        }
    }

    fn socket(&self, parameter: &str) -> Result<u8, Refusal> {
        parameter.parse().ok().filter(|number: &u8| usize::from(*number) < SOCKETS).ok_or(Refusal::Syntax)
    }

    fn is_open(&self, socket: u8) -> bool {
        self.volatile.open.get(usize::from(socket)).copied().unwrap_or(false)
    }
}

impl Volatile {
    fn at_start(echo: bool) -> Self {
        Self {
            echo,
            numbers: false,
            radio_reports: false,
            registration_reports: 0,
            universal_time_reports: false,
            hex_up: false,
            hex_down: false,
            one_line: false,
            show_length: false,
            release: 0,
            open: [false; SOCKETS],
            input: Vec::new(),
        }
    }
}

fn is_timer(bits: &str) -> bool {
    bits.len() == 8 && bits.bytes().all(|bit| matches!(bit, b'0' | b'1'))
}

/// Comma-separated parameters, without the quotes that protect commas.
fn split(text: &str) -> Vec<String> {
    let mut parameters = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match (character, parameters.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => parameters.push(String::new()),
            (_, Some(last)) => last.push(character),
            (_, None) => {}
        }
    }
    parameters
}

#[cfg(test)]
mod tests;
