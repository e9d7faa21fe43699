// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tasks that wait for the agent: a table of `CONFIG_CAIRN_WAITERS` places. A place is taken by the waiting task,
//! answered by the agent's task, and freed by whoever of the two comes last. Everything here runs under the port's
//! lock.
//!
//! ```text
//!          ask                 begin              finish            collect
//!  Free ────────▶ Waiting ──────────────▶ Running ───────▶ Answered ───────▶ Free
//!                  │   │       answer (a submission)          ▲
//!                  │   └──────────────────────────────────────┘
//!                  │ give_up: a request is withdrawn ▶ Free; a submission lies in the queue ▶ Abandoned ─ answer ▶ Free
//! ```
//!
//! While a place is Running its task does not leave, whatever its time-out: only then is its buffer written.

use cairn::batch::BatchNumber;
use cairn::record::SequenceNumber;

use crate::{
    instance::{Instance, Step},
    result::cairn_result_t,
};

/// What a task asks of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The sequence number of a record it put into the queue.
    Submission,
    /// The evidence of one record.
    Evidence {
        /// The record.
        seq: SequenceNumber,
        /// Where to write it, and how much fits.
        buffer: Buffer,
    },
    /// An endorsement.
    Endorsement {
        /// The verifier's nonce; only dereferenced while its place is Running.
        nonce: *const u8,
        /// Where to write it, and how much fits.
        buffer: Buffer,
    },
    /// To let go of a batch's records.
    Release(BatchNumber),
    /// What the function of cairn.h says.
    Work(Work),
}

/// Work for the agent's task that the function of cairn.h brings along: what no program calls is not linked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work(pub(crate) fn(&Instance, &mut Step<'_>) -> Answer);

impl PartialEq for Work {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for Work {}

/// A waiting task's buffer; only dereferenced while its place is Running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub(crate) start: *mut u8,
    pub(crate) capacity: usize,
}

/// What the agent answers: a sequence number or a length, if it is good.
pub(crate) type Answer = Result<u64, cairn_result_t>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    Waiting(Request),
    Running,
    Answered(Answer),
    Abandoned,
}

/// What a waiting task finds when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Still waiting.
    Nothing,
    /// The agent is at it: the answer comes, stay.
    Running,
    /// The answer; the place is free again.
    Answer(Answer),
}

/// The table.
#[derive(Debug)]
pub(crate) struct Waiters<const N: usize> {
    places: [Place; N],
}

impl<const N: usize> Waiters<N> {
    pub(crate) const fn new() -> Self {
        const { assert!(N > 0 && N <= 32, "CONFIG_CAIRN_WAITERS") };
        Self { places: [Place::Free; N] }
    }

    /// Takes a place for `request`; `None` when all are taken.
    pub(crate) fn ask(&mut self, request: Request) -> Option<u8> {
        let index = self.places.iter().position(|place| *place == Place::Free)?;
        *self.places.get_mut(index)? = Place::Waiting(request);
        u8::try_from(index).ok()
    }

    /// Frees a place whose submission never reached the queue.
    pub(crate) fn withdraw(&mut self, waiter: u8) {
        self.set(waiter, Place::Free);
    }

    /// Looks for the answer.
    pub(crate) fn collect(&mut self, waiter: u8) -> Found {
        match self.get(waiter) {
            Place::Answered(answer) => {
                self.set(waiter, Place::Free);
                Found::Answer(answer)
            }
            Place::Running => Found::Running,
            Place::Free | Place::Waiting(_) | Place::Abandoned => Found::Nothing,
        }
    }

    /// The task's time is up. Takes the answer if there is one; else leaves, unless the agent is at it.
    pub(crate) fn give_up(&mut self, waiter: u8) -> Found {
        match self.get(waiter) {
            Place::Waiting(Request::Submission) => {
                self.set(waiter, Place::Abandoned);
                Found::Answer(Err(cairn_result_t::CAIRN_E_TIMEOUT))
            }
            Place::Waiting(_) => {
                self.set(waiter, Place::Free);
                Found::Answer(Err(cairn_result_t::CAIRN_E_TIMEOUT))
            }
            _ => self.collect(waiter),
        }
    }

    /// The agent answers a submission. Whether somebody is to be signalled.
    pub(crate) fn answer(&mut self, waiter: u8, answer: Answer) -> bool {
        match self.get(waiter) {
            Place::Waiting(Request::Submission) => {
                self.set(waiter, Place::Answered(answer));
                true
            }
            Place::Abandoned => {
                self.set(waiter, Place::Free);
                false
            }
            _ => false,
        }
    }

    /// The agent begins the next request that is no submission.
    pub(crate) fn begin(&mut self) -> Option<(u8, Request)> {
        let waiting = |place: &Place| matches!(place, Place::Waiting(request) if *request != Request::Submission);
        let index = self.places.iter().position(waiting)?;
        let place = self.places.get_mut(index)?;
        let Place::Waiting(request) = *place else { return None };
        *place = Place::Running;
        Some((u8::try_from(index).ok()?, request))
    }

    /// The agent finished what it began; the waiting task is to be signalled.
    pub(crate) fn finish(&mut self, waiter: u8, answer: Answer) {
        if self.get(waiter) == Place::Running {
            self.set(waiter, Place::Answered(answer));
        }
    }

    fn get(&self, waiter: u8) -> Place {
        self.places.get(usize::from(waiter)).copied().unwrap_or(Place::Free)
    }

    fn set(&mut self, waiter: u8, to: Place) {
        if let Some(place) = self.places.get_mut(usize::from(waiter)) {
            *place = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: Request = Request::Release(BatchNumber(3));

    #[test]
    fn an_answer_reaches_the_task_that_asked_and_frees_its_place() {
        let mut waiters = Waiters::<2>::new();
        let a = waiters.ask(Request::Submission).unwrap();
        let b = waiters.ask(Request::Submission).unwrap();
        assert_eq!(waiters.ask(Request::Submission), None);
        assert_eq!(waiters.collect(a), Found::Nothing);
        assert!(waiters.answer(b, Ok(7)));
        assert_eq!((waiters.collect(a), waiters.collect(b)), (Found::Nothing, Found::Answer(Ok(7))));
        assert_eq!(waiters.ask(Request::Submission), Some(b));
    }

    #[test]
    fn a_submission_given_up_keeps_its_place_until_the_agent_met_it() {
        let mut waiters = Waiters::<1>::new();
        let a = waiters.ask(Request::Submission).unwrap();
        assert_eq!(waiters.give_up(a), Found::Answer(Err(cairn_result_t::CAIRN_E_TIMEOUT)));
        assert_eq!(waiters.ask(Request::Submission), None, "the queue still names the place");
        assert!(!waiters.answer(a, Ok(7)), "nobody to signal");
        assert_eq!(waiters.ask(Request::Submission), Some(a));
        assert_eq!(waiters.collect(a), Found::Nothing, "the old answer is not the new task's");
    }

    #[test]
    fn a_request_given_up_is_never_begun_and_one_begun_is_waited_for() {
        let mut waiters = Waiters::<1>::new();
        let a = waiters.ask(RELEASE).unwrap();
        assert_eq!(waiters.give_up(a), Found::Answer(Err(cairn_result_t::CAIRN_E_TIMEOUT)));
        assert_eq!(waiters.begin(), None);
        let a = waiters.ask(RELEASE).unwrap();
        assert_eq!(waiters.begin(), Some((a, RELEASE)));
        assert_eq!(waiters.begin(), None);
        assert_eq!(waiters.give_up(a), Found::Running);
        waiters.finish(a, Ok(0));
        assert_eq!(waiters.give_up(a), Found::Answer(Ok(0)));
    }

    #[test]
    fn an_answer_that_came_before_the_time_out_counts() {
        let mut waiters = Waiters::<1>::new();
        let a = waiters.ask(Request::Submission).unwrap();
        assert!(waiters.answer(a, Ok(9)));
        assert_eq!(waiters.give_up(a), Found::Answer(Ok(9)));
    }

    #[test]
    fn an_answer_to_a_place_nobody_holds_changes_nothing() {
        let mut waiters = Waiters::<1>::new();
        assert!(!waiters.answer(0, Ok(1)));
        assert!(!waiters.answer(31, Ok(1)));
        waiters.finish(0, Ok(1));
        assert_eq!(waiters.collect(0), Found::Nothing);
    }
}
