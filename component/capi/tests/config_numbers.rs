// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn-config` checks a configuration before anything is compiled, with numbers of the journal's format that it has to know by
//! heart: it does not depend on the component. Here they are compared.

#[allow(dead_code, reason = "only its numbers are looked at")]
#[path = "../../config/src/dotconfig.rs"]
mod dotconfig;

#[allow(dead_code, reason = "what dotconfig.rs is about")]
#[path = "../../config/src/symbols.rs"]
mod symbols;

use cairn::{
    agent::OWN_PAYLOAD_MAX,
    journal::{
        entry::{HEAD_BYTES, RECORD_PREFIX_MAX},
        layout,
    },
};

#[test]
fn the_configuration_knows_the_numbers_of_the_journals_format() {
    let known = [
        dotconfig::SECTOR_MIN,
        dotconfig::SECTOR_HEADER,
        dotconfig::ENTRY_HEAD,
        dotconfig::RECORD_PREFIX,
        dotconfig::OWN_PAYLOAD,
    ];
    let right = [layout::SECTOR_MIN as usize, layout::HEADER_BYTES, HEAD_BYTES, RECORD_PREFIX_MAX, OWN_PAYLOAD_MAX];
    assert_eq!(known, right.map(|number| number as u64));
    assert_eq!(layout::HEADER_COPIES, 2);
}
