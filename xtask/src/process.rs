// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs programs: each with a log, a time limit, no terminal, and an end when xtask ends. `setpriv` has the kernel
//! signal the child when xtask dies, however it dies; `timeout` passes the signal on to the child's whole process
//! group.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::project::Project;

/// No single command takes longer, unless it hangs.
const LIMIT: Duration = Duration::from_secs(40 * 60);
/// How often a line says that something still runs.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// Last lines of a log shown when a command fails.
const TAIL_LINES: usize = 40;
/// Most lines shown from before those, that say what failed.
const TELLING_LINES: usize = 30;

/// The log of one stage: everything its commands print.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Starts an empty log `target/xtask/<name>.log`.
    pub(crate) fn create(project: &Project, name: &str) -> Result<Self> {
        let path = project.directory("xtask")?.join(format!("{}.log", name.replace([' ', '/'], "-")));
        fs::write(&path, "").with_context(|| path.display().to_string())?;
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok(Self { path, file })
    }

    /// Where the log is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A line of our own.
    pub(crate) fn note(&mut self, line: &str) -> Result<()> {
        writeln!(self.file, "{line}")?;
        Ok(())
    }

    /// Runs a command and gives what it printed, both streams in their order.
    ///
    /// # Errors
    /// When it cannot be started, does not end in time, or ends with a code other than 0; with what it printed about a
    /// failure, and the last lines.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<String> {
        self.run_within(command, LIMIT)
    }

    /// [`Self::run`] with a limit of its own.
    pub(crate) fn run_within(&mut self, command: &mut Command, limit: Duration) -> Result<String> {
        let (status, text) = self.status_within(command, limit)?;
        if status.success() {
            return Ok(text);
        }
        let why = if status.code() == Some(124) {
            format!("did not end within {} s", limit.as_secs())
        } else {
            format!("ended with {status}")
        };
        bail!("{} {why}\n{}\n(whole log: {})", shown(command), telling(&text), self.path.display())
    }

    /// Runs a command and gives how it ended (code 124: not in time), and what it printed.
    pub(crate) fn status_within(&mut self, command: &mut Command, limit: Duration) -> Result<(ExitStatus, String)> {
        self.note(&format!("$ {}", shown(command)))?;
        let start = fs::metadata(&self.path)?.len();
        let mut guarded = guarded(command, limit);
        guarded.stdin(Stdio::null()).stdout(self.file.try_clone()?).stderr(self.file.try_clone()?);
        let mut child = guarded.spawn().with_context(|| format!("cannot start {}", shown(command)))?;
        let status = wait(&mut child, &shown(command))?;
        let all = fs::read(&self.path)?;
        let text = String::from_utf8_lossy(all.get(usize::try_from(start)?..).unwrap_or_default()).into_owned();
        Ok((status, text))
    }
}

fn wait(child: &mut Child, name: &str) -> Result<ExitStatus> {
    let begun = Instant::now();
    let mut beat = HEARTBEAT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begun.elapsed() >= beat {
            println!("      {} s: still running {}", beat.as_secs(), name.chars().take(90).collect::<String>());
            beat += HEARTBEAT;
        }
        sleep(Duration::from_millis(20));
    }
}

/// The same command under `setpriv` and `timeout`.
fn guarded(command: &Command, limit: Duration) -> Command {
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig", "TERM", "timeout", "--kill-after=10"]).arg(limit.as_secs().max(1).to_string());
    copy_into(command, &mut guarded);
    guarded
}

/// Appends `command`'s program and arguments to `wrapper`, and gives it the same environment and directory.
pub(crate) fn copy_into(command: &Command, wrapper: &mut Command) {
    wrapper.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        wrapper.current_dir(directory);
    }
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if word.is_empty() || word.contains([' ', '"', '$', '*']) { format!("'{word}'") } else { word.into_owned() }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Of what a failed command printed: the lines that say what failed, each panic with its message, and the last lines. A run that goes
/// on after a failure buries it.
fn telling(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let (before, tail) = lines.split_at(lines.len().saturating_sub(TAIL_LINES));
    let said = before.iter().enumerate().filter(|(at, line)| {
        let panicked = at.checked_sub(1).and_then(|above| before.get(above)).is_some_and(|line| is_panic(line));
        panicked || is_panic(line) || is_failure(line)
    });
    let mut shown: Vec<_> = said.map(|(_, line)| *line).take(TELLING_LINES).collect();
    if !shown.is_empty() {
        shown.push("[...]");
    }
    shown.extend(tail);
    shown.join("\n")
}

fn is_panic(line: &str) -> bool {
    line.contains("' panicked at ") || line.contains(") panicked at ")
}

fn is_failure(line: &str) -> bool {
    line.ends_with(" ... FAILED") || line.starts_with("error: ") || line.starts_with("error[")
}

/// Output of a quick command that prints to stdout; `None` when it is not there or fails.
pub(crate) fn ask(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_shown_though_much_was_printed_after_it() {
        let told = [
            "test a ... ok",
            "test b ... FAILED",
            "thread 'b' (7) panicked at src/b.rs:1:2:",
            "left is not right",
            "note",
        ];
        let quiet = "test result: ok. 1 passed; 0 failed\n".repeat(100);
        let text = telling(&format!("{}\n{quiet}", told.join("\n")));
        assert!(text.starts_with(&format!("{}\n{}\n{}\n[...]\n", told[1], told[2], told[3])), "{text}");
        assert_eq!(text.lines().count(), 4 + TAIL_LINES);
    }

    #[test]
    fn what_is_in_the_last_lines_is_shown_once() {
        assert_eq!(telling("test b ... FAILED\nend"), "test b ... FAILED\nend");
    }
}
