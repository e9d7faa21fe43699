// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask bench --sweep`: the journal's power-cut sweep with every second cut, flash by flash, in the release profile. What
//! `cargo xtask test` samples. Prints the table of docs/journal.md.

use std::{
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    process::Log,
    project::Project,
    stage::{Stages, passed},
};

/// A build of the component's benches.
const BUILD: Duration = Duration::from_secs(20 * 60);

const HEAD: &str = "\
| | flash | operations | cuts | calls | second cuts | nonces | lost, doubled, said differently | time |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

/// Sweeps the flashes of these numbers, or all, with second cuts in so many calls after the first.
pub(crate) fn bench(wanted: &[u32], calls: u32) -> Result<ExitCode> {
    let project = Project::find()?;
    let cargo = || {
        let mut cargo = Command::new("cargo");
        cargo.args(["bench", "--locked", "--quiet", "-p", "cairn-rtos", "--bench", "journal_sweep", "--"]);
        cargo.current_dir(project.path("")).stdin(Stdio::null());
        cargo
    };
    let listed = Log::create(&project, "sweep")?.run_within(cargo().arg("--list"), BUILD)?;
    let flashes = numbered(&listed);
    ensure!(!flashes.is_empty(), "no flash is listed:\n{listed}");
    if let Some(unknown) = wanted.iter().find(|number| flashes.iter().all(|(known, _)| known != *number)) {
        bail!("there is no flash {unknown}:\n{listed}");
    }
    let mut stages = Stages::new(&project);
    let mut rows = Vec::new();
    for (number, name) in flashes.iter().filter(|(number, _)| wanted.is_empty() || wanted.contains(number)) {
        stages.run(&format!("sweep {number}: {name}"), |log| {
            // Hours: what it says while it runs goes to the terminal, and no time is too long.
            let sweep = cargo()
                .args([number.to_string(), calls.to_string()])
                .stderr(Stdio::inherit())
                .output()
                .context("cargo")?;
            let said = String::from_utf8_lossy(&sweep.stdout).trim().to_owned();
            log.note(&said)?;
            ensure!(sweep.status.success(), "{said}");
            let row = said.lines().find(|line| line.starts_with('|')).context("it printed no row")?;
            rows.push(row.to_owned());
            passed("nothing found")
        });
    }
    println!("\n{HEAD}\n{}", rows.join("\n"));
    Ok(stages.finish())
}

/// Lines `number name`.
fn numbered(listed: &str) -> Vec<(u32, String)> {
    let line = |line: &str| {
        let (number, name) = line.split_once(' ')?;
        Some((number.parse().ok()?, name.to_owned()))
    };
    listed.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn flashes_are_listed_by_number_and_other_lines_are_passed_over() {
        let listed = "   Compiling cairn-rtos\n1 words of 32, 8192 bytes\n10 words of 1, 4096 bytes\n";
        let flashes = [(1, "words of 32, 8192 bytes".to_owned()), (10, "words of 1, 4096 bytes".to_owned())];
        assert_eq!(numbered(listed), flashes);
    }
}
