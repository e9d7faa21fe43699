// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A confirmed firmware image is journaled once: whoever confirms it says so at every start, and whatever the power does.

mod agent_world;
mod journal_flash;

use agent_world::{Device, HOUR, Seen};
use cairn::{
    agent::{Confirmed, Event, SubmitError, UploadMode},
    batch::BatchNumber,
    firmware::{Confirmation, Firmware},
    journal::JournalError,
    record::{Kind, Priority, SequenceNumber},
};
use journal_flash::{CUTS, Cut};

/// More readings than the journal has room for.
const MANY: u32 = 4_000;

fn image(number: u8) -> Firmware {
    Firmware::new(format!("1.{number}.0").as_bytes(), [number; 32], 0).unwrap()
}

/// What a boot loader's glue does: says it until it is journaled. Power may go away meanwhile.
fn confirm(device: &mut Device, firmware: Firmware) -> Result<Confirmed, JournalError> {
    let world = device.world.clone();
    let mut confirmation = Confirmation::of(firmware);
    loop {
        let events = &mut |event| world.0.borrow_mut().events.push(event);
        match device.agent.confirm_firmware(&mut confirmation, events) {
            Ok(Confirmed::Searching) => {}
            said => return said,
        }
    }
}

/// The images that the relay was told of, in order.
fn told(device: &Device) -> Vec<Firmware> {
    let firmware = |seen: Seen| match seen {
        Seen::Record { kind: Kind::FIRMWARE, payload, .. } => {
            Some(Firmware::from_payload(&payload).expect("a firmware"))
        }
        _ => None,
    };
    device.delivered().into_iter().filter_map(firmware).collect()
}

fn send(device: &mut Device) {
    device.agent.flush();
    device.run_for(HOUR);
}

#[test]
fn an_image_is_journaled_once_over_restarts_and_again_after_another_ran() {
    let mut device = Device::new(UploadMode::Data);
    assert_eq!(confirm(&mut device, image(1)), Ok(Confirmed::Journaled(SequenceNumber(1))));
    assert_eq!(confirm(&mut device, image(1)), Ok(Confirmed::Known));
    device.reboot();
    device.read_meter(7);
    assert_eq!(confirm(&mut device, image(1)), Ok(Confirmed::Known), "after a restart");
    send(&mut device);
    device.reboot();
    assert_eq!(confirm(&mut device, image(1)), Ok(Confirmed::Known), "when it is sealed");
    assert_eq!(confirm(&mut device, image(2)), Ok(Confirmed::Journaled(SequenceNumber(3))));
    assert_eq!(confirm(&mut device, image(1)), Ok(Confirmed::Journaled(SequenceNumber(4))), "an image that came back");
    send(&mut device);
    assert_eq!(told(&device), [image(1), image(2), image(1)]);
}

#[test]
fn another_version_hash_or_slot_is_another_image() {
    let mut device = Device::new(UploadMode::Data);
    let images = [
        Firmware::new(b"1.0", [1; 32], 0).unwrap(),
        Firmware::new(b"1.1", [1; 32], 0).unwrap(),
        Firmware::new(b"1.1", [2; 32], 0).unwrap(),
        Firmware::new(b"1.1", [2; 32], 1).unwrap(),
    ];
    for firmware in images {
        assert!(matches!(confirm(&mut device, firmware), Ok(Confirmed::Journaled(_))));
    }
    send(&mut device);
    assert_eq!(told(&device), images);
}

#[test]
fn an_application_cannot_submit_a_firmware_record() {
    let mut device = Device::new(UploadMode::Data);
    device.world().submit(Kind::FIRMWARE, Priority::Routine, &image(1).payload());
    device.poll();
    assert_eq!(device.world().events, [Event::Refused(SubmitError::Kind)]);
    send(&mut device);
    assert_eq!(told(&device), []);
}

#[test]
fn a_long_journal_is_searched_in_pieces() {
    let mut device = Device::new(UploadMode::HashOnly);
    confirm(&mut device, image(1)).unwrap();
    for value in 0..300 {
        device.read_meter(value);
    }
    let mut confirmation = Confirmation::of(image(1));
    let said: Vec<_> = (0..3).map(|_| device.agent.confirm_firmware(&mut confirmation, &mut |_| {}).unwrap()).collect();
    assert_eq!(said, [Confirmed::Searching, Confirmed::Searching, Confirmed::Known]);
}

#[test]
fn a_record_that_comes_while_the_journal_is_searched_is_looked_at_too() {
    let mut device = Device::new(UploadMode::HashOnly);
    confirm(&mut device, image(1)).unwrap();
    for value in 0..200 {
        device.read_meter(value);
    }
    let mut confirmation = Confirmation::of(image(1));
    assert_eq!(device.agent.confirm_firmware(&mut confirmation, &mut |_| {}), Ok(Confirmed::Searching));
    confirm(&mut device, image(2)).unwrap();
    let said = device.agent.confirm_firmware(&mut confirmation, &mut |_| {});
    assert!(matches!(said, Ok(Confirmed::Journaled(_))), "{said:?}");
}

#[test]
fn a_full_journal_refuses_it_with_a_count_and_takes_it_once_when_there_is_room() {
    let mut device = Device::new(UploadMode::Data);
    let mut value = 0;
    while device.agent.status().totals.journal_full == 0 {
        device.read_meter(value);
        value += 1;
        assert!(value < MANY, "the journal never fills");
    }
    let refused = device.agent.status().totals.journal_full;
    assert_eq!(confirm(&mut device, image(1)), Err(JournalError::Full));
    assert_eq!(device.agent.status().totals.journal_full, refused + 1);
    assert_eq!(device.world().events.last(), Some(&Event::Refused(SubmitError::Journal(JournalError::Full))));
    send(&mut device);
    device.world().final_through = Some(BatchNumber(0));
    device.run_for(24 * HOUR);
    assert!(matches!(confirm(&mut device, image(1)), Ok(Confirmed::Journaled(_))));
    assert_eq!(confirm(&mut device, image(1)), Ok(Confirmed::Known));
    send(&mut device);
    assert_eq!(told(&device), [image(1)]);
}

#[test]
fn when_its_record_was_reclaimed_the_image_is_said_once_more() {
    let mut device = Device::new(UploadMode::Data);
    device.world().finalises_quickly = true;
    let Ok(Confirmed::Journaled(first)) = confirm(&mut device, image(1)) else { panic!("not journaled") };
    let mut value = 0;
    while device.agent.status().oldest_seq <= first {
        device.read_meter(value);
        if value % 50 == 0 {
            send(&mut device);
        }
        value += 1;
        assert!(value < MANY, "nothing is reclaimed");
    }
    device.reboot();
    assert!(matches!(confirm(&mut device, image(1)), Ok(Confirmed::Journaled(_))));
    assert_eq!(confirm(&mut device, image(1)), Ok(Confirmed::Known));
}

/// A life with an update, in which power goes away at a flash operation, and how many operations it has in which it may.
fn life(cut: Option<(u64, Cut)>) -> (Device, u64) {
    let mut device = Device::new(UploadMode::Data);
    device.flash.0.borrow_mut().operations = 0;
    if let Some((at, cut)) = cut {
        device.flash.0.borrow_mut().cut_at(at, cut);
    }
    device.read_meter(1);
    say(&mut device, image(1));
    device.read_meter(2);
    send(&mut device);
    say(&mut device, image(1));
    say(&mut device, image(2));
    let operations = device.flash.0.borrow().operations;
    restart_if_dead(&mut device);
    device.flash.0.borrow_mut().power_on();
    // What every start says.
    say(&mut device, image(2));
    send(&mut device);
    (device, operations)
}

/// As the glue at a start; when power goes away meanwhile, it is said again after the restart.
fn say(device: &mut Device, firmware: Firmware) {
    restart_if_dead(device);
    let said = confirm(device, firmware);
    if restart_if_dead(device) {
        confirm(device, firmware).expect("power is there");
    } else {
        said.expect("power is there");
    }
}

fn restart_if_dead(device: &mut Device) -> bool {
    let dead = device.flash.0.borrow().dead;
    if dead {
        device.reboot();
    }
    dead
}

#[test]
fn whatever_the_power_does_each_image_is_in_exactly_one_leaf() {
    let (whole, operations) = life(None);
    assert_eq!(told(&whole), [image(1), image(2)]);
    for at in 0..operations {
        for cut in CUTS {
            let (device, _) = life(Some((at, cut)));
            assert_eq!(device.boots, 2, "{cut:?} at operation {at} cut nothing");
            assert_eq!(told(&device), [image(1), image(2)], "{cut:?} at operation {at}");
        }
    }
}
