// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo run --release -p cairn-power --example decade`: ten years of a meter that uploads once a day, on the device's own agent, and how
//! many seconds of a processor they took: whatever else the machine does does not count. `cargo xtask bench` reads the lines.

use std::{fs, time::Instant};

use cairn_power::{compare::run_cairn, scenario::Scenario};

/// Seconds that this process was on a processor, where the system tells (Linux).
fn on_processor() -> Option<f64> {
    let told = fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(told.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

fn main() {
    let meter = Scenario::shipped("meter").expect("a shipped scenario");
    let decade = Scenario { days: 3653, ..meter };
    let (began, before) = (Instant::now(), on_processor());
    let outcome = run_cairn(&decade, &mut |_| {}).expect("a life");
    let seconds = before.zip(on_processor()).map_or(began.elapsed().as_secs_f64(), |(before, after)| after - before);
    let sum = |of: fn(&cairn_power::outcome::Day) -> u32| outcome.days.iter().map(of).sum::<u32>();
    println!("days: {}", outcome.days.len());
    println!("records: {}", sum(|day| day.records));
    println!("delivered: {}", sum(|day| day.delivered));
    println!("seconds: {seconds:.2}");
}
