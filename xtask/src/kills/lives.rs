// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device over its lives: switched on, at work, killed at a random moment, and the table of that. What it says is noted;
//! whether it is right is for judge.rs, but for what shows at once.

use std::{
    collections::BTreeSet,
    fmt,
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::autopsy::{self, Flash as Remains};
use crate::{
    demo::{
        device::{Device, Event, Flash, LastWords, Power, Reading, Words},
        scenario::{self, say},
        world::{Born, Modem, World},
    },
    e2e,
};

/// From power to `ready`, before it was ever measured.
const BOOT: Duration = Duration::from_millis(250);
/// A format and the identity record take somewhat less than this.
const FORMAT: Duration = Duration::from_millis(160);
/// A device that is not ready by then is broken.
const BOOT_LIMIT: Duration = Duration::from_secs(60);
/// Longest life after `ready`, but for what is then waited for.
const LIFE: Duration = Duration::from_millis(2500);
/// An erase and a signature come within this time.
const WAIT: Duration = Duration::from_secs(60);
/// An erase takes somewhat longer than this.
const INSIDE_ERASE: Duration = Duration::from_millis(12);
/// A signature and its journal entry take somewhat longer.
const INSIDE_SIGNATURE: Duration = Duration::from_millis(50);
const GLANCE: Duration = Duration::from_millis(1);
/// Nothing the device says begins with this.
const NEVER_SAID: &str = "never";
/// More readings than fit a life.
const ENDLESS: u32 = 100_000;
/// Each life's register begins so far above the last one's that no two readings are the same, heard or not.
const REGISTER_STEP_WH: u64 = 10_000_000;

const HEADINGS: &str =
    "kill  found at boot      readings  in all  killed after ms, in the middle of  flash     left behind         ring";

const SOON: Duration = Duration::from_secs(60);

/// What the device was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Boot,
    Signature,
    Exchange,
    Readings,
}

/// What its flash was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lamp {
    Rest,
    Program,
    Erase,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Boot => "boot",
            Self::Signature => "signature",
            Self::Exchange => "exchange",
            Self::Readings => "readings",
        })
    }
}

impl fmt::Display for Lamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rest => "-",
            Self::Program => "program",
            Self::Erase => "erase",
        })
    }
}

impl Lamp {
    fn of(words: &LastWords) -> Self {
        match words.lamp {
            Some(b'p') => Self::Program,
            Some(b'e') => Self::Erase,
            _ => Self::Rest,
        }
    }
}

impl Phase {
    fn of(words: &LastWords, ready: bool) -> Self {
        let last = |names: [&str; 3]| words.events.iter().rev().find(|event| names.contains(&event.name.as_str()));
        let is = |event: Option<&Event>, name| event.is_some_and(|event| event.name == name);
        match () {
            () if !ready => Self::Boot,
            () if is(last(["signing", "signed", "sealed"]), "signing") => Self::Signature,
            () if is(last(["sent", "stored", "exchange-failed"]), "sent") => Self::Exchange,
            () => Self::Readings,
        }
    }
}

/// Which moments a kill is drawn from: all of them at random, but not all in one heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// From the beginning of the first format to somewhat after its end.
    Format,
    /// From power to `ready`.
    Boot,
    /// From `ready` on.
    Any,
    /// From the beginning of the first erase after such a moment.
    Erase,
    /// From the beginning of the first signature after such a moment.
    Signature,
}

impl Aim {
    fn of(kill: u32) -> Self {
        match (kill, kill % 5) {
            (1, _) => Self::Format,
            (_, 1) => Self::Boot,
            (_, 3) => Self::Erase,
            (_, 0) => Self::Signature,
            _ => Self::Any,
        }
    }
}

/// The end of one life.
pub(super) struct Death {
    pub(super) phase: Phase,
    pub(super) flash: Lamp,
}

/// How one life went until the plug was pulled.
struct Life {
    lasted: Duration,
    /// The device's status when it was ready; `None` when it died before it could say.
    mounted: Option<Words>,
    ready: bool,
    words: LastWords,
}

/// The device, over all its lives.
pub(super) struct Victim<'a> {
    world: &'a World,
    image: PathBuf,
    born: &'a Born,
    modem: &'a Modem,
    random: u64,
    boot: Duration,
    register: u64,
    flash: PathBuf,
    accepted: Vec<Reading>,
    deaths: Vec<Death>,
    failed_exchanges: usize,
    /// Torn entries seen so far, and how many kills left some.
    torn: BTreeSet<(u64, u64)>,
    torn_kills: usize,
    cut_openings: usize,
    turns: u64,
}

/// What is to be said of a device in the end.
pub(super) struct Biography {
    /// The readings it said it had accepted, in all its lives.
    pub(super) accepted: Vec<Reading>,
    /// One for each kill.
    pub(super) deaths: Vec<Death>,
    /// Sequence numbers given.
    pub(super) records: u64,
    /// Batches sealed.
    pub(super) batches: u64,
    /// How often its journal's ring turned.
    pub(super) turns: u64,
    /// Exchanges that it said had failed.
    pub(super) failed_exchanges: usize,
    /// Kills that left torn entries.
    pub(super) torn: usize,
    /// Kills that left a sector half opened.
    pub(super) cut_openings: usize,
}

impl Biography {
    /// How many kills fell into such an operation.
    pub(super) fn caught(&self, lamp: Lamp) -> usize {
        self.deaths.iter().filter(|death| death.flash == lamp).count()
    }
}

impl<'a> Victim<'a> {
    /// A device that was never switched on.
    pub(super) fn new(world: &'a World, image: PathBuf, born: &'a Born, modem: &'a Modem, seed: u64) -> Self {
        let flash = world.flash("meter");
        Self {
            world,
            image,
            born,
            modem,
            random: seed,
            boot: BOOT,
            register: 0,
            flash,
            accepted: Vec::new(),
            deaths: Vec::new(),
            failed_exchanges: 0,
            torn: BTreeSet::new(),
            torn_kills: 0,
            cut_openings: 0,
            turns: 0,
        }
    }

    /// Lives and dies, `number` times; a line of the table for each.
    ///
    /// # Errors
    /// A device that stops, refuses or forgets.
    pub(super) fn die(&mut self, number: u32) -> Result<()> {
        say(HEADINGS);
        for kill in 1..=number {
            let life = match Aim::of(kill) {
                Aim::Format => self.live_until_formatted(),
                Aim::Boot => self.live_until_boot(),
                aim => self.live_and_work(aim),
            };
            let life = life.with_context(|| format!("before kill {kill}"))?;
            self.note(kill, life)?;
        }
        Ok(())
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Any time up to `longest`, to the microsecond.
    fn random_time(&mut self, longest: Duration) -> Duration {
        let span = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.draw() % span)
    }

    fn power(&self, flash: Flash) -> Power<'_> {
        self.world.power("meter", &self.image, self.born, Some(self.modem), flash)
    }

    /// A life that ends while the journal is formatted.
    fn live_until_formatted(&mut self) -> Result<Life> {
        let lasts = self.random_time(FORMAT);
        let begun = Instant::now();
        let mut device = Device::switch_on(&self.power(Flash::Slow(self.flash.clone())))?;
        until_erase(&mut device)?;
        let ready = device.listen("ready", Instant::now() + lasts)?.is_some();
        Ok(Life { lasted: begun.elapsed(), mounted: None, ready, words: device.pull_the_plug()? })
    }

    /// A life that ends at some time up to when the device would be ready.
    fn live_until_boot(&mut self) -> Result<Life> {
        let lasts = self.random_time(self.boot);
        let begun = Instant::now();
        let mut device = Device::switch_on(&self.power(Flash::Slow(self.flash.clone())))?;
        let ready = device.listen("ready", begun + lasts)?.is_some();
        Ok(Life { lasted: begun.elapsed(), mounted: None, ready, words: device.pull_the_plug()? })
    }

    /// A life that ends at some time after the device was ready.
    fn live_and_work(&mut self, aim: Aim) -> Result<Life> {
        let lasts = self.random_time(LIFE);
        self.register += REGISTER_STEP_WH;
        let begun = Instant::now();
        let mut device = Device::switch_on(&self.power(Flash::Slow(self.flash.clone())))?;
        device.listen("ready", begun + BOOT_LIMIT)?.context("the device is not ready")?;
        self.boot = begun.elapsed();
        let dies = Instant::now() + lasts;
        device.tell("status")?;
        let mounted = device.listen("ok", dies)?.map(|line| Words::of(&line));
        device.tell(&format!("register {}", self.register))?;
        device.tell(&format!("burst {ENDLESS}"))?;
        device.listen(NEVER_SAID, dies)?;
        match aim {
            Aim::Erase => self.until_inside_an_erase(&mut device)?,
            Aim::Signature => self.until_inside_a_signature(&mut device)?,
            Aim::Any | Aim::Boot | Aim::Format => {}
        }
        Ok(Life { lasted: begun.elapsed(), mounted, ready: true, words: device.pull_the_plug()? })
    }

    fn until_inside_an_erase(&mut self, device: &mut Device) -> Result<()> {
        until_erase(device)?;
        sleep(self.random_time(INSIDE_ERASE));
        Ok(())
    }

    fn until_inside_a_signature(&mut self, device: &mut Device) -> Result<()> {
        let seen = device.events.len();
        device.wait_event_after(seen, "a signature", WAIT, |event| event.name == "signing")?;
        sleep(self.random_time(INSIDE_SIGNATURE));
        Ok(())
    }

    /// Takes down what a life left, and says it.
    fn note(&mut self, kill: u32, life: Life) -> Result<()> {
        let Life { lasted, mounted, ready, words } = life;
        let death = Death { phase: Phase::of(&words, ready), flash: Lamp::of(&words) };
        let found = match &mounted {
            None => "-".to_owned(),
            Some(status) => self.found(status)?,
        };
        self.accepted.extend(&words.readings);
        let (left, ring) = self.autopsy()?;
        say(&format!(
            "{kill:>4}  {found:<17} {:>9} {:>7} {:>16}   {:<16}  {:<8}  {left:<18} {ring:>5}",
            words.readings.len(),
            self.accepted.len(),
            lasted.as_millis(),
            death.phase,
            death.flash,
        ));
        self.failed_exchanges += words.events.iter().filter(|event| event.name == "exchange-failed").count();
        self.deaths.push(death);
        Ok(())
    }

    /// What this kill left in the flash, and how far the ring has turned, as words.
    fn autopsy(&mut self) -> Result<(String, String)> {
        let Remains::Sound(journal) = autopsy::look(self.world, &self.accepted)? else {
            return Ok(("no journal".into(), "-".into()));
        };
        let torn: u64 = journal.torn.difference(&self.torn).map(|(_, bytes)| bytes).sum();
        self.turns = journal.generation / journal.sectors;
        self.torn_kills += usize::from(torn > 0);
        self.cut_openings += usize::from(journal.opening_was_cut);
        let left = match (journal.opening_was_cut, torn) {
            (true, _) => "sector half opened".into(),
            (false, 0) => "clean".into(),
            (false, torn) => format!("{torn} bytes torn"),
        };
        self.torn = journal.torn;
        Ok((left, journal.generation.to_string()))
    }

    /// What the journal held after the last kill: never less than what was accepted.
    fn found(&self, status: &Words) -> Result<String> {
        let next = status.number("next_seq")?;
        if let Some(last) = self.accepted.last() {
            ensure!(next > last.seq, "reading {} was accepted, and the next number is {next} again", last.seq);
        }
        Ok(format!("{next}, batch {}", status.number("next_batch")?))
    }

    /// A last life, at peace: everything is sealed and sent, and one boot later still so.
    ///
    /// # Errors
    /// When it does not come to that.
    pub(super) fn settle(mut self) -> Result<Biography> {
        say("the device may live: everything is sealed and sent");
        let mut device = Device::boot(&self.power(Flash::Fast(self.flash.clone())))?;
        device.ask(&format!("register {}", self.register + REGISTER_STEP_WH), SOON)?;
        // Not `run`: the journal may be full.
        device.ask("burst 1", WAIT)?;
        device.ask("flush", SOON)?;
        let batches = e2e::everything_stored(&mut device)?;
        let before = scenario::settled(&mut device)?;
        self.failed_exchanges += e2e::failures(&device);
        self.accepted.extend(&device.pull_the_plug()?.readings);
        let mut device = Device::boot(&self.power(Flash::Fast(self.flash.clone())))?;
        let after = scenario::settled(&mut device)?;
        for name in ["device", "stream", "next_seq", "next_batch", "stored", "included", "final", "unsealed"] {
            let (before, after) = (before.text(name)?, after.text(name)?);
            ensure!(before == after, "{name} was {before} and is {after} after a reboot at rest");
        }
        Ok(Biography {
            turns: self.turns,
            torn: self.torn_kills,
            cut_openings: self.cut_openings,
            records: after.number("next_seq")?,
            batches,
            failed_exchanges: self.failed_exchanges,
            accepted: self.accepted,
            deaths: self.deaths,
        })
    }
}

/// Listens until the flash erases.
fn until_erase(device: &mut Device) -> Result<()> {
    let limit = Instant::now() + WAIT;
    while device.lamp()? != Some(b'e') {
        ensure!(Instant::now() < limit, "the device erases nothing");
        device.listen(NEVER_SAID, Instant::now() + GLANCE)?;
    }
    Ok(())
}
