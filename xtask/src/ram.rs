// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a device's key is while it runs: the meter's image signs in QEMU, then the whole memory of the machine is read from
//! outside and searched. Outside the signer's slot there may be no eight bytes of the key in any form in which a computation
//! holds it. Needs no chain and no relay: nothing has to be sent to be signed.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    ops::Range,
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    demo::device::{Device, Flash, Power},
    process::Log,
    samples::{Meter, build_meter},
    setup::Need,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Signs, dumps, searches.
pub(crate) const STAGE: Stage = Stage {
    name: "ram",
    about: "after signing, nothing of the key is in the machine's memory outside its slot",
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
    let image = build_meter(&context.project, context.toolchain()?, log, Meter::Normal)?;
    let folder = context.project.directory("xtask/ram")?;
    let storage = symbol(log, &image, "storage")?;
    let key = Secret::new("key", KEY)?;
    let master = Secret::new("OSCORE master secret", MASTER_SECRET)?;

    let clean = dump(&image, &folder, "clean", &[])?;
    let slot = clean.slot(&key, &storage)?;
    report(log, &clean.remains(&key, &slot))?;
    report(log, &clean.remains(&master, &(0..0)))?;

    // Eight bytes out of the middle, in words turned round as a hash reads them.
    let copy = key.forms.get(2).and_then(|form| form.bytes.get(12..12 + WINDOW)).context("a form")?;
    let number = copy.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let lay = format!("loader,addr={ELSEWHERE:#x},data={number:#x},data-len=8");
    let leaky = dump(&image, &folder, "control", &["-device".into(), lay])?;
    let found = leaky.remains(&key, &slot);
    ensure!(
        matches!(&found[..], [one] if one.starts_with(&format!("{ELSEWHERE:#x}: "))),
        "the search does not find the copy that was laid on purpose, or finds more: {found:?}"
    );
    let bytes: u64 = MEMORIES.iter().map(|(_, length)| length).sum();
    passed(format!("{bytes} bytes of memory: the key is in its slot of {} bytes only", slot.end - slot.start))
}

fn report(log: &mut Log, found: &[String]) -> Result<()> {
    for line in found {
        log.note(line)?;
    }
    ensure!(found.is_empty(), "parts of a secret are in memory:\n{}", found.join("\n"));
    Ok(())
}

/// Boots the image, has it sign, and reads all memory.
fn dump(image: &Path, folder: &Path, name: &str, machine: &[String]) -> Result<Memory> {
    let file = |end: &str| folder.join(format!("{name}.{end}"));
    let (factory, flash, socket) = (file("factory.bin"), file("flash"), file("qmp"));
    fs::write(&factory, hex::decode(FACTORY.split_whitespace().collect::<String>())?)?;
    for old in [&flash, &socket] {
        if old.exists() {
            fs::remove_file(old)?;
        }
    }
    let mut machine = machine.to_vec();
    machine.extend(["-qmp".into(), format!("unix:{},server=on,wait=off", socket.display())]);
    let mut meter = Device::boot(&Power {
        image,
        factory: &factory,
        flash: Flash::Fast(flash),
        modem: None,
        machine,
        console_log: file("console.log"),
        show: false,
    })?;
    meter.ask("run 8", SOON)?;
    meter.ask("flush", SOON)?;
    meter.wait_event("a batch is signed", SOON, |event| event.name == "signed")?;
    meter.ask("selftest", SOON)?;
    meter.ask("evidence 3", SOON)?;
    let mut monitor = Monitor::connect(&socket)?;
    monitor.ask("stop", &json!({}))?;
    let mut memory = Memory(Vec::new());
    for (start, length) in MEMORIES {
        let piece = file("memory");
        let arguments = json!({"val": start, "size": length, "filename": piece.display().to_string()});
        monitor.ask("pmemsave", &arguments)?;
        memory.0.push((start, fs::read(&piece)?));
    }
    Ok(memory)
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
        assert_eq!(once.remains(&key, &slot), Vec::<String>::new());
        assert!(once.slot(&key, &(0x2000_0800..0x2000_1000)).is_err(), "it is elsewhere");
        assert!(memory(500, &[&both[..], &both].concat()).slot(&key, &storage).is_err(), "twice");
        assert!(memory(500, &plain).slot(&key, &storage).is_err(), "half");
        assert_eq!(memory(500, &plain).remains(&key, &(0..0)), ["0x200001f4: 32 bytes of the key, forward"]);
    }
}
