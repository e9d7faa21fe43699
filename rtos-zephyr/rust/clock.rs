// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Zephyr's uptime, 64 bits of milliseconds, and the device's one wall clock, which is an offset to it. The agent has a
//! [`UptimeClock`], and so may every thread that hears what time it is (SNTP, a modem) or asks.

use core::cell::Cell;

use cairn::{
    ports::Clock,
    time::{Millis, TimeQuality, WallTime},
};
use critical_section::Mutex;

use crate::shim;

/// Unix milliseconds at boot, and where that came from.
static WALL: Mutex<Cell<Option<(u64, TimeQuality)>>> = Mutex::new(Cell::new(None));

/// The clocks of the device. Every value of this type is the same clock; any context.
#[derive(Clone, Copy, Debug, Default)]
pub struct UptimeClock;

impl Clock for UptimeClock {
    fn now(&self) -> Millis {
        Millis(shim::uptime_ms())
    }

    fn wall(&self) -> WallTime {
        let now = self.now();
        match critical_section::with(|section| WALL.borrow(section).get()) {
            Some((at_boot, quality)) => WallTime { unix_ms: at_boot.saturating_add(now.0), quality },
            None => WallTime { unix_ms: now.0, quality: TimeQuality::SinceBoot },
        }
    }

    fn set_wall(&mut self, wall: WallTime) {
        let at_boot = wall.unix_ms.saturating_sub(self.now().0);
        critical_section::with(|section| WALL.borrow(section).set(Some((at_boot, wall.quality))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_counts_from_what_it_was_set_to_and_every_clock_is_the_same() {
        shim::set_uptime_ms(5_000);
        assert_eq!(UptimeClock.wall(), WallTime { unix_ms: 5_000, quality: TimeQuality::SinceBoot });
        let mut clock = UptimeClock;
        clock.set_wall(WallTime { unix_ms: 1_768_428_000_000, quality: TimeQuality::Network });
        shim::set_uptime_ms(7_500);
        assert_eq!(UptimeClock.wall(), WallTime { unix_ms: 1_768_428_002_500, quality: TimeQuality::Network });
        assert_eq!(UptimeClock.now(), Millis(7_500), "setting the wall clock moves no deadline");
    }
}
