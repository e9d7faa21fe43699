// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How times, kinds and payloads are shown to people.

use cairn::{
    batch::{Anchor, AnchorFlags},
    record::Kind,
    signer::Algorithm,
    time::{TimeQuality, WallTime},
};
use jiff::Timestamp;

/// Unix milliseconds as UTC.
pub(super) fn utc_ms(unix_ms: u64) -> String {
    let timestamp = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(|| format!("{unix_ms} ms after 1970"), |timestamp| timestamp.to_string())
}

/// Unix seconds as UTC.
pub(super) fn utc_seconds(unix_s: u64) -> String {
    utc_ms(unix_s.saturating_mul(1000))
}

/// Milliseconds as hours, minutes and seconds.
fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    format!("{} h {:02} min {:02}.{:03} s", seconds / 3600, seconds / 60 % 60, seconds % 60, ms % 1000)
}

/// A wall time, with how far it can be trusted.
pub(super) fn time(time: &WallTime) -> String {
    let source = match time.quality {
        TimeQuality::SinceBoot => return format!("{} after boot (the clock was not set)", span(time.unix_ms)),
        TimeQuality::Relay => "clock set by the relay",
        TimeQuality::Network => "clock set by the network",
        TimeQuality::Authenticated => "clock set by an authenticated source",
    };
    format!("{} ({source})", utc_ms(time.unix_ms))
}

/// When a batch was sealed.
pub(super) fn sealed(anchor: &Anchor) -> String {
    if anchor.flags.has(AnchorFlags::SYNCHRONISED) {
        utc_ms(anchor.sealed_at)
    } else {
        format!("{} after boot (the clock was not set)", span(anchor.sealed_at))
    }
}

/// A kind's number and name.
pub(super) fn kind(kind: Kind) -> String {
    format!("{} ({})", kind.0, kind.name().unwrap_or("unknown"))
}

/// A payload in hexadecimal, and the integer it is when it is one CBOR integer.
pub(super) fn payload(payload: &[u8]) -> String {
    let hex = if payload.is_empty() { "empty".into() } else { format!("0x{}", hex::encode(payload)) };
    let mut decoder = minicbor::Decoder::new(payload);
    match decoder.int() {
        Ok(number) if decoder.position() == payload.len() => format!("{hex} (the number {number})"),
        _ => hex,
    }
}

/// An algorithm's COSE name.
pub(super) const fn algorithm(alg: Algorithm) -> &'static str {
    match alg {
        Algorithm::Es256k => "ES256K",
        Algorithm::Es256 => "ES256",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_utc_or_as_time_since_boot() {
        let at = |unix_ms, quality| time(&WallTime { unix_ms, quality });
        assert_eq!(at(1_764_668_009_515, TimeQuality::Network), "2025-12-02T09:33:29.515Z (clock set by the network)");
        assert_eq!(at(3_723_004, TimeQuality::SinceBoot), "1 h 02 min 03.004 s after boot (the clock was not set)");
        assert_eq!(utc_ms(u64::MAX), "18446744073709551615 ms after 1970");
    }

    #[test]
    fn a_payload_that_is_one_number_is_shown_as_one() {
        assert_eq!(payload(&[0x19, 0x01, 0x00]), "0x190100 (the number 256)");
        assert_eq!(payload(&[0x19, 0x01, 0x00, 0x00]), "0x19010000");
        assert_eq!(payload(&[]), "empty");
    }
}
