// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands that configure and build a Zephyr application with this repository as a module. `None` where there is no workspace.

use std::{fs, path::Path, process::Command};

use super::workspace::{in_workspace, workspace};
use crate::project::Project;

/// CMake for an application and a board, in a build folder of its own.
pub(crate) fn configure(
    project: &Project,
    application: &Path,
    build: &Path,
    board: &str,
    more: &[&str],
) -> Option<Command> {
    let base = workspace()?;
    let mut cmake = Command::new("cmake");
    cmake.args(["-G", "Ninja", "-S"]).arg(application).arg("-B").arg(build);
    cmake.arg(format!("-DBOARD={board}")).arg(format!("-DZEPHYR_EXTRA_MODULES={}", project.path("").display()));
    cmake.arg(format!("-DCAIRN_HOST_TARGET_DIR={}", project.target().join("cairn-config").display()));
    cmake.arg(format!("-DCAIRN_CARGO_TARGET_DIR={}", project.target().join("device-zephyr").display())).args(more);
    in_workspace(&mut cmake, &base);
    Some(cmake)
}

/// Builds what was configured; the image is `zephyr/zephyr.elf` in it.
pub(crate) fn build(build: &Path) -> Option<Command> {
    let base = workspace()?;
    let mut cmake = Command::new("cmake");
    cmake.arg("--build").arg(build);
    in_workspace(&mut cmake, &base);
    Some(cmake)
}

/// `4.1.0`, as Zephyr's file VERSION has it.
pub(crate) fn version() -> Option<String> {
    let text = fs::read_to_string(workspace()?.join("VERSION")).ok()?;
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_once('=')?.1.trim().to_owned())
    };
    Some(format!("{}.{}.{}", number("VERSION_MAJOR")?, number("VERSION_MINOR")?, number("PATCHLEVEL")?))
}
