// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs twister over twister-tests/.

use std::process::Command;

use anyhow::{Result, bail};

use super::workspace::{NO_WORKSPACE, workspace};
use crate::{
    process::Log,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// twister, or why not.
pub(crate) const STAGE: Stage =
    Stage { name: "zephyr", about: "twister, when there is a Zephyr workspace", needs: &[], body: twister };

fn twister(context: &Context, log: &mut Log) -> Result<Outcome> {
    let tests = context.project.path("twister-tests");
    if std::fs::read_dir(&tests).map_or(true, |mut entries| entries.next().is_none()) {
        return Ok(Outcome::Skipped("this version has no twister tests".to_owned()));
    }
    let Some(base) = workspace() else {
        return Ok(Outcome::Skipped(NO_WORKSPACE.to_owned()));
    };
    let mut twister = Command::new(base.join("scripts/twister"));
    twister.arg("--testsuite-root").arg(&tests).arg("--outdir").arg(context.project.directory("twister")?);
    // With Debian's compiler twister would otherwise drop the board without a word.
    twister.args(["--force-toolchain", "--integration"]).env("ZEPHYR_TOOLCHAIN_VARIANT", "gnuarmemb");
    twister.env("GNUARMEMB_TOOLCHAIN_PATH", "/usr").env("ZEPHYR_BASE", &base);
    twister.env("ZEPHYR_EXTRA_MODULES", context.project.path(""));
    let said = log.run(&mut twister)?;
    if said.contains("0 of 0 ") {
        bail!("twister ran no test");
    }
    passed(said.lines().find(|line| line.contains(" passed")).unwrap_or_default())
}
