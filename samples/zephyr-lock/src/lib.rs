// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A lock that anchors what happens to its door. Two threads: the main thread is the door and submits urgent events, the agent's
//! journals, signs and sends them over Zephyr's sockets. No C but Zephyr.
#![no_std]

mod console;

use cairn::{
    agent::{Agent, Event, OWN_PAYLOAD_MAX, Settings, UploadMode},
    batch::DeploymentId,
    factory::Factory,
    journal::{BudgetState, FlashJournal, Journal as _, MountError},
    ports::{Clock as _, Entropy as _, Wait as _},
    power::{
        budget::{self, Supply},
        cost::{MicroJoules, Model},
        outlook::Sight,
        scheduler::{self, Scheduler},
    },
    record::{BlindSecret, Kind, Priority, StreamId},
    signer::software::SoftwareSigner,
    time::Millis,
};
use cairn_coap::{
    CoapLink, Transmission,
    client::OVERHEAD_MAX,
    oscore::{Context, Secrets},
};
use cairn_zephyr::{
    clock::UptimeClock, entropy::SystemEntropy, flash::JournalFlash, mailbox::Mailbox, sockets::Sockets,
    wait::ThreadWait,
};
use console::say;
use static_cell::StaticCell;
use zephyr::time::{Duration, sleep};

/// Longest payload of an event of the lock.
const EVENT_MAX: usize = 32;
/// Longest uplink, longest datagrams up and down; all in bytes.
const UPLINK: usize = 640;
const TX: usize = UPLINK + OVERHEAD_MAX;
const RX: usize = 160;

/// The partition cairn,journal, and its words and erase units: the board's overlay has the same.
const JOURNAL_BYTES: usize = 16 * 1024;
const WORD: usize = 4;
const UNIT: usize = 1024;

/// Stack of the agent's thread. A signature is the deepest that happens on it.
const AGENT_STACK_BYTES: usize = 8 * 1024;
/// Zephyr's lowest but one: the door never waits for a signature.
const AGENT_PRIORITY: i32 = 14;

/// The lock's cells: four AA in series, which last a year. Its motor and its processor take half a milliwatt on the mean; the modem
/// asleep takes the model's.
const CELLS: Supply = Supply {
    capacity_mah: 2_500,
    millivolts: 6_000,
    usable_permille: 800,
    self_discharge_permille: 20,
    years: 1,
    floor_nw: 500_000 + Model::DEFAULT.floor_nw,
};
/// What the lock may spend: a week's energy saved up, three days' kept for what is urgent, which is all that a lock has. It takes 63
/// events at once, and one a minute for ever.
const BUDGET: budget::Settings = budget::Settings {
    refill_uw: CELLS.refill_uw(),
    burst: MicroJoules::of_power(CELLS.refill_uw(), Millis::from_secs(7 * 86_400)),
    reserve: MicroJoules::of_power(CELLS.refill_uw(), Millis::from_secs(3 * 86_400)),
    urgent_burst: 63,
    urgent_interval: Millis::from_secs(60),
};

/// What happens to the door in a night, and how many milliseconds after what came before.
const NIGHT: [(u64, &str); 6] = [
    (3_000, "locked by key 17"),
    (20_000, "knob turned, still locked"),
    (1_000, "knob turned, still locked"),
    (500, "forced"),
    (15_000, "opened by key 3"),
    (8_000, "locked by key 3"),
];

type Flash = JournalFlash<WORD, UNIT>;
type Journal = FlashJournal<Flash, JOURNAL_BYTES, OWN_PAYLOAD_MAX>;
type Signer = SoftwareSigner<SystemEntropy>;
type Link = CoapLink<Sockets, TX, RX>;
type LockAgent =
    Agent<Journal, Signer, &'static mut Link, UptimeClock, &'static mut Scheduler, OWN_PAYLOAD_MAX, UPLINK>;

/// From the door to the agent.
static MAILBOX: Mailbox<EVENT_MAX, 8> = Mailbox::new();
/// They stay for as long as the lock lives: too large to move, or to lie under a signature.
static AGENT: StaticCell<LockAgent> = StaticCell::new();
static LINK: StaticCell<Link> = StaticCell::new();
static SCHEDULE: StaticCell<Scheduler> = StaticCell::new();

/// Called by zephyr-lang-rust in the main thread, once, when the kernel is up.
#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    let agent = cairn();
    agent.set_priority(AGENT_PRIORITY);
    agent.start();
    door();
}

fn door() -> ! {
    loop {
        for (pause_ms, what) in NIGHT {
            sleep(Duration::millis_at_least(pause_ms));
            match MAILBOX.submit_wait(Kind::EVENT, Priority::Urgent, what.as_bytes(), Millis(5_000)) {
                Ok(seq) => say!("door: {what}: record {}", seq.0),
                Err(refused) => say!("door: {what}: {refused:?}"),
            }
        }
    }
}

/// The agent's thread, which Zephyr knows by this name.
#[zephyr::thread(stack_size = AGENT_STACK_BYTES)]
fn cairn() {
    let agent = agent();
    let mut inbox = MAILBOX.inbox();
    let mut wait = ThreadWait::new().expect("room for an eventfd");
    say!("lock: ready, stream {}", agent.status().stream.0);
    loop {
        let until = agent.poll(&mut inbox, &mut |event| tell(&event));
        wait.wait(until);
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    SystemEntropy.fill(&mut bytes).expect("entropy");
    u64::from_be_bytes(bytes)
}

/// Takes up the journal. A flash as delivered gets one; whatever else is there nobody but its owner may give up.
#[inline(never)]
fn journal() -> Journal {
    let open = || Flash::open().expect("the partition cairn,journal");
    match Journal::mount(open()) {
        Err(MountError::NotFormatted) => {
            let mut flash = open();
            assert_eq!(Journal::is_fresh(&mut flash), Ok(true), "the flash holds something that is no journal");
            Journal::format(&mut flash, StreamId(random())).expect("a journal in a fresh flash");
            Journal::mount(flash)
        }
        mounted => mounted,
    }
    .expect("the journal")
}

/// Derives the public key: as deep in stack as a signature, so it must not have the agent under it.
#[inline(never)]
fn signer(factory: &Factory) -> Signer {
    let key = factory.private_key.as_ref().expect("a key in the factory image");
    SoftwareSigner::with_entropy(key, SystemEntropy).expect("a key on the curve")
}

#[inline(never)]
fn link(factory: &Factory, stream: StreamId) -> Link {
    let secrets =
        Secrets { master_secret: &factory.master_secret, master_salt: &[], id_context: Some(&stream.0.to_be_bytes()) };
    let context = Context::derive(&secrets, &factory.kid, &[]).expect("a kid of 4 bytes, a stream of 8");
    let settings = cairn_coap::Settings {
        relay: factory.relay.into(),
        transmission: Transmission::NB_IOT,
        keep_socket: false,
        seed: random(),
    };
    CoapLink::new(Sockets, settings, context)
}

/// When to send and what it may cost. The budget goes on from what an earlier run kept.
#[inline(never)]
fn schedule(kept: Option<&BudgetState>, now: Millis) -> Scheduler {
    let settings = scheduler::Settings {
        patience: [7 * 86_400, 86_400, 2].map(Millis::from_secs),
        retry_base: Millis::from_secs(15),
        retry_max: Millis::from_secs(3_600),
        seed: random(),
        model: Model::DEFAULT,
        budget: BUDGET,
        tau: None,
        sight: Sight::Blind,
    };
    Scheduler::new(settings, kept.map(BudgetState::bytes), now)
}

#[inline(never)]
fn agent() -> &'static mut LockAgent {
    let factory = cairn_zephyr::factory::load().expect("a factory image in cairn,factory");
    let signer = signer(&factory);
    let mut journal = journal();
    let settings = Settings {
        deployment: DeploymentId(factory.deployment),
        blind_secret: BlindSecret::new(factory.blind_secret),
        device: None,
        upload: UploadMode::Data,
        payload_max: EVENT_MAX,
        clock_step: Millis(2_000),
        relay_step_max: Millis::from_secs(60),
        sender_sequence_block: 64,
        retention: None,
        prune_at: cairn::uplink::Level::Final,
    };
    let kept = journal.budget().expect("the journal");
    let schedule = SCHEDULE.init_with(|| schedule(kept.as_ref(), UptimeClock.now()));
    let link = LINK.init_with(|| link(&factory, journal.stream()));
    LockAgent::new_in(AGENT.uninit(), settings, journal, signer, link, UptimeClock, schedule).expect("an agent")
}

/// In the agent's thread: prints, and nothing else.
fn tell(event: &Event) {
    match event {
        Event::Sealed { batch, count } => say!("cairn: batch {} sealed, {count} records", batch.0),
        Event::Signed { batch, result: Ok(()) } => say!("cairn: batch {} signed", batch.0),
        Event::Sent { batch, bytes } => say!("cairn: batch {} sent, {bytes} bytes", batch.0),
        Event::Stored { batch } => say!("cairn: batch {} stored by the relay", batch.0),
        Event::Included { batch } => say!("cairn: batch {} on chain", batch.0),
        Event::Final { batch } => say!("cairn: batch {} on chain for good", batch.0),
        other => say!("cairn: {other:?}"),
    }
}
