// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The closing table: what this run measured, beside what was measured of the reference peer (a C library that signs
//! and sends one transaction for each record). Only the peer's column is constant.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{device::Words, world::Traffic};

/// What a run measured.
pub(crate) struct Measured {
    /// The device's `status` after the day.
    pub(crate) status: Words,
    /// Its `beat`.
    pub(crate) beat: Words,
    /// Its `stats`.
    pub(crate) stats: Words,
    /// What the modem counted during the day.
    pub(crate) traffic: Traffic,
    /// Readings of the day.
    pub(crate) readings: u64,
    /// UDP payload of a hash-only exchange: up, down.
    pub(crate) hash_only: (u64, u64),
}

/// Prints the table.
///
/// # Errors
/// When the device did not say a number.
pub(crate) fn print(measured: &Measured) -> Result<()> {
    let Measured { status, beat, stats, traffic, readings, hash_only } = measured;
    let exchanges = status.number("exchanges")?;
    let instructions = beat.number("last_signature_instructions")?;
    let kb = |bytes: u64| format!("{}.{} kB", bytes / 1000, bytes % 1000 / 100);
    let rows = [
        ("readings anchored", readings.to_string(), "1 a transaction".to_owned()),
        ("exchanges (radio wakes)", exchanges.to_string(), "1 a reading".to_owned()),
        ("connections", format!("{} UDP sockets, 0 TCP", traffic.opened), "6 TCP a reading".to_owned()),
        ("bytes up, all, UDP payload", traffic.up_bytes.to_string(), "2254 a reading".to_owned()),
        ("bytes down, all, UDP payload", traffic.down_bytes.to_string(), "2684 a reading".to_owned()),
        ("bytes up for each reading, data sent", per(traffic.up_bytes, *readings), "2254".to_owned()),
        (
            "hash-only exchange, bytes up + down",
            format!("{} + {}", hash_only.0, hash_only.1),
            "no such thing".to_owned(),
        ),
        (
            "instructions for each signature",
            format!("{}.{:02} M, made twice and compared", instructions / 1_000_000, instructions % 1_000_000 / 10_000),
            "12.2 M, or 3.0 M with 43 kB of tables; once".to_owned(),
        ),
        (
            "flash, whole image with RTOS",
            kb(stats.number("image_bytes")?),
            "82 kB with libc, without network".to_owned(),
        ),
        (
            "static RAM, whole image",
            kb(stats.number("static_ram_bytes")?),
            "about 17 kB with stack and heap".to_owned(),
        ),
        (
            "  of that, Cairn's storage + queue",
            kb(stats.number("cairn_storage_bytes")? + stats.number("cairn_queue_bytes")?),
            String::new(),
        ),
        ("stack, agent's task, high-water", kb(stats.number("cairn_stack_used")?), String::new()),
        ("heap", "0 B".to_owned(), "used".to_owned()),
    ];
    println!("\n{:<38} {:<34} reference peer, measured", "", "Cairn, this run");
    for (what, ours, peer) in rows {
        println!("{what:<38} {ours:<34} {peer}");
    }
    Ok(())
}

/// Prints what the day cost, cause by cause, and how long batteries last.
///
/// # Errors
/// When `cairn` left a number out.
pub(crate) fn print_energy(measured: &Measured, day: &Value, forecasts: &[Value]) -> Result<()> {
    print!("\n{}{}", of_the_day(day, measured.readings)?, promised(forecasts)?);
    Ok(())
}

fn number(value: &Value, name: &str) -> Result<f64> {
    value[name].as_f64().with_context(|| format!("{name} of {value}"))
}

fn of_the_day(day: &Value, readings: u64) -> Result<String> {
    let mut rows = Vec::new();
    for (cause, joules) in day["energy_j_by_cause"].as_object().context("energy by cause")? {
        rows.push((cause.as_str(), joules.as_f64().context("joules")?, "J"));
    }
    rows.push(("all", number(day, "energy_j")?, "J"));
    rows.push(("the radio, for each reading", number(day, "radio_j")? * 1e3 / readings.max(1) as f64, "mJ"));
    let rows = rows.iter().map(|(what, energy, unit)| format!("  {what:<36} {energy:>8.3} {unit}\n"));
    let head = "Energy of this run's day by the model, in good coverage (cairn power price)\n".to_owned();
    Ok([head].into_iter().chain(rows).collect())
}

fn promised(forecasts: &[Value]) -> Result<String> {
    let mut text = "Forecasts, by the device's own agent on simulated years (cairn power forecast)\n".to_owned();
    for forecast in forecasts {
        let word = |name: &str| forecast[name].as_str().with_context(|| format!("{name} of {forecast}"));
        let (measured, limit) = (number(forecast, "measured")?, number(forecast, "limit")?);
        let relation = if forecast["at_least"] == true { "at least" } else { "at most" };
        let missed = if forecast["met"] == true { "" } else { ": NOT MET" };
        let (claim, unit) = (word("claim")?, word("unit")?);
        text += &format!("  {claim:<66} {measured:>8.1} {unit:<5} ({relation} {limit}{missed})\n");
    }
    Ok(text)
}

/// One decimal.
fn per(total: u64, number: u64) -> String {
    let tenths = total * 10 / number.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn energy_is_told_cause_by_cause_and_for_each_reading() {
        let causes = json!({ "asleep": 1.244, "waking the modem": 0.16 });
        let day = json!({ "energy_j_by_cause": causes, "energy_j": 1.404, "radio_j": 0.16 });
        let text = of_the_day(&day, 96).unwrap();
        for line in [
            "  asleep                                  1.244 J\n",
            "  waking the modem                        0.160 J\n",
            "  all                                     1.404 J\n",
            "  the radio, for each reading             1.667 mJ\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(of_the_day(&json!({ "energy_j": 1 }), 96).is_err(), "a number that is missing is no zero");
    }

    #[test]
    fn a_promise_that_does_not_hold_stands_out() {
        let kept = json!({ "claim": "Meter", "unit": "years", "measured": 45.9, "limit": 15.0, "at_least": true, "met": true });
        let mut broken = kept.clone();
        broken["met"] = false.into();
        let text = promised(&[kept.clone(), broken]).unwrap();
        assert_eq!(text.lines().filter(|line| line.ends_with("45.9 years (at least 15)")).count(), 1, "{text}");
        assert_eq!(
            text.lines().filter(|line| line.ends_with("45.9 years (at least 15: NOT MET)")).count(),
            1,
            "{text}"
        );
        assert!(promised(&[json!({ "claim": "Meter" })]).is_err());
    }
}
