// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line of `cairn modem`. Parsed by the program's main, read by the rest of this module.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, str::FromStr};

use cairn_sim_applet::Plan;
use clap::ValueEnum;

/// Play an NB-IoT modem: AT commands on a serial line, real UDP behind it.
///
/// QEMU connects to it: start `cairn modem --listen 127.0.0.1:0 --redirect 127.0.0.1:5683`, read the port from the line
/// that begins with "cairn modem: ready", and start QEMU with `-serial tcp:127.0.0.1:PORT`. The device may keep the relay
/// address it was configured with: --redirect sends its datagrams elsewhere.
///
/// Loss, delay and the like are decided by --seed and by the number of the datagram in its direction, by nothing else: the
/// same seed gives the same fates.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Listen for the device's serial line on this TCP address; port 0 takes a free one. One line at a time; the modem stays
    /// on when the device hangs up.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", conflicts_with_all = ["connect", "pty"])]
    pub listen: SocketAddr,
    /// Connect to the device's serial line at this TCP address (QEMU: `-serial tcp:ADDR,server=on`).
    #[arg(long, value_name = "ADDR", conflicts_with = "pty")]
    pub connect: Option<SocketAddr>,
    /// Open this terminal as the serial line (QEMU: `-serial pty` prints which).
    #[arg(long, value_name = "PATH")]
    pub pty: Option<PathBuf>,
    /// Which modem to play.
    #[arg(long, value_enum, default_value_t = DialectName::Bc660k)]
    pub dialect: DialectName,
    /// Send every datagram here, whatever peer the device asked for.
    #[arg(long, value_name = "ADDR")]
    pub redirect: Option<SocketAddr>,
    /// Allow addresses that are not loopback, to listen on and to send to.
    #[arg(long)]
    pub allow_nonlocal: bool,

    /// Decides every loss, delay, duplicate and injected error.
    #[arg(long, default_value_t = 1, help_heading = "Bad weather")]
    pub seed: u64,
    /// Probability that a datagram is lost, in either direction.
    #[arg(long, value_name = "P", default_value = "0", help_heading = "Bad weather")]
    pub loss: Probability,
    /// Probability that a datagram arrives twice.
    #[arg(long, value_name = "P", default_value = "0", help_heading = "Bad weather")]
    pub duplicate: Probability,
    /// One-way delay of each datagram, drawn evenly from this range.
    #[arg(long, value_name = "MIN..MAX", default_value = "0", help_heading = "Bad weather")]
    pub delay_ms: DelayRange,
    /// Let datagrams overtake each other where their delays make them; otherwise they arrive in order.
    #[arg(long, help_heading = "Bad weather")]
    pub reorder: bool,

    /// Restart in the middle of this send (counted from 1), once: no answer, then "RDY", all sockets and settings gone.
    #[arg(long, value_name = "N", help_heading = "Bad modem")]
    pub reboot_after_sends: Option<u64>,
    /// Probability that opening a socket or sending is refused.
    #[arg(long, value_name = "P", default_value = "0", help_heading = "Bad modem")]
    pub error_rate: Probability,
    /// The network tells the time when it takes the modem in, as this machine has it: `+CTZEU`, once `AT+CTZR=3` asked for it.
    #[arg(long, help_heading = "Network")]
    pub network_time: bool,
    /// The timers of power saving mode that the network grants, as octets of eight binary digits (3GPP TS 24.008, GPRS timers
    /// 2 and 3): active time, periodic update. Without it those that `AT+CPSMS` asked for are granted. Told by `+CEREG`, once
    /// `AT+CEREG` 4 or 5 asked for it.
    #[arg(long, value_name = "ACTIVE,PERIODIC", help_heading = "Network")]
    pub granted: Option<Granted>,
    /// Start with command echo on, as modems do; `ATE0` turns it off until the next restart.
    #[arg(long, help_heading = "Bad modem")]
    pub echo: bool,
    /// After a start, how long it takes to register with the network.
    #[arg(long, value_name = "MS", default_value_t = 0, help_heading = "Bad modem")]
    pub attach_ms: u64,
    /// How long the radio stays connected after the last datagram when no release assistance shortens it.
    #[arg(long, value_name = "MS", default_value_t = 10_000, help_heading = "Bad modem")]
    pub tail_ms: u64,
    /// Coverage enhancement level that the modem reports.
    #[arg(long, value_name = "LEVEL", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2), help_heading = "Bad modem")]
    pub coverage: u8,

    /// Put a SIM with this applet into the modem, with a key in it: AT+CSIM, AT+CCHO, AT+CGLA and AT+CCHC reach it. Its key
    /// ids are 01 (private) and 02 (public).
    #[arg(long, value_enum, value_name = "APPLET", help_heading = "SIM")]
    pub sim_applet: Option<SimApplet>,
    /// The key, 64 hex digits. A file that is not there is made, with a new key; without this option the key is new at
    /// every start.
    #[arg(long, value_name = "FILE", requires = "sim_applet", help_heading = "SIM")]
    pub sim_key: Option<PathBuf>,
    /// What goes wrong: NUMBER:FAULT,… numbers counted from 1 at the card and at the modem. At the card: a status word
    /// (6985), power, power-after, cut, flipBIT. At the modem: silent, late, error, cmeNUMBER, lost, no-ok, half, noise,
    /// garbage, codes, restart, restart-after.
    #[arg(long, value_name = "PLAN", requires = "sim_applet", help_heading = "SIM")]
    pub sim_faults: Option<Plan>,
    /// The card speaks T=1: answers come with their command. Otherwise T=0: they wait for GET RESPONSE.
    #[arg(long, requires = "sim_applet", help_heading = "SIM")]
    pub sim_t1: bool,

    /// Write every datagram and event, with running counters, to this file as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

impl Args {
    /// Refuses what would leave this machine without being told by name, and what has no effect.
    ///
    /// # Errors
    /// A message naming the option.
    pub fn check(&self) -> anyhow::Result<()> {
        let lines = [("--listen", Some(self.listen)), ("--connect", self.connect), ("--redirect", self.redirect)];
        for (option, address) in lines {
            if let Some(address) = address {
                anyhow::ensure!(
                    self.allows(address),
                    "{option} {address} is not loopback: add --allow-nonlocal if you mean it"
                );
            }
        }
        let DelayRange(delays) = &self.delay_ms;
        anyhow::ensure!(!self.reorder || delays.start() < delays.end(), "--reorder needs a range in --delay-ms");
        Ok(())
    }

    /// Whether traffic may go to `address`.
    #[must_use]
    pub fn allows(&self, address: SocketAddr) -> bool {
        self.allow_nonlocal || address.ip().is_loopback()
    }
}

/// The octets of granted timers, as binary digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// T3324.
    pub active: String,
    /// T3412 extended.
    pub periodic: String,
}

impl FromStr for Granted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_octet = |bits: &str| bits.len() == 8 && bits.bytes().all(|bit| matches!(bit, b'0' | b'1'));
        match text.split_once(',') {
            Some((active, periodic)) if is_octet(active) && is_octet(periodic) => {
                Ok(Self { active: active.to_owned(), periodic: periodic.to_owned() })
            }
            _ => Err("two octets of eight binary digits, such as 00001010,00111000".to_owned()),
        }
    }
}

/// The modems there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialectName {
    /// Quectel BC660K-GL.
    Bc660k,
    /// Quectel BC66.
    Bc66,
}

/// The applets there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimApplet {
    /// GSMA IoT SAFE with a P-256 key.
    IotSafe,
    /// Cairn's secp256k1 applet (docs/sim-applet.md).
    Secp256k1,
}

/// A probability, as its share of 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probability(u64);

impl Probability {
    /// Whether an even draw from 0..2^32 falls under it.
    pub(super) const fn holds(self, draw: u32) -> bool {
        (draw as u64) < self.0
    }

    /// Its share of 2^32.
    pub(crate) const fn of_2_to_32(self) -> u64 {
        self.0
    }
}

impl FromStr for Probability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("{text} is not between 0 and 1"));
        }
        // 0..=2^32 by the check above.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(Self((share * 4_294_967_296.0).round() as u64))
    }
}

/// `MIN..MAX` milliseconds, both included, or one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayRange(pub RangeInclusive<u64>);

impl FromStr for DelayRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let number = |part: &str| part.parse::<u64>().map_err(|_| format!("{part:?} is no number of milliseconds"));
        let (min, max) = (number(min)?, number(max)?);
        if min > max {
            return Err(format!("{min} is more than {max}"));
        }
        Ok(Self(min..=max))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, String> {
        let words = std::iter::once("modem").chain(line.split_whitespace());
        let args = Program::try_parse_from(words).map_err(|error| error.to_string())?.args;
        args.check().map_err(|error| error.to_string())?;
        Ok(args)
    }

    #[test]
    fn ranges_and_probabilities_are_checked() {
        let args = parse("--delay-ms 5..20 --loss 0.5 --duplicate 1").unwrap();
        assert_eq!(args.delay_ms, DelayRange(5..=20));
        assert!(args.loss.holds(0x7FFF_FFFF) && !args.loss.holds(0x8000_0000));
        assert!(args.duplicate.holds(u32::MAX) && !args.error_rate.holds(0));
        assert_eq!(parse("--delay-ms 7").unwrap().delay_ms, DelayRange(7..=7));
        for wrong in ["--delay-ms 9..3", "--delay-ms x", "--loss 1.1", "--loss -0.1", "--loss NaN", "--coverage 3"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_leaves_this_machine_must_be_allowed_by_name() {
        for line in ["--listen 0.0.0.0:1", "--connect 192.0.2.1:1", "--redirect 192.0.2.1:1"] {
            assert!(parse(line).is_err_and(|message| message.contains("--allow-nonlocal")), "{line}");
            assert!(parse(&format!("{line} --allow-nonlocal")).is_ok(), "{line}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for line in ["--connect 127.0.0.1:1 --pty /dev/pts/1", "--reorder", "--reorder --delay-ms 5"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("--reorder --delay-ms 5..6").is_ok());
        for line in ["--sim-t1", "--sim-key key.hex", "--sim-faults 1:cut", "--sim-applet usim"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("--sim-applet iot-safe --sim-faults 1:cut,2:silent --sim-t1").is_ok());
    }
}
