// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keccak-256 as Ethereum uses it (0x01 padding, not SHA3-256). Used by key ids, anchors and every ledger adapter; holds no
//! secrets.
//!
//! The sponge is here, the permutation is crate `keccak` 0.1: on a Cortex-M3 at opt-level s the rolled loops of 0.2 (which
//! `sha3` 0.12 uses) take almost three times as many instructions. docs/footprint.md has the numbers.

/// Bytes absorbed per permutation: 1600 bits of state less twice the length of the hash.
const RATE_BYTES: usize = 136;

const LANE_BYTES: usize = 8;

/// A hash under way: bytes go by once, nothing is buffered by the caller.
#[derive(Clone, Default)]
pub struct Keccak {
    state: [u64; 25],
    /// Bytes absorbed since the last permutation, below [`RATE_BYTES`].
    absorbed: usize,
}

impl Keccak {
    /// A hash of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.xor(self.absorbed, *byte);
            self.absorbed += 1;
            if self.absorbed == RATE_BYTES {
                keccak::f1600(&mut self.state);
                self.absorbed = 0;
            }
        }
    }

    /// The hash of everything appended.
    #[must_use]
    pub fn finalize(mut self) -> [u8; 32] {
        self.xor(self.absorbed, 0x01);
        self.xor(RATE_BYTES - 1, 0x80);
        keccak::f1600(&mut self.state);
        let mut hash = [0; 32];
        for (bytes, lane) in hash.chunks_exact_mut(LANE_BYTES).zip(self.state) {
            bytes.copy_from_slice(&lane.to_le_bytes());
        }
        hash
    }

    fn xor(&mut self, at: usize, byte: u8) {
        if let Some(lane) = self.state.get_mut(at / LANE_BYTES) {
            *lane ^= u64::from(byte) << (8 * (at % LANE_BYTES));
        }
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
