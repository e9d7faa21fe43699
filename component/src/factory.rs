// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a device is born with: keys, secrets and the relay's address, as `cairn provision` writes them into the factory
//! partition. Read once at start; `docs/wire.cddl` fixes the shape.

use core::net::{Ipv4Addr, SocketAddrV4};

use minicbor::{
    Decoder, Encoder,
    encode::write::{Cursor, EndOfSlice},
};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    cbor,
    sha256::{Digest as _, Sha256},
    signer::Algorithm,
};

/// Bytes of a key identifier of the secure channel.
pub const KID_BYTES: usize = 4;

/// Most bytes of a factory image.
pub const FACTORY_MAX: usize = HEADER_BYTES + 1 + 1 + 2 + 34 + 34 + 34 + 5 + 17 + 1 + 5 + 3 + 1 + 2 + 34 + CHECK_BYTES;

const MAGIC: [u8; 4] = *b"CAIR";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 6;
const CHECK_BYTES: usize = 4;

/// A device's birth data. Erased from memory when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Factory {
    /// Which signature algorithm the key is for.
    #[zeroize(skip)]
    pub alg: Algorithm,
    /// The private key, or `None` when a secure element holds it.
    pub private_key: Option<[u8; 32]>,
    /// From which batch keys are derived.
    pub blind_secret: [u8; 32],
    /// The deployment's name, salt of every signature.
    pub deployment: [u8; 32],
    /// The device's sender id in OSCORE.
    pub kid: [u8; KID_BYTES],
    /// The OSCORE master secret.
    pub master_secret: [u8; 16],
    /// Where the relay listens.
    #[zeroize(skip)]
    pub relay: SocketAddrV4,
    /// With what the factory vouches for the device, where the platform has no root of trust of its own.
    pub attestation: Option<AttestationKey>,
}

/// A factory's attestation key ([`crate::endorsement::factory_key`]). Erased with the [`Factory`] it is in.
#[derive(Clone, Copy, PartialEq, Eq, Zeroize)]
pub struct AttestationKey {
    /// Which signature algorithm it is for.
    #[zeroize(skip)]
    pub alg: Algorithm,
    /// The private key.
    pub private_key: [u8; 32],
}

/// Why bytes are not a factory image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactoryError {
    /// The magic number is missing: the partition was never written, or this is another place.
    Absent,
    /// The image is cut short or its check sum is wrong.
    Damaged,
    /// A version this build does not know.
    UnknownVersion,
    /// The check sum is right and the content is not what `docs/wire.cddl` says.
    Malformed,
    /// The output buffer is too small.
    BufferTooSmall,
}

impl From<minicbor::decode::Error> for FactoryError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

impl From<minicbor::encode::Error<EndOfSlice>> for FactoryError {
    fn from(_: minicbor::encode::Error<EndOfSlice>) -> Self {
        Self::BufferTooSmall
    }
}

fn check_sum(body: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(body));
    [a, b, c, d]
}

impl Factory {
    /// Reads an image from the start of `partition`, which may be longer than it.
    ///
    /// # Errors
    /// [`FactoryError`] except `BufferTooSmall`.
    pub fn decode(partition: &[u8]) -> Result<Self, FactoryError> {
        let (magic, rest) = partition.split_first_chunk().ok_or(FactoryError::Absent)?;
        if *magic != MAGIC {
            return Err(FactoryError::Absent);
        }
        let (length, rest) = rest.split_first_chunk().ok_or(FactoryError::Damaged)?;
        let (body, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(FactoryError::Damaged)?;
        if rest.first_chunk() != Some(&check_sum(body)) {
            return Err(FactoryError::Damaged);
        }
        Self::decode_body(body)
    }

    fn decode_body(body: &[u8]) -> Result<Self, FactoryError> {
        fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], FactoryError> {
            d.bytes()?.try_into().map_err(|_| FactoryError::Malformed)
        }
        let mut d = Decoder::new(body);
        let fields = d.array()?;
        if cbor::unsigned::<u8>(&mut d)? != VERSION {
            return Err(FactoryError::UnknownVersion);
        }
        if !matches!(fields, Some(8 | 9)) {
            return Err(FactoryError::Malformed);
        }
        let alg = Algorithm::from_cose(cbor::signed(&mut d)?).ok_or(FactoryError::Malformed)?;
        let private_key = match d.datatype()? {
            minicbor::data::Type::Null => d.null().map(|()| None)?,
            _ => Some(fixed(&mut d)?),
        };
        let (blind_secret, deployment) = (fixed(&mut d)?, fixed(&mut d)?);
        let (kid, master_secret) = (fixed(&mut d)?, fixed(&mut d)?);
        if d.array()? != Some(2) {
            return Err(FactoryError::Malformed);
        }
        let relay = SocketAddrV4::new(Ipv4Addr::from(fixed::<4>(&mut d)?), cbor::unsigned(&mut d)?);
        let attestation = match fields {
            Some(9) if d.array()? == Some(2) => {
                let alg = Algorithm::from_cose(cbor::signed(&mut d)?).ok_or(FactoryError::Malformed)?;
                Some(AttestationKey { alg, private_key: fixed(&mut d)? })
            }
            Some(9) => return Err(FactoryError::Malformed),
            _ => None,
        };
        if d.position() != body.len() {
            return Err(FactoryError::Malformed);
        }
        Ok(Self { alg, private_key, blind_secret, deployment, kid, master_secret, relay, attestation })
    }

    /// Writes the image into `out` and returns its length in bytes, [`FACTORY_MAX`] at most.
    ///
    /// # Errors
    /// [`FactoryError::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FactoryError> {
        let (header, body) = out.split_at_mut_checked(HEADER_BYTES).ok_or(FactoryError::BufferTooSmall)?;
        let mut e = Encoder::new(Cursor::new(&mut *body));
        e.array(if self.attestation.is_some() { 9 } else { 8 })?.u8(VERSION)?.i8(self.alg.cose())?;
        match &self.private_key {
            Some(key) => e.bytes(key)?,
            None => e.null()?,
        };
        e.bytes(&self.blind_secret)?.bytes(&self.deployment)?.bytes(&self.kid)?.bytes(&self.master_secret)?;
        e.array(2)?.bytes(&self.relay.ip().octets())?.u16(self.relay.port())?;
        if let Some(AttestationKey { alg, private_key }) = &self.attestation {
            e.array(2)?.i8(alg.cose())?.bytes(private_key)?;
        }
        let length = e.writer().position();
        let (written, rest) = body.split_at_mut_checked(length).ok_or(FactoryError::BufferTooSmall)?;
        rest.first_chunk_mut().map(|check| *check = check_sum(written)).ok_or(FactoryError::BufferTooSmall)?;
        header[..4].copy_from_slice(&MAGIC);
        let length_bytes = u16::try_from(length).map_err(|_| FactoryError::BufferTooSmall)?.to_be_bytes();
        header[4..].copy_from_slice(&length_bytes);
        Ok(HEADER_BYTES + length + CHECK_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factory(private_key: Option<[u8; 32]>) -> Factory {
        let attestation = private_key.map(|key| AttestationKey { alg: Algorithm::Es256k, private_key: key });
        Factory {
            alg: Algorithm::Es256k,
            private_key,
            blind_secret: [2; 32],
            deployment: [3; 32],
            kid: *b"kid0",
            master_secret: [5; 16],
            relay: SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 65_535),
            attestation,
        }
    }

    #[test]
    fn an_image_reads_back_from_a_longer_partition() {
        for key in [None, Some([1; 32])] {
            let mut partition = [0xff; 512];
            let length = factory(key).encode(&mut partition).unwrap();
            assert!(Factory::decode(&partition).as_ref() == Ok(&factory(key)));
            assert!(length == FACTORY_MAX || key.is_none());
            let mut exact = [0; FACTORY_MAX];
            assert_eq!(factory(key).encode(&mut exact[..length]), Ok(length));
            assert_eq!(factory(key).encode(&mut exact[..length - 1]), Err(FactoryError::BufferTooSmall));
        }
    }

    #[test]
    fn an_erased_partition_a_cut_image_and_a_flipped_bit_are_told_apart() {
        let refusal = |bytes: &[u8]| Factory::decode(bytes).err();
        assert_eq!(refusal(&[0xff; 512]), Some(FactoryError::Absent));
        assert_eq!(refusal(&[]), Some(FactoryError::Absent));
        let mut image = [0; FACTORY_MAX];
        let length = factory(Some([1; 32])).encode(&mut image).unwrap();
        for cut in 4..length {
            assert_eq!(refusal(&image[..cut]), Some(FactoryError::Damaged));
        }
        for bit in 32..length * 8 {
            let mut image = image;
            image[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(refusal(&image), Some(FactoryError::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn an_unknown_version_says_so() {
        let mut image = [0; FACTORY_MAX];
        let length = factory(None).encode(&mut image).unwrap();
        image[7] = 2;
        let body = HEADER_BYTES..length - CHECK_BYTES;
        let check = check_sum(&image[body.clone()]);
        image[body.end..length].copy_from_slice(&check);
        assert_eq!(Factory::decode(&image).err(), Some(FactoryError::UnknownVersion));
    }
}
