// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The agent's task: starts the agent, and then makes one step after the other. Called through `cairn_poll` and
//! `cairn_run`.

use cairn::{
    agent::{Event, EvidenceError, Made, Settings, StartError, SubmitError, UploadMode},
    batch::DeploymentId,
    factory::Factory,
    journal::{Journal as _, Marks, MountError},
    ports::{Clock as _, Inbox, Submission, Ticket},
    power::scheduler::Scheduler,
    record::{BlindSecret, SequenceNumber},
    signer::DeviceId,
    time::Millis,
    uplink::Level,
};

use crate::{
    endorsement::{self, Birthmark},
    firmware,
    instance::{Birth, DeviceAgent, InFlash, Instance, Journal, Start, Step, Wishes},
    port::{self, PortClock, PortFlash},
    power,
    record::cairn_record_t,
    report::{cairn_event_t, cairn_status_t},
    result::cairn_result_t,
    selftest,
    signer::{self, Signer},
    transport,
    waiters::{Answer, Buffer, Request, Work},
    wipe,
};

/// When to ask again for a signer outside this processor that did not answer.
const SIGNER_AGAIN: Millis = Millis::from_secs(60);

/// How long records of hash-only batches are kept at least; 0 hours are for ever.
const RETENTION: Option<Millis> = match cairn_config::RETENTION_HOURS {
    0 => None,
    hours => Some(Millis(hours as u64 * 3_600_000)),
};

/// How far a batch must have come before its records may be given up.
const PRUNE_AT: Level = if cairn_config::PRUNE_STORED {
    Level::Stored
} else if cairn_config::PRUNE_INCLUDED {
    Level::Included
} else {
    Level::Final
};

/// One step. Milliseconds until the next is due, `None` when only news make one due.
///
/// # Errors
/// `CAIRN_E_CONTEXT` when a step runs; why the agent could not start, at every call then.
pub(crate) fn step(instance: &Instance) -> Result<Option<u64>, cairn_result_t> {
    let mut step = instance.step()?;
    if begin(instance, &mut step) {
        // The secrets were moved to where they stay.
        wipe::stack_below::<512>();
    }
    if let Some(again) = step.again() {
        refuse_all(instance);
        return Ok(Some(again.since(PortClock.now()).0));
    }
    let Some((agent, record, _)) = step.agent() else {
        return Err(refuse_all(instance));
    };
    let next = advance(instance, agent, record);
    serve(instance, &mut step);
    let more = firmware::follow(instance, &mut step).then(|| PortClock.now());
    let next = next.into_iter().chain(follow(&mut step)).chain(more).min();
    let last_rotation = step.follow_failed();
    // What was asked for may have stopped it.
    let Some((agent, ..)) = step.agent() else {
        return Err(refuse_all(instance));
    };
    publish(instance, agent, last_rotation);
    Ok(next.map(|at| at.since(PortClock.now()).0))
}

#[cfg(feature = "key-store")]
fn follow(step: &mut Step<'_>) -> Option<Millis> {
    crate::keys::follow(step)
}

/// Without a key store there is no next key.
#[cfg(not(feature = "key-store"))]
const fn follow(_: &mut Step<'_>) -> Option<Millis> {
    None
}

/// Does what is wished and what is due. Never inlined: what the agent needs on the stack must not lie under evidence.
#[inline(never)]
fn advance(instance: &Instance, agent: &mut DeviceAgent, record: &mut cairn_record_t) -> Option<Millis> {
    let Wishes { flush, upload, radio_until, timers, retune } =
        instance.shared(|shared| core::mem::take(&mut shared.wishes));
    if retune {
        self::retune(instance, agent);
    }
    if let Some(timers) = timers {
        agent.radio_timers(timers);
    }
    if let Some(upload) = upload {
        agent.set_upload(upload);
    }
    if let Some(until) = radio_until {
        agent.radio_hint(until);
    }
    if flush {
        agent.flush();
    }
    agent.poll(&mut PortInbox { instance, record }, &mut |event| tell(instance, &event))
}

/// Has the schedule go by what the application said of energy. Never inlined: it is large, and must not lie under a signature.
#[inline(never)]
fn retune(instance: &Instance, agent: &mut DeviceAgent) {
    let energy = instance.shared(|shared| shared.energy);
    let schedule = agent.schedule_mut();
    schedule.set_model(energy.model);
    schedule.set_budget(PortClock.now(), energy.budget());
}

/// Starts the agent, in the first step, and in later ones while its signer does not answer; says whether it tried. Never inlined, as
/// all below that is large and rare: it must not lie under a signature.
#[inline(never)]
fn begin(instance: &Instance, step: &mut Step<'_>) -> bool {
    let Some(made) = make(instance, step) else { return false };
    let resumed = made.and_then(|made| made.resume().map(drop).map_err(why));
    step.resumed(resumed.is_ok());
    let start = resumed.err().unwrap_or(cairn_result_t::CAIRN_OK);
    instance.shared(|shared| shared.status.start = start);
    if cairn_config::SELFTEST_AT_BOOT && start == cairn_result_t::CAIRN_OK {
        selftest::own_key_at_boot(instance, step);
    }
    true
}

/// Makes the agent; `None` when that was tried, or is to be later. What it is made from is gone from the stack when it looks into
/// its journal.
#[inline(never)]
fn make<'s>(instance: &Instance, step: &'s mut Step<'_>) -> Option<Result<Made<'s, DeviceAgent>, cairn_result_t>> {
    let mut right = step.starting(PortClock.now())?;
    let tested = if cairn_config::SELFTEST_AT_BOOT { selftest::known_answers(instance) } else { Ok(()) };
    Some(match tested.and_then(|()| open(&mut right)) {
        Err(error) if signer::may_come_back(error) => {
            right.later(PortClock.now().after(SIGNER_AGAIN));
            Err(error)
        }
        opened => opened.and_then(|signer| {
            let journal = journal(&right)?;
            make_of(right, journal, signer)
        }),
    })
}

#[inline(never)]
fn open(right: &mut Start<'_>) -> Result<Signer, cairn_result_t> {
    let (birth, mut lent) = right.parts()?;
    signer::open(&birth.factory, &mut lent)
}

/// Takes up the journal in flash. A flash as delivered gets one; any other is formatted only when the application said so.
#[inline(never)]
fn journal(right: &Start<'_>) -> Result<Journal, cairn_result_t> {
    let Birth { fresh_stream, format, .. } = *right.birth()?;
    let counted = counted()?;
    if format {
        InFlash::format_above(&mut PortFlash, fresh_stream, &counted)?;
    }
    let journal = match InFlash::mount(PortFlash) {
        Err(MountError::NotFormatted) if InFlash::is_fresh(&mut PortFlash)? => {
            InFlash::format_above(&mut PortFlash, fresh_stream, &counted)?;
            InFlash::mount(PortFlash)
        }
        mounted => mounted,
    };
    guarded(journal?)
}

/// What a new stream must begin above.
#[cfg(not(feature = "monotonic"))]
#[allow(clippy::unnecessary_wraps, reason = "a counter may fail")]
fn counted() -> Result<Marks, cairn_result_t> {
    Ok(Marks::default())
}

#[cfg(feature = "monotonic")]
fn counted() -> Result<Marks, cairn_result_t> {
    Marks::counted(&mut port::PortCounter).map_err(|_| cairn_result_t::CAIRN_E_COUNTER)
}

#[cfg(not(feature = "monotonic"))]
#[allow(clippy::unnecessary_wraps, reason = "a counter may fail, and a flash be rolled back")]
fn guarded(journal: InFlash) -> Result<Journal, cairn_result_t> {
    Ok(journal)
}

#[cfg(feature = "monotonic")]
fn guarded(journal: InFlash) -> Result<Journal, cairn_result_t> {
    Ok(Journal::new(journal, port::PortCounter)?)
}

#[inline(never)]
fn make_of(right: Start<'_>, mut journal: Journal, signer: Signer) -> Result<Made<'_, DeviceAgent>, cairn_result_t> {
    let Birth { factory, seed, .. } = right.birth()?;
    let seed = *seed;
    let context =
        transport::context(factory, journal.stream()).map_err(|_| cairn_result_t::CAIRN_E_FACTORY_UNSUPPORTED)?;
    let settings = settings(factory)?;
    let kept = journal.budget()?;
    right.make(
        |factory, mut lent| transport::link(factory, context, seed, lent.port()),
        || Scheduler::new(power::settings(seed), kept.as_ref().map(|kept| kept.bytes()), PortClock.now()),
        |place, link, schedule| {
            DeviceAgent::make_in(place, settings, journal, signer, link, PortClock, schedule).map_err(why)
        },
    )
}

/// What the configuration and the factory blob tell the agent.
fn settings(factory: &Factory) -> Result<Settings, cairn_result_t> {
    Ok(Settings {
        deployment: DeploymentId(factory.deployment),
        blind_secret: BlindSecret::new(factory.blind_secret),
        device: device()?,
        upload: if cairn_config::UPLOAD_HASH_ONLY { UploadMode::HashOnly } else { UploadMode::Data },
        payload_max: cairn_config::PAYLOAD_MAX,
        clock_step: Millis(u64::from(cairn_config::CLOCK_STEP_MS)),
        relay_step_max: Millis::from_secs(cairn_config::RELAY_STEP_MAX_S),
        sender_sequence_block: u64::from(cairn_config::SENDER_SEQUENCE_BLOCK),
        retention: RETENTION,
        prune_at: PRUNE_AT,
    })
}

/// Whose id it is, if that is not the key's own.
#[cfg(feature = "key-store")]
fn device() -> Result<Option<DeviceId>, cairn_result_t> {
    crate::keys::device()
}

#[cfg(not(feature = "key-store"))]
#[allow(clippy::unnecessary_wraps, reason = "as of a store that may fail")]
const fn device() -> Result<Option<DeviceId>, cairn_result_t> {
    Ok(None)
}

fn why(error: StartError) -> cairn_result_t {
    match error {
        StartError::Signer(error) => error.into(),
        StartError::Journal(error) => error.into(),
        StartError::LinkTooNarrow => cairn_result_t::CAIRN_E_ARGUMENT,
        StartError::OtherKey | StartError::OtherDevice => cairn_result_t::CAIRN_E_OTHER_KEY,
    }
}

/// The status is large.
#[inline(never)]
fn publish(instance: &Instance, agent: &mut DeviceAgent, last_rotation: cairn_result_t) {
    let status = agent.status();
    let status = cairn_status_t { last_rotation, ..cairn_status_t::new(&status, agent.schedule_mut().budget()) };
    let key = agent.key().compressed();
    instance.shared(|shared| (shared.status, shared.public_key) = (status, Some(key)));
}

/// The agent could not start: nobody is left waiting. Why it could not.
#[inline(never)]
fn refuse_all(instance: &Instance) -> cairn_result_t {
    let error = instance.shared(|shared| shared.status.start);
    let mut record = cairn_record_t::EMPTY;
    while port::queue_take(&mut record) {
        answer(instance, record.ticket, Err(error));
    }
    while let Some((waiter, _)) = instance.shared(|shared| shared.waiters.begin()) {
        finish(instance, waiter, Err(error));
    }
    error
}

/// The queue, as the agent sees it.
struct PortInbox<'a> {
    instance: &'a Instance,
    record: &'a mut cairn_record_t,
}

impl Inbox for PortInbox<'_> {
    fn take(&mut self) -> Option<Submission<'_>> {
        port::queue_take(self.record).then(|| self.record.submission()).flatten()
    }

    fn answer(&mut self, ticket: Ticket, result: Result<SequenceNumber, SubmitError>) {
        answer(self.instance, ticket.0, result.map(|seq| seq.0).map_err(cairn_result_t::from));
    }

    fn refused(&self) -> u32 {
        self.instance.shared(|shared| shared.queue_full)
    }
}

fn answer(instance: &Instance, waiter: u8, answer: Answer) {
    if instance.shared(|shared| shared.waiters.answer(waiter, answer)) {
        port::waiter_signal(waiter);
    }
}

fn finish(instance: &Instance, waiter: u8, answer: Answer) {
    instance.shared(|shared| shared.waiters.finish(waiter, answer));
    port::waiter_signal(waiter);
}

/// Does what waiting tasks asked for. Evidence takes a path's room.
#[inline(never)]
fn serve(instance: &Instance, step: &mut Step<'_>) {
    while let Some((waiter, request)) = instance.shared(|shared| shared.waiters.begin()) {
        let answer = match request {
            Request::Work(Work(work)) => work(instance, step),
            asked => match step.agent() {
                Some((agent, _, birthmark)) => serve_by(agent, birthmark, asked),
                None => Err(instance.shared(|shared| shared.status.start)),
            },
        };
        finish(instance, waiter, answer);
    }
}

fn serve_by(agent: &mut DeviceAgent, birthmark: &Birthmark, request: Request) -> Answer {
    match request {
        Request::Evidence { seq, buffer } => evidence(agent, seq, buffer),
        Request::Endorsement { nonce, buffer } => endorsement::serve(agent, birthmark, nonce, buffer),
        Request::Release(batch) => agent.release(batch).map(|()| 0).map_err(cairn_result_t::from),
        // Submissions come through the queue, and work is done above.
        Request::Submission | Request::Work(_) => Err(cairn_result_t::CAIRN_E_CONTEXT),
    }
}

fn evidence(agent: &mut DeviceAgent, seq: SequenceNumber, buffer: Buffer) -> Answer {
    let Buffer { start, capacity } = buffer;
    // SAFETY: cairn_evidence's caller vouched for the buffer and does not return while its place is Running, which it
    // is.
    let out = unsafe { core::slice::from_raw_parts_mut(start, capacity) };
    match agent.evidence(seq, out) {
        Ok(length) => Ok(length as u64),
        Err(EvidenceError::NotFound | EvidenceError::KeyUnknown) => Err(cairn_result_t::CAIRN_E_NOT_FOUND),
        Err(EvidenceError::NotSealed) => Err(cairn_result_t::CAIRN_E_NOT_SEALED),
        Err(EvidenceError::Lost(_)) => Err(cairn_result_t::CAIRN_E_LOST),
        Err(EvidenceError::Damaged) => Err(cairn_result_t::CAIRN_E_MEDIUM),
        Err(EvidenceError::BufferTooSmall) => Err(cairn_result_t::CAIRN_E_BUFFER),
        Err(EvidenceError::Journal(error)) => Err(error.into()),
    }
}

pub(crate) fn tell(instance: &Instance, event: &Event) {
    let (callback, context) = instance.shared(|shared| (shared.callback, shared.callback_context));
    if let Some(callback) = callback {
        let event = cairn_event_t::new(event);
        callback(&raw const event, context);
    }
}

/// Writes what the configuration tells the agent, times in milliseconds: longest payload, clock step, relay's largest step, sender
/// sequence numbers at a time, retention time or 0, level from which on records may go, 1 for hash-only uploads. For tests of
/// options: never part of a device's build.
///
/// # Safety
/// `out` is valid for writing seven numbers.
///
/// cbindgen:ignore
#[cfg(feature = "sabotage")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_told(out: *mut u64) {
    let own = Factory {
        alg: signer::ALGORITHM,
        private_key: None,
        blind_secret: [0; 32],
        deployment: [0; 32],
        kid: [0; 4],
        master_secret: [0; 16],
        relay: core::net::SocketAddrV4::new(core::net::Ipv4Addr::UNSPECIFIED, 0),
        attestation: None,
    };
    let Ok(settings) = settings(&own) else { return };
    let told = [
        settings.payload_max as u64,
        settings.clock_step.0,
        settings.relay_step_max.0,
        settings.sender_sequence_block,
        settings.retention.map_or(0, |retention| retention.0),
        settings.prune_at as u64,
        u64::from(settings.upload == UploadMode::HashOnly),
    ];
    // SAFETY: the caller vouches for seven numbers.
    unsafe { out.cast::<[u64; 7]>().write_unaligned(told) };
}
