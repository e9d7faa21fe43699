// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The firmware record: which image the device runs for good, said once its boot loader confirmed it. Written by the agent, read by
//! verifiers; that the image is what it says is the boot loader's word, not checked here.

use minicbor::{Decoder, Encoder, encode::Write};

use crate::{
    cbor::{self, PayloadWriter},
    record::SequenceNumber,
};

/// Longest version, in bytes: `255.255.65535+4294967295`, the longest of MCUboot.
pub const VERSION_MAX: usize = 24;

/// Longest payload of a firmware record, in bytes.
pub const FIRMWARE_PAYLOAD_BYTES: usize = 1 + (2 + VERSION_MAX) + (2 + 32) + 2;

/// The payload of a firmware record.
pub type FirmwarePayload = heapless::Vec<u8, FIRMWARE_PAYLOAD_BYTES>;

/// A firmware image that was confirmed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Firmware {
    version: [u8; VERSION_MAX],
    version_bytes: u8,
    hash: [u8; 32],
    slot: u8,
}

/// A version is 1 to [`VERSION_MAX`] printable ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAVersion;

/// The payload is not the deterministic encoding of a firmware image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAFirmware;

impl Firmware {
    /// The image of `version` with SHA-256 `hash`, in the boot loader's slot `slot`.
    ///
    /// # Errors
    /// [`NotAVersion`].
    pub fn new(version: &[u8], hash: [u8; 32], slot: u8) -> Result<Self, NotAVersion> {
        let printable = version.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let mut own = [0; VERSION_MAX];
        let room = own.get_mut(..version.len()).filter(|room| printable && !room.is_empty()).ok_or(NotAVersion)?;
        room.copy_from_slice(version);
        let version_bytes = u8::try_from(version.len()).map_err(|_| NotAVersion)?;
        Ok(Self { version: own, version_bytes, hash, slot })
    }

    /// Its version, as its maker wrote it: printable ASCII.
    #[must_use]
    pub fn version(&self) -> &str {
        let version = self.version.get(..usize::from(self.version_bytes)).unwrap_or_default();
        core::str::from_utf8(version).unwrap_or_default()
    }

    /// SHA-256 of the image, as the boot loader checks it.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The slot it runs from, in the boot loader's numbers.
    #[must_use]
    pub const fn slot(&self) -> u8 {
        self.slot
    }

    /// The record's payload: `[version, hash, slot]` (deterministic encoding, RFC 8949 section 4.2).
    #[must_use]
    pub fn payload(&self) -> FirmwarePayload {
        let mut e = Encoder::new(PayloadWriter(FirmwarePayload::new()));
        // The longest one fits: a test says so.
        let _: Result<(), _> = self.encode(&mut e);
        e.into_writer().0
    }

    /// Reads a payload. Only the bytes [`Firmware::payload`] writes are taken.
    ///
    /// # Errors
    /// [`NotAFirmware`] for anything else.
    pub fn from_payload(payload: &[u8]) -> Result<Self, NotAFirmware> {
        let firmware = Self::decode(payload).map_err(|_| NotAFirmware)?;
        if firmware.payload() == payload { Ok(firmware) } else { Err(NotAFirmware) }
    }

    fn encode<W: Write>(&self, e: &mut Encoder<W>) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(3)?.str(self.version())?.bytes(&self.hash)?.u8(self.slot)?;
        Ok(())
    }

    fn decode(payload: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let refused = || minicbor::decode::Error::message("not a firmware");
        let mut d = Decoder::new(payload);
        if d.array()? != Some(3) {
            return Err(refused());
        }
        let version = d.str()?.as_bytes();
        let hash = d.bytes()?.try_into().map_err(|_| refused())?;
        Self::new(version, hash, cbor::unsigned(&mut d)?).map_err(|_| refused())
    }
}

impl core::fmt::Debug for Firmware {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { hash, slot, .. } = self;
        f.debug_struct("Firmware").field("version", &self.version()).field("hash", hash).field("slot", slot).finish()
    }
}

/// A confirmed image on its way into the journal, and how far the journal was searched for it: the agent does that in pieces
/// ([`crate::agent::Agent::confirm_firmware`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The image.
    pub firmware: Firmware,
    /// Records before this one were looked at.
    pub(crate) looked_before: SequenceNumber,
    /// The newest firmware record among them says so.
    pub(crate) is_newest: bool,
}

impl Confirmation {
    /// Of `firmware`; the journal was not looked into.
    #[must_use]
    pub const fn of(firmware: Firmware) -> Self {
        Self { firmware, looked_before: SequenceNumber(0), is_newest: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest() -> Firmware {
        Firmware::new(b"255.255.65535+4294967295", [0x5a; 32], 255).unwrap()
    }

    #[test]
    fn the_longest_firmware_fills_the_payload_and_comes_back() {
        let payload = longest().payload();
        assert_eq!(payload.len(), FIRMWARE_PAYLOAD_BYTES);
        assert_eq!(Firmware::from_payload(&payload), Ok(longest()));
        assert_eq!(longest().version(), "255.255.65535+4294967295");
        assert_eq!((longest().hash(), longest().slot()), (&[0x5a; 32], 255));
    }

    #[test]
    fn a_version_is_one_to_twenty_four_printable_ascii_characters() {
        for version in [&b"1"[..], b"1.2.3+4", b"v2.0 rc~1", &[b'9'; VERSION_MAX]] {
            assert_eq!(Firmware::new(version, [0; 32], 0).unwrap().version().as_bytes(), version);
        }
        for version in [&b""[..], &[b'9'; VERSION_MAX + 1], b"1.0\n", b"1.\x7f", b"1.\x1f", "1.0\u{e9}".as_bytes()] {
            assert_eq!(Firmware::new(version, [0; 32], 0), Err(NotAVersion), "{version:?}");
        }
    }

    #[test]
    fn a_cut_payload_a_longer_one_and_every_other_header_byte_are_refused() {
        let payload = longest().payload();
        for length in 0..payload.len() {
            assert_eq!(Firmware::from_payload(&payload[..length]), Err(NotAFirmware), "cut to {length}");
        }
        let mut long = [0; FIRMWARE_PAYLOAD_BYTES + 1];
        long[..payload.len()].copy_from_slice(&payload);
        assert_eq!(Firmware::from_payload(&long), Err(NotAFirmware));
        // Array header, text header and length, byte string header and length, the slot's header.
        for at in [0, 1, 2, 27, 28, 61] {
            for other in (0..=u8::MAX).filter(|other| *other != payload[at]) {
                let mut changed = payload.clone();
                changed[at] = other;
                assert_eq!(Firmware::from_payload(&changed), Err(NotAFirmware), "byte {at} = {other:#x}");
            }
        }
    }

    #[test]
    fn a_longer_encoding_of_the_same_firmware_is_refused() {
        let short = Firmware::new(b"1.0", [7; 32], 1).unwrap().payload();
        assert!(Firmware::from_payload(&short).is_ok());
        let mut wide = FirmwarePayload::from_slice(&short[..short.len() - 1]).unwrap();
        wide.extend_from_slice(&[0x18, 0x01]).unwrap();
        assert_eq!(Firmware::from_payload(&wide), Err(NotAFirmware), "a slot in two bytes");
    }
}
