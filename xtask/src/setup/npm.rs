// SPDX-License-Identifier: Apache-2.0 OR MIT
//! anvil (a local EVM node) and solc, at the versions of contracts/package-lock.json, in `target/npm`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    process::{Log, ask},
    project::Project,
    stage::{Outcome, passed},
};

/// Installs when a package of the lock file is not there in the version it names, or anvil does not run.
pub(crate) fn install(project: &Project, log: &mut Log) -> Result<Outcome> {
    let home = project.directory("npm")?;
    if is_current(project, &home)? {
        return passed("already there");
    }
    println!("    installing anvil and solc from npm");
    for file in ["package.json", "package-lock.json"] {
        let source = project.path("contracts").join(file);
        fs::copy(&source, home.join(file)).with_context(|| source.display().to_string())?;
    }
    // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms. What the lock file has is
    // still checked against its hashes. Scripts are not needed: we start the platform's binary ourselves.
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    log.run(npm.current_dir(&home))?;
    if !is_current(project, &home)? {
        bail!("npm ended well, but {} does not hold what contracts/package-lock.json says", home.display());
    }
    passed("installed")
}

/// The program anvil itself, not npm's starter: a signal then reaches it.
pub(crate) fn anvil(project: &Project) -> PathBuf {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    project.target().join(format!("npm/node_modules/@foundry-rs/anvil-linux-{arch}/bin/anvil"))
}

/// Where Node finds solc.
pub(crate) fn node_modules(project: &Project) -> PathBuf {
    project.target().join("npm/node_modules")
}

fn is_current(project: &Project, home: &Path) -> Result<bool> {
    let lock = project.path("contracts/package-lock.json");
    let text = fs::read_to_string(&lock).with_context(|| lock.display().to_string())?;
    let lock: serde_json::Value = serde_json::from_str(&text).context("contracts/package-lock.json")?;
    let packages = lock["packages"].as_object().context("contracts/package-lock.json has no packages")?;
    let current = packages.iter().filter(|(path, package)| !path.is_empty() && package["optional"] != true).all(
        |(path, package)| {
            let installed = fs::read_to_string(home.join(path).join("package.json")).unwrap_or_default();
            serde_json::from_str::<serde_json::Value>(&installed)
                .is_ok_and(|installed| installed["version"] == package["version"])
        },
    );
    Ok(current && ask(anvil(project), &["--version"]).is_some())
}
