// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The relay's database: one SQLite file in WAL mode with full synchronisation, so that what was answered "stored" survives a
//! power cut. [`devices`], [`endorsements`], [`anchors`], [`postings`] and [`contexts`]
//! hold the statements of one subject each. Every method is
//! one transaction. Called by the relay, `cairn provision` and `cairn evidence`; never logs a secret.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use cairn::batch::DeploymentId;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

pub mod anchors;
pub mod contexts;
pub mod devices;
pub mod endorsements;
pub mod postings;

/// How long a statement waits for another program's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// Version of the schema, in the file's `user_version`.
pub const SCHEMA_VERSION: u32 = 2;

/// What makes each version out of the one before it. 64-bit numbers are stored as the signed number of the same bits.
const STEPS: [&str; SCHEMA_VERSION as usize] = [SCHEMA, ENDORSEMENTS];

const SCHEMA: &str = "
CREATE TABLE home (                    -- one row: what this database is of
    one INTEGER PRIMARY KEY CHECK (one = 1),
    deployment BLOB NOT NULL,
    chain_id INTEGER NOT NULL,
    contract BLOB NOT NULL
) STRICT;
CREATE TABLE device (
    key_id BLOB PRIMARY KEY,
    device_id BLOB NOT NULL UNIQUE,
    alg INTEGER NOT NULL,
    public_key BLOB NOT NULL,          -- SEC 1 compressed
    kid BLOB NOT NULL UNIQUE,
    master_secret BLOB NOT NULL,
    added_ms INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,    -- block time by the contract's registry, 0 for never
    revoked_at INTEGER NOT NULL,       -- likewise
    checked_ms INTEGER                 -- when the registry was last asked; NULL for never
) STRICT;
CREATE INDEX to_check ON device (checked_ms) WHERE revoked_at = 0;
CREATE TABLE context (                 -- OSCORE contexts of devices
    kid BLOB NOT NULL REFERENCES device (kid) ON UPDATE CASCADE,
    id_context BLOB NOT NULL,
    state INTEGER NOT NULL,            -- 0 challenged, 1 active, 2 retired for good
    echo BLOB,                         -- what the device has to repeat, while challenged
    newest INTEGER NOT NULL,           -- replay window: newest number,
    seen INTEGER NOT NULL,             -- and which of the 32 up to it were seen
    own_number INTEGER NOT NULL,       -- next Partial IV of the relay's own
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (kid, id_context)
) STRICT;
CREATE UNIQUE INDEX one_active_context ON context (kid) WHERE state = 1;
CREATE TABLE posting (                 -- one intent: one payload, one nonce at a time
    id INTEGER PRIMARY KEY,
    route INTEGER NOT NULL,            -- 0 root, 1 direct
    payload BLOB NOT NULL,             -- the root, or the packed anchors
    members INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    state INTEGER NOT NULL,            -- 0 open, 1 included, 2 final
    nonce INTEGER,                     -- NULL until one is taken, and after one was lost
    retry_ms INTEGER NOT NULL,         -- not before then
    attempts INTEGER NOT NULL,         -- transactions included without effect
    block_number INTEGER,
    block_hash BLOB,
    transaction_hash BLOB
) STRICT;
CREATE INDEX unsettled ON posting (id) WHERE state < 2;
CREATE TABLE sent (                    -- every transaction ever signed for a posting
    hash BLOB PRIMARY KEY,
    posting INTEGER NOT NULL REFERENCES posting (id),
    nonce INTEGER NOT NULL,
    raw BLOB NOT NULL,
    max_per_gas TEXT NOT NULL,
    max_priority_per_gas TEXT NOT NULL,
    signed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX sent_for ON sent (posting);
CREATE TABLE anchor (
    commitment BLOB PRIMARY KEY,
    key_id BLOB NOT NULL REFERENCES device (key_id),
    stream INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    leaf BLOB NOT NULL,                -- relay leaf
    kinds BLOB,                        -- kinds of its records, 2 bytes each; NULL when its data is not here
    uplink BLOB NOT NULL,              -- as it came
    received_ms INTEGER NOT NULL,
    posting INTEGER REFERENCES posting (id),
    position INTEGER,                  -- in the posting
    settled INTEGER NOT NULL,          -- 1: the posting is final
    UNIQUE (key_id, stream, batch),
    UNIQUE (posting, position)
) STRICT;
CREATE INDEX waiting ON anchor (received_ms) WHERE posting IS NULL;
CREATE INDEX not_settled ON anchor (key_id, stream, batch) WHERE settled = 0;
CREATE TABLE equivocation (            -- a second commitment of the same key, stream and batch
    commitment BLOB PRIMARY KEY,
    kept BLOB NOT NULL REFERENCES anchor (commitment),
    uplink BLOB NOT NULL,
    received_ms INTEGER NOT NULL
) STRICT;
";

const ENDORSEMENTS: &str = "
CREATE TABLE challenge (               -- nonces that devices are to be endorsed with
    nonce BLOB PRIMARY KEY,
    key_id BLOB NOT NULL REFERENCES device (key_id),
    drawn_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE endorsement (             -- accepted ones; their nonces are used
    nonce BLOB PRIMARY KEY REFERENCES challenge (nonce),
    key_id BLOB NOT NULL REFERENCES device (key_id),
    root INTEGER NOT NULL,             -- 0 a factory's key, 1 PSA initial attestation, 2 a secure element
    root_name BLOB NOT NULL,           -- the attestation key's id, the instance id, or the chip's
    stream INTEGER NOT NULL,
    bytes BLOB NOT NULL,               -- as it came
    accepted_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX endorsed ON endorsement (key_id);
";

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's words.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// There is no such file.
    #[error("there is no database at {}", .0.display())]
    Absent(PathBuf),
    /// Written by a later version of this program.
    #[error("the database has schema version {found}, this program knows versions up to {SCHEMA_VERSION}")]
    Newer {
        /// The file's version.
        found: u32,
    },
    /// It belongs to another deployment, chain or contract.
    #[error("the database is of another deployment, chain or contract than the deployment file")]
    OtherHome,
    /// A stored value is not what this program writes.
    #[error("the database holds a {0} that this program never writes")]
    Damaged(&'static str),
    /// Two things that must be unique are not: says which.
    #[error("{0} is in the database already")]
    Taken(&'static str),
}

/// What a database is of. It is written by whoever creates the file, and compared ever after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// The deployment.
    pub deployment: DeploymentId,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract.
    pub contract: [u8; 20],
}

/// An open database.
#[derive(Debug)]
pub struct Store {
    db: Connection,
}

impl Store {
    /// Opens the file, creates it when there is none, and checks that it is of `home`. A new file is readable by its owner
    /// only: it holds the secrets of the devices' secure channels.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path, home: &Home) -> Result<Self, StoreError> {
        restrict_new_file(path);
        Self::with(Connection::open(path)?, home)
    }

    /// Opens a file that is there, whatever it is of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Absent(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY)?;
        if version(&db)? == 0 {
            return Err(StoreError::Damaged("schema"));
        }
        let mut store = Self { db };
        let transaction = store.write()?;
        upgrade(&transaction)?;
        transaction.commit()?;
        Ok(store)
    }

    /// A database in memory, for tests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_memory(home: &Home) -> Result<Self, StoreError> {
        Self::with(Connection::open_in_memory()?, home)
    }

    fn with(mut db: Connection, home: &Home) -> Result<Self, StoreError> {
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if upgrade(&transaction)? == 0 {
            transaction.execute(
                "INSERT INTO home VALUES (1, ?1, ?2, ?3)",
                params![home.deployment.0, home.chain_id.cast_signed(), home.contract],
            )?;
        }
        transaction.commit()?;
        let store = Self { db };
        if store.home()? == *home { Ok(store) } else { Err(StoreError::OtherHome) }
    }

    /// What the database is of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn home(&self) -> Result<Home, StoreError> {
        let row = self
            .db
            .query_row("SELECT deployment, chain_id, contract FROM home", [], |row| {
                let chain_id: i64 = row.get(1)?;
                Ok((row.get(0)?, chain_id.cast_unsigned(), row.get(2)?))
            })
            .optional()?;
        let (deployment, chain_id, contract) = row.ok_or(StoreError::Damaged("home"))?;
        Ok(Home { deployment: DeploymentId(deployment), chain_id, contract })
    }

    fn write(&mut self) -> Result<rusqlite::Transaction<'_>, StoreError> {
        Ok(self.db.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}

fn version(db: &Connection) -> Result<u32, StoreError> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings the schema to this program's version; gives the version it had.
fn upgrade(db: &Connection) -> Result<u32, StoreError> {
    let found = version(db)?;
    let steps = usize::try_from(found).ok().and_then(|done| STEPS.get(done..)).ok_or(StoreError::Newer { found })?;
    for step in steps {
        db.execute_batch(step)?;
    }
    db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(found)
}

/// Creates the file with mode 0600 when there is none; SQLite gives its WAL the same mode. What goes wrong here goes wrong again,
/// with better words, when SQLite opens it.
fn restrict_new_file(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Home = Home { deployment: DeploymentId([1; 32]), chain_id: u64::MAX, contract: [2; 20] };

    #[test]
    fn a_file_is_private_and_opens_again_for_its_own_home_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.sqlite");
        assert_eq!(Store::open(&path, &HOME).unwrap().home().unwrap(), HOME);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Store::open(&path, &HOME).is_ok());
        let other = Home { chain_id: 1, ..HOME };
        assert!(matches!(Store::open(&path, &other), Err(StoreError::OtherHome)));
    }

    #[test]
    fn what_is_asked_in_every_round_and_exchange_reads_no_whole_table() {
        let store = Store::in_memory(&HOME).unwrap();
        for sql in
            [anchors::PROGRESS, anchors::WAITING, devices::TO_CHECK, endorsements::IS_ENDORSED, postings::UNSETTLED]
        {
            let mut statement = store.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get(3).unwrap();
                let whole = step.starts_with("SCAN") && !step.contains("USING") && step != "SCAN CONSTANT ROW";
                assert!(!whole, "{sql}: {step}");
                assert!(!step.contains("TEMP B-TREE FOR ORDER BY") || sql == anchors::WAITING, "{sql}: {step}");
            }
        }
    }

    #[test]
    fn a_file_of_a_later_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.sqlite");
        let store = Store::open(&path, &HOME).unwrap();
        store.db.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        drop(store);
        assert!(matches!(Store::open(&path, &HOME), Err(StoreError::Newer { found: 3 })));
        assert!(matches!(Store::open_existing(&path), Err(StoreError::Newer { found: 3 })));
    }

    #[test]
    fn a_file_of_an_earlier_version_is_brought_up_to_date_with_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        for open in [|path: &Path| Store::open(path, &HOME), |path: &Path| Store::open_existing(path)] {
            let path = folder.path().join("relay.sqlite");
            let old = Connection::open(&path).unwrap();
            old.execute_batch(SCHEMA).unwrap();
            old.pragma_update(None, "user_version", 1).unwrap();
            let home = params![HOME.deployment.0, HOME.chain_id.cast_signed(), HOME.contract];
            old.execute("INSERT INTO home VALUES (1, ?1, ?2, ?3)", home).unwrap();
            drop(old);
            let store = open(&path).unwrap();
            assert_eq!((store.home().unwrap(), version(&store.db).unwrap()), (HOME, SCHEMA_VERSION));
            assert!(!store.is_endorsed(cairn::signer::KeyId([0; 20])).unwrap());
            drop(store);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
