// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Follows a device's rotations from its first key to the one that signed. Called by [`mod@crate::verify`]; by the
//! relay and the program for what one rotation says. Asks nobody: which of the keys the deployment's owner registered
//! is another step's.
//!
//! The first key is in no rotation: it is recovered from the first rotation's signature, and is the one whose hash is
//! the device's id. Each later rotation is signed by the key that the one before names.

use cairn::{
    batch::{Anchor, AnchorFlags, DeploymentId},
    merkle::root_from_path,
    record::Kind,
    rotation::{Rotation as Payload, RotationFields},
    signer::{DeviceId, PublicKey, Signature},
};

use crate::{
    cbor,
    model::{Evidence, OwnedRecord, Rotation},
    refusal::{Refusal, RotationFault},
    signature::{self, SignatureError},
    verify::contradiction,
};

/// What one rotation says, read and not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The rotation record.
    pub record: OwnedRecord,
    /// What its payload says.
    pub says: RotationFields,
    /// The anchor of its batch.
    pub anchor: Anchor,
}

impl Told {
    /// Reads a rotation.
    ///
    /// # Errors
    /// [`RotationFault::Record`], [`RotationFault::Anchor`], [`RotationFault::NotARotation`].
    pub fn read(rotation: &Rotation) -> Result<Self, RotationFault> {
        let record = cbor::read_record(&rotation.record).map_err(RotationFault::Record)?;
        let anchor = cbor::read_anchor(&rotation.anchor).map_err(RotationFault::Anchor)?;
        let says = said_by(&record)?;
        Ok(Self { record, says, anchor })
    }
}

/// What a record says as a rotation.
///
/// # Errors
/// [`RotationFault::NotARotation`].
pub fn said_by(record: &OwnedRecord) -> Result<RotationFields, RotationFault> {
    let read = RotationFields::from_payload(&record.payload);
    read.ok().filter(|_| record.kind == Kind::ROTATION).ok_or(RotationFault::NotARotation)
}

/// The key a rotation record names, if that key agreed to this place of this device's history.
///
/// # Errors
/// [`RotationFault::KeyNotOnCurve`], [`RotationFault::Proof`].
pub fn proven_key(says: &RotationFields, record: &OwnedRecord, anchor: &Anchor) -> Result<PublicKey, RotationFault> {
    let key = signature::public_key(says.alg, &says.public_key).map_err(|_| RotationFault::KeyNotOnCurve)?;
    let digest = Payload::proof_digest(&says.device, anchor.stream, record.seq);
    signature::check(&key, &digest, &says.proof).map_err(RotationFault::Proof)?;
    Ok(key)
}

/// Whether `anchor` is one that a key ends with, and `record` its last.
///
/// # Errors
/// [`RotationFault::OutsideBatch`], [`RotationFault::NotLast`], [`RotationFault::NotMarked`].
pub fn check_place(record: &OwnedRecord, anchor: &Anchor) -> Result<u32, RotationFault> {
    let index = anchor.leaf_index(record.seq).ok_or(RotationFault::OutsideBatch)?;
    if index + 1 != anchor.count {
        return Err(RotationFault::NotLast);
    }
    if !anchor.flags.has(AnchorFlags::LAST_OF_KEY) {
        return Err(RotationFault::NotMarked);
    }
    Ok(index)
}

/// The device whose first key leads to the evidence's key; `None` when there are no rotations, and the evidence's key
/// is the first.
pub(crate) fn follow(evidence: &Evidence, deployment: &DeploymentId) -> Result<Option<DeviceId>, Refusal> {
    let mut last: Option<(Told, PublicKey)> = None;
    for (number, rotation) in (1..).zip(&evidence.rotations) {
        let (told, key) =
            step(rotation, last.as_ref(), deployment).map_err(|fault| Refusal::Rotation { number, fault })?;
        last = Some((told, key));
    }
    let Some((told, key)) = last else { return Ok(None) };
    if (key.alg, key.compressed()) != (evidence.key.alg, evidence.key.public_key) {
        return Err(Refusal::RotationsLeadElsewhere(key.compressed()));
    }
    if !precedes(&told.anchor, &evidence.anchor) {
        return Err(Refusal::Rotation { number: evidence.rotations.len(), fault: RotationFault::OutOfOrder });
    }
    Ok(Some(told.says.device))
}

/// One rotation, after the one before; gives what it says and the key it leads to.
fn step(
    rotation: &Rotation,
    before: Option<&(Told, PublicKey)>,
    deployment: &DeploymentId,
) -> Result<(Told, PublicKey), RotationFault> {
    let told = Told::read(rotation)?;
    if let Some(contradiction) = contradiction(&told.anchor) {
        return Err(RotationFault::AnchorInconsistent(contradiction));
    }
    let index = check_place(&told.record, &told.anchor)?;
    let root = root_from_path(&told.record.leaf(), index.into(), told.anchor.count.into(), &rotation.path);
    if root != Some(told.anchor.root) {
        return Err(RotationFault::NotUnderRoot);
    }
    check_signer(&told, &rotation.signature, before, deployment)?;
    let key = proven_key(&told.says, &told.record, &told.anchor)?;
    Ok((told, key))
}

/// The key before, by the rotation before or by the device's id, signed the anchor.
fn check_signer(
    told: &Told,
    signature: &Signature,
    before: Option<&(Told, PublicKey)>,
    deployment: &DeploymentId,
) -> Result<(), RotationFault> {
    let found = told.says.device;
    let digest = told.anchor.commitment().digest(deployment);
    let signer = match before {
        Some((Told { says, .. }, _)) if says.device != found => {
            return Err(RotationFault::OtherDevice { found, expected: says.device });
        }
        Some((earlier, _)) if !precedes(&earlier.anchor, &told.anchor) => return Err(RotationFault::OutOfOrder),
        Some((_, key)) => *key,
        None => {
            let candidates = signature::candidates(&digest, signature);
            candidates.into_iter().find(|key| key.device_id() == found).ok_or(RotationFault::OtherSigner)?
        }
    };
    signature::check(&signer, &digest, signature).map_err(|error| match error {
        SignatureError::HighS => RotationFault::HighS,
        SignatureError::NotOnCurve | SignatureError::Malformed | SignatureError::Invalid => RotationFault::OtherSigner,
    })
}

/// Whether what `after` says may follow what `before` says. Of two streams nobody can tell.
fn precedes(before: &Anchor, after: &Anchor) -> bool {
    before.stream != after.stream || (before.batch < after.batch && before.end() <= Some(after.first_seq))
}
