// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of cairn.h that the agent's task calls. The RTOS glue does; applications that bring their own task may.

use crate::{
    agent_task,
    api::{answered, not_in_isr},
    instance::Instance,
    port,
    result::cairn_result_t,
};

/// The agent's task, for those who write their own: one step of bounded length, which may make a signature and erase flash.
/// The first step starts the agent: it derives the public key and takes up the journal. Call it again after `wait_ms`, or when
/// cairn_port_wake was called.
///
/// @param wait_ms Where the time until the next step goes, UINT32_MAX when only cairn_port_wake makes one due. May be
///                NULL.
///
/// Blocks: for a signature and the flash operations of cairn_port.h. Tasks: always the same one. Interrupts and event callback:
/// no. Needs CONFIG_CAIRN_TASK_STACK_BYTES of stack.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT while another step runs; at every call why the agent could not
/// start: CAIRN_E_SELFTEST, CAIRN_E_SIGNER_NOT_PROVISIONED, CAIRN_E_SIGNER_LOCKED, CAIRN_E_SIGNER_FAULT,
/// CAIRN_E_FACTORY_UNSUPPORTED, CAIRN_E_MEDIUM, CAIRN_E_JOURNAL_FULL, CAIRN_E_JOURNAL_FOREIGN,
/// CAIRN_E_JOURNAL_VERSION, CAIRN_E_JOURNAL_GEOMETRY. CAIRN_OK while a secure element or a SIM does not answer: the
/// next step looks again, and until then every other call answers CAIRN_E_SIGNER_GONE or CAIRN_E_SIGNER_TIMEOUT.
///
/// # Safety
/// `wait_ms` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_poll(wait_ms: *mut u32) -> cairn_result_t {
    answered((|| {
        not_in_isr()?;
        let next = agent_task::step(Instance::get()?)?;
        if !wait_ms.is_null() {
            // SAFETY: not NULL, and the caller vouches for it.
            unsafe { wait_ms.write(as_wait(next)) };
        }
        Ok(())
    })())
}

/// The agent's task: steps and sleeps in turns.
///
/// Blocks: for ever; returns only when the agent could not start. Tasks: one. Interrupts and event callback: no. Needs
/// CONFIG_CAIRN_TASK_STACK_BYTES of stack.
///
/// Errors: those of cairn_poll.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_run() -> cairn_result_t {
    answered((|| {
        not_in_isr()?;
        let instance = Instance::get()?;
        loop {
            port::wait(as_wait(agent_task::step(instance)?));
        }
    })())
}

/// A span longer than the port takes is waited for in parts.
fn as_wait(next: Option<u64>) -> u32 {
    next.map_or(port::FOREVER_MS, |ms| u32::try_from(ms).unwrap_or(u32::MAX).min(port::FOREVER_MS - 1))
}
