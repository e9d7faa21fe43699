// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn power price`: what a use of the radio costs by the model that the device has, cause by cause.

use std::io::{self, Write as _};

use cairn::{
    power::cost::{CoverageLevel, Model},
    time::Millis,
};
use cairn_power::{
    bill::Use,
    outcome::{ByCause, Cause},
};
use clap::Args;
use serde_json::{Map, json};

pub(super) const HELP: &str = "\
Examples:
  cairn power price --bytes-up 272 --bytes-down 52                                   # one exchange in good coverage
  cairn power price --wakes 2 --bytes-up 900 --bytes-down 104 --signatures 2 --hours 24 --level 2

Joules, on the battery's side at 3.6 V. The model and its sources: docs/power.md.";

#[derive(Debug, Args)]
pub(in crate::cli) struct Price {
    /// Wakes of the radio, each with one connection
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    wakes: u32,
    /// Bytes sent, UDP payload; headers are added
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    bytes_up: u32,
    /// Bytes received, UDP payload
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    bytes_down: u32,
    /// Datagrams sent, each of which waits for an answer [default: one for each wake]
    #[arg(long, value_name = "NUMBER")]
    datagrams_up: Option<u32>,
    /// Datagrams received [default: one for each wake]
    #[arg(long, value_name = "NUMBER")]
    datagrams_down: Option<u32>,
    /// Signatures made
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    signatures: u32,
    /// Hours asleep in between
    #[arg(long, value_name = "HOURS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    hours: u32,
    /// Coverage enhancement level: 0 good, 1 poor, 2 very poor
    #[arg(long, value_name = "LEVEL", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=2))]
    level: u8,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Price) -> anyhow::Result<()> {
    let used = Use {
        wakes: arguments.wakes,
        payload_bytes: arguments.bytes_up.saturating_add(arguments.bytes_down),
        datagrams_up: arguments.datagrams_up.unwrap_or(arguments.wakes),
        datagrams_down: arguments.datagrams_down.unwrap_or(arguments.wakes),
        signatures: arguments.signatures,
        time: Millis(u64::from(arguments.hours) * 3_600_000),
    };
    let level = CoverageLevel::ALL[usize::from(arguments.level)];
    let energy = used.cost(&Model::DEFAULT, level);
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{:#}", as_json(&used, &energy))?;
    } else {
        print(&mut out, &used, &energy)?;
    }
    Ok(())
}

fn joules(energy: cairn::power::cost::MicroJoules) -> f64 {
    energy.0 as f64 / 1e6
}

fn spent(energy: &ByCause) -> impl Iterator<Item = (&'static str, f64)> {
    Cause::ALL.into_iter().filter(|cause| energy[*cause].0 > 0).map(|cause| (cause.name(), joules(energy[cause])))
}

fn as_json(used: &Use, energy: &ByCause) -> serde_json::Value {
    let causes: Map<String, serde_json::Value> =
        spent(energy).map(|(name, joules)| (name.into(), json!(joules))).collect();
    json!({
        "wire_bytes": used.wire_bytes(),
        "energy_j_by_cause": causes,
        "radio_j": joules(energy.radio()),
        "energy_j": joules(energy.total()),
    })
}

fn print(out: &mut impl io::Write, used: &Use, energy: &ByCause) -> io::Result<()> {
    writeln!(out, "{} bytes on the wire, headers included", used.wire_bytes())?;
    for (name, joules) in spent(energy) {
        writeln!(out, "{name:<24} {joules:>10.3} J")?;
    }
    writeln!(out, "{:<24} {:>10.3} J", "the radio", joules(energy.radio()))?;
    writeln!(out, "{:<24} {:>10.3} J", "all", joules(energy.total()))
}
