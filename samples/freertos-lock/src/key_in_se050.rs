// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The key is in a secure element of the SE050 family, which generated it and vouches for it. Without a factory blob the
//! lock has the chip generate its key, says the public half and stops: `cairn provision --public-key` makes the blob. The
//! other ways are key_in_flash.rs and key_on_sim.rs.

use alloc::boxed::Box;
use core::cell::RefCell;

use cairn::{
    endorsement::{SecureElementRoot, endorsement_max, secure_element::SE050_TOKEN_MAX},
    factory::Factory,
    signer::{
        Signer as _,
        se050::{NXP_ATTESTATION_KEY, ObjectId, PlatformKeys, Provisioned, Se050, Settings, SharedChip},
        software::Secp256k1,
    },
};

use crate::{
    LockAgent, Modem,
    board::{self, HostEntropy},
    bridge::{Bridge, Bus, Clock, Gate},
    say,
};

/// Stack of the agent's task.
pub const STACK_BYTES: usize = 20 * 1024;
/// Nothing is asked of the SIM.
pub const APDU: usize = 0;

/// The ledger key's place on the chip.
const KEY: ObjectId = ObjectId(0x2000_0001);

/// Platform keys that the chip was given on the bench (docs/signers.md, Provisioning). A PRODUCT draws its own for each
/// device and keeps them in its flash: these are in everybody's sources.
const PLATFORM: PlatformKeys = PlatformKeys { version: 0x0b, enc: *b"QEMU only: Key-E", mac: *b"QEMU only: Key-M" };

type Chip = Se050<Secp256k1, Bus, Clock, Gate, HostEntropy>;

/// What signs.
pub type Signer = SharedChip<'static, Chip>;
/// What carries datagrams.
pub type Port = Modem;
/// What vouches for the key.
pub type Root = SecureElementRoot<'static, Chip>;

fn chip() -> &'static RefCell<Chip> {
    let bridge = Box::leak(Box::new(Bridge::new()));
    let settings = Settings::new(KEY);
    let chip = Se050::new(Bus(bridge), Clock(bridge), Gate(bridge), HostEntropy, Some(PLATFORM), settings);
    Box::leak(Box::new(RefCell::new(chip)))
}

/// The chip's key, as the factory wants it: generated now, unless the chip has one.
#[inline(never)]
pub fn provision() -> ! {
    let (key, provisioned) = chip().borrow_mut().provision().expect("a key in the chip");
    let how = match provisioned {
        Provisioned::Generated => "generated",
        Provisioned::Existed => "found",
    };
    say!("lock: no factory blob; key {how} in the chip: {}", Hex(&key.compressed()));
    loop {
        cortex_m::asm::wfi();
    }
}

/// Reads the public key from the chip.
#[inline(never)]
pub fn open(factory: &Factory, modem: Modem) -> (Signer, Root, Port) {
    assert!(factory.private_key.is_none(), "the factory blob has a key: provision with --public-key");
    let chip = chip();
    let mut signer = SharedChip::new(chip);
    signer.public_key().expect("a key in the chip");
    (signer, SecureElementRoot::new(chip, NXP_ATTESTATION_KEY), modem)
}

/// Answers the nonce that the bench left in the board's memory, when there is one.
#[inline(never)]
pub fn answer_bench(agent: &mut LockAgent, factory: &Factory, mut root: Root) {
    let Some(nonce) = board::nonce() else { return };
    let mut out = [0; endorsement_max(SE050_TOKEN_MAX)];
    match agent.endorse(nonce, &factory.kid, &mut root, &mut out) {
        Ok(length) => {
            say!("lock: endorsement {}", Hex(out.get(..length).unwrap_or_default()));
        }
        Err(error) => {
            say!("lock: no endorsement: {error:?}");
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
