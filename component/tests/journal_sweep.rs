// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power is cut at every single flash operation of a long life, in three ways, and often a second time while the journal
//! recovers. Nothing that was accepted may be gone, doubled, or said differently.

mod journal_flash;

use journal_flash::sweep::sweep;

macro_rules! geometries {
    ($($name:ident: $write:literal, $erase:literal, $capacity:literal;)+) => {
        $(
            #[test]
            fn $name() {
                let tried = sweep::<$write, $erase, $capacity>($write * 7 + $erase).unwrap_or_else(|error| panic!("{error}"));
                println!("words of {:2}, sectors of {:5}, {:6} bytes: {tried:?}", $write, $erase, $capacity);
                assert!(tried.cuts > 3 * 500 && tried.nonces > 2, "{tried:?}");
            }
        )+
    };
}

geometries! {
    nothing_is_lost_or_doubled_with_words_of_1_and_erase_units_of_256: 1, 256, 4096;
    nothing_is_lost_or_doubled_with_words_of_1_and_two_sectors_of_2048: 1, 2048, 4096;
    nothing_is_lost_or_doubled_with_words_of_2_and_erase_units_of_512: 2, 512, 4096;
    nothing_is_lost_or_doubled_with_words_of_4_and_erase_units_of_512: 4, 512, 4096;
    nothing_is_lost_or_doubled_with_words_of_4_and_two_sectors_of_4096: 4, 4096, 8192;
    nothing_is_lost_or_doubled_with_words_of_8_and_sectors_of_1024: 8, 1024, 4096;
    nothing_is_lost_or_doubled_with_words_of_8_and_two_sectors_of_2048: 8, 2048, 4096;
    nothing_is_lost_or_doubled_with_words_of_16_and_sectors_of_2048: 16, 2048, 6144;
    nothing_is_lost_or_doubled_with_words_of_32_and_sectors_of_1024: 32, 1024, 6144;
    nothing_is_lost_or_doubled_with_words_of_32_and_two_sectors_of_8192: 32, 8192, 16384;
}
