// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every port of cairn-zephyr against Zephyr itself: clock, entropy, flash, mailbox, wait, UDP and TCP over the loopback interface. Each
//! says a line when it held; a panic ends the run.
#![no_std]

use core::net::{Ipv4Addr, SocketAddr};

use cairn::{
    ports::{Clock as _, Entropy as _, Inbox as _, Wait as _},
    record::{Kind, Priority, SequenceNumber},
    time::{Millis, TimeQuality, WallTime},
};
use cairn_zephyr::{
    clock::UptimeClock,
    entropy::SystemEntropy,
    factory::{LoadError, load},
    flash::{FlashError, JournalFlash},
    mailbox::{Mailbox, Refused},
    sockets::{SocketError, Sockets},
    wait::{ThreadWait, wake},
};
use embedded_nal::{TcpClientStack, UdpClientStack};
use embedded_storage::nor_flash::{NorFlash as _, ReadNorFlash as _};
use zephyr::{
    printkln,
    time::{Duration, sleep},
};

static MAILBOX: Mailbox<8, 2> = Mailbox::new();

unsafe extern "C" {
    safe fn ports_in_isr(routine: extern "C" fn());
}

/// A port as the agent would wait on it: nothing here may take longer.
const PATIENCE: Millis = Millis(10_000);

#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    let mut wait = ThreadWait::new().expect("an eventfd");
    clock(&mut wait);
    entropy();
    flash();
    assert_eq!(load().map(drop), Err(LoadError::Absent));
    mailbox(&mut wait);
    udp(&mut wait);
    tcp(&mut wait);
    tcp_refused(&mut wait);
    printkln!("ports: all held");
}

fn clock(wait: &mut ThreadWait) {
    let before = UptimeClock.now();
    wait.wait(Some(before.after(Millis(100))));
    let slept = UptimeClock.now().since(before);
    assert!(slept >= Millis(100), "woken after {slept:?}");
    UptimeClock.set_wall(WallTime { unix_ms: 1_768_428_000_000, quality: TimeQuality::Network });
    let wall = UptimeClock.wall();
    assert!(wall.quality == TimeQuality::Network && (1_768_428_000_000..1_768_428_005_000).contains(&wall.unix_ms));
    // A wake before the wait ends it, and only it.
    wake();
    let before = UptimeClock.now();
    wait.wait(Some(before.after(Millis(60_000))));
    assert!(UptimeClock.now().since(before) < Millis(30_000));
    printkln!("ports: clock");
}

fn entropy() {
    let (mut one, mut other) = ([0; 16], [0; 16]);
    SystemEntropy.fill(&mut one).expect("entropy");
    SystemEntropy.fill(&mut other).expect("entropy");
    assert!(one != other && one != [0; 16]);
    printkln!("ports: entropy");
}

fn flash() {
    assert_eq!(JournalFlash::<2, 1024>::open().map(drop), Err(FlashError::Word(4)));
    assert_eq!(JournalFlash::<4, 512>::open().map(drop), Err(FlashError::Unit(1024)));
    let mut flash = JournalFlash::<4, 1024>::open().expect("the partition");
    assert_eq!(flash.capacity(), 16 * 1024);
    let mut read = [0; 8];
    for at in [0, 15 * 1024] {
        flash.read(at, &mut read).expect("a read");
        assert_eq!(read, [0xff; 8], "as delivered");
        flash.write(at, b"a record").expect("a write");
        flash.read(at, &mut read).expect("a read");
        assert_eq!(&read, b"a record");
    }
    flash.erase(15 * 1024, 16 * 1024).expect("an erased unit");
    flash.read(15 * 1024, &mut read).expect("a read");
    assert_eq!(read, [0xff; 8]);
    flash.read(0, &mut read).expect("a read");
    assert_eq!(&read, b"a record", "another unit");
    printkln!("ports: flash");
}

#[zephyr::thread(stack_size = 2048)]
fn agent_thread() {
    sleep(Duration::millis_at_least(50));
    let mut inbox = MAILBOX.inbox();
    let ticket = inbox.take().expect("a record").ticket.expect("somebody waits");
    inbox.answer(ticket, Ok(SequenceNumber(42)));
}

extern "C" fn submits() {
    assert_eq!(MAILBOX.submit(Kind::EVENT, Priority::Urgent, b"isr"), Ok(()));
    let refused = MAILBOX.submit_wait(Kind::EVENT, Priority::Urgent, b"isr", PATIENCE);
    assert_eq!(refused, Err(Refused::Context));
}

fn mailbox(wait: &mut ThreadWait) {
    agent_thread().start();
    assert_eq!(MAILBOX.submit_wait(Kind::EVENT, Priority::Urgent, b"door", PATIENCE), Ok(SequenceNumber(42)));
    assert_eq!(MAILBOX.submit_wait(Kind::EVENT, Priority::Urgent, b"door", Millis(20)), Err(Refused::TimeOut));
    // What was submitted above is news already; what the interrupt submits is news once more.
    wait.wait(Some(UptimeClock.now().after(Millis(1))));
    let before = UptimeClock.now();
    ports_in_isr(submits);
    wait.wait(Some(before.after(Millis(60_000))));
    assert!(UptimeClock.now().since(before) < Millis(30_000), "an interrupt's record wakes");
    let mut inbox = MAILBOX.inbox();
    assert_eq!(inbox.take().map(|record| record.payload.len()), Some(4));
    assert_eq!(inbox.take().map(|record| record.payload.len()), Some(3));
    assert!(inbox.take().is_none() && inbox.refused() == 0);
    printkln!("ports: mailbox");
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

/// Asks until there is something else than `WouldBlock`, asleep in between; `slept` counts.
fn eventually<T>(
    wait: &mut ThreadWait,
    slept: &mut u32,
    mut ask: impl FnMut() -> nb::Result<T, SocketError>,
) -> Result<T, SocketError> {
    let deadline = UptimeClock.now().after(PATIENCE);
    loop {
        match ask() {
            Ok(done) => return Ok(done),
            Err(nb::Error::Other(error)) => return Err(error),
            Err(nb::Error::WouldBlock) => {
                assert!(UptimeClock.now() < deadline, "it never came");
                wait.wait(Some(deadline));
                *slept += 1;
            }
        }
    }
}

fn udp(wait: &mut ThreadWait) {
    let stack = &mut Sockets;
    let mut socket = UdpClientStack::socket(stack).expect("a socket");
    UdpClientStack::connect(stack, &mut socket, at(7)).expect("a connected socket");
    let (mut bytes, mut slept) = ([0; 16], 0);
    assert_eq!(UdpClientStack::receive(stack, &mut socket, &mut bytes), Err(nb::Error::WouldBlock));
    eventually(wait, &mut slept, || UdpClientStack::send(stack, &mut socket, b"uplink")).expect("a datagram out");
    let (length, from) =
        eventually(wait, &mut slept, || UdpClientStack::receive(stack, &mut socket, &mut bytes)).expect("one back");
    assert_eq!((&bytes[..length], from), (&b"uplink"[..], at(7)));
    // A few, for wakes that were left over; a loop that spins turns thousands of times in 50 ms.
    assert!((1..10).contains(&slept), "slept {slept} times");
    UdpClientStack::close(stack, socket).expect("a closed socket");
    printkln!("ports: udp, slept {}", slept);
}

fn tcp(wait: &mut ThreadWait) {
    let stack = &mut Sockets;
    let (mut bytes, mut slept) = ([0; 16], 0);
    let mut socket = TcpClientStack::socket(stack).expect("a socket");
    eventually(wait, &mut slept, || TcpClientStack::connect(stack, &mut socket, at(7))).expect("a connection");
    for line in [&b"GET /"[..], b"end\n"] {
        let sent = eventually(wait, &mut slept, || TcpClientStack::send(stack, &mut socket, line)).expect("bytes out");
        assert_eq!(sent, line.len());
        let length =
            eventually(wait, &mut slept, || TcpClientStack::receive(stack, &mut socket, &mut bytes)).expect("back");
        assert_eq!(&bytes[..length], line);
    }
    let end = eventually(wait, &mut slept, || TcpClientStack::receive(stack, &mut socket, &mut bytes));
    assert_eq!(end, Err(SocketError::Closed), "the other side ended it");
    assert!((2..20).contains(&slept), "slept {slept} times");
    TcpClientStack::close(stack, socket).expect("a closed socket");
    printkln!("ports: tcp, slept {}", slept);
}

fn tcp_refused(wait: &mut ThreadWait) {
    let stack = &mut Sockets;
    let mut slept = 0;
    let mut socket = TcpClientStack::socket(stack).expect("a socket");
    let refused = eventually(wait, &mut slept, || TcpClientStack::connect(stack, &mut socket, at(9)));
    assert!(refused.is_err(), "nobody listens on port 9");
    TcpClientStack::close(stack, socket).expect("a closed socket");
    printkln!("ports: refused with {:?}, slept {}", refused, slept);
}
