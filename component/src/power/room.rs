// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When an upload is due because the journal fills up: before it refuses the first record, for what an upload brings to the relay may go
//! once it is final, and only the exchange after tells so. [`super::scheduler`] asks, and pays for it as for any other; nothing here
//! decides to send.

use super::{
    apart::{Apart, WHOLE},
    schedule::View,
};
use crate::time::Millis;

/// What is found so soon after a start was so before it, for all that lost their power with this one.
const AT_THE_START: Millis = Millis::from_secs(10);

/// What one record is of what is compared: quarters, of which a device's share has 1024.
const RECORD: u64 = 4 * WHOLE;

/// When what waits is to go so that the journal has room for what comes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// Since it is so.
    due: Option<Millis>,
}

impl Room {
    /// When an upload is due for the sake of room; `None` while there is enough. `started` is the start, `long` a time over which devices
    /// that start together spread.
    ///
    /// There is enough until what waits is between a quarter and half of all that the journal takes beside what the relay has: each
    /// device's own share. When nothing of it may go yet, the next time comes with as much of the rest, so that a journal that stays full
    /// causes no endless uploads: each brings at least a quarter of what had room.
    pub(super) fn due(&mut self, view: &View, apart: &Apart, started: Millis, long: Millis) -> Option<Millis> {
        let (waiting, room) = (u64::from(view.waiting), u64::from(view.room));
        let enough = (waiting + room) * (WHOLE + apart.part(WHOLE));
        let more = (waiting * RECORD).checked_sub(enough).filter(|_| waiting > 0);
        let Some(more) = more else {
            self.due = None;
            return None;
        };
        let spread = || match view.oldest_unsealed() {
            // Devices that read together come over their shares with the same reading: they spread until the next by how far.
            Some(oldest) if view.now.since(started) > AT_THE_START => {
                let between = view.now.since(oldest).0.min(1 << 48) / u64::from(view.unsealed.max(1));
                let spread = between - between * more.min(RECORD) / RECORD;
                Millis(if more < RECORD { spread } else { apart.part(between) })
            }
            // The first minutes after a start are for what is urgent.
            _ => Millis(long.0 / 8 + apart.part(long.0 / 8 * 7)),
        };
        let due = self.due.unwrap_or_else(|| view.now.after(spread()));
        self.due = Some(due);
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(now: u64, waiting: u32, room: u32) -> View {
        View { waiting, room, unsealed: waiting, oldest: [None, Some(Millis(0)), None], ..View::at(Millis(now)) }
    }

    fn apart(share: u64) -> Apart {
        Apart::started(Millis(0), Millis(0), [share, 0])
    }

    #[test]
    fn a_journal_is_crowded_when_what_waits_is_a_quarter_to_half_of_what_it_takes() {
        let (mut first, mut last) = (Room::default(), Room::default());
        let mut due = |waiting, room| {
            let view = view(600_000, waiting, room);
            let due = |of: &mut Room, share| of.due(&view, &apart(share), Millis(0), Millis(0)).is_some();
            (due(&mut first, 0), due(&mut last, 1023))
        };
        assert_eq!(due(24, 76), (false, false));
        assert_eq!(due(25, 75), (true, false));
        assert_eq!(due(49, 51), (true, false));
        assert_eq!(due(50, 50), (true, true));
        assert_eq!(due(1, 0), (true, true), "full");
        assert_eq!(due(0, 0), (false, false), "an upload would bring nothing");
        assert_eq!(due(u32::MAX / 8, u32::MAX), (false, false), "an upload would make no room");
    }

    #[test]
    fn devices_that_read_together_spread_until_the_next_reading_and_those_that_start_together_longer() {
        let (mut room, own) = (Room::default(), apart(512));
        let hour = Millis(3_600_000);
        // Readings of 80 seconds each.
        assert_eq!(room.due(&view(3_000_000, 37, 63), &own, Millis(0), hour), None);
        let due = room.due(&view(3_040_000, 38, 62), &own, Millis(0), hour);
        assert_eq!(due, Some(Millis(3_080_000)), "a half of a record over its share");
        assert_eq!(room.due(&view(3_060_000, 38, 62), &own, Millis(0), hour), due, "it stays so");
        assert_eq!(room.due(&view(3_060_000, 0, 100), &own, Millis(0), hour), None);
        let found = room.due(&view(4_000, 50, 50), &own, Millis(0), hour).unwrap();
        assert!(found.0.abs_diff(2_029_000) < 2_000, "{found:?}");
    }
}
