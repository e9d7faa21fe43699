// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device lives through two rotations, and power goes away at every flash operation of that life, and in what follows. Every record is
//! in exactly one leaf, no batch has two commitments or two signers, the chain holds, and each batch is signed by the key whose turn it is.

mod agent_world;
mod journal_flash;

use agent_world::rotation::{Life, Trouble, sweep};
use cairn::agent::UploadMode;

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
