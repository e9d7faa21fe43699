// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every byte of the journal's entries, as pure functions. docs/journal.md tells the same in prose. Called by the log and by
//! whoever reads a flash image; touches no flash.

use heapless::Vec;

use super::{
    BatchState,
    bytes::{Reader, put, put_varint, unzigzag, zigzag},
    cell::{BUDGET_MAX, BudgetState, Intent, Spending},
    layout::Geometry,
};
use crate::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment},
    merkle::Hash,
    record::{Kind, LossReason, Priority, SequenceNumber, StreamId},
    signer::Signature,
    time::{TimeQuality, WallTime},
};

pub use super::head::{HEAD_BYTES, Head};

/// Longest body beside a record's: a signature.
pub const BODY_MAX: usize = body::SIGNATURE;

/// Most bytes of a record's body before its payload: kind, priority and quality, time.
pub const RECORD_PREFIX_MAX: usize = 3 + 1 + 10;

/// Up to where the journal may be reclaimed when space is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaim {
    /// Batches before this one.
    pub batch: u32,
    /// Records before this one.
    pub seq: u64,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record; its payload follows.
    Record {
        /// What it is about.
        kind: Kind,
        /// How long it may wait.
        priority: Priority,
        /// When it was submitted.
        time: WallTime,
        /// Bytes of the body before the payload.
        prefix: usize,
        /// Bytes of the payload.
        payload: usize,
    },
    /// A batch is sealed. The stream is the journal's.
    Seal {
        /// Its anchor.
        anchor: Anchor,
        /// The relay is given the records too.
        with_data: bool,
    },
    /// A batch is signed. The seal is said again: should one of the two rot, the other is there.
    Signature {
        /// What is signed.
        anchor: Anchor,
        /// The relay is given the records too.
        with_data: bool,
        /// By what.
        signature: Signature,
    },
    /// All batches up to one have come at least so far.
    Level {
        /// How far.
        state: BatchState,
        /// The last of them.
        through: BatchNumber,
        /// What may be reclaimed from now on.
        reclaim: Reclaim,
    },
    /// The application needs the records of no batch up to one any more.
    Release {
        /// The last of them.
        through: BatchNumber,
        /// What may be reclaimed from now on.
        reclaim: Reclaim,
    },
    /// Sender sequence numbers are reserved.
    SenderSequence {
        /// The first that is not.
        end: u64,
    },
    /// An unsealed record is given up.
    Lost {
        /// Which.
        seq: SequenceNumber,
        /// Why.
        reason: LossReason,
    },
    /// How far nonces are used; `None` when what said so rotted.
    Spending(Option<Spending>),
    /// State of the power budget.
    Budget(BudgetState),
    /// A sector is being moved: what must live of it is copied behind this, and its unsealed records that may give way are
    /// displaced from now on.
    Moving {
        /// Its generation. All older sectors are needed no more.
        generation: u32,
        /// The first number that was in no batch.
        unsealed: u64,
    },
    /// All sectors before one are needed no more.
    Moved {
        /// The first that still counts.
        before: u32,
    },
    /// Copies of records follow.
    Run(Run),
    /// A record, copied under its own number; its payload follows.
    Copy {
        /// What it is about.
        kind: Kind,
        /// How long it may wait.
        priority: Priority,
        /// When it was submitted.
        time: WallTime,
        /// Bytes of the body before the payload.
        prefix: usize,
        /// Bytes of the payload.
        payload: usize,
    },
    /// Consecutive records gave way to urgent ones, and have no copy.
    Displaced {
        /// How many.
        count: u32,
    },
}

/// What copies are read by. It is in the checksum of every copy, so that no copy is ever read by another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The number of the next copy.
    pub first: u64,
    /// What times are relative to: the time in the header of the sector that the record was written to, milliseconds.
    pub base_ms: u64,
}

impl Run {
    fn encode(&self) -> [u8; body::RUN] {
        let mut bytes = [0; body::RUN];
        let (first, base_ms) = bytes.split_at_mut(8);
        first.copy_from_slice(&self.first.to_le_bytes());
        base_ms.copy_from_slice(&self.base_ms.to_le_bytes());
        bytes
    }
}

/// A cell's number, the first byte of its body.
mod cell {
    pub(super) const SPENDING: u8 = 0;
    pub(super) const BUDGET: u8 = 1;
}

/// An entry's type, 4 bits. 0 and 15 are no types: an erased or zeroed word is no entry.
pub(super) mod tag {
    pub(in super::super) const RECORD: u8 = 1;
    pub(in super::super) const SEAL: u8 = 2;
    pub(in super::super) const SIGNATURE: u8 = 3;
    pub(in super::super) const LEVEL: u8 = 4;
    pub(in super::super) const RELEASE: u8 = 5;
    pub(in super::super) const SENDER_SEQUENCE: u8 = 6;
    pub(in super::super) const LOST: u8 = 7;
    pub(in super::super) const CELL: u8 = 8;
    pub(in super::super) const MOVE: u8 = 9;
    pub(in super::super) const RUN: u8 = 10;
    pub(in super::super) const COPY: u8 = 11;
    pub(in super::super) const DISPLACED: u8 = 12;
}

/// Body lengths of the entries that are no records.
pub mod body {
    /// A seal.
    pub const SEAL: usize = 88;
    /// A signature.
    pub const SIGNATURE: usize = SEAL + 64;
    /// A level below final.
    pub const LEVEL: usize = 1 + 4;
    /// The level final.
    pub const FINAL: usize = LEVEL + 12;
    /// A release.
    pub const RELEASE: usize = 4 + 12;
    /// A reservation of sender sequence numbers.
    pub const SENDER_SEQUENCE: usize = 8;
    /// A loss.
    pub const LOST: usize = 8 + 2;
    /// How far nonces are used, none pending.
    pub const SETTLED: usize = 1 + 8;
    /// The same, one pending.
    pub const SPENDING: usize = SETTLED + 32 + 16;
    /// State of the power budget, at most.
    pub const BUDGET: usize = 1 + super::BUDGET_MAX;
    /// The beginning of a move.
    pub const MOVING: usize = 4 + 8;
    /// The end of a move.
    pub const MOVED: usize = 4;
    /// What copies are read by.
    pub const RUN: usize = 8 + 8;
    /// Displaced records.
    pub const DISPLACED: usize = 4;
}

/// Bit 7 of a seal's flags byte: the relay is given the records.
const WITH_DATA: u8 = 1 << 7;

impl Item {
    /// Nothing: what a place for an item holds before one was read into it.
    pub(super) const NONE: Self = Self::Displaced { count: 0 };

    /// The anchor of a seal, or of the signature that says it again, and whether the relay is given the records too.
    pub(super) const fn sealed(&self) -> Option<(&Anchor, bool)> {
        match self {
            Self::Seal { anchor, with_data } | Self::Signature { anchor, with_data, .. } => Some((anchor, *with_data)),
            _ => None,
        }
    }

    pub(super) const fn tag(&self) -> u8 {
        match self {
            Self::Record { .. } => tag::RECORD,
            Self::Seal { .. } => tag::SEAL,
            Self::Signature { .. } => tag::SIGNATURE,
            Self::Level { .. } => tag::LEVEL,
            Self::Release { .. } => tag::RELEASE,
            Self::SenderSequence { .. } => tag::SENDER_SEQUENCE,
            Self::Lost { .. } => tag::LOST,
            Self::Spending(_) | Self::Budget(_) => tag::CELL,
            Self::Moving { .. } | Self::Moved { .. } => tag::MOVE,
            Self::Run(_) => tag::RUN,
            Self::Copy { .. } => tag::COPY,
            Self::Displaced { .. } => tag::DISPLACED,
        }
    }

    /// Bytes of its entry, with `payload` bytes of payload, in a flash divided as `geometry` says. Never inlined: the body it
    /// makes for that must not lie under anything.
    #[inline(never)]
    pub(super) fn entry_bytes(&self, geometry: &Geometry, base_ms: u64, payload: usize) -> u32 {
        geometry.entry(self.body(base_ms).len() + payload)
    }

    /// The body, of a record only what comes before its payload. Record times are written relative to `base_ms`, what the
    /// sector's header says: a rotten record then takes no other's time with it.
    #[must_use]
    pub fn body(&self, base_ms: u64) -> Vec<u8, BODY_MAX> {
        let mut out = Vec::new();
        match self {
            Self::Record { kind, priority, time, .. } | Self::Copy { kind, priority, time, .. } => {
                put_varint(&mut out, u64::from(kind.0));
                put(&mut out, &[*priority as u8 | (time.quality as u8) << 2]);
                put_varint(&mut out, zigzag(time.unix_ms.wrapping_sub(base_ms)));
            }
            Self::Seal { anchor, with_data } => put_seal(&mut out, anchor, *with_data),
            Self::Signature { anchor, with_data, signature } => {
                put_seal(&mut out, anchor, *with_data);
                put(&mut out, &signature.0);
            }
            Self::Level { state, through, reclaim } => {
                put(&mut out, &[*state as u8]);
                put(&mut out, &through.0.to_le_bytes());
                if *state == BatchState::Final {
                    put_reclaim(&mut out, reclaim);
                }
            }
            Self::Release { through, reclaim } => {
                put(&mut out, &through.0.to_le_bytes());
                put_reclaim(&mut out, reclaim);
            }
            Self::SenderSequence { end } => put(&mut out, &end.to_le_bytes()),
            Self::Lost { seq, reason } => {
                put(&mut out, &seq.0.to_le_bytes());
                put(&mut out, &reason.0.to_le_bytes());
            }
            Self::Spending(spending) => put_spending(&mut out, spending.as_ref()),
            Self::Budget(budget) => {
                put(&mut out, &[cell::BUDGET]);
                put(&mut out, budget.bytes());
            }
            Self::Moving { generation, unsealed } => {
                put(&mut out, &generation.to_le_bytes());
                put(&mut out, &unsealed.to_le_bytes());
            }
            Self::Moved { before } => put(&mut out, &before.to_le_bytes()),
            Self::Run(run) => put(&mut out, &run.encode()),
            Self::Displaced { count } => put(&mut out, &count.to_le_bytes()),
        }
        out
    }

    /// Reads a body whose checksum is good. `first` is its beginning, at least [`BODY_MAX`] bytes of it or all; `length` is how
    /// long it is. `None` when this build does not know such an entry.
    #[must_use]
    pub fn decode(tag: u8, first: &[u8], length: usize, base_ms: u64, stream: StreamId) -> Option<Self> {
        let mut item = Self::NONE;
        item.read(tag, first, length, base_ms, stream)?;
        Some(item)
    }

    /// As [`Self::decode`], into this item's place; when this build does not know such an entry, what is in it is of no use.
    #[inline(never)]
    pub(super) fn read(&mut self, tag: u8, first: &[u8], length: usize, base_ms: u64, stream: StreamId) -> Option<()> {
        let mut r = Reader(first);
        match tag {
            tag::RECORD | tag::COPY => return self.read_record(tag, first, length, base_ms),
            tag::SEAL | tag::SIGNATURE => self.read_seal(tag, &mut r, stream)?,
            tag::LEVEL => {
                let [state] = r.try_array()?;
                let (state, through) = (level(state)?, BatchNumber(r.try_u32()?));
                let reclaim = if state == BatchState::Final { r.try_reclaim()? } else { Reclaim::default() };
                *self = Self::Level { state, through, reclaim };
            }
            tag::RELEASE => *self = Self::Release { through: BatchNumber(r.try_u32()?), reclaim: r.try_reclaim()? },
            tag::SENDER_SEQUENCE => *self = Self::SenderSequence { end: r.try_u64()? },
            tag::LOST => {
                let seq = SequenceNumber(r.try_u64()?);
                *self = Self::Lost { seq, reason: LossReason(u16::from_le_bytes(r.try_array()?)) };
            }
            tag::CELL => *self = r.try_cell()?,
            tag::MOVE if length == body::MOVED => *self = Self::Moved { before: r.try_u32()? },
            tag::MOVE => *self = Self::Moving { generation: r.try_u32()?, unsealed: r.try_u64()? },
            tag::RUN => *self = Self::Run(Run { first: r.try_u64()?, base_ms: r.try_u64()? }),
            tag::DISPLACED => *self = Self::Displaced { count: r.try_u32()? },
            _ => return None,
        }
        (r.0.is_empty() && length == first.len()).then_some(())
    }

    /// A seal, or the signature that says it again. What is long is copied once, to where it stays.
    #[inline(never)]
    fn read_seal(&mut self, tag: u8, r: &mut Reader<'_>, stream: StreamId) -> Option<()> {
        let (batch, first_seq) = (BatchNumber(r.try_u32()?), SequenceNumber(r.try_u64()?));
        let [low, middle, high, flags] = r.try_array()?;
        let sealed_at = r.try_u64()?;
        let (root, prev) = (r.try_piece()?, r.try_piece()?);
        let signature = if tag == tag::SIGNATURE { Some(r.try_piece()?) } else { None };
        let anchor = Anchor {
            stream,
            batch,
            first_seq,
            count: u32::from_le_bytes([low, middle, high, 0]),
            sealed_at,
            flags: AnchorFlags(flags & !WITH_DATA),
            root: Hash(*root),
            prev: Commitment(*prev),
        };
        let with_data = flags & WITH_DATA != 0;
        *self = match signature {
            None => Self::Seal { anchor, with_data },
            Some(signature) => Self::Signature { anchor, with_data, signature: Signature(*signature) },
        };
        Some(())
    }

    fn read_record(&mut self, tag: u8, first: &[u8], length: usize, base_ms: u64) -> Option<()> {
        let mut r = Reader(first);
        let kind = Kind(u16::try_from(r.varint()?).ok()?);
        let [flags] = r.try_array()?;
        let unix_ms = base_ms.wrapping_add(unzigzag(r.varint()?));
        let quality = TimeQuality::from_number(flags >> 2)?;
        let prefix = first.len() - r.0.len();
        let priority = Priority::from_number(flags & 3)?;
        let payload = length.checked_sub(prefix)?;
        let time = WallTime { unix_ms, quality };
        *self = match tag {
            tag::RECORD => Self::Record { kind, priority, time, prefix, payload },
            _ => Self::Copy { kind, priority, time, prefix, payload },
        };
        Some(())
    }
}

const fn level(number: u8) -> Option<BatchState> {
    Some(match number {
        2 => BatchState::Sent,
        3 => BatchState::Stored,
        4 => BatchState::Included,
        5 => BatchState::Final,
        _ => return None,
    })
}

fn put_seal<const N: usize>(out: &mut Vec<u8, N>, anchor: &Anchor, with_data: bool) {
    put(out, &anchor.batch.0.to_le_bytes());
    put(out, &anchor.first_seq.0.to_le_bytes());
    let [low, middle, high, _] = anchor.count.to_le_bytes();
    put(out, &[low, middle, high, anchor.flags.0 | if with_data { WITH_DATA } else { 0 }]);
    put(out, &anchor.sealed_at.to_le_bytes());
    put(out, &anchor.root.0);
    put(out, &anchor.prev.0);
}

fn put_reclaim<const N: usize>(out: &mut Vec<u8, N>, reclaim: &Reclaim) {
    put(out, &reclaim.batch.to_le_bytes());
    put(out, &reclaim.seq.to_le_bytes());
}

fn put_spending<const N: usize>(out: &mut Vec<u8, N>, spending: Option<&Spending>) {
    put(out, &[cell::SPENDING]);
    let Some(spending) = spending else { return };
    put(out, &spending.next_nonce.to_le_bytes());
    if let Some(pending) = &spending.pending {
        put(out, &pending.digest.0);
        put(out, &pending.fee.to_le_bytes());
    }
}

impl Reader<'_> {
    fn try_cell(&mut self) -> Option<Item> {
        match self.try_array()? {
            [cell::SPENDING] if self.0.is_empty() => Some(Item::Spending(None)),
            [cell::SPENDING] => {
                let next_nonce = self.try_u64()?;
                let pending = if self.0.is_empty() { None } else { Some(self.try_intent(next_nonce)?) };
                Some(Item::Spending(Some(Spending { next_nonce, pending })))
            }
            [cell::BUDGET] => Some(Item::Budget(BudgetState::new(core::mem::take(&mut self.0))?)),
            _ => None,
        }
    }

    fn try_intent(&mut self, next_nonce: u64) -> Option<Intent> {
        let nonce = next_nonce.checked_sub(1)?;
        Some(Intent { nonce, digest: Hash(self.try_array()?), fee: u128::from_le_bytes(self.try_array()?) })
    }

    fn try_reclaim(&mut self) -> Option<Reclaim> {
        Some(Reclaim { batch: self.try_u32()?, seq: self.try_u64()? })
    }
}

#[cfg(test)]
mod tests;
