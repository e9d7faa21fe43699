// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal's flash: the partition that the devicetree chose as `cairn,journal`. Used by the agent's thread only; neither
//! caches nor delays. What a power cut may leave is in docs/journal.md.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use crate::shim::{self, Geometry};

/// The partition, with words of `WRITE` bytes and units of `ERASE` bytes: the driver's, or whole multiples of them. The journal
/// keeps both for life: firmware with others cannot read what is there.
#[derive(Debug)]
pub struct JournalFlash<const WRITE: usize, const ERASE: usize> {
    capacity: u32,
}

/// Why there is no such flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// Its driver is not ready.
    NotReady,
    /// `WRITE` is not whole words of the flash; this is its word in bytes.
    Word(u32),
    /// `ERASE` is not whole erase units of the flash; this is its unit in bytes.
    Unit(u32),
    /// The partition does not begin at an erase unit, or does not end at one.
    Partition,
}

impl<const WRITE: usize, const ERASE: usize> JournalFlash<WRITE, ERASE> {
    /// The partition.
    ///
    /// # Errors
    /// [`FlashError`].
    pub fn open() -> Result<Self, FlashError> {
        const { assert!(WRITE > 0 && ERASE.is_multiple_of(WRITE), "an erase unit is whole words") }
        let mut geometry = Geometry::default();
        if !shim::flash_open(&mut geometry) {
            return Err(FlashError::NotReady);
        }
        let Geometry { offset, capacity, write_bytes, erase_bytes } = geometry;
        let whole = |size: usize, part: u32| u32::try_from(size).is_ok_and(|size| size.is_multiple_of(part));
        if !whole(WRITE, write_bytes) {
            return Err(FlashError::Word(write_bytes));
        }
        // A driver that cannot say is believed to know what it does.
        if erase_bytes != 0 && !whole(ERASE, erase_bytes) {
            return Err(FlashError::Unit(erase_bytes));
        }
        let unit = if erase_bytes == 0 { 1 } else { erase_bytes };
        if !offset.is_multiple_of(unit) || !(capacity as usize).is_multiple_of(ERASE) {
            return Err(FlashError::Partition);
        }
        Ok(Self { capacity })
    }
}

fn done(by_the_driver: bool) -> Result<(), NorFlashErrorKind> {
    if by_the_driver { Ok(()) } else { Err(NorFlashErrorKind::Other) }
}

impl<const WRITE: usize, const ERASE: usize> ErrorType for JournalFlash<WRITE, ERASE> {
    type Error = NorFlashErrorKind;
}

impl<const WRITE: usize, const ERASE: usize> ReadNorFlash for JournalFlash<WRITE, ERASE> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        check_read(self, offset, bytes.len())?;
        done(shim::flash_read(offset, bytes))
    }

    fn capacity(&self) -> usize {
        self.capacity as usize
    }
}

impl<const WRITE: usize, const ERASE: usize> NorFlash for JournalFlash<WRITE, ERASE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        check_erase(self, from, to)?;
        done(shim::flash_erase(from, (to - from) as usize))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        check_write(self, offset, bytes.len())?;
        done(shim::flash_program(offset, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVER: Geometry = Geometry { offset: 4096, capacity: 4096, write_bytes: 4, erase_bytes: 1024 };

    #[test]
    fn what_is_programmed_is_read_until_its_unit_is_erased() {
        shim::insert_flash(DRIVER);
        let mut flash = JournalFlash::<8, 2048>::open().unwrap();
        flash.write(2048, b"a record").unwrap();
        let mut read = [0; 10];
        flash.read(2047, &mut read).unwrap();
        assert_eq!(&read, b"\xffa record\xff");
        flash.erase(0, 2048).unwrap();
        flash.read(2047, &mut read).unwrap();
        assert_eq!(&read, b"\xffa record\xff", "another unit was erased");
        flash.erase(2048, 4096).unwrap();
        flash.read(2047, &mut read).unwrap();
        assert_eq!(read, [0xff; 10]);
    }

    #[test]
    fn what_does_not_fit_the_geometry_never_reaches_the_driver() {
        shim::insert_flash(DRIVER);
        let mut flash = JournalFlash::<8, 2048>::open().unwrap();
        assert_eq!(flash.write(4, &[0; 8]), Err(NorFlashErrorKind::NotAligned));
        assert_eq!(flash.write(4096, &[0; 8]), Err(NorFlashErrorKind::OutOfBounds));
        assert_eq!(flash.erase(1024, 2048), Err(NorFlashErrorKind::NotAligned));
        assert_eq!(flash.read(4090, &mut [0; 8]), Err(NorFlashErrorKind::OutOfBounds));
    }

    #[test]
    fn a_driver_that_fails_is_an_error() {
        shim::insert_flash(DRIVER);
        let mut flash = JournalFlash::<4, 1024>::open().unwrap();
        shim::break_flash();
        assert_eq!(flash.write(0, &[0; 4]), Err(NorFlashErrorKind::Other));
        assert_eq!(flash.erase(0, 1024), Err(NorFlashErrorKind::Other));
        assert_eq!(flash.read(0, &mut [0; 4]), Err(NorFlashErrorKind::Other));
    }

    #[test]
    fn a_flash_with_larger_words_or_units_is_refused() {
        assert_eq!(JournalFlash::<4, 1024>::open().map(drop), Err(FlashError::NotReady));
        shim::insert_flash(Geometry { write_bytes: 8, ..DRIVER });
        assert_eq!(JournalFlash::<4, 1024>::open().map(drop), Err(FlashError::Word(8)));
        shim::insert_flash(Geometry { erase_bytes: 4096, ..DRIVER });
        assert_eq!(JournalFlash::<4, 1024>::open().map(drop), Err(FlashError::Unit(4096)));
        shim::insert_flash(Geometry { offset: 512, ..DRIVER });
        assert_eq!(JournalFlash::<4, 1024>::open().map(drop), Err(FlashError::Partition));
        shim::insert_flash(Geometry { capacity: 3072, ..DRIVER });
        assert_eq!(JournalFlash::<4, 2048>::open().map(drop), Err(FlashError::Partition));
    }
}
