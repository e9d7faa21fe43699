// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A world for the agent on virtual time: clocks, an inbox, a signer that can fail, and a link whose other end is a relay
//! that checks everything it is told. Used by the agent's behaviour tests.

#![allow(unreachable_pub, dead_code, reason = "a module of several test crates")]

pub mod relay;
pub mod rotation;
pub mod signer;

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    ops::Range,
    rc::Rc,
};

use cairn::{
    agent::{Agent, Event, Settings, StartError, SubmitError, UploadMode},
    batch::{Anchor, BatchNumber, Commitment, DeploymentId},
    journal::{BudgetState, FlashJournal, Journal},
    merkle::TreeHasher,
    ports::{Clock, Inbox, Link, LinkError, Outcome, Submission, Ticket},
    power::{
        budget,
        cost::{ExchangeCost, MicroJoules, Model},
        outlook::Sight,
        scheduler::{Scheduler, Settings as Timing},
    },
    record::{BatchKey, BlindSecret, Entry, Kind, LossReason, Priority, SequenceNumber, StreamId},
    signer::{PublicKey, Signature, SignerError},
    time::{Millis, TimeQuality, WallTime},
    uplink::{Data, Downlink, Hints, Level, Uplink, delta},
};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

use crate::journal_flash::{MockFlash, PowerLost};
use relay::Keys;
use signer::{FIRST_KEY, Keeper, Secret, TestSigner};

pub const DEPLOYMENT: DeploymentId = DeploymentId([0xd0; 32]);
pub const STREAM: StreamId = StreamId(0x5712_ea3f_0000_0001);
pub const HOUR: u64 = 3_600_000;
pub const PAYLOAD: usize = 144;
pub const UPLINK: usize = 512;

/// What happens to the exchanges to come; when the list is empty, they succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Success,
    Fails(LinkError),
    /// The relay stores it and the answer is lost.
    AnswerLost,
    Garbage,
    OtherCommitment,
    OtherStream,
    OtherBatch,
    FinalFromTheFuture,
}

/// A record as the relay read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Record { seq: u64, time: WallTime, kind: Kind, payload: Vec<u8> },
    Lost { seq: u64, reason: LossReason },
}

/// A submission in the queue: time, kind, priority, payload, and who waits.
pub type Queued = (WallTime, Kind, Priority, Vec<u8>, Option<Ticket>);

#[derive(Default)]
pub struct World {
    pub now: u64,
    pub wall_offset: u64,
    pub quality: TimeQuality,
    pub queue: VecDeque<Queued>,
    pub answers: Vec<(Ticket, Result<SequenceNumber, SubmitError>)>,
    pub fates: VecDeque<Fate>,
    pub signer_errors: VecDeque<SignerError>,
    /// Whose signer refuses how often.
    pub refuses: Option<(Secret, u32)>,
    /// Which key signs what, as the relay was told.
    pub keys: Keys,
    pub events: Vec<Event>,
    /// What was signed of each batch, by which key: also what the relay never saw.
    pub signed: BTreeMap<BatchNumber, (Secret, [u8; 32])>,
    /// Every uplink as it was started, good fate or bad.
    pub uplinks: Vec<Vec<u8>>,
    pub anchors: Vec<(Anchor, Signature)>,
    pub data: Vec<Option<Vec<Seen>>>,
    /// Every batch before the one that comes is final by then.
    pub finalises_quickly: bool,
    pub final_through: Option<BatchNumber>,
    pub included_through: Option<BatchNumber>,
    pub hint_unix_ms: Option<u64>,
    pub granted: Range<u64>,
    pub used_numbers: Vec<u64>,
    pub exchange_takes: u64,
    /// Called with true before the relay works and with false after it: what fails in the device does not fail there.
    pub around_relay: Option<fn(bool)>,
    exchange: Option<(u64, Result<Vec<u8>, LinkError>)>,
    answer: Vec<u8>,
}

#[derive(Clone)]
pub struct Port(pub Rc<RefCell<World>>);

impl World {
    /// The device was reset: what ran is gone.
    pub fn lose_exchange(&mut self) {
        (self.exchange, self.granted) = (None, 0..0);
    }

    pub fn wall(&self) -> WallTime {
        WallTime { unix_ms: self.now + self.wall_offset, quality: self.quality }
    }

    pub fn submit(&mut self, kind: Kind, priority: Priority, payload: &[u8]) {
        let wall = self.wall();
        self.queue.push_back((wall, kind, priority, payload.to_vec(), None));
    }

    /// What the relay does with an uplink: checks the signature, the chain, and the records against the root.
    fn store(&mut self, bytes: &[u8]) -> Downlink {
        let uplink = Uplink::decode(bytes).expect("an uplink that decodes");
        let Anchor { stream, batch, first_seq, count, prev, .. } = uplink.anchor;
        self.keys.check(&uplink.anchor, &uplink.signature);
        let known = usize::try_from(batch.0).unwrap();
        if let Some((anchor, signature)) = self.anchors.get(known) {
            assert!((anchor, signature) == (&uplink.anchor, &uplink.signature), "equivocation in batch {batch:?}");
        } else {
            assert_eq!(known, self.anchors.len(), "a batch is missing");
            let (expected_prev, expected_first) =
                self.anchors.last().map_or((Commitment::default(), SequenceNumber(0)), |(last, _)| {
                    (last.commitment(), last.end().unwrap())
                });
            assert_eq!((prev, first_seq), (expected_prev, expected_first));
            let seen = match &uplink.data {
                Some(Data::Records { records, key }) => Some(unpack(records, key, &uplink.anchor)),
                Some(Data::Encrypted(_)) => panic!("nobody encrypts here"),
                None => None,
            };
            assert!(count > 0);
            self.keys.learn(&uplink.anchor, seen.as_deref());
            self.data.push(seen);
            self.anchors.push((uplink.anchor, uplink.signature));
        }
        if self.finalises_quickly {
            self.final_through = batch.0.checked_sub(1).map(BatchNumber);
        }
        Downlink {
            level: Level::Stored,
            stream,
            batch,
            commitment: uplink.anchor.commitment().prefix(),
            final_through: self.final_through,
            hints: Hints {
                included_through: self.included_through,
                unix_ms: self.hint_unix_ms,
                block_hash: self.hint_unix_ms.map(|_| [0xb1; 32]),
            },
        }
    }

    fn answer_to(&mut self, bytes: &[u8], fate: Fate) -> Result<Vec<u8>, LinkError> {
        if let Fate::Fails(error) = fate {
            return Err(error);
        }
        let mut downlink = self.store(bytes);
        match fate {
            Fate::AnswerLost => return Err(LinkError::TimeOut),
            Fate::Garbage => return Ok(vec![0x86, 1, 2]),
            Fate::OtherCommitment => downlink.commitment[15] ^= 1,
            Fate::OtherStream => downlink.stream.0 ^= 1,
            Fate::OtherBatch => downlink.batch.0 ^= 1,
            Fate::FinalFromTheFuture => downlink.final_through = Some(BatchNumber(downlink.batch.0 + 1)),
            Fate::Success | Fate::Fails(_) => {}
        }
        let mut out = [0; 128];
        let length = downlink.encode(&mut out).unwrap();
        Ok(out[..length].to_vec())
    }
}

fn unpack(records: &[u8], key: &BatchKey, anchor: &Anchor) -> Vec<Seen> {
    let mut decoder = delta::Decoder::new(records, anchor.first_seq, anchor.count);
    let (mut tree, mut seen, mut buf) = (TreeHasher::<16>::new(), Vec::new(), [0; 1024]);
    while let Some(entry) = decoder.next(&mut buf).expect("records that decode") {
        tree.push(entry.leaf(key)).unwrap();
        seen.push(match entry {
            Entry::Record(record) => Seen::Record {
                seq: record.seq.0,
                time: record.time,
                kind: record.kind,
                payload: record.payload.to_vec(),
            },
            Entry::Lost { seq, reason } => Seen::Lost { seq: seq.0, reason },
        });
    }
    assert_eq!(tree.root(), anchor.root, "the records hash to the root");
    seen
}

impl Clock for Port {
    fn now(&self) -> Millis {
        Millis(self.0.borrow().now)
    }
    fn wall(&self) -> WallTime {
        self.0.borrow().wall()
    }
    fn set_wall(&mut self, wall: WallTime) {
        let mut world = self.0.borrow_mut();
        world.wall_offset = wall.unix_ms - world.now;
        world.quality = wall.quality;
    }
}

pub struct Queue(pub Port, pub Vec<u8>);

impl Inbox for Queue {
    fn take(&mut self) -> Option<Submission<'_>> {
        let (time, kind, priority, payload, ticket) = self.0.0.borrow_mut().queue.pop_front()?;
        self.1 = payload;
        Some(Submission { time, kind, priority, payload: &self.1, ticket })
    }
    fn answer(&mut self, ticket: Ticket, result: Result<SequenceNumber, SubmitError>) {
        self.0.0.borrow_mut().answers.push((ticket, result));
    }
    fn refused(&self) -> u32 {
        0
    }
}

pub struct TestLink(pub Port, pub Vec<u8>);

impl Link for TestLink {
    fn start(&mut self, now: Millis, uplink: &[u8]) -> Result<(), LinkError> {
        let mut world = self.0.0.borrow_mut();
        assert!(uplink.len() <= UPLINK && world.exchange.is_none());
        let number = world.granted.next().ok_or(LinkError::SequenceExhausted)?;
        world.used_numbers.push(number);
        world.uplinks.push(uplink.to_vec());
        let fate = world.fates.pop_front().unwrap_or(Fate::Success);
        let around = world.around_relay.unwrap_or(|_| ());
        around(true);
        let answer = world.answer_to(uplink, fate);
        around(false);
        let takes = world.exchange_takes;
        world.exchange = Some((now.0 + takes, answer));
        Ok(())
    }
    fn poll(&mut self, now: Millis) -> nb::Result<Outcome<'_>, core::convert::Infallible> {
        let mut world = self.0.0.borrow_mut();
        match world.exchange.take() {
            Some((at, answer)) if at <= now.0 => {
                let failure = answer.as_ref().err().copied();
                world.answer = answer.unwrap_or_default();
                self.1.clone_from(&world.answer);
                let cost = ExchangeCost { bytes_up: 200, bytes_down: 60, datagrams_up: 1, ..Default::default() };
                Ok(Outcome { downlink: failure.map_or(Ok(&self.1[..]), Err), cost })
            }
            running => {
                world.exchange = running;
                Err(nb::Error::WouldBlock)
            }
        }
    }
    fn wake_at(&self) -> Option<Millis> {
        self.0.0.borrow().exchange.as_ref().map(|(at, _)| Millis(*at))
    }
    fn capacity(&self) -> usize {
        UPLINK
    }
    fn grant(&mut self, numbers: Range<u64>) {
        self.0.0.borrow_mut().granted = numbers;
    }
    fn granted(&self) -> u64 {
        let granted = &self.0.0.borrow().granted;
        granted.end - granted.start
    }
}

/// Bytes of the device's flash.
const FLASH: usize = 16_384;

/// The device's flash: it stays when the agent's task does not.
#[derive(Clone)]
pub struct SharedFlash(pub Rc<RefCell<MockFlash<4, 1024, FLASH>>>);

impl ErrorType for SharedFlash {
    type Error = PowerLost;
}

impl ReadNorFlash for SharedFlash {
    const READ_SIZE: usize = 4;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerLost> {
        self.0.borrow_mut().read(offset, bytes)
    }
    fn capacity(&self) -> usize {
        FLASH
    }
}

impl NorFlash for SharedFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 1024;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerLost> {
        self.0.borrow_mut().erase(from, to)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerLost> {
        self.0.borrow_mut().write(offset, bytes)
    }
}

pub type Log = LogThat<false>;
pub type LogThat<const GIVES_WAY: bool> = FlashJournal<SharedFlash, FLASH, PAYLOAD, GIVES_WAY>;

pub type AgentOver<J> = Agent<J, TestSigner, TestLink, Port, Scheduler, PAYLOAD, UPLINK>;

/// A device and its world. In its full journal, routine records give way to urgent ones if it says so.
pub struct Device<const GIVES_WAY: bool = false> {
    pub agent: AgentOver<LogThat<GIVES_WAY>>,
    pub world: Port,
    pub flash: SharedFlash,
    pub boots: u32,
    pub settings: Settings,
    inbox: Queue,
    pub key: PublicKey,
    pub keeper: Keeper,
    pub next_poll: Option<u64>,
}

pub fn settings(upload: UploadMode) -> Settings {
    Settings {
        deployment: DEPLOYMENT,
        blind_secret: BlindSecret::new([0xb5; 32]),
        device: None,
        upload,
        payload_max: 64,
        clock_step: Millis(2_000),
        relay_step_max: Millis(HOUR),
        sender_sequence_block: 4,
        retention: None,
        prune_at: Level::Final,
    }
}

/// A schedule whose times are certain: records are due after twelve hours, urgent ones after a second, and nothing is short.
const RICH: Timing = Timing {
    patience: [Millis(12 * HOUR), Millis(12 * HOUR), Millis(1_000)],
    retry_base: Millis(60_000),
    retry_max: Millis(HOUR),
    seed: 5,
    model: Model::DEFAULT,
    budget: budget::Settings {
        refill_uw: u32::MAX,
        burst: MicroJoules::from_mj(100_000_000),
        reserve: MicroJoules::from_mj(100_000_000),
        urgent_burst: 60,
        urgent_interval: Millis(1),
    },
    tau: None,
    sight: Sight::Blind,
};

/// An agent over some journal in a world.
pub fn boot_over<J: Journal>(journal: J, settings: &Settings, world: &Port) -> AgentOver<J> {
    start_over(journal, settings, world, &FIRST_KEY).expect("an agent starts")
}

/// The same with some key, which may not be the journal's.
pub fn start_over<J: Journal>(
    mut journal: J,
    settings: &Settings,
    world: &Port,
    secret: &Secret,
) -> Result<AgentOver<J>, StartError> {
    let kept = journal.budget().expect("a journal that can be read");
    let now = Millis(world.0.borrow().now);
    let schedule = Scheduler::new(RICH, kept.as_ref().map(BudgetState::bytes), now).amid_life();
    let link = TestLink(world.clone(), Vec::new());
    Agent::new(settings.clone(), journal, TestSigner::new(secret, world), link, world.clone(), schedule)
}

impl Device {
    /// A device with a clock set by the network, at virtual time 0.
    pub fn new(upload: UploadMode) -> Self {
        Self::with_clock(upload, 1_768_345_200_000, TimeQuality::Network)
    }

    pub fn with_clock(upload: UploadMode, wall_offset: u64, quality: TimeQuality) -> Self {
        Self::made(upload, wall_offset, quality)
    }
}

impl<const GIVES_WAY: bool> Device<GIVES_WAY> {
    pub fn made(upload: UploadMode, wall_offset: u64, quality: TimeQuality) -> Self {
        let world = World { wall_offset, quality, exchange_takes: 3_000, ..World::default() };
        let world = Port(Rc::new(RefCell::new(world)));
        let key = FIRST_KEY.public();
        world.0.borrow_mut().keys = Keys::of(key);
        let mut keeper = Keeper::new(FIRST_KEY);
        let flash = SharedFlash(Rc::new(RefCell::new(MockFlash::new(wall_offset))));
        LogThat::<GIVES_WAY>::format(&mut flash.clone(), STREAM).unwrap();
        let settings = settings(upload);
        let agent = Self::boot(&settings, &world, &flash, &mut keeper);
        let inbox = Queue(world.clone(), Vec::new());
        Self { agent, inbox, world, flash, boots: 1, settings, key, keeper, next_poll: Some(0) }
    }

    fn boot(
        settings: &Settings,
        world: &Port,
        flash: &SharedFlash,
        keeper: &mut Keeper,
    ) -> AgentOver<LogThat<GIVES_WAY>> {
        let mut journal = LogThat::mount(flash.clone()).expect("a journal mounts");
        let secret = keeper.whose_turn(&mut journal);
        start_over(journal, settings, world, &secret).expect("an agent starts")
    }

    /// The device starts again: what is not in flash is gone.
    pub fn reboot(&mut self) {
        self.flash.0.borrow_mut().power_on();
        self.world().lose_exchange();
        self.agent = Self::boot(&self.settings, &self.world, &self.flash, &mut self.keeper);
        self.boots += 1;
    }

    pub fn world(&self) -> std::cell::RefMut<'_, World> {
        self.world.0.borrow_mut()
    }

    /// One poll at the present moment. What it returns is never in the past, or the task would spin.
    pub fn poll(&mut self) {
        let world = self.world.clone();
        let next = self.agent.poll(&mut self.inbox, &mut |event| world.0.borrow_mut().events.push(event));
        self.next_poll = next.map(|at| at.0);
        let power_lost = self.flash.0.borrow().dead;
        if power_lost {
            self.reboot();
            let now = self.world().now;
            self.next_poll = Some(now);
        }
    }

    /// Polls as the agent asks, jumping from deadline to deadline, until `until`.
    pub fn run_until(&mut self, until: u64) {
        let mut polls = 0;
        self.poll();
        while let Some(at) = self.next_poll.filter(|&at| at <= until) {
            let now = self.world().now;
            self.world().now = now.max(at);
            self.poll();
            polls += 1;
            assert!(polls < 10_000, "the agent spins at {now}");
        }
        self.world().now = until;
    }

    pub fn run_for(&mut self, span: u64) {
        let until = self.world().now + span;
        self.run_until(until);
    }

    /// Submits a reading now, and lets the agent take it.
    pub fn read_meter(&mut self, value: u32) {
        let payload = minicbor_uint(value);
        self.world().submit(Kind::READING, Priority::Routine, &payload);
        self.poll();
    }

    /// What the relay was given, all batches in order.
    pub fn delivered(&self) -> Vec<Seen> {
        self.world().data.iter().flatten().flatten().cloned().collect()
    }
}

pub fn minicbor_uint(value: u32) -> Vec<u8> {
    let mut e = minicbor::Encoder::new(minicbor::encode::write::Cursor::new([0_u8; 5]));
    e.u32(value).unwrap();
    let length = e.writer().position();
    e.into_writer().into_inner()[..length].to_vec()
}
