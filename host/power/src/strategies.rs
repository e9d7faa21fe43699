// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The strategies beside Cairn's: the same product, coverage, network and luck, another idea of when to send what. [`crate::compare`]
//! runs them; docs/power.md has the arithmetic of each.

use std::rc::Rc;

use cairn::{
    ports::LinkError,
    power::{
        cost::ExchangeCost,
        schedule::{Decision, Schedule, View},
    },
    record::Priority,
    time::Millis,
};

use crate::{
    coverage::{Air, DAY_MS},
    diary::Diary,
    life::{LifeError, Plan, Progress, live},
    link::{COAP_DOWN_BYTES, protected_bytes},
    outcome::{Cause, Outcome},
    product::{Product, What},
    radio::Radio,
    scenario::Scenario,
};

mod best;

pub use best::optimum;

/// What a record in a message of its own takes beside its payload: a CBOR array of sequence number, time and kind.
const RECORD_ENVELOPE_BYTES: usize = 1 + 5 + 9 + 2;

/// What the reference peer sends and receives for one on-chain write, measured: bytes up and down over all its connections.
const REFERENCE_BYTES: u32 = 2254 + 2684;
/// Its TCP connections for one write.
pub(crate) const REFERENCE_CONNECTIONS: u32 = 6;
/// What each of them waits for: the answer to its SYN, and that to its request.
const ROUND_TRIPS_PER_CONNECTION: u32 = 2;
/// It was measured where an answer takes no time, and is awake so long until the block is there.
const REFERENCE_AWAKE_MS: u32 = 12_000;

/// A plain daily batch: everything is sealed and sent once a day, what is urgent after its delay; after a failure again every quarter of
/// an hour.
#[derive(Clone, Debug)]
struct Daily {
    next: u64,
    urgent_delay: Millis,
    not_before: Millis,
    asked: Millis,
    random: crate::traces::Dice,
}

/// The pause after a failed exchange.
const RETRY_MS: u64 = 15 * 60 * 1000;

impl Daily {
    fn new(scenario: &Scenario, now: Millis) -> Self {
        let [_, _, urgent_delay] = scenario.patience();
        let random = crate::traces::Dice::new(scenario.seed);
        Self { next: (now.0 / DAY_MS + 1) * DAY_MS - 1, urgent_delay, not_before: now, asked: now, random }
    }
}

impl Schedule for Daily {
    fn decide(&mut self, view: &View) -> Decision {
        let urgent = view.oldest[Priority::Urgent as usize].map(|since| since.after(self.urgent_delay));
        if view.unsealed > 0 && (view.now.0 >= self.next || urgent.is_some_and(|at| at <= view.now)) {
            return Decision::Seal;
        }
        while view.now.0 >= self.next {
            self.next += DAY_MS;
        }
        // With a full journal and nothing to send it asks once a day what may go.
        let asks_at = view.starved.then_some(self.asked.after(Millis(DAY_MS)));
        let send_at = if view.unsent > 0 { Some(self.not_before) } else { asks_at };
        if send_at.is_some_and(|at| at <= view.now) {
            self.asked = view.now;
            return Decision::Send;
        }
        let seal_at = (view.unsealed > 0).then_some(Millis(self.next));
        Decision::Wait(seal_at.into_iter().chain(urgent).chain(send_at).min())
    }

    fn exchange_ended(&mut self, now: Millis, result: Result<(), LinkError>, _: &ExchangeCost) {
        // Somewhat spread, or retries would hit what repeats every quarter of an hour.
        let pause = RETRY_MS + self.random.below(RETRY_MS);
        self.not_before = if result.is_ok() { now } else { now.after(Millis(pause)) };
    }
}

impl Plan for Daily {}

/// The same agent with a plain daily schedule.
///
/// # Errors
/// [`LifeError`].
pub fn daily(scenario: &Scenario, air: &Rc<Air>, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, LifeError> {
    let told = (
        "Fixed daily batch",
        "The same agent with a plain clock: one signed batch at the end of each day, urgent records at once, no budget.",
    );
    live(scenario, told, air, |_, now| Daily::new(scenario, now), progress)
}

/// Sends one record of so many bytes of payload.
type Send<'a> = &'a mut dyn FnMut(&mut Radio, &mut Diary, u64, usize) -> Result<(), LinkError>;

/// A life without an agent: each record goes out as soon as it comes, or is lost.
fn at_once(
    scenario: &Scenario,
    (strategy, does): (&'static str, &'static str),
    air: &Rc<Air>,
    send: Send<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Outcome {
    let mut radio = Radio::of(scenario, Rc::clone(air));
    let mut diary = Diary::of(scenario, Rc::clone(air));
    let mut product = Product::of(scenario);
    let mut number = 0;
    for day in 0..scenario.days {
        progress(Progress { strategy, day, days: scenario.days });
        let end = u64::from(day + 1) * DAY_MS;
        loop {
            let (update, event) = (radio.next_update(), product.next_at());
            let now = update.min(event);
            if now >= end {
                break;
            }
            if update <= now {
                diary.spend_all(radio.update(now));
                diary.note_update();
            }
            while let Some(event) = product.take(now) {
                let What::Record { priority, payload, .. } = event.what else {
                    diary.spend(Cause::Product, radio.product_use(now, scenario.product.radio_bytes).0);
                    continue;
                };
                diary.note_event(priority);
                diary.note_wake();
                if send(&mut radio, &mut diary, now, payload.len()).is_ok() {
                    diary.note_record(number, now, priority);
                    number += 1;
                    diary.note_delivered(now, number);
                } else {
                    diary.note_failure();
                    diary.note_lost();
                }
            }
        }
        if !diary.close_day() {
            break;
        }
    }
    diary.outcome(strategy, does)
}

/// One confirmable CoAP message for each record, protected by OSCORE, neither signed nor journaled: a record whose message fails is
/// lost.
pub fn message_per_reading(scenario: &Scenario, air: &Rc<Air>, progress: &mut dyn FnMut(Progress)) -> Outcome {
    let told = (
        "One CoAP message per record",
        "Each record at once in a protected message of its own; not signed, not on a ledger, lost when it fails.",
    );
    let mut number = 0;
    let mut send = |radio: &mut Radio, diary: &mut Diary, now: u64, payload: usize| {
        number += 1;
        let bytes = protected_bytes(payload + RECORD_ENVELOPE_BYTES, number, true);
        let exchanged = radio.exchange(now, bytes, &mut || COAP_DOWN_BYTES);
        diary.spend_all(exchanged.energy);
        exchanged.result
    };
    at_once(scenario, told, air, &mut send, progress)
}

/// The reference peer's pattern: each record is written to a chain by itself.
pub fn reference(scenario: &Scenario, air: &Rc<Air>, progress: &mut dyn FnMut(Progress)) -> Outcome {
    let told = (
        "Reference peer",
        "One on-chain write per record, as measured of the peer: 6 connections, 2254 B up, 2684 B down, 12 s awake.",
    );
    let signature = cairn::power::cost::MicroJoules(u64::from(scenario.truth().signature_uj));
    let mut send = |radio: &mut Radio, diary: &mut Diary, now: u64, _: usize| {
        let round_trips = REFERENCE_CONNECTIONS * ROUND_TRIPS_PER_CONNECTION;
        let exchanged = radio.session(now, REFERENCE_BYTES, round_trips, REFERENCE_AWAKE_MS);
        diary.spend(Cause::Signature, signature);
        diary.spend_all(exchanged.energy);
        exchanged.result
    };
    at_once(scenario, told, air, &mut send, progress)
}
