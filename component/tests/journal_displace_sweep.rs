// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power is cut at every flash operation of a life in which a full journal, with its link dead, moves its sectors around the ring
//! for urgent records. No urgent record is lost after it was accepted, no routine one without reading as displaced from then on, none
//! is there twice, and what is sealed stays as it was.

mod journal_flash;

use journal_flash::displacing::sweep;

macro_rules! geometries {
    ($($name:ident: $write:literal, $erase:literal, $capacity:literal;)+) => {
        $(
            #[test]
            fn $name() {
                let tried = sweep::<$write, $erase, $capacity>($write * 7 + $erase).unwrap_or_else(|error| panic!("{error}"));
                println!("words of {:2}, erase units of {:5}, {:6} bytes: {tried:?}", $write, $erase, $capacity);
                assert!(tried.cuts > 1000 && tried.second_cuts > 300, "{tried:?}");
                assert!(tried.displaced > 10 && tried.calls > 2 && tried.urgent > 20, "{tried:?}");
            }
        )+
    };
}

geometries! {
    urgent_records_displace_routine_ones_with_words_of_2_and_erase_units_of_512: 2, 512, 8192;
    urgent_records_displace_routine_ones_with_words_of_4_and_four_sectors_of_2048: 4, 2048, 8192;
    urgent_records_displace_routine_ones_with_words_of_8_and_sectors_of_1024: 8, 1024, 8192;
    urgent_records_displace_routine_ones_with_words_of_32_and_sectors_of_2048: 32, 2048, 12288;
}
