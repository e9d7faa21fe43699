// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one instance, in the caller's storage: what tasks share under the port's lock, and what is the agent's task's
//! alone. Initialised by cairn_init; never freed.

use core::{
    cell::UnsafeCell,
    ffi::c_void,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering},
};

use cairn::{
    agent::{Agent, Made, OWN_PAYLOAD_MAX, UploadMode},
    factory::Factory,
    journal::FlashJournal,
    power::{cost::PsmTimers, scheduler::Scheduler},
    record::StreamId,
    time::Millis,
};

use crate::{
    api::cairn_event_callback_t,
    endorsement::Birthmark,
    firmware,
    port::{self, PortClock, PortFlash},
    power::Energy,
    record::cairn_record_t,
    report::cairn_status_t,
    result::cairn_result_t,
    signer,
    transport::{self, Link},
    waiters::Waiters,
    wipe,
};

/// Longest payload the agent handles: the application's, or one of its own.
pub(crate) const PAYLOAD: usize =
    if cairn_config::PAYLOAD_MAX > OWN_PAYLOAD_MAX { cairn_config::PAYLOAD_MAX } else { OWN_PAYLOAD_MAX };

/// In the port's flash.
pub(crate) type InFlash =
    FlashJournal<PortFlash, { cairn_config::JOURNAL_BYTES }, PAYLOAD, { cairn_config::JOURNAL_FULL_DISPLACE }>;

/// What the agent has: small, so it is in it.
#[cfg(not(feature = "monotonic"))]
pub(crate) type Journal = InFlash;
#[cfg(feature = "monotonic")]
pub(crate) type Journal = cairn::journal::Guarded<InFlash, port::PortCounter>;

pub(crate) type DeviceAgent = Agent<
    Journal,
    signer::Signer,
    &'static mut Link,
    PortClock,
    &'static mut Scheduler,
    PAYLOAD,
    { cairn_config::UPLINK_MAX },
>;

/// What the application asked for without waiting; the agent's task does it at its next step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) flush: bool,
    pub(crate) upload: Option<UploadMode>,
    pub(crate) radio_until: Option<Millis>,
    pub(crate) timers: Option<PsmTimers>,
    /// [`Shared::energy`] was changed.
    pub(crate) retune: bool,
}

/// What tasks and interrupts share. Only touched in [`Instance::shared`].
pub(crate) struct Shared {
    pub(crate) waiters: Waiters<{ cairn_config::WAITERS }>,
    pub(crate) wishes: Wishes,
    pub(crate) energy: Energy,
    pub(crate) status: cairn_status_t,
    pub(crate) callback: cairn_event_callback_t,
    pub(crate) callback_context: *mut c_void,
    /// Submissions the queue had no room for.
    pub(crate) queue_full: u32,
    /// Something was handed to the agent since its last step began.
    pub(crate) news: bool,
    /// A step runs.
    pub(crate) stepping: bool,
    /// The task that makes the steps, once it made one.
    pub(crate) agent_task: *const c_void,
    /// The key that signs, compressed, once the agent started.
    pub(crate) public_key: Option<[u8; 33]>,
    /// The firmware image that was confirmed last.
    pub(crate) firmware: Option<firmware::Statement>,
}

/// What only the agent's task touches, in a [`Step`].
struct Own {
    /// Taken when the agent starts.
    birth: Option<Birth>,
    /// When the agent may try again to start, if its signer did not answer.
    not_before: Millis,
    /// When the next key of a rotation may try again to take its turn.
    #[cfg(feature = "key-store")]
    follow_not_before: Millis,
    /// Why it could not.
    #[cfg(feature = "key-store")]
    follow_failed: cairn_result_t,
    /// `Instance::agent` is initialised, and has not resumed.
    made: bool,
    /// It is, and has: only then is it used.
    started: bool,
    loans: Loans,
    /// The record being taken from the queue.
    record: cairn_record_t,
    birthmark: Birthmark,
}

/// What was lent or made of what the instance lends.
#[derive(Default)]
struct Loans {
    /// `Instance::signer` was lent.
    #[cfg(feature = "signer-libsecp256k1")]
    place_lent: bool,
    /// `Instance::modem` is initialised, and never changes place or is borrowed mutably again.
    #[cfg(feature = "signer-sim")]
    modem_made: bool,
}

/// What cairn_init found out for the agent to start with.
pub(crate) struct Birth {
    pub(crate) factory: Factory,
    /// The stream that begins if the journal is formatted.
    pub(crate) fresh_stream: StreamId,
    /// The application gave up what the journal's flash holds.
    pub(crate) format: bool,
    pub(crate) seed: u64,
}

/// The instance. The large parts are made in place, so that nobody's stack ever holds one.
pub(crate) struct Instance {
    shared: UnsafeCell<Shared>,
    own: UnsafeCell<Own>,
    agent: UnsafeCell<MaybeUninit<DeviceAgent>>,
    /// Lent to the agent when it starts, for ever.
    link: UnsafeCell<MaybeUninit<Link>>,
    /// Lent to the agent when it starts, for ever.
    schedule: UnsafeCell<MaybeUninit<Scheduler>>,
    /// Lent to the signer when it is opened, for ever.
    #[cfg(feature = "signer-libsecp256k1")]
    signer: UnsafeCell<MaybeUninit<signer::Place>>,
    /// Shared by link and signer from then on, for ever.
    #[cfg(feature = "signer-sim")]
    modem: UnsafeCell<MaybeUninit<SharedModem>>,
}

/// The modem as its users share it. Both are the agent's task's, so that a cell without a lock will do.
#[cfg(feature = "signer-sim")]
type SharedModem = core::cell::RefCell<transport::Stack>;

/// `CAIRN_STORAGE_SIZE` of cairn.h, the same formula over the same configuration: what depends on the configuration,
/// plus what does not, rounded up. `tests/` compares it with the C compiler's.
pub const CAIRN_STORAGE_SIZE: usize = (cairn_config::UPLINK_MAX
    + STORAGE_LINK
    + 2 * cairn_config::PAYLOAD_MAX
    + STORAGE_FIXED
    + STORAGE_SIGNER
    + STORAGE_WAITER * cairn_config::WAITERS)
    .next_multiple_of(16);
const WIDE: bool = size_of::<usize>() == 8;
const STORAGE_FIXED: usize = if WIDE { 3616 } else { 3552 };
/// What the link takes: a datagram, and with the modem another, and its lines. A socket is the port's, which gives a datagram down.
const STORAGE_LINK: usize = if cairn_config::AT_MODEM {
    2 * transport::TX + 5 * cairn_config::AT_LINE_MAX / 2 + if WIDE { 1296 } else { 1232 }
} else {
    transport::TX + 1152
};
/// What the signer has over a software signer.
const STORAGE_SIGNER: usize = if cairn_config::SIGNER_SE050 {
    672
} else if cairn_config::SIGNER_LIBSECP256K1 {
    432
} else if cairn_config::SIGNER_SIM {
    160
} else {
    0
};
const STORAGE_WAITER: usize = if WIDE { 32 } else { 24 };

/// `CAIRN_EVIDENCE_MAX` of cairn.h.
pub const CAIRN_EVIDENCE_MAX: usize = cairn::agent::evidence_max(PAYLOAD);

/// The storage of one instance. Give it static storage duration; do not touch what is in it.
#[repr(C, align(16))]
#[derive(Debug)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct cairn_storage_t {
    /// Cairn's.
    pub bytes: [u8; CAIRN_STORAGE_SIZE],
}

// Asserted on every target the library is built for: it fits, and little is wasted.
const _: () = assert!(size_of::<cairn_storage_t>() - size_of::<Instance>() <= 512, "CAIRN_STORAGE_SIZE is too large");
const _: () = assert!(size_of::<Instance>() <= size_of::<cairn_storage_t>(), "CAIRN_STORAGE_SIZE is too small");
const _: () = assert!(align_of::<Instance>() <= align_of::<cairn_storage_t>(), "cairn_storage_t is not aligned enough");

static STATE: AtomicU8 = AtomicU8::new(UNINITIALISED);
static INSTANCE: AtomicPtr<Instance> = AtomicPtr::new(ptr::null_mut());
/// cairn_journal_format was called.
static FORMAT: AtomicBool = AtomicBool::new(false);

const UNINITIALISED: u8 = 0;
const INITIALISING: u8 = 1;
const INITIALISED: u8 = 2;

/// Has the instance that cairn_init will make format the journal.
///
/// # Errors
/// `CAIRN_E_ALREADY_INITIALISED` when there is an instance, or one is being made.
pub(crate) fn format_journal() -> Result<(), cairn_result_t> {
    port::locked(|| {
        if STATE.load(Ordering::Relaxed) != UNINITIALISED {
            return Err(cairn_result_t::CAIRN_E_ALREADY_INITIALISED);
        }
        FORMAT.store(true, Ordering::Relaxed);
        Ok(())
    })
}

/// Whether cairn_journal_format was called.
pub(crate) fn formats_journal() -> bool {
    FORMAT.load(Ordering::Relaxed)
}

/// The right to initialise: given once at a time.
pub(crate) struct Initialising(());

impl Initialising {
    /// # Errors
    /// `CAIRN_E_ALREADY_INITIALISED` when there is an instance, or one is being made.
    pub(crate) fn begin() -> Result<Self, cairn_result_t> {
        // Under the lock instead of a compare-exchange, which not every target has.
        let free = port::locked(|| {
            let free = STATE.load(Ordering::Relaxed) == UNINITIALISED;
            if free {
                STATE.store(INITIALISING, Ordering::Relaxed);
            }
            free
        });
        if free { Ok(Self(())) } else { Err(cairn_result_t::CAIRN_E_ALREADY_INITIALISED) }
    }

    /// Makes the instance in `storage`.
    ///
    /// # Safety
    /// `storage` is valid for reading and writing an [`Instance`], aligned for it, and nobody else's for ever.
    pub(crate) unsafe fn finish(self, storage: *mut Instance, birth: Birth) {
        // SAFETY: the caller vouches for `storage`. The fields not written are `MaybeUninit` and need no value.
        unsafe {
            Self::begin_to_share(storage);
            Self::begin_to_own(storage, birth);
        }
        INSTANCE.store(storage, Ordering::Release);
        STATE.store(INITIALISED, Ordering::Release);
        core::mem::forget(self);
    }

    /// Makes what is shared. Never inlined: what it needs of the caller's stack must not lie under the rest of [`Self::finish`].
    ///
    /// # Safety
    /// As [`Self::finish`].
    #[inline(never)]
    unsafe fn begin_to_share(storage: *mut Instance) {
        let shared = Shared {
            waiters: Waiters::new(),
            wishes: Wishes::default(),
            energy: Energy::CONFIGURED,
            status: cairn_status_t::STARTING,
            callback: None,
            callback_context: ptr::null_mut(),
            queue_full: 0,
            news: true,
            stepping: false,
            agent_task: ptr::null(),
            public_key: None,
            firmware: None,
        };
        // SAFETY: the caller vouches for `storage`.
        unsafe { (&raw mut (*storage).shared).write(UnsafeCell::new(shared)) };
    }

    /// Makes what only the agent's task touches.
    ///
    /// # Safety
    /// As [`Self::finish`].
    #[inline(never)]
    unsafe fn begin_to_own(storage: *mut Instance, birth: Birth) {
        let birthmark = Birthmark::of(&birth.factory);
        let own = Own {
            birth: Some(birth),
            not_before: Millis(0),
            #[cfg(feature = "key-store")]
            follow_not_before: Millis(0),
            #[cfg(feature = "key-store")]
            follow_failed: cairn_result_t::CAIRN_OK,
            made: false,
            started: false,
            loans: Loans::default(),
            record: cairn_record_t::EMPTY,
            birthmark,
        };
        // SAFETY: the caller vouches for `storage`.
        unsafe { (&raw mut (*storage).own).write(UnsafeCell::new(own)) };
    }
}

impl Drop for Initialising {
    /// It failed: the next call may try again.
    fn drop(&mut self) {
        STATE.store(UNINITIALISED, Ordering::Release);
    }
}

impl Instance {
    /// # Errors
    /// `CAIRN_E_NOT_INITIALISED`.
    pub(crate) fn get() -> Result<&'static Self, cairn_result_t> {
        let instance = INSTANCE.load(Ordering::Acquire);
        // SAFETY: not null only after `finish` wrote it into storage that the caller of cairn_init gave for ever; all
        // access to its cells is through `shared` and `own`.
        unsafe { instance.as_ref() }.ok_or(cairn_result_t::CAIRN_E_NOT_INITIALISED)
    }

    /// Looks at or changes what is shared, under the port's lock. `look` must not call the port: the lock does not
    /// nest.
    pub(crate) fn shared<T>(&self, look: impl FnOnce(&mut Shared) -> T) -> T {
        port::locked(|| {
            // SAFETY: the lock keeps every other task and interrupt out, and no `look` calls back into here.
            look(unsafe { &mut *self.shared.get() })
        })
    }

    /// Begins a step of the agent.
    ///
    /// # Errors
    /// `CAIRN_E_CONTEXT` when one runs, in another task or around this call.
    pub(crate) fn step(&self) -> Result<Step<'_>, cairn_result_t> {
        let task = port::task();
        self.shared(|shared| {
            if shared.stepping {
                return Err(cairn_result_t::CAIRN_E_CONTEXT);
            }
            shared.stepping = true;
            shared.news = false;
            shared.agent_task = task;
            Ok(Step(self))
        })
    }

    /// What another task than the agent's does in a step's place, when the agent could not start or stopped.
    ///
    /// # Errors
    /// `CAIRN_E_BUSY` when a step runs.
    #[cfg(feature = "key-store")]
    pub(crate) fn visit(&self) -> Result<Step<'_>, cairn_result_t> {
        self.shared(|shared| {
            if core::mem::replace(&mut shared.stepping, true) {
                return Err(cairn_result_t::CAIRN_E_BUSY);
            }
            Ok(Step(self))
        })
    }
}

/// The right to start the agent, with its [`Birth`], which is wiped where it lies when the right is gone: unless it was said that
/// it is to be given again.
pub(crate) struct Start<'a> {
    instance: &'a Instance,
    birth: &'a mut Option<Birth>,
    not_before: &'a mut Millis,
    made: &'a mut bool,
    loans: &'a mut Loans,
    keep: bool,
}

/// A running step: there is one at a time, so what is the agent's alone may be touched.
pub(crate) struct Step<'a>(&'a Instance);

impl Step<'_> {
    fn own(&mut self) -> &mut Own {
        // SAFETY: `stepping` lets one `Step` exist at a time, and its `&mut` lets one reference exist at a time.
        unsafe { &mut *self.0.own.get() }
    }

    /// The right to start the agent, with what it starts with; `None` when it did, or tried to, or is to try later.
    pub(crate) fn starting(&mut self, now: Millis) -> Option<Start<'_>> {
        let instance = self.0;
        let Own { birth, not_before, made, loans, .. } = self.own();
        let due = birth.is_some() && now >= *not_before;
        if due { Some(Start { instance, birth, not_before, made, loans, keep: false }) } else { None }
    }

    /// Takes down whether the agent, if one was made, has resumed. One that has not is of no use, and holds the key: it is wiped.
    pub(crate) fn resumed(&mut self, has: bool) {
        let own = self.own();
        own.started |= own.made && has;
        if core::mem::take(&mut own.made) && !has {
            // SAFETY: exclusive as in `own`: who was to resume the agent borrowed this step.
            wipe::bytes(unsafe { &mut *self.0.agent.get() });
        }
    }

    /// When the agent is to try again to start; `None` when it did, or failed for good.
    pub(crate) fn again(&mut self) -> Option<Millis> {
        let own = self.own();
        own.birth.is_some().then_some(own.not_before)
    }

    /// When the next key may try again to take its turn.
    #[cfg(feature = "key-store")]
    pub(crate) fn follow_not_before(&mut self) -> Millis {
        self.own().follow_not_before
    }

    /// It could not, and `why`: not before then.
    #[cfg(feature = "key-store")]
    pub(crate) fn follow_later(&mut self, not_before: Millis, why: cairn_result_t) {
        let own = self.own();
        (own.follow_not_before, own.follow_failed) = (not_before, why);
    }

    /// It took its turn.
    #[cfg(feature = "key-store")]
    pub(crate) fn followed(&mut self) {
        self.own().follow_failed = cairn_result_t::CAIRN_OK;
    }

    /// Why the next key could not take its turn the last time, while it waits for it.
    #[cfg(feature = "key-store")]
    pub(crate) fn follow_failed(&mut self) -> cairn_result_t {
        self.own().follow_failed
    }

    /// Without a key store the application has the next key take its turn, and is told itself.
    #[cfg(not(feature = "key-store"))]
    pub(crate) const fn follow_failed(&mut self) -> cairn_result_t {
        cairn_result_t::CAIRN_OK
    }

    /// Stops the agent for good, and wipes its key: `why` is what everything answers from now on.
    pub(crate) fn stop(&mut self, why: cairn_result_t) {
        self.0.shared(|shared| (shared.status.start, shared.status.idle) = (why, false));
        if core::mem::take(&mut self.own().started) {
            // SAFETY: `started` said that it is initialised, and says so no more; exclusive as in `own`.
            unsafe { (*self.0.agent.get()).assume_init_drop() };
        }
    }

    /// The agent, the record buffer and what endorsements take, once it started.
    pub(crate) fn agent(&mut self) -> Option<(&mut DeviceAgent, &mut cairn_record_t, &Birthmark)> {
        let cell = self.0.agent.get();
        let own = self.own();
        // SAFETY: `started` says that it is initialised; exclusive as in `own`, another cell than the record's.
        own.started.then(|| (unsafe { (*cell).assume_init_mut() }, &mut own.record, &own.birthmark))
    }
}

impl<'a> Start<'a> {
    /// What the agent starts with.
    ///
    /// # Errors
    /// Never while the right is there.
    pub(crate) fn birth(&self) -> Result<&Birth, cairn_result_t> {
        self.birth.as_ref().ok_or(cairn_result_t::CAIRN_E_NOT_INITIALISED)
    }

    /// The same, and what the instance lends to who starts the agent.
    ///
    /// # Errors
    /// Never while the right is there.
    pub(crate) fn parts(&mut self) -> Result<(&Birth, Lent<'_>), cairn_result_t> {
        let birth = self.birth.as_ref().ok_or(cairn_result_t::CAIRN_E_NOT_INITIALISED)?;
        Ok((birth, Lent { instance: self.instance, loans: self.loans }))
    }

    /// Has [`Step::starting`] give it again, from `not_before` on: the agent was not started.
    pub(crate) fn later(mut self, not_before: Millis) {
        *self.not_before = not_before;
        self.keep = true;
    }

    /// Makes link and schedule in place, and lets `agent` make the agent over them in its place.
    ///
    /// # Errors
    /// What `agent` says.
    pub(crate) fn make(
        mut self,
        link: impl FnOnce(&Factory, Lent<'_>) -> Link,
        schedule: impl FnOnce() -> Scheduler,
        agent: impl FnOnce(
            &'a mut MaybeUninit<DeviceAgent>,
            &'static mut Link,
            &'static mut Scheduler,
        ) -> Result<Made<'a, DeviceAgent>, cairn_result_t>,
    ) -> Result<Made<'a, DeviceAgent>, cairn_result_t> {
        let instance = self.instance;
        let (Birth { factory, .. }, lent) = self.parts()?;
        // SAFETY: a `Start` comes here once in the life of an instance, for it is used up and its birth gone then, and nobody
        // else ever refers to this cell. The instance lives for ever, so the reference may.
        let link = unsafe { place(&mut *instance.link.get(), || link(factory, lent)) };
        // SAFETY: as the link: once, and nobody else ever refers to this cell.
        let schedule = unsafe { place(&mut *instance.schedule.get(), schedule) };
        // SAFETY: there is one `Step` at a time, which this and what is made are borrowed from, so nobody else refers to this
        // cell now.
        let made = agent(unsafe { &mut *instance.agent.get() }, link, schedule);
        if made.is_err() {
            // SAFETY: what `agent` was lent is returned. What is there is no agent, and may hold the key.
            wipe::bytes(unsafe { &mut *instance.agent.get() });
        }
        *self.made = made.is_ok();
        made
    }
}

impl Drop for Start<'_> {
    fn drop(&mut self) {
        if !self.keep {
            // Dropped in place, which wipes it.
            *self.birth = None;
        }
    }
}

/// What the instance lends for ever, each to one borrower, before the agent starts.
#[allow(dead_code, reason = "which of it is used, the signer decides")]
pub(crate) struct Lent<'a> {
    instance: &'a Instance,
    loans: &'a mut Loans,
}

impl Lent<'_> {
    /// The signer's place with `content` in it; `None` from the second time on.
    #[cfg(feature = "signer-libsecp256k1")]
    pub(crate) fn place(&mut self, content: signer::Place) -> Option<&'static mut signer::Place> {
        if self.loans.place_lent {
            return None;
        }
        self.loans.place_lent = true;
        // SAFETY: `place_lent` lets this run once in the life of an instance, and nobody else ever refers to this cell. The
        // instance lives for ever, so the reference may.
        Some(unsafe { &mut *self.instance.signer.get() }.write(content))
    }

    /// What the link sends through.
    #[cfg(not(feature = "signer-sim"))]
    pub(crate) fn port(&mut self) -> transport::Port {
        transport::stack()
    }

    /// A handle to the modem, which is made in place the first time.
    #[cfg(feature = "signer-sim")]
    pub(crate) fn port(&mut self) -> transport::Port {
        let cell = self.instance.modem.get();
        if !self.loans.modem_made {
            // SAFETY: `modem_made` lets this run once, before anybody was given a reference into the cell.
            place(unsafe { &mut *cell }, || SharedModem::new(transport::stack()));
            self.loans.modem_made = true;
        }
        // SAFETY: `modem_made` says that it is initialised, and no exclusive reference to it is made from then on. The instance
        // lives for ever, so the reference may. It stays in the agent's task: what holds it is the agent and its link.
        transport::Port::new(unsafe { (*cell).assume_init_ref() })
    }
}

/// Never inlined: what making one needs on the stack is gone when the next is made.
#[inline(never)]
fn place<T>(cell: &mut MaybeUninit<T>, make: impl FnOnce() -> T) -> &mut T {
    cell.write(make())
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.shared(|shared| shared.stepping = false);
    }
}
