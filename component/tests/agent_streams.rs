// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an agent does with a journal that begins anew: its identity record names the stream before, and a
//! rollback-proof counter decides what may be signed.

mod agent_world;
mod journal_flash;

use std::cell::Cell;

use agent_world::{AgentOver, Device, HOUR, Log, Queue, Seen, boot_over, settings};
use cairn::{
    agent::UploadMode,
    identity::Identity,
    journal::{GuardError, Guarded, Marks},
    ports::{LinkError, Mark, Monotonic, MonotonicError},
    record::{Kind, Priority, StreamId},
    time::TimeQuality,
};

const NEXT: StreamId = StreamId(0x5712_ea3f_0000_0002);

/// Lets the device seal and send what it has; its commitment.
fn send(device: &mut Device) -> cairn::batch::Commitment {
    device.read_meter(7);
    device.agent.flush();
    device.run_for(HOUR);
    device.world().anchors.last().expect("a batch was sent").0.commitment()
}

fn identity(device: &Device) -> Identity {
    let Seen::Record { seq: 0, kind: Kind::IDENTITY, ref payload, .. } = device.delivered()[0] else {
        panic!("record 0 is the identity");
    };
    Identity::from_payload(payload).unwrap()
}

#[test]
fn the_identity_record_of_a_new_stream_names_the_last_commitment_of_the_one_before() {
    let mut device = Device::new(UploadMode::Data);
    send(&mut device);
    assert_eq!(identity(&device).last_commitment, None);
    let last = send(&mut device);
    let mut after = Device::with_clock(UploadMode::Data, 1_768_345_200_000, TimeQuality::Network);
    after.flash = device.flash.clone();
    Log::format(&mut after.flash.clone(), NEXT).unwrap();
    // Power may go away before the identity is journaled, and after.
    after.reboot();
    after.reboot();
    send(&mut after);
    assert_eq!(identity(&after).last_commitment, Some(last));
    assert_eq!(after.agent.status().stream, NEXT);
}

#[derive(Default)]
struct Counter {
    marks: Cell<[u64; 3]>,
    fails: Cell<bool>,
}

impl Monotonic for &Counter {
    fn read(&mut self, mark: Mark) -> Result<u64, MonotonicError> {
        Ok(self.marks.get()[mark as usize])
    }
    fn raise(&mut self, mark: Mark, value: u64) -> Result<(), MonotonicError> {
        if self.fails.get() {
            return Err(MonotonicError);
        }
        let mut marks = self.marks.get();
        marks[mark as usize] = value;
        self.marks.set(marks);
        Ok(())
    }
}

#[test]
fn an_agent_signs_nothing_that_the_counter_does_not_know_of_and_shows_that_the_flash_was_rolled_back() {
    let (device, counter) = (Device::new(UploadMode::Data), Counter::default());
    let (world, flash) = (device.world.clone(), device.flash.clone());
    let image = flash.0.borrow().clone();
    let run = |agent: &mut AgentOver<Guarded<Log, &Counter>>, span: u64| {
        let until = world.0.borrow().now + span;
        let mut inbox = Queue(world.clone(), Vec::new());
        while let Some(at) = agent.poll(&mut inbox, &mut |_| {}).filter(|at| at.0 <= until) {
            let now = world.0.borrow().now;
            world.0.borrow_mut().now = now.max(at.0);
        }
        world.0.borrow_mut().now = until;
    };
    let guarded = || Guarded::new(Log::mount(flash.clone()).unwrap(), &counter);
    let mut agent = boot_over(guarded().unwrap(), &settings(UploadMode::Data), &world);
    world.0.borrow_mut().submit(Kind::READING, Priority::Routine, &[5]);
    counter.fails.set(true);
    agent.flush();
    run(&mut agent, 2 * HOUR);
    assert_eq!(agent.status().next_batch.0, 1, "sealed");
    assert!(world.0.borrow().uplinks.is_empty(), "nothing unsigned or uncounted leaves");
    counter.fails.set(false);
    agent.flush();
    run(&mut agent, 2 * HOUR);
    assert_eq!(world.0.borrow().anchors.len(), 1);
    assert!(agent.status().totals.last_link_error.is_none_or(|error| error == LinkError::SequenceExhausted));
    assert_eq!(counter.marks.get(), [1, 4, 0]);
    assert!(!agent.status().after_rollback);

    *flash.0.borrow_mut() = image;
    assert!(matches!(guarded().map(drop), Err(GuardError::RolledBack(_))));
    Log::format_above(&mut flash.clone(), NEXT, &Marks::counted(&mut &counter).unwrap()).unwrap();
    world.0.borrow_mut().anchors.clear();
    world.0.borrow_mut().granted = 0..0;
    let mut agent = boot_over(guarded().unwrap(), &settings(UploadMode::Data), &world);
    assert!(agent.status().after_rollback);
    world.0.borrow_mut().submit(Kind::READING, Priority::Routine, &[5]);
    agent.flush();
    run(&mut agent, 2 * HOUR);
    assert_eq!(world.0.borrow().anchors[0].0.stream, NEXT);
    let numbers = world.0.borrow().used_numbers.clone();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
}
