// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A NOR flash that counts its operations (one word programmed, one erase unit erased), loses power at a chosen one, and
//! panics when a word is programmed twice between erases. Used by the journal's tests.

#![allow(unreachable_pub, dead_code, reason = "a module of several test crates")]
#![allow(clippy::cast_possible_truncation, reason = "dice and patterns are cut to bytes")]

/// The flashes that the power-cut sweep goes over, cheapest first: what is proved, write size, erase size, capacity.
#[allow(unused_macros, reason = "not every test crate sweeps")]
macro_rules! every_geometry {
    ($with:ident) => {
        $with! {
            nothing_is_lost_or_doubled_with_words_of_32_and_sectors_of_1024: 32, 1024, 8192;
            nothing_is_lost_or_doubled_with_words_of_32_and_two_sectors_of_8192: 32, 8192, 16384;
            nothing_is_lost_or_doubled_with_words_of_16_and_sectors_of_2048: 16, 2048, 6144;
            nothing_is_lost_or_doubled_with_words_of_8_and_sectors_of_1024: 8, 1024, 6144;
            nothing_is_lost_or_doubled_with_words_of_8_and_two_sectors_of_2048: 8, 2048, 4096;
            nothing_is_lost_or_doubled_with_words_of_4_and_erase_units_of_512: 4, 512, 6144;
            nothing_is_lost_or_doubled_with_words_of_4_and_two_sectors_of_4096: 4, 4096, 8192;
            nothing_is_lost_or_doubled_with_words_of_2_and_erase_units_of_512: 2, 512, 6144;
            nothing_is_lost_or_doubled_with_words_of_1_and_erase_units_of_256: 1, 256, 6144;
            nothing_is_lost_or_doubled_with_words_of_1_and_two_sectors_of_2048: 1, 2048, 4096;
        }
    };
}

pub mod device;
pub mod displacing;
pub mod sweep;

use cairn::{
    batch::{Anchor, AnchorFlags},
    journal::Journal,
    merkle::Hash,
};
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// What an operation leaves when power goes away in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It did not begin.
    Clean,
    /// Of a program, any of the word's bits are programmed; of an erase, each word is old or blank.
    Torn,
    /// Of a program, the same; of an erase, each word is old, blank, or reads differently each time.
    Unstable,
}

pub const CUTS: [Cut; 3] = [Cut::Clean, Cut::Torn, Cut::Unstable];

/// A small generator (xorshift64*): tests repeat.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Erased,
    Programmed,
    /// Half erased: reads differently each time.
    Unstable,
}

/// A flash of `CAPACITY` bytes that programs `W` and erases `E` bytes at a time.
#[derive(Clone, Debug)]
pub struct MockFlash<const W: usize, const E: usize, const CAPACITY: usize> {
    pub cells: Vec<u8>,
    words: Vec<Word>,
    dice: Dice,
    pub operations: u64,
    /// Calls that wrote.
    pub writes: u64,
    pub reads: u64,
    pub bytes_read: u64,
    pub erases: Vec<u32>,
    cut: Option<(u64, Cut)>,
    pub dead: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct PowerLost;

impl NorFlashError for PowerLost {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const W: usize, const E: usize, const CAPACITY: usize> MockFlash<W, E, CAPACITY> {
    /// A flash as it came from the factory of another product: full of noise.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        Self {
            cells: (0..CAPACITY).map(|_| dice.roll() as u8).collect(),
            words: vec![Word::Programmed; CAPACITY / W],
            dice,
            operations: 0,
            writes: 0,
            reads: 0,
            bytes_read: 0,
            erases: vec![0; CAPACITY / E],
            cut: None,
            dead: false,
        }
    }

    /// Loses power at operation `at` from now on counted.
    pub fn cut_at(&mut self, at: u64, kind: Cut) {
        self.cut = Some((self.operations + at, kind));
        self.dice = Dice::new(at * 31 + kind as u64 + self.operations * 1009);
    }

    pub fn power_on(&mut self) {
        self.dead = false;
        self.cut = None;
    }

    /// Flips bits of a byte, as rot does.
    pub fn rot(&mut self, at: usize, bits: u8) {
        self.cells[at] ^= bits;
    }

    fn power_fails_now(&mut self) -> Option<Cut> {
        let now = self.operations;
        self.operations += 1;
        let kind = self.cut.filter(|(at, _)| *at == now).map(|(_, kind)| kind)?;
        self.dead = true;
        Some(kind)
    }
}

impl<const W: usize, const E: usize, const CAPACITY: usize> ErrorType for MockFlash<W, E, CAPACITY> {
    type Error = PowerLost;
}

impl<const W: usize, const E: usize, const CAPACITY: usize> ReadNorFlash for MockFlash<W, E, CAPACITY> {
    const READ_SIZE: usize = W;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerLost> {
        check_read(self, offset, bytes.len()).expect("a read within bounds");
        if self.dead {
            return Err(PowerLost);
        }
        self.reads += 1;
        self.bytes_read += bytes.len() as u64;
        let offset = offset as usize;
        bytes.copy_from_slice(&self.cells[offset..offset + bytes.len()]);
        for (index, byte) in bytes.iter_mut().enumerate() {
            if self.words[(offset + index) / W] == Word::Unstable {
                *byte |= self.dice.roll() as u8;
            }
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl<const W: usize, const E: usize, const CAPACITY: usize> NorFlash for MockFlash<W, E, CAPACITY> {
    const WRITE_SIZE: usize = W;
    const ERASE_SIZE: usize = E;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerLost> {
        check_erase(self, from, to).expect("an erase within bounds");
        for unit in from as usize / E..to as usize / E {
            if self.dead {
                return Err(PowerLost);
            }
            let cut = self.power_fails_now();
            self.erases[unit] += 1;
            for word in unit * E / W..(unit + 1) * E / W {
                let fate = match cut {
                    None => 1,
                    Some(Cut::Clean) => 0,
                    Some(Cut::Torn) => self.dice.below(2),
                    Some(Cut::Unstable) => self.dice.below(3),
                };
                match fate {
                    0 => {}
                    1 => {
                        self.cells[word * W..(word + 1) * W].fill(0xff);
                        self.words[word] = Word::Erased;
                    }
                    _ => self.words[word] = Word::Unstable,
                }
            }
        }
        if self.dead { Err(PowerLost) } else { Ok(()) }
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerLost> {
        check_write(self, offset, bytes.len()).expect("a write within bounds");
        self.writes += 1;
        for (index, piece) in bytes.chunks(W).enumerate() {
            if self.dead {
                return Err(PowerLost);
            }
            let word = offset as usize / W + index;
            assert!(self.words[word] == Word::Erased, "word {word} is programmed twice, or was never erased");
            let cut = self.power_fails_now();
            for (cell, byte) in self.cells[word * W..].iter_mut().zip(piece) {
                let reached = match cut {
                    None => 0xff,
                    Some(Cut::Clean) => 0,
                    Some(Cut::Torn | Cut::Unstable) => self.dice.roll() as u8,
                };
                *cell = byte | !reached;
            }
            // A torn word that has no bit programmed is as good as erased.
            if cut.is_none() || self.cells[word * W..(word + 1) * W].iter().any(|&cell| cell != 0xff) {
                self.words[word] = Word::Programmed;
            }
        }
        if self.dead { Err(PowerLost) } else { Ok(()) }
    }
}

/// The anchor of all that is unsealed. A batch sealed anew, at another step, is another batch.
pub fn next_anchor(journal: &impl Journal, step: u64) -> Anchor {
    let unsealed = journal.unsealed();
    Anchor {
        stream: journal.stream(),
        batch: journal.batches().end,
        first_seq: unsealed.start,
        count: u32::try_from(unsealed.end.0 - unsealed.start.0).unwrap(),
        sealed_at: step,
        flags: AnchorFlags(0),
        root: Hash([step as u8; 32]),
        prev: journal.last_commitment(),
    }
}
