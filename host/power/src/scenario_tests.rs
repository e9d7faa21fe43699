// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What scenarios say, and what is refused of them.

use cairn::power::cost::{CoverageLevel, Model};

use super::*;

const LEAST: &str = "name='t'\nabout='t'\ndays=30\n[battery]\nmah=1000\nvolts=3\nusable=1\n[product]\nupload='data'\n[coverage]\nlevel=1\n";

fn refused(text: &str) -> String {
    Scenario::parse(text).expect_err("it is refused").to_string()
}

#[test]
fn every_shipped_scenario_is_one_and_has_the_name_of_its_file() {
    for (name, text) in SHIPPED {
        let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scenario.name, name);
        assert!(Scenario::shipped(name).is_some());
        assert!(scenario.budget().refill_uw > 0, "{name} has nothing to spend");
    }
    assert!(Scenario::shipped("no such").is_none());
}

#[test]
fn a_value_that_cannot_be_is_refused_with_its_field_the_value_and_what_it_could_be() {
    let with = |from: &str, to: &str| refused(&LEAST.replace(from, to));
    assert_eq!(with("usable=1", "usable=1.5"), "battery.usable = 1.5: must be 0.01 to 1");
    assert_eq!(with("days=30", "days=0"), "days = 0: must be 1 to 14640");
    assert_eq!(with("level=1", "level=3"), "coverage.level = 3: must be 0 to 2");
    assert_eq!(with("volts=3", "volts=nan"), "battery.volts = NaN: must be 0.5 to 60");
    let more = |rows: &str| refused(&format!("{LEAST}{rows}"));
    assert_eq!(more("[network]\nloss=[0,1,0]"), "network.loss[1] = 1: must be 0 to 0.9");
    assert_eq!(more("[truth.ce2]\nusual_s=0"), "truth.ce2.usual_s = 0: must be 0.1 to 300");
    assert_eq!(more("[[outage]]\nwhat='relay'\nfirst_day=-1\nhours=1"), "outage.first_day = -1: must be 0 to 14640");
}

#[test]
fn a_field_that_nobody_knows_is_refused_by_name() {
    for (text, field) in [
        (format!("{LEAST}[budget]\nbrust_j=3"), "brust_j"),
        (LEAST.replace("mah", "mAh"), "mAh"),
        (LEAST.replace("'data'", "'dada'"), "dada"),
        (LEAST.replace("name='t'\n", ""), "name"),
        (LEAST.replace("level=1", "place='egde'\nshade='none'"), "expected one of `good`, `edge`, `deep`"),
        (LEAST.replace("level=1", "place='edge'"), "either a level, or a place and a shade"),
        (LEAST.replace("level=1", "level=1\nshade='none'"), "either a level, or a place and a shade"),
    ] {
        let error = refused(&text);
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn the_battery_of_the_default_meter_gives_what_the_model_says() {
    // docs/power.md: 8.5 Ah over ten years, 0.8 of it, a tenth lost: 21.7 J a day before anything is drawn.
    let scenario = Scenario::shipped("meter-ce2").unwrap();
    let supply = scenario.supply();
    let a_day = f64::from(supply.refill_uw() + supply.floor_nw.div_ceil(1000)) * 0.0864;
    assert!((21.0..21.8).contains(&a_day), "{a_day} J");
}

#[test]
fn what_is_true_and_what_is_believed_may_differ() {
    let text = format!("{LEAST}[truth]\ntail_s=5\n[truth.ce1]\nbyte_mj=4\n[believed.ce2]\ntau_mj=1");
    let scenario = Scenario::parse(&text).unwrap();
    let (truth, believed) = (scenario.truth(), scenario.believed());
    assert_eq!((truth.level(CoverageLevel::Ce1).byte_uj, truth.tail_ms), (4000, 5000));
    assert_eq!((believed.level(CoverageLevel::Ce2).tau_uj, believed.tail_ms), (1000, 0));
    assert_eq!(believed.level(CoverageLevel::Ce1), Model::DEFAULT.level(CoverageLevel::Ce1));
}
