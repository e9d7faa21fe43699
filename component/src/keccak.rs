// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keccak-256 as Ethereum uses it (0x01 padding, not SHA3-256): the one place that knows which implementation is behind it.
//! Used by key ids, anchors and every ledger adapter; holds no secrets.

use sha3::{Digest as _, Keccak256};

/// A hash under way: bytes go by once, nothing is buffered by the caller.
#[derive(Clone, Default)]
pub struct Keccak(Keccak256);

impl Keccak {
    /// A hash of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of everything appended.
    #[must_use]
    pub fn finalize(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Keccak-256 of the concatenation of `parts`.
#[must_use]
pub fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Keccak::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize()
}
