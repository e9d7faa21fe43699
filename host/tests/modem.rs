// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver of the firmware against `cairn modem`, over TCP as in QEMU, with a UDP echo behind it: two readings of the same
//! manuals must understand each other. What the device counted is checked against what the modem counted.

mod serial;

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cairn_at_modem::{
    AtModem, Dialect, Error, Settings, Socket,
    dialect::{BC66, BC660K},
    modem::Failure,
};
use cairn_host::modem;
use embedded_nal::UdpClientStack;
use serial::{Line, Monotonic, parse, runtime};

/// Long enough for any machine; only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the device believes its relay's address to be.
const RELAY: &str = "192.0.2.1:5683";

type Device = AtModem<Line, Monotonic, 1, 512, 128, 96, 320>;
type Counters = BTreeMap<String, u64>;
type Events = Vec<serde_json::Value>;

/// Echoes every datagram to where it came from, for ever.
fn echo_peer() -> SocketAddr {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 2048];
        while let Ok((taken, from)) = peer.recv_from(&mut bytes) {
            let _ = peer.send_to(&bytes[..taken], from);
        }
    });
    address
}

/// A device on the line of a modem that runs in a thread of its own.
struct Bench {
    device: Device,
    log: PathBuf,
    _directory: tempfile::TempDir,
    modem: JoinHandle<()>,
}

impl Bench {
    fn new(dialect: &'static Dialect, options: &str) -> Self {
        Self::with(dialect, &format!("--redirect {} {options}", echo_peer()))
    }

    fn with(dialect: &'static Dialect, options: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("modem.jsonl");
        let (line, file) = (listener.local_addr().unwrap(), log.display());
        let args = parse(&format!("--connect {line} --log {file} --dialect {} {options}", dialect.name.to_lowercase()));
        let modem = std::thread::spawn(move || runtime().block_on(modem::run(args)).unwrap());
        let (stream, _) = listener.accept().unwrap();
        let device = AtModem::new(dialect, Settings::default(), Line::new(stream), Monotonic::new());
        Self { device, log, _directory: directory, modem }
    }

    fn connected(&mut self) -> Socket {
        let mut socket = self.device.socket().unwrap();
        self.device.connect(&mut socket, RELAY.parse().unwrap()).unwrap();
        socket
    }

    fn send(&mut self, socket: &mut Socket, datagram: &[u8]) -> Result<(), Failure> {
        send(&mut self.device, socket, datagram)
    }

    fn receive(&mut self, socket: &mut Socket) -> Option<Vec<u8>> {
        let mut buffer = [0; 128];
        match self.device.receive(socket, &mut buffer) {
            Ok((taken, from)) => {
                assert_eq!(from, RELAY.parse().unwrap());
                Some(buffer[..taken].to_vec())
            }
            Err(nb::Error::WouldBlock) => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Receives until `done` of the modem's counters and of how many datagrams were received.
    fn receive_until(&mut self, socket: &mut Socket, done: impl Fn(&Counters, u64) -> bool) -> Vec<Vec<u8>> {
        let start = Instant::now();
        let mut received = Vec::new();
        loop {
            while let Some(datagram) = self.receive(socket) {
                received.push(datagram);
            }
            let counters = counters(&read_log(&self.log));
            if done(&counters, received.len() as u64) {
                return received;
            }
            assert!(start.elapsed() < PATIENCE, "{counters:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Polls until `done`.
    fn poll_until(&mut self, done: impl Fn(&Device) -> bool) {
        let start = Instant::now();
        while !done(&self.device) {
            self.device.poll().unwrap();
            std::thread::sleep(Duration::from_millis(1));
            assert!(start.elapsed() < PATIENCE);
        }
    }

    /// Hangs up and waits for the modem's end: what the device counted, what the modem logged.
    fn hang_up(self) -> (cairn_at_modem::Counters, Events) {
        let counted = self.device.counters();
        drop(self.device);
        self.modem.join().unwrap();
        (counted, read_log(&self.log))
    }
}

fn send(device: &mut Device, socket: &mut Socket, datagram: &[u8]) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        match device.send(socket, datagram) {
            Ok(()) => return Ok(()),
            Err(nb::Error::WouldBlock) => std::thread::sleep(Duration::from_micros(200)),
            Err(nb::Error::Other(Error::Failed(failure))) => return Err(failure),
            Err(error) => panic!("{error:?}"),
        }
        assert!(start.elapsed() < PATIENCE, "send hangs");
    }
}

/// The whole lines of the log so far.
fn read_log(log: &Path) -> Events {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn counters(events: &Events) -> Counters {
    events.last().map(|last| serde_json::from_value(last["counters"].clone()).unwrap()).unwrap_or_default()
}

fn of_kind<'a>(events: &'a Events, event: &'a str) -> impl Iterator<Item = &'a serde_json::Value> {
    events.iter().filter(move |line| line["event"] == event)
}

#[test]
fn datagrams_reach_the_peer_and_come_back_in_both_dialects_and_both_sides_count_alike() {
    for dialect in [&BC660K, &BC66] {
        let mut bench = Bench::new(dialect, "--coverage 2");
        let mut socket = bench.connected();
        let datagrams: Vec<Vec<u8>> = (0..5_u8).map(|number| vec![number; usize::from(number) * 20 + 1]).collect();
        for datagram in &datagrams {
            bench.send(&mut socket, datagram).unwrap();
        }
        assert_eq!(bench.receive_until(&mut socket, |_, received| received == 5), datagrams);
        bench.poll_until(|device| device.radio().coverage == Some(cairn::power::cost::CoverageLevel::Ce2));
        let (device, events) = bench.hang_up();
        assert_eq!(events.last().unwrap()["event"], "end");
        let modem = counters(&events);
        assert_eq!((modem["up"], modem["down"], modem["opened"]), (5, 5, 1));
        assert_eq!((device.sent, device.received, device.opened), (5, 5, 1));
        assert_eq!((modem["up_bytes"], modem["down_bytes"]), (205, 205));
        let bytes: u64 = of_kind(&events, "up").map(|line| line["bytes"].as_u64().unwrap()).sum();
        assert_eq!(bytes, 205);
        assert_eq!(of_kind(&events, "down").last().unwrap()["hex"], "04".repeat(81));
    }
}

/// Sends 40 numbered datagrams through bad weather: what came back, in order, and what the modem counted.
fn through_weather(seed: u64, options: &str) -> (Vec<u8>, Counters) {
    let mut bench = Bench::new(&BC660K, &format!("--seed {seed} {options}"));
    let mut socket = bench.connected();
    for number in 0..40_u8 {
        bench.send(&mut socket, &[number]).unwrap();
    }
    let settled = |of: &Counters, received: u64| {
        of["up"] == 40
            && of["up_delivered"] == of["up"] - of["up_lost"] + of["up_doubled"]
            && of["down_arrived"] == of["up_delivered"]
            && of["down"] == of["down_arrived"] - of["down_lost"] + of["down_doubled"]
            && received == of["down"]
    };
    let received = bench.receive_until(&mut socket, settled);
    let (device, events) = bench.hang_up();
    assert_eq!(device.queue_full + device.stray + device.too_long, 0);
    (received.concat(), counters(&events))
}

/// What must repeat: not times, nor how often the radio had to connect.
fn fates(counters: &Counters) -> Vec<u64> {
    ["up_lost", "up_doubled", "up_delivered", "down_lost", "down_doubled", "down"].map(|name| counters[name]).to_vec()
}

#[test]
fn the_same_seed_loses_and_doubles_the_same_datagrams_and_another_seed_others() {
    let (first, first_counters) = through_weather(7, "--loss 0.3 --duplicate 0.2");
    let (again, again_counters) = through_weather(7, "--loss 0.3 --duplicate 0.2");
    assert_eq!((&first, fates(&first_counters)), (&again, fates(&again_counters)));
    let (other, _) = through_weather(8, "--loss 0.3 --duplicate 0.2");
    assert_ne!(first, other);
    assert!(first_counters["up_lost"] > 0 && first_counters["down_lost"] > 0 && first_counters["up_doubled"] > 0);
    // In order, doubles apart.
    assert!(first.is_sorted(), "{first:?}");
}

#[test]
fn with_reorder_datagrams_overtake_each_other_and_without_they_do_not() {
    let (ordered, _) = through_weather(3, "--delay-ms 0..80");
    assert!(ordered.is_sorted(), "{ordered:?}");
    let (mut overtaken, _) = through_weather(3, "--delay-ms 0..80 --reorder");
    assert!(!overtaken.is_sorted(), "{overtaken:?}");
    overtaken.sort_unstable();
    assert_eq!(overtaken, ordered);
}

#[test]
fn a_modem_that_restarts_in_mid_send_fails_that_send_and_carries_the_next() {
    let mut bench = Bench::new(&BC660K, "--reboot-after-sends 2 --attach-ms 50 --echo");
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"one"), Ok(()));
    bench.receive_until(&mut socket, |_, received| received == 1);
    assert_eq!(bench.send(&mut socket, b"two"), Err(Failure::Rebooted));
    assert_eq!(bench.send(&mut socket, b"two"), Ok(()));
    assert_eq!(bench.receive_until(&mut socket, |_, received| received == 1), [b"two"]);
    let (device, events) = bench.hang_up();
    assert!(device.reboots >= 1);
    let modem = counters(&events);
    assert_eq!((modem["reboots"], modem["opened"], modem["up"]), (1, 2, 2));
}

#[test]
fn refused_commands_cost_attempts_and_no_datagram_is_sent_twice_or_lost() {
    let mut bench = Bench::new(&BC66, "--error-rate 0.5 --seed 5");
    let mut socket = bench.connected();
    let mut refused = 0;
    for number in 0..10_u8 {
        while let Err(failure) = bench.send(&mut socket, &[number]) {
            assert!(matches!(failure, Failure::Refused(Some(3))), "{failure:?}");
            refused += 1;
            assert!(refused < 200);
        }
        // The next send may close the socket, and what is on its way to it would be lost.
        assert_eq!(bench.receive_until(&mut socket, |_, received| received == 1), [[number]]);
    }
    let (_, events) = bench.hang_up();
    assert_eq!(counters(&events)["errors_injected"], refused);
    assert!(refused > 0);
    assert_eq!(counters(&events)["up"], 10);
}

#[test]
fn nothing_is_sent_beyond_this_machine_unless_it_is_told_to() {
    let mut bench = Bench::with(&BC660K, "");
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"x"), Err(Failure::Refused(Some(566))));
    let (_, events) = bench.hang_up();
    assert_eq!(of_kind(&events, "open-refused").next().unwrap()["text"], RELAY);
    assert_eq!(counters(&events)["up"], 0);
}

#[test]
fn release_assistance_ends_the_connection_after_the_answer_and_the_device_sees_it() {
    let mut bench = Bench::new(&BC660K, "--tail-ms 600000");
    let mut socket = bench.connected();
    for exchange in 1..=2 {
        bench.send(&mut socket, b"uplink").unwrap();
        bench.receive_until(&mut socket, |_, received| received == 1);
        bench.poll_until(|device| device.radio().connected == Some(false));
        assert!(bench.device.radio().tail.is_some());
        let events = read_log(&bench.log);
        assert_eq!((counters(&events)["wakes"], counters(&events)["exchanges"]), (exchange, exchange));
    }
}

#[test]
fn a_device_that_restarts_finds_the_modem_as_it_left_it_and_works() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("modem.jsonl");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let args = parse(&format!("--listen {free} --redirect {} --log {}", echo_peer(), log.display()));
    std::thread::spawn(move || runtime().block_on(modem::run(args)));
    for life in 1..=2 {
        let start = Instant::now();
        let stream = loop {
            match TcpStream::connect(free) {
                Ok(stream) => break stream,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
        };
        let mut device: Device = AtModem::new(&BC660K, Settings::default(), Line::new(stream), Monotonic::new());
        let mut socket = device.socket().unwrap();
        device.connect(&mut socket, RELAY.parse().unwrap()).unwrap();
        // The socket of the former life is still open on the modem, and is closed first.
        assert_eq!(send(&mut device, &mut socket, b"x"), Ok(()));
        drop(device);
        while of_kind(&read_log(&log), "line-down").count() < life {
            std::thread::sleep(Duration::from_millis(2));
            assert!(start.elapsed() < PATIENCE);
        }
    }
    let events = read_log(&log);
    assert_eq!(of_kind(&events, "ready").count(), 1);
    assert_eq!((counters(&events)["opened"], of_kind(&events, "close").count()), (2, 1));
}

#[test]
fn the_program_says_where_it_listens_and_ends_its_log_when_it_is_told_to_stop() {
    use std::io::{BufRead, BufReader};
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("modem.jsonl");
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_cairn"))
        .args(["modem", "--listen", "127.0.0.1:0", "--log"])
        .arg(&log)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(program.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    let port = ready.trim().strip_prefix("cairn modem: ready, Bc660k listening on 127.0.0.1:").unwrap();
    let mut line = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    line.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rdy = [0; 7];
    line.read_exact(&mut rdy).unwrap();
    assert_eq!(&rdy, b"\r\nRDY\r\n");
    let process = rustix::process::Pid::from_child(&program);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert!(program.wait().unwrap().success());
    assert_eq!(read_log(&log).last().unwrap()["event"], "end");
}

#[test]
fn a_terminal_serves_as_the_line() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap().into_string().unwrap();
    let args = parse(&format!("--pty {name}"));
    std::thread::spawn(move || runtime().block_on(modem::run(args)));
    let mut control = std::fs::File::from(control);
    let mut reading = control.try_clone().unwrap();
    let (said, hearing) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut byte = [0];
        while reading.read(&mut byte).is_ok_and(|taken| taken == 1) && said.send(char::from(byte[0])).is_ok() {}
    });
    let hear_until = |end: &str| {
        let mut heard = String::new();
        while !heard.ends_with(end) {
            heard.push(hearing.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{heard:?} and no {end:?}")));
        }
        heard
    };
    let started = hear_until("+IP: 10.170.0.2\r\n");
    assert!(started.starts_with("\r\nRDY\r\n"), "raw mode keeps CR and LF: {started:?}");
    control.write_all(b"AT+CSQ\r").unwrap();
    assert_eq!(hear_until("OK\r\n"), "\r\n+CSQ: 22,0\r\n\r\nOK\r\n");
}
