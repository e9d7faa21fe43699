// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The streamed Merkle tree against the recursive definition of RFC 9162 section 2.1, and what a path refuses.

use cairn::merkle::{Hash, PathBuilder, TreeFull, TreeHasher, empty_root, node, root_from_path};
use proptest::prelude::*;

const MOST_LEAVES: usize = 300;

/// Where RFC 9162 splits `n` leaves: the largest power of two below `n`.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// MTH of RFC 9162 section 2.1.1, over leaf hashes.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&naive_root(left), &naive_root(right))
        }
    }
}

/// PATH of RFC 9162 section 2.1.3.1.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - left.len(), right), naive_root(left))
    };
    path.push(sibling);
    path
}

/// The turns from the root to a leaf: true is right.
fn turns(index: usize, n: usize) -> Vec<bool> {
    if n == 1 {
        return Vec::new();
    }
    let left = split(n);
    let (right, rest) = if index < left { (false, turns(index, left)) } else { (true, turns(index - left, n - left)) };
    [vec![right], rest].concat()
}

fn leaf(number: usize) -> Hash {
    let mut bytes = [0xa5; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Hash(bytes)
}

fn leaves(n: usize) -> Vec<Hash> {
    (0..n).map(leaf).collect()
}

fn path_of(index: usize, leaves: &[Hash]) -> (Vec<Hash>, Hash) {
    let mut builder = PathBuilder::<9>::new(u32::try_from(index).unwrap());
    for leaf in leaves {
        builder.push(*leaf).unwrap();
    }
    let (path, root) = builder.finish().unwrap();
    (path.to_vec(), root)
}

#[test]
fn every_root_up_to_300_leaves_is_the_recursive_one() {
    let mut tree = TreeHasher::<9>::new();
    assert_eq!(tree.root(), empty_root());
    for n in 1..=MOST_LEAVES {
        tree.push(leaf(n - 1)).unwrap();
        assert_eq!(tree.root(), naive_root(&leaves(n)), "{n} leaves");
    }
}

#[test]
fn every_path_of_every_tree_up_to_40_leaves_is_the_recursive_one() {
    for n in 1..=40 {
        let leaves = leaves(n);
        let root = naive_root(&leaves);
        for index in 0..n {
            let (path, built) = path_of(index, &leaves);
            assert_eq!((&path, built), (&naive_path(index, &leaves), root), "leaf {index} of {n}");
            assert_eq!(root_from_path(&leaves[index], index as u64, n as u64, &path), Some(root));
        }
    }
}

#[test]
fn a_tree_and_a_path_take_two_to_the_depth_minus_one_leaves_and_then_refuse_without_change() {
    let mut tree = TreeHasher::<3>::new();
    let mut builder = PathBuilder::<3>::new(6);
    for number in 0..7 {
        tree.push(leaf(number)).unwrap();
        builder.push(leaf(number)).unwrap();
    }
    for number in 7..20 {
        assert_eq!(tree.push(leaf(number)), Err(TreeFull));
        assert_eq!(builder.push(leaf(number)), Err(TreeFull));
    }
    assert_eq!((tree.leaves(), tree.root()), (7, naive_root(&leaves(7))));
    let (path, root) = builder.finish().unwrap();
    assert_eq!((path.to_vec(), root), (naive_path(6, &leaves(7)), naive_root(&leaves(7))));
}

#[test]
fn a_leaf_that_never_went_by_has_no_path() {
    for pushed in 0..5 {
        let mut builder = PathBuilder::<4>::new(pushed);
        for number in 0..pushed as usize {
            builder.push(leaf(number)).unwrap();
        }
        assert!(builder.finish().is_none(), "index {pushed} of {pushed} leaves");
    }
}

proptest! {
    // Each case walks whole trees.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_root_and_path_are_the_recursive_ones(
        leaves in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 1..=MOST_LEAVES),
        at in any::<prop::sample::Index>(),
    ) {
        let index = at.index(leaves.len());
        let (path, root) = path_of(index, &leaves);
        prop_assert_eq!(root, naive_root(&leaves));
        prop_assert_eq!(&path, &naive_path(index, &leaves));
        prop_assert_eq!(root_from_path(&leaves[index], index as u64, leaves.len() as u64, &path), Some(root));
    }

    #[test]
    fn any_changed_bit_of_leaf_or_path_leads_elsewhere(
        n in 1..=MOST_LEAVES, at in any::<prop::sample::Index>(), byte in 0..32_usize, bit in 0..8_u32,
    ) {
        let leaves = leaves(n);
        let index = at.index(n);
        let (path, root) = path_of(index, &leaves);
        let reaches = |leaf: &Hash, path: &[Hash]| root_from_path(leaf, index as u64, n as u64, path) == Some(root);
        prop_assert!(reaches(&leaves[index], &path));
        let mut changed = leaves[index];
        changed.0[byte] ^= 1 << bit;
        prop_assert!(!reaches(&changed, &path));
        for level in 0..path.len() {
            let mut changed = path.clone();
            changed[level].0[byte] ^= 1 << bit;
            prop_assert!(!reaches(&leaves[index], &changed), "level {}", level);
        }
    }

    #[test]
    fn a_path_shorter_longer_or_swapped_is_refused(n in 2..=MOST_LEAVES, at in any::<prop::sample::Index>()) {
        let leaves = leaves(n);
        let index = at.index(n);
        let (path, root) = path_of(index, &leaves);
        let result = |path: &[Hash]| root_from_path(&leaves[index], index as u64, n as u64, path);
        prop_assert_eq!(result(&path[1..]), None);
        prop_assert_eq!(result(&path[..path.len() - 1]), None);
        let longer: Vec<Hash> = path.iter().copied().chain([root]).collect();
        prop_assert_eq!(result(&longer), None);
        for level in 1..path.len() {
            let mut swapped = path.clone();
            swapped.swap(level - 1, level);
            prop_assert_ne!(result(&swapped), Some(root));
        }
    }

    /// The path of a leaf says where it is, not how many leaves there are: the count comes from the signed anchor. Under the
    /// right count no other index is accepted; another count is accepted only where it puts the leaf at the same turns.
    #[test]
    fn a_wrong_index_is_refused_and_a_wrong_count_unless_the_way_is_the_same(
        n in 1..=MOST_LEAVES, at in any::<prop::sample::Index>(),
    ) {
        let leaves = leaves(n);
        let index = at.index(n);
        let (path, root) = path_of(index, &leaves);
        for other in (0..=n + 1).filter(|other| *other != index) {
            let result = root_from_path(&leaves[index], other as u64, n as u64, &path);
            prop_assert_ne!(result, Some(root), "index {}", other);
            if other >= n {
                prop_assert_eq!(result, None);
            }
        }
        for count in 0..=MOST_LEAVES {
            let accepted = root_from_path(&leaves[index], index as u64, count as u64, &path) == Some(root);
            prop_assert_eq!(accepted, index < count && turns(index, count) == turns(index, n), "count {}", count);
        }
    }
}
