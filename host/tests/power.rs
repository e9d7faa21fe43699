// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn power` as people use it: what it answers, and every refusal with its words and exit code.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use cairn_power::scenario::Scenario;
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

#[test]
fn a_fleet_is_counted_and_one_that_comes_unevenly_is_told_by_the_exit_code() {
    let told: Value = serde_json::from_str(&done(&["fleet", "--devices", "50000", "--json"])).unwrap();
    let by_hour = told["by_hour"].as_array().unwrap();
    assert!(told["even"] == true && told["ratio"].as_f64().unwrap() <= 3.0 && by_hour.len() == 72, "{told}");
    // A tenth call at once; the first upload of the rest is due three hours later at the earliest.
    let hours = [0, 1, 2].map(|hour: usize| by_hour[hour].as_u64().unwrap());
    assert!((4_500..5_500).contains(&hours[0]) && hours[1] < 100 && hours[2] < 100, "{hours:?}");

    let at_midnight = cairn(&["fleet", "--devices", "5000", "--readings-min", "1440"]);
    assert_eq!(at_midnight.status.code(), Some(8));
    let said = String::from_utf8(at_midnight.stdout).unwrap();
    assert!(said.contains("MORE THAN 3") && said.lines().count() == 72 + 7, "{said}");
    refused(&["fleet", "--outage", "9..9"], 2, &["--outage", "30..36"]);
    refused(&["fleet", "--outage", "30..72"], 1, &["--hours"]);
}

fn parsed(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_shipped_scenario_runs_by_its_name_and_by_its_file_and_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let listed = done(&["list"]);
    assert!(listed.lines().count() >= 8 && listed.lines().any(|line| line.starts_with("meter ")), "{listed}");
    fs::write(path("mine.toml"), done(&["scenario", "meter"])).unwrap();
    let run = |name: &str, more: &[&str]| done(&[&["run", name, "--years", "0.1"], more].concat());

    let tables = run("meter", &["--html", &path("page.html"), "--json", &path("lives.json")]);
    assert_eq!(tables, run(&path("mine.toml"), &["--json", &path("again.json")]), "the same, and again the same");
    let (lives, again) = (parsed(path("lives.json").as_ref()), parsed(path("again.json").as_ref()));
    assert_eq!(lives, again);
    let strategies = lives[0]["strategies"].as_array().unwrap();
    assert_eq!(
        (strategies.len(), &strategies[0]["strategy"], &strategies[0]["days"]),
        (5, &"Cairn".into(), &37.into())
    );
    for strategy in strategies {
        let row = |line: &&str| line.starts_with(strategy["strategy"].as_str().unwrap());
        assert_eq!(tables.lines().filter(row).count(), 2, "{tables}");
    }
    let page = fs::read_to_string(path("page.html")).unwrap();
    assert!(page.matches("<svg ").count() >= 4 && page.contains("cairn power run meter --years 0.1"));
    let mode = fs::metadata(path("page.html")).unwrap().permissions().mode();
    assert_eq!(mode & 0o400, 0o400);

    let other = run("meter", &["--seed", "77", "--strategy", "cairn", "--strategy", "optimum", "--json", "-"]);
    let other: Value = serde_json::from_str(&other).unwrap();
    let named: Vec<&str> =
        other[0]["strategies"].as_array().unwrap().iter().filter_map(|one| one["strategy"].as_str()).collect();
    assert_eq!(named, ["Cairn", "Offline optimum"]);
    assert_ne!(other[0]["strategies"][0]["series"], strategies[0]["series"], "another seed is another life");
}

#[test]
fn what_is_there_is_replaced_only_by_force_and_never_by_half() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let name = file.to_str().unwrap();
    let scenario = done(&["scenario", "meter"]);
    fs::write(&file, &scenario).unwrap();
    refused(&["run", name, "--years", "0.02", "--html", name], 1, &["mine.toml is there already", "--force"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), scenario, "the scenario was not written over");
    done(&["run", name, "--years", "0.02", "--html", name, "--force"]);
    assert!(fs::read_to_string(&file).unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");

    let nowhere = folder.path().join("absent/page.html");
    refused(&["run", "meter", "--html", nowhere.to_str().unwrap()], 1, &["there is no folder"]);
    refused(&["run", "meter", "--html", folder.path().to_str().unwrap()], 1, &["is a folder"]);
    let same = folder.path().join("same");
    let same = same.to_str().unwrap();
    refused(&["run", "meter", "--html", same, "--json", same], 1, &["the same file"]);
}

#[test]
fn a_scenario_that_cannot_be_is_refused_with_the_field_and_what_it_could_say() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    let name = file.to_str().unwrap();
    let good = done(&["scenario", "meter"]);
    for (old, new, words) in [
        ("[battery]", "[battery]\nmahh = 1", &["bad.toml", "unknown field `mahh`", "mah"][..]),
        ("mah = 8500", "mah = -3", &["battery.mah = -3", "must be"]),
        ("mah = 8500", "", &["missing field `mah`"]),
        ("mah = 8500", "mah = \"much\"", &["invalid type", "line"]),
        ("level = 0", "level = 3", &["coverage.level = 3", "0 to 2"]),
        ("[battery]", "[battery", &["bad.toml", "line"]),
    ] {
        assert!(good.contains(old), "{old}");
        fs::write(&file, good.replacen(old, new, 1)).unwrap();
        refused(&["run", name], 1, words);
    }
    fs::write(&file, [0xff, 0xfe]).unwrap();
    refused(&["run", name], 1, &["cannot read", "UTF-8"]);
    refused(&["run", "metre"], 1, &["metre", "meter-ce2", "lock"]);
    refused(&["scenario", "metre"], 1, &["metre", "lock"]);
    refused(&["run"], 2, &["NAME|FILE"]);
    refused(&["run", "meter", "--years", "0"], 1, &["--years 0", "0.01 to 40"]);
    refused(&["run", "meter", "--years", "NaN"], 1, &["--years NaN"]);
    refused(&["run", "meter", "--years", "ten"], 2, &["ten"]);
    refused(&["run", "meter", "--strategy", "luck"], 2, &["luck", "cairn, daily, message, reference, optimum"]);
}

/// What the table in docs/power.md calls fields, with the section that each is in.
fn documented() -> Vec<(String, String)> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/power.md")).unwrap();
    let (_, section) = text.split_once("### A scenario file").unwrap();
    let section = section.split("\n#").next().unwrap();
    let names = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let parts = |name: &str| match name.rsplit_once('.') {
        Some((section, field)) => (section.to_owned(), field.to_owned()),
        None => (String::new(), name.to_owned()),
    };
    names.map(parts).collect()
}

#[test]
fn the_table_of_a_scenarios_fields_names_all_of_them_and_no_other() {
    let (good, documented) = (done(&["scenario", "meter"]), documented());
    for section in ["battery", "product", "deadlines", "network", "outage", "budget", "truth", "truth.ce0"] {
        let header = if section == "outage" { format!("[[{section}]]") } else { format!("[{section}]") };
        let spoiled = format!("{header}\nno_such_field = 1\n");
        let text = if good.contains(&header) {
            good.replacen(&header, spoiled.trim_end(), 1)
        } else {
            format!("{good}\n{spoiled}")
        };
        let Err(error) = Scenario::parse(&text) else { panic!("{section} takes anything") };
        let said = error.to_string();
        let (_, known) = said.split_once("expected one of ").unwrap_or_else(|| panic!("{said}"));
        // The error's words are: `a`, `b`, `c`.
        let known: BTreeSet<&str> = known.split('`').skip(1).step_by(2).collect();
        let told = documented.iter().filter(|(of, _)| of == section).map(|(_, field)| field.as_str());
        let told: BTreeSet<&str> =
            told.chain((section == "truth").then_some(["ce0", "ce1", "ce2"]).into_iter().flatten()).collect();
        assert_eq!(told, known, "[{section}]");
    }
    for (section, field) in documented.iter().filter(|(section, _)| section == "coverage") {
        let (other, value) = match field.as_str() {
            "level" => ("", "2"),
            "place" => ("shade = \"busy\"", "\"deep\""),
            _ => ("place = \"edge\"", "\"covered\""),
        };
        let text = good.replacen("level = 0", &format!("{field} = {value}\n{other}"), 1);
        assert!(Scenario::parse(&text).is_ok(), "{section}.{field}");
    }
}
