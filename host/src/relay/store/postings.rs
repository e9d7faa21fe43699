// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Postings: what goes on the ledger in one transaction, which anchors it carries in which order, under which nonce, and every
//! transaction ever signed for it. A posting is written whole before anything of it is sent.

use cairn::{batch::Commitment, merkle::Hash, signer::KeyId};
use rusqlite::{OptionalExtension as _, Row, params};

use super::{Store, StoreError};
use crate::{
    chain::{B256, Block, Fees, PackedAnchors, Payload, SignedTransaction},
    relay::UnixMs,
};

/// How far a posting has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostingState {
    /// Not in the best chain.
    Open,
    /// In a block of the best chain.
    Included,
    /// In a block deep enough.
    Final,
}

/// A posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Its number in this database.
    pub id: i64,
    /// What goes on the ledger.
    pub payload: Payload,
    /// How many anchors it carries.
    pub members: u32,
    /// When it was made.
    pub created_ms: UnixMs,
    /// How far it has come.
    pub state: PostingState,
    /// The nonce it owns; `None` until it takes one.
    pub nonce: Option<u64>,
    /// Not before then.
    pub retry_ms: UnixMs,
    /// How often a transaction of it was included without effect.
    pub attempts: u32,
    /// Where it is, when it is included.
    pub place: Option<Place>,
}

/// Where a posting is on the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The transaction.
    pub transaction: B256,
    /// Number of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
}

/// A transaction that was signed for a posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The transaction.
    pub transaction: SignedTransaction,
    /// Its nonce.
    pub nonce: u64,
    /// Its fees.
    pub fees: Fees,
    /// When it was signed.
    pub signed_ms: UnixMs,
}

const COLUMNS: &str = "id, route, payload, members, created_ms, state, nonce, retry_ms, attempts, block_number, \
                       block_hash, transaction_hash";

pub(super) const UNSETTLED: &str = "
SELECT id, route, payload, members, created_ms, state, nonce, retry_ms, attempts, block_number, block_hash,
       transaction_hash FROM posting INDEXED BY unsettled WHERE state < 2 ORDER BY id";

impl Posting {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Result<Self, StoreError>> {
        let payload: Vec<u8> = row.get(2)?;
        let payload = match row.get(1)? {
            0 => payload.try_into().map(|root| Payload::Root(Hash(root))).ok(),
            1 => PackedAnchors::from_bytes(&payload).map(Payload::Anchors).ok(),
            _ => None,
        };
        let Some(payload) = payload else { return Ok(Err(StoreError::Damaged("posting"))) };
        let number = |column| row.get::<_, Option<i64>>(column).map(|number| number.map(i64::cast_unsigned));
        let hash = |column| row.get::<_, Option<[u8; 32]>>(column).map(|hash| hash.map(B256::from));
        let place = match (hash(11)?, number(9)?, hash(10)?) {
            (Some(transaction), Some(block_number), Some(block_hash)) => {
                Some(Place { transaction, block_number, block_hash })
            }
            _ => None,
        };
        Ok(Ok(Self {
            id: row.get(0)?,
            payload,
            members: row.get(3)?,
            created_ms: row.get::<_, i64>(4)?.cast_unsigned(),
            state: match row.get(5)? {
                0 => PostingState::Open,
                1 => PostingState::Included,
                _ => PostingState::Final,
            },
            nonce: number(6)?,
            retry_ms: row.get::<_, i64>(7)?.cast_unsigned(),
            attempts: row.get(8)?,
            place,
        }))
    }
}

impl Store {
    /// Writes a posting and which anchors it carries, in their order; gives its number.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when an anchor is not kept or is in a posting already; nothing was written then.
    pub fn add_posting(&mut self, payload: &Payload, members: &[Commitment], now: UnixMs) -> Result<i64, StoreError> {
        let (route, bytes) = match payload {
            Payload::Root(root) => (0, root.0.as_slice()),
            Payload::Anchors(packed) => (1, packed.as_bytes()),
        };
        let count = u32::try_from(members.len()).map_err(|_| StoreError::Damaged("member of a posting"))?;
        let transaction = self.write()?;
        transaction.execute(
            "INSERT INTO posting (route, payload, members, created_ms, state, retry_ms, attempts)
             VALUES (?1, ?2, ?3, ?4, 0, 0, 0)",
            params![route, bytes, count, now.cast_signed()],
        )?;
        let id = transaction.last_insert_rowid();
        let mut join = transaction.prepare_cached(
            "UPDATE anchor SET posting = ?2, position = ?3 WHERE commitment = ?1 AND posting IS NULL",
        )?;
        for (position, member) in (0..count).zip(members) {
            if join.execute(params![member.0, id, position])? != 1 {
                return Err(StoreError::Damaged("member of a posting"));
            }
        }
        drop(join);
        transaction.commit()?;
        Ok(id)
    }

    /// One posting.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn posting(&self, id: i64) -> Result<Option<Posting>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM posting WHERE id = ?1");
        self.db.prepare_cached(&sql)?.query_row([id], Posting::from_row).optional()?.transpose()
    }

    /// Postings that are not final, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unsettled(&self) -> Result<Vec<Posting>, StoreError> {
        let mut statement = self.db.prepare_cached(UNSETTLED)?;
        let rows = statement.query_map([], Posting::from_row)?;
        rows.map(|row| row.map_err(StoreError::from).and_then(|posting| posting)).collect()
    }

    /// When the newest posting was made.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_posting_ms(&self) -> Result<Option<UnixMs>, StoreError> {
        let last: Option<i64> = self.db.query_row("SELECT max(created_ms) FROM posting", [], |row| row.get(0))?;
        Ok(last.map(i64::cast_unsigned))
    }

    /// The anchors a posting carries: key and commitment of each, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn members(&self, posting: i64) -> Result<Vec<(KeyId, Commitment)>, StoreError> {
        let sql = "SELECT key_id, commitment FROM anchor WHERE posting = ?1 ORDER BY position";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([posting], |row| Ok((KeyId(row.get(0)?), Commitment(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Leaves of a posting's tree in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn leaves(&self, posting: i64) -> Result<Vec<Hash>, StoreError> {
        let mut statement = self.db.prepare_cached("SELECT leaf FROM anchor WHERE posting = ?1 ORDER BY position")?;
        let rows = statement.query_map([posting], |row| row.get(0).map(Hash))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Gives a posting its nonce, or takes it away.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_nonce(&mut self, posting: i64, nonce: Option<u64>) -> Result<(), StoreError> {
        let nonce = nonce.map(u64::cast_signed);
        self.db.execute("UPDATE posting SET nonce = ?2 WHERE id = ?1", params![posting, nonce])?;
        Ok(())
    }

    /// A transaction of the posting was included without effect: its nonce is gone, and the next attempt waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_without_effect(&mut self, posting: i64, retry_ms: UnixMs) -> Result<(), StoreError> {
        self.db.execute(
            "UPDATE posting SET nonce = NULL, attempts = attempts + 1, retry_ms = ?2 WHERE id = ?1",
            params![posting, retry_ms.cast_signed()],
        )?;
        Ok(())
    }

    /// Leaves a posting alone until `retry_ms`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_off(&mut self, posting: i64, retry_ms: UnixMs) -> Result<(), StoreError> {
        self.db.execute("UPDATE posting SET retry_ms = ?2 WHERE id = ?1", params![posting, retry_ms.cast_signed()])?;
        Ok(())
    }

    /// Journals a signed transaction, before it is sent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_sent(&mut self, posting: i64, sent: &Sent) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT OR IGNORE INTO sent VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                sent.transaction.hash.0,
                posting,
                sent.nonce.cast_signed(),
                sent.transaction.raw,
                sent.fees.max_per_gas.to_string(),
                sent.fees.max_priority_per_gas.to_string(),
                sent.signed_ms.cast_signed(),
            ],
        )?;
        Ok(())
    }

    /// Every transaction signed for a posting, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sent(&self, posting: i64) -> Result<Vec<Sent>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT hash, nonce, raw, max_per_gas, max_priority_per_gas, signed_ms FROM sent WHERE posting = ?1
             ORDER BY nonce DESC, signed_ms DESC, rowid DESC",
        )?;
        let rows = statement.query_map([posting], |row| {
            let fee = |column| row.get::<_, String>(column).map(|text| text.parse().ok());
            let fees = (fee(3)?, fee(4)?);
            let hash: [u8; 32] = row.get(0)?;
            Ok((hash, row.get::<_, i64>(1)?, row.get(2)?, fees, row.get::<_, i64>(5)?))
        })?;
        rows.map(|row| {
            let (hash, nonce, raw, fees, signed_ms) = row?;
            let (Some(max_per_gas), Some(max_priority_per_gas)) = fees else {
                return Err(StoreError::Damaged("fee"));
            };
            Ok(Sent {
                transaction: SignedTransaction { hash: B256::from(hash), raw },
                nonce: nonce.cast_unsigned(),
                fees: Fees { max_per_gas, max_priority_per_gas },
                signed_ms: signed_ms.cast_unsigned(),
            })
        })
        .collect()
    }

    /// The posting is in this block, by this transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_included(&mut self, posting: i64, transaction: B256, block: &Block) -> Result<(), StoreError> {
        self.db.execute(
            "UPDATE posting SET state = 1, block_number = ?2, block_hash = ?3, transaction_hash = ?4 WHERE id = ?1",
            params![posting, block.number.cast_signed(), block.hash.0, transaction.0],
        )?;
        Ok(())
    }

    /// The posting is on the ledger for good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_final(&mut self, posting: i64) -> Result<(), StoreError> {
        let transaction = self.write()?;
        transaction.execute("UPDATE posting SET state = 2 WHERE id = ?1", [posting])?;
        transaction.execute("UPDATE anchor SET settled = 1 WHERE posting = ?1", [posting])?;
        transaction.commit()?;
        Ok(())
    }

    /// A reorg removed the posting from the ledger.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_removed(&mut self, posting: i64) -> Result<(), StoreError> {
        self.db.execute(
            "UPDATE posting SET state = 0, block_number = NULL, block_hash = NULL, transaction_hash = NULL WHERE id = ?1",
            [posting],
        )?;
        Ok(())
    }
}
