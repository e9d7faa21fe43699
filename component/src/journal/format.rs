// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a stream begins. Called when a device is provisioned, and by name only: the records of the stream before it are
//! given up. Two things of it live on: its last commitment, which the new stream's identity record names, and how far
//! nonces are used, which is the account's and not the stream's.

use embedded_storage::nor_flash::NorFlash;

use super::{
    MountError,
    carry::{Cells, open_sector},
    cell::Spending,
    flash::FlashJournal,
    layout::{Header, HeaderSeen, Snapshot},
    monotonic::{Marks, batches_mark},
    mount::{Mounted, newest_header, see},
    scan::CHUNK,
};
use crate::{batch::Commitment, record::StreamId};

/// What lives on of the stream before.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    /// The generation after its last.
    generation: u32,
    /// Its last commitment.
    prev: Commitment,
    spending: Option<Spending>,
    /// How far it was.
    held: Marks,
}

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize, const GIVES_WAY: bool>
    FlashJournal<F, CAPACITY, PAYLOAD, GIVES_WAY>
{
    /// Begins a journal, and a stream: the records of an earlier journal are given up.
    ///
    /// # Errors
    /// [`MountError::OtherGeometry`] when the flash is too small, [`MountError::Medium`].
    pub fn format(flash: &mut F, stream: StreamId) -> Result<(), MountError> {
        Self::format_above(flash, stream, &Marks::default())
    }

    /// As [`Self::format`], where there is a rollback-proof counter: `counted` is what it says, and no number below it
    /// is used again, whatever the flash holds. When that is behind the counter, [`super::Journal::after_rollback`]
    /// says so for as long as the stream lasts.
    ///
    /// # Errors
    /// As [`Self::format`].
    pub fn format_above(flash: &mut F, stream: StreamId, counted: &Marks) -> Result<(), MountError> {
        const { Self::CHECKED };
        if flash.capacity() < CAPACITY {
            return Err(MountError::OtherGeometry);
        }
        let before = Self::clear(flash)?;
        let generation = before.generation.max(counted.generation_above());
        let mut spending = before.spending;
        if counted.next_nonce > before.held.next_nonce {
            spending = Some(Spending { next_nonce: counted.next_nonce, pending: None });
        }
        let cells = Cells { spending: spending.map(Some), budget: None };
        let snapshot = Snapshot {
            stream,
            prev: before.prev,
            sender_end: counted.sender_sequence,
            began: generation,
            cells: cells.set(),
            after_rollback: before.held.behind(counted).is_some(),
            ..Snapshot::default()
        };
        let header = Header { generation, geometry: Self::GEOMETRY, snapshot };
        open_sector(flash, &header, &cells).map(drop).map_err(|_| MountError::Medium)
    }

    /// Erases what is of another division or version, which a mount would refuse, and reads what lives on of the rest.
    #[inline(never)]
    fn clear(flash: &mut F) -> Result<Before, MountError> {
        Self::clear_foreign(flash)?;
        match Mounted::find(flash, &Self::GEOMETRY) {
            Ok(Mounted { state, newest, cells, .. }) => {
                let cells = Cells::read(flash, &Self::GEOMETRY, newest, &state, cells);
                let spending = cells.map_err(|_| MountError::Medium)?.spending.flatten();
                let generation = newest.checked_add(1).ok_or(MountError::Medium)?;
                let held = Marks {
                    batches: batches_mark(state.began, state.next_batch),
                    sender_sequence: state.sender_end,
                    next_nonce: spending.map_or(0, |spending| spending.next_nonce),
                };
                Ok(Before { generation, prev: state.prev, spending, held })
            }
            Err(MountError::Medium) => Err(MountError::Medium),
            // What cannot be mounted has a header at most.
            Err(_) => {
                let mut newest = Header::NONE;
                Ok(newest_header(flash, &Self::GEOMETRY, &mut newest).map_or_else(
                    |_| Before::default(),
                    |()| Before {
                        generation: newest.generation.saturating_add(1),
                        prev: newest.snapshot.prev,
                        ..Before::default()
                    },
                ))
            }
        }
    }

    /// Erases what is of another division or version.
    #[inline(never)]
    fn clear_foreign(flash: &mut F) -> Result<(), MountError> {
        let mut header = Header::NONE;
        for sector in 0..Self::GEOMETRY.sectors {
            match see(flash, &Self::GEOMETRY, sector, &mut header)? {
                HeaderSeen::Valid if header.geometry == Self::GEOMETRY => {}
                HeaderSeen::Invalid => {}
                HeaderSeen::Valid | HeaderSeen::UnknownVersion(_) => {
                    let start = sector * Self::GEOMETRY.sector;
                    flash.erase(start, start + Self::GEOMETRY.sector).map_err(|_| MountError::Medium)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a flash without a journal is as delivered: blank but perhaps for the first sector, where a first format
    /// may have been cut short. Such a flash can be formatted without asking; anything else is another's, or needs a
    /// look.
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
        let mut header = Header::NONE;
        if see(flash, &Self::GEOMETRY, 0, &mut header)? != HeaderSeen::Invalid {
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
