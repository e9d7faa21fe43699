// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One page for people: what a scenario is, what became of it under each strategy, plots and tables. Nothing in it is loaded or
//! run; every text that is not ours is escaped. It is well-formed XML too.

use core::fmt::Write as _;

pub use super::plots::DrawError;
use super::{
    cells::COLUMNS,
    group::Group,
    plots,
    quantity::{life, number},
    sentences, series,
    summary::Summary,
};
use crate::outcome::Comparison;

const STYLE: &str = "\
body{font:16px/1.5 sans-serif;color:#222;background:#fff;max-width:60em;margin:2em auto;padding:0 1em}
h1{font-size:1.7em}h2{font-size:1.4em;margin-top:2em}h3{font-size:1.1em;margin:2em 0 .3em}
section.scenario+section.scenario{border-top:2px solid #222;margin-top:3em}
p.lead{font-size:1.15em}
figure{margin:1.5em 0;break-inside:avoid}figcaption{font-weight:bold}figcaption span{display:block;font-weight:normal}
svg{max-width:100%;height:auto}
div.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.85em}th,td{padding:.25em .6em;border-bottom:1px solid #ccc;text-align:right;vertical-align:top}
th:first-child,td:first-child{text-align:left}
dt{font-weight:bold}dd{margin:0 0 .4em 1.5em}
@media print{body{font-size:11px;margin:0;max-width:none}div.wide{overflow:visible}
section.scenario+section.scenario{break-before:page;border:0}}
";

/// Where this page comes from, for its foot.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The program's version.
    pub version: String,
    /// How it was called, so that it can be made again.
    pub command: String,
}

/// A page of all `compared`.
///
/// # Errors
/// When a plot cannot be drawn.
pub fn render(compared: &[Comparison], origin: &Origin) -> Result<String, DrawError> {
    let title = match compared {
        [one] => format!("Power: {}", one.scenario),
        _ => "Power: scenarios".to_owned(),
    };
    let mut page = format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n",
        escaped(&title)
    );
    if compared.len() > 1 {
        page.push_str("<h1>Power: scenarios</h1>\n<ul>\n");
        for (index, one) in compared.iter().enumerate() {
            let summaries: Vec<Summary> = one.outcomes.iter().map(Summary::of).collect();
            let said = sentences::battery(one, &summaries);
            let _ = writeln!(page, "<li><a href=\"#s{index}\">{}</a>: {}</li>", escaped(&one.scenario), escaped(&said));
        }
        page.push_str("</ul>\n");
    }
    for (index, one) in compared.iter().enumerate() {
        section(&mut page, one, index, if compared.len() > 1 { "h2" } else { "h1" })?;
    }
    let _ = write!(
        page,
        "<footer><p>Made by cairn {} (<code>{}</code>): the device's own agent, budget and schedule on simulated time. The energy \
         model and its sources are in docs/power.md; rows marked assumed there have no published source.</p></footer>\n</body>\n</html>\n",
        escaped(&origin.version),
        escaped(&origin.command)
    );
    Ok(page)
}

fn section(page: &mut String, compared: &Comparison, index: usize, heading: &str) -> Result<(), DrawError> {
    let summaries: Vec<Summary> = compared.outcomes.iter().map(Summary::of).collect();
    let days = series::days_per_point(compared);
    let series: Vec<Vec<series::Point>> = compared.outcomes.iter().map(|outcome| series::of(outcome, days)).collect();
    let _ = write!(
        page,
        "<section class=\"scenario\" id=\"s{index}\">\n<{heading}>{}</{heading}>\n<p class=\"lead\">{}</p>\n<p>{}</p>\n",
        escaped(&compared.scenario),
        escaped(&compared.about),
        escaped(&sentences::extent(compared, &summaries))
    );
    let Some((cairn, summary)) = compared.outcomes.first().zip(summaries.first()) else {
        page.push_str("<p>Nothing was simulated.</p>\n</section>\n");
        return Ok(());
    };
    results(page, compared, &summaries);
    let each = match days {
        1 => "Each point is a day.".to_owned(),
        _ => format!("Each point is the worst of {days} days."),
    };
    let battery = plots::battery(compared, &series)?;
    figure(page, "battery", &sentences::battery(compared, &summaries), "", &battery);
    let radio = sentences::radio(compared, &summaries).unwrap_or_default();
    figure(page, "energy", &sentences::energy(compared, &summaries), &radio, &plots::energy(compared, &summaries)?);
    causes(page, compared, &summaries);
    let staleness = plots::staleness(compared, &series)?;
    figure(page, "staleness", &sentences::staleness(compared, &summaries), &each, &staleness);
    let ours = series.first().map_or(&[][..], Vec::as_slice);
    figure(page, "budget", &sentences::budget(cairn, summary, ours), &each, &plots::budget(ours)?);
    let told = |point: &series::Point| point.coverage.iter().sum::<f64>() > 0.0;
    if ours.iter().any(told) {
        figure(page, "coverage", &sentences::coverage(ours, days), "", &plots::coverage(ours)?);
    }
    page.push_str("<h3>The strategies</h3>\n<dl>\n");
    for outcome in &compared.outcomes {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(outcome.strategy), escaped(outcome.does));
    }
    page.push_str("</dl>\n</section>\n");
    Ok(())
}

fn figure(page: &mut String, class: &str, sentence: &str, more: &str, svg: &str) {
    let more = if more.is_empty() { String::new() } else { format!("<span>{}</span>", escaped(more)) };
    let sentence = escaped(sentence);
    let _ = write!(
        page,
        "<figure class=\"{class}\">\n<figcaption>{sentence}{more}</figcaption>\n\
         <div role=\"img\" aria-label=\"{sentence}\">\n{svg}</div>\n</figure>\n"
    );
}

fn results(page: &mut String, compared: &Comparison, summaries: &[Summary]) {
    let heads: Vec<&str> =
        ["strategy", "battery lasts"].into_iter().chain(COLUMNS.iter().map(|column| column.head)).collect();
    let rows = compared.outcomes.iter().zip(summaries).map(|(outcome, summary)| {
        let lasts = outcome.life_days.map_or_else(|| "not limited".to_owned(), life);
        let cells = COLUMNS.iter().map(|column| (column.cell)(summary));
        [outcome.strategy.to_owned(), lasts].into_iter().chain(cells).collect()
    });
    table(page, &heads, rows);
}

fn causes(page: &mut String, compared: &Comparison, summaries: &[Summary]) {
    let groups = Group::shown(summaries);
    let heads: Vec<&str> = ["J/day"].into_iter().chain(groups.iter().map(|group| group.name())).collect();
    let rows = compared.outcomes.iter().zip(summaries).map(|(outcome, summary)| {
        let cells = groups.iter().map(|group| number(summary.groups_j_per_day[*group as usize]));
        [outcome.strategy.to_owned()].into_iter().chain(cells).collect()
    });
    table(page, &heads, rows);
}

fn table(page: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    page.push_str("<div class=\"wide\"><table>\n<thead><tr>");
    for head in heads {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escaped(head));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", escaped(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div>\n");
}

/// Text that is only text, in an element and in an attribute. Characters that XML has no place for are shown as such.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
