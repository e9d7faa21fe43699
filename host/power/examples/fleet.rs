// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo run -p cairn-power --example fleet [devices=N]`: what arrives at the relay after a city's power returned, in all the
//! situations that docs/power.md tells of.

use std::time::Instant;

use cairn::{
    power::{budget, cost::MicroJoules},
    time::Millis,
};
use cairn_power::fleet::{Fleet, Protection, Sky, run};

const HOUR: u64 = 3_600_000;

fn main() {
    let devices = std::env::args().find_map(|arg| arg.strip_prefix("devices=")?.parse().ok()).unwrap_or(100_000);
    let only = std::env::args().find_map(|arg| Some(arg.strip_prefix("only=")?.to_owned()));
    let city = Fleet { devices, ..Fleet::city() };
    let hours = |hours: u64| Millis(hours * HOUR);
    let hour = Fleet { devices, ..Fleet::hurried(hours(1), hours(6)) };
    let quarter = Fleet { devices, ..Fleet::hurried(Millis(HOUR / 4), hours(3)) };
    let budget = |refill_uw, burst_j: u64, reserve_j: u64| {
        let joules = |joules: u64| MicroJoules(joules * 1_000_000);
        let budget = budget::Settings { refill_uw, burst: joules(burst_j), reserve: joules(reserve_j), ..city.budget };
        Fleet { budget, ..city.clone() }
    };
    let again = |fleet: Fleet| Fleet { blackout: Some((hours(28), hours(30))), horizon: hours(102), ..fleet };
    let situations = [
        ("a day", 1, city.clone()),
        ("a day, hourly readings", 1, Fleet { reading_every: hours(1), ..city.clone() }),
        ("a day, daily readings", 1, Fleet { reading_every: hours(24), horizon: hours(168), ..city.clone() }),
        ("a day, half urgent, 50/s", 1, Fleet { urgent_percent: 50, capacity_per_s: Some(50), ..city.clone() }),
        ("a day, coverage untold", 1, Fleet { sky: Sky::Untold, ..city.clone() }),
        ("a day, busy days", 1, Fleet { sky: Sky::BusyDays, ..city.clone() }),
        ("a day, T3412 3 h", 1, Fleet { tau: Some(hours(3)), ..city.clone() }),
        (
            "a day, relay out for 6 h",
            37,
            Fleet { outage: Some((hours(30), hours(36))), horizon: hours(108), ..city.clone() },
        ),
        ("a day, second blackout", 31, again(city.clone())),
        ("8.5 Ah", 1, budget(229, 138, 79)),
        ("8.5 Ah, second blackout", 31, again(budget(229, 138, 79))),
        (
            "8.5 Ah, half urgent, 50/s",
            1,
            Fleet { urgent_percent: 50, capacity_per_s: Some(50), ..budget(229, 138, 79) },
        ),
        ("5 Wh", 1, budget(42, 79, 79)),
        ("5 Wh, second blackout", 31, again(budget(42, 79, 79))),
        ("5 Wh and an attach", 1, budget(42, 119, 79)),
        ("5 Wh and an attach, second blackout", 31, again(budget(42, 119, 79))),
        ("1 h", 1, hour.clone()),
        ("1 h, 50/s", 1, Fleet { capacity_per_s: Some(50), urgent_percent: 50, ..hour.clone() }),
        ("1 h, relay out for 6 h", 9, Fleet { outage: Some((hours(2), hours(8))), horizon: hours(14), ..hour }),
        ("15 min", 1, quarter),
        ("a day, without own seeds", 1, Fleet { without: Some(Protection::OwnSeeds), ..city.clone() }),
        ("a day, without the offset", 1, Fleet { without: Some(Protection::BootOffset), ..city }),
    ];
    for (name, after, fleet) in situations {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let begun = Instant::now();
        let outcome = run(&fleet);
        let busiest = outcome.busiest(hours(after)).expect("time after the first hour");
        println!(
            "{name}: peak {} in 60 s at {} s, mean {:.1}, ratio {:.2}; failed {}, urgent {:?}, late {}, silent {}; \
             updates {:?}; {:.1} s",
            busiest.peak,
            busiest.at_s,
            busiest.mean,
            busiest.ratio(),
            outcome.failed,
            outcome.urgent,
            outcome.late,
            outcome.silent,
            outcome.busiest_updates(hours(after)).map(|updates| (updates.peak, updates.at_s, updates.mean)),
            begun.elapsed().as_secs_f64(),
        );
        println!("  by hour {:?}", outcome.by_hour());
    }
}
