// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables for a terminal: one of what each strategy gives, one of where its energy goes. Units are in the head.

use core::fmt::Write as _;

use super::{
    cells::COLUMNS,
    group::Group,
    quantity::{YEAR_DAYS, joules, life, number},
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
    for group in Group::shown(&summaries).into_iter().filter(|group| group.short() != group.name()) {
        let _ = writeln!(text, "  {:<9}{}", group.short(), group.name());
    }
    text
}

type Row = Vec<String>;

fn serving(names: &[&str], summaries: &[Summary]) -> Vec<Row> {
    let heads = [["strategy", ""], ["life", "years"]].into_iter().chain(COLUMNS.iter().map(|column| column.lines));
    let head = |line: usize| heads.clone().map(|lines| lines[line].to_owned()).collect();
    let mut rows: Vec<Row> = vec![head(0), head(1)];
    for (name, summary) in names.iter().zip(summaries) {
        let cells = COLUMNS.iter().map(|column| (column.cell)(summary));
        rows.push([(*name).to_owned(), years(summary)].into_iter().chain(cells).collect());
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
    let shown = Group::shown(summaries);
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
