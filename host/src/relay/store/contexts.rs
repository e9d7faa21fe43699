// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OSCORE contexts of devices: which ID Context is challenged, active or retired, its replay window, and how many responses the
//! relay sent under Partial IVs of its own. Everything is durable before the relay acts on a message.

use cairn_coap::oscore::ReplayWindow;
use rusqlite::{OptionalExtension as _, params};

use super::{Store, StoreError, devices::KID_BYTES};
use crate::relay::UnixMs;

/// Bytes of an Echo value.
pub const ECHO_BYTES: usize = 8;

/// How far an ID Context of a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextState {
    /// Named by a message that verified; nobody has shown yet that it is not an old one.
    Challenged {
        /// What the device has to repeat.
        echo: [u8; ECHO_BYTES],
    },
    /// The one the device uses.
    Active,
    /// Replaced by a newer one, for good.
    Retired,
}

/// An ID Context of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredContext {
    /// Its name.
    pub id_context: Vec<u8>,
    /// How far it has come.
    pub state: ContextState,
    /// Which requests were seen.
    pub window: ReplayWindow,
    /// The next Partial IV of the relay's own.
    pub own_number: u64,
    /// Since when it is in this state.
    pub since_ms: UnixMs,
}

type Row = (Vec<u8>, u8, Option<[u8; ECHO_BYTES]>, i64, u32, i64, i64);

fn stored(row: Row) -> Result<StoredContext, StoreError> {
    let (id_context, state, echo, newest, seen, own_number, since_ms) = row;
    Ok(StoredContext {
        id_context,
        state: match (state, echo) {
            (0, Some(echo)) => ContextState::Challenged { echo },
            (1, _) => ContextState::Active,
            (2, _) => ContextState::Retired,
            _ => return Err(StoreError::Damaged("context")),
        },
        window: ReplayWindow::from_parts(newest.cast_unsigned(), seen),
        own_number: own_number.cast_unsigned(),
        since_ms: since_ms.cast_unsigned(),
    })
}

const COLUMNS: &str = "id_context, state, echo, newest, seen, own_number, since_ms";

impl Store {
    /// The context of a device with this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn context(&self, kid: [u8; KID_BYTES], id_context: &[u8]) -> Result<Option<StoredContext>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM context WHERE kid = ?1 AND id_context = ?2");
        let mut statement = self.db.prepare_cached(&sql)?;
        statement.query_row(params![kid, id_context], |row| row.try_into()).optional()?.map(stored).transpose()
    }

    /// The context that a device uses.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn active_context(&self, kid: [u8; KID_BYTES]) -> Result<Option<StoredContext>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM context WHERE kid = ?1 AND state = 1");
        let mut statement = self.db.prepare_cached(&sql)?;
        statement.query_row([kid], |row| row.try_into()).optional()?.map(stored).transpose()
    }

    /// Writes a context that is challenged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_challenged(
        &mut self,
        kid: [u8; KID_BYTES],
        echo: [u8; ECHO_BYTES],
        context: &StoredContext,
    ) -> Result<(), StoreError> {
        let (newest, seen) = context.window.parts();
        self.db.execute(
            "INSERT INTO context VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET echo = ?3, newest = ?4,
             seen = ?5, own_number = ?6, since_ms = ?7 WHERE state = 0",
            params![
                kid,
                context.id_context,
                echo,
                newest.cast_signed(),
                seen,
                context.own_number.cast_signed(),
                context.since_ms.cast_signed()
            ],
        )?;
        Ok(())
    }

    /// Writes the window of an active context.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_window(
        &mut self,
        kid: [u8; KID_BYTES],
        id_context: &[u8],
        window: ReplayWindow,
    ) -> Result<(), StoreError> {
        let (newest, seen) = window.parts();
        self.db
            .prepare_cached(
                "UPDATE context SET newest = ?3, seen = ?4 WHERE kid = ?1 AND id_context = ?2 AND state = 1",
            )?
            .execute(params![kid, id_context, newest.cast_signed(), seen])?;
        Ok(())
    }

    /// Forgets what was seen in the contexts that are in use, and has every device challenged again: for a database that was restored
    /// from a copy, whose windows are older than what was answered. Gives how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn distrust_contexts(&mut self) -> Result<usize, StoreError> {
        // A challenge of time 0 is too old for anybody to answer: the next request gets a fresh one.
        let sql =
            "UPDATE context SET state = 0, echo = zeroblob(8), newest = 0, seen = 0, since_ms = 0 WHERE state = 1";
        Ok(self.db.execute(sql, [])?)
    }

    /// Makes a challenged context the active one, and retires every other of the device for good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn activate(
        &mut self,
        kid: [u8; KID_BYTES],
        id_context: &[u8],
        window: ReplayWindow,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let (newest, seen) = window.parts();
        let transaction = self.write()?;
        transaction.execute(
            "UPDATE context SET state = 2, echo = NULL, since_ms = ?3 WHERE kid = ?1 AND id_context <> ?2 AND state <> 2",
            params![kid, id_context, now.cast_signed()],
        )?;
        transaction.execute(
            "UPDATE context SET state = 1, echo = NULL, newest = ?3, seen = ?4, since_ms = ?5
             WHERE kid = ?1 AND id_context = ?2 AND state = 0",
            params![kid, id_context, newest.cast_signed(), seen, now.cast_signed()],
        )?;
        transaction.commit()?;
        Ok(())
    }
}
