// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A secret kept twice, so that a fault in either copy shows. The signers whose key is in this processor's memory hold
//! one and sign from each copy in turn. It compares nothing itself, and makes no third copy.

use core::{hint::black_box, ops::Deref};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 32 bytes twice, the second time with all bits inverted. Both are wiped when it is dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct GuardedSecret {
    pub(super) plain: [u8; 32],
    pub(super) inverted: [u8; 32],
}

impl GuardedSecret {
    /// Keeps `secret`, whatever it is: the signer knows what a secret is.
    #[inline(always)]
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        // Not in place: what is returned should be written once, where it stays.
        let mut inverted = Zeroizing::new(*secret);
        invert(&mut inverted);
        Self { plain: *secret, inverted: *inverted }
    }

    /// The first copy.
    #[must_use]
    pub const fn first(&self) -> &[u8; 32] {
        &self.plain
    }

    /// The second copy, turned round where it lies, and turned back when what is returned is dropped.
    #[must_use]
    pub fn second(&mut self) -> Restored<'_> {
        invert(&mut self.inverted);
        Restored(&mut self.inverted)
    }
}

/// The second copy of a [`GuardedSecret`] while it is used.
pub struct Restored<'a>(&'a mut [u8; 32]);

impl Deref for Restored<'_> {
    type Target = [u8; 32];

    fn deref(&self) -> &[u8; 32] {
        self.0
    }
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        invert(self.0);
    }
}

/// Inverts all bits where they lie. `black_box` keeps the compiler from seeing that both copies are the same.
#[inline(never)]
fn invert(bytes: &mut [u8; 32]) {
    for byte in black_box(bytes) {
        *byte = !*byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [0x42; 32];

    #[test]
    fn both_copies_are_the_secret_and_the_second_lies_inverted_before_and_after_its_use() {
        let mut secret = GuardedSecret::new(&SECRET);
        for _ in 0..2 {
            assert_eq!((secret.plain, secret.inverted), (SECRET, SECRET.map(|byte| !byte)));
            assert_eq!((*secret.first(), *secret.second()), (SECRET, SECRET));
        }
    }

    #[test]
    fn a_fault_in_one_copy_is_in_that_copy_only() {
        let mut secret = GuardedSecret::new(&SECRET);
        secret.inverted[3] ^= 1;
        assert_eq!(*secret.first(), SECRET);
        assert_ne!(*secret.second(), SECRET);
    }

    #[test]
    fn the_secret_is_wiped_when_it_is_dropped() {
        let mut secret = GuardedSecret::new(&SECRET);
        secret.zeroize();
        assert_eq!((secret.plain, secret.inverted), ([0; 32], [0; 32]));
        const fn drops<T: ZeroizeOnDrop>() {}
        drops::<GuardedSecret>();
    }
}
