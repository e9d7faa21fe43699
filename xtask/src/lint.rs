// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks of the sources themselves: formatting, clippy, licences of dependencies, and a few rules about text.

use std::{
    fs,
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    embedded::SAMPLE_TARGET,
    header,
    process::Log,
    project::Project,
    setup::{Need, tools},
    stage::{Outcome, passed},
    suite::{self, Context, Effort, Stage},
};

/// Licence line, line lengths, words.
pub(crate) const TEXT: Stage =
    Stage { name: "text", about: "SPDX lines, line lengths, words, README", needs: &[], body: text };
/// rustfmt.
pub(crate) const FORMAT: Stage =
    Stage { name: "fmt", about: "rustfmt has nothing to change", needs: &[], body: format };
/// Lock files.
pub(crate) const LOCKS: Stage =
    Stage { name: "locks", about: "every workspace's lock file fits its manifests", needs: &[], body: locks };
/// clippy for what runs on the host.
pub(crate) const CLIPPY_HOST: Stage =
    Stage { name: "clippy", about: "no warning in the host workspace", needs: &[], body: clippy_host };
/// clippy for what runs on devices.
pub(crate) const CLIPPY_DEVICE: Stage = Stage {
    name: "clippy-dev",
    about: "no warning in the device crates for Cortex-M3",
    needs: &[Need::Embedded],
    body: clippy_device,
};
/// cargo-deny.
pub(crate) const DENY: Stage =
    Stage { name: "deny", about: "licences, sources and advisories of dependencies", needs: &[Need::Deny], body: deny };

/// `cargo xtask lint`.
pub(crate) fn run() -> Result<ExitCode> {
    suite::run(
        &[&TEXT, &FORMAT, &LOCKS, &header::STAGE, &DENY, &CLIPPY_HOST, &CLIPPY_DEVICE],
        Effort { long: false, fuzz_seconds: 0, seed: None },
        &[],
    )
}

/// Manifests outside the workspace whose crates are formatted like the others.
fn other_manifests(project: &Project) -> Result<Vec<String>> {
    Ok(tracked(project, &["*Cargo.toml"])?
        .into_iter()
        .filter(|path| fs::read_to_string(project.path(path)).is_ok_and(|text| text.contains("\n[workspace]")))
        .filter(|path| path != "Cargo.toml")
        .collect())
}

/// Their lock files can only be checked where Zephyr's crates are: the stage e2e-zephyr-lock does.
const ON_ZEPHYR: [&str; 2] = ["samples/zephyr-lock/Cargo.toml", "twister-tests/rust-ports/Cargo.toml"];

fn format(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let mut manifests = vec!["Cargo.toml".to_owned()];
    manifests.extend(ON_ZEPHYR.map(str::to_owned));
    manifests.extend(other_manifests(project)?);
    for manifest in &manifests {
        let mut cargo = Command::new("cargo");
        cargo.args(["fmt", "--all", "--check", "--manifest-path"]).arg(project.path(manifest));
        log.run(cargo.current_dir(project.path("")))?;
    }
    passed(format!("{} workspaces", manifests.len()))
}

/// A dependency added in one workspace changes the lock files of the others that use it.
fn locks(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let mut manifests = vec!["Cargo.toml".to_owned()];
    manifests.extend(other_manifests(project)?);
    for manifest in &manifests {
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--quiet", "--locked", "--format-version", "1", "--manifest-path"]);
        log.run(cargo.arg(project.path(manifest)).current_dir(project.path("")))
            .map_err(|_| anyhow!("the lock file beside {manifest} is stale: run cargo metadata there and commit it"))?;
    }
    passed(manifests.join(", "))
}

fn clippy_host(context: &Context, log: &mut Log) -> Result<Outcome> {
    let mut cargo = Command::new("cargo");
    cargo.args(["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "--deny", "warnings"]);
    log.run(cargo.current_dir(context.project.path("")))?;
    passed("")
}

/// Crates that a device links, as packages of the workspace.
pub(crate) const DEVICE_CRATES: &[&str] =
    &["cairn-rtos", "cairn-config", "cairn-coap", "cairn-at-modem", "cairn-zephyr", "cairn-capi"];

fn clippy_device(context: &Context, log: &mut Log) -> Result<Outcome> {
    let mut cargo = context.toolchain()?.cargo(&context.project, "clippy");
    cargo.args(["--lib", "--locked", "--quiet", "--target", SAMPLE_TARGET]);
    for name in DEVICE_CRATES {
        cargo.args(["-p", name]);
    }
    log.run(cargo.args(["--", "--deny", "warnings"]))?;
    passed(DEVICE_CRATES.join(", "))
}

/// The advisory database is on GitHub; a machine that cannot reach it finds out within this time.
const ADVISORIES_LIMIT: Duration = Duration::from_secs(60);

fn deny(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let program = tools::DENY.path(project);
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(project.path(""));
        command
    };
    log.run(&mut deny(&["--locked", "check", "licenses", "bans", "sources"]))?;
    // What ends up in firmware may have fewer licences than a program on the host.
    let device = ["--locked", "--config", "xtask/deny-device.toml", "--exclude-dev", "--target", SAMPLE_TARGET];
    let manifest = ["--manifest-path", "component/capi/Cargo.toml"];
    log.run(deny(&device).args(manifest).args(["check", "licenses"]))?;
    let (fetched, _) = log.status_within(&mut deny(&["fetch", "db"]), ADVISORIES_LIMIT)?;
    if !fetched.success() {
        return passed("advisories NOT checked: their database cannot be fetched here");
    }
    log.run(&mut deny(&["--locked", "check", "advisories"]))?;
    passed("advisories checked")
}

/// Files tracked by git that match.
fn tracked(project: &Project, patterns: &[&str]) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--"])
        .args(patterns)
        .current_dir(project.path(""))
        .output();
    let output = output.context("git ls-files")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// What people write by hand, and what therefore starts with a licence line.
const SOURCES: &[&str] = &[
    "*.rs",
    "*.toml",
    "*.c",
    "*.h",
    "*.S",
    "*.ld",
    "*.cmake",
    "*CMakeLists.txt",
    "*.sol",
    "*.mjs",
    "*.py",
    "*.cddl",
    "*Kconfig*",
    "*.yml",
    "*.conf",
    "*.overlay",
    "*.config",
    ".ci/run",
];
const TEXTS: &[&str] = &["*.md"];
/// rustfmt keeps code within 120; this bounds what it leaves alone: comments, strings, tables, other languages.
const COLUMNS: usize = 140;
const SPDX: &str = concat!("SPDX-License", "-Identifier: Apache-2.0 OR MIT");
/// Words that say a thing is not done. Split, or this file would contain them.
const WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK:")];
/// Generated, and committed to be compared.
const GENERATED: &[&str] = &["component/capi/include/cairn.h", "Cargo.lock"];

fn text(context: &Context, _log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let mut wrong = Vec::new();
    let sources = tracked(project, SOURCES)?;
    let texts = tracked(project, TEXTS)?;
    for path in sources.iter().chain(&texts) {
        let Ok(text) = fs::read_to_string(project.path(path)) else {
            // Tracked, and removed in the working tree.
            continue;
        };
        if sources.contains(path) && !text.lines().take(3).any(|line| line.contains(SPDX)) {
            wrong.push(format!("{path}: no line '{SPDX}' among the first three"));
        }
        let generated = GENERATED.contains(&path.as_str());
        for (number, line) in (1..).zip(text.lines()) {
            if line.chars().count() > COLUMNS && !generated && !path.ends_with(".md") {
                wrong.push(format!("{path}:{number}: longer than {COLUMNS} columns"));
            }
            for word in WORDS.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{path}:{number}: '{word}'"));
            }
        }
    }
    wrong.extend(readme(project));
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    passed(format!("{} sources, {} texts", sources.len(), texts.len()))
}

/// The README names the two commands that show and test everything.
fn readme(project: &Project) -> Vec<String> {
    let text = fs::read_to_string(project.path("README.md")).unwrap_or_default();
    ["cargo xtask demo", "cargo xtask test"]
        .into_iter()
        .filter(|command| !text.contains(*command))
        .map(|command| format!("README.md does not name `{command}`"))
        .collect()
}
