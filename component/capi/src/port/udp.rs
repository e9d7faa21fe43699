// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The datagram functions of cairn_port.h as an embedded-nal stack: one connected socket, which never waits.

use core::{
    ffi::c_int,
    net::{IpAddr, SocketAddr},
};

use embedded_nal::UdpClientStack;

/// cbindgen:ignore
mod c {
    use super::c_int;

    unsafe extern "C" {
        pub(super) fn cairn_port_udp_open(address: *const u8, port: u16) -> bool;
        pub(super) fn cairn_port_udp_send(bytes: *const u8, length: usize) -> c_int;
        pub(super) fn cairn_port_udp_receive(bytes: *mut u8, capacity: usize) -> c_int;
        pub(super) fn cairn_port_udp_close();
    }
}

/// `CAIRN_UDP_LATER` of cairn_port.h.
const LATER: c_int = -1;

/// The port's one socket. Whom it is connected to is known here, so that the port need not say it with each datagram.
#[derive(Debug)]
pub(crate) struct Socket {
    remote: Option<SocketAddr>,
}

/// The sockets of the system below.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortUdp;

/// A socket that is gone: the link closes it and opens another with the next exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketFailed;

/// What the port's number means: a length, nothing now, or the end of the socket.
fn length(answer: c_int, longest: usize) -> nb::Result<usize, SocketFailed> {
    match usize::try_from(answer) {
        // The minimum keeps a port that miscounts from being believed.
        Ok(length) => Ok(length.min(longest)),
        Err(_) if answer == LATER => Err(nb::Error::WouldBlock),
        Err(_) => Err(nb::Error::Other(SocketFailed)),
    }
}

impl UdpClientStack for PortUdp {
    type UdpSocket = Socket;
    type Error = SocketFailed;

    fn socket(&mut self) -> Result<Socket, SocketFailed> {
        Ok(Socket { remote: None })
    }

    fn connect(&mut self, socket: &mut Socket, remote: SocketAddr) -> Result<(), SocketFailed> {
        let IpAddr::V4(address) = remote.ip() else { return Err(SocketFailed) };
        let octets = address.octets();
        // SAFETY: four bytes valid for reading; called by the agent's task only.
        if !unsafe { c::cairn_port_udp_open(octets.as_ptr(), remote.port()) } {
            return Err(SocketFailed);
        }
        socket.remote = Some(remote);
        Ok(())
    }

    fn send(&mut self, socket: &mut Socket, bytes: &[u8]) -> nb::Result<(), SocketFailed> {
        if socket.remote.is_none() {
            return Err(nb::Error::Other(SocketFailed));
        }
        // SAFETY: the slice is valid for reading its length.
        let sent = length(unsafe { c::cairn_port_udp_send(bytes.as_ptr(), bytes.len()) }, bytes.len())?;
        if sent == bytes.len() { Ok(()) } else { Err(nb::Error::Other(SocketFailed)) }
    }

    fn receive(&mut self, socket: &mut Socket, bytes: &mut [u8]) -> nb::Result<(usize, SocketAddr), SocketFailed> {
        let remote = socket.remote.ok_or(nb::Error::Other(SocketFailed))?;
        // SAFETY: the slice is valid for writing its length.
        let length = length(unsafe { c::cairn_port_udp_receive(bytes.as_mut_ptr(), bytes.len()) }, bytes.len())?;
        Ok((length, remote))
    }

    fn close(&mut self, socket: Socket) -> Result<(), SocketFailed> {
        if socket.remote.is_some() {
            // SAFETY: takes nothing; called by the agent's task only.
            unsafe { c::cairn_port_udp_close() };
        }
        Ok(())
    }
}
