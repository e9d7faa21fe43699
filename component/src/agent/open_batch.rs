// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What will be sealed next: the tree over its leaves so far and how long its records are when packed, kept up record by
//! record so that sealing takes no longer for a large batch than for a small one.

use crate::{
    batch::{AnchorFlags, BATCH_DEPTH},
    merkle::{Hash, TreeHasher},
    record::{BatchKey, Entry, Priority},
    time::Millis,
    uplink::delta::{BitCount, Encoder},
};

pub(super) struct OpenBatch {
    tree: TreeHasher<BATCH_DEPTH>,
    packed: Encoder<BitCount>,
    flags: u8,
    /// When the first of each priority came: bulk, routine, urgent.
    oldest: [Option<Millis>; 3],
    key: BatchKey,
}

impl OpenBatch {
    /// An empty batch whose blinds come from `key`.
    pub(super) fn new(key: BatchKey) -> Self {
        Self { tree: TreeHasher::new(), packed: Encoder::new(BitCount::default()), flags: 0, oldest: [None; 3], key }
    }

    /// Empties it where it is: blinds come from `key` from now on.
    #[inline(never)]
    pub(super) fn restart(&mut self, key: BatchKey) {
        self.tree.clear();
        self.packed = Encoder::new(BitCount::default());
        (self.flags, self.oldest) = (0, [None; 3]);
        self.key = key;
    }

    /// Adds the next journaled entry. The caller asked [`OpenBatch::has_room_for`] before it journaled it.
    pub(super) fn push(&mut self, entry: &Entry<'_>, priority: Priority, now: Millis) {
        // Neither a count of bits nor a tree with room refuses anything.
        let _: Result<(), _> = self.packed.push(entry);
        let _: Result<(), _> = self.tree.push(entry.leaf(&self.key));
        if matches!(entry, Entry::Lost { .. }) {
            self.flags |= AnchorFlags::LOST_RECORDS;
        }
        if let Some(oldest) = self.oldest.get_mut(priority as usize) {
            oldest.get_or_insert(now);
        }
    }

    /// Whether the tree has room for one more leaf, and the packed records with `entry` stay within `limit` bytes.
    pub(super) fn has_room_for(&self, entry: &Entry<'_>, limit: u64) -> bool {
        let mut packed = self.packed.clone();
        packed.push(entry).is_ok() && packed.sink().bytes() <= limit && self.leaves() + 1 < 1 << BATCH_DEPTH
    }

    pub(super) fn leaves(&self) -> u32 {
        self.tree.leaves()
    }

    pub(super) fn packed_bytes(&self) -> u64 {
        self.packed.sink().bytes()
    }

    pub(super) fn root(&self) -> Hash {
        self.tree.root()
    }

    pub(super) fn flags(&self) -> u8 {
        self.flags
    }

    /// When the first of each priority came: bulk, routine, urgent.
    pub(super) fn oldest(&self) -> [Option<Millis>; 3] {
        self.oldest
    }

    pub(super) fn since(&self) -> Option<Millis> {
        self.oldest.into_iter().flatten().min()
    }
}
