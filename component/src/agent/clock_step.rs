// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every step of the wall clock becomes a record, so that no time in a stream has to be taken on trust.

use minicbor::{Encoder, encode::write::Cursor};

use super::{Agent, Event};
use crate::{
    journal::{Journal, NewRecord},
    ports::{Clock, Link},
    power::schedule::Schedule,
    record::{Kind, Priority},
    signer::Signer,
    time::{Millis, TimeQuality, WallTime},
};

/// `[old, new, source, recent block hash or null]` at its longest.
const PAYLOAD_MAX: usize = 1 + 9 + 9 + 1 + 34;

/// The wall clock as it was last seen.
pub(super) struct ClockWatch {
    at: Millis,
    wall: WallTime,
    /// What the relay said of a recent block, when the step that follows is its doing.
    block_hash: Option<[u8; 32]>,
}

impl ClockWatch {
    pub(super) const fn new(at: Millis, wall: WallTime) -> Self {
        Self { at, wall, block_hash: None }
    }

    /// What the wall clock would show now if it had only run on.
    fn expected(&self, now: Millis) -> WallTime {
        WallTime { unix_ms: self.wall.unix_ms.saturating_add(now.since(self.at).0), ..self.wall }
    }
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// Journals a clock record when the wall clock did anything but run on. When the journal is full the step is recorded once
    /// it is not.
    #[inline(never)]
    pub(super) fn watch_clock(&mut self, on_event: &mut dyn FnMut(Event)) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let old = self.watch.expected(now);
        let stepped = old.quality != wall.quality || old.unix_ms.abs_diff(wall.unix_ms) >= self.settings.clock_step.0;
        if stepped {
            let mut payload = [0; PAYLOAD_MAX];
            let Some(length) = encode_step(&old, &wall, self.watch.block_hash, &mut payload) else { return };
            let record = NewRecord {
                time: wall,
                kind: Kind::CLOCK_STEP,
                priority: Priority::Routine,
                payload: payload.get(..length).unwrap_or_default(),
            };
            let journaled = self.close_batch_before(&record, on_event).and_then(|()| self.journal_record(&record));
            if journaled.is_err() {
                return;
            }
            self.totals.clock_steps += 1;
            on_event(Event::ClockStepped { old, new: wall });
        }
        self.watch = ClockWatch::new(now, wall);
    }

    /// The relay told its time. It sets a clock that nothing better has set; once set, it moves it by a bounded step only.
    pub(super) fn hear_relay_clock(
        &mut self,
        unix_ms: u64,
        block_hash: Option<[u8; 32]>,
        on_event: &mut dyn FnMut(Event),
    ) {
        let wall = self.clock.wall();
        let step = wall.unix_ms.abs_diff(unix_ms);
        let wanted = match wall.quality {
            TimeQuality::SinceBoot => true,
            TimeQuality::Relay => step >= self.settings.clock_step.0,
            TimeQuality::Network | TimeQuality::Authenticated => false,
        };
        if !wanted {
            return;
        }
        if wall.quality == TimeQuality::Relay && step > self.settings.relay_step_max.0 {
            self.totals.clock_steps_refused += 1;
            return;
        }
        self.clock.set_wall(WallTime { unix_ms, quality: TimeQuality::Relay });
        self.watch.block_hash = block_hash;
        self.watch_clock(on_event);
    }
}

fn encode_step(old: &WallTime, new: &WallTime, block_hash: Option<[u8; 32]>, out: &mut [u8]) -> Option<usize> {
    let mut e = Encoder::new(Cursor::new(out));
    e.array(4).ok()?.u64(old.unix_ms).ok()?.u64(new.unix_ms).ok()?.u8(new.quality as u8).ok()?;
    match block_hash {
        Some(hash) => e.bytes(&hash).ok()?,
        None => e.null().ok()?,
    };
    Some(e.writer().position())
}
