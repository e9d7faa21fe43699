// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device with its journal in a file, a network, a relay and a chain on one virtual clock. Everything random comes from one
//! seed.

mod check;
mod network;
mod random;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    path::Path,
    rc::Rc,
    sync::Mutex,
};

use cairn::{
    agent::{
        Agent, Event as AgentEvent, OWN_PAYLOAD_MAX, RotationState, Settings as AgentSettings, SubmitError, Succession,
        UploadMode, succession,
    },
    journal::{FlashJournal, Journal as _, MountError},
    ports::{Clock, Inbox, Submission, Ticket},
    power::{
        budget,
        cost::{MicroJoules, Model},
        outlook::Sight,
        scheduler::{Scheduler, Settings as ScheduleSettings},
    },
    record::{BlindSecret, Kind, Priority, SequenceNumber, StreamId},
    signer::{PublicKey, Signer as _, software::SoftwareSigner},
    time::{Millis, TimeQuality, WallTime},
};
use cairn_coap::{
    client::{CoapLink, Settings as LinkSettings, Transmission},
    oscore::{Context, Secrets},
};
use cairn_host::{
    chain::fake::{FakeChain, Orphans},
    file_flash::{FileFlash, Survives},
    relay::{
        anchoring::{Anchoring, Settings},
        backoff::Steps,
        endpoint::Endpoint,
        gather::Mode,
        intake::Offer,
        store::Store,
    },
};

use tempfile::TempDir;

use self::{
    network::{Network, RELAY, Stack},
    random::Random,
};
use super::device::{DEPLOYMENT, HOME, RULES, START_MS, TestDevice, now};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
/// A block on this chain; the fake stamps 12 seconds, which nothing here depends on.
const BLOCK_MS: u64 = 2 * MINUTE;
const READINGS: u64 = 24;
const READ_EVERY_MS: u64 = 15 * MINUTE;
const PATIENCE_MS: u64 = 90 * MINUTE;
/// Of a device that loses power about every 18 minutes: it draws anew when to upload first after each start, and is to be caught
/// uploading.
const PATIENCE_WITH_RESTARTS_MS: u64 = 30 * MINUTE;
/// More energy than the day can cost: what is proved here is that nothing is lost, whatever fails. The budget is kept over resets all the
/// same, and no hour has more than four accesses.
const SCHEDULE: ScheduleSettings = ScheduleSettings {
    patience: [Millis(PATIENCE_MS), Millis(PATIENCE_MS), Millis(10_000)],
    retry_base: Millis(MINUTE),
    retry_max: Millis(30 * MINUTE),
    seed: 0,
    model: Model::DEFAULT,
    budget: budget::Settings {
        refill_uw: 1_000_000,
        burst: MicroJoules::from_mj(1_000_000),
        reserve: MicroJoules::from_mj(20_000),
        urgent_burst: 3,
        urgent_interval: Millis(10 * MINUTE),
    },
    tau: None,
    sight: Sight::Blind,
};
/// Faults stop here; then everything has time to settle.
const FAULTS_END_MS: u64 = READINGS * READ_EVERY_MS + HOUR;
const END_MS: u64 = FAULTS_END_MS + 4 * HOUR;
const DEPTH: u64 = 4;

/// One cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) loss_percent: u64,
    pub(crate) delay_ms: (u64, u64),
    pub(crate) device_restarts: bool,
    pub(crate) relay_restarts: bool,
    pub(crate) node_restarts: bool,
    pub(crate) reorgs: bool,
    /// The device changes its key in the middle.
    pub(crate) rotates: bool,
    pub(crate) seed: u64,
}

impl Conditions {
    /// A number for this cell, so that no two cells draw alike.
    fn cell(&self) -> u64 {
        let faults = [self.relay_restarts, self.node_restarts, self.reorgs].map(u64::from);
        let parts = [self.seed, self.loss_percent, self.delay_ms.1, u64::from(self.device_restarts) << 1]
            .into_iter()
            .chain(faults)
            .chain(self.rotates.then_some(9));
        parts.fold(0, |cell, part| Random(cell ^ part).next())
    }
}

impl std::ops::AddAssign for Happened {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.device_restarts += other.device_restarts;
        self.relay_restarts += other.relay_restarts;
        self.node_outages += other.node_outages;
        self.reorgs += other.reorgs;
        self.exchanges += other.exchanges;
        self.failed_exchanges += other.failed_exchanges;
        self.restarts_in_rotation += other.restarts_in_rotation;
    }
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) lost: u32,
    pub(crate) repeated: u32,
    pub(crate) device_restarts: u32,
    pub(crate) relay_restarts: u32,
    pub(crate) node_outages: u32,
    pub(crate) reorgs: u32,
    pub(crate) exchanges: u32,
    pub(crate) failed_exchanges: u32,
    /// The device was switched off after it began to change its key and before it had done so.
    pub(crate) restarts_in_rotation: u32,
}

/// The clock everybody looks at.
#[derive(Clone, Default)]
struct Ticks(Rc<Cell<u64>>);

impl Clock for Ticks {
    fn now(&self) -> Millis {
        Millis(self.0.get())
    }

    fn wall(&self) -> WallTime {
        WallTime { unix_ms: START_MS + self.0.get(), quality: TimeQuality::Network }
    }
}

/// Readings that wait, and what became of each.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<(WallTime, Vec<u8>)>,
    taken: Option<(WallTime, Vec<u8>)>,
    journaled: BTreeMap<SequenceNumber, Vec<u8>>,
}

impl Inbox for Queue {
    fn take(&mut self) -> Option<Submission<'_>> {
        self.taken = self.waiting.pop_front();
        self.taken.as_ref().map(|(time, payload)| Submission {
            time: *time,
            kind: Kind::READING,
            priority: Priority::Routine,
            payload,
            ticket: Some(Ticket(0)),
        })
    }

    fn answer(&mut self, _: Ticket, result: Result<SequenceNumber, SubmitError>) {
        let (_, payload) = self.taken.take().expect("answered once");
        assert_eq!(self.journaled.insert(result.expect("journaled"), payload), None);
    }

    fn refused(&self) -> u32 {
        0
    }
}

const JOURNAL_BYTES: usize = 16384;
type Flash = FileFlash<8, 1024>;
type Journal = FlashJournal<Flash, JOURNAL_BYTES, OWN_PAYLOAD_MAX>;
type Meter = Agent<Journal, SoftwareSigner, CoapLink<Stack, 1400, 256>, Ticks, Scheduler, OWN_PAYLOAD_MAX, 1024>;

/// A relay that runs.
struct Running {
    endpoint: Endpoint,
    anchoring: Anchoring<FakeChain>,
}

/// The world of one cell.
pub(crate) struct Simulation {
    conditions: Conditions,
    ticks: Ticks,
    random: Random,
    network: Rc<RefCell<Network>>,
    /// The journal's flash.
    flash: TempDir,
    /// `None` while it is switched off.
    meter: Option<Meter>,
    meter_up_at: u64,
    queue: Queue,
    chain: FakeChain,
    store: Mutex<Store>,
    relay: Option<Running>,
    relay_due: u64,
    node_up_at: Option<u64>,
    read: u64,
    /// The last batch was asked for.
    flushed: bool,
    /// Where the device keeps its keys, the second one is the current one.
    promoted: bool,
    /// The second key is announced.
    announced: bool,
    /// When the device gets round to adopting it.
    adopt_at: Option<u64>,
    pub(crate) happened: Happened,
}

impl Simulation {
    pub(crate) fn new(conditions: Conditions) -> Self {
        let mut random = Random(conditions.cell());
        let (ticks, device) = (Ticks::default(), TestDevice::new(3));
        let network = Rc::new(RefCell::new(Network::new(conditions.loss_percent, conditions.delay_ms, random.next())));
        let chain = FakeChain::new(DEPLOYMENT);
        let mut store = Store::in_memory(&HOME).unwrap();
        store.add_device(&device.provisioned(), START_MS).unwrap();
        chain.register(device.id, device.key.key_id());
        chain.register(device.id, public_key(true).key_id());
        let flash = tempfile::tempdir().unwrap();
        let mut simulation = Self {
            conditions,
            ticks,
            random,
            network,
            flash,
            meter: None,
            meter_up_at: 0,
            queue: Queue::default(),
            chain,
            store: Mutex::new(store),
            relay: None,
            relay_due: 0,
            node_up_at: None,
            read: 0,
            flushed: false,
            promoted: false,
            announced: false,
            adopt_at: None,
            happened: Happened::default(),
        };
        simulation.start_relay();
        simulation.start_meter();
        simulation
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.ticks.0.get()
    }

    fn start_relay(&mut self) {
        let mut draw = Random(self.random.next());
        let entropy = move |out: &mut [u8]| out.iter_mut().for_each(|byte| *byte = draw.next().to_be_bytes()[0]);
        let settings = Settings {
            deployment: DEPLOYMENT,
            mode: Mode::Root,
            finality_depth: DEPTH,
            batch_interval_ms: 10 * MINUTE,
            round_ms: MINUTE,
            resend_ms: 2 * MINUTE,
            raise_fees_ms: HOUR,
            fee_ceiling: 500_000_000_000,
            key_check_ms: 24 * HOUR,
            retry: Steps { first_ms: 5000, most_ms: 5 * MINUTE },
        };
        let anchoring = Anchoring::new(self.chain.clone(), settings, self.random.next());
        self.relay = Some(Running { endpoint: Endpoint::new(RULES, Box::new(entropy)), anchoring });
        self.relay_due = 0;
    }

    /// Switches the device on: what it knows is what its flash holds.
    fn start_meter(&mut self) {
        let (device, seed) = (TestDevice::new(3), self.random.next());
        let mut journal = journal(&self.flash.path().join("flash"), StreamId(device.stream.0));
        // Whose turn it is the journal knows; the key store may lag behind.
        self.promoted |= matches!(succession(&mut journal).unwrap(), Succession::Signed { .. });
        self.adopt_at = None;
        let patience = if self.conditions.device_restarts { PATIENCE_WITH_RESTARTS_MS } else { PATIENCE_MS };
        let [.., urgent] = SCHEDULE.patience;
        let schedule = ScheduleSettings { patience: [Millis(patience), Millis(patience), urgent], seed, ..SCHEDULE };
        self.meter = Some(meter(&device, &self.ticks, &self.network, journal, self.promoted, schedule));
    }

    /// Power goes, and comes back after a while.
    fn restart_meter(&mut self, now_ms: u64) {
        let Some(mut meter) = self.meter.take() else { return };
        self.count_exchanges(&mut meter);
        self.happened.restarts_in_rotation += u32::from(meter.rotation() != RotationState::None);
        self.meter_up_at = now_ms + self.random.between(1000, 5 * MINUTE);
        self.happened.device_restarts += 1;
    }

    fn count_exchanges(&mut self, meter: &mut Meter) {
        let totals = meter.status().totals;
        self.happened.exchanges += totals.exchanges;
        self.happened.failed_exchanges += totals.exchange_failures;
    }

    /// Lets everything happen that happens.
    pub(crate) fn run(&mut self) {
        let mut block_at = BLOCK_MS;
        let mut fault_at = MINUTE;
        let mut poll_at = 0;
        while self.now_ms() < END_MS {
            let now = self.now_ms();
            if now >= self.read * READ_EVERY_MS && self.read < READINGS {
                self.read_meter();
                poll_at = now;
            }
            poll_at = if self.deliver(now) { now } else { poll_at };
            if self.meter.is_none() && now >= self.meter_up_at {
                self.start_meter();
                poll_at = now;
            }
            if now >= poll_at {
                poll_at = self.poll_meter().max(now + 1);
            }
            if now >= block_at {
                self.chain.mine();
                block_at += BLOCK_MS;
            }
            if now >= fault_at && now < FAULTS_END_MS {
                self.fault(now);
                fault_at = now + self.random.between(2 * MINUTE, 20 * MINUTE);
            }
            if self.node_up_at.is_some_and(|at| now >= at || now >= FAULTS_END_MS) {
                self.chain.set_up(true);
                self.node_up_at = None;
            }
            self.let_relay_work(now);
            let next_reading = if self.read < READINGS { self.read * READ_EVERY_MS } else { END_MS };
            let fault = if now < FAULTS_END_MS { fault_at } else { END_MS };
            let arrival = self.network.borrow().next_arrival().unwrap_or(END_MS);
            let node = self.node_up_at.unwrap_or(END_MS);
            let meter = if self.meter.is_none() { self.meter_up_at } else { poll_at };
            let next = [meter, block_at, fault, next_reading, arrival, node, self.relay_due];
            let next = next.into_iter().min().unwrap_or(END_MS);
            self.ticks.0.set(next.clamp(now + 1, END_MS));
        }
        let mut meter = self.meter.take().expect("it is up when faults have ended");
        self.count_exchanges(&mut meter);
        self.meter = Some(meter);
        let network = self.network.borrow();
        (self.happened.lost, self.happened.repeated) = (network.lost, network.repeated);
    }

    fn read_meter(&mut self) {
        let payload = minicbor::to_vec(100_000 + self.read * 57 + self.read * self.read % 13).unwrap();
        self.queue.waiting.push_back((self.ticks.wall(), payload));
        self.read += 1;
    }

    fn poll_meter(&mut self) -> u64 {
        let Some(meter) = &mut self.meter else { return END_MS };
        if self.read == READINGS && !self.flushed {
            meter.flush();
            self.flushed = true;
        }
        let wake = meter.poll(&mut self.queue, &mut |event: AgentEvent| {
            assert!(!matches!(event, AgentEvent::Refused(_)), "{event:?}");
        });
        let wake = wake.map_or(END_MS, |at| at.0);
        if self.conditions.rotates { wake.min(self.rotate_meter()) } else { wake }
    }

    /// Changes the key in the middle, at the leisure of whoever keeps the keys; gives when to look again.
    fn rotate_meter(&mut self) -> u64 {
        let now = self.now_ms();
        let Some(meter) = &mut self.meter else { return END_MS };
        if !self.announced && self.read >= READINGS / 2 {
            // A journal that is full just then takes it at a later poll.
            self.announced = meter.rotate(&mut signer(true), &mut |_| ()).is_ok();
        }
        match (meter.rotation(), self.adopt_at) {
            (RotationState::Signed, None) => {
                let at = now + self.random.between(1, 20 * MINUTE);
                self.adopt_at = Some(at);
                at
            }
            (RotationState::Signed, Some(at)) if now >= at => {
                self.promoted = true;
                meter.adopt(signer(true)).unwrap_or_else(|error| panic!("{error:?}"));
                now + 1
            }
            (RotationState::Signed, Some(at)) => at,
            _ => END_MS,
        }
    }

    /// Hands over what arrived by now; whether any of it was for the device.
    fn deliver(&mut self, now_ms: u64) -> bool {
        let mut for_device = false;
        loop {
            let arrived = self.network.borrow_mut().arrived(now_ms);
            let Some((from, to, mut datagram)) = arrived else { return for_device };
            if to != RELAY {
                self.network.borrow_mut().hand_over(to, datagram);
                for_device = true;
            } else if let Some(relay) = &mut self.relay {
                let (offer, unix_ms) = (Offer::default(), START_MS + now_ms);
                if let Some(answer) = relay.endpoint.receive(&self.store, from, &mut datagram, &offer, unix_ms) {
                    self.network.borrow_mut().send(now_ms, RELAY, from, answer);
                }
            }
        }
    }

    fn let_relay_work(&mut self, now_ms: u64) {
        if now_ms < self.relay_due {
            return;
        }
        match &mut self.relay {
            Some(relay) => {
                self.relay_due = now(relay.anchoring.advance(&self.store, START_MS + now_ms)) - START_MS;
            }
            None => self.start_relay(),
        }
    }

    fn fault(&mut self, now_ms: u64) {
        let conditions = self.conditions;
        if conditions.device_restarts && self.random.percent(60) {
            self.restart_meter(now_ms);
        }
        if conditions.relay_restarts && self.random.percent(60) && self.relay.is_some() {
            // Dead, and back after a while; what it had in memory is gone.
            self.relay = None;
            self.relay_due = now_ms + self.random.between(1000, 10 * MINUTE);
            self.happened.relay_restarts += 1;
        }
        if conditions.node_restarts && self.random.percent(60) {
            match self.random.between(0, 3) {
                0 => self.chain.lose_next_answer(),
                _ => {
                    self.chain.set_up(false);
                    self.chain.empty_pool();
                    self.node_up_at = Some(now_ms + self.random.between(1000, 30 * MINUTE));
                }
            }
            self.happened.node_outages += 1;
        }
        if conditions.reorgs && self.random.percent(60) {
            // Never deeper than what counts as final.
            let depth = self.random.between(1, DEPTH).min(now_ms / BLOCK_MS / 2);
            let orphans = if self.random.percent(50) { Orphans::Vanish } else { Orphans::Return };
            if depth > 0 {
                self.chain.reorg(depth, orphans);
                self.happened.reorgs += 1;
            }
        }
    }
}

/// The journal in a file, formatted when there is none yet.
fn journal(path: &Path, stream: StreamId) -> Journal {
    if !path.exists() {
        let mut blank = Flash::create(path, JOURNAL_BYTES, Survives::Kill).unwrap();
        assert!(Journal::is_fresh(&mut blank).unwrap());
        Journal::format(&mut blank, stream).unwrap();
    }
    Journal::mount(Flash::open(path, Survives::Kill).unwrap()).unwrap_or_else(|error: MountError| panic!("{error:?}"))
}

/// The device's first key or its second.
fn signer(second: bool) -> SoftwareSigner {
    SoftwareSigner::new(&[if second { 33 } else { 3 }; 32]).unwrap()
}

fn public_key(second: bool) -> PublicKey {
    signer(second).public_key().unwrap()
}

fn meter(
    device: &TestDevice,
    ticks: &Ticks,
    network: &Rc<RefCell<Network>>,
    mut journal: Journal,
    second_key: bool,
    schedule: ScheduleSettings,
) -> Meter {
    let provisioned = device.provisioned();
    let id_context = device.stream.0.to_be_bytes();
    let secrets =
        Secrets { master_secret: &*provisioned.master_secret, master_salt: &[], id_context: Some(&id_context) };
    let context = Context::derive(&secrets, &provisioned.kid, &[]).unwrap();
    let link_settings =
        LinkSettings { relay: RELAY, transmission: Transmission::NB_IOT, keep_socket: false, seed: schedule.seed };
    let link = CoapLink::new(Stack::new(network.clone(), ticks.0.clone()), link_settings, context);
    let settings = AgentSettings {
        deployment: DEPLOYMENT,
        blind_secret: BlindSecret::new([3; 32]),
        device: Some(device.id),
        upload: UploadMode::Data,
        payload_max: 64,
        clock_step: Millis(60_000),
        relay_step_max: Millis(HOUR),
        sender_sequence_block: 16,
        retention: None,
        prune_at: cairn::uplink::Level::Final,
    };
    let kept = journal.budget().unwrap_or_else(|error| panic!("{error:?}"));
    let schedule = Scheduler::new(schedule, kept.as_ref().map(|kept| kept.bytes()), ticks.now());
    Agent::new(settings, journal, signer(second_key), link, ticks.clone(), schedule)
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// An address of the device's network; each socket has a port of its own.
const fn address(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7)), port)
}
