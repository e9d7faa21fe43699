// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The promises of docs/power.md about batteries, each lived through.

use cairn_power::forecast::forecasts;

#[test]
fn what_is_promised_of_batteries_holds() {
    let rows = forecasts(&mut |_| {}).unwrap();
    for row in &rows {
        println!(
            "{}: {:.2} {} ({} {}); {}",
            row.claim,
            row.measured,
            row.unit,
            if row.at_least { "at least" } else { "at most" },
            row.limit,
            row.note
        );
    }
    let broken: Vec<_> = rows.iter().filter(|row| !row.is_met()).map(|row| row.claim).collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!(rows.len(), 9);
}
