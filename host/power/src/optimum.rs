// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The least energy that any choice of wakes can spend on a trace without a record that is late, by dynamic programming with
//! full knowledge. docs/power.md has the recurrence and why it is exact; a brute force over short traces agrees.

use cairn::power::cost::{MicroJoules, Model};

use crate::{
    price::{tau, upload},
    traces::Trace,
};

/// The cheapest choice of wakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optimum {
    /// What it costs, as [`crate::price::price`] has it.
    pub energy: MicroJoules,
    /// The slots it uploads in.
    pub sends: Vec<usize>,
}

/// What the trace holds up to each slot, so that sums between two need no walk.
struct Sums {
    /// Bytes of the records that came before slot `n`.
    bytes: Vec<u64>,
    /// Records that came before slot `n`.
    records: Vec<usize>,
    /// The earliest due slot of the records that come in slot `n`.
    due: Vec<usize>,
}

impl Sums {
    fn of(trace: &Trace) -> Self {
        let slots = trace.slots();
        let (mut bytes, mut records, mut due) = (vec![0; slots + 1], vec![0; slots + 1], vec![usize::MAX; slots]);
        for arrival in &trace.arrivals {
            bytes[arrival.slot + 1] += u64::from(arrival.bytes);
            records[arrival.slot + 1] += 1;
            due[arrival.slot] = due[arrival.slot].min(trace.due(arrival));
        }
        for slot in 0..slots {
            bytes[slot + 1] += bytes[slot];
            records[slot + 1] += records[slot];
        }
        Self { bytes, records, due }
    }
}

/// The optimum of a trace. Every trace has one: to upload in every slot is in time.
///
/// `best[n]` is the least energy with an upload in slot `n - 1` and everything before it in time; `best[0]` is the start, where
/// the device has just connected and has nothing. From each, all next uploads are tried up to the first record that would be
/// late.
#[must_use]
pub fn optimum(model: &Model, trace: &Trace) -> Optimum {
    let slots = trace.slots();
    let sums = Sums::of(trace);
    let mut best = vec![(u64::MAX, 0_usize); slots + 1];
    best[0].0 = 0;
    let (mut least, mut last) = (u64::MAX, 0);
    for from in 0..=slots {
        let (so_far, _) = best[from];
        if so_far == u64::MAX {
            continue;
        }
        // `from` slots are done: the connection before was in slot from - 1, or at the start.
        let mut tau_at = from.saturating_sub(1) + trace.tau_slots;
        let (mut taus, mut due) = (0, usize::MAX);
        for to in from..slots {
            due = due.min(sums.due[to]);
            if due < to {
                break;
            }
            let (level, up) = (trace.levels[to], trace.radio_up[to]);
            if sums.records[to + 1] > sums.records[from] {
                let bytes = u32::try_from(sums.bytes[to + 1] - sums.bytes[from]).expect("a month's bytes");
                let energy = so_far + taus + upload(model, level, bytes, up).0;
                if energy < best[to + 1].0 {
                    best[to + 1] = (energy, from);
                }
            }
            if up || to == tau_at {
                taus += if up { 0 } else { tau(model, level).0 };
                tau_at = to + trace.tau_slots;
            }
        }
        // Nothing more comes, and nothing is left: the trace ends here.
        if due == usize::MAX && so_far + taus < least {
            (least, last) = (so_far + taus, from);
        }
    }
    let mut sends = Vec::new();
    while last > 0 {
        sends.push(last - 1);
        last = best[last].1;
    }
    sends.reverse();
    Optimum { energy: MicroJoules(least), sends }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        price::price,
        traces::{Arrival, Dice, Place, Shade},
    };
    use cairn::{power::cost::CoverageLevel, record::Priority};

    /// A trace so short that every choice of wakes can be tried.
    fn tiny(seed: u64) -> Trace {
        let mut dice = Dice::new(seed);
        let slots = usize::try_from(dice.between(1, 11)).unwrap();
        let mut below = |end: usize| usize::try_from(dice.below(end as u64)).unwrap();
        let levels = (0..slots).map(|_| CoverageLevel::ALL[below(3)]).collect();
        let radio_up = (0..slots).map(|_| below(4) == 0).collect();
        let (tau_slots, patience) = (1 + below(6), [4 + below(8), 1 + below(5), 0]);
        let often = 1 + below(3);
        let mut arrivals = Vec::new();
        for slot in 0..slots {
            for _ in 0..below(3) {
                if below(often) == 0 {
                    let priority = [Priority::Bulk, Priority::Routine, Priority::Routine, Priority::Urgent][below(4)];
                    arrivals.push(Arrival { slot, priority, bytes: u32::try_from(below(900)).unwrap() });
                }
            }
        }
        Trace { seed, place: Place::Edge, shade: Shade::None, levels, arrivals, radio_up, tau_slots, patience }
    }

    fn brute_force(model: &Model, trace: &Trace) -> MicroJoules {
        let choices = 0_u32..1 << trace.slots();
        let priced = choices.filter_map(|choice| {
            let sends: Vec<usize> = (0..trace.slots()).filter(|slot| choice >> slot & 1 == 1).collect();
            let priced = price(model, trace, &sends);
            (priced.late == 0).then_some(priced.energy)
        });
        priced.min().expect("to send in every slot is in time")
    }

    #[test]
    fn no_choice_of_wakes_in_any_short_trace_is_cheaper_and_one_costs_as_much() {
        for seed in 0..4_000 {
            let trace = tiny(seed);
            let found = optimum(&Model::DEFAULT, &trace);
            assert_eq!(found.energy, brute_force(&Model::DEFAULT, &trace), "{trace:?}");
            let priced = price(&Model::DEFAULT, &trace, &found.sends);
            assert_eq!((priced.energy, priced.late), (found.energy, 0), "{trace:?}");
        }
    }

    #[test]
    fn in_months_the_optimum_is_in_time_and_cheaper_than_sending_at_every_deadline() {
        for seed in 0..20 {
            let trace = Trace::of(seed);
            let found = optimum(&Model::DEFAULT, &trace);
            let priced = price(&Model::DEFAULT, &trace, &found.sends);
            assert_eq!((priced.energy, priced.late), (found.energy, 0), "seed {seed}");
            let greedy = price(&Model::DEFAULT, &trace, &at_deadlines(&trace));
            assert!(greedy.late == 0 && found.energy <= greedy.energy, "seed {seed}");
        }
    }

    fn at_deadlines(trace: &Trace) -> Vec<usize> {
        let (mut sends, mut due) = (Vec::new(), usize::MAX);
        let mut arrivals = trace.arrivals.iter().peekable();
        for slot in 0..trace.slots() {
            while let Some(arrival) = arrivals.next_if(|arrival| arrival.slot == slot) {
                due = due.min(trace.due(arrival));
            }
            if due == slot {
                sends.push(slot);
                due = usize::MAX;
            }
        }
        sends
    }
}
