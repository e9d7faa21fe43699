// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The schedule that pays for what it does: uploads as late and as cheaply as the deadlines, what was learned of coverage and the
//! budget allow. The agent asks it through [`Schedule`]; it asks [`super::outlook`] when, [`super::budget`] whether. docs/power.md
//! says what it knows and how near it comes to the best there is.

use super::{
    apart::Apart,
    budget::{self, Budget, CREDIT_MAX, Purpose},
    cost::{Attach, CoverageLevel, EXCHANGE_BYTES, ExchangeCost, Learned, MicroJoules, Model, PsmTimers},
    coverage::{ByPart, CERTAIN, Coverage, DAY_MS},
    outlook::{self, Outlook, Plan, Prices, Sight},
    rides::Rides,
    room::Room,
    schedule::{Decision, Degradation, Schedule, View, Work},
    urgent::Urgent,
    worth::Worth,
};
use crate::{journal::BudgetState, ports::LinkError, record::Priority, time::Millis};

/// What a [`Scheduler`] is told once.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a record may wait, by priority: bulk, routine, urgent. An urgent one waits for others of the same event.
    pub patience: [Millis; 3],
    /// First retry after a failed exchange: at a random time up to twice this.
    pub retry_base: Millis,
    /// The random time before a retry never exceeds this.
    pub retry_max: Millis,
    /// This device's own share of randomness, so that a fleet does not wake in step.
    pub seed: u64,
    /// What things cost.
    pub model: Model,
    /// How much may be spent.
    pub budget: budget::Settings,
    /// The granted T3412: from a connection to the tracking area update after it.
    pub tau: Option<Millis>,
    /// What the link tells before it is used.
    pub sight: Sight,
}

/// Exchanges that follow each other within this are one wake.
const SAME_WAKE: Millis = Millis::from_secs(10);
/// What is due within this is sent when it is due: coverage stays for longer.
const SOON: Millis = Millis::from_secs(15 * 60);
/// For so much of the time from an upload to when the next is due, none is considered: a power of two.
const PAUSE_SHIFT: u32 = 2;
/// The agent is asked to come back after this at the latest: no longer time is credited to the budget.
const LOOK_AGAIN: Millis = Millis::from_secs(12 * 3600);

/// The schedule.
#[derive(Clone, Debug)]
pub struct Scheduler {
    settings: Settings,
    budget: Budget,
    coverage: Coverage,
    learned: Learned,
    worth: Worth,
    bytes_per_hour: u32,
    rides: Rides,
    /// Uploads for something urgent: 1024ths an hour.
    urgent_rate: u32,
    /// From the beginning of this cycle to its deadline.
    slack: Millis,
    urgent_since: Millis,
    room: Room,
    /// When sealed batches that wait are due.
    owed: Option<(Millis, Purpose)>,
    /// When the open batch is due, as last seen, and the batches that waited then.
    seen: (Option<Millis>, u32),
    /// When to look again, and for which deadline that was planned.
    planned: Option<(Millis, Millis)>,
    /// Uploading until nothing is left, and what for.
    under_way: Option<Purpose>,
    started: Millis,
    /// The last connection, as far as is known.
    connected: Millis,
    /// From when the time to the next tracking area update counts.
    updated: Millis,
    /// The first exchange since the start is still to come, and the modem may have to attach for it.
    attaches: bool,
    /// Its open batch was sealed, or there was none.
    sealed: bool,
    /// An exchange was begun.
    running: bool,
    /// When the last was.
    woken: Millis,
    /// What keeps it from acting in step with others.
    apart: Apart,
    not_before: Millis,
    /// What failed last was for something urgent: then the pause after it is for what is urgent too.
    urgent_failed: bool,
    failures: u32,
    ask_at: Millis,
    asks: u32,
    random: u64,
    degradation: Degradation,
}

impl Scheduler {
    /// A schedule whose budget goes on from `kept`.
    #[must_use]
    pub fn new(settings: Settings, kept: Option<&[u8]>, now: Millis) -> Self {
        let mut scheduler = Self {
            settings,
            budget: Budget::new(settings.budget, kept, now),
            coverage: Coverage::new(Millis(0)),
            learned: Learned::new(),
            worth: Worth::new(),
            bytes_per_hour: 0,
            rides: Rides::default(),
            urgent_rate: 0,
            slack: settings.patience[1],
            urgent_since: now,
            room: Room::default(),
            owed: None,
            seen: (None, 0),
            planned: None,
            under_way: None,
            started: now,
            connected: now,
            updated: now,
            attaches: true,
            sealed: false,
            running: false,
            woken: Millis(0),
            apart: Apart::started(now, Millis(0), [0, 0]),
            not_before: Millis(0),
            urgent_failed: false,
            failures: 0,
            ask_at: Millis(0),
            asks: 0,
            random: settings.seed,
            degradation: Degradation::None,
        };
        let [_, routine, _] = settings.patience;
        let draws = [scheduler.draw(), scheduler.draw()];
        scheduler.apart = Apart::started(now, routine, draws);
        scheduler.coverage = Coverage::new(Millis(scheduler.draw() % DAY_MS));
        scheduler
    }

    /// SplitMix64: spreads wakes; nothing secret depends on it.
    const fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Full jitter: some time from now, within a span that doubles with each of `tries`.
    fn some_time_after(&mut self, now: Millis, tries: u32) -> Millis {
        let limit = self.settings.retry_base.0.saturating_mul(2 << tries.min(16));
        let limit = limit.clamp(1, self.settings.retry_max.0.max(1));
        now.after(Millis(self.draw() % limit + 1))
    }

    /// When a record of `priority` that came at `since` is due.
    fn due(&self, priority: Priority, since: Millis) -> Millis {
        let patience = self.settings.patience.get(priority as usize).copied().unwrap_or_default();
        if priority == Priority::Urgent {
            return since.after(patience);
        }
        let early = self.apart.early(since, patience).0;
        let stretch = match self.degradation {
            Degradation::None => 1,
            Degradation::LongerIntervals => 2,
            Degradation::HashOnly | Degradation::UrgentOnly => 4,
        };
        since.after(Millis(patience.0.saturating_mul(stretch) - early))
    }

    /// The earliest time at which something of the open batch is due.
    fn open_due(&self, view: &View) -> Option<Millis> {
        let priorities = [Priority::Bulk, Priority::Routine, Priority::Urgent];
        let oldest = priorities.into_iter().zip(view.oldest);
        oldest.filter_map(|(priority, since)| since.map(|since| self.due(priority, since))).min()
    }

    /// When something urgent of the open batch is due.
    fn urgent_due(&self, view: &View) -> Option<Millis> {
        let [.., urgent] = view.oldest;
        urgent.map(|since| self.due(Priority::Urgent, since))
    }

    /// What an upload of `bytes` of records costs at `level`, by what was learned.
    fn upload(&self, level: CoverageLevel, bytes: u32) -> MicroJoules {
        let wire = bytes.saturating_add(EXCHANGE_BYTES);
        self.learned.expected(level, self.settings.model.exchange(level, wire, 1))
    }

    fn plan(&mut self, view: &View, deadline: Millis) -> Plan {
        self.slack = deadline.since(self.connected);
        let Some((level, at)) = self.coverage.last() else { return self.plan_unseen(view, deadline) };
        if let Some(oldest) = view.oldest_unsealed() {
            // No shorter than a quarter of an hour.
            let waited = outlook::ticks(view.now.since(oldest)).max(16);
            self.bytes_per_hour = view.pending_bytes.min(1 << 24) * 64 / waited;
        }
        let connected = self.rides.last().map_or(self.connected, |ridden| ridden.max(self.connected));
        // Devices that attached at the same time have their updates at the same time: each reckons with its own.
        let tau =
            self.settings.tau.map(|period| (connected.after(self.apart.within(period, 16)).since(view.now), period));
        let (prices, by_part) = (self.prices(), self.coverage.by_part());
        self.outlook(view.now, deadline, &prices, &by_part, |outlook| {
            outlook.level = level;
            outlook.age = if self.settings.sight == Sight::Seen { Millis(0) } else { view.now.since(at) };
            outlook.bytes = view.pending_bytes;
            outlook.riding = is_riding(view);
            outlook.rides = self.rides.next(view.now);
            outlook.tau = tau;
        })
        .plan()
    }

    fn outlook<'a>(
        &'a self,
        now: Millis,
        deadline: Millis,
        prices: &'a Prices,
        by_part: &'a ByPart,
        with: impl FnOnce(&mut Outlook<'a>),
    ) -> Outlook<'a> {
        let mut outlook = Outlook {
            now,
            deadline,
            sight: self.settings.sight,
            level: CoverageLevel::Ce0,
            age: Millis(0),
            coverage: &self.coverage,
            by_part,
            prices,
            bytes: 0,
            bytes_per_hour: self.bytes_per_hour,
            onward: &self.worth.onward,
            pace: self.worth.pace,
            taken_along_per_hour: self.urgent_rate,
            riding: false,
            rides: None,
            tau: None,
            ahead: self.apart.ahead(),
        };
        with(&mut outlook);
        outlook
    }

    /// What the model says things cost, and what was learned of that.
    fn prices(&self) -> Prices {
        let model = &self.settings.model;
        let all = |of: &dyn Fn(CoverageLevel) -> MicroJoules| {
            CoverageLevel::ALL.map(|level| {
                let learned = self.learned.expected(level, of(level));
                u32::try_from(learned.0).unwrap_or(u32::MAX)
            })
        };
        let one = |energy_uj: u32| MicroJoules(u64::from(energy_uj));
        Prices {
            fixed: all(&|level| model.fixed(level)),
            exchange: all(&|level| model.riding(level, EXCHANGE_BYTES, 1)),
            byte: all(&|level| one(model.level(level).byte_uj)),
            look: CoverageLevel::ALL.map(|level| model.level(level).wake_uj),
            tau: CoverageLevel::ALL.map(|level| model.level(level).tau_uj),
        }
    }

    /// Reckons one cycle more, where what was learned last is not reckoned with yet.
    fn imagine(&mut self) -> bool {
        if self.coverage.last().is_none() {
            return false;
        }
        let Some(part) = self.worth.next() else { return false };
        let now = self.coverage.amid(part);
        let (prices, by_part) = (self.prices(), self.coverage.by_part());
        let slack = self.slack;
        let found = self
            .outlook(now, now.after(slack), &prices, &by_part, |outlook| {
                outlook.rides = self.rides.next_imagined(now);
                outlook.tau = self.settings.tau.map(|period| (period, period));
            })
            .after_an_upload();
        self.worth.imagined(part, found, &by_part, slack);
        true
    }

    /// Where nothing was ever heard of coverage: a ride is taken, and else the first upload is made half way, to learn. A link that never
    /// tells has all others when they are due.
    fn plan_unseen(&self, view: &View, deadline: Millis) -> Plan {
        if is_riding(view) {
            return Plan::Now;
        }
        if self.connected > self.started {
            return Plan::At(deadline);
        }
        let half = Millis(deadline.since(view.now).0 / 2);
        if half.0 == 0 || self.planned.is_some() { Plan::Now } else { Plan::At(view.now.after(half)) }
    }

    /// When to begin to upload: now, or when to ask again.
    fn begin_at(&mut self, view: &View) -> Option<(Millis, Purpose)> {
        let open = self.open_due(view);
        if view.unsent > self.seen.1 && self.under_way.is_none() {
            // The agent had to seal: what was due then is due still.
            let was = (self.seen.0.unwrap_or_else(|| self.some_time_after(view.now, u32::MAX)), Purpose::Routine);
            self.owed = Some(self.owed.filter(|owed| owed.0 <= was.0).unwrap_or(was));
        }
        self.seen = (open, view.unsent);
        let owed = self.owed.filter(|_| view.unsent > 0);
        if let Some((at, Purpose::Urgent)) = owed {
            return Some((at, Purpose::Urgent));
        }
        let Settings { retry_max, .. } = self.settings;
        let for_room = self.room.due(view, &self.apart, self.started, retry_max);
        let deadline = open.into_iter().chain(owed.map(|owed| owed.0)).chain(for_room).min()?;
        if let Some(urgent) = self.urgent_due(view)
            && (urgent <= deadline || urgent <= view.now)
        {
            return Some((urgent, Purpose::Urgent));
        }
        let deadline = self.apart.by(view.oldest_unsealed()).map_or(deadline, |by| deadline.min(by));
        let riding = is_riding(view);
        if riding {
            self.rides.note(view.now);
        }
        if view.flush || deadline <= view.now {
            return Some((view.now, Purpose::Routine));
        }
        if self.apart.by(view.oldest_unsealed()).is_some() && !riding {
            return Some((deadline, Purpose::Routine));
        }
        if let Some((at, for_deadline)) = self.planned
            && for_deadline == deadline
            && at > view.now
            && self.settings.sight != Sight::Seen
            && !riding
        {
            return Some((at, Purpose::Routine));
        }
        let since = view.oldest_unsealed().unwrap_or(view.now);
        let considered = since.after(self.apart.late(since, deadline.since(since)));
        // Right after an upload another has next to nothing to take along, and the next is due as soon.
        let considered = considered.max(self.connected.after(Millis(deadline.since(self.connected).0 >> PAUSE_SHIFT)));
        if considered > view.now && !riding {
            return Some((considered, Purpose::Routine));
        }
        if deadline.since(view.now) < SOON && !riding {
            return Some((deadline, Purpose::Routine));
        }
        if self.imagine() {
            return Some((Millis(view.now.0 + 1), Purpose::Routine));
        }
        match self.plan(view, deadline) {
            Plan::Now => Some((view.now, Purpose::Routine)),
            Plan::At(at) => {
                self.planned = Some((at, deadline));
                Some((at, Purpose::Routine))
            }
        }
    }

    /// What of the budget the next exchange takes, with a signature. One that costs more than the bucket ever holds takes all of it,
    /// and owes the rest: else it would never be made, and nothing ever learned to be cheaper.
    fn predicted(&self, view: &View, purpose: Purpose) -> MicroJoules {
        let (model, level) = (&self.settings.model, self.learned.level_or(&self.settings.model));
        let attach = if self.attaches { model.level(level).attach_uj } else { 0 };
        let upload = self.upload(level, view.pending_bytes).plus(MicroJoules(u64::from(attach)));
        upload.plus(MicroJoules(u64::from(model.signature_uj))).min(self.budget.most(purpose))
    }

    /// What happened by itself since this was last called: time, and the tracking area updates that came due in it without a
    /// connection. A clock that jumps makes no more of them than fit a day.
    fn pass(&mut self, view: &View) {
        self.budget.refill(view.now);
        let Some(Millis(period @ 1..)) = self.settings.tau else { return };
        if self.attaches || self.running || is_riding(view) {
            self.updated = view.now;
            return;
        }
        let due = view.now.since(self.updated).0 / period;
        if due == 0 {
            return;
        }
        self.updated = self.updated.after(Millis(due.saturating_mul(period)));
        let charged = u32::try_from(due.min((CREDIT_MAX.0 / period).max(1))).unwrap_or(u32::MAX);
        let update = self.settings.model.level(self.learned.level_or(&self.settings.model)).tau_uj;
        self.budget.charge(view.now, MicroJoules(u64::from(update)).times(charged));
    }

    /// Another energy model from now on.
    pub fn set_model(&mut self, model: Model) {
        self.settings.model = model;
        self.planned = None;
        self.worth.is_old();
    }

    /// Another supply or other limits from now on. Nothing is credited for it: what is in the bucket stays, as far as it has room.
    pub fn set_budget(&mut self, now: Millis, budget: budget::Settings) {
        self.settings.budget = budget;
        self.budget.set(now, budget);
        self.planned = None;
        self.degrade();
    }

    /// What it was told, and was told since.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the modem reported while it was awake, without an exchange.
    pub fn hear(&mut self, now: Millis, level: CoverageLevel) {
        self.coverage.hear(level, now);
        self.learned.hear(level);
    }

    /// The modem was woken and looked, and the exchange was called off.
    pub fn looked(&mut self, now: Millis, level: CoverageLevel) {
        let cost = MicroJoules(u64::from(self.settings.model.level(level).wake_uj));
        self.budget.charge(now, cost);
        self.hear(now, level);
    }

    /// The modem is awake for an upload and reports `level`: whether it goes on. What was looked for in vain is charged, and the
    /// next time planned.
    pub fn still_sends(&mut self, view: &View, level: CoverageLevel) -> bool {
        self.hear(view.now, level);
        let Some(deadline) = self.open_due(view).filter(|deadline| *deadline > view.now) else { return true };
        match self.plan(view, deadline) {
            Plan::Now => true,
            Plan::At(at) => {
                self.looked(view.now, level);
                (self.under_way, self.planned) = (None, Some((at, deadline)));
                false
            }
        }
    }

    /// The same without the offset after a start, and attached: for a device that has been running.
    #[must_use]
    pub const fn amid_life(mut self) -> Self {
        self.apart.settle();
        self.attaches = false;
        self
    }

    /// The budget.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Schedule for Scheduler {
    /// Never inlined: what a decision takes of the stack must not lie under the signature that it asks for.
    #[inline(never)]
    fn decide(&mut self, view: &View) -> Decision {
        self.pass(view);
        self.degrade();
        let idle = view.unsent > 0 || view.starved;
        if self.running && idle {
            // It was never begun.
            self.ended(view.now, MicroJoules(0));
        }
        let again = self.look_again(view.now);
        if self.running {
            return self.while_running(view);
        }
        if view.unsealed == 0 && view.unsent == 0 {
            (self.under_way, self.planned, self.owed, self.seen) = (None, None, None, (None, 0));
            return if view.starved { self.ask(view) } else { Decision::Wait(Some(again)) };
        }
        if self.under_way.is_some() && self.sealed && view.unsent == 0 {
            (self.under_way, self.owed) = (None, None);
        }
        let urgent = self.urgent_due(view);
        if urgent.is_some_and(|at| at <= view.now) && self.under_way == Some(Purpose::Routine) {
            // It does not wait for what hinders the rest.
            self.under_way = None;
        }
        let purpose = match self.under_way {
            Some(purpose) => purpose,
            None => match self.begin_at(view) {
                Some((at, purpose)) if at <= view.now => purpose,
                Some((at, _)) => return Decision::Wait(Some(at.min(again))),
                None => return Decision::Wait(Some(again)),
            },
        };
        if let Some(at) = self.hindered_until(view, purpose) {
            let at = urgent.filter(|urgent| *urgent > view.now).map_or(at, |urgent| at.min(urgent));
            return Decision::Wait(Some(at.min(again).max(Millis(view.now.0 + 1))));
        }
        if self.under_way.is_none() {
            (self.under_way, self.sealed, self.planned) = (Some(purpose), false, None);
            // What many may do at once for the same reason leaves each its own time after it.
            let its_own = purpose == Purpose::Routine && !view.flush && !is_riding(view);
            if its_own || self.apart.by(Some(Millis(0))).is_some_and(|by| by <= view.now) {
                self.apart.settle();
            }
        }
        // What came since an exchange failed is not sealed for another try: each batch takes an exchange of its own.
        let again = view.unsent > 0 && self.failures > 0 && !view.flush;
        let due = || self.open_due(view).is_some_and(|at| at <= view.now);
        if !self.sealed && view.unsealed > 0 && (!again || due()) {
            self.sealed = true;
            self.apart.sealed(view.now, view.unsealed);
            return Decision::Seal;
        }
        self.sealed = true;
        self.asks = 0;
        self.begin(view, purpose)
    }

    fn exchange_ended(&mut self, now: Millis, result: Result<(), LinkError>, cost: &ExchangeCost) {
        let attach = match cost.attach {
            Attach::Unknown if self.attaches => Attach::Attached,
            known => known,
        };
        let spent = self.learned.learn(&self.settings.model, &ExchangeCost { attach, ..*cost });
        self.attaches &= spent == MicroJoules(0);
        self.ask_at = self.some_time_after(now, self.asks);
        let purpose = self.under_way;
        self.ended(now, spent);
        (self.connected, self.updated) = (now, now);
        self.worth.is_old();
        if result.is_ok() {
            (self.failures, self.not_before) = (0, now);
            let [_, routine, _] = self.settings.patience;
            let draw = self.draw();
            self.apart.succeeded(now, routine, draw);
            self.hear_apart(now, cost.coverage);
            self.note_urgent(now, purpose == Some(Purpose::Urgent));
            return;
        }
        self.apart.failed(now);
        self.hear_apart(now, cost.coverage);
        self.urgent_failed = purpose == Some(Purpose::Urgent);
        // What was under way is due still, and tried again for the same purpose.
        self.owed = purpose.map(|purpose| (now, purpose));
        self.under_way = None;
        self.not_before = self.some_time_after(now, self.failures);
        self.failures = self.failures.saturating_add(1);
    }

    fn to_keep(&self) -> Option<BudgetState> {
        self.budget.is_to_be_kept().then(|| self.budget.state())
    }

    fn was_kept(&mut self) {
        self.budget.was_kept();
    }

    fn to_keep_at_worst(&self) -> Option<BudgetState> {
        self.budget.is_behind().then(|| self.budget.state_at_worst())
    }

    fn was_kept_at_worst(&mut self) {
        self.budget.was_kept_at_worst();
    }

    fn degradation(&self) -> Degradation {
        self.degradation
    }

    fn timers(&mut self, _: Millis, timers: PsmTimers) {
        self.settings.tau = timers.periodic_update.or(self.settings.tau);
        self.planned = None;
    }

    fn urgent(&mut self, now: Millis) -> Option<&mut Urgent> {
        self.budget.refill(now);
        Some(&mut self.budget.urgent)
    }

    fn worked(&mut self, now: Millis, work: Work) {
        self.budget.charge(now, self.settings.model.worked(work));
    }

    fn affords_signature(&mut self, now: Millis) -> bool {
        let cost = MicroJoules(u64::from(self.settings.model.signature_uj));
        self.budget.covers(now, cost)
    }
}

impl Scheduler {
    /// An exchange runs: nothing but something urgent is sealed meanwhile.
    fn while_running(&self, view: &View) -> Decision {
        match self.urgent_due(view) {
            Some(at) if at <= view.now => Decision::Seal,
            at => Decision::Wait(at),
        }
    }

    /// When to look again where nothing says when: this device's own time.
    fn look_again(&self, now: Millis) -> Millis {
        now.after(self.apart.within(LOOK_AGAIN, 2))
    }

    /// Whatever keeps an exchange for `purpose` from starting now, and when it no longer does.
    fn hindered_until(&mut self, view: &View, purpose: Purpose) -> Option<Millis> {
        let same_wake = view.now.since(self.connected) <= SAME_WAKE && self.under_way.is_some();
        let pauses = purpose == Purpose::Routine || self.urgent_failed;
        if self.not_before > view.now && !view.flush && pauses {
            return Some(self.not_before);
        }
        let automatic = purpose == Purpose::Routine && !view.flush && !same_wake && !is_riding(view);
        let wait = self.budget.accesses.wait();
        if automatic && wait.0 > 0 {
            let free = view.now.after(wait);
            if self.failures == 0 {
                return Some(free);
            }
            // All that failed with this one used up their accesses as fast.
            self.not_before = self.some_time_after(free, self.failures);
            return Some(self.not_before);
        }
        if purpose == Purpose::Routine && self.degradation == Degradation::UrgentOnly {
            let again = self.look_again(view.now);
            let enough = MicroJoules(self.budget.settings().burst.0.saturating_mul(3).div_ceil(16));
            let short = self.budget.affords(view.now, enough, Purpose::Routine).err();
            let lifted = short.and_then(|short| short.until).unwrap_or(again);
            // Devices that were in need for the same reason leave it apart.
            let own = Millis(self.apart.part(lifted.since(view.now).0));
            return Some(lifted.after(own).min(again));
        }
        // Devices that spent theirs on the same failures could pay for the next at the same time: each waits until it has some more, as far
        // as the bucket holds that.
        let predicted = self.predicted(view, purpose);
        let room = self.budget.settings().burst.minus(predicted);
        let some_more = MicroJoules(self.apart.part(room.0.min(predicted.0 / 2)));
        let cautious = purpose == Purpose::Routine || self.failures > 0;
        let wanted = if cautious { predicted.plus(some_more) } else { predicted };
        let short = self.budget.affords(view.now, wanted, purpose).err()?;
        Some(short.until.unwrap_or(self.look_again(view.now)))
    }

    /// Pays for an exchange, and has it begun.
    fn begin(&mut self, view: &View, purpose: Purpose) -> Decision {
        let predicted = self.predicted(view, purpose);
        if let Err(short) = self.budget.hold(view.now, predicted, purpose) {
            return Decision::Wait(Some(short.until.unwrap_or(view.now.after(LOOK_AGAIN))));
        }
        let same_wake = view.now.since(self.connected) <= SAME_WAKE && self.connected > self.woken;
        if purpose == Purpose::Routine && !view.flush && !same_wake && !is_riding(view) {
            self.budget.accesses.note();
        }
        self.woken = view.now;
        self.seen.1 = view.unsent;
        self.running = true;
        Decision::Send
    }

    /// Asks for news, with nothing to send.
    fn ask(&mut self, view: &View) -> Decision {
        let at = if view.flush { view.now } else { self.ask_at };
        if at > view.now {
            return Decision::Wait(Some(at));
        }
        if let Some(at) = self.hindered_until(view, Purpose::Routine) {
            return Decision::Wait(Some(at.max(Millis(view.now.0 + 1))));
        }
        self.asks = self.asks.saturating_add(1);
        self.begin(view, Purpose::Routine)
    }

    /// What many hear at the same time, for the same reason, is no reason for all of them to prefer that time of day.
    fn hear_apart(&mut self, now: Millis, level: Option<CoverageLevel>) {
        let Some(level) = level else { return };
        if self.apart.is_in_step(now) {
            self.coverage.pass(level, now);
        } else {
            self.coverage.hear(level, now);
        }
    }

    fn ended(&mut self, now: Millis, spent: MicroJoules) {
        self.running = false;
        self.budget.settle(now, spent);
    }

    /// How often something urgent takes the rest along: a mean that forgets.
    fn note_urgent(&mut self, now: Millis, urgent: bool) {
        let hours_1024 = now.since(self.urgent_since).0.min(1 << 40) * u64::from(CERTAIN) / 3_600_000;
        let rate = u64::from(CERTAIN * CERTAIN) / hours_1024.max(64);
        let rate = if urgent { u32::try_from(rate).unwrap_or(u32::MAX) } else { 0 };
        self.urgent_rate = (self.urgent_rate * 7 + rate) / 8;
        if urgent {
            self.urgent_since = now;
        }
    }

    /// Steps down at once and up with a margin, so that a budget at an edge does not flap.
    fn degrade(&mut self) {
        let burst = self.budget.settings().burst.0.max(1);
        let fill = if self.budget.debt().0 > 0 { 0 } else { self.budget.above_reserve().0.saturating_mul(16) / burst };
        let of = |fill: u64| match fill {
            8.. => Degradation::None,
            4.. => Degradation::LongerIntervals,
            2.. => Degradation::HashOnly,
            _ => Degradation::UrgentOnly,
        };
        self.degradation = self.degradation.max(of(fill)).min(of(fill.saturating_sub(1)));
    }
}

fn is_riding(view: &View) -> bool {
    view.radio_up_until.is_some_and(|until| view.now < until)
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
