// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NOR flash in a file: what a device's flash is to the agent in tests, in simulators and under `cairn journal`. It keeps the
//! rules that ECC flash enforces, and refuses what breaks them instead of doing it: a word is programmed once between two
//! erases, whole words and whole erase units only. The file is the raw image, byte for byte.
//!
//! A program or an erase is handed to the system before it returns, so that a killed process loses nothing that was
//! acknowledged; whether a machine that loses power does is [`Survives`].

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// What an acknowledged operation survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// The end of this process, however it ends. Nothing is synced.
    Kill,
    /// A power cut of this machine: every operation is synced to the medium (`fdatasync`) before it returns.
    PowerCut,
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum FileFlashError {
    /// Half a word, half an erase unit, or beyond the end. Nothing was changed.
    #[error("the flash cannot do this: {0:?}")]
    Refused(NorFlashErrorKind),
    /// A word that was programmed since it was erased. Nothing was changed.
    #[error("the word at {0:#x} was programmed before and not erased since")]
    Programmed(u32),
    /// The file failed; words of the operation may be done, as after a power cut.
    #[error("the file of the flash: {0}")]
    File(#[from] io::Error),
}

impl From<NorFlashErrorKind> for FileFlashError {
    fn from(kind: NorFlashErrorKind) -> Self {
        Self::Refused(kind)
    }
}

impl NorFlashError for FileFlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Refused(kind) => *kind,
            Self::Programmed(_) | Self::File(_) => NorFlashErrorKind::Other,
        }
    }
}

/// A flash that programs `WORD` and erases `UNIT` bytes at a time, as long as its file. One at a time has the file.
#[derive(Debug)]
pub struct FileFlash<const WORD: usize, const UNIT: usize> {
    file: File,
    survives: Survives,
    /// Which words were programmed since they were erased: also those programmed with all bits set, which look blank.
    programmed: Vec<bool>,
}

impl<const WORD: usize, const UNIT: usize> FileFlash<WORD, UNIT> {
    /// A blank flash of `capacity` bytes, in a file that must not be there yet, for its owner only.
    ///
    /// # Errors
    /// The system's; `InvalidInput` when `capacity` is no whole erase units.
    pub fn create(path: &Path, capacity: usize, survives: Survives) -> io::Result<Self> {
        whole_units::<UNIT>(capacity)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let made = locked(file, path).and_then(|file| {
            let unit = vec![0xff; UNIT];
            (0..capacity / UNIT).try_for_each(|at| file.write_all_at(&unit, (at * UNIT) as u64))?;
            file.sync_all()?;
            Ok(Self { file, survives, programmed: vec![false; capacity / WORD] })
        });
        if made.is_err() {
            // Half a flash would be in the way of the next attempt.
            let _ = std::fs::remove_file(path);
        }
        made
    }

    /// The flash that a file holds. A word that is not blank counts as programmed.
    ///
    /// # Errors
    /// The system's; `InvalidData` when the file is no whole erase units; `WouldBlock` when another has it.
    pub fn open(path: &Path, survives: Survives) -> io::Result<Self> {
        let file = locked(OpenOptions::new().read(true).write(true).open(path)?, path)?;
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        whole_units::<UNIT>(length).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let mut cells = vec![0; length];
        file.read_exact_at(&mut cells, 0)?;
        let programmed = cells.chunks(WORD).map(|word| word.iter().any(|&byte| byte != 0xff)).collect();
        Ok(Self { file, survives, programmed })
    }

    fn settle(&self) -> io::Result<()> {
        match self.survives {
            Survives::Kill => Ok(()),
            Survives::PowerCut => self.file.sync_data(),
        }
    }
}

fn whole_units<const UNIT: usize>(length: usize) -> io::Result<()> {
    if length > 0 && length.is_multiple_of(UNIT) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{length} bytes are no whole erase units of {UNIT}")))
}

/// Holds the file against other programs for as long as it is open.
fn locked(file: File, path: &Path) -> io::Result<File> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, format!("another program uses {}", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl<const WORD: usize, const UNIT: usize> ErrorType for FileFlash<WORD, UNIT> {
    type Error = FileFlashError;
}

impl<const WORD: usize, const UNIT: usize> ReadNorFlash for FileFlash<WORD, UNIT> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FileFlashError> {
        check_read(self, offset, bytes.len())?;
        Ok(self.file.read_exact_at(bytes, offset.into())?)
    }

    fn capacity(&self) -> usize {
        self.programmed.len() * WORD
    }
}

impl<const WORD: usize, const UNIT: usize> NorFlash for FileFlash<WORD, UNIT> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = UNIT;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FileFlashError> {
        check_erase(self, from, to)?;
        let length = (to - from) as usize;
        self.file.write_all_at(&vec![0xff; length], from.into())?;
        let first = from as usize / WORD;
        self.programmed[first..first + length / WORD].fill(false);
        Ok(self.settle()?)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FileFlashError> {
        check_write(self, offset, bytes.len())?;
        let first = offset as usize / WORD;
        let words = &mut self.programmed[first..first + bytes.len() / WORD];
        if let Some(word) = words.iter().position(|&programmed| programmed) {
            #[allow(clippy::cast_possible_truncation, reason = "inside the write, which is inside a u32")]
            return Err(FileFlashError::Programmed(offset + (word * WORD) as u32));
        }
        words.fill(true);
        self.file.write_all_at(bytes, offset.into())?;
        Ok(self.settle()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Flash = FileFlash<4, 1024>;

    fn blank(folder: &tempfile::TempDir) -> (std::path::PathBuf, Flash) {
        let path = folder.path().join("flash");
        let flash = Flash::create(&path, 4096, Survives::Kill).unwrap();
        (path, flash)
    }

    #[test]
    fn a_new_flash_is_blank_and_never_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut flash) = blank(&folder);
        let mut cells = [0; 4096];
        flash.read(0, &mut cells).unwrap();
        assert_eq!((cells, flash.capacity()), ([0xff; 4096], 4096));
        assert_eq!(Flash::create(&path, 4096, Survives::Kill).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let other = folder.path().join("other");
        assert_eq!(Flash::create(&other, 4097, Survives::Kill).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(!other.exists());
    }

    #[test]
    fn a_word_is_programmed_once_between_erases_also_after_the_file_was_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut flash) = blank(&folder);
        flash.write(1028, &[0x5a; 8]).unwrap();
        flash.write(1040, &[0xff; 4]).unwrap();
        let refused = |flash: &mut Flash, offset| match flash.write(offset, &[0; 8]) {
            Err(FileFlashError::Programmed(word)) => word,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&mut flash, 1024), 1028);
        assert_eq!(refused(&mut flash, 1032), 1032);
        assert_eq!(refused(&mut flash, 1040), 1040, "programmed, although it looks blank");
        drop(flash);
        let mut flash = Flash::open(&path, Survives::PowerCut).unwrap();
        assert_eq!(refused(&mut flash, 1024), 1028);
        let mut words = [0; 16];
        flash.read(1024, &mut words).unwrap();
        assert_eq!(words[..4], [0xff; 4], "a refused write changes nothing");
        assert_eq!(words[4..12], [0x5a; 8]);
        flash.erase(1024, 2048).unwrap();
        flash.write(1024, &[0; 16]).unwrap();
        drop(flash);
        let image = std::fs::read(&path).unwrap();
        let (before, rest) = image.split_at(1024);
        assert!(before.iter().chain(&rest[16..]).all(|&byte| byte == 0xff) && rest[..16] == [0; 16]);
    }

    #[test]
    fn half_words_half_units_and_what_lies_beyond_the_end_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut flash) = blank(&folder);
        let before = std::fs::read(&path).unwrap();
        let kind = |result: Result<(), FileFlashError>| result.unwrap_err().kind();
        assert_eq!(kind(flash.write(2, &[0; 4])), NorFlashErrorKind::NotAligned);
        assert_eq!(kind(flash.write(4, &[0; 3])), NorFlashErrorKind::NotAligned);
        assert_eq!(kind(flash.erase(512, 1024)), NorFlashErrorKind::NotAligned);
        assert_eq!(kind(flash.write(4096, &[0; 4])), NorFlashErrorKind::OutOfBounds);
        assert_eq!(kind(flash.erase(4096, 5120)), NorFlashErrorKind::OutOfBounds);
        assert_eq!(kind(flash.read(4090, &mut [0; 8])), NorFlashErrorKind::OutOfBounds);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn one_at_a_time_has_the_file_and_it_must_be_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (path, flash) = blank(&folder);
        assert_eq!(Flash::open(&path, Survives::Kill).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(flash);
        Flash::open(&path, Survives::Kill).unwrap();
        std::fs::write(&path, [0xff; 1000]).unwrap();
        assert_eq!(Flash::open(&path, Survives::Kill).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
