// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which records and batches an image can hold at all, found without any of the journal's code: every place at which an entry
//! begins whose two checksums are right. And the checksums, for images whose headers are to be taken.

use std::collections::BTreeSet;

/// Entries of an image by what they say.
#[derive(Default)]
pub(super) struct Entries {
    /// Payloads of records, by how they end: behind kind and time.
    pub(super) records: Vec<Vec<u8>>,
    /// Batch number and root, of seals and signatures.
    pub(super) seals: BTreeSet<(u32, [u8; 32])>,
}

impl Entries {
    /// Whether some record ends with this payload.
    pub(super) fn backs(&self, payload: &[u8]) -> bool {
        self.records.iter().any(|body| body.len() > payload.len() && body.ends_with(payload))
    }
}

/// Every entry of `stream` in a ring of sectors this long whose newest generation is `newest`.
pub(super) fn entries(image: &[u8], sector: usize, granule: usize, stream: u64, newest: u32) -> Entries {
    let sectors = u32::try_from(image.len() / sector).expect("few");
    let mut found = Entries::default();
    for generation in newest.saturating_sub(sectors - 1)..=newest {
        let start = (generation % sectors) as usize * sector;
        let bytes = &image[start..start + sector];
        for at in (0..sector).step_by(granule) {
            let Some((tag, body)) = entry_at(&bytes[at..], stream, generation) else { continue };
            match tag {
                1 => found.records.push(body.to_vec()),
                2 | 3 if body.len() >= 56 => {
                    let batch = u32::from_le_bytes(body[..4].try_into().expect("four"));
                    found.seals.insert((batch, body[24..56].try_into().expect("a root")));
                }
                _ => {}
            }
        }
    }
    found
}

fn entry_at(bytes: &[u8], stream: u64, generation: u32) -> Option<(u8, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let number = usize::from(u16::from_le_bytes([head[0], head[1]]));
    let body = rest.get(..number >> 4)?;
    let sound = head[3] == crc8(&head[..3]) && head[4..] == entry_crc(stream, generation, &head[..4], body);
    sound.then_some((head[0] & 15, body))
}

pub(super) fn entry_crc(stream: u64, generation: u32, head: &[u8], body: &[u8]) -> [u8; 4] {
    let covered = [&stream.to_le_bytes()[..], &generation.to_le_bytes(), head, body].concat();
    crc32(&covered).to_le_bytes()
}

pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

pub(super) fn crc8(bytes: &[u8]) -> u8 {
    let step = |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 7 };
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ byte, step))
}
