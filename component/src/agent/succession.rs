// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which key signs, read from the journal alone: the identity record, the last batches of keys before the current one and the
//! rotation records in them. Called by the agent when it starts, and by whoever keeps the keys before that; writes nothing.

use minicbor::Decoder;

use super::OWN_PAYLOAD_MAX;
use crate::{
    batch::{AnchorFlags, BatchNumber},
    cbor,
    journal::{BatchState, Journal, JournalError},
    record::{Entry, Kind, SequenceNumber},
    signer::{Algorithm, DeviceId, PublicKey},
};

/// How many batches are looked at for the last of a key: a start takes no longer as a journal grows. A rotation further back is
/// not found; then the journal says nothing of the key.
const LOOK_BACK: u32 = 64;

/// A key as the journal names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedKey {
    /// The device it is the key of.
    pub device: DeviceId,
    /// What it signs with.
    pub alg: Algorithm,
    /// SEC 1 compressed.
    pub public_key: [u8; 33],
}

impl NamedKey {
    /// Whether it is `key`.
    #[must_use]
    pub fn is(&self, key: &PublicKey) -> bool {
        self.alg == key.alg && self.public_key == key.compressed()
    }

    /// What an identity and a rotation record begin with: `[device id, algorithm, public key, …]`. The device wrote it itself, and
    /// the journal's checksum says that it is what was written.
    fn first_of(payload: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(payload);
        d.array().ok()?;
        let device = DeviceId(d.bytes().ok()?.try_into().ok()?);
        let alg = Algorithm::from_cose(cbor::signed(&mut d).ok()?)?;
        Some(Self { device, alg, public_key: d.bytes().ok()?.try_into().ok()? })
    }
}

/// Whose turn it is to sign in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// No rotation is under way. The key, unless the journal does not say so any more.
    Settled(Option<NamedKey>),
    /// A rotation is journaled and the old key has not signed it: it still must. `to` signs after it, `None` when the record
    /// rotted.
    Announced {
        /// The next key.
        to: Option<NamedKey>,
    },
    /// The old key signed its last batch: nothing may be signed with it any more. `to` signs from here on; when the record rotted
    /// it is `None`, and the next key is the one that is kept as the next.
    Signed {
        /// The key that signs from here on.
        to: Option<NamedKey>,
    },
}

/// Whose turn it is to sign in `journal`. Who keeps two keys, the current one and the next, asks before it makes an agent:
/// with [`Succession::Signed`], and `to` the next one, the next is made the current one first (unless a power cut came after that was
/// done, and it is); in every other case the current one signs. The answer stands whatever became of the batch at the relay: the agent
/// does not let the journal give it up before the next key is adopted.
///
/// # Errors
/// [`JournalError::Medium`].
pub fn succession(journal: &mut impl Journal) -> Result<Succession, JournalError> {
    Ok(match Handover::find(journal)? {
        Some(Handover { signed: false, to, .. }) => Succession::Announced { to },
        Some(Handover { signed: true, to, .. }) => Succession::Signed { to },
        None => {
            let end = journal.batches().end;
            Succession::Settled(Tenure::until(journal, end)?.key)
        }
    })
}

/// A rotation whose batch is the last one, or the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handover {
    /// The batch of the rotation record.
    pub(super) batch: BatchNumber,
    /// It is sealed.
    pub(super) sealed: bool,
    /// It was signed once. Should the signature rot, this stays.
    pub(super) signed: bool,
    /// The key that signs after it.
    pub(super) to: Option<NamedKey>,
}

impl Handover {
    /// The rotation that is under way in `journal`, if one is.
    #[inline(never)]
    pub(super) fn find(journal: &mut impl Journal) -> Result<Option<Self>, JournalError> {
        let (unsealed, end) = (journal.unsealed(), journal.batches().end);
        if unsealed.end.0.checked_sub(unsealed.start.0) == Some(1)
            && let Some(to) = key_in(journal, unsealed.start, Kind::ROTATION)?
        {
            return Ok(Some(Self { batch: end, sealed: false, signed: false, to: Some(to) }));
        }
        let Some(batch) = end.0.checked_sub(1).map(BatchNumber) else { return Ok(None) };
        let first_seq = match last_of_key(journal, batch) {
            Ok(Some(record)) => record,
            // One that was given up was no rotation's, or its next key is adopted.
            Ok(None) | Err(JournalError::NotFound | JournalError::Medium) => return Ok(None),
            Err(error) => return Err(error),
        };
        let to = key_in(journal, first_seq, Kind::ROTATION)?;
        let signed = journal.through(BatchState::Signed) >= Some(batch);
        Ok(Some(Self { batch, sealed: true, signed, to }))
    }
}

/// Since when which key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tenure {
    /// The first batch it signs; 0 when no rotation before was found.
    pub(super) first: BatchNumber,
    /// No rotation is in the batches from here on; those before were not looked at, or could not be read, or are others'.
    pub(super) sure_from: BatchNumber,
    /// The key, unless the journal does not say so any more.
    pub(super) key: Option<NamedKey>,
}

impl Tenure {
    /// Of the key that signs `end`: looks for the last of a key among the batches before.
    #[inline(never)]
    pub(super) fn until(journal: &mut impl Journal, end: BatchNumber) -> Result<Self, JournalError> {
        let kept = journal.batches().start;
        let first = BatchNumber(kept.0.max(end.0.saturating_sub(LOOK_BACK)));
        for batch in (first.0..end.0).rev().map(BatchNumber) {
            let next = BatchNumber(batch.0.saturating_add(1));
            match last_of_key(journal, batch) {
                Ok(None) => {}
                Ok(Some(record)) => {
                    let key = key_in(journal, record, Kind::ROTATION)?;
                    return Ok(Self { first: next, sure_from: next, key });
                }
                // It may be the last of a key.
                Err(JournalError::Medium | JournalError::NotFound) => {
                    return Ok(Self { first: BatchNumber(0), sure_from: next, key: None });
                }
                Err(error) => return Err(error),
            }
        }
        let key = if first == BatchNumber(0) { key_in(journal, SequenceNumber(0), Kind::IDENTITY)? } else { None };
        Ok(Self { first: BatchNumber(0), sure_from: first, key })
    }
}

/// The rotation record in `batch`, if it is the last of a key.
#[inline(never)]
pub(super) fn last_of_key(
    journal: &mut impl Journal,
    batch: BatchNumber,
) -> Result<Option<SequenceNumber>, JournalError> {
    let anchor = journal.batch(batch)?.anchor;
    Ok(anchor.flags.has(AnchorFlags::LAST_OF_KEY).then_some(anchor.first_seq))
}

/// The key that the record `seq` names, if it is one of `kind`, identity or rotation; `None` also when it rotted or was given up.
#[inline(never)]
fn key_in(journal: &mut impl Journal, seq: SequenceNumber, kind: Kind) -> Result<Option<NamedKey>, JournalError> {
    let mut payload = [0; OWN_PAYLOAD_MAX];
    match journal.read(seq, &mut payload) {
        Ok(Entry::Record(record)) if record.kind == kind => Ok(NamedKey::first_of(record.payload)),
        // One that is longer is none of Cairn's own.
        Ok(_) | Err(JournalError::NotFound | JournalError::TooLong) => Ok(None),
        Err(error) => Err(error),
    }
}
