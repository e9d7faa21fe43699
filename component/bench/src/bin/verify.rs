// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What checking a signature takes that was made elsewhere, and finding its recovery id.
#![cfg_attr(all(target_arch = "arm", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none", not(feature = "libsecp256k1")))]
mod image {
    use core::hint::black_box;

    use cairn::signer::{Digest, PublicKey, Signature, Signer as _};
    use cairn_bench::{Meter, cortex_m_semihosting::hprintln, entry, finish, open};

    /// Not inlined: a frame that is part of the meter's own is not measured.
    #[inline(never)]
    fn accepted(key: &PublicKey, digest: &Digest, signature: &Signature) -> bool {
        key.accept(digest, &signature.0).is_ok()
    }

    #[cfg(not(feature = "es256"))]
    #[inline(never)]
    fn recovered(key: &PublicKey, digest: &Digest, signature: &Signature) -> bool {
        key.y_parity(digest, signature).is_some()
    }

    #[entry]
    fn main() -> ! {
        let mut meter = Meter::start();
        let digest = Digest([0x17; 32]);
        let Some(mut signer) = open(&[0x42; 32]) else { panic!("no signer") };
        let (Ok(key), Ok(signature)) = (signer.public_key(), signer.sign(&digest)) else { panic!("no signature") };
        let mut good = false;
        let cost = meter.measure(|| good = black_box(accepted)(&key, black_box(&digest), &signature));
        assert!(good, "the key's own signature");
        hprintln!("accept_instructions={} accept_stack_bytes={}", cost.instructions, cost.stack_bytes);
        #[cfg(not(feature = "es256"))]
        {
            let cost = meter.measure(|| good = black_box(recovered)(&key, black_box(&digest), &signature));
            assert!(good, "the key's own signature");
            hprintln!("y_parity_instructions={} y_parity_stack_bytes={}", cost.instructions, cost.stack_bytes);
        }
        finish()
    }
}

#[cfg(all(target_arch = "arm", target_os = "none", feature = "libsecp256k1"))]
mod image {
    #[cairn_bench::entry]
    fn main() -> ! {
        cairn_bench::finish()
    }
}

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
fn main() {}
