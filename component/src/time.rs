// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two kinds of time that must never be mixed: monotonic milliseconds for deadlines and budgets, and wall time with a
//! quality for what a record says of itself. Used everywhere; knows nothing.

/// Monotonic milliseconds since boot. Never steps back; deadlines, retries and the energy budget use only this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// `seconds` as milliseconds.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds as u64 * 1000)
    }

    /// This instant plus `span`, saturating at the end of time.
    #[must_use]
    pub const fn after(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// Milliseconds from `earlier` to this instant, zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// How far a wall time can be trusted. The numbers are on the wire (`tq` in a leaf).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TimeQuality {
    /// The clock was never set: milliseconds since boot.
    #[default]
    SinceBoot = 0,
    /// Set from a hint of the relay.
    Relay = 1,
    /// Set from the network (NITZ, SNTP).
    Network = 2,
    /// Set from an authenticated source.
    Authenticated = 3,
}

impl TimeQuality {
    /// The quality with number `tq`, or `None` when there is no such quality.
    #[must_use]
    pub const fn from_number(tq: u8) -> Option<Self> {
        Some(match tq {
            0 => Self::SinceBoot,
            1 => Self::Relay,
            2 => Self::Network,
            3 => Self::Authenticated,
            _ => return None,
        })
    }
}

/// A wall time: Unix milliseconds, or milliseconds since boot when `quality` is [`TimeQuality::SinceBoot`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WallTime {
    /// Milliseconds since 1970-01-01T00:00:00Z, or since boot.
    pub unix_ms: u64,
    /// Where the time came from.
    pub quality: TimeQuality,
}
