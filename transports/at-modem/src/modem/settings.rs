// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an integrator chooses. Read by `conversation`.

use cairn::{power::cost::PsmTimers, time::Millis};

/// Release assistance (3GPP TS 24.301 section 9.9.4.25): tells the network when it may take the radio down, instead of
/// waiting out its inactivity timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Release {
    /// Say nothing.
    Never = 0,
    /// Nothing follows this datagram.
    AfterUplink = 1,
    /// One datagram down follows this one, nothing else: right for a CoAP request.
    #[default]
    AfterDownlink = 2,
}

/// Power saving timers to request (3GPP TS 24.008), as their octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Psm {
    /// Periodic update, T3412 extended (table 10.5.163a).
    pub periodic_update: u8,
    /// Active time, T3324 (table 10.5.163).
    pub active: u8,
}

/// Seconds per step of T3412 extended and its unit bits, finest first.
const PERIODIC_UNITS: [(u32, u8); 7] =
    [(2, 0b011), (30, 0b100), (60, 0b101), (600, 0b000), (3_600, 0b001), (36_000, 0b010), (1_152_000, 0b110)];
/// The same of T3324.
const ACTIVE_UNITS: [(u32, u8); 3] = [(2, 0b000), (60, 0b001), (360, 0b010)];

impl Psm {
    /// The timers nearest to these many seconds and not longer; the longest there are for more than that.
    #[must_use]
    pub fn from_secs(periodic_update: u32, active: u32) -> Self {
        Self { periodic_update: octet(periodic_update, &PERIODIC_UNITS), active: octet(active, &ACTIVE_UNITS) }
    }
}

/// The timers that the network granted, from the octets of the same tables. Deactivated, or a value that the tables do not have: `None`.
pub(super) fn granted(active: Option<u8>, periodic_update: Option<u8>) -> PsmTimers {
    let decoded = |octet: Option<u8>, units: &[(u32, u8)]| {
        let octet = octet?;
        let (step, _) = units.iter().find(|(_, unit)| *unit == octet >> 5)?;
        Some(Millis::from_secs(*step * u32::from(octet & 31)))
    };
    PsmTimers { active: decoded(active, &ACTIVE_UNITS), periodic_update: decoded(periodic_update, &PERIODIC_UNITS) }
}

fn octet(seconds: u32, units: &[(u32, u8)]) -> u8 {
    // The finest unit that reaches gives the nearest value.
    let reaching = units.iter().find(|(step, _)| seconds / step <= 31).or(units.last());
    reaching.map_or(0, |(step, unit)| {
        // At most 31.
        #[allow(clippy::cast_possible_truncation)]
        let steps = (seconds / step).min(31) as u8;
        unit << 5 | steps
    })
}

/// How a modem is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Release assistance of every datagram sent.
    pub release: Release,
    /// Ask for signal strength and coverage level after each send.
    pub survey: bool,
    /// Power saving timers to request; `None` leaves the modem's.
    pub psm: Option<Psm>,
    /// How long a datagram may wait for the network: a cold attach takes minutes.
    pub attach_limit: Millis,
    /// How long a command for the card may wait until it is sent: waking and setting up the modem, a command under way, a
    /// card that is busy.
    pub card_limit: Millis,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            release: Release::default(),
            survey: true,
            psm: None,
            attach_limit: Millis::from_secs(180),
            card_limit: Millis::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granted_timers_are_decoded_as_in_ts_24_008_and_a_deactivated_one_is_none() {
        let hours = |hours: u32| Some(Millis::from_secs(hours * 3600));
        let told = granted(Some(0b0010_0100), Some(0b0100_0111));
        assert_eq!(told, PsmTimers { active: Some(Millis::from_secs(240)), periodic_update: hours(70) });
        assert_eq!(granted(Some(0b1110_0000), Some(0b1110_0001)), PsmTimers::default());
        assert_eq!(granted(None, Some(0b1100_0001)).periodic_update, hours(320));
        assert_eq!(granted(Some(0b0100_0010), None).active, Some(Millis::from_secs(720)));
        for seconds in [2, 60, 3_600, 86_400, 31 * 36_000] {
            let asked = Psm::from_secs(seconds, 0);
            assert_eq!(granted(None, Some(asked.periodic_update)).periodic_update, Some(Millis::from_secs(seconds)));
        }
    }

    #[test]
    fn timers_are_encoded_as_in_ts_24_008() {
        // The examples of the AT manual, section 9.4: 70 hours and 4 minutes.
        assert_eq!(Psm::from_secs(70 * 3600, 240), Psm { periodic_update: 0b0100_0111, active: 0b0010_0100 });
        assert_eq!(Psm::from_secs(0, 0), Psm { periodic_update: 0b0110_0000, active: 0 });
        assert_eq!(Psm::from_secs(62, 62), Psm { periodic_update: 0b0111_1111, active: 0b0001_1111 });
        assert_eq!(Psm::from_secs(63, 64), Psm { periodic_update: 0b0111_1111, active: 0b0010_0001 });
        assert_eq!(Psm::from_secs(86_400, 20), Psm { periodic_update: 0b0011_1000, active: 0b0000_1010 });
        assert_eq!(Psm::from_secs(u32::MAX, u32::MAX), Psm { periodic_update: 0b1101_1111, active: 0b0101_1111 });
    }
}
