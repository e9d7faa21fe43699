// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The agent: drains the inbox into the journal, stacks batches, signs and exchanges them. One [`Agent::poll`] does a bounded
//! amount of work and says when it wants to be called next; the caller's task sleeps in between. It never blocks but for the
//! signer, never reads a clock but [`Clock`], and runs unchanged in firmware, in tests on virtual time and in a simulator.
//!
//! Here: construction, `poll`, the inbox. [`open_batch`]: what will be sealed next. [`sealing`]: seal and sign.
//! [`exchange`]: uplinks and downlinks. [`evidence`]: what the device itself can prove. [`endorsement`]: whose key it is.
//! [`giving_way`]: an urgent record in a full journal. [`urgent`]: urgent records over their limit. [`clock_step`]:
//! the wall clock. [`loss`]: what rotted after it was sealed. [`retention`]: what is old enough to go. [`firmware`]: which
//! image runs. [`rotation`]: a key follows another. [`succession`]: which key signs, as the journal has it. [`status`]: what is
//! told to the outside.

mod clock_step;
mod endorsement;
mod evidence;
mod exchange;
mod firmware;
mod giving_way;
mod loss;
mod open_batch;
mod retention;
mod rotation;
mod sealing;
mod status;
mod succession;
mod urgent;

pub use evidence::{EvidenceError, evidence_max};
pub use exchange::uplink_min;
pub use firmware::Confirmed;
pub use rotation::{AdoptError, RotateError, RotationState};
pub use status::{Activity, Event, Status, Totals};
pub use succession::{NamedKey, Succession, succession};

use core::mem::MaybeUninit;

use crate::{
    batch::{BatchNumber, DeploymentId},
    identity::{IDENTITY_PAYLOAD_BYTES, Identity},
    journal::{BatchState, Journal, JournalError, NewRecord},
    ports::{Clock, Inbox, Link, LinkError, Submission},
    power::{
        cost::PsmTimers,
        schedule::{Decision, Degradation, Schedule, View},
    },
    record::{BatchKey, BlindSecret, Entry, Kind, Priority, Record, SequenceNumber},
    rotation::ROTATION_PAYLOAD_BYTES,
    sha256::FaultWatch,
    signer::{DeviceId, KeyId, PublicKey, Signer, SignerError},
    time::Millis,
    uplink::Level,
};
use clock_step::ClockWatch;
use open_batch::OpenBatch;
use retention::Retention;
use rotation::Turn;

/// Longest payload that Cairn itself journals: no payload buffer may be shorter.
pub const OWN_PAYLOAD_MAX: usize =
    if ROTATION_PAYLOAD_BYTES > IDENTITY_PAYLOAD_BYTES { ROTATION_PAYLOAD_BYTES } else { IDENTITY_PAYLOAD_BYTES };

/// Submissions taken in one poll; more wait for the next, which is then due at once.
const INTAKE_PER_POLL: usize = 8;

/// How long to leave a signer or a full batch table alone after it refused.
const REFUSAL_PAUSE: Millis = Millis::from_secs(60);

/// What the relay is given of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum UploadMode {
    /// The anchor and the records.
    Data = 0,
    /// The anchor only: the device keeps the records until they are released.
    HashOnly = 1,
}

/// What an agent is told once.
#[derive(Clone)]
pub struct Settings {
    /// The deployment this device belongs to.
    pub deployment: DeploymentId,
    /// From which batch keys are derived.
    pub blind_secret: BlindSecret,
    /// The device's id; `None` when the current key is its first, or the journal knows it.
    pub device: Option<DeviceId>,
    /// What the relay is given.
    pub upload: UploadMode,
    /// Longest payload an application may submit, in bytes.
    pub payload_max: usize,
    /// A step of the wall clock by less than this is drift and makes no record.
    pub clock_step: Millis,
    /// Once the clock was set, a hint of the relay moves it by this at most.
    pub relay_step_max: Millis,
    /// Sender sequence numbers reserved at a time.
    pub sender_sequence_block: u64,
    /// Records of hash-only batches are released when they are this old and their batch is final; `None`: only
    /// [`Agent::release`] releases.
    pub retention: Option<Millis>,
    /// How far a batch must have come before its records may be given up: [`Level::Final`] unless the product takes the relay's
    /// word for an anchor that is not on the ledger for good. What is hash-only waits for its release as well.
    pub prune_at: Level,
}

/// Why an agent did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// There is no public key to speak for.
    Signer(SignerError),
    /// The journal does not take the identity record, or cannot be read.
    Journal(JournalError),
    /// The link carries less than a longest record needs.
    LinkTooNarrow,
    /// The signer's key is not the one whose turn it is: another key began the journal's stream, or a rotation named another.
    OtherKey,
    /// The journal's device is another than the settings'.
    OtherDevice,
}

/// Why a submission got no sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// The application may not submit this kind.
    Kind,
    /// The payload is longer than this build takes.
    TooLong,
    /// More urgent records of its kind came than are taken: it was not journaled but counted, durably, and one record will say how
    /// many there were.
    Coalesced,
    /// The journal refused it.
    Journal(JournalError),
}

/// The agent over its ports. `PAYLOAD` is the longest payload in bytes (at least [`OWN_PAYLOAD_MAX`]), `UPLINK` the longest
/// uplink (at least [`uplink_min`]`(PAYLOAD)`).
pub struct Agent<J, S, L, C, P, const PAYLOAD: usize, const UPLINK: usize> {
    settings: Settings,
    journal: J,
    signer: S,
    link: L,
    clock: C,
    schedule: P,
    key: PublicKey,
    key_id: KeyId,
    turn: Turn,
    /// Sees hashes that fail, of the open batch and any other.
    hashes: FaultWatch,
    /// The oldest records that are in no batch: as many as belong into the next.
    open: OpenBatch,
    /// The open batch is not what the journal says.
    open_is_stale: bool,
    /// The batch whose exchange runs.
    exchange: Option<BatchNumber>,
    flush: bool,
    radio_up_until: Option<Millis>,
    /// Neither sealing nor signing before then.
    pause_until: Millis,
    watch: ClockWatch,
    /// The first record that the relay does not have.
    waiting_from: SequenceNumber,
    /// A record was refused for want of room, and nothing was given up since.
    starved: bool,
    /// The batch that a loss record was journaled for.
    loss_told: Option<BatchNumber>,
    /// Signatures made or tried that the schedule does not know of.
    signed: u32,
    retention: Retention,
    totals: Totals,
    more_submissions: bool,
    payload: [u8; PAYLOAD],
    uplink: [u8; UPLINK],
}

/// An agent that was made in its place and has not looked into its journal.
#[derive(Debug)]
#[must_use = "an agent that does not resume never starts"]
pub struct Made<'p, A>(&'p mut A);

impl<'p, J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Made<'p, Agent<J, S, L, C, P, PAYLOAD, UPLINK>>
{
    /// Starts the agent: an empty journal gets the identity record; what an earlier run left is taken up.
    ///
    /// # Errors
    /// [`StartError`]; the agent is then of no use.
    pub fn resume(self) -> Result<&'p mut Agent<J, S, L, C, P, PAYLOAD, UPLINK>, StartError> {
        self.0.resume()?;
        Ok(self.0)
    }
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// An agent over its ports. An empty journal gets the identity record; what an earlier run left is taken up.
    ///
    /// # Errors
    /// [`StartError`]; nothing was journaled but perhaps the identity record.
    pub fn new(
        settings: Settings,
        journal: J,
        mut signer: S,
        link: L,
        clock: C,
        schedule: P,
    ) -> Result<Self, StartError> {
        let key = Self::speaker(&mut signer, &link)?;
        let mut agent = Self::assemble(key, settings, journal, signer, link, clock, schedule);
        agent.resume()?;
        Ok(agent)
    }

    /// As [`Agent::new`], made in `place`: a stack that is too small to hold an agent need not.
    ///
    /// # Errors
    /// [`StartError`]; what is in `place` is then of no use.
    pub fn new_in(
        place: &mut MaybeUninit<Self>,
        settings: Settings,
        journal: J,
        signer: S,
        link: L,
        clock: C,
        schedule: P,
    ) -> Result<&mut Self, StartError> {
        Self::make_in(place, settings, journal, signer, link, clock, schedule)?.resume()
    }

    /// The first half of [`Agent::new_in`]; [`Made::resume`] is the other. A caller that returns in between has none of what the
    /// agent was made from on its stack while the agent looks into its journal.
    ///
    /// # Errors
    /// [`StartError`]; what is in `place` is then of no use.
    #[inline(never)]
    pub fn make_in(
        place: &mut MaybeUninit<Self>,
        settings: Settings,
        journal: J,
        mut signer: S,
        link: L,
        clock: C,
        schedule: P,
    ) -> Result<Made<'_, Self>, StartError> {
        let key = Self::speaker(&mut signer, &link)?;
        Ok(Made(place.write(Self::assemble(key, settings, journal, signer, link, clock, schedule))))
    }

    /// The key to speak for, over a link that is wide enough.
    fn speaker(signer: &mut S, link: &L) -> Result<PublicKey, StartError> {
        const {
            assert!(PAYLOAD >= OWN_PAYLOAD_MAX, "PAYLOAD is shorter than a rotation record");
            assert!(UPLINK >= uplink_min(PAYLOAD), "a longest record does not fit one uplink");
        }
        if link.capacity() < uplink_min(PAYLOAD) {
            return Err(StartError::LinkTooNarrow);
        }
        signer.public_key().map_err(StartError::Signer)
    }

    /// An agent before it looked into its journal. Inlined, so that it is made where the caller wants it.
    #[inline(always)]
    fn assemble(key: PublicKey, settings: Settings, journal: J, signer: S, link: L, clock: C, schedule: P) -> Self {
        let hashes = FaultWatch::new();
        // What it is and its key are read before it is used, when the agent resumes.
        let open = OpenBatch::new(BatchKey::new([0; 32]));
        let watch = ClockWatch::new(clock.now(), clock.wall());
        Self {
            settings,
            journal,
            signer,
            link,
            clock,
            schedule,
            key,
            key_id: key.key_id(),
            turn: Turn::default(),
            hashes,
            open,
            open_is_stale: true,
            exchange: None,
            flush: false,
            radio_up_until: None,
            pause_until: Millis(0),
            watch,
            waiting_from: SequenceNumber(0),
            starved: false,
            loss_told: None,
            signed: 0,
            retention: Retention::default(),
            totals: Totals::default(),
            more_submissions: false,
            payload: [0; PAYLOAD],
            uplink: [0; UPLINK],
        }
    }

    /// Takes up what the journal holds, or begins a stream. Never inlined: what it needs on the stack once must not lie under
    /// the making of the agent.
    #[inline(never)]
    fn resume(&mut self) -> Result<(), StartError> {
        self.totals.stored_through = self.journal.through(BatchState::Stored);
        self.totals.included_through = self.journal.through(BatchState::Included);
        self.totals.final_through = self.journal.through(BatchState::Final);
        if self.journal.unsealed().end == SequenceNumber(0) {
            let device = self.device();
            let identity = Identity::new(device, &self.key, self.journal.previous_stream());
            if self.hash_failed() {
                return Err(StartError::Journal(JournalError::Hash));
            }
            self.journal_record(&NewRecord {
                time: self.clock.wall(),
                kind: Kind::IDENTITY,
                priority: Priority::Routine,
                payload: &identity.payload(),
            })
            .map_err(StartError::Journal)?;
        }
        self.note_what_waits();
        self.take_turn()?;
        self.settle_count().map_err(StartError::Journal)?;
        self.prune();
        self.refresh_open_batch().map_err(StartError::Journal)
    }

    /// Does what is due and returns when to call again: at that time, or earlier when a submission, a request or a link event
    /// arrives; `None` when only such an event matters.
    pub fn poll(&mut self, inbox: &mut impl Inbox, on_event: &mut dyn FnMut(Event)) -> Option<Millis> {
        self.go_on_with_rotation(on_event);
        self.drive_exchange(on_event);
        self.watch_clock(on_event);
        self.drain(inbox, on_event);
        let count_at = self.tell_counts(on_event);
        self.release_what_is_old();
        self.seal_what_is_too_much(on_event);
        let wake_at = self.follow_schedule(on_event);
        self.account();
        // What does not go in now goes in before the next exchange, or there is none. While batches wait for a dead link, the room is for
        // records.
        if !self.holds_back() {
            let _: Result<(), _> = self.keep_budget();
        }
        let now = self.clock.now();
        let link_at = if self.exchange.is_some() { self.link.wake_at() } else { None };
        let more = self.more_submissions || (self.is_too_much() && self.may_seal(now));
        let more_at = more.then_some(now);
        wake_at.into_iter().chain(link_at).chain(count_at).chain(more_at).min()
    }

    #[inline(never)]
    fn drain(&mut self, inbox: &mut impl Inbox, on_event: &mut dyn FnMut(Event)) {
        self.more_submissions = true;
        for _ in 0..INTAKE_PER_POLL {
            let Some(submission) = inbox.take() else {
                self.more_submissions = false;
                break;
            };
            let ticket = submission.ticket;
            let result = self.accept(&submission, on_event);
            match result {
                Ok(_) => self.totals.accepted += 1,
                Err(error) => {
                    self.starved |= error == SubmitError::Journal(JournalError::Full);
                    self.totals.count_refusal(error);
                    on_event(Event::Refused(error));
                }
            }
            if let Some(ticket) = ticket {
                inbox.answer(ticket, result);
            }
        }
        self.totals.queue_full = inbox.refused();
    }

    fn accept(
        &mut self,
        submission: &Submission<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<SequenceNumber, SubmitError> {
        if !submission.kind.is_submittable() {
            return Err(SubmitError::Kind);
        }
        if submission.payload.len() > self.settings.payload_max.min(PAYLOAD) {
            return Err(SubmitError::TooLong);
        }
        let record = NewRecord {
            time: submission.time,
            kind: submission.kind,
            priority: submission.priority,
            payload: submission.payload,
        };
        if record.priority == Priority::Urgent {
            self.admit_urgent(&record)?;
        }
        self.journal_new(&record, on_event).map_err(SubmitError::Journal)
    }

    /// Journals a record as its priority allows.
    fn journal_new(
        &mut self,
        record: &NewRecord<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<SequenceNumber, JournalError> {
        if record.priority == Priority::Urgent && self.journal.gives_way() {
            return self.journal_urgently(record, on_event);
        }
        self.close_batch_before(record, on_event)?;
        self.journal_record(record)
    }

    /// Journals a record and makes it the next leaf of the open batch, unless that is full and cannot be sealed now.
    fn journal_record(&mut self, record: &NewRecord<'_>) -> Result<SequenceNumber, JournalError> {
        self.refresh_open_batch()?;
        // Otherwise what had to be closed was closed.
        let belongs = !(self.waits_for_next_key() || self.is_too_much()) || self.belongs_to_open_batch(record);
        let seq = self.journal.append(record)?;
        let NewRecord { time, kind, payload, priority } = *record;
        if belongs {
            self.open.push(&Entry::Record(Record { seq, time, kind, payload }), priority, self.clock.now());
        }
        Ok(seq)
    }

    /// Asks the schedule until it says to wait; returns until when.
    #[inline(never)]
    fn follow_schedule(&mut self, on_event: &mut dyn FnMut(Event)) -> Option<Millis> {
        // Sealing empties the open batch and an exchange runs alone, so two rounds of decisions are the most there are.
        for _ in 0..3 {
            let now = self.clock.now();
            let view = self.view(now);
            match self.schedule.decide(&view) {
                Decision::Wait(until) => {
                    let paused = (now < self.pause_until).then_some(self.pause_until);
                    self.flush &= self.has_something_to_send();
                    return until.into_iter().chain(paused).min();
                }
                Decision::Seal => {
                    if self.seal(on_event).is_err() {
                        self.pause_until = now.after(REFUSAL_PAUSE);
                    }
                }
                Decision::Send => self.start_exchange(now, on_event),
            }
        }
        Some(self.clock.now())
    }

    fn view(&mut self, now: Millis) -> View {
        let paused = now < self.pause_until;
        let busy = self.exchange.is_some() || paused;
        let sealable = self.may_seal(now) && !self.holds_back();
        View {
            now,
            unsealed: if sealable { self.open.leaves() } else { 0 },
            oldest: if sealable { self.open.oldest() } else { [None; 3] },
            pending_bytes: match self.upload() {
                UploadMode::Data => u32::try_from(self.open.packed_bytes()).unwrap_or(u32::MAX),
                UploadMode::HashOnly => 0,
            },
            unsent: if busy { 0 } else { self.unsent() },
            waiting: u32::try_from(self.journal.unsealed().end.0.saturating_sub(self.waiting_from.0))
                .unwrap_or(u32::MAX),
            room: if self.upload_makes_room() { self.journal.records_left() } else { u32::MAX },
            starved: !busy && self.open.leaves() == 0 && self.asks_about().is_some(),
            flush: self.flush,
            radio_up_until: self.radio_up_until,
        }
    }

    /// Whether a flush has something to do: one that cannot be paid for yet, or waits for a signer, a key or what runs, stays wanted
    /// until then.
    fn has_something_to_send(&self) -> bool {
        !self.journal.unsealed().is_empty() || self.first_unsent().is_some() || self.asks_about().is_some()
    }

    /// What the relay is given of batches sealed now: less than was set when the schedule has to save. Not without a retention time:
    /// an application that uploads data releases no hashes, and the journal would be full of them for ever.
    fn upload(&self) -> UploadMode {
        let saves = self.schedule.degradation() >= Degradation::HashOnly && self.settings.retention.is_some();
        if saves { UploadMode::HashOnly } else { self.settings.upload }
    }

    /// The oldest sealed batch that the relay does not have.
    fn first_unsent(&self) -> Option<BatchNumber> {
        let first = next_after(self.journal.through(BatchState::Stored));
        (first < self.journal.batches().end).then_some(first)
    }

    /// Finds the first record that the relay does not have: at the start, and when the relay got some.
    fn note_what_waits(&mut self) {
        self.waiting_from = match self.first_unsent().map(|batch| self.journal.batch(batch)) {
            Some(Ok(sealed)) => sealed.anchor.first_seq,
            // A batch that cannot be read is no reason to hurry: it would not go up.
            Some(Err(_)) | None => self.journal.unsealed().start,
        };
    }

    /// Whether the records of an upload may go when it is final. Where time lets go of hashes, sending them earlier does not.
    fn upload_makes_room(&self) -> bool {
        self.upload() == UploadMode::Data || self.settings.retention.is_none()
    }

    /// The batch to ask the relay about again: the journal is full, the relay has all there is, and the device does not know
    /// whether it may go. No new batch would ever bring that news.
    fn asks_about(&self) -> Option<BatchNumber> {
        let (stored, known) = (self.journal.through(BatchState::Stored), self.journal.through(self.may_go_at()));
        stored.filter(|_| self.starved && self.first_unsent().is_none() && stored > known)
    }

    fn unsent(&self) -> u32 {
        let end = self.journal.batches().end;
        self.first_unsent().map_or(0, |first| end.0 - first.0)
    }

    /// Seals what is unsealed and sends everything at the next poll, whatever the schedule had in mind; or as soon as it can be paid
    /// for. Until an exchange begins it stays wanted, but for a restart; [`Status::flush_waits`] tells.
    pub fn flush(&mut self) {
        self.flush = true;
    }

    /// The radio is up anyway until `until`: what waits may ride along.
    pub fn radio_hint(&mut self, until: Millis) {
        self.radio_up_until = Some(until);
    }

    /// The network granted these timers of power saving mode, as the application read them from the modem. A link that knows them
    /// reports them itself.
    pub fn radio_timers(&mut self, timers: PsmTimers) {
        self.schedule.timers(self.clock.now(), timers);
    }

    /// The schedule.
    pub const fn schedule(&self) -> &P {
        &self.schedule
    }

    /// The schedule, for what an application may change of it while the agent runs: the energy model, the supply.
    pub const fn schedule_mut(&mut self) -> &mut P {
        &mut self.schedule
    }

    /// Changes what the relay is given of batches sealed from now on.
    pub fn set_upload(&mut self, upload: UploadMode) {
        self.settings.upload = upload;
    }

    /// Lets go of the records of a hash-only batch and of all before it: they may be reclaimed once the batch is final and space
    /// is needed.
    ///
    /// # Errors
    /// [`JournalError::NotFound`], [`JournalError::Medium`].
    pub fn release(&mut self, batch: BatchNumber) -> Result<(), JournalError> {
        self.journal.release(batch)?;
        self.prune();
        Ok(())
    }

    fn link_failed(&mut self, error: LinkError, on_event: &mut dyn FnMut(Event)) {
        self.totals.exchange_failures += 1;
        self.totals.last_link_error = Some(error);
        on_event(Event::ExchangeFailed(error));
    }
}

/// The batch after those that have come so far.
fn next_after(through: Option<BatchNumber>) -> BatchNumber {
    through.map_or(BatchNumber(0), |through| BatchNumber(through.0.saturating_add(1)))
}
