// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a full journal keeps room for: docs/journal.md, Room. A device that could reserve no sender sequence numbers could never
//! exchange again, and what it holds would never go. Over whatever the flash held before the format.

#![allow(clippy::cast_possible_truncation, reason = "dice and patterns are cut to bytes")]

#[macro_use]
mod journal_flash;

use cairn::{
    batch::BatchNumber,
    journal::{BUDGET_MAX, BatchState, FlashJournal, Intent, Journal, JournalError, NewRecord},
    merkle::Hash,
    record::{Kind, Priority, StreamId},
    signer::Signature,
    time::{TimeQuality, WallTime},
};
use embedded_storage::nor_flash::NorFlash as _;
use journal_flash::{Cut, Dice, MockFlash, next_anchor};

/// Restarts with a reservation each that docs/journal.md promises a full journal.
const RESERVATIONS: u64 = 16;

/// Bytes of the longest entry but records.
const SIGNATURE_ENTRY: u64 = 160;

/// What a flash held before the format.
#[derive(Clone, Copy, Debug)]
enum Before {
    Blank,
    Zeroes,
    Noise,
}

/// How a journal came to be full, and what was done before its sender sequence numbers ran out.
#[derive(Clone, Copy, Debug)]
struct Life {
    before: Before,
    /// There are both cells, and a nonce is pending.
    cells: bool,
    /// Records to a batch while it fills; 0: all are one batch, sealed when it is full.
    batch: u64,
    /// The device restarts after so many records while it fills.
    restarts: u64,
    /// Whether what is unsealed is sealed, and signed, before the restarts.
    sealed: bool,
    with_data: bool,
    /// Power goes away while the signature is written, as often as half of the torn entries for which there is room.
    torn: bool,
    seed: u64,
}

type Log<'a, const W: usize, const E: usize, const CAPACITY: usize> =
    FlashJournal<&'a mut MockFlash<W, E, CAPACITY>, CAPACITY, 64>;

fn append(journal: &mut impl Journal, dice: &mut Dice) -> Result<(), JournalError> {
    let seq = journal.kept().end.0;
    let payload = vec![seq as u8; dice.below(41) as usize];
    let time = WallTime { unix_ms: 1_768_345_200_000 + seq * 900_000, quality: TimeQuality::Network };
    let record = NewRecord { time, kind: Kind::READING, priority: Priority::Routine, payload: &payload };
    journal.append(&record).map(drop)
}

/// Seals what is unsealed, if anything is, and signs it.
fn seal(journal: &mut impl Journal, with_data: bool) -> Result<(), JournalError> {
    let anchor = next_anchor(journal, 7);
    if anchor.count > 0 {
        journal.seal(&anchor, with_data)?;
    }
    sign(journal)
}

/// Signs the last batch if it is not.
fn sign(journal: &mut impl Journal) -> Result<(), JournalError> {
    match journal.batches().end.0.checked_sub(1).map(BatchNumber) {
        Some(last) if journal.through(BatchState::Signed) < Some(last) => {
            journal.attach_signature(last, &Signature([1; 64]))
        }
        _ => Ok(()),
    }
}

/// Seals what is unsealed; power goes away in the signature's last word, or while a sector is opened for it, as often as there is room
/// for torn entries but one.
fn seal_and_tear<const W: usize, const E: usize, const CAPACITY: usize>(
    flash: &mut MockFlash<W, E, CAPACITY>,
    with_data: bool,
) -> Result<(), JournalError> {
    let mut journal = Log::<W, E, CAPACITY>::mount(flash).unwrap();
    let anchor = next_anchor(&journal, 7);
    if anchor.count == 0 {
        return Ok(());
    }
    journal.seal(&anchor, with_data)?;
    (1..(CAPACITY / 4096).clamp(2, 16)).for_each(|_| tear_signature(flash));
    Ok(())
}

fn tear_signature<const W: usize, const E: usize, const CAPACITY: usize>(flash: &mut MockFlash<W, E, CAPACITY>) {
    flash.cut_at(SIGNATURE_ENTRY / W as u64 - 1, Cut::Torn);
    let said = sign(&mut Log::<W, E, CAPACITY>::mount(flash).unwrap());
    assert!(said.is_err() && flash.dead, "{said:?}");
    flash.power_on();
}

/// Takes every batch to its end, one step after the other, each after a restart, and settles what is pending.
fn finish<const W: usize, const E: usize, const CAPACITY: usize>(
    flash: &mut MockFlash<W, E, CAPACITY>,
    life: &Life,
) -> Result<(), JournalError> {
    seal(&mut Log::<W, E, CAPACITY>::mount(flash).unwrap(), life.with_data)?;
    let batches = Log::<W, E, CAPACITY>::mount(flash).unwrap().batches();
    for batch in batches.start.0..batches.end.0 {
        for state in [BatchState::Sent, BatchState::Stored, BatchState::Included, BatchState::Final] {
            Log::<W, E, CAPACITY>::mount(flash).unwrap().advance(BatchNumber(batch), state)?;
        }
        if !life.with_data {
            Log::<W, E, CAPACITY>::mount(flash).unwrap().release(BatchNumber(batch))?;
        }
    }
    if life.cells {
        Log::<W, E, CAPACITY>::mount(flash).unwrap().settle(5)?;
    }
    Ok(())
}

/// A flash with a journal that is full.
fn full<const W: usize, const E: usize, const CAPACITY: usize>(life: &Life) -> MockFlash<W, E, CAPACITY> {
    let mut flash = MockFlash::<W, E, CAPACITY>::new(life.seed);
    match life.before {
        Before::Blank => flash.erase(0, CAPACITY as u32).unwrap(),
        Before::Zeroes => flash.cells.fill(0),
        Before::Noise => {}
    }
    Log::<W, E, CAPACITY>::format(&mut &mut flash, StreamId(7)).unwrap();
    let mut dice = Dice::new(life.seed);
    if life.cells {
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).unwrap();
        journal.intend(&Intent { nonce: 5, digest: Hash([1; 32]), fee: 1 }).unwrap();
        journal.keep_budget(&[3; BUDGET_MAX]).unwrap();
    }
    loop {
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).unwrap();
        for _ in 0..life.restarts {
            if append(&mut journal, &mut dice) == Err(JournalError::Full) {
                return flash;
            }
            let waiting = journal.unsealed().end.0 - journal.unsealed().start.0;
            if life.batch > 0 && waiting >= life.batch {
                seal(&mut journal, life.with_data).unwrap();
            }
        }
    }
}

/// Lives one life; what was refused that must not be.
fn live<const W: usize, const E: usize, const CAPACITY: usize>(life: &Life) -> Result<(), String> {
    let mut flash = full::<W, E, CAPACITY>(life);
    if life.torn {
        seal_and_tear(&mut flash, life.with_data).map_err(|error| format!("sealing: {error:?}"))?;
    }
    if life.sealed {
        let said = seal(&mut Log::<W, E, CAPACITY>::mount(&mut flash).unwrap(), life.with_data);
        said.map_err(|error| format!("sealing: {error:?}"))?;
    }
    if life.cells {
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).unwrap();
        journal.keep_last_budget(&[4; BUDGET_MAX]).map_err(|error| format!("the last budget: {error:?}"))?;
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).unwrap();
        assert_eq!(journal.budget().unwrap().unwrap().bytes(), [4; BUDGET_MAX]);
    }
    let mut used = 0;
    for restart in 0..RESERVATIONS {
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).unwrap();
        let range = journal.reserve_sender_sequence(32).map_err(|error| format!("restart {restart}: {error:?}"))?;
        assert!(range.start >= used && range.end >= range.start + 32, "{range:?} after {used}");
        used = range.end;
    }
    // Whatever more it gives, everything can be finished, also when power goes away once more.
    for _ in 0..CAPACITY {
        if Log::<W, E, CAPACITY>::mount(&mut flash).unwrap().reserve_sender_sequence(32).is_err() {
            break;
        }
    }
    let journal = Log::<W, E, CAPACITY>::mount(&mut flash).unwrap();
    let signed = journal.through(BatchState::Signed).map_or(0, |batch| batch.0 + 1);
    if signed < journal.batches().end.0 {
        tear_signature(&mut flash);
    }
    finish(&mut flash, life).map_err(|error| format!("finishing: {error:?}"))?;
    let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).unwrap();
    let said = append(&mut journal, &mut Dice::new(1)).and_then(|()| journal.reserve_sender_sequence(32).map(drop));
    said.map_err(|error| format!("afterwards: {error:?}"))
}

fn lives() -> impl Iterator<Item = Life> {
    let with = |list: &'static [u64]| list.iter().copied();
    [Before::Blank, Before::Zeroes, Before::Noise].into_iter().flat_map(move |before| {
        (0..16_u64).flat_map(move |bits| {
            let (cells, sealed, with_data, torn) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0, bits & 8 > 0);
            with(&[0, 3]).flat_map(move |batch| {
                with(&[1, 7, 1000]).flat_map(move |restarts| {
                    (0..3).map(move |seed| Life { before, cells, batch, restarts, sealed, with_data, torn, seed })
                })
            })
        })
    })
}

macro_rules! lived {
    ($($name:ident: $write:literal, $erase:literal, $capacity:literal;)+) => {
        vec![$(
            (stringify!($name), live::<$write, $erase, $capacity> as fn(&Life) -> Result<(), String>)
        ),+]
    };
}

#[test]
fn a_full_journal_keeps_a_last_budget_gives_numbers_after_each_of_sixteen_restarts_and_can_then_finish_everything() {
    let mut refused = Vec::new();
    let mut tried = 0;
    for (geometry, live) in every_geometry!(lived) {
        for life in lives() {
            tried += 1;
            if let Err(error) = live(&life) {
                refused.push(format!("{geometry}: {life:?}: {error}"));
            }
        }
    }
    assert!(refused.is_empty(), "{} of {tried}:\n{}", refused.len(), refused.join("\n"));
}
