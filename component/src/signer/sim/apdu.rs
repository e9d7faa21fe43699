// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands and status words as bytes (ISO/IEC 7816-4, ETSI TS 102 221), and what a status word means to a signer. Pure;
//! called by the card commands beside it and by channels that select an applet themselves.

use heapless::Vec;

use crate::signer::SignerError;

/// Longest command: header, Lc, the data of COMPUTE SIGNATURE – INIT with an id of 20 bytes, Le.
pub const COMMAND_MAX: usize = 48;
/// Longest response a command here asks for, status word included: GENERATE KEY PAIR with two ids of 20 bytes is 117.
pub const RESPONSE_MAX: usize = 128;

/// SELECT (TS 102 221 section 11.1.1).
pub const INS_SELECT: u8 = 0xA4;
/// MANAGE CHANNEL (TS 102 221 section 11.1.17).
pub const INS_MANAGE_CHANNEL: u8 = 0x70;
/// GET RESPONSE (TS 102 221 section 12.1.1).
pub const INS_GET_RESPONSE: u8 = 0xC0;

/// SW1 SW2 of a response (ISO/IEC 7816-4 section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Done.
    pub const OK: Self = Self(0x9000);
    /// Conditions of use not satisfied.
    pub const CONDITIONS: Self = Self(0x6985);
    /// Wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// Class not supported.
    pub const NO_CLASS: Self = Self(0x6E00);

    /// Splits a response into its data and its status word; `None` when it is shorter than one.
    #[must_use]
    pub fn split(response: &[u8]) -> Option<(&[u8], Self)> {
        let (data, word) = response.split_last_chunk::<2>()?;
        Some((data, Self(u16::from_be_bytes(*word))))
    }

    /// How many bytes wait for GET RESPONSE: SW1 is 61 and SW2 says how many, 0 for 256 (TS 102 221 section 7.3.1.1.5).
    #[must_use]
    pub const fn waiting(self) -> Option<u8> {
        let [first, second] = self.0.to_be_bytes();
        if first == 0x61 { Some(second) } else { None }
    }

    /// The Le that the card wants the command repeated with: SW1 is 6C.
    #[must_use]
    pub const fn wanted_le(self) -> Option<u8> {
        let [first, second] = self.0.to_be_bytes();
        if first == 0x6C { Some(second) } else { None }
    }

    /// SELECT succeeded: done, or done with file control information to fetch, which nobody needs.
    #[must_use]
    pub const fn selected(self) -> bool {
        self.0 == Self::OK.0 || self.waiting().is_some()
    }
}

/// docs/signers.md has the table.
impl From<StatusWord> for SignerError {
    fn from(word: StatusWord) -> Self {
        match word.0 {
            // File or application, record, or referenced data not found.
            0x6A82 | 0x6A83 | 0x6A88 => Self::NotProvisioned,
            // Security status, blocked, data invalidated (being administered from afar), conditions of use, 6989: the
            // administration of IoT SAFE.
            0x6982..=0x6985 | 0x6989 => Self::Locked,
            0x6400..=0x65FF | 0x6F00..=0x6FFF => Self::FaultDetected,
            // What remains is an element that does not speak this language.
            _ => Self::Gone,
        }
    }
}

/// A command without its logical channel, short form (ISO/IEC 7816-4 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// Class, on the basic channel.
    pub class: u8,
    /// Instruction.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    /// Data; at most 255 bytes.
    pub data: &'a [u8],
    /// How many bytes of response are expected; 0 for as many as there are.
    pub le: Option<u8>,
}

impl Command<'_> {
    /// The bytes; `None` when there are more than [`COMMAND_MAX`]. Without data and Le a byte 00 stands for both, because
    /// `AT+CSIM` and T=0 want five bytes (TS 102 221 section 7.3.1.1.2).
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8, COMMAND_MAX>> {
        let mut out = Vec::from_slice(&[self.class, self.ins, self.p1, self.p2]).ok()?;
        if !self.data.is_empty() {
            out.push(u8::try_from(self.data.len()).ok()?).ok()?;
            out.extend_from_slice(self.data).ok()?;
        }
        if let Some(le) = self.le.or(self.data.is_empty().then_some(0)) {
            out.push(le).ok()?;
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_cases_of_a_command_are_encoded_as_the_standard_says() {
        let bare = Command { class: 0x00, ins: 0x70, p1: 0x80, p2: 0x01, data: &[], le: None };
        assert_eq!(bare.encode().unwrap(), [0x00, 0x70, 0x80, 0x01, 0x00]);
        assert_eq!(Command { le: Some(1), ..bare }.encode().unwrap(), [0x00, 0x70, 0x80, 0x01, 0x01]);
        let data = Command { data: &[0xAA, 0xBB], ..bare };
        assert_eq!(data.encode().unwrap(), [0x00, 0x70, 0x80, 0x01, 0x02, 0xAA, 0xBB]);
        let both = Command { le: Some(0), ..data };
        assert_eq!(both.encode().unwrap(), [0x00, 0x70, 0x80, 0x01, 0x02, 0xAA, 0xBB, 0x00]);
        assert!(Command { data: &[0; COMMAND_MAX], ..bare }.encode().is_none());
    }

    #[test]
    fn every_status_word_means_one_error() {
        for (word, error) in [
            (0x6A82, SignerError::NotProvisioned),
            (0x6A88, SignerError::NotProvisioned),
            (0x6982, SignerError::Locked),
            (0x6983, SignerError::Locked),
            (0x6984, SignerError::Locked),
            (0x6985, SignerError::Locked),
            (0x6F00, SignerError::FaultDetected),
            (0x6400, SignerError::FaultDetected),
            (0x6581, SignerError::FaultDetected),
            (0x6881, SignerError::Gone),
            (0x6D00, SignerError::Gone),
            (0x6E00, SignerError::Gone),
            (0x6700, SignerError::Gone),
        ] {
            assert_eq!(SignerError::from(StatusWord(word)), error, "{word:x}");
        }
    }

    #[test]
    fn a_response_is_data_and_a_status_word() {
        assert_eq!(StatusWord::split(&[0x01, 0x90, 0x00]), Some((&[0x01][..], StatusWord::OK)));
        assert_eq!(StatusWord::split(&[0x90]), None);
        assert_eq!((StatusWord(0x6143).waiting(), StatusWord(0x6C10).wanted_le()), (Some(0x43), Some(0x10)));
        assert!(StatusWord(0x6112).selected() && StatusWord::OK.selected() && !StatusWord(0x6A82).selected());
    }
}
