// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lets the device's own scheduler live through a trace: it sees what a device sees, and what it chose is priced by
//! [`crate::price`]. Nothing of the future reaches it.

use cairn::{
    power::{
        budget,
        cost::{Attach, CoverageLevel, DATAGRAM_HEADER_BYTES, EXCHANGE_BYTES, ExchangeCost, MicroJoules, Model},
        outlook::Sight,
        schedule::{Decision, Schedule, View},
        scheduler::{Scheduler, Settings},
    },
    time::Millis,
};

use crate::{
    price::{Priced, price},
    traces::{Arrival, SLOT_MS, Trace},
};

/// What became of a trace.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its price, with the looks.
    pub priced: Priced,
    /// The slots it uploaded in.
    pub sends: Vec<usize>,
    /// Exchanges called off after a look, and what they cost.
    pub looks: usize,
    /// What they cost.
    pub looked: MicroJoules,
}

/// A scheduler for `trace`, with a budget that never says no.
#[must_use]
pub fn scheduler(trace: &Trace, model: &Model, sight: Sight) -> Scheduler {
    let slots = |slots: usize| Millis(slots as u64 * SLOT_MS);
    let budget = budget::Settings {
        refill_uw: 1_000_000,
        burst: MicroJoules::from_mj(1_000_000),
        reserve: MicroJoules::from_mj(100_000),
        urgent_burst: 100,
        urgent_interval: Millis(1),
    };
    let settings = Settings {
        // A record may be sent until the slot in which it is due ends.
        patience: trace.patience.map(|patience| Millis((patience as u64 + 1) * SLOT_MS - 1)),
        retry_base: Millis::from_secs(30),
        retry_max: Millis::from_secs(3600),
        seed: trace.seed,
        model: *model,
        budget,
        tau: Some(slots(trace.tau_slots)),
        sight,
    };
    Scheduler::new(settings, None, Millis(0)).amid_life()
}

fn view(now: Millis, begin: Millis, pending: &[Arrival], radio_up_until: Option<Millis>) -> View {
    let since = |arrival: &Arrival| begin.after(Millis(arrival.slot as u64 * SLOT_MS));
    let mut oldest = [None; 3];
    for arrival in pending {
        oldest[arrival.priority as usize].get_or_insert(since(arrival));
    }
    View {
        now,
        unsealed: u32::try_from(pending.len()).expect("a month's records"),
        oldest,
        pending_bytes: pending.iter().map(|arrival| arrival.bytes).sum(),
        radio_up_until,
        ..View::at(now)
    }
}

fn cost(level: CoverageLevel, bytes: u32, model: &Model) -> ExchangeCost {
    ExchangeCost {
        bytes_up: bytes + EXCHANGE_BYTES - 2 * DATAGRAM_HEADER_BYTES - 60,
        bytes_down: 60,
        datagrams_up: 1,
        datagrams_down: 1,
        connections: 0,
        duration_ms: model.level(level).usual_ms,
        coverage: Some(level),
        attach: Attach::Registered,
    }
}

/// Lives through `trace`, beginning at time 0 with nothing learned.
#[must_use]
pub fn play(model: &Model, trace: &Trace, sight: Sight) -> Played {
    Life { scheduler: scheduler(trace, model, sight), model, sight, begin: Millis(0) }.live(trace)
}

/// The same for a device that lived through [`Trace::another_month`] before.
#[must_use]
pub fn play_warm(model: &Model, trace: &Trace, sight: Sight) -> Played {
    let mut life = Life { scheduler: scheduler(trace, model, sight), model, sight, begin: Millis(0) };
    life.live(&trace.another_month());
    life.begin = Millis(trace.slots() as u64 * SLOT_MS);
    life.live(trace)
}

/// A device with its scheduler, on its way through one trace after the other.
struct Life<'a> {
    scheduler: Scheduler,
    model: &'a Model,
    sight: Sight,
    begin: Millis,
}

impl Life<'_> {
    fn live(&mut self, trace: &Trace) -> Played {
        let Self { scheduler, model, sight, begin } = self;
        let (mut sends, mut pending) = (Vec::new(), Vec::new());
        let (mut looks, mut looked) = (0, MicroJoules(0));
        let mut arrivals = trace.arrivals.iter().peekable();
        for slot in 0..trace.slots() {
            while let Some(arrival) = arrivals.next_if(|arrival| arrival.slot == slot) {
                pending.push(*arrival);
            }
            let (level, first) = (trace.levels[slot], begin.after(Millis(slot as u64 * SLOT_MS)));
            let end = first.after(Millis(SLOT_MS));
            let up = trace.radio_up[slot].then_some(end);
            if trace.radio_up[slot] || *sight == Sight::Seen {
                scheduler.hear(first, level);
            }
            let mut now = first;
            // What is left at the end of a trace goes with its last slot.
            let flush = slot + 1 == trace.slots() && begin.0 == 0;
            while now < end {
                let seen = View { flush, ..view(now, *begin, &pending, up) };
                match scheduler.decide(&seen) {
                    Decision::Wait(at) => now = at.unwrap_or(end).max(Millis(now.0 + 1)),
                    Decision::Seal => {
                        let urgent = seen.oldest[2].is_some();
                        let gated = *sight == Sight::Gated && up.is_none() && !urgent && !flush;
                        if gated && !scheduler.still_sends(&seen, level) {
                            looks += 1;
                            looked = looked.plus(MicroJoules(u64::from(model.level(level).wake_uj)));
                            continue;
                        }
                        assert_ne!(sends.last(), Some(&slot), "nothing came since it was sent");
                        let sealed = View { unsent: 1, flush, ..view(now, *begin, &[], up) };
                        assert_eq!(scheduler.decide(&sealed), Decision::Send, "what is sealed is sent");
                        sends.push(slot);
                        scheduler.exchange_ended(now, Ok(()), &cost(level, seen.pending_bytes, model));
                        pending.clear();
                    }
                    Decision::Send => unreachable!("nothing is sealed"),
                }
            }
        }
        let mut priced = price(model, trace, &sends);
        priced.energy = priced.energy.plus(looked);
        Played { priced, sends, looks, looked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{optimum::optimum, traces::TUNING_SEEDS};

    #[test]
    fn nothing_is_late_in_any_month_and_the_mean_stays_near_the_optimum() {
        let model = Model::DEFAULT;
        for (sight, most) in [(Sight::Blind, 1.60), (Sight::Gated, 1.55), (Sight::Seen, 1.45)] {
            let (mut ratios, mut months) = (0.0, 0);
            for trace in TUNING_SEEDS.step_by(12).map(Trace::of) {
                let (played, best) = (play(&model, &trace, sight), optimum(&model, &trace));
                assert_eq!(played.priced.late, 0, "{sight:?}, seed {}", trace.seed);
                assert!(played.priced.energy >= best.energy, "{sight:?}, seed {}", trace.seed);
                ratios += played.priced.energy.0 as f64 / best.energy.0 as f64;
                months += 1;
            }
            let mean = ratios / f64::from(months);
            assert!(mean < most, "{sight:?}: {mean} times the optimum on the mean of {months} months");
        }
    }
}
