// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the agent's thread sleeps, on its sockets and on an event that anybody raises with [`wake`]. It holds no lock of the
//! power management.

use cairn::{
    ports::{Clock as _, Wait},
    time::Millis,
};

use crate::{clock::UptimeClock, shim, sockets};

/// Ends the agent's wait, or the next one. Any context, interrupts included; the mailbox does it by itself.
pub fn wake() {
    shim::wake();
}

/// The system has no room for what the wait needs: raise `CONFIG_ZVFS_EVENTFD_MAX` and `CONFIG_ZVFS_OPEN_MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEvent;

/// The agent's sleep. An image has one agent, and one of these.
#[derive(Debug)]
pub struct ThreadWait(());

impl ThreadWait {
    /// Lets [`wake`] end it.
    ///
    /// # Errors
    /// [`NoEvent`].
    pub fn new() -> Result<Self, NoEvent> {
        if shim::wait_prepare() { Ok(Self(())) } else { Err(NoEvent) }
    }
}

impl Wait for ThreadWait {
    fn wait(&mut self, until: Option<Millis>) {
        let ms = match until {
            Some(at) => match at.since(UptimeClock.now()).0 {
                0 => return,
                // A wait of more than 24 days returns early, as waits may.
                left => i32::try_from(left).unwrap_or(i32::MAX),
            },
            None => -1,
        };
        sockets::sleep(ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sleeps_until_the_deadline_and_not_when_that_is_over() {
        let mut wait = ThreadWait::new().unwrap();
        shim::set_uptime_ms(1_000);
        wait.wait(Some(Millis(1_250)));
        wait.wait(Some(Millis(1_000)));
        wait.wait(Some(Millis(10)));
        wait.wait(None);
        wait.wait(Some(Millis(u64::MAX)));
        assert_eq!(shim::sleeps(), [250, -1, i32::MAX]);
    }
}
