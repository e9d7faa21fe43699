// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many urgent records of one kind are taken as such: a few at once, then one per interval. The rest is counted, and one
//! record says how many there were, so that rattling a lock cannot empty its battery. Kept with the budget; the agent asks.
//!
//! A count is told by a record that is journaled after its number was kept ([`Urgent::begin_to_tell`]): whatever a power cut leaves,
//! the journal says at that number whether it was told.

use heapless::Vec;
use minicbor::{Encoder, encode::write::Cursor};

use crate::{
    record::{Kind, LossReason, SequenceNumber},
    time::{Millis, WallTime},
};

/// Kinds that are limited apart from each other; what is more shares the last place.
pub const KINDS: usize = 5;
/// Bytes of a place in [`Urgent::state`].
const PLACE_BYTES: usize = 9;
/// Bytes of [`Urgent::state`].
pub(super) const STATE_BYTES: usize = 4 + KINDS * PLACE_BYTES;
/// In the byte of a place that says how many were taken: the count is being told.
const TELLING: u8 = 1 << 7;
/// In the same: records of several kinds share the place.
const SHARED: u8 = 1 << 6;
/// How many of one kind may be taken at once, at most: what has room beside the two. `CONFIG_CAIRN_URGENT_BURST` goes as far.
pub const BURST_MAX: u8 = SHARED - 1;

/// What becomes of an urgent record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is journaled.
    Alone,
    /// It was counted: [`Urgent::due`] tells when it is time to say how many.
    Counted,
    /// No count goes as high: it is refused.
    Uncountable,
}

/// Records that came over the limit, and were not told of yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Of which kind; `None` when they were of several.
    pub kind: Option<Kind>,
    /// How many.
    pub count: u16,
    /// When the first of them was submitted, in seconds: Unix time, or since boot when the clock was not set.
    pub since_s: u32,
}

/// `[kind or null, count, reason, since]` at its longest.
const PAYLOAD_MAX: usize = 1 + 3 + 3 + 1 + 9;

impl Counted {
    /// What the record of kind [`Kind::LOSS`] says that tells it: docs/wire.cddl, `countedPayload`.
    #[must_use]
    pub fn payload(&self) -> Vec<u8, PAYLOAD_MAX> {
        let mut out = [0; PAYLOAD_MAX];
        let length = self.encode(&mut out).unwrap_or_default();
        out.get(..length).and_then(|bytes| Vec::from_slice(bytes).ok()).unwrap_or_default()
    }

    fn encode(&self, out: &mut [u8]) -> Option<usize> {
        let mut e = Encoder::new(Cursor::new(out));
        e.array(4).ok()?;
        match self.kind {
            Some(kind) => e.u16(kind.0).ok()?,
            None => e.null().ok()?,
        };
        let since_ms = u64::from(self.since_s) * 1000;
        e.u16(self.count).ok()?.u16(LossReason::COALESCED.0).ok()?.u64(since_ms).ok()?;
        Some(e.writer().position())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    kind: u16,
    /// Records that were taken and not made up for by time.
    used: u8,
    /// Records that were counted and not told.
    excess: u16,
    /// When the first of these came.
    since_s: u32,
    /// Records of other kinds share the place.
    shared: bool,
}

impl Place {
    /// Nothing of its kind counts any more.
    const fn is_free(&self) -> bool {
        self.used == 0 && self.excess == 0
    }

    fn counted(&self) -> Counted {
        Counted { kind: (!self.shared).then_some(Kind(self.kind)), count: self.excess, since_s: self.since_s }
    }
}

/// The limits, kind by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urgent {
    burst: u8,
    interval: Millis,
    /// Time that went by and made up for nothing yet.
    passed: Millis,
    places: [Place; KINDS],
    /// Which place's count is being told, and the low half of its record's number.
    telling: Option<(usize, u32)>,
    /// It changed since it was kept.
    changed: bool,
}

impl Urgent {
    pub(super) fn new(burst: u8, interval: Millis) -> Self {
        Self {
            burst: burst.clamp(1, BURST_MAX),
            interval: Millis(interval.0.max(1)),
            passed: Millis(0),
            places: [Place::default(); KINDS],
            telling: None,
            changed: false,
        }
    }

    /// The same with other limits: what was taken and counted stays.
    pub(super) fn set_limits(&mut self, burst: u8, interval: Millis) {
        let limits = Self::new(burst, interval);
        (self.burst, self.interval) = (limits.burst, limits.interval);
    }

    /// `span` goes by.
    pub(super) fn pass(&mut self, span: Millis) {
        let passed = self.passed.after(span);
        let times = u8::try_from(passed.0 / self.interval.0).unwrap_or(u8::MAX);
        self.passed = Millis(passed.0 % self.interval.0);
        for place in &mut self.places {
            place.used = place.used.saturating_sub(times);
        }
    }

    /// The place of `kind`: its own, a free one, or the last.
    fn place(&mut self, kind: Kind) -> Option<&mut Place> {
        let own = self.places.iter().position(|place| !place.is_free() && place.kind == kind.0);
        let index = own.or_else(|| self.places.iter().position(Place::is_free)).unwrap_or(KINDS - 1);
        let place = self.places.get_mut(index)?;
        if place.is_free() {
            *place = Place { kind: kind.0, ..Place::default() };
        }
        place.shared |= place.kind != kind.0;
        Some(place)
    }

    /// An urgent record of `kind` came, which was submitted at `time`. The caller keeps the state before it tells anybody.
    pub fn admit(&mut self, kind: Kind, time: WallTime) -> Admission {
        let burst = self.burst;
        let Some(place) = self.place(kind) else { return Admission::Uncountable };
        if place.used < burst && place.excess == 0 {
            place.used += 1;
            self.changed = true;
            return Admission::Alone;
        }
        let Some(excess) = place.excess.checked_add(1) else { return Admission::Uncountable };
        if place.excess == 0 {
            place.since_s = u32::try_from(time.unix_ms / 1000).unwrap_or(u32::MAX);
        }
        place.excess = excess;
        self.changed = true;
        Admission::Counted
    }

    /// The record of `kind` that was counted last is not: its count could not be kept, and it is refused.
    pub fn take_back(&mut self, kind: Kind) {
        if let Some(place) = self.place(kind) {
            place.excess = place.excess.saturating_sub(1);
            self.changed = true;
        }
    }

    /// The place whose count is to be told.
    fn due_place(&self) -> Option<usize> {
        let telling = self.telling.map(|(index, _)| index);
        telling.or_else(|| self.places.iter().position(|place| place.excess > 0 && place.used < self.burst))
    }

    /// What is to be told now: records that came over the limit, once their kind may have another. They are told in one record,
    /// which counts as one of them.
    #[must_use]
    pub fn due(&self) -> Option<Counted> {
        self.places.get(self.due_place()?).map(Place::counted)
    }

    /// What is due will be told by the record `seq`. The caller keeps the state before it journals that record, and calls
    /// [`Urgent::told`] after.
    pub fn begin_to_tell(&mut self, seq: SequenceNumber) {
        self.telling = self.due_place().map(|index| (index, low_half(seq)));
        self.changed = true;
    }

    /// The number of a record that may have told a count before a power cut: at most `end`, the next one. The caller looks whether
    /// it did, and says so by [`Urgent::told`] or [`Urgent::not_told`].
    #[must_use]
    pub fn may_have_told(&self, end: SequenceNumber) -> Option<SequenceNumber> {
        let (_, low) = self.telling?;
        let back = low_half(end).wrapping_sub(low);
        end.0.checked_sub(u64::from(back)).map(SequenceNumber)
    }

    /// The record was journaled.
    pub fn told(&mut self) {
        if let Some(place) = self.telling.take().and_then(|(index, _)| self.places.get_mut(index)) {
            place.used = place.used.saturating_add(1).min(BURST_MAX);
            place.excess = 0;
            self.changed = true;
        }
    }

    /// The record was not journaled.
    pub fn not_told(&mut self) {
        self.changed |= self.telling.take().is_some();
    }

    /// How long until [`Urgent::due`] has something; `None` when nothing was counted.
    #[must_use]
    pub fn wait(&self) -> Option<Millis> {
        let counted = self.places.iter().filter(|place| place.excess > 0);
        counted.map(|place| if place.used < self.burst { Millis(0) } else { self.interval.since(self.passed) }).min()
    }

    /// Whether a reset would forget something.
    pub(super) const fn has_changed(&self) -> bool {
        self.changed
    }

    pub(super) const fn was_kept(&mut self) {
        self.changed = false;
    }

    pub(super) fn state(&self) -> [u8; STATE_BYTES] {
        let mut state = [0; STATE_BYTES];
        let low = self.telling.map_or(0, |(_, low)| low);
        let places = self.places.iter().enumerate().flat_map(|(index, place)| {
            let telling = if self.telling.is_some_and(|(telling, _)| telling == index) { TELLING } else { 0 };
            let shared = if place.shared { SHARED } else { 0 };
            let [kind, kind_low] = place.kind.to_be_bytes();
            let [excess, excess_low] = place.excess.to_be_bytes();
            let [a, b, c, d] = place.since_s.to_be_bytes();
            [kind, kind_low, place.used | telling | shared, excess, excess_low, a, b, c, d]
        });
        for (out, byte) in state.iter_mut().zip(low.to_be_bytes().into_iter().chain(places)) {
            *out = byte;
        }
        state
    }

    pub(super) fn take_up(&mut self, kept: &mut impl Iterator<Item = u8>) {
        let mut next = || kept.next().unwrap_or_default();
        let low = u32::from_be_bytes([next(), next(), next(), next()]);
        for (index, place) in self.places.iter_mut().enumerate() {
            let kind = u16::from_be_bytes([next(), next()]);
            let used = next();
            let excess = u16::from_be_bytes([next(), next()]);
            let since_s = u32::from_be_bytes([next(), next(), next(), next()]);
            *place = Place { kind, used: used & BURST_MAX, excess, since_s, shared: used & SHARED != 0 };
            if used & TELLING != 0 && excess > 0 {
                self.telling = Some((index, low));
            }
        }
    }
}

/// The low half of a sequence number: no count is told two thousand million records late.
const fn low_half(seq: SequenceNumber) -> u32 {
    let [.., a, b, c, d] = seq.0.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
#[path = "urgent_tests.rs"]
mod tests;
