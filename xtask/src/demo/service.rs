// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that run beside each other: the node, the relay, the modem, QEMU. Each has a log in target/demo, and ends
//! when its [`Service`] is dropped or xtask ends, however it ends.

use std::{
    fs::{self, File, OpenOptions},
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::{copy_into, shown};

/// The lines of a program's log of JSON that tell of `event`.
pub(crate) fn events(log: &Path, event: &str) -> Result<Vec<Value>> {
    let said = fs::read_to_string(log).with_context(|| log.display().to_string())?;
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(lines.filter(|line| line["event"] == event).collect())
}

/// How often a log or a port is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// A running program.
pub(crate) struct Service {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where in the log this run begins.
    begins: usize,
}

impl Service {
    /// Starts `command`; both its streams go to the end of `log`.
    pub(crate) fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let file = append(log)?;
        Self::spawn(name, command, log, |guarded| {
            guarded.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
            Ok(())
        })
    }

    /// Starts `command` with pipes for its input and output; standard error goes to `log`.
    pub(crate) fn start_piped(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let file = append(log)?;
        Self::spawn(name, command, log, |guarded| {
            guarded.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
            Ok(())
        })
    }

    fn spawn(
        name: &str,
        command: &Command,
        log: &Path,
        streams: impl FnOnce(&mut Command) -> Result<()>,
    ) -> Result<Self> {
        // The kernel ends the child when the thread that started it ends: every service is started by the main thread.
        let mut guarded = Command::new("setpriv");
        guarded.args(["--pdeathsig", "KILL"]);
        copy_into(command, &mut guarded);
        streams(&mut guarded)?;
        let begins = fs::read(log).map(|bytes| bytes.len()).unwrap_or_default();
        let child = guarded.spawn().with_context(|| format!("cannot start {}", shown(command)))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), begins })
    }

    /// The child, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until a line of this run's log contains `text`, and gives that line.
    ///
    /// # Errors
    /// When the program ends first, or does not say it in time.
    pub(crate) fn wait_for(&mut self, text: &str, limit: Duration) -> Result<String> {
        let begun = Instant::now();
        loop {
            let bytes = fs::read(&self.log).unwrap_or_default();
            let said = String::from_utf8_lossy(bytes.get(self.begins..).unwrap_or_default()).into_owned();
            // What is behind the last line's end is still being written.
            let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(line) = whole.lines().find(|line| line.contains(text)) {
                return Ok(line.to_owned());
            }
            self.check_alive()?;
            if begun.elapsed() > limit {
                bail!(
                    "{} did not say '{text}' within {} s; its log is {}",
                    self.name,
                    limit.as_secs(),
                    self.log.display()
                );
            }
            sleep(GLANCE);
        }
    }

    /// That the program still runs.
    ///
    /// # Errors
    /// With its last words.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            let last: Vec<_> = said.lines().rev().take(5).collect();
            let last: Vec<_> = last.into_iter().rev().collect();
            bail!("{} ended ({status}): {}\n(log: {})", self.name, last.join("\n"), self.log.display());
        }
        Ok(())
    }

    /// Ends the program as a power failure would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.check_alive()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to end or to wait for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append(log: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(log).with_context(|| log.display().to_string())
}

/// A TCP port on 127.0.0.1 that nobody listens on now.
pub(crate) fn free_tcp_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A UDP port on 127.0.0.1 that nobody listens on now.
pub(crate) fn free_udp_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Asks until `done` says so.
///
/// # Errors
/// When it takes longer than `limit`, or asking fails.
pub(crate) fn wait_until(what: &str, limit: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !done()? {
        if begun.elapsed() > limit {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        sleep(Duration::from_millis(200));
    }
    Ok(())
}
