// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stream of bits, most significant first: counted, written, read. Used by the delta coder only.

use super::WireError;

/// Where bits go. A counter measures without writing.
pub trait BitSink {
    /// Appends the low `count` bits of `bits` (at most 64), most significant first.
    ///
    /// # Errors
    /// [`WireError::BufferTooSmall`].
    fn put(&mut self, bits: u64, count: u32) -> Result<(), WireError>;
}

impl<T: BitSink + ?Sized> BitSink for &mut T {
    fn put(&mut self, bits: u64, count: u32) -> Result<(), WireError> {
        (**self).put(bits, count)
    }
}

/// Counts bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct BitCount(u64);

impl BitCount {
    /// Whole bytes that hold the bits so far.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0.div_ceil(8)
    }
}

impl BitSink for BitCount {
    fn put(&mut self, _: u64, count: u32) -> Result<(), WireError> {
        self.0 += u64::from(count);
        Ok(())
    }
}

/// Writes bits into a slice.
#[derive(Debug)]
pub struct BitWriter<'a> {
    out: &'a mut [u8],
    bits: usize,
}

impl<'a> BitWriter<'a> {
    /// Writes from the start of `out`, whose bytes are overwritten.
    #[must_use]
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { out, bits: 0 }
    }

    /// Bytes written; the last one is filled up with zero bits.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bits.div_ceil(8)
    }
}

impl BitSink for BitWriter<'_> {
    fn put(&mut self, bits: u64, count: u32) -> Result<(), WireError> {
        for position in (0..count).rev() {
            let shift = self.bits % 8;
            let byte = self.out.get_mut(self.bits / 8).ok_or(WireError::BufferTooSmall)?;
            if shift == 0 {
                *byte = 0;
            }
            if bits >> position & 1 == 1 {
                *byte |= 0x80 >> shift;
            }
            self.bits += 1;
        }
        Ok(())
    }
}

/// Reads bits from a slice.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) bits: usize,
}

impl BitReader<'_> {
    pub(super) fn take(&mut self, count: u32) -> Result<u64, WireError> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.bits / 8).ok_or(WireError::Malformed)?;
            value = value << 1 | u64::from(byte >> (7 - self.bits % 8) & 1);
            self.bits += 1;
        }
        Ok(value)
    }

    /// Whether only the zero bits that fill up the last byte are left.
    pub(super) fn is_spent(&self) -> bool {
        self.bits.div_ceil(8) == self.bytes.len()
            && (self.bits.is_multiple_of(8) || self.bytes.last().is_some_and(|last| last << (self.bits % 8) == 0))
    }
}
