// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SIM in the modem as a [`ApduChannel`] for `cairn::signer::sim`, on the same serial port as the datagrams: [`Shared`]
//! lends one driver to the CoAP client and to [`SimCard`]. Called by the signer within the agent's step; blocks in
//! [`cairn::ports::Wait`] and nowhere else.
//!
//! | [`Access`] | opens | passes commands on | closes | who puts the channel into the class byte |
//! | --- | --- | --- | --- | --- |
//! | `Channels` | `AT+CCHO` | `AT+CGLA` | `AT+CCHC` | the modem (TS 27.007 section 8.45) |
//! | `Generic` | `AT+CSIM`: MANAGE CHANNEL, SELECT | `AT+CSIM` | `AT+CSIM`: MANAGE CHANNEL | this file |

use core::{cell::RefCell, net::SocketAddr};

use cairn::{
    ports::{Clock, Wait},
    power::cost::Heard,
    signer::sim::{
        ApduChannel, ChannelError, Command, StatusWord,
        apdu::{INS_MANAGE_CHANNEL, INS_SELECT},
    },
    time::Millis,
};
use embedded_io::{Read, ReadReady, Write};
use embedded_nal::UdpClientStack;

use crate::modem::{AtModem, CardAsk, CardFailure};

/// `APDU` of a driver whose SIM signs.
pub const APDU: usize = cairn::signer::sim::apdu::RESPONSE_MAX;

/// What [`SimCard`] needs of a driver; [`AtModem`] has it.
pub trait CardModem {
    /// As [`AtModem::card`].
    ///
    /// # Errors
    /// [`CardFailure`].
    fn card(&mut self, ask: CardAsk, bytes: &[u8]) -> Result<(), CardFailure>;
    /// As [`AtModem::card_answer`].
    ///
    /// # Errors
    /// [`CardFailure`].
    fn card_answer(&mut self, out: &mut [u8]) -> nb::Result<usize, CardFailure>;
    /// As [`AtModem::doubt`].
    fn doubt(&mut self);
    /// As [`AtModem::wake_at`].
    fn wake_at(&self) -> Option<Millis>;
    /// As [`AtModem::heard`].
    fn heard(&mut self) -> Heard;
}

impl<
    P,
    C,
    const SOCKETS: usize,
    const TX: usize,
    const RX: usize,
    const QUEUE: usize,
    const LINE: usize,
    const APDU: usize,
> CardModem for AtModem<P, C, SOCKETS, TX, RX, QUEUE, LINE, APDU>
where
    P: Read + ReadReady + Write,
    C: Clock,
{
    fn card(&mut self, ask: CardAsk, bytes: &[u8]) -> Result<(), CardFailure> {
        self.card(ask, bytes)
    }

    fn card_answer(&mut self, out: &mut [u8]) -> nb::Result<usize, CardFailure> {
        self.card_answer(out)
    }

    fn doubt(&mut self) {
        self.doubt();
    }

    fn wake_at(&self) -> Option<Millis> {
        self.wake_at()
    }

    fn heard(&mut self) -> Heard {
        self.heard()
    }
}

/// A driver that several parts of one task use in turn. Each call borrows it and gives it back before it returns, so that
/// no two borrows meet.
#[derive(Debug)]
pub struct Shared<'a, M>(&'a RefCell<M>);

impl<'a, M> Shared<'a, M> {
    /// A handle to `modem`.
    pub const fn new(modem: &'a RefCell<M>) -> Self {
        Self(modem)
    }
}

impl<M: CardModem> Shared<'_, M> {
    /// As [`AtModem::heard`].
    pub fn heard(&mut self) -> Heard {
        self.0.borrow_mut().heard()
    }
}

impl<M> Clone for Shared<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Shared<'_, M> {}

impl<M: CardModem> CardModem for Shared<'_, M> {
    fn card(&mut self, ask: CardAsk, bytes: &[u8]) -> Result<(), CardFailure> {
        self.0.borrow_mut().card(ask, bytes)
    }

    fn card_answer(&mut self, out: &mut [u8]) -> nb::Result<usize, CardFailure> {
        self.0.borrow_mut().card_answer(out)
    }

    fn doubt(&mut self) {
        self.0.borrow_mut().doubt();
    }

    fn wake_at(&self) -> Option<Millis> {
        self.0.borrow().wake_at()
    }

    fn heard(&mut self) -> Heard {
        self.0.borrow_mut().heard()
    }
}

impl<M: UdpClientStack> UdpClientStack for Shared<'_, M> {
    type UdpSocket = M::UdpSocket;
    type Error = M::Error;

    fn socket(&mut self) -> Result<Self::UdpSocket, Self::Error> {
        self.0.borrow_mut().socket()
    }

    fn connect(&mut self, socket: &mut Self::UdpSocket, remote: SocketAddr) -> Result<(), Self::Error> {
        self.0.borrow_mut().connect(socket, remote)
    }

    fn send(&mut self, socket: &mut Self::UdpSocket, buffer: &[u8]) -> nb::Result<(), Self::Error> {
        self.0.borrow_mut().send(socket, buffer)
    }

    fn receive(
        &mut self,
        socket: &mut Self::UdpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), Self::Error> {
        self.0.borrow_mut().receive(socket, buffer)
    }

    fn close(&mut self, socket: Self::UdpSocket) -> Result<(), Self::Error> {
        self.0.borrow_mut().close(socket)
    }
}

/// Numbers of +CME ERROR (3GPP TS 27.007 section 9.2.1) that a modem may mean "no channel is free" by.
const NOT_ALLOWED: u16 = 3;
const SIM_FAILURE: u16 = 13;
const UNKNOWN: u16 = 100;
/// Sessions of `AT+CCHO` that are tried: what a card of four channels has.
const SESSIONS: u16 = 3;

/// How the modem's firmware lets commands through to the card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// `AT+CCHO`, `AT+CGLA`, `AT+CCHC`.
    #[default]
    Channels,
    /// `AT+CSIM` alone.
    Generic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    Session(u16),
    /// A logical channel of our own, 1 to 19.
    Channel(u8),
}

/// The SIM behind a driver `M`, waiting in `W`.
///
/// `W` ends its waits when the UART heard something, and must not swallow what else may end them: news for the agent that
/// come while a signature is made are the agent's when its step is over.
#[derive(Debug)]
pub struct SimCard<M, W> {
    modem: M,
    wait: W,
    access: Access,
    opened: Option<Opened>,
}

impl<M: CardModem, W: Wait> SimCard<M, W> {
    /// A card that nothing was said to yet.
    pub const fn new(modem: M, wait: W, access: Access) -> Self {
        Self { modem, wait, access, opened: None }
    }

    /// Asks and waits. Every end of a wait brings the driver on or lets a limit of it pass, and it has a limit for
    /// everything.
    fn ask(&mut self, ask: CardAsk, bytes: &[u8], out: &mut [u8]) -> Result<usize, ChannelError> {
        self.modem.card(ask, bytes).map_err(channel_error)?;
        loop {
            match self.modem.card_answer(out) {
                Ok(length) => return Ok(length),
                Err(nb::Error::WouldBlock) => self.wait.wait(self.modem.wake_at()),
                Err(nb::Error::Other(failure)) => {
                    // The session went with the modem.
                    if matches!(failure, CardFailure::NoModem | CardFailure::Restarted) {
                        self.opened = None;
                    }
                    return Err(channel_error(failure));
                }
            }
        }
    }

    fn open_session(&mut self, aid: &[u8]) -> Result<(), ChannelError> {
        let mut session = [0; 2];
        let mut opened = self.ask(CardAsk::Open, aid, &mut session);
        if let Err(ChannelError::Refused(None | Some(NOT_ALLOWED | SIM_FAILURE | UNKNOWN))) = opened {
            // None may be free: those that this device opened and never heard of, or forgot when it restarted.
            for lost in 1..=SESSIONS {
                let _ = self.ask(CardAsk::Close(lost), &[], &mut [0; 2]);
            }
            opened = self.ask(CardAsk::Open, aid, &mut session);
        }
        match opened? {
            2 => {
                self.opened = Some(Opened::Session(u16::from_be_bytes(session)));
                Ok(())
            }
            _ => Err(ChannelError::Garbled),
        }
    }

    fn open_channel(&mut self, aid: &[u8]) -> Result<(), ChannelError> {
        // TS 102 221 section 11.1.17: open, number by the card, one byte of answer.
        let open = Command { class: 0, ins: INS_MANAGE_CHANNEL, p1: 0, p2: 0, data: &[], le: Some(1) };
        let mut answer = [0; 3];
        let length = self.command(CardAsk::Basic, &open, &mut answer)?;
        let channel = match answer.get(..length).and_then(StatusWord::split) {
            Some(([channel @ 1..=19], StatusWord::OK)) => *channel,
            Some(([], word)) if word != StatusWord::OK => return Err(ChannelError::Status(word)),
            _ => return Err(ChannelError::Garbled),
        };
        self.opened = Some(Opened::Channel(channel));
        // Section 11.1.1: by AID, first or only occurrence; no Le, as nobody wants the file control parameters.
        let select = Command { class: on_channel(0, channel), ins: INS_SELECT, p1: 4, p2: 0, data: aid, le: None };
        // Some cards give them all the same.
        let mut answer = [0; APDU];
        let length = self.command(CardAsk::Generic, &select, &mut answer)?;
        match answer.get(..length).and_then(StatusWord::split) {
            Some((_, word)) if word.selected() => Ok(()),
            Some((_, word)) => Err(ChannelError::Status(word)),
            None => Err(ChannelError::Garbled),
        }
    }

    fn command(&mut self, ask: CardAsk, command: &Command<'_>, out: &mut [u8]) -> Result<usize, ChannelError> {
        let bytes = command.encode().ok_or(ChannelError::Garbled)?;
        self.ask(ask, &bytes, out)
    }
}

impl<M: CardModem, W: Wait> ApduChannel for SimCard<M, W> {
    fn open(&mut self, aid: &[u8]) -> Result<(), ChannelError> {
        self.close();
        match self.access {
            Access::Channels => self.open_session(aid),
            Access::Generic => self.open_channel(aid).inspect_err(|_| self.close()),
        }
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, ChannelError> {
        let opened = self.opened.ok_or(ChannelError::Interrupted)?;
        match opened {
            Opened::Session(session) => self.ask(CardAsk::Session(session), command, response),
            Opened::Channel(channel) => {
                let mut bytes = heapless::Vec::<u8, APDU>::from_slice(command).map_err(|_| ChannelError::Garbled)?;
                if let Some(class) = bytes.first_mut() {
                    *class = on_channel(*class, channel);
                }
                self.ask(CardAsk::Generic, &bytes, response)
            }
        }
    }

    fn abandon(&mut self) {
        self.modem.doubt();
        self.close();
    }

    fn close(&mut self) {
        let Some(opened) = self.opened.take() else { return };
        let mut answer = [0; APDU];
        let _ = match opened {
            Opened::Session(session) => self.ask(CardAsk::Close(session), &[], &mut answer),
            Opened::Channel(channel) => {
                let close = Command { class: 0, ins: INS_MANAGE_CHANNEL, p1: 0x80, p2: channel, data: &[], le: None };
                self.command(CardAsk::Basic, &close, &mut answer)
            }
        };
    }
}

/// The class byte on logical channel `channel` (TS 102 221 section 10.1.1): channels from 4 have a coding of their own.
const fn on_channel(class: u8, channel: u8) -> u8 {
    if channel < 4 { class | channel } else { class | 0x40 | (channel.wrapping_sub(4) & 0x0F) }
}

const fn channel_error(failure: CardFailure) -> ChannelError {
    match failure {
        CardFailure::NoModem | CardFailure::Busy => ChannelError::Gone,
        CardFailure::TimeOut => ChannelError::TimeOut,
        CardFailure::Restarted => ChannelError::Interrupted,
        CardFailure::Refused(code) => ChannelError::Refused(code),
        CardFailure::Garbled | CardFailure::TooLong => ChannelError::Garbled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_byte_names_channels_as_in_ts_102_221() {
        assert_eq!(
            [(0, 1), (0x80, 3), (0, 4), (0x80, 19)].map(|(class, channel)| on_channel(class, channel)),
            [0x01, 0x83, 0x40, 0xCF]
        );
    }
}
