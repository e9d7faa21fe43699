// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One device of a fleet: its scheduler, and what its agent would show it. The fleet asks it what it does next and tells it how
//! that went. Readings are counted, not kept: it knows when the oldest unsealed one was taken.

use cairn::{
    journal::BudgetState,
    ports::LinkError,
    power::{
        cost::{DATAGRAM_HEADER_BYTES, EXCHANGE_BYTES, ExchangeCost, Model},
        outlook::Sight,
        schedule::{Decision, Schedule, View},
        scheduler::{Scheduler, Settings},
    },
    time::Millis,
};

use super::{Fate, Fleet, Protection, Sky, level};
use crate::traces::Dice;

/// Bytes that a reading adds to an upload.
const READING_BYTES: u32 = 6;
/// An exchange that nobody answers ends after this (RFC 7252: `EXCHANGE_LIFETIME`'s share for a lost request).
const UNHEARD: Millis = Millis::from_secs(93);

/// What a device does next.
pub(super) enum Step {
    /// Begins an exchange now.
    Exchange,
    /// Nothing until then.
    Wait(Millis),
}

/// An exchange that runs.
#[derive(Clone, Copy)]
struct Running {
    ends: Millis,
    fate: Fate,
    level: cairn::power::cost::CoverageLevel,
}

/// Sealed batches that the relay does not have.
#[derive(Clone, Copy, Default)]
struct Unsent {
    batches: u32,
    bytes: u32,
    /// When the oldest reading in them was taken, and the oldest urgent record.
    oldest: Option<Millis>,
    urgent: Option<Millis>,
}

/// All times inside are the device's own: since it started.
pub(super) struct Device {
    number: u32,
    scheduler: Option<Scheduler>,
    kept: Option<BudgetState>,
    started: Millis,
    /// Its clock is wrong by so much.
    clock: u64,
    /// When the oldest unsealed reading was or will be taken.
    reading: Millis,
    urgent: Option<Millis>,
    unsent: Unsent,
    running: Option<Running>,
    update: Option<Millis>,
    pub(super) exchanges: u64,
    pub(super) failed: u64,
    pub(super) urgent_stored: u64,
    pub(super) urgent_took: Millis,
    pub(super) late: u64,
}

impl Device {
    pub(super) fn new(fleet: &Fleet, number: u32, dice: &mut Dice) -> Self {
        Self {
            number,
            scheduler: None,
            kept: None,
            started: Millis(0),
            clock: dice.below(2_000),
            reading: Millis(0),
            urgent: None,
            unsent: Unsent::default(),
            running: None,
            update: fleet.tau,
            exchanges: 0,
            failed: 0,
            urgent_stored: 0,
            urgent_took: Millis(0),
            late: 0,
        }
    }

    /// Power returns at `at`.
    pub(super) fn start(&mut self, fleet: &Fleet, model: &Model, at: Millis, dice: &mut Dice) {
        let own = dice.draw();
        let settings = Settings {
            patience: fleet.patience,
            retry_base: Millis::from_secs(30),
            retry_max: Millis::from_secs(3600),
            seed: if fleet.without == Some(Protection::OwnSeeds) { 7 } else { own },
            model: *model,
            budget: fleet.budget,
            tau: fleet.tau,
            sight: Sight::Blind,
        };
        let scheduler = Scheduler::new(settings, self.kept.as_ref().map(BudgetState::bytes), Millis(0));
        let offset = fleet.without != Some(Protection::BootOffset);
        self.scheduler = Some(if offset { scheduler } else { scheduler.amid_life() });
        self.started = at;
        // What was sealed and journaled before is there still; monotonic time begins anew.
        let left = self.unsent.batches > 0 || self.unsent.oldest.is_some();
        self.unsent.oldest = left.then_some(Millis(0));
        self.unsent.urgent = self.unsent.urgent.map(|_| Millis(0));
        self.running = None;
        self.reading = self.next_reading(fleet, Millis(0));
        self.urgent = (dice.below(100) < u64::from(fleet.urgent_percent)).then_some(Millis(0));
        self.update = fleet.tau;
    }

    /// The first reading after `own`.
    fn next_reading(&self, fleet: &Fleet, own: Millis) -> Millis {
        let wall = self.started.0 + own.0 + self.clock;
        let every = fleet.reading_every.0;
        Millis((wall / every + 1) * every - self.clock - self.started.0)
    }

    fn view(&self, fleet: &Fleet, now: Millis) -> View {
        let readings = (now >= self.reading).then(|| now.since(self.reading).0 / fleet.reading_every.0 + 1);
        let readings = u32::try_from(readings.unwrap_or(0)).unwrap_or(u32::MAX);
        let (routine, urgent) = ((readings > 0).then_some(self.reading), self.urgent);
        View {
            unsealed: readings + u32::from(urgent.is_some()),
            oldest: [None, routine, urgent],
            pending_bytes: self.unsent.bytes + (readings + u32::from(urgent.is_some())) * READING_BYTES,
            unsent: self.unsent.batches,
            ..View::at(now)
        }
    }

    /// What it does at `now`, the fleet's time.
    pub(super) fn step(&mut self, fleet: &Fleet, model: &Model, now: Millis) -> Step {
        let own = now.since(self.started);
        if let Some(running) = self.running {
            if own < running.ends {
                return Step::Wait(self.started.after(running.ends));
            }
            self.end(fleet, model, running);
        }
        loop {
            let view = self.view(fleet, own);
            let Some(scheduler) = &mut self.scheduler else { return Step::Wait(fleet.horizon) };
            match scheduler.decide(&view) {
                Decision::Seal => self.seal(fleet, &view),
                Decision::Send => {
                    if let Some(kept) = scheduler.to_keep() {
                        self.kept = Some(kept);
                        scheduler.was_kept();
                    }
                    return Step::Exchange;
                }
                Decision::Wait(at) => {
                    let at = at.unwrap_or(Millis(u64::MAX));
                    // The agent looks at its schedule when a record comes.
                    let at = if view.unsealed == 0 { at.min(self.reading) } else { at };
                    return Step::Wait(self.started.after(at));
                }
            }
        }
    }

    fn seal(&mut self, fleet: &Fleet, view: &View) {
        let unsent = &mut self.unsent;
        unsent.batches += 1;
        unsent.bytes = view.pending_bytes;
        unsent.oldest = unsent.oldest.or(view.oldest[1]);
        unsent.urgent = unsent.urgent.or(self.urgent.take());
        if view.oldest[1].is_some() {
            self.reading = self.next_reading(fleet, view.now);
        }
    }

    /// The exchange that it begins at `now` goes as `fate` says.
    pub(super) fn begin(&mut self, now: Millis, fate: Fate, model: &Model, fleet: &Fleet) {
        let own = now.since(self.started);
        let level = level(fleet.sky, self.number, now);
        let lasts = if fate == Fate::Unheard { UNHEARD } else { Millis(u64::from(model.level(level).usual_ms)) };
        self.running = Some(Running { ends: own.after(lasts), fate, level });
    }

    fn end(&mut self, fleet: &Fleet, model: &Model, running: Running) {
        let Running { ends, fate, level } = running;
        self.running = None;
        let answered = fate != Fate::Unheard;
        let cost = ExchangeCost {
            bytes_up: self.unsent.bytes + EXCHANGE_BYTES - 2 * DATAGRAM_HEADER_BYTES - 60,
            bytes_down: if answered { 60 } else { 0 },
            datagrams_up: 1,
            datagrams_down: u16::from(answered),
            duration_ms: if answered {
                model.level(level).usual_ms
            } else {
                u32::try_from(UNHEARD.0).unwrap_or(u32::MAX)
            },
            coverage: (fleet.sky != Sky::Untold).then_some(level),
            ..ExchangeCost::default()
        };
        let result = match fate {
            Fate::Answered => Ok(()),
            // 5.03
            Fate::TurnedAway => Err(LinkError::Rejected(0xA3)),
            Fate::Unheard => Err(LinkError::TimeOut),
        };
        self.exchanges += 1;
        self.update = fleet.tau.map(|period| ends.after(period));
        if let Some(scheduler) = &mut self.scheduler {
            scheduler.exchange_ended(ends, result, &cost);
            if let Some(kept) = scheduler.to_keep() {
                self.kept = Some(kept);
                scheduler.was_kept();
            }
        }
        if fate != Fate::Answered {
            self.failed += 1;
            return;
        }
        self.unsent.batches -= 1;
        if self.unsent.batches > 0 {
            return;
        }
        let Unsent { oldest, urgent, .. } = core::mem::take(&mut self.unsent);
        if let Some(since) = urgent {
            self.urgent_stored += 1;
            self.urgent_took = self.urgent_took.max(ends.since(since));
        }
        let due = fleet.patience[1].after(Millis(u64::from(model.level(level).usual_ms)));
        self.late += u64::from(oldest.is_some_and(|since| ends.since(since) > due));
    }

    /// Tells of the tracking area updates that the modem made by itself up to `now`.
    pub(super) fn updated(&mut self, fleet: &Fleet, now: Millis, mut each: impl FnMut(Millis)) {
        while let (Some(at), Some(period)) = (self.update, fleet.tau)
            && self.started.after(at) <= now
        {
            each(self.started.after(at));
            self.update = Some(at.after(period));
        }
    }
}
