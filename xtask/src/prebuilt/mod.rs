// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask prebuilt`: a library for teams without Rust. make.rs makes the folder, proof.rs is the stage that uses one.

mod make;
mod proof;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

pub(crate) use proof::STAGE;

use crate::{
    project::Project,
    setup::{self, Need},
    stage::{Stages, passed},
};

/// Which library.
#[derive(Args)]
pub(crate) struct Options {
    /// The configuration: what menuconfig wrote. On Zephyr `build/zephyr/.config`, which is there as soon as a build was configured,
    /// also where that then failed for want of a library.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Rust targets, comma-separated or one by one: thumbv6m-none-eabi (Cortex-M0, M0+), thumbv7m-none-eabi (M3),
    /// thumbv7em-none-eabi (M4, M7), thumbv8m.main-none-eabi (M33), the last two with hf at the end for the hard-float ABI,
    /// riscv32imac-unknown-none-elf and the like, x86_64-unknown-linux-gnu (native_sim). The build that wants the library names the
    /// one it wants.
    #[arg(long, value_name = "TARGET", value_delimiter = ',', required = true)]
    target: Vec<String>,
    /// The folder to make. One that this verb made before is replaced.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// `cargo xtask prebuilt`.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let project = Project::find()?;
    let config = fs::canonicalize(&options.config).with_context(|| options.config.display().to_string())?;
    let mut stages = Stages::new(&project);
    let installed = setup::install(&project, &mut stages, &[Need::Embedded]);
    let good = stages.run("prebuilt: a library for teams without Rust", |log| {
        let made = make::Made { config: &config, targets: &options.target, out: &options.out };
        installed.check(&[Need::Embedded])?;
        passed(made.make(&project, installed.toolchain()?, log)?)
    });
    if good {
        println!(
            "\nZephyr:   CONFIG_CAIRN_PREBUILT=y and CONFIG_CAIRN_PREBUILT_DIR=\"<folder>\"\n\
         FreeRTOS: cmake -DCAIRN_PREBUILT_DIR=<folder>\n"
        );
    }
    Ok(stages.finish())
}
