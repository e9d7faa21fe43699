// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A UDP stack and a relay on virtual time, for the client's tests: every delay, loss, error and `WouldBlock` is the test's to say.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    rc::Rc,
};

use cairn::{
    ports::{Link, LinkError},
    power::cost::{ExchangeCost, Heard},
    time::Millis,
};
use cairn_coap::{
    CoapLink, Settings, Transmission,
    message::{Builder, Code, Head, Message, Options, Type, option},
    oscore::{Binding, Context, Identifiers, ReplayWindow, Secrets},
};
use embedded_nal::UdpClientStack;

pub(crate) const RELAY: ([u8; 4], u16) = ([192, 0, 2, 7], 5683);
pub(crate) const KID: [u8; 4] = [0xca, 0x14, 0x00, 0x01];
pub(crate) const STREAM: [u8; 8] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
pub(crate) const UPLINK: [u8; 170] = [0x5a; 170];

pub(crate) type TestLink = CoapLink<Stack, 512, 256>;

pub(crate) fn relay_address() -> SocketAddr {
    SocketAddr::from(RELAY)
}

/// Where a stack fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Socket,
    Connect,
    Send,
    Receive,
}

#[derive(Debug, Default)]
pub(crate) struct Air {
    pub(crate) now: u64,
    /// What the device sent, and when the stack took it.
    pub(crate) sent: Vec<(u64, Vec<u8>)>,
    /// What will arrive at the device: when, what, from where.
    pub(crate) arriving: VecDeque<(u64, Vec<u8>, SocketAddr)>,
    pub(crate) open: usize,
    pub(crate) opened: usize,
    pub(crate) fault: Option<Fault>,
    /// What the modem heard since it was asked.
    pub(crate) heard: Heard,
    /// How often each send says `WouldBlock` before it is taken.
    pub(crate) blocks: u32,
    blocked: u32,
    /// The datagram a send has been blocked with: it must not change until it is taken.
    begun: Option<Vec<u8>>,
}

impl Air {
    pub(crate) fn deliver(&mut self, at: u64, datagram: Vec<u8>) {
        self.deliver_from(at, datagram, relay_address());
    }

    pub(crate) fn deliver_from(&mut self, at: u64, datagram: Vec<u8>, from: SocketAddr) {
        let place = self.arriving.partition_point(|(other, ..)| *other <= at);
        self.arriving.insert(place, (at, datagram, from));
    }
}

pub(crate) type SharedAir = Rc<RefCell<Air>>;

pub(crate) struct Stack(pub(crate) SharedAir);

pub(crate) struct Socket(SharedAir);

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.borrow_mut().open -= 1;
    }
}

impl UdpClientStack for Stack {
    type UdpSocket = Socket;
    type Error = Fault;

    fn socket(&mut self) -> Result<Socket, Fault> {
        let mut air = self.0.borrow_mut();
        if air.fault == Some(Fault::Socket) {
            return Err(Fault::Socket);
        }
        air.open += 1;
        air.opened += 1;
        Ok(Socket(self.0.clone()))
    }

    fn connect(&mut self, _: &mut Socket, remote: SocketAddr) -> Result<(), Fault> {
        assert_eq!(remote, relay_address());
        match self.0.borrow().fault {
            Some(Fault::Connect) => Err(Fault::Connect),
            _ => Ok(()),
        }
    }

    fn send(&mut self, _: &mut Socket, datagram: &[u8]) -> nb::Result<(), Fault> {
        let air = &mut *self.0.borrow_mut();
        if air.fault == Some(Fault::Send) {
            return Err(nb::Error::Other(Fault::Send));
        }
        let begun = air.begun.get_or_insert_with(|| datagram.to_vec());
        assert_eq!(begun, datagram, "a datagram changed while the stack was taking it");
        if air.blocked < air.blocks {
            air.blocked += 1;
            return Err(nb::Error::WouldBlock);
        }
        air.blocked = 0;
        air.begun = None;
        air.sent.push((air.now, datagram.to_vec()));
        Ok(())
    }

    fn receive(&mut self, _: &mut Socket, buffer: &mut [u8]) -> nb::Result<(usize, SocketAddr), Fault> {
        let air = &mut *self.0.borrow_mut();
        if air.fault == Some(Fault::Receive) {
            return Err(nb::Error::Other(Fault::Receive));
        }
        assert!(air.begun.is_none(), "the stack was asked to receive while it was taking a datagram");
        match air.arriving.front() {
            Some((at, ..)) if *at <= air.now => {}
            _ => return Err(nb::Error::WouldBlock),
        }
        let (_, datagram, from) = air.arriving.pop_front().unwrap();
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok((length, from))
    }

    fn close(&mut self, _: Socket) -> Result<(), Fault> {
        Ok(())
    }
}

/// The secrets both ends were provisioned with.
fn contexts() -> (Context, Context) {
    let secrets = Secrets { master_secret: &[0x42; 16], master_salt: &[], id_context: Some(&STREAM) };
    (Context::derive(&secrets, &KID, &[]).unwrap(), Context::derive(&secrets, &[], &KID).unwrap())
}

/// A verified request at the relay.
pub(crate) struct Request {
    pub(crate) message_id: u16,
    pub(crate) token: Vec<u8>,
    pub(crate) number: u64,
    pub(crate) has_kid_context: bool,
    pub(crate) echo: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    binding: Binding,
}

/// How a response is carried.
#[derive(Clone, Copy)]
pub(crate) enum Carry {
    Piggybacked,
    Separate(Type, u16),
}

/// The relay's end of the security context.
pub(crate) struct Relay {
    context: Context,
    pub(crate) window: ReplayWindow,
    next_own_number: u64,
    answered: HashMap<u16, Vec<u8>>,
}

impl Relay {
    /// Verifies a request, which must be one of ours.
    pub(crate) fn verify(&mut self, datagram: &[u8]) -> Request {
        let message = Message::parse(datagram).unwrap();
        assert_eq!((message.head.kind, message.head.code), (Type::Confirmable, Code::POST));
        assert_eq!(message.head.options.iter().count(), 1, "only the OSCORE option outside");
        let identifiers = Identifiers::of(&message).unwrap();
        let has_kid_context = identifiers.kid_context.is_some();
        let (message_id, token) = (message.head.message_id, message.head.token.to_vec());
        let mut datagram = datagram.to_vec();
        let (inner, binding) = self.context.unprotect_request(&mut self.window, &mut datagram).unwrap();
        assert_eq!(inner.code, Code::POST);
        assert_eq!(inner.options.all(option::URI_PATH).collect::<Vec<_>>(), [b"a"]);
        assert_eq!(inner.options.unknown_critical(&[option::URI_PATH]), None);
        Request {
            message_id,
            token,
            number: binding.number(),
            has_kid_context,
            echo: inner.options.echo().map(<[u8]>::to_vec),
            payload: inner.payload.to_vec(),
            binding,
        }
    }

    /// A protected response with a Partial IV of its own when it carries an Echo value.
    pub(crate) fn respond(
        &mut self,
        request: Request,
        carry: Carry,
        code: Code,
        echo: Option<&[u8]>,
        payload: &[u8],
    ) -> Vec<u8> {
        self.respond_with(request, carry, code, echo.map(|echo| (option::ECHO, echo)), payload)
    }

    /// A protected response, with a Partial IV of its own when it carries an option.
    pub(crate) fn respond_with(
        &mut self,
        request: Request,
        carry: Carry,
        code: Code,
        inner: Option<(u16, &[u8])>,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut options = [0; 64];
        let mut builder = Builder::options(&mut options);
        let mut number = None;
        if let Some((option, value)) = inner {
            builder.option(option, value).unwrap();
            number = Some(self.next_own_number);
            self.next_own_number += 1;
        }
        let length = builder.finish();
        let options = Options::parse(&options[..length]).unwrap();
        let (kind, message_id) = match carry {
            Carry::Piggybacked => (Type::Acknowledgement, request.message_id),
            Carry::Separate(kind, message_id) => (kind, message_id),
        };
        let head = Head { kind, code, message_id, token: &request.token, options };
        let mut out = [0; 512];
        let length = self.context.protect_response(request.binding, number, &head, payload, &mut out).unwrap();
        out[..length].to_vec()
    }
}

/// An unprotected message that answers the request in `datagram`.
pub(crate) fn unprotected(datagram: &[u8], kind: Type, code: Code, payload: &[u8]) -> Vec<u8> {
    let request = Message::parse(datagram).unwrap();
    let token = if code == Code::EMPTY { &[][..] } else { request.head.token };
    let mut out = [0; 64];
    let builder = Builder::message(&mut out, kind, code, request.head.message_id, token).unwrap();
    let length = builder.payload(payload).unwrap();
    out[..length].to_vec()
}

/// The exchange's outcome, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) downlink: Result<Vec<u8>, LinkError>,
    pub(crate) cost: ExchangeCost,
}

/// Device, air and relay.
pub(crate) struct World {
    pub(crate) link: TestLink,
    pub(crate) air: SharedAir,
    pub(crate) relay: Relay,
}

pub(crate) fn settings() -> Settings {
    Settings { relay: relay_address(), transmission: Transmission::RFC_7252, keep_socket: false, seed: 1 }
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let air = SharedAir::default();
        let (device, relay) = contexts();
        let mut link = TestLink::new(Stack(air.clone()), settings, device)
            .hearing(|stack| std::mem::take(&mut stack.0.borrow_mut().heard));
        link.grant(0..1000);
        Self {
            link,
            air,
            relay: Relay { context: relay, window: ReplayWindow::EMPTY, next_own_number: 0, answered: HashMap::new() },
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.air.borrow().now
    }

    pub(crate) fn start(&mut self) {
        self.link.start(Millis(self.now()), &UPLINK).unwrap();
    }

    /// Drives the exchange to its end; `on_datagram` sees each datagram when the stack takes it, and says what arrives when
    /// (milliseconds later).
    pub(crate) fn drive(&mut self, mut on_datagram: impl FnMut(&mut Relay, &[u8]) -> Vec<(u64, Vec<u8>)>) -> Ended {
        let mut seen = self.air.borrow().sent.len();
        for _ in 0..100_000 {
            let now = self.now();
            let ended = self.link.poll(Millis(now));
            if let Ok(outcome) = ended {
                return Ended { downlink: outcome.downlink.map(<[u8]>::to_vec), cost: outcome.cost };
            }
            loop {
                let Some((_, datagram)) = self.air.borrow().sent.get(seen).cloned() else { break };
                seen += 1;
                for (delay, answer) in on_datagram(&mut self.relay, &datagram) {
                    self.air.borrow_mut().deliver(now + delay, answer);
                }
            }
            let wake = self.link.wake_at().expect("an exchange runs").0;
            let mut air = self.air.borrow_mut();
            let arrival = air.arriving.front().map(|(at, ..)| *at).filter(|at| *at > now);
            air.now = arrival.map_or(wake, |at| at.min(wake)).max(now);
        }
        panic!("the exchange did not end");
    }

    /// Starts an exchange and drives it to its end.
    pub(crate) fn exchange(&mut self, on_datagram: impl FnMut(&mut Relay, &[u8]) -> Vec<(u64, Vec<u8>)>) -> Ended {
        self.start();
        self.drive(on_datagram)
    }

    /// What the device sent so far.
    pub(crate) fn sent(&self) -> Vec<(u64, Vec<u8>)> {
        self.air.borrow().sent.clone()
    }
}

/// A relay that answers a request at once, and its copies with the same bytes, as RFC 7252 section 4.5 asks.
pub(crate) fn stored(relay: &mut Relay, datagram: &[u8]) -> Vec<u8> {
    let message_id = Message::parse(datagram).unwrap().head.message_id;
    if let Some(answer) = relay.answered.get(&message_id) {
        return answer.clone();
    }
    let request = relay.verify(datagram);
    let answer = relay.respond(request, Carry::Piggybacked, Code::CHANGED, None, b"stored");
    relay.answered.insert(message_id, answer.clone());
    answer
}
