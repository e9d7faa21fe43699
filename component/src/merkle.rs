// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RFC 9162 (Certificate Transparency) Merkle trees over SHA-256, streamed: leaves go by once, O(log n) hashes are kept.
//! Called by the batch, the relay and verifiers; never sees what a leaf hashes.

use crate::sha256::{Digest as _, Sha256};

/// A SHA-256 hash: a leaf, a node, or a root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// Levels a tree of `u32` leaves can have: a path is never longer.
pub const MAX_DEPTH: usize = 32;

/// SHA-256(0x01 ‖ left ‖ right).
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new_with_prefix([0x01]);
    hash.update(left.0);
    hash.update(right.0);
    Hash(hash.finalize().into())
}

/// SHA-256 of nothing: the root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The roots of the perfect subtrees seen so far, left to right, largest first: one per set bit of the leaf count.
/// `DEPTH` levels hold 2^`DEPTH` − 1 leaves.
#[derive(Clone, Debug)]
pub struct TreeHasher<const DEPTH: usize> {
    peaks: heapless::Vec<Hash, DEPTH>,
    leaves: u32,
}

/// The tree has no room for another leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeFull;

impl<const DEPTH: usize> Default for TreeHasher<DEPTH> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const DEPTH: usize> TreeHasher<DEPTH> {
    /// A tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(DEPTH >= 1 && DEPTH < MAX_DEPTH) };
        Self { peaks: heapless::Vec::new(), leaves: 0 }
    }

    /// Forgets all leaves.
    pub fn clear(&mut self) {
        self.peaks.clear();
        self.leaves = 0;
    }

    /// Leaves so far.
    #[must_use]
    pub const fn leaves(&self) -> u32 {
        self.leaves
    }

    /// Appends a leaf hash.
    ///
    /// # Errors
    /// [`TreeFull`] when 2^`DEPTH` − 1 leaves are in.
    pub fn push(&mut self, leaf: Hash) -> Result<(), TreeFull> {
        if self.leaves + 1 >= 1 << DEPTH {
            return Err(TreeFull);
        }
        let mut hash = leaf;
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.leaves += 1;
        self.peaks.push(hash).map_err(|_| TreeFull)
    }

    /// The root over the leaves so far. A fold over the peaks, from the right.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(&last) = peaks.next() else {
            return empty_root();
        };
        peaks.fold(last, |right, left| node(left, &right))
    }
}

/// The hashes beside the way from a leaf to the root, bottom-up.
pub type Path<const DEPTH: usize> = heapless::Vec<Hash, DEPTH>;

/// Builds one leaf's inclusion path while all leaves go by once.
#[derive(Clone, Debug)]
pub struct PathBuilder<const DEPTH: usize> {
    index: u32,
    tree: TreeHasher<DEPTH>,
    /// The peak that holds the leaf, once it went by.
    holder: Option<usize>,
    path: Path<DEPTH>,
}

impl<const DEPTH: usize> PathBuilder<DEPTH> {
    /// A builder for the leaf at `index`.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self { index, tree: TreeHasher::new(), holder: None, path: heapless::Vec::new() }
    }

    /// Appends a leaf hash.
    ///
    /// # Errors
    /// [`TreeFull`] when 2^`DEPTH` − 1 leaves are in.
    pub fn push(&mut self, leaf: Hash) -> Result<(), TreeFull> {
        let before = self.tree.leaves;
        if before + 1 >= 1 << DEPTH {
            return Err(TreeFull);
        }
        let mut hash = leaf;
        let mut holds = before == self.index;
        for _ in 0..before.trailing_ones() {
            let Some(left) = self.tree.peaks.pop() else {
                break;
            };
            if holds {
                self.path.push(left).map_err(|_| TreeFull)?;
            } else if self.holder == Some(self.tree.peaks.len()) {
                self.path.push(hash).map_err(|_| TreeFull)?;
                holds = true;
            }
            hash = node(&left, &hash);
        }
        if holds {
            self.holder = Some(self.tree.peaks.len());
        }
        self.tree.leaves = before + 1;
        self.tree.peaks.push(hash).map_err(|_| TreeFull)
    }

    /// The path and the root, or `None` when the leaf never went by.
    #[must_use]
    pub fn finish(mut self) -> Option<(Path<DEPTH>, Hash)> {
        let root = self.close()?;
        Some((self.path, root))
    }

    /// As [`Self::finish`], where the builder is: the root, with the path in [`Self::path`]. No leaf may follow.
    #[inline(never)]
    pub fn close(&mut self) -> Option<Hash> {
        let holder = self.holder?;
        let mut position = self.tree.peaks.len() - 1;
        let mut right = self.tree.peaks[position];
        let mut holds = position == holder;
        while position > 0 {
            position -= 1;
            let left = self.tree.peaks[position];
            if holds {
                self.path.push(left).ok()?;
            } else if position == holder {
                self.path.push(right).ok()?;
                holds = true;
            }
            right = node(&left, &right);
        }
        Some(right)
    }

    /// The path, once the builder is closed.
    #[must_use]
    pub const fn path(&self) -> &Path<DEPTH> {
        &self.path
    }
}

/// The root that `leaf` at `index` of `leaves` and `path` lead to (RFC 9162 section 2.1.3.2), or `None` when the path's
/// length cannot belong to that place.
#[must_use]
pub fn root_from_path(leaf: &Hash, index: u64, leaves: u64, path: &[Hash]) -> Option<Hash> {
    if index >= leaves {
        return None;
    }
    let (mut node_index, mut last) = (index, leaves - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node_index & 1 == 1 || node_index == last {
            hash = node(sibling, &hash);
            while node_index & 1 == 0 && node_index != 0 {
                node_index >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        node_index >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}
