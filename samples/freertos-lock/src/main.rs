// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A lock that anchors what happens to its door. Three tasks: the door submits urgent events, the agent journals, signs
//! and sends them, and one rests the processor. No C but the kernel.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
#[cfg(feature = "se050")]
mod bridge;
mod flash;
#[cfg(not(any(feature = "sim", feature = "se050")))]
#[path = "key_in_flash.rs"]
mod key;
#[cfg(feature = "sim")]
#[path = "key_on_sim.rs"]
mod key;
#[cfg(feature = "se050")]
#[path = "key_in_se050.rs"]
mod key;
mod semihosting;

use alloc::boxed::Box;
use core::{net::SocketAddr, panic::PanicInfo};

use board::{HostEntropy, ModemPort, WAKER};
use cairn::{
    agent::{Agent, Event, Settings, UploadMode},
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
    time::{Millis, TimeQuality, WallTime},
};
use cairn_at_modem::{AtModem, dialect};
use cairn_coap::{
    CoapLink, Transmission,
    oscore::{Context, Secrets},
};
use cairn_freertos::{
    clock::TickClock,
    inbox::{QueueInbox, Submitter, mailbox},
    wake::TaskWait,
};
use cortex_m_rt::entry;
use flash::{FLASH_BYTES, HostFlash};
use freertos_next::{CurrentTask, Duration, FreeRtosAllocator, FreeRtosUtils, Task, TaskPriority};

#[global_allocator]
static HEAP: FreeRtosAllocator = FreeRtosAllocator;

/// Longest payload of an event of the lock.
const EVENT_MAX: usize = 32;
/// Longest uplink, longest datagrams up and down, longest line of the modem; all in bytes.
const UPLINK: usize = 640;
const TX: usize = UPLINK + cairn_coap::client::OVERHEAD_MAX;
const RX: usize = 160;
const LINE: usize = 2 * RX + 40;

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
const NIGHT: [(u32, &str); 6] = [
    (3_000, "locked by key 17"),
    (20_000, "knob turned, still locked"),
    (1_000, "knob turned, still locked"),
    (500, "forced"),
    (15_000, "opened by key 3"),
    (8_000, "locked by key 3"),
];

/// 2026-01-14T22:00:00Z: what a real lock hears from its network.
const EVENING_MS: u64 = 1_768_428_000_000;

macro_rules! say {
    ($($argument:tt)*) => {
        // Writing to the console cannot fail.
        let _ = core::fmt::Write::write_fmt(&mut $crate::board::Console, format_args!("{}\n", format_args!($($argument)*)));
    };
}
#[cfg(feature = "se050")]
pub(crate) use say;

#[entry]
fn main() -> ! {
    board::start();
    let mut clock = TickClock::new();
    clock.set_wall(WallTime { unix_ms: EVENING_MS, quality: TimeQuality::Network });
    let (submitter, inbox) = mailbox::<EVENT_MAX>(8, &WAKER, clock.clone()).expect("memory for the queue");
    start("door", 1024, 3, move || door(&submitter));
    start("cairn", key::STACK_BYTES, 1, move || cairn_task(inbox, clock));
    start("rest", 512, 0, || {
        loop {
            cortex_m::asm::wfi();
        }
    });
    FreeRtosUtils::start_scheduler()
}

fn start(name: &str, stack_bytes: usize, priority: u8, run: impl FnOnce() + Send + 'static) {
    let mut task = Task::new();
    task.name(name).stack_size_bytes(stack_bytes).priority(TaskPriority(priority));
    task.start(move |_| run()).expect("memory for a task");
}

fn door(submitter: &Submitter<EVENT_MAX>) {
    loop {
        for (pause_ms, what) in NIGHT {
            CurrentTask::delay(Duration::ms(pause_ms));
            match submitter.submit_wait(Kind::EVENT, Priority::Urgent, what.as_bytes(), Millis(5_000)) {
                Ok(seq) => {
                    say!("door: {what}: record {}", seq.0);
                }
                Err(refused) => {
                    say!("door: {what}: {refused:?}");
                }
            }
        }
    }
}

type Modem = AtModem<ModemPort, TickClock, 1, TX, RX, 2, LINE, { key::APDU }>;
type Link = CoapLink<key::Port, TX, RX>;
type Journal = FlashJournal<HostFlash, FLASH_BYTES, { cairn::agent::OWN_PAYLOAD_MAX }>;
type LockAgent = Agent<
    Journal,
    key::Signer,
    &'static mut Link,
    TickClock,
    &'static mut Scheduler,
    { cairn::agent::OWN_PAYLOAD_MAX },
    UPLINK,
>;

fn random() -> u64 {
    let mut bytes = [0; 8];
    HostEntropy.fill(&mut bytes).expect("entropy: is semihosting on?");
    u64::from_be_bytes(bytes)
}

/// Takes up the journal. A flash as delivered gets one; whatever else is there nobody but its owner may give up.
#[inline(never)]
fn journal() -> Journal {
    match Journal::mount(open_flash()) {
        Err(MountError::NotFormatted) => {
            let mut flash = open_flash();
            assert_eq!(Journal::is_fresh(&mut flash), Ok(true), "the flash holds something that is no journal");
            Journal::format(&mut flash, StreamId(random())).expect("a journal in a fresh flash");
            Journal::mount(flash)
        }
        mounted => mounted,
    }
    .expect("the journal")
}

fn open_flash() -> HostFlash {
    HostFlash::open().expect("freertos-lock.flash: is semihosting on?")
}

#[inline(never)]
fn link(factory: &Factory, stream: StreamId, port: key::Port) -> Link {
    let secrets =
        Secrets { master_secret: &factory.master_secret, master_salt: &[], id_context: Some(&stream.0.to_be_bytes()) };
    let context = Context::derive(&secrets, &factory.kid, &[]).expect("a kid of 4 bytes, a stream of 8");
    let settings = cairn_coap::Settings {
        relay: SocketAddr::V4(factory.relay),
        transmission: Transmission::NB_IOT,
        keep_socket: false,
        seed: random(),
    };
    CoapLink::new(port, settings, context).hearing(|port| port.heard())
}

fn modem(clock: &TickClock) -> Modem {
    Modem::new(&dialect::BC660K, cairn_at_modem::Settings::default(), ModemPort, clock.clone())
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

/// The agent, where it stays for as long as the lock lives: too large to move, or to lie under a signature.
#[inline(never)]
fn agent(factory: &Factory, signer: key::Signer, port: key::Port, clock: &TickClock) -> &'static mut LockAgent {
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
    let schedule = Box::leak(Box::new(schedule(kept.as_ref(), clock.now())));
    let link = Box::leak(Box::new(link(factory, journal.stream(), port)));
    let place = Box::leak(Box::new_uninit());
    LockAgent::new_in(place, settings, journal, signer, link, clock.clone(), schedule).expect("an agent")
}

fn cairn_task(mut inbox: QueueInbox<EVENT_MAX>, clock: TickClock) {
    #[cfg(feature = "se050")]
    if board::factory().iter().all(|byte| *byte == 0) {
        key::provision();
    }
    let factory = Factory::decode(board::factory()).expect("a factory blob at 0x21000000");
    #[cfg(not(feature = "se050"))]
    let (signer, port) = key::open(&factory, modem(&clock));
    #[cfg(feature = "se050")]
    let (signer, root, port) = key::open(&factory, modem(&clock));
    let agent = agent(&factory, signer, port, &clock);
    let mut wait = TaskWait::new(&WAKER, clock).expect("a task");
    say!("lock: ready, stream {}", agent.status().stream.0);
    #[cfg(feature = "se050")]
    key::answer_bench(agent, &factory, root);
    loop {
        let until = agent.poll(&mut inbox, &mut |event| tell(&event));
        wait.wait(until);
    }
}

fn tell(event: &Event) {
    match event {
        Event::Sealed { batch, count } => {
            say!("cairn: batch {} sealed, {count} records", batch.0);
        }
        Event::Signed { batch, result: Ok(()) } => {
            let unused = CurrentTask::get_stack_high_water_mark_bytes();
            say!("cairn: batch {} signed, {unused} bytes of stack never used", batch.0);
        }
        Event::Sent { batch, bytes } => {
            say!("cairn: batch {} sent, {bytes} bytes", batch.0);
        }
        Event::Stored { batch } => {
            say!("cairn: batch {} stored by the relay", batch.0);
        }
        Event::Included { batch } => {
            say!("cairn: batch {} on chain", batch.0);
        }
        Event::Final { batch } => {
            say!("cairn: batch {} on chain for good", batch.0);
        }
        other => {
            say!("cairn: {other:?}");
        }
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    say!("stop: {info}");
    loop {
        cortex_m::asm::wfi();
    }
}
