// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The committed contract artefacts are what solc makes of the committed source.

use std::process::Command;

use anyhow::Result;

use crate::{
    process::Log,
    setup::{Need, npm},
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Compiles again and compares.
pub(crate) const STAGE: Stage = Stage {
    name: "contracts",
    about: "committed contract artefacts are what solc makes",
    needs: &[Need::Npm],
    body: check,
};

fn check(context: &Context, log: &mut Log) -> Result<Outcome> {
    let mut node = Command::new("node");
    node.arg(context.project.path("contracts/compile.mjs")).arg("--check").current_dir(context.project.path(""));
    node.arg("--modules").arg(npm::node_modules(&context.project));
    let said = log.run(&mut node)?;
    passed(said.lines().last().unwrap_or_default())
}
