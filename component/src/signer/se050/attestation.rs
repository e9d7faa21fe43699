// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the chip states about a key, signed by another key of the chip's. Called by the element; an endorsement carries
//! it, a verifier judges it.

use heapless::Vec;

use super::apdu::{tag, take};

/// Most bytes of a statement as [`Attestation::encode`] writes it.
pub const ATTESTATION_MAX: usize = 6 * 2 + 65 + 64 + 12 + 16 + 18 + 72;

/// An attested public key, as applets before version 7 give it (AN12413, ReadObject with INS_ATTEST). The signature is
/// over [`Attestation::signed`]; which key made it and whether that is to be believed, the verifier knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// TAG_1: the public key, SEC 1 uncompressed.
    pub point: [u8; 65],
    /// TAG_2: object identifier (4 bytes), type (1), and more; policy, origin and version at the end (AN12413, object
    /// attributes).
    pub attributes: Vec<u8, 64>,
    /// TAG_3: the chip's own time.
    pub timestamp: [u8; 12],
    /// TAG_4: what the host sent.
    pub freshness: [u8; 16],
    /// TAG_5: names the chip.
    pub unique_id: [u8; 18],
    /// TAG_6: ECDSA with SHA-256, DER: two integers of 33 bytes at most.
    pub signature: Vec<u8, 72>,
}

impl Attestation {
    pub(super) fn parse(mut data: &[u8]) -> Option<Self> {
        let attestation = Self {
            point: array(take(&mut data, tag::FIRST)?)?,
            attributes: Vec::from_slice(take(&mut data, tag::SECOND)?).ok()?,
            timestamp: array(take(&mut data, tag::THIRD)?)?,
            freshness: array(take(&mut data, tag::FOURTH)?)?,
            unique_id: array(take(&mut data, tag::FIFTH)?)?,
            signature: Vec::from_slice(take(&mut data, tag::SIXTH)?).ok()?,
        };
        data.is_empty().then_some(attestation)
    }

    /// What the signature is over, in this order: the values of TAG_1 to TAG_5.
    #[must_use]
    pub fn signed(&self) -> [&[u8]; 5] {
        [&self.point, &self.attributes, &self.timestamp, &self.freshness, &self.unique_id]
    }

    /// The statement as the chip gives it: TAG_1 to TAG_6 with their values, BER-TLV with lengths of one byte, which all
    /// of them have room in.
    fn fields(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let values = self.signed().into_iter().chain([&*self.signature]);
        (tag::FIRST..=tag::SIXTH).zip(values)
    }

    /// Bytes that [`Attestation::encode`] writes, [`ATTESTATION_MAX`] at most.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        self.fields().map(|(_, value)| 2 + value.len()).sum()
    }

    /// Writes the statement at the beginning of `out` and gives its length; `None` when `out` is too small.
    pub fn encode(&self, out: &mut [u8]) -> Option<usize> {
        let mut at = 0_usize;
        for (tag, value) in self.fields() {
            let length = u8::try_from(value.len()).ok().filter(|length| *length < 0x80)?;
            out.get_mut(at..at.checked_add(2)?)?.copy_from_slice(&[tag, length]);
            let end = at + 2 + value.len();
            out.get_mut(at + 2..end)?.copy_from_slice(value);
            at = end;
        }
        Some(at)
    }
}

fn array<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attestation() -> Attestation {
        Attestation {
            point: [4; 65],
            attributes: Vec::from_slice(&[1; 28]).unwrap(),
            timestamp: [2; 12],
            freshness: [3; 16],
            unique_id: [5; 18],
            signature: Vec::from_slice(&[6; 71]).unwrap(),
        }
    }

    #[test]
    fn a_statement_is_read_as_it_was_written() {
        let mut out = [0; ATTESTATION_MAX];
        let length = attestation().encode(&mut out).unwrap();
        assert_eq!(length, attestation().encoded_bytes());
        assert_eq!(Attestation::parse(&out[..length]), Some(attestation()));
        assert_eq!(attestation().encode(&mut out[..length - 1]), None);
        let longest = Attestation {
            attributes: Vec::from_slice(&[1; 64]).unwrap(),
            signature: Vec::from_slice(&[6; 72]).unwrap(),
            ..attestation()
        };
        assert_eq!(longest.encode(&mut out), Some(ATTESTATION_MAX));
    }
}
