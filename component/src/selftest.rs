// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Known answers of every primitive this build is configured with. A device makes them at boot or when it is asked to, before it
//! trusts itself with a key; they take about as long as three signatures and leave nothing behind. What another crate has,
//! CCM for one, that crate tests with [`Check`]s of its own.

use core::hint::black_box;

use crate::{
    keccak::keccak256,
    sha256::{Digest as _, Sha256, hkdf, hmac},
    signer::{
        Digest, Signature, Signer,
        software::{Curve, CurveSigner, Secp256k1},
    },
};

/// What is tested. The numbers are those of `cairn_primitive_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Primitive {
    /// SHA-256 (FIPS 180-4).
    Sha256 = 1,
    /// HMAC-SHA-256 (RFC 2104).
    HmacSha256 = 2,
    /// HKDF-SHA-256 (RFC 5869).
    HkdfSha256 = 3,
    /// Keccak-256, as Ethereum has it.
    Keccak256 = 4,
    /// Public keys and deterministic signatures on secp256k1 in software.
    Es256k = 5,
    /// The same on P-256.
    Es256 = 6,
    /// AES-128 in both directions (FIPS 197): the channel to a secure element.
    Aes128 = 7,
    /// AES-CMAC (RFC 4493): the same.
    AesCmac = 8,
    /// AES Key Wrap (RFC 3394): keys at rest.
    AesKeyWrap = 9,
    /// AES-CCM-16-64-128 (RFC 3610): the channel to the relay. Tested by the crate that has it.
    AesCcm = 10,
    /// The derivation of that channel's keys (RFC 8613 section 3.2.1). The same.
    OscoreKeys = 11,
    /// The signer's own key, where an accelerator or an element keeps it: what it signs is verified.
    Signer = 12,
}

/// The known answers of one primitive.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Whose they are.
    pub primitive: Primitive,
    /// Computes them, and says whether they are as known.
    pub passes: fn() -> bool,
}

impl Check {
    /// SHA-256.
    pub const SHA256: Self = Self { primitive: Primitive::Sha256, passes: sha256_answers };
    /// HMAC-SHA-256.
    pub const HMAC_SHA256: Self = Self { primitive: Primitive::HmacSha256, passes: hmac_answers };
    /// HKDF-SHA-256.
    pub const HKDF_SHA256: Self = Self { primitive: Primitive::HkdfSha256, passes: hkdf_answers };
    /// Keccak-256.
    pub const KECCAK256: Self = Self { primitive: Primitive::Keccak256, passes: keccak_answers };
    /// The software signer on secp256k1. About as long, and as deep in stack, as a guarded signature.
    pub const ES256K: Self = Self { primitive: Primitive::Es256k, passes: es256k_answers };
    /// The same on P-256.
    #[cfg(feature = "es256")]
    pub const ES256: Self = Self { primitive: Primitive::Es256, passes: es256_answers };
    /// AES-128.
    #[cfg(feature = "signer-se050")]
    pub const AES128: Self = Self { primitive: Primitive::Aes128, passes: aes_answers };
    /// AES-CMAC.
    #[cfg(feature = "signer-se050")]
    pub const AES_CMAC: Self = Self { primitive: Primitive::AesCmac, passes: cmac_answers };
    /// AES Key Wrap.
    #[cfg(feature = "key-store")]
    pub const AES_KEY_WRAP: Self = Self { primitive: Primitive::AesKeyWrap, passes: key_wrap_answers };
}

/// Every check of this crate as it is built, in the order they are made. A build that leaves a primitive unused tests it with a
/// list of its own, so that it is not linked for the test's sake.
pub const CHECKS: &[Check] = &[
    Check::SHA256,
    Check::HMAC_SHA256,
    Check::HKDF_SHA256,
    Check::KECCAK256,
    Check::ES256K,
    #[cfg(feature = "es256")]
    Check::ES256,
    #[cfg(feature = "signer-se050")]
    Check::AES128,
    #[cfg(feature = "signer-se050")]
    Check::AES_CMAC,
    #[cfg(feature = "key-store")]
    Check::AES_KEY_WRAP,
];

/// Tests every primitive of [`CHECKS`].
///
/// # Errors
/// The first primitive that does not give its known answer: the device must not make, use or send anything then.
pub fn selftest() -> Result<(), Primitive> {
    run(CHECKS)
}

/// Makes `checks` in their order.
///
/// # Errors
/// The first primitive that does not give its known answer.
pub fn run(checks: &[Check]) -> Result<(), Primitive> {
    checks.iter().try_for_each(|check| if (check.passes)() { Ok(()) } else { Err(check.primitive) })
}

/// Whether `primitive` gave what is known: where every check ends. Not in constant time, for nothing here is secret.
#[must_use]
#[cfg(not(feature = "sabotage"))]
pub fn agrees(_: Primitive, answer: &[u8], known: &[u8]) -> bool {
    answer == known
}

/// The same; one bit of the answer of the primitive that was broken is another.
#[must_use]
#[cfg(feature = "sabotage")]
pub fn agrees(primitive: Primitive, answer: &[u8], known: &[u8]) -> bool {
    let flip = u8::from(BROKEN.load(core::sync::atomic::Ordering::Relaxed) == primitive as u8);
    let mut bytes = answer.iter();
    let first = bytes.next().map(|byte| byte ^ flip);
    known.split_first().is_some_and(|(known, rest)| first == Some(*known) && bytes.as_slice() == rest)
}

#[cfg(feature = "sabotage")]
static BROKEN: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0);

/// From now on the primitive of this number gives wrong answers to its checks; 0 mends it.
#[cfg(feature = "sabotage")]
pub fn sabotage(number: u8) {
    BROKEN.store(number, core::sync::atomic::Ordering::Relaxed);
}

fn sha256_answers() -> bool {
    agrees(Primitive::Sha256, &Sha256::digest(black_box(SHA256_MESSAGE)), &SHA256_ANSWER)
}

fn keccak_answers() -> bool {
    agrees(Primitive::Keccak256, &keccak256(&[black_box(&[])]), &KECCAK256_ANSWER)
}

fn es256k_answers() -> bool {
    signer_answers::<Secp256k1>(Primitive::Es256k, &ES256K)
}

#[cfg(feature = "es256")]
fn es256_answers() -> bool {
    signer_answers::<crate::signer::software::P256>(Primitive::Es256, &ES256)
}

#[cfg(feature = "signer-se050")]
fn aes_answers() -> bool {
    use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
    let key: [u8; 16] = core::array::from_fn(|i| i.to_le_bytes()[0]);
    let plain: [u8; 16] = key.map(|byte| byte << 4 | byte);
    let cipher = aes::Aes128::new(black_box(&key).into());
    let mut block = black_box(plain).into();
    cipher.encrypt_block(&mut block);
    let encrypted = agrees(Primitive::Aes128, &block, &AES_ANSWER);
    cipher.decrypt_block(&mut block);
    encrypted && block == plain
}

#[cfg(feature = "signer-se050")]
fn cmac_answers() -> bool {
    use cmac::{KeyInit as _, Mac as _};
    let mut mac = cmac::Cmac::<aes::Aes128>::new(black_box(&CMAC_KEY).into());
    mac.update(black_box(&CMAC_MESSAGE));
    agrees(Primitive::AesCmac, &mac.finalize().into_bytes(), &CMAC_ANSWER)
}

#[cfg(feature = "key-store")]
fn key_wrap_answers() -> bool {
    use aes_kw::{KwAes128, aes::cipher::KeyInit as _};
    let kek: [u8; 16] = core::array::from_fn(|i| i.to_le_bytes()[0]);
    let plain: [u8; 16] = kek.map(|byte| byte << 4 | byte);
    let cipher = KwAes128::new(black_box(&kek).into());
    let (mut wrapped, mut back) = ([0; 24], [0; 16]);
    let both = cipher.wrap_key(black_box(&plain), &mut wrapped).is_ok()
        && cipher.unwrap_key(&KEY_WRAP_ANSWER, &mut back).is_ok();
    both && agrees(Primitive::AesKeyWrap, &wrapped, &KEY_WRAP_ANSWER) && back == plain
}

fn hmac_answers() -> bool {
    agrees(Primitive::HmacSha256, &*hmac(black_box(HMAC_KEY), &[black_box(HMAC_MESSAGE)]), &HMAC_ANSWER)
}

fn hkdf_answers() -> bool {
    let mut out = [0; 42];
    let salt: [u8; 13] = core::array::from_fn(|i| i.to_le_bytes()[0]);
    let info: [u8; 10] = core::array::from_fn(|i| 0xf0 | i.to_le_bytes()[0]);
    hkdf(&salt, black_box(&[0x0b; 22]), &[&info], &mut out);
    agrees(Primitive::HkdfSha256, &out, &HKDF_ANSWER)
}

/// A key, its public point, a digest and its signature, low-S.
struct Known {
    secret: [u8; 32],
    xy: [u8; 64],
    digest: [u8; 32],
    signature: [u8; 64],
}

/// The secret of the known answer that [`es256k_signs`] compares with: no secret at all.
pub const ES256K_SECRET: [u8; 32] = ES256K.secret;

/// Whether a signer over [`ES256K_SECRET`], deterministic, in software of another crate, gives the known public key and signature.
pub fn es256k_signs(signer: &mut impl Signer) -> bool {
    signs(Primitive::Es256k, signer, &ES256K)
}

fn signer_answers<C: Curve>(primitive: Primitive, known: &Known) -> bool {
    CurveSigner::<C>::new(black_box(&known.secret)).is_ok_and(|mut signer| signs(primitive, &mut signer, known))
}

fn signs(primitive: Primitive, signer: &mut impl Signer, known: &Known) -> bool {
    signer.public_key().is_ok_and(|key| key.xy == known.xy)
        && signer
            .sign(black_box(&Digest(known.digest)))
            .is_ok_and(|Signature(signature)| agrees(primitive, &signature, &known.signature))
}

/// FIPS 180-4's example of two blocks.
const SHA256_MESSAGE: &[u8] = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
const SHA256_ANSWER: [u8; 32] = [
    0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8, 0xe5, 0xc0, 0x26, 0x93, 0x0c, 0x3e, 0x60, 0x39, 0xa3, 0x3c, 0xe4,
    0x59, 0x64, 0xff, 0x21, 0x67, 0xf6, 0xec, 0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1,
];
/// RFC 4231 section 4.3.
const HMAC_KEY: &[u8] = b"Jefe";
const HMAC_MESSAGE: &[u8] = b"what do ya want for nothing?";
const HMAC_ANSWER: [u8; 32] = [
    0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f,
    0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
];
/// RFC 5869 appendix A.1.
const HKDF_ANSWER: [u8; 42] = [
    0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d, 0x2d, 0x0a,
    0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf, 0x34, 0x00, 0x72, 0x08, 0xd5, 0xb8,
    0x87, 0x18, 0x58, 0x65,
];
/// Of nothing: the code hash of an account without code.
const KECCAK256_ANSWER: [u8; 32] = [
    0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d, 0xb2, 0xdc, 0xc7, 0x03, 0xc0, 0xe5, 0x00, 0xb6,
    0x53, 0xca, 0x82, 0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70,
];
/// FIPS 197 appendix C.1.
#[cfg(feature = "signer-se050")]
const AES_ANSWER: [u8; 16] =
    [0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a];
/// RFC 4493 section 4, example 3: 40 bytes, so that the last block is padded.
#[cfg(feature = "signer-se050")]
const CMAC_KEY: [u8; 16] =
    [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];
#[cfg(feature = "signer-se050")]
const CMAC_MESSAGE: [u8; 40] = [
    0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a,
    0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51, 0x30, 0xc8, 0x1c, 0x46, 0xa3, 0x5c,
    0xe4, 0x11,
];
#[cfg(feature = "signer-se050")]
const CMAC_ANSWER: [u8; 16] =
    [0xdf, 0xa6, 0x67, 0x47, 0xde, 0x9a, 0xe6, 0x30, 0x30, 0xca, 0x32, 0x61, 0x14, 0x97, 0xc8, 0x27];
/// RFC 3394 section 4.1.
#[cfg(feature = "key-store")]
const KEY_WRAP_ANSWER: [u8; 24] = [
    0x1f, 0xa6, 0x8b, 0x0a, 0x81, 0x12, 0xb4, 0x47, 0xae, 0xf3, 0x4b, 0xd8, 0xfb, 0x5a, 0x7b, 0x82, 0x9d, 0x3e, 0x86,
    0x23, 0x71, 0xd2, 0xcf, 0xe5,
];
/// tests/vectors/rfc6979.json, secp256k1-k3-sample.
const ES256K: Known = Known {
    secret: [
        0x8e, 0x40, 0xb9, 0x72, 0xbf, 0xfb, 0xec, 0x31, 0x9d, 0xe6, 0x0f, 0x54, 0x4a, 0x8e, 0xa9, 0x82, 0x23, 0x3c,
        0xf8, 0x27, 0x7f, 0x8d, 0x86, 0x3c, 0xc9, 0x42, 0x78, 0x9f, 0x8a, 0x1c, 0x09, 0xdb,
    ],
    xy: [
        0xfa, 0x55, 0x5a, 0x27, 0xb1, 0x7b, 0x96, 0xd2, 0x2b, 0x5f, 0xa2, 0x02, 0xd4, 0xed, 0x92, 0x98, 0xef, 0x82,
        0x80, 0x90, 0x29, 0x82, 0x59, 0xa2, 0x8b, 0x8c, 0x8a, 0xbb, 0xc6, 0xc2, 0x24, 0x1e, 0xff, 0x56, 0x5d, 0x30,
        0x02, 0x1e, 0x4f, 0x94, 0xb2, 0x50, 0xc5, 0x9b, 0xc8, 0xa9, 0xc8, 0xd3, 0xe9, 0xb2, 0xa4, 0xd7, 0x7e, 0xdb,
        0x17, 0xf5, 0xdf, 0x0f, 0x47, 0x8d, 0xe1, 0x00, 0x52, 0x3c,
    ],
    digest: [
        0xaf, 0x2b, 0xdb, 0xe1, 0xaa, 0x9b, 0x6e, 0xc1, 0xe2, 0xad, 0xe1, 0xd6, 0x94, 0xf4, 0x1f, 0xc7, 0x1a, 0x83,
        0x1d, 0x02, 0x68, 0xe9, 0x89, 0x15, 0x62, 0x11, 0x3d, 0x8a, 0x62, 0xad, 0xd1, 0xbf,
    ],
    signature: [
        0x9f, 0x85, 0xec, 0xc8, 0xc9, 0xab, 0xa4, 0x92, 0x69, 0x37, 0xab, 0xf1, 0x2b, 0x41, 0x7b, 0x9c, 0x2b, 0xcc,
        0x31, 0x56, 0x1b, 0x7d, 0xb5, 0xdb, 0x3f, 0x1b, 0x72, 0x75, 0xcd, 0x88, 0x7f, 0xf2, 0x76, 0xa0, 0xdf, 0xc1,
        0x28, 0x8c, 0x99, 0x89, 0xcf, 0x54, 0xad, 0x96, 0x64, 0x75, 0x0e, 0x8f, 0xb1, 0x90, 0xd3, 0x24, 0x7a, 0x65,
        0x6f, 0x5f, 0x8d, 0x4c, 0x9a, 0x19, 0xa1, 0xce, 0x55, 0x8d,
    ],
};
/// RFC 6979 appendix A.2.5, message "sample", with s in the lower half.
#[cfg(feature = "es256")]
const ES256: Known = Known {
    secret: [
        0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c, 0x21, 0x57, 0x67, 0xb1, 0xd6, 0x93, 0x4e, 0x50,
        0xc3, 0xdb, 0x36, 0xe8, 0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f, 0x67, 0x21,
    ],
    xy: [
        0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68, 0xc0, 0x49,
        0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6, 0x79, 0x03, 0xfe, 0x10,
        0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64, 0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e,
        0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99,
    ],
    digest: [
        0xaf, 0x2b, 0xdb, 0xe1, 0xaa, 0x9b, 0x6e, 0xc1, 0xe2, 0xad, 0xe1, 0xd6, 0x94, 0xf4, 0x1f, 0xc7, 0x1a, 0x83,
        0x1d, 0x02, 0x68, 0xe9, 0x89, 0x15, 0x62, 0x11, 0x3d, 0x8a, 0x62, 0xad, 0xd1, 0xbf,
    ],
    signature: [
        0xef, 0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8, 0xfd, 0x11, 0x40, 0xdd, 0x9c, 0xd4, 0x5e, 0x81, 0xd6, 0x9d, 0x2c,
        0x87, 0x7b, 0x56, 0xaa, 0xf9, 0x91, 0xc3, 0x4d, 0x0e, 0xa8, 0x4e, 0xaf, 0x37, 0x16, 0x08, 0x34, 0xe3, 0x6a,
        0xd2, 0x9a, 0x83, 0xbf, 0x2b, 0xc9, 0x38, 0x5e, 0x49, 0x1d, 0x60, 0x99, 0xc8, 0xfd, 0xf9, 0xd1, 0xed, 0x67,
        0xaa, 0x7e, 0xa5, 0xf5, 0x1f, 0x93, 0x78, 0x28, 0x57, 0xa9,
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::software::P256;

    #[test]
    fn every_primitive_gives_its_known_answer() {
        assert_eq!(selftest(), Ok(()));
        assert_eq!(CHECKS.len(), 9);
        for (i, check) in CHECKS.iter().enumerate() {
            assert_eq!(check.primitive as usize, 1 + i);
        }
    }

    #[test]
    fn a_wrong_bit_anywhere_in_a_signers_answer_is_noticed() {
        let passes = |known: &Known| signer_answers::<Secp256k1>(Primitive::Es256k, known);
        for bit in 0..512 {
            let byte_and_mask = (bit / 8, 1 << (bit % 8));
            let mut wrong = [Known { ..ES256K }, Known { ..ES256K }];
            wrong[0].xy[byte_and_mask.0] ^= byte_and_mask.1;
            wrong[1].signature[byte_and_mask.0] ^= byte_and_mask.1;
            // A public key is wrong at once, a signature only after two: a sample of those.
            assert!(!passes(&wrong[0]), "public key, bit {bit}");
            assert!(bit % 32 != 0 || !passes(&wrong[1]), "signature, bit {bit}");
        }
        assert!(!signer_answers::<P256>(Primitive::Es256, &ES256K), "another curve");
        assert!(!passes(&Known { secret: [0; 32], ..ES256K }), "no secret");
    }

    #[test]
    fn an_answer_that_is_cut_short_or_another_is_no_known_answer() {
        for wrong in [&[1, 2][..], &[1, 2, 4], &[0, 2, 3], &[1, 2, 3, 0], &[]] {
            assert!(!agrees(Primitive::Sha256, wrong, &[1, 2, 3]), "{wrong:?}");
        }
        assert!(agrees(Primitive::Sha256, &[1, 2, 3], &[1, 2, 3]));
    }
}
