// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entries read back, shorter, longer and disturbed ones do not.

use super::{super::head::Context, *};

fn anchor() -> Anchor {
    Anchor {
        stream: StreamId(5),
        batch: BatchNumber(0x0102_0304),
        first_seq: SequenceNumber(0x1112_1314_1516_1718),
        count: 0x00ab_cdef,
        sealed_at: 0x2122_2324_2526_2728,
        flags: AnchorFlags(3),
        root: Hash([0x33; 32]),
        prev: Commitment([0x44; 32]),
    }
}

fn items() -> Vec<Item, 18> {
    let reclaim = Reclaim { batch: 6, seq: u64::MAX };
    let time = WallTime { unix_ms: 1_768_345_200_000, quality: TimeQuality::Authenticated };
    let intent = Intent { nonce: 12, digest: Hash([0x66; 32]), fee: u128::MAX };
    let record = Item::Record { kind: Kind(u16::MAX), priority: Priority::Urgent, time, prefix: 7, payload: 7 };
    [
        record,
        Item::Seal { anchor: anchor(), with_data: true },
        Item::Signature { anchor: anchor(), with_data: false, signature: Signature([0x55; 64]) },
        Item::Level { state: BatchState::Sent, through: BatchNumber(7), reclaim: Reclaim::default() },
        Item::Level { state: BatchState::Final, through: BatchNumber(7), reclaim },
        Item::Release { through: BatchNumber(8), reclaim },
        Item::SenderSequence { end: 9 },
        Item::Lost { seq: SequenceNumber(10), reason: LossReason(11) },
        Item::Spending(None),
        Item::Spending(Some(Spending { next_nonce: 12, pending: None })),
        Item::Spending(Some(Spending { next_nonce: 13, pending: Some(intent) })),
        Item::Budget(BudgetState::new(&[14; BUDGET_MAX]).unwrap()),
        Item::Moving { generation: 12, unsealed: 13 },
        Item::Moved { before: 14 },
        Item::Run(Run { first: 15, base_ms: 16 }),
        Item::Copy { kind: Kind(17), priority: Priority::Bulk, time, prefix: 5, payload: 7 },
        Item::Displaced { count: 18 },
    ]
    .into_iter()
    .collect()
}

fn whole(item: &Item) -> std::vec::Vec<u8> {
    let payload: &[u8] = if matches!(item, Item::Record { .. } | Item::Copy { .. }) { &[1; 7] } else { &[] };
    [&item.body(1_768_345_000_000)[..], payload].concat()
}

#[test]
fn every_item_reads_back_and_no_shorter_or_longer_body_does() {
    let lengths = [17, body::SEAL, body::SIGNATURE, body::LEVEL, body::FINAL, body::RELEASE, 8, body::LOST];
    let cells = [1, body::SETTLED, body::SPENDING, body::BUDGET];
    let moved = [body::MOVING, body::MOVED, body::RUN, 12, body::DISPLACED];
    for (item, length) in items().iter().zip(lengths.into_iter().chain(cells).chain(moved)) {
        let body = whole(item);
        let read = |body: &[u8]| Item::decode(item.tag(), body, body.len(), 1_768_345_000_000, StreamId(5));
        assert_eq!(read(&body), Some(*item));
        if matches!(item, Item::Record { .. } | Item::Copy { .. }) {
            assert!((3..=RECORD_PREFIX_MAX).contains(&item.body(0).len()));
            continue;
        }
        assert_eq!(body.len(), length);
        assert_eq!(read(&body[1..]), None, "{item:?}");
        assert_eq!(read(&[&body[..], &[0]].concat()), None, "{item:?}");
    }
    assert_eq!(Item::decode(14, &[], 0, 0, StreamId(5)), None, "an item of a later version");
    assert_eq!(Item::decode(8, &[2], 1, 0, StreamId(5)), None, "a cell of a later version");
}

#[test]
fn a_head_with_any_bit_flipped_is_none_or_fails_its_entry_s_checksum() {
    let item = items()[1];
    let body = item.body(0);
    let context = Context { stream: StreamId(5), generation: 77, ..Context::default() };
    let head = Head::of(&item, &body, &[], 0x5a, &context);
    let bytes = head.encode();
    assert_eq!(Head::decode(&bytes), Some(head));
    for bit in 0..64 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        match Head::decode(&flipped) {
            None => assert!(bit < 32),
            Some(other) => assert!(bit >= 32 && other.crc != head.crc),
        }
    }
    assert_eq!(Head::decode(&[0xff; 8]), None);
    assert_eq!(Head::decode(&[0; 8]), None);
}

#[test]
fn an_entry_of_another_stream_or_generation_or_a_copy_of_another_run_has_another_checksum() {
    let crc = |item: &Item, stream, generation, first| {
        let run = Run { first, base_ms: 3 };
        let context = Context { stream: StreamId(stream), generation, base_ms: 0, run };
        Head::of(item, &item.body(0), &[], 1, &context).crc
    };
    for item in items() {
        assert_ne!(crc(&item, 1, 1, 1), crc(&item, 2, 1, 1));
        assert_ne!(crc(&item, 1, 1, 1), crc(&item, 1, 2, 1));
        let copied = matches!(item, Item::Copy { .. } | Item::Displaced { .. });
        assert_eq!(crc(&item, 1, 1, 1) != crc(&item, 1, 1, 2), copied, "{item:?}");
    }
}
