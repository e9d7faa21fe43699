// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver. [`AtModem`] owns the port and the clock and moves bytes; `conversation` decides what to ask the modem next
//! and what its lines mean; `dialogue` is one command and its answer; `slots` holds sockets and datagrams, `card` a command for the
//! SIM; `stack` is the embedded-nal face. Called by a CoAP client and by whoever waits for the UART; never waits itself.

mod card;
mod conversation;
mod dialogue;
mod settings;
mod slots;
mod stack;

use cairn::{
    ports::Clock,
    power::cost::Heard,
    time::{Millis, TimeQuality, WallTime},
};
use embedded_io::{Read, ReadReady, Write};

use self::conversation::Conversation;
pub use self::{
    card::{CardAsk, CardFailure},
    settings::{Psm, Release, Settings},
    stack::Socket,
};
use crate::{
    dialect::Dialect,
    parser::{Lines, Pushed},
};

/// Why a datagram was not sent, or a socket is gone. The next `send` on the same socket starts over: it wakes and sets up
/// the modem and opens the socket again as needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The modem did not answer in time; it may be off.
    NoAnswer,
    /// The modem refused a command: `ERROR`, `+CME ERROR: n`, a failed open (with its number) or `SEND FAIL`.
    Refused(Option<u16>),
    /// The modem restarted; what was in flight is lost.
    Rebooted,
    /// The network or the modem closed the socket.
    Closed,
    /// No registration within [`Settings::attach_limit`].
    NoNetwork,
    /// The serial port failed.
    Port,
}

/// What the socket functions return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The modem or the network failed.
    Failed(Failure),
    /// The serial port failed while a command was written.
    Port(E),
    /// Every socket is in use.
    NoSocket,
    /// `connect` comes before `send`.
    NotConnected,
    /// These modems are driven over IPv4 only.
    AddressFamily,
    /// The datagram is longer than the transmit buffer or than the modem takes at once.
    TooLong,
    /// A datagram without bytes: the send command cannot express it, length 0 means a query.
    Empty,
    /// The datagram did not fit the caller's buffer; it is lost.
    Truncated,
}

/// What the modem told of the radio; all `None` until it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Radio {
    /// Registered at home or roaming.
    pub registered: Option<bool>,
    /// A signalling connection to the base station is up.
    pub connected: Option<bool>,
    /// Coverage enhancement level when last asked.
    pub coverage: Option<cairn::power::cost::CoverageLevel>,
    /// Received signal strength, dBm.
    pub rssi_dbm: Option<i16>,
    /// Reference signal received power, dBm.
    pub rsrp_dbm: Option<i16>,
    /// How long the radio stayed connected after the last datagram, the last time it was released.
    pub tail: Option<Millis>,
}

/// What happened since the driver was made; each counter stops at its maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams the modem accepted.
    pub sent: u32,
    /// Datagrams put into the queue.
    pub received: u32,
    /// Datagrams dropped because the queue was full.
    pub queue_full: u32,
    /// Datagrams dropped because they were longer than the receive buffer.
    pub too_long: u32,
    /// Datagrams dropped because they contradict themselves or belong to no open socket.
    pub stray: u32,
    /// Sockets opened on the modem.
    pub opened: u32,
    /// Restarts of the modem noticed.
    pub reboots: u32,
    /// Commands without an answer in time.
    pub no_answer: u32,
    /// Commands refused, also where that does no harm.
    pub refused: u32,
    /// Lines dropped: too long or with noise in them.
    pub lines_dropped: u32,
    /// Errors of the serial port.
    pub port_errors: u32,
}

/// A clock that the network set before is set again when it is wrong by at least this much.
const CLOCK_STEP_MS: u64 = 2_000;

fn count(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}

/// Bytes read from the port at a time, and how often per call, so that a babbling port cannot hold the caller.
const READ_STEP: usize = 32;
const READS: usize = 32;

/// A modem on port `P` with clock `C`.
///
/// `SOCKETS` at once; datagrams of at most `TX` bytes up and `RX` bytes down, of which `QUEUE` wait to be received; lines of
/// at most `LINE` bytes, which must hold a received datagram: two digits a byte and 40 bytes around them.
///
/// The port: `read_ready` and `read` never wait; `write` may wait for room for one byte, not more. Its receive interrupt
/// ends the wait of the task that drives the driver.
///
/// Commands for the SIM and its answers have at most `APDU` bytes; a `LINE` then holds two digits for each of them too.
/// Drivers that leave it at 0 have none.
#[derive(Debug)]
pub struct AtModem<
    P,
    C,
    const SOCKETS: usize,
    const TX: usize,
    const RX: usize,
    const QUEUE: usize,
    const LINE: usize,
    const APDU: usize = 0,
> {
    port: P,
    clock: C,
    lines: Lines<LINE>,
    conversation: Conversation<SOCKETS, TX, RX, QUEUE, APDU>,
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
> AtModem<P, C, SOCKETS, TX, RX, QUEUE, LINE, APDU>
where
    P: Read + ReadReady + Write,
    C: Clock,
{
    /// A driver that has not spoken to the modem yet; the first `send` wakes it and sets it up.
    pub const fn new(dialect: &'static Dialect, settings: Settings, port: P, clock: C) -> Self {
        const {
            assert!(SOCKETS > 0 && SOCKETS <= 16, "SOCKETS must be 1..=16");
            assert!(LINE >= 2 * RX + 40, "LINE must hold the longest datagram down: 2 * RX + 40 bytes");
            assert!(
                LINE >= 2 * APDU + 40 || APDU == 0,
                "LINE must hold the longest answer of the card: 2 * APDU + 40 bytes"
            );
            assert!(TX <= u16::MAX as usize && RX <= u16::MAX as usize, "a datagram's length is a u16");
        }
        Self { port, clock, lines: Lines::new(), conversation: Conversation::new(dialect, settings) }
    }

    /// Does what can be done without waiting: reads what the modem said, goes on with the dialogue, notes time limits that
    /// ended. `send` and `receive` do this too; call it besides when neither is called, so that the modem is heard.
    ///
    /// # Errors
    /// The port's, from writing. The datagram on its way has then failed too.
    pub fn poll(&mut self) -> Result<(), P::Error> {
        self.conversation.look(self.clock.now());
        self.read();
        let conversation = &mut self.conversation;
        conversation.advance();
        match conversation.write(&mut self.port) {
            Ok(()) => Ok(()),
            Err(error) => {
                conversation.port_failed();
                Err(error)
            }
        }
    }

    fn read(&mut self) {
        for _ in 0..READS {
            let mut bytes = [0; READ_STEP];
            let taken = match self.port.read_ready() {
                Ok(false) => return,
                Ok(true) => self.port.read(&mut bytes).map_err(drop),
                Err(_) => Err(()),
            };
            // An overrun lost bytes: the line they were in must not be believed.
            let Ok(taken) = taken else {
                self.lines.spoil();
                count(&mut self.conversation.counters.port_errors);
                return;
            };
            let heard = bytes.get(..taken).unwrap_or(&bytes);
            if heard.is_empty() {
                return;
            }
            for byte in heard {
                match self.lines.push(*byte) {
                    Pushed::More => {}
                    Pushed::Dropped => count(&mut self.conversation.counters.lines_dropped),
                    Pushed::Line => {
                        if let Some(unix_ms) = self.conversation.hear(self.lines.line()) {
                            self.set_clock(unix_ms);
                        }
                    }
                }
            }
        }
    }

    /// Sets the wall clock to what the network told, when nothing better set it and it is not as good already: the network tells whole
    /// seconds, and they are on their way for some time.
    fn set_clock(&mut self, unix_ms: u64) {
        let wall = self.clock.wall();
        let wanted = match wall.quality {
            TimeQuality::SinceBoot | TimeQuality::Relay => true,
            TimeQuality::Network => wall.unix_ms.abs_diff(unix_ms) >= CLOCK_STEP_MS,
            TimeQuality::Authenticated => false,
        };
        if wanted {
            self.clock.set_wall(WallTime { unix_ms, quality: TimeQuality::Network });
        }
    }

    /// Takes a command for the SIM over; [`AtModem::card_answer`] drives it. The modem is woken and set up for it as for a
    /// datagram, but needs no network. It goes before a datagram that waits, not before one that is being sent.
    ///
    /// # Errors
    /// [`CardFailure::Busy`] while another is under way, [`CardFailure::TooLong`].
    pub fn card(&mut self, ask: CardAsk, bytes: &[u8]) -> Result<(), CardFailure> {
        let by = self.clock.now().after(self.conversation.card_limit());
        self.conversation.card.load(ask, bytes, by)
    }

    /// Does what [`AtModem::poll`] does; the SIM's answer, once it is there, in `out`: its length. `WouldBlock` means call
    /// again as after `poll`. An answer or a failure comes within [`Settings::card_limit`] and the limits of one command
    /// that was under way and of this one.
    ///
    /// # Errors
    /// [`CardFailure`]; the command is over then.
    pub fn card_answer(&mut self, out: &mut [u8]) -> nb::Result<usize, CardFailure> {
        // A port that fails ends the command: that is told.
        let _ = self.poll();
        self.conversation.card.take(out)
    }

    /// The last answer may not have been the one to the last command: before the next, the modem is asked `AT` and what
    /// comes shortly after is dropped.
    pub fn doubt(&mut self) {
        self.conversation.doubt();
    }

    /// When to call again at the latest, if the UART is silent until then; `None` when nothing is under way.
    pub fn wake_at(&self) -> Option<Millis> {
        self.conversation.wake_at()
    }

    /// What is known of the radio.
    pub const fn radio(&self) -> Radio {
        self.conversation.radio
    }

    /// What the modem said of the network since this was last asked: for `cairn_coap::CoapLink::hearing`. An exchange for which it was
    /// never out of registration, as far as it told, found it registered.
    pub fn heard(&mut self) -> Heard {
        self.conversation.heard()
    }

    /// What happened so far.
    pub const fn counters(&self) -> Counters {
        self.conversation.counters
    }

    /// Gives the port and the clock back.
    pub fn into_parts(self) -> (P, C) {
        (self.port, self.clock)
    }
}
