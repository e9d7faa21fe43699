// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The modem and its network: what an exchange costs in truth at the coverage of its moment, by cause; what of it the modem could
//! tell; what goes wrong. [`crate::link`] and [`crate::strategies`] use it. It decides nothing.
//!
//! An exchange goes: search and attach, if the network was gone; wake; set-up, which the network may refuse; datagrams, each of which
//! may be lost and is then repeated after CoAP's time-outs; the answer; release. All but waiting is multiplied by one lognormal factor
//! of mean 1.

use std::rc::Rc;

use cairn::{
    ports::LinkError,
    power::cost::{Attach, CoverageLevel, DATAGRAM_HEADER_BYTES, ExchangeCost, LevelCosts, MicroJoules, Model},
    time::Millis,
};

use crate::{
    battery::DAYS_PER_YEAR,
    coverage::{Air, DAY_MS},
    outcome::{ByCause, Cause},
    product::{even, exponential},
    scenario::{Down, Network, Scenario, joules, millis},
    traces::Dice,
};

/// CONFIG_CAIRN_COAP_ACK_TIMEOUT_MS: until the first repetition, times up to 1.5.
const ACK_TIMEOUT_MS: f64 = 10_000.0;
/// CONFIG_CAIRN_COAP_MAX_RETRANSMIT.
const REPETITIONS: u32 = 2;
/// The longest that an exchange lasts: whatever the modem does afterwards the link is not told.
const PATIENCE_MS: f64 = 105_000.0;
/// What begins so soon after a connection ended finds the modem awake (T3324, or idle mode).
const AWAKE_MS: u64 = 10_000;
/// A modem that found no network for its tracking area update looks again after this.
const SEARCH_AGAIN_MS: u64 = 3_600_000;

/// What became of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Exchanged {
    /// What it cost in truth.
    pub energy: ByCause,
    /// What the modem tells of it.
    pub cost: ExchangeCost,
    /// Whether there was an answer.
    pub result: Result<(), LinkError>,
    /// When it is over.
    pub ends: u64,
}

/// The modem, its network, and its luck.
#[derive(Clone, Debug)]
pub struct Radio {
    truth: Model,
    network: Network,
    air: Rc<Air>,
    dice: Dice,
    /// Of faults alone: they come at the same times whatever the modem does.
    faults: Dice,
    /// When the last connection ended; what comes later finds the modem asleep.
    connected: u64,
    /// The product has the radio up until then.
    up_until: u64,
    attached_at: Option<u64>,
    next_update: u64,
    next_fault: u64,
}

/// What is spent on one thing, and how long it takes.
struct Tally {
    energy: ByCause,
    ms: f64,
    factor: f64,
}

impl Tally {
    /// Something of the model, times the factor.
    fn pay(&mut self, cause: Cause, microjoules: f64) {
        self.energy[cause] = self.energy[cause].plus(joules(microjoules * self.factor / 1e6));
    }

    /// Time spent connected or searching.
    fn wait(&mut self, cause: Cause, truth: &Model, ms: f64) {
        self.ms += ms;
        self.energy[cause] = self.energy[cause].plus(MicroJoules::of_power(truth.tail_uw, millis(ms / 1000.0)));
    }
}

impl Radio {
    /// The radio of `scenario`. The same for every strategy, as far as they do the same.
    #[must_use]
    pub fn of(scenario: &Scenario, air: Rc<Air>) -> Self {
        let dice = Dice::new(scenario.seed ^ 0x00ad_1077);
        let mut faults = Dice::new(scenario.seed ^ 0x000f_a417);
        let (truth, network) = (scenario.truth(), scenario.network);
        let next_fault = until_fault(&mut faults, &network);
        let next_update = millis(network.t3412_hours * 3600.0).0;
        Self {
            truth,
            network,
            air,
            dice,
            faults,
            connected: 0,
            up_until: 0,
            attached_at: Some(0),
            next_update,
            next_fault,
        }
    }

    /// The granted T3412.
    #[must_use]
    pub const fn t3412(&self) -> Millis {
        millis(self.network.t3412_hours * 3600.0)
    }

    /// When the modem connects by itself.
    #[must_use]
    pub const fn next_update(&self) -> u64 {
        self.next_update
    }

    /// The modem lost power.
    pub const fn reset(&mut self) {
        self.attached_at = None;
    }

    fn row(&self, level: CoverageLevel) -> LevelCosts {
        *self.truth.level(level)
    }

    /// A lognormal factor of mean 1.
    fn noise(&mut self, level: CoverageLevel) -> f64 {
        let sigma = self.network.noise_sigma[level as usize];
        // Box and Muller, 1958.
        let (length, turn) = (libm::log(even(&mut self.dice)), core::f64::consts::TAU * even(&mut self.dice));
        let normal = (-2.0 * length).sqrt() * libm::cos(turn);
        libm::exp(sigma * normal - sigma * sigma / 2.0)
    }

    /// Nothing spent yet on what happens at `level`.
    fn tally(&mut self, level: CoverageLevel) -> Tally {
        Tally { energy: ByCause::default(), ms: 0.0, factor: self.noise(level) }
    }

    /// Whether there is no network to be found. The modem looks for it then, and is no longer attached.
    fn searches_in_vain(&mut self, now: u64, level: CoverageLevel, tally: &mut Tally) -> bool {
        let is_down = self.air.is_down(Down::Network, now);
        if is_down {
            self.attached_at = None;
            tally.pay(Cause::Wake, self.row(level).wake_uj.into());
            tally.wait(Cause::SetUp, &self.truth, self.network.search_s * 1000.0);
        }
        is_down
    }

    fn happens(&mut self, probability: f64) -> bool {
        even(&mut self.dice) <= probability
    }

    /// Sends `bytes_up` of UDP payload in one datagram and waits for one answer. `hears` is called when the other end hears it, each time
    /// that it does, and says how long its answer is.
    pub fn exchange(&mut self, now: u64, bytes_up: u32, hears: &mut dyn FnMut() -> u32) -> Exchanged {
        let level = self.air.level(now);
        let row = self.row(level);
        let mut tally = self.tally(level);
        let mut cost = ExchangeCost { connections: 1, attach: Attach::Registered, ..ExchangeCost::default() };
        let riding = now < self.up_until;
        let result = self.reach(now, level, riding, &mut tally, &mut cost).and_then(|()| {
            let result = self.converse(now, level, bytes_up, hears, &mut tally, &mut cost);
            if !riding {
                tally.pay(Cause::Release, row.release_uj.into());
                let tail_ms = self.truth.tail_ms;
                tally.wait(Cause::Tail, &self.truth, tail_ms.into());
            }
            result
        });
        let ends = now + millis(tally.ms / 1000.0).0.max(1);
        if result.is_ok() || cost.datagrams_up > 0 {
            self.note_connection(ends);
            cost.coverage = self.network.reports_level.then_some(level);
        }
        cost.duration_ms = u32::try_from(ends - now).unwrap_or(u32::MAX);
        Exchanged { energy: tally.energy, cost, result, ends }
    }

    const fn note_connection(&mut self, ends: u64) {
        self.connected = ends;
        self.next_update = ends + self.t3412().0;
    }

    /// A wake of another kind than an exchange: `bytes` on the wire both ways over connections that wait `round_trips` times, and that
    /// are kept for `kept_ms` besides. What TCP repeats in it is not counted.
    pub fn session(&mut self, now: u64, bytes: u32, round_trips: u32, kept_ms: u32) -> Exchanged {
        let level = self.air.level(now);
        let row = self.row(level);
        let mut tally = self.tally(level);
        let mut cost = ExchangeCost::default();
        let result = self.reach(now, level, false, &mut tally, &mut cost).and_then(|()| {
            tally.pay(Cause::Bytes, f64::from(row.byte_uj) * f64::from(bytes));
            tally.pay(Cause::RoundTrips, f64::from(row.round_trip_uj) * f64::from(round_trips));
            tally.wait(Cause::Tail, &self.truth, kept_ms.into());
            tally.pay(Cause::Release, row.release_uj.into());
            if self.air.is_down(Down::Relay, now) { Err(LinkError::TimeOut) } else { Ok(()) }
        });
        let ends = now + millis(tally.ms / 1000.0).0.max(1);
        if result.is_ok() {
            self.note_connection(ends);
        }
        Exchanged { energy: tally.energy, cost, result, ends }
    }

    /// Gets as far as a connection.
    fn reach(
        &mut self,
        now: u64,
        level: CoverageLevel,
        riding: bool,
        tally: &mut Tally,
        cost: &mut ExchangeCost,
    ) -> Result<(), LinkError> {
        let row = self.row(level);
        if self.searches_in_vain(now, level, tally) {
            return Err(LinkError::Unreachable);
        }
        self.strike(now, tally)?;
        if self.is_detached(now) {
            cost.attach = Attach::Attached;
            self.attach(now, level, tally);
        }
        if riding {
            return Ok(());
        }
        if now > self.connected + AWAKE_MS || self.connected == 0 {
            tally.pay(Cause::Wake, row.wake_uj.into());
        }
        tally.pay(Cause::SetUp, row.setup_uj.into());
        if self.happens(self.network.refused[level as usize]) {
            tally.ms += f64::from(row.usual_ms) * tally.factor;
            return Err(LinkError::Unreachable);
        }
        Ok(())
    }

    /// The network was gone since the modem attached.
    fn is_detached(&self, now: u64) -> bool {
        match (self.attached_at, self.air.network_back(now)) {
            (Some(attached), Some(back)) => attached < back,
            (attached, _) => attached.is_none(),
        }
    }

    fn attach(&mut self, now: u64, level: CoverageLevel, tally: &mut Tally) {
        let energy = f64::from(self.row(level).attach_uj);
        tally.pay(Cause::Attach, energy);
        tally.ms += energy * tally.factor / f64::from(self.truth.tail_uw.max(1)) * 1000.0;
        self.attached_at = Some(now);
    }

    /// A fault of the network that waited for the modem to come out: it searches, and the link gives up.
    fn strike(&mut self, now: u64, tally: &mut Tally) -> Result<(), LinkError> {
        if now < self.next_fault {
            return Ok(());
        }
        let microjoules = 1e6 * libm::pow(self.network.fault_max_j, even(&mut self.faults));
        while self.next_fault <= now {
            self.next_fault += until_fault(&mut self.faults, &self.network);
        }
        let ms = microjoules / f64::from(self.truth.tail_uw.max(1)) * 1000.0;
        tally.energy[Cause::Fault] = tally.energy[Cause::Fault].plus(joules(microjoules / 1e6));
        tally.ms += ms.min(PATIENCE_MS);
        if ms < PATIENCE_MS { Ok(()) } else { Err(LinkError::TimeOut) }
    }

    /// Datagrams and their answers.
    fn converse(
        &mut self,
        now: u64,
        level: CoverageLevel,
        bytes_up: u32,
        hears: &mut dyn FnMut() -> u32,
        tally: &mut Tally,
        cost: &mut ExchangeCost,
    ) -> Result<(), LinkError> {
        let row = self.row(level);
        let loss = self.network.loss[level as usize];
        let first_wait = ACK_TIMEOUT_MS * (1.0 + even(&mut self.dice) / 2.0);
        for attempt in 0..=REPETITIONS {
            cost.bytes_up += bytes_up;
            cost.datagrams_up += 1;
            tally.pay(Cause::Bytes, f64::from(row.byte_uj) * f64::from(bytes_up + DATAGRAM_HEADER_BYTES));
            let gets_there = !self.air.is_down(Down::Relay, now) && !self.happens(loss / 2.0);
            let answer = gets_there.then(&mut *hears);
            if let Some(bytes_down) = answer
                && !self.happens(loss / 2.0)
            {
                cost.bytes_down += bytes_down;
                cost.datagrams_down += 1;
                tally.pay(Cause::Bytes, f64::from(row.byte_uj) * f64::from(bytes_down + DATAGRAM_HEADER_BYTES));
                tally.pay(Cause::RoundTrips, row.round_trip_uj.into());
                tally.ms += f64::from(row.usual_ms) * tally.factor;
                return Ok(());
            }
            tally.wait(Cause::Tail, &self.truth, first_wait * f64::from(1_u32 << attempt));
        }
        Err(LinkError::TimeOut)
    }

    /// The modem updates its tracking area, as T3412 asks.
    pub fn update(&mut self, now: u64) -> ByCause {
        let level = self.air.level(now);
        let mut tally = self.tally(level);
        if self.searches_in_vain(now, level, &mut tally) {
            self.next_update = now + SEARCH_AGAIN_MS;
            return tally.energy;
        }
        // What a fault cost is counted; the update is made all the same.
        let _: Result<(), LinkError> = self.strike(now, &mut tally);
        if self.is_detached(now) {
            self.attach(now, level, &mut tally);
        } else {
            tally.pay(Cause::TrackingArea, self.row(level).tau_uj.into());
        }
        self.note_connection(now + 1);
        tally.energy
    }

    /// The product uses the radio itself, for `bytes` on the wire: what it costs, and until when the radio is up.
    pub fn product_use(&mut self, now: u64, bytes: u32) -> (MicroJoules, Option<u64>) {
        let (level, truth) = (self.air.level(now), self.truth);
        let factor = self.noise(level);
        if self.air.is_down(Down::Network, now) {
            return (MicroJoules::of_power(truth.tail_uw, millis(self.network.search_s)), None);
        }
        let spent = truth.exchange(level, bytes, 1).0 as f64 * factor;
        self.up_until = now + 2 * u64::from(self.row(level).usual_ms);
        self.note_connection(self.up_until);
        (joules(spent / 1e6), Some(self.up_until))
    }
}

fn until_fault(dice: &mut Dice, network: &Network) -> u64 {
    let years = exponential(dice) / network.faults_per_year.max(1e-9);
    millis((years * DAYS_PER_YEAR).min(1e6) * DAY_MS as f64 / 1000.0).0.max(1)
}
