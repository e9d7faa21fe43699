// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long a device keeps the records of hash-only batches: never too short, whatever a relay says of the time, and
//! not for ever.

mod agent_world;
mod journal_flash;

use agent_world::{Device, HOUR};
use cairn::{
    agent::{EvidenceError, UploadMode, evidence_max},
    batch::BatchNumber,
    journal::JournalError,
    record::{Kind, Priority, SequenceNumber},
    time::{Millis, TimeQuality},
};

const DAY: u64 = 24 * HOUR;
const RETENTION_DAYS: u64 = 3;

fn keeping(quality: TimeQuality, retention: Option<Millis>) -> Device {
    let mut device = Device::with_clock(UploadMode::HashOnly, 1_768_345_200_000, quality);
    device.settings.retention = retention;
    device.reboot();
    device.world().finalises_quickly = true;
    device
}

/// Six readings a day.
fn live_a_day(device: &mut Device) {
    for value in 0..6 {
        device.read_meter(value);
        device.run_for(4 * HOUR);
    }
}

/// The number of records that the device can still prove: all of them the newest.
fn provable(device: &mut Device) -> u64 {
    let end = device.agent.status().next_seq.0;
    let mut out = [0; evidence_max(64)];
    let mut there = |seq: u64| match device.agent.evidence(SequenceNumber(seq), &mut out) {
        Ok(_) | Err(EvidenceError::NotSealed) => true,
        Err(error) => {
            assert_eq!(error, EvidenceError::NotFound);
            false
        }
    };
    let count = (0..end).rev().take_while(|&seq| there(seq)).count() as u64;
    assert!((0..end - count).all(|seq| !there(seq)), "what goes, goes from the oldest on");
    count
}

#[test]
fn without_a_retention_time_a_hash_only_device_fills_up_and_says_so() {
    let mut device = keeping(TimeQuality::Network, None);
    for _ in 0..40 {
        live_a_day(&mut device);
    }
    assert!(device.agent.status().totals.journal_full > 0);
    assert_eq!(device.agent.status().oldest_seq, SequenceNumber(0));
}

#[test]
fn with_a_retention_time_it_never_fills_up_and_younger_records_are_all_there() {
    for quality in [TimeQuality::Network, TimeQuality::SinceBoot] {
        let mut device = keeping(quality, Some(Millis(RETENTION_DAYS * DAY)));
        for day in 0..90 {
            live_a_day(&mut device);
            if day % 9 == 8 {
                let provable = provable(&mut device);
                assert!(provable >= 6 * RETENTION_DAYS, "{quality:?}, day {day}: {provable}");
            }
        }
        let status = device.agent.status();
        assert_eq!(status.totals.journal_full, 0, "{quality:?}");
        assert!(status.oldest_seq.0 > 300, "{quality:?}: {status:?}");
    }
}

#[test]
fn a_restart_makes_no_record_older_and_a_set_clock_remembers_over_it() {
    let sequence = |quality| {
        let mut device = keeping(quality, Some(Millis(RETENTION_DAYS * DAY)));
        for _ in 0..RETENTION_DAYS {
            live_a_day(&mut device);
            live_a_day(&mut device);
            device.reboot();
        }
        // Not reclaimed, for there is room; whether it was released shows when there is none.
        for _ in 0..400 {
            device.world().submit(Kind::READING, Priority::Routine, &[0x18, 0xff]);
            device.run_for(1000);
        }
        (device.agent.status().oldest_seq, device.agent.status().totals.journal_full)
    };
    let (oldest, refused) = sequence(TimeQuality::Network);
    assert!(oldest.0 > 0 && oldest.0 <= 6 * RETENTION_DAYS, "{oldest:?}, {refused} refused");
    let (oldest, refused) = sequence(TimeQuality::SinceBoot);
    assert!(oldest.0 == 0 && refused > 0, "{oldest:?}, {refused} refused");
}

#[test]
fn a_relay_s_time_moves_no_record_out() {
    let mut device = keeping(TimeQuality::SinceBoot, Some(Millis(RETENTION_DAYS * DAY)));
    for day in 0..8_u64 {
        // Years from now, and then further with every exchange.
        device.world().hint_unix_ms = Some(3_000_000_000_000 + day * HOUR);
        live_a_day(&mut device);
    }
    assert!(device.agent.status().wall.unix_ms > 2_900_000_000_000);
    for _ in 0..600 {
        device.world().submit(Kind::READING, Priority::Routine, &[0x18, 0xff]);
        device.run_for(1000);
    }
    assert_eq!(device.agent.status().oldest_seq, SequenceNumber(0));
    assert!(device.agent.status().totals.journal_full > 0);
}

#[test]
fn what_is_not_final_stays_however_old() {
    let mut device = keeping(TimeQuality::Network, Some(Millis(RETENTION_DAYS * DAY)));
    device.world().finalises_quickly = false;
    for _ in 0..40 {
        live_a_day(&mut device);
    }
    assert_eq!(device.agent.status().oldest_seq, SequenceNumber(0));
    assert_eq!(device.agent.status().totals.final_through, None);
    assert_eq!(device.agent.release(BatchNumber(u32::MAX)), Err(JournalError::NotFound));
}
