// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A line for each strategy over time: the battery, and how old records become.

use core::ops::Range;

use plotters::prelude::*;

use super::{
    DrawError,
    frame::{self, GRID, LEFT, LEGEND, Named, Sign, Time, WIDTH},
};
use crate::{
    outcome::Comparison,
    report::{quantity::joules, series::Point},
};

const HEIGHT: u32 = 360;
/// Marks on a line across the whole plot.
const MARKS: usize = 9;
const DAY: f64 = 86_400.0;
/// Where a reader expects lines in seconds of waiting, and how they are called.
const WAITS: [(f64, &str); 12] = [
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (600.0, "10 min"),
    (3_600.0, "1 h"),
    (21_600.0, "6 h"),
    (DAY, "1 day"),
    (3.0 * DAY, "3 days"),
    (10.0 * DAY, "10 days"),
    (30.0 * DAY, "30 days"),
    (365.25 * DAY, "1 year"),
    (3652.5 * DAY, "10 years"),
];

/// A vertical axis.
struct Scale {
    label: &'static str,
    range: Range<f64>,
    /// Where lines go, and what they are called; empty: round numbers.
    ticks: Vec<(f64, String)>,
}

/// What the battery still gives, over the years.
pub(in crate::report) fn battery(compared: &Comparison, series: &[Vec<Point>]) -> Result<String, DrawError> {
    let whole = joules(compared.battery) / 1e3;
    let most = series.iter().flatten().map(|point| point.battery_j / 1e3).fold(whole, f64::max);
    let scale = Scale { label: "battery, kJ", range: 0.0..(most * 1.05).max(1e-3), ticks: Vec::new() };
    draw(compared, series, &scale, |point| point.battery_j / 1e3)
}

/// The longest wait of each day, over the years, on a logarithmic scale.
pub(in crate::report) fn staleness(compared: &Comparison, series: &[Vec<Point>]) -> Result<String, DrawError> {
    let waits = || series.iter().flatten().map(|point| point.wait_s.max(1.0));
    let (least, most) = (waits().fold(f64::INFINITY, f64::min), waits().fold(1.0, f64::max));
    let low = WAITS.iter().rev().map(|wait| wait.0).find(|wait| *wait <= least).unwrap_or(1.0);
    let high =
        WAITS.iter().map(|wait| wait.0).find(|wait| *wait >= most && *wait > low).unwrap_or(most.max(low * 10.0));
    let ticks = WAITS.iter().filter(|(wait, _)| (low..=high).contains(wait));
    let scale = Scale {
        label: "longest wait of a record",
        range: low.log10()..high.log10() + 0.05,
        ticks: ticks.map(|(wait, name)| (wait.log10(), (*name).to_owned())).collect(),
    };
    draw(compared, series, &scale, |point| point.wait_s.max(1.0).log10())
}

fn draw(
    compared: &Comparison,
    series: &[Vec<Point>],
    scale: &Scale,
    value: impl Fn(&Point) -> f64,
) -> Result<String, DrawError> {
    let days = series.iter().flatten().map(|point| point.day).max().unwrap_or(1);
    let time = Time::until(days);
    frame::svg(HEIGHT, |area| {
        let (plot, legend) = area.split_horizontally(WIDTH - LEGEND);
        let mut builder = ChartBuilder::on(&plot);
        builder.margin(12).x_label_area_size(48).y_label_area_size(LEFT);
        let y = Named::new(scale.range.clone(), scale.ticks.clone());
        let mut chart = builder.build_cartesian_2d(0.0..time.end, y)?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).bold_line_style(GRID).axis_desc_style(frame::words());
        mesh.x_desc(time.label).y_desc(scale.label).label_style(frame::words()).max_light_lines(0);
        mesh.x_label_formatter(&frame::numbers).draw()?;
        let mut entries = Vec::new();
        // Cairn's last, on top of the others.
        for (index, points) in series.iter().enumerate().rev() {
            let (color, width) = (frame::color(index), if index == 0 { 3 } else { 2 });
            // A life of one day is a line too.
            let first = points.first().map(|point| (0.0, value(point)));
            let line = points.iter().map(|point| (time.at(point.day), value(point)));
            let line: Vec<(f64, f64)> = first.into_iter().chain(line).collect();
            chart.draw_series(LineSeries::new(line.iter().copied(), color.stroke_width(width)))?;
            for at in marked(&line, time.end, index) {
                frame::mark(&plot, chart.backend_coord(&at), index, color)?;
            }
            let strategy = compared.outcomes.get(index).map_or("", |outcome| outcome.strategy);
            entries.push((Sign::Line(color, width, index), strategy));
        }
        entries.reverse();
        frame::legend(&legend, 30, &entries)
    })
}

/// Where a line is marked: at so many times across the plot, each line at its own, and at its end.
fn marked(line: &[(f64, f64)], end: f64, index: usize) -> Vec<(f64, f64)> {
    let offset = (index % 5) as f64 / 5.0;
    let times = (0..MARKS).map(|step| (step as f64 + offset) / MARKS as f64 * end);
    let on_line = times.filter_map(|time| line.iter().find(|point| point.0 >= time)).copied();
    let mut marks: Vec<(f64, f64)> = on_line.chain(line.last().copied()).collect();
    marks.dedup();
    marks
}
