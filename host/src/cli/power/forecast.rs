// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn power forecast`: what is promised of batteries, each promise measured by living it.

use std::io;

use cairn_power::forecast::{Forecast, forecasts};
use clap::Args;
use serde_json::{Value, json};

use super::{super::exit, teller::Teller};

pub(super) const HELP: &str = "\
Each promise is measured on lives of the shipped scenarios (cairn power list), by the device's own agent on simulated years. It takes
a minute or so.

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
    Ok(tell(&mut io::stdout().lock(), &made?, arguments.json)?)
}

fn tell(out: &mut impl io::Write, made: &[Forecast], json: bool) -> io::Result<u8> {
    if json {
        writeln!(out, "{:#}", made.iter().map(as_json).collect::<Value>())?;
    } else {
        print(out, made)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Forecast =
        Forecast { claim: "Lasts", unit: "years", measured: 16.25, limit: 15.0, at_least: true, note: String::new() };

    #[test]
    fn a_promise_that_does_not_hold_is_marked_and_has_its_exit_code() {
        let told = |made: &[Forecast], json| {
            let mut out = Vec::new();
            let code = tell(&mut out, made, json).unwrap();
            (code, String::from_utf8(out).unwrap())
        };
        let kept = [LASTS, Forecast { claim: "Costs", unit: "mJ", limit: 16.25, at_least: false, ..LASTS }];
        let (code, said) = told(&kept, false);
        assert!(code == 0 && said.starts_with("Lasts     16.2 years  to be at least 15\n"), "{code} {said}");
        assert!(said.contains("Costs     16.2 mJ     to be at most 16.25\n") && !said.contains("NOT"), "{said}");
        let broken = [LASTS, Forecast { at_least: false, ..LASTS }];
        let (code, said) = told(&broken, false);
        assert!(code == 8 && said.lines().filter(|line| line.ends_with("at most 15  NOT MET")).count() == 1, "{said}");
        let (code, said) = told(&broken, true);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((code, &said[0]["met"], &said[1]["met"]), (8, &true.into(), &false.into()));
        assert_eq!((&said[0]["measured"], &said[0]["limit"]), (&16.25.into(), &15.0.into()));
    }
}
