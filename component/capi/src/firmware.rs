// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Confirmed firmware images: cairn_firmware_confirmed leaves one with the instance, and the agent's task journals it, once. What
//! no program calls is not linked: the function brings the work along.

use core::{ffi::c_char, num::NonZeroU64};

use cairn::{
    agent::Confirmed,
    firmware::{Confirmation, Firmware, VERSION_MAX},
    ports::Clock as _,
    time::Millis,
};

use crate::{
    agent_task::tell,
    api::{answered, not_in_isr, started},
    instance::{Instance, Step},
    port::{self, PortClock},
    result::cairn_result_t::{self, CAIRN_E_ARGUMENT, CAIRN_E_NULL},
};

/// Most characters of a firmware's version.
pub const CAIRN_FIRMWARE_VERSION_MAX: usize = 24;
/// Bytes of a firmware's hash, SHA-256.
pub const CAIRN_FIRMWARE_HASH_BYTES: usize = 32;

const _: () = assert!(CAIRN_FIRMWARE_VERSION_MAX == VERSION_MAX);

/// A journal that did not take it is asked again with a step that is made anyway, not sooner than this.
const AGAIN: Millis = Millis::from_secs(600);

/// The image that was confirmed last.
#[derive(Clone, Copy)]
pub(crate) struct Statement {
    confirmation: Confirmation,
    /// What the agent's task does about it; `None` once it is in the journal.
    work: Option<fn(&Instance, &mut Step<'_>) -> bool>,
    /// When it may be tried again, if the journal did not take it.
    not_before: Option<NonZeroU64>,
}

/// Says that the boot loader confirmed the image that runs: a firmware record `[version, hash, slot]` goes into the journal, once.
/// Call it at every start and after each confirmation; an image that the newest firmware record in the journal names makes no other
/// (docs/wire.md). One that the journal does not take, because it is full, is tried again later, and counted in the status each
/// time. It goes with the next batch; the radio is not woken for it. The image confirmed last counts.
///
/// @param version What its maker calls it: 1 to CAIRN_FIRMWARE_VERSION_MAX printable ASCII characters and a NUL. Copied.
/// @param hash    CAIRN_FIRMWARE_HASH_BYTES bytes, SHA-256 of the image as the boot loader checks it. Copied.
/// @param slot    The slot it runs from, in the boot loader's numbers.
///
/// Blocks: never; the agent's task reads the journal for it, 128 records a step. Tasks: any, and the event callback. Interrupts: no.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt, CAIRN_E_NULL, CAIRN_E_ARGUMENT for such a version; why the
/// agent could not start.
///
/// # Safety
/// `version` is NULL or a C string; `hash` is NULL or valid for reading CAIRN_FIRMWARE_HASH_BYTES bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_firmware_confirmed(version: *const c_char, hash: *const u8, slot: u8) -> cairn_result_t {
    answered((|| {
        not_in_isr()?;
        let instance = started()?;
        if version.is_null() || hash.is_null() {
            return Err(CAIRN_E_NULL);
        }
        // SAFETY: not NULL, and the caller vouches that it is a C string.
        let (version, length) = unsafe { beginning(version) };
        // SAFETY: not NULL, and the caller vouches for its bytes; an array of bytes needs no alignment.
        let hash = unsafe { hash.cast::<[u8; CAIRN_FIRMWARE_HASH_BYTES]>().read() };
        let version = version.get(..length).ok_or(CAIRN_E_ARGUMENT)?;
        let firmware = Firmware::new(version, hash, slot).map_err(|_| CAIRN_E_ARGUMENT)?;
        state(instance, firmware);
        Ok(())
    })())
}

/// The first bytes of a C string, and how many there are before its end: one more than fit when it is too long.
///
/// # Safety
/// `text` is a C string.
unsafe fn beginning(text: *const c_char) -> ([u8; VERSION_MAX], usize) {
    let mut bytes = [0; VERSION_MAX];
    let mut length = 0;
    loop {
        // SAFETY: the string ends at its NUL, and this does not go on behind it.
        let byte = unsafe { text.cast::<u8>().add(length).read() };
        match bytes.get_mut(length) {
            Some(_) if byte == 0 => return (bytes, length),
            Some(room) => *room = byte,
            None => return (bytes, if byte == 0 { length } else { length + 1 }),
        }
        length += 1;
    }
}

fn state(instance: &Instance, firmware: Firmware) {
    let is_new = instance.shared(|shared| {
        let is_new = shared.firmware.as_ref().is_none_or(|stated| stated.confirmation.firmware != firmware);
        if is_new {
            let confirmation = Confirmation::of(firmware);
            shared.firmware = Some(Statement { confirmation, work: Some(work), not_before: None });
            shared.news = true;
        }
        is_new
    });
    if is_new {
        port::wake();
    }
}

/// Does what is to be done about the image that was confirmed; whether more is, at once.
pub(crate) fn follow(instance: &Instance, step: &mut Step<'_>) -> bool {
    let work = instance.shared(|shared| shared.firmware.as_ref().and_then(|stated| stated.work));
    work.is_some_and(|work| work(instance, step))
}

/// Never inlined: signatures may lie under it.
#[inline(never)]
fn work(instance: &Instance, step: &mut Step<'_>) -> bool {
    let now = PortClock.now();
    let Some(mut stated) = instance.shared(|shared| shared.firmware) else { return false };
    if stated.not_before.is_some_and(|at| now < Millis(at.get())) {
        return false;
    }
    let Some((agent, ..)) = step.agent() else { return false };
    let searching = match agent.confirm_firmware(&mut stated.confirmation, &mut |event| tell(instance, &event)) {
        Ok(Confirmed::Searching) => true,
        Ok(Confirmed::Known | Confirmed::Journaled(_)) => {
            stated.work = None;
            false
        }
        Err(_) => {
            stated.not_before = NonZeroU64::new(now.after(AGAIN).0);
            false
        }
    };
    instance.shared(|shared| {
        // The event callback may have confirmed another.
        if let Some(shared) = &mut shared.firmware
            && shared.confirmation.firmware == stated.confirmation.firmware
        {
            *shared = stated;
        }
        shared.news |= searching;
    });
    searching
}
