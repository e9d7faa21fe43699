// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What shim.rs is in tests: a Zephyr that the test scripts, one for each thread. Its clock stands until something sleeps.

use std::{
    boxed::Box,
    cell::{Cell, RefCell},
    collections::VecDeque,
    string::String,
    vec,
    vec::Vec,
};

/// As in shim.rs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) offset: u32,
    pub(crate) capacity: u32,
    pub(crate) write_bytes: u32,
    pub(crate) erase_bytes: u32,
}

/// As in shim.rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) socket: i32,
    pub(crate) read: u8,
    pub(crate) write: u8,
    pub(crate) fired: u8,
}

pub(crate) const WAITERS: usize = 4;

type Meanwhile = Box<dyn FnMut()>;

std::thread_local! {
    static UPTIME_MS: Cell<u64> = const { Cell::new(0) };
    static IN_ISR: Cell<bool> = const { Cell::new(false) };
    static ENTROPY: Cell<bool> = const { Cell::new(true) };
    static GEOMETRY: Cell<Option<Geometry>> = const { Cell::new(None) };
    static FLASH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static FLASH_WORKS: Cell<bool> = const { Cell::new(true) };
    static FACTORY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static SLEEPS: RefCell<Vec<i32>> = const { RefCell::new(Vec::new()) };
    static WATCHED: RefCell<Vec<Watch>> = const { RefCell::new(Vec::new()) };
    static FIRES: Cell<i32> = const { Cell::new(-1) };
    static WAKES: Cell<u32> = const { Cell::new(0) };
    static ASLEEP: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
    static MEANWHILE: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
    static ANSWERS: RefCell<VecDeque<i32>> = const { RefCell::new(VecDeque::new()) };
    static ASKED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What time it is.
pub(crate) fn set_uptime_ms(ms: u64) {
    UPTIME_MS.set(ms);
}

/// From now on an interrupt is being served, or no more.
pub(crate) fn set_in_isr(yes: bool) {
    IN_ISR.set(yes);
}

/// The generator fails its health test.
pub(crate) fn break_entropy() {
    ENTROPY.set(false);
}

/// A partition, erased.
pub(crate) fn insert_flash(geometry: Geometry) {
    GEOMETRY.set(Some(geometry));
    FLASH.set(vec![0xff; geometry.capacity as usize]);
}

/// The flash does nothing any more.
pub(crate) fn break_flash() {
    FLASH_WORKS.set(false);
}

/// What is in the partition with the factory image.
pub(crate) fn insert_factory(image: &[u8]) {
    FACTORY.set(image.to_vec());
}

/// How long the agent's thread slept, each time, in milliseconds.
pub(crate) fn sleeps() -> Vec<i32> {
    SLEEPS.take()
}

/// The socket that will end the next sleep.
pub(crate) fn fire(socket: i32) {
    FIRES.set(socket);
}

/// What the last sleep watched.
pub(crate) fn watched() -> Vec<Watch> {
    WATCHED.take().into_iter().filter(|watch| watch.read + watch.write > 0).collect()
}

/// How often the agent was woken.
pub(crate) fn wakes() -> u32 {
    WAKES.get()
}

/// What happens while a thread waits for the agent.
pub(crate) fn meanwhile(happens: impl FnMut() + 'static) {
    MEANWHILE.set(Some(Box::new(happens)));
}

/// What happens while the agent's thread sleeps next.
pub(crate) fn while_asleep(happens: impl FnMut() + 'static) {
    ASLEEP.set(Some(Box::new(happens)));
}

/// What the next calls about sockets answer, in order.
pub(crate) fn answer_with(answers: &[i32]) {
    ANSWERS.with_borrow_mut(|queue| queue.extend(answers));
}

/// The calls about sockets.
pub(crate) fn asked() -> Vec<String> {
    ASKED.take()
}

fn ask(what: String) -> i32 {
    ASKED.with_borrow_mut(|asked| asked.push(what));
    ANSWERS.with_borrow_mut(VecDeque::pop_front).expect("a scripted answer")
}

pub(crate) fn uptime_ms() -> u64 {
    UPTIME_MS.get()
}

pub(crate) fn in_isr() -> bool {
    IN_ISR.get()
}

pub(crate) fn entropy(out: &mut [u8]) -> bool {
    out.fill(0x5a);
    ENTROPY.get()
}

pub(crate) fn flash_open(geometry: &mut Geometry) -> bool {
    let there = GEOMETRY.get();
    *geometry = there.unwrap_or_default();
    there.is_some()
}

pub(crate) fn flash_read(offset: u32, to: &mut [u8]) -> bool {
    FLASH.with_borrow(|flash| to.copy_from_slice(&flash[offset as usize..][..to.len()]));
    FLASH_WORKS.get()
}

pub(crate) fn flash_program(offset: u32, from: &[u8]) -> bool {
    FLASH.with_borrow_mut(|flash| flash[offset as usize..][..from.len()].copy_from_slice(from));
    FLASH_WORKS.get()
}

pub(crate) fn flash_erase(offset: u32, length: usize) -> bool {
    FLASH.with_borrow_mut(|flash| flash[offset as usize..][..length].fill(0xff));
    FLASH_WORKS.get()
}

pub(crate) fn factory_read(out: &mut [u8]) -> bool {
    FACTORY.with_borrow(|factory| {
        out.iter_mut().zip(factory).for_each(|(to, from)| *to = *from);
        factory.len() >= out.len()
    })
}

pub(crate) fn wait_prepare() -> bool {
    true
}

pub(crate) fn wake() {
    WAKES.set(WAKES.get() + 1);
}

pub(crate) fn wait(watches: &mut [Watch], ms: i32) {
    SLEEPS.with_borrow_mut(|sleeps| sleeps.push(ms));
    let fires = FIRES.replace(-1);
    if let Some(mut happens) = ASLEEP.take() {
        happens();
    }
    WATCHED.set(watches.to_vec());
    for watch in watches {
        watch.fired = u8::from(watch.socket >= 0 && watch.socket == fires && watch.read + watch.write > 0);
    }
}

pub(crate) fn waiter_wait(_: u8, ms: i32) {
    UPTIME_MS.set(UPTIME_MS.get() + u64::try_from(ms).expect("no wait below 0"));
    let happens = MEANWHILE.take();
    if let Some(mut happens) = happens {
        happens();
    }
}

pub(crate) fn waiter_signal(_: u8) {}

pub(crate) fn socket(stream: bool, address_length: usize) -> i32 {
    ask(std::format!("socket {} {address_length}", if stream { "tcp" } else { "udp" }))
}

pub(crate) fn connect(socket: i32, address: &[u8], port: u16) -> i32 {
    ask(std::format!("connect {socket} {address:?}:{port}"))
}

pub(crate) fn connected(socket: i32) -> i32 {
    ask(std::format!("connected {socket}"))
}

pub(crate) fn send(socket: i32, bytes: &[u8]) -> i32 {
    ask(std::format!("send {socket} {}", bytes.len()))
}

pub(crate) fn receive(socket: i32, bytes: &mut [u8]) -> i32 {
    ask(std::format!("receive {socket} {}", bytes.len()))
}

pub(crate) fn close(socket: i32) -> i32 {
    ask(std::format!("close {socket}"))
}
