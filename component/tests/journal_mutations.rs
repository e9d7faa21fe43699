// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The power-cut sweep finds each of six mistakes made in the journal. `cargo test -p cairn-rtos --features sabotage --test
//! journal_mutations`.

mod journal_flash;

use std::panic::catch_unwind;

use cairn::journal::sabotage::{Mistake, choose};
use journal_flash::sweep::{Seconds, sweep};

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
        println!("{mistake:?}: {}", SEEDS.into_iter().find_map(found).expect("some life shows every mistake"));
    }
    choose(None);
    for seed in SEEDS {
        assert_eq!(found(seed), None, "without a mistake nothing is found");
    }
}

/// Lives that are tried: some mistakes show only when a half erased sector happens to look blank, or a ring is short.
const SEEDS: [u64; 4] = [11, 12, 13, 14];

/// What the sweep finds in two flashes.
fn found(seed: u64) -> Option<String> {
    let sweeps = || {
        sweep::<8, 2048, 4096>(seed, Seconds::Sample, |_| {})?;
        sweep::<8, 1024, 6144>(seed, Seconds::Sample, |_| {})
    };
    // A word programmed twice is a panic of the flash.
    match catch_unwind(sweeps) {
        Ok(tried) => tried.err(),
        Err(panic) => Some(panic.downcast_ref::<String>().cloned().unwrap_or_default()),
    }
}
