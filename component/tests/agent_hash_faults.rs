// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A meter whose hashes are a platform's that fails: what was hashed wrongly is never sealed, signed, sent or called damaged, no
//! reading is lost, and what failed is done again. Run by the stage `psa`, with features psa-hash and
//! cairn-psa-crypto/host-mbedtls.

mod agent_world;
mod journal_flash;

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicI32, Ordering},
};

use agent_world::{
    Device, HOUR, LogThat, Seen,
    signer::{FIRST_KEY, SECOND_KEY, TestSigner},
    start_over,
};
use cairn::{
    agent::{AdoptError, Event, EvidenceError, RotateError, RotationState, StartError, UploadMode, evidence_max},
    journal::JournalError,
    record::{Kind, Priority, SequenceNumber},
};

unsafe extern "C" {
    /// What is wrong with PSA Crypto, after how many calls, and how often (component/psa/crypto/tests/disturbed.c).
    static mut crypto_disturbance: i32;
    static mut crypto_disturbed_after: i32;
    static mut crypto_disturbed_times: i32;
}

const SETUP_FAILS: i32 = 2;
const FINISH_FAILS: i32 = 4;

/// The disturbance is one for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// From the call `after` on, as often as `times` says; 0: until the next call of this.
fn disturb(kind: i32, after: i32, times: i32) {
    // SAFETY: every test holds the lock of `alone`, and runs in one thread.
    unsafe { (crypto_disturbance, crypto_disturbed_after, crypto_disturbed_times) = (kind, after, times) };
}

/// What the disturbance was, and how far it was from striking.
fn disturbance() -> (i32, i32) {
    // SAFETY: as in `disturb`.
    unsafe { (crypto_disturbance, crypto_disturbed_after) }
}

/// The relay has a machine of its own.
fn spare_the_relay(before: bool) {
    static KIND: AtomicI32 = AtomicI32::new(0);
    let other = KIND.swap(disturbance().0, Ordering::Relaxed);
    // SAFETY: as in `disturb`.
    unsafe { crypto_disturbance = if before { 0 } else { other } };
}

fn meter(upload: UploadMode) -> Device {
    let device = Device::new(upload);
    device.world().around_relay = Some(spare_the_relay);
    device
}

/// Half a day of readings, an alarm, and what comes of them.
fn half_a_day(device: &mut Device) {
    for value in 0..5 {
        device.read_meter(100 + value);
        device.run_for(HOUR);
    }
    device.world().submit(Kind::EVENT, Priority::Urgent, b"lid");
    device.run_for(8 * HOUR);
    device.read_meter(200);
    device.agent.flush();
    device.run_for(2 * HOUR);
}

fn payloads(device: &Device) -> Vec<Vec<u8>> {
    let payload = |seen| match seen {
        Seen::Record { kind, payload, .. } if kind != Kind::IDENTITY => Some(payload),
        Seen::Record { .. } => None,
        Seen::Lost { seq, .. } => panic!("record {seq} was lost"),
    };
    device.delivered().into_iter().filter_map(payload).collect()
}

/// A few readings, another key, and more readings. What a failed hash refuses is asked for again.
fn another_key(device: &mut Device) {
    device.read_meter(100);
    device.run_for(HOUR);
    let mut next = TestSigner::new(&SECOND_KEY, &device.world);
    while let Err(error) = device.agent.rotate(&mut next, &mut |_| ()) {
        assert_eq!(error, RotateError::Journal(JournalError::Hash));
    }
    device.run_for(2 * HOUR);
    assert_eq!(device.agent.rotation(), RotationState::Signed);
    device.read_meter(101);
    while let Err(error) = device.agent.adopt(TestSigner::new(&SECOND_KEY, &device.world)) {
        assert_eq!(error, AdoptError::Journal(JournalError::Hash));
    }
    device.read_meter(102);
    device.agent.flush();
    device.run_for(2 * HOUR);
}

#[test]
fn whichever_hash_fails_once_the_relay_gets_every_record_and_nothing_that_does_not_verify() {
    let _alone = alone();
    one_fails(half_a_day, 7, 40);
}

#[test]
fn whichever_hash_fails_once_a_key_follows_another_and_the_relay_gets_every_record() {
    let _alone = alone();
    one_fails(another_key, 4, 20);
}

/// Lives `life`, in which so many records are made, once for each of its hashes, at least `fewest`: that one fails.
fn one_fails(life: fn(&mut Device), records: usize, fewest: i32) {
    let mut undisturbed = meter(UploadMode::Data);
    life(&mut undisturbed);
    let expected = payloads(&undisturbed);
    assert_eq!(expected.len(), records);
    for kind in [SETUP_FAILS, FINISH_FAILS] {
        let mut struck = 0;
        for after in 0..1000 {
            let mut device = meter(UploadMode::Data);
            disturb(kind, after, 1);
            life(&mut device);
            let missed = disturbance().0 != 0;
            disturb(0, 0, 0);
            // The relay checks each root, signature and chain, and panics.
            assert_eq!(payloads(&device), expected, "hash {after}");
            assert_eq!(device.agent.status().totals.losses, 0, "hash {after}");
            if missed {
                break;
            }
            struck += 1;
        }
        assert!((fewest..1000).contains(&struck), "{struck} hashes failed, one in each life");
    }
}

#[test]
fn while_every_hash_fails_records_are_journaled_and_nothing_is_sealed_and_then_all_is() {
    let _alone = alone();
    let mut device = meter(UploadMode::Data);
    disturb(SETUP_FAILS, 0, 0);
    half_a_day(&mut device);
    let status = device.agent.status();
    disturb(0, 0, 0);
    assert_eq!((status.totals.accepted, status.next_batch.0, status.totals.signatures), (7, 0, 0));
    assert!(status.totals.hash_faults > 0);
    assert!(!device.world().events.iter().any(|event| matches!(event, Event::Sealed { .. } | Event::Sent { .. })));
    device.run_for(13 * HOUR);
    assert_eq!(payloads(&device).len(), 7);
}

#[test]
fn evidence_of_hashes_that_failed_is_not_given_and_not_called_damaged() {
    let _alone = alone();
    let mut device = meter(UploadMode::HashOnly);
    half_a_day(&mut device);
    let mut out = [0; evidence_max(64)];
    let length = device.agent.evidence(SequenceNumber(2), &mut out).unwrap();
    let expected = out[..length].to_vec();
    for after in 0..1000 {
        disturb(FINISH_FAILS, after, 1);
        let result = device.agent.evidence(SequenceNumber(2), &mut out);
        let missed = disturbance().0 != 0;
        disturb(0, 0, 0);
        if missed {
            assert!(after > 20);
            assert_eq!(out[..result.unwrap()], expected);
            return;
        }
        assert_eq!(result, Err(EvidenceError::Journal(JournalError::Hash)), "hash {after}");
    }
    panic!("hashes without end");
}

#[test]
fn a_stream_does_not_begin_with_an_identity_that_was_not_hashed() {
    let _alone = alone();
    let device = meter(UploadMode::Data);
    let fresh = agent_world::SharedFlash(std::rc::Rc::new(std::cell::RefCell::new(journal_flash::MockFlash::new(1))));
    LogThat::<false>::format(&mut fresh.clone(), agent_world::STREAM).unwrap();
    let start = || {
        let journal = LogThat::<false>::mount(fresh.clone()).unwrap();
        start_over(journal, &device.settings, &device.world, &FIRST_KEY).map(|mut agent| agent.status().next_seq)
    };
    disturb(SETUP_FAILS, 0, 0);
    let refused = start();
    disturb(0, 0, 0);
    assert_eq!(refused, Err(StartError::Journal(JournalError::Hash)));
    assert_eq!(start(), Ok(SequenceNumber(1)));
}

#[test]
fn a_key_is_not_announced_by_a_proof_that_was_not_hashed() {
    let _alone = alone();
    let mut device = meter(UploadMode::Data);
    device.read_meter(100);
    let before = device.agent.status().next_seq;
    let mut next = TestSigner::new(&SECOND_KEY, &device.world);
    for (kind, after) in [(SETUP_FAILS, 0), (SETUP_FAILS, 1), (FINISH_FAILS, 0), (FINISH_FAILS, 1)] {
        disturb(kind, after, 1);
        let refused = device.agent.rotate(&mut next, &mut |_| ());
        assert_eq!(disturbance().0, 0, "a hash failed");
        assert_eq!(refused, Err(RotateError::Journal(JournalError::Hash)));
        assert_eq!((device.agent.rotation(), device.agent.status().next_seq), (RotationState::None, before));
    }
    assert_eq!(device.agent.rotate(&mut next, &mut |_| ()), Ok(before));
}
