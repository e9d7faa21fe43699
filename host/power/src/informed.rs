// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The least expected energy that any scheduler could spend that does not know the future of the coverage, by dynamic programming
//! over what it can know. What it spends more than [`crate::optimum`] is what not knowing the future costs; no scheduler on a
//! device can be expected below it. It is told more than any device: the law of the chain exactly, and beforehand every record,
//! every slot in which the radio is up anyway, and the shade of every day. Only the level beneath the shade is chance to it.
//! docs/power.md has the recurrences. [`crate::gated`] is the same for a link that can look.

use cairn::power::cost::{MicroJoules, Model};

use crate::{
    price::{Priced, price, tau, upload},
    traces::{Law, Trace},
};

/// How an informed scheduler did.
#[derive(Clone, Copy, Debug)]
pub struct Informed {
    /// On the trace that was drawn.
    pub priced: Priced,
    /// In expectation over all coverage that the law may draw, microjoules: no scheduler's is lower.
    pub expected_uj: f64,
}

/// What the trace holds that does not depend on the level, by where the upload before was and where one is.
pub(crate) struct Course<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) law: Law,
    model: &'a Model,
    /// The last slot in which all that came since slot `from` may be sent.
    last: Vec<usize>,
    /// Bytes of records that came before each slot.
    bytes: Vec<u64>,
    /// Slots, from `from` on, with a tracking area update when nothing is uploaded in between.
    updates: Vec<Vec<usize>>,
}

impl<'a> Course<'a> {
    pub(crate) fn of(model: &'a Model, trace: &'a Trace) -> Self {
        let slots = trace.slots();
        let (mut bytes, mut due) = (vec![0; slots + 1], vec![usize::MAX; slots]);
        for arrival in &trace.arrivals {
            bytes[arrival.slot + 1] += u64::from(arrival.bytes);
            due[arrival.slot] = due[arrival.slot].min(trace.due(arrival));
        }
        (0..slots).for_each(|slot| bytes[slot + 1] += bytes[slot]);
        let last: Vec<usize> = (0..slots)
            .map(|from| {
                let mut least = usize::MAX;
                (from..slots).find(|to| {
                    least = least.min(due[*to]);
                    least <= *to
                })
            })
            .map(|last| last.expect("something is due by the end"))
            .collect();
        let updates = (0..slots).map(|from| Self::updates(trace, from, last[from])).collect();
        Self { trace, law: trace.law(), model, last, bytes, updates }
    }

    fn updates(trace: &Trace, from: usize, last: usize) -> Vec<usize> {
        let (mut at, mut updates) = (from.saturating_sub(1) + trace.tau_slots, Vec::new());
        for slot in from..=last {
            if trace.radio_up[slot] {
                at = slot + trace.tau_slots;
            } else if slot == at {
                updates.push(slot);
                at += trace.tau_slots;
            }
        }
        updates
    }

    /// The earliest `from` whose records may still wait for `to`, given that of the slot after.
    pub(crate) fn earliest(&self, to: usize) -> usize {
        self.last.partition_point(|last| *last < to)
    }

    /// Whether what came since `from` must be sent in `to`.
    pub(crate) fn is_due(&self, from: usize, to: usize) -> bool {
        self.last[from] == to
    }

    /// What an upload in `to` of all since `from` costs at each level beneath the shade.
    pub(crate) fn uploads(&self, from: usize, to: usize) -> [f64; 3] {
        let bytes = u32::try_from(self.bytes[to + 1] - self.bytes[from]).expect("a month's bytes");
        let up = self.trace.radio_up[to];
        [0, 1, 2].map(|bare| upload(self.model, self.law.shaded(to, bare), bytes, up).0 as f64)
    }

    /// What a tracking area update in `to` costs at each level beneath the shade, where one is due.
    pub(crate) fn update(&self, from: usize, to: usize) -> [f64; 3] {
        let due = self.updates[from].contains(&to);
        [0, 1, 2].map(|bare| if due { tau(self.model, self.law.shaded(to, bare)).0 as f64 } else { 0.0 })
    }

    /// What waking and looking in `to` costs at `bare` beneath the shade.
    pub(crate) fn look(&self, to: usize, bare: usize) -> MicroJoules {
        MicroJoules(u64::from(self.model.level(self.law.shaded(to, bare)).wake_uj))
    }

    pub(crate) fn price(&self, sends: &[usize], looked: MicroJoules, expected_uj: f64) -> Informed {
        let mut priced = price(self.model, self.trace, sends);
        priced.energy = priced.energy.plus(looked);
        Informed { priced, expected_uj }
    }
}

pub(crate) fn expected(shares: &[f64; 3], values: &[f64; 3]) -> f64 {
    shares[0] * values[0] + shares[1] * values[1] + shares[2] * values[2]
}

pub(crate) fn after(shares: &[f64; 3], next: &[[f64; 3]; 3]) -> [f64; 3] {
    [0, 1, 2].map(|to| shares[0] * next[0][to] + shares[1] * next[1][to] + shares[2] * next[2][to])
}

/// What was decided for each slot, each slot of the upload before and each state, a bit for each.
pub(crate) struct Choices(Vec<Vec<u8>>);

impl Choices {
    pub(crate) fn new(course: &Course<'_>) -> Self {
        let slots = course.trace.slots();
        Self((0..slots).map(|to| vec![0; to + 1 - course.earliest(to)]).collect())
    }

    pub(crate) fn set(&mut self, course: &Course<'_>, to: usize, from: usize, state: usize, yes: bool) {
        self.0[to][from - course.earliest(to)] |= u8::from(yes) << state;
    }

    pub(crate) fn get(&self, course: &Course<'_>, to: usize, from: usize, state: usize) -> bool {
        self.0[to][from - course.earliest(to)] >> state & 1 == 1
    }
}

/// The best that sees the level at every moment, for nothing: `then[from][level]` is what is spent from a slot on whose level is
/// `level`, where the upload before was in slot `from - 1`.
#[expect(clippy::needless_range_loop, reason = "a slot is a name here, not a place in one list")]
#[must_use]
pub fn seen(model: &Model, trace: &Trace) -> Informed {
    let course = Course::of(model, trace);
    let (slots, next) = (trace.slots(), course.law.next);
    let mut then = vec![[0.0; 3]; slots + 1];
    let mut sends = Choices::new(&course);
    for to in (0..slots).rev() {
        let sent = next.map(|shares| expected(&shares, &then[to + 1]));
        for from in course.earliest(to)..=to {
            let (uploads, update, due) = (course.uploads(from, to), course.update(from, to), course.is_due(from, to));
            then[from] = core::array::from_fn(|level| {
                let send = uploads[level] + sent[level];
                let wait = update[level] + expected(&next[level], &then[from]);
                let sending = due || send <= wait;
                sends.set(&course, to, from, level, sending);
                if sending { send } else { wait }
            });
        }
    }
    let start = after(&course.law.first, &next);
    let (mut chosen, mut from) = (Vec::new(), 0);
    for (to, level) in course.law.bare.iter().enumerate() {
        if sends.get(&course, to, from, *level as usize) {
            chosen.push(to);
            from = to + 1;
        }
    }
    course.price(&chosen, MicroJoules(0), expected(&start, &then[0]))
}

/// States of one that does not see: the level last met, or nothing yet.
pub(crate) const NOTHING_YET: usize = 3;

/// What to expect so many slots after each level was met, and so many slots after the beginning.
pub(crate) struct Beliefs(Vec<[[f64; 3]; 4]>);

impl Beliefs {
    pub(crate) fn of(law: &Law, slots: usize) -> Self {
        let mut now = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], law.first];
        let ages = (0..=slots).map(|_| {
            let before = now;
            now = now.map(|shares| after(&shares, &law.next));
            before
        });
        Self(ages.collect())
    }

    pub(crate) fn after(&self, age: usize) -> &[[f64; 3]; 4] {
        &self.0[age]
    }
}

/// The slots before which the level was met last where the radio was up, plus one; 0 where it was not.
pub(crate) fn last_rides(trace: &Trace) -> Vec<usize> {
    let mut last = 0;
    let slots = trace.radio_up.iter().enumerate().map(|(slot, up)| {
        let before = last;
        last = if *up { slot + 1 } else { last };
        before
    });
    slots.collect()
}

/// The best that is told the level where it uploads or the radio is up, and nothing in between.
#[expect(clippy::needless_range_loop, reason = "a slot is a name here, not a place in one list")]
#[must_use]
pub fn blind(model: &Model, trace: &Trace) -> Informed {
    let course = Course::of(model, trace);
    let slots = trace.slots();
    let beliefs = Beliefs::of(&course.law, slots + 1);
    let rides = last_rides(trace);
    // When a level was met last, plus one, is when that was sent or the radio was up.
    let age = |from: usize, to: usize| to + 1 - from.max(rides[to]);
    let mut then = vec![[0.0; 4]; slots + 1];
    let mut sends = Choices::new(&course);
    for to in (0..slots).rev() {
        let sent = then[to + 1];
        for from in course.earliest(to)..=to {
            let (uploads, update, due) = (course.uploads(from, to), course.update(from, to), course.is_due(from, to));
            let sending: [f64; 3] = core::array::from_fn(|level| uploads[level] + sent[level]);
            let waiting = then[from];
            let met = |level: usize| due || sending[level] <= waiting[level];
            let best: [f64; 3] = core::array::from_fn(|level| if met(level) { sending[level] } else { waiting[level] });
            (0..3).filter(|_| trace.radio_up[to]).for_each(|level| sends.set(&course, to, from, level, met(level)));
            then[from] = core::array::from_fn(|state| {
                let shares = &beliefs.after(age(from, to))[state];
                if trace.radio_up[to] {
                    return expected(shares, &best);
                }
                let send = expected(shares, &sending);
                let wait = expected(shares, &update) + waiting[state];
                let chosen = due || send <= wait;
                sends.set(&course, to, from, state, chosen);
                if chosen { send } else { wait }
            });
        }
    }
    let (mut chosen, mut from, mut state) = (Vec::new(), 0, NOTHING_YET);
    for (to, level) in course.law.bare.iter().enumerate() {
        state = if trace.radio_up[to] { *level as usize } else { state };
        if sends.get(&course, to, from, state) {
            chosen.push(to);
            (from, state) = (to + 1, *level as usize);
        }
    }
    course.price(&chosen, MicroJoules(0), then[0][NOTHING_YET])
}
