// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn power`: what a device's energy is spent on, and how long its battery lasts, by the model and the code that the device has.
//! [`price`]: a use of the radio. docs/power.md explains all of it.

use std::process::ExitCode;

use clap::Subcommand;

mod price;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Say what a use of the radio costs
    #[command(after_help = price::HELP)]
    Price(price::Price),
}

pub(super) fn run(verb: &Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Price(arguments) => price::run(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
