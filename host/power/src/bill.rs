// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What measured use of a radio cost by the model, cause by cause: `cairn power price` and the demonstration's table. Counts and
//! multiplies; it knows no device and no schedule.

use cairn::{
    power::cost::{CoverageLevel, DATAGRAM_HEADER_BYTES, MicroJoules, Model},
    time::Millis,
};

use crate::outcome::{ByCause, Cause};

/// What was done in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Wakes of the radio, each with one connection.
    pub wakes: u32,
    /// UDP payload both ways.
    pub payload_bytes: u32,
    /// Datagrams sent, each of which waits for an answer.
    pub datagrams_up: u32,
    /// Datagrams received.
    pub datagrams_down: u32,
    /// Signatures made.
    pub signatures: u32,
    /// How long all of it took, sleep included.
    pub time: Millis,
}

impl Use {
    /// Bytes on the wire: payload, and a header for each datagram.
    #[must_use]
    pub const fn wire_bytes(&self) -> u32 {
        let datagrams = self.datagrams_up.saturating_add(self.datagrams_down);
        self.payload_bytes.saturating_add(datagrams.saturating_mul(DATAGRAM_HEADER_BYTES))
    }

    /// What it cost at `level`.
    #[must_use]
    pub fn cost(&self, model: &Model, level: CoverageLevel) -> ByCause {
        let row = model.level(level);
        let each = |times: u32, price: u32| MicroJoules(u64::from(times) * u64::from(price));
        let tail = MicroJoules::of_power(model.tail_uw, Millis(u64::from(model.tail_ms)));
        let asleep = u128::from(model.floor_nw) * u128::from(self.time.0) / 1_000_000;
        let mut energy = ByCause::default();
        for (cause, spent) in [
            (Cause::Sleep, MicroJoules(u64::try_from(asleep).unwrap_or(u64::MAX))),
            (Cause::Wake, each(self.wakes, row.wake_uj)),
            (Cause::SetUp, each(self.wakes, row.setup_uj)),
            (Cause::Bytes, each(self.wire_bytes(), row.byte_uj)),
            (Cause::RoundTrips, each(self.datagrams_up, row.round_trip_uj)),
            (Cause::Tail, tail.times(self.wakes)),
            (Cause::Release, each(self.wakes, row.release_uj)),
            (Cause::Signature, each(self.signatures, model.signature_uj)),
        ] {
            energy[cause] = spent;
        }
        energy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_cost_what_the_devices_own_model_charges_for_them() {
        for model in [Model::DEFAULT, Model { tail_ms: 10_000, ..Model::DEFAULT }] {
            for level in CoverageLevel::ALL {
                let used = Use { wakes: 3, payload_bytes: 900, datagrams_up: 3, datagrams_down: 3, ..Use::default() };
                let one = model.exchange(level, used.wire_bytes() / 3, 1);
                assert_eq!(used.cost(&model, level).total(), one.times(3), "{level:?}");
            }
        }
    }

    #[test]
    fn sleep_and_signatures_are_counted_and_are_not_the_radios() {
        let day = Use { signatures: 2, time: Millis(86_400_000), ..Use::default() };
        let energy = day.cost(&Model::DEFAULT, CoverageLevel::Ce0);
        // 14.4 uW for a day, and 3 mJ each.
        assert_eq!(energy[Cause::Sleep], MicroJoules(1_244_160));
        assert_eq!(energy[Cause::Signature], MicroJoules(6_000));
        assert_eq!(energy.radio(), MicroJoules(0));
        let longest = Use { time: Millis(u64::MAX), wakes: u32::MAX, payload_bytes: u32::MAX, ..Use::default() };
        assert!(longest.cost(&Model::DEFAULT, CoverageLevel::Ce2).total().0 > 0, "saturates");
    }
}
