// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sockets over a system that answers as scripted. Each test runs in a thread of its own, with descriptors of its own: the table of
//! watches is one for all.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const RELAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 2, 2)), 5683);
const LATER: i32 = -1;

fn udp(answers: &[i32]) -> (Socket, Result<(), SocketError>) {
    shim::answer_with(answers);
    let mut socket = UdpClientStack::socket(&mut Sockets).unwrap();
    let connected = UdpClientStack::connect(&mut Sockets, &mut socket, RELAY);
    (socket, connected)
}

fn tcp() -> Socket {
    TcpClientStack::socket(&mut Sockets).unwrap()
}

fn tcp_connect(socket: &mut Socket) -> nb::Result<(), SocketError> {
    TcpClientStack::connect(&mut Sockets, socket, RELAY)
}

/// What the agent's thread would watch of one socket.
fn interest(descriptor: i32) -> (u8, u8) {
    sleep(0);
    let watched = shim::watched().into_iter().find(|watch| watch.socket == descriptor);
    watched.map_or((0, 0), |watch| (watch.read, watch.write))
}

/// The table is one: one test at a time has it.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn a_datagram_goes_out_whole_and_its_answer_is_from_whom_it_was_connected_to() {
    let _alone = alone();
    let (mut socket, connected) = udp(&[10, 0, 5, 3, 0]);
    connected.unwrap();
    UdpClientStack::send(&mut Sockets, &mut socket, b"uplin").unwrap();
    assert_eq!(UdpClientStack::receive(&mut Sockets, &mut socket, &mut [0; 8]), Ok((3, RELAY)));
    UdpClientStack::close(&mut Sockets, socket).unwrap();
    let calls = ["socket udp 4", "connect 10 [10, 0, 2, 2]:5683", "send 10 5", "receive 10 8", "close 10"];
    assert_eq!(shim::asked(), calls);
}

#[test]
fn whoever_is_told_to_come_later_is_woken_once_for_it() {
    let _alone = alone();
    let (mut socket, _) = udp(&[11, 0, LATER, LATER, LATER, 0]);
    assert_eq!(interest(11), (0, 0), "nobody asked for anything yet");
    assert_eq!(UdpClientStack::receive(&mut Sockets, &mut socket, &mut [0; 8]), Err(nb::Error::WouldBlock));
    assert_eq!(interest(11), (1, 0));
    assert_eq!(interest(11), (1, 0), "nothing came: the interest stays");
    shim::fire(11);
    assert_eq!(interest(11), (1, 0));
    assert_eq!(interest(11), (0, 0), "it came, and nobody took it: watching on would end every sleep at once");
    assert_eq!(UdpClientStack::send(&mut Sockets, &mut socket, b"x"), Err(nb::Error::WouldBlock));
    assert_eq!(interest(11), (0, 0), "a socket for datagrams can always be written to, as far as poll knows");
    assert_eq!(UdpClientStack::receive(&mut Sockets, &mut socket, &mut [0; 8]), Err(nb::Error::WouldBlock));
    assert_eq!(interest(11), (1, 0));
    UdpClientStack::close(&mut Sockets, socket).unwrap();
    assert_eq!(interest(11), (0, 0));
}

#[test]
fn a_datagram_that_went_out_in_part_is_an_error() {
    let _alone = alone();
    let (mut socket, _) = udp(&[12, 0, 4, 0]);
    let sent = UdpClientStack::send(&mut Sockets, &mut socket, b"uplink");
    assert_eq!(sent, Err(nb::Error::Other(SocketError::TooLong)));
    UdpClientStack::close(&mut Sockets, socket).unwrap();
}

#[test]
fn a_socket_that_cannot_be_connected_is_closed_and_says_why() {
    let _alone = alone();
    let (socket, connected) = udp(&[13, -4, 0]);
    assert_eq!(connected, Err(SocketError::Unreachable));
    assert_eq!(shim::asked().last().unwrap(), "close 13");
    UdpClientStack::close(&mut Sockets, socket).unwrap();
    assert_eq!(udp(&[-6]).1, Err(SocketError::NoRoom), "and one that there is not has nothing to close");
}

#[test]
fn a_stream_is_connected_when_the_system_says_so() {
    let _alone = alone();
    shim::answer_with(&[14, LATER, LATER, 0, LATER, 2, 0, 0]);
    let mut socket = tcp();
    let early = TcpClientStack::send(&mut Sockets, &mut socket, b"x");
    assert_eq!(early, Err(nb::Error::Other(SocketError::Closed)), "not connected");
    assert_eq!(tcp_connect(&mut socket), Err(nb::Error::WouldBlock));
    assert_eq!(interest(14), (0, 1));
    assert_eq!(tcp_connect(&mut socket), Err(nb::Error::WouldBlock));
    assert_eq!(tcp_connect(&mut socket), Ok(()));
    assert_eq!(tcp_connect(&mut socket), Ok(()), "it stays connected without asking");
    shim::fire(14);
    sleep(0);
    assert_eq!(TcpClientStack::send(&mut Sockets, &mut socket, b"GET"), Err(nb::Error::WouldBlock));
    assert_eq!(interest(14), (0, 1), "its buffer is full: poll knows when it is not");
    assert_eq!(TcpClientStack::send(&mut Sockets, &mut socket, b"GET"), Ok(2), "a stream may take a part");
    let end = TcpClientStack::receive(&mut Sockets, &mut socket, &mut [0; 8]).unwrap_err();
    assert_eq!(end, nb::Error::Other(SocketError::Closed));
    TcpClientStack::close(&mut Sockets, socket).unwrap();
    let calls = [
        "socket tcp 4",
        "connect 14 [10, 0, 2, 2]:5683",
        "connected 14",
        "connected 14",
        "send 14 3",
        "send 14 3",
        "receive 14 8",
    ];
    assert_eq!(shim::asked()[..7], calls);
}

#[test]
fn a_refused_stream_is_closed_and_may_begin_anew() {
    let _alone = alone();
    shim::answer_with(&[15, LATER, -3, 0, 16, 0, 0]);
    let mut socket = tcp();
    assert_eq!(tcp_connect(&mut socket), Err(nb::Error::WouldBlock));
    assert_eq!(tcp_connect(&mut socket), Err(nb::Error::Other(SocketError::Refused)));
    assert_eq!(tcp_connect(&mut socket), Ok(()));
    TcpClientStack::close(&mut Sockets, socket).unwrap();
    assert_eq!(shim::asked().iter().filter(|call| call.starts_with("close")).count(), 2);
}

#[test]
fn another_address_begins_anew_in_its_own_family() {
    let _alone = alone();
    shim::answer_with(&[17, LATER, 0, 18, 0, 0]);
    let mut socket = tcp();
    assert_eq!(tcp_connect(&mut socket), Err(nb::Error::WouldBlock));
    let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 80);
    assert_eq!(TcpClientStack::connect(&mut Sockets, &mut socket, v6), Ok(()));
    TcpClientStack::close(&mut Sockets, socket).unwrap();
    assert_eq!(shim::asked()[2..4], ["close 17", "socket tcp 16"]);
}

#[test]
fn one_socket_more_than_can_be_watched_is_refused() {
    let _alone = alone();
    let mut open = std::vec::Vec::new();
    for descriptor in 20..24 {
        let (socket, connected) = udp(&[descriptor, 0]);
        connected.unwrap();
        open.push(socket);
    }
    let (_, refused) = udp(&[24, 0]);
    assert_eq!(refused, Err(SocketError::NoRoom));
    assert_eq!(shim::asked().last().unwrap(), "close 24");
    for socket in open {
        shim::answer_with(&[0]);
        UdpClientStack::close(&mut Sockets, socket).unwrap();
    }
}

#[test]
fn every_answer_of_the_shim_has_a_meaning() {
    let other = |answer| match understood(answer) {
        Err(nb::Error::Other(error)) => error,
        now => panic!("{now:?}"),
    };
    assert_eq!(understood(LATER), Err(nb::Error::WouldBlock));
    let errors = [-2, -3, -4, -5, -6, -7, -8, -9, i32::MIN].map(other);
    let meant = {
        use SocketError::*;
        [Closed, Refused, Unreachable, TimedOut, NoRoom, TooLong, Unsupported, Failed, Failed]
    };
    assert_eq!(errors, meant);
    assert_eq!(SocketError::Closed.kind(), TcpErrorKind::PipeClosed);
    assert_eq!(SocketError::Refused.kind(), TcpErrorKind::Other);
}

#[test]
fn a_socket_that_was_closed_while_the_agent_slept_leaves_no_watch_behind() {
    let _alone = alone();
    let (mut socket, _) = udp(&[30, 0, LATER, 0]);
    assert_eq!(UdpClientStack::receive(&mut Sockets, &mut socket, &mut [0; 8]), Err(nb::Error::WouldBlock));
    let mut socket = Some(socket);
    shim::while_asleep(move || UdpClientStack::close(&mut Sockets, socket.take().unwrap()).unwrap());
    shim::fire(30);
    sleep(0);
    critical_section::with(|section| assert_eq!(WATCHED.borrow(section).get(), [NOTHING; SOCKETS_MAX]));
}
