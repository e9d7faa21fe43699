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

#[cfg(test)]
mod tests {
    use cairn::signer::{Signer as _, software::SoftwareSigner};
    use proptest::prelude::*;

    use super::*;

    const HERE: DeploymentId = DeploymentId([9; 32]);

    fn signed(number: u8) -> SignedAnchor {
        let mut signer = SoftwareSigner::new(&[number + 1; 32]).unwrap();
        let anchor = Anchor {
            stream: StreamId(0x0102_0304_0506_0708),
            batch: BatchNumber(u32::from(number)),
            first_seq: SequenceNumber(0x1112_1314_1516_1718),
            count: 0x2122_2324,
            sealed_at: 0x3132_3334_3536_3738,
            flags: AnchorFlags(6),
            root: Hash([0x41; 32]),
            prev: Commitment([0x42; 32]),
        };
        let signature = signer.sign(&anchor.commitment().digest(&HERE)).unwrap();
        SignedAnchor { anchor, signature, key: signer.public_key().unwrap() }
    }

    #[test]
    fn the_bytes_are_where_the_contract_reads_them() {
        let mut packed = PackedAnchors::new();
        packed.push(&HERE, &signed(7)).unwrap();
        let bytes = packed.as_bytes();
        assert_eq!(bytes.len(), PACKED_BYTES);
        let fields = "0102030405060708 00000007 1112131415161718 21222324 3132333435363738 06".replace(' ', "");
        assert_eq!(hex::encode(&bytes[..33]), fields);
        assert_eq!((&bytes[33..65], &bytes[65..97]), (&[0x41; 32][..], &[0x42; 32][..]));
        assert_eq!(bytes[97..129], signed(7).signature.0[..32]);
        assert_eq!((bytes[129] & 0x7f, &bytes[130..]), (signed(7).signature.0[32], &signed(7).signature.0[33..]));
    }

    #[test]
    fn what_is_packed_names_its_keys_and_commitments_in_order_and_survives_storage() {
        let mut packed = PackedAnchors::new();
        // Enough that both parities occur.
        for number in 0..16 {
            packed.push(&HERE, &signed(number)).unwrap();
        }
        let parities: Vec<_> = packed.as_bytes().chunks(PACKED_BYTES).map(|one| one[129] >> 7).collect();
        assert!(parities.contains(&0) && parities.contains(&1));
        let expected = (0..16).map(signed).map(|one| Some((one.key.key_id(), one.anchor.commitment())));
        assert!(packed.events(&HERE).eq(expected));
        assert_eq!(PackedAnchors::from_bytes(packed.as_bytes()), Ok(packed));
    }

    #[test]
    fn what_the_contract_would_refuse_or_misread_is_not_packed() {
        let good = signed(1);
        let refusal = |change: fn(&mut SignedAnchor)| {
            let mut bad = good;
            change(&mut bad);
            let mut packed = PackedAnchors::new();
            let error = packed.push(&HERE, &bad).unwrap_err();
            assert!(packed.is_empty());
            error
        };
        assert_eq!(refusal(|bad| bad.key.alg = Algorithm::Es256), PackError::Algorithm);
        assert_eq!(refusal(|bad| bad.signature.0[..32].fill(0)), PackError::Malformed);
        assert_eq!(refusal(|bad| bad.signature.0.fill(0xff)), PackError::Malformed);
        assert_eq!(refusal(|bad| bad.anchor.count += 1), PackError::NotThisKey);
        assert_eq!(refusal(|bad| bad.key = signed(2).key), PackError::NotThisKey);
        assert_eq!(refusal(|bad| bad.key.xy[63] ^= 1), PackError::NotThisKey);
        let elsewhere = DeploymentId([8; 32]);
        assert_eq!(PackedAnchors::new().push(&elsewhere, &good), Err(PackError::NotThisKey));
    }

    #[test]
    fn a_call_has_an_end() {
        let mut packed = PackedAnchors::from_bytes(&[0; ANCHORS_LIMIT * PACKED_BYTES]).unwrap();
        assert_eq!(packed.push(&HERE, &signed(1)), Err(PackError::Full));
        let more = vec![0; (ANCHORS_LIMIT + 1) * PACKED_BYTES];
        assert_eq!(PackedAnchors::from_bytes(&more), Err(PackError::Length(more.len())));
    }

    proptest! {
        #[test]
        fn any_stored_bytes_are_whole_anchors_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            match PackedAnchors::from_bytes(&bytes) {
                Ok(packed) => prop_assert_eq!(packed.events(&HERE).count() * PACKED_BYTES, bytes.len()),
                Err(error) => prop_assert_eq!(error, PackError::Length(bytes.len())),
            }
        }
    }
}
