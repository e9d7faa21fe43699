// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What whole images take of flash and RAM, by signer and transport: the first table of docs/size.md. images.rs builds and measures
//! them; here rows are read, written and compared. `cargo xtask size --record` is the only way to change the table.

mod images;

use std::{fmt, fs};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    embedded::Toolchain,
    process::Log,
    project::Project,
    samples,
    stage::{Outcome, passed},
    suite::{Context, Stage},
    zephyr,
};

/// Nothing grew unnoticed.
pub(crate) const STAGE: Stage = Stage {
    name: "size",
    about: "no image is over 2 % larger than docs/size.md says; RAM is left on qemu_cortex_m3",
    needs: samples::NEEDS,
    body: check,
};

/// Where the table is.
pub(crate) const RECORD: &str = "docs/size.md";
/// Growth up to this is not worth a look.
const TOLERATED_PERCENT: u64 = 2;
/// What the application can still have on qemu_cortex_m3, at least: RAM of its 64 kB less the 16 kB of simulated flash.
const UNUSED_RAM_MIN: u64 = 8 * 1024;

const HEAD: &str = "| RTOS | board | signer | transport | flash | RAM | of the flash Cairn's library | rustc | gcc |\n\
                    | --- | --- | --- | --- | ---: | ---: | ---: | --- | --- |\n";

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// With its version: rows of two versions are not compared.
    rtos: String,
    board: String,
    signer: String,
    transport: String,
    flash: u64,
    ram: u64,
    library: u64,
    rustc: String,
    gcc: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rtos, board, signer, transport, flash, ram, library, rustc, gcc } = self;
        write!(f, "| {rtos} | {board} | {signer} | {transport} | {flash} | {ram} | {library} | {rustc} | {gcc} |")
    }
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [rtos, board, signer, transport, flash, ram, library, rustc, gcc] = cells[..] else { return None };
        Some(Self {
            rtos: rtos.to_owned(),
            board: board.to_owned(),
            signer: signer.to_owned(),
            transport: transport.to_owned(),
            flash: flash.parse().ok()?,
            ram: ram.parse().ok()?,
            library: library.parse().ok()?,
            rustc: rustc.to_owned(),
            gcc: gcc.to_owned(),
        })
    }

    /// The same image, of whatever day and versions.
    fn is_image_of(&self, other: &Self) -> bool {
        let family = |row: &Self| row.rtos.split(' ').next().map(str::to_owned);
        (family(self), &self.board, &self.signer, &self.transport)
            == (family(other), &other.board, &other.signer, &other.transport)
    }

    fn has_the_versions_of(&self, other: &Self) -> bool {
        (&self.rtos, &self.rustc, &self.gcc) == (&other.rtos, &other.rustc, &other.gcc)
    }

    fn name(&self) -> String {
        format!("{} on {}, {}, {}", self.rtos, self.board, self.signer, self.transport)
    }

    /// What grew by more than is tolerated.
    fn growth_since(&self, recorded: &Self) -> Vec<String> {
        let sizes = [("flash", recorded.flash, self.flash), ("RAM", recorded.ram, self.ram)];
        let grew = sizes.into_iter().filter(|(_, old, new)| new * 100 > old * (100 + TOLERATED_PERCENT));
        grew.map(|(what, old, new)| format!("{}: {what} grew from {old} to {new} bytes", self.name())).collect()
    }
}

/// The rows in a text.
fn rows(text: &str) -> Vec<Row> {
    text.lines().filter_map(Row::parse).collect()
}

/// How the table was compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Comparison {
    compared: usize,
    of_other_versions: usize,
    wrong: Vec<String>,
}

fn compare(recorded: &[Row], measured: &[Row]) -> Comparison {
    let mut comparison = Comparison::default();
    for row in measured {
        match recorded.iter().find(|old| old.is_image_of(row)) {
            None => comparison.wrong.push(format!("{}: {RECORD} has no row for it", row.name())),
            Some(old) if !old.has_the_versions_of(row) => comparison.of_other_versions += 1,
            Some(old) => {
                comparison.compared += 1;
                comparison.wrong.extend(row.growth_since(old));
            }
        }
    }
    comparison
}

fn check(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let recorded = rows(&fs::read_to_string(project.path(RECORD)).context(RECORD)?);
    let which = if context.long { Which::All } else { Which::Quick };
    let measured = measure(project, context.toolchain()?, which, log)?;
    let unused = unused_ram(&measured)?;
    let Comparison { compared, of_other_versions, wrong } = compare(&recorded, &measured);
    if !wrong.is_empty() {
        bail!("{}\nwhen that is meant: cargo xtask size --record, and commit {RECORD}", wrong.join("\n"));
    }
    let unused =
        unused.map_or_else(|| zephyr::NO_WORKSPACE.to_owned(), |unused| format!("{unused} bytes of RAM unused"));
    passed(format!("{compared} images compared, {of_other_versions} recorded with other versions; {unused}"))
}

/// RAM that the default image leaves on qemu_cortex_m3; `None` when it was not built.
///
/// # Errors
/// When that is too little.
fn unused_ram(measured: &[Row]) -> Result<Option<u64>> {
    let Some(row) = measured.iter().find(|row| images::is_the_default_on_zephyr(row)) else { return Ok(None) };
    let unused = images::ZEPHYR_RAM.saturating_sub(row.ram);
    ensure!(
        unused >= UNUSED_RAM_MIN,
        "{}: {unused} bytes of RAM are left, {UNUSED_RAM_MIN} are promised to the application",
        row.name()
    );
    Ok(Some(unused))
}

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which<'a> {
    /// Those of FreeRTOS, which other stages build too, and on Zephyr the default one.
    Quick,
    /// Every one that this machine can build.
    All,
    /// Those with this signer.
    Signer(&'a str),
}

impl Which<'_> {
    fn takes(self, signer: &str, is_quick: bool) -> bool {
        match self {
            Self::Quick => is_quick,
            Self::All => true,
            Self::Signer(name) => name == signer,
        }
    }
}

/// Builds and measures.
pub(crate) fn measure(project: &Project, toolchain: Toolchain, which: Which<'_>, log: &mut Log) -> Result<Vec<Row>> {
    let mut measured = images::freertos(project, toolchain, which, log)?;
    measured.extend(images::zephyr(project, toolchain, which, log)?);
    ensure!(!measured.is_empty(), "no image has this signer");
    Ok(measured)
}

/// What was recorded, with what was measured now in its place; new images last.
fn merged(recorded: &[Row], measured: &[Row]) -> Vec<Row> {
    let now = |old: &Row| measured.iter().find(|row| row.is_image_of(old)).unwrap_or(old).clone();
    let new = measured.iter().filter(|row| recorded.iter().all(|old| !old.is_image_of(row)));
    recorded.iter().map(now).chain(new.cloned()).collect()
}

/// The table for docs/size.md. Rows that were not measured stay as they were recorded.
pub(crate) fn table(project: &Project, measured: &[Row]) -> Result<String> {
    let text = fs::read_to_string(project.path(RECORD)).context(RECORD)?;
    let rows = merged(&rows(&text), measured);
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let unused = unused_ram(&rows)?.map_or_else(String::new, |unused| {
        format!(
            " The first of Zephyr leaves {unused} bytes of RAM unused; `cargo xtask test --only size` fails below \
             {UNUSED_RAM_MIN}."
        )
    });
    Ok(format!(
        "## Images by signer and transport\n\nBytes. Flash is all that is loaded, RAM everything static with all stacks. FreeRTOS is \
         samples/freertos-meter; Zephyr is samples/zephyr-meter with shell and log, on qemu_cortex_m3 with its own IP stack or with a \
         modem on a UART, without the 16 kB of RAM that are its simulated flash.{unused} Growth over {TOLERATED_PERCENT} % against a row \
         of the same versions fails until the table is recorded anew.\n\n{HEAD}{lines}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Row, compare, merged, rows};

    fn row(flash: u64, ram: u64, rtos: &str) -> Row {
        let text = |text: &str| text.to_owned();
        let (rtos, board, signer, transport) = (text(rtos), text("b"), text("software"), text("UDP"));
        Row { rtos, board, signer, transport, flash, ram, library: 7, rustc: text("1.95.0"), gcc: text("12.2.1") }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let row = row(1000, 200, "Zephyr 4.1.0");
        assert_eq!(rows(&format!("{}\n{row}\ntext\n", super::HEAD)), [row]);
    }

    #[test]
    fn a_new_measurement_takes_the_place_of_the_old_and_the_others_stay() {
        let (zephyr, freertos) = (row(1000, 200, "Zephyr 4.1.0"), row(900, 100, "FreeRTOS V11.2.0"));
        let now = row(1100, 200, "Zephyr 4.2.0");
        let recorded = [zephyr, freertos.clone()];
        assert_eq!(merged(&recorded, std::slice::from_ref(&now)), [now.clone(), freertos.clone()]);
        assert_eq!(merged(std::slice::from_ref(&freertos), std::slice::from_ref(&now)), [freertos, now]);
    }

    #[test]
    fn growth_over_two_percent_is_wrong_and_less_is_not() {
        let old = [row(1000, 200, "Zephyr 4.1.0")];
        assert_eq!(compare(&old, &[row(1020, 204, "Zephyr 4.1.0")]).wrong, [""; 0]);
        let grown = compare(&old, &[row(1021, 205, "Zephyr 4.1.0")]).wrong;
        assert_eq!(grown.len(), 2, "{grown:?}");
        assert!(grown[0].contains("flash grew from 1000 to 1021") && grown[1].contains("RAM grew from 200 to 205"));
    }

    #[test]
    fn rows_of_other_versions_are_not_compared_and_missing_ones_are_wrong() {
        let (old, new) = ([row(1000, 200, "Zephyr 4.1.0")], [row(9000, 200, "Zephyr 4.2.0")]);
        assert_eq!(compare(&old, &new), Comparison { compared: 0, of_other_versions: 1, wrong: Vec::new() });
        assert_eq!(compare(&[], &new).wrong.len(), 1);
    }
}
