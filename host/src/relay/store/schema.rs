// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables of the relay's database, and how a file of an earlier version becomes one of this. Called when a file is
//! opened; a step that was released is never changed.

use rusqlite::Connection;

use super::StoreError;

/// Version of the schema, in the file's `user_version`.
pub const SCHEMA_VERSION: u32 = 3;

/// What makes each version out of the one before it. 64-bit numbers are stored as the signed number of the same bits.
pub(super) const STEPS: [&str; SCHEMA_VERSION as usize] = [SCHEMA, ENDORSEMENTS, KEYS];

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

/// A device may have had several keys: what was one row of `device` is a device and a key. References follow the table
/// they name when it is renamed.
const KEYS: &str = "
ALTER TABLE device RENAME TO device_key;
CREATE TABLE device (
    device_id BLOB PRIMARY KEY,
    kid BLOB NOT NULL UNIQUE,
    master_secret BLOB NOT NULL,
    added_ms INTEGER NOT NULL
) STRICT;
INSERT INTO device SELECT device_id, kid, master_secret, added_ms FROM device_key;
CREATE TABLE new_device_key (
    key_id BLOB PRIMARY KEY,
    device_id BLOB NOT NULL REFERENCES device (device_id),
    place INTEGER NOT NULL,            -- 0 the first, 1 the one the first rotation names; the last is the present one
    alg INTEGER NOT NULL,
    public_key BLOB NOT NULL,          -- SEC 1 compressed
    rotation BLOB REFERENCES anchor (commitment),  -- whose record names the key; NULL for the first
    registered_at INTEGER NOT NULL,    -- block time by the contract's registry, 0 for never
    revoked_at INTEGER NOT NULL,       -- likewise
    checked_ms INTEGER,                -- when the registry was last asked; NULL for never
    UNIQUE (device_id, place)
) STRICT;
INSERT INTO new_device_key
    SELECT key_id, device_id, 0, alg, public_key, NULL, registered_at, revoked_at, checked_ms FROM device_key;
DROP TABLE device_key;
ALTER TABLE new_device_key RENAME TO device_key;
CREATE INDEX to_check ON device_key (checked_ms) WHERE revoked_at = 0;
CREATE TABLE new_context (             -- OSCORE contexts of devices
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
INSERT INTO new_context SELECT kid, id_context, state, echo, newest, seen, own_number, since_ms FROM context;
DROP TABLE context;
ALTER TABLE new_context RENAME TO context;
CREATE UNIQUE INDEX one_active_context ON context (kid) WHERE state = 1;
";

pub(super) fn version(db: &Connection) -> Result<u32, StoreError> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings the schema to this program's version; gives the version it had.
pub(super) fn upgrade(db: &Connection) -> Result<u32, StoreError> {
    let found = version(db)?;
    let steps = usize::try_from(found).ok().and_then(|done| STEPS.get(done..)).ok_or(StoreError::Newer { found })?;
    for step in steps {
        db.execute_batch(step)?;
    }
    if !steps.is_empty() && db.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err(StoreError::Damaged("reference"));
    }
    db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(found)
}
