// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Endorsements: a device shows, for a nonce of whoever provisions it, that its ledger key lives behind the platform's
//! root of trust. The root signs an entity attestation token (EAT, RFC 9711) over a hash of all that is to be bound;
//! the ledger key signs that very token, so that neither works without the other. Called by the agent and by `cairn
//! provision`; decides nothing, and `docs/endorsement.md` says why it is built so.
//!
//! [`factory_key`] is the root of trust of a platform that has none of its own; `secure_element` (feature
//! `signer-se050`) the one of a device whose ledger key is in such a chip.

use minicbor::{
    Decoder, Encoder,
    encode::write::{Cursor, EndOfSlice},
};

use crate::{
    batch::DeploymentId,
    factory::KID_BYTES,
    record::StreamId,
    sha256::{Digest as _, FaultWatch, Sha256},
    signer::{Algorithm, Digest, PublicKey, Signature, Signer, SignerError},
};

pub mod factory_key;
#[cfg(feature = "signer-se050")]
pub mod secure_element;

pub use factory_key::FactoryKeyRoot;
#[cfg(feature = "signer-se050")]
pub use secure_element::SecureElementRoot;

/// Bytes of a verifier's nonce.
pub const NONCE_BYTES: usize = 32;

const VERSION: u8 = 1;
const FIELDS: u64 = 9;

/// Everything before the token: array, version, deployment, nonce, algorithm, key, stream, kid.
const HEAD_MAX: usize = 1 + 1 + 34 + 34 + 2 + 35 + 9 + 5;

/// The token's length, then the proof with its own.
const TOKEN_HEAD_MAX: usize = 3;
const PROOF_FIELD: usize = 2 + 64;

/// Longest token that an endorsement holds, in bytes. TF-M's are below 1 kB.
pub const TOKEN_MAX: usize = u16::MAX as usize;

/// Most bytes of an endorsement around a token of `token` bytes.
#[must_use]
pub const fn endorsement_max(token: usize) -> usize {
    HEAD_MAX + TOKEN_HEAD_MAX + token + PROOF_FIELD
}

/// What an endorsement binds to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// What the verifier drew for this one endorsement.
    pub nonce: [u8; NONCE_BYTES],
    /// The ledger key.
    pub key: PublicKey,
    /// The stream the device's journal is of.
    pub stream: StreamId,
    /// The device's sender id in OSCORE.
    pub kid: [u8; KID_BYTES],
    /// The deployment the device belongs to.
    pub deployment: DeploymentId,
}

impl Binding {
    /// What the root of trust is asked to sign, as claim `eat_nonce`: SHA-256("Cairn-EAT-1" ‖ nonce ‖ X ‖ Y ‖ stream 8
    /// B BE ‖ kid ‖ deployment id).
    #[must_use]
    pub fn eat_nonce(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"Cairn-EAT-1");
        hash.update(self.nonce);
        hash.update(self.key.xy);
        hash.update(self.stream.0.to_be_bytes());
        hash.update(self.kid);
        hash.update(self.deployment.0);
        hash.finalize().into()
    }
}

/// What the ledger key signs: SHA-256("Cairn-EAT-PoP-1" ‖ SHA-256(token)). The bare hash of a token would be the hash
/// of bytes that the root chose: a root that is not what it seems could have the ledger key sign any message whose
/// signature is over a SHA-256, such as a Fabric proposal.
#[must_use]
pub fn possession_digest(token: &[u8]) -> Digest {
    let mut hash = Sha256::new_with_prefix(b"Cairn-EAT-PoP-1");
    hash.update(Sha256::digest(token));
    Digest(hash.finalize().into())
}

/// Why a root of trust gave no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootError {
    /// The output buffer is too small.
    BufferTooSmall,
    /// Its key did not sign.
    Signer(SignerError),
    /// The platform's service refused; its own status.
    Refused(i32),
}

impl From<SignerError> for RootError {
    fn from(error: SignerError) -> Self {
        Self::Signer(error)
    }
}

/// The platform's root of trust: PSA initial attestation, a secure element, or a factory's key.
pub trait RootOfTrust {
    /// Writes an EAT with claim `eat_nonce` into `out`, a tagged COSE_Sign1 or what docs/wire.cddl has instead, and
    /// returns its length. Blocks for as long as it takes.
    ///
    /// # Errors
    /// [`RootError`].
    fn token(&mut self, eat_nonce: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError>;
}

/// Why there is no endorsement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndorseError {
    /// The output buffer is too small.
    BufferTooSmall,
    /// The root of trust gave no token.
    Root(RootError),
    /// The ledger key did not sign.
    Signer(SignerError),
}

impl From<minicbor::encode::Error<EndOfSlice>> for EndorseError {
    fn from(_: minicbor::encode::Error<EndOfSlice>) -> Self {
        Self::BufferTooSmall
    }
}

/// Has `root` attest `binding` and `signer`, whose key it names, prove possession; writes the endorsement into `out`
/// and returns its length. A root's token is written where it stays, so `out` has room for the longest one, not only
/// for the one that comes.
///
/// # Errors
/// [`EndorseError`].
pub fn endorse(
    binding: &Binding,
    root: &mut impl RootOfTrust,
    signer: &mut impl Signer,
    out: &mut [u8],
) -> Result<usize, EndorseError> {
    let laid = lay(binding, root, out)?;
    prove(laid, signer, out)
}

/// [`endorse`] by a signer that is the root of trust of its own key, as a secure element is.
///
/// # Errors
/// [`EndorseError`].
pub fn endorse_itself(
    binding: &Binding,
    signer: &mut (impl Signer + RootOfTrust),
    out: &mut [u8],
) -> Result<usize, EndorseError> {
    let laid = lay(binding, signer, out)?;
    prove(laid, signer, out)
}

/// Where the head ends, and how long the token is that lies behind it and the room for its length; and whether a hash has
/// failed since.
struct Laid {
    start: usize,
    length: usize,
    hashes: FaultWatch,
}

fn lay(binding: &Binding, root: &mut impl RootOfTrust, out: &mut [u8]) -> Result<Laid, EndorseError> {
    let hashes = FaultWatch::new();
    let Binding { nonce, key, stream, kid, deployment } = *binding;
    let head = Head { deployment, nonce, alg: key.alg, public_key: key.compressed(), stream, kid };
    let start = head.encode(out)?;
    let room = out.get_mut(start + TOKEN_HEAD_MAX..).ok_or(EndorseError::BufferTooSmall)?;
    Ok(Laid { start, length: token(binding, root, room)?, hashes })
}

/// Has the ledger key sign the token, and closes the gap before it.
fn prove(laid: Laid, signer: &mut impl Signer, out: &mut [u8]) -> Result<usize, EndorseError> {
    let Laid { start, length, mut hashes } = laid;
    let reserved = start + TOKEN_HEAD_MAX;
    let digest = possession_digest(out.get(reserved..).and_then(|rest| rest.get(..length)).unwrap_or_default());
    if hashes.failed() {
        return Err(EndorseError::Signer(SignerError::FaultDetected));
    }
    let proof = signer.sign(&digest).map_err(EndorseError::Signer)?;

    // The token's length decides how long its length is.
    let mut e = Encoder::new(Cursor::new(out.get_mut(start..).ok_or(EndorseError::BufferTooSmall)?));
    e.bytes_len(length as u64)?;
    let token_at = start + e.writer().position();
    out.copy_within(reserved..reserved + length, token_at);
    let end = token_at + length;
    let mut e = Encoder::new(Cursor::new(out.get_mut(end..).ok_or(EndorseError::BufferTooSmall)?));
    e.bytes(&proof.0)?;
    Ok(end + e.writer().position())
}

/// A root's token, and no longer than it has room for, whatever the root says.
fn token(binding: &Binding, root: &mut impl RootOfTrust, out: &mut [u8]) -> Result<usize, EndorseError> {
    let room = out.len().min(TOKEN_MAX);
    let length = match root.token(&binding.eat_nonce(), out) {
        Err(RootError::BufferTooSmall) => return Err(EndorseError::BufferTooSmall),
        other => other.map_err(EndorseError::Root)?,
    };
    if length > room { Err(EndorseError::BufferTooSmall) } else { Ok(length) }
}

/// What is before the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    deployment: DeploymentId,
    nonce: [u8; NONCE_BYTES],
    alg: Algorithm,
    public_key: [u8; 33],
    stream: StreamId,
    kid: [u8; KID_BYTES],
}

impl Head {
    fn encode(&self, out: &mut [u8]) -> Result<usize, EndorseError> {
        let mut e = Encoder::new(Cursor::new(out));
        e.array(FIELDS)?.u8(VERSION)?.bytes(&self.deployment.0)?.bytes(&self.nonce)?;
        e.i8(self.alg.cose())?.bytes(&self.public_key)?.u64(self.stream.0)?.bytes(&self.kid)?;
        Ok(e.writer().position())
    }
}

/// An endorsement that was read. Nothing in it was checked but its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endorsement<'a> {
    /// The deployment it is for.
    pub deployment: DeploymentId,
    /// The verifier's nonce that it answers.
    pub nonce: [u8; NONCE_BYTES],
    /// Algorithm of the ledger key.
    pub alg: Algorithm,
    /// The ledger key, SEC 1 compressed. Whether it is a point on the curve is not checked here.
    pub public_key: [u8; 33],
    /// The stream the device's journal is of.
    pub stream: StreamId,
    /// The device's sender id in OSCORE.
    pub kid: [u8; KID_BYTES],
    /// The root of trust's token.
    pub token: &'a [u8],
    /// The ledger key's signature over [`possession_digest`] of the token.
    pub proof: Signature,
}

/// Why bytes are no endorsement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnEndorsement {
    /// A version this build does not know.
    UnknownVersion,
    /// Anything else that `docs/wire.cddl` does not say, or that is not the shortest encoding.
    Malformed,
}

impl From<minicbor::decode::Error> for NotAnEndorsement {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

impl<'a> Endorsement<'a> {
    /// Reads an endorsement that is all of `bytes`. Only the bytes [`endorse`] writes are taken.
    ///
    /// # Errors
    /// [`NotAnEndorsement`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, NotAnEndorsement> {
        let mut d = Decoder::new(bytes);
        let fields = d.array()?;
        if d.u8()? != VERSION {
            return Err(NotAnEndorsement::UnknownVersion);
        }
        let head = Head {
            deployment: DeploymentId(fixed(&mut d)?),
            nonce: fixed(&mut d)?,
            alg: Algorithm::from_cose(d.i8()?).ok_or(NotAnEndorsement::Malformed)?,
            public_key: fixed(&mut d)?,
            stream: StreamId(d.u64()?),
            kid: fixed(&mut d)?,
        };
        let head_end = d.position();
        let token = d.bytes()?;
        let proof_start = d.position();
        let proof = Signature(fixed(&mut d)?);
        let mut shortest = [0; HEAD_MAX];
        let length = head.encode(&mut shortest).map_err(|_| NotAnEndorsement::Malformed)?;
        let same_head = bytes.get(..head_end) == shortest.get(..length);
        let rest = proof_start.checked_sub(head_end) == Some(length_of_bytes(token.len()))
            && bytes.len().checked_sub(proof_start) == Some(PROOF_FIELD)
            && d.position() == bytes.len();
        if fields != Some(FIELDS) || !same_head || !rest || token.len() > TOKEN_MAX {
            return Err(NotAnEndorsement::Malformed);
        }
        let Head { deployment, nonce, alg, public_key, stream, kid } = head;
        Ok(Self { deployment, nonce, alg, public_key, stream, kid, token, proof })
    }

    /// What it claims to bind, once its public key was decompressed to `key`.
    #[must_use]
    pub const fn binding(&self, key: PublicKey) -> Binding {
        Binding { nonce: self.nonce, key, stream: self.stream, kid: self.kid, deployment: self.deployment }
    }
}

fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], NotAnEndorsement> {
    d.bytes()?.try_into().map_err(|_| NotAnEndorsement::Malformed)
}

/// Bytes of a byte string of `length` bytes with its shortest head, for those that a token may have.
const fn length_of_bytes(length: usize) -> usize {
    length
        + match length {
            0..24 => 1,
            24..256 => 2,
            _ => TOKEN_HEAD_MAX,
        }
}

#[cfg(test)]
mod tests;
