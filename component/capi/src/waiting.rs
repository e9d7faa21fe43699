// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a task waits for the agent's answer, with a time-out. Called by the functions of cairn.h that wait; what the
//! answer is, and who may leave when, is decided in [`crate::waiters`].

use cairn::{ports::Clock as _, time::Millis};

use crate::{
    api::{not_in_agent_task, not_in_isr, started},
    instance::Instance,
    port::{self, PortClock},
    result::cairn_result_t::{self, CAIRN_E_BUFFER, CAIRN_E_BUSY, CAIRN_E_NULL},
    waiters::{Answer, Buffer, Found, Request},
};

/// The instance, for a task that is to wait for its agent.
///
/// # Errors
/// `CAIRN_E_NOT_INITIALISED`; `CAIRN_E_CONTEXT` in an interrupt and in the agent's task; why the agent could not start.
pub(crate) fn may_ask() -> Result<&'static Instance, cairn_result_t> {
    not_in_isr()?;
    let instance = started()?;
    not_in_agent_task(instance)?;
    Ok(instance)
}

/// Has the agent write into a caller's buffer, and then says there how much it wrote.
///
/// # Errors
/// `CAIRN_E_NULL`; those of [`ask`].
///
/// # Safety
/// `start` is NULL or valid for writing `capacity` bytes; `length` is NULL or valid for writing.
pub(crate) unsafe fn ask_for_bytes(
    instance: &Instance,
    start: *mut u8,
    capacity: usize,
    length: *mut usize,
    timeout_ms: u32,
    request: impl FnOnce(Buffer) -> Request,
) -> Result<(), cairn_result_t> {
    if start.is_null() || length.is_null() {
        return Err(CAIRN_E_NULL);
    }
    // Nothing that is written is longer; and a slice may not be longer than half the address space.
    let capacity = capacity.min(isize::MAX.unsigned_abs());
    let written = ask(instance, request(Buffer { start, capacity }), timeout_ms)?;
    let written = usize::try_from(written).map_err(|_| CAIRN_E_BUFFER)?;
    // SAFETY: not NULL, and the caller vouches for it.
    unsafe { length.write(written) };
    Ok(())
}

/// Has the agent do `request`, and waits for its answer.
pub(crate) fn ask(instance: &Instance, request: Request, timeout_ms: u32) -> Answer {
    let deadline = Deadline::after(timeout_ms);
    let waiter = instance
        .shared(|shared| {
            shared.news = true;
            shared.waiters.ask(request)
        })
        .ok_or(CAIRN_E_BUSY)?;
    port::wake();
    wait(instance, waiter, &deadline)
}

/// When a task stops waiting.
pub(crate) struct Deadline(Option<Millis>);

impl Deadline {
    pub(crate) fn after(timeout_ms: u32) -> Self {
        Self((timeout_ms != port::FOREVER_MS).then(|| PortClock.now().after(Millis(u64::from(timeout_ms)))))
    }

    /// Milliseconds left.
    fn left(&self) -> u32 {
        let left = |at: Millis| u32::try_from(at.since(PortClock.now()).0).unwrap_or(port::FOREVER_MS - 1);
        self.0.map_or(port::FOREVER_MS, left)
    }
}

/// Waits for the agent's answer. A signal may be an old one: the place in the table decides.
pub(crate) fn wait(instance: &Instance, waiter: u8, deadline: &Deadline) -> Answer {
    loop {
        let left = deadline.left();
        let found = instance.shared(|shared| match left {
            0 => shared.waiters.give_up(waiter),
            _ => shared.waiters.collect(waiter),
        });
        match found {
            Found::Answer(answer) => return answer,
            Found::Nothing => port::waiter_wait(waiter, left),
            Found::Running => port::waiter_wait(waiter, port::FOREVER_MS),
        };
    }
}
