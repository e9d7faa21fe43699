// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Judges the batch that a device ends a key with: whether it names the device's next key, and that key agrees. Called
//! by [`super::intake`] with a batch that the present key signed and that continues its stream; keeps nothing.

use cairn::{
    batch::{Anchor, AnchorFlags},
    record::{BatchKey, Entry, Kind},
    signer::DeviceId,
    uplink::{Data, Uplink},
};
use cairn_evidence::{
    OwnedRecord, RotationFault,
    cbor::MAX_ROTATIONS,
    rotation::{proven_key, said_by},
};

use super::{
    intake::{IntakeError, Rejection, for_each_entry},
    store::{Store, devices::Device, rotations::NextKey},
};

/// Why the end of a key is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The batch holds a rotation record, and its anchor does not say that it is the key's last.
    #[error("the anchor does not say that it is the key's last")]
    NotMarked,
    /// The anchor says that it is the key's last, and its record did not come with it, or cannot be read here.
    #[error("its record did not come with it")]
    WithoutRecord,
    /// Other records are in its batch.
    #[error("it is not alone in its batch")]
    NotAlone,
    /// What it says is no rotation, or its key did not agree.
    #[error("{0}")]
    Fault(RotationFault),
    /// It is of another device.
    #[error("it is of device 0x{}", hex::encode(.0.0))]
    OtherDevice(DeviceId),
    /// The key it names is, or was, a device's already.
    #[error("the key it names is in use already")]
    KeyInUse,
    /// Evidence could not tell one more.
    #[error("the device has rotated {MAX_ROTATIONS} times, which is as often as evidence can tell")]
    TooMany,
}

impl From<NotTaken> for IntakeError {
    fn from(reason: NotTaken) -> Self {
        Self::Rejected(Rejection::Rotation(reason))
    }
}

/// The key that a batch announces; `None` when it ends none. `kinds` are those of its records, where they can be read.
///
/// # Errors
/// [`Rejection::Rotation`]; [`IntakeError::Store`].
pub(super) fn announced(
    store: &Store,
    device: &Device,
    uplink: &Uplink<'_>,
    kinds: Option<&[Kind]>,
) -> Result<Option<NextKey>, IntakeError> {
    let anchor = &uplink.anchor;
    if !anchor.flags.has(AnchorFlags::LAST_OF_KEY) {
        let rotates = kinds.is_some_and(|kinds| kinds.contains(&Kind::ROTATION));
        return if rotates { Err(NotTaken::NotMarked.into()) } else { Ok(None) };
    }
    let Some(Data::Records { records, key }) = &uplink.data else { return Err(NotTaken::WithoutRecord.into()) };
    if anchor.count != 1 {
        return Err(NotTaken::NotAlone.into());
    }
    let record = only_record(anchor, records, key)?;
    let says = said_by(&record).map_err(NotTaken::Fault)?;
    if says.device != device.id {
        return Err(NotTaken::OtherDevice(says.device).into());
    }
    let key = proven_key(&says, &record, anchor).map_err(NotTaken::Fault)?;
    if store.device_by_key(key.key_id())?.is_some() {
        return Err(NotTaken::KeyInUse.into());
    }
    let place = device.place + 1;
    if usize::try_from(place).is_ok_and(|place| place > MAX_ROTATIONS) {
        return Err(NotTaken::TooMany.into());
    }
    Ok(Some(NextKey { device: device.id, key, place }))
}

/// The record of a batch that has one.
///
/// # Errors
/// [`RotationFault::NotARotation`] when its place is of a lost record.
pub(super) fn only_record(anchor: &Anchor, records: &[u8], key: &BatchKey) -> Result<OwnedRecord, Rejection> {
    let mut found = None;
    for_each_entry(anchor, records, key, |entry, _| {
        if let Entry::Record(record) = entry {
            found = Some(OwnedRecord {
                seq: record.seq,
                time: record.time,
                kind: record.kind,
                blind: key.blind(record.seq),
                payload: record.payload.to_vec(),
            });
        }
        Ok(())
    })?;
    found.ok_or(Rejection::Rotation(NotTaken::Fault(RotationFault::NotARotation)))
}
