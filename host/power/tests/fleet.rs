// SPDX-License-Identifier: Apache-2.0 OR MIT
//! 100,000 devices after a blackout: from the end of the first hour on, no 60 seconds bring the relay more than three times what 60
//! seconds bring on the mean of all that time. Docs/power.md tells the numbers; `--example fleet` prints them.

use cairn::time::Millis;
use cairn_power::fleet::{Fleet, FleetOutcome, Protection, Sky, run};

const HOUR: u64 = 3_600_000;
/// What the busiest minute may be, of the mean.
const MOST: f64 = 3.0;

const fn hours(hours: u64) -> Millis {
    Millis(hours * HOUR)
}

/// Runs `fleet` and checks it from the end of the hour `first` on.
fn is_even(fleet: &Fleet, first: u64) -> FleetOutcome {
    assert_eq!(fleet.devices, 100_000);
    let outcome = run(fleet);
    let busiest = outcome.busiest(hours(first)).unwrap();
    assert!(busiest.ratio() <= MOST, "{busiest:?} is {:.2} times the mean", busiest.ratio());
    assert_eq!(outcome.silent, 0, "every device was heard");
    outcome
}

#[test]
fn a_city_that_gets_its_power_back_comes_back_evenly() {
    let outcome = is_even(&Fleet::city(), 1);
    assert_eq!(outcome.failed, 0);
    assert!(
        (9_500..10_500).contains(&outcome.urgent.0),
        "each that had something urgent said so: {:?}",
        outcome.urgent
    );
    assert!(outcome.urgent.1 <= Millis::from_secs(60));
}

#[test]
fn devices_with_one_seed_or_without_a_time_of_their_own_after_a_start_break_the_bound() {
    for without in [Protection::OwnSeeds, Protection::BootOffset] {
        let outcome = run(&Fleet { without: Some(without), ..Fleet::city() });
        let busiest = outcome.busiest(hours(1)).unwrap();
        assert!(busiest.ratio() > 10.0 * MOST, "{without:?}: {busiest:?}");
    }
}

#[test]
fn a_second_blackout_and_a_relay_that_is_out_for_six_hours_leave_no_step_behind() {
    is_even(&Fleet { blackout: Some((hours(28), hours(30))), horizon: hours(102), ..Fleet::city() }, 31);
    let outage = Fleet { outage: Some((hours(30), hours(36))), horizon: hours(108), ..Fleet::city() };
    let outcome = is_even(&outage, 37);
    assert!(outcome.failed > 10_000, "it was noticed");
}

#[test]
fn half_a_city_that_calls_at_once_is_served_by_a_relay_with_little_room_and_spreads_again() {
    let crowd = Fleet { urgent_percent: 50, capacity_per_s: Some(50), ..Fleet::city() };
    let outcome = is_even(&crowd, 1);
    assert!(outcome.failed > 50_000, "{} were turned away", outcome.failed);
}

#[test]
fn deadlines_of_an_hour_and_of_a_quarter_are_kept_evenly_although_all_read_at_the_same_times() {
    is_even(&Fleet::hurried(hours(1), hours(6)), 1);
    is_even(&Fleet::hurried(Millis(HOUR / 4), hours(3)), 1);
}

#[test]
fn neither_readings_by_the_hour_nor_updates_in_step_nor_days_of_bad_coverage_bring_devices_into_step() {
    is_even(&Fleet { reading_every: hours(1), ..Fleet::city() }, 1);
    let in_step = is_even(&Fleet { tau: Some(hours(3)), ..Fleet::city() }, 1);
    let updates = in_step.busiest_updates(hours(1)).unwrap();
    assert!(updates.peak > 50_000, "the modems' own updates are in step: {updates:?}");
    is_even(&Fleet { sky: Sky::BusyDays, ..Fleet::city() }, 1);
    is_even(&Fleet { sky: Sky::Untold, ..Fleet::city() }, 1);
}
