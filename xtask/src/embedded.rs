// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a crate is built for a device: which cargo, which arguments, which environment, which target directory. The one
//! place that knows; samples' CMake gets the same through [`Toolchain::cmake_arguments`].

use std::{ffi::OsString, fmt, path::PathBuf, process::Command};

use crate::{process::ask, project::Project};

/// Targets the component is built for in tests, smallest first.
pub(crate) const TARGETS: &[&str] = &[
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    "thumbv7em-none-eabi",
    "thumbv7em-none-eabihf",
    "thumbv8m.main-none-eabi",
];

/// What the samples' board is: Cortex-M3.
pub(crate) const SAMPLE_TARGET: &str = "thumbv7m-none-eabi";

/// Which Rust builds for devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// rustup's, with prebuilt `core`.
    Rustup,
    /// Debian's packages, which build `core` from source.
    Debian,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rustup => "device builds by rustup's Rust",
            Self::Debian => "device builds by Debian's Rust with build-std",
        })
    }
}

impl Toolchain {
    /// Device builds have their own directory, and the two toolchains never share one.
    pub(crate) fn target_dir(self, project: &Project) -> PathBuf {
        project.target().join(match self {
            Self::Rustup => "device",
            Self::Debian => "device-debian",
        })
    }

    /// The cargo program.
    fn cargo_program(self) -> &'static str {
        match self {
            Self::Rustup => "cargo",
            Self::Debian => "/usr/bin/cargo",
        }
    }

    /// `1.95.0`.
    pub(crate) fn rustc_version(self) -> Option<String> {
        let rustc = match self {
            Self::Rustup => "rustc",
            Self::Debian => "/usr/bin/rustc",
        };
        ask(rustc, &["--version"])?.split(' ').nth(1).map(str::to_owned)
    }

    /// Arguments after cargo's verb that make `core` available.
    fn cargo_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Rustup => &[],
            Self::Debian => &["-Zbuild-std=core,alloc"],
        }
    }

    /// What must be in cargo's environment.
    fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rustup => &[],
            Self::Debian => &[
                ("RUSTC", "/usr/bin/rustc"),
                ("RUSTC_BOOTSTRAP", "1"),
                ("CARGO", "/usr/bin/cargo"),
                ("RUSTDOC", "/usr/bin/rustdoc"),
            ],
        }
    }

    /// A cargo command for devices, in the project's root: `verb` is `build` or `clippy`.
    pub(crate) fn cargo(self, project: &Project, verb: &str) -> Command {
        let mut cargo = match (self, verb) {
            // Debian's cargo would find rustup's clippy in PATH.
            (Self::Debian, "clippy") => Command::new("/usr/bin/cargo-clippy"),
            _ => Command::new(self.cargo_program()),
        };
        cargo.arg(verb).args(self.cargo_arguments()).current_dir(project.path(""));
        self.prepare(project, &mut cargo);
        cargo
    }

    /// Gives `command` (cargo, or something that starts cargo) the environment of a device build and nothing inherited
    /// that would change code.
    pub(crate) fn prepare(self, project: &Project, command: &mut Command) {
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_BUILD_RUSTFLAGS"] {
            command.env_remove(name);
        }
        if self == Self::Debian {
            command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTUP_HOME");
        }
        command.envs(self.environment().iter().copied()).env("CARGO_TARGET_DIR", self.target_dir(project));
    }

    /// `-D` definitions for the CMake of samples, which calls cargo itself through rtos-freertos/cairn.cmake.
    pub(crate) fn cmake_arguments(self, project: &Project) -> Vec<OsString> {
        let mut arguments = vec![
            format!("-DCAIRN_CARGO={}", self.cargo_program()).into(),
            format!("-DCAIRN_CARGO_ARGS={}", self.cargo_arguments().join(";")).into(),
        ];
        let mut directory = OsString::from("-DCAIRN_CARGO_TARGET_DIR=");
        directory.push(self.target_dir(project));
        arguments.push(directory);
        let mut host = OsString::from("-DCAIRN_HOST_TARGET_DIR=");
        host.push(project.target().join("cairn-config"));
        arguments.push(host);
        arguments
    }
}
