// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Both ends over real UDP sockets, for `tests/interop_aiocoap.py`, which runs them against another implementation. The secrets
//! are for that test only.
//!
//! `interop client ADDRESS COUNT` makes COUNT exchanges and prints one line each; `interop server COUNT` prints its port, asks each
//! new context for Echo, and ends after COUNT accepted requests.

use std::{
    env,
    error::Error,
    io,
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use cairn::{ports::Link, time::Millis};
use cairn_coap::{
    CoapLink, Settings, Transmission,
    message::{Builder, Code, Head, Message, Options, Type, option},
    oscore::{Context, ReplayWindow, Secrets},
};

const MASTER_SECRET: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const STREAM: [u8; 8] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
const KID: [u8; 4] = [0xca, 0x14, 0x00, 0x01];
const SECRETS: Secrets<'_> = Secrets { master_secret: &MASTER_SECRET, master_salt: &[], id_context: Some(&STREAM) };
const ECHO: [u8; 8] = [0xec; 8];

/// The operating system's UDP, not blocking.
struct Host;

fn non_blocking<T>(result: io::Result<T>) -> nb::Result<T, io::Error> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => nb::Error::WouldBlock,
        _ => nb::Error::Other(error),
    })
}

impl embedded_nal::UdpClientStack for Host {
    type UdpSocket = UdpSocket;
    type Error = io::Error;

    fn socket(&mut self) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    fn connect(&mut self, socket: &mut UdpSocket, remote: SocketAddr) -> io::Result<()> {
        socket.connect(remote)
    }

    fn send(&mut self, socket: &mut UdpSocket, datagram: &[u8]) -> nb::Result<(), io::Error> {
        non_blocking(socket.send(datagram)).map(|_| ())
    }

    fn receive(&mut self, socket: &mut UdpSocket, buffer: &mut [u8]) -> nb::Result<(usize, SocketAddr), io::Error> {
        non_blocking(socket.recv_from(buffer))
    }

    fn close(&mut self, socket: UdpSocket) -> io::Result<()> {
        drop(socket);
        Ok(())
    }
}

fn client(relay: SocketAddr, count: u8) -> Result<(), Box<dyn Error>> {
    let context = Context::derive(&SECRETS, &KID, &[]).map_err(|_| "ids")?;
    let transmission = Transmission { stack_poll: Millis(5), ..Transmission::RFC_7252 };
    let settings = Settings { relay, transmission, keep_socket: true, seed: u64::from(std::process::id()) };
    let mut link = CoapLink::<Host, 512, 256>::new(Host, settings, context);
    link.grant(0..100);
    let begin = Instant::now();
    let now = || Millis(u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX));
    for exchange in 0..count {
        link.start(now(), &[exchange; 170]).map_err(|error| format!("{error:?}"))?;
        loop {
            if let Ok(outcome) = link.poll(now()) {
                let cost = outcome.cost;
                match outcome.downlink {
                    Ok(downlink) => print!("ok {}", hex::encode(downlink)),
                    Err(error) => print!("error {error:?}"),
                }
                println!(" up {} {} down {}", cost.datagrams_up, cost.bytes_up, cost.datagrams_down);
                break;
            }
            let wake = link.wake_at().unwrap_or_default().since(now());
            thread::sleep(Duration::from_millis(wake.0.max(1)));
        }
    }
    Ok(())
}

fn server(count: u32) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    println!("{}", socket.local_addr()?.port());
    let context = Context::derive(&SECRETS, &[], &KID).map_err(|_| "ids")?;
    let (mut window, mut own_number, mut fresh, mut accepted) = (ReplayWindow::EMPTY, 0, false, 0);
    let mut buffer = [0; 1500];
    while accepted < count {
        let (length, from) = socket.recv_from(&mut buffer)?;
        let received = &mut buffer[..length];
        let outside = Message::parse(received).map_err(|error| format!("{error:?}"))?.head;
        let (message_id, token) = (outside.message_id, outside.token.to_vec());
        let verified = context.unprotect_request(&mut window, received);
        let (inner, binding) = verified.map_err(|error| format!("{error:?}"))?;
        fresh = fresh || inner.options.echo() == Some(&ECHO);
        println!("{} {} echo {}", inner.code, hex::encode(inner.payload), inner.options.echo().is_some());
        let mut options = [0; 16];
        let mut builder = Builder::options(&mut options);
        let (code, number) = if fresh {
            accepted += 1;
            (Code::CHANGED, None)
        } else {
            builder.option(option::ECHO, &ECHO).map_err(|error| format!("{error:?}"))?;
            own_number += 1;
            (Code::UNAUTHORIZED, Some(own_number))
        };
        let length = builder.finish();
        let options = Options::parse(&options[..length]).map_err(|error| format!("{error:?}"))?;
        let head = Head { kind: Type::Acknowledgement, code, message_id, token: &token, options };
        let payload = if fresh { inner.payload } else { b"" };
        let mut out = [0; 1500];
        let length = context
            .protect_response(binding, number, &head, payload, &mut out)
            .map_err(|error| format!("{error:?}"))?;
        socket.send_to(&out[..length], from)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["client", relay, count] => client(relay.parse()?, count.parse()?),
        ["server", count] => server(count.parse()?),
        _ => Err("usage: interop client ADDRESS COUNT | interop server COUNT".into()),
    }
}
