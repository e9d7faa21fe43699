// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes a signer, signs, and then reads all RAM for eight bytes in a row of the secret: as it was given, backwards as
//! big numbers hold it, in words turned round as hashes read it, and inverted as the signer's second copy is. Prints
//! where they are outside the signer itself.
#![cfg_attr(all(target_arch = "arm", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod image {
    use core::{hint::black_box, mem::size_of, ops::Range, ptr};

    use cairn::signer::{Digest, Signer as _};
    use cairn_bench::{Measured, cortex_m_semihosting::hprintln, entry, finish, open};

    /// In flash, so that the image itself has it nowhere in RAM.
    static SECRET: [u8; 32] = [
        0x91, 0x3c, 0x5e, 0xd7, 0x28, 0x64, 0xb3, 0x1f, 0x0a, 0xc6, 0x7d, 0xe2, 0x45, 0x98, 0x3b, 0xf1, 0x5c, 0x86,
        0x2d, 0x73, 0xbe, 0x07, 0xe9, 0x14, 0xa8, 0x4f, 0xd0, 0x6b, 0x39, 0xc2, 0x7e, 0x55,
    ];
    const RAM: Range<usize> = 0x2000_0000..0x2004_0000;
    /// Bytes in a row that are no accident.
    const WINDOW: usize = 8;

    #[entry]
    fn main() -> ! {
        let mut slot = None;
        make(&mut slot);
        let slot_start = ptr::from_ref(&slot) as usize;
        let own = slot_start..slot_start + size_of::<Option<Measured>>();
        // The search must find what is there: the two copies in the signer.
        let inside = search(own.clone(), 0..0);
        hprintln!("found_inside={}", inside);
        hprintln!("found_outside_after_new={}", search(RAM, own.clone()));
        sign(&mut slot);
        hprintln!("found_outside_after_sign={}", search(RAM, own.clone()));
        slot = None;
        black_box(&slot);
        hprintln!("found_after_drop={}", search(RAM, 0..0));
        finish()
    }

    #[inline(never)]
    fn make(slot: &mut Option<Measured>) {
        *slot = open(black_box(&SECRET));
    }

    #[inline(never)]
    fn sign(slot: &mut Option<Measured>) {
        let signature = slot.as_mut().map(|signer| signer.sign(black_box(&Digest([0x17; 32]))));
        assert!(matches!(black_box(signature), Some(Ok(_))));
    }

    /// How many windows of the secret are in `range` but not in `except`. Compares byte by byte with flash, so that it
    /// leaves no window in RAM itself.
    #[inline(never)]
    fn search(range: Range<usize>, except: Range<usize>) -> usize {
        let mut found = 0;
        for address in range.start..=range.end - WINDOW {
            if except.contains(&address) {
                continue;
            }
            for window in 0..=SECRET.len() - WINDOW {
                let at = |offset: usize| {
                    // SAFETY: RAM of this machine, below its end by the loop's bounds; any byte is a u8.
                    unsafe { ptr::read_volatile((address + offset) as *const u8) }
                };
                let forward = (0..WINDOW).all(|i| at(i) == black_box(SECRET[window + i]));
                let backward = (0..WINDOW).all(|i| at(i) == black_box(SECRET[window + WINDOW - 1 - i]));
                let inverted = (0..WINDOW).all(|i| at(i) == !black_box(SECRET[window + i]));
                if forward || backward || inverted {
                    let form = if forward {
                        "forward"
                    } else if backward {
                        "backward"
                    } else {
                        "inverted"
                    };
                    hprintln!("at {:#x}: bytes {}.. {}", address, window, form);
                    found += 1;
                }
            }
        }
        found
    }
}

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
fn main() {}
