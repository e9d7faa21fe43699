// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A network that loses, delays, reorders and repeats datagrams, and the device's UDP stack on it.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
};

use embedded_nal::UdpClientStack;

use super::{address, random::Random};

pub(crate) const RELAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5683);

/// From where, to where, what.
type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// Datagrams on their way.
pub(crate) struct Network {
    loss_percent: u64,
    delay_ms: (u64, u64),
    random: Random,
    /// By time of arrival and a number, so that the order is total.
    flying: BTreeMap<(u64, u64), Datagram>,
    sent: u64,
    open: HashMap<SocketAddr, VecDeque<Vec<u8>>>,
    next_port: u16,
    pub(crate) lost: u32,
    pub(crate) repeated: u32,
}

impl Network {
    pub(crate) fn new(loss_percent: u64, delay_ms: (u64, u64), seed: u64) -> Self {
        Self {
            loss_percent,
            delay_ms,
            random: Random(seed),
            flying: BTreeMap::new(),
            sent: 0,
            open: HashMap::new(),
            next_port: 49_152,
            lost: 0,
            repeated: 0,
        }
    }

    pub(crate) fn send(&mut self, now_ms: u64, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        let copies = if self.random.percent(self.loss_percent) {
            self.lost += 1;
            0
        } else if self.random.percent(5) {
            self.repeated += 1;
            2
        } else {
            1
        };
        for _ in 0..copies {
            let at = now_ms + self.random.between(self.delay_ms.0, self.delay_ms.1);
            self.sent += 1;
            self.flying.insert((at, self.sent), (from, to, datagram.clone()));
        }
    }

    pub(crate) fn next_arrival(&self) -> Option<u64> {
        self.flying.keys().next().map(|(at, _)| *at)
    }

    /// The next datagram that arrived by now.
    pub(crate) fn arrived(&mut self, now_ms: u64) -> Option<Datagram> {
        let entry = self.flying.first_entry().filter(|entry| entry.key().0 <= now_ms)?;
        Some(entry.remove())
    }

    /// Gives a datagram to the device's socket, if it is still open.
    pub(crate) fn hand_over(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        if let Some(queue) = self.open.get_mut(&to) {
            queue.push_back(datagram);
        }
    }
}

/// The device's UDP stack.
pub(crate) struct Stack {
    network: Rc<RefCell<Network>>,
    ticks: Rc<Cell<u64>>,
}

impl Stack {
    pub(crate) fn new(network: Rc<RefCell<Network>>, ticks: Rc<Cell<u64>>) -> Self {
        Self { network, ticks }
    }
}

/// Nothing here fails: what is lost is lost in the air.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NeverFails;

impl UdpClientStack for Stack {
    type UdpSocket = SocketAddr;
    type Error = NeverFails;

    fn socket(&mut self) -> Result<SocketAddr, NeverFails> {
        let mut network = self.network.borrow_mut();
        let socket = address(network.next_port);
        network.next_port = network.next_port.wrapping_add(1).max(49_152);
        network.open.insert(socket, VecDeque::new());
        Ok(socket)
    }

    fn connect(&mut self, _: &mut SocketAddr, remote: SocketAddr) -> Result<(), NeverFails> {
        assert_eq!(remote, RELAY);
        Ok(())
    }

    fn send(&mut self, socket: &mut SocketAddr, datagram: &[u8]) -> nb::Result<(), NeverFails> {
        self.network.borrow_mut().send(self.ticks.get(), *socket, RELAY, datagram.to_vec());
        Ok(())
    }

    fn receive(&mut self, socket: &mut SocketAddr, buffer: &mut [u8]) -> nb::Result<(usize, SocketAddr), NeverFails> {
        let mut network = self.network.borrow_mut();
        let datagram = network.open.get_mut(socket).and_then(VecDeque::pop_front);
        let datagram = datagram.ok_or(nb::Error::WouldBlock)?;
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok((length, RELAY))
    }

    fn close(&mut self, socket: SocketAddr) -> Result<(), NeverFails> {
        self.network.borrow_mut().open.remove(&socket);
        Ok(())
    }
}
