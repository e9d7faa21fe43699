// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How often a journal's ring has turned, from the file that is its flash: the newest generation of its sector headers
//! (docs/journal.md, "Sector header"). Only counts; that the journal can be read is the device's to show.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

/// Sectors begin at multiples of this, whatever their length.
const SECTOR_STEP: usize = 1024;
/// A header without its checksum.
const HEADER_BYTES: usize = 148;

/// The newest generation, and how many sectors the ring has; `None` before the first header is whole.
pub(super) fn newest(flash: &Path) -> Result<Option<(u64, u64)>> {
    let image = match fs::read(flash) {
        Ok(image) => image,
        // Killed before the device asked for it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("the flash"),
    };
    Ok(image.chunks(SECTOR_STEP).filter_map(header).max())
}

/// Either of a sector's two headers, if its checksum is right.
fn header(sector: &[u8]) -> Option<(u64, u64)> {
    [0, HEADER_BYTES + 4].into_iter().find_map(|at| {
        let header = sector.get(at..at + HEADER_BYTES + 4)?;
        let (content, checksum) = header.split_at(HEADER_BYTES);
        let whole = content.starts_with(b"CJ") && crc32(content).to_le_bytes() == checksum;
        let generation = u32::from_le_bytes(content.get(8..12)?.try_into().ok()?);
        let sectors = u16::from_le_bytes(content.get(14..16)?.try_into().ok()?);
        whole.then_some((u64::from(generation), u64::from(sectors)))
    })
}

/// CRC-32 of Ethernet and zip.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// Whole turns between two looks at the flash.
pub(super) fn turns(flash: &Path) -> Result<u64> {
    let (generation, sectors) = newest(flash)?.context("the flash holds no journal")?;
    ensure!(sectors > 0, "a ring without sectors");
    Ok(generation / sectors)
}

#[cfg(test)]
mod tests {
    use super::{HEADER_BYTES, crc32, header};

    #[test]
    fn the_checksum_is_the_one_of_docs_journal() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn the_second_header_counts_when_the_first_is_torn_and_a_torn_one_never() {
        let mut content = vec![0; HEADER_BYTES];
        content[..2].copy_from_slice(b"CJ");
        (content[8], content[14]) = (77, 16);
        content.extend(crc32(&content).to_le_bytes());
        let mut sector = vec![0xff; 1024];
        sector[152..304].copy_from_slice(&content);
        assert_eq!(header(&sector), Some((77, 16)));
        sector[150] ^= 1;
        assert_eq!(header(&sector), None);
    }
}
