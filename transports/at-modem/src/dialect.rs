// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What differs between modems, as tables: [`crate::modem`] has no branch that names one. A new modem of this family is a new
//! `const`, not new code.
//!
//! Sources, cited as \[A\], \[T\], … below:
//! - \[A\] Quectel, *BC660K-GL&BC950K-GL AT Commands Manual*, version 1.4, 2024-01-26 (chapter numbers given).
//! - \[T\] Quectel, *BC660K-GL&BC950K-GL TCP(IP) Application Note* (document 1 of \[A\] chapter 16): the `AT+QI…` commands.
//! - \[B\] Quectel, *BC66 AT Commands Manual* and *BC66 TCP/IP Application Note*: the same commands where they differ.
//!
//! How the two dialects differ (all else is the same text):
//!
//! | | BC660K-GL | BC66 |
//! | --- | --- | --- |
//! | PDP context in `AT+QIOPEN` | 0 | 1 |
//! | hex data is sent by | `AT+QISEND`, once `"dataformat"` says hex | `AT+QISENDEX` |
//! | release assistance | fourth parameter of `AT+QISEND`; `AT+QNBIOTRAI` has no "one downlink" | `AT+QNBIOTRAI` before the send |
//! | a received datagram | always one line, data in quotes | one line only with `"viewmode"` 1 and `"showlength"` 1, no quotes |

use cairn::time::Millis;

/// A command line without its final CR, and how it ends.
///
/// Placeholders in texts: `%c` PDP context, `%s` socket, `%a` peer's address, `%p` peer's port, `%l` bytes in the datagram,
/// `%x` its hex digits, `%n` how many of those there are, `%i` the session of the card, `%r` the release assistance
/// digit, `%t` and `%u` the requested periodic update and active timers as
/// eight binary digits (3GPP TS 24.008 table 10.5.163a and 10.5.163).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// The command line.
    pub text: &'static str,
    /// How long the modem may take until the last line of its answer.
    pub limit: Millis,
    /// The line that tells how it went, for commands whose `OK` only says that they were understood.
    pub verdict: Option<Verdict>,
}

impl Command {
    const fn new(text: &'static str, limit_ms: u64) -> Self {
        Self { text, limit: Millis(limit_ms), verdict: None }
    }

    const fn with_verdict(self, success: &'static str, failure: &'static str) -> Self {
        Self { text: self.text, limit: self.limit, verdict: Some(Verdict { success, failure }) }
    }
}

/// A command for the card in the modem: %x is what goes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardCommand {
    /// What to send.
    pub command: Command,
    /// What the line with the answer begins with.
    pub answer: &'static str,
}

const fn card(text: &'static str, answer: &'static str) -> CardCommand {
    CardCommand { command: Command::new(text, CARD_MS), answer }
}

/// The ways to the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardCommands {
    /// Passes a command on as it is.
    pub generic: CardCommand,
    /// Opens a logical channel with an application.
    pub open: CardCommand,
    /// Passes a command on in session `%i`.
    pub session: CardCommand,
    /// Closes session `%i`.
    pub close: CardCommand,
    /// The +CME ERROR of a card that is not ready yet: the command is sent again a little later.
    pub busy: u16,
    /// How much later.
    pub busy_pause: Millis,
}

/// 3GPP TS 27.007 sections 8.17, 8.45, 8.43, 8.46, the same in every modem that has them; section 9.2.1 for the number.
pub const CARD: CardCommands = CardCommands {
    generic: card("AT+CSIM=%n,\"%x\"", "+CSIM:"),
    open: card("AT+CCHO=\"%x\"", "+CCHO:"),
    session: card("AT+CGLA=%i,%n,\"%x\"", "+CGLA:"),
    close: card("AT+CCHC=%i", "+CCHC"),
    busy: 14,
    busy_pause: Millis(500),
};

/// The lines that end a command after its `OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The whole line on success; may hold `%s`.
    pub success: &'static str,
    /// What the line begins with on failure; a number may follow. May hold `%s`.
    pub failure: &'static str,
}

/// A command of the set-up sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to send.
    pub command: Command,
    /// Whether the modem is of no use when it refuses.
    pub required: bool,
}

const fn required(text: &'static str) -> Step {
    Step { command: Command::new(text, GENERAL_MS), required: true }
}

const fn wished(text: &'static str) -> Step {
    Step { command: Command::new(text, GENERAL_MS), required: false }
}

/// What an unsolicited result code or an information line means. Numbers are indices of [`crate::parser::field`] behind the
/// prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The modem has just started: its sockets and volatile settings are gone.
    Boot,
    /// The modem is about to sleep so deeply that its sockets and volatile settings are gone.
    DeepSleep,
    /// A datagram.
    Datagram {
        /// Field with the socket.
        socket: usize,
        /// Field with the number of bytes.
        length: usize,
        /// Field with their hex digits.
        data: usize,
    },
    /// The network or the modem closed the socket in field 0.
    SocketClosed,
    /// The registration state: `<stat>,[<tac>],…` unsolicited, `<n>,<stat>,[<tac>],…` when read; `<tac>` is quoted or empty. Where the
    /// network granted timers the last two fields are `<Active-Time>` and `<Periodic-TAU>`, eight binary digits each, behind a cause
    /// and a reject cause (\[A\] 4.1; 3GPP TS 27.007 section 10.1.22). BC66 has one more field before the causes; neither has fewer
    /// than eight with the timers, and without them the last two are shorter numbers.
    Registration,
    /// Field 0 is 1 while the radio is connected, 0 when it was released.
    RadioConnected,
    /// The network told the time: universal time is in the fields behind the second.
    UniversalTime,
    /// Field 0 is the signal strength: 0..=31 is −113..=−51 dBm in steps of 2, 99 unknown.
    SignalStrength,
    /// The serving cell.
    ServingCell {
        /// Field with the received power in dBm.
        rsrp: usize,
        /// Field with the coverage enhancement level.
        coverage: usize,
    },
}

/// A line that begins with `prefix` means `meaning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the line begins with.
    pub prefix: &'static str,
    /// What it says.
    pub meaning: Meaning,
}

/// Everything the driver knows of one modem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The modem's name.
    pub name: &'static str,
    /// `%c`.
    pub context: u8,
    /// Sockets the modem has, numbered from 0.
    pub sockets: u8,
    /// Most bytes one send command carries as hex.
    pub largest_datagram: usize,
    /// Sent until it is answered, before anything else and after [`Dialect::quiet`]: the UART of a sleeping modem loses the
    /// first bytes (\[A\] 9.10 note 1: "send AT before each command to make sure the UART is woken up").
    pub wake: Command,
    /// How often [`Dialect::wake`] is sent before the modem counts as dead.
    pub wake_attempts: u8,
    /// After a wake that needed several attempts: how long late answers to the earlier ones are waited for and dropped.
    pub settle: Millis,
    /// After so long without a byte from the modem it may sleep; less than its sleep lock of 10 s.
    pub quiet: Millis,
    /// Sent once after the modem started.
    pub setup: &'static [Step],
    /// Sent after [`Dialect::setup`] when power saving timers are to be requested; may be refused.
    pub power_saving: Command,
    /// Asks for the registration state.
    pub registration: Command,
    /// How long to wait before asking again.
    pub registration_pause: Millis,
    /// Opens socket `%s` to `%a`:`%p`.
    pub open: Command,
    /// Closes socket `%s`; may be refused when it is closed.
    pub close: Command,
    /// Sends a datagram.
    pub send: Command,
    /// Sends a datagram with release assistance `%r`.
    pub send_and_release: Command,
    /// Sent before [`Dialect::send_and_release`] where release assistance is a command of its own; may be refused.
    pub announce_release: Option<Command>,
    /// Asked after a send, while the radio is connected; may be refused.
    pub survey: &'static [Command],
    /// How the card is reached.
    pub card: CardCommands,
    /// Lines that mean something, whenever they come.
    pub reports: &'static [Report],
}

/// "Maximum Response Time 5 s": \[A\] 3.1, 4.1, 4.6, 4.7, 9.7, 9.10, 10.2.
const GENERAL_MS: u64 = 5_000;
/// \[T\] `AT+QIOPEN`: wait up to 60 s for the `+QIOPEN` code.
const OPEN_MS: u64 = 60_000;
/// \[T\] `AT+QICLOSE`: up to 10 s, by the network.
const CLOSE_MS: u64 = 10_000;
/// `SEND OK` says that the modem's stack took the datagram; Quectel's own RIL (`ril_socket.c` of the OpenCPU SDK) waits 30 s.
const SEND_MS: u64 = 30_000;
/// A key pair is made in seconds on the slowest cards; 27.007 has no limit for the card.
const CARD_MS: u64 = 20_000;

/// \[A\] 9.3: kept over restarts, and the radio of a modem left at 0 is off. Switching it on takes up to 25 s.
const FULL_FUNCTION: Step = Step { command: Command::new("AT+CFUN=1", 25_000), required: false };
const WAKE: Command = Command::new("AT", 500);
const REGISTRATION: Command = Command::new("AT+CEREG?", GENERAL_MS);
const OPEN: Command =
    Command::new("AT+QIOPEN=%c,%s,\"UDP\",\"%a\",%p,0,1", OPEN_MS).with_verdict("+QIOPEN: %s,0", "+QIOPEN: %s,");
const CLOSE: Command = Command::new("AT+QICLOSE=%s", CLOSE_MS).with_verdict("CLOSE OK", "CLOSE FAIL");
/// \[A\] 4.7; and \[A\] 4.8: "Maximum Response Time 15 s", the coverage level only while connected.
const SURVEY: &[Command] = &[Command::new("AT+CSQ", GENERAL_MS), Command::new("AT+QENG=0", 15_000)];

const fn sending(text: &'static str) -> Command {
    Command::new(text, SEND_MS).with_verdict("SEND OK", "SEND FAIL")
}

/// Both modems report alike; a quoted and an unquoted field read the same.
const REPORTS: &[Report] = &[
    Report { prefix: "RDY", meaning: Meaning::Boot },
    Report { prefix: "+QNBIOTEVENT: \"ENTER DEEPSLEEP\"", meaning: Meaning::DeepSleep },
    Report { prefix: "+QIURC: \"recv\",", meaning: Meaning::Datagram { socket: 0, length: 1, data: 2 } },
    Report { prefix: "+QIURC: \"closed\",", meaning: Meaning::SocketClosed },
    Report { prefix: "+CEREG: ", meaning: Meaning::Registration },
    Report { prefix: "+CSCON: ", meaning: Meaning::RadioConnected },
    Report { prefix: "+CTZEU: ", meaning: Meaning::UniversalTime },
    Report { prefix: "+CSQ: ", meaning: Meaning::SignalStrength },
    Report { prefix: "+QENG: 0,", meaning: Meaning::ServingCell { rsrp: 4, coverage: 10 } },
];

/// Quectel BC660K-GL (and BC950K-GL).
pub const BC660K: Dialect = Dialect {
    name: "BC660K",
    context: 0,
    sockets: 5,
    largest_datagram: 1024,
    wake: WAKE,
    wake_attempts: 10,
    settle: Millis(200),
    quiet: Millis(5_000),
    setup: &[
        required("ATE0"),      // [A] 3.1
        required("AT+CMEE=1"), // [A] 10.2: numbers
        FULL_FUNCTION,
        wished("AT+QSCLK=1"),                    // [A] 9.10: it may sleep when it has nothing to do
        wished("AT+CSCON=1"),                    // [A] 4.6: when the radio connects and is released
        required("AT+CEREG=5"),                  // [A] 4.1: unsolicited registration state, with the granted timers
        wished("AT+CTZR=3"),                     // 27.007 8.41: say the universal time that the network tells
        wished("AT+QCFG=\"dsevent\",1"),         // [A] 11.1.6: say when going to deep sleep
        required("AT+QICFG=\"dataformat\",1,1"), // [T]: hex both ways
    ],
    power_saving: Command::new("AT+CPSMS=1,,,\"%t\",\"%u\"", GENERAL_MS), // [A] 9.4
    registration: REGISTRATION,
    registration_pause: Millis(2_000),
    open: OPEN,
    close: CLOSE,
    send: sending("AT+QISEND=%s,%l,\"%x\""),
    send_and_release: sending("AT+QISEND=%s,%l,\"%x\",%r"),
    announce_release: None,
    survey: SURVEY,
    card: CARD,
    reports: REPORTS,
};

/// Quectel BC66 (and BC66-NA).
pub const BC66: Dialect = Dialect {
    name: "BC66",
    context: 1,
    largest_datagram: 512,
    setup: &[
        required("ATE0"),
        required("AT+CMEE=1"),
        FULL_FUNCTION,
        wished("AT+QSCLK=1"),
        wished("AT+CSCON=1"),
        required("AT+CEREG=5"),
        wished("AT+CTZR=3"),
        wished("AT+QCFG=\"dsevent\",1"),
        required("AT+QICFG=\"dataformat\",1,1"),
        required("AT+QICFG=\"viewmode\",1"),   // [B]: header and data in one line
        required("AT+QICFG=\"showlength\",1"), // [B]: with the length
    ],
    send: sending("AT+QISENDEX=%s,%l,%x"),
    send_and_release: sending("AT+QISENDEX=%s,%l,%x"),
    announce_release: Some(Command::new("AT+QNBIOTRAI=%r", GENERAL_MS)),
    ..BC660K
};

/// Every dialect.
pub const ALL: &[Dialect] = &[BC660K, BC66];

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::parser;

    fn commands(dialect: &Dialect) -> Vec<Command> {
        let mut all = Vec::from([dialect.wake, dialect.power_saving, dialect.registration]);
        all.extend([dialect.open, dialect.close, dialect.send, dialect.send_and_release]);
        all.extend(dialect.announce_release);
        all.extend(dialect.setup.iter().map(|step| step.command));
        all.extend(dialect.survey);
        let CardCommands { generic, open, session, close, .. } = dialect.card;
        all.extend([generic, open, session, close].map(|card| card.command));
        all
    }

    fn report<'a>(dialect: &Dialect, line: &'a str) -> Option<(Meaning, &'a [u8])> {
        let found = dialect.reports.iter().find(|report| line.starts_with(report.prefix))?;
        Some((found.meaning, &line.as_bytes()[found.prefix.len()..]))
    }

    #[test]
    fn every_placeholder_in_every_command_is_known() {
        for command in ALL.iter().flat_map(commands) {
            for placeholder in command.text.split('%').skip(1) {
                assert!("csaplxnirtu".contains(&placeholder[..1]), "{command:?}");
            }
        }
    }

    #[test]
    fn every_command_is_a_printable_at_line_with_a_limit() {
        for command in ALL.iter().flat_map(commands) {
            assert!(command.text.starts_with("AT"), "{command:?}");
            assert!(command.text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{command:?}");
            assert!(command.limit > Millis(0) && command.limit <= Millis(60_000), "{command:?}");
        }
    }

    #[test]
    fn no_report_hides_behind_an_earlier_one_or_looks_like_a_final_result() {
        for dialect in ALL {
            for (index, report) in dialect.reports.iter().enumerate() {
                assert!(matches!(parser::classify(report.prefix.as_bytes()), parser::Line::Text(_)), "{report:?}");
                let card = [dialect.card.generic, dialect.card.open, dialect.card.session, dialect.card.close];
                assert!(!card.iter().any(|card| card.answer.starts_with(report.prefix)), "{report:?}");
                for earlier in &dialect.reports[..index] {
                    assert!(!report.prefix.starts_with(earlier.prefix), "{report:?} behind {earlier:?}");
                }
            }
        }
    }

    #[test]
    fn the_two_dialects_differ_exactly_where_the_table_in_the_documentation_says() {
        assert_eq!((BC660K.context, BC66.context), (0, 1));
        assert!(BC660K.send.text.starts_with("AT+QISEND=") && BC66.send.text.starts_with("AT+QISENDEX="));
        assert!(BC660K.announce_release.is_none() && BC660K.send_and_release.text.ends_with(",%r"));
        assert!(BC66.announce_release.is_some() && BC66.send_and_release == BC66.send);
        assert_eq!(&BC66.setup[..BC660K.setup.len()], BC660K.setup);
        let rest = Dialect {
            name: BC660K.name,
            context: BC660K.context,
            largest_datagram: BC660K.largest_datagram,
            setup: BC660K.setup,
            send: BC660K.send,
            send_and_release: BC660K.send_and_release,
            announce_release: BC660K.announce_release,
            ..BC66
        };
        assert_eq!(rest, BC660K);
    }

    #[test]
    fn the_manuals_example_lines_mean_what_the_manuals_say() {
        for (dialect, line) in [
            (&BC660K, "+QENG: 0,3688,11,121,\"05C4EF33\",-72,-8,-64,14,8,\"4C10\",0,-128,3"),
            (&BC66, "+QENG: 0,3688,11,121,\"05C4EF33\",-72,-8,-64,14,8,\"4C10\",0,-128"),
        ] {
            let Some((Meaning::ServingCell { rsrp, coverage }, list)) = report(dialect, line) else { panic!("{line}") };
            assert_eq!(parser::field(list, rsrp).and_then(parser::signed), Some(-72));
            assert_eq!(parser::field(list, coverage).and_then(parser::number), Some(0));
        }
        for (dialect, line) in [(&BC660K, "+QIURC: \"recv\",0,2,\"4f4b\""), (&BC66, "+QIURC: \"recv\",0,2,4F4B")] {
            let Some((Meaning::Datagram { socket, length, data }, list)) = report(dialect, line) else {
                panic!("{line}")
            };
            let mut bytes = [0; 2];
            assert_eq!(parser::field(list, socket).and_then(parser::number), Some(0));
            assert_eq!(parser::field(list, length).and_then(parser::number), Some(2));
            assert_eq!(parser::decode_hex(parser::field(list, data).unwrap(), &mut bytes), Ok(2));
            assert_eq!(&bytes, b"OK");
        }
        assert_eq!(report(&BC660K, "RDY").map(|found| found.0), Some(Meaning::Boot));
        assert_eq!(report(&BC66, "+CSQ: 22,0").map(|found| found.0), Some(Meaning::SignalStrength));
        let told = report(&BC660K, "+CTZEU: \"+32\",0,\"2026/11/21,19:30:05\"");
        assert_eq!(told.map(|found| found.0), Some(Meaning::UniversalTime));
        assert_eq!(report(&BC66, "+IP: 10.0.0.1"), None);
    }
}
