// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Merkle tree against merkle_rfc6962.json: roots of every size, inclusion paths, the roots of older trees. Consistency
//! proofs do not apply: Cairn's trees are sealed and never grow, so nothing makes or checks one; their old roots are checked.

mod vector_files;

use cairn::merkle::{Hash, PathBuilder, TreeHasher, root_from_path};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use vector_files::{Family, array, bytes, list, number};

#[test]
fn every_rfc_6962_vector_gives_the_same_roots_and_inclusion_paths() {
    let (mut paths, mut consistency_proofs) = (0, 0);
    let family = Family::load("merkle_rfc6962").run(
        |_| None,
        |vector| {
            paths += check(vector);
            consistency_proofs += list(&vector["consistency"]).len();
        },
    );
    family.finish(&[("ct", 6), ("rfc6962", 12)], &[]);
    assert_eq!((paths, consistency_proofs), (PATHS, CONSISTENCY_PROOFS));
}

/// What the file holds, so that a file that lost its proofs does not pass.
const PATHS: usize = 135;
const CONSISTENCY_PROOFS: usize = 117;

/// Checks one tree; gives the number of inclusion paths it holds.
fn check(vector: &Value) -> usize {
    let leaves: Vec<Hash> = list(&vector["leaves"])
        .iter()
        .map(|data| Hash(Sha256::new_with_prefix([0]).chain_update(bytes(data)).finalize().into()))
        .collect();
    assert_eq!(leaves.len(), number::<usize>(&vector["n"]));
    let root = Hash(array(&vector["root"]));

    let mut tree = TreeHasher::<8>::new();
    let mut roots = vec![tree.root()];
    for leaf in &leaves {
        tree.push(*leaf).unwrap();
        roots.push(tree.root());
    }
    assert_eq!(roots.last(), Some(&root));
    for proof in list(&vector["consistency"]) {
        assert_eq!(roots[number::<usize>(&proof["old_size"])].0, array(&proof["old_root"]));
    }

    let inclusion = list(&vector["inclusion"]);
    for proof in inclusion {
        let index: u32 = number(&proof["index"]);
        let leaf = leaves[index as usize];
        assert_eq!(leaf.0, array(&proof["leaf_hash"]));
        let expected: Vec<Hash> = list(&proof["proof"]).iter().map(|hash| Hash(array(hash))).collect();
        let mut builder = PathBuilder::<8>::new(index);
        for leaf in &leaves {
            builder.push(*leaf).unwrap();
        }
        let (path, built) = builder.finish().unwrap();
        assert_eq!((path.as_slice(), built), (expected.as_slice(), root), "path of leaf {index}");
        assert_eq!(root_from_path(&leaf, index.into(), leaves.len() as u64, &expected), Some(root));
    }
    inclusion.len()
}
