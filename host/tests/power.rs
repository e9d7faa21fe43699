// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn power` as people use it: what it answers, and every refusal with its words and exit code.

use std::process::{Command, Output};

use serde_json::Value;

fn cairn(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cairn")).arg("power").args(arguments).output().unwrap()
}

/// What a call that must succeed prints.
fn done(arguments: &[&str]) -> String {
    let output = cairn(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A call that must fail with `code`, saying all of `words` on standard error and nothing on standard output.
#[track_caller]
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = cairn(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

#[test]
fn a_use_of_the_radio_is_priced_cause_by_cause() {
    // B: 400 bytes up and 40 down in one wake took 504 mJ; the model is to be within 3 %.
    let arguments = ["price", "--bytes-up", "372", "--bytes-down", "12", "--json"];
    let told: Value = serde_json::from_str(&done(&arguments)).unwrap();
    let radio = told["radio_j"].as_f64().unwrap();
    assert!((0.489..=0.519).contains(&radio) && told["wire_bytes"] == 440, "{told}");
    let causes = told["energy_j_by_cause"].as_object().unwrap();
    let sum: f64 = causes.values().map(|value| value.as_f64().unwrap()).sum();
    assert!((sum - told["energy_j"].as_f64().unwrap()).abs() < 1e-9);

    let said = done(&["price", "--wakes", "2", "--level", "2", "--signatures", "2", "--hours", "24"]);
    // 2 * (0.8 + 1.5 + 0.2 + 1.2) J and 4 headers of 28 bytes at 12 mJ; 1.244 J asleep, 6 mJ of signatures.
    assert!(said.contains("the radio                     8.744 J"), "{said}");
    assert!(said.contains("all                           9.994 J"), "{said}");
    refused(&["price", "--level", "3"], 2, &["--level", "0..=2"]);
    refused(&["price", "--bytes-up=-1"], 2, &["--bytes-up", "-1"]);
}
