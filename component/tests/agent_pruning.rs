// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From which level on a device gives up the records of a batch, and what it must not give up before: with a ledger that never
//! becomes final, through power cuts, and through a journal that turns round many times.

mod agent_world;
mod journal_flash;

use agent_world::{Device, HOUR};
use cairn::{
    agent::{Event, UploadMode},
    batch::BatchNumber,
    journal::JournalError,
    record::SequenceNumber,
    time::TimeQuality,
    uplink::Level,
};

fn pruning_at(level: Level, upload: UploadMode) -> Device {
    let mut device = Device::with_clock(upload, 1_768_345_200_000, TimeQuality::Network);
    device.settings.prune_at = level;
    device.reboot();
    device
}

/// Six readings a day, in two batches.
fn live_a_day(device: &mut Device) {
    for value in 0..6 {
        device.read_meter(value);
        device.run_for(4 * HOUR);
    }
}

/// Every number so far is in a batch that the relay has; that they follow one another the relay asserts.
fn relay_has_all(device: &mut Device) {
    device.agent.flush();
    device.run_for(4 * HOUR);
    let end = device.agent.status().next_seq;
    assert_eq!(device.world().anchors.last().unwrap().0.end(), Some(end));
    assert!(device.world().data.iter().all(Option::is_some), "with its data");
}

#[test]
fn a_ledger_that_never_becomes_final_fills_the_journal_only_where_records_wait_for_it() {
    let mut waits = pruning_at(Level::Final, UploadMode::Data);
    let mut goes_on = pruning_at(Level::Stored, UploadMode::Data);
    // Long enough that room kept for what is never said of 800 batches would be more than there is.
    for _ in 0..400 {
        live_a_day(&mut goes_on);
    }
    let status = goes_on.agent.status();
    assert_eq!((status.totals.journal_full, status.next_seq.0), (0, 2401));
    assert!(status.oldest_seq.0 > 2000, "{:?}", status.oldest_seq);
    assert_eq!(
        (status.totals.included_through, status.totals.final_through),
        (None, None),
        "it says no more than it knows"
    );
    relay_has_all(&mut goes_on);
    for _ in 0..100 {
        live_a_day(&mut waits);
    }
    assert!(waits.agent.status().totals.journal_full > 0);
    assert_eq!(waits.agent.status().oldest_seq, SequenceNumber(0));
}

#[test]
fn what_waits_for_a_block_is_kept_until_it_is_in_one() {
    let mut device = pruning_at(Level::Included, UploadMode::Data);
    for _ in 0..100 {
        live_a_day(&mut device);
    }
    assert!(device.agent.status().totals.journal_full > 0, "stored is not enough");
    assert_eq!(device.agent.status().oldest_seq, SequenceNumber(0));
    let stored = device.agent.status().totals.stored_through;
    device.world().included_through = stored;
    for _ in 0..4 {
        live_a_day(&mut device);
    }
    let refused = device.agent.status().totals.journal_full;
    for _ in 0..100 {
        let stored = device.agent.status().totals.stored_through;
        device.world().included_through = stored;
        live_a_day(&mut device);
    }
    let status = device.agent.status();
    assert_eq!(status.totals.journal_full, refused, "nothing more is refused");
    assert!(status.oldest_seq.0 > 0 && status.totals.final_through.is_none());
    relay_has_all(&mut device);
}

#[test]
fn levels_of_batches_that_are_gone_are_told_all_the_same_and_once() {
    const LATE: u32 = 60;
    let mut device = pruning_at(Level::Stored, UploadMode::Data);
    for _ in 0..150 {
        live_a_day(&mut device);
        let stored = device.agent.status().totals.stored_through;
        let late = stored.and_then(|BatchNumber(stored)| stored.checked_sub(LATE)).map(BatchNumber);
        device.world().final_through = late;
        if late == Some(BatchNumber(101)) {
            // What was told is in flash.
            device.reboot();
        }
    }
    let told: Vec<u32> = {
        let world = device.world();
        let finals = world.events.iter().filter_map(|event| match event {
            Event::Final { batch } => Some(batch.0),
            _ => None,
        });
        finals.collect()
    };
    assert!(told.len() > 200, "{}", told.len());
    assert!(told.iter().copied().eq(0..u32::try_from(told.len()).unwrap()), "{told:?}");
    let status = device.agent.status();
    let oldest_kept = device.world().anchors.iter().position(|(anchor, _)| anchor.end().unwrap() > status.oldest_seq);
    assert!(oldest_kept.unwrap() > told.len(), "they were gone by then");
    assert_eq!(status.totals.journal_full, 0);
}

#[test]
fn hash_only_records_wait_for_their_release_whatever_the_level() {
    let mut device = pruning_at(Level::Stored, UploadMode::HashOnly);
    for _ in 0..100 {
        live_a_day(&mut device);
    }
    let refused = device.agent.status().totals.journal_full;
    assert!(refused > 0);
    assert_eq!(device.agent.status().oldest_seq, SequenceNumber(0));
    let stored = device.agent.status().totals.stored_through.unwrap();
    assert_eq!(device.agent.release(BatchNumber(u32::MAX)), Err(JournalError::NotFound));
    device.agent.release(stored).unwrap();
    for _ in 0..30 {
        live_a_day(&mut device);
        let stored = device.agent.status().totals.stored_through.unwrap();
        device.agent.release(stored).unwrap();
    }
    assert_eq!(device.agent.status().totals.journal_full, refused, "there is room again");
    assert!(device.agent.status().oldest_seq.0 > 0);
}

#[test]
fn a_power_cut_at_any_time_of_a_journal_that_gives_up_early_loses_nothing_the_relay_lacks() {
    for kind in 0..journal_flash::CUTS.len() {
        for at in (1..900).step_by(13) {
            let mut device = pruning_at(Level::Stored, UploadMode::Data);
            for _ in 0..20 {
                live_a_day(&mut device);
            }
            device.flash.0.borrow_mut().cut_at(at, journal_flash::CUTS[kind]);
            for _ in 0..12 {
                live_a_day(&mut device);
            }
            assert_eq!(device.agent.status().totals.journal_full, 0);
            relay_has_all(&mut device);
            device.reboot();
            assert!(device.agent.status().oldest_seq.0 > 0, "cut {at} {kind}");
        }
    }
}
