// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The agent among enemies: urgent events by the thousand, a link that fails, resets at any time, clocks that jump. What is spent,
//! by this test's own meter on the link, the signer and the flash, stays within the budget's bound; and each submission is journaled,
//! refused or counted, as the journal says it. Schedules that cheat on any of it are caught.

mod agent_world;
mod journal_flash;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    ops::Range,
    rc::Rc,
};

use agent_world::{
    Fate, HOUR, Log, PAYLOAD, Port, Queue, STREAM, SharedFlash, TestLink, UPLINK, World,
    relay::Keys,
    settings,
    signer::{FIRST_KEY, TestSigner},
};
use cairn::{
    agent::{Agent, Event, SubmitError, UploadMode},
    journal::{BudgetState, Journal, JournalError},
    ports::{Link, LinkError, Outcome, Ticket},
    power::{
        budget,
        cost::{ExchangeCost, MicroJoules, Model, PsmTimers},
        outlook::Sight,
        schedule::{Decision, Degradation, Schedule, View, Work},
        scheduler::{Scheduler, Settings},
        urgent::Urgent,
    },
    record::{Entry, Kind, Priority, SequenceNumber},
    signer::SignerError,
    time::{Millis, TimeQuality},
};
use journal_flash::{Dice, MockFlash};

const DAY: u64 = 24 * HOUR;

/// The meter of docs/power.md.
const BUDGET: budget::Settings = budget::Settings {
    refill_uw: 251,
    burst: MicroJoules::from_mj(43_000),
    reserve: MicroJoules::from_mj(20_000),
    urgent_burst: 3,
    urgent_interval: Millis(600_000),
};

/// Kinds of urgent events; each has a place of its own among the limits.
const KINDS: Range<u16> = 64..69;

/// A schedule under test: the scheduler, or one that cheats.
trait Tried: Schedule {
    fn over(scheduler: Scheduler) -> Self;
    fn scheduler(&self) -> &Scheduler;
}

impl Tried for Scheduler {
    fn over(scheduler: Scheduler) -> Self {
        scheduler
    }
    fn scheduler(&self) -> &Scheduler {
        self
    }
}

/// One that does as the scheduler but for what `CHEAT` says.
struct Cheats<const CHEAT: u8>(Scheduler);

/// Takes every urgent record.
const ADMITS_ALL: u8 = 0;
/// Sends without asking whether it can be paid for.
const SENDS_ANYWAY: u8 = 1;
/// Keeps nothing that a reset must not lose.
const FORGETS: u8 = 2;

impl<const CHEAT: u8> Tried for Cheats<CHEAT> {
    fn over(scheduler: Scheduler) -> Self {
        Self(scheduler)
    }
    fn scheduler(&self) -> &Scheduler {
        &self.0
    }
}

impl<const CHEAT: u8> Schedule for Cheats<CHEAT> {
    fn decide(&mut self, view: &View) -> Decision {
        match self.0.decide(view) {
            Decision::Wait(_) if CHEAT == SENDS_ANYWAY && view.unsent > 0 => Decision::Send,
            decision => decision,
        }
    }
    fn exchange_ended(&mut self, now: Millis, result: Result<(), LinkError>, cost: &ExchangeCost) {
        self.0.exchange_ended(now, result, cost);
    }
    fn to_keep(&self) -> Option<BudgetState> {
        self.0.to_keep().filter(|_| CHEAT != FORGETS)
    }
    fn was_kept(&mut self) {
        self.0.was_kept();
    }
    fn degradation(&self) -> Degradation {
        self.0.degradation()
    }
    fn urgent(&mut self, now: Millis) -> Option<&mut Urgent> {
        self.0.urgent(now).filter(|_| CHEAT != ADMITS_ALL)
    }
    fn worked(&mut self, now: Millis, work: Work) {
        self.0.worked(now, work);
    }
    fn affords_signature(&mut self, now: Millis) -> bool {
        self.0.affords_signature(now)
    }
    fn timers(&mut self, now: Millis, timers: PsmTimers) {
        self.0.timers(now, timers);
    }
}

/// What was spent at a moment. Its time is true time, with what a clock that jumps forward is credited by mistake.
#[derive(Clone, Copy)]
struct Spent {
    creditable_ms: u64,
    microjoules: u64,
}

#[derive(Default)]
struct Meter {
    creditable_ms: Cell<u64>,
    spent: RefCell<Vec<Spent>>,
}

impl Meter {
    fn spend(&self, microjoules: u64) {
        if microjoules > 0 {
            self.spent.borrow_mut().push(Spent { creditable_ms: self.creditable_ms.get(), microjoules });
        }
    }

    fn pass(&self, span: u64) {
        self.creditable_ms.set(self.creditable_ms.get() + span);
    }
}

/// The link with a meter on it. The modem attaches for the first exchange after each reset, and nobody tells the device.
struct MeteredLink {
    link: TestLink,
    meter: Rc<Meter>,
    attached: bool,
}

/// Wake, set-up, 288 bytes on the wire, one answer, release, at the level of a device that knows none: docs/power.md.
const EXCHANGE_UJ: u64 = 200_000 + 350_000 + 288 * 3_000 + 300_000 + 50_000;
const ATTACH_UJ: u64 = 15_000_000;

impl Link for MeteredLink {
    fn start(&mut self, now: Millis, uplink: &[u8]) -> Result<(), LinkError> {
        self.link.start(now, uplink)?;
        let attach = if std::mem::replace(&mut self.attached, true) { 0 } else { ATTACH_UJ };
        self.meter.spend(EXCHANGE_UJ + attach);
        Ok(())
    }
    fn poll(&mut self, now: Millis) -> nb::Result<Outcome<'_>, core::convert::Infallible> {
        self.link.poll(now)
    }
    fn wake_at(&self) -> Option<Millis> {
        self.link.wake_at()
    }
    fn capacity(&self) -> usize {
        self.link.capacity()
    }
    fn grant(&mut self, numbers: Range<u64>) {
        self.link.grant(numbers);
    }
    fn granted(&self) -> u64 {
        self.link.granted()
    }
}

type AgentOf<P> = Agent<Log, TestSigner, MeteredLink, Port, P, PAYLOAD, UPLINK>;

/// Whether there are records from `seq` on.
fn agent_grew<P: Tried>(agent: &mut AgentOf<P>, seq: u64) -> bool {
    agent.status().next_seq.0 > seq
}

/// What became of the submissions of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fates {
    submitted: u64,
    journaled: u64,
    counted: u64,
    refused: u64,
    /// Power went away before the answer.
    unanswered: u64,
}

/// A device among enemies.
struct Victim<P: Tried> {
    agent: Option<AgentOf<P>>,
    inbox: Queue,
    world: Port,
    flash: SharedFlash,
    meter: Rc<Meter>,
    flash_seen: (u64, u64),
    signing_seen: usize,
    fates: BTreeMap<u16, Fates>,
    /// When urgent records of a kind were journaled, their counts included.
    taken: BTreeMap<u16, Vec<u64>>,
    /// Every record that the journal ever held.
    records: BTreeMap<u64, (Kind, Vec<u8>)>,
    looked: u64,
    power_cuts: u64,
}

impl<P: Tried> Victim<P> {
    fn new() -> Self {
        let mut world = World::default();
        (world.wall_offset, world.quality) = (1_768_345_200_000, TimeQuality::Network);
        world.exchange_takes = 3_000;
        world.keys = Keys::of(FIRST_KEY.public());
        let world = Port(Rc::new(RefCell::new(world)));
        let flash = SharedFlash(Rc::new(RefCell::new(MockFlash::new(1))));
        Log::format(&mut flash.clone(), STREAM).unwrap();
        let mut victim = Self {
            agent: None,
            inbox: Queue(world.clone(), Vec::new()),
            world,
            flash,
            meter: Rc::default(),
            flash_seen: (0, 0),
            signing_seen: 0,
            fates: BTreeMap::new(),
            taken: BTreeMap::new(),
            records: BTreeMap::new(),
            looked: 0,
            power_cuts: 0,
        };
        victim.flash_seen = victim.flash_work();
        victim.start();
        victim
    }

    fn flash_work(&self) -> (u64, u64) {
        let flash = self.flash.0.borrow();
        (flash.writes, flash.erases.iter().map(|times| u64::from(*times)).sum())
    }

    fn now(&self) -> u64 {
        self.world.0.borrow().now
    }

    fn start(&mut self) {
        loop {
            self.flash.0.borrow_mut().power_on();
            if let Some(agent) = self.try_start() {
                self.agent = Some(agent);
                return;
            }
            self.power_cuts += 1;
        }
    }

    fn try_start(&mut self) -> Option<AgentOf<P>> {
        let mut journal = Log::mount(self.flash.clone()).unwrap();
        let kept = journal.budget().unwrap();
        let schedule = Settings {
            patience: [Millis(7 * DAY), Millis(12 * HOUR), Millis(2_000)],
            retry_base: Millis(60_000),
            retry_max: Millis(HOUR),
            seed: self.now(),
            model: Model::DEFAULT,
            budget: BUDGET,
            tau: None,
            sight: Sight::Blind,
        };
        let schedule = Scheduler::new(schedule, kept.as_ref().map(BudgetState::bytes), Millis(self.now()));
        let link = TestLink(self.world.clone(), Vec::new());
        let link = MeteredLink { link, meter: self.meter.clone(), attached: false };
        let signer = TestSigner::new(&FIRST_KEY, &self.world);
        let mut settings = settings(UploadMode::Data);
        settings.retention = Some(Millis(DAY));
        Agent::new(settings, journal, signer, link, self.world.clone(), P::over(schedule)).ok()
    }

    /// The device starts again; its clock may begin anew.
    fn reset(&mut self, begins_anew: bool) {
        self.flash.0.borrow_mut().power_on();
        self.look();
        {
            let mut world = self.world.0.borrow_mut();
            world.lose_exchange();
            if begins_anew {
                (world.wall_offset, world.now) = (world.wall_offset + world.now, 0);
            }
        }
        self.agent = None;
        self.start();
        self.pay_for_work();
    }

    /// Reads what is in the journal, before any of it is given up.
    fn look(&mut self) {
        let mut journal = Log::mount(self.flash.clone()).unwrap();
        let kept = journal.kept();
        let mut payload = [0; 1024];
        for seq in self.looked.max(kept.start.0)..kept.end.0 {
            if let Ok(Entry::Record(record)) = journal.read(SequenceNumber(seq), &mut payload) {
                self.records.insert(seq, (record.kind, record.payload.to_vec()));
            }
        }
        self.looked = kept.end.0;
    }

    fn pay_for_work(&mut self) {
        let (writes, erases) = self.flash_work();
        let signings = {
            let world = self.world.0.borrow();
            world.events.iter().filter(|event| matches!(event, Event::Signing { .. })).count()
        };
        let work = (writes - self.flash_seen.0) * 40 + (erases - self.flash_seen.1) * 2_500;
        self.meter.spend(work + (signings - self.signing_seen) as u64 * 3_000);
        (self.flash_seen, self.signing_seen) = ((writes, erases), signings);
    }

    fn poll(&mut self) -> Option<u64> {
        let world = self.world.clone();
        let agent = self.agent.as_mut().expect("it runs");
        let next = agent.poll(&mut self.inbox, &mut |event| world.0.borrow_mut().events.push(event));
        self.pay_for_work();
        let power_lost = self.flash.0.borrow().dead;
        if power_lost {
            self.power_cuts += 1;
            self.reset(false);
            return Some(self.now());
        }
        if agent_grew(self.agent.as_mut().expect("it runs"), self.looked) {
            self.look();
        }
        next.map(|at| at.0)
    }

    /// Submits an event and waits for its answer.
    fn submit(&mut self, kind: u16, priority: Priority, value: u64) {
        {
            let mut world = self.world.0.borrow_mut();
            let (wall, payload) = (world.wall(), [&kind.to_be_bytes()[..], &value.to_be_bytes()].concat());
            world.queue.push_back((wall, Kind(kind), priority, payload, Some(Ticket(1))));
        }
        self.poll();
        while !self.world.0.borrow().queue.is_empty() {
            self.poll();
        }
        let answer = self.world.0.borrow_mut().answers.pop();
        let fates = self.fates.entry(kind).or_default();
        fates.submitted += 1;
        match answer {
            Some((_, Ok(_))) => {
                fates.journaled += 1;
                if priority == Priority::Urgent {
                    self.taken.entry(kind).or_default().push(self.meter.creditable_ms.get());
                }
            }
            Some((_, Err(SubmitError::Coalesced))) => fates.counted += 1,
            // An answer that a dying device gave, and nobody heard.
            Some((_, Err(SubmitError::Journal(JournalError::Medium)))) | None => fates.unanswered += 1,
            Some((_, Err(_))) => fates.refused += 1,
        }
    }

    fn run_for(&mut self, span: u64) {
        let until = self.now() + span;
        for polls in 0.. {
            assert!(polls < 20_000, "the agent spins at {}", self.now());
            let next = self.poll();
            let now = self.now();
            let at = next.map_or(until, |at| at.clamp(now, until));
            self.meter.pass(at - now);
            self.world.0.borrow_mut().now = at;
            if at == until && next.is_none_or(|next| next > until) {
                break;
            }
        }
        self.look();
    }

    /// What the relay has becomes final.
    fn finalise(&self) {
        let mut world = self.world.0.borrow_mut();
        world.final_through = world.anchors.last().map(|(anchor, _)| anchor.batch);
    }

    fn step(&mut self, dice: &mut Dice, cuts: bool) {
        self.finalise();
        match dice.below(40) {
            0..14 => {
                let kind = KINDS.start + u16::try_from(dice.below(5) * dice.below(2)).unwrap();
                for value in 0..dice.below(40) {
                    self.submit(kind, Priority::Urgent, self.looked * 100 + value);
                }
                let span = dice.below(3_000);
                self.run_for(span);
            }
            14..18 => self.submit(1, Priority::Routine, dice.roll()),
            18..28 => {
                let most = [600_000, 8 * HOUR, 2 * DAY][usize::try_from(dice.below(3)).unwrap()];
                let span = dice.below(most);
                self.run_for(span);
            }
            28 | 29 => self.agent.as_mut().unwrap().flush(),
            30..33 => {
                let fate = [Fate::Fails(LinkError::TimeOut), Fate::AnswerLost, Fate::Garbage];
                self.world.0.borrow_mut().fates.push_back(fate[usize::try_from(dice.below(3)).unwrap()]);
            }
            33 => self.world.0.borrow_mut().signer_errors.push_back(SignerError::TimeOut),
            34 => {
                let jump = dice.below(3 * DAY);
                self.world.0.borrow_mut().now += jump;
                self.meter.pass(jump.min(DAY));
            }
            35 => self.world.0.borrow_mut().wall_offset += dice.below(DAY),
            36 if cuts => {
                let kind = journal_flash::CUTS[usize::try_from(dice.below(3)).unwrap()];
                let at = dice.below(60);
                self.flash.0.borrow_mut().cut_at(at, kind);
            }
            36 => self.reset(dice.below(2) == 0),
            // A reboot loop, each time with something to say.
            37 if dice.below(4) == 0 => {
                for value in 0..dice.below(10) {
                    self.submit(64, Priority::Urgent, value);
                    self.run_for(2_100);
                    self.reset(true);
                }
            }
            _ => {
                let agent = self.agent.as_mut().unwrap();
                agent.radio_hint(Millis(self.world.0.borrow().now + 5_000));
            }
        }
    }

    /// Peace: everything that is owed is paid, told and sent.
    fn recover(&mut self) {
        self.flash.0.borrow_mut().power_on();
        self.world.0.borrow_mut().fates.clear();
        self.world.0.borrow_mut().signer_errors.clear();
        for _ in 0..40 {
            self.finalise();
            self.run_for(DAY);
        }
    }

    /// The bound, over every window between two moments at which something was spent. What is owed is not charged yet: the refill
    /// pays it before anything else starts.
    fn check_energy(&self) -> Result<u64, String> {
        let spent = self.meter.spent.borrow();
        let debt = self.agent.as_ref().unwrap().schedule().scheduler().budget().debt().0;
        let (mut sums, mut sum) = (vec![0], 0);
        for one in spent.iter() {
            sum += one.microjoules;
            sums.push(sum);
        }
        let bucket = BUDGET.burst.0 + BUDGET.reserve.0;
        let refill = |span: u64| span * u64::from(BUDGET.refill_uw) / 1000;
        // Sum to `to` less refill to `to`, beside the least of the same before any `from`: every window at once.
        let mut least = i128::MAX;
        for (index, one) in spent.iter().enumerate() {
            let refilled = i128::from(refill(one.creditable_ms));
            least = least.min(i128::from(sums[index]) - refilled);
            let most = i128::from(sums[index + 1]) - refilled - least;
            if most > i128::from(bucket + debt + 1) {
                return Err(format!("{most} uJ beyond the refill, {bucket} allowed and {debt} owed"));
            }
        }
        Ok(sum)
    }

    /// No window has more urgent records of a kind, their counts included, than are allowed.
    fn check_limits(&self) -> Result<(), String> {
        for (kind, times) in &self.taken {
            for (first, from) in times.iter().enumerate() {
                for (count, to) in times[first..].iter().enumerate() {
                    let intervals = (to - from) / BUDGET.urgent_interval.0 + 1;
                    // A cut between a record and the end of its poll forgets that it was taken.
                    let allowed = u64::from(BUDGET.urgent_burst) + intervals + self.power_cuts;
                    if count as u64 + 1 > allowed {
                        return Err(format!("kind {kind}: {} in {intervals} intervals", count + 1));
                    }
                }
            }
        }
        Ok(())
    }

    /// Each submission is journaled, refused or counted, and the journal says how many of each.
    fn check_counts(&self) -> Result<u64, String> {
        let mut told: BTreeMap<u16, u64> = BTreeMap::new();
        for (kind, payload) in self.records.values() {
            let mut d = minicbor::Decoder::new(payload);
            if *kind == Kind::LOSS && matches!(d.array(), Ok(Some(4))) {
                let (kind, count, reason) = (d.u16().unwrap(), d.u16().unwrap(), d.u16().unwrap());
                assert_eq!(reason, 3);
                *told.entry(kind).or_default() += u64::from(count);
            }
        }
        let mut counted = 0;
        for (kind, fates) in &self.fates {
            let Fates { submitted, journaled, counted: of_kind, refused, unanswered } = *fates;
            assert_eq!(submitted, journaled + of_kind + refused + unanswered);
            let there = self.records.values().filter(|(seen, _)| seen.0 == *kind).count() as u64;
            let told = told.get(kind).copied().unwrap_or_default();
            let all = journaled + of_kind..=journaled + of_kind + unanswered;
            if there < journaled || told < of_kind || !all.contains(&(there + told)) {
                return Err(format!("kind {kind}: {there} records and {told} counted for {fates:?}"));
            }
            counted += told;
        }
        Ok(counted)
    }
}

/// A life: joules spent, urgent records submitted, of these counted.
fn life<P: Tried>(seed: u64, steps: u32, cuts: bool) -> Result<(u64, u64, u64), String> {
    let (mut victim, mut dice) = (Victim::<P>::new(), Dice::new(seed));
    for _ in 0..steps {
        victim.step(&mut dice, cuts);
    }
    victim.check_energy()?;
    victim.recover();
    let (spent, counted) = (victim.check_energy()?, victim.check_counts()?);
    victim.check_limits()?;
    let status = victim.agent.as_mut().unwrap().status();
    if (status.unsealed, status.unsent) != (0, 0) {
        return Err(format!("{} records unsealed, {} batches unsent in peace", status.unsealed, status.unsent));
    }
    let urgent = KINDS.filter_map(|kind| victim.fates.get(&kind)).map(|fates| fates.submitted).sum();
    Ok((spent / 1_000_000, urgent, counted))
}

#[test]
fn ten_thousand_urgent_events_dead_links_resets_and_clocks_spend_no_more_than_the_bound_and_none_is_lost_silently() {
    let (mut urgent, mut over) = (0, 0);
    for seed in 0..6 {
        let (spent, submitted, counted) =
            life::<Scheduler>(seed, 1_000, false).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert!(spent > 100, "hardly anything was spent: {spent} J");
        (urgent, over) = (urgent + submitted, over + counted);
    }
    assert!(urgent > 10_000 && over > urgent / 3, "{urgent} urgent events, {over} over their limit");
}

#[test]
fn power_that_goes_away_while_flash_is_written_loses_and_doubles_no_count() {
    for seed in 100..116 {
        life::<Scheduler>(seed, 250, true).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}

#[test]
fn a_schedule_that_cheats_is_caught() {
    fn caught<P: Tried>(what: &str) {
        let errors = (0..6).filter_map(|seed| life::<P>(seed, 300, false).err()).count();
        assert!(errors > 0, "{what} went unnoticed");
    }
    caught::<Cheats<ADMITS_ALL>>("one that takes every urgent record");
    caught::<Cheats<SENDS_ANYWAY>>("one that sends without asking for the energy");
    caught::<Cheats<FORGETS>>("one that keeps nothing");
}
