// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the product does with its days: readings of a counter, logs, urgent events, somebody who rattles, its own use of the radio.
//! An endless, ordered stream of events, the same for every strategy. [`crate::life`] hands them to the agent.

use std::vec::IntoIter;

use cairn::record::{Kind, Priority};

use crate::{
    battery::DAYS_PER_YEAR,
    coverage::DAY_MS,
    scenario::{self, Scenario, millis},
    traces::Dice,
};

/// How exact the timer of a product is that reads its counter, milliseconds.
const READING_JITTER_MS: u64 = 5;
/// Somebody rattles for so long.
const RATTLE_MS: u64 = 60_000;

/// Something that the product does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Milliseconds from the beginning of the life.
    pub at: u64,
    /// What.
    pub what: What,
}

/// What the product does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Hands over a record.
    Record {
        /// Its kind.
        kind: Kind,
        /// How pressing it is.
        priority: Priority,
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// Uses the radio itself.
    Radio,
}

/// The stream of events.
#[derive(Clone, Debug)]
pub struct Product {
    told: scenario::Product,
    seed: u64,
    day: u64,
    counter: u32,
    today: IntoIter<Event>,
    next_radio: u64,
}

impl Product {
    /// The product of `scenario`, from its first day on.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let (told, seed) = (scenario.product, scenario.seed);
        let mut dice = Dice::new(seed ^ 0x5eed_0000_0001);
        let next_radio = dice.below(millis(told.radio_every_hours * 3600.0).0.max(1));
        let mut product = Self { told, seed, day: 0, counter: 1000, today: Vec::new().into_iter(), next_radio };
        product.today = product.make_day(0).into_iter();
        product
    }

    /// When the next event is; never for a product that does nothing.
    #[must_use]
    pub fn next_at(&mut self) -> u64 {
        let nothing = self.told.readings_per_day == 0
            && self.told.logs_per_day == 0
            && self.told.urgent_per_day == 0.0
            && self.told.rattles_per_year == 0.0
            && self.told.radio_every_hours == 0.0;
        while self.today.as_slice().is_empty() && !nothing {
            self.day += 1;
            self.today = self.make_day(self.day).into_iter();
        }
        self.today.as_slice().first().map_or(u64::MAX, |event| event.at)
    }

    /// Takes the next event if it is at `now` or before.
    pub fn take(&mut self, now: u64) -> Option<Event> {
        if self.next_at() <= now { self.today.next() } else { None }
    }

    fn make_day(&mut self, day: u64) -> Vec<Event> {
        let mut dice = Dice::new(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ day);
        let began = day * DAY_MS;
        let mut events = Vec::new();
        for reading in 0..u64::from(self.told.readings_per_day) {
            let at = began + reading * DAY_MS / u64::from(self.told.readings_per_day) + dice.below(READING_JITTER_MS);
            self.counter = self.counter.wrapping_add(1 + count(dice.below(self.told.counter_step_max.into())));
            events.push(record(at, Kind::READING, Priority::Routine, unsigned(self.counter)));
        }
        for log in 0..u64::from(self.told.logs_per_day) {
            let at = began + (2 * log + 1) * DAY_MS / u64::from(2 * self.told.logs_per_day);
            let payload = (0..self.told.log_bytes).map(|_| dice.draw().to_le_bytes()[0]).collect();
            events.push(record(at, Kind(Kind::FIRST_APPLICATION.0), Priority::Bulk, payload));
        }
        for at in at_random(&mut dice, self.told.urgent_per_day) {
            let code = unsigned(count(dice.below(8)));
            events.push(record(began + at, Kind::EVENT, Priority::Urgent, code));
        }
        for at in at_random(&mut dice, self.told.rattles_per_year / DAYS_PER_YEAR) {
            for _ in 0..self.told.rattle_events {
                let at = began + at + dice.below(RATTLE_MS);
                events.push(record(at, Kind::EVENT, Priority::Urgent, unsigned(9)));
            }
        }
        self.use_radio(began + DAY_MS, &mut dice, &mut events);
        events.sort_by_key(|event| event.at);
        events
    }

    /// About every so many hours, up to an hour late.
    fn use_radio(&mut self, end: u64, dice: &mut Dice, events: &mut Vec<Event>) {
        let every = millis(self.told.radio_every_hours * 3600.0).0;
        while every > 0 && self.next_radio < end {
            let late = dice.below(3_600_000.min(every / 4 + 1));
            events.push(Event { at: (self.next_radio + late).min(end - 1), what: What::Radio });
            self.next_radio += every;
        }
    }
}

fn count(value: u64) -> u32 {
    u32::try_from(value).expect("below a count")
}

fn record(at: u64, kind: Kind, priority: Priority, payload: Vec<u8>) -> Event {
    Event { at, what: What::Record { kind, priority, payload } }
}

/// Times of a day at which something happens that comes `mean` times a day: a Poisson process.
fn at_random(dice: &mut Dice, mean: f64) -> Vec<u64> {
    let mut times = Vec::new();
    if mean <= 0.0 {
        return times;
    }
    let mut at = millis(exponential(dice) / mean * 86_400.0).0;
    while at < DAY_MS - RATTLE_MS {
        times.push(at);
        at += millis(exponential(dice) / mean * 86_400.0).0.max(1);
    }
    times
}

/// Evenly between 0 and 1, never 0.
pub(crate) fn even(dice: &mut Dice) -> f64 {
    ((dice.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// An exponential waiting time of mean 1.
pub(crate) fn exponential(dice: &mut Dice) -> f64 {
    -libm::log(even(dice))
}

/// A CBOR unsigned integer (RFC 8949, 3), as short as can be.
fn unsigned(value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    match value {
        0..24 => vec![bytes[3]],
        24..0x100 => vec![0x18, bytes[3]],
        0x100..0x1_0000 => vec![0x19, bytes[2], bytes[3]],
        _ => [&[0x1a], &bytes[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(rows: &str) -> Product {
        let text = format!(
            "name='t'\nabout='t'\ndays=30\n[battery]\nmah=1000\nvolts=3\nusable=1\n[coverage]\nlevel=1\n[product]\nupload='data'\n{rows}"
        );
        Product::of(&Scenario::parse(&text).unwrap())
    }

    fn days(product: &mut Product, days: u64) -> Vec<Event> {
        core::iter::from_fn(|| product.take(days * DAY_MS - 1)).collect()
    }

    #[test]
    fn events_come_in_order_and_as_often_as_they_are_said_to() {
        let mut lock = product("readings_per_day=96\nlogs_per_day=1\nurgent_per_day=20\nradio_every_hours=6");
        let events = days(&mut lock, 1000);
        assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
        let of = |wanted: Priority| {
            let is = |event: &&Event| matches!(event.what, What::Record { priority, .. } if priority == wanted);
            events.iter().filter(is).count()
        };
        assert_eq!((of(Priority::Routine), of(Priority::Bulk)), (96_000, 1000));
        assert!((19_300..20_700).contains(&of(Priority::Urgent)), "{}", of(Priority::Urgent));
        let radio = events.iter().filter(|event| event.what == What::Radio).count();
        assert!((3_998..=4_000).contains(&radio), "{radio}");
    }

    #[test]
    fn a_product_that_does_nothing_never_does() {
        let mut nothing = product("");
        assert_eq!((nothing.next_at(), nothing.take(u64::MAX - 1)), (u64::MAX, None));
    }

    #[test]
    fn a_rattle_is_many_urgent_events_within_a_minute() {
        let events = days(&mut product("rattles_per_year=50\nrattle_events=40"), 100);
        assert!(events.len() >= 40 && events.len().is_multiple_of(40), "{}", events.len());
        assert!(events.chunks(40).all(|rattle| rattle[39].at - rattle[0].at <= 2 * RATTLE_MS));
    }
}
