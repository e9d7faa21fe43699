// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The power-cut sweep finds each of six mistakes made in the journal. `cargo test -p cairn-rtos --features sabotage --test
//! journal_mutations`.

mod journal_flash;

use std::panic::catch_unwind;

use cairn::journal::sabotage::{Mistake, choose};
use journal_flash::sweep::sweep;

#[test]
fn the_sweep_finds_every_mistake() {
    let mistakes = [
        Mistake::HeaderBeforeEntry,
        Mistake::TrustsBlank,
        Mistake::NoChecksum,
        Mistake::ForgetsTornWords,
        Mistake::ReclaimsEarly,
        Mistake::TrustsCutOpening,
    ];
    for mistake in mistakes {
        choose(Some(mistake));
        // A word programmed twice is a panic of the flash.
        let found = match catch_unwind(|| sweep::<8, 1024, 4096>(11)) {
            Ok(Ok(tried)) => panic!("{mistake:?} was not found: {tried:?}"),
            Ok(Err(error)) => error,
            Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
        };
        println!("{mistake:?}: {found}");
    }
    choose(None);
    sweep::<8, 1024, 4096>(11).expect("without a mistake nothing is found");
}
