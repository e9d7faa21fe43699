// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The closing table's part about energy: the run's own exchanges priced by the device's model, and how long batteries last by the
//! forecasts. `cairn power` says all of it; nothing is reckoned here. The forecasts run beside the day, so that nobody waits for them.

use std::{
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::table::Measured;

/// Hours of the day that is simulated.
const HOURS: u64 = 24;

/// Forecasts that are being made.
pub(crate) struct Forecasts {
    child: Child,
    said: Option<JoinHandle<std::io::Result<String>>>,
}

impl Forecasts {
    /// Has `cairn` begin with them.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn begin(cairn: &Path) -> Result<Self> {
        let mut command = Command::new(cairn);
        command.args(["power", "forecast", "--json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cairn power forecast")?;
        let mut out = child.stdout.take().context("its output")?;
        // Read while it runs: a full pipe would stop it.
        let said = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        });
        Ok(Self { child, said: Some(said) })
    }

    /// Waits for them.
    ///
    /// # Errors
    /// When they could not be made. That a promise does not hold is told in them.
    pub(crate) fn end(mut self) -> Result<Vec<Value>> {
        let status = self.child.wait().context("cairn power forecast")?;
        let said = self.said.take().and_then(|said| said.join().ok()).context("reading the forecasts")??;
        let forecasts: Vec<Value> =
            serde_json::from_str(&said).with_context(|| format!("cairn power forecast ended with {status}: {said}"))?;
        ensure!(!forecasts.is_empty(), "cairn power forecast says nothing");
        Ok(forecasts)
    }
}

impl Drop for Forecasts {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
