// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two checksums of the journal. Nibble by nibble: 64 bytes of table instead of a kilobyte, and flash is slower anyway.

/// CRC-32 (ISO-HDLC: reflected 0x04C11DB7, all ones in, inverted out), computed piece by piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc32(u32);

const NIBBLES: [u32; 16] = {
    let mut table = [0; 16];
    let mut index = 0;
    while index < 16 {
        #[allow(clippy::cast_possible_truncation, reason = "index is below 16")]
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

impl Crc32 {
    pub(crate) const fn new() -> Self {
        Self(u32::MAX)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let low = self.0 ^ u32::from(byte);
            let crc = (self.0 >> 4) ^ NIBBLES[(low & 15) as usize];
            let high = crc ^ u32::from(byte >> 4);
            self.0 = (crc >> 4) ^ NIBBLES[(high & 15) as usize];
        }
    }

    pub(crate) const fn value(self) -> u32 {
        !self.0
    }
}

/// CRC-32 of one slice.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    crc.update(bytes);
    crc.value()
}

/// CRC-8 (SMBus: polynomial 0x07, zero in): every error of up to three bits in a head is found.
pub(crate) fn crc8(bytes: &[u8]) -> u8 {
    let mut crc = 0_u8;
    for &byte in bytes {
        crc ^= byte;
        for _ in 0..8 {
            crc = if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x07 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_s_check_values_come_out() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc8(b"123456789"), 0xf4);
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let mut crc = Crc32::new();
        crc.update(b"1234");
        crc.update(b"");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xcbf4_3926);
    }
}
