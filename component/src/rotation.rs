// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rotation record: the last word of a key, which names the key that signs after it. Written by the agent, read by the relay
//! and by verifiers; holds no secrets. That the old key said it shows in its batch's anchor, that the new key agreed in the
//! proof; neither is checked where a payload is only read.

use minicbor::{Decoder, Encoder, encode::Write};

use crate::{
    cbor::{self, PayloadWriter},
    record::{SequenceNumber, StreamId},
    sha256::{Digest as _, Sha256},
    signer::{Algorithm, DeviceId, Digest, PublicKey, Signature},
};

/// Longest payload of a rotation record, in bytes: to an ES256K key.
pub const ROTATION_PAYLOAD_BYTES: usize = 138;

/// The payload of a rotation record.
pub type RotationPayload = heapless::Vec<u8, ROTATION_PAYLOAD_BYTES>;

/// What a rotation record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The device, named after its first key.
    pub device: DeviceId,
    /// The key that signs the batches after the record's.
    pub key: PublicKey,
    /// The new key's signature over [`Rotation::proof_digest`], low-S.
    pub proof: Signature,
}

/// What a rotation record says, its key as it stands there: whether it is a point of the curve was not checked, which takes
/// arithmetic that not every device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationFields {
    /// The device, named after its first key.
    pub device: DeviceId,
    /// The new key's algorithm.
    pub alg: Algorithm,
    /// The new key, SEC 1 compressed.
    pub public_key: [u8; 33],
    /// The new key's signature.
    pub proof: Signature,
}

/// The payload is not the deterministic encoding of a rotation, or names no key that this build can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARotation;

impl Rotation {
    /// What the new key signs to show that it is the device's own: SHA-256("Cairn-rotation-1" ‖ device id ‖ stream, 8 B BE ‖
    /// sequence number of the rotation record, 8 B BE). Good for one place in one stream, so that nobody says it elsewhere.
    #[must_use]
    pub fn proof_digest(device: &DeviceId, stream: StreamId, seq: SequenceNumber) -> Digest {
        let mut hash = Sha256::new_with_prefix(b"Cairn-rotation-1");
        hash.update(device.0);
        hash.update(stream.0.to_be_bytes());
        hash.update(seq.0.to_be_bytes());
        Digest(hash.finalize().into())
    }

    /// The record's payload: `[deviceId, alg, public key, proof]` (deterministic encoding, RFC 8949 section 4.2).
    #[must_use]
    pub fn payload(&self) -> RotationPayload {
        let Self { device, key, proof } = *self;
        RotationFields { device, alg: key.alg, public_key: key.compressed(), proof }.payload()
    }

    /// Reads a payload. Only the bytes [`Rotation::payload`] writes are taken, and only a key that is a point of its curve;
    /// [`Algorithm::Es256`] takes feature `es256`.
    ///
    /// # Errors
    /// [`NotARotation`] for anything else.
    pub fn from_payload(payload: &[u8]) -> Result<Self, NotARotation> {
        let RotationFields { device, alg, public_key, proof } = RotationFields::from_payload(payload)?;
        let key = PublicKey::from_sec1(alg, &public_key).map_err(|_| NotARotation)?;
        Ok(Self { device, key, proof })
    }

    /// Whether the new key agreed to be this device's from record `seq` of `stream` on: the proof is its low-S signature.
    #[must_use]
    pub fn proves(&self, stream: StreamId, seq: SequenceNumber) -> bool {
        let digest = Self::proof_digest(&self.device, stream, seq);
        self.key.accept(&digest, &self.proof.0) == Ok(self.proof)
    }
}

impl RotationFields {
    /// Reads a payload as [`Rotation::from_payload`] does, but for the key's point.
    ///
    /// # Errors
    /// [`NotARotation`] for anything but the deterministic encoding of a rotation.
    pub fn from_payload(payload: &[u8]) -> Result<Self, NotARotation> {
        let fields = Self::decode(payload).map_err(|_| NotARotation)?;
        if fields.payload() == payload { Ok(fields) } else { Err(NotARotation) }
    }

    /// Whether the record names `key`.
    #[must_use]
    pub fn names(&self, key: &PublicKey) -> bool {
        self.alg == key.alg && self.public_key == key.compressed()
    }

    fn payload(&self) -> RotationPayload {
        let mut e = Encoder::new(PayloadWriter(RotationPayload::new()));
        // The longest rotation fits: a test says so.
        let _: Result<(), _> = self.encode(&mut e);
        e.into_writer().0
    }

    fn encode<W: Write>(&self, e: &mut Encoder<W>) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(4)?.bytes(&self.device.0)?.i8(self.alg.cose())?.bytes(&self.public_key)?.bytes(&self.proof.0)?;
        Ok(())
    }

    fn decode(payload: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let refused = || minicbor::decode::Error::message("not a rotation");
        let mut d = Decoder::new(payload);
        if d.array()? != Some(4) {
            return Err(refused());
        }
        Ok(Self {
            device: DeviceId(d.bytes()?.try_into().map_err(|_| refused())?),
            alg: Algorithm::from_cose(cbor::signed(&mut d)?).ok_or_else(refused)?,
            public_key: d.bytes()?.try_into().map_err(|_| refused())?,
            proof: Signature(d.bytes()?.try_into().map_err(|_| refused())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::{
        Signer,
        software::{P256Signer, SoftwareSigner},
    };

    const DEVICE: DeviceId = DeviceId([0x11; 32]);
    const STREAM: StreamId = StreamId(0x0102_0304_0506_0708);
    const SEQ: SequenceNumber = SequenceNumber(96);

    fn rotation(signer: &mut impl Signer) -> Rotation {
        let proof = signer.sign(&Rotation::proof_digest(&DEVICE, STREAM, SEQ)).unwrap();
        Rotation { device: DEVICE, key: signer.public_key().unwrap(), proof }
    }

    fn es256k() -> Rotation {
        rotation(&mut SoftwareSigner::new(&[7; 32]).unwrap())
    }

    fn es256() -> Rotation {
        rotation(&mut P256Signer::new(&[7; 32]).unwrap())
    }

    #[test]
    fn the_longest_rotation_fills_the_payload_and_both_algorithms_come_back() {
        let payload = es256k().payload();
        assert_eq!(payload.len(), ROTATION_PAYLOAD_BYTES);
        assert_eq!(Rotation::from_payload(&payload), Ok(es256k()));
        assert_eq!(Rotation::from_payload(&es256().payload()), Ok(es256()));
        let fields = RotationFields::from_payload(&payload).unwrap();
        assert!(fields.names(&es256k().key) && !fields.names(&es256().key));
    }

    /// The bytes as docs/wire.md says them, put together by hand.
    #[test]
    fn the_payload_is_the_array_of_device_algorithm_key_and_proof() {
        let rotation = es256k();
        let mut expected = std::vec![0x84, 0x58, 32];
        expected.extend_from_slice(&DEVICE.0);
        expected.extend_from_slice(&[0x38, 46, 0x58, 33]);
        expected.extend_from_slice(&rotation.key.compressed());
        expected.extend_from_slice(&[0x58, 64]);
        expected.extend_from_slice(&rotation.proof.0);
        assert_eq!(rotation.payload()[..], expected[..]);
    }

    /// SHA-256 by a library that shares no code with ours.
    #[test]
    fn the_proof_is_over_device_stream_and_number_under_a_label_of_its_own() {
        let mut text = std::vec::Vec::from(*b"Cairn-rotation-1");
        text.extend_from_slice(&DEVICE.0);
        text.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 96]);
        let expected = ring::digest::digest(&ring::digest::SHA256, &text);
        assert_eq!(Rotation::proof_digest(&DEVICE, STREAM, SEQ).0, expected.as_ref());
    }

    #[test]
    fn a_proof_holds_for_one_device_stream_number_and_key() {
        for rotation in [es256k(), es256()] {
            assert!(rotation.proves(STREAM, SEQ));
            assert!(!rotation.proves(StreamId(STREAM.0 + 1), SEQ));
            assert!(!rotation.proves(STREAM, SequenceNumber(SEQ.0 + 1)));
            assert!(!Rotation { device: DeviceId([0x12; 32]), ..rotation }.proves(STREAM, SEQ));
            let other = SoftwareSigner::new(&[8; 32]).unwrap().public_key().unwrap();
            assert!(!Rotation { key: other, ..rotation }.proves(STREAM, SEQ));
            for byte in 0..64 {
                let mut proof = rotation.proof;
                proof.0[byte] ^= 0x10;
                assert!(!Rotation { proof, ..rotation }.proves(STREAM, SEQ), "byte {byte}");
            }
        }
    }

    /// The same signature with its s in the upper half of the order would be a second encoding of one record.
    #[test]
    fn a_proof_in_the_upper_half_is_refused() {
        let order = hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap();
        let rotation = es256k();
        let mut high = rotation.proof;
        let mut borrow = 0_i16;
        for (s, n) in high.0[32..].iter_mut().zip(&order).rev() {
            let difference = i16::from(*n) - i16::from(*s) - borrow;
            borrow = i16::from(difference < 0);
            *s = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        assert!(rotation.key.accept(&Rotation::proof_digest(&DEVICE, STREAM, SEQ), &high.0).is_ok(), "it is one");
        assert!(!Rotation { proof: high, ..rotation }.proves(STREAM, SEQ));
    }

    #[test]
    fn a_shorter_payload_a_longer_one_and_every_other_header_byte_are_refused() {
        let payload = es256k().payload();
        for length in 0..payload.len() {
            assert_eq!(Rotation::from_payload(&payload[..length]), Err(NotARotation), "cut to {length}");
        }
        let mut long = std::vec::Vec::from(&payload[..]);
        long.push(0);
        assert_eq!(Rotation::from_payload(&long), Err(NotARotation));
        // Array header, byte string headers, the algorithm and the key's tag.
        for at in [0, 1, 2, 35, 36, 37, 38, 72, 73] {
            for other in (0..=u8::MAX).filter(|other| *other != payload[at]) {
                let mut changed = payload.clone();
                changed[at] = other;
                assert_eq!(Rotation::from_payload(&changed), Err(NotARotation), "byte {at} = {other:#x}");
            }
        }
        // The array header in two bytes, RFC 8949 section 4.2.1 forbids it.
        let mut wide = std::vec![0x98, 4];
        wide.extend_from_slice(&payload[1..]);
        assert_eq!(Rotation::from_payload(&wide), Err(NotARotation));
    }

    #[test]
    fn a_key_that_is_no_point_is_no_rotation_though_its_fields_can_be_read() {
        let rotation = es256k();
        let mut fields = RotationFields::from_payload(&rotation.payload()).unwrap();
        fields.public_key[1..].fill(0);
        fields.public_key[32] = 5;
        assert_eq!(RotationFields::from_payload(&fields.payload()), Ok(fields));
        assert_eq!(Rotation::from_payload(&fields.payload()), Err(NotARotation));
    }
}
