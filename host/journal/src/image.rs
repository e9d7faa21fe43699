// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bytes as a flash that can only be read, for the component's own code to walk over.

use embedded_storage::nor_flash::{ErrorType, NorFlashError, NorFlashErrorKind, ReadNorFlash};

/// A flash image from where the journal begins.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a>(pub &'a [u8]);

/// The image ends before what was to be read does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastTheEnd;

impl NorFlashError for PastTheEnd {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::OutOfBounds
    }
}

impl ErrorType for Image<'_> {
    type Error = PastTheEnd;
}

impl ReadNorFlash for Image<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PastTheEnd> {
        let from = self.0.get(offset as usize..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(from.ok_or(PastTheEnd)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}
