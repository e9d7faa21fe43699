// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One life of a device over a mock flash, with power cut at every operation of it, and again while it recovers. Used by the
//! sweep, by its long form `benches/journal_sweep.rs`, and by the test that it finds mistakes.

use cairn::{
    journal::{FlashJournal, Journal as _, JournalError, MountError, NewRecord, Spending},
    record::{Entry, Kind, Priority, StreamId},
    time::WallTime,
};
use embedded_storage::nor_flash::NorFlash as _;

use super::{
    CUTS, Cut, Dice, MockFlash,
    device::{Device, STREAM, Verdict},
};

/// Turns of the ring in a life.
const TURNS: u32 = 3;

/// Calls after a cut that are taken as its recovery: in the first the one that was cut is done again, with an opening if that was
/// cut; a mount writes nothing. The others are there for what a cut leaves behind.
pub const RECOVERY: u64 = 4;

/// Calls after the last cut until everything is compared again.
const AFTERMATH: u64 = 12;

/// Of so many first cuts one is followed by a second when not all are.
const SAMPLE: u64 = 3;

/// How much was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// Flash operations of the life.
    pub operations: u64,
    /// Cuts in it.
    pub cuts: u64,
    /// Cuts in the recovery from a cut.
    pub second_cuts: u64,
    /// Nonces signed for in the life.
    pub nonces: usize,
    /// Hash-only batches released in it, and all before them.
    pub released: u32,
    /// Times the journal was full of records in it.
    pub was_full: u64,
    /// The sector that is written, and the last one of the life.
    pub generation: (u32, u32),
}

/// Which second cuts are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seconds {
    /// One, drawn with the seed, for a part of the first cuts.
    Sample,
    /// At every operation of so many calls, each of the three kinds or one that is drawn: hours.
    Every {
        /// At most [`RECOVERY`].
        calls: u64,
        /// All three kinds.
        all_kinds: bool,
    },
}

type Log<'a, const W: usize, const E: usize, const CAPACITY: usize> =
    FlashJournal<&'a mut MockFlash<W, E, CAPACITY>, CAPACITY, 64>;

/// A device, its flash, and what the world knows.
#[derive(Clone)]
struct World<const W: usize, const E: usize, const CAPACITY: usize> {
    flash: MockFlash<W, E, CAPACITY>,
    device: Device,
}

impl<const W: usize, const E: usize, const CAPACITY: usize> World<W, E, CAPACITY> {
    fn new(seed: u64) -> Result<Self, String> {
        let mut flash = MockFlash::new(seed);
        Log::<W, E, CAPACITY>::format(&mut &mut flash, STREAM).map_err(|error| format!("{error:?}"))?;
        Ok(Self { flash, device: Device::new(seed) })
    }

    /// Mounts and compares.
    fn compared(&mut self) -> Verdict {
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut self.flash).map_err(|error| format!("{error:?}"))?;
        self.device.mounted(&mut journal)
    }

    /// Mounts and does one call; gives the sector that is written then, and what the call said.
    fn step(&mut self) -> Result<(u32, Result<(), JournalError>), String> {
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut self.flash).map_err(|error| format!("{error:?}"))?;
        let said = self.device.step(&mut journal)?;
        Ok((journal.generation(), said))
    }

    /// The world after power went away at operation `at` of the next call.
    fn cut(&self, at: u64, kind: Cut) -> Result<Self, String> {
        let mut world = self.clone();
        world.flash.cut_at(at, kind);
        let (_, said) = world.step()?;
        if !world.flash.dead {
            return Err(format!("no cut came: {said:?}"));
        }
        world.flash.power_on();
        Ok(world)
    }

    /// Compares, goes on for a while, mounts and compares again.
    fn settle(mut self) -> Verdict {
        self.compared()?;
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut self.flash).map_err(|error| format!("{error:?}"))?;
        for _ in 0..AFTERMATH {
            let said = self.device.step(&mut journal)?;
            self.device.may_say(said).map_err(|error| format!("after it, {error}"))?;
        }
        self.compared().map_err(|error| format!("at last: {error}"))
    }
}

/// One life without cuts; at each of its calls every cut, and in the recovery from it second ones. `progress` hears of each call.
pub fn sweep<const W: usize, const E: usize, const CAPACITY: usize>(
    seed: u64,
    seconds: Seconds,
    mut progress: impl FnMut(&Tried),
) -> Result<Tried, String> {
    let mut world = World::<W, E, CAPACITY>::new(seed)?;
    let mut dice = Dice::new(seed ^ 0x5eed);
    let begun = world.flash.operations;
    let mut tried = Tried::default();
    tried.generation.1 = TURNS * Log::<W, E, CAPACITY>::GEOMETRY.sectors;
    while tried.generation.0 <= tried.generation.1 {
        let before = world.clone();
        let (generation, said) = world.step()?;
        world.device.may_say(said).map_err(|error| format!("a life without cuts: {error}"))?;
        let operations = world.flash.operations - before.flash.operations;
        for (at, kind) in every_cut(operations) {
            let which = |error| format!("cut {kind:?} at {at} of {operations}: {error}");
            let cut = before.cut(at, kind).map_err(which)?;
            cut.clone().settle().map_err(which)?;
            tried.cuts += 1;
            tried.second_cuts += cut_again(cut, seconds, &mut dice).map_err(which)?;
        }
        tried.operations = world.flash.operations - begun;
        tried.generation.0 = generation;
        progress(&tried);
    }
    (tried.nonces, tried.released, tried.was_full) =
        (world.device.spent.len(), world.device.released.0, world.device.was_full);
    Ok(tried)
}

fn every_cut(operations: u64) -> impl Iterator<Item = (u64, Cut)> {
    (0..operations).flat_map(|at| CUTS.map(|kind| (at, kind)))
}

/// Recovers from a cut without another, and at each call of that tries to cut again. How many second cuts were tried.
fn cut_again<const W: usize, const E: usize, const CAPACITY: usize>(
    mut world: World<W, E, CAPACITY>,
    seconds: Seconds,
    dice: &mut Dice,
) -> Result<u64, String> {
    let (mut tried, only) = (0, dice.below(RECOVERY * SAMPLE));
    let calls = match seconds {
        Seconds::Sample if only >= RECOVERY => return Ok(0),
        Seconds::Sample => RECOVERY,
        Seconds::Every { calls, .. } => calls,
    };
    world.compared()?;
    for call in 0..calls {
        let before = world.clone();
        let (_, said) = world.step()?;
        world.device.may_say(said).map_err(|error| format!("its recovery, {error}"))?;
        let operations = world.flash.operations - before.flash.operations;
        let one = (dice.below(operations.max(1)), CUTS[dice.below(3) as usize]);
        let drawn = if seconds == Seconds::Sample { 0 } else { dice.roll() };
        let wanted = |cut: &(u64, Cut)| match seconds {
            Seconds::Sample => call == only && *cut == one,
            Seconds::Every { all_kinds, .. } => {
                all_kinds || cut.1 == CUTS[(Dice::new(drawn ^ cut.0).below(3)) as usize]
            }
        };
        for (at, kind) in every_cut(operations).filter(wanted) {
            let which = |error| format!("then {kind:?} at {at} of {operations} of call {call}: {error}");
            before.cut(at, kind).and_then(World::settle).map_err(which)?;
            tried += 1;
        }
    }
    Ok(tried)
}

/// Streams that are begun over what is there.
const NEXT: [StreamId; 2] = [StreamId(1), StreamId(2)];

/// Formats a flash as delivered, one full of noise, and ones that hold a stream of some age; power goes away at every operation
/// of it. What is there then is the old stream or the new one, or none; a format done again begins one that works, and what a
/// wallet signed lives on. How many cuts were tried.
pub fn sweep_formats<const W: usize, const E: usize, const CAPACITY: usize>(seed: u64) -> Result<u64, String> {
    let mut blank = MockFlash::<W, E, CAPACITY>::new(seed);
    blank.erase(0, CAPACITY as u32).map_err(|error| format!("{error:?}"))?;
    let fresh = |flash: &mut MockFlash<W, E, CAPACITY>| Log::<W, E, CAPACITY>::is_fresh(&mut &mut *flash) == Ok(true);
    let mut tried = format_cut(&blank, &Spending::default(), |flash| fresh(flash))?;
    tried += format_cut(&MockFlash::<W, E, CAPACITY>::new(seed), &Spending::default(), |_| true)?;
    let mut world = World::<W, E, CAPACITY>::new(seed)?;
    for age in 1..=150 {
        world.step()?.1.or_else(|said| world.device.may_say(Err(said)))?;
        if age % 30 == 0 {
            let mut flash = world.flash.clone();
            let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).map_err(|error| format!("{error:?}"))?;
            let spending = journal.spending().map_err(|error| format!("{error:?}"))?;
            tried += format_cut(&world.flash, &spending, |_| false).map_err(|error| format!("age {age}: {error}"))?;
        }
    }
    Ok(tried)
}

/// Cuts one format at every operation. `none_is_fine` where there was no stream before.
fn format_cut<const W: usize, const E: usize, const CAPACITY: usize>(
    before: &MockFlash<W, E, CAPACITY>,
    spending: &Spending,
    none_is_fine: impl Fn(&mut MockFlash<W, E, CAPACITY>) -> bool,
) -> Result<u64, String> {
    begun::<W, E, CAPACITY>(&mut before.clone(), NEXT[0], spending)?;
    let mut whole = before.clone();
    Log::<W, E, CAPACITY>::format(&mut &mut whole, NEXT[0]).map_err(|error| format!("{error:?}"))?;
    let operations = whole.operations - before.operations;
    let mut tried = 0;
    for (at, kind) in every_cut(operations) {
        let which = |error| format!("format cut {kind:?} at {at} of {operations}: {error}");
        let mut flash = before.clone();
        flash.cut_at(at, kind);
        let said = Log::<W, E, CAPACITY>::format(&mut &mut flash, NEXT[0]);
        if !flash.dead {
            return Err(which(format!("no cut came: {said:?}")));
        }
        flash.power_on();
        let found = Log::<W, E, CAPACITY>::mount(&mut flash).map(|mut journal| (journal.stream(), journal.spending()));
        match found {
            Ok((stream, Ok(found)))
                if (stream == NEXT[0] || (stream == STREAM && said.is_err())) && found == *spending => {}
            Err(MountError::NotFormatted) if none_is_fine(&mut flash) => {}
            other => return Err(which(format!("found is {other:?}"))),
        }
        begun::<W, E, CAPACITY>(&mut flash, NEXT[1], spending).map_err(which)?;
        tried += 1;
    }
    Ok(tried)
}

/// Formats, and holds what is begun against what must be.
fn begun<const W: usize, const E: usize, const CAPACITY: usize>(
    flash: &mut MockFlash<W, E, CAPACITY>,
    stream: StreamId,
    spending: &Spending,
) -> Verdict {
    let said = |error: &dyn core::fmt::Debug| format!("a whole format: {error:?}");
    Log::<W, E, CAPACITY>::format(&mut &mut *flash, stream).map_err(|error| said(&error))?;
    let payload = [7; 20];
    let record =
        NewRecord { time: WallTime::default(), kind: Kind::READING, priority: Priority::Routine, payload: &payload };
    let mut journal = Log::<W, E, CAPACITY>::mount(&mut *flash).map_err(|error| said(&error))?;
    let first = journal.append(&record).map_err(|error| said(&error))?;
    let mut journal = Log::<W, E, CAPACITY>::mount(flash).map_err(|error| said(&error))?;
    let mut buf = [0; 64];
    let read = journal.read(first, &mut buf);
    let reads = matches!(read, Ok(Entry::Record(record)) if record.payload == payload && first.0 == 0);
    let kept = (journal.stream(), journal.kept().end.0, journal.batches().end.0, journal.spending());
    if reads && kept == (stream, 1, 0, Ok(*spending)) { Ok(()) } else { Err(format!("begun is {kept:?}, {first:?}")) }
}
