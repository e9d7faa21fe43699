// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a device's key is while it runs: the meter's image signs in QEMU, then the whole memory of the machine is read
//! from outside and searched. Outside the signer's slot there may be no eight bytes of the key in any form in which a
//! computation holds it; after a rotation nothing of the old key anywhere, and of a destroyed one. Needs no chain and
//! no relay: nothing has to be sent to be signed.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    ops::Range,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    demo::{
        device::{Device, Flash, Power},
        service::wait_until,
    },
    process::Log,
    samples::{Meter, build_meter},
    setup::Need,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Signs, dumps, searches.
pub(crate) const STAGE: Stage = Stage {
    name: "ram",
    about: "after signing and rotating, nothing of a key is in the machine's memory outside its slot",
    needs: &[Need::Embedded, Need::Qemu, Need::Python],
    body: scan,
};

/// A factory image, docs/wire.cddl: of this key, with this OSCORE master secret.
const FACTORY: &str = "4341495200898801382e5820913c5ed72864b31f0ac67de245983bf15c862d73be07e914a84fd06b39c27e55\
                       58206b0f4a8d93e1c25796d83b7f10a4ce529f3de8617ab5042cd7f96e1380bc45aa5820333333333333333333\
                       3333333333333333333333333333333333333333333333446b69643050e37d195c8ab2f0463e9171dc05ba6f28\
                       8244c00002011916336a63f888";
const KEY: &str = "913c5ed72864b31f0ac67de245983bf15c862d73be07e914a84fd06b39c27e55";
const MASTER_SECRET: &str = "e37d195c8ab2f0463e9171dc05ba6f28";

/// Every memory of QEMU's mps2-an385 (its memory map in hw/arm/mps2.c): SSRAM1, block RAM, SSRAM2 and 3, and PSRAM behind the
/// 64 kB that stand for the factory's flash.
const MEMORIES: [(u64, u64); 4] =
    [(0, 0x40_0000), (0x0100_0000, 0x4000), (0x2000_0000, 0x40_0000), (0x2101_0000, 0xff_0000)];

/// Where no image puts anything: there the control's copy is laid.
const ELSEWHERE: u64 = 0x2003_1232;

/// Bytes in a row that are no accident.
const WINDOW: usize = 8;

const SOON: Duration = Duration::from_secs(60);

fn scan(context: &Context, log: &mut Log) -> Result<Outcome> {
    let folder = context.project.directory("xtask/ram")?;
    let slot = after_signing(context, log, &folder)?;
    after_rotating(context, log, &folder)?;
    let bytes: u64 = MEMORIES.iter().map(|(_, length)| length).sum();
    passed(format!(
        "{bytes} bytes of memory: the key is in its slot of {} bytes only, and gone when another followed it or it was destroyed",
        slot.end - slot.start
    ))
}

/// Gives where the key is.
fn after_signing(context: &Context, log: &mut Log, folder: &Path) -> Result<Range<u64>> {
    let image = build_meter(&context.project, context.toolchain()?, log, Meter::Normal)?;
    let storage = symbol(log, &image, "storage")?;
    let key = Secret::new("key", KEY)?;
    let master = Secret::new("OSCORE master secret", MASTER_SECRET)?;

    let clean = Machine::signed(&image, folder, "clean", &[])?.memory()?;
    let slot = clean.slot(&key, &storage)?;
    report(log, &clean.remains(&key, &slot))?;
    report(log, &clean.remains(&master, &(0..0)))?;

    // Eight bytes out of the middle, in words turned round as a hash reads them.
    let copy = key.forms.get(2).and_then(|form| form.bytes.get(12..12 + WINDOW)).context("a form")?;
    let number = copy.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let lay = format!("loader,addr={ELSEWHERE:#x},data={number:#x},data-len=8");
    let leaky = Machine::signed(&image, folder, "control", &["-device".into(), lay])?.memory()?;
    let found = leaky.remains(&key, &slot);
    ensure!(
        matches!(&found[..], [one] if one.starts_with(&format!("{ELSEWHERE:#x}: "))),
        "the search does not find the copy that was laid on purpose, or finds more: {found:?}"
    );
    Ok(slot)
}

/// The first key is the factory's, imported into the key store; the second one nobody outside knows, so its slot is looked for.
fn after_rotating(context: &Context, log: &mut Log, folder: &Path) -> Result<()> {
    let image = build_meter(&context.project, context.toolchain()?, log, Meter::KeyStore)?;
    let storage = symbol(log, &image, "storage")?;
    let old = Secret::new("old key", KEY)?;
    let mut machine = Machine::signed(&image, folder, "rotated", &[])?;
    let device = fs::read(folder.join("rotated.flash.device-secret"))?;
    let device = Secret::new("device's secret", &hex::encode(device.get(..32).context("a short device secret")?))?;

    let before = machine.memory()?;
    let slot = before.slot(&old, &storage)?;
    let any = before.any_slot(&storage)?;
    ensure!(any == KEY, "a key of which nothing is known is not found where the old one is");
    report(log, &before.remains(&old, &slot))?;
    report(log, &before.remains(&device, &(0..0)))?;

    machine.rotate()?;
    // At once, and when the new key was used.
    let at_once = machine.memory()?;
    machine.sign(4)?;
    let new = Secret::new("new key", &at_once.any_slot(&storage)?)?;
    for after in [at_once, machine.memory()?] {
        report(log, &after.remains(&old, &(0..0)))?;
        let slot = after.slot(&new, &storage)?;
        report(log, &after.remains(&new, &slot))?;
        report(log, &after.remains(&device, &(0..0)))?;
    }

    machine.meter.ask("key destroy", SOON)?;
    report(log, &machine.memory()?.remains(&new, &(0..0)))
}

fn report(log: &mut Log, found: &[String]) -> Result<()> {
    for line in found {
        log.note(line)?;
    }
    ensure!(found.is_empty(), "parts of a secret are in memory:\n{}", found.join("\n"));
    Ok(())
}

/// A meter whose memory can be read.
struct Machine {
    meter: Device,
    monitor: Monitor,
    piece: PathBuf,
}

impl Machine {
    /// Boots the image with blank flash, and has it do what it does with its key.
    fn signed(image: &Path, folder: &Path, name: &str, machine: &[String]) -> Result<Self> {
        let file = |end: &str| folder.join(format!("{name}.{end}"));
        let (factory, flash, socket) = (file("factory.bin"), file("flash"), file("qmp"));
        fs::write(&factory, hex::decode(FACTORY.split_whitespace().collect::<String>())?)?;
        for old in [&flash, &socket, &file("flash.keys"), &file("flash.device-secret")] {
            if old.exists() {
                fs::remove_file(old)?;
            }
        }
        let mut machine = machine.to_vec();
        machine.extend(["-qmp".into(), format!("unix:{},server=on,wait=off", socket.display())]);
        let meter = Device::boot(&Power {
            image,
            factory: &factory,
            flash: Flash::Fast(flash),
            modem: None,
            machine,
            console_log: file("console.log"),
            show: false,
        })?;
        let mut machine = Self { meter, monitor: Monitor::connect(&socket)?, piece: file("memory") };
        machine.sign(8)?;
        Ok(machine)
    }

    fn sign(&mut self, readings: u32) -> Result<()> {
        let seen = self.meter.events.len();
        self.meter.ask(&format!("run {readings}"), SOON)?;
        self.meter.ask("flush", SOON)?;
        self.meter.wait_event_after(seen, "a batch is signed", SOON, |event| event.name == "signed")?;
        self.meter.ask("selftest", SOON)?;
        self.meter.ask("evidence 3", SOON)?;
        Ok(())
    }

    /// Has another key follow.
    fn rotate(&mut self) -> Result<()> {
        let old = self.meter.ask("key", SOON)?;
        self.meter.ask("rotate", SOON)?;
        wait_until("the next key is the current one", SOON, || {
            let said = self.meter.ask("key", SOON)?;
            Ok(said.text("hex")? != old.text("hex")? && said.number("rotation")? == 0)
        })
    }

    /// Stops the machine, reads all its memory, and lets it go on.
    fn memory(&mut self) -> Result<Memory> {
        self.monitor.ask("stop", &json!({}))?;
        let mut memory = Memory(Vec::new());
        for (start, length) in MEMORIES {
            let arguments = json!({"val": start, "size": length, "filename": self.piece.display().to_string()});
            self.monitor.ask("pmemsave", &arguments)?;
            memory.0.push((start, fs::read(&self.piece)?));
        }
        self.monitor.ask("cont", &json!({}))?;
        Ok(memory)
    }
}

/// QEMU's monitor (QEMU Machine Protocol).
struct Monitor {
    input: UnixStream,
    output: BufReader<UnixStream>,
}

impl Monitor {
    fn connect(socket: &Path) -> Result<Self> {
        let input = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
        input.set_read_timeout(Some(SOON))?;
        let output = BufReader::new(input.try_clone()?);
        let mut monitor = Self { input, output };
        monitor.ask("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// Gives a command and waits for its answer; greetings and events in between are passed over.
    fn ask(&mut self, command: &str, arguments: &Value) -> Result<()> {
        writeln!(self.input, "{}", json!({"execute": command, "arguments": arguments}))?;
        loop {
            let mut line = String::new();
            ensure!(self.output.read_line(&mut line)? > 0, "QEMU closed its monitor");
            let said: Value = serde_json::from_str(&line)?;
            if said.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = said.get("error") {
                bail!("{command}: {error}");
            }
        }
    }
}

/// A secret in every form in which it is looked for.
struct Secret {
    name: &'static str,
    forms: Vec<Form>,
}

struct Form {
    name: String,
    bytes: Vec<u8>,
}

impl Secret {
    /// As it is; backwards, as little-endian numbers hold it; with the bytes of each word turned round, as hashes read it; with
    /// the words in the other order; and each of them with all bits inverted.
    fn new(name: &'static str, secret: &str) -> Result<Self> {
        let plain = hex::decode(secret)?;
        let words = |turn: fn(&[u8]) -> Vec<u8>| plain.chunks(4).flat_map(turn).collect::<Vec<u8>>();
        let backward: Vec<u8> = plain.iter().rev().copied().collect();
        let turned = words(|word| word.iter().rev().copied().collect());
        let reordered: Vec<u8> = plain.rchunks(4).flatten().copied().collect();
        let straight = [
            ("forward", plain.clone()),
            ("backward", backward),
            ("turned in words", turned),
            ("words backward", reordered),
        ];
        let mut forms = Vec::new();
        for (name, bytes) in straight {
            let inverted = bytes.iter().map(|byte| !byte).collect();
            forms.push(Form { name: name.into(), bytes });
            forms.push(Form { name: format!("{name}, inverted"), bytes: inverted });
        }
        // Those that are not inverted first.
        forms.sort_by_key(|form| form.name.ends_with("inverted"));
        Ok(Self { name, forms })
    }

    /// By the first two bytes of a window, whether one of the secret begins so: most of the memory is passed over by them.
    fn begins(&self) -> Vec<bool> {
        let mut begins = vec![false; 1 << 16];
        for window in self.forms.iter().flat_map(|form| form.bytes.windows(WINDOW)) {
            begins[usize::from(u16::from_ne_bytes([window[0], window[1]]))] = true;
        }
        begins
    }
}

impl Form {
    fn line(&self, secret: &Secret, address: u64, windows_more: usize) -> String {
        format!("{address:#x}: {} bytes of the {}, {}", windows_more + WINDOW, secret.name, self.name)
    }
}

/// What a dump holds, by address.
struct Memory(Vec<(u64, Vec<u8>)>);

impl Memory {
    /// Where the signer keeps the key: inside Cairn's storage, once as it is, with its inverted copy right behind.
    fn slot(&self, key: &Secret, storage: &Range<u64>) -> Result<Range<u64>> {
        let [plain, ..] = &key.forms[..] else { bail!("a secret without forms") };
        let both: Vec<u8> = plain.bytes.iter().copied().chain(plain.bytes.iter().map(|byte| !byte)).collect();
        let places: Vec<u64> = self.find(&both).filter(|at| storage.contains(at)).collect();
        let [at] = places[..] else {
            bail!("the key and its inverted copy are in the storage {} times: {places:x?}", places.len())
        };
        Ok(at..at + both.len() as u64)
    }

    /// The one key of which a signer holds both copies in the storage, in hexadecimal.
    fn any_slot(&self, storage: &Range<u64>) -> Result<String> {
        let mut found = BTreeSet::new();
        for (start, bytes) in &self.0 {
            for (_, both) in bytes.windows(64).enumerate().filter(|(at, _)| storage.contains(&(start + *at as u64))) {
                let (plain, inverted) = both.split_at(32);
                let copies = plain.iter().zip(inverted).all(|(plain, inverted)| *plain == !inverted);
                // Memory that is filled with one byte and then with another holds no key.
                if copies && plain.iter().collect::<BTreeSet<_>>().len() > WINDOW {
                    found.insert(hex::encode(plain));
                }
            }
        }
        let Some(key) = found.pop_first().filter(|_| found.is_empty()) else {
            bail!("there are {} keys with an inverted copy in the storage", found.len())
        };
        Ok(key)
    }

    /// Everything of a secret that is not in `slot`: one line for each run of bytes.
    fn remains(&self, secret: &Secret, slot: &Range<u64>) -> Vec<String> {
        let begins = secret.begins();
        let mut found = Vec::new();
        for (start, bytes) in &self.0 {
            // By form, where the run that goes on began, and where its last window is.
            let mut runs = vec![None; secret.forms.len()];
            let windows = bytes.windows(WINDOW).enumerate();
            let likely = windows.filter(|(_, window)| begins[usize::from(u16::from_ne_bytes([window[0], window[1]]))]);
            for (at, window) in likely.filter(|(at, _)| !slot.contains(&(start + *at as u64))) {
                for (form, run) in secret.forms.iter().zip(&mut runs) {
                    if !form.bytes.windows(WINDOW).any(|known| known == window) {
                        continue;
                    }
                    match run {
                        Some((_, last)) if *last + 1 == at => *last = at,
                        _ => {
                            found.extend(
                                run.replace((at, at))
                                    .map(|(from, to)| form.line(secret, start + from as u64, to - from)),
                            );
                        }
                    }
                }
            }
            for (form, run) in secret.forms.iter().zip(runs) {
                found.extend(run.map(|(from, to): (usize, usize)| form.line(secret, start + from as u64, to - from)));
            }
        }
        found
    }

    fn find<'a>(&'a self, wanted: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
        self.0.iter().flat_map(move |(start, bytes)| {
            let windows = bytes.windows(wanted.len()).enumerate();
            windows.filter(move |(_, window)| *window == wanted).map(move |(at, _)| start + at as u64)
        })
    }
}

/// Where a variable of the image lies.
fn symbol(log: &mut Log, image: &Path, name: &str) -> Result<Range<u64>> {
    let listed = log.run(Command::new("arm-none-eabi-nm").arg("--print-size").arg(image))?;
    let line = listed.lines().find(|line| line.split(' ').next_back() == Some(name));
    let mut words = line.with_context(|| format!("{} has no {name}", image.display()))?.split(' ');
    let mut number = || -> Result<u64> { Ok(u64::from_str_radix(words.next().context("nm's columns")?, 16)?) };
    let (start, length) = (number()?, number()?);
    Ok(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(at: usize, bytes: &[u8]) -> Memory {
        let mut ram = vec![0x5a; 4096];
        ram[at..at + bytes.len()].copy_from_slice(bytes);
        Memory(vec![(0x2000_0000, ram)])
    }

    #[test]
    fn eight_bytes_in_any_form_at_any_place_are_found_and_seven_are_an_accident() {
        let key = Secret::new("key", KEY).unwrap();
        assert_eq!(key.forms.len(), 8);
        for form in &key.forms {
            for from in 0..=form.bytes.len() - WINDOW {
                let piece = &form.bytes[from..from + WINDOW];
                let found = memory(1001, piece).remains(&key, &(0..0));
                assert!(found.iter().any(|line| line.starts_with("0x200003e9: 8 bytes")), "{found:?}");
                assert_eq!(memory(1001, &piece[1..]).remains(&key, &(0..0)), Vec::<String>::new());
            }
        }
    }

    #[test]
    fn the_slot_is_where_both_copies_are_and_a_second_one_is_no_slot() {
        let key = Secret::new("key", KEY).unwrap();
        let plain = hex::decode(KEY).unwrap();
        let both: Vec<u8> = plain.iter().copied().chain(plain.iter().map(|byte| !byte)).collect();
        let storage = 0x2000_0000..0x2000_1000;
        let once = memory(500, &both);
        let slot = once.slot(&key, &storage).unwrap();
        assert_eq!(slot, 0x2000_01f4..0x2000_0234);
        assert_eq!(once.any_slot(&storage).unwrap(), KEY);
        assert!(once.any_slot(&(0x2000_0800..0x2000_1000)).is_err(), "it is elsewhere");
        assert!(memory(500, &plain).any_slot(&storage).is_err(), "half");
        let fill = [[0; 32], [0xff; 32]].concat();
        assert!(memory(500, &fill).any_slot(&storage).is_err(), "no key");
        let two = [&both[..], &both.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>()].concat();
        assert!(memory(500, &two).any_slot(&storage).is_err(), "two keys");
        assert_eq!(once.remains(&key, &slot), Vec::<String>::new());
        assert!(once.slot(&key, &(0x2000_0800..0x2000_1000)).is_err(), "it is elsewhere");
        assert!(memory(500, &[&both[..], &both].concat()).slot(&key, &storage).is_err(), "twice");
        assert!(memory(500, &plain).slot(&key, &storage).is_err(), "half");
        assert_eq!(memory(500, &plain).remains(&key, &(0..0)), ["0x200001f4: 32 bytes of the key, forward"]);
    }
}
