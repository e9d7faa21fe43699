// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What there was to spend over time, what was owed, and how far that made the device do less.

use plotters::prelude::*;

use super::{
    DrawError,
    frame::{self, Area, GRID, LEFT, LEGEND, Named, Sign, Time, WIDTH},
};
use crate::report::series::Point;

const HEIGHT: u32 = 430;
/// Of it, the steps below.
const STEPS: u32 = 150;
const BUDGET: RGBColor = RGBColor(0, 114, 178);
const DEBT: RGBColor = RGBColor(213, 94, 0);
const SAVING: RGBColor = RGBColor(230, 159, 0);

/// The budget and the debt of `points`, and below them the steps.
pub(in crate::report) fn budget(points: &[Point]) -> Result<String, DrawError> {
    let time = Time::until(points.last().map_or(1, |point| point.day));
    frame::svg(HEIGHT, |area| {
        let (plots, legend) = area.split_horizontally(WIDTH - LEGEND);
        let (above, below) = plots.split_vertically(HEIGHT - STEPS);
        levels(&above, points, &time)?;
        steps(&below, points, &time)?;
        let signs = [Sign::Line(BUDGET, 2, 0), Sign::Line(DEBT, 2, 1), Sign::Box(SAVING)];
        let names = ["left to spend", "owed", "the device does less, to save"];
        frame::legend(&legend, 30, &signs.into_iter().zip(names).collect::<Vec<_>>())
    })
}

fn levels(area: &Area<'_>, points: &[Point], time: &Time) -> Result<(), DrawError> {
    let most = points.iter().map(|point| point.budget_j.max(point.debt_j)).fold(1e-3, f64::max);
    let mut builder = ChartBuilder::on(area);
    builder.margin(12).margin_bottom(0).x_label_area_size(14).y_label_area_size(LEFT);
    let mut chart = builder.build_cartesian_2d(0.0..time.end, 0.0..most * 1.08)?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).bold_line_style(GRID).axis_desc_style(frame::words());
    // Times are below the steps.
    mesh.y_desc("budget, J").label_style(frame::words()).x_label_formatter(&|_| String::new());
    mesh.y_label_formatter(&frame::numbers).draw()?;
    for (color, value, shape) in
        [(BUDGET, (|point| point.budget_j) as fn(&Point) -> f64, 0), (DEBT, |point| point.debt_j, 1)]
    {
        let line: Vec<(f64, f64)> = points.iter().map(|point| (time.at(point.day), value(point))).collect();
        chart.draw_series(LineSeries::new(line.iter().copied(), color.stroke_width(2)))?;
        for at in line.iter().skip(line.len() / 20).step_by((line.len() / 9).max(1)) {
            frame::mark(area, chart.backend_coord(at), shape, color)?;
        }
    }
    Ok(())
}

fn steps(area: &Area<'_>, points: &[Point], time: &Time) -> Result<(), DrawError> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(12).margin_top(4).x_label_area_size(48).y_label_area_size(LEFT);
    let names = ["nothing less", "longer waits", "hashes only", "urgent only"];
    let steps = names.iter().zip(0..).map(|(name, step)| (f64::from(step), (*name).to_owned())).collect();
    let mut chart = builder.build_cartesian_2d(0.0..time.end, Named::new(0.0..3.2, steps))?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).bold_line_style(GRID).axis_desc_style(frame::words());
    mesh.x_desc(time.label).label_style(frame::words()).x_label_formatter(&frame::numbers).draw()?;
    let mut from = 0;
    for span in points.chunk_by(|a, b| a.degradation == b.degradation) {
        let to = span.last().map_or(from, |last| last.day);
        let level = span.first().map_or(0, |first| first.degradation);
        if level > 0 {
            let corners = [(time.at(from), 0.0), (time.at(to), f64::from(level))];
            chart.draw_series([Rectangle::new(corners, SAVING.filled())])?;
        }
        from = to;
    }
    Ok(())
}
