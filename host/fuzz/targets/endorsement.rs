// SPDX-License-Identifier: Apache-2.0 OR MIT
//! libFuzzer's entry to [`cairn_fuzz::endorsement`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::endorsement(data));
