// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The embedded-nal face of the driver.

use core::net::SocketAddr;

use cairn::ports::Clock;
use embedded_io::{Read, ReadReady, Write};
use embedded_nal::UdpClientStack;

use super::{
    AtModem, Error,
    slots::{OnModem, Progress, Slot},
};

/// A socket of the modem, given back with `close`. Dropping it leaves it in use.
#[derive(Debug, PartialEq, Eq)]
pub struct Socket(u8);

impl<
    P,
    C,
    const SOCKETS: usize,
    const TX: usize,
    const RX: usize,
    const QUEUE: usize,
    const LINE: usize,
    const APDU: usize,
> AtModem<P, C, SOCKETS, TX, RX, QUEUE, LINE, APDU>
where
    P: Read + ReadReady + Write,
    C: Clock,
{
    fn slot(&mut self, socket: &Socket) -> Result<&mut Slot, Error<P::Error>> {
        self.conversation.slots.get_mut(usize::from(socket.0)).ok_or(Error::NoSocket)
    }

    /// Polls; a port that fails is told by the `send` that met it, and not again by the next.
    fn poll_for(&mut self, socket: &Socket) -> Result<(), Error<P::Error>> {
        self.poll().map_err(|error| {
            self.conversation.abandon(socket.0);
            Error::Port(error)
        })
    }
}

/// `connect` and `close` only note what is wanted; the modem is asked when there is something to send, or at the next
/// [`AtModem::poll`].
impl<
    P,
    C,
    const SOCKETS: usize,
    const TX: usize,
    const RX: usize,
    const QUEUE: usize,
    const LINE: usize,
    const APDU: usize,
> UdpClientStack for AtModem<P, C, SOCKETS, TX, RX, QUEUE, LINE, APDU>
where
    P: Read + ReadReady + Write,
    C: Clock,
{
    type UdpSocket = Socket;
    type Error = Error<P::Error>;

    fn socket(&mut self) -> Result<Socket, Self::Error> {
        let usable = usize::from(self.conversation.dialect.sockets);
        let mut slots = self.conversation.slots.iter_mut().zip(0_u8..).take(usable);
        let (slot, number) = slots.find(|(slot, _)| !slot.used).ok_or(Error::NoSocket)?;
        // Still open for its former holder: closed before it is opened again.
        *slot = Slot { used: true, on_modem: OnModem::Unknown, ..Slot::default() };
        Ok(Socket(number))
    }

    fn connect(&mut self, socket: &mut Socket, remote: SocketAddr) -> Result<(), Self::Error> {
        let SocketAddr::V4(peer) = remote else { return Err(Error::AddressFamily) };
        let slot = self.slot(socket)?;
        if slot.peer != Some(peer) {
            *slot = Slot { used: true, peer: Some(peer), on_modem: OnModem::Unknown, lost: None };
            self.conversation.inbound.clear(socket.0);
            self.conversation.abandon(socket.0);
        }
        Ok(())
    }

    /// Sends one datagram; call it with the same bytes until it does not return `WouldBlock`. `Ok` means that the modem's
    /// stack took it. A send that is given up half-way goes on by itself: other bytes wait for it and its result is dropped.
    fn send(&mut self, socket: &mut Socket, buffer: &[u8]) -> nb::Result<(), Self::Error> {
        if buffer.is_empty() {
            return Err(Error::Empty.into());
        }
        if buffer.len() > TX.min(self.conversation.dialect.largest_datagram) {
            return Err(Error::TooLong.into());
        }
        if self.slot(socket)?.peer.is_none() {
            return Err(Error::NotConnected.into());
        }
        self.poll_for(socket)?;
        let uplink = &mut self.conversation.uplink;
        let same = !uplink.orphan && uplink.socket == socket.0 && uplink.bytes == buffer;
        match uplink.progress {
            Progress::Pending => return Err(nb::Error::WouldBlock),
            Progress::Done(result) if same => {
                uplink.progress = Progress::None;
                return result.map_err(|failure| nb::Error::Other(Error::Failed(failure)));
            }
            Progress::None | Progress::Done(_) => {}
        }
        if !uplink.load(socket.0, buffer) {
            return Err(Error::TooLong.into());
        }
        self.poll_for(socket)?;
        Err(nb::Error::WouldBlock)
    }

    /// The oldest datagram received. `Error::Failed` says once that the socket is gone; the next `send` opens it again.
    fn receive(&mut self, socket: &mut Socket, buffer: &mut [u8]) -> nb::Result<(usize, SocketAddr), Self::Error> {
        self.poll().map_err(Error::Port)?;
        let slot = self.slot(socket)?;
        let peer = slot.peer.ok_or(Error::NotConnected)?;
        let lost = slot.lost;
        if let Some(datagram) = self.conversation.inbound.pop(socket.0) {
            let room = buffer.get_mut(..datagram.bytes.len()).ok_or(Error::Truncated)?;
            room.copy_from_slice(&datagram.bytes);
            return Ok((datagram.bytes.len(), SocketAddr::V4(peer)));
        }
        match lost {
            Some(failure) => {
                self.slot(socket)?.lost = None;
                Err(Error::Failed(failure).into())
            }
            None => Err(nb::Error::WouldBlock),
        }
    }

    fn close(&mut self, socket: Socket) -> Result<(), Self::Error> {
        let number = socket.0;
        let slot = self.slot(&socket)?;
        // What is open stays noted as open, and is closed because nobody uses it.
        *slot = Slot { on_modem: slot.on_modem, ..Slot::default() };
        self.conversation.inbound.clear(number);
        self.conversation.abandon(number);
        self.poll().map_err(Error::Port)
    }
}
