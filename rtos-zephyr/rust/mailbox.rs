// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The queue between the application and the agent, and the places of threads that wait for a sequence number. A [`Mailbox`] is a
//! `static`: threads and interrupts submit to it, the agent's thread takes from it. Each step is a critical section of one copy.

use core::cell::{Cell, RefCell};

use cairn::{
    agent::SubmitError,
    ports::{Clock as _, Inbox, Submission, Ticket},
    record::{Kind, Priority, SequenceNumber},
    time::{Millis, WallTime},
};
use critical_section::{CriticalSection, Mutex};
use heapless::Deque;

use crate::{clock::UptimeClock, shim};

/// Threads that may wait for the agent at the same time.
pub const WAITERS: usize = shim::WAITERS;

/// How long a thread sleeps before it looks at its clock again: at most a day, which every C library's integers hold.
const LOOK_MS: u64 = 86_400_000;

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

/// A waiting thread's place: as in `cairn-capi`, who comes last frees it.
#[derive(Clone, Copy)]
enum Place {
    Free,
    Waiting,
    Answered(Answer),
    /// Its thread gave up; the queue still names it.
    Abandoned,
}

/// Of the whole image, as are the semaphores behind them.
static PLACES: Mutex<Cell<[Place; WAITERS]>> = Mutex::new(Cell::new([Place::Free; WAITERS]));

/// Why a record was not handed over, or not journaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The payload is longer than the mailbox takes.
    TooLong,
    /// The mailbox is full; counted in the agent's status.
    QueueFull,
    /// [`WAITERS`] threads wait already.
    Busy,
    /// An interrupt cannot wait.
    Context,
    /// The agent did not answer in time; the record may still be journaled.
    TimeOut,
    /// The agent refused it.
    Agent(SubmitError),
}

struct Queue<const PAYLOAD: usize, const LENGTH: usize> {
    messages: Deque<Message<PAYLOAD>, LENGTH>,
    refused: u32,
}

/// `LENGTH` records of at most `PAYLOAD` bytes.
pub struct Mailbox<const PAYLOAD: usize, const LENGTH: usize> {
    queue: Mutex<RefCell<Queue<PAYLOAD, LENGTH>>>,
}

impl<const PAYLOAD: usize, const LENGTH: usize> Mailbox<PAYLOAD, LENGTH> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { queue: Mutex::new(RefCell::new(Queue { messages: Deque::new(), refused: 0 })) }
    }

    /// Hands a record over, to be journaled soon. Never blocks. Threads and interrupts.
    ///
    /// # Errors
    /// [`Refused::TooLong`], [`Refused::QueueFull`].
    pub fn submit(&self, kind: Kind, priority: Priority, payload: &[u8]) -> Result<(), Refused> {
        self.put(kind, priority, payload, None)
    }

    /// Hands a record over and waits until it is journaled, `limit` at most. Not in the agent's thread, which would wait for
    /// itself.
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
        if shim::in_isr() {
            return Err(Refused::Context);
        }
        let place = take_place().ok_or(Refused::Busy)?;
        if let Err(refused) = self.put(kind, priority, payload, Some(Ticket(place))) {
            change(place, |_| (Place::Free, ()));
            return Err(refused);
        }
        let deadline = UptimeClock.now().after(limit);
        loop {
            let left = deadline.since(UptimeClock.now()).0;
            let answer = change(place, |was| match was {
                Place::Answered(answer) => (Place::Free, Some(answer.map_err(Refused::Agent))),
                _ if left == 0 => (Place::Abandoned, Some(Err(Refused::TimeOut))),
                other => (other, None),
            });
            if let Some(answer) = answer.flatten() {
                return answer;
            }
            // A signal left over from an earlier holder only makes the loop turn once more.
            shim::waiter_wait(place, i32::try_from(left.min(LOOK_MS)).unwrap_or(i32::MAX));
        }
    }

    /// The agent's end. One agent takes from a mailbox.
    #[must_use]
    pub const fn inbox(&self) -> MailboxInbox<'_, PAYLOAD, LENGTH> {
        MailboxInbox { mailbox: self, message: None }
    }

    fn put(&self, kind: Kind, priority: Priority, payload: &[u8], ticket: Option<Ticket>) -> Result<(), Refused> {
        let mut bytes = [0; PAYLOAD];
        bytes.get_mut(..payload.len()).ok_or(Refused::TooLong)?.copy_from_slice(payload);
        let length = u16::try_from(payload.len()).map_err(|_| Refused::TooLong)?;
        let message = Message { time: UptimeClock.wall(), kind, priority, length, ticket, payload: bytes };
        self.with(|queue| {
            queue.messages.push_back(message).map_err(|_| {
                queue.refused = queue.refused.saturating_add(1);
                Refused::QueueFull
            })
        })?;
        shim::wake();
        Ok(())
    }

    /// Looks at the queue where nobody interferes.
    fn with<T>(&self, look: impl FnOnce(&mut Queue<PAYLOAD, LENGTH>) -> T) -> T {
        critical_section::with(|section| look(&mut self.queue.borrow_ref_mut(section)))
    }
}

impl<const PAYLOAD: usize, const LENGTH: usize> Default for Mailbox<PAYLOAD, LENGTH> {
    fn default() -> Self {
        Self::new()
    }
}

fn take_place() -> Option<u8> {
    critical_section::with(|section| {
        let cell = PLACES.borrow(section);
        let mut places = cell.get();
        let free = places.iter().position(|place| matches!(place, Place::Free))?;
        *places.get_mut(free)? = Place::Waiting;
        cell.set(places);
        u8::try_from(free).ok()
    })
}

/// Changes one place, where nobody interferes.
fn change<T>(place: u8, to: impl FnOnce(Place) -> (Place, T)) -> Option<T> {
    critical_section::with(|section: CriticalSection<'_>| {
        let cell = PLACES.borrow(section);
        let mut places = cell.get();
        let place = places.get_mut(usize::from(place))?;
        let (next, out) = to(*place);
        *place = next;
        cell.set(places);
        Some(out)
    })
}

/// The agent's end of a [`Mailbox`].
pub struct MailboxInbox<'m, const PAYLOAD: usize, const LENGTH: usize> {
    mailbox: &'m Mailbox<PAYLOAD, LENGTH>,
    /// The message being taken.
    message: Option<Message<PAYLOAD>>,
}

impl<const PAYLOAD: usize, const LENGTH: usize> Inbox for MailboxInbox<'_, PAYLOAD, LENGTH> {
    fn take(&mut self) -> Option<Submission<'_>> {
        self.message = self.mailbox.with(|queue| queue.messages.pop_front());
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
        let waits = change(ticket.0, |was| match was {
            Place::Waiting => (Place::Answered(result), true),
            _ => (Place::Free, false),
        });
        if waits == Some(true) {
            shim::waiter_signal(ticket.0);
        }
    }

    fn refused(&self) -> u32 {
        self.mailbox.with(|queue| queue.refused)
    }
}

#[cfg(test)]
mod tests;
