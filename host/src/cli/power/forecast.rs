// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn power forecast`: what is promised of batteries, each promise measured by living it.

use std::io::{self, Write as _};

use cairn_power::forecast::{Forecast, forecasts};
use clap::Args;
use serde_json::{Value, json};

use super::{super::exit, teller::Teller};

pub(super) const HELP: &str = "\
Each promise is measured on lives of the shipped scenarios (cairn power list), by the device's own agent on simulated years. It takes
half a minute or so.

Exit codes:
  0   every promise holds
  1   could not find out
  2   wrong usage
  8   a promise does not hold; it is marked";

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Prints the forecasts and gives the exit code.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut teller = Teller::new("forecast");
    let made = forecasts(&mut |progress| teller.tell(progress));
    teller.finish();
    let made = made?;
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{:#}", made.iter().map(as_json).collect::<Value>())?;
    } else {
        print(&mut out, &made)?;
    }
    Ok(if made.iter().all(Forecast::is_met) { 0 } else { exit::FORECAST_MISSED })
}

fn as_json(forecast: &Forecast) -> Value {
    let Forecast { claim, unit, measured, limit, at_least, note } = forecast;
    json!({
        "claim": claim,
        "unit": unit,
        "measured": measured,
        "limit": limit,
        "at_least": at_least,
        "met": forecast.is_met(),
        "note": note,
    })
}

fn print(out: &mut impl io::Write, made: &[Forecast]) -> io::Result<()> {
    let longest = made.iter().map(|forecast| forecast.claim.chars().count()).max().unwrap_or_default();
    for forecast in made {
        let Forecast { claim, unit, measured, limit, at_least, note } = forecast;
        let relation = if *at_least { "at least" } else { "at most" };
        let missed = if forecast.is_met() { "" } else { "  NOT MET" };
        writeln!(out, "{claim:<longest$} {measured:>8.1} {unit:<5}  to be {relation} {limit}{missed}")?;
        writeln!(out, "    {note}")?;
    }
    Ok(())
}
