// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counts instructions and stack on QEMU's mps2-an385 with `-icount shift=0`, where one instruction takes one
//! nanosecond of the machine's time. The images in `bin/` call it; on the host there is nothing to measure and nothing
//! here.
#![cfg(all(target_arch = "arm", target_os = "none"))]
#![no_std]

use core::{arch::asm, hint::black_box, ptr};

use cortex_m::{
    Peripherals,
    peripheral::{SYST, syst::SystClkSource},
    register::msp,
};
use cortex_m_semihosting::{
    debug::{EXIT_FAILURE, EXIT_SUCCESS, exit},
    hprintln,
};

#[cfg(all(feature = "es256", not(feature = "libsecp256k1")))]
pub use cairn::signer::software::P256Signer as Measured;
#[cfg(not(any(feature = "es256", feature = "libsecp256k1")))]
pub use cairn::signer::software::SoftwareSigner as Measured;
pub use cortex_m_rt::entry;
pub use cortex_m_semihosting;

/// SysTick runs at 25 MHz.
const INSTRUCTIONS_PER_TICK: u32 = 40;
/// The bytes below the stack pointer that are painted: more than anything measured here uses.
const PAINTED_BYTES: usize = 64 * 1024;
const PAINT: u32 = 0x5ca1_ab1e;

/// What a call took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Instructions, to a timer tick of 40.
    pub instructions: u32,
    /// Bytes of stack below the caller's frame.
    pub stack_bytes: usize,
    /// Bytes of the lowest 256 of those in words that are not zero afterwards: what the call did not wipe there. The frame
    /// of what wipes is among them.
    pub left_bytes: usize,
}

impl Cost {
    /// Prints what `call` took, as xtask reads it.
    #[inline(never)]
    pub fn print(&self, call: &str) {
        hprintln!("{}_instructions={} {}_stack_bytes={}", call, self.instructions, call, self.stack_bytes);
        hprintln!("{}_left_bytes={}", call, self.left_bytes);
    }
}

/// Measures calls.
pub struct Meter {
    syst: SYST,
}

impl Meter {
    /// Starts the timer and checks that it counts instructions: a loop of known length must take as many.
    ///
    /// # Panics
    /// When called twice, or when QEMU runs without `-icount shift=0`.
    #[must_use]
    pub fn start() -> Self {
        let mut syst = Peripherals::take().expect("taken once").SYST;
        syst.set_clock_source(SystClkSource::Core);
        syst.set_reload(0x00ff_ffff);
        syst.clear_current();
        syst.enable_counter();
        let mut meter = Self { syst };
        let cost = meter.measure(|| {
            // SAFETY: counts a register down; a loop of two instructions, 100,000 times.
            unsafe { asm!("1:", "subs {n}, #1", "bne 1b", n = inout(reg) 100_000 => _, options(nomem, nostack)) };
        });
        hprintln!("calibration_instructions={}", cost.instructions);
        assert!((199_960..=200_120).contains(&cost.instructions), "QEMU does not count instructions");
        meter
    }

    /// Runs `call` and says what it took.
    pub fn measure<T>(&mut self, call: impl FnOnce() -> T) -> Cost {
        let top = msp::read() as usize;
        let low = top - PAINTED_BYTES;
        for address in (low..top - 256).step_by(4) {
            // SAFETY: 4-byte aligned RAM of this machine (4 MB) below the stack pointer, with room for this frame;
            // nothing else lives there, as no interrupt is enabled.
            unsafe { ptr::write_volatile(address as *mut u32, PAINT) };
        }
        let before = SYST::get_current();
        apart(call);
        let after = SYST::get_current();
        assert!(!self.syst.has_wrapped() || after > before, "longer than the timer");
        let ticks = before.wrapping_sub(after) & 0x00ff_ffff;
        // SAFETY: as above, and read only.
        let words = || (low..top).step_by(4).map(|address| unsafe { ptr::read_volatile(address as *const u32) });
        let untouched = 4 * words().take_while(|word| *word == PAINT).count();
        assert_ne!(untouched, 0, "more stack than was painted");
        let left = words().skip(untouched / 4).take(64).filter(|word| ![PAINT, 0].contains(word)).count();
        Cost {
            instructions: ticks * INSTRUCTIONS_PER_TICK,
            stack_bytes: PAINTED_BYTES - untouched,
            left_bytes: 4 * left,
        }
    }
}

/// The signer that is measured.
#[cfg(feature = "libsecp256k1")]
pub type Measured = cairn_libsecp256k1::Libsecp256k1Signer<'static>;

/// A signer with `secret`, if it is one.
#[cfg(not(feature = "libsecp256k1"))]
#[inline(always)]
#[must_use]
pub fn open(secret: &[u8; 32]) -> Option<Measured> {
    Measured::new(secret).ok()
}

/// A signer with `secret`, if it is one. The one before must have been dropped.
#[cfg(feature = "libsecp256k1")]
#[inline(always)]
#[must_use]
pub fn open(secret: &[u8; 32]) -> Option<Measured> {
    static mut STORAGE: cairn_libsecp256k1::Storage = cairn_libsecp256k1::Storage::new();
    // SAFETY: one thread, no interrupts, and the signer before is gone: every image here has one at a time.
    let storage = unsafe { &mut *(&raw mut STORAGE) };
    Measured::new(storage, secret).ok()
}

/// xorshift64* (S. Vigna, 2016), which needs no library and gives the same numbers in every run.
pub struct Random(u64);

impl Random {
    /// From the start.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it is no empty value")]
    pub const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// The next 32 bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut out = [0; 32];
        for chunk in out.chunks_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            chunk.copy_from_slice(&self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
        }
        out
    }
}

/// Makes the call in a frame of its own: what the compiler would inline into the caller's frame lay above what is painted.
#[inline(never)]
fn apart<T>(call: impl FnOnce() -> T) {
    black_box(call());
}

/// Ends the run with success.
pub fn finish() -> ! {
    exit(EXIT_SUCCESS);
    loop {}
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    exit(EXIT_FAILURE);
    loop {}
}

/// The instructions after this call and before [`trace_end`] are what trace.c hashes.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn trace_begin() {
    // SAFETY: an instruction without effect, so that the function is not merged with another.
    unsafe { asm!("mov r0, r0", options(nomem, nostack)) };
}

/// Ends what [`trace_begin`] began.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn trace_end() {
    // SAFETY: as above.
    unsafe { asm!("mov r1, r1", options(nomem, nostack)) };
}
