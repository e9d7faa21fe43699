// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Overwrites stack that secrets passed through: what the compiler copies when a value moves, no drop wipes. Called when a call that
//! handled birth data has returned; `cargo xtask test --only ram` looks for what is left.

use core::{hint::black_box, mem::MaybeUninit};

use zeroize::Zeroize as _;

/// Overwrites `WORDS` words of stack below the caller.
#[inline(never)]
pub(crate) fn stack_below<const WORDS: usize>() {
    let mut below = [0_u32; WORDS];
    below.zeroize();
    black_box(&below);
}

/// Overwrites what is in `place`. Never inlined: what is made in a place is made there only while nothing else is done with it.
#[inline(never)]
pub(crate) fn bytes<T>(place: &mut MaybeUninit<T>) {
    // SAFETY: valid for writing, and any bytes are a `MaybeUninit`.
    unsafe { core::ptr::write_bytes(place, 0, 1) };
}
