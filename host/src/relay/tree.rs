// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The relay's own RFC 9162 tree over relay leaves. The order is by leaf hash, so that it depends on what is posted and not on
//! when it came.

use cairn::merkle::{Hash, PathBuilder, TreeFull, TreeHasher};

/// Levels of the relay's tree.
const DEPTH: usize = 20;

/// Anchors that one posting carries at most: more wait for the next.
pub const LEAVES_LIMIT: u32 = 1 << 16;

/// The root over `leaves`, in this order.
///
/// # Errors
/// [`TreeFull`] above 2^20 − 1 leaves.
pub fn root(leaves: &[Hash]) -> Result<Hash, TreeFull> {
    let mut tree = TreeHasher::<DEPTH>::new();
    leaves.iter().try_for_each(|leaf| tree.push(*leaf))?;
    Ok(tree.root())
}

/// The path of the leaf at `index`, bottom-up; `None` when there is no such leaf or too many.
#[must_use]
pub fn path(leaves: &[Hash], index: u32) -> Option<Vec<Hash>> {
    let mut builder = PathBuilder::<DEPTH>::new(index);
    leaves.iter().try_for_each(|leaf| builder.push(*leaf)).ok()?;
    Some(builder.finish()?.0.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn::merkle::root_from_path;

    #[test]
    fn every_path_leads_to_the_root() {
        for count in 1..70u8 {
            let leaves: Vec<_> = (0..count).map(|n| Hash([n; 32])).collect();
            let root = root(&leaves).unwrap();
            for (index, leaf) in leaves.iter().enumerate() {
                let path = path(&leaves, u32::try_from(index).unwrap()).unwrap();
                assert_eq!(root_from_path(leaf, index as u64, u64::from(count), &path), Some(root));
            }
            assert_eq!(path(&leaves, u32::from(count)), None);
        }
    }
}
