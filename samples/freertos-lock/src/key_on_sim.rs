// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The key is on the SIM, in an applet of docs/sim-applet.md: signatures and datagrams share the modem. The other way is
//! key_in_flash.rs.

use alloc::boxed::Box;
use core::cell::RefCell;

use cairn::{
    factory::Factory,
    ports::Wait,
    signer::{
        Signer as _,
        sim::{Applet, SimSigner},
    },
    time::Millis,
};
use cairn_at_modem::sim::{Access, Shared, SimCard};
use freertos_next::{CurrentTask, Duration};

use crate::Modem;

/// Stack of the agent's task.
pub const STACK_BYTES: usize = 20 * 1024;
pub use cairn_at_modem::sim::APDU;

/// The applet, and how the modem lets commands through to it: one of each for the sample's tests.
#[cfg(not(feature = "sim-iot-safe"))]
const WAY: (Applet, Access) = (Applet::CAIRN_K1, Access::Channels);
#[cfg(feature = "sim-iot-safe")]
const WAY: (Applet, Access) = (Applet::iot_safe(&[1], &[2]), Access::Generic);

/// What signs.
pub type Signer = SimSigner<SimCard<Port, Naps>>;
/// What carries datagrams.
pub type Port = Shared<'static, Modem>;

/// Looks at the modem every five milliseconds, in which it says some 58 bytes. The task's notifications stay for the
/// agent.
pub struct Naps;

impl Wait for Naps {
    fn wait(&mut self, _: Option<Millis>) {
        CurrentTask::delay(Duration::ms(5));
    }
}

/// Reads the public key from the card.
#[inline(never)]
pub fn open(factory: &Factory, modem: Modem) -> (Signer, Port) {
    assert!(factory.private_key.is_none(), "the factory blob has a key: provision with --public-key");
    let port = Shared::new(Box::leak(Box::new(RefCell::new(modem))));
    let (applet, access) = WAY;
    let mut signer = SimSigner::new(SimCard::new(port, Naps, access), applet);
    signer.public_key().expect("a key on the SIM");
    (signer, port)
}
