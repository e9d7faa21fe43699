// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A sample's image in QEMU: its console, one command and one answer at a time, with what comes in between.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, Command},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::service::Service;

/// Where the image expects its factory partition.
const FACTORY_ADDRESS: &str = "0x21000000";
/// From power to `ready`.
const BOOT_LIMIT: Duration = Duration::from_secs(30);

/// `name=value` words of a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(BTreeMap<String, String>);

impl Words {
    fn of(line: &str) -> Self {
        Self(line.split(' ').filter_map(|word| word.split_once('=')).map(|(n, v)| (n.into(), v.into())).collect())
    }

    /// The word as it stands.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        self.0.get(name).map(String::as_str).with_context(|| format!("the device did not say {name}="))
    }

    /// The word as a number.
    ///
    /// # Errors
    /// When there is none, or it is not a number.
    pub(crate) fn number(&self, name: &str) -> Result<u64> {
        let text = self.text(name)?;
        text.parse().with_context(|| format!("{name}={text} is not a number"))
    }
}

/// A reading as the device's console showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Its sequence number.
    pub(crate) seq: u64,
    /// The register in Wh.
    pub(crate) wh: u64,
}

/// An event of the agent.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `sealed`, `signed`, `sent`, `stored`, …
    pub(crate) name: String,
    /// What it says.
    pub(crate) words: Words,
}

/// What an image is run with.
pub(crate) struct Power<'a> {
    /// The image.
    pub(crate) image: &'a Path,
    /// What `cairn provision` wrote.
    pub(crate) factory: &'a Path,
    /// TCP port of the modem's serial line; `None`: nothing is connected.
    pub(crate) modem: Option<u16>,
    /// Where the console is copied to.
    pub(crate) console_log: PathBuf,
    /// Shows lines on our output.
    pub(crate) show: bool,
}

/// A device that has power.
pub(crate) struct Device {
    service: Service,
    input: ChildStdin,
    lines: Receiver<String>,
    log: std::fs::File,
    show: bool,
    /// Every reading so far.
    pub(crate) readings: Vec<Reading>,
    /// Every event so far.
    pub(crate) events: Vec<Event>,
}

impl Device {
    /// Switches it on and waits until it is ready.
    pub(crate) fn boot(power: &Power<'_>) -> Result<Self> {
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-M", "mps2-an385", "-display", "none", "-monitor", "none"]);
        // One instruction is 64 ns of virtual time: 1.6 cycles of the board's 25 MHz, whatever this machine's load. At shift=5
        // two guarded signatures take 41 ms, and three beats of 20 ms do not fall inside.
        qemu.args(["-icount", "shift=6,align=off,sleep=on", "-semihosting-config", "enable=on,target=native"]);
        let factory = power.factory.display();
        qemu.arg("-device").arg(format!("loader,file={factory},addr={FACTORY_ADDRESS},force-raw=on"));
        qemu.arg("-kernel").arg(power.image).args(["-serial", "stdio", "-serial"]);
        qemu.arg(power.modem.map_or_else(|| "null".to_owned(), |port| format!("tcp:127.0.0.1:{port}")));
        let errors = power.console_log.with_extension("qemu.log");
        let mut service = Service::start_piped("QEMU", &qemu, &errors)?;
        let input = service.child().stdin.take().context("QEMU has no input")?;
        let output = service.child().stdout.take().context("QEMU has no output")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let log = OpenOptions::new().create(true).append(true).open(&power.console_log)?;
        let mut device =
            Self { service, input, lines, log, show: power.show, readings: Vec::new(), events: Vec::new() };
        device.wait_line("ready", BOOT_LIMIT)?;
        Ok(device)
    }

    /// Gives a command and the words of its answer.
    ///
    /// # Errors
    /// `error …`, `stop …`, or no answer in time.
    pub(crate) fn ask(&mut self, command: &str, limit: Duration) -> Result<Words> {
        writeln!(self.log, "> {command}")?;
        writeln!(self.input, "{command}").and_then(|()| self.input.flush()).context("QEMU takes no input")?;
        let verb = command.split(' ').next().unwrap_or(command);
        let line = self.wait_line(&format!("ok {verb}"), limit).with_context(|| format!("command '{command}'"))?;
        Ok(Words::of(&line))
    }

    /// Waits for an event that `wanted` takes; events that came before count.
    ///
    /// # Errors
    /// When it does not come in time.
    pub(crate) fn wait_event(&mut self, what: &str, limit: Duration, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        self.wait_event_after(0, what, limit, wanted)
    }

    /// The same for events from number `seen` on.
    ///
    /// # Errors
    /// When it does not come in time.
    pub(crate) fn wait_event_after(
        &mut self,
        mut seen: usize,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(event) = self.events.get(seen..).and_then(|new| new.iter().find(|event| wanted(event))) {
                return Ok(event.clone());
            }
            seen = self.events.len();
            self.next_line(deadline).with_context(|| format!("waiting for: {what}"))?;
        }
    }

    /// Whether the device already said that `batch` is at least at `level` (`stored`, `included` or `final`).
    pub(crate) fn has_event(&self, name: &str, batch: u64) -> bool {
        self.events.iter().any(|e| e.name == name && e.words.number("batch").is_ok_and(|number| number == batch))
    }

    fn wait_line(&mut self, start: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            let line = self.next_line(deadline).with_context(|| format!("waiting for '{start}'"))?;
            // Whole words: `ok run` is no answer to `ok ru`.
            if line.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) {
                return Ok(line);
            }
            if line.starts_with("error ") {
                bail!("the device says: {line}");
            }
        }
    }

    fn next_line(&mut self, deadline: Instant) -> Result<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = match self.lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!("the device says nothing in time"),
            Err(RecvTimeoutError::Disconnected) => {
                self.service.check_alive()?;
                bail!("QEMU closed the console");
            }
        };
        writeln!(self.log, "{line}")?;
        self.note(&line)?;
        Ok(line)
    }

    fn note(&mut self, line: &str) -> Result<()> {
        if let Some(why) = line.strip_prefix("stop ") {
            bail!("the device stopped: {why}");
        }
        if let Some(rest) = line.strip_prefix("reading ") {
            let words = Words::of(rest);
            self.readings.push(Reading { seq: words.number("seq")?, wh: words.number("wh")? });
        } else if let Some(rest) = line.strip_prefix("event ") {
            let name = rest.split(' ').next().ok_or_else(|| anyhow!("an event without a name"))?.to_owned();
            if self.show {
                println!("      device: {rest}");
            }
            self.events.push(Event { name, words: Words::of(rest) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_are_read_by_name_and_a_missing_one_is_named() {
        let words = Words::of("ok beat beats=7 signatures=2 why=none");
        assert_eq!(words.number("beats").unwrap(), 7);
        assert_eq!(words.text("why").unwrap(), "none");
        assert!(words.number("why").is_err());
        assert!(words.text("late").unwrap_err().to_string().contains("late="));
    }
}
