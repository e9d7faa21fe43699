// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where in an image a journal is: its sectors' headers say how it divides the flash and, by their generation, which sector of the
//! ring they begin.

use std::collections::BTreeMap;

use cairn::journal::layout::{Geometry, HEADER_COPIES, Header, HeaderRead};

/// Sectors begin at multiples of this: the shortest erase unit.
const STEP: usize = 256;

/// A place in an image that a journal can be at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where its first sector begins.
    pub offset: usize,
    /// How it divides the flash from there on.
    pub geometry: Geometry,
}

impl Place {
    /// Bytes of the whole ring.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.geometry.sectors as usize * self.geometry.sector as usize
    }

    /// Whether the image, this many bytes long, has all of it.
    #[must_use]
    pub const fn is_within(&self, image: usize) -> bool {
        match self.offset.checked_add(self.bytes()) {
            Some(end) => end <= image,
            None => false,
        }
    }
}

/// A journal found by its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// How many sectors say so.
    pub headers: u32,
    /// The newest of their generations.
    pub newest: u32,
}

/// A header of a format that this build does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherVersion {
    /// Where it is in the image.
    pub offset: usize,
    /// Its format's version.
    pub version: u8,
}

/// What the headers in an image say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Journals, the one with most headers first.
    pub journals: Vec<Found>,
    /// Headers of other versions.
    pub other_versions: Vec<OtherVersion>,
}

/// Looks for headers all over an image, in either of a sector's copies.
#[must_use]
pub fn survey(image: &[u8]) -> Survey {
    let mut survey = Survey::default();
    let mut found = BTreeMap::<(usize, u32, u32, u32), Found>::new();
    for sector in (0..image.len()).step_by(STEP) {
        match header_at(image, sector) {
            Some(HeaderRead::UnknownVersion(version)) => {
                survey.other_versions.push(OtherVersion { offset: sector, version });
            }
            Some(HeaderRead::Valid(header)) => {
                let Some(place) = place_by(sector, &header) else { continue };
                let Geometry { granule, sector, sectors } = place.geometry;
                let journal = found.entry((place.offset, granule, sector, sectors));
                let journal = journal.or_insert(Found { place, headers: 0, newest: 0 });
                journal.headers += 1;
                journal.newest = journal.newest.max(header.generation);
            }
            Some(HeaderRead::Invalid) | None => {}
        }
    }
    survey.journals = found.into_values().collect();
    survey.journals.sort_by_key(|found| std::cmp::Reverse((found.headers, found.newest)));
    survey
}

/// The header of the sector that begins at `sector`, from either copy: where the second is depends on the granule.
fn header_at(image: &[u8], sector: usize) -> Option<HeaderRead> {
    let read = |offset: usize| image.get(sector + offset..)?.first_chunk().map(Header::decode);
    let first = read(0)?;
    if first != HeaderRead::Invalid {
        return Some(first);
    }
    [8, 16, 32].into_iter().find_map(|granule| {
        let copy = Geometry { granule, sector: 0, sectors: 0 }.header();
        (1..HEADER_COPIES).find_map(|number| match read((copy * number) as usize)? {
            HeaderRead::Valid(header) if header.geometry.header() == copy => Some(HeaderRead::Valid(header)),
            _ => None,
        })
    })
}

/// Where the journal begins when the sector at `sector` has this header.
fn place_by(sector: usize, header: &Header) -> Option<Place> {
    let geometry = header.geometry;
    if !geometry.is_possible() {
        return None;
    }
    let before = geometry.address(header.generation) as usize;
    sector.checked_sub(before).map(|offset| Place { offset, geometry })
}
