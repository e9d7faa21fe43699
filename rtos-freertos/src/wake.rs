// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the agent's task sleeps, and how others wake it: its task notification.

use core::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use cairn::{
    ports::{Clock, Wait},
    time::Millis,
};
use freertos_next::{CurrentTask, Duration, FreeRtosError, InterruptContext, Task, TaskNotification};

/// Ends the agent's wait. Make it a `static`: interrupts need it too.
#[derive(Debug)]
pub struct Waker {
    /// The agent's task, which is never deleted; null before it slept for the first time.
    task: AtomicPtr<c_void>,
}

impl Waker {
    /// Wakes nobody yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { task: AtomicPtr::new(ptr::null_mut()) }
    }

    fn task(&self) -> Option<Task> {
        let handle = self.task.load(Ordering::Acquire);
        // SAFETY: not null only after `TaskWait::new` put the handle of a running task there, and that task is never
        // deleted: `TaskWait` says so.
        (!handle.is_null()).then(|| unsafe { Task::from_raw_handle(handle) })
    }

    /// Ends the wait, or the next one. Tasks only.
    pub fn wake(&self) {
        if let Some(task) = self.task() {
            task.notify(TaskNotification::Increment);
        }
    }

    /// The same from an interrupt, which switches tasks when `context` is dropped.
    pub fn wake_from_isr(&self, context: &mut InterruptContext) {
        if let Some(task) = self.task() {
            // Incrementing a notification has no way to fail.
            let _ = task.notify_from_isr(context, TaskNotification::Increment);
        }
    }
}

impl Default for Waker {
    fn default() -> Self {
        Self::new()
    }
}

/// The agent's sleep. Made in the agent's task, which must never end.
pub struct TaskWait<C> {
    clock: C,
}

impl<C: Clock> TaskWait<C> {
    /// Lets `waker` wake the calling task.
    ///
    /// # Errors
    /// [`FreeRtosError::TaskNotFound`] before the scheduler runs.
    pub fn new(waker: &'static Waker, clock: C) -> Result<Self, FreeRtosError> {
        let task = Task::current()?;
        waker.task.store(task.raw_handle().cast_mut(), Ordering::Release);
        Ok(Self { clock })
    }
}

impl<C: Clock> Wait for TaskWait<C> {
    fn wait(&mut self, until: Option<Millis>) {
        let duration = match until {
            Some(at) => {
                let left = at.since(self.clock.now()).0;
                if left == 0 {
                    return;
                }
                // A long wait in parts: the clock must see every turn of the tick counter. At least a tick, or it would
                // spin.
                let part = u32::try_from(left).unwrap_or(u32::MAX).min(86_400_000);
                let tick_ms = Duration::ticks(1).to_ms().max(1);
                Duration::ticks(part.div_ceil(tick_ms))
            }
            None => Duration::ms(86_400_000),
        };
        CurrentTask::take_notification(true, duration);
    }
}
