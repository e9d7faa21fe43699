// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When to upload what is not urgent: what it costs now, and what the time after it is worth, against the same later, up to the
//! deadline. An optimal stopping problem, solved backwards over a few steps; docs/power.md has the recurrence. [`super::scheduler`]
//! asks, [`super::worth`] learns from the same what is worth how much; nothing here remembers anything.
//!
//! Integers only. Energies are counted in units of 128 microjoules, of which 100 J times [`CERTAIN`] fit an i32 with a sign and a
//! factor of two; times in ticks, 64 an hour.

use super::{
    cost::CoverageLevel,
    coverage::{ByPart, CERTAIN, Coverage, PART_MS, PARTS, Shares, part_of},
};
use crate::time::Millis;

/// Steps that the time to the deadline is cut into.
pub const STEPS: usize = 10;

/// Microjoules of one unit of energy here.
const UNIT_UJ: u32 = 128;
/// No energy is reckoned higher: 100 J.
const MOST: i32 = 100_000_000 / 128;
/// Milliseconds of a tick.
const TICK_MS: u32 = 3_600_000 / 64;
/// Ticks of an hour.
const HOUR: u32 = 64;
/// A deadline further away than 40 days is planned for as if it were there.
const FURTHEST: u32 = 40 * 24 * HOUR;
/// A part of the day, in ticks.
const PART: u32 = 3 * HOUR;
const _: () = assert!(PARTS == 8 && PART as u64 * TICK_MS as u64 == PART_MS);
/// What is not better by more than this share of an upload's cost, a power of two, is no reason to upload before it is due.
const DOUBT_SHIFT: u32 = 5;
/// What comes again more often than this until the deadline is reckoned with in groups: each takes instructions.
const OCCASIONS: u32 = 128;
/// More bytes than these are not reckoned with.
const BYTES_MAX: u32 = 50_000;

/// What is known of the link before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing but what earlier exchanges reported: once begun, an exchange is made at whatever level there is.
    Blind,
    /// The modem reports its level once it is awake, and an exchange can be called off then, for the price of waking.
    Gated,
    /// The level is known at all times and for nothing.
    Seen,
}

/// What things cost at each level, microjoules.
#[derive(Clone, Copy, Debug)]
pub struct Prices {
    /// A wake, without what is carried.
    pub fixed: [u32; 3],
    /// An exchange without records.
    pub exchange: [u32; 3],
    /// A byte of records.
    pub byte: [u32; 3],
    /// Waking and looking: a part of `fixed`.
    pub look: [u32; 3],
    /// A tracking area update.
    pub tau: [u32; 3],
}

/// Bytes of records in one exchange; more go in another, in the same wake.
const RECORDS_PER_EXCHANGE: u32 = 800;

impl Prices {
    fn carried(&self, bytes: u32) -> ByLevel {
        let bytes = bytes.min(BYTES_MAX);
        let exchanges = bytes.div_ceil(RECORDS_PER_EXCHANGE).max(1);
        core::array::from_fn(|level| {
            let of = |prices: &[u32; 3]| prices.get(level).copied().unwrap_or_default();
            units(of(&self.byte).saturating_mul(bytes).saturating_add(of(&self.exchange).saturating_mul(exchanges)))
        })
    }
}

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct Outlook<'a> {
    /// The time now.
    pub now: Millis,
    /// When the upload is due.
    pub deadline: Millis,
    /// What the link tells.
    pub sight: Sight,
    /// The level last reported.
    pub level: CoverageLevel,
    /// How long ago that was.
    pub age: Millis,
    /// What was learned of coverage.
    pub coverage: &'a Coverage,
    /// What of it is to be expected by time of day.
    pub by_part: &'a ByPart,
    /// What things cost.
    pub prices: &'a Prices,
    /// Bytes of records that wait.
    pub bytes: u32,
    /// Bytes of records that come in an hour.
    pub bytes_per_hour: u32,
    /// What it costs more than the mean to go on from each part of the day and each level, after an upload.
    pub onward: &'a [ByLevel; PARTS],
    /// What everything costs on the mean over time, 256ths of a unit an hour: putting an upload off puts off all that follow.
    pub pace: u32,
    /// How probable it is in an hour that something urgent is sent and takes this along, in 1024ths.
    pub taken_along_per_hour: u32,
    /// The radio is up now.
    pub riding: bool,
    /// When the radio is expected to be up anyway, from now: first, until when it may be late, and how often after that.
    pub rides: Option<Recurring>,
    /// When a tracking area update is due unless something is sent before, from now, and how often after that.
    pub tau: Option<(Millis, Millis)>,
    /// How much before each step but the last the plan's own lies, 1024ths of the time between: devices that plan from the same time for
    /// the same reasons do not all choose the same minute.
    pub ahead: u32,
}

/// What comes again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurring {
    /// How long until it is expected.
    pub first: Millis,
    /// How much later it may be.
    pub late: Millis,
    /// From one to the next.
    pub interval: Millis,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Upload now.
    Now,
    /// Look again then, or upload then.
    At(Millis),
}

/// Energies at the three levels.
pub type ByLevel = [i32; 3];

fn units(energy_uj: u32) -> i32 {
    (energy_uj / UNIT_UJ).cast_signed().min(MOST)
}

pub(super) fn ticks(time: Millis) -> u32 {
    u32::try_from(time.0).unwrap_or(u32::MAX) / TICK_MS
}

impl Outlook<'_> {
    /// Whether to upload now, and otherwise when to look or to upload. `level` with age 0 is what the modem just reported: then
    /// its waking is paid for.
    #[must_use]
    #[inline(never)]
    pub fn plan(&self) -> Plan {
        let slack = self.deadline.since(self.now);
        if slack.0 < u64::from(TICK_MS) {
            return Plan::Now;
        }
        let mut table = Table::new(self);
        table.fill(self, ticks(slack).clamp(1, FURTHEST));
        let usual = self.by_part.of(part_of(Millis(self.coverage.of_day(self.now.since(self.age)))));
        let blind = self.sight == Sight::Blind;
        let doubt = blind.then(|| table.row(STEPS).upload.map(|upload| upload >> DOUBT_SHIFT));
        let (waiting, best) = table.wait(0, [0; 3], usual, doubt.as_ref());
        let (waiting, best) = (at(waiting, self.level), best.get(self.level as usize).copied().unwrap_or(STEPS));
        let row = table.row(0);
        let now = if self.riding {
            at(row.ride, self.level)
        } else if self.age.0 == 0 && self.sight != Sight::Blind {
            at(row.upload, self.level) - at(table.look, self.level)
        } else {
            let awake = table.awake(0);
            let row = Row { awake, mean: mean(row.shares, awake), ..*row };
            at(row.expect([0; 3], usual), self.level) + at(doubt.unwrap_or_default(), self.level)
        };
        if now <= waiting { Plan::Now } else { Plan::At(self.then(&table, best)) }
    }

    fn then(&self, table: &Table, step: usize) -> Millis {
        let row = table.row(step);
        let late = if row.rides { self.rides.map_or(0, |rides| rides.late.0) } else { 0 };
        let at = self.now.after(Millis(u64::from(row.offset) * u64::from(TICK_MS) + late));
        if step == STEPS { self.deadline } else { at.min(self.deadline) }
    }

    /// What is to be expected from now on, at each level, when the upload before was made just now and there.
    #[must_use]
    #[inline(never)]
    pub fn after_an_upload(&self) -> ByLevel {
        let mut table = Table::new(self);
        table.fill(self, ticks(self.deadline.since(self.now)).clamp(1, FURTHEST));
        let usual = table.row(0).shares;
        table.wait(0, [0; 3], usual, None).0
    }
}

/// What holds at one step, whatever was decided before it.
#[derive(Clone, Copy, Default)]
struct Row {
    /// From now, ticks.
    offset: u32,
    /// The radio is expected to be up anyway by then.
    rides: bool,
    /// What waiting for it saves, less the tracking area updates until then.
    saved: i32,
    /// What an upload costs, and what comes after it; and where the radio is up anyway.
    upload: ByLevel,
    ride: ByLevel,
    /// What it is worth to be awake then, and the mean of that.
    awake: ByLevel,
    mean: i32,
    /// What to expect where nothing newer is known.
    shares: Shares,
    /// Changes of each level to be expected since long ago, 1024ths.
    changes: [u32; 3],
    /// How probable it is that nothing urgent took it along, 1024ths.
    left: i32,
}

impl Row {
    /// What it is expected to be worth to be awake then, by the level that was seen: what is usual by then, and of what was unusual
    /// about the level what is still left of it.
    #[inline(always)]
    fn expect(&self, seen: [u32; 3], usual: Shares) -> [i32; 3] {
        let [ce0, ce1, ce2] = self.awake;
        let (least, most) = (ce0.min(ce1).min(ce2), ce0.max(ce1).max(ce2));
        let before = mean(usual, self.awake);
        let mut expected = self.awake;
        for ((value, changes), seen) in expected.iter_mut().zip(self.changes).zip(seen) {
            let stays = exp_minus(changes.saturating_sub(seen)).cast_signed();
            *value = (self.mean + (((*value - before) * stays) >> 10)).clamp(least, most);
        }
        expected
    }
}

/// All that does not depend on where one is in the recurrence, and what it is worth to be awake at each step.
struct Table {
    rows: [Row; STEPS + 1],
    look: ByLevel,
    sight: Sight,
}

impl Table {
    #[inline(always)]
    fn new(outlook: &Outlook<'_>) -> Self {
        let look = if outlook.sight == Sight::Gated { outlook.prices.look.map(units) } else { [0; 3] };
        Self { rows: [Row::default(); STEPS + 1], look, sight: outlook.sight }
    }

    #[inline(never)]
    fn fill(&mut self, outlook: &Outlook<'_>, slack: u32) {
        self.lay_out(outlook, slack);
        for step in (1..=STEPS).rev() {
            let (awake, shares) = (self.awake(step), self.row(step).shares);
            if let Some(row) = self.rows.get_mut(step) {
                (row.awake, row.mean) = (awake, mean(shares, awake));
            }
        }
    }

    fn lay_out(&mut self, outlook: &Outlook<'_>, slack: u32) {
        let Outlook { prices, onward, coverage, .. } = outlook;
        let rates = CoverageLevel::ALL.map(|level| coverage.changes_per_tick(level));
        let age = ticks(outlook.age).min(1 << 15);
        let of_day = ticks(Millis(coverage.of_day(outlook.now)));
        let (fixed, tau_price) = (prices.fixed.map(units), prices.tau.map(units));
        let shortest = (slack / OCCASIONS).max(1);
        let mut ride = outlook.rides.map(|rides| (ticks(rides.first), ticks(rides.interval).max(shortest)));
        let mut tau = outlook.tau.map(|(due, period)| (ticks(due), ticks(period).max(shortest)));
        let grouped = outlook.tau.map_or(1, |(_, period)| (shortest / ticks(period).max(1)).max(1)).cast_signed();
        let (mut updates, mut before) = (0, 0);
        for (step, row) in self.rows.iter_mut().enumerate() {
            let there = offset(slack, step);
            let ahead = if step < STEPS { outlook.ahead } else { 0 };
            let offset = there - (((there - before) * ahead) >> 10);
            before = there;
            let part = ((of_day + offset) / PART) as usize % PARTS;
            row.offset = offset;
            row.shares = outlook.by_part.of(part);
            let update = mean(row.shares, tau_price).saturating_mul(grouped).min(MOST);
            loop {
                match (ride, tau) {
                    (Some((at, interval)), due) if at <= offset && due.is_none_or(|(due, _)| at <= due) => {
                        row.rides = step > 0;
                        ride = Some((at + interval, interval));
                        tau = due.map(|(_, period)| (at + period, period));
                    }
                    (_, Some((due, period))) if due < offset => {
                        updates = (updates + update).min(MOST);
                        tau = Some((due + period, period));
                    }
                    _ => break,
                }
            }
            let saved = i32::try_from((u64::from(outlook.pace) * u64::from(offset)) >> 14).unwrap_or(MOST);
            row.saved = saved.min(MOST) - updates;
            let carried = prices.carried(outlook.bytes + (outlook.bytes_per_hour.min(1 << 16) * offset / HOUR));
            let onward = onward.get(part).copied().unwrap_or_default();
            row.ride = sum(carried, onward);
            row.upload = sum(row.ride, fixed);
            row.changes = rates.map(|rate| ((rate * age) >> 10) + ((rate * offset.min(1 << 15)) >> 10));
            // One over one plus x. The rate is a guess anyway.
            let taken = outlook.taken_along_per_hour.min(CERTAIN) * offset / HOUR;
            row.left = (CERTAIN * CERTAIN / (CERTAIN + taken)).cast_signed();
        }
    }

    fn row(&self, step: usize) -> &Row {
        let [.., last] = &self.rows;
        self.rows.get(step).unwrap_or(last)
    }

    /// What it costs from step `step` on, at each level, with the modem awake for an upload.
    fn awake(&self, step: usize) -> ByLevel {
        let row = self.row(step);
        let mut awake = row.upload;
        if step == STEPS || (self.sight == Sight::Blind && !row.rides) {
            return awake;
        }
        let (waiting, _) = self.wait(step, row.changes, row.shares, None);
        if self.sight != Sight::Blind {
            for ((awake, waiting), look) in awake.iter_mut().zip(waiting).zip(self.look) {
                *awake = (*awake).min(waiting + look);
            }
        }
        if row.rides {
            for ((awake, waiting), ride) in awake.iter_mut().zip(waiting).zip(row.ride) {
                // Once in sixteen the radio does not come up.
                *awake += ride.min(waiting).min(*awake).saturating_sub(*awake) / 16 * 15;
            }
        }
        awake
    }

    /// The least that can be expected when nothing is done at step `from`, by the level that was seen, so many changes after long ago,
    /// when it was usual as in `usual`; and at which step to look next. What is not better than the last step by more than `doubt` is no
    /// reason to act before it.
    fn wait(&self, from: usize, seen: [u32; 3], usual: Shares, doubt: Option<&ByLevel>) -> ([i32; 3], [usize; 3]) {
        let (mut least, mut best) = ([i32::MAX; 3], [STEPS; 3]);
        let start = self.row(from);
        for (to, row) in self.rows.iter().enumerate().skip(from + 1) {
            // The step after the next, or the last: to try them all takes three times as long.
            if self.sight == Sight::Gated && to != STEPS && to != from + 2 && !row.rides {
                continue;
            }
            let mut saved = row.saved - start.saved;
            if row.left < start.left {
                // Until it is taken along, or for the whole time: the middle.
                saved = share(saved, (ONE + row.left * ONE / start.left.max(1)) / 2);
            }
            let mut expected = row.expect(seen, usual);
            if let Some(doubt) = doubt
                && to != STEPS
                && !row.rides
            {
                expected.iter_mut().zip(doubt).for_each(|(expected, doubt)| *expected += doubt);
            }
            for ((least, best), expected) in least.iter_mut().zip(&mut best).zip(expected) {
                if expected - saved < *least {
                    (*least, *best) = (expected - saved, to);
                }
            }
            // Where the level is told for nothing, what comes after is decided there.
            if row.rides || self.sight == Sight::Seen {
                break;
            }
        }
        (least.map(|least| least.clamp(-MOST, MOST)), best)
    }
}

/// Where a step lies, in ticks: evenly, where the parts of the day are told apart that way; or close together in the first day and in
/// the last, and wide between.
fn offset(slack: u32, step: usize) -> u32 {
    const FIRST: [u32; 5] = [0, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR];
    const LAST: u32 = 18 * HOUR;
    let step_32 = u32::try_from(step).unwrap_or_default();
    let steps = u32::try_from(STEPS).unwrap_or(1);
    if slack <= 48 * HOUR {
        return slack * step_32 / steps;
    }
    match FIRST.get(step) {
        Some(offset) => *offset,
        None if step + 3 >= STEPS => slack - (steps - step_32) * LAST / 3,
        None => 24 * HOUR + (slack - 24 * HOUR - LAST) * (step_32 - 4) / (steps - 7),
    }
}

/// [`CERTAIN`], signed.
const ONE: i32 = CERTAIN as i32;

fn at(energies: ByLevel, level: CoverageLevel) -> i32 {
    let [ce0, ce1, ce2] = energies;
    match level {
        CoverageLevel::Ce0 => ce0,
        CoverageLevel::Ce1 => ce1,
        CoverageLevel::Ce2 => ce2,
    }
}

fn sum(mut energies: ByLevel, more: ByLevel) -> ByLevel {
    energies.iter_mut().zip(more).for_each(|(energy, more)| *energy = (*energy + more).clamp(-MOST, MOST));
    energies
}

/// So many 1024ths of `energy`.
fn share(energy: i32, of: i32) -> i32 {
    (energy.clamp(-MOST, MOST) * of) >> 10
}

/// The mean of energies, none above [`MOST`]: times shares that sum to [`CERTAIN`], they fit.
pub(super) fn mean([low, middle, high]: Shares, [ce0, ce1, ce2]: ByLevel) -> i32 {
    let part = |share: u32, energy: i32| share.cast_signed() * energy;
    (part(low, ce0) + part(middle, ce1) + part(high, ce2)) >> 10
}

/// 1024 times e to the minus `x` 1024ths: a table in sixteenths, straight between.
fn exp_minus(x: u32) -> u32 {
    const TABLE: [u16; 66] = [
        1024, 962, 904, 849, 797, 749, 704, 661, 621, 583, 548, 515, 484, 454, 427, 401, 377, 354, 332, 312, 293, 276,
        259, 243, 228, 215, 202, 189, 178, 167, 157, 148, 139, 130, 122, 115, 108, 101, 95, 89, 84, 79, 74, 70, 65, 61,
        58, 54, 51, 48, 45, 42, 40, 37, 35, 33, 31, 29, 27, 26, 24, 23, 21, 20, 19, 18,
    ];
    let (index, rest) = ((x / 64) as usize, x % 64);
    match (TABLE.get(index), TABLE.get(index + 1)) {
        (Some(low), Some(high)) => u32::from(*low) - (u32::from(*low) - u32::from(*high)) * rest / 64,
        _ => 0,
    }
}
