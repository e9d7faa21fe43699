// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal in RAM: a ring of bytes for the records and a table of batches. It forgets everything at a reset, and then a
//! new stream begins. Records are reclaimed oldest first, only when space is needed, and only of batches that are final, or
//! released when the relay was not given their data.

use core::ops::Range;

use heapless::Deque;

use super::{BatchState, BudgetState, Intent, Journal, JournalError, NewRecord, SealedBatch, Spending};
use crate::{
    batch::{Anchor, BatchNumber, Commitment},
    record::{Entry, Kind, LossReason, Priority, Record, SequenceNumber, StreamId},
    signer::Signature,
    time::{TimeQuality, WallTime},
};

/// Bytes of an entry beside its payload: length, kind, time, quality, priority, loss reason.
const HEADER_BYTES: usize = 2 + 2 + 8 + 1 + 1 + 2;

/// A loss reason that says: not lost.
const NOT_LOST: u16 = 0;

#[derive(Clone, Copy, Debug)]
struct Slot {
    batch: SealedBatch,
    released: bool,
}

impl Slot {
    /// Whether the records may go when space is needed.
    fn is_reclaimable(&self) -> bool {
        let acknowledged = self.batch.state == BatchState::Final;
        acknowledged && (self.batch.with_data || self.released)
    }
}

/// A place in the ring: bytes written before it, since the beginning of the stream.
type Position = u64;

/// A journal of `BYTES` bytes of records and `BATCHES` sealed batches at a time.
#[derive(Debug)]
pub struct RamJournal<const BYTES: usize, const BATCHES: usize> {
    stream: StreamId,
    ring: [u8; BYTES],
    start: Position,
    end: Position,
    kept: Range<SequenceNumber>,
    /// Where an entry starts, remembered so that reading on is not reading from the start.
    cursor: (SequenceNumber, Position),
    first_unsealed: SequenceNumber,
    slots: Deque<Slot, BATCHES>,
    next_batch: BatchNumber,
    last: Commitment,
    next_sender_sequence: u64,
    spending: Spending,
    budget: Option<BudgetState>,
}

struct Header {
    length: u16,
    kind: Kind,
    time: WallTime,
    priority: Priority,
    lost: u16,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..2].copy_from_slice(&self.length.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.kind.0.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.time.unix_ms.to_be_bytes());
        bytes[12] = self.time.quality as u8;
        bytes[13] = self.priority as u8;
        bytes[14..16].copy_from_slice(&self.lost.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Result<Self, JournalError> {
        let [l0, l1, k0, k1, time @ .., quality, priority, r0, r1] = *bytes;
        Ok(Self {
            length: u16::from_be_bytes([l0, l1]),
            kind: Kind(u16::from_be_bytes([k0, k1])),
            time: WallTime {
                unix_ms: u64::from_be_bytes(time),
                quality: TimeQuality::from_number(quality).ok_or(JournalError::Medium)?,
            },
            priority: Priority::from_number(priority).ok_or(JournalError::Medium)?,
            lost: u16::from_be_bytes([r0, r1]),
        })
    }

    const fn entry_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.length as u64
    }
}

impl<const BYTES: usize, const BATCHES: usize> RamJournal<BYTES, BATCHES> {
    /// An empty journal of a stream whose id the caller drew from its entropy source.
    #[must_use]
    pub const fn new(stream: StreamId) -> Self {
        const { assert!(BATCHES >= 2, "a journal holds at least two batches") };
        let zero = SequenceNumber(0);
        Self {
            stream,
            ring: [0; BYTES],
            start: 0,
            end: 0,
            kept: zero..zero,
            cursor: (zero, 0),
            first_unsealed: zero,
            slots: Deque::new(),
            next_batch: BatchNumber(0),
            last: Commitment([0; 32]),
            next_sender_sequence: 0,
            spending: Spending { next_nonce: 0, pending: None },
            budget: None,
        }
    }

    /// Where `position` lies in the ring.
    const fn index(position: Position) -> usize {
        #[allow(clippy::cast_possible_truncation, reason = "the remainder is below BYTES, a usize")]
        let index = (position % BYTES as u64) as usize;
        index
    }

    fn write(&mut self, position: Position, bytes: &[u8]) {
        for (at, &byte) in (position..).zip(bytes) {
            self.ring[Self::index(at)] = byte;
        }
    }

    fn read_into(&self, position: Position, out: &mut [u8]) {
        for (at, byte) in (position..).zip(out) {
            *byte = self.ring[Self::index(at)];
        }
    }

    fn header(&self, position: Position) -> Result<Header, JournalError> {
        let mut bytes = [0; HEADER_BYTES];
        self.read_into(position, &mut bytes);
        Header::from_bytes(&bytes)
    }

    /// Finds the entry `seq`, walking on from the last one found where that helps.
    fn find(&mut self, seq: SequenceNumber) -> Result<(Position, Header), JournalError> {
        if !self.kept.contains(&seq) {
            return Err(JournalError::NotFound);
        }
        if self.cursor.0 > seq || self.cursor.0 < self.kept.start {
            self.cursor = (self.kept.start, self.start);
        }
        loop {
            let (at, position) = self.cursor;
            let header = self.header(position)?;
            if at == seq {
                return Ok((position, header));
            }
            self.cursor = (at.next(), position + header.entry_bytes());
        }
    }

    /// Makes room for `bytes` more by letting go of the oldest batches that may go.
    fn make_room(&mut self, bytes: u64) -> Result<(), JournalError> {
        while self.end - self.start + bytes > BYTES as u64 {
            self.reclaim_oldest()?;
        }
        Ok(())
    }

    fn reclaim_oldest(&mut self) -> Result<(), JournalError> {
        let oldest = self.slots.front().filter(|slot| slot.is_reclaimable()).ok_or(JournalError::Full)?;
        let end = oldest.batch.anchor.end().ok_or(JournalError::Medium)?;
        if end < self.kept.end {
            self.start = self.find(end)?.0;
        } else {
            self.start = self.end;
        }
        self.kept.start = end;
        self.slots.pop_front();
        Ok(())
    }

    fn slot_mut(&mut self, batch: BatchNumber) -> Result<&mut Slot, JournalError> {
        self.slots.iter_mut().find(|slot| slot.batch.anchor.batch == batch).ok_or(JournalError::NotFound)
    }
}

impl<const BYTES: usize, const BATCHES: usize> Journal for RamJournal<BYTES, BATCHES> {
    fn stream(&self) -> StreamId {
        self.stream
    }

    fn began(&self) -> u32 {
        0
    }

    fn after_rollback(&self) -> bool {
        false
    }

    fn append(&mut self, record: &NewRecord<'_>) -> Result<SequenceNumber, JournalError> {
        let header = Header {
            length: u16::try_from(record.payload.len()).map_err(|_| JournalError::TooLong)?,
            kind: record.kind,
            time: record.time,
            priority: record.priority,
            lost: NOT_LOST,
        };
        if header.entry_bytes() > BYTES as u64 {
            return Err(JournalError::TooLong);
        }
        self.make_room(header.entry_bytes())?;
        self.write(self.end, &header.to_bytes());
        self.write(self.end + HEADER_BYTES as u64, record.payload);
        self.end += header.entry_bytes();
        let seq = self.kept.end;
        self.kept.end = seq.next();
        Ok(seq)
    }

    fn kept(&self) -> Range<SequenceNumber> {
        self.kept.clone()
    }

    fn unsealed(&self) -> Range<SequenceNumber> {
        self.first_unsealed..self.kept.end
    }

    fn read<'b>(&mut self, seq: SequenceNumber, buf: &'b mut [u8]) -> Result<Entry<'b>, JournalError> {
        let (position, header) = self.find(seq)?;
        if header.lost != NOT_LOST {
            return Ok(Entry::Lost { seq, reason: LossReason(header.lost) });
        }
        let payload = buf.get_mut(..usize::from(header.length)).ok_or(JournalError::TooLong)?;
        self.read_into(position + HEADER_BYTES as u64, payload);
        Ok(Entry::Record(Record { seq, time: header.time, kind: header.kind, payload }))
    }

    fn priority(&mut self, seq: SequenceNumber) -> Result<Priority, JournalError> {
        Ok(self.find(seq)?.1.priority)
    }

    fn lose(&mut self, seq: SequenceNumber, reason: LossReason) -> Result<(), JournalError> {
        let (position, mut header) = self.find(seq)?;
        if seq < self.first_unsealed || reason.0 == NOT_LOST {
            return Err(JournalError::Conflict);
        }
        header.lost = reason.0;
        self.write(position, &header.to_bytes());
        Ok(())
    }

    fn seal(&mut self, anchor: &Anchor, with_data: bool) -> Result<(), JournalError> {
        let end = anchor.end().ok_or(JournalError::Conflict)?;
        let follows = anchor.stream == self.stream
            && anchor.batch == self.next_batch
            && anchor.first_seq == self.first_unsealed
            && anchor.count > 0
            && end <= self.kept.end;
        if !follows {
            return Err(JournalError::Conflict);
        }
        let after = BatchNumber(self.next_batch.0.checked_add(1).ok_or(JournalError::Full)?);
        if self.slots.is_full() {
            self.reclaim_oldest()?;
        }
        let batch = SealedBatch { anchor: *anchor, signature: None, state: BatchState::Sealed, with_data };
        self.slots.push_back(Slot { batch, released: false }).map_err(|_| JournalError::Full)?;
        self.first_unsealed = end;
        self.next_batch = after;
        self.last = anchor.commitment();
        Ok(())
    }

    fn attach_signature(&mut self, batch: BatchNumber, signature: &Signature) -> Result<(), JournalError> {
        let slot = self.slot_mut(batch)?;
        if slot.batch.signature.is_some() {
            return Err(JournalError::Conflict);
        }
        slot.batch.signature = Some(*signature);
        slot.batch.state = BatchState::Signed;
        Ok(())
    }

    fn advance(&mut self, batch: BatchNumber, state: BatchState) -> Result<(), JournalError> {
        let slot = self.slot_mut(batch)?;
        if slot.batch.signature.is_none() {
            return Err(JournalError::Conflict);
        }
        slot.batch.state = slot.batch.state.max(state);
        Ok(())
    }

    fn through(&self, state: BatchState) -> Option<BatchNumber> {
        let reached = |slot: &&Slot| slot.batch.state >= state;
        let before = self.batches().start.0.checked_sub(1).map(BatchNumber);
        self.slots.iter().rev().find(reached).map(|slot| slot.batch.anchor.batch).or(before)
    }

    fn last_commitment(&self) -> Commitment {
        self.last
    }

    fn batches(&self) -> Range<BatchNumber> {
        let oldest = self.slots.front().map_or(self.next_batch, |slot| slot.batch.anchor.batch);
        oldest..self.next_batch
    }

    fn batch(&mut self, batch: BatchNumber) -> Result<SealedBatch, JournalError> {
        self.slot_mut(batch).map(|slot| slot.batch)
    }

    fn release(&mut self, batch: BatchNumber) -> Result<(), JournalError> {
        self.slot_mut(batch)?.released = true;
        Ok(())
    }

    fn sender_sequence(&self) -> u64 {
        self.next_sender_sequence
    }

    fn reserve_sender_sequence(&mut self, length: u64) -> Result<Range<u64>, JournalError> {
        let start = self.next_sender_sequence;
        self.next_sender_sequence = start.checked_add(length).ok_or(JournalError::Full)?;
        Ok(start..self.next_sender_sequence)
    }

    fn previous_stream(&self) -> Option<Commitment> {
        None
    }

    fn spending(&mut self) -> Result<Spending, JournalError> {
        Ok(self.spending)
    }

    fn intend(&mut self, intent: &Intent) -> Result<(), JournalError> {
        self.spending = self.spending.with(intent).ok_or(JournalError::Conflict)?;
        Ok(())
    }

    fn settle(&mut self, nonce: u64) -> Result<(), JournalError> {
        match self.spending.pending {
            Some(pending) if pending.nonce == nonce => self.spending.pending = None,
            _ if self.spending.is_settled(nonce) => {}
            _ => return Err(JournalError::Conflict),
        }
        Ok(())
    }

    fn keep_budget(&mut self, state: &[u8]) -> Result<(), JournalError> {
        self.budget = Some(BudgetState::new(state).ok_or(JournalError::TooLong)?);
        Ok(())
    }

    fn budget(&mut self) -> Result<Option<BudgetState>, JournalError> {
        Ok(self.budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{batch::AnchorFlags, merkle::Hash};

    type Small = RamJournal<256, 2>;

    fn record(payload: &[u8]) -> NewRecord<'_> {
        NewRecord { time: WallTime::default(), kind: Kind::READING, priority: Priority::Urgent, payload }
    }

    fn seal(journal: &mut Small, count: u32, with_data: bool) -> Result<BatchNumber, JournalError> {
        let anchor = Anchor {
            stream: journal.stream(),
            batch: journal.batches().end,
            first_seq: journal.unsealed().start,
            count,
            sealed_at: 0,
            flags: AnchorFlags::default(),
            root: Hash::default(),
            prev: Commitment::default(),
        };
        journal.seal(&anchor, with_data).map(|()| anchor.batch)
    }

    fn finish(journal: &mut Small, batch: BatchNumber) {
        journal.attach_signature(batch, &Signature([1; 64])).unwrap();
        journal.advance(batch, BatchState::Final).unwrap();
    }

    #[test]
    fn records_read_back_in_any_order_while_the_ring_wraps_many_times() {
        let mut journal = Small::new(StreamId(1));
        let mut buf = [0; 64];
        for round in 0..200_u64 {
            let payload = [u8::try_from(round).unwrap(); 33];
            let payload = &payload[..usize::try_from(round % 33).unwrap()];
            let seq = journal.append(&record(payload)).unwrap();
            assert_eq!(seq, SequenceNumber(round));
            for seq in [seq, journal.kept().start, seq] {
                let Entry::Record(read) = journal.read(seq, &mut buf).unwrap() else { panic!("lost") };
                assert_eq!(read.payload.len() as u64, seq.0 % 33);
                assert!(read.payload.iter().all(|&byte| u64::from(byte) == seq.0));
                assert_eq!(journal.priority(seq), Ok(Priority::Urgent));
            }
            let batch = seal(&mut journal, 1, true).unwrap();
            finish(&mut journal, batch);
        }
        assert!(journal.kept().start.0 > 100);
    }

    #[test]
    fn a_full_journal_refuses_and_keeps_everything() {
        let mut journal = Small::new(StreamId(1));
        let mut count = 0;
        while journal.append(&record(&[7; 20])).is_ok() {
            count += 1;
        }
        assert_eq!(journal.append(&record(&[7; 20])), Err(JournalError::Full));
        assert_eq!(journal.append(&record(&[7; 300])), Err(JournalError::TooLong));
        assert_eq!(journal.kept(), SequenceNumber(0)..SequenceNumber(count));
        let batch = seal(&mut journal, 3, true).unwrap();
        journal.attach_signature(batch, &Signature([1; 64])).unwrap();
        journal.advance(batch, BatchState::Included).unwrap();
        assert_eq!(journal.append(&record(&[7; 20])), Err(JournalError::Full));
        journal.advance(batch, BatchState::Final).unwrap();
        assert_eq!(journal.append(&record(&[7; 20])), Ok(SequenceNumber(count)));
        assert_eq!(journal.read(SequenceNumber(2), &mut [0; 64]), Err(JournalError::NotFound));
    }

    #[test]
    fn records_of_a_hash_only_batch_stay_until_they_are_released() {
        let mut journal = Small::new(StreamId(1));
        while journal.append(&record(&[7; 20])).is_ok() {}
        let batch = seal(&mut journal, 3, false).unwrap();
        finish(&mut journal, batch);
        assert_eq!(journal.append(&record(&[7; 20])), Err(JournalError::Full));
        journal.release(batch).unwrap();
        assert!(journal.append(&record(&[7; 20])).is_ok());
    }

    #[test]
    fn only_the_next_batch_can_be_sealed_and_only_once() {
        let mut journal = Small::new(StreamId(1));
        assert_eq!(seal(&mut journal, 1, true), Err(JournalError::Conflict));
        journal.append(&record(b"a")).unwrap();
        assert_eq!(seal(&mut journal, 0, true), Err(JournalError::Conflict));
        assert_eq!(seal(&mut journal, 2, true), Err(JournalError::Conflict));
        let first = seal(&mut journal, 1, true).unwrap();
        let sealed = journal.batch(first).unwrap().anchor;
        assert_eq!(journal.seal(&sealed, true), Err(JournalError::Conflict));
        assert_eq!(journal.advance(first, BatchState::Sent), Err(JournalError::Conflict));
        journal.attach_signature(first, &Signature([1; 64])).unwrap();
        assert_eq!(journal.attach_signature(first, &Signature([2; 64])), Err(JournalError::Conflict));
        journal.advance(first, BatchState::Stored).unwrap();
        journal.advance(first, BatchState::Sent).unwrap();
        assert_eq!(journal.batch(first).unwrap().state, BatchState::Stored);
        assert_eq!(journal.lose(SequenceNumber(0), LossReason::DAMAGED), Err(JournalError::Conflict));
    }

    #[test]
    fn a_full_batch_table_refuses_until_the_oldest_is_final() {
        let mut journal = Small::new(StreamId(1));
        for _ in 0..3 {
            journal.append(&record(b"a")).unwrap();
        }
        let first = seal(&mut journal, 1, true).unwrap();
        seal(&mut journal, 1, true).unwrap();
        assert_eq!(seal(&mut journal, 1, true), Err(JournalError::Full));
        finish(&mut journal, first);
        assert!(seal(&mut journal, 1, true).is_ok());
        assert_eq!(journal.batches(), BatchNumber(1)..BatchNumber(3));
    }

    #[test]
    fn a_lost_record_reads_as_lost() {
        let mut journal = Small::new(StreamId(1));
        let seq = journal.append(&record(b"a")).unwrap();
        journal.lose(seq, LossReason::DISPLACED).unwrap();
        let lost = Entry::Lost { seq, reason: LossReason::DISPLACED };
        assert_eq!(journal.read(seq, &mut [0; 8]), Ok(lost));
    }

    #[test]
    fn sender_sequence_numbers_are_reserved_once() {
        let mut journal = Small::new(StreamId(1));
        assert_eq!(journal.reserve_sender_sequence(32), Ok(0..32));
        assert_eq!(journal.reserve_sender_sequence(8), Ok(32..40));
        assert_eq!(journal.reserve_sender_sequence(u64::MAX), Err(JournalError::Full));
    }
}
