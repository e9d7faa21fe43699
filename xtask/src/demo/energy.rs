// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The closing table's part about energy: the run's own exchanges priced by the device's model. `cairn power` says it; nothing is
//! reckoned here.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::table::Measured;

/// Hours of the day that is simulated.
const HOURS: u64 = 24;

/// What the day of `measured` cost by the model in good coverage.
///
/// # Errors
/// When `cairn` does not say it.
pub(crate) fn of_the_day(cairn: &Path, measured: &Measured) -> Result<Value> {
    let Measured { status, traffic, .. } = measured;
    let numbers = [
        ("--wakes", status.number("exchanges")?),
        ("--bytes-up", traffic.up_bytes),
        ("--bytes-down", traffic.down_bytes),
        ("--datagrams-up", traffic.up),
        ("--datagrams-down", traffic.up),
        ("--signatures", status.number("signatures")?),
        ("--hours", HOURS),
    ];
    let mut command = Command::new(cairn);
    command.args(["power", "price", "--json"]);
    for (name, number) in numbers {
        command.arg(name).arg(number.to_string());
    }
    let output = command.output().context("cairn power price")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "cairn power price: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&said).context("cairn power price")
}
