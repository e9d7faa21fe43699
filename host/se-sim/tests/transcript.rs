// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the chip says while a key is read and two digests are signed, as the image `se050` of component/bench replays
//! it. It is compared with what is committed; `CAIRN_BLESS=1` writes it anew.

mod rig;

use std::{cell::RefCell, fmt::Write as _, fs, path::Path, rc::Rc};

use cairn::signer::{
    Digest, Signer as _,
    se050::{AlwaysOn, PlatformKeys, Se050, Settings},
    software::Secp256k1,
};
use cairn_se_sim::{Bus, Keys, Nack, Options};
use embedded_hal::i2c::{ErrorType, I2c, Operation};
use rig::{Counting, KEY, KEYS, Rig};

/// What was read, nothing where the chip did not acknowledge.
type Reads = Rc<RefCell<Vec<Vec<u8>>>>;

struct Tap(Bus, Reads);

impl ErrorType for Tap {
    type Error = Nack;
}

impl I2c for Tap {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Nack> {
        let result = self.0.transaction(address, operations);
        for operation in operations {
            if let Operation::Read(bytes) = operation {
                self.1.borrow_mut().push(if result.is_ok() { bytes.to_vec() } else { Vec::new() });
            }
        }
        result
    }
}

fn replies(keys: Option<Keys>) -> Vec<Vec<u8>> {
    let rig = Rig::new(Options { haste: u32::MAX, keys: keys.map(|keys| (keys, true)), ..Options::default() });
    rig.signer::<Secp256k1>(|_| {}).provision().unwrap();
    rig.chip(|chip| chip.power(true));
    let reads = Reads::default();
    let keys = keys.map(|Keys { version, enc, mac }| PlatformKeys { version, enc, mac });
    let bus = Tap(rig.board().bus(0x48), reads.clone());
    let settings = Settings::new(KEY);
    let mut signer =
        Se050::<Secp256k1, _, _, _, _>::new(bus, rig.board().clock(), AlwaysOn, Counting::new(), keys, settings);
    signer.public_key().unwrap();
    signer.sign(&Digest([0x17; 32])).unwrap();
    signer.sign_recoverable(&Digest([0x18; 32])).unwrap();
    reads.take()
}

#[test]
fn the_image_that_measures_the_driver_replays_what_the_chip_says_now() {
    let mut text = String::from(concat!(
        "// SPDX-License",
        "-Identifier: Apache-2.0 OR MIT\n",
        "//! What the simulated chip says to `se050`. Written by host/se-sim/tests/transcript.rs: `CAIRN_BLESS=1`.\n",
    ));
    for (name, what, keys) in [("PLAIN", "Without a channel.", None), ("PROTECTED", "With SCP03.", Some(KEYS))] {
        writeln!(text, "\n/// {what}\n#[rustfmt::skip]\npub(crate) const {name}: &[&[u8]] = &[").unwrap();
        for reply in replies(keys) {
            text.push_str("    &[");
            for (at, line) in reply.chunks(24).enumerate() {
                let bytes: Vec<_> = line.iter().map(ToString::to_string).collect();
                write!(text, "{}{}", if at > 0 { ",\n      " } else { "" }, bytes.join(",")).unwrap();
            }
            text.push_str("],\n");
        }
        text.push_str("];\n");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../component/bench/src/transcript.rs");
    if std::env::var_os("CAIRN_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).is_ok_and(|committed| committed == text), "run it with CAIRN_BLESS=1 and commit");
}
