// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SHA-256, and HMAC (RFC 2104) and HKDF (RFC 5869) over it: this build's own, or with feature `psa-hash` the platform's
//! PSA Crypto. Every module hashes through here, except where a secret is drawn or sealed (`signer::software`,
//! `keys`): a hash that can fail has no place there, since a nonce that fails gives the key away.
//!
//! A hash in hardware can fail, and no caller could go on without it. It then gives zeros and is counted; whoever writes,
//! signs or sends what was hashed asks a [`FaultWatch`] first, and does not. In software nothing fails: the watch is
//! empty and its question costs nothing.

use zeroize::Zeroizing;

#[cfg(feature = "psa-hash")]
pub use cairn_psa_crypto::Sha256;
#[cfg(not(feature = "psa-hash"))]
pub use sha2::Sha256;
pub use sha2::digest::Digest;

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// Bytes that the hash takes in at a time: what HMAC pads a key to.
const BLOCK_BYTES: usize = 64;

/// Notices hashes that fail. Hashes of several tasks at a time may make each other look failed.
#[derive(Clone, Debug)]
pub struct FaultWatch {
    #[cfg(feature = "psa-hash")]
    seen: u32,
}

impl FaultWatch {
    /// Watches from now on.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a watch begins at a moment, which a default does not have")]
    pub fn new() -> Self {
        Self {
            #[cfg(feature = "psa-hash")]
            seen: cairn_psa_crypto::hash_faults(),
        }
    }

    /// Whether a hash failed since the watch began or was last asked.
    #[cfg(feature = "psa-hash")]
    pub fn failed(&mut self) -> bool {
        let now = cairn_psa_crypto::hash_faults();
        core::mem::replace(&mut self.seen, now) != now
    }

    /// Whether a hash failed since the watch began or was last asked: never, in software.
    #[cfg(not(feature = "psa-hash"))]
    #[allow(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as in hardware")]
    pub const fn failed(&mut self) -> bool {
        false
    }
}

/// HMAC-SHA-256 of `parts`, one after the other, under a key of any length.
#[must_use]
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; HASH_BYTES]> {
    let mut mac = Hmac::new(key);
    for part in parts {
        mac.inner.update(part);
    }
    mac.finalize()
}

/// HKDF-SHA-256: fills `out`, at most 255 hashes long, from `secret` for the purpose that the parts of `info` name together.
/// No salt is an empty one. What is longer than that stays as it is.
pub fn hkdf(salt: &[u8], secret: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let extracted = hmac(salt, &[secret]);
    let mut block = Zeroizing::new([0; HASH_BYTES]);
    for (chunk, counter) in out.chunks_mut(HASH_BYTES).zip(1..=u8::MAX) {
        let mut mac = Hmac::new(&*extracted);
        if counter > 1 {
            mac.inner.update(block.as_slice());
        }
        for part in info {
            mac.inner.update(part);
        }
        mac.inner.update([counter]);
        block = mac.finalize();
        chunk.iter_mut().zip(block.iter()).for_each(|(to, from)| *to = *from);
    }
}

/// An HMAC that is being fed. The states of its hash wipe themselves.
struct Hmac {
    inner: Sha256,
    /// The key, padded to a block, under the outer hash's mask.
    outer: Zeroizing<[u8; BLOCK_BYTES]>,
}

impl Hmac {
    /// Not inlined, as what follows: they are called from few places, and are most of the code there.
    #[inline(never)]
    fn new(key: &[u8]) -> Self {
        const INNER: u8 = 0x36;
        const OUTER: u8 = 0x5c;
        let mut pad = Zeroizing::new([0; BLOCK_BYTES]);
        let mut hashed = Zeroizing::default();
        let short = if key.len() > BLOCK_BYTES { digest_into(key, &mut hashed) } else { key };
        pad.iter_mut().zip(short).for_each(|(pad, byte)| *pad = *byte);
        pad.iter_mut().for_each(|byte| *byte ^= INNER);
        let inner = Sha256::new_with_prefix(pad.as_slice());
        pad.iter_mut().for_each(|byte| *byte ^= INNER ^ OUTER);
        Self { inner, outer: pad }
    }

    #[inline(never)]
    fn finalize(self) -> Zeroizing<[u8; HASH_BYTES]> {
        let hashed = Zeroizing::new(<[u8; HASH_BYTES]>::from(self.inner.finalize()));
        let mut outer = Sha256::new_with_prefix(self.outer.as_slice());
        outer.update(hashed.as_slice());
        Zeroizing::new(outer.finalize().into())
    }
}

fn digest_into<'a>(bytes: &[u8], out: &'a mut Zeroizing<[u8; HASH_BYTES]>) -> &'a [u8] {
    **out = Sha256::digest(bytes).into();
    &**out
}

#[cfg(test)]
mod tests {
    use std::vec;

    use proptest::prelude::*;
    use sha2::Sha256 as Independent;

    use super::*;

    proptest! {
        #[test]
        fn the_hmac_and_hkdf_crates_give_the_same(
            key in prop::collection::vec(any::<u8>(), 0..200),
            salt in prop::collection::vec(any::<u8>(), 0..100),
            (first, second) in (prop::collection::vec(any::<u8>(), 0..200), prop::collection::vec(any::<u8>(), 0..70)),
            length in 0_usize..150,
        ) {
            use ::hmac::{KeyInit as _, Mac as _};
            let mut theirs = ::hmac::Hmac::<Independent>::new_from_slice(&key).unwrap();
            theirs.update(&first);
            theirs.update(&second);
            prop_assert_eq!(&hmac(&key, &[&first, &second])[..], &theirs.finalize().into_bytes()[..]);

            let (mut ours, mut theirs) = (vec![0; length], vec![0; length]);
            hkdf(&salt, &key, &[&first, &second], &mut ours);
            ::hkdf::Hkdf::<Independent>::new(Some(&salt), &key)
                .expand_multi_info(&[&first, &second], &mut theirs)
                .unwrap();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn no_more_than_255_hashes_are_derived() {
        let mut out = vec![0; 255 * HASH_BYTES + 1];
        hkdf(&[], &[1; 32], &[], &mut out);
        assert_eq!(out.last(), Some(&0));
        assert_ne!(out[254 * HASH_BYTES..255 * HASH_BYTES], [0; HASH_BYTES]);
    }
}
