// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Challenges that were drawn for devices, and the endorsements that answered them. Nothing is ever deleted: a nonce
//! must stay used.

use cairn::signer::{DeviceId, KeyId};
use rusqlite::{OptionalExtension as _, params};

use super::{Store, StoreError};
use crate::{
    endorsement::{Challenge, Endorsed, Root},
    relay::UnixMs,
};

/// Asked with every uplink where endorsements are required: an endorsed key hands on to the keys that its rotations
/// lead to.
pub(super) const IS_ENDORSED: &str = "
SELECT 1 FROM device_key AS this
JOIN device_key AS earlier ON earlier.device_id = this.device_id AND earlier.place <= this.place
JOIN endorsement ON endorsement.key_id = earlier.key_id
WHERE this.key_id = ?1";

/// An endorsement that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The ledger key.
    pub key: KeyId,
    /// The endorsement as it came.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Keeps a nonce that was drawn for the device with this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_challenge(
        &mut self,
        nonce: &[u8; 32],
        key: KeyId,
        now: UnixMs,
        expires_ms: UnixMs,
    ) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT INTO challenge VALUES (?1, ?2, ?3, ?4)",
            params![nonce, key.0, now.cast_signed(), expires_ms.cast_signed()],
        )?;
        Ok(())
    }

    /// What was drawn under this nonce.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn challenge(&self, nonce: &[u8; 32]) -> Result<Option<Challenge>, StoreError> {
        let sql = "SELECT key_id, kid, expires_ms, device_id, EXISTS (SELECT 1 FROM endorsement WHERE endorsement.nonce = challenge.nonce)
                   FROM challenge JOIN device_key USING (key_id) JOIN device USING (device_id) WHERE nonce = ?1";
        let found = self.db.query_row(sql, [nonce], |row| {
            let expires_ms: i64 = row.get(2)?;
            Ok(Challenge {
                device: DeviceId(row.get(3)?),
                key: KeyId(row.get(0)?),
                kid: row.get(1)?,
                expires_ms: expires_ms.cast_unsigned(),
                used: row.get(4)?,
            })
        });
        Ok(found.optional()?)
    }

    /// Keeps an endorsement that was verified, and with it that its nonce is used.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when another one used the nonce meanwhile; nothing is kept then.
    pub fn accept(&mut self, endorsed: &Endorsed, bytes: &[u8], now: UnixMs) -> Result<(), StoreError> {
        let (root, name) = match &endorsed.root {
            Root::FactoryKey(id) => (0, &id.0[..]),
            Root::Psa(instance) => (1, &instance[..]),
            Root::Chip(chip) => (2, &chip[..]),
        };
        let binding = &endorsed.binding;
        let added = self.db.execute(
            "INSERT INTO endorsement VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (nonce) DO NOTHING",
            params![
                binding.nonce,
                binding.key.key_id().0,
                root,
                name,
                binding.stream.0.cast_signed(),
                bytes,
                now.cast_signed()
            ],
        )?;
        if added == 1 { Ok(()) } else { Err(StoreError::Taken("the nonce")) }
    }

    /// The endorsement that answered this nonce.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn accepted(&self, nonce: &[u8; 32]) -> Result<Option<Accepted>, StoreError> {
        let found = self.db.query_row("SELECT key_id, bytes FROM endorsement WHERE nonce = ?1", [nonce], |row| {
            Ok(Accepted { key: KeyId(row.get(0)?), bytes: row.get(1)? })
        });
        Ok(found.optional()?)
    }

    /// Whether an endorsement of this key was accepted, or of an earlier key of the device that led to it by rotations.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_endorsed(&self, key: KeyId) -> Result<bool, StoreError> {
        Ok(self.db.prepare_cached(IS_ENDORSED)?.exists([key.0])?)
    }
}
