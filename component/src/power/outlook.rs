// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When to upload what is not urgent: the energy of doing it now against the expected energy of waiting, up to the deadline.
//! An optimal stopping problem, solved backwards over a few steps by [`Outlook::plan`]; docs/power.md has the recurrence.
//! [`super::schedule`] asks; nothing here remembers anything.
//!
//! Integers only. Energies are counted in units of 64 microjoules, which an i32 takes times [`CERTAIN`] up to 100 J.

use super::{
    cost::{CoverageLevel, MicroJoules},
    coverage::{ByPart, CERTAIN, Coverage, PART_MS, PARTS, Shares, part_of},
};
use crate::time::Millis;

/// Steps that the time to the deadline is cut into.
pub const STEPS: usize = 10;

/// Microjoules of one unit of energy here.
const UNIT_UJ: u64 = 64;
/// Nanowatts of one unit in a millisecond.
const NANOWATTS_PER_UNIT_MS: i64 = UNIT_UJ as i64 * 1_000_000;
/// No energy is reckoned higher: 100 J. Times [`CERTAIN`] it still fits.
const MOST: i32 = 100_000_000 / 64;
/// The same, unsigned.
const ENERGY_MAX: u64 = MOST.unsigned_abs() as u64;
/// Steps grow: the last ends after so many of the first.
const SQUARE: u32 = 100;
const _: () = assert!(SQUARE as usize == STEPS * STEPS && ENERGY_MAX * UNIT_UJ == 100_000_000);
/// The longest first step: a deadline further away than 40 days is planned for as if it were there.
const UNIT_MAX_MS: u64 = 40 * 24 * 3_600_000 / SQUARE as u64;

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

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct Outlook<'a> {
    /// The time now.
    pub now: Millis,
    /// When the upload is due.
    pub deadline: Millis,
    /// How long the records after these may wait.
    pub patience: Millis,
    /// What the link tells.
    pub sight: Sight,
    /// The level last reported, and how long ago.
    pub level: CoverageLevel,
    /// How long ago that was.
    pub age: Millis,
    /// What was learned of coverage.
    pub coverage: &'a Coverage,
    /// What an upload now costs at each level.
    pub upload: [i64; 3],
    /// What it costs more for each hour that it is put off, because there is more to send by then.
    pub growth_per_hour: [i64; 3],
    /// What an upload costs at each level without its records.
    pub fixed: [MicroJoules; 3],
    /// What waking and looking costs at each level. It is part of `upload`.
    pub look: [MicroJoules; 3],
    /// What all uploads cost on the mean over time, nanowatts: putting one off puts off all that follow, and saves so much.
    pub mean_nw: u64,
    /// How probable it is in an hour that something urgent is sent and takes this along, in 1024ths.
    pub taken_along_per_hour: u32,
    /// What an upload costs at each level where the radio is up anyway.
    pub ride: [i64; 3],
    /// The radio is up now.
    pub riding: bool,
    /// Between which times the radio is expected to be up anyway.
    pub next_ride: Option<(Millis, Millis)>,
    /// When a tracking area update is due unless something is sent before; it would cost so much at each level.
    pub tau: Option<(Millis, [MicroJoules; 3])>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Upload now.
    Now,
    /// Look again then, or upload then.
    At(Millis),
}

/// A plan, and what it says of the mean of all uploads over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// What to do.
    pub plan: Plan,
    /// By how many nanowatts the mean is too low.
    pub wrong_nw: i64,
    /// Between which bounds it lies: every upload made when it is due, at the best level and with nothing in it, or at whatever level
    /// there is.
    pub bounds_nw: (u64, u64),
}

/// Energies at the three levels.
type ByLevel = [i32; 3];

fn units(energy: MicroJoules) -> i32 {
    i32::try_from((energy.0 / UNIT_UJ).min(ENERGY_MAX)).unwrap_or(i32::MAX)
}

fn signed_units(energy: i64) -> i32 {
    let magnitude = units(MicroJoules(energy.unsigned_abs()));
    if energy < 0 { -magnitude } else { magnitude }
}

impl Outlook<'_> {
    /// Whether to upload now, and otherwise when to look or to upload. `level` with age 0 is what the modem just reported: then
    /// its waking is paid for.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.weigh().plan
    }

    /// [`Outlook::plan`], and by how many nanowatts the mean is wrong, when it is asked at the beginning of a cycle: what is expected
    /// to be spent less what is saved by waiting, over the time that is waited at least (Newton's step; Dinkelbach 1967).
    #[must_use]
    pub fn weigh(&self) -> Weighed {
        let slack = self.deadline.since(self.now);
        if slack.0 < u64::from(SQUARE) {
            return Weighed { plan: Plan::Now, wrong_nw: 0, bounds_nw: (0, u64::MAX) };
        }
        let table = Table::of(self, slack);
        let mut value = [[0; 3]; STEPS + 1];
        for at in (1..=STEPS).rev() {
            let then = self.awake_at(&table, &value, at);
            if let Some(value) = value.get_mut(at) {
                *value = then;
            }
        }
        let (waiting, best) = table.wait(&value, 0, table.now);
        let row = table.row(0);
        let now = if self.riding {
            at(self.ride.map(signed_units), self.level) + row.after
        } else if self.age.0 == 0 && self.sight != Sight::Blind {
            at(row.upload, self.level) - at(table.look, self.level) + row.after
        } else {
            let then = self.awake_at(&table, &value, 0);
            let looked = core::array::from_fn(|level| {
                then.get(level).copied().unwrap_or_default() + table.look.get(level).copied().unwrap_or_default()
            });
            mean(Table::mix(row, table.now), looked)
        };
        let (plan, waited) = if now <= waiting {
            (Plan::Now, table.row(1).offset)
        } else {
            let offset = table.row(best).offset;
            (Plan::At(self.now.after(offset)), offset)
        };
        let more = now.min(waiting);
        let over = if more > 0 { waited } else { slack };
        let over = i64::try_from(over.0.max(1)).unwrap_or(i64::MAX);
        let wrong_nw = i64::from(more) * NANOWATTS_PER_UNIT_MS / over;
        Weighed { plan, wrong_nw, bounds_nw: table.bounds_nw(self.fixed.map(units), slack) }
    }

    /// What it costs from step `step` on, at each level, with the modem just awake.
    fn awake_at(&self, table: &Table, value: &[ByLevel; STEPS + 1], step: usize) -> ByLevel {
        let row = table.row(step);
        CoverageLevel::ALL.map(|level| {
            let upload = at(row.upload, level) - at(table.look, level) + row.after;
            if step == STEPS || self.sight == Sight::Blind {
                return upload;
            }
            let (waiting, _) = table.wait(value, step, Known { level, changes: at3(row.changes, level) });
            waiting.min(upload)
        })
    }
}

/// A level, and how many changes of it were to be expected up to when it was seen: 1024ths.
#[derive(Clone, Copy)]
struct Known {
    level: CoverageLevel,
    changes: u32,
}

/// What holds at one step, whatever was decided before it.
#[derive(Clone, Copy)]
struct Row {
    /// From now.
    offset: Millis,
    /// What waiting for it saves.
    saved: i32,
    upload: ByLevel,
    /// What the upload after this one is expected to cost more than when this one were made at the best time of day.
    after: i32,
    /// What is to be expected where nothing newer is known.
    expect: Shares,
    /// Changes of each level to be expected since long ago, 1024ths.
    changes: [u32; 3],
    /// What is still to be sent, 1024ths: nothing urgent took it along; and the radio was not up either.
    left: i32,
    not_ridden: i32,
}

/// All that does not depend on where one is in the recurrence, computed once.
struct Table {
    rows: [Row; STEPS + 1],
    parts: ByPart,
    ride: ByLevel,
    look: ByLevel,
    /// When a tracking area update comes in between, and what it costs.
    tau: Option<(Millis, ByLevel)>,
    now: Known,
}

impl Table {
    fn of(outlook: &Outlook<'_>, slack: Millis) -> Self {
        let parts = outlook.coverage.by_part();
        let after = Self::afterwards(outlook, &parts);
        // Everything grows with the square of the step, in units of the first: divided once, in 64 bits, and multiplied after.
        let unit = Millis((slack.0 / u64::from(SQUARE)).min(UNIT_MAX_MS));
        let unit_ms = u32::try_from(unit.0).unwrap_or(u32::MAX);
        let saved = units(MicroJoules(outlook.mean_nw.min(1 << 33) * unit.0 / 1_000_000 * u64::from(SQUARE)));
        let hours = i64::from(unit_ms);
        let growth = outlook
            .growth_per_hour
            .map(|growth| signed_units(growth.clamp(-(1 << 32), 1 << 32) * hours / 3_600_000 * i64::from(SQUARE)));
        // Changes are counted from when the level was seen, in 1024ths of one; 16ths of that for the unit.
        let seen = CoverageLevel::ALL.map(|level| outlook.coverage.changes(level, outlook.age));
        let changes =
            CoverageLevel::ALL.map(|level| outlook.coverage.changes(level, Millis(unit.0 * u64::from(SQUARE))) * 16);
        let upload = outlook.upload.map(signed_units);
        let taken = u32::try_from(
            u64::from(outlook.taken_along_per_hour.min(CERTAIN)) * unit.0 * u64::from(SQUARE) / 3_600_000,
        );
        let taken = taken.unwrap_or(u32::MAX).min(64 * CERTAIN);
        let of_day = u32::try_from(outlook.coverage.of_day(outlook.now)).unwrap_or_default();
        let rows = core::array::from_fn(|step| {
            let square = u32::try_from(step * step).unwrap_or_default();
            let of_all = |all: i32| all / SQUARE.cast_signed() * i32::try_from(square).unwrap_or_default();
            let offset = unit_ms * square;
            let part = part_of(Millis(u64::from(of_day + offset)));
            let time = outlook.now.after(Millis(u64::from(offset)));
            Row {
                offset: Millis(u64::from(offset)),
                saved: of_all(saved),
                upload: core::array::from_fn(|level| {
                    let (upload, growth) = (upload.get(level), growth.get(level).copied());
                    let grown = upload.copied().unwrap_or_default() + of_all(growth.unwrap_or_default());
                    grown.clamp(-MOST, MOST)
                }),
                after: after.get(part).copied().unwrap_or_default(),
                expect: parts.of(part),
                changes: core::array::from_fn(|level| {
                    let (seen, more) = (seen.get(level), changes.get(level).copied().unwrap_or_default());
                    seen.copied().unwrap_or_default() + more / SQUARE * square / 16
                }),
                // One over one plus x. The rate is a guess anyway.
                left: (CERTAIN * CERTAIN / (CERTAIN + taken * square / SQUARE)).cast_signed(),
                not_ridden: outlook.not_ridden_by(time),
            }
        });
        let free = outlook.sight != Sight::Gated;
        Self {
            rows,
            parts,
            ride: outlook.ride.map(signed_units),
            look: if free { [0; 3] } else { outlook.look.map(units) },
            tau: outlook.tau.map(|(due, cost)| (due.since(outlook.now), cost.map(units))),
            now: Known { level: outlook.level, changes: 0 },
        }
    }

    /// What the upload after the next costs more when the next is made in each part of a day than in the best: it is due the
    /// patience after it, which is at the same time of day where that is days. It is made then, or in a part before for what that
    /// costs.
    fn afterwards(outlook: &Outlook<'_>, parts: &ByPart) -> [i32; PARTS] {
        let full = outlook.fixed.map(units);
        let due: [i32; PARTS] = core::array::from_fn(|part| mean(parts.of(part), full));
        let saving = units(MicroJoules(outlook.mean_nw.saturating_mul(PART_MS) / 1_000_000));
        let patience = usize::try_from(outlook.patience.0 / PART_MS).unwrap_or(PARTS);
        let mut after: [i32; PARTS] = core::array::from_fn(|part| {
            let choices = (0..patience.clamp(1, PARTS)).zip(0..).map(|(earlier, times)| {
                let made = (part + patience % PARTS + PARTS - earlier) % PARTS;
                due.get(made).copied().unwrap_or_default() + saving * times
            });
            choices.min().unwrap_or_default()
        });
        let least = after.into_iter().min().unwrap_or_default();
        after.iter_mut().for_each(|after| *after -= least);
        after
    }

    fn bounds_nw(&self, fixed: ByLevel, slack: Millis) -> (u64, u64) {
        let due = self.row(STEPS).upload;
        let most: ByLevel =
            core::array::from_fn(|level| fixed.get(level).copied().max(due.get(level).copied()).unwrap_or_default());
        let nw =
            |energy: i32| u64::try_from(energy).unwrap_or_default() * NANOWATTS_PER_UNIT_MS as u64 / slack.0.max(1);
        let over_day = (0..PARTS).map(|part| mean(self.parts.of(part), most) / EIGHT).sum();
        (nw(at(fixed, CoverageLevel::Ce0)), nw(over_day))
    }

    fn row(&self, step: usize) -> &Row {
        let [.., last] = &self.rows;
        self.rows.get(step).unwrap_or(last)
    }

    /// What to expect at `row` when `known` was seen.
    #[inline(always)]
    fn mix(row: &Row, known: Known) -> Shares {
        let stays = exp_minus(at3(row.changes, known.level).saturating_sub(known.changes)).min(CERTAIN);
        let mut shares = row.expect.map(|share| share * (CERTAIN - stays) / CERTAIN);
        if let Some(share) = shares.get_mut(known.level as usize) {
            *share += stays;
        }
        shares
    }

    /// The least that can be expected when nothing is done at step `from`, where `known` is what was seen; and at which step to look
    /// next.
    fn wait(&self, value: &[ByLevel; STEPS + 1], from: usize, known: Known) -> (i32, usize) {
        let (mut least, mut best) = (i32::MAX, STEPS);
        let start = self.row(from);
        for (to, (row, then)) in self.rows.iter().zip(value).enumerate().skip(from + 1) {
            let shares = Self::mix(row, known);
            let mut then = *then;
            then.iter_mut().zip(self.look).for_each(|(then, look)| *then += look);
            let (left, not_ridden) = (share_left(start.left, row.left), share_left(start.not_ridden, row.not_ridden));
            let both = left * not_ridden / ONE;
            // Until it is taken along, or for the whole time: the middle.
            let saving = share(row.saved - start.saved, (ONE + both) / 2);
            let mut expected =
                share(mean(shares, then), both) + share(mean(shares, self.ride), ONE - not_ridden) - saving;
            if let Some((due, cost)) = self.tau
                && due >= start.offset
                && due < row.offset
            {
                expected += mean(shares, cost);
            }
            if expected < least {
                (least, best) = (expected, to);
            }
        }
        (least, best)
    }
}

impl Outlook<'_> {
    /// How probable it is that the radio was not up anyway by `time`: it comes up at any time between those that are expected, and
    /// once in sixteen not at all.
    fn not_ridden_by(&self, time: Millis) -> i32 {
        let Some((first, last)) = self.next_ride else { return ONE };
        let first = first.max(self.now);
        let width = last.since(first).0.max(1);
        let passed = i32::try_from(time.since(first).0.min(width) * u64::from(CERTAIN) / width).unwrap_or(ONE);
        ONE - passed * 15 / 16
    }
}

/// [`PARTS`], signed.
const EIGHT: i32 = 8;
const _: () = assert!(EIGHT as usize == PARTS);
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

fn at3(numbers: [u32; 3], level: CoverageLevel) -> u32 {
    numbers.get(level as usize).copied().unwrap_or_default()
}

/// What of what was left before is left after, in 1024ths.
fn share_left(before: i32, after: i32) -> i32 {
    after * ONE / before.max(1)
}

/// So many 1024ths of `energy`.
fn share(energy: i32, of: i32) -> i32 {
    (energy.clamp(-MOST, MOST) * of) >> 10
}

/// The mean of energies, which are none above [`ENERGY_MAX`]: times shares that sum to [`CERTAIN`], they fit.
fn mean([low, middle, high]: Shares, [ce0, ce1, ce2]: ByLevel) -> i32 {
    let part = |share: u32, energy: i32| share as i32 * energy.clamp(-MOST, MOST);
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
