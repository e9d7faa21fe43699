// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The anchor: what a device signs of one batch, and the EIP-712 hashes that name it on every ledger.
//! Called by the agent, the relay and verifiers; holds no keys.

use minicbor::{Encoder, encode::Write};

pub use crate::signer::Digest;
use crate::{
    keccak::keccak256,
    merkle::Hash,
    record::{SequenceNumber, StreamId, hash_leaf},
    signer::{Algorithm, KeyId, Signature},
    word::Word,
};

/// Levels of a batch's tree. 2^16 − 1 records are more than a year of quarter hours.
pub const BATCH_DEPTH: usize = 16;

/// Names a deployment (32 bytes, drawn once): the salt of the EIP-712 domain, so that an anchor is valid on every ledger of
/// its deployment and on no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeploymentId(pub [u8; 32]);

/// A batch's number within its stream, from 0, without holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchNumber(pub u32);

/// What the flags of an anchor say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AnchorFlags(pub u8);

impl AnchorFlags {
    /// The batch contains lost records.
    pub const LOST_RECORDS: u8 = 1;
    /// `sealed_at` is synchronised: Unix milliseconds, not milliseconds since boot.
    pub const SYNCHRONISED: u8 = 1 << 1;
    /// The last batch signed with this key.
    pub const LAST_OF_KEY: u8 = 1 << 2;

    /// Whether all bits of `mask` are set.
    #[must_use]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask == mask
    }
}

/// The EIP-712 struct hash of an anchor: what a contract event and the next batch's `prev` name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment(pub [u8; 32]);

/// The statement of one sealed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// The stream the batch belongs to.
    pub stream: StreamId,
    /// Its number in the stream.
    pub batch: BatchNumber,
    /// Sequence number of its first record.
    pub first_seq: SequenceNumber,
    /// How many records it holds; never 0.
    pub count: u32,
    /// When it was sealed, Unix milliseconds, or since boot without [`AnchorFlags::SYNCHRONISED`].
    pub sealed_at: u64,
    /// See [`AnchorFlags`].
    pub flags: AnchorFlags,
    /// Root over its leaves.
    pub root: Hash,
    /// The previous batch's commitment, zero in batch 0.
    pub prev: Commitment,
}

/// keccak256 of what never changes in a domain: its type, its name and its version. Constants spare four of the nine
/// permutations of a digest; a test hashes the texts.
const DOMAIN_PREFIX: [[u8; 32]; 3] = [DOMAIN_TYPE_HASH, NAME_HASH, VERSION_HASH];

/// `EIP712Domain(string name,string version,bytes32 salt)`
const DOMAIN_TYPE_HASH: [u8; 32] = [
    0x59, 0x9a, 0x80, 0xfc, 0xaa, 0x47, 0xb9, 0x5e, 0x23, 0x23, 0xab, 0x4d, 0x34, 0xd3, 0x4e, 0x0c, 0xc9, 0xfe, 0xda,
    0x4b, 0x84, 0x3e, 0xda, 0xfc, 0xc3, 0x0c, 0x7b, 0xdf, 0x60, 0xea, 0x15, 0xbf,
];

/// `Cairn`
const NAME_HASH: [u8; 32] = [
    0xc3, 0x17, 0x6e, 0x39, 0xfa, 0x90, 0x4b, 0xb2, 0x97, 0x96, 0x08, 0x08, 0x94, 0xca, 0x1f, 0x91, 0x8a, 0xf4, 0x5d,
    0x5b, 0x88, 0x7b, 0x48, 0x56, 0x52, 0xca, 0x6b, 0x91, 0xd0, 0x78, 0xcb, 0x96,
];

/// `1`
const VERSION_HASH: [u8; 32] = [
    0xc8, 0x9e, 0xfd, 0xaa, 0x54, 0xc0, 0xf2, 0x0c, 0x7a, 0xdf, 0x61, 0x28, 0x82, 0xdf, 0x09, 0x50, 0xf5, 0xa9, 0x51,
    0x63, 0x7e, 0x03, 0x07, 0xcd, 0xcb, 0x4c, 0x67, 0x2f, 0x29, 0x8b, 0x8b, 0xc6,
];

/// `Anchor(uint64 stream,uint32 batch,uint64 firstSeq,uint32 count,uint64 sealedAt,uint8 flags,bytes32 root,bytes32 prev)`
const ANCHOR_TYPE_HASH: [u8; 32] = [
    0x17, 0x38, 0x41, 0x98, 0x13, 0xdd, 0xff, 0xf8, 0xff, 0x7e, 0x4e, 0x79, 0x12, 0x9d, 0x98, 0x49, 0x4d, 0xdb, 0xf4,
    0xf9, 0x65, 0xa9, 0xed, 0x4b, 0xca, 0xf8, 0x30, 0x71, 0x55, 0xbb, 0x35, 0x51,
];

impl DeploymentId {
    /// The EIP-712 domain separator: name "Cairn", version "1", salt this id.
    #[must_use]
    pub fn domain_separator(&self) -> [u8; 32] {
        keccak256(&[DOMAIN_PREFIX.as_flattened(), &self.0])
    }
}

impl Anchor {
    /// The EIP-712 struct hash.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment(keccak256(&[
            &ANCHOR_TYPE_HASH,
            &Word::from(self.stream.0).0,
            &Word::from(self.batch.0).0,
            &Word::from(self.first_seq.0).0,
            &Word::from(self.count).0,
            &Word::from(self.sealed_at).0,
            &Word::from(self.flags.0).0,
            &self.root.0,
            &self.prev.0,
        ]))
    }

    /// The sequence number after the batch's last, or `None` past the end of numbers: no such batch exists.
    #[must_use]
    pub fn end(&self) -> Option<SequenceNumber> {
        self.first_seq.0.checked_add(u64::from(self.count)).map(SequenceNumber)
    }

    /// The place of `seq` among the leaves, or `None` when it is not in this batch.
    #[must_use]
    pub fn leaf_index(&self, seq: SequenceNumber) -> Option<u32> {
        let index = u32::try_from(seq.0.checked_sub(self.first_seq.0)?).ok()?;
        (index < self.count).then_some(index)
    }
}

impl Commitment {
    /// The EIP-712 digest of the anchor with this commitment: keccak256(0x1901 ‖ domain separator ‖ struct hash).
    #[must_use]
    pub fn digest(&self, deployment: &DeploymentId) -> Digest {
        Digest(keccak256(&[&[0x19, 0x01], &deployment.domain_separator(), &self.0]))
    }
}

/// What the relay puts into its own tree for one anchor: `[2, alg, keyId, digest, signature]`. It names neither the device nor
/// its records, and says which key signed what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLeaf {
    /// The algorithm of the signing key.
    pub alg: Algorithm,
    /// The signing key.
    pub key_id: KeyId,
    /// The anchor's digest.
    pub digest: Digest,
    /// The device's signature.
    pub signature: Signature,
}

impl RelayLeaf {
    /// Writes the leaf CBOR (deterministic encoding, RFC 8949 section 4.2).
    ///
    /// # Errors
    /// Only what `e` says when its buffer is full.
    pub fn encode<W: Write>(&self, e: &mut Encoder<W>) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(5)?
            .u8(2)?
            .i8(self.alg.cose())?
            .bytes(&self.key_id.0)?
            .bytes(&self.digest.0)?
            .bytes(&self.signature.0)?;
        Ok(())
    }

    /// The leaf hash: SHA-256(0x00 ‖ leaf CBOR).
    #[must_use]
    pub fn hash(&self) -> Hash {
        hash_leaf(|e| self.encode(e))
    }
}

/// The leaf hash of [`RelayLeaf`].
#[must_use]
pub fn relay_leaf(alg: Algorithm, key_id: &KeyId, digest: &Digest, signature: &Signature) -> Hash {
    RelayLeaf { alg, key_id: *key_id, digest: *digest, signature: *signature }.hash()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_hashes_are_those_of_their_texts() {
        let hashed = |text: &str| keccak256(&[text.as_bytes()]);
        assert_eq!(DOMAIN_TYPE_HASH, hashed("EIP712Domain(string name,string version,bytes32 salt)"));
        assert_eq!(NAME_HASH, hashed("Cairn"));
        assert_eq!(VERSION_HASH, hashed("1"));
        let fields = "uint64 stream,uint32 batch,uint64 firstSeq,uint32 count,uint64 sealedAt,uint8 flags";
        let mut anchor = crate::keccak::Keccak::new();
        for part in ["Anchor(", fields, ",bytes32 root,bytes32 prev)"] {
            anchor.update(part.as_bytes());
        }
        assert_eq!(ANCHOR_TYPE_HASH, anchor.finalize());
    }

    #[test]
    fn a_batch_that_runs_past_the_last_number_has_no_end_and_places_outside_have_no_leaf() {
        let mut anchor = Anchor {
            stream: StreamId(1),
            batch: BatchNumber(0),
            first_seq: SequenceNumber(u64::MAX - 2),
            count: 2,
            sealed_at: 0,
            flags: AnchorFlags(0),
            root: Hash::default(),
            prev: Commitment::default(),
        };
        assert_eq!(anchor.end(), Some(SequenceNumber(u64::MAX)));
        assert_eq!(anchor.leaf_index(SequenceNumber(u64::MAX - 3)), None);
        assert_eq!(anchor.leaf_index(SequenceNumber(u64::MAX - 2)), Some(0));
        assert_eq!(anchor.leaf_index(SequenceNumber(u64::MAX - 1)), Some(1));
        assert_eq!(anchor.leaf_index(SequenceNumber(u64::MAX)), None);
        anchor.count = 3;
        assert_eq!(anchor.end(), None);
        anchor.first_seq = SequenceNumber(0);
        // 2^32 places further is not place 0.
        assert_eq!(anchor.leaf_index(SequenceNumber(1 << 32)), None);
    }
}
