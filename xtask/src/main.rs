// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask`: shows, tests, measures and checks Cairn. It starts programs and judges what they say; it has no
//! product logic. Each verb installs what it needs first (setup/), runs timed stages (stage.rs) and ends with a
//! non-zero code when one failed.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod contracts;
mod cport;
mod decade;
mod demo;
mod device;
mod e2e;
mod e2e_psa;
mod e2e_se;
mod e2e_sim;
mod embedded;
mod endorsed;
mod footprint;
mod fuzz;
mod header;
mod host;
mod kconfig;
mod kills;
mod library;
mod lint;
mod prebuilt;
mod process;
mod project;
mod psa;
mod ram;
mod relay;
mod rotated;
mod samples;
mod setup;
mod signing;
mod size;
mod stage;
mod suite;
mod sweep;
mod test;
mod zephyr;

/// Shows, tests, measures and checks Cairn.
///
/// Everything a verb needs and this machine lacks is installed first: Debian packages as root (otherwise the sudo line
/// is printed), everything else inside the target directory.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Shows the main path: a day of a meter's readings, anchored on a local chain, and what a third party makes of it.
    Demo,
    /// Runs every check that must hold before a change lands; the last line counts stages passed and failed.
    Test(test::Options),
    /// Measures gas, bytes on the wire, and instructions for each signature.
    Bench(bench::Options),
    /// Measures flash and RAM of images by signer and transport, and of one by section and by crate.
    Size(size::Options),
    /// Makes a library for teams without Rust, with its headers and checksums.
    ///
    /// It is linked into one object whose only global symbols are the functions of cairn.h, so that it can lie beside another Rust
    /// library in one image. CMake takes it with CONFIG_CAIRN_PREBUILT (Zephyr) or CAIRN_PREBUILT_DIR (FreeRTOS), and refuses it
    /// where file, version, target or configuration is another.
    Prebuilt(prebuilt::Options),
    /// Runs a chain, a relay and one provisioned device here, for trying a sample or a first application.
    Relay(relay::Options),
    /// Formatting, clippy for the host and for devices, licences, SPDX headers, line lengths, words.
    Lint,
    /// Writes component/capi/include/cairn.h from the Rust sources.
    Header,
    /// Writes component/config/default.config from kconfig/.
    Kconfig,
    /// Installs everything any verb needs, and nothing else.
    Setup,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Demo => demo::run(),
        Verb::Test(options) => test::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Size(options) => size::run(&options),
        Verb::Prebuilt(options) => prebuilt::run(&options),
        Verb::Relay(options) => relay::run(&options),
        Verb::Lint => lint::run(),
        Verb::Header => header::write(),
        Verb::Kconfig => kconfig::write(),
        Verb::Setup => setup::everything(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
