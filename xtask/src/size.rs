// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask size`: what the samples take of flash and RAM, by section, and by the crate each symbol comes from.
//! `--record` writes it to docs/size.md.

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
    process::{Log, ask},
    project::Project,
    samples::{self, Meter},
    setup,
    stage::{Stages, passed},
};

/// What to do with the numbers.
#[derive(Args)]
pub(crate) struct Options {
    /// Write docs/size.md.
    #[arg(long)]
    record: bool,
}

const RECORD: &str = "docs/size.md";
/// Largest symbols shown.
const LARGEST: usize = 15;

/// `cargo xtask size`.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    let installed = setup::install(&project, &mut stages, samples::NEEDS);
    let mut report = None;
    stages.run("size: samples/freertos-meter", |log| {
        installed.check(samples::NEEDS)?;
        let toolchain = installed.toolchain()?;
        let image = samples::build_meter(&project, toolchain, log, Meter::Normal)?;
        report = Some(measure(&image, log)?);
        passed(toolchain.to_string())
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
    let mut out = String::from("## Sections\n\n| section | bytes | where |\n| --- | ---: | --- |\n");
    for (name, bytes, address) in sections.lines().filter_map(section) {
        let place = if address >= 0x2000_0000 { "RAM" } else { "flash" };
        writeln!(out, "| {name} | {bytes} | {place} |")?;
    }
    out.push_str("\n## By origin\n\nSymbols only; padding, vectors and unnamed constants are in no row.\n\n");
    out.push_str("| origin | flash | RAM |\n| --- | ---: | ---: |\n");
    let mut origins: Vec<_> = by_origin(&symbols).into_iter().collect();
    origins.sort_by_key(|(_, (flash, ram))| std::cmp::Reverse(flash + ram));
    for (origin, (flash, ram)) in origins {
        writeln!(out, "| {origin} | {flash} | {ram} |")?;
    }
    out.push_str("\n## Largest symbols\n\n| bytes | where | symbol |\n| ---: | --- | --- |\n");
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

fn by_origin(symbols: &[Symbol<'_>]) -> BTreeMap<String, (u64, u64)> {
    let mut origins: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for symbol in symbols {
        let entry = origins.entry(origin(symbol.name)).or_default();
        match symbol.place {
            Place::Flash => entry.0 += symbol.bytes,
            Place::Ram => entry.1 += symbol.bytes,
            Place::Data => {
                entry.0 += symbol.bytes;
                entry.1 += symbol.bytes;
            }
        }
    }
    origins
}

/// The crate a Rust symbol belongs to (of `<A as B>::f` the crate of A), or what kind of C it is.
fn origin(name: &str) -> String {
    let path = name.trim_start_matches(['<', '&', '(', '[']).trim_start_matches("mut ");
    if let Some((first, _)) = path.split_once("::") {
        let is_name = !first.is_empty() && first.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        return if is_name { format!("Rust: {first}") } else { "Rust: other".to_owned() };
    }
    if name.starts_with("cairn_") {
        return "Cairn's C interface and glue".to_owned();
    }
    let kernel =
        ["xTask", "vTask", "xQueue", "vQueue", "uxList", "vList", "prv", "xPort", "vPort", "px", "uxTask", "ux"];
    if kernel.iter().any(|start| name.starts_with(start)) {
        return "FreeRTOS kernel".to_owned();
    }
    if name.starts_with("__aeabi") || name.starts_with("mem") || name.starts_with("str") {
        return "C runtime".to_owned();
    }
    "sample and board, C".to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Place, Symbol, origin, section, symbol};

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
        assert_eq!(origin("<cairn::agent::Agent<J> as core::fmt::Debug>::fmt"), "Rust: cairn");
        assert_eq!(origin("k256::arithmetic::mul"), "Rust: k256");
        assert_eq!(origin("<&mut k256::X as core::fmt::Debug>::fmt"), "Rust: k256");
        assert_eq!(origin("<[u8; 4] as core::slice::X>::y"), "Rust: other");
        assert_eq!(origin("xTaskCreateStatic"), "FreeRTOS kernel");
        assert_eq!(origin("cairn_submit"), "Cairn's C interface and glue");
    }
}
