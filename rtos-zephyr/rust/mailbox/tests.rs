// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mailbox between a scripted application and a scripted agent.

use std::{
    boxed::Box,
    sync::{Mutex as HostMutex, PoisonError},
    vec::Vec,
};

use super::*;

type Small = Mailbox<4, 2>;

/// The places are of the whole image: one test at a time has them.
static ALONE: HostMutex<()> = HostMutex::new(());

fn small() -> &'static Small {
    Box::leak(Box::new(Small::new()))
}

fn submit(mailbox: &Small, payload: &[u8]) -> Result<(), Refused> {
    mailbox.submit(Kind::EVENT, Priority::Urgent, payload)
}

fn submit_wait(mailbox: &Small, limit: u64) -> Result<SequenceNumber, Refused> {
    mailbox.submit_wait(Kind::EVENT, Priority::Urgent, b"door", Millis(limit))
}

/// The agent takes one record and answers it.
fn agent_answers(mailbox: &'static Small, answer: Answer) -> impl FnMut() {
    move || {
        let mut inbox = mailbox.inbox();
        let ticket = inbox.take().expect("a record").ticket.expect("somebody who waits");
        inbox.answer(ticket, answer);
    }
}

#[test]
fn records_come_out_in_the_order_they_went_in_and_the_agent_is_woken_for_each() {
    let mailbox = small();
    submit(mailbox, b"one").unwrap();
    submit(mailbox, b"").unwrap();
    assert_eq!(shim::wakes(), 2);
    let mut inbox = mailbox.inbox();
    let payloads: Vec<_> = core::iter::from_fn(|| inbox.take().map(|record| record.payload.to_vec())).collect();
    assert_eq!(payloads, [b"one".to_vec(), Vec::new()]);
}

#[test]
fn what_does_not_fit_is_refused_and_a_full_mailbox_counts_it() {
    let mailbox = small();
    assert_eq!(submit(mailbox, b"fiver"), Err(Refused::TooLong));
    submit(mailbox, b"1").unwrap();
    submit(mailbox, b"2").unwrap();
    assert_eq!(submit(mailbox, b"3"), Err(Refused::QueueFull));
    assert_eq!(mailbox.inbox().refused(), 1);
    assert_eq!(shim::wakes(), 2, "for what was refused nobody wakes");
}

#[test]
fn a_thread_that_waits_gets_the_agents_answer() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mailbox = small();
    shim::meanwhile(agent_answers(mailbox, Ok(SequenceNumber(7))));
    assert_eq!(submit_wait(mailbox, 100), Ok(SequenceNumber(7)));
    shim::meanwhile(agent_answers(mailbox, Err(SubmitError::Kind)));
    assert_eq!(submit_wait(mailbox, 100), Err(Refused::Agent(SubmitError::Kind)));
}

#[test]
fn a_thread_that_gave_up_leaves_its_place_to_the_late_answer() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mailbox = small();
    for _ in 0..2 * WAITERS {
        assert_eq!(submit_wait(mailbox, 100), Err(Refused::TimeOut));
        // Were the place not free after this, the loop would end with Busy.
        agent_answers(mailbox, Ok(SequenceNumber(1)))();
    }
}

#[test]
fn more_threads_than_places_are_refused_and_so_are_interrupts() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mailbox: &'static Mailbox<4, 8> = Box::leak(Box::new(Mailbox::new()));
    let wait = || mailbox.submit_wait(Kind::EVENT, Priority::Urgent, b"door", Millis(1));
    for _ in 0..WAITERS {
        assert_eq!(wait(), Err(Refused::TimeOut));
    }
    assert_eq!(wait(), Err(Refused::Busy));
    let mut inbox = mailbox.inbox();
    while let Some(ticket) = inbox.take().map(|record| record.ticket.unwrap()) {
        inbox.answer(ticket, Ok(SequenceNumber(1)));
    }
    shim::set_in_isr(true);
    assert_eq!(wait(), Err(Refused::Context));
}

#[test]
fn a_record_that_was_refused_frees_its_place() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mailbox = small();
    submit(mailbox, b"1").unwrap();
    submit(mailbox, b"2").unwrap();
    for _ in 0..2 * WAITERS {
        assert_eq!(submit_wait(mailbox, 100), Err(Refused::QueueFull));
    }
}
