// SPDX-License-Identifier: Apache-2.0 OR MIT
//! kconfig/ and cairn-config say the same: the same symbols, the same ranges, the same defaults. Kconfig.zephyr too, over stubs of
//! Zephyr's own symbols in zephyr-stubs/: no workspace is needed.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    process::Log,
    project::Project,
    setup::{self, Need, python},
    stage::{Outcome, Stages, passed},
    suite::{Context, Stage},
};

const DEFAULT: &str = "component/config/default.config";

/// Nothing was changed in one place only.
pub(crate) const STAGE: Stage = Stage {
    name: "kconfig",
    about: "kconfig/, default.config and cairn-config agree",
    needs: &[Need::Python],
    body: check,
};

fn script(project: &Project, arguments: &[&str]) -> Command {
    let mut python = Command::new(python::interpreter(project));
    python.arg("-B").arg(project.path("xtask/kconfig.py")).arg(project.path("")).args(arguments);
    python
}

/// Writes to `out` what menuconfig would after `choices` in the configuration `base`.
pub(crate) fn variant(project: &Project, log: &mut Log, base: &Path, choices: &[&str], out: &Path) -> Result<()> {
    let made = out.with_extension("made");
    let mut python = script(project, &["variant"]);
    log.run(python.arg(&made).arg(base).args(choices))?;
    // Replaced only when it is another: the build would begin anew.
    if fs::read_to_string(out).ok() != Some(fs::read_to_string(&made)?) {
        fs::rename(&made, out)?;
    }
    Ok(())
}

/// Writes to `out` what a build for Zephyr has after `choices`, with the nodes that its devicetree chose.
pub(crate) fn on_zephyr(project: &Project, log: &mut Log, out: &Path, chosen: &str, choices: &[&str]) -> Result<()> {
    log.run(script(project, &["zephyr", &out.to_string_lossy(), chosen]).args(choices)).map(drop)
}

fn check(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let made = project.directory("xtask")?.join("default.config");
    log.run(&mut script(project, &["default", &made.to_string_lossy()]))?;
    let committed = fs::read_to_string(project.path(DEFAULT)).context(DEFAULT)?;
    if fs::read_to_string(&made)? != committed {
        bail!("{DEFAULT} is not what kconfig/ gives; run `cargo xtask kconfig` and commit");
    }
    let in_kconfig = set(&log.run(&mut script(project, &["symbols"]))?);
    let in_rust = set(&log.run(&mut cairn_config(project, &["symbols"]))?);
    same("kconfig/Kconfig", &in_kconfig, "component/config/src/symbols.rs", &in_rust)?;
    let of_zephyr = zephyr(project, log, &in_rust)?;
    passed(format!("{} options, {of_zephyr} more on Zephyr", in_rust.len()))
}

/// `cairn-config` with these arguments.
pub(crate) fn cairn_config(project: &Project, arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--locked", "-p", "cairn-config", "--"]).args(arguments);
    cargo.current_dir(project.path(""));
    cargo
}

/// Every symbol of Kconfig.zephyr is known, as the library's or as the glue's; and what Kconfig gives there, with each transport, is a
/// configuration. How many there are of the glue's.
fn zephyr(project: &Project, log: &mut Log, library: &BTreeSet<String>) -> Result<usize> {
    let names: BTreeSet<String> =
        library.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect();
    let found = set(&log.run(&mut script(project, &["zephyr-symbols"]))?);
    let found: BTreeSet<String> =
        found.into_iter().filter(|name| !name.starts_with("CONFIG_CAIRN_LOG_LEVEL")).collect();
    let glue = set(&log.run(&mut cairn_config(project, &["glue"]))?);
    let known = names.union(&glue).cloned().collect();
    same("kconfig/Kconfig.zephyr", &found, "component/config/src/symbols.rs", &known)?;
    let path = project.directory("xtask")?.join("zephyr.config");
    let out = path.to_string_lossy().into_owned();
    for (case, built) in ON_ZEPHYR.iter().enumerate() {
        let Built { chosen, choices, features, lines, without } = built;
        on_zephyr(project, log, &path, chosen, choices)?;
        let said = log.run(&mut cairn_config(project, &["features", &out]))?;
        let text = fs::read_to_string(&out)?;
        let has = |line: &&&str| text.lines().any(|have| have == **line);
        ensure!(said.trim() == *features, "Kconfig.zephyr, case {case}: features {}, not {features}", said.trim());
        if let Some(line) = lines.iter().find(|line| !has(line)) {
            bail!("Kconfig.zephyr, case {case}: no line '{line}' in\n{text}");
        }
        if let Some(line) = without.iter().find(has) {
            bail!("Kconfig.zephyr, case {case}: there is a line '{line}'");
        }
    }
    refused_on_zephyr(project, log, &out)?;
    Ok(glue.len())
}

/// What a build for Zephyr gets.
struct Built {
    /// The nodes that the devicetree chose.
    chosen: &'static str,
    choices: &'static [&'static str],
    /// The cargo features that come of it.
    features: &'static str,
    /// Lines of the `.config`, and lines that it must not have.
    lines: &'static [&'static str],
    without: &'static [&'static str],
}

const JOURNAL: &str = "cairn,journal=32768";
const WITH_MODEM: &str = "cairn,journal=32768;cairn,modem=0";

/// CONFIG_CAIRN=y is all it takes: the devicetree says the rest.
const ON_ZEPHYR: &[Built] = &[
    Built {
        chosen: JOURNAL,
        choices: &[],
        features: "udp,signer-software",
        lines: &[
            "CONFIG_CAIRN_JOURNAL_BYTES=32768",
            "CONFIG_CAIRN_TASK_PRIORITY=14",
            "CONFIG_CAIRN_ZEPHYR_SOCKETS=y",
            "CONFIG_ZVFS_EVENTFD=y",
            "CONFIG_NET_SOCKETS=y",
            "CONFIG_FLASH_MAP=y",
        ],
        without: &[
            "CONFIG_SERIAL=y",
            "CONFIG_CAIRN_SHELL=y",
            "CONFIG_CAIRN_LOG_LEVEL=3",
            "CONFIG_CAIRN_FIRMWARE_RECORD=y",
            "CONFIG_SNTP=y",
        ],
    },
    Built {
        chosen: JOURNAL,
        choices: &["BOOTLOADER_MCUBOOT=y", "SNTP=y", "SIGNER_SE050=y"],
        features: "udp,signer-se050",
        lines: &[
            "CONFIG_CAIRN_FIRMWARE_RECORD=y",
            "CONFIG_CAIRN_SNTP=y",
            "CONFIG_CAIRN_SNTP_INTERVAL_H=24",
            "CONFIG_SNTP=y",
            "CONFIG_CAIRN_ZEPHYR_I2C=y",
            "CONFIG_I2C=y",
            "CONFIG_GPIO=y",
        ],
        without: &["CONFIG_SERIAL=y"],
    },
    Built {
        chosen: WITH_MODEM,
        choices: &["SHELL=y", "LOG=y"],
        features: "at-modem,signer-software",
        lines: &[
            "CONFIG_CAIRN_ZEPHYR_UART=y",
            "CONFIG_SERIAL=y",
            "CONFIG_RING_BUFFER=y",
            "CONFIG_UART_INTERRUPT_DRIVEN=y",
            "CONFIG_CAIRN_SHELL=y",
            "CONFIG_CAIRN_LOG_LEVEL=3",
        ],
        without: &["CONFIG_NETWORKING=y", "CONFIG_ZVFS_EVENTFD=y"],
    },
    // A chosen modem is a default, no more.
    Built {
        chosen: WITH_MODEM,
        choices: &["UDP=y"],
        features: "udp,signer-software",
        lines: &["CONFIG_CAIRN_ZEPHYR_SOCKETS=y"],
        without: &["CONFIG_SERIAL=y"],
    },
    Built {
        chosen: JOURNAL,
        choices: &["TRANSPORT_CUSTOM=y", "SIGNER_CUSTOM=y", "KEY_P256=y"],
        features: "udp,signer-custom,es256",
        lines: &["CONFIG_CAIRN_TASK_STACK_BYTES=10240"],
        without: &["CONFIG_NETWORKING=y", "CONFIG_ZVFS_EVENTFD=y", "CONFIG_SERIAL=y", "CONFIG_CAIRN_ZEPHYR_SOCKETS=y"],
    },
    Built {
        chosen: JOURNAL,
        choices: &["TEST_RANDOM_GENERATOR=y", "INSECURE_ENTROPY=y", "CARGO_OFFLINE=y"],
        features: "udp,signer-software",
        lines: &["CONFIG_CAIRN_INSECURE_ENTROPY=y", "CONFIG_CAIRN_CARGO_OFFLINE=y"],
        without: &[],
    },
];

/// What the dependencies keep out.
fn refused_on_zephyr(project: &Project, log: &mut Log, out: &str) -> Result<()> {
    const NEVER: &[(&str, &[&str])] = &[
        ("INSECURE_ENTROPY", &["INSECURE_ENTROPY=y"]),
        ("SIGNER_SIM", &["UDP=y", "SIGNER_SIM=y"]),
        ("SNTP without sockets", &["TRANSPORT_CUSTOM=y", "SNTP=y"]),
        ("RUST", &["RUST=y", "QUEUE_LENGTH=17"]),
    ];
    for (what, choices) in NEVER {
        let (status, said) =
            log.status_within(script(project, &["zephyr", out, JOURNAL]).args(*choices), Duration::from_secs(60))?;
        ensure!(!status.success() && said.contains("is not offered"), "Kconfig.zephyr offers {what}: {said}");
    }
    Ok(())
}

/// That nothing is in one of the two only.
fn same(a_name: &str, a: &BTreeSet<String>, b_name: &str, b: &BTreeSet<String>) -> Result<()> {
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join(", ");
    let (in_a, in_b) = (only(a, b), only(b, a));
    ensure!(in_a.is_empty() && in_b.is_empty(), "only in {a_name}: [{in_a}]; only in {b_name}: [{in_b}]");
    Ok(())
}

fn set(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with("CONFIG_")).map(str::to_owned).collect()
}

/// `cargo xtask kconfig`.
pub(crate) fn write() -> Result<ExitCode> {
    let project = Project::find()?;
    let mut stages = Stages::new(&project);
    let installed = setup::install(&project, &mut stages, &[Need::Python]);
    stages.run("kconfig: write default.config", |log| {
        installed.check(&[Need::Python])?;
        let path = project.path(DEFAULT);
        log.run(&mut script(&project, &["default", &path.to_string_lossy()]))?;
        passed(Path::new(DEFAULT).display().to_string())
    });
    Ok(stages.finish())
}
