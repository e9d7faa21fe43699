// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device's key follows another, against a relay that learns of keys by rotation records only.

mod agent_world;
mod journal_flash;

use agent_world::{
    Device,
    signer::{FIRST_KEY, SECOND_KEY, THIRD_KEY},
};
use cairn::{
    agent::{Event, RotationState, UploadMode},
    batch::{AnchorFlags, BatchNumber},
};

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
