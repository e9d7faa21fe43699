// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn power fleet`: what a fleet brings to its relay after a city's blackout, with the device's own scheduler in each device. The
//! simulation is `cairn_power::fleet`; here is what is asked of it and how it is told.

use std::io::{self, Write as _};

use cairn::time::Millis;
use cairn_power::fleet::{Fleet, FleetOutcome, run as live};
use clap::Args;
use serde_json::json;

use super::super::exit;

/// What the busiest minute may be, of the mean.
const MOST: f64 = 3.0;

pub(super) const HELP: &str = "\
Examples:
  cairn power fleet                                                  # 100,000 meters, a day to send, three days
  cairn power fleet --urgent 50 --capacity 50                        # half of them call at once, a relay with little room
  cairn power fleet --outage 30..36 --hours 108                      # the relay is out for six hours
  cairn power fleet --deadline-min 60 --hours 6 --devices 20000

Exit code 8: from the end of the first hour on (after the outage, if there is one), some 60 seconds bring more than 3 times the mean.";

/// Hours from and to.
type Span = (u32, u32);

fn span(text: &str) -> Result<Span, String> {
    let hours = |text: &str| text.parse::<u32>().ok().filter(|hours| *hours <= 10_000);
    let (from, to) = text.split_once("..").and_then(|(from, to)| Some((hours(from)?, hours(to)?))).unwrap_or((1, 0));
    if from < to { Ok((from, to)) } else { Err("two hours, such as 30..36".to_owned()) }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// How many devices start within five seconds
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    devices: u32,
    /// Hours to look at
    #[arg(long, value_name = "HOURS", default_value_t = 72, value_parser = clap::value_parser!(u32).range(3..=1_000))]
    hours: u32,
    /// How long a routine record may wait, minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 1440, value_parser = clap::value_parser!(u32).range(15..=43_200))]
    deadline_min: u32,
    /// Minutes from one reading to the next; all devices read at the same times
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=10_080))]
    readings_min: u32,
    /// Percent of the devices that have something urgent to say when they start
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=100))]
    urgent: u8,
    /// Exchanges that the relay answers in a second [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    capacity: Option<u32>,
    /// The granted T3412, hours
    #[arg(long, value_name = "HOURS", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=310))]
    t3412: u32,
    /// Hours in which the relay answers nobody
    #[arg(long, value_name = "FROM..TO", value_parser = span)]
    outage: Option<Span>,
    /// Decides every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

fn hours(hours: u32) -> Millis {
    Millis(u64::from(hours) * 3_600_000)
}

fn minutes(minutes: u32) -> Millis {
    Millis(u64::from(minutes) * 60_000)
}

/// 0, or [`exit::FLEET_UNEVEN`].
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let first = arguments.outage.map_or(1, |(_, to)| to + 1);
    anyhow::ensure!(first < arguments.hours, "--hours must reach beyond the first hour, and the hour after the outage");
    let day = 24 * 60;
    let basis = if arguments.deadline_min < day {
        Fleet::hurried(minutes(arguments.deadline_min), hours(arguments.hours))
    } else {
        Fleet::city()
    };
    let [bulk, _, urgent] = basis.patience;
    let fleet = Fleet {
        devices: arguments.devices,
        horizon: hours(arguments.hours),
        patience: [bulk.max(minutes(arguments.deadline_min)), minutes(arguments.deadline_min), urgent],
        reading_every: minutes(arguments.readings_min),
        urgent_percent: arguments.urgent,
        capacity_per_s: arguments.capacity,
        outage: arguments.outage.map(|(from, to)| (hours(from), hours(to))),
        tau: Some(hours(arguments.t3412)),
        seed: arguments.seed,
        ..basis
    };
    let outcome = live(&fleet);
    let even = tell(&outcome, hours(first), arguments)?;
    Ok(if even { 0 } else { exit::FLEET_UNEVEN })
}

/// Tells what came; whether it came evenly.
fn tell(outcome: &FleetOutcome, first: Millis, arguments: &Arguments) -> anyhow::Result<bool> {
    let busiest = outcome.busiest(first).ok_or_else(|| anyhow::anyhow!("no minute is left to count"))?;
    let by_hour = outcome.by_hour();
    let even = busiest.ratio() <= MOST;
    let mut out = io::stdout().lock();
    if arguments.json {
        let told = json!({
            "devices": arguments.devices,
            "busiest_60_s": busiest.peak, "busiest_at_s": busiest.at_s, "mean_60_s": busiest.mean,
            "ratio": busiest.ratio(), "even": even, "failed": outcome.failed,
            "urgent": outcome.urgent.0, "urgent_slowest_ms": outcome.urgent.1.0, "by_hour": by_hour,
        });
        writeln!(out, "{told:#}")?;
        return Ok(even);
    }
    let most = by_hour.iter().copied().max().unwrap_or(1).max(1);
    writeln!(out, "{:>5} {:>9}  exchanges that reach the relay", "hour", "number")?;
    for (hour, count) in by_hour.iter().enumerate() {
        let bar = "#".repeat(usize::try_from(u64::from(*count) * 60 / u64::from(most)).unwrap_or(0));
        writeln!(out, "{hour:>5} {count:>9}  {bar}")?;
    }
    writeln!(out, "\nfrom hour {} on:", first.0 / 3_600_000)?;
    writeln!(out, "  busiest 60 s  {:>9}, at {} s", busiest.peak, busiest.at_s)?;
    writeln!(out, "  mean 60 s     {:>9.1}", busiest.mean)?;
    writeln!(out, "  ratio         {:>9.2}  ({} 3)", busiest.ratio(), if even { "at most" } else { "MORE THAN" })?;
    writeln!(out, "exchanges that failed: {}; devices never heard: {}", outcome.failed, outcome.silent)?;
    Ok(even)
}
