// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers to bytes and back, for headers and entries. Nothing here can fail but by running out of bytes.

use heapless::{Vec, VecView};

/// Appends to a buffer that is long enough by construction: the layouts above have constant lengths.
pub(super) fn put<const N: usize>(out: &mut Vec<u8, N>, bytes: &[u8]) {
    append(out, bytes);
}

/// One for buffers of every length, and not inlined: a header has 26 of them.
#[inline(never)]
fn append(out: &mut VecView<u8>, bytes: &[u8]) {
    let fits = out.extend_from_slice(bytes).is_ok();
    debug_assert!(fits, "a layout is longer than its buffer");
}

/// LEB128.
pub(super) fn put_varint<const N: usize>(out: &mut Vec<u8, N>, mut value: u64) {
    while value >= 0x80 {
        put(out, &[(value & 0x7f) as u8 | 0x80]);
        value >>= 7;
    }
    put(out, &[(value & 0x7f) as u8]);
}

/// Folds the sign of a difference into its lowest bit, so that small differences of either sign are short.
pub(super) const fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (0_u64.wrapping_sub(difference >> 63))
}

pub(super) const fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (0_u64.wrapping_sub(value & 1))
}

/// Takes fixed pieces off the front of a slice.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// Where the piece lies: a long one is copied once, to where it stays.
    pub(super) fn try_piece<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (piece, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(piece)
    }

    pub(super) fn try_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.try_piece().copied()
    }

    pub(super) fn try_u32(&mut self) -> Option<u32> {
        self.try_array().map(u32::from_le_bytes)
    }

    pub(super) fn try_u64(&mut self) -> Option<u64> {
        self.try_array().map(u64::from_le_bytes)
    }

    /// LEB128 of at most 64 bits.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let [byte] = self.try_array()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    // A header has a constant length: what follows reads zero past its end rather than being asked whether there is more.
    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        self.try_array().unwrap_or([0; N])
    }

    pub(super) fn u8(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_the_base_take_few_bytes_and_wrap_nowhere() {
        for (time, base) in [(0, 0), (900_000, 0), (0, 900_000), (u64::MAX, 0), (0, u64::MAX), (u64::MAX, u64::MAX)] {
            assert_eq!(base.wrapping_add(unzigzag(zigzag(time.wrapping_sub(base)))), time);
        }
        assert_eq!((zigzag(1), zigzag(u64::MAX), zigzag(0)), (2, 1, 0));
    }
}
