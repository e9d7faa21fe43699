// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The relay's database: one SQLite file in WAL mode with full synchronisation, so that what was answered "stored"
//! survives a power cut. [`devices`], [`rotations`], [`endorsements`], [`anchors`], [`postings`] and [`contexts`] hold
//! the statements of one subject each, `schema` the tables. Every method is one transaction. Called by the relay,
//! `cairn provision` and `cairn evidence`; never logs a secret.

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
pub mod rotations;
mod schema;

pub use schema::SCHEMA_VERSION;
use schema::{upgrade, version};

/// How long a statement waits for another program's transaction.
const BUSY: Duration = Duration::from_secs(10);

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
        store.bring_up_to_date(None)?;
        Ok(store)
    }

    /// A database in memory, for tests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_memory(home: &Home) -> Result<Self, StoreError> {
        Self::with(Connection::open_in_memory()?, home)
    }

    fn with(db: Connection, home: &Home) -> Result<Self, StoreError> {
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        let mut store = Self { db };
        store.bring_up_to_date(Some(home))?;
        if store.home()? == *home { Ok(store) } else { Err(StoreError::OtherHome) }
    }

    /// Brings the schema to this program's version; a new file becomes one of `home`. References are not checked
    /// meanwhile, because a table that is made anew is gone for a moment, and are checked whole before anything of it
    /// is kept.
    fn bring_up_to_date(&mut self, home: Option<&Home>) -> Result<(), StoreError> {
        self.db.pragma_update(None, "synchronous", "FULL")?;
        self.db.pragma_update(None, "foreign_keys", false)?;
        let transaction = self.write()?;
        let found = upgrade(&transaction)?;
        if let Some(home) = home.filter(|_| found == 0) {
            transaction.execute(
                "INSERT INTO home VALUES (1, ?1, ?2, ?3)",
                params![home.deployment.0, home.chain_id.cast_signed(), home.contract],
            )?;
        }
        transaction.commit()?;
        self.db.pragma_update(None, "foreign_keys", true)?;
        Ok(())
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
        for sql in [
            anchors::PROGRESS,
            anchors::BATCH,
            anchors::WAITING,
            devices::TO_CHECK,
            endorsements::IS_ENDORSED,
            postings::UNSETTLED,
        ] {
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
        assert!(matches!(Store::open(&path, &HOME), Err(StoreError::Newer { found: 4 })));
        assert!(matches!(Store::open_existing(&path), Err(StoreError::Newer { found: 4 })));
    }

    /// A file as version `version` of the program wrote it.
    fn old_file(path: &Path, version: usize) -> Connection {
        let old = Connection::open(path).unwrap();
        for step in &schema::STEPS[..version] {
            old.execute_batch(step).unwrap();
        }
        old.pragma_update(None, "user_version", u32::try_from(version).unwrap()).unwrap();
        let home = params![HOME.deployment.0, HOME.chain_id.cast_signed(), HOME.contract];
        old.execute("INSERT INTO home VALUES (1, ?1, ?2, ?3)", home).unwrap();
        old
    }

    #[test]
    fn a_file_of_an_earlier_version_is_brought_up_to_date_with_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        for from in 1..schema::STEPS.len() {
            for open in [|path: &Path| Store::open(path, &HOME), |path: &Path| Store::open_existing(path)] {
                let path = folder.path().join("relay.sqlite");
                drop(old_file(&path, from));
                let store = open(&path).unwrap();
                assert_eq!((store.home().unwrap(), version(&store.db).unwrap()), (HOME, SCHEMA_VERSION));
                assert!(!store.is_endorsed(cairn::signer::KeyId([0; 20])).unwrap());
                drop(store);
                std::fs::remove_file(&path).unwrap();
            }
        }
    }

    #[test]
    fn a_device_of_an_earlier_version_keeps_its_key_contexts_anchors_and_endorsement_and_may_rotate() {
        use cairn::signer::{Signer as _, software::SoftwareSigner};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.sqlite");
        let old = old_file(&path, 2);
        let key = SoftwareSigner::new(&[1; 32]).unwrap().public_key().unwrap();
        let (id, kid) = (key.key_id().0, [1_u8, 2, 3, 4]);
        old.execute(
            "INSERT INTO device VALUES (?1, ?2, -47, ?3, ?4, ?5, 9, 10, 0, 11)",
            params![id, key.device_id().0, key.compressed(), kid, [5_u8; 16]],
        )
        .unwrap();
        old.execute("INSERT INTO context VALUES (?1, x'07', 1, NULL, 8, 3, 2, 1)", [kid]).unwrap();
        old.execute("INSERT INTO posting VALUES (1, 0, ?1, 1, 0, 0, NULL, 0, 0, NULL, NULL, NULL)", [[6_u8; 32]])
            .unwrap();
        let anchor = "INSERT INTO anchor VALUES (?1, ?2, 7, 0, 0, 1, ?1, NULL, x'', 1, 1, 0, 0)";
        old.execute(anchor, params![[6_u8; 32], id]).unwrap();
        old.execute("INSERT INTO challenge VALUES (?1, ?2, 1, 2)", params![[3_u8; 32], id]).unwrap();
        old.execute("INSERT INTO endorsement VALUES (?1, ?2, 0, x'', 7, x'', 1)", params![[3_u8; 32], id]).unwrap();
        drop(old);

        let mut store = Store::open(&path, &HOME).unwrap();
        let device = store.device_by_kid(&kid).unwrap().unwrap();
        assert_eq!((device.id, device.key, device.place), (key.device_id(), key, 0));
        assert_eq!((device.status.registered_at, device.checked_ms, *device.master_secret), (10, Some(11), [5; 16]));
        assert!(store.is_endorsed(key.key_id()).unwrap());
        assert_eq!(store.active_context(kid).unwrap().unwrap().id_context, [7]);
        let stream = cairn::record::StreamId(7);
        assert!(store.batch(device.id, stream, cairn::batch::BatchNumber(0)).unwrap().is_some());
        let next = SoftwareSigner::new(&[2; 32]).unwrap().public_key().unwrap();
        let next = rotations::NextKey { device: device.id, key: next, place: 1 };
        let new = anchors::NewAnchor {
            key: key.key_id(),
            anchor: cairn::batch::Anchor {
                stream,
                batch: cairn::batch::BatchNumber(1),
                first_seq: cairn::record::SequenceNumber(1),
                count: 1,
                sealed_at: 0,
                flags: cairn::batch::AnchorFlags(4),
                root: cairn::merkle::Hash([1; 32]),
                prev: cairn::batch::Commitment([6; 32]),
            },
            leaf: cairn::merkle::Hash([2; 32]),
            kinds: None,
            uplink: &[],
        };
        store.add_rotation(&new, &next, 5).unwrap();
        assert_eq!(store.rotations_to(next.key.key_id()).unwrap(), [new.anchor.commitment()]);
        assert!(store.is_endorsed(next.key.key_id()).unwrap(), "handed on");
        assert!(store.add_rotation(&new, &next, 5).is_err(), "once");
        // References are watched again: an anchor of nobody's key is not kept.
        let stranger = anchors::NewAnchor { key: cairn::signer::KeyId([9; 20]), ..new.clone() };
        let anchor = cairn::batch::Anchor { batch: cairn::batch::BatchNumber(2), ..new.anchor };
        assert!(store.add_anchor(&anchors::NewAnchor { anchor, ..stranger }, 5).is_err());
    }
}
