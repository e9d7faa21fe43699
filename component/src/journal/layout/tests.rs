// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Headers read back; disturbed ones, impossible ones and those of another version do not.

use super::*;

fn header() -> Header {
    let snapshot = Snapshot {
        stream: StreamId(1),
        next_seq: 5,
        first_unsealed: 4,
        sender_end: 2,
        reclaim_seq: 3,
        loss_end: 6,
        time: WallTime { unix_ms: 7, quality: TimeQuality::Network },
        next_batch: 15,
        reached: [13, 12, 11, 10, 9],
        released: 14,
        reclaim_batch: 8,
        prev: Commitment([16; 32]),
        began: 17,
        cells: CellSet { spending: true, budget: false },
        after_rollback: true,
        moved: 17,
        displacing: NonZeroU64::new(4),
    };
    Header { generation: 17, geometry: Geometry::new(4, 4096, 65536), snapshot }
}

#[test]
fn a_header_reads_back_and_with_any_bit_flipped_does_not() {
    let bytes = header().encode();
    assert_eq!(Header::decode(&bytes), HeaderRead::Valid(header()));
    for bit in 0..HEADER_BYTES * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Header::decode(&flipped), HeaderRead::Invalid, "bit {bit}");
    }
    assert_eq!(Header::decode(&[0xff; HEADER_BYTES]), HeaderRead::Invalid);
}

#[test]
fn a_header_whose_numbers_cannot_be_is_none() {
    let impossible: [fn(&mut Snapshot); 7] = [
        |s| s.next_batch = 1000,
        |s| s.first_unsealed = s.next_seq + 1,
        |s| s.reclaim_seq = s.first_unsealed + 1,
        |s| s.reached[4] = s.reached[3] + 1,
        |s| s.reclaim_batch = s.next_batch + 1,
        |s| s.moved = 18,
        |s| s.displacing = NonZeroU64::new(s.first_unsealed + 2),
    ];
    for change in impossible {
        let mut header = header();
        change(&mut header.snapshot);
        assert_eq!(Header::decode(&header.encode()), HeaderRead::Invalid);
    }
}

#[test]
fn another_version_is_told_from_rot() {
    let mut bytes = header().encode();
    bytes[2] = 2;
    assert_eq!(Header::decode(&bytes), HeaderRead::Invalid);
    let crc = crc32(&bytes[..4]).to_le_bytes();
    bytes[4..8].copy_from_slice(&crc);
    assert_eq!(Header::decode(&bytes), HeaderRead::UnknownVersion(2));
}
