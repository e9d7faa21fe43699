// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds or installs what the stages need. Each part looks at the real thing (a program's version, a library's file),
//! so a second run is quick and a broken installation is noticed. Debian packages are installed as root only;
//! everything else goes into the target directory.

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};

use crate::{
    embedded::Toolchain,
    project::Project,
    stage::{Stages, passed},
};

pub(crate) mod apt;
pub(crate) mod npm;
pub(crate) mod python;
pub(crate) mod rust;
pub(crate) mod tools;

/// What a stage may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// The Arm compiler, newlib, CMake and Ninja, and the Rust targets.
    Embedded,
    /// QEMU for Arm.
    Qemu,
    /// anvil and solc.
    Npm,
    /// The Python environment.
    Python,
    /// cargo-deny.
    Deny,
    /// cargo-fuzz and a C++ compiler.
    Fuzz,
    /// Mbed TLS with PSA Crypto, and a C compiler.
    MbedTls,
}

impl Need {
    /// Every need, in the order of installation.
    const ALL: [Self; 7] = [Self::Embedded, Self::Qemu, Self::Npm, Self::Python, Self::Deny, Self::Fuzz, Self::MbedTls];

    /// What is installed, for the stage's line; `None` when Debian packages are all there is to it.
    const fn about(self) -> Option<&'static str> {
        match self {
            Self::Embedded => Some("setup rust: Rust for devices"),
            Self::Qemu | Self::MbedTls => None,
            Self::Npm => Some("setup npm: anvil and solc"),
            Self::Python => Some("setup python: packages of xtask/requirements.txt"),
            Self::Deny => Some("setup cargo-deny: the pinned version"),
            Self::Fuzz => Some("setup cargo-fuzz: the pinned version"),
        }
    }
}

/// What could be installed.
#[derive(Debug, Default)]
pub(crate) struct Installed {
    toolchain: Option<Toolchain>,
    failed: Vec<Need>,
}

impl Installed {
    /// The toolchain for devices.
    ///
    /// # Errors
    /// When nobody asked for [`Need::Embedded`].
    pub(crate) fn toolchain(&self) -> Result<Toolchain> {
        self.toolchain.ok_or_else(|| anyhow!("this stage does not name Need::Embedded"))
    }

    /// That everything in `needs` is there.
    ///
    /// # Errors
    /// Names what is not.
    pub(crate) fn check(&self, needs: &[Need]) -> Result<()> {
        match needs.iter().find(|need| self.failed.contains(need)) {
            Some(need) => bail!("cannot run: {need:?} could not be installed (see setup above)"),
            None => Ok(()),
        }
    }
}

/// Installs what `needs` lists and this machine lacks, one stage each.
pub(crate) fn install(project: &Project, stages: &mut Stages, needs: &[Need]) -> Installed {
    let mut installed = Installed::default();
    if !needs.is_empty() && !stages.run("setup debian: packages", |log| apt::install(log, needs)) {
        installed.failed = needs.to_vec();
        return installed;
    }
    for need in Need::ALL.into_iter().filter(|need| needs.contains(need)) {
        let Some(about) = need.about() else { continue };
        let good = stages.run(about, |log| match need {
            Need::Qemu | Need::MbedTls => passed(""),
            Need::Npm => npm::install(project, log),
            Need::Python => python::install(project, log),
            Need::Deny => tools::install(project, log, &tools::DENY),
            Need::Fuzz => tools::install(project, log, &tools::FUZZ),
            Need::Embedded => {
                let toolchain = rust::install(project, log)?;
                installed.toolchain = Some(toolchain);
                passed(toolchain.to_string())
            }
        });
        if !good {
            installed.failed.push(need);
        }
    }
    installed
}

/// `cargo xtask setup`.
pub(crate) fn everything() -> Result<ExitCode> {
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    install(&project, &mut stages, &Need::ALL);
    Ok(stages.finish())
}
