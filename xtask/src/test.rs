// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask test`: the list of everything that must hold. What each stage does is in the module it names.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    contracts, cport, device, e2e, e2e_psa, e2e_se, e2e_sim, endorsed, footprint, fuzz, header, host, kconfig, kills,
    library, lint, prebuilt, psa, ram, rotated, samples, signing,
    suite::{self, Beside, Effort, Stage},
    zephyr,
};

/// How thorough to be, and about what.
#[derive(Args)]
pub(crate) struct Options {
    /// Whole matrices and long fuzzing: hours instead of minutes.
    #[arg(long)]
    long: bool,
    /// Minutes of fuzzing per target with --long; without it every target runs 10 seconds, from one seed.
    #[arg(long, default_value_t = 10, value_name = "MINUTES")]
    fuzz_minutes: u64,
    /// Seed of what happens at random moments; without it a new one is drawn, and printed.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Only these stages, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "STAGE")]
    only: Vec<String>,
    /// Lists the stages and ends.
    #[arg(long)]
    list: bool,
}

const SHORT_FUZZ_SECONDS: u64 = 10;

/// Cheapest first: what is wrong shows early.
const STAGES: &[&Stage] = &[
    &lint::TEXT,
    &lint::FORMAT,
    &lint::LOCKS,
    &host::VECTORS,
    &kconfig::STAGE,
    &contracts::STAGE,
    &header::STAGE,
    &lint::DENY,
    &host::TESTS,
    &host::MUTATIONS,
    &host::INTEROP,
    &psa::STAGE,
    &lint::CLIPPY_HOST,
    &lint::CLIPPY_DEVICE,
    &cport::STAGE,
    &zephyr::GLUE,
    &library::STAGE,
    &device::STAGE,
    &signing::STAGE,
    &samples::STAGE,
    &footprint::STAGE,
    &prebuilt::STAGE,
    &ram::STAGE,
    &e2e::CLEAN,
    &e2e::ROUGH,
    &e2e_sim::STAGE,
    &e2e_se::STAGE,
    &endorsed::STAGE,
    &rotated::STAGE,
    &e2e_psa::STAGE,
    &kills::STAGE,
    &fuzz::STAGE,
    &zephyr::STAGE,
    &zephyr::END_TO_END,
    &zephyr::END_TO_END_NATIVE,
    &zephyr::EXCLUSION,
    &zephyr::END_TO_END_LOCK,
    &zephyr::END_TO_END_LOCK_NATIVE,
];

/// In rough weather a device waits for minutes: two cores can do something else meanwhile. The kills are by the millisecond, and want
/// the machine for themselves.
const BESIDE: &[Beside] = &[Beside { stage: e2e::ROUGH.name, until: kills::STAGE.name }];

/// `cargo xtask test`.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        for stage in STAGES {
            println!("{:<12} {}", stage.name, stage.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = options.only.iter().find(|name| STAGES.iter().all(|stage| stage.name != **name)) {
        bail!("there is no stage '{unknown}'; --list names them");
    }
    let wanted: Vec<&Stage> = STAGES
        .iter()
        .filter(|s| options.only.is_empty() || options.only.iter().any(|o| o == s.name))
        .copied()
        .collect();
    let fuzz_seconds = if options.long { options.fuzz_minutes * 60 } else { SHORT_FUZZ_SECONDS };
    suite::run(&wanted, Effort { long: options.long, fuzz_seconds, seed: options.seed }, BESIDE)
}
