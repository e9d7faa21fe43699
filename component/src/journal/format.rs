// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a stream begins. Called when a device is provisioned, and by name only: the records of the stream before it are given up.
//! Two things of it live on: its last commitment, which the new stream's identity record names, and how far nonces are used,
//! which is the account's and not the stream's.

use embedded_storage::nor_flash::NorFlash;

use super::{
    MountError,
    carry::{Cells, open_sector},
    cell::Spending,
    flash::FlashJournal,
    layout::{Header, HeaderRead, Snapshot},
    mount::{Mounted, newest_header, read},
    scan::CHUNK,
};
use crate::{batch::Commitment, record::StreamId};

/// Where a stream's numbers begin that may never be used twice, when the flash cannot be believed: what a rollback-proof counter
/// says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    /// The generation that the stream begins in, at least.
    pub generation: u32,
    /// The first sender sequence number that it may reserve.
    pub sender_sequence: u64,
    /// The first nonce that it may use, at least.
    pub next_nonce: u64,
}

/// What lives on of the stream before.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    /// The generation after its last.
    generation: u32,
    /// Its last commitment.
    prev: Commitment,
    spending: Option<Spending>,
}

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize> FlashJournal<F, CAPACITY, PAYLOAD> {
    /// Begins a journal, and a stream: the records of an earlier journal are given up.
    ///
    /// # Errors
    /// [`MountError::OtherGeometry`] when the flash is too small, [`MountError::Medium`].
    pub fn format(flash: &mut F, stream: StreamId) -> Result<(), MountError> {
        Self::begin(flash, stream, None)
    }

    /// As [`Self::format`], for a flash that was rolled back: no number below `floors` is used again, and
    /// the headers say from then on what happened.
    ///
    /// # Errors
    /// As [`Self::format`].
    pub fn format_after_rollback(flash: &mut F, stream: StreamId, floors: &Floors) -> Result<(), MountError> {
        Self::begin(flash, stream, Some(floors))
    }

    fn begin(flash: &mut F, stream: StreamId, floors: Option<&Floors>) -> Result<(), MountError> {
        const { Self::CHECKED };
        if flash.capacity() < CAPACITY {
            return Err(MountError::OtherGeometry);
        }
        let (after_rollback, floors) = (floors.is_some(), floors.copied().unwrap_or_default());
        let before = Self::clear(flash)?;
        let generation = before.generation.max(floors.generation);
        let mut spending = before.spending;
        if floors.next_nonce > spending.map_or(0, |spending| spending.next_nonce) {
            spending = Some(Spending { next_nonce: floors.next_nonce, pending: None });
        }
        let cells = Cells { spending: spending.map(Some), budget: None };
        let snapshot = Snapshot {
            stream,
            prev: before.prev,
            sender_end: floors.sender_sequence,
            began: generation,
            cells: cells.set(),
            after_rollback,
            ..Snapshot::default()
        };
        let header = Header { generation, geometry: Self::GEOMETRY, snapshot };
        open_sector(flash, &header, &cells).map(drop).map_err(|_| MountError::Medium)
    }

    /// Erases what is of another division or version, which a mount would refuse, and reads what lives on of the rest.
    fn clear(flash: &mut F) -> Result<Before, MountError> {
        for sector in 0..Self::GEOMETRY.sectors {
            match read(flash, &Self::GEOMETRY, sector)? {
                HeaderRead::Valid(header) if header.geometry == Self::GEOMETRY => {}
                HeaderRead::Invalid => {}
                HeaderRead::Valid(_) | HeaderRead::UnknownVersion(_) => {
                    let start = sector * Self::GEOMETRY.sector;
                    flash.erase(start, start + Self::GEOMETRY.sector).map_err(|_| MountError::Medium)?;
                }
            }
        }
        match Mounted::find(flash, &Self::GEOMETRY) {
            Ok(Mounted { state, newest, cells, .. }) => {
                let cells = Cells::read(flash, &Self::GEOMETRY, newest, &state, cells);
                let spending = cells.map_err(|_| MountError::Medium)?.spending.flatten();
                let generation = newest.checked_add(1).ok_or(MountError::Medium)?;
                Ok(Before { generation, prev: state.prev, spending })
            }
            Err(MountError::Medium) => Err(MountError::Medium),
            // What cannot be mounted has a header at most.
            Err(_) => Ok(newest_header(flash, &Self::GEOMETRY).map_or_else(
                |_| Before::default(),
                |Header { generation, snapshot, .. }| Before {
                    generation: generation.saturating_add(1),
                    prev: snapshot.prev,
                    spending: None,
                },
            )),
        }
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
