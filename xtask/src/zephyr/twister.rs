// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs twister over twister-tests/ and the samples, and believes only the list of what it executed: a board whose tests were all
//! filtered away is a failure, and so is a test that did not run where it should.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::workspace::{NO_WORKSPACE, in_workspace, workspace};
use crate::{
    process::Log,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// twister, or why not.
pub(crate) const STAGE: Stage = Stage {
    name: "zephyr",
    about: "twister on qemu_cortex_m3 and native_sim, when there is a Zephyr workspace",
    needs: &[],
    body: twister,
};

const PLATFORMS: [&str; 2] = ["qemu_cortex_m3", "native_sim/native/64"];
/// Folders with testcase.yaml or sample.yaml.
const ROOTS: [&str; 2] = ["twister-tests", "samples"];
/// Images built and run at a time.
const JOBS: &str = "2";
/// In Zephyr's scripts/requirements-build-test.txt, without a version.
const JUNITPARSER: &str = "junitparser==3.1.2";
const LIMIT: Duration = Duration::from_secs(40 * 60);

fn twister(context: &Context, log: &mut Log) -> Result<Outcome> {
    let Some(base) = workspace() else {
        return Ok(Outcome::Skipped(NO_WORKSPACE.to_owned()));
    };
    let out = context.project.directory("twister")?;
    let lent = lend_python(context, log, &base)?;
    let before = state(&base);
    let mut call = call(context, &base, &out);
    if let Some(lent) = lent {
        call.env("PYTHONPATH", lent);
    }
    let ran = log.run_within(in_workspace(&mut call, &base), LIMIT);
    ensure!(state(&base) == before, "twister changed files in {}", base.display());
    let report = fs::read_to_string(out.join("twister.json"));
    let Ok(report) = report else {
        return ran.and_then(|_| bail!("twister wrote no report")).map(Outcome::Passed);
    };
    let counts = read(&serde_json::from_str(&report).context("twister.json")?, &out)?;
    // What the report does not say: a run that broke off.
    ran?;
    passed(counts)
}

fn call(context: &Context, base: &Path, out: &Path) -> Command {
    let project = &context.project;
    let mut twister = Command::new(base.join("scripts/twister"));
    for root in ROOTS {
        twister.arg("--testsuite-root").arg(project.path(root));
    }
    for platform in PLATFORMS {
        twister.args(["--platform", platform]);
    }
    // With Debian's compiler twister would otherwise drop the boards without a word.
    twister.args(["--force-toolchain", "--jobs", JOBS, "--inline-logs"]);
    // Only what failed is kept: an image is some hundred megabytes.
    twister.args(["--clobber-output", "--runtime-artifact-cleanup", "pass", "--outdir"]).arg(out);
    twister.arg(format!("--extra-args=ZEPHYR_EXTRA_MODULES={}", project.path("").display()));
    // Shared by all images: what does not depend on an image's configuration is built once. cargo locks them.
    twister.env("CAIRN_CARGO_TARGET_DIR", project.target().join("twister-cargo"));
    twister.env("CAIRN_HOST_TARGET_DIR", project.target().join("twister-cargo-host"));
    twister.env("CARGO_INCREMENTAL", "0").env("PYTHONDONTWRITEBYTECODE", "1");
    twister
}

/// A folder with what twister imports and the workspace's Python may not have: Zephyr lists it for its own CI only.
fn lend_python(context: &Context, log: &mut Log, base: &Path) -> Result<Option<PathBuf>> {
    let mut python = Command::new("python3");
    if log.run(in_workspace(python.args(["-c", "import junitparser"]), base)).is_ok() {
        return Ok(None);
    }
    let folder = context.project.target().join("twister-python");
    if !folder.join("junitparser").is_dir() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        log.run(in_workspace(pip.arg(&folder).arg(JUNITPARSER), base))?;
    }
    Ok(Some(folder))
}

/// What the workspace's git knows to be changed; the same when it is no git repository.
fn state(base: &Path) -> Option<Vec<u8>> {
    let said = Command::new("git").arg("-C").arg(base).args(["status", "--porcelain"]).output().ok()?;
    said.status.success().then_some(said.stdout)
}

/// How the tests of one platform ended.
#[derive(Default, Debug, PartialEq, Eq)]
struct Counts {
    images: usize,
    passed: usize,
    skipped: usize,
}

/// The counts of a twister.json, in words.
///
/// # Errors
/// When a test failed or did not run, or a platform executed none.
fn read(report: &Value, out: &Path) -> Result<String> {
    let mut platforms: BTreeMap<&str, Counts> = PLATFORMS.iter().map(|&name| (name, Counts::default())).collect();
    let mut wrong = Vec::new();
    for suite in report["testsuites"].as_array().context("twister.json has no testsuites")? {
        let [name, platform, status] =
            ["name", "platform", "status"].map(|key| suite[key].as_str().unwrap_or_default());
        // twister adds the SoC to a board's name.
        let of_board = platforms.iter_mut().find(|(name, _)| platform.strip_prefix(**name).is_some_and(is_rest));
        match (of_board.map(|(_, counts)| counts), status) {
            (_, "filtered") => {}
            (Some(counts), "passed") => {
                counts.images += 1;
                for case in suite["testcases"].as_array().into_iter().flatten() {
                    match case["status"].as_str().unwrap_or_default() {
                        "passed" => counts.passed += 1,
                        "skipped" => counts.skipped += 1,
                        other => wrong.push(format!("{} on {platform}: {other}", case["identifier"])),
                    }
                }
            }
            _ => {
                let why = suite["reason"].as_str().unwrap_or_default();
                wrong.push(format!("{name} on {platform}: {status} {why}, {}", folder(suite, out).display()));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    if let Some((platform, _)) = platforms.iter().find(|(_, counts)| counts.passed == 0) {
        bail!("twister executed no test on {platform}");
    }
    let words = |(platform, Counts { images, passed, skipped }): (&str, Counts)| {
        format!(
            "{platform}: {passed} tests of {images} images{}",
            if skipped > 0 { format!(", {skipped} skipped") } else { String::new() }
        )
    };
    Ok(platforms.into_iter().map(words).collect::<Vec<_>>().join("; "))
}

/// Whether this is what may follow a board's name.
fn is_rest(qualifiers: &str) -> bool {
    qualifiers.is_empty() || qualifiers.starts_with('/')
}

/// Where twister keeps what a suite printed.
fn folder(suite: &Value, out: &Path) -> PathBuf {
    let platform = suite["platform"].as_str().unwrap_or_default().replace('/', "_");
    out.join(platform).join(suite["name"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn suite(platform: &str, status: &str, case: &str) -> Value {
        json!({"name": "cairn.device", "platform": platform, "status": status, "reason": "why",
            "testcases": [{"identifier": "cairn.device.queue.full", "status": case}]})
    }

    fn said(suites: &[Value]) -> Result<String, String> {
        read(&json!({ "testsuites": suites }), Path::new("/out")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_report_counts_what_was_executed_on_each_platform() {
        let both = ["qemu_cortex_m3/ti_lm3s6965", "native_sim/native/64"];
        let both = both.map(|platform| suite(platform, "passed", "passed"));
        assert_eq!(
            said(&both).unwrap(),
            "native_sim/native/64: 1 tests of 1 images; qemu_cortex_m3: 1 tests of 1 images"
        );
    }

    #[test]
    fn a_platform_without_an_executed_test_is_a_failure() {
        let [first, second] = PLATFORMS;
        let passed = suite(first, "passed", "passed");
        let none = format!("twister executed no test on {second}");
        assert_eq!(said(std::slice::from_ref(&passed)).unwrap_err(), none);
        assert_eq!(said(&[passed.clone(), suite(second, "filtered", "filtered")]).unwrap_err(), none);
        assert_eq!(said(&[passed, suite(second, "passed", "skipped")]).unwrap_err(), none);
        assert!(said(&[]).is_err());
    }

    #[test]
    fn whatever_did_not_pass_is_named_with_its_logs() {
        let [first, second] = PLATFORMS;
        for status in ["failed", "error", "not run", "blocked", ""] {
            let why = said(&[suite(first, "passed", "passed"), suite(second, status, "blocked")]).unwrap_err();
            assert!(
                why.contains("cairn.device on native_sim/native/64") && why.contains("native_sim_native_64"),
                "{why}"
            );
        }
        let why = said(&[suite(first, "passed", "blocked")]).unwrap_err();
        assert!(why.contains("cairn.device.queue.full"), "{why}");
    }
}
