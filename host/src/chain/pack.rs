// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bytes of `anchorMany` (docs/contract.md, "Packed anchors"), made by the relay in direct mode. Every signature is checked here
//! before it costs gas: the contract refuses a whole call for one bad anchor.

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId, Digest},
    merkle::Hash,
    record::{SequenceNumber, StreamId},
    signer::{Algorithm, KeyId, PublicKey, Signature},
};
use k256::ecdsa::{RecoveryId, Signature as Ecdsa, VerifyingKey};

/// Bytes of one packed anchor.
pub const PACKED_BYTES: usize = 161;

/// Anchors a call holds at most: three quarters of the 128 KiB that nodes take as one transaction, and well below the 2^24 gas
/// of EIP-7825.
pub const ANCHORS_LIMIT: usize = 600;

/// An anchor with the signature over its digest and the key that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedAnchor {
    /// What was signed.
    pub anchor: Anchor,
    /// r ‖ s, low-S.
    pub signature: Signature,
    /// Who signed.
    pub key: PublicKey,
}

/// Why an anchor cannot go through `anchorMany`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Only secp256k1 keys can be recovered by the contract.
    #[error("the key is not on secp256k1")]
    Algorithm,
    /// r or s is zero or not below the group order.
    #[error("the signature is not one of secp256k1")]
    Malformed,
    /// s is in the upper half of the group order.
    #[error("the signature is high-S")]
    HighS,
    /// The signature is not this key's over this anchor in this deployment.
    #[error("the signature is not this key's over this anchor")]
    NotThisKey,
    /// [`ANCHORS_LIMIT`] are packed already.
    #[error("the call is full")]
    Full,
    /// Stored bytes are empty, not a whole number of anchors, or more than [`ANCHORS_LIMIT`].
    #[error("{0} bytes are not a batch of packed anchors")]
    Length(usize),
}

/// Anchors packed for one call of `anchorMany`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PackedAnchors(Vec<u8>);

impl PackedAnchors {
    /// No anchors yet; the contract refuses an empty batch.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an anchor, in order: the contract emits one event each, in the same order.
    ///
    /// # Errors
    /// [`PackError`]; nothing was added then.
    pub fn push(&mut self, deployment: &DeploymentId, signed: &SignedAnchor) -> Result<(), PackError> {
        if self.len() >= ANCHORS_LIMIT {
            return Err(PackError::Full);
        }
        let compact = compact_signature(deployment, signed)?;
        let anchor = &signed.anchor;
        self.0.extend_from_slice(&anchor.stream.0.to_be_bytes());
        self.0.extend_from_slice(&anchor.batch.0.to_be_bytes());
        self.0.extend_from_slice(&anchor.first_seq.0.to_be_bytes());
        self.0.extend_from_slice(&anchor.count.to_be_bytes());
        self.0.extend_from_slice(&anchor.sealed_at.to_be_bytes());
        self.0.push(anchor.flags.0);
        self.0.extend_from_slice(&anchor.root.0);
        self.0.extend_from_slice(&anchor.prev.0);
        self.0.extend_from_slice(&compact);
        Ok(())
    }

    /// The batch that was stored as `bytes`. Signatures are not checked again.
    ///
    /// # Errors
    /// [`PackError::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackError> {
        let whole = !bytes.is_empty() && bytes.len().is_multiple_of(PACKED_BYTES);
        if !whole || bytes.len() / PACKED_BYTES > ANCHORS_LIMIT {
            return Err(PackError::Length(bytes.len()));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// What the contract says of each anchor, in order: the key it recovers and the commitment. `None` for one that makes it
    /// refuse the call, which only stored bytes that were tampered with can hold.
    pub fn events(&self, deployment: &DeploymentId) -> impl Iterator<Item = Option<(KeyId, Commitment)>> {
        self.0.as_chunks::<PACKED_BYTES>().0.iter().map(|packed| {
            let (anchor, compact) = unpack(packed)?;
            let commitment = anchor.commitment();
            Some((recover(&commitment.digest(deployment), &compact)?, commitment))
        })
    }

    /// The argument of `anchorMany`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many anchors.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len() / PACKED_BYTES
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Fields of one packed anchor and its compact signature; `None` never happens for a whole one.
fn unpack(packed: &[u8; PACKED_BYTES]) -> Option<(Anchor, [u8; 64])> {
    let mut rest = packed.as_slice();
    let anchor = Anchor {
        stream: StreamId(u64::from_be_bytes(take(&mut rest)?)),
        batch: BatchNumber(u32::from_be_bytes(take(&mut rest)?)),
        first_seq: SequenceNumber(u64::from_be_bytes(take(&mut rest)?)),
        count: u32::from_be_bytes(take(&mut rest)?),
        sealed_at: u64::from_be_bytes(take(&mut rest)?),
        flags: AnchorFlags(take::<1>(&mut rest)?[0]),
        root: Hash(take(&mut rest)?),
        prev: Commitment(take(&mut rest)?),
    };
    Some((anchor, take(&mut rest)?))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

/// What the contract's `ecrecover` gives, after its low-S check.
fn recover(digest: &Digest, compact: &[u8; 64]) -> Option<KeyId> {
    let mut plain = *compact;
    let odd = plain[32] & 0x80 != 0;
    plain[32] &= 0x7f;
    let signature = Ecdsa::from_slice(&plain).ok().filter(|s| s.normalize_s() == *s)?;
    let key = VerifyingKey::recover_from_prehash(&digest.0, &signature, RecoveryId::new(odd, false)).ok()?;
    let point = key.to_sec1_point(false);
    let xy = point.as_bytes().get(1..)?.try_into().ok()?;
    Some(PublicKey { alg: Algorithm::Es256k, xy }.key_id())
}

/// The EIP-2098 form of an anchor's signature: r ‖ (yParity in the top bit, s below). The parity is searched for, because a
/// device does not send it.
///
/// # Errors
/// [`PackError`] when the contract would recover another key, or none.
pub fn compact_signature(deployment: &DeploymentId, signed: &SignedAnchor) -> Result<[u8; 64], PackError> {
    if signed.key.alg != Algorithm::Es256k {
        return Err(PackError::Algorithm);
    }
    let signature = Ecdsa::from_slice(&signed.signature.0).map_err(|_| PackError::Malformed)?;
    // Equal when s is in the lower half already.
    if signature.normalize_s() != signature {
        return Err(PackError::HighS);
    }
    let digest = signed.anchor.commitment().digest(deployment);
    let mut sec1 = [0; 65];
    sec1[0] = 4;
    sec1[1..].copy_from_slice(&signed.key.xy);
    let key = VerifyingKey::from_sec1_bytes(&sec1).map_err(|_| PackError::NotThisKey)?;
    // A signature whose r was reduced (recovery ids 2 and 3) cannot be recovered by EIP-2098; it happens once in 2^127.
    let odd = [false, true].into_iter().find(|&odd| {
        VerifyingKey::recover_from_prehash(&digest.0, &signature, RecoveryId::new(odd, false)).is_ok_and(|k| k == key)
    });
    let mut compact = signed.signature.0;
    compact[32] |= if odd.ok_or(PackError::NotThisKey)? { 0x80 } else { 0 };
    Ok(compact)
}
