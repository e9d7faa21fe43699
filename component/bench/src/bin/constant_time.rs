// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Loads keys and signs digests, many and random, so that trace.c can compare what the processor did. Features
//! `leaky-branch` and `leaky-address` add what the comparison must notice.
#![cfg_attr(all(target_arch = "arm", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod image {
    use core::hint::black_box;

    use cairn::signer::{Digest, Signer as _};
    use cairn_bench::{Random, cortex_m_semihosting::hprintln, entry, finish, open, trace_begin, trace_end};

    /// How many keys, each with a digest of its own.
    const PAIRS: usize = if cfg!(feature = "all-pairs") { 1_000 } else { 16 };

    /// Nothing, but for the two features.
    fn leak(secret: &[u8; 32]) {
        if cfg!(feature = "leaky-branch") {
            black_box((0..=u8::MAX).position(|byte| byte == black_box(secret[9])));
        }
        if cfg!(feature = "leaky-address") {
            static TABLE: [u8; 256] = [0x5a; 256];
            black_box(black_box(&TABLE)[usize::from(secret[9])]);
        }
    }

    #[entry]
    fn main() -> ! {
        let mut random = Random::new();
        // Keys and digests of few and of many bits first: what random ones never are.
        let (mut one, mut high) = ([0; 32], [0xff; 32]);
        (one[31], high[0]) = (1, 0x7f);
        for pair in 0..PAIRS {
            let (secret, digest) = match pair {
                0 => (one, [0; 32]),
                1 => (high, [0xff; 32]),
                2 => (one, [0xff; 32]),
                _ => (random.bytes(), random.bytes()),
            };
            trace_begin();
            let signer = open(black_box(&secret));
            trace_end();
            let Some(mut signer) = signer else { panic!("no key") };
            trace_begin();
            let signature = signer.sign(black_box(&Digest(digest)));
            leak(&secret);
            trace_end();
            assert!(black_box(signature).is_ok());
        }
        hprintln!("pairs={}", PAIRS);
        finish()
    }
}

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
fn main() {}
