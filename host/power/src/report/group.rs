// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The causes of [`crate::outcome::Cause`], put together as far as eyes can tell colours apart.

use super::summary::Summary;
use crate::outcome::{ByCause, Cause};

/// Causes that are shown as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Sleep,
    Connecting,
    Bytes,
    Connected,
    TrackingArea,
    Attach,
    Own,
    SelfDischarge,
    Product,
}

impl Group {
    /// How many there are.
    pub(super) const COUNT: usize = 9;

    /// All of them, in the order in which they are shown.
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Sleep,
        Self::Connecting,
        Self::Bytes,
        Self::Connected,
        Self::TrackingArea,
        Self::Attach,
        Self::Own,
        Self::SelfDischarge,
        Self::Product,
    ];

    /// Those on which at least one life of `summaries` spent something, in this order.
    pub(super) fn shown(summaries: &[Summary]) -> Vec<Self> {
        let spends = |group: &Self| summaries.iter().any(|summary| summary.groups_j_per_day[*group as usize] > 0.0);
        Self::ALL.into_iter().filter(spends).collect()
    }

    /// As a reader is told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sleep => "asleep",
            Self::Connecting => "waking and connecting",
            Self::Bytes => "bytes on the wire",
            Self::Connected => "connected, waiting",
            Self::TrackingArea => "tracking area updates",
            Self::Attach => "attaching, network faults",
            Self::Own => "signatures and flash",
            Self::SelfDischarge => "self-discharge",
            Self::Product => "the product itself",
        }
    }

    /// At the head of a narrow column.
    pub(super) const fn short(self) -> &'static str {
        match self {
            Self::Sleep => "asleep",
            Self::Connecting => "connect",
            Self::Bytes => "bytes",
            Self::Connected => "waiting",
            Self::TrackingArea => "TAU",
            Self::Attach => "attach",
            Self::Own => "sign",
            Self::SelfDischarge => "self",
            Self::Product => "product",
        }
    }

    /// The group of `cause`.
    pub(super) const fn of(cause: Cause) -> Self {
        match cause {
            Cause::Sleep => Self::Sleep,
            Cause::Wake | Cause::SetUp | Cause::Release => Self::Connecting,
            Cause::Bytes => Self::Bytes,
            Cause::RoundTrips | Cause::Tail => Self::Connected,
            Cause::TrackingArea => Self::TrackingArea,
            Cause::Attach | Cause::Fault => Self::Attach,
            Cause::Signature | Cause::Flash => Self::Own,
            Cause::SelfDischarge => Self::SelfDischarge,
            Cause::Product => Self::Product,
        }
    }

    /// Joules of each group, in the order of [`Group::ALL`].
    pub(super) fn joules(energy: &ByCause) -> [f64; Self::COUNT] {
        let mut sums = [0.0; Self::COUNT];
        for cause in Cause::ALL {
            sums[Self::of(cause) as usize] += energy[cause].0 as f64 / 1e6;
        }
        sums
    }
}
