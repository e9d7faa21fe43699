// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes a folder with the library, its headers, its configuration and their checksums, for component/capi/cairn_prebuilt.cmake.
//!
//! What cargo makes has global symbols of Rust's runtime, memcpy and arithmetic and without link-time optimisation the panic handler,
//! that another Rust library in the image has too. So it is linked into one relocatable object first, in which the functions of cairn.h
//! are the only global symbols left, and what the system must supply is all that is undefined.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    embedded::Toolchain,
    process::{Log, ask},
    project::Project,
};

/// The name is fixed by component/capi/cairn_prebuilt.cmake, as are those of the other files.
const LIBRARY: &str = "libcairn_capi.a";
const SUMS: &str = "SHA256SUMS";
/// What of it the system supplies: the port, and PSA Crypto with the C halves that call it.
const SUPPLIED: &[&str] = &["cairn_port_", "cairn_psa_", "psa_"];

/// What to make.
pub(super) struct Made<'a> {
    /// A `.config`, absolute.
    pub(super) config: &'a Path,
    /// Rust targets.
    pub(super) targets: &'a [String],
    /// The folder.
    pub(super) out: &'a Path,
}

/// The programs around the compiler for one target.
struct Binutils {
    prefix: &'static str,
    package: &'static str,
    emulation: Option<&'static str>,
    /// A program of the host has the panic handler of std, and the host's C library under it.
    hosted: bool,
}

impl Binutils {
    fn of(target: &str) -> Result<Self> {
        let device = |prefix, package, emulation| Self { prefix, package, emulation, hosted: false };
        if target.starts_with("thumb") {
            Ok(device("arm-none-eabi-", "binutils-arm-none-eabi", None))
        } else if target.starts_with("riscv32") {
            Ok(device("riscv64-unknown-elf-", "binutils-riscv64-unknown-elf", Some("elf32lriscv")))
        } else if target == format!("{}-unknown-linux-gnu", std::env::consts::ARCH) {
            Ok(Self { prefix: "", package: "binutils", emulation: None, hosted: true })
        } else {
            bail!(
                "no library is made for '{target}': targets are thumb…-none-eabi, thumb…-none-eabihf, riscv32…-unknown-none-elf \
                 and {}-unknown-linux-gnu",
                std::env::consts::ARCH
            )
        }
    }

    fn program(&self, name: &str) -> Command {
        Command::new(format!("{}{name}", self.prefix))
    }

    fn check(&self, target: &str) -> Result<()> {
        let name = format!("{}ld", self.prefix);
        ensure!(ask(&name, &["--version"]).is_some(), "{target} needs {name}: install {}", self.package);
        Ok(())
    }
}

impl Made<'_> {
    /// Gives what was made, in a few words.
    pub(super) fn make(&self, project: &Project, toolchain: Toolchain, log: &mut Log) -> Result<String> {
        let tools: Vec<Binutils> = self.targets.iter().map(|target| Binutils::of(target)).collect::<Result<_>>()?;
        for (tool, target) in tools.iter().zip(self.targets) {
            tool.check(target)?;
        }
        let configuration = Configuration::read(project, self.config, log)?;
        println!("      {} is cairn_config_{}", self.config.display(), configuration.hash);
        // Whole before it is at its place.
        let stage = project.directory("prebuilt/made")?;
        fs::remove_dir_all(&stage)?;
        fs::create_dir_all(stage.join("include"))?;
        for (target, tool) in self.targets.iter().zip(&tools) {
            println!("      {target}: cargo builds the library");
            let whole = build(project, toolchain, target, self.config, &configuration.features, tool.hosted, log)?;
            println!("      {target}: linked into one object with cairn_… as its only global symbols");
            let folder = stage.join(target);
            fs::create_dir_all(&folder)?;
            prelink(&whole, &folder, tool, log)?;
        }
        for header in ["cairn.h", "cairn_port.h"] {
            fs::copy(project.path("component/capi/include").join(header), stage.join("include").join(header))?;
        }
        log.run(ask_config(project, "header").arg(self.config).arg(stage.join("include/cairn_config.h")))?;
        fs::write(stage.join("cairn.config"), &configuration.options)?;
        fs::write(stage.join("features"), configuration.features.replace(',', "\n") + "\n")?;
        fs::write(stage.join("symbols.sha256"), sum_of_options(project)? + "\n")?;
        fs::write(stage.join("made-by"), made_by(project, &configuration))?;
        sums(&stage)?;
        put(&stage, self.out)?;
        println!("      {} checked by: sha256sum -c {SUMS}", self.out.display());
        Ok(format!("{} for {}", self.out.display(), self.targets.join(", ")))
    }
}

/// What the library is built for.
struct Configuration {
    hash: String,
    /// As cargo takes them.
    features: String,
    /// A line for each option of Cairn that a library has, set or not.
    options: String,
}

fn ask_config(project: &Project, verb: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--locked", "-p", "cairn-config", "--", verb]).current_dir(project.path(""));
    cargo
}

impl Configuration {
    fn read(project: &Project, config: &Path, log: &mut Log) -> Result<Self> {
        let checked = log.run(ask_config(project, "check").arg(config))?;
        let (_, hash) = checked.trim().rsplit_once("cairn_config_").context("cairn-config names no hash")?;
        let features = log.run(ask_config(project, "features").arg(config))?.trim().to_owned();
        let symbols = log.run(&mut ask_config(project, "symbols"))?;
        let text = fs::read_to_string(config)?;
        let mut options = String::from("# SPDX-License-Identifier: Apache-2.0 OR MIT\n");
        writeln!(options, "# What the library was built for: cairn_config_{hash}")?;
        for name in symbols.lines().filter_map(|line| line.split(' ').next()) {
            let set = format!("{name}=");
            match text.lines().find(|line| line.starts_with(&set)) {
                Some(line) => writeln!(options, "{line}")?,
                None => writeln!(options, "# {name} is not set")?,
            }
        }
        Ok(Self { hash: hash.to_owned(), features, options })
    }
}

/// What cargo makes for a target.
fn build(
    project: &Project,
    toolchain: Toolchain,
    target: &str,
    config: &Path,
    features: &str,
    hosted: bool,
    log: &mut Log,
) -> Result<PathBuf> {
    let panic = if hosted { "std" } else { "panic-handler" };
    let mut cargo = toolchain.cargo(project, "rustc");
    cargo.args(["--locked", "--quiet", "--package", "cairn-capi", "--lib", "--crate-type", "staticlib"]);
    cargo.args(["--target", target, "--profile", "device", "--no-default-features", "--features"]);
    cargo.arg(format!("{panic},{features}")).env("CAIRN_DOTCONFIG", config);
    log.run(&mut cargo).with_context(|| format!("if {target} is not installed: rustup target add {target}"))?;
    Ok(toolchain.target_dir(project).join(target).join("device").join(LIBRARY))
}

/// `whole` as one object, and nothing of it in anybody's way.
fn prelink(whole: &Path, folder: &Path, tool: &Binutils, log: &mut Log) -> Result<()> {
    let exported = symbols(whole, "--defined-only", tool, log)?;
    let exported: BTreeSet<_> = exported.into_iter().filter(|name| name.starts_with("cairn_")).collect();
    ensure!(exported.contains("cairn_init_configured"), "{} defines no cairn_init_configured", whole.display());
    let (object, list) = (folder.join("cairn.o"), folder.join("exported"));
    fs::write(&list, exported.iter().fold(String::new(), |list, name| list + name + "\n"))?;
    let mut ld = tool.program("ld");
    ld.args(["-r", "--gc-sections", "-o"]).arg(&object);
    ld.args(tool.emulation.iter().flat_map(|name| ["-m", name]));
    ld.args(exported.iter().flat_map(|name| ["-u", name])).arg(whole);
    log.run(&mut ld)?;
    let mut objcopy = tool.program("objcopy");
    // Lines of the sources would name folders of this machine; compiler_builtins brings its bitcode along.
    objcopy
        .args(["--strip-debug", "--remove-section=.llvmbc", "--remove-section=.llvmcmd"])
        .arg(format!("--keep-global-symbols={}", list.display()))
        .arg(&object);
    log.run(&mut objcopy)?;

    let visible: BTreeSet<_> = symbols(&object, "--defined-only", tool, log)?.into_iter().collect();
    ensure!(visible == exported, "global symbols are {visible:?} and should be {exported:?}");
    let undefined = symbols(&object, "--undefined-only", tool, log)?;
    let foreign: Vec<_> =
        undefined.iter().filter(|name| !SUPPLIED.iter().any(|supplied| name.starts_with(supplied))).collect();
    ensure!(tool.hosted || foreign.is_empty(), "nobody who links it supplies {foreign:?}");
    log.run(tool.program("ar").arg("rcsD").arg(folder.join(LIBRARY)).arg(&object))?;
    fs::remove_file(object)?;
    fs::remove_file(list)?;
    Ok(())
}

/// Global symbols of a file, as `which` of nm has them.
fn symbols(file: &Path, which: &str, tool: &Binutils, log: &mut Log) -> Result<Vec<String>> {
    let listed = log.run(tool.program("nm").args(["--extern-only", "--format=posix", which]).arg(file))?;
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    // Lines with one word name a member of an archive.
    Ok(listed.lines().filter(|line| line.split_whitespace().count() > 1).filter_map(name).collect())
}

fn made_by(project: &Project, configuration: &Configuration) -> String {
    let root = project.path("");
    let commit = ask("git", &["-C", &root.to_string_lossy(), "describe", "--always", "--dirty"]);
    format!(
        "Cairn {} ({}), configuration cairn_config_{}, {}\n",
        env!("CARGO_PKG_VERSION"),
        commit.as_deref().unwrap_or("no git"),
        configuration.hash,
        ask("rustc", &["--version"]).as_deref().unwrap_or("unknown rustc")
    )
}

/// SHA-256 of the list of options.
fn sum_of_options(project: &Project) -> Result<String> {
    let path = project.path("component/config/src/symbols.rs");
    let said = ask("sha256sum", &[&path.to_string_lossy()]).context("sha256sum")?;
    Ok(said.split(' ').next().unwrap_or_default().to_owned())
}

/// SHA256SUMS of every file in the folder.
pub(super) fn sums(folder: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            for inner in fs::read_dir(entry.path())? {
                names.push(format!("{name}/{}", inner?.file_name().to_string_lossy()));
            }
        } else {
            names.push(name);
        }
    }
    names.sort_unstable();
    let output = Command::new("sha256sum").args(&names).current_dir(folder).output().context("sha256sum")?;
    ensure!(output.status.success(), "sha256sum: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(folder.join(SUMS), output.stdout)?;
    Ok(())
}

/// Puts `made` at its place, unless something else is there.
pub(super) fn put(made: &Path, out: &Path) -> Result<()> {
    let occupied = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !out.join(SUMS).is_file() {
        bail!("{} holds something that this did not make (no {SUMS} in it); name another folder", out.display());
    }
    if out.exists() {
        fs::remove_dir_all(out).with_context(|| out.display().to_string())?;
    }
    for entry in fs::read_dir(made)? {
        let (from, to) = (entry?.path(), out);
        let to = to.join(from.file_name().context("a name")?);
        copy(&from, &to)?;
    }
    Ok(())
}

/// A file, or a folder of files.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    } else {
        fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        fs::copy(from, to)?;
    }
    Ok(())
}
