// SPDX-License-Identifier: Apache-2.0 OR MIT
//! COSE_Sign1 (RFC 9052 section 4.2): one payload, signed with ECDSA over SHA-256 (RFC 9053 section 2.1, RFC 8812
//! section 3.1). Called by [`crate::endorsement`], and by whoever reads what it wrote. Never checks a signature: what
//! was signed is [`Sign1::digest`], and who may have signed it is the reader's to know.
//!
//! Writes deterministic CBOR. Reads any definite-length CBOR, as other people's tokens are not ours to shape.

use minicbor::{
    Decoder, Encoder,
    data::{Tag, Type},
    encode::{
        Write,
        write::{Cursor, EndOfArray, EndOfSlice},
    },
};

use crate::{
    sha256::{Digest as _, FaultWatch, Sha256},
    signer::{Algorithm, Digest, Signature, Signer, SignerError},
};

/// Header labels (RFC 9052 section 3.1).
const ALG: i8 = 1;
const CRIT: i8 = 2;
const KID: i8 = 4;

/// The tag of COSE_Sign1 (RFC 9052 section 2).
const SIGN1: Tag = Tag::new(18);

/// Most bytes of a key identifier that is written.
pub const KID_MAX: usize = 32;

/// Most bytes of the protected headers that are written: `{1: -47, 4: h'…'}`.
const PROTECTED_MAX: usize = 1 + 1 + 2 + 1 + 2 + KID_MAX;

/// Bytes that a message is longer than its payload, at most.
pub const OVERHEAD_MAX: usize = 1 + 1 + (2 + PROTECTED_MAX) + (1 + 1 + 2 + KID_MAX) + 5 + (2 + 64);

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoseError {
    /// Not a COSE_Sign1 message.
    Malformed,
    /// Its payload is elsewhere (RFC 9052 section 2, "detached").
    Detached,
    /// Signed with an algorithm that Cairn does not have, or with one that it does not name.
    Algorithm,
    /// A header must be understood (`crit`) and is not.
    Critical,
    /// The key identifier is longer than [`KID_MAX`].
    KidTooLong,
    /// The output buffer is too small.
    BufferTooSmall,
    /// The signer refused.
    Signer(SignerError),
}

impl From<minicbor::decode::Error> for CoseError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

impl From<minicbor::encode::Error<EndOfSlice>> for CoseError {
    fn from(_: minicbor::encode::Error<EndOfSlice>) -> Self {
        Self::BufferTooSmall
    }
}

/// Only the protected headers are written to an array, and only a key identifier can be too long for it.
impl From<minicbor::encode::Error<EndOfArray>> for CoseError {
    fn from(_: minicbor::encode::Error<EndOfArray>) -> Self {
        Self::KidTooLong
    }
}

impl From<SignerError> for CoseError {
    fn from(error: SignerError) -> Self {
        Self::Signer(error)
    }
}

/// Which key signed, as the message says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kid<'a> {
    /// Not at all.
    Absent,
    /// Under the signature.
    Protected(&'a [u8]),
    /// Beside the signature.
    Unprotected(&'a [u8]),
}

impl<'a> Kid<'a> {
    /// The identifier.
    #[must_use]
    pub const fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Absent => None,
            Self::Protected(kid) | Self::Unprotected(kid) => Some(kid),
        }
    }
}

/// A message that was read. Its signature was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign1<'a> {
    /// The algorithm, which is always protected.
    pub alg: Algorithm,
    /// Which key signed.
    pub kid: Kid<'a>,
    /// The payload.
    pub payload: &'a [u8],
    /// r ‖ s. COSE allows both halves for s: who needs one form asks for it.
    pub signature: Signature,
    /// The protected headers as they came.
    protected: &'a [u8],
}

/// Writes the tagged message of `payload` into `out` and returns its length, [`OVERHEAD_MAX`] more than the payload's
/// at most. `aad` is signed and not written (RFC 9052 section 4.3).
///
/// # Errors
/// [`CoseError::BufferTooSmall`], [`CoseError::KidTooLong`], [`CoseError::Signer`].
pub fn sign1(
    signer: &mut impl Signer,
    kid: Kid<'_>,
    aad: &[u8],
    payload: &[u8],
    out: &mut [u8],
) -> Result<usize, CoseError> {
    if kid.bytes().is_some_and(|kid| kid.len() > KID_MAX) {
        return Err(CoseError::KidTooLong);
    }
    let mut headers = Encoder::new(Cursor::new([0; PROTECTED_MAX]));
    headers.map(if matches!(kid, Kid::Protected(_)) { 2 } else { 1 })?;
    headers.i8(ALG)?.i8(signer.public_key()?.alg.cose())?;
    if let Kid::Protected(kid) = kid {
        headers.i8(KID)?.bytes(kid)?;
    }
    let length = headers.writer().position();
    let headers = headers.into_writer().into_inner();
    let protected = headers.get(..length).ok_or(CoseError::KidTooLong)?;

    let mut e = Encoder::new(Cursor::new(out));
    e.tag(SIGN1)?.array(4)?.bytes(protected)?;
    match kid {
        Kid::Unprotected(kid) => e.map(1)?.i8(KID)?.bytes(kid)?,
        Kid::Absent | Kid::Protected(_) => e.map(0)?,
    };
    e.bytes(payload)?;
    let mut hashes = FaultWatch::new();
    let digest = digest(protected, aad, payload);
    if hashes.failed() {
        return Err(SignerError::FaultDetected.into());
    }
    e.bytes(&signer.sign(&digest)?.0)?;
    Ok(e.writer().position())
}

/// SHA-256 of the Sig_structure (RFC 9052 section 4.4), which is hashed as it is written.
fn digest(protected: &[u8], aad: &[u8], payload: &[u8]) -> Digest {
    struct Hasher(Sha256);
    impl Write for Hasher {
        type Error = core::convert::Infallible;
        fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
            self.0.update(bytes);
            Ok(())
        }
    }
    let mut e = Encoder::new(Hasher(Sha256::new()));
    // A hash takes everything.
    let _: Result<(), minicbor::encode::Error<core::convert::Infallible>> = (|| {
        e.array(4)?.str("Signature1")?.bytes(protected)?.bytes(aad)?.bytes(payload)?;
        Ok(())
    })();
    Digest(e.into_writer().0.finalize().into())
}

/// What the headers of one map say, of what matters here.
#[derive(Default)]
struct Headers<'a> {
    alg: Option<Algorithm>,
    kid: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    /// Reads one map, which ends where the headers end.
    fn decode(d: &mut Decoder<'a>) -> Result<Self, CoseError> {
        let mut headers = Self::default();
        for _ in 0..d.map()?.ok_or(CoseError::Malformed)? {
            let label = match d.datatype()? {
                Type::String => d.skip().map(|()| None)?,
                _ => i8::try_from(d.int()?).ok(),
            };
            match label {
                Some(ALG) if headers.alg.is_none() => {
                    let number = i8::try_from(d.int().map_err(|_| CoseError::Algorithm)?).ok();
                    headers.alg = Some(number.and_then(Algorithm::from_cose).ok_or(CoseError::Algorithm)?);
                }
                Some(KID) if headers.kid.is_none() => headers.kid = Some(d.bytes()?),
                Some(CRIT) => return Err(CoseError::Critical),
                // One label twice.
                Some(ALG | KID) => return Err(CoseError::Malformed),
                _ => d.skip()?,
            }
        }
        Ok(headers)
    }
}

impl<'a> Sign1<'a> {
    /// Reads a message, tagged or not, that is all of `bytes`. Headers that mean nothing to Cairn are skipped.
    ///
    /// # Errors
    /// [`CoseError::Malformed`], [`CoseError::Detached`], [`CoseError::Algorithm`], [`CoseError::Critical`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CoseError> {
        let mut d = Decoder::new(bytes);
        if d.datatype()? == Type::Tag && d.tag()? != SIGN1 {
            return Err(CoseError::Malformed);
        }
        if d.array()? != Some(4) {
            return Err(CoseError::Malformed);
        }
        let protected = d.bytes()?;
        let mut inside = Decoder::new(protected);
        // No protected header at all is written as no bytes.
        let signed = if protected.is_empty() { Headers::default() } else { Headers::decode(&mut inside)? };
        let beside = Headers::decode(&mut d)?;
        if d.datatype()? == Type::Null {
            return Err(CoseError::Detached);
        }
        let payload = d.bytes()?;
        let signature = Signature(d.bytes()?.try_into().map_err(|_| CoseError::Malformed)?);
        let kid = match (signed.kid, beside.kid) {
            (None, None) => Kid::Absent,
            (Some(kid), None) => Kid::Protected(kid),
            (None, Some(kid)) => Kid::Unprotected(kid),
            (Some(_), Some(_)) => return Err(CoseError::Malformed),
        };
        if d.position() != bytes.len() || inside.position() != protected.len() {
            return Err(CoseError::Malformed);
        }
        // An algorithm that is not signed can be exchanged (RFC 9052 section 3.1).
        let alg = signed.alg.filter(|_| beside.alg.is_none()).ok_or(CoseError::Algorithm)?;
        Ok(Self { alg, kid, payload, signature, protected })
    }

    /// What the signature is over, when `aad` was signed with it.
    #[must_use]
    pub fn digest(&self, aad: &[u8]) -> Digest {
        digest(self.protected, aad, self.payload)
    }
}
