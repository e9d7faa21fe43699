// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The columns that the table of a terminal and that of the page share: head and cell of each stand once. [`super::table`] and
//! [`super::html`] put the strategy and its life before them, each in its own words.

use super::{
    quantity::{count, number, span},
    summary::Summary,
};

/// A number that is told of each strategy.
pub(super) struct Column {
    /// Its head on a page.
    pub(super) head: &'static str,
    /// Its head over a narrow column, in two lines.
    pub(super) lines: [&'static str; 2],
    /// What is told of a life.
    pub(super) cell: fn(&Summary) -> String,
}

/// In the order in which they are shown.
pub(super) const COLUMNS: [Column; 9] = [
    Column { head: "energy, J/day", lines: ["energy", "J/day"], cell: |summary| number(summary.energy_j_per_day) },
    Column {
        head: "radio, mJ/record",
        lines: ["radio", "mJ/record"],
        cell: |summary| summary.radio_mj_per_record.map_or_else(|| "none".to_owned(), number),
    },
    Column { head: "wakes/day", lines: ["wakes", "/day"], cell: |summary| number(summary.wakes_per_day) },
    Column {
        head: "longest wait, median day",
        lines: ["wait, median", "day"],
        cell: |summary| span(summary.wait_median_ms),
    },
    Column {
        head: "longest wait, worst day",
        lines: ["wait, worst", "day"],
        cell: |summary| span(summary.wait_max_ms),
    },
    Column { head: "late", lines: ["late", "records"], cell: |summary| count(summary.late) },
    Column { head: "lost", lines: ["lost", "records"], cell: |summary| count(summary.lost) },
    Column { head: "mean interval", lines: ["interval", "mean"], cell: |summary| span(summary.interval_mean_ms) },
    Column { head: "longest interval", lines: ["interval", "longest"], cell: |summary| span(summary.interval_max_ms) },
];
