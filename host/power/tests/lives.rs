// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must hold of every simulated life, whatever the scenario and the strategy.

use std::sync::OnceLock;

use cairn::power::schedule::Degradation;
use cairn_power::{
    compare::{Strategy, run, run_cairn},
    coverage::{Air, DAY_MS},
    life::Progress,
    outcome::{Cause, Comparison, Outcome},
    scenario::{Down, SHIPPED, Scenario},
};

/// Long enough for each shipped scenario's outages and squeezes to begin and to end.
const DAYS: u32 = 100;

fn quiet(_: Progress) {}

/// The shipped scenarios, cut short and with batteries that give all they hold at any temperature, under every strategy. Lived once for all
/// tests.
fn lives() -> &'static [(Scenario, Comparison)] {
    static LIVES: OnceLock<Vec<(Scenario, Comparison)>> = OnceLock::new();
    LIVES.get_or_init(|| {
        let lived = SHIPPED.map(|(name, _)| {
            let mut scenario = Scenario { days: DAYS, ..Scenario::shipped(name).unwrap() };
            (scenario.battery.usable, scenario.battery.cold_derating) = (1.0, 0.0);
            let comparison = run(&scenario, &Strategy::ALL, &mut quiet).unwrap();
            (scenario, comparison)
        });
        lived.into()
    })
}

/// All that an outcome says, as text.
fn told(outcome: &Outcome) -> String {
    format!("{outcome:?}")
}

#[test]
fn the_same_seed_lives_the_same_life_and_another_another() {
    let scenario = Scenario { days: 45, ..Scenario::shipped("coverage-comes-and-goes").unwrap() };
    let lives = |seed| run(&Scenario { seed, ..scenario.clone() }, &Strategy::ALL, &mut quiet).unwrap().outcomes;
    let (first, again, other) = (lives(1), lives(1), lives(2));
    for ((first, again), other) in first.iter().zip(&again).zip(&other) {
        assert_eq!(told(first), told(again), "{}", first.strategy);
        assert_ne!(told(first), told(other), "{}", first.strategy);
    }
}

#[test]
fn what_is_spent_on_each_cause_is_what_the_battery_lost_to_the_microjoule() {
    for (scenario, comparison) in lives() {
        assert_eq!(comparison.outcomes.len(), 5);
        for outcome in &comparison.outcomes {
            let mut left = comparison.battery;
            for (number, day) in outcome.days.iter().enumerate() {
                left = left.minus(day.energy.total());
                assert_eq!(day.battery, left, "{} of {} on day {number}", outcome.strategy, scenario.name);
            }
        }
    }
}

#[test]
fn every_record_is_delivered_once_or_accounted_for() {
    for (scenario, comparison) in lives() {
        for outcome in &comparison.outcomes {
            let (mut handed_over, mut done) = (0, 0);
            for (number, day) in outcome.days.iter().enumerate() {
                handed_over += day.records;
                done += day.delivered + day.lost;
                let waiting = handed_over - done;
                assert_eq!(day.waiting, waiting, "{} of {} on day {number}", outcome.strategy, scenario.name);
            }
            assert!(done > 0, "{} of {}", outcome.strategy, scenario.name);
        }
    }
}

#[test]
fn no_window_of_any_life_is_charged_more_than_rate_burst_and_reserve_allow() {
    for (scenario, comparison) in lives() {
        let (budget, outcome) = (scenario.budget(), &comparison.outcomes[0]);
        let charged: Vec<u64> = outcome.days.iter().map(|day| day.charged.0).collect();
        assert!(charged.iter().sum::<u64>() > 0);
        for first in 0..charged.len() {
            let mut sum = 0;
            for (last, today) in charged.iter().enumerate().skip(first) {
                sum += today;
                let window = (last - first + 1) as u64 * 86_400;
                let bound = u64::from(budget.refill_uw) * window + budget.burst.0 + budget.reserve.0;
                // What an exchange cost more than was held for it is owed, and told.
                let owed = outcome.days[last].debt.0;
                assert!(sum <= bound + owed, "{}: days {first} to {last}: {sum} of {bound} + {owed} uJ", scenario.name);
            }
        }
    }
}

#[test]
fn the_optimum_is_never_late_where_nothing_is_down_and_spends_no_more_than_the_agent() {
    for name in ["meter", "meter-ce2", "squeeze", "coverage-comes-and-goes"] {
        let scenario = Scenario::shipped(name).unwrap();
        let scenario = Scenario { days: 200, outages: Vec::new(), ..scenario };
        let outcomes = run(&scenario, &Strategy::ALL, &mut quiet).unwrap().outcomes;
        let [cairn, .., best] = &outcomes[..] else { panic!("five strategies") };
        assert_eq!(best.days.iter().map(|day| day.late + day.lost).sum::<u32>(), 0, "{name}");
        // The squeeze's budget sends less than all in time.
        if name != "squeeze" {
            let radio = |outcome: &Outcome| outcome.energy().radio().0 as f64 - outcome.energy()[Cause::Fault].0 as f64;
            // Luck is the same in kind and not exchange by exchange: a few percent in 200 days.
            assert!(radio(best) < 1.03 * radio(cairn), "{name}: {} {}", radio(best), radio(cairn));
        }
    }
}

#[test]
fn a_relay_that_is_down_for_a_week_costs_a_bounded_week_and_loses_nothing() {
    let (scenario, comparison) = lives().iter().find(|(scenario, _)| scenario.name == "relay-down").unwrap();
    let [cairn, daily, ..] = &comparison.outcomes[..] else { panic!("five strategies") };
    let failures = |outcome: &Outcome| outcome.days.iter().map(|day| day.failures).sum::<u32>();
    assert_eq!(cairn.days.iter().map(|day| day.lost).sum::<u32>(), 0);
    assert!(failures(cairn) < 60 && failures(cairn) * 5 < failures(daily), "{} {}", failures(cairn), failures(daily));
    assert!(cairn.days.last().unwrap().waiting <= 97, "the backlog went up");
    assert!(Air::of(scenario).is_down(Down::Relay, 31 * DAY_MS));
}

#[test]
fn a_life_may_end_while_the_network_is_down() {
    let mut scenario = Scenario { days: 45, ..Scenario::shipped("blackout").unwrap() };
    scenario.outages[0].hours = 24.0 * 30.0;
    for outcome in run(&scenario, &Strategy::ALL, &mut quiet).unwrap().outcomes {
        assert_eq!(outcome.days.len(), 45);
        assert_eq!(outcome.days[44].delivered, 0, "{}", outcome.strategy);
    }
}

#[test]
fn a_device_that_nobody_releases_records_for_does_not_fill_up_when_it_has_to_save() {
    // Its first week without a relay made a batch go as hashes, and nothing was journaled any more.
    let mut scenario = Scenario { days: DAYS, ..Scenario::shipped("relay-down").unwrap() };
    scenario.product.retention_hours = 0.0;
    let outcome = run_cairn(&scenario, &mut quiet).unwrap();
    assert!(outcome.days.iter().any(|day| day.degradation >= Degradation::HashOnly), "it had to save");
    assert_eq!(outcome.days.iter().map(|day| day.lost).sum::<u32>(), 0);
}

#[test]
fn a_rattled_lock_uploads_what_its_limits_let_through() {
    let scenario = Scenario::shipped("lock").unwrap();
    let mut still = Scenario { days: 60, ..scenario };
    still.product.urgent_per_day = 0.0;
    still.product.rattles_per_year = 0.0;
    let mut rattled = still.clone();
    (rattled.product.rattles_per_year, rattled.product.rattle_events) = (366.0, 200);
    let wakes = |scenario: &Scenario| {
        let outcome = run_cairn(scenario, &mut quiet).unwrap();
        assert!(!outcome.emptied);
        outcome.days.iter().map(|day| day.wakes).sum::<u32>()
    };
    let (quiet, loud) = (wakes(&still), wakes(&rattled));
    // A rattle of a minute, once a day: its first events, and the record that counts the rest.
    assert!(loud > quiet && loud < quiet + 60 * 6, "{quiet} {loud}");
}
