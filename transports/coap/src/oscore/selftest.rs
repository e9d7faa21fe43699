// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Known answers of what the channel to the relay is made of: the AEAD and the derivation of its keys. A device's self-test makes
//! them beside those of `cairn::selftest`; nothing here is kept.

use core::hint::black_box;

use cairn::selftest::{Check, Primitive, agrees};

use super::{Context, Secrets, ccm};

/// AES-CCM-16-64-128 in both directions, and that a wrong tag is refused.
pub const AES_CCM: Check = Check { primitive: Primitive::AesCcm, passes: ccm_answers };

/// The keys and the common IV of a context.
pub const OSCORE_KEYS: Check = Check { primitive: Primitive::OscoreKeys, passes: context_answers };

/// What a build with this crate tests.
pub const CHECKS: &[Check] = &[AES_CCM, OSCORE_KEYS];

/// RFC 3610 section 8, packet vector 1: 8 bytes of additional data, 23 of text, M = 8.
fn ccm_answers() -> bool {
    let key: [u8; 16] = core::array::from_fn(|i| 0xc0 | low(i));
    let nonce = [0, 0, 0, 3, 2, 1, 0, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5];
    let additional: [u8; 8] = core::array::from_fn(low);
    let mut text: [u8; 31] = core::array::from_fn(|i| if i < 23 { 8 + low(i) } else { 0 });
    let plain = text;
    let sealed = ccm::encrypt(black_box(&key), &nonce, &additional, &mut text).is_ok()
        && agrees(Primitive::AesCcm, &text, &SEALED);
    let opened = ccm::decrypt(black_box(&key), &nonce, &additional, &mut text).is_ok() && text[..23] == plain[..23];
    let mut forged = SEALED;
    forged[30] ^= 1;
    sealed && opened && ccm::decrypt(&key, &nonce, &additional, &mut forged).is_err()
}

/// RFC 8613 appendix C.1.1.
fn context_answers() -> bool {
    let master_secret: [u8; 16] = core::array::from_fn(|i| 1 + low(i));
    let secrets = Secrets {
        master_secret: black_box(&master_secret),
        master_salt: &[0x9e, 0x7c, 0xa9, 0x22, 0x23, 0x78, 0x63, 0x40],
        id_context: None,
    };
    Context::derive(&secrets, &[], &[1]).is_ok_and(|context| {
        agrees(Primitive::OscoreKeys, &context.sender_key, &SENDER_KEY)
            && context.recipient_key == RECIPIENT_KEY
            && context.common_iv == COMMON_IV
    })
}

const fn low(i: usize) -> u8 {
    i.to_le_bytes()[0]
}

const SEALED: [u8; 31] = [
    0x58, 0x8c, 0x97, 0x9a, 0x61, 0xc6, 0x63, 0xd2, 0xf0, 0x66, 0xd0, 0xc2, 0xc0, 0xf9, 0x89, 0x80, 0x6d, 0x5f, 0x6b,
    0x61, 0xda, 0xc3, 0x84, 0x17, 0xe8, 0xd1, 0x2c, 0xfd, 0xf9, 0x26, 0xe0,
];
const SENDER_KEY: [u8; 16] =
    [0xf0, 0x91, 0x0e, 0xd7, 0x29, 0x5e, 0x6a, 0xd4, 0xb5, 0x4f, 0xc7, 0x93, 0x15, 0x43, 0x02, 0xff];
const RECIPIENT_KEY: [u8; 16] =
    [0xff, 0xb1, 0x4e, 0x09, 0x3c, 0x94, 0xc9, 0xca, 0xc9, 0x47, 0x16, 0x48, 0xb4, 0xf9, 0x87, 0x10];
const COMMON_IV: [u8; 13] = [0x46, 0x22, 0xd4, 0xdd, 0x6d, 0x94, 0x41, 0x68, 0xee, 0xfb, 0x54, 0x98, 0x7c];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_gives_its_known_answers() {
        assert_eq!(cairn::selftest::run(CHECKS), Ok(()));
    }
}
