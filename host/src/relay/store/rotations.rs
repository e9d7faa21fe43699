// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes of devices' keys: the anchor that announced a key is kept like every anchor, and the key beside it names it.
//! What is written here was judged by [`crate::relay::intake`].

use cairn::{
    batch::Commitment,
    signer::{DeviceId, KeyId, PublicKey},
};
use rusqlite::{Transaction, params};

use super::{
    Store, StoreError,
    anchors::{NewAnchor, insert_anchor},
};
use crate::relay::UnixMs;

/// A device's next key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextKey {
    /// The device.
    pub device: DeviceId,
    /// The key.
    pub key: PublicKey,
    /// Which of its keys that is: one more than the one that announced it.
    pub place: u32,
}

impl Store {
    /// Keeps an anchor and the key that its rotation record names, both or neither.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] when the key, its place or the anchor is there already.
    pub fn add_rotation(&mut self, new: &NewAnchor<'_>, next: &NextKey, now: UnixMs) -> Result<(), StoreError> {
        let transaction = self.write()?;
        insert_anchor(&transaction, new, now)?;
        insert_key(&transaction, next, new.anchor.commitment())?;
        transaction.commit()?;
        Ok(())
    }

    /// The anchors whose rotation records lead a device from its first key to `key`, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn rotations_to(&self, key: KeyId) -> Result<Vec<Commitment>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT earlier.rotation FROM device_key AS this JOIN device_key AS earlier USING (device_id)
             WHERE this.key_id = ?1 AND earlier.place > 0 AND earlier.place <= this.place ORDER BY earlier.place",
        )?;
        let rows = statement.query_map([key.0], |row| row.get(0).map(Commitment))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn insert_key(transaction: &Transaction<'_>, next: &NextKey, rotation: Commitment) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO device_key VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, NULL)",
        params![next.key.key_id().0, next.device.0, next.place, next.key.alg.cose(), next.key.compressed(), rotation.0],
    )?;
    Ok(())
}
