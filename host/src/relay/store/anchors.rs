// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Anchors as they came, which batch each is, and how far it has come; and the second commitments that are kept as proof.

use cairn::{
    batch::{Anchor, BatchNumber, Commitment},
    merkle::Hash,
    record::{Kind, SequenceNumber, StreamId},
    signer::{DeviceId, KeyId},
    uplink::{Level, Uplink},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Store, StoreError};
use crate::relay::UnixMs;

/// An anchor to keep.
#[derive(Clone, Debug)]
pub struct NewAnchor<'a> {
    /// Whose.
    pub key: KeyId,
    /// The statement.
    pub anchor: Anchor,
    /// Its leaf in the relay's tree.
    pub leaf: Hash,
    /// Kinds of its records, without repetitions; `None` when its data is not here.
    pub kinds: Option<Vec<Kind>>,
    /// The uplink as it came.
    pub uplink: &'a [u8],
}

/// A kept anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnchor {
    /// Whose.
    pub key: KeyId,
    /// Its name.
    pub commitment: Commitment,
    /// Its leaf in the relay's tree.
    pub leaf: Hash,
    /// Kinds of its records; `None` when its data is not here.
    pub kinds: Option<Vec<Kind>>,
    /// The uplink as it came: [`Uplink::decode`] reads it.
    pub uplink: Vec<u8>,
    /// When it came.
    pub received_ms: UnixMs,
    /// The posting it is in, and its place there.
    pub posting: Option<(i64, u32)>,
}

impl StoredAnchor {
    /// The uplink, read.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn read(&self) -> Result<Uplink<'_>, StoreError> {
        Uplink::decode(&self.uplink).map_err(|_| StoreError::Damaged("uplink"))
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let kinds: Option<Vec<u8>> = row.get(3)?;
        let pair = |bytes: &[u8; 2]| Kind(u16::from_be_bytes(*bytes));
        let posting: Option<i64> = row.get(6)?;
        let position: Option<u32> = row.get(7)?;
        Ok(Self {
            key: KeyId(row.get(0)?),
            commitment: Commitment(row.get(1)?),
            leaf: Hash(row.get(2)?),
            kinds: kinds.map(|kinds| kinds.as_chunks().0.iter().map(pair).collect()),
            uplink: row.get(4)?,
            received_ms: row.get::<_, i64>(5)?.cast_unsigned(),
            posting: posting.zip(position),
        })
    }
}

const COLUMNS: &str = "key_id, commitment, leaf, kinds, uplink, received_ms, posting, position";

/// First batch of a device's stream that is not included, first that is not final, and last, whichever of its keys
/// signed: each is looked for under one key at a time, so that the indexes find it.
pub(super) const PROGRESS: &str = "
SELECT min((SELECT min(batch) FROM anchor LEFT JOIN posting ON posting.id = anchor.posting
            WHERE key_id = own.key_id AND stream = ?2 AND settled = 0 AND coalesce(posting.state, 0) < 1)),
       min((SELECT min(batch) FROM anchor WHERE key_id = own.key_id AND stream = ?2 AND settled = 0)),
       max((SELECT max(batch) FROM anchor WHERE key_id = own.key_id AND stream = ?2))
FROM device_key AS own WHERE device_id = ?1";

pub(super) const BATCH: &str = "
SELECT key_id, commitment, leaf, kinds, uplink, received_ms, posting, position FROM anchor
WHERE key_id IN (SELECT key_id FROM device_key WHERE device_id = ?1) AND stream = ?2 AND batch = ?3";

pub(super) const WAITING: &str = "
SELECT key_id, commitment, leaf, kinds, uplink, received_ms, posting, position FROM anchor
WHERE posting IS NULL AND EXISTS (SELECT 1 FROM device_key WHERE device_key.key_id = anchor.key_id AND revoked_at = 0
                                  AND (registered_at <> 0 OR checked_ms IS NULL))
ORDER BY received_ms, leaf LIMIT ?1";

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every batch up to this one is included.
    pub included_through: Option<BatchNumber>,
    /// Every batch up to this one is final.
    pub final_through: Option<BatchNumber>,
}

/// Two commitments of one key, stream and batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivocation {
    /// The one that came first, and counts.
    pub kept: StoredAnchor,
    /// The uplink with the other.
    pub other_uplink: Vec<u8>,
    /// The other's name.
    pub other: Commitment,
    /// When it came.
    pub received_ms: UnixMs,
}

pub(super) fn insert_anchor(db: &Connection, new: &NewAnchor<'_>, now: UnixMs) -> Result<(), StoreError> {
    let anchor = &new.anchor;
    db.prepare_cached("INSERT INTO anchor VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL, NULL, 0)")?.execute(
        params![
            anchor.commitment().0,
            new.key.0,
            anchor.stream.0.cast_signed(),
            anchor.batch.0,
            anchor.first_seq.0.cast_signed(),
            anchor.count,
            new.leaf.0,
            new.kinds.as_deref().map(packed),
            new.uplink,
            now.cast_signed(),
        ],
    )?;
    Ok(())
}

fn packed(kinds: &[Kind]) -> Vec<u8> {
    kinds.iter().flat_map(|kind| kind.0.to_be_bytes()).collect()
}

impl Store {
    /// Keeps an anchor; the caller has checked that no other of the same key, stream and batch is there.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] when one is there all the same.
    pub fn add_anchor(&mut self, new: &NewAnchor<'_>, now: UnixMs) -> Result<(), StoreError> {
        insert_anchor(&self.db, new, now)
    }

    /// Puts the uplink that carries an anchor's data in the place of the one that did not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_data(&mut self, commitment: Commitment, kinds: &[Kind], uplink: &[u8]) -> Result<(), StoreError> {
        self.db.execute(
            "UPDATE anchor SET kinds = ?2, uplink = ?3 WHERE commitment = ?1",
            params![commitment.0, packed(kinds), uplink],
        )?;
        Ok(())
    }

    /// The anchor of a batch of a device, whichever of its keys signed it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batch(
        &self,
        device: DeviceId,
        stream: StreamId,
        batch: BatchNumber,
    ) -> Result<Option<StoredAnchor>, StoreError> {
        let mut statement = self.db.prepare_cached(BATCH)?;
        let key = params![device.0, stream.0.cast_signed(), batch.0];
        Ok(statement.query_row(key, StoredAnchor::from_row).optional()?)
    }

    /// The anchor with this commitment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn anchor(&self, commitment: Commitment) -> Result<Option<StoredAnchor>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM anchor WHERE commitment = ?1");
        Ok(self.db.prepare_cached(&sql)?.query_row([commitment.0], StoredAnchor::from_row).optional()?)
    }

    /// The anchors of a device's batches that hold record `seq`: one per stream that is so long.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn anchors_with(&self, device: DeviceId, seq: SequenceNumber) -> Result<Vec<StoredAnchor>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM anchor WHERE key_id IN (SELECT key_id FROM device_key WHERE device_id = ?1)
             AND first_seq <= ?2 AND first_seq + count > ?2 ORDER BY received_ms"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map(params![device.0, seq.0.cast_signed()], StoredAnchor::from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How far the anchor with this commitment has come; `None` when it is not kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn level(&self, commitment: Commitment) -> Result<Option<Level>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT coalesce(posting.state, 0) FROM anchor LEFT JOIN posting ON posting.id = anchor.posting
             WHERE commitment = ?1",
        )?;
        let state: Option<u8> = statement.query_row([commitment.0], |row| row.get(0)).optional()?;
        Ok(state.map(|state| match state {
            0 => Level::Stored,
            1 => Level::Included,
            _ => Level::Final,
        }))
    }

    /// How far a stream of a device has come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn progress(&self, device: DeviceId, stream: StreamId) -> Result<Progress, StoreError> {
        let mut statement = self.db.prepare_cached(PROGRESS)?;
        let (not_included, not_final, last): (Option<u32>, Option<u32>, Option<u32>) = statement
            .query_row(params![device.0, stream.0.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let before = |first_behind: Option<u32>| match first_behind {
            Some(first_behind) => first_behind.checked_sub(1).map(BatchNumber),
            None => last.map(BatchNumber),
        };
        Ok(Progress { included_through: before(not_included), final_through: before(not_final) })
    }

    /// Anchors in no posting yet whose keys the registry is not known to refuse, longest waiting first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn waiting(&self, limit: u32) -> Result<Vec<StoredAnchor>, StoreError> {
        let mut statement = self.db.prepare_cached(WAITING)?;
        let rows = statement.query_map([limit], StoredAnchor::from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many of a key's anchors are on no ledger yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn not_included(&self, key: KeyId) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM anchor LEFT JOIN posting ON posting.id = anchor.posting
                   WHERE key_id = ?1 AND settled = 0 AND coalesce(posting.state, 0) = 0";
        Ok(self.db.query_row(sql, [key.0], |row| row.get(0))?)
    }

    /// Keeps a second commitment of a batch beside the first. Whether it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_equivocation(
        &mut self,
        kept: Commitment,
        other: Commitment,
        uplink: &[u8],
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let added = self.db.execute(
            "INSERT OR IGNORE INTO equivocation VALUES (?1, ?2, ?3, ?4)",
            params![other.0, kept.0, uplink, now.cast_signed()],
        )?;
        Ok(added == 1)
    }

    /// Every second commitment, in the order they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn equivocations(&self) -> Result<Vec<Equivocation>, StoreError> {
        let mut statement =
            self.db.prepare("SELECT kept, commitment, uplink, received_ms FROM equivocation ORDER BY received_ms")?;
        let rows = statement.query_map([], |row| {
            Ok((Commitment(row.get(0)?), Commitment(row.get(1)?), row.get(2)?, row.get::<_, i64>(3)?))
        })?;
        rows.map(|row| {
            let (kept, other, other_uplink, received_ms) = row?;
            let kept = self.anchor(kept)?.ok_or(StoreError::Damaged("equivocation"))?;
            Ok(Equivocation { kept, other_uplink, other, received_ms: received_ms.cast_unsigned() })
        })
        .collect()
    }

    /// How many anchors are kept, and how many of them are included and final.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn totals(&self) -> Result<Totals, StoreError> {
        let sql = "SELECT count(*), count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2)
                   FROM anchor LEFT JOIN posting ON posting.id = anchor.posting";
        Ok(self.db.query_row(sql, [], |row| {
            Ok(Totals { stored: row.get(0)?, included: row.get(1)?, finalised: row.get(2)? })
        })?)
    }
}

/// Counts of anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Kept, whatever their level.
    pub stored: u32,
    /// Included and not final.
    pub included: u32,
    /// Final.
    pub finalised: u32,
}
