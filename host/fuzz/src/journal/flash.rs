// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A flash for the target `journal`: counts what is done to it, panics when it is too much, and when a word is programmed that is
//! not blank.

use std::convert::Infallible;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash, check_erase, check_read, check_write};

#[derive(Clone)]
pub(super) struct Flash<const W: usize, const E: usize> {
    pub(super) cells: Vec<u8>,
    /// Words programmed and units erased.
    pub(super) changes: u64,
    /// Operations that may still be done, of any kind.
    left: u64,
}

impl<const W: usize, const E: usize> Flash<W, E> {
    pub(super) fn new(cells: Vec<u8>) -> Self {
        Self { cells, changes: 0, left: 0 }
    }

    /// Lets this many operations be done from now on.
    pub(super) fn allow(&mut self, operations: u64) {
        self.left = operations;
    }

    pub(super) fn allowed(mut self, operations: u64) -> Self {
        self.allow(operations);
        self
    }

    fn count(&mut self) {
        self.left = self.left.checked_sub(1).expect("the journal goes on for ever");
    }
}

impl<const W: usize, const E: usize> ErrorType for Flash<W, E> {
    type Error = Infallible;
}

impl<const W: usize, const E: usize> ReadNorFlash for Flash<W, E> {
    const READ_SIZE: usize = W;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        check_read(self, offset, bytes.len()).expect("a read within bounds");
        self.count();
        let offset = offset as usize;
        bytes.copy_from_slice(&self.cells[offset..offset + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl<const W: usize, const E: usize> NorFlash for Flash<W, E> {
    const WRITE_SIZE: usize = W;
    const ERASE_SIZE: usize = E;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        check_erase(self, from, to).expect("an erase within bounds");
        self.count();
        self.changes += 1;
        self.cells[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        check_write(self, offset, bytes.len()).expect("a write within bounds");
        self.count();
        self.changes += 1;
        let words = &mut self.cells[offset as usize..offset as usize + bytes.len()];
        assert!(words.iter().all(|&cell| cell == 0xff), "a word is programmed that is not blank");
        words.copy_from_slice(bytes);
        Ok(())
    }
}
