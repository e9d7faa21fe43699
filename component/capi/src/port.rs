// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of include/cairn_port.h, which the RTOS glue or the integrator supplies in C, behind safe names.
//! Everything the C interface asks of the outside passes here.

#[cfg(feature = "signer-custom")]
mod signer;
#[cfg(feature = "udp")]
mod udp;

use core::ffi::{c_int, c_void};

#[cfg(feature = "monotonic")]
use cairn::ports::{Mark, Monotonic, MonotonicError};
use cairn::{
    ports::{Clock, Entropy, NoEntropy},
    time::{Millis, TimeQuality, WallTime},
};

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use crate::record::cairn_record_t;
#[cfg(feature = "signer-custom")]
pub(crate) use signer::PortSigner;
#[cfg(feature = "udp")]
pub(crate) use udp::PortUdp;

/// cbindgen:ignore
mod c {
    use super::{c_int, c_void, cairn_record_t};

    unsafe extern "C" {
        pub(super) fn cairn_port_queue_put(record: *const cairn_record_t, wait_ms: u32) -> bool;
        pub(super) fn cairn_port_queue_put_from_isr(record: *const cairn_record_t, woken: *mut bool) -> bool;
        pub(super) fn cairn_port_queue_take(record: *mut cairn_record_t) -> bool;
        pub(super) fn cairn_port_wake();
        pub(super) fn cairn_port_wake_from_isr(woken: *mut bool);
        pub(super) fn cairn_port_wait(wait_ms: u32);
        pub(super) fn cairn_port_waiter_wait(waiter: u8, wait_ms: u32) -> bool;
        pub(super) fn cairn_port_waiter_signal(waiter: u8);
        pub(super) fn cairn_port_lock() -> u32;
        pub(super) fn cairn_port_unlock(state: u32);
        pub(super) fn cairn_port_in_isr() -> bool;
        pub(super) fn cairn_port_task() -> *const c_void;
        pub(super) fn cairn_port_now_ms() -> u64;
        pub(super) fn cairn_port_wall(unix_ms: *mut u64) -> u8;
        pub(super) fn cairn_port_set_wall(unix_ms: u64, quality: u8);
        pub(super) fn cairn_port_entropy(out: *mut u8, length: usize) -> bool;
        pub(super) fn cairn_port_flash_read(offset: u32, to: *mut c_void, length: usize) -> c_int;
        pub(super) fn cairn_port_flash_program(offset: u32, from: *const c_void, length: usize) -> c_int;
        pub(super) fn cairn_port_flash_erase(offset: u32, length: usize) -> c_int;
        #[cfg(feature = "key-store")]
        pub(super) fn cairn_port_key_flash_read(offset: u32, to: *mut c_void, length: usize) -> c_int;
        #[cfg(feature = "key-store")]
        pub(super) fn cairn_port_key_flash_program(offset: u32, from: *const c_void, length: usize) -> c_int;
        #[cfg(feature = "key-store")]
        pub(super) fn cairn_port_key_flash_erase(offset: u32, length: usize) -> c_int;
        #[cfg(feature = "key-store")]
        pub(super) fn cairn_port_device_secret(secret: *mut u8) -> bool;
        #[cfg(feature = "key-noise")]
        pub(super) fn cairn_port_noise(sample: *mut u8) -> bool;
        #[cfg(feature = "monotonic")]
        pub(super) fn cairn_port_counter_read(mark: u8, value: *mut u64) -> bool;
        #[cfg(feature = "monotonic")]
        pub(super) fn cairn_port_counter_raise(mark: u8, value: u64) -> bool;
        #[cfg(feature = "at-modem")]
        pub(super) fn cairn_port_uart_read(buffer: *mut u8, capacity: usize) -> usize;
        #[cfg(feature = "at-modem")]
        pub(super) fn cairn_port_uart_write(bytes: *const u8, length: usize) -> usize;
        #[cfg(any(feature = "signer-se050", feature = "signer-sim"))]
        pub(super) fn cairn_port_delay_us(us: u32);
        #[cfg(feature = "signer-se050")]
        pub(super) fn cairn_port_i2c_write(address: u8, bytes: *const u8, length: usize, timeout_ms: u32) -> c_int;
        #[cfg(feature = "signer-se050")]
        pub(super) fn cairn_port_i2c_read(address: u8, into: *mut u8, length: usize, timeout_ms: u32) -> c_int;
        #[cfg(feature = "signer-se050")]
        #[allow(dead_code, reason = "a board may not be able to switch")]
        pub(super) fn cairn_port_se_power(on: bool) -> bool;
        #[cfg(feature = "signer-se050")]
        #[allow(dead_code, reason = "there may be no secure channel")]
        pub(super) fn cairn_port_se_keys(version: *mut u8, enc: *mut u8, mac: *mut u8) -> bool;
        #[cfg(feature = "panic-handler")]
        pub(super) fn cairn_port_panic() -> !;
    }
}

/// For ever, as a `wait_ms`.
pub(crate) const FOREVER_MS: u32 = u32::MAX;

pub(crate) fn queue_put(record: &cairn_record_t, wait_ms: u32) -> bool {
    // SAFETY: `record` is valid for the call, which is all cairn_port.h lets the port rely on.
    unsafe { c::cairn_port_queue_put(record, wait_ms) }
}

pub(crate) fn queue_put_from_isr(record: &cairn_record_t, woken: &mut bool) -> bool {
    // SAFETY: both references are valid for the call.
    unsafe { c::cairn_port_queue_put_from_isr(record, woken) }
}

/// Takes the oldest record into `record`.
pub(crate) fn queue_take(record: &mut cairn_record_t) -> bool {
    // SAFETY: `record` is valid for the call and for writing; any bytes make a valid `cairn_record_t`.
    unsafe { c::cairn_port_queue_take(record) }
}

pub(crate) fn wake() {
    // SAFETY: takes nothing; cairn_port.h allows it in every task.
    unsafe { c::cairn_port_wake() }
}

pub(crate) fn wake_from_isr(woken: &mut bool) {
    // SAFETY: the reference is valid for the call.
    unsafe { c::cairn_port_wake_from_isr(woken) }
}

pub(crate) fn wait(wait_ms: u32) {
    // SAFETY: takes a number; called by the agent's task only.
    unsafe { c::cairn_port_wait(wait_ms) }
}

pub(crate) fn waiter_wait(waiter: u8, wait_ms: u32) -> bool {
    // SAFETY: takes numbers, `waiter` below CONFIG_CAIRN_WAITERS.
    unsafe { c::cairn_port_waiter_wait(waiter, wait_ms) }
}

pub(crate) fn waiter_signal(waiter: u8) {
    // SAFETY: takes a number below CONFIG_CAIRN_WAITERS.
    unsafe { c::cairn_port_waiter_signal(waiter) }
}

/// Runs `critical` where no task and no interrupt that may call Cairn interferes.
pub(crate) fn locked<T>(critical: impl FnOnce() -> T) -> T {
    // SAFETY: takes nothing; undone below with the state it gave. `critical` cannot unwind past it: device builds
    // abort.
    let state = unsafe { c::cairn_port_lock() };
    let result = critical();
    // SAFETY: `state` is what the matching lock gave, and nothing was locked in between that was not unlocked.
    unsafe { c::cairn_port_unlock(state) };
    result
}

pub(crate) fn in_isr() -> bool {
    // SAFETY: takes nothing; cairn_port.h allows it everywhere.
    unsafe { c::cairn_port_in_isr() }
}

/// Names the calling task.
pub(crate) fn task() -> *const c_void {
    // SAFETY: takes nothing; called in tasks only.
    unsafe { c::cairn_port_task() }
}

/// The clocks of cairn_port.h.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortClock;

impl Clock for PortClock {
    fn now(&self) -> Millis {
        // SAFETY: takes nothing; cairn_port.h allows it everywhere.
        Millis(unsafe { c::cairn_port_now_ms() })
    }

    fn wall(&self) -> WallTime {
        let mut unix_ms = 0;
        // SAFETY: the pointer is valid for the call.
        let quality = unsafe { c::cairn_port_wall(&raw mut unix_ms) };
        match TimeQuality::from_number(quality) {
            Some(quality) if quality != TimeQuality::SinceBoot => WallTime { unix_ms, quality },
            // Not set, or a number that is no quality: then only time since boot can be vouched for.
            _ => WallTime { unix_ms: self.now().0, quality: TimeQuality::SinceBoot },
        }
    }

    fn set_wall(&mut self, wall: WallTime) {
        // SAFETY: takes numbers; called by the agent's task only.
        unsafe { c::cairn_port_set_wall(wall.unix_ms, wall.quality as u8) }
    }
}

/// The entropy source of cairn_port.h.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortEntropy;

impl Entropy for PortEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        // SAFETY: the slice is valid for writing its length.
        if unsafe { c::cairn_port_entropy(out.as_mut_ptr(), out.len()) } { Ok(()) } else { Err(NoEntropy) }
    }
}

/// The journal's partition of cairn_port.h, which only the agent's task touches.
#[derive(Debug)]
pub(crate) struct PortFlash;

/// Bytes that the port programs at a time, which never cross a multiple of them: whole words of every write size, and no
/// page of a serial flash is crossed.
const PROGRAM_MAX: usize = 64;

/// Words on their way to the port, which may hand them to a driver that reads them as numbers.
#[repr(align(8))]
struct Words([u8; PROGRAM_MAX]);

const fn done(answer: c_int) -> Result<(), NorFlashErrorKind> {
    if answer == 0 { Ok(()) } else { Err(NorFlashErrorKind::Other) }
}

impl ErrorType for PortFlash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for PortFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        check_read(self, offset, bytes.len())?;
        // SAFETY: the slice is valid for writing its length; the place is inside the partition.
        done(unsafe { c::cairn_port_flash_read(offset, bytes.as_mut_ptr().cast(), bytes.len()) })
    }

    fn capacity(&self) -> usize {
        cairn_config::JOURNAL_BYTES
    }
}

impl NorFlash for PortFlash {
    const WRITE_SIZE: usize = cairn_config::FLASH_WRITE_SIZE;
    const ERASE_SIZE: usize = cairn_config::FLASH_ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        check_erase(self, from, to)?;
        // SAFETY: takes numbers: whole erase units inside the partition.
        done(unsafe { c::cairn_port_flash_erase(from, (to - from) as usize) })
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        check_write(self, offset, bytes.len())?;
        // SAFETY: `in_pieces` gives what cairn_port.h promises; whole words inside the partition.
        in_pieces(offset, bytes, |offset, words, length| unsafe { c::cairn_port_flash_program(offset, words, length) })
    }
}

/// Hands `bytes` to `program` in pieces that are aligned to 8 and cross no multiple of [`PROGRAM_MAX`], which is one of the write size.
fn in_pieces(
    mut offset: u32,
    mut bytes: &[u8],
    program: impl Fn(u32, *const c_void, usize) -> c_int,
) -> Result<(), NorFlashErrorKind> {
    while !bytes.is_empty() {
        let until_boundary = PROGRAM_MAX - offset as usize % PROGRAM_MAX;
        let (piece, rest) = bytes.split_at(until_boundary.min(bytes.len()));
        let mut words = Words([0xff; PROGRAM_MAX]);
        words.0.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        let programmed = done(program(offset, words.0.as_ptr().cast(), piece.len()));
        // They may be a key's.
        #[cfg(feature = "key-store")]
        zeroize::Zeroize::zeroize(&mut words.0);
        programmed?;
        #[allow(clippy::cast_possible_truncation, reason = "at most PROGRAM_MAX")]
        {
            offset += piece.len() as u32;
        }
        bytes = rest;
    }
    Ok(())
}

/// The key store's two erase units of cairn_port.h, which only the agent's task touches.
#[cfg(feature = "key-store")]
#[derive(Debug)]
pub(crate) struct PortKeyFlash;

#[cfg(feature = "key-store")]
impl ErrorType for PortKeyFlash {
    type Error = NorFlashErrorKind;
}

#[cfg(feature = "key-store")]
impl ReadNorFlash for PortKeyFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        check_read(self, offset, bytes.len())?;
        // SAFETY: the slice is valid for writing its length; the place is inside the two units.
        done(unsafe { c::cairn_port_key_flash_read(offset, bytes.as_mut_ptr().cast(), bytes.len()) })
    }

    fn capacity(&self) -> usize {
        2 * cairn_config::FLASH_ERASE_SIZE
    }
}

#[cfg(feature = "key-store")]
impl NorFlash for PortKeyFlash {
    const WRITE_SIZE: usize = cairn_config::FLASH_WRITE_SIZE;
    const ERASE_SIZE: usize = cairn_config::FLASH_ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        check_erase(self, from, to)?;
        // SAFETY: takes numbers: whole erase units inside the two.
        done(unsafe { c::cairn_port_key_flash_erase(from, (to - from) as usize) })
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        check_write(self, offset, bytes.len())?;
        // SAFETY: `in_pieces` gives what cairn_port.h promises; whole words inside the two units.
        in_pieces(offset, bytes, |offset, words, length| unsafe {
            c::cairn_port_key_flash_program(offset, words, length)
        })
    }
}

/// The platform's secret of this device, if it has one.
#[cfg(feature = "key-store")]
pub(crate) fn device_secret() -> Option<[u8; 32]> {
    let mut secret = [0; 32];
    // SAFETY: valid for writing 32 bytes; called by the agent's task only.
    unsafe { c::cairn_port_device_secret(secret.as_mut_ptr()) }.then_some(secret)
}

/// The raw noise of cairn_port.h.
#[cfg(feature = "key-noise")]
#[derive(Debug)]
pub(crate) struct PortNoise;

#[cfg(feature = "key-noise")]
impl cairn::keys::noise::NoiseSource for PortNoise {
    fn sample(&mut self) -> Result<u8, NoEntropy> {
        let mut sample = 0;
        // SAFETY: the pointer is valid for writing a byte; called by the agent's task only.
        if unsafe { c::cairn_port_noise(&raw mut sample) } { Ok(sample) } else { Err(NoEntropy) }
    }
}

/// The counter of cairn_port.h.
#[cfg(feature = "monotonic")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortCounter;

#[cfg(feature = "monotonic")]
impl Monotonic for PortCounter {
    fn read(&mut self, mark: Mark) -> Result<u64, MonotonicError> {
        let mut value = 0;
        // SAFETY: the pointer is valid for writing a number during the call; called by the agent's task only.
        let read = unsafe { c::cairn_port_counter_read(mark as u8, &raw mut value) };
        if read { Ok(value) } else { Err(MonotonicError) }
    }

    fn raise(&mut self, mark: Mark, value: u64) -> Result<(), MonotonicError> {
        // SAFETY: takes numbers; called by the agent's task only.
        if unsafe { c::cairn_port_counter_raise(mark as u8, value) } { Ok(()) } else { Err(MonotonicError) }
    }
}

/// The modem's UART of cairn_port.h: never waits.
#[cfg(feature = "at-modem")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortUart {
    /// A byte read to learn that there is one.
    ahead: Option<u8>,
}

#[cfg(feature = "at-modem")]
impl PortUart {
    pub(crate) const fn new() -> Self {
        Self { ahead: None }
    }

    fn take(buffer: &mut [u8]) -> usize {
        // SAFETY: the slice is valid for writing its length. The minimum keeps a port that miscounts from being
        // believed.
        unsafe { c::cairn_port_uart_read(buffer.as_mut_ptr(), buffer.len()) }.min(buffer.len())
    }
}

#[cfg(feature = "at-modem")]
impl embedded_io::ErrorType for PortUart {
    type Error = core::convert::Infallible;
}

#[cfg(feature = "at-modem")]
impl embedded_io::Read for PortUart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let Some((first, rest)) = buffer.split_first_mut() else { return Ok(0) };
        match self.ahead.take() {
            Some(byte) => {
                *first = byte;
                Ok(1 + Self::take(rest))
            }
            None => Ok(Self::take(buffer)),
        }
    }
}

#[cfg(feature = "at-modem")]
impl embedded_io::ReadReady for PortUart {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        if self.ahead.is_none() {
            let mut byte = [0];
            self.ahead = (Self::take(&mut byte) == 1).then_some(byte[0]);
        }
        Ok(self.ahead.is_some())
    }
}

#[cfg(feature = "at-modem")]
impl embedded_io::Write for PortUart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        // SAFETY: the slice is valid for reading its length. The minimum: see `take`.
        Ok(unsafe { c::cairn_port_uart_write(bytes.as_ptr(), bytes.len()) }.min(bytes.len()))
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Waits for the SIM: looks at the modem every five milliseconds, in which it says some 58 bytes. Not the wait of the
/// agent's task, whose wake-ups are the agent's.
#[cfg(feature = "signer-sim")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortNaps;

#[cfg(feature = "signer-sim")]
impl cairn::ports::Wait for PortNaps {
    fn wait(&mut self, _: Option<Millis>) {
        // SAFETY: takes a number; called by the agent's task only.
        unsafe { c::cairn_port_delay_us(5_000) }
    }
}

#[cfg(feature = "signer-se050")]
pub(crate) use secure_element::{PortDelay, PortGate, PortI2c, se_keys};

/// The secure element's bus, switch and keys.
#[cfg(feature = "signer-se050")]
mod secure_element {
    use cairn::signer::se050::{GateError, PlatformKeys, PowerGate};
    use embedded_hal::{
        delay::DelayNs,
        i2c::{ErrorKind, ErrorType, I2c, Operation},
    };

    use super::{c, c_int};

    /// Waits in the port.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct PortDelay;

    impl DelayNs for PortDelay {
        fn delay_ns(&mut self, ns: u32) {
            self.delay_us(ns.div_ceil(1_000));
        }

        fn delay_us(&mut self, us: u32) {
            // SAFETY: takes a number; called by the agent's task only.
            unsafe { c::cairn_port_delay_us(us) }
        }

        fn delay_ms(&mut self, ms: u32) {
            self.delay_us(ms.saturating_mul(1_000));
        }
    }

    /// The I2C bus of cairn_port.h. Each operation is a transfer of its own, from start to stop: the secure element knows no
    /// other.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct PortI2c;

    /// What a transfer of `bytes` bytes may take: three times its clocks, and 10 ms for a task that was kept waiting.
    fn timeout_ms(bytes: usize) -> u32 {
        let bits = 9 * (u32::try_from(bytes).unwrap_or(u32::MAX / 64) + 1);
        10 + 3 * bits / u32::from(cairn_config::SE050_I2C_KHZ)
    }

    fn done(answer: c_int) -> Result<(), ErrorKind> {
        if answer == 0 { Ok(()) } else { Err(ErrorKind::Other) }
    }

    impl ErrorType for PortI2c {
        type Error = ErrorKind;
    }

    impl I2c for PortI2c {
        fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Self::Error> {
            operations.iter_mut().try_for_each(|operation| match operation {
                // SAFETY: the slice is valid for writing its length.
                Operation::Read(into) => done(unsafe {
                    c::cairn_port_i2c_read(address, into.as_mut_ptr(), into.len(), timeout_ms(into.len()))
                }),
                // SAFETY: the slice is valid for reading its length.
                Operation::Write(bytes) => done(unsafe {
                    c::cairn_port_i2c_write(address, bytes.as_ptr(), bytes.len(), timeout_ms(bytes.len()))
                }),
            })
        }
    }

    /// The chip's power switch, where the board has one.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct PortGate;

    impl PortGate {
        fn switch(on: bool) -> Result<(), GateError> {
            // SAFETY: takes a truth value; called by the agent's task only, in configurations that have it.
            if !cairn_config::SE050_POWER_GATE || unsafe { c::cairn_port_se_power(on) } {
                Ok(())
            } else {
                Err(GateError)
            }
        }
    }

    impl PowerGate for PortGate {
        const CUTS_POWER: bool = cairn_config::SE050_POWER_GATE;

        fn switch_on(&mut self) -> Result<(), GateError> {
            Self::switch(true)
        }

        fn switch_off(&mut self) -> Result<(), GateError> {
            Self::switch(false)
        }
    }

    /// The platform keys of this device's chip; `None` when the product has none.
    pub(crate) fn se_keys() -> Option<PlatformKeys> {
        let mut keys = PlatformKeys { version: 0, enc: [0; 16], mac: [0; 16] };
        // SAFETY: the pointers are valid for writing one and twice 16 bytes during the call.
        unsafe { c::cairn_port_se_keys(&raw mut keys.version, keys.enc.as_mut_ptr(), keys.mac.as_mut_ptr()) }
            .then_some(keys)
    }
}

/// The device build's panic handler: the port decides how a device stops.
#[cfg(feature = "panic-handler")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: takes nothing and never returns.
    unsafe { c::cairn_port_panic() }
}
