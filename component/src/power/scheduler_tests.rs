// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the schedule does in single situations; how good it is, host/power says.

use std::vec::Vec;

use super::{super::cost::Attach, *};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn settings() -> Settings {
    Settings {
        patience: [Millis(7 * DAY), Millis(12 * HOUR), Millis(2_000)],
        retry_base: Millis(60_000),
        retry_max: Millis(HOUR),
        seed: 7,
        model: Model::DEFAULT,
        budget: budget::Settings {
            refill_uw: 251,
            burst: MicroJoules::from_mj(43_000),
            reserve: MicroJoules::from_mj(20_000),
            urgent_burst: 3,
            urgent_interval: Millis(600_000),
        },
        tau: None,
        sight: Sight::Blind,
    }
}

fn scheduler() -> Scheduler {
    Scheduler::new(settings(), None, Millis(0)).amid_life()
}

const fn view(now: u64) -> View {
    View::at(Millis(now))
}

fn holding(now: u64, since: u64, priority: Priority) -> View {
    let mut oldest = [None; 3];
    oldest[priority as usize] = Some(Millis(since));
    // One comes each quarter of an hour.
    let unsealed = u32::try_from((now - since) / (HOUR / 4)).unwrap() + 1;
    View { unsealed, oldest, ..view(now) }
}

fn unsent(now: u64) -> View {
    View { unsent: 1, ..view(now) }
}

fn exchange(level: CoverageLevel) -> ExchangeCost {
    ExchangeCost {
        bytes_up: 204,
        bytes_down: 60,
        datagrams_up: 1,
        datagrams_down: 1,
        connections: 0,
        duration_ms: 3_000,
        coverage: Some(level),
        attach: Attach::Registered,
    }
}

/// Follows the schedule with one record at `since` until it is sent, and says when that was.
fn sent_at(scheduler: &mut Scheduler, since: u64, priority: Priority) -> u64 {
    let mut now = since;
    for _ in 0..200 {
        match scheduler.decide(&holding(now, since, priority)) {
            Decision::Wait(Some(at)) => {
                assert!(at.0 > now, "waits for the past");
                now = at.0;
            }
            Decision::Seal => {
                assert_eq!(scheduler.decide(&unsent(now)), Decision::Send);
                scheduler.exchange_ended(Millis(now + 3_000), Ok(()), &exchange(CoverageLevel::Ce0));
                assert!(matches!(scheduler.decide(&view(now + 3_000)), Decision::Wait(_)));
                return now;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("never sent");
}

#[test]
fn every_record_is_sent_before_it_is_due() {
    let mut scheduler = scheduler();
    let mut since = 0;
    for round in 0..40 {
        let (priority, patience) = match round % 3 {
            0 => (Priority::Bulk, 7 * DAY),
            1 => (Priority::Routine, 12 * HOUR),
            _ => (Priority::Urgent, 2_000),
        };
        let at = sent_at(&mut scheduler, since, priority);
        assert!(at <= since + patience, "{priority:?} of {since} at {at}");
        since = at + 5_000;
    }
}

#[test]
fn a_radio_that_is_up_anyway_takes_the_first_record_after_a_start_along() {
    for first in [scheduler(), Scheduler::new(settings(), None, Millis(0))] {
        let mut scheduler = first;
        let riding = View { radio_up_until: Some(Millis(60_000)), ..holding(1_000, 1_000, Priority::Routine) };
        assert_eq!(scheduler.decide(&riding), Decision::Seal);
    }
}

#[test]
fn something_urgent_does_not_wait_for_the_retry_of_what_is_not_but_for_its_own() {
    let mut scheduler = scheduler();
    let failed = |scheduler: &mut Scheduler, at: u64| {
        scheduler.exchange_ended(Millis(at), Err(LinkError::TimeOut), &exchange(CoverageLevel::Ce0));
    };
    assert_eq!(scheduler.decide(&View { flush: true, ..unsent(0) }), Decision::Send);
    failed(&mut scheduler, 3_000);
    // Later than any retry: the longest is far away after many failures.
    for round in 0..8 {
        let now = 10 * HOUR * (round + 1);
        assert_eq!(scheduler.decide(&View { flush: true, ..unsent(now) }), Decision::Send);
        failed(&mut scheduler, now + 3_000);
        let paused = scheduler.decide(&unsent(now + 3_000));
        assert!(matches!(paused, Decision::Wait(Some(at)) if at.0 > now + 3_000), "{paused:?}");
    }
    let now = 80 * HOUR + 3_000;
    let urgent = |at: u64| View { unsent: 1, ..holding(at, now, Priority::Urgent) };
    assert!(matches!(scheduler.decide(&urgent(now)), Decision::Wait(Some(at)) if at.0 <= now + 2_000));
    assert_eq!(scheduler.decide(&urgent(now + 2_000)), Decision::Seal);
    assert_eq!(scheduler.decide(&unsent(now + 2_000)), Decision::Send);
    failed(&mut scheduler, now + 5_000);
    let paused = scheduler.decide(&unsent(now + 5_000));
    assert!(matches!(paused, Decision::Wait(Some(at)) if at.0 > now + 5_000), "{paused:?}");
}

#[test]
fn with_good_coverage_a_record_waits_for_most_of_its_time() {
    let mut scheduler = scheduler();
    let mut since = 0;
    for round in 0..20 {
        let at = sent_at(&mut scheduler, since, Priority::Routine);
        assert!(round < 8 || at - since > 10 * HOUR, "round {round}: after {} min", (at - since) / 60_000);
        since = at + 5_000;
    }
}

#[test]
fn no_hour_has_more_than_four_automatic_accesses_and_urgent_ones_are_exempt() {
    let mut hurried = Scheduler::new(Settings { patience: [Millis(0); 3], ..settings() }, None, Millis(0)).amid_life();
    let (mut times, mut since) = (Vec::new(), 0);
    for _ in 0..40 {
        let at = sent_at(&mut hurried, since, Priority::Routine);
        times.push(at);
        since = at + 60_000;
    }
    assert!(times.windows(5).all(|five| five[4] - five[0] >= HOUR), "{times:?}");
    assert_eq!(sent_at(&mut hurried, since, Priority::Urgent), since);
    assert_eq!(sent_at(&mut hurried, since + 60_000, Priority::Urgent), since + 60_000);
}

#[test]
fn retries_spread_over_a_doubling_span_and_end_with_a_success() {
    let mut scheduler = scheduler();
    let (mut now, mut longest) = (0, 0);
    for failures in 0..12_u32 {
        let Decision::Send = scheduler.decide(&View { flush: failures == 0, ..unsent(now) }) else {
            panic!("must send at {now}")
        };
        scheduler.exchange_ended(Millis(now), Err(LinkError::TimeOut), &ExchangeCost::default());
        let Decision::Wait(Some(Millis(at))) = scheduler.decide(&unsent(now)) else { panic!("must wait") };
        assert!(at > now && at - now <= HOUR + HOUR, "retry {failures} after {}", at - now);
        longest = longest.max(at - now);
        now = at;
        while let Decision::Wait(Some(Millis(at))) = scheduler.clone().decide(&unsent(now)) {
            now = at;
        }
    }
    assert!(longest > HOUR / 2, "the span never grew: {longest}");
}

/// Fails an exchange with what comes meanwhile at `since`, and says how many batches wait when the next try begins.
fn batches_at_the_next_try(scheduler: &mut Scheduler, first: u64, since: u64) -> u32 {
    scheduler.exchange_ended(Millis(first), Err(LinkError::TimeOut), &ExchangeCost::default());
    let (mut now, mut batches) = (since, 1);
    for _ in 0..100 {
        match scheduler.decide(&View { unsent: batches, ..holding(now, since, Priority::Routine) }) {
            Decision::Wait(Some(at)) => now = at.0,
            Decision::Seal => batches += 1,
            Decision::Send => return batches,
            Decision::Wait(None) => panic!("waits for ever"),
        }
    }
    panic!("never tried again");
}

#[test]
fn what_comes_while_a_batch_is_tried_again_is_not_sealed_apart_until_it_is_due() {
    let mut scheduler = scheduler();
    assert_eq!(scheduler.decide(&View { flush: true, ..unsent(0) }), Decision::Send);
    assert_eq!(batches_at_the_next_try(&mut scheduler, 10_000, 11_000), 1);
    let mut late = Scheduler::new(settings(), None, Millis(0)).amid_life();
    let due = 13 * HOUR;
    assert_eq!(late.decide(&View { flush: true, ..unsent(due) }), Decision::Send);
    late.exchange_ended(Millis(due), Err(LinkError::TimeOut), &ExchangeCost::default());
    let overdue = View { unsent: 1, ..holding(due + 2 * HOUR, HOUR, Priority::Routine) };
    assert_eq!(late.decide(&overdue), Decision::Seal);
}

#[test]
fn something_urgent_that_failed_is_urgent_still() {
    let mut scheduler = scheduler();
    for _ in 0..4 {
        scheduler.budget.accesses.note();
    }
    let mut now = 0;
    assert_eq!(sent_or_sealed(&mut scheduler, &mut now, &holding(0, 0, Priority::Urgent)), Decision::Seal);
    assert_eq!(scheduler.decide(&unsent(now)), Decision::Send);
    scheduler.exchange_ended(Millis(now), Err(LinkError::TimeOut), &ExchangeCost::default());
    let begun = now;
    assert_eq!(sent_or_sealed(&mut scheduler, &mut now, &unsent(0)), Decision::Send);
    assert!(now - begun <= 120_000, "as a routine one it would have waited for an hour: {now}");
}

/// Follows the schedule from `now` with what `view` shows until it does something.
fn sent_or_sealed(scheduler: &mut Scheduler, now: &mut u64, view: &View) -> Decision {
    for _ in 0..100 {
        match scheduler.decide(&View { now: Millis(*now), ..*view }) {
            Decision::Wait(Some(at)) => *now = at.0,
            other => return other,
        }
    }
    panic!("does nothing");
}

#[test]
fn an_urgent_record_at_the_start_does_not_use_up_the_time_drawn_for_the_first_upload() {
    let mut scheduler = Scheduler::new(settings(), None, Millis(0));
    let by = scheduler.apart.by(Some(Millis(0))).unwrap();
    sent_at(&mut scheduler, 0, Priority::Urgent);
    let at = sent_at(&mut scheduler, 15_000, Priority::Routine);
    assert!(at <= by.0 && at > 3_000, "{at}, {by:?}");
    assert_eq!(scheduler.apart.by(Some(Millis(0))), None);
}

#[test]
fn an_empty_budget_keeps_routine_records_back_and_lets_urgent_ones_through() {
    let mut scheduler = scheduler();
    scheduler.budget.charge(Millis(0), MicroJoules::from_mj(42_900));
    assert!(matches!(scheduler.decide(&holding(0, 0, Priority::Routine)), Decision::Wait(Some(_))));
    assert_eq!(scheduler.degradation(), Degradation::UrgentOnly);
    let late = holding(13 * HOUR, 0, Priority::Routine);
    assert!(matches!(scheduler.decide(&late), Decision::Wait(Some(_))), "not even when due");
    let now = 13 * HOUR + 5_000;
    assert_eq!(sent_at(&mut scheduler, now, Priority::Urgent), now + 2_000);
}

#[test]
fn who_has_spent_all_looks_again_when_there_is_enough_to_go_on_and_not_at_some_time() {
    let rich = budget::Settings { refill_uw: 3_000_000, ..settings().budget };
    let mut scheduler = Scheduler::new(Settings { budget: rich, ..settings() }, None, Millis(0)).amid_life();
    scheduler.budget.charge(Millis(0), MicroJoules::from_mj(60_000));
    let flush = |now| View { flush: true, ..unsent(now) };
    let Decision::Wait(Some(at)) = scheduler.decide(&flush(0)) else { panic!("there is nothing to pay with") };
    // 17 J are owed and three sixteenths of 43 J wanted, at 3 W; and at most as long again for this device's own share.
    assert!((8_354..=16_710).contains(&at.0), "{at:?}");
    assert_eq!(scheduler.decide(&flush(at.0)), Decision::Send);
}

#[test]
fn it_degrades_step_by_step_and_comes_back_with_a_margin() {
    let mut scheduler = scheduler();
    let burst = settings().budget.burst;
    let (mut seen, mut now) = (Vec::new(), 0);
    for _ in 0..16 {
        scheduler.decide(&view(now));
        seen.push(scheduler.degradation());
        scheduler.budget.charge(Millis(now), MicroJoules(burst.0 / 16));
    }
    assert!(seen.windows(2).all(|pair| pair[0] <= pair[1]), "{seen:?}");
    for step in [Degradation::None, Degradation::LongerIntervals, Degradation::HashOnly, Degradation::UrgentOnly] {
        assert!(seen.contains(&step), "{step:?}");
    }
    for _ in 0..100 {
        now += HOUR;
        let before = scheduler.degradation();
        scheduler.decide(&view(now));
        assert!(scheduler.degradation() <= before);
    }
    assert_eq!(scheduler.degradation(), Degradation::None);
}

#[test]
fn the_budget_is_to_be_kept_when_an_exchange_is_told_to_start_and_a_reset_gives_nothing_back() {
    let mut scheduler = scheduler();
    let full = scheduler.budget.level();
    let flush = View { flush: true, ..unsent(0) };
    assert_eq!(scheduler.decide(&flush), Decision::Send);
    let kept = scheduler.to_keep().expect("to be kept before it starts");
    scheduler.was_kept();
    assert_eq!(scheduler.to_keep(), None);
    let after = Scheduler::new(settings(), Some(kept.bytes()), Millis(0));
    let held = full.minus(after.budget.level());
    assert!(held >= Model::DEFAULT.exchange(CoverageLevel::Ce1, 320, 1), "{held:?}");
}

#[test]
fn an_exchange_that_never_began_costs_nothing() {
    let mut scheduler = scheduler();
    let full = scheduler.budget.level();
    let flush = View { flush: true, ..unsent(0) };
    assert_eq!(scheduler.decide(&flush), Decision::Send);
    assert!(scheduler.budget.level() < full);
    // Nothing began, and the agent asks again.
    assert_eq!(scheduler.decide(&flush), Decision::Send);
    scheduler.exchange_ended(Millis(0), Err(LinkError::Refused), &ExchangeCost::default());
    assert_eq!(scheduler.budget.level(), full);
}

#[test]
fn after_a_start_devices_that_all_began_at_once_do_not_send_at_once() {
    let times = (0..1000).map(|seed| {
        let mut scheduler = Scheduler::new(Settings { seed, ..settings() }, None, Millis(0));
        sent_at(&mut scheduler, 0, Priority::Routine)
    });
    let mut minutes: Vec<u64> = times.map(|at| at / (15 * 60_000)).collect();
    minutes.sort_unstable();
    let most = minutes.chunk_by(|a, b| a == b).map(<[u64]>::len).max().unwrap();
    // A thousand over the 36 quarters of nine hours are 28 in each.
    assert!(most <= 50, "{most} in one quarter of an hour");
}

#[test]
fn a_starved_device_asks_at_ever_longer_times() {
    let mut scheduler = scheduler();
    let starved = |now| View { starved: true, ..view(now) };
    let (mut now, mut asks) = (0, Vec::new());
    while asks.len() < 10 {
        match scheduler.decide(&starved(now)) {
            Decision::Send => {
                asks.push(now);
                scheduler.exchange_ended(Millis(now), Ok(()), &exchange(CoverageLevel::Ce0));
            }
            Decision::Wait(Some(at)) => now = at.0,
            other => panic!("{other:?}"),
        }
    }
    assert!(asks[9] > HOUR, "{asks:?}");
}

/// What leaves the bucket while `work` is done.
fn charged<T>(scheduler: &mut Scheduler, work: impl FnOnce(&mut Scheduler) -> T) -> MicroJoules {
    let before = scheduler.budget.level();
    work(scheduler);
    before.minus(scheduler.budget.level())
}

/// No refill, so that what is charged can be seen.
fn dry() -> Settings {
    Settings { budget: budget::Settings { refill_uw: 0, ..settings().budget }, ..settings() }
}

#[test]
fn each_tracking_area_update_that_no_connection_put_off_is_charged_once() {
    let mut scheduler = Scheduler::new(Settings { tau: Some(Millis(HOUR)), ..dry() }, None, Millis(0)).amid_life();
    let one = u64::from(Model::DEFAULT.level(CoverageLevel::Ce1).tau_uj);
    let mut taus = |now| charged(&mut scheduler, |scheduler| scheduler.decide(&view(now))).0 / one;
    assert_eq!([taus(HOUR - 1), taus(HOUR), taus(HOUR + 5), taus(3 * HOUR + 7)], [0, 1, 0, 2]);
    assert_eq!(taus(3 * HOUR + 7 + 90 * DAY), 24, "a clock that jumps makes a day of them");
    let now = 100 * DAY;
    scheduler.decide(&view(now));
    scheduler.exchange_ended(Millis(now + HOUR / 2), Ok(()), &exchange(CoverageLevel::Ce0));
    let riding = View { radio_up_until: Some(Millis(now + 2 * HOUR)), ..view(now + HOUR + HOUR / 4) };
    let none = charged(&mut scheduler, |scheduler| (scheduler.decide(&view(now + HOUR)), scheduler.decide(&riding)));
    assert_eq!(none, MicroJoules(0), "a connection puts it off, and so does the application's");
    scheduler.timers(Millis(now), PsmTimers { active: None, periodic_update: Some(Millis(10 * HOUR)) });
    let later = View { now: Millis(now + 9 * HOUR), ..view(0) };
    assert_eq!(charged(&mut scheduler, |scheduler| scheduler.decide(&later)), MicroJoules(0), "as granted");
}

#[test]
fn the_first_exchange_after_a_start_pays_for_the_attach_unless_the_link_says_that_there_was_none() {
    let attach = u64::from(Model::DEFAULT.level(CoverageLevel::Ce0).attach_uj);
    let first = |attach| {
        let mut scheduler = Scheduler::new(dry(), None, Millis(0));
        charged(&mut scheduler, |scheduler| {
            assert_eq!(scheduler.decide(&View { flush: true, ..unsent(0) }), Decision::Send);
            let cost = ExchangeCost { attach, ..exchange(CoverageLevel::Ce0) };
            scheduler.exchange_ended(Millis(3_000), Ok(()), &cost);
        })
    };
    let without = first(Attach::Registered);
    assert_eq!(first(Attach::Unknown), without.plus(MicroJoules(attach)));
    assert_eq!(first(Attach::Attached), without.plus(MicroJoules(attach)));
    let mut scheduler = Scheduler::new(dry(), None, Millis(0));
    let mut exchanges = (1..4_u64).map(|hours| {
        charged(&mut scheduler, |scheduler| {
            assert_eq!(scheduler.decide(&View { flush: true, ..unsent(hours * HOUR) }), Decision::Send);
            let cost = ExchangeCost { attach: Attach::Unknown, ..exchange(CoverageLevel::Ce0) };
            scheduler.exchange_ended(Millis(hours * HOUR + 3_000), Ok(()), &cost);
        })
    });
    assert_eq!(exchanges.next(), Some(without.plus(MicroJoules(attach))));
    assert!(exchanges.all(|later| later == without), "and the others do not");
}

#[test]
fn the_device_s_own_work_is_charged_by_the_model() {
    let mut scheduler = Scheduler::new(dry(), None, Millis(0));
    let work = Work { signatures: 2, flash: crate::journal::FlashWork { writes: 10, erases: 3 } };
    let spent = charged(&mut scheduler, |scheduler| scheduler.worked(Millis(0), work));
    assert_eq!(spent, MicroJoules(2 * 3_000 + 10 * 40 + 3 * 2_500));
    assert!(scheduler.affords_signature(Millis(0)));
    scheduler.budget.hold(Millis(0), MicroJoules(1), Purpose::Routine).unwrap();
    assert!(scheduler.affords_signature(Millis(0)), "what an exchange holds is beside it");
    scheduler.budget.charge(Millis(0), settings().budget.burst);
    assert!(!scheduler.affords_signature(Millis(0)), "the reserve is not for it");
}

#[test]
fn an_exchange_that_costs_more_than_the_bucket_holds_takes_a_full_one_and_owes_the_rest() {
    let small = budget::Settings { burst: MicroJoules::from_mj(1_000), ..settings().budget };
    let mut scheduler = Scheduler::new(Settings { budget: small, ..settings() }, None, Millis(0)).amid_life();
    let flush = |now| View { flush: true, ..unsent(now) };
    assert_eq!(scheduler.decide(&flush(0)), Decision::Send);
    scheduler.exchange_ended(Millis(3_000), Ok(()), &exchange(CoverageLevel::Ce1));
    assert!(scheduler.budget.debt() > MicroJoules(0));
    assert!(matches!(scheduler.decide(&flush(10_000)), Decision::Wait(Some(_))), "and waits for it");
}

#[test]
fn a_new_supply_credits_nothing_and_a_new_model_prices_what_comes() {
    let mut scheduler = scheduler();
    scheduler.budget.charge(Millis(0), MicroJoules::from_mj(30_000));
    let level = scheduler.budget.level();
    let larger = budget::Settings { burst: MicroJoules::from_mj(500_000), ..settings().budget };
    scheduler.set_budget(Millis(0), larger);
    assert_eq!(scheduler.budget.level(), level);
    let smaller = budget::Settings { burst: MicroJoules::from_mj(1_000), reserve: MicroJoules(0), ..larger };
    scheduler.set_budget(Millis(0), smaller);
    assert_eq!(scheduler.budget.level(), smaller.burst);
    scheduler.set_model(Model { signature_uj: 500_000, ..Model::DEFAULT });
    let work = Work { signatures: 1, ..Work::default() };
    assert_eq!(charged(&mut scheduler, |scheduler| scheduler.worked(Millis(0), work)), MicroJoules(500_000));
}

#[test]
fn meters_whose_journals_fill_at_the_same_pace_do_not_send_at_the_same_time() {
    const DEVICES: u64 = 2_000;
    // A reading each quarter of an hour, a journal for 40, and 12 hours to send them.
    let sent_in = |seed| {
        let mut scheduler = Scheduler::new(Settings { seed, ..settings() }, None, Millis(0)).amid_life();
        let mut now = 0;
        loop {
            let reading = holding(now, 0, Priority::Routine);
            let room = 40 - reading.unsealed;
            let view = View { waiting: reading.unsealed, room, ..reading };
            match scheduler.decide(&view) {
                Decision::Wait(Some(at)) => now = at.0.min((now / (HOUR / 4) + 1) * (HOUR / 4)),
                Decision::Seal => return now,
                other => panic!("{other:?}"),
            }
        }
    };
    let mut minutes = std::collections::BTreeMap::new();
    for seed in 0..DEVICES {
        *minutes.entry(sent_in(seed) / 60_000).or_insert(0_u64) += 1;
    }
    let (first, last) = (*minutes.keys().next().unwrap(), *minutes.keys().last().unwrap());
    assert!(first >= 9 * 15 && last <= 20 * 15, "{first} {last}");
    let busiest = *minutes.values().max().unwrap();
    // Ten readings' time, evenly: 13 a minute.
    assert!(busiest <= 3 * DEVICES / (last - first), "{busiest} in a minute of {} in {}", DEVICES, last - first);
}

#[test]
fn updates_each_minute_until_a_deadline_in_forty_days_are_reckoned_with_in_groups() {
    let mut model = Model::DEFAULT;
    model.levels.iter_mut().for_each(|level| level.tau_uj = 10_000_000);
    let budget = budget::Settings { burst: MicroJoules(1 << 50), ..settings().budget };
    let patience = [Millis(40 * DAY), Millis(40 * DAY), Millis(2_000)];
    let often = Settings { model, budget, patience, tau: Some(Millis(60_000)), ..settings() };
    let mut scheduler = Scheduler::new(often, None, Millis(0)).amid_life();
    let mut since = 0;
    for _ in 0..3 {
        let sent = sent_at(&mut scheduler, since, Priority::Routine);
        assert!(sent <= since + 40 * DAY, "{} h", (sent - since) / HOUR);
        since = sent + HOUR;
    }
}
