// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The agent in lives that are drawn: whatever happens, and whatever the power does, every accepted record is in exactly one batch.

mod agent_world;
mod journal_flash;

use agent_world::{
    Device, Fate, HOUR, Seen,
    signer::{FIRST_KEY, SECOND_KEY, THIRD_KEY},
};
use cairn::{
    agent::{RotationState, UploadMode},
    ports::{LinkError, Ticket},
    record::{Kind, Priority},
    signer::SignerError,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Read(u32),
    Event(Vec<u8>, bool),
    Pass(u64),
    Flush,
    Upload(bool),
    Fate(u8),
    SignerFails,
    ClockSteps(u64),
    Announce(u8),
    Adopt,
}

/// Has another key announced, if that can be.
fn announce(device: &mut Device, which: u8) -> bool {
    let next = [FIRST_KEY, SECOND_KEY, THIRD_KEY][usize::from(which)];
    let announced = device.announce(next).is_ok();
    if announced {
        device.keeper.next = Some(next);
    }
    announced
}

/// Has the next key adopted, if it is its turn.
fn adopt(device: &mut Device) {
    if device.agent.rotation() == RotationState::Signed {
        device.keeper.promote();
        let next = device.keeper.current;
        device.adopt(next).expect("the next key");
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u32>().prop_map(Step::Read),
        2 => (proptest::collection::vec(any::<u8>(), 0..64), any::<bool>()).prop_map(|(p, u)| Step::Event(p, u)),
        6 => (0..2 * HOUR).prop_map(Step::Pass),
        1 => Just(Step::Flush),
        1 => any::<bool>().prop_map(Step::Upload),
        3 => (0_u8..8).prop_map(Step::Fate),
        1 => Just(Step::SignerFails),
        1 => (0_u64..100_000).prop_map(Step::ClockSteps),
        1 => (0_u8..3).prop_map(Step::Announce),
        1 => Just(Step::Adopt),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// The relay in `agent_world` checks signatures, chain, roots and equivocation at every exchange.
    #[test]
    fn whatever_happens_every_accepted_record_is_in_exactly_one_batch(steps in proptest::collection::vec(step(), 1..80)) {
        let mut device = Device::new(UploadMode::Data);
        device.world().finalises_quickly = true;
        let mut rotations = 0;
        for step in steps {
            match step {
                Step::Announce(which) => rotations += u64::from(announce(&mut device, which)),
                Step::Adopt => adopt(&mut device),
                Step::Read(value) => device.read_meter(value),
                Step::Event(payload, urgent) => {
                    let priority = if urgent { Priority::Urgent } else { Priority::Bulk };
                    device.world().submit(Kind(64), priority, &payload);
                    device.poll();
                }
                Step::Pass(span) => device.run_for(span),
                Step::Flush => device.agent.flush(),
                Step::Upload(data) => device.agent.set_upload(if data { UploadMode::Data } else { UploadMode::HashOnly }),
                Step::Fate(fate) => device.world().fates.push_back([
                    Fate::Fails(LinkError::TimeOut), Fate::AnswerLost, Fate::Garbage, Fate::OtherCommitment,
                    Fate::OtherStream, Fate::OtherBatch, Fate::FinalFromTheFuture, Fate::Success,
                ][usize::from(fate)]),
                Step::SignerFails => device.world().signer_errors.push_back(SignerError::TimeOut),
                Step::ClockSteps(by) => device.world().wall_offset += by,
            }
        }
        device.world().fates.clear();
        device.world().signer_errors.clear();
        device.run_for(HOUR);
        adopt(&mut device);
        device.run_for(2 * HOUR);
        device.agent.flush();
        device.run_for(2 * HOUR);
        let status = device.agent.status();
        prop_assert_eq!((status.unsealed, status.unsent), (0, 0));
        let sealed: u64 = device.world().anchors.iter().map(|(anchor, _)| u64::from(anchor.count)).sum();
        prop_assert_eq!(sealed, status.next_seq.0);
        prop_assert_eq!(status.rotation, RotationState::None);
        let own = 1 + u64::from(status.totals.clock_steps) + rotations;
        prop_assert_eq!(status.totals.accepted + own, status.next_seq.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Power goes away at arbitrary flash operations, in any way. The relay checks that no batch has two commitments and that
    /// no batch is missing; every number accepted is delivered as it was accepted, and none twice.
    #[test]
    fn whatever_the_power_does_every_accepted_record_is_delivered_once(
        steps in proptest::collection::vec((any::<u32>(), 0..2 * HOUR, proptest::option::of((0..400_u64, 0..3_usize))), 20..120),
    ) {
        let mut device = Device::new(UploadMode::Data);
        device.world().finalises_quickly = true;
        let mut accepted = Vec::new();
        for (value, span, cut) in steps {
            if let Some((at, kind)) = cut {
                device.flash.0.borrow_mut().cut_at(at, journal_flash::CUTS[kind]);
            }
            let wall = device.world().wall();
            let payload = [&value.to_be_bytes()[..], &wall.unix_ms.to_be_bytes()].concat();
            device.world().queue.push_back((wall, Kind(64), Priority::Routine, payload.clone(), Some(Ticket(1))));
            device.poll();
            if let Some((_, Ok(seq))) = device.world().answers.pop() {
                accepted.push((seq.0, payload));
            }
            if value % 7 == 0 {
                device.agent.flush();
            }
            device.run_for(span);
        }
        device.flash.0.borrow_mut().power_on();
        device.agent.flush();
        device.run_for(2 * HOUR);
        let delivered = device.delivered();
        let numbers: Vec<_> = delivered.iter().map(|seen| match seen {
            Seen::Record { seq, .. } | Seen::Lost { seq, .. } => *seq,
        }).collect();
        prop_assert_eq!(&numbers, &(0..numbers.len() as u64).collect::<Vec<_>>());
        for (seq, expected) in &accepted {
            let Some(Seen::Record { payload, .. }) = delivered.get(usize::try_from(*seq).unwrap()) else {
                panic!("record {seq} was accepted and is not there, {} are", delivered.len());
            };
            prop_assert_eq!(payload, expected);
        }
        let payloads: Vec<_> = delivered.iter().filter_map(|seen| match seen {
            Seen::Record { kind: Kind(64), payload, .. } => Some(payload),
            _ => None,
        }).collect();
        for (index, payload) in payloads.iter().enumerate() {
            prop_assert!(!payloads[..index].contains(payload), "a record is there twice");
        }
        let mut used = device.world().used_numbers.clone();
        used.dedup();
        prop_assert!(used.is_sorted() && used.len() == device.world().used_numbers.len());
    }
}
