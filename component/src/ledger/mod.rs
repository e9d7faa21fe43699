// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chain adapters: what a device writes and signs when it speaks a ledger's own language (wallet mode), and the encodings they
//! share. Called by the agent and the host; holds no keys and does no I/O.
//!
//! Every encoder writes to a [`Sink`]: a caller's buffer, a length, or a hash, so that nothing is ever held twice.
//!
//! [`rlp`] and [`abi`] are Ethereum's encodings, [`value`] what the ABI and [`eip712`] encode, [`evm`] its transactions and
//! signed messages.

use crate::keccak::Keccak;

pub mod abi;
pub mod eip712;
pub mod evm;
pub mod rlp;
pub mod value;

/// Where encoded bytes go. It never refuses: a buffer that is full goes on counting.
pub trait Sink {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Keccak {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// Counts bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Length(pub usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

/// The buffer is too small; its content is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferTooSmall {
    /// How many bytes there are.
    pub needed: usize,
}

/// A caller's buffer, filled from its start.
#[derive(Debug)]
pub struct Buffer<'b> {
    bytes: &'b mut [u8],
    length: Length,
}

impl<'b> Buffer<'b> {
    /// An empty buffer over `bytes`.
    #[must_use]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, length: Length(0) }
    }

    /// How many bytes were written.
    ///
    /// # Errors
    /// [`BufferTooSmall`] when they did not fit.
    pub fn finish(self) -> Result<usize, BufferTooSmall> {
        let needed = self.length.0;
        if needed <= self.bytes.len() { Ok(needed) } else { Err(BufferTooSmall { needed }) }
    }
}

impl Sink for Buffer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let start = self.length.0;
        self.length.put(bytes);
        if let Some(place) = self.bytes.get_mut(start..self.length.0) {
            place.copy_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_too_small_says_how_much_is_needed_and_stays_within_itself() {
        let mut memory = [0xee; 8];
        let mut buffer = Buffer::new(&mut memory[..4]);
        buffer.put(&[1, 2, 3]);
        buffer.put(&[4, 5]);
        buffer.put(&[6]);
        assert_eq!(buffer.finish(), Err(BufferTooSmall { needed: 6 }));
        assert_eq!(memory[4..], [0xee; 4]);
        let mut buffer = Buffer::new(&mut memory);
        buffer.put(&[1, 2, 3, 4]);
        buffer.put(&[]);
        buffer.put(&[5, 6, 7, 8]);
        assert_eq!(buffer.finish(), Ok(8));
        assert_eq!(memory, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
