// SPDX-License-Identifier: Apache-2.0 OR MIT
//! libFuzzer's entry to [`cairn_fuzz::at_parser`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::at_parser(data));
