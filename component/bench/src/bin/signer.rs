// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What making a signer and signing with it take. With feature `es256` on P-256, else on secp256k1.
#![cfg_attr(all(target_arch = "arm", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod image {
    use core::hint::black_box;

    #[cfg(feature = "es256")]
    use cairn::signer::software::P256Signer as Measured;
    #[cfg(not(feature = "es256"))]
    use cairn::signer::software::SoftwareSigner as Measured;
    use cairn::signer::{Digest, Signer as _};
    use cairn_bench::{Meter, cortex_m_semihosting::hprintln, entry, finish};

    #[entry]
    fn main() -> ! {
        let mut meter = Meter::start();
        let mut signer = None;
        let cost = meter.measure(|| signer = Measured::new(black_box(&[0x42; 32])).ok());
        hprintln!("new_instructions={} new_stack_bytes={}", cost.instructions, cost.stack_bytes);
        let Some(mut signer) = signer else { panic!("no signer") };
        for fill in [0x17, 0, 0xff] {
            let mut signature = None;
            let cost = meter.measure(|| signature = signer.sign(black_box(&Digest([fill; 32]))).ok());
            hprintln!("sign_instructions={} sign_stack_bytes={}", cost.instructions, cost.stack_bytes);
            hprintln!("r_starts={:02x?}", signature.map(|signature| [signature.0[0], signature.0[1], signature.0[2]]));
        }
        finish()
    }
}

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
fn main() {}
