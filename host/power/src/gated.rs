// SPDX-License-Identifier: Apache-2.0 OR MIT
//! [`crate::informed`] for a link that can look: the modem tells its level once it is awake, and the upload can be called off for the
//! price of waking. How long ago a level was met is reckoned at some ages, and straight between them.

use cairn::power::cost::{MicroJoules, Model};

use crate::{
    informed::{Beliefs, Course, Informed, NOTHING_YET, expected},
    traces::Trace,
};

/// Slots since a level was met.
const AGES: [usize; 20] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 2_688];

/// What is spent from a slot on: by how long ago a level was met, and which.
type Values = [[f64; 4]; AGES.len()];

/// A bit for each age and state: whether to look. After these, one for each level that is met: whether to upload there.
struct Choices(Vec<Vec<u128>>);

const MET: usize = 4 * AGES.len();

impl Choices {
    fn new(course: &Course<'_>) -> Self {
        Self((0..course.trace.slots()).map(|to| vec![0; to + 1 - course.earliest(to)]).collect())
    }

    fn set(&mut self, course: &Course<'_>, to: usize, from: usize, bits: u128) {
        self.0[to][from - course.earliest(to)] = bits;
    }

    fn get(&self, course: &Course<'_>, to: usize, from: usize, bit: usize) -> bool {
        self.0[to][from - course.earliest(to)] >> bit & 1 == 1
    }
}

/// What `then` says a slot after each age.
fn a_slot_later(then: &Values, age: usize, state: usize) -> f64 {
    let Some(after) = then.get(age + 1) else { return then[age][state] };
    let share = 1.0 / (AGES[age + 1] - AGES[age]) as f64;
    then[age][state] + share * (after[state] - then[age][state])
}

/// The best that is told the level where it looks, where it uploads and where the radio is up.
#[expect(clippy::needless_range_loop, reason = "a slot is a name here, not a place in one list")]
#[must_use]
pub fn gated(model: &Model, trace: &Trace) -> Informed {
    let course = Course::of(model, trace);
    let slots = trace.slots();
    let beliefs = Beliefs::of(&course.law, slots + 1);
    let mut then = vec![[[0.0; 4]; AGES.len()]; slots + 1];
    let mut choices = Choices::new(&course);
    for to in (0..slots).rev() {
        let sent: [f64; 3] = core::array::from_fn(|level| then[to + 1][0][level]);
        let looks = [0, 1, 2].map(|level| course.look(to, level).0 as f64);
        let up = trace.radio_up[to];
        for from in course.earliest(to)..=to {
            let (uploads, update, due) = (course.uploads(from, to), course.update(from, to), course.is_due(from, to));
            let waiting = then[from];
            let sending: [f64; 3] = core::array::from_fn(|level| uploads[level] + sent[level]);
            let back = |level: usize| waiting[0][level] + if up { 0.0 } else { looks[level] + update[level] };
            let met = |level: usize| due || sending[level] <= back(level);
            let best: [f64; 3] = core::array::from_fn(|level| if met(level) { sending[level] } else { back(level) });
            let mut bits = (0..3).map(|level| u128::from(met(level)) << (MET + level)).sum::<u128>();
            for age in 0..AGES.len() {
                for state in 0..4 {
                    let shares = &beliefs.after(AGES[age].min(slots))[state];
                    let awake = expected(shares, &best);
                    let wait = expected(shares, &update) + a_slot_later(&waiting, age, state);
                    let looking = due || up || awake <= wait;
                    bits |= u128::from(looking) << (4 * age + state);
                    then[from][age][state] = if looking { awake } else { wait };
                }
            }
            choices.set(&course, to, from, bits);
        }
    }
    let (mut chosen, mut from, mut state, mut met, mut looked) = (Vec::new(), 0, NOTHING_YET, 0, MicroJoules(0));
    for (to, level) in course.law.bare.iter().enumerate() {
        let level = *level as usize;
        let age = AGES.partition_point(|age| *age <= to + 1 - met) - 1;
        if !choices.get(&course, to, from, 4 * age + state) && !trace.radio_up[to] {
            continue;
        }
        (state, met) = (level, to + 1);
        if choices.get(&course, to, from, MET + level) {
            chosen.push(to);
            from = to + 1;
        } else if !trace.radio_up[to] {
            looked = looked.plus(course.look(to, level));
        }
    }
    course.price(&chosen, looked, then[0][0][NOTHING_YET])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        informed::{blind, seen},
        optimum::optimum,
        traces::TUNING_SEEDS,
    };

    #[test]
    fn who_is_told_more_is_expected_to_spend_less_and_nobody_less_than_the_optimum() {
        let model = Model::DEFAULT;
        let (mut drawn, mut count) = ([0.0; 3], 0);
        for trace in TUNING_SEEDS.step_by(17).map(Trace::of) {
            let best = optimum(&model, &trace);
            let informed = [seen, gated, blind].map(|scheme| scheme(&model, &trace));
            for (sum, informed) in drawn.iter_mut().zip(&informed) {
                assert!(informed.priced.late == 0 && informed.priced.energy >= best.energy, "seed {}", trace.seed);
                *sum += informed.priced.energy.0 as f64 / informed.expected_uj;
            }
            // Values between ages are a little off.
            let [seen, gated, blind] = informed.map(|informed| informed.expected_uj);
            assert!(seen <= gated * 1.002 && gated <= blind * 1.002, "seed {}: {seen} {gated} {blind}", trace.seed);
            count += 1;
        }
        for sum in drawn {
            let mean = sum / f64::from(count);
            assert!((0.9..1.1).contains(&mean), "{mean} of what was expected was spent");
        }
    }
}
