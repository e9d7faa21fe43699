// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A sample's image in QEMU: its console, one command and one answer at a time, with what comes in between.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
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
pub(crate) const FACTORY_ADDRESS: &str = "0x21000000";
/// From power to `ready`.
const BOOT_LIMIT: Duration = Duration::from_secs(30);

/// `name=value` words of a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(BTreeMap<String, String>);

impl Words {
    pub(crate) fn of(line: &str) -> Self {
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

/// The journal's flash: a file, and how it behaves (samples/freertos-meter/board/flash_file.c).
#[derive(Clone, Debug)]
pub(crate) enum Flash {
    /// As fast as the host.
    Fast(PathBuf),
    /// Each word and each piece of an erase takes a tick, and its lamp shows what it does.
    Slow(PathBuf),
}

impl Flash {
    /// The word of the image's command line. QEMU wants commas doubled.
    fn argument(&self) -> String {
        let (word, file) = match self {
            Self::Fast(file) => ("flash", file),
            Self::Slow(file) => ("slow-flash", file),
        };
        format!("{word}={}", file.display().to_string().replace(',', ",,"))
    }
}

/// What an image is run with.
pub(crate) struct Power<'a> {
    /// The image.
    pub(crate) image: &'a Path,
    /// What `cairn provision` wrote.
    pub(crate) factory: &'a Path,
    /// The file that is its flash; one that is not there is made, blank.
    pub(crate) flash: Flash,
    /// TCP port of the modem's serial line; `None`: nothing is connected.
    pub(crate) modem: Option<u16>,
    /// More arguments of QEMU.
    pub(crate) machine: Vec<String>,
    /// Where the console is copied to.
    pub(crate) console_log: PathBuf,
    /// Shows lines on our output.
    pub(crate) show: bool,
}

/// A device that has power.
pub(crate) struct Device {
    service: Service,
    errors: PathBuf,
    /// Where this life begins in `errors`.
    lamp_from: u64,
    input: ChildStdin,
    lines: Receiver<String>,
    log: fs::File,
    show: bool,
    /// Every reading so far.
    pub(crate) readings: Vec<Reading>,
    /// Every event so far.
    pub(crate) events: Vec<Event>,
}

impl Device {
    /// Switches it on and waits until it is ready.
    pub(crate) fn boot(power: &Power<'_>) -> Result<Self> {
        let mut device = Self::switch_on(power)?;
        device.wait_line("ready", BOOT_LIMIT)?;
        Ok(device)
    }

    /// Switches it on.
    pub(crate) fn switch_on(power: &Power<'_>) -> Result<Self> {
        let errors = power.console_log.with_extension("qemu.log");
        let lamp_from = fs::metadata(&errors).map_or(0, |file| file.len());
        let mut service = Service::start_piped("QEMU", &qemu(power), &errors)?;
        let input = service.child().stdin.take().context("QEMU has no input")?;
        let output = service.child().stdout.take().context("QEMU has no output")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            // A last line without its end was cut off with the power: nobody has read it.
            while output.read_until(b'\n', &mut line).is_ok() && line.pop() == Some(b'\n') {
                if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let log = OpenOptions::new().create(true).append(true).open(&power.console_log)?;
        Ok(Self {
            service,
            errors,
            lamp_from,
            input,
            lines,
            log,
            show: power.show,
            readings: Vec::new(),
            events: Vec::new(),
        })
    }

    /// Gives a command and the words of its answer.
    ///
    /// # Errors
    /// `error …`, `stop …`, or no answer in time.
    pub(crate) fn ask(&mut self, command: &str, limit: Duration) -> Result<Words> {
        self.tell(command)?;
        let verb = command.split(' ').next().unwrap_or(command);
        let line = self.wait_line(&format!("ok {verb}"), limit).with_context(|| format!("command '{command}'"))?;
        Ok(Words::of(&line))
    }

    /// Gives a command and does not wait for its answer.
    pub(crate) fn tell(&mut self, command: &str) -> Result<()> {
        writeln!(self.log, "> {command}")?;
        writeln!(self.input, "{command}").and_then(|()| self.input.flush()).context("QEMU takes no input")
    }

    /// Listens until a line's first word is `wanted`; `None` when none came before `deadline`.
    ///
    /// # Errors
    /// `error …`, `stop …`, or QEMU ended.
    pub(crate) fn listen(&mut self, wanted: &str, deadline: Instant) -> Result<Option<String>> {
        while let Some(line) = self.hear(deadline)? {
            if line.starts_with("error ") {
                bail!("the device says: {line}");
            }
            if line.split(' ').next() == Some(wanted) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// What the lamp of a slow flash shows: `p`, `e`, a dot; something else, or nothing, before it was used.
    pub(crate) fn lamp(&self) -> Result<Option<u8>> {
        lamp(&self.errors, self.lamp_from)
    }

    /// Pulls the plug: QEMU is killed, not asked. What reached us before counts.
    pub(crate) fn pull_the_plug(mut self) -> Result<LastWords> {
        self.service.kill()?;
        while let Ok(last) = self.lines.recv() {
            writeln!(self.log, "{last}")?;
            note(&last, self.show, &mut self.readings, &mut self.events)?;
        }
        writeln!(self.log, "(the plug is pulled)")?;
        Ok(LastWords { lamp: lamp(&self.errors, self.lamp_from)?, readings: self.readings, events: self.events })
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
        self.hear(deadline)?.context("the device says nothing in time")
    }

    /// The next line; `None` when there is none before `deadline`.
    fn hear(&mut self, deadline: Instant) -> Result<Option<String>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = match self.lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                self.service.check_alive()?;
                bail!("QEMU closed the console");
            }
        };
        writeln!(self.log, "{line}")?;
        note(&line, self.show, &mut self.readings, &mut self.events)?;
        Ok(Some(line))
    }
}

/// What is left of a device that lost its power.
pub(crate) struct LastWords {
    /// The readings it said were accepted.
    pub(crate) readings: Vec<Reading>,
    /// Its events.
    pub(crate) events: Vec<Event>,
    /// What the lamp of a slow flash showed last.
    pub(crate) lamp: Option<u8>,
}

fn qemu(power: &Power<'_>) -> Command {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args(["-M", "mps2-an385", "-display", "none", "-monitor", "none"]);
    // One instruction is 64 ns of virtual time: 1.6 cycles of the board's 25 MHz, whatever this machine's load. At shift=5
    // two guarded signatures take 41 ms, and three beats of 20 ms do not fall inside.
    qemu.args(["-icount", "shift=6,align=off,sleep=on", "-semihosting-config"]);
    qemu.arg(format!("enable=on,target=native,arg={}", power.flash.argument()));
    let factory = power.factory.display();
    qemu.arg("-device").arg(format!("loader,file={factory},addr={FACTORY_ADDRESS},force-raw=on"));
    qemu.args(&power.machine);
    qemu.arg("-kernel").arg(power.image).args(["-serial", "stdio", "-serial"]);
    qemu.arg(power.modem.map_or_else(|| "null".to_owned(), |port| format!("tcp:127.0.0.1:{port}")));
    qemu
}

/// The last byte of QEMU's standard error in this life.
fn lamp(errors: &Path, begins: u64) -> Result<Option<u8>> {
    let said = fs::read(errors).with_context(|| errors.display().to_string())?;
    Ok(said.get(usize::try_from(begins)?..).and_then(<[u8]>::last).copied())
}

/// Takes a line apart.
fn note(line: &str, show: bool, readings: &mut Vec<Reading>, events: &mut Vec<Event>) -> Result<()> {
    if let Some(why) = line.strip_prefix("stop ") {
        bail!("the device stopped: {why}");
    }
    if let Some(rest) = line.strip_prefix("reading ") {
        let words = Words::of(rest);
        readings.push(Reading { seq: words.number("seq")?, wh: words.number("wh")? });
    } else if let Some(rest) = line.strip_prefix("event ") {
        let name = rest.split(' ').next().ok_or_else(|| anyhow!("an event without a name"))?.to_owned();
        if show {
            println!("      device: {rest}");
        }
        events.push(Event { name, words: Words::of(rest) });
    }
    Ok(())
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
