// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line of `cairn se-sim`. Parsed by the program's main, read by the rest of this module.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use cairn_se_sim::{Chance, Fault, Keys, Options, Plan, wire::Pace};

use crate::{files::fixed_hex, modem::Probability};

/// Play a secure element of NXP's SE050 family: its I2C pins, over a byte stream.
///
/// QEMU connects to it: start `cairn se-sim --listen 127.0.0.1:0 --memory chip.se`, read the port from the line that begins
/// with "cairn se-sim: ready", and start QEMU with `-serial tcp:127.0.0.1:PORT,nodelay=on` for the serial port that the
/// board's I2C is bridged to (without nodelay each byte of a request waits for the one before: some 40 ms). QEMU's boards
/// have no I2C peer that can be scripted; the bridge is in samples/freertos-lock, the driver above it is the real one.
///
/// The chip's attestation key, for the file of roots, is on the line before: `cairn provision endorse` believes the chip by it.
///
/// On the line: `W` length bytes, `R` length, `P` 0 or 1 (the supply), `T` microseconds that passed; answered with `A` (and a
/// read's bytes) or `N`, not acknowledged. Lengths have 2 bytes, times 4, big-endian.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Listen on this TCP address; port 0 takes a free one. One line at a time; the chip loses its power when the line
    /// ends, and stays.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", conflicts_with_all = ["connect", "unix"])]
    pub listen: SocketAddr,
    /// Connect to this TCP address (QEMU: `-serial tcp:ADDR,server=on`).
    #[arg(long, value_name = "ADDR", conflicts_with = "unix")]
    pub connect: Option<SocketAddr>,
    /// Listen on this unix socket (QEMU: `-serial unix:PATH`). A socket that is left over there is replaced.
    #[arg(long, value_name = "PATH")]
    pub unix: Option<PathBuf>,
    /// Allow addresses that are not loopback.
    #[arg(long)]
    pub allow_nonlocal: bool,

    /// What the chip keeps without power: its keys, curves and identity. Made when it is not there; without this option the
    /// chip is forgotten when the program ends. It holds the simulated private keys.
    #[arg(long, value_name = "FILE", help_heading = "Chip")]
    pub memory: Option<PathBuf>,
    /// Decides what a new chip is and every random number it draws. Without it, each is another.
    #[arg(long, value_name = "NUMBER", help_heading = "Chip")]
    pub seed: Option<u64>,
    /// Platform keys for SCP03: key version, Key-ENC and Key-MAC in hexadecimal.
    #[arg(long, value_name = "VERSION:ENC:MAC", help_heading = "Chip")]
    pub scp03: Option<PlatformKeys>,
    /// Refuse commands outside a secure channel.
    #[arg(long, requires = "scp03", help_heading = "Chip")]
    pub scp03_only: bool,
    /// The largest information field of a block that it takes; longer commands are chained.
    #[arg(long, value_name = "BYTES", default_value_t = 254, value_parser = clap::value_parser!(u8).range(1..=254), help_heading = "Chip")]
    pub block: u8,
    /// Time passes by the wall clock too, not only by `T` requests.
    #[arg(long, help_heading = "Chip")]
    pub wall_clock: bool,

    /// What goes wrong: NUMBER:FAULT,… where writes and reads are counted together from 1. nack, ghost-nack (the chip got it),
    /// flip=BYTE (-1 is the last: a bad CRC), deaf, ones, torn, ready=ERROR, wrong-ready=ERROR, wrong-sequence, late=MS,
    /// waiting-forever, resize=BYTES, abort, status=6985, status-after=6f00, false-signature, power-loss, hang, latchup,
    /// death.
    #[arg(long, value_name = "PLAN", help_heading = "Faults")]
    pub faults: Option<Plan>,
    /// Probability that a transfer fails.
    #[arg(long, value_name = "P", default_value = "0", help_heading = "Faults")]
    pub fault_rate: Probability,
    /// In one of these ways, comma-separated, drawn evenly. Without it: everything a driver gets over.
    #[arg(long, value_name = "FAULT", value_delimiter = ',', requires = "fault_rate", help_heading = "Faults")]
    pub fault_kinds: Vec<Fault>,
    /// Decides which transfers fail and how, by their number and nothing else.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, help_heading = "Faults")]
    pub fault_seed: u64,

    /// Write every request, every fault and every key to this file as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

impl Args {
    /// Refuses what would leave this machine without being told by name.
    ///
    /// # Errors
    /// A message naming the option.
    pub fn check(&self) -> anyhow::Result<()> {
        for (option, address) in [("--listen", Some(self.listen)), ("--connect", self.connect)] {
            let allowed = address.is_none_or(|address| self.allow_nonlocal || address.ip().is_loopback());
            anyhow::ensure!(allowed, "{option} is not loopback: add --allow-nonlocal if you mean it");
        }
        Ok(())
    }

    /// How the chip is made, with this seed when it is new.
    pub(super) fn options(&self, seed: u64) -> Options {
        Options {
            seed,
            keys: self.scp03.map(|PlatformKeys(keys)| (keys, self.scp03_only)),
            information_bytes: self.block,
            ..Options::default()
        }
    }

    pub(super) fn chance(&self) -> Option<Chance> {
        let kinds = if self.fault_kinds.is_empty() { Fault::BAD_DAY } else { &self.fault_kinds };
        let share = self.fault_rate.of_2_to_32();
        (share > 0).then(|| Chance::new(self.fault_seed, share, kinds.to_vec()))
    }

    pub(super) const fn pace(&self) -> Pace {
        if self.wall_clock { Pace::Wall } else { Pace::Virtual }
    }
}

/// `VERSION:ENC:MAC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformKeys(pub Keys);

impl FromStr for PlatformKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let [version, enc, mac] = parts[..] else { return Err("it is not VERSION:ENC:MAC".into()) };
        let [version] = fixed_hex(version)?;
        Ok(Self(Keys { version, enc: fixed_hex(enc)?, mac: fixed_hex(mac)? }))
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
        let words = std::iter::once("se-sim").chain(line.split_whitespace());
        let args = Program::try_parse_from(words).map_err(|error| error.to_string())?.args;
        args.check().map_err(|error| error.to_string())?;
        Ok(args)
    }

    #[test]
    fn what_is_wrong_on_the_command_line_is_refused() {
        let keys = format!("0b:{}:{}", "35".repeat(16), "a7".repeat(16));
        let args = parse(&format!("--scp03 {keys} --scp03-only --block 32")).unwrap();
        let expected = Keys { version: 0x0b, enc: [0x35; 16], mac: [0xa7; 16] };
        assert_eq!(args.options(5).keys, Some((expected, true)));
        assert_eq!((args.options(5).seed, args.options(5).information_bytes), (5, 32));
        for wrong in [
            "--scp03-only",
            "--scp03 0b:35:a7",
            "--scp03 0b",
            "--block 0",
            "--block 255",
            "--faults 0:nack",
            "--fault-rate 2",
            "--fault-rate 0.1 --fault-kinds nothing",
            "--unix here --connect 127.0.0.1:1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for line in ["--listen 0.0.0.0:1", "--connect 192.0.2.1:1"] {
            assert!(parse(line).is_err_and(|message| message.contains("--allow-nonlocal")), "{line}");
            assert!(parse(&format!("{line} --allow-nonlocal")).is_ok(), "{line}");
        }
    }

    #[test]
    fn nothing_happens_by_chance_unless_it_is_asked_for() {
        assert_eq!(parse("").unwrap().chance(), None);
        let chosen = parse("--fault-rate 0.5 --fault-kinds nack,flip=-1 --fault-seed 9").unwrap().chance();
        assert_eq!(chosen, Some(Chance::new(9, 1 << 31, vec![Fault::Nack, Fault::Flip(-1)])));
        assert_eq!(parse("--fault-rate 1").unwrap().chance(), Some(Chance::new(1, 1 << 32, Fault::BAD_DAY.to_vec())));
    }
}
