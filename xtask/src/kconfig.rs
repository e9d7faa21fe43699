// SPDX-License-Identifier: Apache-2.0 OR MIT
//! kconfig/ and cairn-config say the same: the same symbols, the same ranges, the same defaults.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    process::Log,
    project::Project,
    setup::{self, Need, python},
    stage::{Outcome, Stages, passed},
    suite::{Context, Stage},
};

const DEFAULT: &str = "component/config/default.config";

/// Nothing was changed in one place only.
pub(crate) const STAGE: Stage = Stage {
    name: "kconfig",
    about: "kconfig/, default.config and cairn-config agree",
    needs: &[Need::Python],
    body: check,
};

fn script(project: &Project, arguments: &[&str]) -> Command {
    let mut python = Command::new(python::interpreter(project));
    python.arg("-B").arg(project.path("xtask/kconfig.py")).arg(project.path("")).args(arguments);
    python
}

/// Writes to `out` what menuconfig would after `choices` in the configuration `base`.
pub(crate) fn variant(project: &Project, log: &mut Log, base: &Path, choices: &[&str], out: &Path) -> Result<()> {
    let made = out.with_extension("made");
    let mut python = script(project, &["variant"]);
    log.run(python.arg(&made).arg(base).args(choices))?;
    // Replaced only when it is another: the build would begin anew.
    if fs::read_to_string(out).ok() != Some(fs::read_to_string(&made)?) {
        fs::rename(&made, out)?;
    }
    Ok(())
}

fn check(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let made = project.directory("xtask")?.join("default.config");
    log.run(&mut script(project, &["default", &made.to_string_lossy()]))?;
    let committed = fs::read_to_string(project.path(DEFAULT)).context(DEFAULT)?;
    if fs::read_to_string(&made)? != committed {
        bail!("{DEFAULT} is not what kconfig/ gives; run `cargo xtask kconfig` and commit");
    }
    let in_kconfig = set(&log.run(&mut script(project, &["symbols"]))?);
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--locked", "-p", "cairn-config", "--", "symbols"]).current_dir(project.path(""));
    let in_rust = set(&log.run(&mut cargo)?);
    if in_kconfig != in_rust {
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join(", ");
        bail!(
            "kconfig/Kconfig and component/config/src/dotconfig.rs differ; only in the first: [{}]; \
             only in the second: [{}]",
            only(&in_kconfig, &in_rust),
            only(&in_rust, &in_kconfig)
        );
    }
    passed(format!("{} options", in_rust.len()))
}

fn set(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with("CONFIG_")).map(str::to_owned).collect()
}

/// `cargo xtask kconfig`.
pub(crate) fn write() -> Result<ExitCode> {
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    let installed = setup::install(&project, &mut stages, &[Need::Python]);
    stages.run("kconfig: write default.config", |log| {
        installed.check(&[Need::Python])?;
        let path = project.path(DEFAULT);
        log.run(&mut script(&project, &["default", &path.to_string_lossy()]))?;
        passed(Path::new(DEFAULT).display().to_string())
    });
    Ok(stages.finish())
}
