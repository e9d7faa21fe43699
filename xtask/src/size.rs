// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask size`: what images take of flash and RAM, by signer and transport (footprint/), and one of them by section, origin and
//! crate. `--record` writes it to docs/size.md.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    footprint::{self, RECORD, Which},
    process::{Log, ask},
    project::Project,
    samples::{self, Meter},
    setup,
    stage::{Stages, passed},
};

/// What to do with the numbers.
#[derive(Args)]
pub(crate) struct Options {
    /// Write docs/size.md, which `cargo xtask test --only size` compares with.
    #[arg(long)]
    record: bool,
    /// On Zephyr the default image only, as `cargo xtask test` has it; the other rows stay as they are recorded.
    #[arg(long)]
    quick: bool,
    /// Only images with this signer, as the table names it; the other rows stay as they are recorded.
    #[arg(long, value_name = "NAME", conflicts_with = "quick")]
    signer: Option<String>,
}

/// The origin whose share every image's row has.
const LIBRARY: &str = "Cairn: the Rust library";
/// Largest symbols shown.
const LARGEST: usize = 15;

/// `cargo xtask size`.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    let installed = setup::install(&project, &mut stages, samples::NEEDS);
    let mut report = None;
    let which = match &options.signer {
        Some(name) => Which::Signer(name),
        None if options.quick => Which::Quick,
        None => Which::All,
    };
    stages.run("size: images by signer and transport", |log| {
        installed.check(samples::NEEDS)?;
        let toolchain = installed.toolchain()?;
        let measured = footprint::measure(&project, toolchain, which, log)?;
        let table = footprint::table(&project, &measured)?;
        let image = samples::build_meter(&project, toolchain, log, Meter::Normal)?;
        report = Some(format!("{table}\n## samples/freertos-meter as it is shipped\n\n{}", measure(&image, log)?));
        passed(format!("{} images, {toolchain}", measured.len()))
    });
    if let Some(report) = &report {
        println!("\n{report}");
    }
    if options.record
        && let Some(report) = report
    {
        stages.run("record: docs/size.md", |_| {
            fs::write(project.path(RECORD), record(&project, &report)).context(RECORD)?;
            passed("")
        });
    }
    Ok(stages.finish())
}

fn record(project: &Project, report: &str) -> String {
    let commit = ask("git", &["-C", &project.path("").to_string_lossy(), "rev-parse", "--short", "HEAD"]);
    let rustc = ask("rustc", &["--version"]).unwrap_or_default();
    let gcc = ask("arm-none-eabi-gcc", &["-dumpversion"]).unwrap_or_default();
    format!(
        "# Size\n\nWritten by `cargo xtask size --record` at commit {}, with {rustc} and \
         arm-none-eabi-gcc {gcc}.\n\n{report}",
        commit.as_deref().unwrap_or("unknown")
    )
}

/// Where a symbol lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Flash,
    /// Initialised: in RAM, and its content in flash.
    Data,
    Ram,
}

#[derive(Debug, PartialEq, Eq)]
struct Symbol<'a> {
    bytes: u64,
    place: Place,
    name: &'a str,
}

fn measure(image: &Path, log: &mut Log) -> Result<String> {
    let sections = log.run(Command::new("arm-none-eabi-size").args(["--format=sysv", "-d"]).arg(image))?;
    let symbols =
        log.run(Command::new("arm-none-eabi-nm").args(["--size-sort", "--reverse-sort", "-S", "-C"]).arg(image))?;
    let symbols: Vec<Symbol<'_>> = symbols.lines().filter_map(symbol).collect();
    if symbols.is_empty() {
        bail!("{} has no symbols", image.display());
    }
    let mut out = String::from("### Sections\n\n| section | bytes | where |\n| --- | ---: | --- |\n");
    for (name, bytes, address) in sections.lines().filter_map(section) {
        let place = if address >= 0x2000_0000 { "RAM" } else { "flash" };
        writeln!(out, "| {name} | {bytes} | {place} |")?;
    }
    let map = fs::read_to_string(image.with_extension("map")).context("the linker's map")?;
    out.push_str("\n### By origin\n\nFrom the linker's map: sections by the object they come from.\n\n");
    out.push_str("| origin | flash | RAM |\n| --- | ---: | ---: |\n");
    table(&mut out, by_origin(&map))?;
    out.push_str("\n### The Rust library by crate\n\nFrom symbols; unnamed constants are in no row.\n\n");
    out.push_str("| crate | flash | RAM |\n| --- | ---: | ---: |\n");
    table(&mut out, by_crate(&symbols))?;
    out.push_str("\n### Largest symbols\n\n| bytes | where | symbol |\n| ---: | --- | --- |\n");
    for symbol in symbols.iter().take(LARGEST) {
        let place = if symbol.place == Place::Flash { "flash" } else { "RAM" };
        let name: String = symbol.name.chars().take(90).collect();
        writeln!(out, "| {} | {place} | `{}` |", symbol.bytes, name.replace('|', "\\|"))?;
    }
    Ok(out)
}

/// `.text   44652   0`; sections that take no room at run time have address 0 and other names.
fn section(line: &str) -> Option<(&str, u64, u64)> {
    let mut words = line.split_whitespace();
    let (name, bytes, address) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let loaded = [".text", ".rodata", ".data", ".bss", ".ARM.exidx", ".main_stack"].contains(&name);
    (loaded && bytes > 0).then_some((name, bytes, address))
}

/// `address size type name`.
fn symbol(line: &str) -> Option<Symbol<'_>> {
    let mut words = line.splitn(4, ' ');
    let (_, size, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let place = match kind {
        "T" | "t" | "R" | "r" | "W" | "w" | "V" | "v" => Place::Flash,
        "D" | "d" => Place::Data,
        "B" | "b" => Place::Ram,
        _ => return None,
    };
    Some(Symbol { bytes: u64::from_str_radix(size, 16).ok()?, place, name })
}

/// Bytes of flash and RAM.
type Sizes = BTreeMap<String, (u64, u64)>;

fn add(sizes: &mut Sizes, name: &str, bytes: u64, place: Place) {
    let entry = sizes.entry(name.to_owned()).or_default();
    if place != Place::Ram {
        entry.0 += bytes;
    }
    if place != Place::Flash {
        entry.1 += bytes;
    }
}

/// Largest first.
fn table(out: &mut String, sizes: Sizes) -> Result<()> {
    if sizes.is_empty() {
        bail!("nothing to show: the map or the symbols are not what this expects");
    }
    let mut rows: Vec<_> = sizes.into_iter().collect();
    rows.sort_by_key(|(_, (flash, ram))| std::cmp::Reverse(flash + ram));
    for (name, (flash, ram)) in rows {
        writeln!(out, "| {name} | {flash} | {ram} |")?;
    }
    Ok(())
}

fn by_crate(symbols: &[Symbol<'_>]) -> Sizes {
    let mut sizes = Sizes::new();
    for symbol in symbols {
        if let Some(name) = crate_of(symbol.name) {
            add(&mut sizes, name, symbol.bytes, symbol.place);
        }
    }
    sizes
}

/// The crate a Rust symbol belongs to: of `<A as B>::f` the crate of A. `None` for C.
fn crate_of(name: &str) -> Option<&str> {
    let path = name.trim_start_matches(['<', '&', '(', '[']).trim_start_matches("mut ");
    let (first, _) = path.split_once("::")?;
    let is_name = !first.is_empty() && first.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    Some(if is_name { first } else { "other" })
}

/// Input sections of GNU ld's map: ` .text.name  0xaddress  0xsize  object`, on two lines when the name is long.
fn by_origin(map: &str) -> Sizes {
    let mut sizes = Sizes::new();
    let mut long_name = None;
    for line in map.lines().skip_while(|line| !line.starts_with("Linker script and memory map")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, rest) = match (words.first(), long_name.take()) {
            (Some(first), _) if line.starts_with(" .") => (*first, words.get(1..).unwrap_or_default()),
            (Some(_), Some(name)) => (name, &words[..]),
            _ => continue,
        };
        let [address, bytes, object @ ..] = rest else {
            long_name = rest.is_empty().then_some(name);
            continue;
        };
        let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let (Some(_), Some(bytes), Some(place)) = (number(address), number(bytes), place_of(name)) else { continue };
        if bytes > 0 && !object.is_empty() {
            add(&mut sizes, origin(&object.join(" ")), bytes, place);
        }
    }
    sizes
}

/// What Cairn's library takes of the flash, by the linker's map.
pub(crate) fn library_flash(map: &str) -> Option<u64> {
    by_origin(map).get(LIBRARY).map(|(flash, _)| *flash)
}

fn place_of(section: &str) -> Option<Place> {
    let is = |start: &str| section == start || section.strip_prefix(start).is_some_and(|rest| rest.starts_with('.'));
    if is(".text") || is(".rodata") || is(".vectors") || is(".ARM.exidx") {
        Some(Place::Flash)
    } else if is(".data") {
        Some(Place::Data)
    } else if is(".bss") {
        Some(Place::Ram)
    } else {
        None
    }
}

/// Who an object file belongs to.
fn origin(object: &str) -> &'static str {
    if object.contains("libcairn_capi.a") {
        LIBRARY
    } else if object.contains("cairn_freertos") {
        "Cairn: FreeRTOS glue, with storage, stack and queue of the agent's task"
    } else if object.contains("freertos_kernel") {
        "FreeRTOS kernel"
    } else if object.contains("libgcc") || object.contains("libc") || object.contains("libnosys") {
        "C runtime"
    } else {
        "sample and board"
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Symbol, by_origin, crate_of, section, symbol};

    #[test]
    fn lines_of_nm_and_size_are_read() {
        let read = symbol("00000abc 00000010 t cairn::merkle::node");
        assert_eq!(read, Some(Symbol { bytes: 16, place: Place::Flash, name: "cairn::merkle::node" }));
        assert_eq!(symbol("20000000 00000004 N debug"), None);
        assert_eq!(section(".bss   1024   536870912"), Some((".bss", 1024, 0x2000_0000)));
        assert_eq!(section(".debug_info   1024   0"), None);
        assert_eq!(section("section  size  addr"), None);
    }

    #[test]
    fn a_symbol_belongs_to_the_crate_that_implements_it() {
        assert_eq!(crate_of("<cairn::agent::Agent<J> as core::fmt::Debug>::fmt"), Some("cairn"));
        assert_eq!(crate_of("k256::arithmetic::mul"), Some("k256"));
        assert_eq!(crate_of("<&mut k256::X as core::fmt::Debug>::fmt"), Some("k256"));
        assert_eq!(crate_of("<[u8; 4] as core::slice::X>::y"), Some("other"));
        assert_eq!(crate_of("xTaskCreateStatic"), None);
    }

    #[test]
    fn sections_of_the_map_are_added_up_by_object() {
        let map = "Discarded input sections\n .text.x 0x0 0x99 main.c.obj\n\nLinker script and memory map\n\n\
            .text           0x00000000    0x100\n .text.beat     0x00000010       0x20 dir/main.c.obj\n \
            .text.a_long_name_of_a_function\n                0x00000030        0x4 dir/libcairn_capi.a(x.o)\n \
            .bss.storage   0x20000000     0x1000 dir/cairn_freertos.c.obj\n *fill*         0x00000034        0x4 \n \
            .debug_info    0x00000000       0x50 dir/main.c.obj\n";
        let sizes = by_origin(map);
        let expected = [
            ("Cairn: FreeRTOS glue, with storage, stack and queue of the agent's task", (0, 0x1000)),
            ("Cairn: the Rust library", (4, 0)),
            ("sample and board", (0x20, 0)),
        ];
        assert!(sizes.iter().map(|(name, size)| (name.as_str(), *size)).eq(expected), "{sizes:?}");
    }
}
