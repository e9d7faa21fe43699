// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RFC 6979's nonces. ecdsa.rs draws them; they are the same for a curve of any order of 256 bits.
//!
//! The hashes are the crates', taken without the wrappers that move them about: a key is two states of 40 bytes, and one
//! block is shared by all messages.

use hmac::{
    KeyInit as _,
    block_api::HmacCore,
    digest::block_api::{Buffer, FixedOutputCore as _, UpdateCore as _},
};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// The nonce of an attempt, counted from 0, to sign the digest whose reduction modulo the group's order is `hash`
/// (bits2octets, section 2.3.4), to `nonce`; `extra` is appended to the seed as section 3.6 allows. It may be 0 or not
/// below the order. There hardly ever is a second attempt: it starts anew rather than keep the state on the stack during
/// the first.
#[inline(never)]
pub(super) fn draw(nonce: &mut [u8; 32], secret: &[u8; 32], hash: &[u8; 32], extra: &[u8], attempt: usize) {
    *nonce = [1; 32];
    let mut generator = Generator { keyed: keyed(&[0; 32]), value: nonce };
    generator.seed(&[&[0], secret, hash, extra]);
    generator.seed(&[&[1], secret, hash, extra]);
    generator.step();
    for _ in 0..attempt {
        generator.seed(&[&[0]]);
        generator.step();
    }
}

/// HMAC-SHA-256 under a key.
type Keyed = HmacCore<Sha256>;

/// The HMAC_DRBG of section 3.2.
struct Generator<'a> {
    /// HMAC under K: each K is used twice or more, and setting it up costs half of a short message's time.
    keyed: Keyed,
    /// V, which is a nonce after each last step.
    value: &'a mut [u8; 32],
}

/// An HMAC is two of these, which wipe themselves when they are dropped, as a block does.
const fn wipes_itself<T: ZeroizeOnDrop>() {}
const _: () = wipes_itself::<Sha256>();
const _: () = wipes_itself::<Buffer<Keyed>>();

impl Generator<'_> {
    /// K = HMAC(K, V ‖ parts), V = HMAC(K, V).
    #[inline(never)]
    fn seed(&mut self, parts: &[&[u8]]) {
        let mut key = Zeroizing::new(*self.value);
        mac(&self.keyed, &mut key, parts);
        self.keyed = keyed(&key);
        self.step();
    }

    /// V = HMAC(K, V).
    fn step(&mut self) {
        mac(&self.keyed, self.value, &[]);
    }
}

/// Replaces `value` by HMAC(K, value ‖ parts).
#[inline(never)]
fn mac(keyed: &Keyed, value: &mut [u8; 32], parts: &[&[u8]]) {
    let mut keyed = keyed.clone();
    let mut block = Buffer::<Keyed>::default();
    let mut update = |part: &[u8]| block.digest_blocks(part, |blocks| keyed.update_blocks(blocks));
    update(value);
    for part in parts {
        update(part);
    }
    keyed.finalize_fixed_core(&mut block, value.into());
}

/// HMAC under `key`.
#[inline(never)]
fn keyed(key: &[u8; 32]) -> Keyed {
    // HMAC pads a short key with zeros to the hash's block; doing it here leaves no error to handle.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    Keyed::new((&*block).into())
}
