// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the modem saw, counted apart from the device: one JSON object per line, each with the running counters, so that the
//! last line is the sum even when the modem is killed.

use std::{
    fs::File,
    io::{LineWriter, Write},
    path::Path,
    time::Instant,
};

use anyhow::Context as _;
use serde::Serialize;

/// Sums since the modem was started. "Up" is from the device, "down" to it; bytes are of UDP payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Datagrams the device gave the modem.
    pub up: u64,
    /// Their bytes.
    pub up_bytes: u64,
    /// Of those, lost on the way.
    pub up_lost: u64,
    /// Of those, doubled on the way.
    pub up_doubled: u64,
    /// Copies that reached the peer's side.
    pub up_delivered: u64,
    /// Datagrams the modem gave the device.
    pub down: u64,
    /// Their bytes.
    pub down_bytes: u64,
    /// Datagrams the peer sent.
    pub down_arrived: u64,
    /// Datagrams from the peer lost on the way.
    pub down_lost: u64,
    /// Datagrams from the peer doubled on the way.
    pub down_doubled: u64,
    /// Datagrams from the peer that found their socket closed or the serial line down.
    pub down_stray: u64,
    /// Sockets opened.
    pub opened: u64,
    /// Times the radio connected.
    pub wakes: u64,
    /// Times the radio connected because the device sent.
    pub exchanges: u64,
    /// Milliseconds the radio was connected.
    pub radio_ms: u64,
    /// AT command lines.
    pub commands: u64,
    /// Commands refused on purpose.
    pub errors_injected: u64,
    /// Restarts.
    pub reboots: u64,
}

/// The log.
#[derive(Debug)]
pub struct Record {
    file: Option<LineWriter<File>>,
    start: Instant,
    /// The sums.
    pub counters: Counters,
}

/// One line of the log.
#[derive(Serialize)]
struct Line<'a> {
    t_ms: u64,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    counters: Counters,
}

impl Record {
    /// A log in `path`, or only the sums.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let file = match path {
            Some(path) => {
                let file = File::create(path).with_context(|| format!("cannot write the log {}", path.display()))?;
                Some(LineWriter::new(file))
            }
            None => None,
        };
        Ok(Self { file, start: Instant::now(), counters: Counters::default() })
    }

    pub(super) fn event(&mut self, event: &str, socket: Option<u8>, text: Option<&str>) {
        self.write(event, socket, None, text);
    }

    pub(super) fn datagram(&mut self, event: &str, socket: u8, payload: &[u8]) {
        self.write(event, Some(socket), Some(payload), None);
    }

    fn write(&mut self, event: &str, socket: Option<u8>, payload: Option<&[u8]>, text: Option<&str>) {
        tracing::debug!(event, socket, bytes = payload.map(<[u8]>::len), text, "modem");
        let Some(file) = &mut self.file else { return };
        let line = Line {
            t_ms: u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
            event,
            socket,
            bytes: payload.map(<[u8]>::len),
            hex: payload.map(hex::encode),
            text,
            counters: self.counters,
        };
        let written =
            serde_json::to_writer(&mut *file, &line).map_err(std::io::Error::from).and_then(|()| writeln!(file));
        if let Err(error) = written {
            tracing::warn!(%error, "the log cannot be written and is given up");
            self.file = None;
        }
    }
}
