// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When to upload what is not urgent: the energy of doing it now against the expected energy of waiting, up to the deadline.
//! An optimal stopping problem, solved backwards over a few steps by [`Outlook::plan`]; docs/power.md has the recurrence.
//! [`super::schedule`] asks; nothing here remembers anything.
//!
//! Integers only. Energies are counted in units of 64 microjoules, which an i32 takes times [`CERTAIN`] up to 100 J.

use super::{
    cost::{CoverageLevel, MicroJoules},
    coverage::{ByPart, CERTAIN, Coverage},
};
use crate::time::Millis;

/// Steps that the time to the deadline is cut into.
pub const STEPS: usize = 12;

/// Microjoules of one unit of energy here.
const UNIT_UJ: u64 = 64;
/// No energy is reckoned higher: 100 J. Times [`CERTAIN`] it still fits.
const ENERGY_MAX: u64 = 100_000_000 / UNIT_UJ;

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

/// A time in each part of a day.
const PARTS_OF_DAY: [Millis; 8] = {
    let mut parts = [Millis(0); 8];
    let mut part = 0;
    while part < 8 {
        parts[part] = Millis(part as u64 * 3 * 3_600_000);
        part += 1;
    }
    parts
};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Upload now.
    Now,
    /// Look again then, or upload then.
    At(Millis),
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
        self.weigh().0
    }

    /// [`Outlook::plan`], and by how many nanowatts the mean is wrong, when it is asked at the beginning of a cycle: what is expected
    /// to be spent less what is saved by waiting, over the time that is waited at least (Newton's step; Dinkelbach 1967).
    #[must_use]
    pub fn weigh(&self) -> (Plan, i64) {
        let slack = self.deadline.since(self.now);
        let step = Millis(slack.0 / STEPS as u64);
        if step.0 == 0 {
            return (Plan::Now, 0);
        }
        let table = Table::of(self, step);
        let awake = self.age.0 == 0 && self.sight != Sight::Blind;
        let mut value = [[0; 3]; STEPS + 1];
        for at in (1..=STEPS).rev() {
            let Some(now) = self.value_at(&table, &value, at) else { continue };
            if let Some(value) = value.get_mut(at) {
                *value = now;
            }
        }
        let (waiting, best) = table.wait(&value, 0, self.level, self.age);
        let level = self.level as usize;
        let now = if self.riding {
            table.ride.get(level).copied().unwrap_or_default() + table.after_at(0)
        } else if awake {
            let look = table.look.get(level).copied().unwrap_or_default();
            table.upload.get(level).copied().unwrap_or_default() - look + table.after_at(0)
        } else {
            let mut then = self.value_at(&table, &value, 0).unwrap_or_default();
            then.iter_mut().zip(table.look).for_each(|(then, look)| *then += look);
            mean(table.shares(0, self.level, self.age), then)
        };
        let plan = if now <= waiting { Plan::Now } else { Plan::At(self.now.after(Millis(step.0 * best as u64))) };
        let more = now.min(waiting);
        let waited = if now <= waiting { step.0 } else { step.0 * best as u64 };
        let over = if more > 0 { waited } else { slack.0 };
        let wrong = i64::from(more) * (UNIT_UJ * 1_000_000) as i64 / i64::try_from(over).unwrap_or(i64::MAX);
        (plan, wrong)
    }

    /// Between which bounds the mean of all uploads over time lies, nanowatts: each made when it is due in the best and in the mean
    /// level.
    #[must_use]
    pub fn bounds_nw(&self) -> (u64, u64) {
        let slack = self.deadline.since(self.now);
        let table = Table::of(self, Millis((slack.0 / STEPS as u64).max(1)));
        let fixed = self.fixed.map(units);
        let [best, ..] = fixed;
        let nw = |energy: i32| u64::try_from(energy).unwrap_or_default() * UNIT_UJ * 1_000_000 / slack.0.max(1);
        let due: ByLevel = core::array::from_fn(|level| {
            let (fixed, upload) = (fixed.get(level), table.upload_at(STEPS).get(level).copied());
            fixed.copied().max(upload).unwrap_or_default()
        });
        let mean = PARTS_OF_DAY.map(|part| mean(table.parts.at(part), due) / 8);
        (nw(best), nw(mean.into_iter().sum::<i32>()))
    }

    /// What it costs from step `at` on, at each level, with the modem just awake.
    fn value_at(&self, table: &Table<'_>, value: &[ByLevel; STEPS + 1], at: usize) -> Option<ByLevel> {
        let upload = table.upload_at(at);
        let mut now = [0; 3];
        for (level, now) in CoverageLevel::ALL.into_iter().zip(&mut now) {
            let upload = upload.get(level as usize)? + table.after_at(at);
            *now = upload - table.look.get(level as usize)?;
            if at < STEPS && self.sight != Sight::Blind {
                let (waiting, _) = table.wait(value, at, level, Millis(0));
                *now = waiting.min(*now);
            }
        }
        Some(now)
    }
}

/// All that does not depend on where one is in the recurrence, computed once.
struct Table<'a> {
    outlook: &'a Outlook<'a>,
    parts: ByPart,
    step: Millis,
    /// What waiting for a step saves.
    saving: i32,
    /// What is still to be sent at each step, in 1024ths: nothing urgent took it along.
    left: [u32; STEPS + 1],
    /// The same for a radio that is up anyway.
    not_ridden: [u32; STEPS + 1],
    ride: ByLevel,
    stays: [[u32; 3]; STEPS + 1],
    upload: ByLevel,
    growth: ByLevel,
    look: ByLevel,
    /// What the upload after this one is expected to cost more when this one is made in a part of the day than in the best.
    after: [i32; 8],
}

impl<'a> Table<'a> {
    fn of(outlook: &'a Outlook<'a>, step: Millis) -> Self {
        let per_step = |energy: i64| {
            let span = i64::try_from(step.0).unwrap_or(i64::MAX).min(1 << 32);
            energy.clamp(-(1 << 30), 1 << 30) * span / 3_600_000
        };
        let hours_1024 = step.0.min(1 << 40) * u64::from(CERTAIN) / 3_600_000;
        let taken = u64::from(outlook.taken_along_per_hour.min(CERTAIN)) * hours_1024 / u64::from(CERTAIN);
        // One over one plus x, as for the stay of a level but rougher: the rate is a guess anyway.
        let left = core::array::from_fn(|steps| {
            let below = u64::from(CERTAIN) + taken * steps as u64;
            u32::try_from(u64::from(CERTAIN * CERTAIN) / below).unwrap_or_default()
        });
        let not_ridden = core::array::from_fn(|steps| {
            let Some((first, last)) = outlook.next_ride else { return CERTAIN };
            let time = outlook.now.after(Millis(step.0 * steps as u64));
            let first = first.max(outlook.now);
            let width = last.since(first).0.max(1);
            CERTAIN - u32::try_from(time.since(first).0.min(width) * u64::from(CERTAIN) / width).unwrap_or(CERTAIN) * 15 / 16
        });
        let stays = core::array::from_fn(|steps| {
            CoverageLevel::ALL.map(|level| outlook.coverage.stays(level, Millis(step.0 * steps as u64)))
        });
        let free = outlook.sight != Sight::Gated;
        let mut table = Self {
            after: [0; 8],
            outlook,
            parts: outlook.coverage.by_part(),
            step,
            saving: units(MicroJoules(outlook.mean_nw.saturating_mul(step.0) / 1_000_000)),
            left,
            not_ridden,
            ride: outlook.ride.map(signed_units),
            stays,
            upload: outlook.upload.map(signed_units),
            growth: outlook.growth_per_hour.map(|energy| signed_units(per_step(energy))),
            look: if free { [0; 3] } else { outlook.look.map(units) },
        };
        table.after = table.afterwards();
        table
    }

    /// The upload after the next is due the patience after it, at the same time of day where that is days. It is made in that part
    /// of a day, or in one before for what that costs.
    fn afterwards(&self) -> [i32; 8] {
        let full = self.upload_at(STEPS);
        let due = PARTS_OF_DAY.map(|part| mean(self.parts.at(part), full));
        let slack = self.outlook.patience;
        let part = Millis(3 * 3_600_000);
        let saving = units(MicroJoules(self.outlook.mean_nw.saturating_mul(part.0) / 1_000_000));
        let at = |of: usize| due.get(of % 8).copied().unwrap_or_default();
        let most = usize::try_from(slack.0 / part.0).unwrap_or(8).min(8);
        let shift = usize::try_from(slack.0 / part.0 % 8).unwrap_or_default();
        let mut after: [i32; 8] = core::array::from_fn(|of| {
            let earlier = (0..most.max(1)).zip(0..).map(|(parts, times)| at(of + shift + 8 - parts) + saving * times);
            earlier.min().unwrap_or_default()
        });
        let least = after.into_iter().min().unwrap_or_default();
        after.iter_mut().for_each(|after| *after -= least);
        after
    }

    fn after_at(&self, at: usize) -> i32 {
        let part = usize::try_from(self.time(at).0 / (3 * 3_600_000) % 8).unwrap_or_default();
        self.after.get(part).copied().unwrap_or_default()
    }

    fn upload_at(&self, at: usize) -> ByLevel {
        let (mut upload, at) = (self.upload, i32::try_from(at).unwrap_or(i32::MAX));
        let most = i32::try_from(ENERGY_MAX).unwrap_or(i32::MAX);
        for (upload, growth) in upload.iter_mut().zip(self.growth) {
            *upload = upload.saturating_add(growth.saturating_mul(at)).clamp(-most, most);
        }
        upload
    }

    fn time(&self, at: usize) -> Millis {
        self.outlook.now.after(Millis(self.step.0 * at as u64))
    }

    /// What to expect at step `to` when `level` was seen `steps` before it.
    fn shares_after(&self, to: usize, steps: usize, level: CoverageLevel) -> [u32; 3] {
        let stays = self.stays.get(steps).and_then(|stays| stays.get(level as usize)).copied().unwrap_or_default();
        self.mix(self.time(to), stays, level)
    }

    /// What to expect at step `to` when `level` was seen `age` before now.
    fn shares(&self, to: usize, level: CoverageLevel, age: Millis) -> [u32; 3] {
        let span = age.after(self.time(to).since(self.outlook.now));
        self.mix(self.time(to), self.outlook.coverage.stays(level, span), level)
    }

    fn mix(&self, time: Millis, stays: u32, level: CoverageLevel) -> [u32; 3] {
        let mut shares = self.parts.at(time).map(|share| share * (CERTAIN - stays) / CERTAIN);
        if let Some(share) = shares.get_mut(level as usize) {
            *share += stays;
        }
        shares
    }

    /// The least that can be expected when nothing is done at step `from`, where `level` was seen `age` before; and at which step to
    /// look next.
    fn wait(&self, value: &[ByLevel; STEPS + 1], from: usize, level: CoverageLevel, age: Millis) -> (i32, usize) {
        let (mut least, mut best) = (i32::MAX, STEPS);
        for to in from + 1..=STEPS {
            let steps = to - from;
            let shares =
                if age.0 == 0 { self.shares_after(to, steps, level) } else { self.shares(to, level, age) };
            let mut then = value.get(to).copied().unwrap_or_default();
            for (then, look) in then.iter_mut().zip(self.look) {
                *then += look;
            }
            let certain = i32::try_from(CERTAIN).unwrap_or(i32::MAX);
            let span = i32::try_from(steps).unwrap_or(i32::MAX);
            let (left, not_ridden) = (share_left(&self.left, from, to), share_left(&self.not_ridden, from, to));
            let both = left * not_ridden / certain;
            // Until it is taken along, or for the whole time: the middle.
            let saving = self.saving.saturating_mul(span) / (2 * certain) * (certain + both);
            let expected = mean(shares, then) / certain * both + mean(shares, self.ride) / certain * (certain - not_ridden)
                - saving
                + self.tau(from, to, shares);
            if expected < least {
                (least, best) = (expected, to);
            }
        }
        (least, best)
    }

    /// What a tracking area update in between costs.
    fn tau(&self, from: usize, to: usize, shares: [u32; 3]) -> i32 {
        match self.outlook.tau {
            Some((due, cost)) if due >= self.time(from) && due < self.time(to) => mean(shares, cost.map(units)),
            _ => 0,
        }
    }
}

/// What of what was left at step `from` is left at step `to`, in 1024ths.
fn share_left(left: &[u32; STEPS + 1], from: usize, to: usize) -> i32 {
    let (before, after) = (left.get(from).copied().unwrap_or_default(), left.get(to).copied().unwrap_or_default());
    i32::try_from(after * CERTAIN / before.max(1)).unwrap_or_default()
}

fn mean(shares: [u32; 3], energies: ByLevel) -> i32 {
    let sum: i64 = shares.iter().zip(energies).map(|(share, energy)| i64::from(*share) * i64::from(energy)).sum();
    i32::try_from(sum / i64::from(CERTAIN)).unwrap_or(i32::MAX)
}
