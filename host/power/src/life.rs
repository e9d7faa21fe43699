// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device's life on virtual time: the very same agent as on a device, over a flash, a link, a clock and a signer that are simulated
//! or real. Jumps from one thing that happens to the next and never ticks. [`crate::compare`] asks for lives; the schedule is
//! whatever the strategy brings.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use cairn::{
    agent::{Agent, Event, OWN_PAYLOAD_MAX, Settings, StartError, SubmitError},
    batch::DeploymentId,
    journal::{FlashJournal, Journal as _, JournalError, MountError},
    ports::{Inbox, Submission, Ticket},
    power::{
        cost::{MicroJoules, Model},
        schedule::{Degradation, Schedule, Work},
        scheduler::Scheduler,
    },
    record::{BlindSecret, Kind, Priority, SequenceNumber, StreamId},
    signer::{
        Signer as _,
        software::{NotASecret, SoftwareSigner},
    },
    time::{Millis, TimeQuality, WallTime},
    uplink::Level,
};

use crate::{
    configured::UPLINK_BYTES,
    coverage::{Air, DAY_MS},
    diary::Diary,
    flash::{BYTES, Flash},
    link::{SimLink, VirtualClock, World},
    outcome::{Cause, Outcome},
    product::{Product, What},
    radio::Radio,
    relay::{Refusal, Relay},
    scenario::{Scenario, millis},
};

const UPLINK: usize = UPLINK_BYTES as usize;
/// Longest payload that the agent handles.
const PAYLOAD: usize = OWN_PAYLOAD_MAX;
/// CONFIG_CAIRN_PAYLOAD_MAX.
const PAYLOAD_MAX: usize = 64;
/// Polls at one moment after which the agent spins.
const SPINS: u32 = 10_000;

const DEPLOYMENT: DeploymentId = DeploymentId([0xd0; 32]);
const STREAM: StreamId = StreamId(0x5712_ea3f_0000_0001);
const SECRET: [u8; 32] = [0x11; 32];

type Log = FlashJournal<Flash, BYTES, PAYLOAD>;
type Device<P> = Agent<Log, SoftwareSigner, SimLink, VirtualClock, P, PAYLOAD, UPLINK>;

/// Why a life could not be lived. None of these is the battery's or the network's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifeError {
    /// The flash takes no journal.
    #[error("the journal does not mount: {0:?}")]
    Mount(MountError),
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0:?}")]
    Journal(JournalError),
    /// The agent did not start.
    #[error("the agent does not start: {0:?}")]
    Start(StartError),
    /// The key is none.
    #[error("the key is none")]
    Key,
    /// The relay refused what the agent sent.
    #[error("the relay refuses: {0}")]
    Relay(#[from] Refusal),
    /// The agent asks to be called at once for ever.
    #[error("the agent spins on day {0}")]
    Spins(u64),
}

impl From<NotASecret> for LifeError {
    fn from(_: NotASecret) -> Self {
        Self::Key
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which strategy is at it.
    pub strategy: &'static str,
    /// Days lived.
    pub day: u32,
    /// Days of the scenario.
    pub days: u32,
}

/// A schedule that a life can be lived with.
pub trait Plan: Schedule {
    /// What is in its bucket, and what it owes; nothing where there is none.
    fn purse(&self) -> (MicroJoules, MicroJoules) {
        (MicroJoules(0), MicroJoules(0))
    }
}

impl Plan for Scheduler {
    fn purse(&self) -> (MicroJoules, MicroJoules) {
        (self.budget().level(), self.budget().debt())
    }
}

/// The product's queue, and what became of what was in it.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<(u64, Kind, Priority, Vec<u8>)>,
    taken: (u64, Kind, Priority, Vec<u8>),
    world: Rc<RefCell<World>>,
    clock: VirtualClock,
}

impl Inbox for Queue {
    fn take(&mut self) -> Option<Submission<'_>> {
        self.taken = self.waiting.pop_front()?;
        let (at, kind, priority, payload) = &self.taken;
        let late = self.clock.0.get() - at;
        let wall = cairn::ports::Clock::wall(&self.clock);
        let time = WallTime { unix_ms: wall.unix_ms - late, quality: TimeQuality::Network };
        Some(Submission { time, kind: *kind, priority: *priority, payload, ticket: Some(Ticket(0)) })
    }

    fn answer(&mut self, _: Ticket, result: Result<SequenceNumber, SubmitError>) {
        let (at, _, priority, _) = self.taken;
        let diary = &mut self.world.borrow_mut().diary;
        match result {
            Ok(seq) => diary.note_record(seq.0, at, priority),
            Err(_) => diary.note_lost(),
        }
    }

    fn refused(&self) -> u32 {
        0
    }
}

fn settings(scenario: &Scenario) -> Settings {
    Settings {
        deployment: DEPLOYMENT,
        blind_secret: BlindSecret::new([0xb5; 32]),
        device: None,
        upload: scenario.product.upload.into(),
        payload_max: PAYLOAD_MAX,
        clock_step: Millis(2_000),
        relay_step_max: Millis::from_secs(60),
        sender_sequence_block: 64,
        retention: Some(millis(scenario.product.retention_hours * 3600.0)).filter(|span| span.0 > 0),
        prune_at: Level::Final,
    }
}

/// A life under way.
struct Life<'a, P, F> {
    scenario: &'a Scenario,
    truth: Model,
    air: Rc<Air>,
    make: F,
    clock: VirtualClock,
    flash: Flash,
    world: Rc<RefCell<World>>,
    queue: Queue,
    product: Product,
    agent: Device<P>,
    wake_at: Option<u64>,
}

/// The life of `scenario` with the schedule that `make` makes of the state that was kept, told under the name and the sentence given.
///
/// # Errors
/// [`LifeError`].
pub fn live<P: Plan>(
    scenario: &Scenario,
    (strategy, does): (&'static str, &'static str),
    air: &Rc<Air>,
    make: impl Fn(Option<&[u8]>, Millis) -> P,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, LifeError> {
    let clock = VirtualClock::default();
    let mut flash = Flash::new();
    Log::format(&mut flash, STREAM).map_err(LifeError::Mount)?;
    let _ = flash.take_work();
    let key = SoftwareSigner::new(&SECRET)?.public_key().map_err(|_| LifeError::Key)?;
    let world = Rc::new(RefCell::new(World {
        radio: Radio::of(scenario, Rc::clone(air)),
        relay: Relay::new(DEPLOYMENT, key, millis(scenario.network.final_hours * 3600.0).0),
        diary: Diary::of(scenario, Rc::clone(air)),
        believed: scenario.believed(),
    }));
    let agent = boot(scenario, &flash, &world, &clock, &make)?;
    let taken = (0, Kind::READING, Priority::Routine, Vec::new());
    let queue = Queue { waiting: VecDeque::new(), taken, world: Rc::clone(&world), clock: clock.clone() };
    let mut life = Life {
        scenario,
        truth: scenario.truth(),
        air: Rc::clone(air),
        make,
        clock,
        flash,
        world,
        queue,
        product: Product::of(scenario),
        agent,
        wake_at: Some(0),
    };
    for day in 0..scenario.days {
        progress(Progress { strategy, day, days: scenario.days });
        life.live_until(u64::from(day + 1) * DAY_MS)?;
        if let Some(refusal) = life.world.borrow().relay.refusal {
            return Err(refusal.into());
        }
        if !life.world.borrow_mut().diary.close_day() {
            break;
        }
    }
    let diary = life.world.borrow().diary.clone();
    Ok(diary.outcome(strategy, does))
}

fn boot<P: Plan>(
    scenario: &Scenario,
    flash: &Flash,
    world: &Rc<RefCell<World>>,
    clock: &VirtualClock,
    make: &impl Fn(Option<&[u8]>, Millis) -> P,
) -> Result<Device<P>, LifeError> {
    let mut journal = Log::mount(flash.clone()).map_err(LifeError::Mount)?;
    let kept = journal.budget().map_err(LifeError::Journal)?;
    let schedule = make(kept.as_ref().map(|kept| kept.bytes()), Millis(clock.0.get()));
    let link = SimLink::new(Rc::clone(world), UPLINK);
    let signer = SoftwareSigner::new(&SECRET)?;
    Agent::new(settings(scenario), journal, signer, link, clock.clone(), schedule).map_err(LifeError::Start)
}

impl<P: Plan, F: Fn(Option<&[u8]>, Millis) -> P> Life<'_, P, F> {
    /// Lives on until `end`, which it does not reach.
    fn live_until(&mut self, end: u64) -> Result<(), LifeError> {
        let mut spins = 0;
        loop {
            let now = self.clock.0.get();
            let reset = self.air.next_reset(now.saturating_sub(1)).filter(|at| *at > now);
            let update = self.world.borrow().radio.next_update();
            let wake = self.wake_at.unwrap_or(u64::MAX);
            let next = wake.min(self.product.next_at()).min(reset.unwrap_or(u64::MAX)).min(update).max(now);
            if next >= end {
                return Ok(());
            }
            spins = if next == now { spins + 1 } else { 0 };
            if spins > SPINS {
                return Err(LifeError::Spins(now / DAY_MS));
            }
            self.clock.0.set(next);
            if reset == Some(next) {
                self.start_again()?;
            }
            if update <= next {
                self.update(next);
            }
            self.listen_to_product(next);
            self.poll(next);
        }
    }

    /// The device gets its power back: what is not in flash is gone.
    fn start_again(&mut self) -> Result<(), LifeError> {
        self.world.borrow_mut().radio.reset();
        self.agent = boot(self.scenario, &self.flash, &self.world, &self.clock, &self.make)?;
        Ok(())
    }

    fn update(&mut self, now: u64) {
        let World { radio, diary, .. } = &mut *self.world.borrow_mut();
        diary.spend_all(radio.update(now));
        diary.note_update();
    }

    fn listen_to_product(&mut self, now: u64) {
        while let Some(event) = self.product.take(now) {
            match event.what {
                What::Record { kind, priority, payload } => {
                    self.world.borrow_mut().diary.note_event(priority);
                    self.queue.waiting.push_back((event.at, kind, priority, payload));
                }
                What::Radio => {
                    let World { radio, diary, .. } = &mut *self.world.borrow_mut();
                    let (spent, up_until) = radio.product_use(now, self.scenario.product.radio_bytes);
                    diary.spend(Cause::Product, spent);
                    if let Some(until) = up_until {
                        self.agent.radio_hint(Millis(until));
                    }
                }
            }
        }
    }

    fn poll(&mut self, now: u64) {
        if self.air.is_off(now) {
            // Nobody is there: what the product hands over waits for power, as it would in its own memory.
            self.wake_at = None;
            return;
        }
        let (mut signatures, mut lost) = (0, 0);
        let next = self.agent.poll(&mut self.queue, &mut |event| match event {
            Event::Signed { .. } => signatures += 1,
            Event::Displaced { records } => lost += records,
            _ => {}
        });
        self.wake_at = next.map(|at| at.0);
        let flash = Work { signatures: 0, flash: self.flash.take_work() };
        let signed = Work { signatures, ..Work::default() };
        let degradation: Degradation = self.agent.status().degradation;
        let (level, debt) = self.agent.schedule_mut().purse();
        let World { diary, believed, .. } = &mut *self.world.borrow_mut();
        diary.spend(Cause::Flash, self.truth.worked(flash));
        diary.spend(Cause::Signature, self.truth.worked(signed));
        diary.note_charged(believed.worked(Work { signatures, ..flash }));
        diary.note_budget(level, debt, degradation);
        diary.note_displaced(lost);
    }
}
