// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn power`: what a device's energy is spent on, and how long its battery lasts, by the model and the code that the device has.
//! [`life`]: simulated lives under several strategies. [`forecast`]: what is promised of batteries. [`fleet`]: many devices at one relay.
//! [`price`]: a use of the radio.
//! docs/power.md explains all of it.

use std::process::ExitCode;

use clap::Subcommand;

mod fleet;
mod forecast;
mod life;
mod price;
mod teller;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the shipped scenarios
    List,
    /// Print a shipped scenario, to start one of your own from
    Scenario(life::Show),
    /// Simulate lives under several strategies side by side
    #[command(after_help = life::HELP)]
    Run(life::Run),
    /// Measure what is promised of batteries
    #[command(after_help = forecast::HELP)]
    Forecast(forecast::Arguments),
    /// Count what a fleet brings to its relay after a blackout
    #[command(after_help = fleet::HELP)]
    Fleet(fleet::Arguments),
    /// Say what a use of the radio costs
    #[command(after_help = price::HELP)]
    Price(price::Price),
}

pub(super) fn run(verb: &Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::List => life::list()?,
        Verb::Scenario(arguments) => life::show(arguments)?,
        Verb::Run(arguments) => life::run(arguments)?,
        Verb::Forecast(arguments) => return Ok(ExitCode::from(forecast::run(arguments)?)),
        Verb::Fleet(arguments) => return Ok(ExitCode::from(fleet::run(arguments)?)),
        Verb::Price(arguments) => price::run(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
