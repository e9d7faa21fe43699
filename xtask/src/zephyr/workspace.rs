// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Zephyr workspace of this machine, which is too large to install for a test: where it is, and how programs run in it. Nothing
//! here changes it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Why a stage is skipped.
pub(crate) const NO_WORKSPACE: &str = "no Zephyr workspace: neither ZEPHYR_BASE nor ~/zephyrproject/zephyr is one";

/// Zephyr itself, when there is one.
pub(super) fn workspace() -> Option<PathBuf> {
    let named = env::var_os("ZEPHYR_BASE").map(PathBuf::from);
    let usual = env::var_os("HOME").map(|home| PathBuf::from(home).join("zephyrproject/zephyr"));
    named.into_iter().chain(usual).find(|base| base.join("scripts/twister").is_file())
}

/// With the workspace's Python, Debian's compiler, and cargo's directories of its own.
pub(super) fn in_workspace<'a>(command: &'a mut Command, base: &Path) -> &'a mut Command {
    // Where Zephyr's getting-started guide has west and what it needs installed.
    let venv = base.parent().map(|top| top.join(".venv/bin")).filter(|bin| bin.is_dir());
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(venv.into_iter().chain(env::split_paths(&path))).unwrap_or(path);
    command.env("PATH", path);
    command.env("ZEPHYR_BASE", base).env("ZEPHYR_TOOLCHAIN_VARIANT", "gnuarmemb");
    command.env("GNUARMEMB_TOOLCHAIN_PATH", "/usr").env_remove("CARGO_TARGET_DIR")
}
