// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A lock whose link is dead most of the time: its journal fills, and urgent records displace the routine ones that are in no
//! batch. One journal call a step, or two when room was made and is taken. It knows after every step which records must be there,
//! which may have been displaced, and that what was once read as displaced stays so. [`sweep`] cuts power at every operation of
//! its life.

use std::collections::BTreeMap;

use cairn::{
    batch::{Anchor, BatchNumber},
    journal::{BatchState, FlashJournal, Journal, JournalError, NewRecord},
    record::{Entry, Kind, LossReason, Priority, SequenceNumber},
    signer::Signature,
    time::{TimeQuality, WallTime},
};

use super::{CUTS, Cut, Dice, MockFlash, device::STREAM, next_anchor};

/// Turns of the ring in a life.
const TURNS: u32 = 3;

/// Steps after a cut until everything is compared again.
const AFTERMATH: u64 = 12;

/// Of so many first cuts one is followed by a second.
const SAMPLE: u64 = 3;

type Verdict = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    There,
    /// The journal was asked to make room since it was read.
    InDoubt,
    Displaced,
}

#[derive(Clone, Debug)]
struct Kept {
    payload: Vec<u8>,
    priority: Priority,
    kind: Kind,
    known: Known,
}

/// The lock and what the world knows of its journal.
#[derive(Clone, Debug)]
pub struct Lock {
    dice: Dice,
    steps: u64,
    records: BTreeMap<u64, Kept>,
    /// The record whose acceptance was not reported when power went away.
    doubtful: Option<Kept>,
    sealed: BTreeMap<u32, Anchor>,
    signed: u32,
    /// The least and the most that can be final.
    finals: (u32, u32),
    numbers_used: u64,
    /// The link is back, until everything is final.
    link: bool,
    /// Urgent records that were refused for want of space since the link was lost.
    refused: u32,
    /// An urgent record waits for the room made for it.
    waits: Option<Kept>,
    /// Records displaced.
    pub displaced: u64,
    /// Calls that displaced some.
    pub calls: u64,
}

impl Lock {
    fn record(&mut self, urgent: bool) -> Kept {
        let mut payload = (self.steps * 1000 + self.records.len() as u64).to_le_bytes().to_vec();
        payload.extend((0..self.dice.below(3) * 9).map(|byte| byte as u8));
        let (kind, priority) = match (urgent, self.dice.below(12)) {
            (true, _) => (Kind::EVENT, Priority::Urgent),
            (false, 0) => (Kind::CLOCK_STEP, Priority::Routine),
            (false, 1) => (Kind(64), Priority::Bulk),
            (false, _) => (Kind::READING, Priority::Routine),
        };
        Kept { payload, priority, kind, known: Known::There }
    }

    fn append(&mut self, journal: &mut impl Journal, kept: Kept) -> Result<(), JournalError> {
        self.doubtful = Some(kept.clone());
        let result = journal.append(&new_record(&kept));
        match result {
            Ok(seq) => {
                self.records.insert(seq.0, kept);
            }
            Err(JournalError::Full) if kept.priority == Priority::Urgent && self.waits.is_none() => {
                self.waits = Some(kept);
            }
            Err(_) => {}
        }
        if result.is_ok() || result == Err(JournalError::Full) {
            self.doubtful = None;
        }
        result.map(drop)
    }

    /// Asks for room for the urgent record that waits.
    fn give_way(&mut self, journal: &mut impl Journal, kept: Kept) -> Result<Result<(), JournalError>, String> {
        let unsealed = journal.unsealed().start.0;
        let may = |kept: &&mut Kept| kept.kind.is_submittable() && kept.priority != Priority::Urgent;
        for (_, kept) in self.records.range_mut(unsealed..).filter(|(_, kept)| may(kept)) {
            if kept.known == Known::There {
                kept.known = Known::InDoubt;
            }
        }
        let result = journal.give_way(&new_record(&kept), false, &mut [0; 64]);
        match result {
            Ok(count) => {
                let before = self.displaced;
                self.check_records(journal)?;
                ensure!(self.displaced - before == u64::from(count), "{count} displaced, {} read so", self.displaced);
                self.calls += 1;
                // Room was made for it: it must be taken.
                self.waits = None;
                let taken = self.append(journal, kept);
                ensure!(taken != Err(JournalError::Full), "room was made, {count} displaced, and not enough");
                return Ok(taken);
            }
            Err(JournalError::Full) => {
                let before = self.displaced;
                self.check_records(journal)?;
                ensure!(self.displaced == before, "refused, and {} displaced", self.displaced - before);
                (self.waits, self.refused) = (None, self.refused + 1);
            }
            Err(error) => return Ok(Err(error)),
        }
        Ok(Ok(()))
    }

    fn seal(&mut self, journal: &mut impl Journal) -> Result<(), JournalError> {
        let anchor = next_anchor(journal, self.steps);
        journal.seal(&anchor, true)?;
        self.sealed.insert(anchor.batch.0, anchor);
        Ok(())
    }

    fn sign(&mut self, journal: &mut impl Journal) -> Result<Result<(), JournalError>, String> {
        let batch = BatchNumber(journal.through(BatchState::Signed).map_or(0, |batch| batch.0 + 1));
        ensure!(batch.0 >= self.signed, "{batch:?} was signed before, now {:?} is the last", self.signed);
        let sealed = match journal.batch(batch) {
            Ok(sealed) => sealed,
            Err(JournalError::Medium) => return Ok(Err(JournalError::Medium)),
            Err(error) => return Err(format!("{batch:?} cannot be read: {error:?}")),
        };
        let result = journal.attach_signature(batch, &signature_of(&sealed.anchor));
        if result.is_ok() {
            self.signed = batch.0 + 1;
        }
        Ok(result)
    }

    fn finish(&mut self, journal: &mut impl Journal, batch: u32) -> Result<(), JournalError> {
        self.finals.1 = self.finals.1.max(batch + 1);
        journal.advance(BatchNumber(batch), BatchState::Final)?;
        self.finals.0 = batch + 1;
        if batch + 1 == journal.batches().end.0 {
            self.link = false;
        }
        Ok(())
    }

    fn reserve(&mut self, journal: &mut impl Journal) -> Result<Result<(), JournalError>, String> {
        match journal.reserve_sender_sequence(4) {
            Ok(range) => {
                ensure!(range.start >= self.numbers_used, "sender sequence numbers {range:?} were given before");
                self.numbers_used = range.end;
                Ok(Ok(()))
            }
            Err(JournalError::Full) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
        }
    }

    fn check_records(&mut self, journal: &mut impl Journal) -> Verdict {
        let kept = journal.kept();
        let mut buf = [0; 64];
        for (&seq, record) in self.records.range_mut(kept.start.0..kept.end.0) {
            let read = match journal.read(SequenceNumber(seq), &mut buf) {
                // Power is gone.
                Err(JournalError::Medium) => return Ok(()),
                read => read,
            };
            match (read, record.known) {
                (Ok(Entry::Record(read)), Known::There | Known::InDoubt) => {
                    let NewRecord { time, kind, payload, .. } = new_record(record);
                    ensure!(
                        (read.seq.0, read.time, read.kind, read.payload) == (seq, time, kind, payload),
                        "record {seq} says something else"
                    );
                    record.known = Known::There;
                }
                (Ok(Entry::Lost { reason: LossReason::DISPLACED, .. }), Known::InDoubt) => {
                    record.known = Known::Displaced;
                    self.displaced += 1;
                }
                (Ok(Entry::Lost { reason: LossReason::DISPLACED, .. }), Known::Displaced) => {}
                (read, known) => return Err(format!("record {seq} of {kept:?}, {known:?}, reads {read:?}")),
            }
            if record.known == Known::There {
                ensure!(journal.priority(SequenceNumber(seq)) == Ok(record.priority), "priority of {seq}");
            }
        }
        Ok(())
    }

    fn check_batches(&mut self, journal: &mut impl Journal) -> Verdict {
        let (batches, known) = (journal.batches(), self.sealed.len());
        ensure!((known..=known + 1).contains(&(batches.end.0 as usize)), "{batches:?}, {known} were sealed");
        for batch in batches.start.0..batches.end.0 {
            let sealed = journal.batch(BatchNumber(batch)).map_err(|error| format!("batch {batch}: {error:?}"))?;
            let anchor = *self.sealed.entry(batch).or_insert(sealed.anchor);
            ensure!(anchor == sealed.anchor, "batch {batch} is another");
            if batch < self.signed {
                ensure!(sealed.signature == Some(signature_of(&anchor)), "batch {batch} lost its signature");
            }
        }
        let finals = journal.through(BatchState::Final).map_or(0, |batch| batch.0 + 1);
        ensure!((self.finals.0..=self.finals.1).contains(&finals), "{finals} are final, not {:?}", self.finals);
        let first = self.sealed.get(&finals).map(|anchor| anchor.first_seq.0);
        let needed = first.unwrap_or(journal.unsealed().start.0);
        let kept = journal.kept();
        ensure!(kept.start.0 <= needed, "records from {needed} on are needed, kept are {kept:?}");
        ensure!(batches.start.0 <= finals, "batches from {finals} on are needed, kept are {batches:?}");
        Ok(())
    }
}

impl Lock {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            steps: 0,
            records: BTreeMap::new(),
            doubtful: None,
            sealed: BTreeMap::new(),
            signed: 0,
            finals: (0, 0),
            numbers_used: 0,
            link: false,
            refused: 0,
            waits: None,
            displaced: 0,
            calls: 0,
        }
    }

    fn step(&mut self, journal: &mut impl Journal) -> Result<Result<(), JournalError>, String> {
        self.steps += 1;
        let unsealed = journal.unsealed();
        let waiting = unsealed.end.0 - unsealed.start.0;
        let next = |state| journal.through(state).map_or(0, |batch: BatchNumber| batch.0 + 1);
        let (batches, signed, finals) = (journal.batches().end.0, next(BatchState::Signed), next(BatchState::Final));
        if let Some(kept) = self.waits.clone() {
            return self.give_way(journal, kept);
        }
        // With the link dead the oldest batches stay: some signed, the last perhaps not.
        let lag = if self.link { 0 } else { 1 };
        if signed + lag < batches || (signed < batches && self.dice.below(30) == 0) {
            return self.sign(journal);
        }
        if self.link && finals < batches {
            return Ok(self.finish(journal, finals));
        }
        if self.refused > 2 {
            // The link comes back. What gave way is sealed as lost.
            (self.refused, self.link) = (0, true);
            if waiting > 0 {
                return Ok(self.seal(journal));
            }
        }
        if batches - finals < 2 && waiting > 5 + self.dice.below(4) {
            return Ok(self.seal(journal));
        }
        if self.dice.below(20) == 0 {
            return self.reserve(journal);
        }
        let urgent = self.dice.below(4) == 0;
        let record = self.record(urgent);
        match self.append(journal, record) {
            // Routine records are refused; the urgent one waits for room.
            Err(JournalError::Full) => Ok(Ok(())),
            result => Ok(result),
        }
    }

    fn mounted(&mut self, journal: &mut impl Journal) -> Verdict {
        ensure!(journal.stream() == STREAM, "another stream");
        self.waits = None;
        let next = self.records.last_key_value().map_or(0, |(seq, _)| seq + 1);
        let end = journal.kept().end.0;
        if let Some(kept) = self.doubtful.take()
            && end == next + 1
        {
            self.records.insert(next, kept);
        }
        let next = self.records.last_key_value().map_or(0, |(seq, _)| seq + 1);
        ensure!(end == next, "the next number is {end}, not {next}");
        self.check_batches(journal)?;
        self.check_records(journal)?;
        let last = self.sealed.last_key_value().and_then(|(_, anchor)| anchor.end()).map_or(0, |end| end.0);
        ensure!(journal.unsealed().start.0 == last, "unsealed from {:?}, sealed up to {last}", journal.unsealed());
        Ok(())
    }
}

fn new_record(kept: &Kept) -> NewRecord<'_> {
    let number = kept.payload.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let time = WallTime { unix_ms: 1_768_345_200_000 + number * 900, quality: TimeQuality::Network };
    NewRecord { time, kind: kept.kind, priority: kept.priority, payload: &kept.payload }
}

fn signature_of(anchor: &Anchor) -> Signature {
    let mut signature = [7; 64];
    signature[..32].copy_from_slice(&anchor.commitment().0);
    Signature(signature)
}

/// How much was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// Flash operations of the life.
    pub operations: u64,
    /// Cuts in it.
    pub cuts: u64,
    /// Cuts in the recovery from a cut.
    pub second_cuts: u64,
    /// Records displaced in it.
    pub displaced: u64,
    /// Calls that displaced some.
    pub calls: u64,
    /// Urgent records accepted.
    pub urgent: u64,
}

type Log<'a, const W: usize, const E: usize, const CAPACITY: usize> =
    FlashJournal<&'a mut MockFlash<W, E, CAPACITY>, CAPACITY, 64, true>;

/// The lock and its flash.
#[derive(Clone)]
struct World<const W: usize, const E: usize, const CAPACITY: usize> {
    flash: MockFlash<W, E, CAPACITY>,
    lock: Lock,
}

impl<const W: usize, const E: usize, const CAPACITY: usize> World<W, E, CAPACITY> {
    fn new(seed: u64) -> Result<Self, String> {
        let mut flash = MockFlash::new(seed);
        Log::<W, E, CAPACITY>::format(&mut &mut flash, STREAM).map_err(|error| format!("{error:?}"))?;
        Ok(Self { flash, lock: Lock::new(seed) })
    }

    /// Mounts and does some steps, until power goes away. The sector that is written then.
    fn live(&mut self, steps: u64) -> Result<u32, String> {
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut self.flash).map_err(|error| format!("{error:?}"))?;
        let mut refused = None;
        for _ in 0..steps {
            refused = self.lock.step(&mut journal)?.err();
            if refused.is_some() {
                break;
            }
        }
        let generation = journal.generation();
        ensure!(refused.is_none() || self.flash.dead, "refused with power on: {refused:?}");
        Ok(generation)
    }

    fn compare(&mut self) -> Verdict {
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut self.flash).map_err(|error| format!("{error:?}"))?;
        self.lock.mounted(&mut journal)
    }

    /// Mounts, compares, goes on, and that once more. Power goes away at `cut` if it comes to that.
    fn recover(mut self, cut: Option<(u64, Cut)>) -> Result<u64, String> {
        self.flash.power_on();
        let begun = self.flash.operations;
        if let Some((at, kind)) = cut {
            self.flash.cut_at(at, kind);
        }
        for round in 0..2 {
            self.compare().map_err(|error| format!("round {round}: {error}"))?;
            self.live(AFTERMATH).map_err(|error| format!("round {round}, going on: {error}"))?;
            self.flash.power_on();
        }
        self.compare().map_err(|error| format!("at last: {error}"))?;
        Ok(self.flash.operations - begun)
    }
}

/// One life without cuts; in each of its steps every cut, and second ones in the recovery from some of them.
pub fn sweep<const W: usize, const E: usize, const CAPACITY: usize>(seed: u64) -> Result<Tried, String> {
    let mut world = World::<W, E, CAPACITY>::new(seed)?;
    let (mut tried, mut dice) = (Tried::default(), Dice::new(seed ^ 0x5eed));
    let begun = world.flash.operations;
    loop {
        let before = world.clone();
        let generation = world.live(1).map_err(|error| format!("a life without cuts: {error}"))?;
        if generation > TURNS * Log::<W, E, CAPACITY>::GEOMETRY.sectors {
            break;
        }
        let operations = world.flash.operations - before.flash.operations;
        for (at, kind) in (0..operations).flat_map(|at| CUTS.map(|kind| (at, kind))) {
            let which = |error: String| format!("cut {kind:?} at {at} of {operations}: {error}");
            let mut cut = before.clone();
            cut.flash.cut_at(at, kind);
            cut.live(1).map_err(which)?;
            ensure!(cut.flash.dead, "no cut came at {at} of {operations}");
            tried.cuts += 1;
            let recovery = cut.clone().recover(None).map_err(which)?;
            if dice.below(SAMPLE) == 0 {
                let (at, kind) = (dice.below(recovery.max(1)), CUTS[dice.below(3) as usize]);
                let then = |error| which(format!("then {kind:?} at {at} of {recovery}: {error}"));
                cut.recover(Some((at, kind))).map_err(then)?;
                tried.second_cuts += 1;
            }
        }
    }
    let Lock { displaced, calls, ref records, .. } = world.lock;
    let urgent = records.values().filter(|kept| kept.priority == Priority::Urgent).count() as u64;
    Ok(Tried { operations: world.flash.operations - begun, displaced, calls, urgent, ..tried })
}
