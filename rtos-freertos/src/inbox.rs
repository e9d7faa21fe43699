// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The queue between the application's tasks and the agent's, and the places of those who wait for a sequence number.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use cairn::{
    agent::SubmitError,
    ports::{Clock, Inbox, Submission, Ticket},
    record::{Kind, Priority, SequenceNumber},
    time::{Millis, WallTime},
};
use freertos_next::{Duration, ExclusiveData, FreeRtosError, Queue, Semaphore};

use crate::{clock::TickClock, wake::Waker};

/// Tasks that may wait for the agent at the same time.
pub const WAITERS: usize = 4;

#[derive(Clone, Copy)]
struct Message<const PAYLOAD: usize> {
    time: WallTime,
    kind: Kind,
    priority: Priority,
    length: u16,
    ticket: Option<Ticket>,
    payload: [u8; PAYLOAD],
}

type Answer = Result<SequenceNumber, SubmitError>;

/// A waiting task's place: as in `cairn-capi`, who comes last frees it.
#[derive(Clone, Copy)]
enum Place {
    Free,
    Waiting,
    Answered(Answer),
    /// Its task gave up; the queue still names it.
    Abandoned,
}

struct Shared<const PAYLOAD: usize> {
    queue: Queue<Message<PAYLOAD>>,
    refused: AtomicU32,
    places: ExclusiveData<[Place; WAITERS]>,
    answered: [Semaphore; WAITERS],
    waker: &'static Waker,
    clock: TickClock,
}

// SAFETY: queues and semaphores are the kernel's to share, an ExclusiveData is only entered in a critical section, and
// the rest is Sync by itself.
unsafe impl<const PAYLOAD: usize> Sync for Shared<PAYLOAD> {}
// SAFETY: nothing in it belongs to the task that made it.
unsafe impl<const PAYLOAD: usize> Send for Shared<PAYLOAD> {}

/// Why a record was not handed over, or not journaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The payload is longer than the queue takes.
    TooLong,
    /// The queue is full; counted in the agent's status.
    QueueFull,
    /// [`WAITERS`] tasks wait already.
    Busy,
    /// The agent did not answer in time; the record may still be journaled.
    TimeOut,
    /// The agent refused it.
    Agent(SubmitError),
}

/// The application's end.
pub struct Submitter<const PAYLOAD: usize>(Arc<Shared<PAYLOAD>>);

impl<const PAYLOAD: usize> Clone for Submitter<PAYLOAD> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The agent's end.
pub struct QueueInbox<const PAYLOAD: usize> {
    shared: Arc<Shared<PAYLOAD>>,
    /// The message being taken.
    message: Option<Message<PAYLOAD>>,
}

/// A queue of `length` records of at most `PAYLOAD` bytes; `waker` is the agent's.
///
/// # Errors
/// [`FreeRtosError::OutOfMemory`].
pub fn mailbox<const PAYLOAD: usize>(
    length: usize,
    waker: &'static Waker,
    clock: TickClock,
) -> Result<(Submitter<PAYLOAD>, QueueInbox<PAYLOAD>), FreeRtosError> {
    let semaphore = Semaphore::new_binary;
    let shared = Arc::new(Shared {
        queue: Queue::new(length)?,
        refused: AtomicU32::new(0),
        places: ExclusiveData::new([Place::Free; WAITERS]),
        answered: [semaphore()?, semaphore()?, semaphore()?, semaphore()?],
        waker,
        clock,
    });
    Ok((Submitter(Arc::clone(&shared)), QueueInbox { shared, message: None }))
}

impl<const PAYLOAD: usize> Submitter<PAYLOAD> {
    /// Hands a record over, to be journaled soon. Never blocks. Tasks only.
    ///
    /// # Errors
    /// [`Refused::TooLong`], [`Refused::QueueFull`].
    pub fn submit(&self, kind: Kind, priority: Priority, payload: &[u8]) -> Result<(), Refused> {
        self.put(kind, priority, payload, None)
    }

    /// Hands a record over and waits until it is journaled, `limit` at most. Not in the agent's task.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn submit_wait(
        &self,
        kind: Kind,
        priority: Priority,
        payload: &[u8],
        limit: Millis,
    ) -> Result<SequenceNumber, Refused> {
        let place = self.0.take_place().ok_or(Refused::Busy)?;
        let ticket = Ticket(u8::try_from(place).map_err(|_| Refused::Busy)?);
        self.put(kind, priority, payload, Some(ticket)).inspect_err(|_| {
            self.0.change(place, |_| (Place::Free, ()));
        })?;
        let deadline = self.0.clock.now().after(limit);
        loop {
            let left = deadline.since(self.0.clock.now()).0;
            let answer = self.0.change(place, |was| match was {
                Place::Answered(answer) => (Place::Free, Some(answer.map_err(Refused::Agent))),
                _ if left == 0 => (Place::Abandoned, Some(Err(Refused::TimeOut))),
                other => (other, None),
            });
            if let Some(answer) = answer.flatten() {
                return answer;
            }
            // A signal left over from an earlier holder only makes the loop turn once more.
            let wait = Duration::ms(u32::try_from(left).unwrap_or(u32::MAX).min(86_400_000));
            if let Some(semaphore) = self.0.answered.get(place) {
                let _ = semaphore.take(wait);
            }
        }
    }

    fn put(&self, kind: Kind, priority: Priority, payload: &[u8], ticket: Option<Ticket>) -> Result<(), Refused> {
        let mut bytes = [0; PAYLOAD];
        bytes.get_mut(..payload.len()).ok_or(Refused::TooLong)?.copy_from_slice(payload);
        let length = u16::try_from(payload.len()).map_err(|_| Refused::TooLong)?;
        let message = Message { time: self.0.clock.wall(), kind, priority, length, ticket, payload: bytes };
        if self.0.queue.send(message, Duration::zero()).is_err() {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::QueueFull);
        }
        self.0.waker.wake();
        Ok(())
    }
}

impl<const PAYLOAD: usize> Shared<PAYLOAD> {
    fn take_place(&self) -> Option<usize> {
        let mut places = self.places.lock().ok()?;
        let free = places.iter().position(|place| matches!(place, Place::Free))?;
        *places.get_mut(free)? = Place::Waiting;
        Some(free)
    }

    /// Changes one place, where nobody interferes.
    fn change<T>(&self, place: usize, to: impl FnOnce(Place) -> (Place, T)) -> Option<T> {
        let mut places = self.places.lock().ok()?;
        let place = places.get_mut(place)?;
        let (next, out) = to(*place);
        *place = next;
        Some(out)
    }
}

impl<const PAYLOAD: usize> Inbox for QueueInbox<PAYLOAD> {
    fn take(&mut self) -> Option<Submission<'_>> {
        self.message = self.shared.queue.receive(Duration::zero()).ok();
        let message = self.message.as_ref()?;
        Some(Submission {
            time: message.time,
            kind: message.kind,
            priority: message.priority,
            payload: message.payload.get(..usize::from(message.length))?,
            ticket: message.ticket,
        })
    }

    fn answer(&mut self, ticket: Ticket, result: Answer) {
        let place = usize::from(ticket.0);
        let waits = self.shared.change(place, |was| match was {
            Place::Waiting => (Place::Answered(result), true),
            _ => (Place::Free, false),
        });
        if waits == Some(true)
            && let Some(semaphore) = self.shared.answered.get(place)
        {
            semaphore.give();
        }
    }

    fn refused(&self) -> u32 {
        self.shared.refused.load(Ordering::Relaxed)
    }
}
