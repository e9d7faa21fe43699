// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Debian packages. Installed when we are root; otherwise the line to type is printed and nothing goes on.

use std::{env, fs, path::Path, process::Command};

use anyhow::{Result, bail};

use super::Need;
use crate::{
    process::{Log, ask},
    stage::{Outcome, passed},
};

/// How to see that a package's content is there.
enum Probe {
    /// A program in `PATH`.
    Program(&'static str),
    /// A file the Arm compiler finds.
    ArmFile(&'static str),
    /// A Python module.
    PythonModule(&'static str),
    /// A file.
    File(&'static str),
}

impl Probe {
    fn found(&self) -> bool {
        match self {
            Self::Program(name) => program(name),
            Self::ArmFile(name) => ask("arm-none-eabi-gcc", &[&format!("-print-file-name={name}")])
                .is_some_and(|path| Path::new(&path).is_absolute()),
            Self::PythonModule(name) => ask("python3", &["-c", &format!("import {name}")]).is_some(),
            Self::File(path) => Path::new(path).exists(),
        }
    }
}

fn program(name: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|directory| directory.join(name).is_file()))
}

const EMBEDDED: &[(Probe, &str)] = &[
    (Probe::Program("arm-none-eabi-gcc"), "gcc-arm-none-eabi"),
    (Probe::ArmFile("libc.a"), "libnewlib-arm-none-eabi"),
    (Probe::Program("cmake"), "cmake"),
    (Probe::Program("ninja"), "ninja-build"),
    (Probe::Program("gcc"), "gcc"),
];
const QEMU: &[(Probe, &str)] = &[(Probe::Program("qemu-system-arm"), "qemu-system-arm")];
const NPM: &[(Probe, &str)] = &[(Probe::Program("node"), "nodejs"), (Probe::Program("npm"), "npm")];
const PYTHON: &[(Probe, &str)] =
    &[(Probe::Program("python3"), "python3"), (Probe::PythonModule("ensurepip"), "python3-venv")];
const MBED_TLS: &[(Probe, &str)] =
    &[(Probe::File("/usr/include/psa/crypto.h"), "libmbedtls-dev"), (Probe::Program("gcc"), "gcc")];
const FUZZ: &[(Probe, &str)] = &[(Probe::Program("g++"), "g++")];
/// Debian's own Rust with the sources of its standard library, from which `core` is built for any target.
const DEBIAN_RUST: &[(Probe, &str)] = &[
    (Probe::File("/usr/bin/rustc"), "rustc-web"),
    (Probe::File("/usr/bin/cargo"), "cargo-web"),
    (Probe::File("/usr/lib/rustlib/src/rust/library/core/src/lib.rs"), "rust-web-src"),
    (Probe::File("/usr/bin/clippy-driver"), "rust-web-clippy"),
];

/// Installs the packages behind `needs` that are not there.
pub(crate) fn install(log: &mut Log, needs: &[Need]) -> Result<Outcome> {
    let lists = needs.iter().flat_map(|need| match need {
        Need::Embedded => EMBEDDED,
        Need::Qemu => QEMU,
        Need::Npm => NPM,
        Need::Python => PYTHON,
        Need::Fuzz => FUZZ,
        Need::MbedTls => MBED_TLS,
        Need::Deny => &[],
    });
    let missing = missing(lists);
    install_packages(log, &missing)?;
    passed(if missing.is_empty() { "all there".to_owned() } else { format!("installed {}", missing.join(" ")) })
}

/// Whether Debian's Rust with its sources is there.
pub(crate) fn has_debian_rust() -> bool {
    missing(DEBIAN_RUST).is_empty()
}

/// Installs Debian's Rust with its sources.
pub(crate) fn install_debian_rust(log: &mut Log) -> Result<()> {
    install_packages(log, &missing(DEBIAN_RUST))
}

fn missing<'a>(list: impl IntoIterator<Item = &'a (Probe, &'static str)>) -> Vec<&'static str> {
    list.into_iter().filter(|(probe, _)| !probe.found()).map(|(_, package)| *package).collect()
}

fn install_packages(log: &mut Log, packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !is_root() {
        bail!(
            "these Debian packages are missing; install them, then run this again:\n\
             sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}"
        );
    }
    println!("    installing Debian packages: {list}");
    log.run(Command::new("apt-get").arg("update"))?;
    log.run(
        Command::new("apt-get")
            .args(["install", "-y", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    Ok(())
}

/// Whether the effective user is root (second number of the kernel's `Uid:` line).
fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))
            .and_then(|ids| ids.split_whitespace().nth(1))
            .is_some_and(|effective| effective == "0")
    })
}
