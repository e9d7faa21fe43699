// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What plots have in common: their size, their letters, the axis of time, legends, and the colours and marks of strategies.

use core::ops::Range;

use plotters::{
    coord::{
        Shift,
        ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter},
        types::RangedCoordf64,
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::DrawError;
use crate::report::quantity::{YEAR_DAYS, number};

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Pixels across.
pub(super) const WIDTH: u32 = 940;
/// Of it, the legend's.
pub(super) const LEGEND: u32 = 210;
/// Room for the numbers of an axis.
pub(super) const LEFT: u32 = 96;
/// Plotters' sizes are of a letter's box: 16 gives 13 pixels.
const LETTERS: f64 = 16.0;
const INK: RGBColor = RGBColor(34, 34, 34);
pub(super) const GRID: RGBColor = RGBColor(225, 225, 225);

/// Colours of strategies, Cairn's first.
const STRATEGIES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(230, 159, 0),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(86, 180, 233),
];

/// The colour of the strategy at `index`.
pub(super) const fn color(index: usize) -> RGBColor {
    STRATEGIES[index % STRATEGIES.len()]
}

/// Draws on a white area of `height` pixels, and gives the SVG text.
pub(super) fn svg(height: u32, draw: impl FnOnce(&Area<'_>) -> Result<(), DrawError>) -> Result<String, DrawError> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(text)
}

/// Letters of ordinary size.
pub(super) fn letters(h: HPos, v: VPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", LETTERS).into_font()).color(&INK).pos(Pos::new(h, v))
}

/// Letters of a plot's own words, to the left and from the middle.
pub(super) fn words() -> TextStyle<'static> {
    letters(HPos::Left, VPos::Center)
}

/// From the first day to the last, in years where it is long.
#[derive(Clone, Copy)]
pub(super) struct Time {
    pub(super) unit_days: f64,
    pub(super) label: &'static str,
    pub(super) end: f64,
}

impl Time {
    pub(super) fn until(days: usize) -> Self {
        let long = days as f64 > 2.0 * YEAR_DAYS;
        let (unit_days, label) =
            if long { (YEAR_DAYS, "years since the start") } else { (1.0, "days since the start") };
        let end = (days.max(1) as f64) / unit_days;
        // Ten years are 3,652 days: the last year is to have its number.
        Self { unit_days, label, end: if end.ceil() - end < 0.01 { end.ceil() } else { end } }
    }

    pub(super) fn at(&self, day: usize) -> f64 {
        day as f64 / self.unit_days
    }
}

/// An axis whose lines and words are chosen, not reckoned.
pub(super) struct Named {
    inner: RangedCoordf64,
    ticks: Vec<(f64, String)>,
}

impl Named {
    /// Over `range`, with a line and a word for each of `ticks`; without any, with round numbers.
    pub(super) fn new(range: Range<f64>, ticks: Vec<(f64, String)>) -> Self {
        Self { inner: range.into(), ticks }
    }
}

impl Ranged for Named {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.inner.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if self.ticks.is_empty() { self.inner.key_points(hint) } else { self.ticks.iter().map(|tick| tick.0).collect() }
    }

    fn range(&self) -> Range<f64> {
        self.inner.range()
    }
}

impl ValueFormatter<f64> for Named {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|tick| (tick.0 - value).abs() < 1e-9);
        tick.map_or_else(|| numbers(value), |tick| tick.1.clone())
    }
}

/// Numbers of an axis.
pub(super) fn numbers(value: &f64) -> String {
    // What is left of adding up steps.
    if value.abs() < 1e-9 { "0".to_owned() } else { trimmed(number(*value)) }
}

/// Without zeros that say nothing on an axis.
fn trimmed(number: String) -> String {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number }
}

/// What stands for something in a plot and its legend.
#[derive(Clone, Copy)]
pub(super) enum Sign {
    /// A line, and the shape of its marks.
    Line(RGBColor, u32, usize),
    /// A filled box.
    Box(RGBColor),
}

/// A legend in the column at the right: signs and words, words broken into lines.
pub(super) fn legend(area: &Area<'_>, top: i32, entries: &[(Sign, &str)]) -> Result<(), DrawError> {
    let mut y = top;
    for (sign, name) in entries {
        let lines = broken(name, 24);
        match *sign {
            Sign::Line(color, width, shape) => {
                let style = color.stroke_width(width);
                area.draw(&PathElement::new(vec![(12, y), (40, y)], style))?;
                mark(area, (26, y), shape, color)?;
            }
            Sign::Box(color) => {
                area.draw(&Rectangle::new([(20, y - 7), (34, y + 7)], color.filled()))?;
                area.draw(&Rectangle::new([(20, y - 7), (34, y + 7)], INK))?;
            }
        }
        for line in &lines {
            area.draw(&Text::new(line.clone(), (48, y), words()))?;
            y += 16;
        }
        y += 9;
    }
    Ok(())
}

/// `text` in lines of about `width` letters, broken between words.
pub(super) fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A mark on a line, one of five shapes.
pub(super) fn mark(area: &Area<'_>, (x, y): (i32, i32), shape: usize, color: RGBColor) -> Result<(), DrawError> {
    let filled = color.filled();
    match shape % 5 {
        0 => area.draw(&Circle::new((x, y), 4, filled))?,
        1 => area.draw(&TriangleMarker::new((x, y), 6, filled))?,
        2 => area.draw(&Rectangle::new([(x - 4, y - 4), (x + 4, y + 4)], filled))?,
        3 => area.draw(&Cross::new((x, y), 4, color.stroke_width(2)))?,
        _ => area.draw(&Polygon::new(vec![(x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y)], filled))?,
    }
    Ok(())
}
