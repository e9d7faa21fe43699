// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The MPS2 board (image AN385) as far as the lock uses it: console and modem UART, the modem's receive interrupt,
//! random bytes of QEMU's host, the factory blob. `unsafe` is here and in semihosting.rs, nowhere else in the sample. Registers:
//! Arm DDI 0479, section 3.6.

use core::{
    fmt,
    sync::atomic::{AtomicU8, AtomicUsize, Ordering},
};

use cairn::ports::{Entropy, NoEntropy};
use cairn_freertos::wake::Waker;
use cortex_m_rt::exception;
use freertos_next::InterruptContext;

use crate::semihosting::{HostFile, Mode};

const CONSOLE: Uart = Uart(0x4000_4000);
const MODEM: Uart = Uart(0x4000_5000);
#[cfg(feature = "se050")]
const BRIDGE: Uart = Uart(0x4000_6000);
const MODEM_INTERRUPT: usize = 2;

const STATE_TX_FULL: u32 = 1;
const STATE_RX_FULL: u32 = 2;
const CTRL_TX: u32 = 1;
const CTRL_RX: u32 = 2;
const CTRL_RX_AND_INTERRUPT: u32 = CTRL_RX | 8;
const INTERRUPT_RX: u32 = 2;

/// Wakes the agent's task, also when the modem sent something.
pub static WAKER: Waker = Waker::new();

/// A CMSDK UART at its base address.
struct Uart(usize);

impl Uart {
    fn read(&self, offset: usize) -> u32 {
        // SAFETY: `self.0` is one of the UARTs above, `offset` below its 0x14 bytes of registers, both multiples of
        // 4.
        unsafe { ((self.0 + offset) as *const u32).read_volatile() }
    }

    fn write(&self, offset: usize, value: u32) {
        // SAFETY: as in `read`.
        unsafe { ((self.0 + offset) as *mut u32).write_volatile(value) }
    }

    fn state(&self) -> u32 {
        self.read(0x04)
    }

    /// A byte that came.
    fn take(&self) -> Option<u8> {
        #[allow(clippy::cast_possible_truncation, reason = "the register holds one byte")]
        (self.state() & STATE_RX_FULL != 0).then(|| self.read(0x00) as u8)
    }

    fn send(&self, byte: u8) {
        while self.state() & STATE_TX_FULL != 0 {}
        self.write(0x00, u32::from(byte));
    }

    fn start(&self, ctrl: u32) {
        self.write(0x10, 25_000_000 / 115_200);
        self.write(0x08, ctrl);
    }
}

/// Bytes from the modem's interrupt to the agent's task. Holds one less than its length.
static RECEIVED: [AtomicU8; 512] = [const { AtomicU8::new(0) }; 512];
static HEAD: AtomicUsize = AtomicUsize::new(0);
static TAIL: AtomicUsize = AtomicUsize::new(0);

/// Starts the UARTs. Before the scheduler starts.
pub fn start() {
    CONSOLE.start(CTRL_TX);
    MODEM.start(CTRL_TX | CTRL_RX_AND_INTERRUPT);
    #[cfg(feature = "se050")]
    BRIDGE.start(CTRL_TX | CTRL_RX);
    // SAFETY: NVIC priority and enable registers (Armv7-M ARM, B3.4). The lowest priority may call the kernel.
    unsafe {
        ((0xE000_E400 + MODEM_INTERRUPT) as *mut u8).write_volatile(0xE0);
        (0xE000_E100 as *mut u32).write_volatile(1 << MODEM_INTERRUPT);
    }
}

extern "C" fn modem_received() {
    MODEM.write(0x0C, INTERRUPT_RX);
    while let Some(byte) = MODEM.take() {
        let head = HEAD.load(Ordering::Relaxed);
        let next = (head + 1) % RECEIVED.len();
        // When the ring is full the byte is lost, and the modem driver drops the line it was in.
        if next != TAIL.load(Ordering::Acquire) {
            RECEIVED[head].store(byte, Ordering::Relaxed);
            HEAD.store(next, Ordering::Release);
        }
    }
    WAKER.wake_from_isr(&mut InterruptContext::new());
}

extern "C" fn unexpected() {
    panic!("unexpected interrupt");
}

/// External interrupts, after the processor's own in the vector table.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [extern "C" fn(); 32] = {
    let mut vectors: [extern "C" fn(); 32] = [unexpected; 32];
    vectors[MODEM_INTERRUPT] = modem_received;
    vectors
};

#[exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    panic!("hard fault at {:#x}, called from {:#x}", frame.pc(), frame.lr());
}

/// The console.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| CONSOLE.send(byte));
        Ok(())
    }
}

/// The modem's serial port. Reading takes what the interrupt left and never waits.
#[derive(Debug)]
pub struct ModemPort;

impl embedded_io::ErrorType for ModemPort {
    type Error = core::convert::Infallible;
}

impl embedded_io::ReadReady for ModemPort {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        Ok(TAIL.load(Ordering::Relaxed) != HEAD.load(Ordering::Acquire))
    }
}

impl embedded_io::Read for ModemPort {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let mut taken = 0;
        for byte in buffer {
            let tail = TAIL.load(Ordering::Relaxed);
            if tail == HEAD.load(Ordering::Acquire) {
                break;
            }
            *byte = RECEIVED[tail].load(Ordering::Relaxed);
            TAIL.store((tail + 1) % RECEIVED.len(), Ordering::Release);
            taken += 1;
        }
        Ok(taken)
    }
}

impl embedded_io::Write for ModemPort {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        bytes.iter().for_each(|byte| MODEM.send(*byte));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// The serial port that stands for the secure element's I2C; looked at, no interrupt.
#[cfg(feature = "se050")]
pub struct BridgePort;

#[cfg(feature = "se050")]
impl BridgePort {
    /// Sends a byte.
    pub fn send(&self, byte: u8) {
        BRIDGE.send(byte);
    }

    /// A byte that came.
    pub fn take(&self) -> Option<u8> {
        BRIDGE.take()
    }
}

/// Random bytes of the host's `/dev/urandom` by semihosting. QEMU ONLY: the emulated board has no entropy source; a
/// product uses its true random number generator.
#[derive(Clone, Copy, Debug)]
pub struct HostEntropy;

impl Entropy for HostEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        let random = HostFile::open(c"/dev/urandom", Mode::Read);
        random.and_then(|mut random| random.read(out)).map_err(|_| NoEntropy)
    }
}

/// The factory blob, as QEMU's loader put it at the start of the PSRAM.
#[must_use]
pub fn factory() -> &'static [u8] {
    // SAFETY: PSRAM of the board, 16 MB, which nothing in this image writes.
    unsafe { core::slice::from_raw_parts(0x2100_0000 as *const u8, cairn::factory::FACTORY_MAX) }
}

/// The nonce that the bench wants to be answered, as QEMU's loader put it behind the factory blob: "NONC" and 32 bytes.
#[cfg(feature = "se050")]
#[must_use]
pub fn nonce() -> Option<&'static [u8; 32]> {
    // SAFETY: PSRAM of the board, 16 MB, which nothing in this image writes.
    let there = unsafe { &*(0x2100_1000 as *const [u8; 36]) };
    there.strip_prefix(b"NONC").and_then(|nonce| nonce.try_into().ok())
}
