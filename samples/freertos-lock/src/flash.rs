// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal's flash: a file on the host that runs QEMU, with the rules of an internal flash that programs 8 and erases 4096
//! bytes at a time. It outlives a reset, and QEMU too. A product has its flash driver here, or one that wraps it.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use crate::semihosting::{HostFailed, HostFile, Mode};

/// In QEMU's working directory.
const PATH: &core::ffi::CStr = c"freertos-lock.flash";

/// Bytes of the flash, all for the journal.
pub const FLASH_BYTES: usize = 64 * 1024;

const WORD: usize = 8;
const UNIT: usize = 4096;

/// The flash.
#[derive(Debug)]
pub struct HostFlash(HostFile);

impl HostFlash {
    /// The flash as it was left, or a blank one when there is no file.
    ///
    /// # Errors
    /// [`HostFailed`] when the host does not answer, or the file cannot be written.
    pub fn open() -> Result<Self, HostFailed> {
        if let Ok(file) = HostFile::open(PATH, Mode::Update) {
            return Ok(Self(file));
        }
        let mut blank = Self(HostFile::open(PATH, Mode::Create)?);
        blank.fill(0, FLASH_BYTES)?;
        Ok(blank)
    }

    fn fill(&mut self, offset: u32, length: usize) -> Result<(), HostFailed> {
        self.0.seek(offset)?;
        (0..length / 64).try_for_each(|_| self.0.write(&[0xff; 64]))
    }
}

fn failed(_: HostFailed) -> NorFlashErrorKind {
    NorFlashErrorKind::Other
}

impl ErrorType for HostFlash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for HostFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        check_read(self, offset, bytes.len())?;
        self.0.seek(offset).and_then(|()| self.0.read(bytes)).map_err(failed)
    }

    fn capacity(&self) -> usize {
        FLASH_BYTES
    }
}

impl NorFlash for HostFlash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = UNIT;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        check_erase(self, from, to)?;
        self.fill(from, (to - from) as usize).map_err(failed)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        check_write(self, offset, bytes.len())?;
        // As flash with ECC: what is not blank takes nothing.
        let mut word = [0; WORD];
        for at in (offset..).step_by(WORD).take(bytes.len() / WORD) {
            self.read(at, &mut word)?;
            if word != [0xff; WORD] {
                return Err(NorFlashErrorKind::Other);
            }
        }
        self.0.seek(offset).and_then(|()| self.0.write(bytes)).map_err(failed)
    }
}
