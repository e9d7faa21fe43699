// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where energy goes: a bar for each strategy. One that would make the others invisible is drawn broken, and says so.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, VPos},
};

use super::{
    DrawError,
    frame::{self, Area, GRID, LEGEND, Sign, WIDTH},
};
use crate::{
    outcome::Comparison,
    report::{group::Group, quantity::number, summary::Summary},
};

/// Pixels of a bar and the space below it.
const ROW: u32 = 54;
/// Room for names at the left.
const NAMES: u32 = 176;
/// Bars longer than so many times Cairn's are broken.
const BROKEN_FROM: f64 = 4.0;

const COLORS: [RGBColor; Group::COUNT] = [
    RGBColor(153, 153, 153),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(240, 228, 66),
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
    RGBColor(221, 221, 221),
    RGBColor(68, 68, 68),
];

/// Joules a day by group of causes, a bar for each strategy.
pub(in crate::report) fn energy(compared: &Comparison, summaries: &[Summary]) -> Result<String, DrawError> {
    let ours = summaries.first().map_or(1.0, |summary| summary.energy_j_per_day).max(1e-9);
    let fits = |summary: &&Summary| summary.energy_j_per_day <= ours * BROKEN_FROM;
    let longest = summaries.iter().filter(fits).map(|summary| summary.energy_j_per_day).fold(ours, f64::max);
    let rows = u32::try_from(summaries.len()).unwrap_or(u32::MAX).min(64);
    let height = (rows * ROW + 70).max(290);
    frame::svg(height, |area| {
        let (plot, legend) = area.split_horizontally(WIDTH - LEGEND);
        let (plot, _) = plot.split_vertically(rows * ROW + 70);
        let mut builder = ChartBuilder::on(&plot);
        builder.margin(12).margin_right(24).x_label_area_size(48).y_label_area_size(NAMES);
        // Room behind the longest bar for its number.
        let mut chart = builder.build_cartesian_2d(0.0..longest * 1.22, f64::from(rows).max(1.0)..0.0)?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).bold_line_style(GRID).disable_y_mesh().y_labels(0);
        mesh.x_desc("energy, J a day").axis_desc_style(frame::words()).label_style(frame::words());
        mesh.x_label_formatter(&frame::numbers).draw()?;
        for (row, (outcome, summary)) in compared.outcomes.iter().zip(summaries).enumerate() {
            let middle = row as f64 + 0.5;
            let at = |x: f64, y: f64| chart.backend_coord(&(x, y));
            let scale = if fits(&summary) { 1.0 } else { longest * 1.2 / summary.energy_j_per_day };
            let mut from = 0.0;
            for (group, color) in Group::ALL.into_iter().zip(COLORS) {
                let to = from + summary.groups_j_per_day[group as usize] * scale;
                if to > from {
                    let corners = [at(from, middle - 0.3), at(to, middle + 0.3)];
                    plot.draw(&Rectangle::new(corners, color.filled()))?;
                    plot.draw(&Rectangle::new(corners, WHITE))?;
                }
                from = to;
            }
            name(&plot, outcome.strategy, at(0.0, middle))?;
            let total = format!("{} J", number(summary.energy_j_per_day));
            if fits(&summary) {
                let (x, y) = at(from, middle);
                plot.draw(&Text::new(total, (x + 8, y), frame::words()))?;
            } else {
                broken_bar(&plot, &format!("{total}, not to scale"), at(longest * 1.2, middle))?;
            }
        }
        let groups = Group::shown(summaries).into_iter();
        let entries: Vec<(Sign, &str)> =
            groups.map(|group| (Sign::Box(COLORS[group as usize]), group.name())).collect();
        frame::legend(&legend, 24, &entries)
    })
}

/// A strategy's name, left of its bar.
fn name(plot: &Area<'_>, name: &str, (x, y): (i32, i32)) -> Result<(), DrawError> {
    let lines = frame::broken(name, 24);
    let first = y - i32::try_from(lines.len().saturating_sub(1)).unwrap_or(0) * 8;
    for (line, offset) in lines.into_iter().zip((0..).step_by(16)) {
        plot.draw(&Text::new(line, (x - 10, first + offset), frame::letters(HPos::Right, VPos::Center)))?;
    }
    Ok(())
}

/// The gap in a bar that goes on, and how far it goes.
fn broken_bar(plot: &Area<'_>, total: &str, (end, y): (i32, i32)) -> Result<(), DrawError> {
    let width = i32::try_from(total.chars().count()).unwrap_or(0) * 8 + 16;
    let left = end - 60 - width;
    for x in [left - 18, left - 8] {
        let gap = vec![(x, y - 20), (x + 5, y - 7), (x - 2, y + 7), (x + 3, y + 20)];
        plot.draw(&PathElement::new(gap, WHITE.stroke_width(4)))?;
    }
    plot.draw(&Rectangle::new([(left, y - 11), (left + width, y + 11)], WHITE.filled()))?;
    plot.draw(&Text::new(total.to_owned(), (left + width / 2, y), frame::letters(HPos::Center, VPos::Center)))?;
    Ok(())
}
