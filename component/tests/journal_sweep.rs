// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power is cut at every single flash operation of a long life, in three ways, and often a second time while the journal
//! recovers. Nothing that was accepted may be gone, doubled, or said differently.

#[macro_use]
mod journal_flash;

use journal_flash::sweep::{Seconds, sweep};

macro_rules! tests {
    ($($name:ident: $write:literal, $erase:literal, $capacity:literal;)+) => {
        $(
            #[test]
            fn $name() {
                let tried = sweep::<$write, $erase, $capacity>($write * 7 + $erase, Seconds::Sample, |_| {});
                let tried = tried.unwrap_or_else(|error| panic!("{error}"));
                println!("words of {:2}, erase units of {:5}, {:6} bytes: {tried:?}", $write, $erase, $capacity);
                assert!(tried.cuts > 3 * 500 && tried.second_cuts > 3 * 100, "{tried:?}");
                assert!(tried.nonces > 2 && tried.released > 0 && tried.was_full > 0, "{tried:?}");
            }
        )+
    };
}

every_geometry!(tests);
