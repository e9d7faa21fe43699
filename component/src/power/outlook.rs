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
    /// What the link tells.
    pub sight: Sight,
    /// The level last reported, and how long ago.
    pub level: CoverageLevel,
    /// How long ago that was.
    pub age: Millis,
    /// What was learned of coverage.
    pub coverage: &'a Coverage,
    /// What an upload now costs at each level.
    pub upload: [MicroJoules; 3],
    /// What it costs more for each hour that it is put off, because there is more to send by then.
    pub growth_per_hour: [MicroJoules; 3],
    /// What waking and looking costs at each level. It is part of `upload`.
    pub look: [MicroJoules; 3],
    /// What all uploads cost on the mean over time: putting one off puts off all that follow, and saves so much.
    pub mean_uw: u32,
    /// How probable it is in an hour that something urgent is sent and takes this along, in 1024ths.
    pub taken_along_per_hour: u32,
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

/// Energies at the three levels.
type ByLevel = [i32; 3];

fn units(energy: MicroJoules) -> i32 {
    i32::try_from((energy.0 / UNIT_UJ).min(ENERGY_MAX)).unwrap_or(i32::MAX)
}

impl Outlook<'_> {
    /// Whether to upload now, and otherwise when to look or to upload. `level` with age 0 is what the modem just reported: then
    /// its waking is paid for.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let slack = self.deadline.since(self.now);
        let step = Millis(slack.0 / STEPS as u64);
        if step.0 == 0 {
            return Plan::Now;
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
        let now = if awake {
            table.upload.get(level).copied().unwrap_or_default() - table.look.get(level).copied().unwrap_or_default()
        } else {
            let mut then = self.value_at(&table, &value, 0).unwrap_or_default();
            then.iter_mut().zip(table.look).for_each(|(then, look)| *then += look);
            mean(table.shares(0, self.level, self.age), then)
        };
        if now <= waiting { Plan::Now } else { Plan::At(self.now.after(Millis(step.0 * best as u64))) }
    }

    /// What it costs from step `at` on, at each level, with the modem just awake.
    fn value_at(&self, table: &Table<'_>, value: &[ByLevel; STEPS + 1], at: usize) -> Option<ByLevel> {
        let upload = table.upload_at(at);
        let mut now = [0; 3];
        for (level, now) in CoverageLevel::ALL.into_iter().zip(&mut now) {
            let upload = upload.get(level as usize)?;
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
    /// What is still to be sent after so many steps, in 1024ths: nothing urgent took it along.
    left: [u32; STEPS + 1],
    stays: [[u32; 3]; STEPS + 1],
    upload: ByLevel,
    growth: ByLevel,
    look: ByLevel,
}

impl<'a> Table<'a> {
    fn of(outlook: &'a Outlook<'a>, step: Millis) -> Self {
        let per_step = |energy: MicroJoules| {
            MicroJoules(energy.0.min(ENERGY_MAX * UNIT_UJ) * step.0.min(1 << 40) / 3_600_000)
        };
        let hours_1024 = step.0.min(1 << 40) * u64::from(CERTAIN) / 3_600_000;
        let taken = u64::from(outlook.taken_along_per_hour.min(CERTAIN)) * hours_1024 / u64::from(CERTAIN);
        // One over one plus x, as for the stay of a level but rougher: the rate is a guess anyway.
        let left = core::array::from_fn(|steps| {
            let below = u64::from(CERTAIN) + taken * steps as u64;
            u32::try_from(u64::from(CERTAIN * CERTAIN) / below).unwrap_or_default()
        });
        let stays = core::array::from_fn(|steps| {
            CoverageLevel::ALL.map(|level| outlook.coverage.stays(level, Millis(step.0 * steps as u64)))
        });
        let free = outlook.sight != Sight::Gated;
        Self {
            outlook,
            parts: outlook.coverage.by_part(),
            step,
            saving: units(MicroJoules::of_power(outlook.mean_uw, step)),
            left,
            stays,
            upload: outlook.upload.map(units),
            growth: outlook.growth_per_hour.map(|energy| units(per_step(energy))),
            look: if free { [0; 3] } else { outlook.look.map(units) },
        }
    }

    fn upload_at(&self, at: usize) -> ByLevel {
        let (mut upload, at) = (self.upload, i32::try_from(at).unwrap_or(i32::MAX));
        let most = i32::try_from(ENERGY_MAX).unwrap_or(i32::MAX);
        for (upload, growth) in upload.iter_mut().zip(self.growth) {
            *upload = upload.saturating_add(growth.saturating_mul(at)).min(most);
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
            let left = self.left.get(steps).copied().unwrap_or_default();
            let (span, certain) = (i32::try_from(steps).unwrap_or(i32::MAX), i32::try_from(CERTAIN).unwrap_or(i32::MAX));
            let left = i32::try_from(left).unwrap_or(certain);
            // Until it is taken along, or for the whole time: the middle.
            let saving = self.saving.saturating_mul(span) / (2 * certain) * (certain + left);
            let expected = mean(shares, then) / certain * left - saving + self.tau(from, to, shares);
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

fn mean(shares: [u32; 3], energies: ByLevel) -> i32 {
    let sum: i64 = shares.iter().zip(energies).map(|(share, energy)| i64::from(*share) * i64::from(energy)).sum();
    i32::try_from(sum / i64::from(CERTAIN)).unwrap_or(i32::MAX)
}
