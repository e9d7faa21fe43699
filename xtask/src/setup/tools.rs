// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cargo subcommands, pinned, in `target/tools`.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    process::{Log, ask},
    project::Project,
    stage::{Outcome, passed},
};

/// A cargo subcommand from crates.io.
pub(crate) struct Tool {
    /// Package and program name.
    name: &'static str,
    /// Exact version.
    version: &'static str,
    /// Arguments that make it print its version.
    version_args: &'static [&'static str],
}

/// Licences, bans, sources, advisories.
pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", version_args: &["--version"] };
/// Builds and runs host/fuzz.
pub(crate) const FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2", version_args: &["--version"] };

impl Tool {
    /// The program.
    pub(crate) fn path(&self, project: &Project) -> PathBuf {
        project.target().join("tools/bin").join(self.name)
    }
}

/// Builds the tool when it is not there in its pinned version.
pub(crate) fn install(project: &Project, log: &mut Log, tool: &Tool) -> Result<Outcome> {
    let there = ask(tool.path(project), tool.version_args);
    if there.is_some_and(|text| text.ends_with(tool.version)) {
        return passed("already there");
    }
    println!("    building {} {}", tool.name, tool.version);
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "--locked", "--root"]).arg(project.target().join("tools"));
    cargo.arg(format!("{}@{}", tool.name, tool.version)).current_dir(project.target());
    // It runs for seconds; optimising it would take minutes.
    for (name, value) in [("OPT_LEVEL", "0"), ("LTO", "off"), ("CODEGEN_UNITS", "16"), ("DEBUG", "0")] {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    cargo.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    log.run(&mut cargo)?;
    passed("installed")
}
