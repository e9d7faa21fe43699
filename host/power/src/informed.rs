// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The best that a scheduler could do that knows the law of its coverage exactly, sees the level at every moment for nothing, and
//! does not know the future. What it spends more than [`crate::optimum`] is what not knowing the future costs; no scheduler on a
//! device can be expected below it. For traces whose law is a chain of levels and nothing else: no shade, no urgent records, no
//! radio that is up anyway.

use cairn::{
    power::cost::{CoverageLevel, Model},
    record::Priority,
};

use crate::{
    price::{tau, upload},
    traces::{SLOTS_PER_DAY, Shade, Trace},
};

/// Whether the law of `trace` is one that [`informed`] knows.
#[must_use]
pub fn is_known(trace: &Trace) -> bool {
    let urgent = trace.arrivals.iter().any(|arrival| arrival.priority == Priority::Urgent);
    trace.shade == Shade::None && !urgent && !trace.radio_up.contains(&true)
}

/// The slots it uploads in, by dynamic programming over the level and the slots since the last upload, backwards from the end.
#[must_use]
pub fn informed(model: &Model, trace: &Trace) -> Vec<usize> {
    let slots = trace.slots();
    let law = trace.law();
    let reading = &trace.arrivals[0];
    let patience = trace.patience[reading.priority as usize];
    // A log a day is spread over its slots.
    let bytes = |waited: usize| {
        let readings = u32::try_from(waited + 1).expect("slots") * reading.bytes;
        readings + readings * 6 / u32::try_from(SLOTS_PER_DAY).expect("slots")
    };
    let cost = |level: usize, waited: usize| upload(model, CoverageLevel::ALL[level], bytes(waited), false).0 as f64;
    let costs: Vec<[f64; 3]> = (0..=patience).map(|waited| [0, 1, 2].map(|level| cost(level, waited))).collect();
    let tau = CoverageLevel::ALL.map(|level| tau(model, level).0 as f64);
    // `then[waited][level]`: what is spent from the next slot on, where the oldest record waited so many slots by then.
    let mut then = vec![[0.0; 3]; patience + 2];
    let mut sends = vec![vec![[true; 3]; patience + 1]; slots];
    for slot in (0..slots).rev() {
        let mut now = vec![[0.0; 3]; patience + 2];
        for waited in 0..=patience {
            for level in 0..3 {
                let after = |waited: usize| (0..3).map(|next| law[level][next] * then[waited][next]).sum::<f64>();
                let send = costs[waited][level] + after(0);
                let update = if (waited + 1) % trace.tau_slots == 0 { tau[level] } else { 0.0 };
                let wait = update + after(waited + 1);
                let must = waited == patience || slot + 1 == slots;
                sends[slot][waited][level] = must || send <= wait;
                now[waited][level] = if sends[slot][waited][level] { send } else { wait };
            }
        }
        then = now;
    }
    let (mut chosen, mut waited) = (Vec::new(), 0);
    for (slot, level) in trace.levels.iter().enumerate() {
        if sends[slot][waited][*level as usize] {
            chosen.push(slot);
            waited = 0;
        } else {
            waited += 1;
        }
    }
    chosen
}
