// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The key comes with the factory blob and signs in this processor. The other way is key_on_sim.rs.

use cairn::{factory::Factory, signer::software::SoftwareSigner};

use crate::{Modem, board::HostEntropy};

/// Stack of the agent's task.
pub const STACK_BYTES: usize = 18 * 1024;
/// Nothing is asked of the SIM.
pub const APDU: usize = 0;

/// What signs.
pub type Signer = SoftwareSigner<HostEntropy>;
/// What carries datagrams.
pub type Port = Modem;

/// Derives the public key: as deep in stack as a signature, so it must not have the agent under it.
#[inline(never)]
pub fn open(factory: &Factory, modem: Modem) -> (Signer, Port) {
    let key = factory.private_key.as_ref().expect("a key in the factory blob");
    (SoftwareSigner::with_entropy(key, HostEntropy).expect("a key on the curve"), modem)
}
