// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a plot shows, in one sentence each, from the data.

use super::{
    group::Group,
    quantity::{YEAR_DAYS, count, joules, life, number, percent, span},
    series::Point,
    summary::Summary,
};
use crate::outcome::{Comparison, Outcome};

/// Cairn's life first, and the rest beside it.
struct Told<'a> {
    cairn: &'a Outcome,
    summary: &'a Summary,
    others: Vec<(&'a Outcome, &'a Summary)>,
}

fn told<'a>(compared: &'a Comparison, summaries: &'a [Summary]) -> Option<Told<'a>> {
    let mut lives = compared.outcomes.iter().zip(summaries);
    let (cairn, summary) = lives.next()?;
    Some(Told { cairn, summary, others: lives.collect() })
}

/// Of the battery over the years.
pub(super) fn battery(compared: &Comparison, summaries: &[Summary]) -> String {
    let Some(Told { cairn, summary, others }) = told(compared, summaries) else { return nothing() };
    let lasts = match (cairn.life_days, summary.emptied) {
        (None, _) => return format!("{} is not limited by the battery.", cairn.strategy),
        (Some(days), true) => format!("With {} the battery is empty after {}", cairn.strategy, life(days)),
        (Some(days), false) => format!("With {} the battery lasts {}", cairn.strategy, life(days)),
    };
    let shortest = others.iter().filter_map(|(other, _)| Some((other.life_days?, other.strategy)));
    let shortest = shortest.min_by(|a, b| a.0.total_cmp(&b.0));
    match shortest {
        Some((days, strategy)) => format!("{lasts}; with {strategy}, {}.", life(days)),
        None => format!("{lasts}."),
    }
}

/// Of what energy is spent on.
pub(super) fn energy(compared: &Comparison, summaries: &[Summary]) -> String {
    let Some(Told { cairn, summary, others }) = told(compared, summaries) else { return nothing() };
    let all = summary.energy_j_per_day;
    let most = Group::ALL
        .into_iter()
        .max_by(|a, b| summary.groups_j_per_day[*a as usize].total_cmp(&summary.groups_j_per_day[*b as usize]));
    let mut said = format!("{} spends {} J a day", cairn.strategy, number(all));
    if let Some(group) = most.filter(|_| all > 0.0) {
        let share = percent(summary.groups_j_per_day[group as usize], all);
        said += &format!(", the largest part ({share:.0} %) on “{}”", group.name());
    }
    let times: Vec<String> = others
        .iter()
        .filter(|(_, other)| all > 0.0 && other.days > 0)
        .map(|(outcome, other)| format!("{} {} times", outcome.strategy, number(other.energy_j_per_day / all)))
        .collect();
    let brought = percent(summary.delivered as f64, summary.records as f64);
    if summary.records > 0 && brought < 99.5 {
        said += &format!(", and brings {brought:.0} % of the records for it");
    }
    if !times.is_empty() {
        said += &format!("; beside that: {} as much", times.join(", "));
    }
    said + "."
}

/// Of the radio's energy for each record.
pub(super) fn radio(compared: &Comparison, summaries: &[Summary]) -> Option<String> {
    let Told { cairn, summary, others } = told(compared, summaries)?;
    let ours = summary.radio_mj_per_record?;
    let theirs = others.iter().filter_map(|(other, summary)| {
        let energy = summary.radio_mj_per_record?;
        Some(format!("{} {} mJ ({} times)", other.strategy, number(energy), number(energy / ours)))
    });
    let theirs: Vec<String> = theirs.filter(|_| ours > 0.0).collect();
    let said = format!("Radio energy for each record that arrived: {} {} mJ", cairn.strategy, number(ours));
    Some(if theirs.is_empty() { said + "." } else { format!("{said}; {}.", theirs.join(", ")) })
}

/// Of how old records become.
pub(super) fn staleness(compared: &Comparison, summaries: &[Summary]) -> String {
    let Some(Told { cairn, summary, .. }) = told(compared, summaries) else { return nothing() };
    let fate = match (summary.late, summary.lost) {
        (0, 0) => "none was late and none lost".to_owned(),
        (late, 0) => format!("{} were late and none lost", count(late)),
        (late, lost) => format!("{} were late and {} lost or only counted", count(late), count(lost)),
    };
    format!(
        "With {} no record waited longer than {}, on the median day {}; of {} records {fate}.",
        cairn.strategy,
        span(summary.wait_max_ms),
        span(summary.wait_median_ms),
        count(summary.records)
    )
}

/// Of the budget. `points` are Cairn's.
pub(super) fn budget(cairn: &Outcome, summary: &Summary, points: &[Point]) -> String {
    let levels = || cairn.days.iter().map(|day| joules(day.budget));
    let (least, most) = (levels().fold(f64::INFINITY, f64::min), levels().fold(0.0, f64::max));
    if points.is_empty() || most == 0.0 {
        return format!("{} had nothing to spend.", cairn.strategy);
    }
    let [longer, hashes, urgent] = summary.degraded_days;
    let steps = [(longer, "longer intervals"), (hashes, "hashes only"), (urgent, "urgent records only")];
    let steps: Vec<String> = steps
        .into_iter()
        .filter(|(days, _)| *days > 0)
        .map(|(days, step)| format!("{step} on {} of {} days", count(days as u64), count(summary.days as u64)))
        .collect();
    let low = format!("The budget's lowest was {} J, {:.0} % of its highest", number(least), percent(least, most));
    let owed = if summary.debt_days > 0 {
        format!("; it owed {} J at most", number(summary.debt_max_j))
    } else {
        String::new()
    };
    if steps.is_empty() {
        format!("{low}{owed}; the device never had to do less.")
    } else {
        format!("{low}{owed}; to save, the device did {}.", steps.join(", "))
    }
}

/// Of the coverage that all of them had.
pub(super) fn coverage(points: &[Point], days: usize) -> String {
    let worst = points.iter().map(|point| point.coverage[2]).fold(0.0, f64::max);
    let weight = points.len().max(1) as f64;
    let mean = |level: usize| points.iter().map(|point| point.coverage[level]).sum::<f64>() / weight * 100.0;
    let over = if days == 1 { "the worst day".to_owned() } else { format!("the worst {days} days") };
    format!(
        "Coverage was good (CE0) for {:.0} % of the time, poor (CE1) for {:.0} %, and very poor (CE2) for {:.0} %; \
         CE2 for {:.0} % of {over}.",
        mean(0),
        mean(1),
        mean(2),
        worst * 100.0
    )
}

/// Of how long it is.
pub(super) fn extent(compared: &Comparison, summaries: &[Summary]) -> String {
    let days = summaries.iter().map(|summary| summary.days).max().unwrap_or_default();
    let strategies = compared.outcomes.len();
    let battery = number(joules(compared.battery) / 1e3);
    let per_day = number(joules(compared.battery) / (10.0 * YEAR_DAYS));
    format!(
        "{} simulated under {strategies} {}. The battery gives {battery} kJ when it is new and \
         not cold: {per_day} J a day for ten years.",
        life(days as f64),
        if strategies == 1 { "strategy" } else { "strategies" }
    )
}

fn nothing() -> String {
    "Nothing was simulated.".to_owned()
}
