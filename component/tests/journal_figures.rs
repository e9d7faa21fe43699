// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the journal costs: flash bytes, flash operations and reads, measured over a year of quarter hours in batches of a day.

mod journal_flash;

use cairn::{
    batch::{Anchor, AnchorFlags},
    journal::{BatchState, FlashJournal, Journal, NewRecord},
    merkle::Hash,
    record::{Kind, Priority, SequenceNumber},
    signer::Signature,
    time::{TimeQuality, WallTime},
};
use journal_flash::{MockFlash, device::STREAM};

/// Days of the life.
const DAYS: u32 = 365;

/// Readings a day.
const READINGS: u32 = 96;

#[derive(Debug)]
#[allow(dead_code, reason = "printed")]
struct Figures {
    /// Flash bytes of a reading alone.
    entry_bytes: u32,
    /// Words programmed for it.
    entry_words: u64,
    /// Flash bytes of a reading with everything: seals, signatures, levels, headers, what stays unused.
    bytes_in_all: f64,
    /// Erases of each sector in the year.
    erases_per_sector: f64,
    /// Reads of a mount, and bytes read.
    mount: (u64, u64),
    /// Reads to read the next record, and bytes read.
    next_record: (u64, u64),
}

type Log<'a, const W: usize, const E: usize, const CAPACITY: usize> =
    FlashJournal<&'a mut MockFlash<W, E, CAPACITY>, CAPACITY, 64>;

fn reading(quarter: u32) -> NewRecord<'static> {
    let unix_ms = 1_768_345_200_000 + u64::from(quarter) * 900_000;
    let time = WallTime { unix_ms, quality: TimeQuality::Network };
    NewRecord { time, kind: Kind::READING, priority: Priority::Routine, payload: &[0x5a; 8] }
}

fn finish_batch(journal: &mut impl Journal) {
    let anchor = Anchor {
        stream: STREAM,
        batch: journal.batches().end,
        first_seq: journal.unsealed().start,
        count: READINGS,
        sealed_at: 0,
        flags: AnchorFlags(2),
        root: Hash([1; 32]),
        prev: journal.last_commitment(),
    };
    journal.seal(&anchor, true).unwrap();
    journal.attach_signature(anchor.batch, &Signature([1; 64])).unwrap();
    for state in [BatchState::Sent, BatchState::Stored, BatchState::Included, BatchState::Final] {
        journal.advance(anchor.batch, state).unwrap();
    }
}

fn year<const W: usize, const E: usize, const CAPACITY: usize>() -> Figures {
    let mut flash = MockFlash::<W, E, CAPACITY>::new(1);
    Log::<W, E, CAPACITY>::format(&mut &mut flash, STREAM).unwrap();
    let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).unwrap();
    for day in 0..DAYS {
        for quarter in 0..READINGS {
            journal.append(&reading(day * READINGS + quarter)).unwrap();
        }
        finish_batch(&mut journal);
    }
    let sectors = f64::from(journal.generation());
    // Four more, the last in the same sector as the one before it.
    let (mut entry_bytes, mut entry_words) = (0, 0);
    for quarter in 0..4 {
        let operations = flash.operations;
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).unwrap();
        let before = (journal.generation(), journal.used());
        journal.append(&reading(DAYS * READINGS + quarter)).unwrap();
        let after = (journal.generation(), journal.used());
        if after.0 == before.0 {
            entry_bytes = after.1 - before.1;
            entry_words = flash.operations - operations;
        }
    }
    let counted = |flash: &mut MockFlash<W, E, CAPACITY>, records: u64| {
        let before = (flash.reads, flash.bytes_read);
        let mut journal = Log::<W, E, CAPACITY>::mount(flash).unwrap();
        let first = journal.unsealed().start.0;
        for seq in first..first + records {
            journal.read(SequenceNumber(seq), &mut [0; 64]).unwrap();
        }
        (flash.reads - before.0, flash.bytes_read - before.1)
    };
    let mount = counted(&mut flash, 0);
    let (one, two) = (counted(&mut flash, 1), counted(&mut flash, 2));
    let geometry = Log::<W, E, CAPACITY>::GEOMETRY;
    Figures {
        entry_bytes,
        entry_words,
        bytes_in_all: sectors * f64::from(geometry.sector) / f64::from(DAYS * READINGS),
        erases_per_sector: sectors / f64::from(geometry.sectors),
        mount,
        next_record: (two.0 - one.0, two.1 - one.1),
    }
}

#[test]
fn an_eight_byte_reading_takes_24_bytes_with_words_of_4() {
    let figures = year::<4, 4096, 65536>();
    println!("words of  4, 16 sectors of 4096: {figures:?}");
    assert_eq!((figures.entry_bytes, figures.entry_words), (24, 6));
    assert!(figures.bytes_in_all < 32.0, "{figures:?}");
    let others = [
        ("words of  1, 16 sectors of 4096", year::<1, 4096, 65536>()),
        ("words of  8, 16 sectors of 2048", year::<8, 2048, 32768>()),
        ("words of  8, 256 sectors of 4096", year::<8, 4096, 1_048_576>()),
        ("words of 32, 2 sectors of 131072", year::<32, 131_072, 262_144>()),
    ];
    for (name, figures) in others {
        println!("{name}: {figures:?}");
    }
}
