// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The stage `prebuilt`: a folder is made and used, without cargo and rustc, by the FreeRTOS meter and, where there is a Zephyr
//! workspace, by a Zephyr application; beside a second Rust library; and refused for each reason there is to refuse one.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::make::Made;
use crate::{
    embedded::{SAMPLE_TARGET, Toolchain},
    process::Log,
    project::Project,
    samples::{self, Meter},
    setup::Need,
    stage::{Outcome, passed},
    suite::{Context, Stage},
    zephyr,
};

/// Made, used, refused.
pub(crate) const STAGE: Stage = Stage {
    name: "prebuilt",
    about: "a library made for teams without Rust links without Rust, beside another, and nothing else does",
    needs: &[Need::Embedded, Need::Python],
    body: check,
};

const LIMIT: Duration = Duration::from_secs(600);
const ONE_LINE: &str = "cmake_minimum_required(VERSION 3.20)\nproject(one_line C)\n\
                        include(\"${CAIRN}/rtos-freertos/cairn.cmake\")\n";
const MAIN: &str = r"#include <cairn.h>
unsigned char second_rust(unsigned long index);
static cairn_storage_t storage;
int main(void)
{
	cairn_config_t config = {0};
	return cairn_init(&storage, &config) + second_rust((unsigned long)cairn_init);
}
";
const CONFIG: &str = "samples/freertos-meter/meter.config";

/// Where the stage's files are.
struct Proof<'a> {
    project: &'a Project,
    toolchain: Toolchain,
    folder: PathBuf,
}

fn check(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let folder = project.directory("prebuilt/proof")?;
    let proof = Proof { project, toolchain: context.toolchain()?, folder };
    proof.write_sources()?;
    let made = proof.make("meter", &project.path(CONFIG), log)?;
    proof.is_as_the_sums_say(&made, log)?;
    proof.links_beside_another(&made, log)?;
    proof.another_configuration_does_not_link(&made, log)?;
    proof.refusals(&made, log)?;
    proof.meter_without_rust(&made, log)?;
    let zephyr = proof.zephyr_without_rust(log)?;
    passed(format!("FreeRTOS meter; {zephyr}"))
}

impl Proof<'_> {
    /// A project of one line that wants a library, and C that refers to Cairn and to the second library.
    fn write_sources(&self) -> Result<()> {
        let folder = self.folder.join("one-line");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("CMakeLists.txt"), ONE_LINE)?;
        fs::write(self.folder.join("main.c"), MAIN)?;
        Ok(())
    }

    fn make(&self, name: &str, config: &Path, log: &mut Log) -> Result<PathBuf> {
        let out = self.folder.join(name);
        let made = Made { config, targets: &[SAMPLE_TARGET.to_owned()], out: &out };
        made.make(self.project, self.toolchain, log)?;
        Ok(out)
    }

    /// sha256sum, which integrators have, agrees.
    fn is_as_the_sums_say(&self, made: &Path, log: &mut Log) -> Result<()> {
        let said = log.run(Command::new("sha256sum").args(["-c", "SHA256SUMS"]).current_dir(made))?;
        let files = said.lines().filter(|line| line.ends_with(": OK")).count();
        ensure!(files == 8, "eight files have checksums, not {files}: {said}");
        Ok(())
    }

    /// An image with Cairn and another Rust library links also when all objects of both are taken, as Zephyr does with the libraries of
    /// an application. What cargo made does not: so the test would notice.
    fn links_beside_another(&self, made: &Path, log: &mut Log) -> Result<()> {
        let mut cargo = self.toolchain.cargo(self.project, "build");
        cargo.args(["--quiet", "--locked", "--release", "--target", SAMPLE_TARGET, "--manifest-path"]);
        log.run(cargo.arg(self.project.path("xtask/second-rust/Cargo.toml")))?;
        let rust = self.toolchain.target_dir(self.project).join(SAMPLE_TARGET);
        let second = rust.join("release/libsecond_rust.a");
        let whole = rust.join("device/libcairn_capi.a");
        let prelinked = made.join(SAMPLE_TARGET).join("libcairn_capi.a");
        log.run(&mut self.link(&[&prelinked, &second], &made.join("include")))?;
        let (status, said) = log.status_within(&mut self.link(&[&whole, &second], &made.join("include")), LIMIT)?;
        ensure!(
            !status.success() && said.contains("multiple definition"),
            "two Rust libraries link as cargo makes them: prelinking is not what makes the others link: {said}"
        );
        Ok(())
    }

    /// An image of the stub port, Cairn and `second_rust`, that refers to both.
    fn link(&self, libraries: &[&Path], include: &Path) -> Command {
        let main = self.folder.join("main.c");
        let mut gcc = Command::new("arm-none-eabi-gcc");
        gcc.args(["-mcpu=cortex-m3", "-mthumb", "-ffunction-sections", "-Wl,--gc-sections", "--specs=nosys.specs"]);
        gcc.arg("-I").arg(include).arg(main).arg(self.project.path("component/capi/tests/c/stub_port.c"));
        gcc.arg("-Wl,--whole-archive")
            .args(libraries)
            .args(["-Wl,--no-whole-archive", "-o"])
            .arg(self.folder.join("image.elf"));
        gcc
    }

    /// C that was compiled with the header of another configuration misses the symbol that has its hash.
    fn another_configuration_does_not_link(&self, made: &Path, log: &mut Log) -> Result<()> {
        let other = self.other_config()?;
        let include = self.folder.join("other-include");
        fs::create_dir_all(&include)?;
        let mut cargo = Command::new("cargo");
        cargo.args(["run", "--quiet", "--locked", "-p", "cairn-config", "--", "header"]).arg(other);
        log.run(cargo.arg(include.join("cairn_config.h")).current_dir(self.project.path("")))?;
        for header in ["cairn.h", "cairn_port.h"] {
            fs::copy(made.join("include").join(header), include.join(header))?;
        }
        let prelinked = made.join(SAMPLE_TARGET).join("libcairn_capi.a");
        let second = self.toolchain.target_dir(self.project).join(SAMPLE_TARGET).join("release/libsecond_rust.a");
        let (status, said) = log.status_within(&mut self.link(&[&prelinked, &second], &include), LIMIT)?;
        ensure!(
            !status.success() && said.contains("undefined reference to `cairn_config_"),
            "C for another configuration links: {said}"
        );
        Ok(())
    }

    fn other_config(&self) -> Result<PathBuf> {
        let text = fs::read_to_string(self.project.path(CONFIG))?;
        let other = text.replace("CONFIG_CAIRN_PAYLOAD_MAX=64\n", "CONFIG_CAIRN_PAYLOAD_MAX=80\n");
        ensure!(other != text, "{CONFIG} has no CONFIG_CAIRN_PAYLOAD_MAX=64");
        let path = self.folder.join("other.config");
        fs::write(&path, other)?;
        Ok(path)
    }

    /// Every sentence of cairn_prebuilt.cmake.
    fn refusals(&self, made: &Path, log: &mut Log) -> Result<()> {
        let whole = |folder: &Path| self.configure(folder, &[]);
        log.run(&mut whole(made))?;
        let other = format!("-DCAIRN_DOTCONFIG={}", self.other_config()?.display());
        let differs = "CONFIG_CAIRN_PAYLOAD_MAX: 80 here, 64 in the library";
        self.is_refused(log, &mut self.configure(made, &[&other]), &["for another configuration", differs])?;
        let mut m4 = self.configure(made, &["-DCMAKE_C_FLAGS=-mcpu=cortex-m4 -mthumb"]);
        let only = format!("only for: {SAMPLE_TARGET}");
        self.is_refused(log, &mut m4, &["has no library for thumbv7em-none-eabi", &only, "cargo xtask prebuilt"])?;
        let empty = self.folder.join("empty");
        fs::create_dir_all(&empty)?;
        self.is_refused(log, &mut whole(&empty), &["holds no library", "cargo xtask prebuilt --config"])?;

        let damaged = self.folder.join("damaged");
        let damage = |name: &str, change: &dyn Fn(&Path) -> Result<()>| -> Result<()> {
            fs::remove_dir_all(&damaged).ok();
            super::make::put(made, &damaged)?;
            change(&damaged.join(name))
        };
        let library = format!("{SAMPLE_TARGET}/libcairn_capi.a");
        damage(&library, &|path| {
            let mut bytes = fs::read(path)?;
            *bytes.last_mut().context("an empty library")? ^= 1;
            Ok(fs::write(path, bytes)?)
        })?;
        self.is_refused(log, &mut whole(&damaged), &["was changed since it was made", "SHA256SUMS says"])?;
        damage("include/cairn_config.h", &|path| Ok(fs::remove_file(path)?))?;
        self.is_refused(log, &mut whole(&damaged), &["is not complete", "include/cairn_config.h is missing"])?;
        damage("SHA256SUMS", &|path| {
            let text = fs::read_to_string(path)?;
            let left: Vec<_> = text.lines().filter(|line| !line.ends_with("  features")).collect();
            Ok(fs::write(path, left.join("\n") + "\n")?)
        })?;
        self.is_refused(log, &mut whole(&damaged), &["does not name features"])?;
        damage("include/cairn.h", &|path| {
            let text = fs::read_to_string(path)?;
            fs::write(path, text + "/* of another day */\n")?;
            let folder = path.parent().and_then(Path::parent).context("the folder")?;
            fs::remove_file(folder.join("SHA256SUMS"))?;
            super::make::sums(folder)
        })?;
        self.is_refused(log, &mut whole(&damaged), &["of another version of Cairn", "their cairn.h"])?;
        damage("symbols.sha256", &|path| {
            fs::write(path, "0123\n")?;
            let folder = path.parent().context("the folder")?;
            fs::remove_file(folder.join("SHA256SUMS"))?;
            super::make::sums(folder)
        })?;
        self.is_refused(log, &mut whole(&damaged), &["of another version of Cairn", "does not know"])
    }

    /// CMake with a project of one line that wants the library in `folder`; cargo and rustc do not exist for it.
    fn configure(&self, folder: &Path, more: &[&str]) -> Command {
        let source = self.folder.join("one-line");
        let mut cmake = Command::new("cmake");
        cmake.args(["-G", "Ninja", "-S"]).arg(&source).arg("-B").arg(source.join("build"));
        let toolchain = self.project.path("samples/freertos-meter/board/arm-none-eabi.cmake");
        cmake.arg(format!("-DCMAKE_TOOLCHAIN_FILE={}", toolchain.display()));
        cmake.arg(format!("-DCAIRN={}", self.project.path("").display()));
        cmake.arg(format!("-DCAIRN_DOTCONFIG={}", self.project.path(CONFIG).display()));
        cmake.arg(format!("-DCAIRN_PREBUILT_DIR={}", folder.display())).args(NO_RUST).args(more);
        cmake
    }

    fn is_refused(&self, log: &mut Log, command: &mut Command, words: &[&str]) -> Result<()> {
        fs::remove_dir_all(self.folder.join("one-line/build")).ok();
        let (status, said) = log.status_within(command, LIMIT)?;
        // CMake breaks lines.
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(!status.success(), "is not refused; it should say {words:?}: {said}");
        for word in words {
            ensure!(flat.contains(word), "does not say '{word}': {said}");
        }
        Ok(())
    }

    /// A PATH on which cargo and rustc come first that only write down that they were called.
    fn path_without_rust(&self) -> Result<OsString> {
        let folder = self.folder.join("no-rust");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("called"), "")?;
        for name in ["cargo", "rustc", "rustup"] {
            let program = folder.join(name);
            fs::write(&program, "#!/bin/sh\necho \"$0 $*\" >> \"$(dirname \"$0\")/called\"\nexit 1\n")?;
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        }
        let path = env::var_os("PATH").unwrap_or_default();
        Ok(env::join_paths([folder].into_iter().chain(env::split_paths(&path)))?)
    }

    fn nothing_called_rust(&self) -> Result<()> {
        let called = fs::read_to_string(self.folder.join("no-rust/called"))?;
        ensure!(called.is_empty(), "a build with a prebuilt library called {called}");
        Ok(())
    }

    fn meter_without_rust(&self, made: &Path, log: &mut Log) -> Result<()> {
        let path = self.path_without_rust()?;
        let build = self.folder.join("freertos-meter");
        let mut configure = samples::meter_cmake(self.project, log, &build, Meter::Normal)?;
        configure.arg(format!("-DCAIRN_PREBUILT_DIR={}", made.display())).args(NO_RUST).env("PATH", &path);
        log.run(&mut configure)?;
        log.run(Command::new("cmake").arg("--build").arg(&build).env("PATH", &path))?;
        self.nothing_called_rust()?;
        let symbols = log.run(Command::new("arm-none-eabi-nm").arg(build.join("meter.elf")))?;
        ensure!(symbols.contains(" T cairn_init_configured\n"), "the meter has no Cairn in it");
        Ok(())
    }

    /// As a team without Rust does it: configure, hand the .config over, get a folder, build.
    fn zephyr_without_rust(&self, log: &mut Log) -> Result<String> {
        let made = self.folder.join("zephyr");
        fs::remove_dir_all(&made).ok();
        let build = self.folder.join("zephyr-minimal");
        fs::remove_dir_all(&build).ok();
        let options = self.folder.join("prebuilt.conf");
        fs::write(&options, format!("CONFIG_CAIRN_PREBUILT=y\nCONFIG_CAIRN_PREBUILT_DIR=\"{}\"\n", made.display()))?;
        let sample = self.project.path("samples/zephyr-minimal");
        let extra = format!("-DEXTRA_CONF_FILE={}", options.display());
        let Some(mut configure) = zephyr::configure(self.project, &sample, &build, "qemu_cortex_m3", &[&extra]) else {
            return Ok(format!("not Zephyr: {}", zephyr::NO_WORKSPACE));
        };
        let path = self.path_without_rust()?;
        // The workspace's Python stays first but for these.
        let folders = configure.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
        let rest = folders.map(OsString::from).unwrap_or_default();
        let path = env::join_paths(env::split_paths(&path).take(1).chain(env::split_paths(&rest)))?;
        configure.env("PATH", &path);
        let (status, said) = log.status_within(&mut configure, LIMIT)?;
        ensure!(!status.success() && said.contains("holds no library"), "configured without a library: {said}");
        self.make("zephyr", &build.join("zephyr/.config"), log)?;
        log.run(&mut configure)?;
        let mut ninja = zephyr::build(&build).context("the workspace went away")?;
        log.run(ninja.env("PATH", &path))?;
        self.nothing_called_rust()?;
        Ok("zephyr-minimal".to_owned())
    }
}

/// Nor would they be found elsewhere.
const NO_RUST: [&str; 2] = ["-DCAIRN_CARGO=/nowhere/cargo", "-DCAIRN_RUSTC=/nowhere/rustc"];
