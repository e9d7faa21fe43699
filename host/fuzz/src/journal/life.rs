// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a device does with a journal, one call for each byte of the input. Images are made with it, and mounted ones tried.

use cairn::{
    batch::{Anchor, AnchorFlags},
    journal::{BatchState, Intent, Journal, JournalError, NewRecord, Spending},
    merkle::Hash,
    record::{Kind, LossReason, Priority, SequenceNumber},
    signer::Signature,
    time::{TimeQuality, WallTime},
};

/// What a call did.
pub(super) enum Done {
    Appended(SequenceNumber, Vec<u8>),
    Sealed(Anchor),
    Other,
    Refused(JournalError),
}

/// One call: the low three bits say which, the rest with what.
pub(super) fn call(journal: &mut impl Journal, byte: u8) -> Done {
    let (what, how) = (byte & 7, byte >> 3);
    let last = |state| journal.through(state).map_or(0, |batch| batch.0.saturating_add(1));
    let done = match what {
        0 | 1 => {
            let payload = vec![byte ^ 0x5a; usize::from(how) * 2];
            return match append(journal, &payload, how) {
                Ok(seq) => Done::Appended(seq, payload),
                Err(error) => Done::Refused(error),
            };
        }
        2 => {
            let unsealed = journal.unsealed();
            let waiting = unsealed.end.0.saturating_sub(unsealed.start.0);
            let count = u32::try_from(waiting).unwrap_or(u32::MAX).min(1 << 23).saturating_sub(u32::from(how & 1));
            let anchor = Anchor {
                stream: journal.stream(),
                batch: journal.batches().end,
                first_seq: unsealed.start,
                count,
                sealed_at: u64::from(byte),
                flags: AnchorFlags(how & 3),
                root: Hash([byte; 32]),
                prev: journal.last_commitment(),
            };
            return match journal.seal(&anchor, how & 4 == 0) {
                Ok(()) => Done::Sealed(anchor),
                Err(error) => Done::Refused(error),
            };
        }
        3 => {
            let batch = cairn::batch::BatchNumber(last(BatchState::Signed));
            journal.attach_signature(batch, &Signature([byte; 64]))
        }
        4 | 5 => {
            let state = [BatchState::Sent, BatchState::Stored, BatchState::Included, BatchState::Final]
                [usize::from(if what == 4 { 3 } else { how & 3 })];
            let batch = cairn::batch::BatchNumber(last(BatchState::Signed).saturating_sub(1));
            journal.advance(batch, state)
        }
        6 => match how & 7 {
            4 => {
                let Spending { next_nonce, pending } = match journal.spending() {
                    Ok(spending) => spending,
                    Err(error) => return Done::Refused(error),
                };
                match pending {
                    Some(pending) if how & 8 == 0 => journal.settle(pending.nonce),
                    Some(pending) => journal.intend(&Intent { fee: pending.fee.saturating_add(1), ..pending }),
                    None => journal.intend(&Intent { nonce: next_nonce, digest: Hash([byte; 32]), fee: 1 }),
                }
            }
            5 => journal.keep_budget(&[byte; 48][..usize::from(how)]),
            0 => journal.release(cairn::batch::BatchNumber(last(BatchState::Final).saturating_sub(1))),
            1 => journal.reserve_sender_sequence(u64::from(how)).map(drop),
            _ => journal.lose(journal.unsealed().start, LossReason::DISPLACED),
        },
        _ => {
            // An unlikely batch and an unlikely number.
            let batch = cairn::batch::BatchNumber(u32::from(how) << (how & 24));
            let read = journal.batch(batch).map(drop);
            let lost = journal.lose(SequenceNumber(u64::MAX >> how), LossReason(u16::from(how)));
            read.and(lost)
        }
    };
    done.map_or_else(Done::Refused, |()| Done::Other)
}

pub(super) fn append(journal: &mut impl Journal, payload: &[u8], how: u8) -> Result<SequenceNumber, JournalError> {
    let time = WallTime {
        unix_ms: 1_768_345_200_000_u64.wrapping_mul(u64::from(how)),
        quality: TimeQuality::from_number(how & 3).expect("two bits"),
    };
    let priority = if how & 4 == 0 { Priority::Routine } else { Priority::Urgent };
    journal.append(&NewRecord { time, kind: Kind(64), priority, payload })
}
