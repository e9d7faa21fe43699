// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The offline optimum of a life: the choice of wakes that [`crate::optimum`] finds with full knowledge of the whole trace, and what it
//! costs in the same radio, with the same luck, as everybody's. Luck itself it does not know: what failed it tries again.
//!
//! Times without a network are cut out of the trace before the optimum is sought: nothing can be sent in them, and deadlines stand
//! still. So it is never dearer than the best that could be done with the deadlines as they are.

use std::rc::Rc;

use cairn::{
    power::cost::MicroJoules,
    record::{Entry, Record, SequenceNumber},
    time::{TimeQuality, WallTime},
    uplink::{
        DATA_OVERHEAD_MAX,
        delta::{BitCount, Encoder},
    },
};

use crate::{
    coverage::{Air, DAY_MS},
    diary::Diary,
    life::Progress,
    link::{COAP_DOWN_BYTES, protected_bytes},
    optimum::optimum as cheapest,
    outcome::{Cause, Outcome},
    price::RECORDS_PER_EXCHANGE_BYTES,
    product::{Product, What},
    radio::Radio,
    scenario::{Down, Scenario, Upload, millis},
    traces::{Arrival, Place, SLOT_MS, SLOTS_PER_DAY, Shade, Trace},
};

/// Bytes of an uplink without records, and of a downlink, in the middle of a life; a test compares.
const ANCHOR_BYTES: usize = 165;
/// See [`ANCHOR_BYTES`].
const DOWNLINK_BYTES: u32 = 35;
/// How often an upload that failed is tried again before the next slot.
const TRIES: u32 = 4;

const TOLD: (&str, &str) = (
    "Offline optimum",
    "Knows all coverage and all records of the whole life before it begins: the cheapest choice of uploads there is, exactly.",
);

/// Slots of the life, those without a network left out.
struct Slots {
    /// When each that is left begins.
    begins: Vec<u64>,
    /// Where each slot of the life is among them, or the next that is left.
    place: Vec<usize>,
}

impl Slots {
    fn of(air: &Air) -> Self {
        let (mut begins, mut place) = (Vec::new(), Vec::new());
        for slot in 0..air.levels().len() as u64 {
            place.push(begins.len());
            let begin = slot * SLOT_MS;
            if !air.is_down(Down::Network, begin) && !air.is_down(Down::Relay, begin) && !air.is_off(begin) {
                begins.push(begin);
            }
        }
        Self { begins, place }
    }

    fn of_time(&self, at: u64) -> Option<usize> {
        let place = self.place.get(usize::try_from(at / SLOT_MS).ok()?).copied()?;
        (place < self.begins.len()).then_some(place)
    }
}

/// The life as the optimum sees it.
fn trace(scenario: &Scenario, air: &Air, slots: &Slots) -> Trace {
    let count = slots.begins.len();
    let (mut arrivals, mut radio_up) = (Vec::new(), vec![false; count]);
    let mut ride_at = vec![u64::MAX; count];
    let mut product = Product::of(scenario);
    let mut packed = Encoder::new(BitCount::default());
    let mut bytes_so_far = 0;
    while let Some(event) = product.take(u64::from(scenario.days) * DAY_MS - 1) {
        let Some(slot) = slots.of_time(event.at) else { continue };
        match &event.what {
            What::Radio => (radio_up[slot], ride_at[slot]) = (true, ride_at[slot].min(event.at)),
            What::Record { kind, priority, payload } => {
                let (priority, seq) = (*priority, SequenceNumber(arrivals.len() as u64));
                let time = WallTime { unix_ms: event.at, quality: TimeQuality::Network };
                // A count of bits refuses nothing.
                let _ = packed.push(&Entry::Record(Record { seq, time, kind: *kind, payload }));
                let bytes = match scenario.product.upload {
                    Upload::Data => u32::try_from(packed.sink().bytes() - bytes_so_far).expect("a record's bytes"),
                    Upload::HashOnly => 0,
                };
                bytes_so_far = packed.sink().bytes();
                // What comes after the product had the radio up rides no more.
                let slot = if event.at > ride_at[slot] { (slot + 1).min(count - 1) } else { slot };
                arrivals.push(Arrival { slot, priority, bytes });
            }
        }
    }
    let levels = slots.begins.iter().map(|begin| air.level(*begin)).collect();
    let tau_slots = slots_of(millis(scenario.network.t3412_hours * 3600.0).0).max(1);
    let patience = scenario.patience().map(|patience| slots_of(patience.0).saturating_sub(1));
    Trace {
        seed: scenario.seed,
        place: Place::Good,
        shade: Shade::None,
        levels,
        arrivals,
        radio_up,
        tau_slots,
        patience,
    }
}

fn slots_of(span: u64) -> usize {
    usize::try_from(span / SLOT_MS).unwrap_or(usize::MAX)
}

/// A life of best choices under way.
struct Best<'a> {
    scenario: &'a Scenario,
    trace: &'a Trace,
    radio: Radio,
    diary: Diary,
    product: Product,
    /// Records handed over, and of those the ones that are delivered.
    came: u64,
    delivered: usize,
    sent: u64,
    /// An upload failed, and is to be made in the next slot.
    owed: bool,
}

impl Best<'_> {
    /// What the product and the modem do up to `now`; stops where the product has the radio up, and says so.
    fn go_on(&mut self, now: u64) -> Option<u64> {
        while self.radio.next_update() <= now {
            let at = self.radio.next_update();
            self.diary.spend_all(self.radio.update(at));
            self.diary.note_update();
        }
        while let Some(event) = self.product.take(now) {
            match event.what {
                What::Radio => {
                    let spent = self.radio.product_use(event.at, self.scenario.product.radio_bytes).0;
                    self.diary.spend(Cause::Product, spent);
                    return Some(event.at);
                }
                What::Record { priority, .. } => {
                    self.diary.note_event(priority);
                    self.diary.note_record(self.came, event.at, priority);
                    self.came += 1;
                }
            }
        }
        None
    }

    /// A slot of the life, in which it uploads if that was `chosen`: with the product if it uses the radio, else at the end.
    fn live_slot(&mut self, begin: u64, chosen: bool) {
        self.owed |= chosen;
        let end = begin + SLOT_MS - 1;
        while let Some(up_at) = self.go_on(end) {
            if self.owed {
                self.upload(up_at);
            }
        }
        if self.owed {
            self.upload(end);
        }
    }

    /// Uploads all there is.
    fn upload(&mut self, now: u64) {
        // What comes when nothing will ever be up again is not in the trace.
        let came = usize::try_from(self.came).expect("records").min(self.trace.arrivals.len());
        let waiting = &self.trace.arrivals[self.delivered..came];
        let mut left: u32 = waiting.iter().map(|arrival| arrival.bytes).sum();
        let with_data = self.scenario.product.upload == Upload::Data;
        let frame = ANCHOR_BYTES + if with_data { DATA_OVERHEAD_MAX } else { 0 };
        for _ in 0..left.div_ceil(RECORDS_PER_EXCHANGE_BYTES).max(1) {
            let part = left.min(RECORDS_PER_EXCHANGE_BYTES);
            let signature = MicroJoules(u64::from(self.scenario.truth().signature_uj));
            self.diary.spend(Cause::Signature, signature);
            if !self.exchange(now, frame + part as usize) {
                self.owed = true;
                return;
            }
            left -= part;
        }
        self.owed = false;
        self.delivered = came;
        self.diary.note_delivered(now, self.came);
    }

    /// One exchange, tried again when luck was bad; whether it got through.
    fn exchange(&mut self, now: u64, uplink: usize) -> bool {
        let bytes = protected_bytes(uplink, self.sent, true);
        self.sent += 1;
        for _ in 0..TRIES {
            let exchanged = self.radio.exchange(now, bytes, &mut || DOWNLINK_BYTES + COAP_DOWN_BYTES);
            self.diary.spend_all(exchanged.energy);
            self.diary.note_wake();
            if exchanged.result.is_ok() {
                return true;
            }
            self.diary.note_failure();
        }
        false
    }
}

/// The optimum of `scenario`.
pub fn optimum(scenario: &Scenario, air: &Rc<Air>, progress: &mut dyn FnMut(Progress)) -> Outcome {
    let slots = Slots::of(air);
    let trace = trace(scenario, air, &slots);
    let chosen = cheapest(&scenario.truth(), &trace);
    let mut sends = chosen.sends.iter().map(|slot| slots.begins[*slot]).peekable();
    let mut best = Best {
        scenario,
        trace: &trace,
        radio: Radio::of(scenario, Rc::clone(air)),
        diary: Diary::of(scenario, Rc::clone(air)),
        product: Product::of(scenario),
        came: 0,
        delivered: 0,
        sent: 0,
        owed: false,
    };
    let (strategy, does) = TOLD;
    for day in 0..scenario.days {
        progress(Progress { strategy, day, days: scenario.days });
        for slot in u64::from(day) * SLOTS_PER_DAY as u64..u64::from(day + 1) * SLOTS_PER_DAY as u64 {
            let begin = slot * SLOT_MS;
            best.live_slot(begin, sends.next_if(|send| *send == begin).is_some());
        }
        if !best.diary.close_day() {
            break;
        }
    }
    best.diary.outcome(strategy, does)
}

#[cfg(test)]
mod tests {
    use cairn::{
        batch::{Anchor, AnchorFlags, BatchNumber, Commitment},
        merkle::Hash,
        record::StreamId,
        signer::Signature,
        uplink::{DOWNLINK_MAX, Downlink, Hints, Level, Uplink},
    };

    use super::*;

    #[test]
    fn an_uplink_and_a_downlink_are_as_long_as_in_the_middle_of_a_life() {
        let (stream, batch) = (StreamId(0x5712_ea3f_0000_0001), BatchNumber(2700));
        let anchor = Anchor {
            stream,
            batch,
            first_seq: SequenceNumber(260_000),
            count: 96,
            sealed_at: 1_768_345_200_000,
            flags: AnchorFlags(AnchorFlags::SYNCHRONISED),
            root: Hash([1; 32]),
            prev: Commitment([2; 32]),
        };
        let uplink = Uplink { anchor, signature: Signature([3; 64]), data: None };
        assert_eq!(uplink.encode(&mut [0; 256]), Ok(ANCHOR_BYTES));
        let downlink = Downlink {
            level: Level::Stored,
            stream,
            batch,
            commitment: anchor.commitment().prefix(),
            final_through: Some(BatchNumber(2699)),
            hints: Hints::default(),
        };
        assert_eq!(downlink.encode(&mut [0; DOWNLINK_MAX]), Ok(DOWNLINK_BYTES as usize));
    }
}
