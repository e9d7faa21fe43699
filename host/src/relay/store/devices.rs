// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices the relay serves: their keys, the secrets of their channels, and what the contract's registry last said of them.

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
    /// Its key.
    pub key: PublicKey,
    /// Its OSCORE sender id.
    pub kid: [u8; KID_BYTES],
    /// Its OSCORE master secret.
    pub master_secret: Zeroizing<[u8; 16]>,
    /// What the registry last said.
    pub status: KeyStatus,
    /// When the registry was last asked; `None` for never.
    pub checked_ms: Option<UnixMs>,
}

const COLUMNS: &str = "alg, public_key, kid, master_secret, registered_at, revoked_at, checked_ms";

/// Never asked first, then in order of the index, which is by time.
pub(super) const TO_CHECK: &str = "
SELECT key_id FROM device INDEXED BY to_check WHERE revoked_at = 0 AND checked_ms IS NULL
UNION ALL SELECT key_id FROM device INDEXED BY to_check WHERE revoked_at = 0 AND checked_ms < ?1 LIMIT ?2";

impl Device {
    /// The id of its key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key.key_id()
    }

    /// Its name for life.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        self.key.device_id()
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Result<Self, StoreError>> {
        let (alg, compressed): (i8, [u8; 33]) = (row.get(0)?, row.get(1)?);
        let key = Algorithm::from_cose(alg).and_then(|alg| signature::public_key(alg, &compressed).ok());
        let Some(key) = key else { return Ok(Err(StoreError::Damaged("public key"))) };
        let seconds = |column| row.get(column).map(i64::cast_unsigned);
        Ok(Ok(Self {
            key,
            kid: row.get(2)?,
            master_secret: Zeroizing::new(row.get(3)?),
            status: KeyStatus { registered_at: seconds(4)?, revoked_at: seconds(5)? },
            checked_ms: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
        }))
    }
}

impl Store {
    /// Adds a device.
    ///
    /// # Errors
    /// [`StoreError::Taken`] naming the key or the kid; nothing was added then.
    pub fn add_device(&mut self, device: &Device, now: UnixMs) -> Result<(), StoreError> {
        let transaction = self.write()?;
        let taken = |sql: &str, value: &[u8]| transaction.prepare(sql)?.exists([value]);
        if taken("SELECT 1 FROM device WHERE key_id = ?1", &device.key_id().0)? {
            return Err(StoreError::Taken("the key"));
        }
        if taken("SELECT 1 FROM device WHERE kid = ?1", &device.kid)? {
            return Err(StoreError::Taken("the kid"));
        }
        transaction.execute(
            "INSERT INTO device VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                device.key_id().0,
                device.device_id().0,
                device.key.alg.cose(),
                device.key.compressed(),
                device.kid,
                *device.master_secret,
                now.cast_signed(),
                device.status.registered_at.cast_signed(),
                device.status.revoked_at.cast_signed(),
                device.checked_ms.map(u64::cast_signed),
            ],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// The device with this OSCORE sender id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn device_by_kid(&self, kid: &[u8]) -> Result<Option<Device>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM device WHERE kid = ?1");
        self.db.prepare_cached(&sql)?.query_row([kid], Device::from_row).optional()?.transpose()
    }

    /// The device with this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn device_by_key(&self, key: KeyId) -> Result<Option<Device>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM device WHERE key_id = ?1");
        self.db.prepare_cached(&sql)?.query_row([key.0], Device::from_row).optional()?.transpose()
    }

    /// The device with this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn device_by_id(&self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM device WHERE device_id = ?1");
        self.db.prepare_cached(&sql)?.query_row([id.0], Device::from_row).optional()?.transpose()
    }

    /// Every device, in order of kid.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM device ORDER BY kid");
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
            "UPDATE device SET registered_at = ?2, revoked_at = ?3, checked_ms = ?4 WHERE key_id = ?1",
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
