// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Blocks of T=1 over I2C as NXP's UM11225 lays them out: NAD, PCB, LEN, up to 254 bytes of INF, CRC. Called by the
//! link; encodes and decodes, does no I/O and keeps no state.

/// Node address of a block to the chip (UM11225 section 2.1.1.1).
pub(super) const NAD_TO_CHIP: u8 = 0x5a;

/// Node address of a block from the chip.
pub(super) const NAD_TO_HOST: u8 = 0xa5;

/// NAD, PCB, LEN.
pub(super) const HEADER_BYTES: usize = 3;

/// The largest INF: LEN is one byte and 255 is reserved (ISO/IEC 7816-3 section 11.3.2.3).
pub(super) const INF_BYTES: usize = 254;

/// The checksum, low byte first.
pub(super) const CRC_BYTES: usize = 2;

/// The largest block.
pub(super) const BLOCK_BYTES: usize = HEADER_BYTES + INF_BYTES + CRC_BYTES;

/// What an S-block is about, bits 1 to 5 of its PCB (UM11225 table 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Supervision {
    /// Both sides start their sequence numbers at zero.
    Resynchronise = 0x00,
    /// The largest INF the sender takes; INF is that size.
    InformationSize = 0x01,
    /// The chain is given up.
    Abort = 0x02,
    /// The chip needs a multiple of the block waiting time; INF is the multiple.
    WaitingTime = 0x03,
    /// The host has no more APDUs: the chip may save power.
    EndOfSession = 0x05,
    /// The chip restarts.
    ChipReset = 0x06,
    /// INF of the response is the ATR.
    GetAtr = 0x07,
    /// The logical connection starts again; INF of the response is the ATR.
    SoftReset = 0x0f,
}

impl Supervision {
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x00 => Self::Resynchronise,
            0x01 => Self::InformationSize,
            0x02 => Self::Abort,
            0x03 => Self::WaitingTime,
            0x05 => Self::EndOfSession,
            0x06 => Self::ChipReset,
            0x07 => Self::GetAtr,
            0x0f => Self::SoftReset,
            _ => return None,
        })
    }
}

/// Why an R-block asks for a block again (ISO/IEC 7816-3 section 11.3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Complaint {
    /// None: the block is an acknowledgement.
    None = 0,
    /// The checksum was wrong.
    Checksum = 1,
    /// Anything else.
    Other = 2,
}

/// A protocol control byte (UM11225 section 2.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pcb {
    /// A part of an APDU.
    Information {
        /// N(S).
        sequence: bool,
        /// M: the APDU goes on in the sender's next I-block.
        more: bool,
    },
    /// An acknowledgement, or a complaint.
    Ready {
        /// N(R): the sequence number of the I-block awaited.
        awaited: bool,
        /// What was wrong with the last block.
        complaint: Complaint,
    },
    /// A supervisory request.
    Request(Supervision),
    /// The answer to one.
    Response(Supervision),
}

impl Pcb {
    /// The byte.
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Information { sequence, more } => (sequence as u8) << 6 | (more as u8) << 5,
            Self::Ready { awaited, complaint } => 0x80 | (awaited as u8) << 4 | complaint as u8,
            Self::Request(supervision) => 0xc0 | supervision as u8,
            Self::Response(supervision) => 0xe0 | supervision as u8,
        }
    }

    /// The meaning of `byte`; `None` when reserved bits are set or the S-block is unknown.
    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte >> 6 {
            0 | 1 if byte & 0x1f == 0 => Some(Self::Information { sequence: byte & 0x40 != 0, more: byte & 0x20 != 0 }),
            2 if byte & 0x2c == 0 => {
                let complaint = match byte & 0x03 {
                    0 => Complaint::None,
                    1 => Complaint::Checksum,
                    _ => Complaint::Other,
                };
                Some(Self::Ready { awaited: byte & 0x10 != 0, complaint })
            }
            3 => match Supervision::from_bits(byte & 0x1f) {
                Some(supervision) if byte & 0x20 != 0 => Some(Self::Response(supervision)),
                Some(supervision) => Some(Self::Request(supervision)),
                None => None,
            },
            _ => None,
        }
    }
}

/// Writes a block to the chip into `block` and returns its bytes. What of `inf` exceeds [`INF_BYTES`] is not written.
pub(super) fn emit<'b>(block: &'b mut [u8; BLOCK_BYTES], pcb: Pcb, inf: &[u8]) -> &'b [u8] {
    let mut bytes = 0;
    let mut put = |byte: u8| {
        if let Some(slot) = block.get_mut(bytes) {
            *slot = byte;
            bytes += 1;
        }
    };
    let inf = inf.get(..INF_BYTES).unwrap_or(inf);
    let header = [NAD_TO_CHIP, pcb.byte(), u8::try_from(inf.len()).unwrap_or(u8::MAX)];
    let crc = crc16(&[&header, inf]).to_le_bytes();
    header.iter().chain(inf).chain(&crc).for_each(|byte| put(*byte));
    block.get(..bytes).unwrap_or_default()
}

/// CRC-16 of ISO/IEC 13239 (the check value over "123456789" is 0x906e), over `parts` in a row
/// (UM11225 section 2.1.1).
pub(super) fn crc16(parts: &[&[u8]]) -> u16 {
    let mut crc = u16::MAX;
    for byte in parts.iter().copied().flatten() {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1 != 0;
            crc >>= 1;
            if carry {
                crc ^= 0x8408;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_iso_13239() {
        assert_eq!(crc16(&[b"123456789"]), 0x906e);
        assert_eq!(crc16(&[b"1234", b"", b"56789"]), 0x906e);
    }

    #[test]
    fn blocks_are_those_seen_on_the_bus_of_a_real_chip() {
        // An interface soft reset, a SELECT of the applet, the chip's complaint about another block and its ATR, as
        // published by people with logic analysers.
        let mut block = [0; BLOCK_BYTES];
        assert_eq!(emit(&mut block, Pcb::Request(Supervision::SoftReset), &[]), [0x5a, 0xcf, 0x00, 0x37, 0x7f]);
        let select = [
            0x00, 0xa4, 0x04, 0x00, 0x10, 0xa0, 0x00, 0x00, 0x03, 0x96, 0x54, 0x53, 0x00, 0x00, 0x00, 0x01, 0x03, 0x00,
            0x00, 0x00, 0x00, 0x00,
        ];
        let block = emit(&mut block, Pcb::Information { sequence: false, more: false }, &select);
        assert_eq!(block[..3], [0x5a, 0x00, 0x16]);
        assert_eq!(block[3..25], select);
        assert_eq!(block[25..], [0xa8, 0xc8]);
        assert_eq!(crc16(&[&[0xa5, 0x82, 0x00]]).to_le_bytes(), [0xda, 0x4f]);
        assert_eq!(crc16(&[&[0xa5, 0xef, 0x23], &super::super::atr::tests::SEEN]).to_le_bytes(), [0x87, 0x77]);
    }

    #[test]
    fn every_control_byte_is_understood_as_it_is_written_or_not_at_all() {
        let mut understood = 0;
        for byte in 0..=u8::MAX {
            if let Some(pcb) = Pcb::from_byte(byte) {
                understood += 1;
                // Error code 3 is reserved in ISO/IEC 7816-3; NXP's chips use it for a lost start of frame.
                let reserved = matches!(pcb, Pcb::Ready { .. }) && byte & 3 == 3;
                assert_eq!(pcb.byte(), if reserved { byte ^ 1 } else { byte });
            }
        }
        assert_eq!(understood, 4 + 8 + 16);
    }

    #[test]
    fn a_block_holds_254_bytes_and_no_more() {
        let mut block = [0; BLOCK_BYTES];
        let inf = [7; 300];
        let block = emit(&mut block, Pcb::Information { sequence: true, more: true }, &inf);
        assert_eq!((block.len(), &block[..3]), (BLOCK_BYTES, &[0x5a, 0x60, 0xfe][..]));
    }
}
