// SPDX-License-Identifier: Apache-2.0 OR MIT
//! [`CoapLink`]: the agent's `Link` as one confirmable CoAP request, protected by OSCORE, over an embedded-nal UDP stack. Called
//! by the agent; never blocks, never believes what it cannot verify.
//!
//! - `mod.rs`: the link, its buffers and what it sends;
//! - `datagram.rs`: what a received datagram means;
//! - `exchange.rs`: timers and state of one exchange; `timing.rs`: [`Transmission`].

mod datagram;
mod exchange;
mod timing;

use core::{convert::Infallible, net::SocketAddr, ops::Range};

use cairn::{
    ports::{Link, LinkError, Outcome},
    power::cost::{ExchangeCost, Heard, PsmTimers},
    time::Millis,
};
use embedded_nal::UdpClientStack;

use self::{
    exchange::{Answer, Due, Exchange, Leg, Outgoing, Token},
    timing::Spread,
};
use crate::{
    message::{Builder, Code, EmitError, Head, Options, Type, option},
    oscore::{Binding, Context, ID_CONTEXT_MAX, ID_MAX, NUMBER_END, ProtectError, TAG_BYTES},
};

pub use timing::Transmission;

/// Path of the relay's resource.
const PATH: &[u8] = b"a";
const TOKEN_BYTES: usize = 2;
/// Uri-Path and the longest Echo.
const INNER_OPTIONS_MAX: usize = 1 + PATH.len() + 3 + option::ECHO_MAX;
/// Most bytes that protection and headers add to an uplink: header and token; OSCORE option with the longest Partial IV, kid and
/// kid context; marker, inner code, inner options with the longest Echo, marker, tag.
pub const OVERHEAD_MAX: usize =
    4 + TOKEN_BYTES + (2 + 1 + 5 + 1 + ID_CONTEXT_MAX + ID_MAX) + 1 + 1 + INNER_OPTIONS_MAX + 1 + TAG_BYTES;
/// Sends and receives in one poll: bounds its work when datagrams pour in.
const STEPS_PER_POLL: u8 = 8;

/// Where the relay is and how patient to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Address of the relay; datagrams from elsewhere are ignored.
    pub relay: SocketAddr,
    /// Timers.
    pub transmission: Transmission,
    /// Keep the socket between exchanges instead of opening one for each. A failed socket is closed all the same.
    pub keep_socket: bool,
    /// From an entropy source, drawn anew at each start of the device: spreads Message IDs, tokens and waits.
    pub seed: u64,
}

/// One relay, one security context, one exchange at a time.
///
/// `TX` is the longest datagram sent and [`OVERHEAD_MAX`] bytes more than the longest uplink; `RX`, at most `TX`, the longest
/// datagram received.
pub struct CoapLink<N: UdpClientStack, const TX: usize, const RX: usize> {
    stack: N,
    settings: Settings,
    context: Context,
    numbers: Range<u64>,
    spread: Spread,
    message_id: u16,
    token: u16,
    /// The relay answered in this context: the kid context need not be sent.
    relay_knows_context: bool,
    socket: Option<N::UdpSocket>,
    exchange: Option<Exchange>,
    wake: Millis,
    /// Asks the stack what its modem heard.
    hear: fn(&mut N) -> Heard,
    /// Granted, and not handed on yet.
    timers: Option<PsmTimers>,
    /// The protected request; the downlink when the exchange is over.
    tx: [u8; TX],
    rx: [u8; RX],
}

impl<N: UdpClientStack, const TX: usize, const RX: usize> CoapLink<N, TX, RX> {
    /// A link without sender sequence numbers: [`Link::grant`] gives it some.
    #[must_use]
    pub fn new(stack: N, settings: Settings, context: Context) -> Self {
        const {
            assert!(TX > OVERHEAD_MAX, "no room for an uplink");
            assert!(RX <= TX, "a downlink is handed over in the transmit buffer");
        }
        let mut spread = Spread(settings.seed);
        let (message_id, token) = (spread.next_u16(), spread.next_u16());
        Self {
            stack,
            settings,
            context,
            numbers: 0..0,
            spread,
            message_id,
            token,
            relay_knows_context: false,
            socket: None,
            exchange: None,
            wake: Millis(0),
            hear: |_| Heard::default(),
            timers: None,
            tx: [0; TX],
            rx: [0; RX],
        }
    }

    /// The same over a stack whose modem says what it hears of the network: `hear` is asked once, when an exchange ends.
    #[must_use]
    pub fn hearing(mut self, hear: fn(&mut N) -> Heard) -> Self {
        self.hear = hear;
        self
    }

    /// The stack under the link, such as to feed a modem's serial port.
    pub const fn stack(&mut self) -> &mut N {
        &mut self.stack
    }

    /// Replaces the security context, such as for a new stream. Granted numbers belong to the old one and are dropped.
    ///
    /// # Errors
    /// [`LinkError::Refused`] while an exchange runs.
    pub fn set_context(&mut self, context: Context) -> Result<(), LinkError> {
        if self.exchange.is_some() {
            return Err(LinkError::Refused);
        }
        self.context = context;
        self.numbers = 0..0;
        self.relay_knows_context = false;
        Ok(())
    }

    /// Protects the payload that lies at `payload` of the transmit buffer, under the next number, as a leg's request.
    fn protect(&mut self, payload: Range<usize>, echo: Option<&[u8]>) -> Result<Leg, LinkError> {
        let number = self.numbers.next().ok_or(LinkError::SequenceExhausted)?;
        self.message_id = self.message_id.wrapping_add(1);
        self.token = self.token.wrapping_add(1);
        let (message_id, token): (u16, Token) = (self.message_id, self.token.to_be_bytes());
        let protected = self.write_request(number, message_id, token, payload, echo);
        let (length, binding) = protected.map_err(|_| LinkError::Refused)?;
        Ok(Leg::new(message_id, token, binding, length))
    }

    fn write_request(
        &mut self,
        number: u64,
        message_id: u16,
        token: Token,
        payload: Range<usize>,
        echo: Option<&[u8]>,
    ) -> Result<(usize, Binding), ProtectError> {
        let mut options = [0; INNER_OPTIONS_MAX];
        let mut builder = Builder::options(&mut options);
        builder.option(option::URI_PATH, PATH)?;
        if let Some(echo) = echo {
            builder.option(option::ECHO, echo)?;
        }
        let length = builder.finish();
        let options = options.get(..length).and_then(|bytes| Options::parse(bytes).ok()).ok_or(EmitError::TooLong)?;
        let head = Head { kind: Type::Confirmable, code: Code::POST, message_id, token: &token, options };
        self.context.protect_request_in_place(number, !self.relay_knows_context, &head, &mut self.tx, payload)
    }

    /// Opens the socket unless it is open.
    fn open(&mut self) -> Result<(), LinkError> {
        let Some(exchange) = self.exchange.as_mut().filter(|_| self.socket.is_none()) else { return Ok(()) };
        let mut socket = self.stack.socket().map_err(|_| LinkError::Unreachable)?;
        exchange.cost.connections = exchange.cost.connections.saturating_add(1);
        let connected = self.stack.connect(&mut socket, self.settings.relay);
        self.socket = Some(socket);
        connected.map_err(|_| LinkError::Unreachable)
    }

    /// Sends what is to be sent. `None`: the stack took it all.
    fn send(&mut self, now: Millis) -> Option<Due> {
        let (exchange, socket) = (self.exchange.as_mut()?, self.socket.as_mut()?);
        while let Some(outgoing) = exchange.outgoing() {
            let mut acknowledgement = [0; 4];
            let datagram = match outgoing {
                Outgoing::Acknowledgement(id) => {
                    let built = Builder::message(&mut acknowledgement, Type::Acknowledgement, Code::EMPTY, id, &[]);
                    let length = built.map_or(0, Builder::finish);
                    acknowledgement.get(..length)
                }
                Outgoing::Request => self.tx.get(..exchange.leg.length),
            };
            let datagram = datagram.unwrap_or_default();
            match self.stack.send(socket, datagram) {
                Ok(()) => {
                    let first_wait = self.settings.transmission.first_wait(self.spread.next());
                    exchange.sent(outgoing, datagram.len(), now, &self.settings.transmission, first_wait);
                }
                Err(nb::Error::WouldBlock) => return Some(exchange.blocked(now, &self.settings.transmission)),
                Err(nb::Error::Other(_)) => return Some(Due::Over(exchange.failed(LinkError::Unreachable))),
            }
        }
        None
    }

    /// Takes one datagram; whether there was one. A stack that fails here may recover with the next send, as a modem that was
    /// reset does, and may fail because of what a stranger sent: that ends no exchange.
    fn receive(&mut self, now: Millis) -> bool {
        let (Some(exchange), Some(socket)) = (self.exchange.as_mut(), self.socket.as_mut()) else { return false };
        match self.stack.receive(socket, &mut self.rx) {
            Ok((length, from)) => {
                exchange.received(length);
                if from == self.settings.relay && length <= RX {
                    self.take_datagram(now, length);
                }
                true
            }
            Err(nb::Error::WouldBlock) => false,
            Err(nb::Error::Other(_)) => {
                exchange.stack_failed = true;
                false
            }
        }
    }

    /// Drives the exchange until it is over or nothing more can be done now.
    fn drive(&mut self, now: Millis) -> Option<Answer> {
        if let Err(error) = self.open() {
            return Some(Err(error));
        }
        for _ in 0..STEPS_PER_POLL {
            match self.send(now) {
                None => {}
                Some(Due::Over(answer)) => return Some(answer),
                Some(Due::Repeat | Due::Nothing(_)) => {
                    // What was begun must be finished before anything else is asked of the stack.
                    self.wake = now.after(Millis(self.settings.transmission.stack_poll.0.max(1)));
                    return None;
                }
            }
            if self.receive(now) {
                continue;
            }
            match self.exchange.as_mut()?.due(now, &self.settings.transmission) {
                Due::Over(answer) => return Some(answer),
                Due::Repeat => {}
                Due::Nothing(next) => {
                    let poll = now.after(Millis(self.settings.transmission.stack_poll.0.max(1)));
                    self.wake = poll.min(next);
                    return None;
                }
            }
        }
        // Datagrams pour in: the timers hold all the same.
        self.wake = now;
        match self.exchange.as_mut()?.due(now, &self.settings.transmission) {
            Due::Over(answer) => Some(answer),
            Due::Repeat | Due::Nothing(_) => None,
        }
    }

    /// Ends the exchange: closes the socket unless it is kept, and remembers whether the relay knows the context.
    fn end(&mut self, answer: Answer) {
        let broken = matches!(answer, Err(LinkError::Unreachable));
        if (broken || !self.settings.keep_socket)
            && let Some(socket) = self.socket.take()
        {
            // Nothing depends on how closing went: the socket is gone for this link.
            let _ = self.stack.close(socket);
        }
        match answer {
            Ok(_) => self.relay_knows_context = true,
            // Perhaps because it does not know it any more: name it again next time.
            Err(_) => self.relay_knows_context = false,
        }
        self.exchange = None;
    }
}

impl<N: UdpClientStack, const TX: usize, const RX: usize> Link for CoapLink<N, TX, RX> {
    fn start(&mut self, now: Millis, uplink: &[u8]) -> Result<(), LinkError> {
        if self.exchange.is_some() || uplink.len() > self.capacity() {
            return Err(LinkError::Refused);
        }
        let room = self.tx.get_mut(..uplink.len()).ok_or(LinkError::Refused)?;
        room.copy_from_slice(uplink);
        let leg = self.protect(0..uplink.len(), None)?;
        self.exchange = Some(Exchange::new(now, leg));
        self.wake = now;
        Ok(())
    }

    fn poll(&mut self, now: Millis) -> nb::Result<Outcome<'_>, Infallible> {
        if self.exchange.is_none() {
            return Err(nb::Error::WouldBlock);
        }
        let answer = self.drive(now).ok_or(nb::Error::WouldBlock)?;
        let Heard { coverage, attach, timers } = (self.hear)(&mut self.stack);
        self.timers = timers.or(self.timers);
        let cost = self.exchange.as_ref().map(|exchange| exchange.cost(now)).unwrap_or_default();
        let cost = ExchangeCost { coverage, attach, ..cost };
        self.end(answer);
        let downlink = answer.map(|length| self.tx.get(..length).unwrap_or_default());
        Ok(Outcome { downlink, cost })
    }

    fn wake_at(&self) -> Option<Millis> {
        self.exchange.as_ref().map(|_| self.wake)
    }

    fn capacity(&self) -> usize {
        TX - OVERHEAD_MAX
    }

    fn grant(&mut self, numbers: Range<u64>) {
        self.numbers = numbers.start.min(NUMBER_END)..numbers.end.min(NUMBER_END);
    }

    fn granted(&self) -> u64 {
        self.numbers.end.saturating_sub(self.numbers.start)
    }

    fn psm_timers(&mut self) -> Option<PsmTimers> {
        self.timers.take()
    }
}
