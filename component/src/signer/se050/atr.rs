// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the chip says of itself when the connection starts: block waiting time and information size. Called by the
//! link; does no I/O.

/// What the link uses of an answer to reset (UM11225 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Atr {
    /// BWT: the longest the chip takes to begin a block, in milliseconds.
    pub(super) block_wait_ms: u16,
    /// IFSC: the largest INF the chip takes, 1 to 254 bytes.
    pub(super) information_bytes: u8,
}

impl Atr {
    /// Reads protocol version (1 byte), vendor id (5), length of the data link parameters (1), block waiting time in
    /// milliseconds (2) and information size (2); the rest is about the bus. `None` when that is not there or makes no
    /// sense.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (_version_and_vendor, rest) = bytes.split_first_chunk::<6>()?;
        let (parameters_bytes, rest) = rest.split_first()?;
        let parameters = rest.get(..usize::from(*parameters_bytes))?;
        let (wait, rest) = parameters.split_first_chunk::<2>()?;
        let (size, _) = rest.split_first_chunk::<2>()?;
        let information_bytes = u8::try_from(u16::from_be_bytes(*size)).ok().filter(|size| (1..=254).contains(size))?;
        Some(Self { block_wait_ms: u16::from_be_bytes(*wait), information_bytes })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What an SE050 answered, as published.
    pub(in super::super) const SEEN: [u8; 35] = [
        0x00, 0xa0, 0x00, 0x00, 0x03, 0x96, 0x04, 0x03, 0xe8, 0x00, 0xfe, 0x02, 0x0b, 0x03, 0xe8, 0x08, 0x01, 0x00,
        0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x0a, 0x4a, 0x43, 0x4f, 0x50, 0x34, 0x20, 0x41, 0x54, 0x50, 0x4f,
    ];

    #[test]
    fn a_real_chips_answer_is_read() {
        assert_eq!(Atr::parse(&SEEN), Some(Atr { block_wait_ms: 1_000, information_bytes: 254 }));
    }

    #[test]
    fn half_an_answer_or_an_impossible_size_is_none() {
        for bytes in 0..11 {
            assert_eq!(Atr::parse(&SEEN[..bytes]), None, "{bytes}");
        }
        for size in [[0, 0], [0, 255], [1, 0]] {
            let mut atr = SEEN;
            atr[9..11].copy_from_slice(&size);
            assert_eq!(Atr::parse(&atr), None);
        }
        let mut atr = SEEN;
        atr[6] = 3;
        assert_eq!(Atr::parse(&atr), None, "no room for the size");
    }
}
