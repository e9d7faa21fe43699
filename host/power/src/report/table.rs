// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables for a terminal: one of what each strategy gives, one of where its energy goes. Units are in the head.

use core::fmt::Write as _;

use super::{
    group::Group,
    quantity::{YEAR_DAYS, count, joules, life, number, span},
    summary::Summary,
};
use crate::outcome::Comparison;

/// `compared` as text, at most 120 columns wide where names of strategies are at most 24 long.
#[must_use]
pub fn render(compared: &Comparison) -> String {
    let summaries: Vec<Summary> = compared.outcomes.iter().map(Summary::of).collect();
    let longest = summaries.iter().map(|summary| summary.days).max().unwrap_or_default();
    let mut text = printable(&format!("{}: {}", compared.scenario, compared.about));
    let _ = write!(
        text,
        "\nSimulated: {}. Battery: {} kJ that can be used.\n\n",
        life(longest as f64),
        number(joules(compared.battery) / 1e3)
    );
    let names: Vec<&str> = compared.outcomes.iter().map(|outcome| outcome.strategy).collect();
    lines(&mut text, &serving(&names, &summaries));
    text.push('\n');
    lines(&mut text, &spending(&names, &summaries));
    for group in Group::ALL {
        if group.short() != group.name()
            && summaries.iter().any(|summary| summary.groups_j_per_day[group as usize] > 0.0)
        {
            let _ = writeln!(text, "  {:<9}{}", group.short(), group.name());
        }
    }
    text
}

type Row = Vec<String>;

fn serving(names: &[&str], summaries: &[Summary]) -> Vec<Row> {
    let head = [
        ["strategy", ""],
        ["life", "years"],
        ["energy", "J/day"],
        ["radio", "mJ/record"],
        ["wakes", "/day"],
        ["wait, median", "day"],
        ["wait, worst", "day"],
        ["late", "records"],
        ["lost", "records"],
        ["interval", "mean"],
        ["interval", "longest"],
    ];
    let mut rows: Vec<Row> = (0..2).map(|line| head.iter().map(|column| column[line].to_owned()).collect()).collect();
    for (name, summary) in names.iter().zip(summaries) {
        rows.push(vec![
            (*name).to_owned(),
            years(summary),
            number(summary.energy_j_per_day),
            summary.radio_mj_per_record.map_or_else(|| "none".to_owned(), number),
            number(summary.wakes_per_day),
            span(summary.wait_median_ms),
            span(summary.wait_max_ms),
            count(summary.late),
            count(summary.lost),
            span(summary.interval_mean_ms),
            span(summary.interval_max_ms),
        ]);
    }
    rows
}

/// A life in years; days and hours are told as such.
fn years(summary: &Summary) -> String {
    match summary.life_years {
        None => "any".to_owned(),
        Some(years) if years >= 1.0 => format!("{years:.1}"),
        Some(years) => life(years * YEAR_DAYS),
    }
}

fn spending(names: &[&str], summaries: &[Summary]) -> Vec<Row> {
    let shown = Group::ALL.map(|group| {
        let spends = |summary: &Summary| summary.groups_j_per_day[group as usize] > 0.0;
        summaries.iter().any(spends).then_some(group)
    });
    let shown: Vec<Group> = shown.into_iter().flatten().collect();
    let mut rows: Vec<Row> = vec![vec!["J/day".to_owned()]];
    rows[0].extend(shown.iter().map(|group| group.short().to_owned()));
    for (name, summary) in names.iter().zip(summaries) {
        let mut row = vec![(*name).to_owned()];
        row.extend(shown.iter().map(|group| number(summary.groups_j_per_day[*group as usize])));
        rows.push(row);
    }
    rows
}

/// Columns as wide as what is in them: the first to the left, numbers to the right.
fn lines(text: &mut String, rows: &[Row]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let wide = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| wide(column).unwrap_or_default()).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column == 0 { write!(line, "{cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// Text of a scenario, without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(char::is_control, "")
}
