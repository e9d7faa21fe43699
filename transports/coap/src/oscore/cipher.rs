// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AES-CCM-16-64-128 and HKDF-SHA-256 as RFC 8613 uses them: key derivation (section 3.2.1), nonce (5.2), additional data (5.4).
//! The CBOR is written by hand: every item here is shorter than 24 bytes, so each head is one byte.

use cairn::sha256::{FaultWatch, HASH_BYTES, hkdf};

use super::{DeriveError, ID_CONTEXT_MAX, ID_MAX, PartialIv, Secrets, ccm};

/// AES-128.
pub(super) const KEY_BYTES: usize = 16;
/// Common IV and nonce.
pub(super) const IV_BYTES: usize = 13;
/// The authentication tag at the end of a protected payload.
pub const TAG_BYTES: usize = 8;

/// Why a text was not encrypted or decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsealed {
    /// The tag is wrong.
    Forged,
    /// Longer than CCM encrypts (65535 bytes), or shorter than a tag.
    Length,
    /// The platform's AES-CCM failed.
    #[cfg(feature = "psa-aead")]
    Platform,
}

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

/// Fills `out`, which one hash fills, with the value for `purpose`. The ids' lengths were checked. Never inlined: it is called for
/// each of three values.
///
/// # Errors
/// [`DeriveError::Hash`]: a hash failed, and what is in `out` is no secret.
#[inline(never)]
pub(super) fn derive(secrets: &Secrets<'_>, id: &[u8], purpose: Purpose, out: &mut [u8]) -> Result<(), DeriveError> {
    debug_assert!(out.len() <= HASH_BYTES);
    let info = info(id, secrets.id_context, purpose);
    let mut watch = FaultWatch::new();
    hkdf(secrets.master_salt, secrets.master_secret, &[info.as_slice()], out);
    if watch.failed() { Err(DeriveError::Hash) } else { Ok(()) }
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
    /// Encrypts in place what is before the last [`TAG_BYTES`] of `text`, which become the tag.
    pub(super) fn encrypt(&self, text: &mut [u8]) -> Result<(), Unsealed> {
        let aad = additional_data(self.request_kid, self.request_iv);
        ccm::encrypt(self.key, self.nonce, aad.as_slice(), text)
    }

    /// Decrypts in place what is before the last [`TAG_BYTES`] of `text`, which are its tag; on an error nothing of it is left.
    pub(super) fn decrypt(&self, text: &mut [u8]) -> Result<(), Unsealed> {
        let aad = additional_data(self.request_kid, self.request_iv);
        ccm::decrypt(self.key, self.nonce, aad.as_slice(), text)
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
