// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power is cut at every single flash operation of a long life, in three ways, and often a second time while the journal
//! recovers. Nothing that was accepted may be gone, doubled, or said differently.

#[macro_use]
mod journal_flash;

use journal_flash::sweep::{Seconds, sweep, sweep_formats};

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

#[test]
fn a_format_cut_short_leaves_the_old_stream_or_the_new_one_and_can_be_done_again() {
    let formats = [
        sweep_formats::<1, 2048, 4096>(1),
        sweep_formats::<4, 512, 6144>(2),
        sweep_formats::<8, 2048, 4096>(3),
        sweep_formats::<32, 1024, 8192>(4),
    ];
    for tried in formats {
        let tried = tried.unwrap_or_else(|error| panic!("{error}"));
        println!("formats: {tried} cuts");
        assert!(tried > 7 * 3 * 10, "{tried}");
    }
}
