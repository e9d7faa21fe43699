// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Says how far a simulation is, for who waits for it. Answers do not pass through here.

use std::io::{self, IsTerminal as _, Write as _};

use cairn_power::life::Progress;

/// Says how far a run is, on standard error: a line that is written over on a terminal, a line for each strategy elsewhere.
pub(super) struct Teller {
    scenario: String,
    on_terminal: bool,
    strategy: &'static str,
    percent: u32,
}

impl Teller {
    /// Of the run called `scenario`.
    pub(super) fn new(scenario: &str) -> Self {
        let scenario = scenario.replace(char::is_control, "");
        Self { scenario, on_terminal: io::stderr().is_terminal(), strategy: "", percent: 0 }
    }

    /// Called for each day; says what is new.
    pub(super) fn tell(&mut self, progress: Progress) {
        let Self { scenario, .. } = self;
        let percent = u32::try_from(u64::from(progress.day) * 100 / u64::from(progress.days.max(1))).unwrap_or(100);
        let another = progress.strategy != self.strategy;
        // Nothing depends on it being read.
        let _ = match (self.on_terminal, another || percent != self.percent) {
            (true, true) => write!(io::stderr(), "\r\x1b[K{scenario}: {}, {percent} %", progress.strategy),
            (false, _) if another => writeln!(io::stderr(), "{scenario}: {}", progress.strategy),
            _ => Ok(()),
        };
        (self.strategy, self.percent) = (progress.strategy, percent);
    }

    /// Leaves a terminal's line as it was.
    pub(super) fn finish(&self) {
        if self.on_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
