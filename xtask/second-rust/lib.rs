// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One function that copies memory and can panic, and the panic handler it needs.
#![no_std]

/// The byte at `index` of a table.
#[unsafe(no_mangle)]
pub extern "C" fn second_rust(index: usize) -> u8 {
    let copy = core::hint::black_box([7_u8; 64]);
    copy[index]
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
