// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A Python environment in `target/venv` with exactly what xtask/requirements.txt pins.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    process::{Log, ask},
    project::Project,
    stage::{Outcome, passed},
};

const REQUIREMENTS: &str = "xtask/requirements.txt";

/// The environment's interpreter.
pub(crate) fn interpreter(project: &Project) -> PathBuf {
    project.target().join("venv/bin/python")
}

/// Makes the environment when a pinned package is not in it.
pub(crate) fn install(project: &Project, log: &mut Log) -> Result<Outcome> {
    if is_current(project)? {
        return passed("already there");
    }
    println!("    installing Python packages into target/venv");
    let home = project.target().join("venv");
    log.run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    let mut pip = Command::new(interpreter(project));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    log.run(pip.arg(project.path(REQUIREMENTS)))?;
    if !is_current(project)? {
        bail!("pip ended well, but {} does not hold what {REQUIREMENTS} pins", home.display());
    }
    passed("installed")
}

fn is_current(project: &Project) -> Result<bool> {
    let text = fs::read_to_string(project.path(REQUIREMENTS)).context(REQUIREMENTS)?;
    let pins = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let frozen = ask(interpreter(project), &["-m", "pip", "--disable-pip-version-check", "list", "--format=freeze"]);
    let frozen: Vec<String> =
        frozen.unwrap_or_default().lines().map(|line| line.to_lowercase().replace('_', "-")).collect();
    Ok(pins.into_iter().all(|pin| {
        // `aiocoap[oscore]==1` is listed as `aiocoap==1`; what is in brackets is pinned by name as well.
        let name = pin.split(['[', '=']).next().unwrap_or_default();
        let version = pin.rsplit("==").next().unwrap_or_default();
        frozen.contains(&format!("{name}=={version}").to_lowercase().replace('_', "-"))
    }))
}
