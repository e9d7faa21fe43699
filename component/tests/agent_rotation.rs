// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device's key follows another, against a relay that learns of keys by rotation records only.

mod agent_world;
mod journal_flash;

use agent_world::{
    Device, Fate, HOUR, Log, PAYLOAD, STREAM, Seen, UPLINK, minicbor_uint,
    signer::{FIRST_KEY, SECOND_KEY, Secret, THIRD_KEY, TestSigner},
    start_over,
};
use cairn::{
    agent::{
        AdoptError, Event, NamedKey, RotateError, RotationState, Settings, StartError, Succession, UploadMode,
        evidence_max, succession,
    },
    batch::{Anchor, AnchorFlags, BatchNumber},
    journal::{FlashJournal, Journal as _, JournalError, NewRecord},
    merkle::Hash,
    ports::{LinkError, Ticket},
    record::{Kind, Priority, SequenceNumber},
    signer::{DeviceId, PublicKey, Signature, Signer as _, SignerError},
    time::{TimeQuality, WallTime},
};
use journal_flash::MockFlash;

#[test]
fn each_key_signs_its_turn_and_the_relay_learns_the_next_from_the_last_batch_of_the_one_before() {
    for upload in [UploadMode::Data, UploadMode::HashOnly] {
        let mut device = Device::new(upload);
        let id = device.agent.device();
        device.read_meter(1);
        for (turn, next) in [SECOND_KEY, THIRD_KEY].into_iter().enumerate() {
            device.rotate(next);
            device.read_meter(2);
            device.send();
            let status = device.agent.status();
            assert_eq!((status.key, status.device), (next.public().key_id(), id));
            assert_eq!((status.rotation, status.totals.rotations as usize), (RotationState::None, turn + 1));
        }
        let world = device.world();
        let turns: Vec<_> = world.keys.turns.iter().map(|(first, key)| (*first, *key)).collect();
        assert_eq!(turns, [(0, FIRST_KEY.public()), (2, SECOND_KEY.public()), (4, THIRD_KEY.public())]);
        let flagged: Vec<_> =
            world.anchors.iter().map(|(anchor, _)| anchor.flags.has(AnchorFlags::LAST_OF_KEY)).collect();
        assert_eq!(flagged, [false, true, false, true, false]);
        assert_eq!(
            world.data.iter().map(Option::is_some).collect::<Vec<_>>(),
            match upload {
                UploadMode::Data => [true; 5],
                UploadMode::HashOnly => [false, true, false, true, false],
            }
        );
        let rotated: Vec<_> = world.events.iter().filter(|event| matches!(event, Event::Rotated { .. })).collect();
        assert_eq!(rotated, [&Event::Rotated { batch: BatchNumber(1) }, &Event::Rotated { batch: BatchNumber(3) }]);
    }
}

/// Reads the meter so often.
fn read<const GIVES_WAY: bool>(device: &mut Device<GIVES_WAY>, times: u32) {
    for value in 0..times {
        let payload = minicbor_uint(value);
        device.world().submit(Kind::READING, Priority::Routine, &payload);
        device.poll();
    }
}

#[test]
fn what_is_no_rotation_is_refused_and_nothing_is_journaled() {
    let mut device = Device::new(UploadMode::Data);
    device.read_meter(1);
    assert_eq!(device.announce(FIRST_KEY), Err(RotateError::SameKey));
    device.world().refuses = Some((SECOND_KEY, 1));
    assert_eq!(device.announce(SECOND_KEY), Err(RotateError::Signer(SignerError::TimeOut)));
    assert_eq!(device.adopt(SECOND_KEY), Err(AdoptError::NotSigned));
    let status = device.agent.status();
    assert_eq!((status.next_seq, status.unsealed, status.rotation), (SequenceNumber(2), 2, RotationState::None));

    device.world().refuses = Some((FIRST_KEY, 100));
    assert_eq!(device.announce(SECOND_KEY), Ok(SequenceNumber(2)));
    assert_eq!(device.agent.rotation(), RotationState::Announced);
    assert_eq!(device.announce(THIRD_KEY), Err(RotateError::Pending));
    assert_eq!(device.adopt(SECOND_KEY), Err(AdoptError::NotSigned));

    device.world().refuses = None;
    device.run_for(60_000);
    assert_eq!(device.agent.rotation(), RotationState::Signed);
    assert_eq!(device.announce(THIRD_KEY), Err(RotateError::Pending));
    assert_eq!(device.adopt(THIRD_KEY), Err(AdoptError::OtherKey));
    assert_eq!(device.adopt(FIRST_KEY), Err(AdoptError::OtherKey));
    assert_eq!(device.adopt(SECOND_KEY), Ok(()));
    assert_eq!(device.adopt(SECOND_KEY), Err(AdoptError::NotSigned));
    assert_eq!(device.announce(SECOND_KEY), Err(RotateError::SameKey));
}

#[test]
fn a_full_journal_refuses_a_rotation_and_takes_it_when_it_has_room() {
    let mut device = Device::new(UploadMode::Data);
    device.world().fates = vec![Fate::Fails(LinkError::TimeOut); 10_000].into();
    while device.agent.status().totals.journal_full == 0 {
        device.world().submit(Kind::EVENT, Priority::Routine, &[7; 64]);
        device.poll();
    }
    assert_eq!(device.announce(SECOND_KEY), Err(RotateError::Journal(JournalError::Full)));
    assert_eq!(device.agent.rotation(), RotationState::None);
    device.world().fates.clear();
    device.world().finalises_quickly = true;
    device.send();
    device.run_for(24 * HOUR);
    device.rotate(SECOND_KEY);
    device.read_meter(1);
    device.send();
    assert_eq!(device.world().keys.turns.len(), 2);
}

#[test]
fn records_wait_for_the_next_key_and_then_fill_as_many_batches_as_they_need() {
    let mut device = Device::new(UploadMode::Data);
    device.world().finalises_quickly = true;
    device.announce(SECOND_KEY).unwrap();
    for filler in 0..30_u8 {
        device.world().submit(Kind::EVENT, Priority::Routine, &[filler; 64]);
        device.poll();
    }
    device.world().submit(Kind::EVENT, Priority::Urgent, b"forced");
    device.agent.flush();
    device.run_for(24 * HOUR);
    assert_eq!(device.world().anchors.len(), 2, "the rotation's batch went up, and no other");
    assert_eq!(device.agent.status().next_seq, SequenceNumber(33));
    device.adopt(SECOND_KEY).unwrap();
    device.run_for(HOUR);
    assert_eq!((device.agent.status().unsealed, device.agent.status().unsent), (0, 0), "what was asked for is done");
    assert_eq!(device.delivered().len(), 33, "each record once, and with its data");
    assert!(device.world().anchors.len() > 6);
    assert!(device.world().uplinks.iter().all(|uplink| uplink.len() <= UPLINK));
}

#[test]
fn when_there_is_no_room_for_many_batches_what_waited_becomes_one() {
    let mut device = Device::new(UploadMode::Data);
    device.announce(SECOND_KEY).unwrap();
    while device.agent.status().totals.journal_full == 0 {
        device.world().submit(Kind::EVENT, Priority::Routine, &[7; 64]);
        device.poll();
    }
    let taken = device.agent.status().next_seq.0;
    device.adopt(SECOND_KEY).unwrap();
    device.send();
    assert_eq!(device.agent.status().unsealed, 0);
    let world = device.world();
    let sealed: u64 = world.anchors.iter().map(|(anchor, _)| u64::from(anchor.count)).sum();
    assert_eq!(sealed, taken, "nothing is lost");
    assert_eq!(world.data.last(), Some(&None), "too long for an uplink: its records stay until they are released");
}

#[test]
fn a_clock_that_steps_an_exchange_and_a_loss_go_on_beside_a_rotation() {
    let mut device = Device::new(UploadMode::Data);
    device.world().fates = [Fate::Fails(LinkError::TimeOut)].into();
    read(&mut device, 3);
    device.agent.flush();
    device.poll();
    let rotten = {
        let flash = device.flash.0.borrow();
        let wanted = device.world().uplinks.len();
        assert_eq!(wanted, 1, "an exchange runs");
        // The identity's public key, in the middle of its payload.
        let key = FIRST_KEY.public().compressed();
        flash.cells.windows(33).position(|cells| cells == key).expect("the identity is in flash")
    };
    device.flash.0.borrow_mut().rot(rotten, 0x10);
    device.announce(SECOND_KEY).unwrap();
    device.world().wall_offset += 10_000;
    device.run_for(HOUR);
    let totals = device.agent.status().totals;
    assert_eq!((totals.clock_steps, totals.losses, totals.exchange_failures), (1, 1, 1));
    assert_eq!(device.agent.status().unsealed, 2, "both wait for the next key");
    device.adopt(SECOND_KEY).unwrap();
    device.send();
    let delivered = device.delivered();
    let kinds = delivered.iter().map(|seen| match seen {
        Seen::Record { kind, .. } => *kind,
        Seen::Lost { .. } => panic!("lost"),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [Kind::ROTATION, Kind::CLOCK_STEP, Kind::LOSS]);
}

#[test]
fn an_urgent_record_displaces_others_while_the_next_key_is_waited_for() {
    let mut device = Device::<true>::made(UploadMode::Data, 1_768_345_200_000, TimeQuality::Network);
    device.world().fates = vec![Fate::Fails(LinkError::Unreachable); 100_000].into();
    device.announce(SECOND_KEY).unwrap();
    while device.agent.status().totals.journal_full == 0 {
        device.world().submit(Kind::EVENT, Priority::Routine, &[7; 40]);
        device.poll();
    }
    for urgent in 0..20_u8 {
        let wall = device.world().wall();
        device.world().queue.push_back((wall, Kind::EVENT, Priority::Urgent, vec![urgent; 40], Some(Ticket(1))));
        device.poll();
        assert!(matches!(device.world().answers.pop(), Some((_, Ok(_)))), "urgent record {urgent}");
    }
    assert!(device.agent.status().totals.displaced > 0);
    device.reboot();
    assert_eq!(device.agent.rotation(), RotationState::Signed, "nobody kept a next key");
    device.adopt(SECOND_KEY).unwrap();
    device.world().fates.clear();
    device.agent.flush();
    device.run_for(24 * HOUR);
    assert_eq!((device.agent.status().unsealed, device.agent.status().unsent), (0, 0));
    let sealed: u64 = device.world().anchors.iter().map(|(anchor, _)| u64::from(anchor.count)).sum();
    assert_eq!(sealed, device.agent.status().next_seq.0);
    assert_eq!(device.world().keys.turns.len(), 2);
}

/// Starts the device's journal with some key.
fn start_with(device: &Device, settings: &Settings, secret: &Secret) -> Result<(DeviceId, RotationState), StartError> {
    let journal = Log::mount(device.flash.clone()).unwrap();
    let mut agent = start_over(journal, settings, &device.world, secret)?;
    Ok((agent.device(), agent.status().rotation))
}

#[test]
fn an_agent_starts_only_with_the_key_whose_turn_it_is() {
    let mut device = Device::new(UploadMode::Data);
    let (settings, id) = (device.settings.clone(), device.agent.device());
    let expect = |device: &Device, good: &[(Secret, RotationState)]| {
        for secret in [FIRST_KEY, SECOND_KEY, THIRD_KEY] {
            let found = start_with(device, &settings, &secret);
            let expected = good.iter().find(|(other, _)| *other == secret);
            assert_eq!(found, expected.map_or(Err(StartError::OtherKey), |(_, state)| Ok((id, *state))), "{secret:?}");
        }
    };
    expect(&device, &[(FIRST_KEY, RotationState::None)]);
    device.read_meter(1);
    device.send();
    expect(&device, &[(FIRST_KEY, RotationState::None)]);

    device.world().refuses = Some((FIRST_KEY, 100));
    device.announce(SECOND_KEY).unwrap();
    expect(&device, &[(FIRST_KEY, RotationState::Announced)]);
    device.world().refuses = None;
    device.run_for(60_000);
    expect(&device, &[(FIRST_KEY, RotationState::Signed), (SECOND_KEY, RotationState::None)]);

    device.adopt(SECOND_KEY).unwrap();
    device.read_meter(2);
    expect(&device, &[(FIRST_KEY, RotationState::Signed), (SECOND_KEY, RotationState::None)]);
    device.send();
    expect(&device, &[(SECOND_KEY, RotationState::None)]);

    let other = Settings { device: Some(DeviceId([9; 32])), ..settings.clone() };
    assert_eq!(start_with(&device, &other, &SECOND_KEY), Err(StartError::OtherDevice));
    let same = Settings { device: Some(id), ..settings.clone() };
    assert_eq!(start_with(&device, &same, &SECOND_KEY), Ok((id, RotationState::None)));
}

#[test]
fn a_key_that_is_forgotten_by_the_journal_is_not_asked_for() {
    let mut device = Device::new(UploadMode::Data);
    device.settings.device = Some(device.agent.device());
    device.world().finalises_quickly = true;
    device.rotate(SECOND_KEY);
    // More batches than a start looks at, and more than the journal keeps.
    for value in 0..90 {
        device.read_meter(value);
        device.send();
    }
    let settings = device.settings.clone();
    for secret in [SECOND_KEY, THIRD_KEY] {
        assert!(start_with(&device, &settings, &secret).is_ok(), "nothing contradicts {secret:?}");
    }
    device.reboot();
    device.read_meter(1);
    device.send();
}

/// Reads that asking a journal of so many batches takes.
fn reads_to_ask(batches: u32) -> u64 {
    type Flash = MockFlash<8, 4096, 262_144>;
    let mut flash = Flash::new(7);
    FlashJournal::<&mut Flash, 262_144, PAYLOAD>::format(&mut &mut flash, STREAM).unwrap();
    let mut journal = FlashJournal::<&mut Flash, 262_144, PAYLOAD>::mount(&mut flash).unwrap();
    let time = WallTime { unix_ms: 1_768_345_200_000, quality: TimeQuality::Network };
    for batch in 0..batches {
        let first_seq = journal.unsealed().end;
        for _ in 0..4 {
            let record = NewRecord { time, kind: Kind::READING, priority: Priority::Routine, payload: &[7; 8] };
            journal.append(&record).unwrap();
        }
        let (batch, prev) = (BatchNumber(batch), journal.last_commitment());
        let (flags, root) = (AnchorFlags(0), Hash([9; 32]));
        let anchor = Anchor { stream: STREAM, batch, first_seq, count: 4, sealed_at: 1, flags, root, prev };
        journal.seal(&anchor, true).unwrap();
        journal.attach_signature(batch, &Signature([5; 64])).unwrap();
    }
    let before = journal.into_flash().reads;
    let mut journal = FlashJournal::<&mut Flash, 262_144, PAYLOAD>::mount(&mut flash).unwrap();
    let told = succession(&mut journal).unwrap();
    assert_eq!(told, Succession::Settled(None), "record 0 is no identity, and is not looked for");
    let asked = journal.into_flash().reads - before;
    let mounted = FlashJournal::<&mut Flash, 262_144, PAYLOAD>::mount(&mut flash).unwrap();
    asked - (mounted.into_flash().reads - before - asked)
}

#[test]
fn a_start_looks_at_a_bounded_part_of_a_journal_of_many_batches() {
    let (some, many) = (reads_to_ask(100), reads_to_ask(300));
    println!("{some} reads with 100 batches, {many} with 300");
    assert!(many < some + some / 4 && many < 64 * 120, "{some}, {many}");
}

#[test]
fn who_keeps_the_keys_learns_from_the_journal_whose_turn_it_is() {
    let mut device = Device::new(UploadMode::Data);
    let ask = |device: &Device| succession(&mut Log::mount(device.flash.clone()).unwrap()).unwrap();
    let named = |secret: Secret| {
        let PublicKey { alg, .. } = secret.public();
        let device = FIRST_KEY.public().device_id();
        Some(NamedKey { device, alg, public_key: secret.public().compressed() })
    };
    assert_eq!(ask(&device), Succession::Settled(named(FIRST_KEY)));
    device.world().refuses = Some((FIRST_KEY, 100));
    device.announce(SECOND_KEY).unwrap();
    assert_eq!(ask(&device), Succession::Announced { to: named(SECOND_KEY) });
    device.world().refuses = None;
    device.run_for(60_000);
    assert_eq!(ask(&device), Succession::Signed { to: named(SECOND_KEY) });
    device.adopt(SECOND_KEY).unwrap();
    assert_eq!(ask(&device), Succession::Signed { to: named(SECOND_KEY) });
    device.read_meter(1);
    device.send();
    assert_eq!(ask(&device), Succession::Settled(named(SECOND_KEY)));
}

/// Everything is long final, the rotation too, and records fill the journal. Still it says whose turn it is; then it goes on.
#[test]
fn a_full_journal_does_not_give_up_the_rotation_before_the_next_key_is_adopted() {
    let mut device = Device::new(UploadMode::Data);
    device.world().finalises_quickly = true;
    // Once around the ring.
    for filler in 0..150_u8 {
        device.world().submit(Kind::EVENT, Priority::Routine, &[filler; 64]);
        device.send();
    }
    device.announce(SECOND_KEY).unwrap();
    let rotation = BatchNumber(u32::try_from(device.world().anchors.len()).unwrap());
    {
        let mut world = device.world();
        (world.finalises_quickly, world.final_through) = (false, Some(rotation));
    }
    device.send();
    for _ in 0..1_000 {
        device.read_meter(1);
        device.run_for(HOUR);
    }
    let status = device.agent.status();
    assert!(status.totals.journal_full > 0);
    assert_eq!(status.totals.included_through, Some(rotation));
    assert_eq!(status.totals.final_through, Some(BatchNumber(rotation.0 - 1)), "the batch before");
    let told = succession(&mut Log::mount(device.flash.clone()).unwrap()).unwrap();
    assert!(matches!(told, Succession::Signed { to: Some(to) } if to.is(&SECOND_KEY.public())), "{told:?}");

    device.reboot();
    device.adopt(SECOND_KEY).unwrap();
    device.send();
    assert_eq!(device.agent.status().totals.final_through, Some(rotation));
    device.read_meter(2);
    device.send();
    let sealed: u64 = device.world().anchors.iter().map(|(anchor, _)| u64::from(anchor.count)).sum();
    assert_eq!(sealed, device.agent.status().next_seq.0, "each once");
}

#[test]
fn evidence_names_the_key_that_signed_the_batch() {
    let mut device = Device::new(UploadMode::HashOnly);
    read(&mut device, 2);
    device.rotate(SECOND_KEY);
    read(&mut device, 2);
    device.agent.flush();
    device.run_for(HOUR);
    for _ in 0..2 {
        let mut out = [0; evidence_max(PAYLOAD)];
        for (seq, secret) in [(0, FIRST_KEY), (2, FIRST_KEY), (3, FIRST_KEY), (4, SECOND_KEY), (5, SECOND_KEY)] {
            let length = device.agent.evidence(SequenceNumber(seq), &mut out).unwrap();
            let key = secret.public().compressed();
            assert!(out[..length].windows(33).any(|bytes| bytes == key), "record {seq}");
            let tail = &out[length - 2..length];
            assert_eq!(tail, [0x80, 0xf6], "no rotations and no inclusion: the relay adds them");
        }
        assert_eq!(device.agent.key(), SECOND_KEY.public());
        device.reboot();
    }
}

/// Nobody can sign a batch of a key that is gone: it is refused, and not signed by another.
#[test]
fn a_signature_of_the_old_key_that_rots_is_not_replaced_by_one_of_the_new() {
    let mut device = Device::new(UploadMode::Data);
    device.world().fates = vec![Fate::Fails(LinkError::TimeOut); 1_000].into();
    device.read_meter(1);
    device.rotate(SECOND_KEY);
    let (_, digest) = device.world().signed[&BatchNumber(0)];
    let signature = TestSigner::new(&FIRST_KEY, &device.world).sign(&cairn::batch::Digest(digest)).unwrap();
    let place = {
        let flash = device.flash.0.borrow();
        flash.cells.windows(64).position(|cells| cells == signature.0).expect("the signature is in flash")
    };
    device.flash.0.borrow_mut().rot(place, 0x10);
    device.world().fates.clear();
    device.agent.flush();
    device.run_for(2 * HOUR);
    let totals = device.agent.status().totals;
    assert_eq!(totals.last_signer_error, Some(SignerError::NotProvisioned));
    assert!(device.world().anchors.is_empty());
    assert_eq!(device.world().signed[&BatchNumber(0)].0, FIRST_KEY);
}
