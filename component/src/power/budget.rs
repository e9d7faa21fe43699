// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much energy may be spent: a token bucket. Over any time `W` at most `refill × W + burst + reserve` is charged, whatever
//! the workload, the clock and the power do; the test module proves it, and that the proof would notice. [`super::schedule`]
//! asks before anything starts that costs energy. Never waits, never spends.
//!
//! What starts is first *held*: the most it is expected to cost leaves the bucket, the caller keeps [`Budget::state`] durably,
//! and only then may it start. What it did cost is settled afterwards. A reset in between loses the difference, never the
//! charge, so that a device that resets for ever does not get a full bucket each time. What the device itself works, signatures and
//! flash, is charged without being held, and would have the state kept after every record: the state is kept [`WORK_AHEAD`]
//! emptier than the bucket is, and again when that is used up. After anything else that made the bucket emptier,
//! [`Budget::is_to_be_kept`] says so at once.
//!
//! What costs more than was held, or was not asked for (a tracking area update), becomes debt where the bucket has no more. Debt
//! is paid by the refill before anything else; it never takes from the reserve, and nothing routine starts before it is paid.

use super::{accesses::Accesses, cost::MicroJoules, urgent::Urgent};
use crate::{
    journal::{BUDGET_MAX, BudgetState},
    time::Millis,
};

/// A battery and how long it must last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supply {
    /// Nominal capacity, milliampere hours.
    pub capacity_mah: u32,
    /// Nominal voltage, millivolts.
    pub millivolts: u32,
    /// How much of it can be used: temperature, pulses, the voltage at which the device stops. Thousandths.
    pub usable_permille: u32,
    /// What the cell loses by itself, thousandths of its capacity a year.
    pub self_discharge_permille: u32,
    /// Years it must last.
    pub years: u32,
    /// What the rest of the device draws all the time, nanowatts: sleep, the meter itself.
    pub floor_nw: u32,
}

impl Supply {
    /// What is left for a [`Budget`]'s refill, in microwatts; 0 when nothing is.
    #[must_use]
    pub const fn refill_uw(&self) -> u32 {
        /// A year of 365.25 days.
        const SECONDS_PER_YEAR: u64 = 31_557_600;
        let capacity_uj = self.capacity_mah as u64 * self.millivolts as u64 * 3600;
        let usable = capacity_uj / 1000 * self.usable_permille as u64;
        let lost = (capacity_uj / 1000 * self.self_discharge_permille as u64).saturating_mul(self.years as u64);
        let seconds = SECONDS_PER_YEAR * if self.years == 0 { 1 } else { self.years as u64 };
        let floor_uw = self.floor_nw.div_ceil(1000) as u64;
        let microwatts = (usable.saturating_sub(lost) / seconds).saturating_sub(floor_uw);
        let [.., a, b, c, d] = microwatts.to_be_bytes();
        if microwatts > u32::MAX as u64 { u32::MAX } else { u32::from_be_bytes([a, b, c, d]) }
    }
}

/// What a [`Budget`] is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What comes in, microwatts.
    pub refill_uw: u32,
    /// How much may be saved up for any purpose. With the reserve at most 1.1 MJ, ten of a meter's cells: more is lost by a reset.
    pub burst: MicroJoules,
    /// How much is saved up for urgent records alone.
    pub reserve: MicroJoules,
    /// Urgent records of one kind that may come at once, 1 to [`BURST_MAX`](super::urgent::BURST_MAX); what is outside counts as the
    /// nearer of the two.
    pub urgent_burst: u8,
    /// How long until another of that kind may come.
    pub urgent_interval: Millis,
}

/// How many days' refill a [`Settings::burst`] is where nobody names one.
pub const BURST_DAYS: u32 = 7;
/// How many a [`Settings::reserve`] is.
pub const RESERVE_DAYS: u32 = 3;

/// What `days` bring at `refill_uw`, and at least `dearest`: a bucket that never holds the dearest exchange never pays for one.
#[must_use]
pub const fn brought(refill_uw: u32, days: u32, dearest: MicroJoules) -> MicroJoules {
    let brought = MicroJoules::of_power(refill_uw, Millis::from_secs(days * 24 * 3600));
    if brought.0 > dearest.0 { brought } else { dearest }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Anything that can wait.
    Routine,
    /// An urgent record: may draw on the reserve.
    Urgent,
}

/// It cannot be paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// When it can be, if nothing else is charged until then; `None` when it never can: it is more than the bucket holds.
    pub until: Option<Millis>,
}

/// Nanojoules in a microjoule. The bucket counts nanojoules: microwatts times milliseconds, so that no refill is rounded away.
const NANO: u64 = 1000;

/// The longest time that one step of the clock is credited for. The agent looks at the clock more often, so that a longer step is
/// a clock that jumped.
pub const CREDIT_MAX: Millis = Millis::from_secs(24 * 3600);

/// More debt than so many buckets is an error of measurement, and not believed.
const DEBT_BUCKETS: u64 = 4;

/// Version of [`Budget::state`].
const VERSION: u8 = 2;

/// Bytes of [`Budget::state`] that are always kept: version, level and debt, accesses.
const HEAD_BYTES: usize = 1 + 5 + 5 + Accesses::PER_HOUR;
const _: () = assert!(HEAD_BYTES + super::urgent::STATE_BYTES <= BUDGET_MAX, "the journal has no room for a budget");

/// The most that is kept of level or debt: 1.1 MJ, ten of a meter's cells.
const KEPT_MAX: u64 = ((1 << 40) - 1) * NANO;

/// How much less the bucket has as it is kept: three signatures, or 250 flash writes.
pub const WORK_AHEAD: MicroJoules = MicroJoules(10_000);

/// The bucket, and the limits that belong to it because a reset must not lift them.
#[derive(Clone, Debug)]
pub struct Budget {
    settings: Settings,
    /// What is in it, nanojoules.
    level: u64,
    /// What is owed, nanojoules.
    debt: u64,
    /// What left it for what runs now, nanojoules.
    held: u64,
    purpose: Purpose,
    /// What was charged since the start.
    charged: MicroJoules,
    /// Level and debt as they were kept.
    kept: (u64, u64),
    seen: Millis,
    /// Urgent records, kind by kind.
    pub urgent: Urgent,
    /// The last automatic accesses.
    pub accesses: Accesses,
}

impl Budget {
    /// A budget that goes on from `kept`, the last [`Budget::state`] that was kept. `None` when none ever was: the bucket is then
    /// full. What cannot be read is an empty bucket.
    #[must_use]
    pub fn new(settings: Settings, kept: Option<&[u8]>, now: Millis) -> Self {
        let full = settings.burst.plus(settings.reserve).0.saturating_mul(NANO);
        let mut budget = Self {
            settings,
            level: full,
            debt: 0,
            held: 0,
            purpose: Purpose::Routine,
            charged: MicroJoules(0),
            kept: (full, 0),
            seen: now,
            urgent: Urgent::new(settings.urgent_burst, settings.urgent_interval),
            accesses: Accesses::new(),
        };
        if let Some(kept) = kept
            && !makes(Mistake::FullAtBoot)
        {
            budget.take_up(kept);
        }
        budget
    }

    /// Most that it ever holds, nanojoules.
    const fn capacity(&self) -> u64 {
        self.settings.burst.plus(self.settings.reserve).0.saturating_mul(NANO)
    }

    const fn reserve(&self) -> u64 {
        self.settings.reserve.0.saturating_mul(NANO)
    }

    /// Credits the time since it was last asked. A clock that steps back is credited nothing, and no time twice.
    pub fn refill(&mut self, now: Millis) {
        let mut span = now.since(self.seen).min(CREDIT_MAX);
        if makes(Mistake::CreditsStepsBack) {
            span = Millis(now.0.abs_diff(self.seen.0)).min(CREDIT_MAX);
        }
        self.urgent.pass(span);
        self.accesses.pass(span);
        self.seen = now;
        let credit = u64::from(self.settings.refill_uw).saturating_mul(span.0);
        let paid = credit.min(self.debt);
        self.debt -= paid;
        // What is held may come back: the bucket has room for it until then.
        let held = if makes(Mistake::ForgetsHeld) { 0 } else { self.held };
        let room = self.capacity().saturating_sub(self.level.saturating_add(held));
        self.level = self.level.saturating_add((credit - paid).min(room));
    }

    /// What `purpose` may draw on.
    const fn available(&self, purpose: Purpose) -> u64 {
        match purpose {
            Purpose::Routine => self.level.saturating_sub(self.reserve()),
            Purpose::Urgent => self.level,
        }
    }

    /// Whether `cost` can be paid now.
    ///
    /// # Errors
    /// [`Short`].
    pub fn affords(&mut self, now: Millis, cost: MicroJoules, purpose: Purpose) -> Result<(), Short> {
        self.refill(now);
        let cost = cost.0.saturating_mul(NANO);
        let owes = purpose == Purpose::Routine && self.debt > 0;
        let available = self.available(purpose);
        if available >= cost && !owes && self.held == 0 {
            return Ok(());
        }
        let lowest = if purpose == Purpose::Routine { self.reserve() } else { 0 };
        let never = cost > self.capacity().saturating_sub(lowest) || self.settings.refill_uw == 0;
        let missing = cost.saturating_sub(available).saturating_add(self.debt);
        let span = missing.div_ceil(u64::from(self.settings.refill_uw.max(1))).max(1);
        Err(Short { until: (!never).then(|| now.after(Millis(span))) })
    }

    /// Whether `cost` is there for something routine, besides what is held, and nothing is owed.
    pub fn covers(&mut self, now: Millis, cost: MicroJoules) -> bool {
        self.refill(now);
        self.debt == 0 && self.available(Purpose::Routine) >= cost.0.saturating_mul(NANO)
    }

    /// Holds `cost` for what starts now. The caller keeps [`Budget::state`] before it starts.
    ///
    /// # Errors
    /// [`Short`]: nothing may start.
    pub fn hold(&mut self, now: Millis, cost: MicroJoules, purpose: Purpose) -> Result<(), Short> {
        self.affords(now, cost, purpose)?;
        self.held = cost.0.saturating_mul(NANO);
        self.level -= self.held;
        self.purpose = purpose;
        Ok(())
    }

    /// What was held for has ended, and cost `spent`.
    pub fn settle(&mut self, now: Millis, spent: MicroJoules) {
        self.refill(now);
        self.charged = self.charged.plus(spent);
        let spent = spent.0.saturating_mul(NANO);
        self.level = self.level.saturating_add(self.held.saturating_sub(spent));
        let more = spent.saturating_sub(self.held);
        self.held = 0;
        self.draw(more, self.purpose);
    }

    /// Something happened that costs `spent`, asked for or not.
    pub fn charge(&mut self, now: Millis, spent: MicroJoules) {
        self.refill(now);
        self.charged = self.charged.plus(spent);
        self.draw(spent.0.saturating_mul(NANO), Purpose::Routine);
    }

    /// Takes `nanojoules`, what is not there as debt.
    fn draw(&mut self, nanojoules: u64, purpose: Purpose) {
        let taken = nanojoules.min(self.available(purpose));
        self.level -= taken;
        let most = self.capacity().saturating_mul(DEBT_BUCKETS);
        self.debt = self.debt.saturating_add(nanojoules - taken).min(most);
    }

    /// The most that can ever be paid at once for `purpose`.
    #[must_use]
    pub const fn most(&self, purpose: Purpose) -> MicroJoules {
        match purpose {
            Purpose::Routine => self.settings.burst,
            Purpose::Urgent => self.settings.burst.plus(self.settings.reserve),
        }
    }

    /// What was charged since the start.
    #[must_use]
    pub const fn charged(&self) -> MicroJoules {
        self.charged
    }

    /// What is in the bucket.
    #[must_use]
    pub const fn level(&self) -> MicroJoules {
        MicroJoules(self.level / NANO)
    }

    /// What is owed.
    #[must_use]
    pub const fn debt(&self) -> MicroJoules {
        MicroJoules(self.debt.div_ceil(NANO))
    }

    /// What routine records may draw on.
    #[must_use]
    pub const fn above_reserve(&self) -> MicroJoules {
        MicroJoules(self.available(Purpose::Routine) / NANO)
    }

    /// What it was told.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Other settings from now on: a cell was changed, a deployment measured its own. Nothing is credited for it: what is in the
    /// bucket stays, as far as it has room, and what is owed.
    pub fn set(&mut self, now: Millis, settings: Settings) {
        self.refill(now);
        self.settings = settings;
        let room = self.capacity().saturating_sub(self.held);
        self.level = if makes(Mistake::FullWhenSet) { room } else { self.level.min(room) };
        self.debt = self.debt.min(self.capacity().saturating_mul(DEBT_BUCKETS));
        self.urgent.set_limits(settings.urgent_burst, settings.urgent_interval);
    }

    /// Whether [`Budget::state`] is to be kept now: something was spent that a reset would give back, or so much came in that a reset
    /// would lose more than a sixteenth of the bucket.
    #[must_use]
    pub const fn is_to_be_kept(&self) -> bool {
        let ((level, debt), much) = (self.kept, self.capacity() / 16 + WORK_AHEAD.0 * NANO);
        let came_in = self.level.saturating_sub(level) > much || debt.saturating_sub(self.debt) > much;
        self.is_behind() || came_in || self.urgent.has_changed()
    }

    /// Whether a reset would give something back that was spent.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        let (level, debt) = self.kept;
        self.level < level || self.debt > debt
    }

    /// Level and debt as they are kept: [`WORK_AHEAD`] spent already.
    fn ahead(&self) -> (u64, u64) {
        let ahead = WORK_AHEAD.0 * NANO;
        // Whole microjoules, rounded to the worse side.
        let level = self.level.saturating_sub(ahead) / NANO * NANO;
        let debt = self.debt.saturating_add(ahead.saturating_sub(self.level)).div_ceil(NANO).saturating_mul(NANO);
        (level.min(KEPT_MAX), debt.min(KEPT_MAX))
    }

    /// What to keep, for [`crate::journal::Journal::keep_budget`]: version, level and debt in microjoules (5 bytes each), and the
    /// limits' states, as far as they say anything.
    #[must_use]
    pub fn state(&self) -> BudgetState {
        let kept = if makes(Mistake::KeepsNothingAhead) { (self.level, self.debt) } else { self.ahead() };
        self.encode(kept, self.accesses)
    }

    /// Level and debt when all that is there is taken for spent, and a thirty-second of the bucket for owed: work that
    /// nobody asked for.
    fn worst(&self) -> (u64, u64) {
        (0, self.debt.saturating_add(self.capacity() / 32).div_ceil(NANO).saturating_mul(NANO).min(KEPT_MAX))
    }

    /// What to keep once where there is no room to keep it each time: whatever is spent from here on, a reset gives nothing back
    /// of it.
    #[must_use]
    pub fn state_at_worst(&self) -> BudgetState {
        self.encode(self.worst(), Accesses::all_now())
    }

    /// That was kept.
    pub fn was_kept_at_worst(&mut self) {
        self.kept = self.worst();
        self.urgent.was_kept();
    }

    fn encode(&self, (level, debt): (u64, u64), accesses: Accesses) -> BudgetState {
        let mut state = [0; BUDGET_MAX];
        let short = |nanojoules: u64| (nanojoules / NANO).to_be_bytes().into_iter().skip(3);
        let fields = [VERSION].into_iter().chain(short(level)).chain(short(debt));
        for (byte, out) in fields.chain(accesses.state()).chain(self.urgent.state()).zip(&mut state) {
            *out = byte;
        }
        let length = state.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1).max(HEAD_BYTES);
        BudgetState::new(state.get(..length).unwrap_or(&state)).unwrap_or_default()
    }

    /// The state as it is was kept.
    pub fn was_kept(&mut self) {
        self.kept = self.ahead();
        self.urgent.was_kept();
    }

    /// Goes on from what was kept.
    fn take_up(&mut self, kept: &[u8]) {
        let known = kept.first() == Some(&VERSION) && kept.len() >= HEAD_BYTES;
        if !known {
            (self.level, self.kept) = (0, (0, 0));
            return;
        }
        let mut kept = kept.iter().copied().skip(1);
        let mut number =
            || kept.by_ref().take(5).fold(0_u64, |number, byte| number << 8 | u64::from(byte)).saturating_mul(NANO);
        let (level, debt, most) = (number(), number(), self.capacity());
        (self.level, self.debt) = (level.min(most), debt.min(most.saturating_mul(DEBT_BUCKETS)));
        self.kept = (self.level, self.debt);
        self.accesses.take_up(&mut kept);
        self.urgent.take_up(&mut kept);
    }
}

/// Mistakes that the property below must find. Only tests can make them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// A clock that steps back is credited as one that steps forward.
    CreditsStepsBack,
    /// A reset gives a full bucket.
    FullAtBoot,
    /// The bucket fills up while something is held, and gets that back on top.
    ForgetsHeld,
    /// A reset gives back what was worked since the state was kept.
    KeepsNothingAhead,
    /// Other settings give a full bucket.
    FullWhenSet,
}

#[cfg(not(test))]
const fn makes(_: Mistake) -> bool {
    false
}

#[cfg(test)]
use tests::makes;

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
