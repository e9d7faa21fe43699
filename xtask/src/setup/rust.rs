// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rust for devices: rustup's prebuilt `core` when rustup can fetch it, else Debian's rustc, which builds `core` from
//! its own sources. The two are never mixed (embedded.rs).

use std::{env, path::Path, process::Command, time::Duration};

use anyhow::{Result, bail};

use super::apt;
use crate::{
    embedded::{TARGETS, Toolchain},
    process::{Log, ask},
    project::Project,
};

/// rustup answers in seconds, or hangs on a network that drops packets.
const RUSTUP_LIMIT: Duration = Duration::from_secs(300);
/// What component/ says in its Cargo.toml.
const DEVICE_RUST: (u32, u32) = (1, 89);

/// Finds or installs a toolchain that builds for every target in [`TARGETS`]. `CAIRN_DEVICE_RUST=debian` in the
/// environment takes Debian's without asking rustup.
pub(crate) fn install(project: &Project, log: &mut Log) -> Result<Toolchain> {
    match env::var("CAIRN_DEVICE_RUST").as_deref() {
        Ok("debian") => {
            apt::install_debian_rust(log)?;
            check_debian_version()?;
            return Ok(Toolchain::Debian);
        }
        Ok(other) => bail!("CAIRN_DEVICE_RUST={other}: the only value is debian"),
        Err(_) if rustup_has_targets() => return Ok(Toolchain::Rustup),
        Err(_) => {}
    }
    // Whether rustup refused before: with Debian's Rust in place it is not asked again at each run.
    let refused = project.directory("xtask")?.join("rustup-has-no-targets");
    if !(refused.exists() && apt::has_debian_rust()) {
        println!("    adding rustup targets: {}", TARGETS.join(" "));
        let mut add = Command::new("rustup");
        add.args(["target", "add"]).args(TARGETS);
        match log.run_within(&mut add, RUSTUP_LIMIT) {
            Ok(_) if rustup_has_targets() => return Ok(Toolchain::Rustup),
            Ok(_) => println!("    rustup added targets to another toolchain than this one; using Debian's Rust"),
            Err(_) => println!("    rustup cannot add them here (log: {}); using Debian's Rust", log.path().display()),
        }
        apt::install_debian_rust(log)?;
        std::fs::write(&refused, "remove this file to ask rustup again\n")?;
    }
    check_debian_version()?;
    Ok(Toolchain::Debian)
}

fn rustup_has_targets() -> bool {
    ask("rustc", &["--print", "sysroot"]).is_some_and(|sysroot| {
        TARGETS.iter().all(|t| Path::new(&sysroot).join("lib/rustlib").join(t).join("lib").is_dir())
    })
}

fn check_debian_version() -> Result<()> {
    let text = ask("/usr/bin/rustc", &["--version"]).unwrap_or_default();
    let mut numbers = text.split([' ', '.']).skip(1).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= DEVICE_RUST => Ok(()),
        _ => bail!(
            "Debian's rustc is '{text}'; device builds need {}.{}: let rustup fetch its targets instead \
             (rustup target add {})",
            DEVICE_RUST.0,
            DEVICE_RUST.1,
            TARGETS.join(" ")
        ),
    }
}
