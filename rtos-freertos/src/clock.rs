// SPDX-License-Identifier: Apache-2.0 OR MIT
//! 64-bit milliseconds from the kernel's 32-bit tick, and a wall clock that is an offset to them. Shared by clones;
//! tasks only.

use alloc::sync::Arc;

use cairn::{
    ports::Clock,
    time::{Millis, TimeQuality, WallTime},
};
use freertos_next::{Duration, ExclusiveData, FreeRtosUtils};

#[derive(Debug)]
struct State {
    /// Ticks since boot when `last` was read.
    counted: u64,
    last: u32,
    /// Unix milliseconds at boot, and where that came from.
    wall: Option<(u64, TimeQuality)>,
}

/// The clocks of a device. Ask it at least once in half a turn of the tick counter (24 days at 1 kHz), as the agent
/// does.
#[derive(Clone)]
pub struct TickClock {
    state: Arc<ExclusiveData<State>>,
}

impl TickClock {
    /// A clock whose wall time is not set.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::new(ExclusiveData::new(State { counted: 0, last: 0, wall: None })) }
    }

    /// Carries the counter on and looks at the state, where no other task and no interrupt interferes.
    fn with<T>(&self, look: impl FnOnce(&mut State, Millis) -> T) -> Option<T> {
        let tick_ms = u64::from(Duration::ticks(1).to_ms());
        // A critical section cannot fail; the crate's signature is the mutex's.
        let mut state = self.state.lock().ok()?;
        let ticks = FreeRtosUtils::get_tick_count();
        state.counted += u64::from(ticks.wrapping_sub(state.last));
        state.last = ticks;
        let now = Millis(state.counted.saturating_mul(tick_ms));
        Some(look(&mut state, now))
    }
}

impl Default for TickClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TickClock {
    fn now(&self) -> Millis {
        self.with(|_, now| now).unwrap_or_default()
    }

    fn wall(&self) -> WallTime {
        let wall = self.with(|state, now| match state.wall {
            Some((at_boot, quality)) => WallTime { unix_ms: at_boot.saturating_add(now.0), quality },
            None => WallTime { unix_ms: now.0, quality: TimeQuality::SinceBoot },
        });
        wall.unwrap_or_default()
    }

    fn set_wall(&mut self, wall: WallTime) {
        self.with(|state, now| state.wall = Some((wall.unix_ms.saturating_sub(now.0), wall.quality)));
    }
}
