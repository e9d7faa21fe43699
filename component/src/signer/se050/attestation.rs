// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the chip states about a key, signed by another key of the chip's. Called by the element; an endorsement carries
//! it, a verifier judges it.

use heapless::Vec;

use super::apdu::{tag, take};

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
    /// TAG_6: ECDSA with SHA-256, DER.
    pub signature: Vec<u8, 80>,
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
}

fn array<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}
