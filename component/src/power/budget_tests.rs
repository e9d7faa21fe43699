// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bound of a budget, for random workloads, costs, clocks that jump and resets; and mistakes that it must notice.

use std::{cell::Cell, format, string::String, thread_local, vec, vec::Vec};

use super::*;

thread_local! {
    static CHOSEN: Cell<Option<Mistake>> = const { Cell::new(None) };
}

pub(super) fn makes(mistake: Mistake) -> bool {
    CHOSEN.get() == Some(mistake)
}

const DAY: u64 = 24 * 3_600_000;

/// The meter of docs/power.md: 21.7 J a day and two days saved up.
const SETTINGS: Settings = Settings {
    refill_uw: 251,
    burst: MicroJoules::from_mj(43_000),
    reserve: MicroJoules::from_mj(20_000),
    urgent_burst: 3,
    urgent_interval: Millis::from_secs(600),
};

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % end
    }
}

/// What was spent at a moment, in nanojoules, by whom, and what the budget owed afterwards.
struct Spent {
    /// True time, with what clocks that jumped forward were credited by mistake: nobody can know better.
    creditable_ms: u64,
    nanojoules: u64,
    purpose: Purpose,
    debt: u64,
}

/// A device with a true time, a clock that shows another, and a flash.
struct World {
    budget: Budget,
    settings: Settings,
    /// True milliseconds, plus jumps forward, each for a day at most.
    creditable_ms: u64,
    shown: u64,
    kept: BudgetState,
    spent: Vec<Spent>,
    resets: u64,
}

impl World {
    fn new(settings: Settings) -> Self {
        let budget = Budget::new(settings, None, Millis(0));
        let kept = budget.state();
        Self { budget, settings, creditable_ms: 0, shown: 0, kept, spent: Vec::new(), resets: 0 }
    }

    fn now(&self) -> Millis {
        Millis(self.shown)
    }

    fn keep(&mut self) {
        self.kept = self.budget.state();
        self.budget.was_kept();
    }

    fn note(&mut self, nanojoules: u64, purpose: Purpose) {
        let debt = self.budget.debt;
        self.spent.push(Spent { creditable_ms: self.creditable_ms, nanojoules, purpose, debt });
    }

    fn pass(&mut self, span: u64) {
        self.creditable_ms += span;
        self.shown += span;
    }

    fn reset(&mut self, shown: u64) {
        self.shown = shown;
        self.resets += 1;
        self.budget = Budget::new(self.settings, Some(self.kept.bytes()), Millis(shown));
    }

    /// An exchange: held for, kept, done, settled; or cut by a reset.
    fn exchange(&mut self, dice: &mut Dice, may_cost_more: bool) {
        let purpose = if dice.below(3) == 0 { Purpose::Urgent } else { Purpose::Routine };
        let cost = dice.below(30_000_000);
        if self.budget.hold(self.now(), MicroJoules(cost), purpose).is_err() {
            return;
        }
        self.keep();
        let more = if may_cost_more && dice.below(4) == 0 { dice.below(30_000_000) } else { 0 };
        let spent = if more > 0 { cost + more } else { dice.below(cost + 1) };
        let span = dice.below(100_000);
        if dice.below(5) == 0 {
            // Cut before it cost all that was held.
            self.pass(span);
            self.note(spent.min(cost) * NANO, purpose);
            self.reset(0);
            return;
        }
        if dice.below(3) == 0 {
            self.pass(dice.below(DAY));
            self.budget.refill(self.now());
        }
        self.pass(span);
        self.budget.settle(self.now(), MicroJoules(spent));
        self.note(spent * NANO, purpose);
        if self.budget.is_to_be_kept() {
            self.keep();
        }
    }

    fn step(&mut self, dice: &mut Dice, may_cost_more: bool) {
        match dice.below(22) {
            0..10 => self.exchange(dice, may_cost_more),
            10..15 => {
                let most = [60_000, 3_600_000, DAY][usize::try_from(dice.below(3)).unwrap()];
                self.pass(dice.below(most));
            }
            15 => {
                let jump = dice.below(40 * DAY);
                self.shown += jump;
                self.creditable_ms += jump.min(DAY);
            }
            16 => self.shown = self.shown.saturating_sub(dice.below(3 * DAY)),
            17 => {
                let shown = dice.below(2) * dice.below(DAY);
                self.reset(shown);
            }
            18 => self.budget.refill(self.now()),
            19 => self.set(dice),
            20 if may_cost_more => {
                let cost = dice.below(3_000_000);
                self.budget.charge(self.now(), MicroJoules(cost));
                self.note(cost * NANO, Purpose::Routine);
                self.keep();
            }
            _ => self.work(dice, may_cost_more),
        }
    }

    /// Signatures and flash: charged as they come, kept when the budget asks for it.
    fn work(&mut self, dice: &mut Dice, may_cost_more: bool) {
        let cost = dice.below(9_000);
        if self.budget.available(Purpose::Routine) < cost * NANO && !may_cost_more {
            return;
        }
        self.budget.charge(self.now(), MicroJoules(cost));
        self.note(cost * NANO, Purpose::Routine);
        if self.budget.is_to_be_kept() {
            self.keep();
        }
    }

    /// Other settings, never more than those that the bound is reckoned with.
    fn set(&mut self, dice: &mut Dice) {
        let part = |whole: u64, dice: &mut Dice| whole / 4 * (1 + dice.below(4));
        let settings = Settings {
            refill_uw: u32::try_from(part(u64::from(self.settings.refill_uw), dice)).unwrap(),
            burst: MicroJoules(part(self.settings.burst.0, dice)),
            reserve: self.settings.reserve,
            ..self.settings
        };
        self.budget.set(self.now(), settings);
        if self.budget.is_to_be_kept() {
            self.keep();
        }
    }

    /// The bound, over every window between two moments at which something was spent.
    fn check(&self) -> Result<(), String> {
        let Settings { refill_uw, burst, reserve, .. } = self.settings;
        for (first, from) in self.spent.iter().enumerate() {
            let (mut all, mut routine) = (0, 0);
            for (count, to) in self.spent[first..].iter().enumerate() {
                all += to.nanojoules;
                routine += if to.purpose == Purpose::Routine { to.nanojoules } else { 0 };
                let refill = u64::from(refill_uw) * (to.creditable_ms - from.creditable_ms);
                let bound = refill + (burst.0 + reserve.0) * NANO;
                // What is owed is not charged yet: the refill pays it before anything else starts.
                if all > bound + to.debt {
                    return Err(format!(
                        "{all} nJ in {count} steps from {first}, {bound} allowed and {} owed",
                        to.debt
                    ));
                }
                if routine > refill + burst.0 * NANO + to.debt {
                    return Err(format!("routine: {routine} nJ in {count} steps from {first}"));
                }
            }
        }
        Ok(())
    }
}

fn life(seed: u64, settings: Settings, may_cost_more: bool) -> Result<World, String> {
    let mut dice = Dice(seed);
    let mut world = World::new(settings);
    for _ in 0..150 {
        world.step(&mut dice, may_cost_more);
        if world.budget.level + world.budget.held > world.budget.capacity() {
            return Err(format!("seed {seed}: more than full"));
        }
    }
    world.check().map_err(|error| format!("seed {seed}: {error}"))?;
    Ok(world)
}

/// Poor, as above, rich, and without a reserve.
fn supplies() -> [Settings; 4] {
    [
        SETTINGS,
        Settings { refill_uw: 57, burst: MicroJoules::from_mj(10_000), ..SETTINGS },
        Settings { refill_uw: 100_000, ..SETTINGS },
        Settings { reserve: MicroJoules(0), ..SETTINGS },
    ]
}

#[test]
fn no_window_has_more_charged_than_refill_burst_and_reserve() {
    let mut spent = 0;
    for seed in 0..800 {
        for settings in supplies() {
            let world = life(seed, settings, false).unwrap();
            // Only what each reset found spent ahead.
            assert!(world.budget.debt <= world.resets * WORK_AHEAD.0 * NANO, "{} is owed", world.budget.debt);
            spent += world.spent.len();
        }
    }
    assert!(spent > 50_000, "hardly anything was ever spent: {spent}");
}

#[test]
fn what_costs_more_than_was_held_exceeds_the_bound_by_what_is_owed_and_no_more() {
    for seed in 0..800 {
        for settings in supplies() {
            life(seed, settings, true).unwrap();
        }
    }
}

#[test]
fn a_wrong_refill_is_caught() {
    for mistake in [Mistake::CreditsStepsBack, Mistake::FullAtBoot, Mistake::ForgetsHeld, Mistake::FullWhenSet] {
        CHOSEN.set(Some(mistake));
        let caught = (0..400).any(|seed| supplies().into_iter().any(|settings| life(seed, settings, false).is_err()));
        CHOSEN.set(None);
        assert!(caught, "{mistake:?} went unnoticed");
    }
}

#[test]
fn a_device_that_resets_for_ever_spends_what_was_in_the_bucket_and_no_more() {
    let mut world = World::new(SETTINGS);
    let (mut spent, cost) = (0, MicroJoules::from_mj(500));
    for _ in 0..10_000 {
        world.reset(0);
        if world.budget.hold(world.now(), cost, Purpose::Routine).is_ok() {
            world.keep();
            spent += cost.0;
        }
    }
    // Each of them finds it emptier by what it might have worked.
    let most = SETTINGS.burst.0;
    assert!((most / 10 * 9..=most).contains(&spent), "{spent}");
}

/// Works twice after each of 10,000 starts, and says what was spent and what is owed.
fn works_and_resets() -> (u64, u64) {
    let mut world = World::new(SETTINGS);
    let mut spent = 0;
    for _ in 0..10_000 {
        world.reset(0);
        for cost in [MicroJoules(40), MicroJoules(7_000)] {
            world.budget.charge(world.now(), cost);
            spent += cost.0;
            if world.budget.is_to_be_kept() {
                world.keep();
            }
        }
    }
    (spent, world.budget.debt().0)
}

#[test]
fn what_is_worked_in_a_reboot_loop_is_charged_or_owed_and_the_check_would_notice_if_not() {
    let (spent, owed) = works_and_resets();
    assert!(spent <= SETTINGS.burst.0 + owed, "{spent} with {owed} owed");
    CHOSEN.set(Some(Mistake::KeepsNothingAhead));
    let (spent, owed) = works_and_resets();
    CHOSEN.set(None);
    assert!(spent > SETTINGS.burst.0 + owed, "{spent} with {owed} owed, and nobody noticed");
}

#[test]
fn the_state_is_not_kept_after_every_piece_of_work() {
    let mut world = World::new(SETTINGS);
    let (mut times, works) = (0, 10_000);
    for _ in 0..works {
        world.budget.charge(world.now(), MicroJoules(40));
        if world.budget.is_to_be_kept() {
            world.keep();
            times += 1;
        }
    }
    assert!(times <= works / 200, "{times}");
}

#[test]
fn only_what_is_urgent_draws_on_the_reserve() {
    let mut budget = Budget::new(SETTINGS, None, Millis(0));
    budget.charge(Millis(0), MicroJoules::from_mj(42_900));
    let (now, cost) = (Millis(0), MicroJoules::from_mj(500));
    let Err(Short { until: Some(until) }) = budget.affords(now, cost, Purpose::Routine) else { panic!("affords") };
    assert_eq!(budget.affords(now, cost, Purpose::Urgent), Ok(()));
    // 400 mJ at 251 uW.
    assert_eq!(until, Millis(400_000_000_u64.div_ceil(251)));
    assert!(budget.clone().affords(Millis(until.0 - 1), cost, Purpose::Routine).is_err());
    assert_eq!(budget.affords(until, cost, Purpose::Routine), Ok(()));
    let too_much = SETTINGS.burst.plus(MicroJoules(1));
    assert_eq!(budget.affords(until, too_much, Purpose::Routine), Err(Short { until: None }));
}

#[test]
fn debt_is_paid_first_and_leaves_the_reserve_alone() {
    let mut budget = Budget::new(SETTINGS, None, Millis(0));
    budget.charge(Millis(0), SETTINGS.burst.plus(MicroJoules::from_mj(1_000)));
    assert_eq!((budget.level(), budget.debt()), (SETTINGS.reserve, MicroJoules::from_mj(1_000)));
    assert_eq!(budget.affords(Millis(0), SETTINGS.reserve, Purpose::Urgent), Ok(()));
    let paid = Millis(1_000_000_000_u64.div_ceil(251));
    let Err(Short { until: Some(until) }) = budget.affords(Millis(0), MicroJoules(1), Purpose::Routine) else {
        panic!("affords")
    };
    assert!(until >= paid && until.0 <= paid.0 + 5);
    budget.refill(paid);
    assert_eq!((budget.debt(), budget.above_reserve()), (MicroJoules(0), MicroJoules(0)));
}

#[test]
fn a_state_that_cannot_be_read_is_an_empty_bucket() {
    for kept in [vec![], vec![9; 48], vec![VERSION; HEAD_BYTES - 1]] {
        let budget = Budget::new(SETTINGS, Some(&kept), Millis(0));
        assert_eq!(budget.level(), MicroJoules(0), "{kept:?}");
    }
    let rich = Budget::new(Settings { burst: MicroJoules(u64::MAX), ..SETTINGS }, None, Millis(0));
    let budget = Budget::new(SETTINGS, Some(rich.state().bytes()), Millis(0));
    assert_eq!(budget.level(), SETTINGS.burst.plus(SETTINGS.reserve), "nor is it ever fuller than full");
}

#[test]
fn the_batteries_of_the_table_give_the_power_it_says() {
    let meter = Supply {
        capacity_mah: 8_500,
        millivolts: 3_600,
        usable_permille: 720,
        self_discharge_permille: 0,
        years: 10,
        floor_nw: 0,
    };
    let joules_a_day = |supply: Supply| u64::from(supply.refill_uw()) * 86_400 / 1_000_000;
    assert_eq!(joules_a_day(meter), 21);
    assert_eq!(
        joules_a_day(Supply { capacity_mah: 10_000, millivolts: 1_500, usable_permille: 800, years: 1, ..meter }),
        118
    );
    let tr_45_820 = Supply { capacity_mah: 1_389, usable_permille: 1_000, ..meter };
    assert_eq!(tr_45_820.refill_uw(), 57);
    assert_eq!(Supply { floor_nw: 14_400, ..tr_45_820 }.refill_uw(), 42);
    assert_eq!(Supply { self_discharge_permille: 10, ..meter }.refill_uw(), 216);
    assert_eq!(Supply { floor_nw: u32::MAX, ..meter }.refill_uw(), 0);
}
