// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices the relay serves: their keys, the secrets of their channels, and what the contract's registry last said of
//! each key. A device is seen under one of its keys: the present one, or the one that was asked for.

use cairn::signer::{Algorithm, DeviceId, KeyId, PublicKey};
use cairn_evidence::signature;
use rusqlite::{OptionalExtension as _, Row, params};
use zeroize::Zeroizing;

use super::{Store, StoreError};
use crate::{chain::KeyStatus, relay::UnixMs};

/// Bytes of a device's key identifier in OSCORE.
pub const KID_BYTES: usize = 4;

/// A device as the relay knows it. `Debug` is not derived: it holds a secret.
#[derive(Clone)]
pub struct Device {
    /// Its name for life.
    pub id: DeviceId,
    /// One of its keys.
    pub key: PublicKey,
    /// Which: 0 is the first.
    pub place: u32,
    /// Its OSCORE sender id.
    pub kid: [u8; KID_BYTES],
    /// Its OSCORE master secret.
    pub master_secret: Zeroizing<[u8; 16]>,
    /// What the registry last said of the key.
    pub status: KeyStatus,
    /// When the registry was last asked; `None` for never.
    pub checked_ms: Option<UnixMs>,
}

const COLUMNS: &str = "alg, public_key, kid, master_secret, registered_at, revoked_at, checked_ms, device_id, place";

/// Never asked first, then in order of the index, which is by time.
pub(super) const TO_CHECK: &str = "
SELECT key_id FROM device_key INDEXED BY to_check WHERE revoked_at = 0 AND checked_ms IS NULL
UNION ALL SELECT key_id FROM device_key INDEXED BY to_check WHERE revoked_at = 0 AND checked_ms < ?1 LIMIT ?2";

impl Device {
    /// A device under its first key, of which the registry was not asked yet.
    #[must_use]
    pub fn born(key: PublicKey, kid: [u8; KID_BYTES], master_secret: Zeroizing<[u8; 16]>) -> Self {
        let (status, checked_ms) = (KeyStatus::default(), None);
        Self { id: key.device_id(), key, place: 0, kid, master_secret, status, checked_ms }
    }

    /// The id of this key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key.key_id()
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Result<Self, StoreError>> {
        let (alg, compressed): (i8, [u8; 33]) = (row.get(0)?, row.get(1)?);
        let key = Algorithm::from_cose(alg).and_then(|alg| signature::public_key(alg, &compressed).ok());
        let Some(key) = key else { return Ok(Err(StoreError::Damaged("public key"))) };
        let id = DeviceId(row.get(7)?);
        let seconds = |column| row.get(column).map(i64::cast_unsigned);
        Ok(Ok(Self {
            id,
            key,
            place: row.get(8)?,
            kid: row.get(2)?,
            master_secret: Zeroizing::new(row.get(3)?),
            status: KeyStatus { registered_at: seconds(4)?, revoked_at: seconds(5)? },
            checked_ms: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
        }))
    }
}

impl Store {
    /// Adds a device with its first key.
    ///
    /// # Errors
    /// [`StoreError::Taken`] naming the key, the device or the kid; nothing was added then.
    pub fn add_device(&mut self, device: &Device, now: UnixMs) -> Result<(), StoreError> {
        let transaction = self.write()?;
        let taken = |sql: &str, value: &[u8]| transaction.prepare(sql)?.exists([value]);
        if taken("SELECT 1 FROM device_key WHERE key_id = ?1", &device.key_id().0)? {
            return Err(StoreError::Taken("the key"));
        }
        if taken("SELECT 1 FROM device WHERE device_id = ?1", &device.id.0)? {
            return Err(StoreError::Taken("the device"));
        }
        if taken("SELECT 1 FROM device WHERE kid = ?1", &device.kid)? {
            return Err(StoreError::Taken("the kid"));
        }
        transaction.execute(
            "INSERT INTO device VALUES (?1, ?2, ?3, ?4)",
            params![device.id.0, device.kid, *device.master_secret, now.cast_signed()],
        )?;
        transaction.execute(
            "INSERT INTO device_key VALUES (?1, ?2, 0, ?3, ?4, NULL, ?5, ?6, ?7)",
            params![
                device.key_id().0,
                device.id.0,
                device.key.alg.cose(),
                device.key.compressed(),
                device.status.registered_at.cast_signed(),
                device.status.revoked_at.cast_signed(),
                device.checked_ms.map(u64::cast_signed),
            ],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// The device with this OSCORE sender id, under its present key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn device_by_kid(&self, kid: &[u8]) -> Result<Option<Device>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM device JOIN device_key USING (device_id) WHERE kid = ?1 ORDER BY place DESC LIMIT 1"
        );
        self.db.prepare_cached(&sql)?.query_row([kid], Device::from_row).optional()?.transpose()
    }

    /// The device that has or had this key, under it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn device_by_key(&self, key: KeyId) -> Result<Option<Device>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM device_key JOIN device USING (device_id) WHERE key_id = ?1");
        self.db.prepare_cached(&sql)?.query_row([key.0], Device::from_row).optional()?.transpose()
    }

    /// The device with this name, under its present key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn device_by_id(&self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        Ok(self.keys_of(id)?.pop())
    }

    /// The device with this name under each of its keys, the first one first; empty when there is no such device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keys_of(&self, id: DeviceId) -> Result<Vec<Device>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM device_key JOIN device USING (device_id) WHERE device_id = ?1 ORDER BY place"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map([id.0], Device::from_row)?;
        rows.map(|row| row.map_err(StoreError::from).and_then(|device| device)).collect()
    }

    /// Every device under its present key, in order of kid.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM device JOIN device_key USING (device_id)
             WHERE place = (SELECT max(place) FROM device_key AS other WHERE other.device_id = device.device_id)
             ORDER BY kid"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map([], Device::from_row)?;
        rows.map(|row| row.map_err(StoreError::from).and_then(|device| device)).collect()
    }

    /// Notes what the registry said of a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_key_status(&mut self, key: KeyId, status: KeyStatus, now: UnixMs) -> Result<(), StoreError> {
        self.db.execute(
            "UPDATE device_key SET registered_at = ?2, revoked_at = ?3, checked_ms = ?4 WHERE key_id = ?1",
            params![key.0, status.registered_at.cast_signed(), status.revoked_at.cast_signed(), now.cast_signed()],
        )?;
        Ok(())
    }

    /// Keys the registry was not asked about since `before`, longest ago first, at most `limit`. A revocation is for good: it is
    /// not asked about again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keys_to_check(&self, before: UnixMs, limit: u32) -> Result<Vec<KeyId>, StoreError> {
        let mut statement = self.db.prepare_cached(TO_CHECK)?;
        let rows = statement.query_map(params![before.cast_signed(), limit], |row| row.get(0).map(KeyId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
