// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn modem`: plays an NB-IoT modem. AT commands on a serial line (TCP or a pty, as QEMU offers them), real UDP on the
//! other side, and a seeded bad day in between. It follows the modem's manual, not the driver in `transports/at-modem`: the
//! two share no table, so that one checks the other.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `args` | the command line |
//! | `firmware` | what the modem answers, per dialect; no I/O |
//! | `weather` | what becomes of each datagram, decided by the seed; no I/O |
//! | `bridge` | moves bytes and datagrams, keeps time, the radio's state and the counters |
//! | `sim` | the SIM that `--sim-applet` puts into it |
//! | `serial` | the serial line: listening, connecting, a pty |
//! | `record` | the log: one JSON object per line |

mod args;
mod bridge;
mod firmware;
mod record;
mod serial;
mod sim;
mod weather;

use anyhow::Context as _;

pub use self::{
    args::{Args, DelayRange, DialectName, Probability, SimApplet},
    bridge::Bridge,
    record::{Counters, Record},
};

/// Plays the modem until it is interrupted (SIGINT or SIGTERM) or the serial line, when it is not one that is listened on,
/// ends.
///
/// # Errors
/// An address that is not loopback without `--allow-nonlocal`; a serial line, log file or SIM key that cannot be opened.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.check()?;
    let record = Record::open(args.log.as_deref())?;
    let mut bridge = Bridge::new(&args, record)?;
    let played = tokio::select! {
        played = serial::play(&args, &mut bridge) => played,
        () = interrupted() => Ok(()),
    };
    bridge.finish();
    played.context("the serial line failed")
}

/// Returns at SIGINT or SIGTERM.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
