// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must hold after a device lost its power many times: everything it accepted is on chain, once; the batches are a
//! chain. [`judge`] gets what the console showed and what the ledger holds, and knows nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::demo::device::Reading;

/// A record that a third party verified: its leaf is under the root of an anchor on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Its sequence number.
    pub(crate) seq: u64,
    /// The batch it is in.
    pub(crate) batch: u64,
    /// That batch's commitment.
    pub(crate) commitment: String,
    /// The register, when it is a reading.
    pub(crate) wh: Option<u64>,
}

/// An anchor on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Its number.
    pub(crate) number: u64,
    /// Its first record.
    pub(crate) first_seq: u64,
    /// How many records it has.
    pub(crate) count: u64,
    /// Its commitment.
    pub(crate) commitment: String,
    /// The commitment of the batch before it.
    pub(crate) prev: String,
}

/// What `prev` is in the first batch.
pub(crate) const NO_BATCH: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Accepted, and on chain nowhere.
    Lost(Reading),
    /// Accepted as this, and on chain as something else.
    Changed(Reading, Option<u64>),
    /// One reading of the meter in two leaves.
    Doubled { wh: u64, first: u64, second: u64 },
    /// One sequence number was told for two readings.
    ToldTwice { seq: u64 },
    /// Two leaves of one sequence number.
    TwoLeaves { seq: u64 },
    /// A number between the first and the last that no leaf has.
    Hole { seq: u64 },
    /// A leaf whose batch does not count its number among its own, or that is under another commitment.
    Astray { seq: u64, batch: u64 },
    /// One batch, two commitments.
    Equivocation { batch: u64 },
    /// A batch number between the first and the last that is not on chain.
    NoBatch { batch: u64 },
    /// `prev` is not the commitment of the batch before.
    Unchained { batch: u64 },
    /// The first record does not follow the last of the batch before.
    Gap { batch: u64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(reading) => write!(f, "LOST: reading {}, {} Wh, was accepted", reading.seq, reading.wh),
            Self::Changed(reading, found) => {
                write!(f, "CHANGED: reading {} was accepted as {} Wh and is {found:?}", reading.seq, reading.wh)
            }
            Self::Doubled { wh, first, second } => write!(f, "DOUBLED: {wh} Wh is in records {first} and {second}"),
            Self::ToldTwice { seq } => write!(f, "the device gave the number {seq} to two readings"),
            Self::TwoLeaves { seq } => write!(f, "record {seq} has two leaves"),
            Self::Hole { seq } => write!(f, "HOLE: no leaf has the number {seq}"),
            Self::Astray { seq, batch } => write!(f, "record {seq} is not one of batch {batch}"),
            Self::Equivocation { batch } => write!(f, "EQUIVOCATION: batch {batch} has two commitments"),
            Self::NoBatch { batch } => write!(f, "HOLE: batch {batch} is not on chain"),
            Self::Unchained { batch } => write!(f, "batch {batch} does not name the one before it"),
            Self::Gap { batch } => write!(f, "batch {batch} does not begin where the one before it ended"),
        }
    }
}

/// What was found when nothing was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Readings accepted, each on chain once.
    pub(crate) accepted: usize,
    /// Readings on chain whose acceptance did not reach us before the power went.
    pub(crate) unheard: usize,
    /// Batches on chain.
    pub(crate) batches: usize,
}

/// Compares what the device said with what is on chain.
///
/// # Errors
/// Everything that must not be.
pub(crate) fn judge(accepted: &[Reading], leaves: &[Leaf], batches: &[Batch]) -> Result<Tally, Vec<Fault>> {
    let mut faults = Vec::new();
    check_batches(batches, &mut faults);
    check_leaves(leaves, batches, &mut faults);
    check_accepted(accepted, leaves, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let readings = leaves.iter().filter(|leaf| leaf.wh.is_some()).count();
    Ok(Tally { accepted: accepted.len(), unheard: readings.saturating_sub(accepted.len()), batches: batches.len() })
}

/// Numbers from 0 without a hole, one commitment each, each naming the one before and going on where it ended.
fn check_batches(batches: &[Batch], faults: &mut Vec<Fault>) {
    let mut by_number: BTreeMap<u64, &Batch> = BTreeMap::new();
    for batch in batches {
        if by_number.insert(batch.number, batch).is_some_and(|other| other != batch) {
            faults.push(Fault::Equivocation { batch: batch.number });
        }
    }
    let (mut prev, mut first_seq) = (NO_BATCH, 0);
    for number in 0..by_number.last_key_value().map_or(0, |(last, _)| last + 1) {
        let Some(batch) = by_number.get(&number) else {
            faults.push(Fault::NoBatch { batch: number });
            continue;
        };
        if batch.prev != prev {
            faults.push(Fault::Unchained { batch: number });
        }
        if batch.first_seq != first_seq {
            faults.push(Fault::Gap { batch: number });
        }
        (prev, first_seq) = (&batch.commitment, batch.first_seq + batch.count);
    }
}

/// One leaf for each number that the batches count, in the batch that counts it; no reading in two.
fn check_leaves(leaves: &[Leaf], batches: &[Batch], faults: &mut Vec<Fault>) {
    let (mut numbers, mut readings) = (BTreeSet::new(), BTreeMap::new());
    for leaf in leaves {
        if !numbers.insert(leaf.seq) {
            faults.push(Fault::TwoLeaves { seq: leaf.seq });
        }
        if let Some(wh) = leaf.wh
            && let Some(first) = readings.insert(wh, leaf.seq)
        {
            faults.push(Fault::Doubled { wh, first, second: leaf.seq });
        }
        let counted = |batch: &&Batch| {
            batch.number == leaf.batch
                && batch.commitment == leaf.commitment
                && (batch.first_seq..batch.first_seq + batch.count).contains(&leaf.seq)
        };
        if !batches.iter().any(|batch| counted(&batch)) {
            faults.push(Fault::Astray { seq: leaf.seq, batch: leaf.batch });
        }
    }
    let end = batches.iter().map(|batch| batch.first_seq + batch.count).max().unwrap_or(0);
    faults.extend((0..end).filter(|seq| !numbers.contains(seq)).map(|seq| Fault::Hole { seq }));
}

/// Each reading that was accepted is on chain under its number, with its value.
fn check_accepted(accepted: &[Reading], leaves: &[Leaf], faults: &mut Vec<Fault>) {
    let by_seq: BTreeMap<u64, &Leaf> = leaves.iter().map(|leaf| (leaf.seq, leaf)).collect();
    let mut told = BTreeSet::new();
    for reading in accepted {
        if !told.insert(reading.seq) {
            faults.push(Fault::ToldTwice { seq: reading.seq });
        }
        match by_seq.get(&reading.seq) {
            None => faults.push(Fault::Lost(*reading)),
            Some(leaf) if leaf.wh != Some(reading.wh) => faults.push(Fault::Changed(*reading, leaf.wh)),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three batches of four records; record 0 is the identity, record 5 a reading nobody heard of.
    fn world() -> (Vec<Reading>, Vec<Leaf>, Vec<Batch>) {
        let commitment = |number: u64| format!("0x{number:064x}");
        let batches: Vec<Batch> = (0..3)
            .map(|number| Batch {
                number,
                first_seq: number * 4,
                count: 4,
                commitment: commitment(number + 1),
                prev: commitment(number),
            })
            .collect();
        let leaf = |seq: u64| Leaf {
            seq,
            batch: seq / 4,
            commitment: commitment(seq / 4 + 1),
            wh: (seq > 0).then_some(1000 + seq),
        };
        let leaves: Vec<Leaf> = (0..12).map(leaf).collect();
        let accepted = (1..12).filter(|seq| *seq != 5).map(|seq| Reading { seq, wh: 1000 + seq }).collect();
        (accepted, leaves, batches)
    }

    fn faults(change: impl FnOnce(&mut Vec<Reading>, &mut Vec<Leaf>, &mut Vec<Batch>)) -> Vec<Fault> {
        let (mut accepted, mut leaves, mut batches) = world();
        change(&mut accepted, &mut leaves, &mut batches);
        judge(&accepted, &leaves, &batches).unwrap_err()
    }

    #[test]
    fn a_run_in_which_nothing_went_wrong_is_counted() {
        let (accepted, leaves, batches) = world();
        assert_eq!(judge(&accepted, &leaves, &batches), Ok(Tally { accepted: 10, unheard: 1, batches: 3 }));
    }

    #[test]
    fn a_lost_reading_is_found() {
        let lost = Reading { seq: 12, wh: 5000 };
        assert_eq!(faults(|accepted, _, _| accepted.push(lost)), [Fault::Lost(lost)]);
    }

    #[test]
    fn a_reading_whose_number_went_to_another_is_found() {
        let found = faults(|accepted, _, _| accepted[2].wh = 7777);
        assert_eq!(found, [Fault::Changed(Reading { seq: 3, wh: 7777 }, Some(1003))]);
        let found = faults(|_, leaves, _| leaves[3].wh = None);
        assert_eq!(found, [Fault::Changed(Reading { seq: 3, wh: 1003 }, None)]);
    }

    #[test]
    fn a_doubled_reading_is_found() {
        let found = faults(|_, leaves, _| leaves[5].wh = Some(1004));
        assert_eq!(found, [Fault::Doubled { wh: 1004, first: 4, second: 5 }]);
        let found = faults(|_, leaves, _| leaves.push(leaves[4].clone()));
        assert_eq!(found, [Fault::TwoLeaves { seq: 4 }, Fault::Doubled { wh: 1004, first: 4, second: 4 }]);
        let found = faults(|accepted, _, _| accepted.push(accepted[0]));
        assert_eq!(found, [Fault::ToldTwice { seq: 1 }]);
    }

    #[test]
    fn a_hole_in_the_records_is_found() {
        assert_eq!(faults(|_, leaves, _| drop(leaves.remove(5))), [Fault::Hole { seq: 5 }]);
    }

    #[test]
    fn a_hole_in_the_batches_is_found() {
        let found = faults(|_, leaves, batches| {
            batches.remove(1);
            leaves.retain(|leaf| leaf.batch != 1);
        });
        assert!(found.contains(&Fault::NoBatch { batch: 1 }), "{found:?}");
        assert!(found.contains(&Fault::Unchained { batch: 2 }), "{found:?}");
        assert!(found.contains(&Fault::Gap { batch: 2 }), "{found:?}");
        assert!(found.contains(&Fault::Hole { seq: 4 }), "{found:?}");
        assert!(found.contains(&Fault::Lost(Reading { seq: 4, wh: 1004 })), "{found:?}");
    }

    #[test]
    fn batches_out_of_their_chain_are_found() {
        assert_eq!(faults(|_, _, batches| batches[2].prev = NO_BATCH.into()), [Fault::Unchained { batch: 2 }]);
        assert_eq!(faults(|_, _, batches| batches[0].prev.push('0')), [Fault::Unchained { batch: 0 }]);
        assert_eq!(faults(|_, _, batches| batches[2].count = 0).first(), Some(&Fault::Astray { seq: 8, batch: 2 }));
    }

    #[test]
    fn an_equivocation_is_found() {
        let found = faults(|_, _, batches| {
            let mut other = batches[2].clone();
            other.commitment = "0x66".into();
            batches.push(other);
        });
        assert!(found.contains(&Fault::Equivocation { batch: 2 }), "{found:?}");
        let found = faults(|_, leaves, _| leaves[9].commitment = "0x66".into());
        assert_eq!(found, [Fault::Astray { seq: 9, batch: 2 }]);
    }

    #[test]
    fn nothing_on_chain_is_no_success_for_whoever_accepted_something() {
        let reading = Reading { seq: 0, wh: 1 };
        assert_eq!(judge(&[reading], &[], &[]), Err(vec![Fault::Lost(reading)]));
    }
}
