// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What energy things cost: the model as data, what an exchange cost as the link measured it, and how the second moves the
//! first. [`super::budget`] charges what is said here, [`super::schedule`] compares it; nothing here decides.
//!
//! Integers only: microjoules, and microwatts times milliseconds, which are nanojoules. No sum overflows: each saturates.

use super::schedule::Work;
use crate::time::Millis;

/// Energy, in microjoules, on the battery's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroJoules(pub u64);

impl MicroJoules {
    /// `millijoules` as microjoules.
    #[must_use]
    pub const fn from_mj(millijoules: u32) -> Self {
        Self(millijoules as u64 * 1000)
    }

    /// What `microwatts` are in `span`, rounded down.
    #[must_use]
    pub const fn of_power(microwatts: u32, span: Millis) -> Self {
        Self((microwatts as u64).saturating_mul(span.0) / 1000)
    }

    /// The sum, saturating.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// The difference, zero when `less` is more.
    #[must_use]
    pub const fn minus(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }

    /// `count` times as much, saturating.
    #[must_use]
    pub const fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count as u64))
    }
}

/// Coverage enhancement level of NB-IoT: how often the radio must repeat itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CoverageLevel {
    /// Normal coverage.
    Ce0 = 0,
    /// Robust.
    Ce1 = 1,
    /// Extreme.
    Ce2 = 2,
}

impl CoverageLevel {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Ce0, Self::Ce1, Self::Ce2];
}

/// What one exchange cost, also when it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExchangeCost {
    /// UDP payload bytes sent, retransmissions included.
    pub bytes_up: u32,
    /// UDP payload bytes received.
    pub bytes_down: u32,
    /// Datagrams sent.
    pub datagrams_up: u16,
    /// Datagrams received.
    pub datagrams_down: u16,
    /// Sockets opened.
    pub connections: u16,
    /// Milliseconds from start to end.
    pub duration_ms: u32,
    /// The coverage level the modem reported, if it did.
    pub coverage: Option<CoverageLevel>,
    /// Whether the modem had to attach to the network for it.
    pub attach: Attach,
}

/// Whether the modem had to attach to the network for an exchange, as far as the link knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Attach {
    /// The link does not know: the first exchange after a start is taken for one that attached, and no other.
    #[default]
    Unknown = 0,
    /// The modem was registered when the exchange began.
    Registered = 1,
    /// The modem searched and attached.
    Attached = 2,
}

/// The timers of power saving mode (3GPP TS 24.008, 10.5.5.32 and 10.5.7.4a) that the network granted; `None` is what it did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PsmTimers {
    /// T3324: from the end of a connection to sleep.
    pub active: Option<Millis>,
    /// T3412 extended: from a connection to the tracking area update after it.
    pub periodic_update: Option<Millis>,
}

/// What a modem said of the network since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The coverage level.
    pub coverage: Option<CoverageLevel>,
    /// Whether it searched and attached.
    pub attach: Attach,
    /// The granted timers, when it told them.
    pub timers: Option<PsmTimers>,
}

/// Bytes of an IPv4 and a UDP header (RFC 791, RFC 768): what a datagram is longer on the wire than its payload.
pub const DATAGRAM_HEADER_BYTES: u32 = 28;

/// Bytes on the wire of an exchange without records: an anchor and its signature, the answer, CoAP, OSCORE, UDP and IPv4.
pub const EXCHANGE_BYTES: u32 = 320;

impl ExchangeCost {
    /// Bytes on the wire both ways.
    #[must_use]
    pub const fn wire_bytes(&self) -> u32 {
        let datagrams = self.datagrams_up as u32 + self.datagrams_down as u32;
        self.bytes_up.saturating_add(self.bytes_down).saturating_add(datagrams * DATAGRAM_HEADER_BYTES)
    }

    /// Bytes on the wire both ways, had nothing been sent twice.
    fn wire_bytes_without_repeats(&self) -> u32 {
        let (up, down) = (self.datagrams_up as u32, self.datagrams_down as u32);
        let once = |bytes: u32, datagrams: u32| match bytes.checked_div(datagrams) {
            Some(bytes) => bytes.saturating_add(DATAGRAM_HEADER_BYTES),
            None => 0,
        };
        once(self.bytes_up, up).saturating_add(once(self.bytes_down, down))
    }
}

/// What things cost at one coverage level. Microjoules but for `usual_ms`. Sources are those of docs/power.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelCosts {
    /// Waking the modem and finding the cell.
    pub wake_uj: u32,
    /// Random access and the set-up of a connection.
    pub setup_uj: u32,
    /// One byte on the wire.
    pub byte_uj: u32,
    /// Waiting for one answer.
    pub round_trip_uj: u32,
    /// Giving the connection up.
    pub release_uj: u32,
    /// A tracking area update with nothing else.
    pub tau_uj: u32,
    /// Listening once in an eDRX cycle.
    pub paging_cycle_uj: u32,
    /// Attaching after power was off.
    pub attach_uj: u32,
    /// How long an exchange of one round trip takes that nothing delays, in milliseconds: what it takes longer is spent
    /// connected.
    pub usual_ms: u32,
}

/// The energy model: all that is charged is computed from these numbers, and all of them may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// Coverage levels 0, 1, 2.
    pub levels: [LevelCosts; 3],
    /// What the device draws asleep, in nanowatts.
    pub floor_nw: u32,
    /// What a connection draws that waits, in microwatts.
    pub tail_uw: u32,
    /// How long the network keeps a connection after the last byte, in milliseconds: 0 when release assistance (RAI) works.
    pub tail_ms: u32,
    /// One signature, in microjoules.
    pub signature_uj: u32,
    /// One write to flash, in microjoules.
    pub flash_write_uj: u32,
    /// One sector erased, in microjoules.
    pub flash_erase_uj: u32,
    /// What to assume where no level was ever reported.
    pub unknown: CoverageLevel,
}

impl Model {
    /// The defaults, each with where it comes from. The letters are the sources in docs/power.md; *assumed* says that there is none.
    ///
    /// | row | CE0 | CE1 | CE2 | origin |
    /// | --- | --- | --- | --- | --- |
    /// | wake | 80 mJ | 200 mJ | 800 mJ | B for the sum of CE0's wake, set-up and release; the split and CE1, CE2 assumed |
    /// | set-up | 140 mJ | 350 mJ | 1500 mJ | as above |
    /// | byte | 0.27 mJ | 3 mJ | 12 mJ | CE0 fitted to B; CE1, CE2 between M, R and J |
    /// | round trip | 145 mJ | 300 mJ | 1200 mJ | CE0: B, 504 - 360; the rest assumed |
    /// | release | 30 mJ | 50 mJ | 200 mJ | assumed |
    /// | TAU | 250 mJ | 600 mJ | 2500 mJ | CE0: B, N1; the rest assumed |
    /// | paging cycle | 11 mJ | 20 mJ | 50 mJ | CE0: N1; CE2: M; CE1 assumed |
    /// | attach | 10 J | 15 J | 40 J | assumed: at CE0 180 s of the tail's power |
    /// | usual time | 3 s | 6 s | 22 s | assumed: the round trip's energy at the tail's power, and the set-up |
    /// | floor | 14.4 uW | same | same | M: 4 uA at 3.6 V; N1 says 2.7 uA |
    /// | tail's power | 57 mW | same | same | geometric mean of B and M; 18 to 180 mW were seen |
    /// | tail's time | 0 s | same | same | N3 for CE0 with RAI, the rest assumed; without RAI the network says, 5 to 60 s |
    /// | signature | 3 mJ | same | same | geometric mean of 0.5 and 17 mJ: 7 to 94 M cycles of a Cortex-M |
    /// | flash write | 0.04 mJ | same | same | assumed: a page of serial NOR, 0.7 ms at 15 mA |
    /// | flash erase | 2.5 mJ | same | same | assumed: a sector of serial NOR, 45 ms at 15 mA |
    /// | unknown level | CE1 | | | assumed: rather too much than too little is charged |
    pub const DEFAULT: Self = Self {
        levels: [
            LevelCosts {
                wake_uj: 80_000,
                setup_uj: 140_000,
                byte_uj: 270,
                round_trip_uj: 145_000,
                release_uj: 30_000,
                tau_uj: 250_000,
                paging_cycle_uj: 11_000,
                attach_uj: 10_000_000,
                usual_ms: 3_000,
            },
            LevelCosts {
                wake_uj: 200_000,
                setup_uj: 350_000,
                byte_uj: 3_000,
                round_trip_uj: 300_000,
                release_uj: 50_000,
                tau_uj: 600_000,
                paging_cycle_uj: 20_000,
                attach_uj: 15_000_000,
                usual_ms: 6_000,
            },
            LevelCosts {
                wake_uj: 800_000,
                setup_uj: 1_500_000,
                byte_uj: 12_000,
                round_trip_uj: 1_200_000,
                release_uj: 200_000,
                tau_uj: 2_500_000,
                paging_cycle_uj: 50_000,
                attach_uj: 40_000_000,
                usual_ms: 22_000,
            },
        ],
        floor_nw: 14_400,
        tail_uw: 57_000,
        tail_ms: 0,
        signature_uj: 3_000,
        flash_write_uj: 40,
        flash_erase_uj: 2_500,
        unknown: CoverageLevel::Ce1,
    };

    /// The row of `level`.
    #[must_use]
    pub const fn level(&self, level: CoverageLevel) -> &LevelCosts {
        let [ce0, ce1, ce2] = &self.levels;
        match level {
            CoverageLevel::Ce0 => ce0,
            CoverageLevel::Ce1 => ce1,
            CoverageLevel::Ce2 => ce2,
        }
    }

    /// What a wake costs whatever is sent in it, the connection's tail included.
    #[must_use]
    pub const fn fixed(&self, level: CoverageLevel) -> MicroJoules {
        let row = self.level(level);
        let tail = MicroJoules::of_power(self.tail_uw, Millis(self.tail_ms as u64));
        MicroJoules(row.wake_uj as u64 + row.setup_uj as u64 + row.release_uj as u64).plus(tail)
    }

    /// What `wire_bytes` both ways and waiting for `round_trips` answers cost where the radio is up anyway.
    #[must_use]
    pub const fn riding(&self, level: CoverageLevel, wire_bytes: u32, round_trips: u32) -> MicroJoules {
        let row = self.level(level);
        MicroJoules(row.byte_uj as u64 * wire_bytes as u64)
            .plus(MicroJoules(row.round_trip_uj as u64 * round_trips as u64))
    }

    /// What a wake costs that carries `wire_bytes` both ways and waits for `round_trips` answers.
    #[must_use]
    pub const fn exchange(&self, level: CoverageLevel, wire_bytes: u32, round_trips: u32) -> MicroJoules {
        self.fixed(level).plus(self.riding(level, wire_bytes, round_trips))
    }

    /// What the device did without the radio.
    #[must_use]
    pub const fn worked(&self, work: Work) -> MicroJoules {
        let Work { signatures, flash } = work;
        MicroJoules(self.signature_uj as u64)
            .times(signatures)
            .plus(MicroJoules(self.flash_write_uj as u64).times(flash.writes as u32))
            .plus(MicroJoules(self.flash_erase_uj as u64).times(flash.erases as u32))
    }

    /// What an exchange did cost, by what the link says of it; `level` where it says none. Each datagram sent waited for an
    /// answer, and what it took longer than usual was spent connected. An attach is charged where it is known.
    #[must_use]
    pub const fn spent(&self, cost: &ExchangeCost, level: CoverageLevel) -> MicroJoules {
        let level = match cost.coverage {
            Some(reported) => reported,
            None => level,
        };
        if cost.datagrams_up == 0 && cost.duration_ms == 0 {
            return MicroJoules(0);
        }
        let waits = if cost.datagrams_up == 0 { 1 } else { cost.datagrams_up as u32 };
        let usual = self.level(level).usual_ms as u64 * waits as u64;
        let delay = Millis(cost.duration_ms as u64).since(Millis(usual));
        let delayed = MicroJoules::of_power(self.tail_uw, delay);
        // An attach takes its time, which is not charged twice.
        let attach = match cost.attach {
            Attach::Attached => MicroJoules(self.level(level).attach_uj as u64).minus(delayed),
            Attach::Registered | Attach::Unknown => MicroJoules(0),
        };
        self.exchange(level, cost.wire_bytes(), waits).plus(delayed).plus(attach)
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// One, where factors are counted in 256ths.
const ONE: u16 = 256;

/// What this device's exchanges cost compared with the model, level by level: a mean that forgets, within bounds. Wide of the
/// model by more than [`Learned::FACTOR_MAX`] is taken for an accident of one exchange and not for what the next will cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Factors in 256ths.
    factors: [u16; 3],
    /// The level last reported.
    level: Option<CoverageLevel>,
}

impl Learned {
    /// The model is believed never to be wrong by more than this factor upwards, and never downwards: it has no cost that an
    /// exchange of its bytes does without.
    pub const FACTOR_MAX: u32 = 4;

    /// How much one exchange counts: an eighth.
    const WEIGHT: u32 = 8;

    /// Nothing learned yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { factors: [ONE; 3], level: None }
    }

    /// The most that is ever expected of an exchange: an uplink of `uplink_max` bytes at the edge of coverage, by the largest factor
    /// that is learned.
    #[must_use]
    pub const fn dearest(model: &Model, uplink_max: u32) -> MicroJoules {
        model.exchange(CoverageLevel::Ce2, EXCHANGE_BYTES + uplink_max, 1).times(Self::FACTOR_MAX)
    }

    /// The level that was reported last.
    #[must_use]
    pub const fn level(&self) -> Option<CoverageLevel> {
        self.level
    }

    /// The level to reckon with.
    #[must_use]
    pub fn level_or(&self, model: &Model) -> CoverageLevel {
        self.level.unwrap_or(model.unknown)
    }

    /// The modem said its level.
    pub const fn hear(&mut self, level: CoverageLevel) {
        self.level = Some(level);
    }

    /// Takes in what an exchange cost, and returns it.
    pub fn learn(&mut self, model: &Model, cost: &ExchangeCost) -> MicroJoules {
        self.level = cost.coverage.or(self.level);
        let level = self.level_or(model);
        let spent = model.spent(cost, level);
        // What an attach cost says nothing of the next exchange.
        if spent == MicroJoules(0) || cost.attach == Attach::Attached {
            return spent;
        }
        let planned = model.exchange(level, cost.wire_bytes_without_repeats(), 1).0.max(1);
        let ratio = spent.0.saturating_mul(u64::from(ONE)) / planned;
        let seen = u32::try_from(ratio).unwrap_or(u32::MAX).clamp(u32::from(ONE), u32::from(ONE) * Self::FACTOR_MAX);
        if let Some(factor) = self.factors.get_mut(level as usize) {
            // Rounded towards what was seen, so that it gets there.
            let old = u32::from(*factor);
            let rounding = if seen > old { Self::WEIGHT - 1 } else { 0 };
            *factor = u16::try_from((old * (Self::WEIGHT - 1) + seen + rounding) / Self::WEIGHT).unwrap_or(u16::MAX);
        }
        spent
    }

    /// The factor at `level`, in 256ths: from 256 to 256 times [`Learned::FACTOR_MAX`].
    #[must_use]
    pub fn factor(&self, level: CoverageLevel) -> u32 {
        let [ce0, ce1, ce2] = self.factors;
        u32::from(match level {
            CoverageLevel::Ce0 => ce0,
            CoverageLevel::Ce1 => ce1,
            CoverageLevel::Ce2 => ce2,
        })
    }

    /// What `modelled` is expected to be in truth at `level`.
    #[must_use]
    pub fn expected(&self, level: CoverageLevel, modelled: MicroJoules) -> MicroJoules {
        MicroJoules(modelled.0.saturating_mul(u64::from(self.factor(level))) / u64::from(ONE))
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CoverageLevel::{Ce0, Ce1, Ce2};

    const MODEL: Model = Model::DEFAULT;

    #[track_caller]
    fn is_within(energy: MicroJoules, low_mj: u64, high_mj: u64) {
        assert!((low_mj * 1000..=high_mj * 1000).contains(&energy.0), "{energy:?} not in {low_mj}..={high_mj} mJ");
    }

    #[test]
    fn the_measured_figures_are_reproduced() {
        // B: nRF9160, DTLS CID, PSM, T3324 = 0, RAI. Single figures within 3 %.
        is_within(MODEL.exchange(Ce0, 0, 0), 252 - 7, 252 + 7);
        is_within(MODEL.exchange(Ce0, 200, 0), 270, 351);
        is_within(MODEL.exchange(Ce0, 400, 0), 360 - 10, 360 + 10);
        is_within(MODEL.exchange(Ce0, 440, 1), 504 - 15, 504 + 15);
        // Between R and J.
        is_within(MODEL.exchange(Ce2, 200, 0), 2_300, 11_000);
    }

    #[test]
    fn a_worse_level_costs_more_in_every_row_and_a_riding_upload_costs_less_than_a_wake() {
        for bytes in [0, 1, 300, 1500] {
            for trips in [0, 1, 5] {
                let [ce0, ce1, ce2] = CoverageLevel::ALL.map(|level| MODEL.exchange(level, bytes, trips));
                assert!(ce0 < ce1 && ce1 < ce2);
                assert!(
                    CoverageLevel::ALL
                        .iter()
                        .all(|level| { MODEL.riding(*level, bytes, trips) < MODEL.exchange(*level, bytes, trips) })
                );
            }
        }
    }

    #[test]
    fn a_tail_is_charged_when_the_network_keeps_the_connection() {
        let kept = Model { tail_ms: 10_000, ..MODEL };
        assert_eq!(kept.exchange(Ce0, 0, 0).0 - MODEL.exchange(Ce0, 0, 0).0, 570_000);
    }

    fn usual(level: CoverageLevel) -> ExchangeCost {
        ExchangeCost {
            bytes_up: 272,
            bytes_down: 52,
            datagrams_up: 1,
            datagrams_down: 1,
            connections: 0,
            duration_ms: MODEL.level(level).usual_ms,
            coverage: Some(level),
            attach: Attach::Registered,
        }
    }

    #[test]
    fn a_usual_exchange_costs_what_the_model_says_and_repeats_and_delays_cost_more() {
        assert_eq!(MODEL.spent(&usual(Ce0), Ce2), MODEL.exchange(Ce0, 380, 1));
        let late = ExchangeCost { duration_ms: 13_000, ..usual(Ce0) };
        assert_eq!(MODEL.spent(&late, Ce0).0 - MODEL.spent(&usual(Ce0), Ce0).0, 570_000);
        let twice = ExchangeCost { bytes_up: 544, datagrams_up: 2, ..usual(Ce0) };
        assert_eq!(MODEL.spent(&twice, Ce0), MODEL.exchange(Ce0, 380 + 300, 2));
        let level_unknown = ExchangeCost { coverage: None, ..usual(Ce1) };
        assert_eq!(MODEL.spent(&level_unknown, Ce1), MODEL.exchange(Ce1, 380, 1));
        assert_eq!(MODEL.spent(&ExchangeCost::default(), Ce1), MicroJoules(0), "what never began costs nothing");
    }

    #[test]
    fn what_exchanges_cost_moves_the_estimate_of_their_level_alone() {
        let mut learned = Learned::new();
        let twice = ExchangeCost { bytes_up: 544, datagrams_up: 2, duration_ms: 30_000, ..usual(Ce1) };
        for _ in 0..60 {
            learned.learn(&MODEL, &twice);
        }
        let planned = MODEL.exchange(Ce1, 380, 1);
        let (expected, spent) = (learned.expected(Ce1, planned), MODEL.spent(&twice, Ce1));
        assert!(expected.0.abs_diff(spent.0) < spent.0 / 50, "{expected:?} for {spent:?}");
        assert_eq!((learned.factor(Ce0), learned.factor(Ce2)), (256, 256));
        assert_eq!(learned.level(), Some(Ce1));
        for _ in 0..60 {
            learned.learn(&MODEL, &usual(Ce1));
        }
        assert_eq!(learned.expected(Ce1, planned), planned, "and it forgets");
    }

    #[test]
    fn no_exchange_moves_the_estimate_out_of_its_bounds() {
        let mut learned = Learned::new();
        let wild = ExchangeCost {
            bytes_up: u32::MAX,
            bytes_down: u32::MAX,
            datagrams_up: u16::MAX,
            datagrams_down: u16::MAX,
            connections: u16::MAX,
            duration_ms: u32::MAX,
            coverage: Some(Ce2),
            attach: Attach::Registered,
        };
        for _ in 0..100 {
            learned.learn(&MODEL, &wild);
            assert!((256..=1024).contains(&learned.factor(Ce2)));
        }
        assert_eq!(learned.factor(Ce2), 1024, "four times the model is as far as it goes");
        let dear = Model { levels: MODEL.levels.map(|row| LevelCosts { byte_uj: u32::MAX, ..row }), ..MODEL };
        learned.learn(&dear, &wild);
        assert_eq!(learned.expected(Ce2, MicroJoules(u64::MAX)).0, u64::MAX / 256, "saturates, never wraps");
    }
}
