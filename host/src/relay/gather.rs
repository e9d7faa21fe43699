// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which anchors go on the ledger together and by which route. Called by [`super::anchoring`]; sends nothing.

use cairn::{
    batch::{Commitment, DeploymentId},
    record::Kind,
    signer::Algorithm,
};

use super::{
    store::{Store, StoreError, anchors::StoredAnchor, devices::Device},
    tree,
};
use crate::chain::{PackedAnchors, Payload, SignedAnchor, pack::ANCHORS_LIMIT};

/// How anchors are put on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Under a root, all of them.
    Root,
    /// One by one where that is allowed, under a root where it is not: `anchorMany` publishes who anchored when.
    Direct(DirectRules),
}

/// What may be published anchor by anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectRules {
    /// Kinds of records that are private.
    pub private_kinds: Vec<Kind>,
    /// Batches with private kinds may be published all the same.
    pub allow_private: bool,
    /// Batches whose kinds the relay does not know may be published.
    pub allow_unknown: bool,
}

impl DirectRules {
    /// Whether a batch with these kinds (`None`: not known) may be published.
    #[must_use]
    pub fn allow(&self, kinds: Option<&[Kind]>) -> bool {
        match kinds {
            None => self.allow_unknown,
            Some(kinds) => self.allow_private || !kinds.iter().any(|kind| self.private_kinds.contains(kind)),
        }
    }
}

/// A payload and the anchors it carries, in its order.
type Group = (Payload, Vec<Commitment>);

/// Sorts anchors into postings.
///
/// # Errors
/// [`StoreError`].
pub fn postings(
    mode: &Mode,
    deployment: &DeploymentId,
    store: &Store,
    anchors: Vec<StoredAnchor>,
) -> Result<Vec<Group>, StoreError> {
    let mut under_root = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut packed = (PackedAnchors::new(), Vec::new());
    for anchor in anchors {
        let device = store.device_by_key(anchor.key)?.ok_or(StoreError::Damaged("anchor's key"))?;
        if !may_go_directly(mode, &device, &anchor) || !push(&mut packed.0, deployment, &device, &anchor)? {
            under_root.push(anchor);
            continue;
        }
        packed.1.push(anchor.commitment);
        if packed.0.len() == ANCHORS_LIMIT {
            let (full, members) = std::mem::take(&mut packed);
            groups.push((Payload::Anchors(full), members));
        }
    }
    if !packed.0.is_empty() {
        groups.push((Payload::Anchors(packed.0), packed.1));
    }
    groups.extend(root_group(under_root));
    Ok(groups)
}

fn may_go_directly(mode: &Mode, device: &Device, anchor: &StoredAnchor) -> bool {
    match mode {
        Mode::Root => false,
        Mode::Direct(rules) => device.key.alg == Algorithm::Es256k && rules.allow(anchor.kinds.as_deref()),
    }
}

/// Whether the anchor was packed; one whose signature the contract cannot recover goes under a root.
fn push(
    packed: &mut PackedAnchors,
    deployment: &DeploymentId,
    device: &Device,
    anchor: &StoredAnchor,
) -> Result<bool, StoreError> {
    let uplink = anchor.read()?;
    let signed = SignedAnchor { anchor: uplink.anchor, signature: uplink.signature, key: device.key };
    Ok(packed.push(deployment, &signed).is_ok())
}

/// One tree over all of them; `None` when there are none.
fn root_group(mut anchors: Vec<StoredAnchor>) -> Option<Group> {
    anchors.sort_unstable_by_key(|anchor| anchor.leaf);
    let leaves: Vec<_> = anchors.iter().map(|anchor| anchor.leaf).collect();
    let root = if leaves.is_empty() { None } else { tree::root(&leaves).ok() };
    root.map(|root| (Payload::Root(root), anchors.iter().map(|anchor| anchor.commitment).collect()))
}
