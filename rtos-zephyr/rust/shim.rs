// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of shim.h, declared once more for Rust. Called by the modules of this crate; in its tests simulated.rs is here
//! instead.

/// `struct cairn_rust_geometry`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) offset: u32,
    pub(crate) capacity: u32,
    pub(crate) write_bytes: u32,
    pub(crate) erase_bytes: u32,
}

/// `struct cairn_rust_watch`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) socket: i32,
    pub(crate) read: u8,
    pub(crate) write: u8,
    pub(crate) fired: u8,
}

mod c {
    use super::{Geometry, Watch};

    unsafe extern "C" {
        pub(super) safe fn cairn_rust_uptime_ms() -> u64;
        pub(super) safe fn cairn_rust_in_isr() -> bool;
        pub(super) fn cairn_rust_entropy(out: *mut u8, length: usize) -> bool;
        pub(super) safe fn cairn_rust_flash_open(geometry: &mut Geometry) -> bool;
        pub(super) fn cairn_rust_flash_read(offset: u32, to: *mut u8, length: usize) -> bool;
        pub(super) fn cairn_rust_flash_program(offset: u32, from: *const u8, length: usize) -> bool;
        pub(super) safe fn cairn_rust_flash_erase(offset: u32, length: usize) -> bool;
        pub(super) fn cairn_rust_factory_read(out: *mut u8, length: usize) -> bool;
        pub(super) safe fn cairn_rust_wait_prepare() -> bool;
        pub(super) safe fn cairn_rust_wake();
        pub(super) fn cairn_rust_wait(watches: *mut Watch, count: usize, ms: i32);
        pub(super) fn cairn_rust_waiter_wait(waiter: u8, ms: i32);
        pub(super) fn cairn_rust_waiter_signal(waiter: u8);
        pub(super) safe fn cairn_rust_socket(stream: bool, address_length: usize) -> i32;
        pub(super) fn cairn_rust_connect(socket: i32, address: *const u8, address_length: usize, port: u16) -> i32;
        pub(super) safe fn cairn_rust_connected(socket: i32) -> i32;
        pub(super) fn cairn_rust_send(socket: i32, bytes: *const u8, length: usize) -> i32;
        pub(super) fn cairn_rust_receive(socket: i32, bytes: *mut u8, capacity: usize) -> i32;
        pub(super) safe fn cairn_rust_close(socket: i32) -> i32;
    }
}

/// Places of threads that wait for the agent: `CAIRN_RUST_WAITERS`.
pub(crate) const WAITERS: usize = 4;

/// Milliseconds since boot. Any context.
pub(crate) fn uptime_ms() -> u64 {
    c::cairn_rust_uptime_ms()
}

/// Whether an interrupt is being served.
pub(crate) fn in_isr() -> bool {
    c::cairn_rust_in_isr()
}

/// Fills `out` from the secure generator; false when that failed.
pub(crate) fn entropy(out: &mut [u8]) -> bool {
    // SAFETY: the slice is valid for writing its length.
    unsafe { c::cairn_rust_entropy(out.as_mut_ptr(), out.len()) }
}

/// What the journal's partition is; false when its driver is not there.
pub(crate) fn flash_open(geometry: &mut Geometry) -> bool {
    c::cairn_rust_flash_open(geometry)
}

/// Reads from the journal's partition.
pub(crate) fn flash_read(offset: u32, to: &mut [u8]) -> bool {
    // SAFETY: the slice is valid for writing its length.
    unsafe { c::cairn_rust_flash_read(offset, to.as_mut_ptr(), to.len()) }
}

/// Programs the journal's partition.
pub(crate) fn flash_program(offset: u32, from: &[u8]) -> bool {
    // SAFETY: the slice is valid for reading its length.
    unsafe { c::cairn_rust_flash_program(offset, from.as_ptr(), from.len()) }
}

/// Erases units of the journal's partition.
pub(crate) fn flash_erase(offset: u32, length: usize) -> bool {
    c::cairn_rust_flash_erase(offset, length)
}

/// The first bytes of the partition with the factory image; false when there are none.
pub(crate) fn factory_read(out: &mut [u8]) -> bool {
    // SAFETY: the slice is valid for writing its length.
    unsafe { c::cairn_rust_factory_read(out.as_mut_ptr(), out.len()) }
}

/// Makes what [`wake`] and [`wait`] need; false when the system has no room for it.
pub(crate) fn wait_prepare() -> bool {
    c::cairn_rust_wait_prepare()
}

/// Ends the wait, or the next one. Any context.
pub(crate) fn wake() {
    c::cairn_rust_wake();
}

/// Sleeps until woken, until a watched socket has news, at most `ms`; below 0 for ever.
pub(crate) fn wait(watches: &mut [Watch], ms: i32) {
    // SAFETY: the slice is valid for reading and writing its length.
    unsafe { c::cairn_rust_wait(watches.as_mut_ptr(), watches.len(), ms) }
}

/// Waits for a signal to a place below [`WAITERS`]; another returns at once.
pub(crate) fn waiter_wait(waiter: u8, ms: i32) {
    if usize::from(waiter) < WAITERS {
        // SAFETY: there are WAITERS semaphores, made before the application starts.
        unsafe { c::cairn_rust_waiter_wait(waiter, ms) }
    }
}

/// Signals a place below [`WAITERS`]; another is none.
pub(crate) fn waiter_signal(waiter: u8) {
    if usize::from(waiter) < WAITERS {
        // SAFETY: there are WAITERS semaphores, made before the application starts.
        unsafe { c::cairn_rust_waiter_signal(waiter) }
    }
}

/// A new socket: its descriptor, or below 0 why not.
pub(crate) fn socket(stream: bool, address_length: usize) -> i32 {
    c::cairn_rust_socket(stream, address_length)
}

/// Begins to connect.
pub(crate) fn connect(socket: i32, address: &[u8], port: u16) -> i32 {
    // SAFETY: the slice is valid for reading its length.
    unsafe { c::cairn_rust_connect(socket, address.as_ptr(), address.len(), port) }
}

/// Whether a stream that was begun is connected.
pub(crate) fn connected(socket: i32) -> i32 {
    c::cairn_rust_connected(socket)
}

/// Sends; how many bytes.
pub(crate) fn send(socket: i32, bytes: &[u8]) -> i32 {
    // SAFETY: the slice is valid for reading its length.
    unsafe { c::cairn_rust_send(socket, bytes.as_ptr(), bytes.len()) }
}

/// Receives; how many bytes.
pub(crate) fn receive(socket: i32, bytes: &mut [u8]) -> i32 {
    // SAFETY: the slice is valid for writing its length.
    unsafe { c::cairn_rust_receive(socket, bytes.as_mut_ptr(), bytes.len()) }
}

/// Closes.
pub(crate) fn close(socket: i32) -> i32 {
    c::cairn_rust_close(socket)
}
