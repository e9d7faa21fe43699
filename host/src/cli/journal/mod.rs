// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn journal`: looks at flash images that came back from the field. [`dump`]: what is in them. [`check`]: what a mount would
//! do. Reads the file; never writes one.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail, ensure};
use cairn::journal::layout::{FORMAT_VERSION, Geometry};
use cairn_journal::find::{Place, survey};
use clap::{Args, Subcommand};

use super::exit;

mod check;
mod dump;
mod entry;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show a journal in a flash image, every byte of it
    #[command(after_help = dump::HELP)]
    Dump(Dump),
    /// Say what a device with this image would do, and whether anything is lost
    #[command(after_help = check::HELP)]
    Check(Check),
}

#[derive(Debug, Args)]
pub(super) struct Dump {
    #[command(flatten)]
    input: Input,
    /// One JSON object a line: a sector's header or a piece of it
    #[arg(long)]
    json: bool,
    /// Leave out what is blank
    #[arg(long)]
    no_blank: bool,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    input: Input,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Input {
    /// The image: raw bytes of the journal's flash, or of more
    file: PathBuf,
    /// Where the journal begins in the image
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    offset: Option<usize>,
    /// The erase unit that the firmware was built with, when no header is left to say it, or to ask what that firmware would do
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    sector_bytes: Option<usize>,
    /// The write size that the firmware was built with
    #[arg(long, value_name = "BYTES", value_parser = bytes, requires = "sector_bytes", default_value = "8")]
    write_bytes: usize,
    /// Sectors of the journal; without it all that the image has
    #[arg(long, value_name = "NUMBER", requires = "sector_bytes")]
    sectors: Option<usize>,
}

/// A journal in an image.
struct Journal {
    image: Vec<u8>,
    place: Place,
}

/// What there is to look at.
enum Sought {
    Found(Journal),
    /// Sectors of another version of the format.
    OtherVersion(u8),
    /// Nothing; the image is blank.
    Blank,
    /// Nothing that is a journal.
    None,
}

pub(super) fn run(verb: &Verb) -> anyhow::Result<ExitCode> {
    let (input, is_check) = match verb {
        Verb::Dump(arguments) => (&arguments.input, false),
        Verb::Check(arguments) => (&arguments.input, true),
    };
    let journal = match input.find()? {
        Sought::Found(journal) => journal,
        Sought::OtherVersion(version) => {
            eprintln!(
                "cairn: the journal is of format version {version}, this program reads {FORMAT_VERSION}: a mount refuses it"
            );
            return Ok(ExitCode::from(exit::JOURNAL_REFUSED));
        }
        Sought::Blank => return Ok(no_journal("every byte of the image is 0xFF: erased, or read from a dead bus")),
        Sought::None => return Ok(no_journal("if it is there and its headers are gone, name --sector-bytes")),
    };
    let mut out = io::stdout().lock();
    let done = match verb {
        Verb::Dump(arguments) => dump::print(&mut out, &journal, arguments),
        Verb::Check(arguments) => check::print(&mut out, &journal, arguments.json),
    };
    match done.and_then(|code| Ok(out.flush().map(|()| code)?)) {
        // Whoever reads has seen enough of a dump. What a check found is in its exit code.
        Err(error) if !is_check && is_closed(&error) => Ok(ExitCode::SUCCESS),
        done => done.map(ExitCode::from),
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn no_journal(why: &str) -> ExitCode {
    eprintln!("cairn: there is no journal: no sector begins with a header; {why}");
    ExitCode::from(exit::NO_JOURNAL)
}

impl Input {
    fn find(&self) -> anyhow::Result<Sought> {
        let name = self.file.display();
        let image = fs::read(&self.file).with_context(|| format!("cannot read {name}"))?;
        ensure!(!image.is_empty(), "{name} is empty");
        if let Some(offset) = self.offset {
            ensure!(
                offset < image.len(),
                "--offset {offset} is behind the end of {name}, which has {} bytes",
                image.len()
            );
        }
        if let Some(sector) = self.sector_bytes {
            let place = self.as_told(sector, image.len())?;
            return Ok(Sought::Found(Journal { image, place }));
        }
        let mut found = survey(&image);
        if let Some(offset) = self.offset {
            found.journals.retain(|journal| journal.place.offset == offset);
            found.other_versions.retain(|other| other.offset >= offset);
        }
        let Some(journal) = found.journals.first() else {
            return Ok(match found.other_versions.first() {
                Some(other) => Sought::OtherVersion(other.version),
                None if image.iter().all(|&byte| byte == 0xff) => Sought::Blank,
                None => Sought::None,
            });
        };
        for other in found.journals.iter().skip(1) {
            let Place { offset, geometry } = other.place;
            tracing::warn!(
                "{} headers tell of another journal, at {offset:#x}: {}; --offset chooses",
                other.headers,
                division(&geometry)
            );
        }
        Ok(Sought::Found(Journal { place: journal.place, image }))
    }

    /// The division that the arguments tell.
    fn as_told(&self, sector: usize, image: usize) -> anyhow::Result<Place> {
        let offset = self.offset.unwrap_or(0);
        ensure!(sector.is_power_of_two() && sector <= 1 << 20, "--sector-bytes is a power of two up to 1 MiB");
        ensure!(
            self.write_bytes.is_power_of_two() && self.write_bytes <= 32,
            "--write-bytes is a power of two from 1 to 32"
        );
        let mut geometry = Geometry::new(self.write_bytes, sector, image - offset);
        if let Some(sectors) = self.sectors {
            geometry.sectors = u32::try_from(sectors).unwrap_or(u32::MAX);
        }
        if !geometry.is_possible() {
            bail!("a journal has 2 to 65535 sectors and less than 2 GiB; told are {}", division(&geometry));
        }
        Ok(Place { offset, geometry })
    }
}

impl Journal {
    /// What is missing of the journal when the image is too short.
    fn shortage(&self) -> Option<String> {
        let Place { offset, geometry } = self.place;
        let (end, has) = (offset + self.place.bytes(), self.image.len());
        let says = || {
            let division = division(&geometry);
            format!("the image ends at {has:#x}, the journal at {end:#x}: {division} from {offset:#x} on")
        };
        (!self.place.is_within(has)).then(says)
    }
}

/// How a journal divides the flash, in words.
fn division(geometry: &Geometry) -> String {
    let Geometry { granule, sector, sectors } = geometry;
    format!("{sectors} sectors of {sector} bytes, entries at multiples of {granule}")
}

/// A number of bytes: decimal, 0x…, or with k or M behind it.
fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let number = match digits.strip_prefix("0x") {
        Some(hex) => usize::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let number: Option<usize> = number.ok().and_then(|number: usize| number.checked_mul(unit));
    number.ok_or_else(|| "a number of bytes is expected, like 4096, 0x1000 or 4k".into())
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_told_in_decimal_in_hexadecimal_and_with_a_unit() {
        for (text, number) in [("4096", 4096), ("0x1000", 4096), ("4k", 4096), ("4K", 4096), ("1M", 1 << 20), ("0", 0)]
        {
            assert_eq!(bytes(text), Ok(number));
        }
        for wrong in ["", "k", "0x", "-1", "4 k", "4G", "99999999999999999999", "18446744073709551615k"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
