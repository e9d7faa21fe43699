// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device's NOR flash: it stays when the agent does not, counts what costs energy, and refuses what ECC flash refuses.
//! The journal of [`crate::life`] is its only user.

use std::{cell::RefCell, rc::Rc};

use cairn::journal::FlashWork;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// CONFIG_CAIRN_JOURNAL_BYTES.
pub(crate) const BYTES: usize = 65_536;
/// CONFIG_CAIRN_FLASH_WRITE_SIZE.
const WORD: usize = 8;
/// CONFIG_CAIRN_FLASH_ERASE_SIZE.
const SECTOR: usize = 4096;
/// Most bytes that count as one write here: a page of serial NOR. The journal counts its own writes for the device.
const PAGE: usize = 256;

#[derive(Debug)]
struct Cells {
    bytes: Vec<u8>,
    programmed: Vec<bool>,
    /// Since it was last asked for.
    work: FlashWork,
}

/// The flash: whoever has a copy has the same.
#[derive(Clone, Debug)]
pub(crate) struct Flash(Rc<RefCell<Cells>>);

impl Flash {
    /// A blank one.
    pub(crate) fn new() -> Self {
        let (bytes, programmed) = (vec![0xff; BYTES], vec![false; BYTES / WORD]);
        Self(Rc::new(RefCell::new(Cells { bytes, programmed, work: FlashWork::default() })))
    }

    /// What was done since this was last called.
    pub(crate) fn take_work(&self) -> FlashWork {
        core::mem::take(&mut self.0.borrow_mut().work)
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        let first = offset as usize;
        bytes.copy_from_slice(&self.0.borrow().bytes[first..first + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        BYTES
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        let mut cells = self.0.borrow_mut();
        let (from, to) = (from as usize, to as usize);
        cells.bytes[from..to].fill(0xff);
        cells.programmed[from / WORD..to / WORD].fill(false);
        cells.work.erases += u16::try_from((to - from) / SECTOR).expect("sectors of this flash");
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let mut cells = self.0.borrow_mut();
        let first = offset as usize;
        let words = &mut cells.programmed[first / WORD..(first + bytes.len()) / WORD];
        if words.contains(&true) {
            return Err(NorFlashErrorKind::Other);
        }
        words.fill(true);
        cells.bytes[first..first + bytes.len()].copy_from_slice(bytes);
        cells.work.writes += u16::try_from(bytes.len().div_ceil(PAGE)).expect("pages of this flash");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_programmed_once_between_erases_and_its_work_is_counted() {
        let mut flash = Flash::new();
        flash.write(16, &[1; 16]).unwrap();
        assert_eq!(flash.write(24, &[0; 8]), Err(NorFlashErrorKind::Other));
        flash.erase(0, 4096).unwrap();
        flash.write(24, &[2; 8]).unwrap();
        assert_eq!(flash.take_work(), FlashWork { writes: 2, erases: 1 });
        assert_eq!(flash.take_work(), FlashWork::default());
        let mut read = [0; 12];
        flash.clone().read(20, &mut read).unwrap();
        assert_eq!(read, [255, 255, 255, 255, 2, 2, 2, 2, 2, 2, 2, 2], "a copy is the same flash");
    }
}
