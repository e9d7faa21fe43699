// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver against a bus on which anything may be said: random bytes, random blocks with a right checksum, random
//! answers in right blocks. It neither panics nor waits beyond its bound, and nothing it says is a signature.

mod rig;

use std::{cell::Cell, rc::Rc};

use cairn::signer::{
    Digest, Signer as _,
    se050::{AlwaysOn, NXP_ATTESTATION_KEY, PlatformKeys, Se050, Settings},
    software::Secp256k1,
};
use embedded_hal::{
    delay::DelayNs,
    i2c::{ErrorKind, ErrorType, I2c, Operation},
};
use rig::{Counting, KEY, KEYS};

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

type Elapsed = Rc<Cell<u64>>;

struct Noise {
    random: Random,
    saying: Vec<u8>,
    /// N(S) of the chip's next I-block, as a well-behaved one would have it.
    sequence: u8,
}

struct Clock(Elapsed);

impl DelayNs for Clock {
    fn delay_ns(&mut self, ns: u32) {
        self.0.set(self.0.get() + u64::from(ns));
    }
}

impl ErrorType for Noise {
    type Error = ErrorKind;
}

impl Noise {
    /// What the chip says to a block.
    fn answer(&mut self, told: &[u8]) -> Vec<u8> {
        let random = &mut self.random;
        if random.below(12) == 0 {
            return (0..random.below(20)).map(|_| random.byte()).collect();
        }
        let pcb = match told.get(1) {
            // Mostly what was asked for.
            Some(supervisory @ 0xc0..=0xdf) if random.below(8) > 0 => supervisory | 0x20,
            Some(_) if random.below(8) > 0 => {
                self.sequence ^= 0x40;
                self.sequence ^ 0x40
            }
            _ => random.byte(),
        };
        if pcb == 0xef {
            self.sequence = 0;
        }
        let mut inf: Vec<u8> = match random.below(4) {
            0 => (0..random.below(250)).map(|_| random.byte()).collect(),
            1 => vec![0x41, 1, 1],
            2 => vec![0x41, 6, 0x30, 4, 2, 1, 1, random.byte()],
            _ => [0, 0xa0, 0, 0, 3, 0x96, 4, 0, 20, 0, 0xfe].to_vec(),
        };
        if pcb & 0x80 == 0 {
            inf.extend(if random.below(4) > 0 { [0x90, 0] } else { [0x69, random.byte()] });
        }
        let mut block = vec![0xa5, pcb, u8::try_from(inf.len()).unwrap()];
        block.extend(&inf);
        block.extend(crc(&block).to_le_bytes());
        block
    }
}

fn crc(bytes: &[u8]) -> u16 {
    let mut crc = 0xffff_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ 0x8408 } else { crc >> 1 };
        }
    }
    !crc
}

impl I2c for Noise {
    fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        for operation in operations {
            match operation {
                Operation::Write(_) if self.random.below(10) == 0 => return Err(ErrorKind::Bus),
                Operation::Write(block) => self.saying = self.answer(block),
                Operation::Read(_) if self.saying.is_empty() || self.random.below(10) == 0 => {
                    return Err(ErrorKind::Other);
                }
                Operation::Read(into) => {
                    for byte in into.iter_mut() {
                        *byte = if self.saying.is_empty() { 0xff } else { self.saying.remove(0) };
                    }
                }
            }
        }
        Ok(())
    }
}

#[test]
fn whatever_is_said_on_the_bus_the_driver_ends_with_an_error_in_time() {
    let settings = Settings::new(KEY);
    let bound_ns = u64::from(settings.bound_ms()) * 1_000_000;
    let mut heard = [0_u32; 4];
    for seed in 1..=400_u64 {
        let elapsed_ns = Elapsed::default();
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let noise = Noise { random, saying: Vec::new(), sequence: 0 };
        let keys = (seed % 3 == 0).then_some(PlatformKeys { version: 0x0b, enc: KEYS.enc, mac: KEYS.mac });
        let clock = Clock(elapsed_ns.clone());
        let mut driver = Se050::<Secp256k1, _, _, _, _>::new(noise, clock, AlwaysOn, Counting::new(), keys, settings);
        let mut within = |what: &str, ok: bool, slot: usize| {
            assert!(elapsed_ns.take() <= bound_ns, "{what}, seed {seed}");
            heard[slot] += u32::from(ok);
        };
        within("version", driver.version().is_ok(), 0);
        within("destroy", driver.destroy().is_ok(), 1);
        within("attest", driver.attest(NXP_ATTESTATION_KEY, &[0; 16]).is_ok(), 2);
        within("provision", driver.provision().is_ok(), 2);
        within("sign", driver.sign(&Digest([7; 32])).is_ok(), 3);
    }
    let [versions, _, keys_or_attestations, signatures] = heard;
    assert!(versions > 20, "{versions}: the noise is so loud that nothing behind the link was tested");
    assert_eq!((keys_or_attestations, signatures), (0, 0));
}
