// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The image with everything but what is measured: flash of another image less this one's is what that costs.
#![cfg_attr(all(target_arch = "arm", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod image {
    use core::hint::black_box;

    use cairn_bench::{Meter, entry, finish};

    #[entry]
    fn main() -> ! {
        let mut meter = Meter::start();
        // Every firmware copies and clears memory; with lengths that the compiler does not know, it calls for it.
        let (mut to, from) = ([1_u8; 64], [2_u8; 64]);
        let length = black_box(40);
        to[..length].copy_from_slice(&black_box(from)[..length]);
        to[length..].fill(black_box(0));
        black_box(to);
        for name in ["new", "sign"] {
            meter.measure(|| black_box([0_u8; 64])).print(name);
        }
        finish()
    }
}

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
fn main() {}
