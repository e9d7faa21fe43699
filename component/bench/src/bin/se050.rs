// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the driver of a secure element takes, without the chip: a bus replays what the simulated one said.
#![cfg_attr(all(target_arch = "arm", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none"))]
#[path = "../transcript.rs"]
#[allow(dead_code, reason = "one of its two is replayed")]
mod transcript;

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod image {
    use core::hint::black_box;

    use cairn::{
        ports::{Entropy, NoEntropy},
        signer::{
            Digest, Signer as _,
            se050::{AlwaysOn, ObjectId, PlatformKeys, Se050, Settings},
            software::Secp256k1,
        },
    };
    use cairn_bench::{Meter, cortex_m_semihosting::hprintln, entry, finish};
    use embedded_hal::{
        delay::DelayNs,
        i2c::{ErrorKind, ErrorType, I2c, Operation},
    };

    use super::transcript;

    /// A name, and what is measured.
    type Step = (&'static str, fn(&mut Driver) -> bool);

    type Driver = Se050<Secp256k1, Replay, Instantly, AlwaysOn, Counting>;

    /// Says what the chip said, whatever it is told.
    struct Replay(core::slice::Iter<'static, &'static [u8]>);

    impl ErrorType for Replay {
        type Error = ErrorKind;
    }

    impl I2c for Replay {
        fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
            for operation in operations {
                if let Operation::Read(into) = operation {
                    let said = self.0.next().filter(|said| said.len() == into.len()).ok_or(ErrorKind::Other)?;
                    into.copy_from_slice(said);
                }
            }
            Ok(())
        }
    }

    struct Instantly;

    impl DelayNs for Instantly {
        fn delay_ns(&mut self, _: u32) {}
    }

    /// As in host/se-sim/tests/rig: a channel replays only with the challenges it was recorded with.
    struct Counting(u64);

    impl Entropy for Counting {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            for chunk in out.chunks_mut(8) {
                self.0 += 1;
                chunk.iter_mut().zip(self.0.to_be_bytes()).for_each(|(to, from)| *to = from);
            }
            Ok(())
        }
    }

    /// Not inlined, as all of these: a frame that is part of the meter's own is not measured.
    #[inline(never)]
    fn key(driver: &mut Driver) -> bool {
        driver.public_key().is_ok()
    }

    #[inline(never)]
    fn sign(driver: &mut Driver) -> bool {
        driver.sign(black_box(&Digest([0x17; 32]))).is_ok()
    }

    #[inline(never)]
    fn sign_recoverable(driver: &mut Driver) -> bool {
        driver.sign_recoverable(black_box(&Digest([0x18; 32]))).is_ok()
    }

    #[entry]
    fn main() -> ! {
        let mut meter = Meter::start();
        let (said, keys) = if cfg!(feature = "scp03") {
            (transcript::PROTECTED, Some(PlatformKeys { version: 0x0b, enc: [0x35; 16], mac: [0xa7; 16] }))
        } else {
            (transcript::PLAIN, None)
        };
        let settings = Settings::new(ObjectId(0x2000_0001));
        let mut driver = Driver::new(Replay(said.iter()), Instantly, AlwaysOn, Counting(0), keys, settings);
        hprintln!("driver_bytes={}", size_of::<Driver>());
        let steps: [Step; 3] = [("key", key), ("sign", sign), ("sign_recoverable", sign_recoverable)];
        for (name, step) in steps {
            let mut good = false;
            let cost = meter.measure(|| good = black_box(step)(&mut driver));
            assert!(good, "the transcript is another driver's");
            hprintln!("{}_instructions={} {}_stack_bytes={}", name, cost.instructions, name, cost.stack_bytes);
        }
        finish()
    }
}

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
fn main() {}
