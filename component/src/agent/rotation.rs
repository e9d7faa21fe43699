// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A key follows another. The old key's last batch holds the rotation record and nothing else; when the old key has signed it, nothing
//! is sealed until the next key was adopted. Power may go away at any time: what is journaled says how far it was
//! ([`super::succession`]), and the next poll, or the next start, goes on there.
//!
//! | the journal holds | state | what is done |
//! | --- | --- | --- |
//! | the record, in no batch | announced | sealed before anything else is journaled |
//! | its batch, not signed | announced | signed by the old key; records are journaled, nothing is sealed |
//! | its signature | signed | [`Agent::adopt`]; records are journaled, nothing is sealed |
//! | a batch after it | none | |

use super::{
    Agent, Event, REFUSAL_PAUSE, StartError, next_after,
    sealing::NotSigned,
    succession::{Handover, NamedKey, Tenure},
};
use crate::{
    batch::BatchNumber,
    journal::{
        BatchState, Journal, JournalError, NewRecord,
        sabotage::{Mistake, makes},
    },
    ports::{Clock, Link},
    power::schedule::Schedule,
    record::{Kind, Priority, SequenceNumber},
    rotation::Rotation,
    signer::{PublicKey, Signer, SignerError},
};

/// How far a rotation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum RotationState {
    /// None is under way.
    #[default]
    None = 0,
    /// The rotation record is journaled; the old key has not signed it yet. Nothing else is signed before it.
    Announced = 1,
    /// The old key signed its last batch. Nothing is sealed until the next key was adopted ([`Agent::adopt`]).
    Signed = 2,
}

/// Why no rotation was begun. Nothing was journaled; but after [`JournalError::Medium`] the next start may find that it was, so the
/// next key is kept until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotateError {
    /// One is under way.
    Pending,
    /// The next key is the current one.
    SameKey,
    /// The next key's signer did not prove that it has it.
    Signer(SignerError),
    /// The journal does not take it: what is open cannot be sealed, or there is no room for the record.
    Journal(JournalError),
}

/// Why a signer was not adopted. The agent goes on with the one it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdoptError {
    /// No rotation is signed: it is not this key's turn.
    NotSigned,
    /// The rotation names another key.
    OtherKey,
    /// The signer does not say its key.
    Signer(SignerError),
    /// The rotation record cannot be read.
    Journal(JournalError),
}

/// What the agent keeps of its key's turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    pub(super) state: RotationState,
    /// The rotation record is journaled and in no batch.
    pub(super) unsealed: bool,
    /// The first batch that the key signs; those before it are others'. 0 when the journal names no other.
    pub(super) first: BatchNumber,
    /// No rotation is in the batches from here on up to the current one.
    pub(super) sure_from: BatchNumber,
}

impl Turn {
    /// Of the key that signs what comes after `last`, its predecessor's last batch.
    fn after(last: BatchNumber) -> Self {
        let first = next_after(Some(last));
        Self { first, sure_from: first, ..Self::default() }
    }
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// Announces that `next` signs after the current key: seals what is open, journals the rotation record with `next`'s proof, seals
    /// it alone and has it signed by the current key. Returns the record's number as soon as it is journaled; from then on the
    /// rotation goes through, whatever the power does. [`Event::Rotated`] and [`RotationState::Signed`] say that the old key is
    /// done: then make the next key durably the current one where keys are kept, and give its signer to [`Agent::adopt`].
    ///
    /// The next key must be kept durably before this is called, and until a start has found none announced if it fails.
    /// Asks `next` for one signature, and the current signer for up to two.
    ///
    /// # Errors
    /// [`RotateError`].
    pub fn rotate(
        &mut self,
        next: &mut impl Signer,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<SequenceNumber, RotateError> {
        if self.turn.state != RotationState::None {
            return Err(RotateError::Pending);
        }
        let key = next.public_key().map_err(RotateError::Signer)?;
        if key == self.key {
            return Err(RotateError::SameKey);
        }
        // Sealing changes no sequence number. A signer that refuses is found out before anything is sealed.
        let device = self.device();
        let digest = Rotation::proof_digest(&device, self.journal.stream(), self.journal.unsealed().end);
        if self.hash_failed() {
            return Err(RotateError::Journal(JournalError::Hash));
        }
        self.signed = self.signed.saturating_add(1);
        let proof = next.sign(&digest).map_err(RotateError::Signer)?;
        let seq = self.announce(&Rotation { device, key, proof }, on_event);
        let seq = seq.map_err(RotateError::Journal)?;
        // Journaled is announced: what fails from here on is done again by the next polls.
        self.go_on_with_rotation(on_event);
        Ok(seq)
    }

    /// Journals the rotation record as the only one that is in no batch.
    #[inline(never)]
    fn announce(
        &mut self,
        rotation: &Rotation,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<SequenceNumber, JournalError> {
        while !self.journal.unsealed().is_empty() {
            self.seal(on_event)?;
        }
        let seq = self.journal_record(&NewRecord {
            time: self.clock.wall(),
            kind: Kind::ROTATION,
            priority: Priority::Routine,
            payload: &rotation.payload(),
        })?;
        (self.turn.state, self.turn.unsealed) = (RotationState::Announced, true);
        Ok(seq)
    }

    /// Takes the signer of the key that a signed rotation named, and gives the old one back: bury its key. To be called when the
    /// next key is durably the current one where keys are kept. What was journaled since is sealed under the new key, at the
    /// schedule's leisure.
    ///
    /// # Errors
    /// [`AdoptError`]; the offered signer is dropped.
    pub fn adopt(&mut self, mut next: S) -> Result<S, AdoptError> {
        if self.turn.state != RotationState::Signed {
            return Err(AdoptError::NotSigned);
        }
        let key = next.public_key().map_err(AdoptError::Signer)?;
        let handover = Handover::find(&mut self.journal).map_err(AdoptError::Journal)?;
        let Some(Handover { batch, to, .. }) = handover else {
            return Err(AdoptError::Journal(JournalError::Medium));
        };
        // When the record rotted, any other key is as good: nobody will be able to prove it.
        if to.map_or(key == self.key, |to| !to.is(&key)) {
            return Err(AdoptError::OtherKey);
        }
        let device = self.device();
        if self.hash_failed() {
            return Err(AdoptError::Journal(JournalError::Hash));
        }
        self.settings.device = Some(device);
        (self.key, self.key_id) = (key, key.key_id());
        self.turn = Turn::after(batch);
        Ok(core::mem::replace(&mut self.signer, next))
    }

    /// How far a rotation is.
    #[must_use]
    pub const fn rotation(&self) -> RotationState {
        self.turn.state
    }

    /// The key that signs.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// Whether nothing may be sealed: the old key has its last batch, and the next one is not there yet.
    pub(super) fn waits_for_next_key(&self) -> bool {
        self.turn.state != RotationState::None && !self.turn.unsealed && !makes(Mistake::SealsBeforeAdoption)
    }

    /// Seals the rotation record if it is in no batch, and has what is sealed signed by the old key. After a refusal not before the
    /// pause is over.
    #[inline(never)]
    pub(super) fn go_on_with_rotation(&mut self, on_event: &mut dyn FnMut(Event)) {
        let now = self.clock.now();
        if self.turn.state != RotationState::Announced || now < self.pause_until {
            return;
        }
        let done = if self.turn.unsealed { self.seal(on_event).is_ok() } else { self.sign_all(on_event).is_ok() };
        if !done || self.turn.state == RotationState::Announced {
            self.pause_until = now.after(REFUSAL_PAUSE);
        }
    }

    /// Signs what is sealed and not signed, in order. A signer that refuses is asked again later.
    pub(super) fn sign_all(&mut self, on_event: &mut dyn FnMut(Event)) -> Result<(), JournalError> {
        for batch in next_after(self.journal.through(BatchState::Signed)).0..self.journal.batches().end.0 {
            match self.sign(BatchNumber(batch), on_event) {
                Ok(_) => {}
                Err(NotSigned::Journal(error)) => return Err(error),
                Err(NotSigned::Refused) => break,
            }
        }
        Ok(())
    }

    /// `batch` was signed: if it is the old key's last, the next one's turn begins.
    pub(super) fn hand_over(&mut self, batch: BatchNumber, on_event: &mut dyn FnMut(Event)) {
        let is_last = next_after(Some(batch)) == self.journal.batches().end;
        if is_last && self.turn.state == RotationState::Announced && !self.turn.unsealed {
            self.turn.state = RotationState::Signed;
            self.totals.rotations += 1;
            on_event(Event::Rotated { batch });
        }
    }

    /// Compares the signer with what the journal knows of keys, and takes up a rotation that is under way. Called at a start.
    #[inline(never)]
    pub(super) fn take_turn(&mut self) -> Result<(), StartError> {
        let handover = Handover::find(&mut self.journal).map_err(StartError::Journal)?;
        let handover = handover.filter(|handover| handover.sealed || !makes(Mistake::ForgetsRotation));
        let end = handover.map_or(self.journal.batches().end, |handover| handover.batch);
        let before = Tenure::until(&mut self.journal, end).map_err(StartError::Journal)?;
        let Some(Handover { batch, sealed, signed, to }) = handover else {
            (self.turn.first, self.turn.sure_from) = (before.first, before.sure_from);
            return self.be(before.key);
        };
        let is_next = match to {
            Some(to) => to.is(&self.key),
            // Nobody can tell any more; what signed is gone for good.
            None => signed && before.key.is_none_or(|old| !old.is(&self.key)),
        };
        if signed && is_next {
            self.turn = Turn::after(batch);
            return self.be(to.or(before.key.map(|old| NamedKey { device: old.device, ..self.named() })));
        }
        if is_next {
            // The old key has not said so yet.
            return Err(StartError::OtherKey);
        }
        let state = if signed { RotationState::Signed } else { RotationState::Announced };
        self.turn = Turn { state, unsealed: !sealed, first: before.first, sure_from: before.sure_from };
        self.be(before.key.or(to.map(|to| NamedKey { device: to.device, ..self.named() })))
    }

    /// The key that signs, as the journal would name it.
    pub(super) fn named(&self) -> NamedKey {
        NamedKey { device: self.device(), alg: self.key.alg, public_key: self.key.compressed() }
    }

    /// Refuses another key than `named`, and the key of another device.
    fn be(&mut self, named: Option<NamedKey>) -> Result<(), StartError> {
        let Some(named) = named else { return Ok(()) };
        if !named.is(&self.key) {
            return Err(StartError::OtherKey);
        }
        if *self.settings.device.get_or_insert(named.device) != named.device {
            return Err(StartError::OtherDevice);
        }
        Ok(())
    }
}
