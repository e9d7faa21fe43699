// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of cairn.h, made from this file by cbindgen with these comments. They check what C cannot, never trust
//! a pointer they did not test, and leave all work to the agent's task.

use core::{ffi::c_void, slice};

use cairn::{
    agent::UploadMode,
    batch::BatchNumber,
    factory::Factory,
    ports::{Clock as _, Entropy as _},
    record::{SequenceNumber, StreamId},
    time::Millis,
};

use crate::{
    instance::{self, Birth, Initialising, Instance, Wishes, cairn_storage_t},
    port::{self, PortClock, PortEntropy},
    record::cairn_record_t,
    report::{cairn_event_t, cairn_status_t},
    result::cairn_result_t::{
        self, CAIRN_E_ARGUMENT, CAIRN_E_BUSY, CAIRN_E_CONTEXT, CAIRN_E_NULL, CAIRN_E_QUEUE_FULL, CAIRN_E_STORAGE,
        CAIRN_OK,
    },
    signer,
    waiters::Request,
    waiting::{Deadline, ask, ask_for_bytes, may_ask, wait},
    wipe,
};

/// What the agent needs to know at run time; everything else is in the build's configuration.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct cairn_config_t {
    /// The factory blob, as `cairn provision` wrote it: keys, secrets, the relay's address. Read in cairn_init only.
    pub factory: *const u8,
    /// Its length in bytes, or that of the partition it lies at the start of.
    pub factory_length: usize,
}

/// Told what happened, in the agent's task, while the agent waits: be quick. `event` is valid during the call only. It
/// may call cairn_submit, cairn_flush, cairn_set_upload, cairn_radio_hint and cairn_status; what would wait for the
/// agent answers CAIRN_E_CONTEXT.
#[allow(non_camel_case_types, reason = "a C name")]
pub type cairn_event_callback_t = Option<extern "C" fn(event: *const cairn_event_t, context: *mut c_void)>;

pub(crate) fn answered(result: Result<(), cairn_result_t>) -> cairn_result_t {
    result.err().unwrap_or(CAIRN_OK)
}

pub(crate) fn not_in_isr() -> Result<(), cairn_result_t> {
    if port::in_isr() { Err(CAIRN_E_CONTEXT) } else { Ok(()) }
}

/// # Safety
/// `payload` is NULL or valid for reading `length` bytes.
unsafe fn bytes<'a>(payload: *const u8, length: usize) -> Result<&'a [u8], cairn_result_t> {
    if length > cairn_config::PAYLOAD_MAX {
        return Err(cairn_result_t::CAIRN_E_TOO_LONG);
    }
    match (payload.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(CAIRN_E_NULL),
        // SAFETY: not NULL, and the caller vouches for `length` bytes, of which there are at most 1024.
        (false, _) => Ok(unsafe { slice::from_raw_parts(payload, length) }),
    }
}

/// Behind cairn_init, which is an inline function so that a header made for one configuration does not link with a
/// library made for another.
///
/// # Safety
/// `storage` is NULL or valid for `storage_size` bytes for ever and used by nobody else; `config` is NULL or valid, and
/// so is what it points to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_init_configured(
    configuration: *const u8,
    storage: *mut cairn_storage_t,
    storage_size: usize,
    config: *const cairn_config_t,
) -> cairn_result_t {
    // SAFETY: handed on.
    let answer = answered(unsafe { init(configuration, storage, storage_size, config) });
    // The factory blob was read here.
    wipe::stack_below::<352>();
    answer
}

/// Never inlined: what it leaves on the stack must lie below its caller.
///
/// # Safety
/// As [`cairn_init_configured`].
#[inline(never)]
unsafe fn init(
    configuration: *const u8,
    storage: *mut cairn_storage_t,
    storage_size: usize,
    config: *const cairn_config_t,
) -> Result<(), cairn_result_t> {
    not_in_isr()?;
    // SAFETY: `config` is NULL or valid.
    let config = unsafe { config.as_ref() }.ok_or(CAIRN_E_NULL)?;
    if configuration.is_null() || storage.is_null() || config.factory.is_null() {
        return Err(CAIRN_E_NULL);
    }
    if storage_size < size_of::<cairn_storage_t>() || !storage.is_aligned() {
        return Err(CAIRN_E_STORAGE);
    }
    let initialising = Initialising::begin()?;
    // SAFETY: not NULL, and the caller vouches for its length; longer than any object means a wrong length, cut to what
    // a blob can have at most.
    let blob = unsafe { slice::from_raw_parts(config.factory, config.factory_length.min(FACTORY_READ_MAX)) };
    let factory = Factory::decode(blob)?;
    signer::check(&factory)?;
    let (fresh_stream, seed) = (StreamId(draw()?), draw()?);
    let birth = Birth { factory, fresh_stream, format: instance::formats_journal(), seed };
    // SAFETY: aligned and large enough for cairn_storage_t, which is so for an Instance by a constant assertion; the
    // caller vouches that it is nobody else's.
    unsafe { initialising.finish(storage.cast(), birth) };
    Ok(())
}

/// No more of the factory partition is looked at.
const FACTORY_READ_MAX: usize = cairn::factory::FACTORY_MAX;

fn draw() -> Result<u64, cairn_result_t> {
    let mut random = [0; 8];
    PortEntropy.fill(&mut random).map_err(|_| cairn_result_t::CAIRN_E_ENTROPY)?;
    Ok(u64::from_be_bytes(random))
}

/// Has the agent format the journal's flash when it starts, whatever is in it: a new journal, and a new stream. What an
/// earlier journal held is given up for good, also what was never uploaded. Call it only after CAIRN_E_JOURNAL_FOREIGN,
/// CAIRN_E_JOURNAL_VERSION or CAIRN_E_JOURNAL_GEOMETRY, once somebody decided that nothing in there is wanted, or for a factory
/// reset. Flash as delivered is formatted without this; nothing else ever is.
///
/// Blocks: never; the agent's first step then erases one sector, or all that it cannot read. Tasks: any, or main before the
/// scheduler runs; before cairn_init. Interrupts: no.
///
/// Errors: CAIRN_E_CONTEXT in an interrupt, CAIRN_E_ALREADY_INITIALISED: nothing is formatted then.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_journal_format() -> cairn_result_t {
    answered(not_in_isr().and_then(|()| instance::format_journal()))
}

/// Hands a record over, to be journaled soon; its sequence number is not told. Stamped with the time of this call.
///
/// @param kind     CAIRN_KIND_READING, CAIRN_KIND_EVENT, or a number from CAIRN_KIND_APPLICATION on.
/// @param priority A cairn_priority_t.
/// @param payload  `length` bytes, copied; may be NULL when `length` is 0.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no, see cairn_submit_from_isr. Uses
/// CONFIG_CAIRN_PAYLOAD_MAX + 16 bytes of the caller's stack.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt, CAIRN_E_NULL, CAIRN_E_TOO_LONG, CAIRN_E_KIND,
/// CAIRN_E_ARGUMENT for an unknown priority, CAIRN_E_QUEUE_FULL; why the agent could not start, if it could not.
/// Nothing was handed over then.
///
/// # Safety
/// `payload` is NULL or valid for reading `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_submit(kind: u16, priority: u8, payload: *const u8, length: usize) -> cairn_result_t {
    answered((|| {
        not_in_isr()?;
        let instance = started()?;
        // SAFETY: the caller vouches for it.
        let payload = unsafe { bytes(payload, length) }?;
        let record = cairn_record_t::new(kind, priority, payload, PortClock.wall())?;
        put(instance, &record, 0)?;
        port::wake();
        Ok(())
    })())
}

/// cairn_submit for interrupts.
///
/// @param woken Set when a task more important than the interrupted one became ready, never cleared: pass it to
///              portYIELD_FROM_ISR on FreeRTOS. May be NULL where the RTOS switches by itself.
///
/// Blocks: never. Tasks: no. Interrupts: those that may call the RTOS.
///
/// Errors: those of cairn_submit; CAIRN_E_CONTEXT outside an interrupt.
///
/// # Safety
/// `payload` is NULL or valid for reading `length` bytes; `woken` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_submit_from_isr(
    kind: u16,
    priority: u8,
    payload: *const u8,
    length: usize,
    woken: *mut bool,
) -> cairn_result_t {
    let mut unused = false;
    // SAFETY: NULL or valid, the caller vouches for it.
    let woken = unsafe { woken.as_mut() }.unwrap_or(&mut unused);
    answered((|| {
        if !port::in_isr() {
            return Err(CAIRN_E_CONTEXT);
        }
        let instance = started()?;
        // SAFETY: the caller vouches for it.
        let payload = unsafe { bytes(payload, length) }?;
        let record = cairn_record_t::new(kind, priority, payload, PortClock.wall())?;
        if !port::queue_put_from_isr(&record, woken) {
            return Err(count_full(instance));
        }
        instance.shared(|shared| shared.news = true);
        port::wake_from_isr(woken);
        Ok(())
    })())
}

/// Hands a record over and waits until it is journaled. When it answers CAIRN_OK the record is in the journal, and will
/// be in exactly one batch.
///
/// @param kind, priority, payload, length As cairn_submit.
/// @param timeout_ms Waits for space in the queue and for the agent for at most this long together.
/// @param seq        Where its sequence number goes; may be NULL. Untouched unless the answer is CAIRN_OK.
///
/// Blocks: until the agent journaled it, which takes one signature and one flash erase at most when it runs; at most
/// `timeout_ms`. Tasks: any but the agent's. Interrupts and event callback: no.
///
/// Errors: those of cairn_submit; CAIRN_E_CONTEXT in the agent's task; CAIRN_E_BUSY; CAIRN_E_TIMEOUT: the record may
/// still be journaled; CAIRN_E_JOURNAL_FULL, CAIRN_E_MEDIUM: it was not; CAIRN_E_COALESCED: it was counted.
///
/// # Safety
/// `payload` is NULL or valid for reading `length` bytes; `seq` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_submit_wait(
    kind: u16,
    priority: u8,
    payload: *const u8,
    length: usize,
    timeout_ms: u32,
    seq: *mut u64,
) -> cairn_result_t {
    answered((|| {
        let instance = may_ask()?;
        // SAFETY: the caller vouches for it.
        let payload = unsafe { bytes(payload, length) }?;
        let record = cairn_record_t::new(kind, priority, payload, PortClock.wall())?;
        let deadline = Deadline::after(timeout_ms);
        let waiter = instance.shared(|shared| shared.waiters.ask(Request::Submission)).ok_or(CAIRN_E_BUSY)?;
        put(instance, &cairn_record_t { ticket: waiter, ..record }, timeout_ms).inspect_err(|_| {
            instance.shared(|shared| shared.waiters.withdraw(waiter));
        })?;
        port::wake();
        let given = wait(instance, waiter, &deadline)?;
        if !seq.is_null() {
            // SAFETY: not NULL, and the caller vouches for it.
            unsafe { seq.write(given) };
        }
        Ok(())
    })())
}

/// Asks for everything unsealed to be sealed, signed and sent now, whatever the schedule had in mind. Done by the
/// agent's task; events tell. What the energy budget cannot pay for yet is sent as soon as it can: until an exchange
/// begins, the wish stays and cairn_status's flush_waits is true. A restart forgets it. With nothing to send it is done.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt; why the agent could not start.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_flush() -> cairn_result_t {
    wish_for(|wishes| wishes.flush = true)
}

/// Chooses what the relay is given of batches sealed from now on.
///
/// @param upload A cairn_upload_t.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no.
///
/// Errors: those of cairn_flush; CAIRN_E_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_set_upload(upload: u8) -> cairn_result_t {
    let mode = match upload {
        0 => UploadMode::Data,
        1 => UploadMode::HashOnly,
        _ => return CAIRN_E_ARGUMENT,
    };
    wish_for(|wishes| wishes.upload = Some(mode))
}

/// Says that the radio is up anyway for the next `for_ms`: what waits may ride along.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no.
///
/// Errors: those of cairn_flush.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_radio_hint(for_ms: u32) -> cairn_result_t {
    let until = PortClock.now().after(Millis(u64::from(for_ms)));
    wish_for(|wishes| wishes.radio_until = Some(until))
}

/// Tells how the agent is doing: a copy made after its last step.
///
/// @param status Where it goes. Untouched unless the answer is CAIRN_OK.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt, CAIRN_E_NULL. Not why the agent could not start:
/// that is in `status->start`.
///
/// # Safety
/// `status` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_status(status: *mut cairn_status_t) -> cairn_result_t {
    answered((|| {
        not_in_isr()?;
        let instance = Instance::get()?;
        if status.is_null() {
            return Err(CAIRN_E_NULL);
        }
        let copy = instance.shared(|shared| cairn_status_t {
            queue_full: shared.queue_full,
            flush_waits: shared.status.flush_waits || shared.wishes.flush,
            idle: shared.status.idle && !shared.stepping && !shared.news,
            ..shared.status
        });
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { status.write(copy) };
        Ok(())
    })())
}

/// Gives the device's evidence of one record: record, blind, inclusion proof, anchor and signature, as CBOR; the relay
/// adds where it was included. The batch must be signed, and its records kept: a relay that has the data makes it
/// itself.
///
/// @param buffer     Where it goes; CAIRN_EVIDENCE_MAX bytes are always enough. Written only before this call returns.
/// @param capacity   How much fits.
/// @param length     Where its length goes. Untouched unless the answer is CAIRN_OK.
/// @param timeout_ms Waits for the agent to begin for at most this long; it then reads the batch once.
///
/// Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_NULL, CAIRN_E_BUSY, CAIRN_E_TIMEOUT, CAIRN_E_NOT_FOUND,
/// CAIRN_E_NOT_SEALED, CAIRN_E_LOST, CAIRN_E_BUFFER, CAIRN_E_MEDIUM; why the agent could not start. `buffer` may be
/// written partly then.
///
/// # Safety
/// `buffer` is NULL or valid for writing `capacity` bytes; `length` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_evidence(
    seq: u64,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
    timeout_ms: u32,
) -> cairn_result_t {
    answered((|| {
        let request = |buffer| Request::Evidence { seq: SequenceNumber(seq), buffer };
        // SAFETY: the caller vouches for both.
        unsafe { ask_for_bytes(may_ask()?, buffer, capacity, length, timeout_ms, request) }
    })())
}

/// Lets go of the records of a hash-only batch, and of those of all batches before it: from now on they may be reclaimed once
/// their batch is final and space is needed. An anchor whose records are gone proves nothing: take the evidence first.
///
/// @param batch      The last batch's number, as the events told: it and every earlier one are released.
/// @param timeout_ms Waits for the agent to begin for at most this long.
///
/// Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_BUSY, CAIRN_E_TIMEOUT, CAIRN_E_NOT_FOUND, CAIRN_E_MEDIUM;
/// why the agent could not start.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_release(batch: u32, timeout_ms: u32) -> cairn_result_t {
    let request = Request::Release(BatchNumber(batch));
    answered(may_ask().and_then(|instance| ask(instance, request, timeout_ms)).map(drop))
}

/// Has `callback` called at every event from now on, instead of the one before; NULL calls nobody.
///
/// @param context Handed to the callback.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no. A callback that is being called while it is
/// replaced runs to its end.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_set_event_callback(callback: cairn_event_callback_t, context: *mut c_void) -> cairn_result_t {
    answered((|| {
        not_in_isr()?;
        Instance::get()?.shared(|shared| (shared.callback, shared.callback_context) = (callback, context));
        Ok(())
    })())
}

/// Has the agent look what became due: a clock was changed, the link has news.
///
/// Blocks: never. Tasks: any. Interrupts: no, see cairn_wake_from_isr.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_wake() -> cairn_result_t {
    answered((|| {
        not_in_isr()?;
        Instance::get()?.shared(|shared| shared.news = true);
        port::wake();
        Ok(())
    })())
}

/// cairn_wake for interrupts; a UART driver calls it when the modem sent something.
///
/// @param woken As in cairn_submit_from_isr.
///
/// Blocks: never. Tasks: no. Interrupts: those that may call the RTOS.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT outside an interrupt.
///
/// # Safety
/// `woken` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_wake_from_isr(woken: *mut bool) -> cairn_result_t {
    let mut unused = false;
    // SAFETY: NULL or valid, the caller vouches for it.
    let woken = unsafe { woken.as_mut() }.unwrap_or(&mut unused);
    answered((|| {
        if !port::in_isr() {
            return Err(CAIRN_E_CONTEXT);
        }
        Instance::get()?.shared(|shared| shared.news = true);
        port::wake_from_isr(woken);
        Ok(())
    })())
}

/// The instance, unless its agent could not start.
pub(crate) fn started() -> Result<&'static Instance, cairn_result_t> {
    let instance = Instance::get()?;
    match instance.shared(|shared| shared.status.start) {
        CAIRN_OK => Ok(instance),
        why => Err(why),
    }
}

pub(crate) fn not_in_agent_task(instance: &Instance) -> Result<(), cairn_result_t> {
    let task = port::task();
    if instance.shared(|shared| shared.agent_task == task) { Err(CAIRN_E_CONTEXT) } else { Ok(()) }
}

fn wish_for(change: impl FnOnce(&mut Wishes)) -> cairn_result_t {
    answered(wish(|shared| {
        change(&mut shared.wishes);
        Ok(())
    }))
}

/// Leaves something to the agent's next step, if `change` says that it may.
pub(crate) fn wish(
    change: impl FnOnce(&mut instance::Shared) -> Result<(), cairn_result_t>,
) -> Result<(), cairn_result_t> {
    not_in_isr()?;
    let instance = started()?;
    instance.shared(|shared| change(shared).map(|()| shared.news = true))?;
    port::wake();
    Ok(())
}

fn put(instance: &Instance, record: &cairn_record_t, wait_ms: u32) -> Result<(), cairn_result_t> {
    if !port::queue_put(record, wait_ms) {
        return Err(count_full(instance));
    }
    instance.shared(|shared| shared.news = true);
    Ok(())
}

fn count_full(instance: &Instance) -> cairn_result_t {
    instance.shared(|shared| shared.queue_full = shared.queue_full.saturating_add(1));
    CAIRN_E_QUEUE_FULL
}
