// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a choice of wakes costs in a trace: one walk forward through it, the same for whatever chose. The scheduler's player and
//! the brute force that checks the optimum are priced here; the optimum has its own sums, so that each checks the other.

use cairn::power::cost::{CoverageLevel, EXCHANGE_BYTES, MicroJoules, Model};

use crate::traces::Trace;

/// Most bytes of records in one exchange: more go in another, in the same wake.
pub const RECORDS_PER_EXCHANGE_BYTES: u32 = 800;

/// What an upload of `bytes` of records costs at `level`; in a wake of its own, or `riding` one that is there anyway.
#[must_use]
pub fn upload(model: &Model, level: CoverageLevel, bytes: u32, riding: bool) -> MicroJoules {
    let exchanges = bytes.div_ceil(RECORDS_PER_EXCHANGE_BYTES).max(1);
    let carried = model.riding(level, bytes + exchanges * EXCHANGE_BYTES, exchanges);
    if riding { carried } else { carried.plus(model.fixed(level)) }
}

/// What a tracking area update costs at `level`.
#[must_use]
pub fn tau(model: &Model, level: CoverageLevel) -> MicroJoules {
    MicroJoules(u64::from(model.level(level).tau_uj))
}

/// How a choice of wakes did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// Uploads and tracking area updates; what the device draws asleep is not in it.
    pub energy: MicroJoules,
    /// Records sent later than they were due.
    pub late: usize,
    /// Wakes of the device's own.
    pub wakes: usize,
    /// Tracking area updates.
    pub taus: usize,
}

/// The price of uploading all that is there in each slot of `sends`, which ascend; what is left goes in the last slot. A slot with
/// nothing to send costs nothing.
#[must_use]
pub fn price(model: &Model, trace: &Trace, sends: &[usize]) -> Priced {
    let mut priced = Priced::default();
    let (mut arrivals, mut sends) = (trace.arrivals.iter().peekable(), sends.iter().peekable());
    let mut pending = Vec::new();
    let mut tau_at = trace.tau_slots;
    for slot in 0..trace.slots() {
        while let Some(arrival) = arrivals.next_if(|arrival| arrival.slot == slot) {
            pending.push(arrival);
        }
        let chosen = sends.next_if(|send| **send == slot).is_some() || slot + 1 == trace.slots();
        let (level, up) = (trace.levels[slot], trace.radio_up[slot]);
        let uploads = chosen && !pending.is_empty();
        if uploads {
            let bytes = pending.iter().map(|arrival| arrival.bytes).sum();
            priced.late += pending.iter().filter(|arrival| trace.due(arrival) < slot).count();
            priced.energy = priced.energy.plus(upload(model, level, bytes, up));
            priced.wakes += usize::from(!up);
            pending.clear();
        } else if slot == tau_at && !up {
            priced.energy = priced.energy.plus(tau(model, level));
            priced.taus += 1;
        }
        if uploads || up || slot == tau_at {
            tau_at = slot + trace.tau_slots;
        }
    }
    priced
}
