// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a stream begins. Called when a device is provisioned, and by name only: what an earlier stream held is given up.

use embedded_storage::nor_flash::NorFlash;

use super::{
    MountError,
    flash::FlashJournal,
    layout::{Header, HeaderRead, Snapshot},
    mount::read,
    scan::CHUNK,
    write::write_sector,
};
use crate::record::StreamId;

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize> FlashJournal<F, CAPACITY, PAYLOAD> {
    /// Begins a journal, and a stream: what an earlier journal held is given up.
    ///
    /// # Errors
    /// [`MountError::OtherGeometry`] when the flash is too small, [`MountError::Medium`].
    pub fn format(flash: &mut F, stream: StreamId) -> Result<(), MountError> {
        const { Self::CHECKED };
        if flash.capacity() < CAPACITY {
            return Err(MountError::OtherGeometry);
        }
        let mut generation = 0;
        for sector in 0..Self::GEOMETRY.sectors {
            match read(flash, &Self::GEOMETRY, sector)? {
                HeaderRead::Valid(header) if header.geometry == Self::GEOMETRY => {
                    generation = generation.max(header.generation.saturating_add(1));
                }
                HeaderRead::Invalid => {}
                // A mount would refuse it.
                HeaderRead::Valid(_) | HeaderRead::UnknownVersion(_) => {
                    let start = sector * Self::GEOMETRY.sector;
                    flash.erase(start, start + Self::GEOMETRY.sector).map_err(|_| MountError::Medium)?;
                }
            }
        }
        let snapshot = Snapshot { stream, began: generation, ..Snapshot::default() };
        let header = Header { generation, geometry: Self::GEOMETRY, snapshot };
        write_sector(flash, &header).map_err(|_| MountError::Medium)
    }

    /// Whether a flash without a journal is as delivered: blank but perhaps for the first sector, where a first format may have
    /// been cut short. Such a flash can be formatted without asking; anything else is another's, or needs a look.
    ///
    /// Reads the whole flash when it is.
    ///
    /// # Errors
    /// [`MountError::OtherGeometry`] when the flash is too small, [`MountError::Medium`].
    pub fn is_fresh(flash: &mut F) -> Result<bool, MountError> {
        const { Self::CHECKED };
        if flash.capacity() < CAPACITY {
            return Err(MountError::OtherGeometry);
        }
        if read(flash, &Self::GEOMETRY, 0)? != HeaderRead::Invalid {
            return Ok(false);
        }
        let end = Self::GEOMETRY.sector * Self::GEOMETRY.sectors;
        let mut piece = [0; CHUNK];
        for address in (Self::GEOMETRY.sector..end).step_by(CHUNK) {
            flash.read(address, &mut piece).map_err(|_| MountError::Medium)?;
            if piece.iter().any(|&byte| byte != 0xff) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
