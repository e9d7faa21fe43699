// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sweep of a life in which records give way finds a mistake made in moving sectors. `cargo test -p cairn-rtos --features
//! sabotage --test journal_displace_mutations`.

mod journal_flash;

use std::panic::catch_unwind;

use cairn::journal::sabotage::{Mistake, choose};
use journal_flash::displacing::sweep;

#[test]
fn the_sweep_finds_a_sector_that_is_freed_before_it_is_copied() {
    choose(Some(Mistake::FreesBeforeCopying));
    // A word programmed twice is a panic of the flash.
    let found = match catch_unwind(|| sweep::<8, 1024, 8192>(11)) {
        Ok(Ok(tried)) => panic!("it was not found: {tried:?}"),
        Ok(Err(error)) => error,
        Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
    };
    println!("{found}");
    assert!(found.contains("reads") || found.contains("batch"), "something is gone: {found}");
    choose(None);
    sweep::<8, 1024, 8192>(11).expect("without a mistake nothing is found");
}
