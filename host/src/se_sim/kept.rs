// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The file with what the chip keeps without power. Written anew beside itself and renamed whenever that changed, before the
//! host is answered, so that whoever ends the program ends it before or after a change, as a power cut does.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use cairn_se_sim::Chip;

use super::Args;

/// Where the memory is, and what is there.
pub(super) struct Kept {
    file: Option<PathBuf>,
    image: String,
}

impl Kept {
    /// The chip of the file, or a new one, which is then written there.
    ///
    /// # Errors
    /// A file that cannot be read or written, or is no chip's; no random numbers.
    pub(super) fn open(args: &Args) -> anyhow::Result<(Self, Chip)> {
        let chip = match args.memory.as_deref().map(fs::read_to_string) {
            Some(Ok(image)) => {
                let path = args.memory.as_deref().unwrap_or(Path::new("")).display();
                anyhow::ensure!(args.seed.is_none(), "--seed is for a new chip, and {path} has one");
                Chip::from_image(args.options(0), &image).with_context(|| path.to_string())?
            }
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{:?}", args.memory));
            }
            Some(Err(_)) | None => Chip::new(args.options(match args.seed {
                Some(seed) => seed,
                None => random()?,
            })),
        };
        let mut kept = Self { file: args.memory.clone(), image: String::new() };
        kept.keep(&chip).context("the memory's file")?;
        Ok((kept, chip))
    }

    /// Writes the file when something of it changed.
    ///
    /// # Errors
    /// Those of the file.
    pub(super) fn keep(&mut self, chip: &Chip) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let image = chip.image();
        if image == self.image {
            return Ok(());
        }
        let mut name = file.clone().into_os_string();
        name.push(".new");
        let beside = PathBuf::from(name);
        let mut new = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        new.write_all(image.as_bytes())?;
        new.sync_all()?;
        fs::rename(&beside, file)?;
        self.image = image;
        Ok(())
    }
}

fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(u64::from_be_bytes(bytes))
}
