// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a product does to have one key follow another, and a device's life with two rotations in which power may go away at any
//! flash operation.

use cairn::{
    agent::{AdoptError, RotateError, RotationState, UploadMode},
    batch::BatchNumber,
    ports::{LinkError, Ticket},
    record::{Kind, Priority, SequenceNumber},
};

use super::{
    Device, Fate, HOUR, Seen,
    signer::{FIRST_KEY, SECOND_KEY, Secret, THIRD_KEY, TestSigner},
};
use crate::journal_flash::{CUTS, Cut};

impl<const GIVES_WAY: bool> Device<GIVES_WAY> {
    /// What a product does when nothing goes wrong: the next key is kept, announced, made the current one and adopted.
    pub fn rotate(&mut self, next: Secret) {
        self.keeper.next = Some(next);
        self.announce(next).expect("a rotation");
        assert_eq!(self.agent.rotation(), RotationState::Signed);
        self.keeper.promote();
        self.adopt(next).expect("the next key");
    }

    pub fn announce(&mut self, next: Secret) -> Result<SequenceNumber, RotateError> {
        let world = self.world.clone();
        let mut signer = TestSigner::new(&next, &world);
        self.agent.rotate(&mut signer, &mut |event| world.0.borrow_mut().events.push(event))
    }

    pub fn adopt(&mut self, next: Secret) -> Result<(), AdoptError> {
        let signer = TestSigner::new(&next, &self.world);
        self.agent.adopt(signer).map(drop)
    }

    /// Sends everything there is.
    pub fn send(&mut self) {
        self.agent.flush();
        self.run_for(HOUR);
        assert_eq!(self.agent.status().unsent, 0);
    }
}

/// Where a life goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// Nowhere.
    None,
    /// Power goes away at this flash operation, and at that many operations of what follows.
    Power(u64, Cut, Option<u64>),
    /// The product is reset between two steps of the second rotation: with the next key announced, or promoted.
    Reset { promoted: bool },
    /// The old key's signer refuses so often.
    Refuses(u32),
}

/// A device that lives through two rotations.
pub struct Life {
    pub device: Device,
    accepted: Vec<(u64, Vec<u8>)>,
    value: u32,
    /// After how many operations power goes away again.
    second: Option<u64>,
    trouble: Trouble,
    /// Flash operations up to where no power goes away any more.
    pub operations: u64,
}

impl Life {
    /// Lives it, to the end at which the relay has everything.
    pub fn live(upload: UploadMode, trouble: Trouble) -> Self {
        let device = Device::new(upload);
        let begun = device.flash.0.borrow().operations;
        let mut life = Self { device, accepted: Vec::new(), value: 0, second: None, trouble, operations: 0 };
        if let Trouble::Power(at, cut, second) = trouble {
            life.device.flash.0.borrow_mut().cut_at(at, cut);
            life.second = second;
        }
        life.device.world().finalises_quickly = true;
        life.device.world().fates = [Fate::AnswerLost, Fate::Fails(LinkError::TimeOut)].into();
        life.submit(3);
        life.flush(10_000);
        life.submit(2);
        life.follow(SECOND_KEY);
        life.submit(2);
        life.flush(60_000);
        life.follow(THIRD_KEY);
        life.submit(1);
        life.flush(HOUR);
        life.operations = life.device.flash.0.borrow().operations - begun;
        life.device.flash.0.borrow_mut().power_on();
        life.reboot_if_dead();
        life.flush(HOUR);
        life
    }

    fn reboot_if_dead(&mut self) {
        let dead = self.device.flash.0.borrow().dead;
        if dead {
            self.device.reboot();
            self.cut_again();
        }
    }

    /// After a first cut, a second.
    fn cut_again(&mut self) {
        if let Some(at) = self.second.take() {
            self.device.flash.0.borrow_mut().cut_at(at, Cut::Torn);
        }
    }

    /// Submits so many records. Those that were accepted must be delivered.
    fn submit(&mut self, records: u32) {
        for _ in 0..records {
            self.value += 1;
            let payload = self.value.to_be_bytes().to_vec();
            let wall = self.device.world().wall();
            let submission = (wall, Kind(64), Priority::Routine, payload.clone(), Some(Ticket(1)));
            self.device.world().queue.push_back(submission);
            let boots = self.device.boots;
            self.device.poll();
            if let Some((_, Ok(seq))) = self.device.world().answers.pop() {
                self.accepted.push((seq.0, payload));
            }
            if self.device.boots > boots {
                self.cut_again();
            }
        }
    }

    fn flush(&mut self, span: u64) {
        let boots = self.device.boots;
        self.device.agent.flush();
        self.device.run_for(span);
        if self.device.boots > boots {
            self.cut_again();
        }
    }

    /// The product's part of a rotation to `next`, from wherever it is, until it is done.
    fn follow(&mut self, next: Secret) {
        if let Trouble::Refuses(times) = self.trouble {
            self.device.world().refuses = Some((self.device.keeper.current, times));
        }
        for _ in 0..20 {
            if self.device.keeper.current == next && self.device.agent.rotation() == RotationState::None {
                assert_eq!(self.device.agent.key(), next.public());
                return;
            }
            self.step(next);
            self.reboot_if_dead();
            self.submit(1);
            self.flush(5_000);
        }
        panic!("the rotation does not go through: {:?}", self.device.agent.rotation());
    }

    fn step(&mut self, next: Secret) {
        match self.device.agent.rotation() {
            RotationState::None => {
                self.device.keeper.next = Some(next);
                // When the power goes away in it, the journal knows whether it was announced.
                let _: Result<SequenceNumber, RotateError> = self.device.announce(next);
            }
            RotationState::Announced => self.device.run_for(60_000),
            RotationState::Signed => {
                let reset = match self.trouble {
                    Trouble::Reset { promoted } if next == THIRD_KEY => Some(promoted),
                    _ => None,
                };
                if reset == Some(false) {
                    return self.device.reboot();
                }
                self.device.keeper.promote();
                if reset == Some(true) {
                    return self.device.reboot();
                }
                self.device.adopt(next).expect("the next key's turn");
            }
        }
    }

    /// What must hold at the end of every life. The relay has checked signatures, chain and roots as they came.
    pub fn judge(&mut self) {
        let status = self.device.agent.status();
        assert_eq!((status.unsealed, status.unsent), (0, 0));
        let world = self.device.world();
        let keys: Vec<_> = world.keys.turns.iter().map(|(_, key)| *key).collect();
        assert_eq!(keys, [FIRST_KEY, SECOND_KEY, THIRD_KEY].map(|secret| secret.public()));
        let sealed: u64 = world.anchors.iter().map(|(anchor, _)| u64::from(anchor.count)).sum();
        assert_eq!(sealed, status.next_seq.0, "every number is in one leaf");
        for (batch, (secret, _)) in &world.signed {
            assert_eq!(world.keys.signer_of(batch.0), &secret.public(), "{batch:?} is signed by another key");
        }
        assert_eq!(world.signed.len(), world.anchors.len(), "what was signed is what the relay has");
        let rotations = world.data.iter().flatten().flatten().filter(|seen| is_rotation(seen)).count();
        assert_eq!(rotations, 2);
        if self.device.settings.upload == UploadMode::Data {
            judge_records(&self.accepted, &world.data);
        }
        let last = world.anchors.last().expect("batches").0.batch;
        assert!(last >= BatchNumber(3), "{last:?}");
    }
}

fn is_rotation(seen: &Seen) -> bool {
    matches!(seen, Seen::Record { kind: Kind::ROTATION, .. })
}

/// Every number is there, and what was accepted is under its number, and nowhere else.
fn judge_records(accepted: &[(u64, Vec<u8>)], data: &[Option<Vec<Seen>>]) {
    let delivered: Vec<_> = data.iter().flatten().flatten().collect();
    for (number, seen) in (0..).zip(&delivered) {
        let (Seen::Record { seq, .. } | Seen::Lost { seq, .. }) = seen;
        assert_eq!(*seq, number);
    }
    let own = delivered.iter().filter_map(|seen| match seen {
        Seen::Record { seq, kind: Kind(64), payload, .. } => Some((*seq, payload.clone())),
        _ => None,
    });
    let own: Vec<_> = own.collect();
    assert!(accepted.iter().all(|record| own.contains(record)), "accepted and not delivered: {accepted:?}, {own:?}");
    for (index, (_, payload)) in own.iter().enumerate() {
        assert!(own[..index].iter().all(|(_, other)| other != payload), "delivered twice: {payload:?}");
    }
}

/// Each operation is cut in one of the three ways in turn, or with `CAIRN_LONG=1` in all of them; after a third of the cuts there is
/// a second one in the recovery.
pub fn sweep(upload: UploadMode) {
    let long = std::env::var_os("CAIRN_LONG").is_some();
    let mut undisturbed = Life::live(upload, Trouble::None);
    undisturbed.judge();
    let operations = undisturbed.operations;
    let (mut cuts, mut seconds, mut reboots) = (0, 0, 0);
    for at in 0..operations {
        for (number, cut) in (0..).zip(CUTS) {
            if !long && at % 3 != number {
                continue;
            }
            let second = (at % 3 == 0).then_some(1 + at * 7 % 160);
            let mut life = Life::live(upload, Trouble::Power(at, cut, second));
            life.judge();
            assert!(life.device.boots > 1, "the cut at {at} is met");
            cuts += 1;
            seconds += u32::from(life.device.boots > 2);
            reboots += life.device.boots - 1;
        }
    }
    println!("{upload:?}: {operations} operations, {cuts} cuts, {seconds} second cuts, {reboots} reboots");
    assert!(cuts > 900 && seconds > 200, "{cuts} cuts, {seconds} second cuts");
}
