// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device that does with the journal what the agent does, one journal call a step, and knows after every step what the
//! journal must hold. Power may go away in any step; [`Device::mounted`] then says whether anything accepted is gone, doubled,
//! or said differently.

use std::collections::{BTreeMap, BTreeSet};

use cairn::{
    batch::{Anchor, BatchNumber, Commitment},
    journal::{BatchState, Intent, Journal, JournalError, NewRecord, Spending},
    merkle::Hash,
    record::{Entry, Kind, Priority, StreamId},
    signer::Signature,
    time::{TimeQuality, WallTime},
};

use super::{Dice, next_anchor};

/// What the world knows of the journal.
#[derive(Clone, Debug)]
pub struct Device {
    dice: Dice,
    /// Every record that was accepted, by number.
    pub accepted: BTreeMap<u64, Vec<u8>>,
    /// The record whose acceptance was not reported when power went away.
    doubtful: Option<Vec<u8>>,
    /// Anchors that were shown to the world.
    pub shown: BTreeMap<u32, Commitment>,
    /// Anchors whose sealing was reported.
    sealed: BTreeMap<u32, Anchor>,
    /// The least and the most that each state can have reached.
    reached: BTreeMap<BatchState, (u32, u32)>,
    /// Sender sequence numbers before this one may have been used.
    pub numbers_used: u64,
    /// What was signed, by nonce: for which purpose.
    pub spent: BTreeMap<u64, Hash>,
    /// What the spending cell may hold: what was reported, or what power left in doubt.
    spending: Vec<Spending>,
    /// The same of the budget.
    budget: Vec<Option<Vec<u8>>>,
    /// Batches whose records the relay is not given: they stay until they are released.
    hash_only: BTreeSet<u32>,
    /// The least and the most batches that can be released.
    pub released: (u32, u32),
    /// Records are piled up until the journal is full, as when the signer or the link is dead for months.
    hoards: bool,
    /// Times that the journal was full of records.
    pub was_full: u64,
    /// Sender sequence numbers still to be reserved while it is full.
    pressure: u64,
    steps: u64,
    /// The last call.
    pub doing: &'static str,
}

/// A record that power left in doubt was found or not found; anything else is a failure.
pub type Verdict = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

impl Device {
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            accepted: BTreeMap::new(),
            doubtful: None,
            shown: BTreeMap::new(),
            sealed: BTreeMap::new(),
            reached: BTreeMap::new(),
            numbers_used: 0,
            spent: BTreeMap::new(),
            spending: vec![Spending::default()],
            budget: vec![None],
            hash_only: BTreeSet::new(),
            released: (0, 0),
            hoards: false,
            was_full: 0,
            pressure: 0,
            steps: 0,
            doing: "nothing",
        }
    }

    /// One journal call. `Ok(Err(_))` is the journal's refusal, perhaps because power is gone.
    pub fn step(&mut self, journal: &mut impl Journal) -> Result<Result<(), JournalError>, String> {
        self.steps += 1;
        let unsealed = journal.unsealed();
        let waiting = unsealed.end.0 - unsealed.start.0;
        let next = |state| journal.through(state).map_or(0, |batch| batch.0 + 1);
        let (batches, signed) = (journal.batches().end.0, next(BatchState::Signed));
        if signed < batches {
            return Ok(self.sign(journal, BatchNumber(signed)));
        }
        if self.dice.below(6) == 0 {
            return if self.dice.below(3) == 0 { Ok(self.keep_budget(journal)) } else { self.spend(journal) };
        }
        let (sent, stored) = (next(BatchState::Sent), next(BatchState::Stored));
        if sent < batches {
            if self.dice.below(3) == 0 {
                return self.reserve(journal);
            }
            self.show(journal, BatchNumber(sent))?;
            return Ok(self.advance(journal, BatchNumber(sent), BatchState::Sent));
        }
        if stored < batches {
            return Ok(self.advance(journal, BatchNumber(stored), BatchState::Stored));
        }
        // What was stored at this exchange becomes included and final at the next.
        for state in [BatchState::Included, BatchState::Final] {
            if next(state) + 1 < batches || (waiting == 0 && next(state) < batches) {
                return Ok(self.advance(journal, BatchNumber(batches - 1 - u32::from(waiting > 0)), state));
            }
        }
        if let Some(batch) = self.to_release(next(BatchState::Final)) {
            return Ok(self.release(journal, batch));
        }
        if self.pressure > 0 {
            self.pressure -= 1;
            let said = self.reserve(journal);
            self.doing = RESERVE_WHEN_FULL;
            return said;
        }
        if !self.hoards && waiting > 4 + self.dice.below(12) {
            return Ok(self.seal(journal));
        }
        match self.append(journal) {
            Err(JournalError::Full) if self.hoards => {
                (self.hoards, self.pressure) = (false, 3);
                self.was_full += 1;
                Ok(Ok(()))
            }
            Err(JournalError::Full) if waiting > 0 => Ok(self.seal(journal)),
            result => Ok(result),
        }
    }

    /// Whether the last call may say this. Room for sender sequence numbers can run out while a batch waits: a few are always to be
    /// had when the journal is full of records, also after power went away. Everything else must go on.
    pub fn may_say(&self, said: Result<(), JournalError>) -> Verdict {
        match said {
            Err(JournalError::Full) if self.doing == RESERVE => Ok(()),
            other => other.map_err(|error| format!("{}: {error:?}", self.doing)),
        }
    }

    /// The last batch that is final and was given to nobody: the application lets go of it.
    fn to_release(&self, finals: u32) -> Option<BatchNumber> {
        let waiting = self.hash_only.range(self.released.0..finals);
        waiting.last().map(|batch| BatchNumber(*batch))
    }

    fn release(&mut self, journal: &mut impl Journal, batch: BatchNumber) -> Result<(), JournalError> {
        self.doing = "release";
        self.released.1 = self.released.1.max(batch.0 + 1);
        journal.release(batch)?;
        self.released.0 = self.released.0.max(batch.0 + 1);
        Ok(())
    }

    /// The first batch that may not have been given up: not final for certain, or hash-only and not released for certain.
    fn first_needed(&self) -> u32 {
        let finals = self.reached.get(&BatchState::Final).map_or(0, |(_, most)| *most);
        let unreleased = self.hash_only.range(self.released.1..).next();
        unreleased.map_or(finals, |batch| finals.min(*batch))
    }

    fn append(&mut self, journal: &mut impl Journal) -> Result<(), JournalError> {
        self.doing = "append";
        let mut payload = (self.steps * 1000 + self.accepted.len() as u64).to_le_bytes().to_vec();
        payload.extend((0..self.dice.below(4) * 11).map(|byte| byte as u8));
        self.doubtful = Some(payload.clone());
        let seq = journal.append(&NewRecord {
            time: time_of(&payload),
            kind: Kind::READING,
            priority: Priority::Routine,
            payload: &payload,
        })?;
        self.doubtful = None;
        self.accepted.insert(seq.0, payload);
        Ok(())
    }

    fn seal(&mut self, journal: &mut impl Journal) -> Result<(), JournalError> {
        self.doing = "seal";
        let anchor = next_anchor(journal, self.steps);
        let with_data = anchor.batch.0 > 0 && self.dice.below(4) > 0;
        // Whether power left it sealed or not: if it is, then so. If not, the next one of this number says it anew.
        if with_data {
            self.hash_only.remove(&anchor.batch.0);
        } else {
            self.hash_only.insert(anchor.batch.0);
        }
        journal.seal(&anchor, with_data)?;
        self.sealed.insert(anchor.batch.0, anchor);
        self.hoards = anchor.batch.0 == 1 || self.dice.below(6) == 0;
        Ok(())
    }

    fn sign(&mut self, journal: &mut impl Journal, batch: BatchNumber) -> Result<(), JournalError> {
        self.doing = "sign";
        let commitment = journal.batch(batch)?.anchor.commitment();
        self.may_reach(BatchState::Signed, batch.0);
        journal.attach_signature(batch, &signature_of(&commitment))?;
        self.has_reached(BatchState::Signed, batch.0);
        Ok(())
    }

    /// Shows a signed anchor to the world, which takes one per batch.
    fn show(&mut self, journal: &mut impl Journal, batch: BatchNumber) -> Verdict {
        let Ok(sealed) = journal.batch(batch) else { return Ok(()) };
        let commitment = sealed.anchor.commitment();
        ensure!(sealed.signature == Some(signature_of(&commitment)), "{batch:?} has the signature of another");
        let known = *self.shown.entry(batch.0).or_insert(commitment);
        ensure!(known == commitment, "{batch:?} has two commitments");
        if let Some(before) = batch.0.checked_sub(1) {
            ensure!(self.shown.get(&before) == Some(&sealed.anchor.prev), "{batch:?} does not follow its predecessor");
        }
        Ok(())
    }

    fn reserve(&mut self, journal: &mut impl Journal) -> Result<Result<(), JournalError>, String> {
        self.doing = RESERVE;
        match journal.reserve_sender_sequence(4) {
            Ok(range) => {
                ensure!(range.start >= self.numbers_used, "sender sequence numbers {range:?} were given before");
                self.numbers_used = range.end;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Goes on with the wallet: intends, offers more, or settles; signs what the journal has as pending.
    fn spend(&mut self, journal: &mut impl Journal) -> Result<Result<(), JournalError>, String> {
        self.doing = "spend";
        let Ok(spending) = journal.spending() else { return Ok(Err(JournalError::Medium)) };
        ensure!(self.spending == [spending], "spending is {spending:?}, not {:?}", self.spending);
        let result = match spending.pending {
            Some(pending) if self.dice.below(2) == 0 => {
                self.spending.push(Spending { pending: None, ..spending });
                journal.settle(pending.nonce)
            }
            Some(pending) => {
                let other = Intent { digest: Hash([self.steps as u8 ^ 0x80; 32]), ..pending };
                ensure!(journal.intend(&other) == Err(JournalError::Conflict), "a nonce for another purpose");
                self.intend(journal, &spending, &Intent { fee: pending.fee + 1, ..pending })
            }
            None => {
                let digest = Hash([self.steps as u8; 32]);
                self.intend(journal, &spending, &Intent { nonce: spending.next_nonce, digest, fee: 1 })
            }
        };
        match result {
            Ok(()) => drop(self.spending.remove(0)),
            Err(JournalError::Full) => {
                self.spending.truncate(1);
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        }
        self.sign_pending(journal)?;
        Ok(Ok(()))
    }

    fn intend(&mut self, journal: &mut impl Journal, before: &Spending, intent: &Intent) -> Result<(), JournalError> {
        self.spending.push(before.with(intent).expect("it follows"));
        journal.intend(intent)
    }

    /// Signs what is pending, as a wallet does that starts: each nonce has one purpose for ever.
    fn sign_pending(&mut self, journal: &mut impl Journal) -> Verdict {
        if let Ok(Spending { pending: Some(pending), .. }) = journal.spending() {
            let known = *self.spent.entry(pending.nonce).or_insert(pending.digest);
            ensure!(known == pending.digest, "nonce {} has two purposes", pending.nonce);
        }
        Ok(())
    }

    fn keep_budget(&mut self, journal: &mut impl Journal) -> Result<(), JournalError> {
        self.doing = "keep_budget";
        let state = vec![self.steps as u8; self.dice.below(49) as usize];
        self.budget.push(Some(state.clone()));
        match journal.keep_budget(&state) {
            Ok(()) => drop(self.budget.remove(0)),
            Err(JournalError::Full) => self.budget.truncate(1),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The cells hold what they were told, or what power left in doubt; which of the two is then settled.
    fn check_cells(&mut self, journal: &mut impl Journal) -> Verdict {
        let spending = journal.spending().map_err(|error| format!("spending: {error:?}"))?;
        ensure!(self.spending.contains(&spending), "spending is {spending:?}, not of {:?}", self.spending);
        self.spending = vec![spending];
        self.sign_pending(journal)?;
        let budget = journal.budget().map_err(|error| format!("budget: {error:?}"))?;
        let budget = budget.map(|budget| budget.bytes().to_vec());
        ensure!(self.budget.contains(&budget), "the budget is {budget:?}, not of {:?}", self.budget);
        self.budget = vec![budget];
        Ok(())
    }

    fn advance(
        &mut self,
        journal: &mut impl Journal,
        batch: BatchNumber,
        state: BatchState,
    ) -> Result<(), JournalError> {
        self.doing = "advance";
        self.may_reach(state, batch.0);
        journal.advance(batch, state)?;
        self.has_reached(state, batch.0);
        Ok(())
    }

    fn may_reach(&mut self, state: BatchState, batch: u32) {
        let (_, most) = self.reached.entry(state).or_default();
        *most = (*most).max(batch + 1);
    }

    fn has_reached(&mut self, state: BatchState, batch: u32) {
        let (least, _) = self.reached.entry(state).or_default();
        *least = (*least).max(batch + 1);
    }

    /// Compares a journal just mounted with what the world knows, and takes up what was in doubt.
    pub fn mounted(&mut self, journal: &mut impl Journal) -> Verdict {
        ensure!(journal.stream() == STREAM, "another stream");
        let (kept, unsealed) = (journal.kept(), journal.unsealed());
        let next = self.accepted.last_key_value().map_or(0, |(seq, _)| seq + 1);
        if let Some(payload) = self.doubtful.take()
            && kept.end.0 == next + 1
        {
            self.accepted.insert(next, payload);
        }
        let next = self.accepted.last_key_value().map_or(0, |(seq, _)| seq + 1);
        ensure!(kept.end.0 == next, "the next number is {:?}, not {next}", kept.end);
        let needed = self.first_needed();
        let kept_at_least = self.sealed.get(&needed).map_or_else(
            || {
                let last = needed.checked_sub(1).and_then(|last| self.sealed.get(&last));
                last.and_then(Anchor::end).map_or(0, |end| end.0)
            },
            |anchor| anchor.first_seq.0,
        );
        ensure!(kept.start.0 <= kept_at_least, "records from {kept_at_least} on are needed, kept are {kept:?}");
        ensure!(journal.batches().start.0 <= needed, "batches from {needed} on are needed, {:?}", journal.batches());
        self.check_records(journal)?;
        self.check_batches(journal)?;
        self.check_cells(journal)?;
        let last = self.sealed.last_key_value().and_then(|(_, anchor)| anchor.end()).map_or(0, |end| end.0);
        ensure!(unsealed.start.0 == last, "unsealed from {unsealed:?}, sealed up to {last}");
        Ok(())
    }

    pub fn check_records(&self, journal: &mut impl Journal) -> Verdict {
        let kept = journal.kept();
        let mut buf = [0; 128];
        for (seq, payload) in self.accepted.range(kept.start.0..kept.end.0) {
            match journal.read(cairn::record::SequenceNumber(*seq), &mut buf) {
                Ok(Entry::Record(record)) => {
                    ensure!(record.payload == payload && record.seq.0 == *seq, "record {seq} says something else");
                    ensure!(record.time == time_of(payload), "record {seq} is of another time");
                }
                other => return Err(format!("record {seq} of {kept:?} reads {other:?}")),
            }
        }
        Ok(())
    }

    fn check_batches(&mut self, journal: &mut impl Journal) -> Verdict {
        let batches = journal.batches();
        let known = self.sealed.len();
        ensure!(batches.end.0 as usize >= known, "{batches:?}, {known} were sealed");
        ensure!(batches.end.0 as usize <= known + 1, "{batches:?}, {known} were sealed");
        for batch in batches.start.0..batches.end.0 {
            let sealed = journal.batch(BatchNumber(batch)).map_err(|error| format!("batch {batch}: {error:?}"))?;
            let anchor = *self.sealed.entry(batch).or_insert(sealed.anchor);
            ensure!(anchor == sealed.anchor, "batch {batch} is another");
            ensure!(
                sealed.with_data != self.hash_only.contains(&batch),
                "batch {batch} with data {}",
                sealed.with_data
            );
            ensure!((sealed.state == BatchState::Sealed) == sealed.signature.is_none(), "batch {batch} {sealed:?}");
        }
        for (state, (least, most)) in &self.reached {
            let count = journal.through(*state).map_or(0, |batch| batch.0 + 1);
            ensure!((*least..=*most).contains(&count), "{state:?} through {count}, must be {least} to {most}");
        }
        Ok(())
    }
}

/// A record's time, different enough from one to the next, and derived from what it says.
fn time_of(payload: &[u8]) -> WallTime {
    let number = payload.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    WallTime { unix_ms: 1_768_345_200_000 + number * 900, quality: TimeQuality::Network }
}

fn signature_of(commitment: &Commitment) -> Signature {
    let mut signature = [7; 64];
    signature[..32].copy_from_slice(&commitment.0);
    Signature(signature)
}

const RESERVE: &str = "reserve";
const RESERVE_WHEN_FULL: &str = "reserve when full";

pub const STREAM: StreamId = StreamId(0x1122_3344_5566_7788);
