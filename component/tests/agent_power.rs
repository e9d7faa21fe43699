// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The agent with the schedule that pays for what it does: few wakes, a budget that outlives resets, and less data before none.

mod agent_world;
mod journal_flash;

use std::{cell::RefCell, rc::Rc};

use agent_world::{
    Fate, HOUR, Log, PAYLOAD, Port, Queue, STREAM, Seen, SharedFlash, TestLink, UPLINK, World, minicbor_uint,
    relay::Keys,
    settings,
    signer::{FIRST_KEY, TestSigner},
};
use cairn::{
    agent::{self, Agent, Event, SubmitError, UploadMode},
    journal::Journal,
    ports::{LinkError, Ticket},
    power::{
        budget,
        cost::{MicroJoules, Model},
        outlook::Sight,
        schedule::Degradation,
        scheduler::{Scheduler, Settings},
    },
    record::{Kind, Priority},
    time::{Millis, TimeQuality},
};
use journal_flash::MockFlash;

type Paying = Agent<Log, TestSigner, TestLink, Port, Scheduler, PAYLOAD, UPLINK>;

struct Meter {
    agent: Paying,
    inbox: Queue,
    world: Port,
    flash: SharedFlash,
    budget: budget::Settings,
    model: Model,
}

const RICH: budget::Settings = budget::Settings {
    refill_uw: 251,
    burst: MicroJoules::from_mj(43_000),
    reserve: MicroJoules::from_mj(20_000),
    urgent_burst: 3,
    urgent_interval: Millis(600_000),
};

impl Meter {
    fn new(budget: budget::Settings) -> Self {
        let mut world = World::default();
        (world.wall_offset, world.quality) = (1_768_345_200_000, TimeQuality::Network);
        (world.exchange_takes, world.finalises_quickly) = (3_000, true);
        world.keys = Keys::of(FIRST_KEY.public());
        let world = Port(Rc::new(RefCell::new(world)));
        let flash = SharedFlash(Rc::new(RefCell::new(MockFlash::new(1))));
        Log::format(&mut flash.clone(), STREAM).unwrap();
        let model = Model::DEFAULT;
        let agent = Self::boot(&world, &flash, budget, model, None);
        Self { agent, inbox: Queue(world.clone(), Vec::new()), world, flash, budget, model }
    }

    /// One that lets go of hashes after ten days.
    fn retaining(budget: budget::Settings) -> Self {
        let mut meter = Self::new(budget);
        let retention = Some(Millis(10 * 24 * HOUR));
        meter.agent = Self::boot(&meter.world, &meter.flash, meter.budget, meter.model, retention);
        meter
    }

    fn boot(
        world: &Port,
        flash: &SharedFlash,
        budget: budget::Settings,
        model: Model,
        retention: Option<Millis>,
    ) -> Paying {
        let mut journal = Log::mount(flash.clone()).unwrap();
        let kept = journal.budget().unwrap();
        let now = Millis(world.0.borrow().now);
        let schedule = Settings {
            patience: [Millis(7 * 24 * HOUR), Millis(12 * HOUR), Millis(2_000)],
            retry_base: Millis(60_000),
            retry_max: Millis(HOUR),
            seed: 3,
            model,
            budget,
            tau: None,
            sight: Sight::Blind,
        };
        let schedule = Scheduler::new(schedule, kept.as_ref().map(|kept| kept.bytes()), now);
        let link = TestLink(world.clone(), Vec::new());
        let signer = TestSigner::new(&FIRST_KEY, world);
        let settings = agent::Settings { retention, ..settings(UploadMode::Data) };
        Agent::new(settings, journal, signer, link, world.clone(), schedule).unwrap()
    }

    fn reset(&mut self) {
        {
            let mut world = self.world.0.borrow_mut();
            world.lose_exchange();
        }
        self.agent = Self::boot(&self.world, &self.flash, self.budget, self.model, None);
    }

    fn submit(&mut self, priority: Priority, value: u32) {
        self.world.0.borrow_mut().submit(Kind::READING, priority, &minicbor_uint(value));
    }

    fn run_for(&mut self, span: u64) {
        let until = self.world.0.borrow().now + span;
        for polls in 0.. {
            assert!(polls < 10_000, "the agent spins");
            let world = self.world.clone();
            let next = self.agent.poll(&mut self.inbox, &mut |event| world.0.borrow_mut().events.push(event));
            let mut world = self.world.0.borrow_mut();
            match next.filter(|at| at.0 <= until) {
                Some(at) => world.now = world.now.max(at.0),
                None => {
                    world.now = until;
                    break;
                }
            }
        }
    }

    fn read_for_days(&mut self, days: u32) {
        for value in 0..days * 24 {
            self.submit(Priority::Routine, value);
            self.run_for(HOUR);
        }
    }

    fn uplinks(&self) -> usize {
        self.world.0.borrow().uplinks.len()
    }
}

#[test]
fn ten_days_of_readings_take_about_as_many_wakes_as_their_deadlines_need() {
    let mut meter = Meter::new(RICH);
    meter.read_for_days(10);
    let uplinks = meter.uplinks();
    // Twenty at twelve hours each.
    assert!((18..=30).contains(&uplinks), "{uplinks}");
    let world = meter.world.0.borrow();
    let stored = world.events.iter().filter(|event| matches!(event, Event::Stored { .. })).count();
    assert_eq!(stored, uplinks, "each brought a batch");
    assert_eq!(meter.agent.status().degradation, Degradation::None);
}

#[test]
fn a_device_that_resets_in_every_exchange_spends_its_bucket_and_no_more() {
    let mut meter = Meter::new(budget::Settings { refill_uw: 0, urgent_burst: 60, ..RICH });
    for value in 0..200 {
        meter.submit(Priority::Urgent, value);
        meter.run_for(2_500);
        meter.reset();
    }
    // An exchange of 320 bytes at a level that nobody knows is 1,860 mJ or more, and 15 J for the attach; all is urgent.
    assert_eq!(meter.uplinks() as u64, (RICH.burst.0 + RICH.reserve.0) / 16_860_000);
}

#[test]
fn a_device_short_of_energy_sends_hashes_then_only_what_is_urgent() {
    let mut meter = Meter::retaining(budget::Settings { refill_uw: 5, burst: MicroJoules::from_mj(20_000), ..RICH });
    let (mut seen, mut last) = (Vec::new(), Degradation::None);
    for value in 0..60 {
        for _ in 0..2 {
            meter.submit(Priority::Routine, value);
            meter.run_for(6 * HOUR);
        }
        last = meter.agent.status().degradation;
        if seen.last() != Some(&last) {
            seen.push(last);
        }
    }
    assert!(seen.contains(&Degradation::HashOnly), "{seen:?}");
    assert!(meter.world.0.borrow().data.iter().any(Option::is_none), "a batch went without its data");
    assert!(last >= Degradation::LongerIntervals, "{seen:?}");
    let before = meter.uplinks();
    meter.submit(Priority::Urgent, 99);
    meter.run_for(10_000);
    assert!(meter.uplinks() > before, "what is urgent goes");
}

#[test]
fn a_device_short_of_energy_that_nobody_releases_hashes_for_sends_none() {
    let mut meter = Meter::new(budget::Settings { refill_uw: 5, burst: MicroJoules::from_mj(20_000), ..RICH });
    let mut worst = Degradation::None;
    for value in 0..60 {
        meter.submit(Priority::Routine, value);
        meter.run_for(12 * HOUR);
        worst = worst.max(meter.agent.status().degradation);
    }
    assert!(worst >= Degradation::HashOnly && meter.uplinks() > 5, "{worst:?} {}", meter.uplinks());
    assert!(
        meter.world.0.borrow().data.iter().all(Option::is_some),
        "a batch went without its data, which nobody would fetch"
    );
}

impl Meter {
    /// A door is rattled: so many urgent events at once. How many were journaled, and how many counted.
    fn rattle(&mut self, kind: Kind, times: u32) -> (usize, usize) {
        for value in 0..times {
            let wall = self.world.0.borrow().wall();
            let event = (wall, kind, Priority::Urgent, minicbor_uint(value), Some(Ticket(1)));
            self.world.0.borrow_mut().queue.push_back(event);
        }
        self.run_for(100);
        let answers = std::mem::take(&mut self.world.0.borrow_mut().answers);
        let counted = answers.iter().filter(|(_, answer)| *answer == Err(SubmitError::Coalesced)).count();
        (answers.iter().filter(|(_, answer)| answer.is_ok()).count(), counted)
    }

    /// The counts that the relay was given: payloads of kind 5.
    fn counts(&self) -> Vec<Vec<u8>> {
        let world = self.world.0.borrow();
        let told = world.data.iter().flatten().flatten().filter_map(|seen| match seen {
            Seen::Record { kind: Kind::LOSS, payload, .. } => Some(payload.clone()),
            _ => None,
        });
        told.collect()
    }
}

/// `[64, count, 3, the world's wall clock at first]`.
fn count_of_64(count: u8) -> Vec<u8> {
    let since = 1_768_345_200_000_u64;
    [&[0x84, 0x18, 64, count, 3, 0x1b][..], &since.to_be_bytes()].concat()
}

#[test]
fn a_rattled_door_is_three_records_and_a_count_and_another_alarm_gets_through() {
    let mut meter = Meter::new(RICH);
    assert_eq!(meter.rattle(Kind(64), 20), (3, 17));
    assert_eq!(meter.rattle(Kind(65), 1), (1, 0));
    let refused = Event::Refused(SubmitError::Coalesced);
    assert_eq!(meter.world.0.borrow().events.iter().filter(|event| **event == refused).count(), 17);
    meter.run_for(5 * 60_000);
    assert_eq!(meter.counts(), [[0_u8; 0]; 0], "not yet");
    meter.run_for(6 * 60_000);
    assert_eq!(meter.counts(), [count_of_64(17)]);
    let totals = meter.agent.status().totals;
    assert_eq!((totals.coalesced, totals.counts, totals.accepted, totals.refused), (17, 1, 4, 0));
    meter.run_for(24 * HOUR);
    assert_eq!(meter.counts().len(), 1, "told once");
}

#[test]
fn a_count_outlives_a_reset_and_a_reset_lifts_no_limit() {
    let mut meter = Meter::new(RICH);
    assert_eq!(meter.rattle(Kind(64), 10), (3, 7));
    for _ in 0..5 {
        meter.reset();
        assert_eq!(meter.rattle(Kind(64), 2), (0, 2));
    }
    meter.run_for(20 * 60_000);
    assert_eq!(meter.counts(), [count_of_64(17)]);
}

#[test]
fn what_cannot_be_counted_is_refused_and_no_count_is_lost_in_a_full_journal() {
    let mut meter = Meter::new(RICH);
    assert_eq!(meter.rattle(Kind(64), 10), (3, 7));
    meter.run_for(5_000);
    meter.world.0.borrow_mut().finalises_quickly = false;
    for value in 0..2_000 {
        meter.submit(Priority::Routine, value * 7_919);
        meter.run_for(1);
    }
    assert!(meter.agent.status().totals.journal_full > 0, "it is full");
    assert_eq!(meter.rattle(Kind(64), 5), (0, 0), "neither journaled nor counted");
    meter.run_for(11 * 60_000);
    assert_eq!(meter.agent.status().totals.counts, 0, "nor told");
    meter.agent.flush();
    for _ in 0..4 {
        let stored = meter.world.0.borrow().anchors.last().map(|(anchor, _)| anchor.batch);
        meter.world.0.borrow_mut().final_through = stored;
        meter.run_for(24 * HOUR);
    }
    assert_eq!(meter.counts(), [count_of_64(7)]);
}

/// Readings every two minutes, so many that they fill the journal five times over before the first is due; how many were refused.
fn refused_of_a_day_of_readings(meter: &mut Meter) -> u32 {
    for value in 0..24 * 30 {
        meter.submit(Priority::Routine, value * 7_919);
        meter.run_for(2 * 60_000);
    }
    meter.agent.status().totals.journal_full
}

#[test]
fn a_small_journal_is_emptied_before_it_refuses_a_record() {
    let rich = budget::Settings { refill_uw: 20_000, burst: MicroJoules::from_mj(1_700_000), ..RICH };
    let mut meter = Meter::new(rich);
    assert_eq!(refused_of_a_day_of_readings(&mut meter), 0);
    // Its deadline alone would have two.
    assert!((4..=24).contains(&meter.uplinks()), "{}", meter.uplinks());
    let world = meter.world.0.borrow();
    assert!(world.data.iter().all(Option::is_some) && meter.agent.status().degradation == Degradation::None);
}

#[test]
fn a_crowded_journal_whose_network_is_down_sends_no_oftener_than_accesses_and_budget_allow() {
    let mut meter = Meter::new(RICH);
    meter.read_for_days(1);
    let before = meter.uplinks();
    meter.world.0.borrow_mut().fates = vec![Fate::Fails(LinkError::Unreachable); 10_000].into();
    let (mut tries, mut most) = (Vec::new(), 0);
    for value in 0..24 * 30 {
        meter.submit(Priority::Routine, value * 7_919);
        let so_far = meter.uplinks();
        meter.run_for(2 * 60_000);
        tries.push(meter.uplinks() - so_far);
        most = most.max(tries.iter().rev().take(30).sum());
    }
    assert!(meter.agent.status().totals.journal_full > 0, "it is full");
    assert!(most <= 5, "{most} tries in an hour");
    // Each try is charged with 1.8 J or more, of 43 J and what a day brings.
    let tries = meter.uplinks() - before;
    assert!((3..=36).contains(&tries), "{tries}");
    meter.world.0.borrow_mut().fates.clear();
    meter.run_for(3 * 24 * HOUR);
    let refused = meter.agent.status().totals.journal_full;
    meter.submit(Priority::Routine, 1);
    meter.run_for(1);
    assert_eq!(meter.agent.status().totals.journal_full, refused, "there is room again");
}

#[test]
fn a_flush_that_cannot_be_paid_for_is_kept_until_it_can_and_status_tells() {
    let mut meter = Meter::new(budget::Settings { refill_uw: 500, ..RICH });
    for value in 0..60 {
        meter.submit(Priority::Routine, value);
        meter.agent.flush();
        meter.run_for(20_000);
        if meter.agent.status().flush_waits {
            break;
        }
    }
    let before = meter.uplinks();
    assert!(meter.agent.status().flush_waits && meter.agent.status().unsealed == 1, "{before}");
    meter.run_for(HOUR);
    assert!(meter.agent.status().flush_waits && meter.uplinks() == before, "there is not enough yet");
    // 8 J of 500 microwatts; the record is due in twelve hours, stretched to 48.
    meter.run_for(5 * HOUR);
    assert_eq!(meter.uplinks(), before + 1);
    assert!(!meter.agent.status().flush_waits, "done");
}

#[test]
fn a_flush_with_nothing_to_send_is_done() {
    let mut meter = Meter::new(RICH);
    meter.agent.flush();
    meter.run_for(60_000);
    assert_eq!(meter.uplinks(), 1, "the identity record");
    meter.agent.flush();
    meter.run_for(60_000);
    assert!(!meter.agent.status().flush_waits);
    meter.submit(Priority::Routine, 1);
    meter.run_for(HOUR);
    assert_eq!(meter.uplinks(), 1, "a later record is not flushed");
}

#[test]
fn where_only_time_lets_go_of_records_a_crowded_journal_causes_no_uploads() {
    let rich = budget::Settings { refill_uw: 20_000, burst: MicroJoules::from_mj(1_700_000), ..RICH };
    let mut meter = Meter::retaining(rich);
    meter.agent.set_upload(UploadMode::HashOnly);
    for value in 0..8 * 30 {
        meter.submit(Priority::Routine, value * 7_919);
        meter.run_for(2 * 60_000);
    }
    assert_eq!(meter.uplinks(), 0, "in eight hours of twelve");
    assert!(refused_of_a_day_of_readings(&mut meter) > 0, "it is full until they are ten days old");
}

#[test]
fn after_a_reset_what_the_relay_has_is_known_and_hurries_nothing() {
    let mut meter = Meter::new(RICH);
    meter.world.0.borrow_mut().finalises_quickly = false;
    for value in 0..150 {
        meter.submit(Priority::Routine, value * 7_919);
    }
    meter.run_for(1);
    meter.agent.flush();
    meter.run_for(60_000);
    assert_eq!(
        (meter.agent.status().unsent, meter.agent.status().unsealed),
        (0, 0),
        "the relay has all, and none is final"
    );
    let before = meter.uplinks();
    meter.reset();
    meter.submit(Priority::Routine, 1);
    meter.run_for(HOUR + 60_000);
    assert_eq!(meter.uplinks(), before, "one record waits, and there is room");
}

#[test]
fn a_journal_found_crowded_at_a_start_is_sent_within_the_hour_and_not_in_its_first_minutes() {
    let mut meter = Meter::new(RICH);
    for value in 0..200 {
        meter.submit(Priority::Routine, value * 7_919);
    }
    meter.run_for(1);
    meter.reset();
    meter.run_for(7 * 60_000);
    assert_eq!(meter.uplinks(), 0);
    meter.run_for(HOUR);
    assert!(meter.uplinks() > 0);
}
