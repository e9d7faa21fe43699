// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moves bytes between the serial line and the firmware and datagrams between sockets and firmware, keeps time, the radio's
//! state and the counters. Everything that is late waits in one schedule; what happens next is one [`Happening`] at a time.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};

use super::{
    args::Args,
    firmware::{About, Effect, Fate, Firmware, SOCKETS},
    record::{Counters, Record},
    sim,
    weather::{Direction, Weather},
};

/// From power to "RDY".
const BOOT: Duration = Duration::from_millis(300);
/// From the last datagram to the end of the connection when release assistance said that it was the last.
const ASSISTED_RELEASE: Duration = Duration::from_millis(500);
/// How long an answer of the SIM takes that comes too late for any device.
const LATE: Duration = Duration::from_secs(25);
/// Longest datagram from the network.
const DATAGRAM: usize = 2048;

/// A socket, named so that a late datagram never finds its successor.
type Generation = u64;

#[derive(Debug)]
struct Open {
    generation: Generation,
    udp: UdpSocket,
    reader: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

#[derive(Debug)]
struct Datagram {
    socket: u8,
    generation: Generation,
    payload: Vec<u8>,
}

/// What is due later.
#[derive(Debug)]
enum Due {
    Ready,
    Attached,
    Release,
    Up { udp: UdpSocket, socket: u8, payload: Vec<u8> },
    Down(Datagram),
    Lines(Vec<Vec<u8>>),
}

/// What happens next.
enum Happening {
    Arrived(Datagram),
    Due(Due),
}

/// The modem but for its serial line.
#[derive(Debug)]
pub struct Bridge {
    args: Args,
    firmware: Firmware,
    weather: Weather,
    record: Record,
    sockets: [Option<Open>; SOCKETS],
    arrivals: (mpsc::UnboundedSender<Datagram>, mpsc::UnboundedReceiver<Datagram>),
    schedule: BTreeMap<(Instant, u64), Due>,
    scheduled: u64,
    generation: Generation,
    /// When the last datagram in each direction is due: without `--reorder` none overtakes it.
    last_up: Option<Instant>,
    last_down: Option<Instant>,
    powered: bool,
    booting: bool,
    sends: u64,
    connected_at: Option<Instant>,
    release_at: Option<Instant>,
    assistance: u8,
    out: Vec<u8>,
    line_up: bool,
}

impl Bridge {
    /// A modem without power; it gets power with its first serial line. The public key of a SIM is logged.
    ///
    /// # Errors
    /// The SIM's key file cannot be used.
    pub fn new(args: &Args, mut record: Record) -> anyhow::Result<Self> {
        let sim = sim::insert(args)?.map(|(sim, public_key)| {
            record.event("sim", None, Some(&hex::encode(public_key)));
            sim
        });
        Ok(Self {
            args: args.clone(),
            firmware: Firmware::new(args, sim),
            weather: Weather::new(args),
            record,
            sockets: [const { None }; SOCKETS],
            arrivals: mpsc::unbounded_channel(),
            schedule: BTreeMap::new(),
            scheduled: 0,
            generation: 0,
            last_up: None,
            last_down: None,
            powered: false,
            booting: true,
            sends: 0,
            connected_at: None,
            release_at: None,
            assistance: 0,
            out: Vec::new(),
            line_up: false,
        })
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.record.counters
    }

    /// Writes the sums.
    pub fn finish(&mut self) {
        self.release_radio();
        self.record.event("end", None, None);
    }

    /// Serves one serial line until it ends.
    ///
    /// # Errors
    /// The line's.
    pub async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&mut self, mut line: S) -> io::Result<()> {
        self.line_up = true;
        self.record.event("line-up", None, None);
        if !self.powered {
            self.powered = true;
            self.later(BOOT, Due::Ready);
        }
        let ended = self.serve(&mut line).await;
        self.line_up = false;
        self.out.clear();
        self.record.event("line-down", None, None);
        match ended {
            Err(error) if is_hang_up(&error) => Ok(()),
            ended => ended,
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&mut self, line: &mut S) -> io::Result<()> {
        let mut bytes = [0; 512];
        loop {
            tokio::select! {
                read = line.read(&mut bytes) => match read? {
                    0 => return Ok(()),
                    taken => self.hear(&bytes[..taken]),
                },
                happening = self.next() => self.happen(happening),
            }
            if !self.out.is_empty() {
                line.write_all(&self.out).await?;
                line.flush().await?;
                self.out.clear();
            }
        }
    }

    /// Lets time pass while there is no serial line.
    pub async fn wait_for_line(&mut self) -> ! {
        loop {
            let happening = self.next().await;
            self.happen(happening);
            self.out.clear();
        }
    }

    /// Cancel-safe: nothing is taken before it is returned.
    async fn next(&mut self) -> Happening {
        let first = self.schedule.keys().next().copied();
        let due = async {
            match first {
                Some((at, _)) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(datagram) = self.arrivals.1.recv() => return Happening::Arrived(datagram),
            () = due => {}
        }
        match self.schedule.pop_first() {
            Some((_, due)) => Happening::Due(due),
            None => std::future::pending().await,
        }
    }

    fn later(&mut self, delay: Duration, due: Due) {
        self.at(Instant::now() + delay, due);
    }

    fn at(&mut self, when: Instant, due: Due) {
        self.scheduled += 1;
        self.schedule.insert((when, self.scheduled), due);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrived(datagram) => self.arrive(datagram),
            Happening::Due(Due::Ready) => {
                self.booting = false;
                let lines = self.firmware.restart();
                self.say_all(lines);
                self.record.event("ready", None, None);
                self.later(Duration::from_millis(self.args.attach_ms), Due::Attached);
            }
            Happening::Due(Due::Attached) => {
                let lines = self.firmware.attach(jiff::Timestamp::now());
                self.say_all(lines);
                self.record.event("attached", None, None);
            }
            Happening::Due(Due::Release) => {
                if self.release_at.is_some_and(|at| Instant::now() >= at) {
                    self.release_radio();
                }
            }
            Happening::Due(Due::Up { udp, socket, payload }) => match udp.send(&payload) {
                Ok(_) => {
                    self.record.counters.up_delivered += 1;
                    self.record.datagram("up-delivered", socket, &payload);
                }
                // Nobody listens there; UDP does not care.
                Err(error) => self.record.event("up-undeliverable", Some(socket), Some(&error.to_string())),
            },
            Happening::Due(Due::Down(datagram)) => self.deliver(&datagram),
            Happening::Due(Due::Lines(lines)) => self.say_bytes(&lines),
        }
    }

    fn say(&mut self, line: &str) {
        self.out.extend_from_slice(format!("\r\n{line}\r\n").as_bytes());
    }

    fn say_bytes(&mut self, lines: &[Vec<u8>]) {
        for line in lines {
            self.out.extend([b"\r\n", &line[..], b"\r\n"].concat());
        }
    }

    fn say_all(&mut self, lines: Vec<String>) {
        for line in lines {
            self.say(&line);
        }
    }

    /// Bytes from the device. While the modem starts they are lost.
    fn hear(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.booting {
                return;
            }
            let (weather, sends, args) = (&mut self.weather, &mut self.sends, &self.args);
            let counters = &mut self.record.counters;
            let mut fate = |about| {
                *sends += u64::from(about == About::Send);
                if about == About::Send && Some(*sends) == args.reboot_after_sends {
                    return Fate::Crash;
                }
                if weather.next_command_fails() {
                    counters.errors_injected += 1;
                    return Fate::Refuse;
                }
                Fate::Proceed
            };
            for effect in self.firmware.hear(*byte, &mut fate) {
                self.effect(effect);
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Say(line) => self.say(&line),
            Effect::Echo(byte) => self.out.push(byte),
            Effect::Command(line) => {
                self.record.counters.commands += 1;
                self.record.event("command", None, Some(&line));
            }
            Effect::Open { socket, peer } => {
                let opened = self.open(socket, peer);
                let line = self.firmware.opened(socket, opened);
                self.say(&line);
            }
            Effect::Close { socket } => {
                self.sockets[usize::from(socket)] = None;
                self.record.event("close", Some(socket), None);
            }
            Effect::Send { socket, payload, release } => self.send(socket, payload, release),
            Effect::SimLines { lines, late: false } => self.say_bytes(&lines),
            Effect::SimLines { lines, late: true } => self.later(LATE, Due::Lines(lines)),
            Effect::Restart => self.restart(),
        }
    }

    fn restart(&mut self) {
        self.record.counters.reboots += 1;
        self.booting = true;
        self.sockets = [const { None }; SOCKETS];
        self.schedule.retain(|_, due| !matches!(due, Due::Ready | Due::Attached | Due::Lines(_)));
        self.end_connection();
        self.record.event("reboot", None, None);
        self.later(BOOT, Due::Ready);
    }

    /// `false` when the peer may not or cannot be reached.
    fn open(&mut self, socket: u8, asked: SocketAddr) -> bool {
        let peer = self.args.redirect.unwrap_or(asked);
        if !self.args.allows(peer) {
            tracing::warn!(%peer, "not loopback: refused (--redirect sends it elsewhere, --allow-nonlocal allows it)");
            self.record.event("open-refused", Some(socket), Some(&peer.to_string()));
            return false;
        }
        self.generation += 1;
        match connect(socket, self.generation, peer, &self.arrivals.0) {
            Ok(open) => {
                self.record.counters.opened += 1;
                self.record.event("open", Some(socket), Some(&format!("{asked} at {peer}")));
                self.sockets[usize::from(socket)] = Some(open);
                true
            }
            Err(error) => {
                self.record.event("open-failed", Some(socket), Some(&error.to_string()));
                false
            }
        }
    }

    fn send(&mut self, socket: u8, payload: Vec<u8>, release: u8) {
        let counters = &mut self.record.counters;
        counters.up += 1;
        counters.up_bytes += payload.len() as u64;
        self.traffic(Some(release));
        self.record.datagram("up", socket, &payload);
        let copies = self.weather.next_datagram(Direction::Up);
        if copies.is_empty() {
            self.record.counters.up_lost += 1;
            self.record.datagram("up-lost", socket, &payload);
        }
        self.record.counters.up_doubled += u64::from(copies.len() > 1);
        for delay in copies {
            // A datagram on its way outlives its socket.
            let Some(Ok(udp)) = self.sockets[usize::from(socket)].as_ref().map(|open| open.udp.try_clone()) else {
                continue;
            };
            let when = arrival(delay, self.args.reorder, &mut self.last_up);
            self.at(when, Due::Up { udp, socket, payload: payload.clone() });
        }
    }

    /// A datagram came to a socket of this machine; now it has to cross the network to the device.
    fn arrive(&mut self, datagram: Datagram) {
        self.record.counters.down_arrived += 1;
        self.record.datagram("down-arrived", datagram.socket, &datagram.payload);
        let copies = self.weather.next_datagram(Direction::Down);
        self.record.counters.down_doubled += u64::from(copies.len() > 1);
        if copies.is_empty() {
            self.record.counters.down_lost += 1;
            self.record.datagram("down-lost", datagram.socket, &datagram.payload);
        }
        for delay in copies {
            let when = arrival(delay, self.args.reorder, &mut self.last_down);
            let Datagram { socket, generation, ref payload } = datagram;
            self.at(when, Due::Down(Datagram { socket, generation, payload: payload.clone() }));
        }
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let Datagram { socket, generation, payload } = datagram;
        let open = self.sockets[usize::from(*socket)].as_ref().is_some_and(|open| open.generation == *generation);
        if !open || !self.line_up {
            self.record.counters.down_stray += 1;
            self.record.datagram("down-stray", *socket, payload);
            return;
        }
        self.record.counters.down += 1;
        self.record.counters.down_bytes += payload.len() as u64;
        self.traffic(None);
        self.record.datagram("down", *socket, payload);
        let line = self.firmware.push(*socket, payload);
        self.say(&line);
    }

    /// The radio is used: from the device with this release assistance, or to it.
    fn traffic(&mut self, up: Option<u8>) {
        let now = Instant::now();
        if self.connected_at.is_none() {
            self.connected_at = Some(now);
            self.record.counters.wakes += 1;
            self.record.counters.exchanges += u64::from(up.is_some());
            if let Some(line) = self.firmware.radio(true) {
                self.say(&line);
            }
        }
        if let Some(release) = up {
            self.assistance = release;
        }
        let last = matches!((up, self.assistance), (Some(_), 1) | (None, 2));
        let tail = if last { ASSISTED_RELEASE } else { Duration::from_millis(self.args.tail_ms) };
        self.release_at = Some(now + tail);
        self.at(now + tail, Due::Release);
    }

    fn release_radio(&mut self) {
        if self.end_connection() {
            self.record.event("released", None, None);
            if let Some(line) = self.firmware.radio(false) {
                self.say(&line);
            }
        }
    }

    fn end_connection(&mut self) -> bool {
        self.release_at = None;
        let Some(since) = self.connected_at.take() else { return false };
        self.record.counters.radio_ms += u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        true
    }
}

/// How a line ends whose other side went away with bytes unread: TCP resets, a terminal gives EIO.
fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// When something that takes `delay` arrives, in order behind what was sent before it unless it may overtake.
fn arrival(delay: Duration, reorder: bool, last: &mut Option<Instant>) -> Instant {
    let when = Instant::now() + delay;
    let when = if reorder { when } else { last.map_or(when, |last| when.max(last)) };
    *last = Some(when);
    when
}

/// A UDP socket that talks to `peer` only, and the task that reads it.
fn connect(
    socket: u8,
    generation: Generation,
    peer: SocketAddr,
    arrivals: &mpsc::UnboundedSender<Datagram>,
) -> io::Result<Open> {
    let own = if peer.ip().is_loopback() { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let udp = UdpSocket::bind((own, 0))?;
    udp.connect(peer)?;
    udp.set_nonblocking(true)?;
    let reading = tokio::net::UdpSocket::from_std(udp.try_clone()?)?;
    let arrivals = arrivals.clone();
    let reader = tokio::spawn(async move {
        let mut bytes = vec![0; DATAGRAM];
        loop {
            match reading.recv(&mut bytes).await {
                Ok(taken) => {
                    let payload = bytes[..taken].to_vec();
                    if arrivals.send(Datagram { socket, generation, payload }).is_err() {
                        return;
                    }
                }
                // The peer's machine said that nobody listens there; somebody may, later.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => return,
            }
        }
    });
    Ok(Open { generation, udp, reader })
}

#[cfg(test)]
mod tests;
