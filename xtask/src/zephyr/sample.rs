// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The meter on Zephyr: built as a user builds it, and what its console said. Called by the end-to-end stages; starts nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::workspace::in_workspace;
use crate::{
    demo::{
        device::Reading,
        scenario::reading_verifies,
        world::{Born, World},
    },
    process::Log,
    suite::Context,
};

/// One way to build the meter.
pub(super) struct Build<'a> {
    /// Zephyr's name of the board.
    pub(super) board: &'a str,
    /// Its build directory, beside those of the other builds.
    pub(super) directory: &'a str,
    /// More configuration files of the sample, separated by semicolons.
    pub(super) configuration: &'a str,
    /// ZEPHYR_TOOLCHAIN_VARIANT.
    pub(super) toolchain: &'a str,
}

impl Build<'_> {
    /// Builds samples/zephyr-meter and gives its build directory's `zephyr`.
    pub(super) fn run(&self, context: &Context, log: &mut Log, base: &Path) -> Result<PathBuf> {
        let build = context.project.directory(self.directory)?;
        let mut configure = Command::new("cmake");
        configure.args(["-G", "Ninja", "-S"]).arg(context.project.path("samples/zephyr-meter")).arg("-B").arg(&build);
        configure.arg(format!("-DBOARD={}", self.board)).arg(format!("-DEXTRA_CONF_FILE={}", self.configuration));
        configure.arg(format!("-DZEPHYR_EXTRA_MODULES={}", context.project.path("").display()));
        log.run(in_workspace(&mut configure, base).env("ZEPHYR_TOOLCHAIN_VARIANT", self.toolchain))?;
        let mut ninja = Command::new("cmake");
        ninja.arg("--build").arg(&build);
        log.run(in_workspace(&mut ninja, base).env("ZEPHYR_TOOLCHAIN_VARIANT", self.toolchain))?;
        Ok(build.join("zephyr"))
    }
}

/// The readings that a console has as journaled.
pub(super) fn readings(console: &Path) -> Result<Vec<Reading>> {
    let said = fs::read_to_string(console).with_context(|| console.display().to_string())?;
    Ok(said.lines().filter_map(reading).collect())
}

/// `I: reading 17: 4825177 Wh`.
fn reading(line: &str) -> Option<Reading> {
    let (seq, wh) = line.split_once("reading ")?.1.strip_suffix(" Wh")?.split_once(": ")?;
    Some(Reading { seq: seq.parse().ok()?, wh: wh.parse().ok()? })
}

/// That the relay has each of these readings, on the ledger, as the console said it; `least` says how many it has to be.
pub(super) fn verify(world: &World, readings: &[Reading], born: &Born, least: usize) -> Result<()> {
    ensure!(readings.len() >= least, "only {} readings to verify, not {least}", readings.len());
    readings.iter().try_for_each(|reading| reading_verifies(world, reading, born))
}

#[cfg(test)]
mod tests {
    use super::reading;

    #[test]
    fn a_reading_is_a_whole_line_and_nothing_else_is_one() {
        let read = reading("I: reading 17: 4825177 Wh").unwrap();
        assert_eq!((read.seq, read.wh), (17, 4_825_177));
        for line in ["I: reading 17: 48251", "W: reading not taken: the queue is full", "I: batch 1 sealed, 61 records"]
        {
            assert!(reading(line).is_none(), "{line}");
        }
    }
}
