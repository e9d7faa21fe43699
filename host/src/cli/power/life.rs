// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn power run`, `list` and `scenario`: lives of devices, simulated under several strategies, as tables, JSON and a page with plots.
//! What is to be written is checked before anything is simulated.

use std::{
    env, fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use cairn_power::{
    compare::{self, Strategy},
    outcome::Comparison,
    report::{html, json::Document, table},
    scenario::{SHIPPED, Scenario},
};
use clap::Args;
use tempfile::Builder;

use super::teller::Teller;

pub(super) const HELP: &str = "\
Examples:
  cairn power run meter                                    # a shipped scenario: cairn power list
  cairn power run meter lock --html report.html            # a page with plots, for people; works without a network
  cairn power run meter --years 2 --strategy cairn --strategy daily
  cairn power scenario meter > mine.toml                   # a scenario of your own to start from
  cairn power run mine.toml --json lives.json --html mine.html

In the tables: energy in joules (J) a day, on the battery's side; the radio's in millijoules (mJ) for each record that the relay stored;
lives in years; waits from a record's making to its storing at the relay. Ten years of one strategy take seconds.

Exit codes:
  0   done
  1   could not do it: a scenario, a file
  2   wrong usage";

#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    /// Scenarios: names of shipped ones, or TOML files
    #[arg(required = true, value_name = "NAME|FILE")]
    scenarios: Vec<String>,
    /// Write a page with plots and tables, one file that loads nothing
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write everything as JSON; - for standard output, instead of the tables
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Simulate so many years, whatever the scenario says
    #[arg(long, value_name = "YEARS")]
    years: Option<f64>,
    /// Draw everything that is random from this, whatever the scenario says
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Only this strategy; may be given several times [default: all of them]
    #[arg(long = "strategy", value_name = "STRATEGY", value_parser = strategy)]
    strategies: Vec<Strategy>,
}

fn strategy(name: &str) -> Result<Strategy, String> {
    let known = Strategy::ALL.map(Strategy::key);
    let found = Strategy::ALL.into_iter().find(|strategy| strategy.key() == name);
    found.ok_or_else(|| format!("there are {}", known.join(", ")))
}

pub(super) fn run(arguments: &Run) -> anyhow::Result<()> {
    let scenarios = arguments.scenarios.iter().map(|name| scenario(name, arguments));
    let scenarios = scenarios.collect::<anyhow::Result<Vec<_>>>()?;
    let on_stdout = arguments.json.as_deref() == Some(Path::new("-"));
    let files: Vec<&Path> =
        arguments.html.iter().chain(arguments.json.iter().filter(|_| !on_stdout)).map(PathBuf::as_path).collect();
    if let [one, two] = files[..] {
        ensure!(one != two, "--html and --json name the same file");
    }
    for file in files {
        writable(file, arguments.force)?;
    }
    let strategies = if arguments.strategies.is_empty() { &Strategy::ALL[..] } else { &arguments.strategies };
    let mut out = io::stdout().lock();
    let mut compared = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        let mut teller = Teller::new(&scenario.name);
        let lived = compare::run(scenario, strategies, &mut |progress| teller.tell(progress));
        teller.finish();
        let lived = lived.with_context(|| format!("scenario {}", scenario.name))?;
        if !on_stdout {
            let gap = if index > 0 { "\n" } else { "" };
            write!(out, "{gap}{}", table::render(&lived))?;
        }
        compared.push(lived);
    }
    if let Some(file) = &arguments.json {
        let documents: Vec<Document> = compared.iter().map(Document::of).collect();
        let text = serde_json::to_string(&documents)? + "\n";
        if on_stdout { out.write_all(text.as_bytes())? } else { write(file, &text, arguments.force)? }
    }
    if let Some(file) = &arguments.html {
        write(file, &page(&compared)?, arguments.force)?;
    }
    Ok(())
}

fn page(compared: &[Comparison]) -> anyhow::Result<String> {
    let words =
        env::args().skip(1).map(|word| if word.contains(char::is_whitespace) { format!("'{word}'") } else { word });
    let command = std::iter::once("cairn".to_owned()).chain(words).collect::<Vec<_>>().join(" ");
    Ok(html::render(compared, &html::Origin { version: env!("CARGO_PKG_VERSION").into(), command })?)
}

/// A shipped scenario of this name, or else one from a file, with what the arguments change.
fn scenario(name: &str, arguments: &Run) -> anyhow::Result<Scenario> {
    let mut scenario = match Scenario::shipped(name) {
        Some(scenario) => scenario,
        None if Path::new(name).is_file() => {
            let text = fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
            Scenario::parse(&text).with_context(|| name.to_owned())?
        }
        None => bail!("no shipped scenario and no file is called {name}; shipped: {}", names()),
    };
    if let Some(years) = arguments.years {
        ensure!((0.01..=40.0).contains(&years), "--years {years}: must be 0.01 to 40");
        // Checked to be small and positive.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let days = (years * 365.25).round() as u32;
        scenario.days = days;
    }
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    scenario.check().with_context(|| name.to_owned())?;
    Ok(scenario)
}

fn names() -> String {
    SHIPPED.map(|(name, _)| name).join(", ")
}

/// Refuses a file that is in the way, and a folder that is not there, before minutes are spent on what would be written.
fn writable(file: &Path, force: bool) -> anyhow::Result<()> {
    ensure!(!file.is_dir(), "{} is a folder", file.display());
    ensure!(force || !file.exists(), "{} is there already; --force replaces it", file.display());
    ensure!(folder(file).is_dir(), "cannot write {}: there is no folder {}", file.display(), folder(file).display());
    Ok(())
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes all of it or nothing.
fn write(file: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    // What the process's mask takes away is taken away: a report is no secret.
    let readable = fs::Permissions::from_mode(0o666);
    let mut temporary = Builder::new().permissions(readable).tempfile_in(folder(file)).with_context(cannot)?;
    temporary.write_all(text.as_bytes()).with_context(cannot)?;
    let kept = if force { temporary.persist(file) } else { temporary.persist_noclobber(file) };
    kept.map(drop).map_err(|error| error.error).with_context(cannot)
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// Its name
    name: String,
}

/// Prints a shipped scenario's file.
pub(super) fn show(arguments: &Show) -> anyhow::Result<()> {
    let Some((_, text)) = SHIPPED.iter().find(|(name, _)| *name == arguments.name) else {
        bail!("no shipped scenario is called {}; there are {}", arguments.name, names());
    };
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// Prints the shipped scenarios' names and what they are.
pub(super) fn list() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let longest = SHIPPED.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, text) in SHIPPED {
        writeln!(out, "{name:<longest$}  {}", Scenario::parse(text)?.about)?;
    }
    Ok(())
}
