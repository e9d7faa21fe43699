// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The identity record, record 0 of every stream: which device this is, with which key the stream starts, and where its last
//! stream ended. Written by the agent, read by the relay and by verifiers; holds no secrets.

use minicbor::{Decoder, Encoder, encode::Write};

use crate::{
    batch::Commitment,
    cbor::{self, PayloadWriter},
    signer::{Algorithm, DeviceId, PublicKey},
};

/// Longest payload of an identity record, in bytes: ES256K with a commitment.
pub const IDENTITY_PAYLOAD_BYTES: usize = 106;

/// The payload of an identity record.
pub type IdentityPayload = heapless::Vec<u8, IDENTITY_PAYLOAD_BYTES>;

/// What an identity record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The device, named after its first key.
    pub device_id: DeviceId,
    /// The algorithm of the key the stream starts with.
    pub alg: Algorithm,
    /// That key, SEC 1 compressed. Whether it is a point on the curve is not checked here.
    pub public_key: [u8; 33],
    /// The last commitment of the device's previous stream; `None` in its first stream, or when the device forgot it.
    pub last_commitment: Option<Commitment>,
}

/// The payload is not the deterministic encoding of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnIdentity;

impl Identity {
    /// The identity of a device whose current key is `key`.
    #[must_use]
    pub fn new(device_id: DeviceId, key: &PublicKey, last_commitment: Option<Commitment>) -> Self {
        Self { device_id, alg: key.alg, public_key: key.compressed(), last_commitment }
    }

    /// The record's payload: `[deviceId, alg, public key, last commitment or null]` (deterministic encoding, RFC 8949
    /// section 4.2).
    #[must_use]
    pub fn payload(&self) -> IdentityPayload {
        let mut e = Encoder::new(PayloadWriter(IdentityPayload::new()));
        // The longest identity fits: a test says so.
        let _: Result<(), _> = self.encode(&mut e);
        e.into_writer().0
    }

    /// Reads a payload. Only the bytes [`Identity::payload`] writes are taken.
    ///
    /// # Errors
    /// [`NotAnIdentity`] for anything else.
    pub fn from_payload(payload: &[u8]) -> Result<Self, NotAnIdentity> {
        let identity = Self::decode(payload).map_err(|_| NotAnIdentity)?;
        if identity.payload() == payload { Ok(identity) } else { Err(NotAnIdentity) }
    }

    fn encode<W: Write>(&self, e: &mut Encoder<W>) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(4)?.bytes(&self.device_id.0)?.i8(self.alg.cose())?.bytes(&self.public_key)?;
        match &self.last_commitment {
            Some(commitment) => e.bytes(&commitment.0)?,
            None => e.null()?,
        };
        Ok(())
    }

    fn decode(payload: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let refused = || minicbor::decode::Error::message("not an identity");
        let mut d = Decoder::new(payload);
        if d.array()? != Some(4) {
            return Err(refused());
        }
        Ok(Self {
            device_id: DeviceId(d.bytes()?.try_into().map_err(|_| refused())?),
            alg: Algorithm::from_cose(cbor::signed(&mut d)?).ok_or_else(refused)?,
            public_key: d.bytes()?.try_into().map_err(|_| refused())?,
            last_commitment: match d.datatype()? {
                minicbor::data::Type::Null => None,
                _ => Some(Commitment(d.bytes()?.try_into().map_err(|_| refused())?)),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest() -> Identity {
        Identity {
            device_id: DeviceId([0x11; 32]),
            alg: Algorithm::Es256k,
            public_key: [0x02; 33],
            last_commitment: Some(Commitment([0x22; 32])),
        }
    }

    #[test]
    fn the_longest_identity_fills_the_payload_and_comes_back() {
        let payload = longest().payload();
        assert_eq!(payload.len(), IDENTITY_PAYLOAD_BYTES);
        assert_eq!(Identity::from_payload(&payload), Ok(longest()));
    }

    #[test]
    fn a_shorter_payload_a_longer_one_and_every_other_header_byte_are_refused() {
        let payload = longest().payload();
        for length in 0..payload.len() {
            assert_eq!(Identity::from_payload(&payload[..length]), Err(NotAnIdentity), "cut to {length}");
        }
        let mut long = [0; IDENTITY_PAYLOAD_BYTES + 1];
        long[..payload.len()].copy_from_slice(&payload);
        assert_eq!(Identity::from_payload(&long), Err(NotAnIdentity));
        // Array header, byte string headers and the algorithm: 0, 1..3, 35..37, 37..39, 72..74.
        for at in [0, 1, 2, 35, 36, 37, 38, 72, 73] {
            for other in 0..=u8::MAX {
                let mut changed = payload.clone();
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                assert_eq!(Identity::from_payload(&changed), Err(NotAnIdentity), "byte {at} = {other:#x}");
            }
        }
    }

    #[test]
    fn a_longer_encoding_of_the_same_identity_is_refused() {
        let payload = Identity { last_commitment: None, ..longest() }.payload();
        assert!(Identity::from_payload(&payload).is_ok());
        let mut wide = heapless::Vec::<u8, 128>::new();
        // The array header in two bytes, RFC 8949 section 4.2.1 forbids it.
        wide.extend_from_slice(&[0x98, 0x04]).unwrap();
        wide.extend_from_slice(&payload[1..]).unwrap();
        assert_eq!(Identity::from_payload(&wide), Err(NotAnIdentity));
        // `undefined` in the place of `null`.
        let mut undefined = payload.clone();
        *undefined.last_mut().unwrap() = 0xf7;
        assert_eq!(Identity::from_payload(&undefined), Err(NotAnIdentity));
    }
}
