// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the driver holds per socket, and the two buffers: the datagram on its way up and the queue of those that came down.

use core::net::SocketAddrV4;

use heapless::{Deque, Vec};

use super::Failure;

/// What is known of a socket on the modem's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OnModem {
    /// Nothing: it may be left over from before; close it before it is opened.
    #[default]
    Unknown,
    /// It is closed.
    Closed,
    /// It is open to the slot's peer.
    Open,
}

/// One socket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// Somebody holds its [`super::Socket`].
    pub(super) used: bool,
    pub(super) peer: Option<SocketAddrV4>,
    pub(super) on_modem: OnModem,
    /// Why it is gone, to be told once.
    pub(super) lost: Option<Failure>,
}

impl Slot {
    /// The modem's side is gone or in doubt.
    pub(super) fn forget(&mut self, why: Option<Failure>) {
        if self.used && self.on_modem == OnModem::Open {
            self.lost = why;
        }
        self.on_modem = OnModem::Unknown;
    }
}

/// How far the datagram in [`Uplink`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is none.
    #[default]
    None,
    /// It is to be sent.
    Pending,
    /// Sent or failed; `send` has not told yet.
    Done(Result<(), Failure>),
}

/// The datagram on its way up.
#[derive(Clone, Debug, Default)]
pub(super) struct Uplink<const TX: usize> {
    pub(super) socket: u8,
    pub(super) bytes: Vec<u8, TX>,
    pub(super) progress: Progress,
    /// Release assistance was announced for it.
    pub(super) announced: bool,
    /// Its socket was closed or connected elsewhere: nobody waits for the result.
    pub(super) orphan: bool,
    /// How often the modem restarted under it before it was written.
    pub(super) restarts: u8,
}

impl<const TX: usize> Uplink<TX> {
    pub(super) const fn new() -> Self {
        Self { socket: 0, bytes: Vec::new(), progress: Progress::None, announced: false, orphan: false, restarts: 0 }
    }

    pub(super) fn pending(&self) -> Option<u8> {
        (self.progress == Progress::Pending).then_some(self.socket)
    }

    /// Takes a datagram over; `false` when it is too long.
    pub(super) fn load(&mut self, socket: u8, datagram: &[u8]) -> bool {
        *self = Self { socket, ..Self::new() };
        let fits = self.bytes.extend_from_slice(datagram).is_ok();
        if fits {
            self.progress = Progress::Pending;
        }
        fits
    }

    pub(super) fn end(&mut self, result: Result<(), Failure>) {
        if self.progress == Progress::Pending {
            self.progress = Progress::Done(result);
        }
    }
}

/// A datagram that came down.
#[derive(Clone, Debug)]
pub(super) struct Downlink<const RX: usize> {
    pub(super) socket: u8,
    pub(super) bytes: Vec<u8, RX>,
}

/// Those that nobody took yet, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbound<const RX: usize, const QUEUE: usize> {
    queue: Deque<Downlink<RX>, QUEUE>,
}

impl<const RX: usize, const QUEUE: usize> Inbound<RX, QUEUE> {
    pub(super) const fn new() -> Self {
        Self { queue: Deque::new() }
    }

    /// `false` when the queue is full.
    pub(super) fn push(&mut self, datagram: Downlink<RX>) -> bool {
        self.queue.push_back(datagram).is_ok()
    }

    /// The oldest of `socket`; those of other sockets keep their order.
    pub(super) fn pop(&mut self, socket: u8) -> Option<Downlink<RX>> {
        let mut found = None;
        for _ in 0..self.queue.len() {
            let datagram = self.queue.pop_front()?;
            if found.is_none() && datagram.socket == socket {
                found = Some(datagram);
            } else {
                // One was just taken out, so there is room.
                let _ = self.queue.push_back(datagram);
            }
        }
        found
    }

    /// Drops all of `socket`.
    pub(super) fn clear(&mut self, socket: u8) {
        while self.pop(socket).is_some() {}
    }
}
