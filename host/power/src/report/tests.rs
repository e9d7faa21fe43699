// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The report of lives that were made up: what it says and draws is compared with what went in.

use std::collections::HashSet;

use cairn::power::{cost::MicroJoules, schedule::Degradation};

use super::{html, json::Document, table};
use crate::outcome::{ByCause, Cause, Comparison, Day, Outcome};

const J: u64 = 1_000_000;
const HOUR: u64 = 3_600_000;

/// One day like the others, but for a week of trouble a year.
fn day(number: usize, battery_j: u64, uplink: ByCause, wakes: u32) -> Day {
    let trouble = number % 365 > 300 && number % 365 < 308;
    Day {
        energy: uplink,
        battery: MicroJoules(battery_j * J),
        budget: MicroJoules(if trouble { 3 * J } else { 40 * J + (number as u64 % 7) * J }),
        debt: MicroJoules(if trouble { 5 * J } else { 0 }),
        degradation: if trouble { Degradation::HashOnly } else { Degradation::None },
        wakes,
        updates: 1,
        failures: u32::from(trouble),
        records: 96,
        delivered: 96,
        late: u32::from(trouble),
        staleness_ms: if trouble { 100 * HOUR } else { 12 * HOUR + (number as u64 % 5) * 60_000 },
        waiting: 0,
        charged: uplink.radio(),
        coverage_hours: if trouble { [0.0, 4.0, 20.0] } else { [20.0, 3.0, 1.0] },
        ..Day::default()
    }
}

fn spent(millijoules: &[(Cause, u64)]) -> ByCause {
    let mut energy = ByCause::default();
    for (cause, mj) in millijoules {
        energy[*cause] = MicroJoules(mj * 1000);
    }
    energy
}

fn outcome(strategy: &'static str, days: usize, times: u64, life_days: f64) -> Outcome {
    let causes = [
        (Cause::Sleep, 1_244),
        (Cause::Wake, 80 * times),
        (Cause::SetUp, 140 * times),
        (Cause::Bytes, 400 * times),
        (Cause::RoundTrips, 145 * times),
        (Cause::Tail, 60 * times),
        (Cause::Release, 30 * times),
        (Cause::TrackingArea, 125),
        (Cause::Attach, 30),
        (Cause::Fault, 40),
        (Cause::Signature, 6 * times),
        (Cause::Flash, 8),
        (Cause::SelfDischarge, 600),
        (Cause::Product, 90),
    ];
    let energy = spent(&causes);
    let whole = 79_000_u64;
    let left = |number: usize| whole.saturating_sub((number as u64 + 1) * energy.total().0 / J);
    let wakes = u32::try_from(times).unwrap() + 1;
    Outcome {
        strategy,
        does: "Does <b>what</b> it does & nothing else.",
        days: (0..days).map(|number| day(number, left(number), energy, wakes)).collect(),
        life_days: Some(life_days),
        emptied: days < 3652,
        interval_max_ms: 30 * HOUR,
        interval_mean_ms: 11 * HOUR + 40 * 60_000,
    }
}

/// Ten years under five strategies.
pub(super) fn ten_years() -> Comparison {
    Comparison {
        scenario: "meter, coverage that \"comes\" & goes <script>alert(1)</script>".to_owned(),
        about: "96 readings a day; a name with <, >, & and 'quotes', a \u{1b}[31mcolour\u{0} and a\nline.".to_owned(),
        battery: MicroJoules(79_000 * J),
        outcomes: vec![
            outcome("Cairn", 3652, 2, 6_300.0),
            outcome("one write per reading, as the reference peer does", 42, 2_080, 42.0),
            outcome("one CoAP message per reading", 900, 96, 900.0),
            outcome("fixed daily batch", 3652, 3, 5_100.0),
            outcome("offline optimum", 3652, 1, 9_100.0),
        ],
    }
}

fn origin() -> html::Origin {
    html::Origin { version: "0.1.0".to_owned(), command: "cairn power run '<meter>.toml'".to_owned() }
}

#[test]
fn a_page_is_well_formed_has_every_plot_and_runs_and_loads_nothing() {
    let page = html::render(&[ten_years()], &origin()).unwrap();
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    let document = roxmltree::Document::parse_with_options(&page, options).unwrap();
    let figures =
        || document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/1999/xhtml", "figure")));
    let classes: Vec<&str> = figures().filter_map(|figure| figure.attribute("class")).collect();
    assert_eq!(classes, ["battery", "energy", "staleness", "budget", "coverage"]);
    for figure in figures() {
        let has = |name: &str| figure.descendants().any(|node| node.tag_name().name() == name);
        assert!(has("svg") && has("figcaption") && has("text"), "{:?}", figure.attribute("class"));
        assert!(has("polyline") || has("rect") || has("polygon"));
    }
    let names: HashSet<&str> = document.descendants().map(|node| node.tag_name().name()).collect();
    for forbidden in ["script", "img", "link", "iframe", "object", "image", "foreignObject", "use", "b"] {
        assert!(!names.contains(forbidden), "{forbidden}");
    }
    for node in document.descendants() {
        for attribute in node.attributes() {
            let local = attribute.name() != "href" || attribute.value().starts_with('#');
            assert!(local && attribute.name() != "src" && !attribute.name().starts_with("on"), "{attribute:?}");
        }
    }
    assert!(page.len() < 1_000_000, "{}", page.len());
    let text: String = document.descendants().filter(|node| node.is_text()).filter_map(|node| node.text()).collect();
    assert!(text.contains("<script>alert(1)</script>"), "what was given is shown, as text");
}

#[test]
fn plots_say_what_they_show_from_the_data() {
    let compared = ten_years();
    let page = html::render(std::slice::from_ref(&compared), &origin()).unwrap();
    for said in [
        "With Cairn the battery lasts 17.2 years; with one write per reading, as the reference peer does, 42 days.",
        "Cairn spends 3.86 J a day, the largest part (32 %) on “asleep”",
        "With Cairn no record waited longer than 4.2 days, on the median day 12.0 h; of 350,592 records 70 were late and none lost.",
        "The budget&#39;s lowest was 3.00 J, 7 % of its highest; it owed 5.00 J at most; to save, the device did hashes only on \
         70 of 3,652 days.",
    ] {
        assert!(page.contains(said), "{said}\n{:?}", sentences_of(&page));
    }
    let mut better = compared;
    better.outcomes.truncate(1);
    for day in &mut better.outcomes[0].days {
        (day.late, day.debt, day.degradation) = (0, MicroJoules(0), Degradation::None);
        day.delivered = 72;
    }
    better.outcomes[0].days[9].lost = 24;
    let page = html::render(&[better], &origin()).unwrap();
    for said in [
        "on “asleep”, and brings 75 % of the records for it.",
        "of 350,592 records 0 were late and 24 lost or only counted.",
        "the device never had to do less.",
        "With Cairn the battery lasts 17.2 years.",
    ] {
        assert!(page.contains(said), "{said}\n{:?}", sentences_of(&page));
    }
}

fn sentences_of(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("<figcaption>")).collect()
}

#[test]
fn the_longest_line_falls_from_the_full_battery_to_what_is_left() {
    let page = html::render(&[ten_years()], &origin()).unwrap();
    let figure = page.split("<figure class=\"battery\">").nth(1).unwrap().split("</figure>").next().unwrap();
    let lines = figure.lines().filter(|line| line.starts_with("<polyline") && line.contains("#0072B2"));
    let line = lines.max_by_key(|line| line.len()).unwrap();
    let points = line.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
    let points: Vec<(f64, f64)> = points
        .split_whitespace()
        .map(|point| point.split_once(',').unwrap())
        .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
        .collect();
    assert!((500..=540).contains(&points.len()), "weeks: {}", points.len());
    assert!(points.windows(2).all(|pair| pair[1].0 >= pair[0].0 && pair[1].1 >= pair[0].1), "never rises");
    // 79.0 kJ to 64.9 kJ on an axis from 0 to 82.95 that is 288 pixels high: 49 of them.
    let fall = points.last().unwrap().1 - points[0].1;
    assert!((46.0..=52.0).contains(&fall), "{fall}");
}

#[test]
fn strategies_without_days_and_without_batteries_are_told_and_drawn_too() {
    let mut compared = ten_years();
    compared.outcomes[1].days.clear();
    compared.outcomes[2].life_days = None;
    for day in &mut compared.outcomes[0].days {
        (day.budget, day.coverage_hours) = (MicroJoules(0), [0.0; 3]);
    }
    let page = html::render(&[compared.clone()], &origin()).unwrap();
    assert!(page.contains("Cairn had nothing to spend.") && !page.contains("class=\"coverage\""));
    assert!(!page.contains("NaN") && !page.contains("inf"), "no number that is none");
    compared.outcomes.clear();
    assert!(html::render(&[compared], &origin()).unwrap().contains("Nothing was simulated."));
}

#[test]
fn a_table_has_a_row_for_each_strategy_and_its_numbers() {
    let compared = ten_years();
    let text = table::render(&compared);
    assert!(!text.contains('\u{1b}') && !text.contains('\0'), "{text:?}");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("offline optimum")).collect();
    assert_eq!(rows.len(), 2, "one of what it gives, one of what it spends:\n{text}");
    let cells: Vec<&str> = rows[0].split_whitespace().skip(2).collect();
    // 9,100 days are 24.9 years; 1,013 mJ of radio for 96 records.
    assert_eq!(cells[..4], ["24.9", "3.00", "10.9", "2.00"], "{text}");
    let cells: Vec<&str> = rows[1].split_whitespace().skip(2).collect();
    assert_eq!(cells, ["1.24", "0.250", "0.400", "0.205", "0.125", "0.070", "0.014", "0.600", "0.090"], "{text}");
}

#[test]
fn machines_are_told_every_cause_and_the_series() {
    let text = serde_json::to_string(&Document::of(&ten_years())).unwrap();
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cairn = &told["strategies"][0];
    let causes = cairn["energy_j_per_day_by_cause"].as_object().unwrap();
    let sum: f64 = causes.values().map(|value| value.as_f64().unwrap()).sum();
    assert_eq!(causes.len(), Cause::ALL.len());
    assert!((sum - cairn["energy_j_per_day"].as_f64().unwrap()).abs() < 1e-9);
    assert_eq!(told["days_per_point"], 7);
    assert_eq!(cairn["series"].as_array().unwrap().len(), 522);
    assert_eq!(cairn["series"][43]["wait_s"], 360_000.0, "the worst day of its week");
    assert_eq!(cairn["degraded_days"], serde_json::json!([0, 70, 0]));
}
