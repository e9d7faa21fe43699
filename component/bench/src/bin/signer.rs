// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What making a signer and signing with it take. Which signer, the features choose.
#![cfg_attr(all(target_arch = "arm", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod image {
    use core::hint::black_box;

    use cairn::signer::{Digest, Signer as _};
    use cairn_bench::{Meter, cortex_m_semihosting::hprintln, entry, finish, open};

    #[entry]
    fn main() -> ! {
        let mut meter = Meter::start();
        let mut signer = None;
        meter.measure(|| signer = open(black_box(&[0x42; 32]))).print("new");
        let Some(mut signer) = signer else { panic!("no signer") };
        for fill in [0x17, 0, 0xff] {
            let mut signature = None;
            meter.measure(|| signature = signer.sign(black_box(&Digest([fill; 32]))).ok()).print("sign");
            let [a, b, c, d, ..] = signature.expect("it signs").0;
            // As the other numbers are printed: what formats it is in the empty image too.
            hprintln!("r_starts={}", u32::from_be_bytes([a, b, c, d]));
        }
        finish()
    }
}

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
fn main() {}
