// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device's key follows another, against a relay that learns of keys by rotation records only.

mod agent_world;
mod journal_flash;

use agent_world::{
    Device, HOUR,
    signer::{FIRST_KEY, SECOND_KEY, Secret, THIRD_KEY, TestSigner},
};
use cairn::{
    agent::{AdoptError, Event, RotateError, RotationState, UploadMode},
    batch::{AnchorFlags, BatchNumber},
    record::SequenceNumber,
};

/// What a product does: the next key is kept, announced, made the current one and adopted.
fn rotate<const GIVES_WAY: bool>(device: &mut Device<GIVES_WAY>, next: Secret) {
    device.keeper.next = Some(next);
    announce(device, next).expect("a rotation");
    assert_eq!(device.agent.rotation(), RotationState::Signed);
    device.keeper.promote();
    adopt(device, next).expect("the next key");
}

fn announce<const GIVES_WAY: bool>(
    device: &mut Device<GIVES_WAY>,
    next: Secret,
) -> Result<SequenceNumber, RotateError> {
    let (mut signer, mut events) = (TestSigner::new(&next, &device.world), Vec::new());
    let seq = device.agent.rotate(&mut signer, &mut |event| events.push(event));
    device.world().events.extend(events);
    seq
}

fn adopt<const GIVES_WAY: bool>(device: &mut Device<GIVES_WAY>, next: Secret) -> Result<(), AdoptError> {
    let signer = TestSigner::new(&next, &device.world);
    device.agent.adopt(signer).map(drop)
}

/// Sends everything there is.
fn send<const GIVES_WAY: bool>(device: &mut Device<GIVES_WAY>) {
    device.agent.flush();
    device.run_for(HOUR);
    assert_eq!(device.agent.status().unsent, 0);
}

#[test]
fn each_key_signs_its_turn_and_the_relay_learns_the_next_from_the_last_batch_of_the_one_before() {
    for upload in [UploadMode::Data, UploadMode::HashOnly] {
        let mut device = Device::new(upload);
        let id = device.agent.device();
        device.read_meter(1);
        for (turn, next) in [SECOND_KEY, THIRD_KEY].into_iter().enumerate() {
            rotate(&mut device, next);
            device.read_meter(2);
            send(&mut device);
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
