// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sweep of a life with two rotations finds mistakes made in them. `cargo test -p cairn-rtos --features sabotage --test
//! agent_rotation_mutations`.

mod agent_world;
mod journal_flash;

use std::panic::catch_unwind;

use agent_world::rotation::sweep;
use cairn::{
    agent::UploadMode,
    journal::sabotage::{Mistake, choose},
};

#[test]
fn the_sweep_finds_a_batch_that_is_sealed_too_early_and_a_rotation_that_is_forgotten() {
    let found = [
        (Mistake::SealsBeforeAdoption, "the next key's turn"),
        (Mistake::ForgetsRotation, "a rotation is in a batch that is not flagged"),
    ];
    for (mistake, what) in found {
        choose(Some(mistake));
        let panic = catch_unwind(|| sweep(UploadMode::Data)).expect_err("the sweep finds it");
        let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        println!("{mistake:?}: {said}");
        assert!(said.contains(what), "{mistake:?}: {said}");
    }
    choose(None);
    sweep(UploadMode::Data);
}
