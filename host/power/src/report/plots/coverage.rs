// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The coverage that every strategy met: shares of time at each level, stacked.

use plotters::prelude::*;

use super::{
    DrawError,
    frame::{self, GRID, LEFT, LEGEND, Sign, Time, WIDTH},
};
use crate::report::series::Point;

const HEIGHT: u32 = 240;
/// CE0 to CE2, from light to dark.
const LEVELS: [(RGBColor, &str); 3] = [
    (RGBColor(198, 219, 239), "CE0, good"),
    (RGBColor(107, 174, 214), "CE1, poor"),
    (RGBColor(8, 69, 148), "CE2, very poor"),
];

/// Coverage over time.
pub(in crate::report) fn coverage(points: &[Point]) -> Result<String, DrawError> {
    let time = Time::until(points.last().map_or(1, |point| point.day));
    frame::svg(HEIGHT, |area| {
        let (plot, legend) = area.split_horizontally(WIDTH - LEGEND);
        let mut builder = ChartBuilder::on(&plot);
        builder.margin(12).x_label_area_size(48).y_label_area_size(LEFT);
        let mut chart = builder.build_cartesian_2d(0.0..time.end, 0.0..100.0)?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).bold_line_style(GRID).axis_desc_style(frame::words());
        mesh.x_desc(time.label).y_desc("share of time, %").label_style(frame::words());
        mesh.x_label_formatter(&frame::numbers).y_label_formatter(&frame::numbers).draw()?;
        // The whole first, what is on top of it over it: no seams between areas.
        for (level, (color, _)) in LEVELS.iter().enumerate() {
            let share = |point: &Point| point.coverage.iter().skip(level).sum::<f64>() * 100.0;
            let first = points.first().map(|point| (0.0, share(point)));
            let line = first.into_iter().chain(points.iter().map(|point| (time.at(point.day), share(point))));
            chart.draw_series(AreaSeries::new(line, 0.0, color.filled()))?;
        }
        let entries: Vec<(Sign, &str)> = LEVELS.iter().map(|(color, name)| (Sign::Box(*color), *name)).collect();
        frame::legend(&legend, 30, &entries)
    })
}
