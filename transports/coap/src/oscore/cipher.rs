// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AES-CCM-16-64-128 and HKDF-SHA-256 (RFC 5869) as RFC 8613 uses them: key derivation (section 3.2.1), nonce (5.2), additional data (5.4).
//! The CBOR is written by hand: every item here is shorter than 24 bytes, so each head is one byte.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    ID_CONTEXT_MAX, ID_MAX, PartialIv, Secrets,
    ccm::{self, Unsealed},
};

/// AES-128.
pub(super) const KEY_BYTES: usize = 16;
/// Common IV and nonce.
pub(super) const IV_BYTES: usize = 13;
/// The authentication tag at the end of a protected payload.
pub const TAG_BYTES: usize = 8;

/// SHA-256.
const HASH_BYTES: usize = 32;
/// AES-CCM-16-64-128 in the COSE registry.
const ALGORITHM: u8 = 10;
const CBOR_NULL: u8 = 0xf6;
/// Array head, id, ID Context or null, algorithm, type, length.
const INFO_MAX: usize = 1 + (1 + ID_MAX) + (1 + ID_CONTEXT_MAX) + 1 + 4 + 1;
/// ["Encrypt0", h'', h'external_aad'] with external_aad = [1, [10], kid, Partial IV, h''].
const AAD_MAX: usize = 1 + 9 + 1 + 1 + (1 + 1 + 2 + (1 + ID_MAX) + (1 + 5) + 1);

/// What a derived value is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// A sender or recipient key.
    Key,
    /// The Common IV.
    Iv,
}

/// CBOR of items shorter than 24 bytes, into a buffer sized for the longest.
struct Cbor<const MAX: usize> {
    bytes: [u8; MAX],
    length: usize,
}

impl<const MAX: usize> Cbor<MAX> {
    const fn new() -> Self {
        Self { bytes: [0; MAX], length: 0 }
    }

    fn raw(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // The buffers' sizes are derived from the longest content: nothing is cut here.
            if let Some(slot) = self.bytes.get_mut(self.length) {
                *slot = byte;
                self.length += 1;
            }
        }
    }

    /// A definite-length item of `major` type 2 or 3.
    #[allow(clippy::cast_possible_truncation)] // every string here is shorter than 24 bytes
    fn string(&mut self, major: u8, bytes: &[u8]) {
        debug_assert!(bytes.len() < 24);
        self.raw(&[major << 5 | bytes.len() as u8]);
        self.raw(bytes);
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;

/// `info` of RFC 8613 section 3.2.1.
fn info(id: &[u8], id_context: Option<&[u8]>, purpose: Purpose) -> Cbor<INFO_MAX> {
    let mut info = Cbor::new();
    info.raw(&[0x85]);
    info.string(BYTES, id);
    match id_context {
        Some(id_context) => info.string(BYTES, id_context),
        None => info.raw(&[CBOR_NULL]),
    }
    info.raw(&[ALGORITHM]);
    match purpose {
        Purpose::Key => {
            info.string(TEXT, b"Key");
            info.raw(&[0x10]);
        }
        Purpose::Iv => {
            info.string(TEXT, b"IV");
            info.raw(&[0x0d]);
        }
    }
    info
}

/// Fills `out`, at most [`HASH_BYTES`], with the value for `purpose`. The ids' lengths were checked.
pub(super) fn derive(secrets: &Secrets<'_>, id: &[u8], purpose: Purpose, out: &mut [u8]) {
    let info = info(id, secrets.id_context, purpose);
    let derived = hkdf(secrets.master_salt, secrets.master_secret, info.as_slice());
    for (out, derived) in out.iter_mut().zip(derived.iter()) {
        *out = *derived;
    }
}

/// The first block of HKDF-SHA-256: extract, then expand with counter 1 (RFC 5869 section 2).
fn hkdf(salt: &[u8], secret: &[u8], info: &[u8]) -> Zeroizing<[u8; HASH_BYTES]> {
    let extracted = hmac(salt, secret, &[]);
    hmac(&*extracted, info, &[1])
}

/// Not inlined: it is called twice for each of three values, and is most of the code.
#[inline(never)]
fn hmac(key: &[u8], first: &[u8], second: &[u8]) -> Zeroizing<[u8; HASH_BYTES]> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        debug_assert!(false, "HMAC takes keys of any length");
        return Zeroizing::default();
    };
    mac.update(first);
    mac.update(second);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// The nonce of RFC 8613 section 5.2, of the end with `id` and its number.
pub(super) fn nonce(common_iv: &[u8; IV_BYTES], id: &[u8], partial_iv: &PartialIv) -> [u8; IV_BYTES] {
    let mut nonce = *common_iv;
    let (head, number) = nonce.split_at_mut(IV_BYTES - 5);
    if let Some((length, padded_id)) = head.split_first_mut() {
        // The id's length was checked: at most 7.
        *length ^= u8::try_from(id.len()).unwrap_or_default();
        xor_right_aligned(padded_id, id);
    }
    xor_right_aligned(number, partial_iv.as_slice());
    nonce
}

fn xor_right_aligned(target: &mut [u8], bytes: &[u8]) {
    for (target, byte) in target.iter_mut().rev().zip(bytes.iter().rev()) {
        *target ^= byte;
    }
}

/// The additional data of RFC 8613 section 5.4, the same for a request and its responses.
#[allow(clippy::cast_possible_truncation)] // external_aad is shorter than 24 bytes
fn additional_data(request_kid: &[u8], request_iv: &PartialIv) -> Cbor<AAD_MAX> {
    let mut external = Cbor::<AAD_MAX>::new();
    external.raw(&[0x85, 1, 0x81, ALGORITHM]);
    external.string(BYTES, request_kid);
    external.string(BYTES, request_iv.as_slice());
    external.string(BYTES, b""); // class I options: there are none
    let mut aad = Cbor::new();
    aad.raw(&[0x83]);
    aad.string(TEXT, b"Encrypt0");
    aad.string(BYTES, b"");
    aad.string(BYTES, external.as_slice());
    aad
}

/// What a message is encrypted under.
pub(super) struct Sealing<'a> {
    pub(super) key: &'a [u8; KEY_BYTES],
    pub(super) nonce: &'a [u8; IV_BYTES],
    pub(super) request_kid: &'a [u8],
    pub(super) request_iv: &'a PartialIv,
}

impl Sealing<'_> {
    /// Encrypts in place and returns the tag.
    pub(super) fn encrypt(&self, text: &mut [u8]) -> Result<[u8; TAG_BYTES], Unsealed> {
        let aad = additional_data(self.request_kid, self.request_iv);
        ccm::encrypt(self.key, self.nonce, aad.as_slice(), text)
    }

    /// Decrypts in place; `text` is zeros when the tag is wrong.
    pub(super) fn decrypt(&self, text: &mut [u8], tag: &[u8; TAG_BYTES]) -> Result<(), Unsealed> {
        let aad = additional_data(self.request_kid, self.request_iv);
        ccm::decrypt(self.key, self.nonce, aad.as_slice(), text, tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8613 appendix C.1.1, C.2.1 and C.3.1.
    #[test]
    fn info_is_as_appendix_c_writes_it() {
        let with_context = &[0x37, 0xcb, 0xf3, 0x21, 0x00, 0x17, 0xa2, 0xd3][..];
        for (id, id_context, purpose, expected) in [
            (&[][..], None, Purpose::Key, "8540f60a634b657910"),
            (&[1], None, Purpose::Key, "854101f60a634b657910"),
            (&[], None, Purpose::Iv, "8540f60a6249560d"),
            (&[0], None, Purpose::Key, "854100f60a634b657910"),
            (&[], Some(with_context), Purpose::Key, "85404837cbf3210017a2d30a634b657910"),
            (&[1], Some(with_context), Purpose::Key, "8541014837cbf3210017a2d30a634b657910"),
            (&[], Some(with_context), Purpose::Iv, "85404837cbf3210017a2d30a6249560d"),
        ] {
            assert_eq!(hex::encode(info(id, id_context, purpose).as_slice()), expected);
        }
    }

    /// RFC 8613 appendix C.4 and C.5.
    #[test]
    fn additional_data_is_as_appendix_c_writes_it() {
        let number = PartialIv::new(20).unwrap();
        assert_eq!(hex::encode(additional_data(&[], &number).as_slice()), "8368456e63727970743040488501810a40411440");
        assert_eq!(
            hex::encode(additional_data(&[0], &number).as_slice()),
            "8368456e63727970743040498501810a4100411440"
        );
    }

    #[test]
    fn the_hkdf_crate_gives_the_same() {
        for (salt, secret, info) in
            [(&[][..], &[1; 16][..], &[][..]), (&[7; 8], &[2; 32], &[3; 23]), (&[9; 80], &[4; 5], &[5])]
        {
            let mut theirs = [0; HASH_BYTES];
            hkdf::Hkdf::<Sha256>::new(Some(salt), secret).expand(info, &mut theirs).unwrap();
            assert_eq!(*hkdf(salt, secret, info), theirs);
        }
    }

    #[test]
    fn the_longest_ids_and_numbers_fit_the_buffers() {
        let longest = info(&[1; ID_MAX], Some(&[2; ID_CONTEXT_MAX]), Purpose::Key);
        assert_eq!(longest.length, INFO_MAX);
        let number = PartialIv::new(super::super::NUMBER_END - 1).unwrap();
        assert_eq!(additional_data(&[1; ID_MAX], &number).length, AAD_MAX);
    }

    /// RFC 8613 appendix C.1.1: sender and recipient nonce, C.4: nonce.
    #[test]
    fn nonces_are_as_appendix_c_writes_them() {
        let common_iv = [0x46, 0x22, 0xd4, 0xdd, 0x6d, 0x94, 0x41, 0x68, 0xee, 0xfb, 0x54, 0x98, 0x7c];
        for (id, number, expected) in [
            (&[][..], 0, "4622d4dd6d944168eefb54987c"),
            (&[1], 0, "4722d4dd6d944169eefb54987c"),
            (&[], 20, "4622d4dd6d944168eefb549868"),
        ] {
            assert_eq!(hex::encode(nonce(&common_iv, id, &PartialIv::new(number).unwrap())), expected);
        }
    }
}
