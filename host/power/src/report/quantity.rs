// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How numbers are written: three digits that count, thousands apart, times in the unit that fits.

use cairn::power::cost::MicroJoules;

/// Days in a year.
pub(super) const YEAR_DAYS: f64 = 365.25;

pub(super) fn joules(energy: MicroJoules) -> f64 {
    energy.0 as f64 / 1e6
}

/// Three digits that count, or all of the integer part with its thousands apart.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "none".to_owned();
    }
    let size = value.abs();
    let decimals = match size {
        _ if size == 0.0 => 0,
        _ if size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ if size >= 0.0005 => 3,
        _ => return format!("{value:.1e}"),
    };
    thousands(&format!("{value:.decimals$}"))
}

fn whole(value: f64) -> String {
    thousands(&format!("{value:.0}"))
}

/// An integer with its thousands apart.
pub(super) fn count(value: u64) -> String {
    thousands(&value.to_string())
}

fn thousands(digits: &str) -> String {
    let whole = digits.find('.').unwrap_or(digits.len());
    let first = usize::from(digits.starts_with('-'));
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > first && index < whole && (whole - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds in the unit that a reader would choose.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms as f64 / 1000.0;
    match seconds {
        0.0 => "0 s".to_owned(),
        s if s < 0.9995 => format!("{ms} ms"),
        s if s < 119.5 => format!("{} s", whole(s)),
        s if s < 7_170.0 => format!("{} min", whole(s / 60.0)),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// Days of a life, as years where it is that long.
pub(super) fn life(days: f64) -> String {
    match days {
        d if d >= 1000.0 * YEAR_DAYS => "over 1,000 years".to_owned(),
        d if d >= YEAR_DAYS => format!("{:.1} years", d / YEAR_DAYS),
        d if d >= 2.0 => format!("{} days", whole(d)),
        d => format!("{} hours", whole(d * 24.0)),
    }
}

/// `part` of `whole` in percent; nothing of nothing is nothing.
pub(super) fn percent(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole * 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_three_digits_and_large_ones_all() {
        let shown = [0.0, 0.012_34, 0.9996, 1.234, 12.34, 99.96, 1234.5, 1_234_567.0, -4321.0].map(number);
        let expected = ["0", "0.012", "1.00", "1.23", "12.3", "100", "1,234", "1,234,567", "-4,321"];
        assert_eq!(shown.each_ref().map(String::as_str), expected);
        assert_eq!(number(f64::NAN), "none");
        assert_eq!(number(0.000_04), "4.0e-5");
    }

    #[test]
    fn spans_and_lives_are_told_in_the_unit_that_fits() {
        let spans = [0, 999, 1000, 90_000, 900_000, 7_200_000, 86_400_000, 864_000_000].map(span);
        let expected = ["0 s", "999 ms", "1 s", "90 s", "15 min", "2.0 h", "24.0 h", "10.0 days"];
        assert_eq!(spans.each_ref().map(String::as_str), expected);
        assert_eq!([0.5, 9.0, 3652.5, 1e9].map(life), ["12 hours", "9 days", "10.0 years", "over 1,000 years"]);
    }
}
