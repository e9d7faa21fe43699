// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo run --release -p cairn-power --example lives [name | file.toml]…`: shipped scenarios, or files, lived under every strategy,
//! and how long each took. `cairn power` shows the same to whoever is not at its code.

use std::time::Instant;

use cairn_power::{
    compare::{Strategy, run},
    outcome::Cause,
    scenario::{SHIPPED, Scenario},
};

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let all = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in if names.is_empty() { all } else { names } {
        let file = || Scenario::parse(&std::fs::read_to_string(&name).expect("a file")).expect("a scenario");
        tell(&Scenario::shipped(&name).unwrap_or_else(file));
    }
}

fn tell(scenario: &Scenario) {
    println!("{}: {} days, refill {} uW", scenario.name, scenario.days, scenario.budget().refill_uw);
    let mut began = (Instant::now(), "");
    let comparison = run(scenario, &Strategy::ALL, &mut |progress| {
        if progress.strategy != began.1 {
            if !began.1.is_empty() {
                println!("  {:.2} s for {}", began.0.elapsed().as_secs_f64(), began.1);
            }
            began = (Instant::now(), progress.strategy);
        }
    });
    for outcome in comparison.expect("a life").outcomes {
        let days = outcome.days.len() as f64;
        let sum = |of: &dyn Fn(&cairn_power::outcome::Day) -> u32| {
            outcome.days.iter().map(|day| u64::from(of(day))).sum::<u64>()
        };
        println!(
            "  {:28} life {:7.0} d, {:.3} J/d, radio {:.3} mJ/record, wakes {:.2}/d, updates {:.2}/d, failures {}, records {}, \
             delivered {}, late {}, lost {}, interval mean {:.1} max {:.1} h",
            outcome.strategy,
            outcome.life_days.unwrap_or(0.0),
            outcome.energy().total().0 as f64 / 1e6 / days,
            outcome.radio_per_record_uj().unwrap_or(0.0) / 1e3,
            sum(&|day| day.wakes) as f64 / days,
            sum(&|day| day.updates) as f64 / days,
            sum(&|day| day.failures),
            sum(&|day| day.records),
            sum(&|day| day.delivered),
            sum(&|day| day.late),
            sum(&|day| day.lost),
            outcome.interval_mean_ms as f64 / 3.6e6,
            outcome.interval_max_ms as f64 / 3.6e6,
        );
        print!("     ");
        for cause in Cause::ALL {
            print!(" {cause:?} {:.4}", outcome.energy()[cause].0 as f64 / 1e6 / days);
        }
        let degraded = |level: u8| outcome.days.iter().filter(|day| day.degradation as u8 == level).count();
        println!("; degraded {:?}", [0, 1, 2, 3].map(degraded));
    }
}
