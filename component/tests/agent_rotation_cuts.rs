// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device lives through two rotations, and power goes away at every flash operation of that life, and in what follows. Every record is
//! in exactly one leaf, no batch has two commitments or two signers, the chain holds, and each batch is signed by the key whose turn it is.

mod agent_world;
mod journal_flash;

use agent_world::rotation::{Life, Trouble};
use cairn::agent::UploadMode;
use journal_flash::CUTS;

/// Each operation is cut in one of the three ways in turn, or with `CAIRN_LONG=1` in all of them; after a third of the cuts there is
/// a second one in the recovery.
fn sweep(upload: UploadMode) {
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

#[test]
fn whatever_the_power_does_a_rotation_goes_through_and_nothing_is_lost_or_said_twice() {
    sweep(UploadMode::Data);
}

#[test]
fn whatever_the_power_does_a_rotation_goes_through_when_only_hashes_go_up() {
    sweep(UploadMode::HashOnly);
}

#[test]
fn a_reset_between_two_steps_of_the_product_changes_nothing() {
    for upload in [UploadMode::Data, UploadMode::HashOnly] {
        for promoted in [false, true] {
            Life::live(upload, Trouble::Reset { promoted }).judge();
        }
    }
}

#[test]
fn an_old_signer_that_refuses_for_a_while_delays_the_rotation_and_nothing_else() {
    for times in 1..8 {
        Life::live(UploadMode::Data, Trouble::Refuses(times)).judge();
    }
}
