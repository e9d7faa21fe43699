// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which applet on the card signs, and with which of its keys. Constants an integrator chooses from; no logic.

use crate::signer::Algorithm;

/// An applet and the key pair in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applet {
    /// Application id, 5 to 16 bytes (ISO/IEC 7816-4 section 8.2.1.2).
    pub aid: &'static [u8],
    /// What its keys sign.
    pub alg: Algorithm,
    /// Id of the private key, 1 to 20 bytes; the card's issuer says.
    pub private_key: &'static [u8],
    /// Id of the public key that belongs to it.
    pub public_key: &'static [u8],
}

/// Application id of IoT SAFE applets: RID A000000559 of the GSMA, 0010 (GSMA IoT.05).
pub const IOT_SAFE_AID: &[u8] = &[0xA0, 0x00, 0x00, 0x05, 0x59, 0x00, 0x10];

/// Application id of Cairn's secp256k1 applet: F for ids that nobody registers (ISO/IEC 7816-4 section 8.2.1.2), then
/// "CAIRN", "K1".
pub const CAIRN_K1_AID: &[u8] = &[0xF0, b'C', b'A', b'I', b'R', b'N', b'K', b'1'];

impl Applet {
    /// GSMA IoT SAFE with a P-256 key: relay roots, not `direct`. There are no ids that every card has.
    #[cfg(feature = "es256")]
    #[must_use]
    pub const fn iot_safe(private_key: &'static [u8], public_key: &'static [u8]) -> Self {
        Self { aid: IOT_SAFE_AID, alg: Algorithm::Es256, private_key, public_key }
    }

    /// The secp256k1 applet of docs/sim-applet.md: one key pair under its fixed ids.
    pub const CAIRN_K1: Self =
        Self { aid: CAIRN_K1_AID, alg: Algorithm::Es256k, private_key: &[0x01], public_key: &[0x02] };
}
