// SPDX-License-Identifier: Apache-2.0 OR MIT
//! UDP and TCP clients of embedded-nal on Zephyr's sockets: its own IP stack, or one that a modem or the host of native_sim
//! offloads. Nothing here waits: what cannot be done now is `WouldBlock`, and [`crate::wait::ThreadWait`] then returns when it can.
//! For the agent's links; any thread may use it, but only the agent's is woken.

use core::{
    cell::Cell,
    net::{IpAddr, SocketAddr},
};

use critical_section::Mutex;
use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, UdpClientStack};

use crate::shim::{self, Watch};

/// Sockets that can be open at a time.
pub const SOCKETS_MAX: usize = 4;

/// What is in the place of a descriptor where no socket is watched.
const FREE: i32 = -1;
const NOTHING: Watch = Watch { socket: FREE, read: 0, write: 0, fired: 0 };

/// What the agent's thread is woken for: what somebody was told `WouldBlock` about, and nothing else.
static WATCHED: Mutex<Cell<[Watch; SOCKETS_MAX]>> = Mutex::new(Cell::new([NOTHING; SOCKETS_MAX]));

/// Zephyr's sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

/// A socket, which the system has only while it is connected or about to be: what kind of address it is for shows no earlier.
/// Close it with the stack's `close`: dropping it leaks the descriptor.
#[derive(Debug)]
pub struct Socket {
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    descriptor: i32,
    remote: SocketAddr,
    stream: bool,
    connected: bool,
}

/// Why the system refused. Of `enum cairn_rust_answer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketError {
    /// The other side ended the connection; or it was never connected.
    Closed,
    /// Nobody listens there.
    Refused,
    /// No network, or no way to that address.
    Unreachable,
    /// The network gave up.
    TimedOut,
    /// No socket is free: [`SOCKETS_MAX`], `CONFIG_NET_MAX_CONTEXTS`, `CONFIG_ZVFS_OPEN_MAX`.
    NoRoom,
    /// Longer than a datagram may be.
    TooLong,
    /// The build has no such protocol: `CONFIG_NET_UDP`, `CONFIG_NET_TCP`, `CONFIG_NET_IPV6`.
    Unsupported,
    /// Anything else.
    Failed,
}

impl TcpError for SocketError {
    fn kind(&self) -> TcpErrorKind {
        match self {
            Self::Closed => TcpErrorKind::PipeClosed,
            _ => TcpErrorKind::Other,
        }
    }
}

/// A number of the shim: bytes, a descriptor or nothing, now or later, or an error.
fn understood(answer: i32) -> nb::Result<usize, SocketError> {
    usize::try_from(answer).map_err(|_| {
        nb::Error::Other(match answer {
            -1 => return nb::Error::WouldBlock,
            -2 => SocketError::Closed,
            -3 => SocketError::Refused,
            -4 => SocketError::Unreachable,
            -5 => SocketError::TimedOut,
            -6 => SocketError::NoRoom,
            -7 => SocketError::TooLong,
            -8 => SocketError::Unsupported,
            _ => SocketError::Failed,
        })
    })
}

/// Where one cannot be told to come later.
fn at_once<T>(answer: nb::Result<T, SocketError>) -> Result<T, SocketError> {
    answer.map_err(|error| match error {
        nb::Error::Other(error) => error,
        nb::Error::WouldBlock => SocketError::Failed,
    })
}

/// Changes the watch on `descriptor`, the first free one for [`FREE`]; false when there is none.
fn watch(descriptor: i32, change: impl FnOnce(&mut Watch)) -> bool {
    critical_section::with(|section| {
        let cell = WATCHED.borrow(section);
        let mut all = cell.get();
        let Some(watch) = all.iter_mut().find(|watch| watch.socket == descriptor) else { return false };
        change(watch);
        cell.set(all);
        true
    })
}

/// Sleeps until woken, until a watched socket has news, at most `ms`; below 0 for ever.
pub(crate) fn sleep(ms: i32) {
    let mut watches = critical_section::with(|section| WATCHED.borrow(section).get());
    shim::wait(&mut watches, ms);
    for fired in watches.iter().filter(|watch| watch.socket >= 0 && watch.fired != 0) {
        // Whoever is still interested asks again, and is told `WouldBlock` again: a link that is not leaves nothing to spin on.
        watch(fired.socket, |watch| (watch.read, watch.write) = (0, 0));
    }
}

impl Socket {
    const NEW: Self = Self { open: None };

    /// Opens and begins to connect.
    fn begin(&mut self, stream: bool, remote: SocketAddr) -> nb::Result<(), SocketError> {
        self.end()?;
        let (v4, v6);
        let address: &[u8] = match remote.ip() {
            IpAddr::V4(ip) => {
                v4 = ip.octets();
                &v4
            }
            IpAddr::V6(ip) => {
                v6 = ip.octets();
                &v6
            }
        };
        let answer = shim::socket(stream, address.len());
        at_once(understood(answer))?;
        if !watch(FREE, |watch| watch.socket = answer) {
            shim::close(answer);
            return Err(nb::Error::Other(SocketError::NoRoom));
        }
        let open = self.open.insert(Open { descriptor: answer, remote, stream, connected: false });
        let begun = understood(shim::connect(open.descriptor, address, remote.port()));
        self.settle(begun)
    }

    /// What became of connecting: a socket that will not be connected is closed.
    fn settle(&mut self, answer: nb::Result<usize, SocketError>) -> nb::Result<(), SocketError> {
        match answer {
            Ok(_) => {
                if let Some(open) = &mut self.open {
                    open.connected = true;
                }
                Ok(())
            }
            Err(nb::Error::WouldBlock) => {
                if let Some(open) = &self.open {
                    watch(open.descriptor, |watch| watch.write = 1);
                }
                Err(nb::Error::WouldBlock)
            }
            Err(error) => {
                // Why it was not connected says more than whether closing it went well.
                let _ = self.end();
                Err(error)
            }
        }
    }

    /// Closes, if it is open.
    fn end(&mut self) -> Result<(), SocketError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        // First: a descriptor that is closed must not be watched.
        watch(open.descriptor, |watch| *watch = NOTHING);
        at_once(understood(shim::close(open.descriptor))).map(drop)
    }

    fn connected(&self) -> Result<Open, SocketError> {
        self.open.filter(|open| open.connected).ok_or(SocketError::Closed)
    }

    fn send(&self, bytes: &[u8]) -> nb::Result<usize, SocketError> {
        let open = self.connected()?;
        let answer = understood(shim::send(open.descriptor, bytes));
        // A socket for datagrams always says that it can be written to, also when the stack has no buffer: to wait for that would
        // be to spin. A link asks again after a while.
        if open.stream && answer == Err(nb::Error::WouldBlock) {
            watch(open.descriptor, |watch| watch.write = 1);
        }
        answer
    }

    fn receive(&self, bytes: &mut [u8]) -> nb::Result<(usize, SocketAddr), SocketError> {
        let open = self.connected()?;
        let answer = understood(shim::receive(open.descriptor, bytes));
        if answer == Err(nb::Error::WouldBlock) {
            watch(open.descriptor, |watch| watch.read = 1);
        }
        answer.map(|length| (length.min(bytes.len()), open.remote))
    }
}

impl UdpClientStack for Sockets {
    type UdpSocket = Socket;
    type Error = SocketError;

    fn socket(&mut self) -> Result<Socket, SocketError> {
        Ok(Socket::NEW)
    }

    fn connect(&mut self, socket: &mut Socket, remote: SocketAddr) -> Result<(), SocketError> {
        let begun = at_once(socket.begin(false, remote));
        if begun.is_err() {
            // A socket for datagrams has nothing to wait for: who said so failed.
            socket.end()?;
        }
        begun
    }

    fn send(&mut self, socket: &mut Socket, bytes: &[u8]) -> nb::Result<(), SocketError> {
        if socket.send(bytes)? == bytes.len() { Ok(()) } else { Err(nb::Error::Other(SocketError::TooLong)) }
    }

    fn receive(&mut self, socket: &mut Socket, bytes: &mut [u8]) -> nb::Result<(usize, SocketAddr), SocketError> {
        socket.receive(bytes)
    }

    fn close(&mut self, mut socket: Socket) -> Result<(), SocketError> {
        socket.end()
    }
}

impl TcpClientStack for Sockets {
    type TcpSocket = Socket;
    type Error = SocketError;

    fn socket(&mut self) -> Result<Socket, SocketError> {
        Ok(Socket::NEW)
    }

    /// Call it again with the same address until it is `Ok`, or an error other than `WouldBlock`; another address begins anew.
    fn connect(&mut self, socket: &mut Socket, remote: SocketAddr) -> nb::Result<(), SocketError> {
        match socket.open {
            Some(open) if open.remote == remote && open.connected => Ok(()),
            Some(open) if open.remote == remote => socket.settle(understood(shim::connected(open.descriptor))),
            _ => socket.begin(true, remote),
        }
    }

    fn send(&mut self, socket: &mut Socket, bytes: &[u8]) -> nb::Result<usize, SocketError> {
        socket.send(bytes)
    }

    /// [`SocketError::Closed`] when the other side will send no more.
    fn receive(&mut self, socket: &mut Socket, bytes: &mut [u8]) -> nb::Result<usize, SocketError> {
        match socket.receive(bytes)? {
            (0, _) if !bytes.is_empty() => Err(nb::Error::Other(SocketError::Closed)),
            (length, _) => Ok(length),
        }
    }

    fn close(&mut self, mut socket: Socket) -> Result<(), SocketError> {
        socket.end()
    }
}

#[cfg(test)]
mod tests;
