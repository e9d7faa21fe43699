// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The 256-bit word in which Ethereum counts and encodes. Used by anchors and ledger adapters; never does arithmetic.

/// 32 bytes: an unsigned integer big-endian, a signed one in two's complement, or shorter bytes padded on the right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(pub [u8; 32]);

impl Word {
    /// All bits zero.
    pub const ZERO: Self = Self([0; 32]);

    /// `bytesN`: up to 32 bytes, padded on the right; `None` for more.
    #[must_use]
    pub fn from_left(bytes: &[u8]) -> Option<Self> {
        let mut word = [0; 32];
        word.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self(word))
    }

    /// An unsigned integer of up to 32 bytes big-endian; `None` for more.
    #[must_use]
    pub fn from_right(bytes: &[u8]) -> Option<Self> {
        let mut word = [0; 32];
        word.get_mut(32_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
        Some(Self(word))
    }

    /// The unsigned integer without leading zero bytes; nothing for zero.
    #[must_use]
    pub fn minimal(&self) -> &[u8] {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        self.0.get(zeros..).unwrap_or_default()
    }
}

impl From<u128> for Word {
    fn from(value: u128) -> Self {
        let mut word = [0; 32];
        word[16..].copy_from_slice(&value.to_be_bytes());
        Self(word)
    }
}

impl From<i128> for Word {
    fn from(value: i128) -> Self {
        let mut word = [if value < 0 { 0xff } else { 0 }; 32];
        word[16..].copy_from_slice(&value.to_be_bytes());
        Self(word)
    }
}

impl From<u64> for Word {
    fn from(value: u64) -> Self {
        Self::from(u128::from(value))
    }
}

impl From<i64> for Word {
    fn from(value: i64) -> Self {
        Self::from(i128::from(value))
    }
}

impl From<u32> for Word {
    fn from(value: u32) -> Self {
        Self::from(u128::from(value))
    }
}

impl From<u8> for Word {
    fn from(value: u8) -> Self {
        Self::from(u128::from(value))
    }
}

impl From<bool> for Word {
    fn from(value: bool) -> Self {
        Self::from(u8::from(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_big_endian_and_negative_ones_twos_complement() {
        assert_eq!(Word::from(0_u64), Word::ZERO);
        let mut expected = [0; 32];
        expected[30..].copy_from_slice(&[1, 2]);
        assert_eq!(Word::from(258_u32), Word(expected));
        assert_eq!(Word::from(258_u128), Word(expected));
        assert_eq!(Word::from(258_i64), Word(expected));
        assert_eq!(Word::from(-1_i64), Word([0xff; 32]));
        let mut minimum = [0xff; 32];
        minimum[16] = 0x80;
        minimum[17..].fill(0);
        assert_eq!(Word::from(i128::MIN), Word(minimum));
        assert_eq!(Word::from(true), Word::from(1_u8));
    }

    #[test]
    fn bytes_pad_on_their_side_and_33_do_not_fit() {
        assert_eq!(Word::from_left(&[0xde, 0xad]).unwrap().0[..3], [0xde, 0xad, 0]);
        assert_eq!(Word::from_right(&[0xde, 0xad]).unwrap().0[29..], [0, 0xde, 0xad]);
        assert_eq!(Word::from_left(&[7; 32]), Some(Word([7; 32])));
        assert_eq!(Word::from_right(&[7; 32]), Some(Word([7; 32])));
        assert_eq!(Word::from_left(&[7; 33]), None);
        assert_eq!(Word::from_right(&[7; 33]), None);
    }

    #[test]
    fn minimal_drops_leading_zero_bytes_only() {
        assert_eq!(Word::ZERO.minimal(), []);
        assert_eq!(Word::from(0x0100_u32).minimal(), [1, 0]);
        assert_eq!(Word([0xff; 32]).minimal(), [0xff; 32]);
    }
}
