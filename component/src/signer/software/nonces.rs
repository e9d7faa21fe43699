// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RFC 6979's nonces. ecdsa.rs draws them; they are the same for a curve of any order of 256 bits.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// The nonce of an attempt, counted from 0, to sign the digest whose reduction modulo the group's order is `hash`
/// (bits2octets, section 2.3.4); `extra` is appended to the seed as section 3.6 allows. It may be 0 or not below the
/// order. There hardly ever is a second attempt: it starts anew rather than keep the state on the stack during the
/// first.
#[inline(never)]
pub(super) fn nonce(secret: &[u8; 32], hash: &[u8; 32], extra: &[u8], attempt: usize) -> Zeroizing<[u8; 32]> {
    let mut generator = Generator { keyed: keyed(&[0; 32]), value: Zeroizing::new([1; 32]) };
    generator.seed(&[&[0], secret, hash, extra]);
    generator.seed(&[&[1], secret, hash, extra]);
    let mut nonce = generator.mac(&[]);
    for _ in 0..attempt {
        generator.value = nonce;
        generator.seed(&[&[0]]);
        nonce = generator.mac(&[]);
    }
    nonce
}

/// The HMAC_DRBG of section 3.2.
struct Generator {
    /// HMAC under K: each K is used twice or more, and setting it up costs half of a short message's time.
    keyed: Hmac<Sha256>,
    value: Zeroizing<[u8; 32]>,
}

/// An HMAC is two states of its hash and a buffer, which all wipe themselves when they are dropped.
const fn wipes_itself<T: ZeroizeOnDrop>() {}
const _: () = wipes_itself::<Sha256>();

impl Generator {
    /// K = HMAC(K, V ‖ parts), V = HMAC(K, V).
    fn seed(&mut self, parts: &[&[u8]]) {
        self.keyed = keyed(&self.mac(parts));
        self.value = self.mac(&[]);
    }

    /// HMAC(K, V ‖ parts).
    #[inline(never)]
    fn mac(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut mac = self.keyed.clone();
        mac.update(&*self.value);
        for part in parts {
            mac.update(part);
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

/// HMAC under `key`.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeros to the hash's block; doing it here leaves no error to handle.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    Hmac::new((&*block).into())
}
