// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an exchange cost, as the link that made it measured it. The agent adds it up for `status`.

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
}
