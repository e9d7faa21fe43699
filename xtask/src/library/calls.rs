// SPDX-License-Identifier: Apache-2.0 OR MIT
//! component/capi/cairn_cargo.cmake: how cargo is called, when, and with which environment. A shell script in cargo's place writes down
//! what it is given; it hands questions about the `.config` on to cargo, and makes a library of one function instead of Cairn's.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{process::Log, project::Project, suite::Context};

const LIMIT: Duration = Duration::from_secs(300);

/// `$0.log` has a line for each call: what is in the environment, then the arguments.
const STAND_IN: &str = r#"#!/bin/sh
[ "$1" = --version ] && exit 0
echo "RUSTFLAGS=$RUSTFLAGS TARGET=$CARGO_BUILD_TARGET DOTCONFIG=$CAIRN_DOTCONFIG DIR=$CARGO_TARGET_DIR $*" >> "$0.log"
[ "$1" = run ] && exec cargo "$@"
out="$CARGO_TARGET_DIR/thumbv7m-none-eabi/device"
mkdir -p "$out" && cd "$out" || exit 1
if ! cmp -s "$0.content.c" content.c; then
	cp "$0.content.c" content.c
	arm-none-eabi-gcc -mcpu=cortex-m3 -mthumb -c content.c -o content.o && rm -f libcairn_capi.a &&
		arm-none-eabi-ar rcs libcairn_capi.a content.o
fi
"#;

const PROJECT: &str = r#"cmake_minimum_required(VERSION 3.20)
project(one_line C)
include("${CAIRN}/rtos-freertos/cairn.cmake")
file(WRITE "${CMAKE_BINARY_DIR}/main.c" "int answer(void);\nint main(void) { return answer(); }\n")
add_executable(app "${CMAKE_BINARY_DIR}/main.c")
target_link_libraries(app PRIVATE cairn_capi)
target_link_options(app PRIVATE -nostdlib -Wl,-e,main)
"#;

const TARGET: &str = "thumbv7m-none-eabi";

/// An application of one line, and the stand-in.
struct Trial<'a> {
    project: &'a Project,
    folder: PathBuf,
}

impl Trial<'_> {
    fn stand_in(&self) -> PathBuf {
        self.folder.join("cargo")
    }

    fn build_folder(&self) -> PathBuf {
        self.folder.join("build")
    }

    /// CMake, with what a shell may have set taken out of its environment.
    fn cmake(&self) -> Command {
        let mut cmake = Command::new("cmake");
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
            cmake.env_remove(name);
        }
        cmake
    }

    fn configure(&self, build: &str, more: &[&str]) -> Command {
        let mut cmake = self.cmake();
        cmake.args(["-G", "Ninja", "-S"]).arg(&self.folder).arg("-B").arg(self.folder.join(build));
        cmake.arg(format!("-DCAIRN={}", self.project.path("").display()));
        let toolchain = self.project.path("samples/freertos-meter/board/arm-none-eabi.cmake");
        cmake.arg(format!("-DCMAKE_TOOLCHAIN_FILE={}", toolchain.display()));
        cmake.arg(format!("-DCAIRN_CARGO={}", self.stand_in().display()));
        cmake.arg(format!("-DCAIRN_HOST_TARGET_DIR={}", self.project.target().join("cairn-config").display()));
        cmake.arg(format!("-DCAIRN_DOTCONFIG={}", self.dotconfig().display()));
        // The stand-in needs no standard library of the target.
        cmake.arg("-DCAIRN_CARGO_ARGS=-Zbuild-std=core,alloc").args(more);
        cmake
    }

    fn dotconfig(&self) -> PathBuf {
        self.folder.join("app.config")
    }

    fn build(&self, log: &mut Log) -> Result<String> {
        log.run(self.cmake().arg("--build").arg(self.build_folder()))
    }

    /// What the stand-in was called with since the last time.
    fn calls(&self) -> Result<Vec<String>> {
        let path = self.folder.join("cargo.log");
        let calls = fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
        fs::write(path, "")?;
        Ok(calls)
    }

    fn library_answers(&self, number: u32) -> Result<()> {
        fs::write(self.folder.join("cargo.content.c"), format!("int answer(void) {{ return {number}; }}\n"))?;
        Ok(())
    }

    /// That configuring stops, and with which words.
    fn is_refused(&self, log: &mut Log, command: &mut Command, words: &[&str]) -> Result<()> {
        let (status, said) = log.status_within(command, LIMIT)?;
        // CMake breaks lines.
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(!status.success(), "is not refused; it should say {words:?}: {said}");
        for word in words {
            ensure!(flat.contains(word), "does not say '{word}': {said}");
        }
        fs::remove_dir_all(self.folder.join("refused")).ok();
        Ok(())
    }
}

/// Gives how many calls were looked at.
pub(super) fn check(context: &Context, log: &mut Log) -> Result<usize> {
    let project = &context.project;
    let folder = project.directory("cmake/calls")?;
    fs::remove_dir_all(folder.join("build")).ok();
    let trial = Trial { project, folder };
    fs::write(trial.folder.join("CMakeLists.txt"), PROJECT)?;
    fs::write(trial.stand_in(), STAND_IN)?;
    fs::set_permissions(trial.stand_in(), fs::Permissions::from_mode(0o755))?;
    fs::copy(project.path("component/config/default.config"), trial.dotconfig())?;
    trial.library_answers(1)?;
    trial.calls()?;
    let mut calls = first_build(&trial, log)?;
    calls += later_builds(&trial, log)?;
    calls += offline(&trial, log)?;
    refusals(&trial, log)?;
    Ok(calls)
}

fn first_build(trial: &Trial, log: &mut Log) -> Result<usize> {
    log.run(&mut trial.configure("build", &[]))?;
    trial.build(log)?;
    let calls = trial.calls()?;
    let library = library_calls(&calls);
    ensure!(library.len() == 1, "cargo is not asked once for the library: {calls:?}");
    let build = trial.build_folder();
    for words in [
        " --locked ",
        &format!(" --package cairn-capi --lib --crate-type staticlib --target {TARGET} --profile device "),
        " --no-default-features --features panic-handler,at-modem,signer-software",
        &format!(" DOTCONFIG={} ", trial.dotconfig().display()),
        &format!(" DIR={}/cairn ", build.display()),
    ] {
        ensure!(library[0].contains(words), "cargo is not given '{words}': {}", library[0]);
    }
    ensure!(!library[0].contains("--offline"), "cargo is kept off the network unasked: {}", library[0]);
    for question in calls.iter().filter(|call| call.contains(" run ")) {
        ensure!(question.contains(" --locked "), "{question}");
    }
    let linked = log.run(Command::new("ninja").arg("-C").arg(&build).args(["-t", "commands", "app"]))?;
    let linker = linked.lines().find(|line| line.contains("-nostdlib")).context("no link line")?;
    let times = linker.matches("libcairn_capi.a").count();
    ensure!(times == 1, "the library is linked {times} times: {linker}");
    Ok(calls.len())
}

/// Asked at every build; linked anew when what it made is another; configured anew when an option is.
fn later_builds(trial: &Trial, log: &mut Log) -> Result<usize> {
    let links = |said: &str| said.contains("Linking");
    // What the shell of a later build has set stays out.
    let mut again = trial.cmake();
    again.env("RUSTFLAGS", "-Ctarget-cpu=native").env("CARGO_BUILD_TARGET", "wasm32-unknown-unknown");
    let said = log.run(again.arg("--build").arg(trial.build_folder()))?;
    let calls = trial.calls()?;
    ensure!(library_calls(&calls).len() == 1, "cargo is not asked at the second build: {calls:?}");
    ensure!(calls[0].starts_with("RUSTFLAGS= TARGET= "), "the shell's flags reach cargo: {}", calls[0]);
    ensure!(!links(&said), "nothing changed, and it is linked again: {said}");

    trial.library_answers(2)?;
    ensure!(links(&trial.build(log)?), "the library changed, and it is not linked again");
    ensure!(!links(&trial.build(log)?), "nothing changed any more, and it is linked again");
    let mut calls = trial.calls()?.len() + calls.len();

    let text = fs::read_to_string(trial.dotconfig())?;
    let changed = text
        .replace("CONFIG_CAIRN_PAYLOAD_MAX=64", "CONFIG_CAIRN_PAYLOAD_MAX=65")
        .replace("# CONFIG_CAIRN_SIGNER_FAST is not set", "CONFIG_CAIRN_SIGNER_FAST=y");
    ensure!(changed.lines().zip(text.lines()).filter(|(a, b)| a != b).count() == 2, "default.config is another");
    fs::write(trial.dotconfig(), changed)?;
    trial.build(log)?;
    let after = trial.calls()?;
    let library = library_calls(&after);
    ensure!(library.len() == 1 && library[0].contains("signer-fast"), "the option does not reach cargo: {after:?}");
    let header = fs::read_to_string(trial.build_folder().join("cairn-include/cairn_config.h"))?;
    ensure!(header.contains("#define CONFIG_CAIRN_PAYLOAD_MAX 65"), "the option does not reach C");
    calls += after.len();
    Ok(calls)
}

/// With the crates in cargo's cache, which the build before filled.
fn offline(trial: &Trial, log: &mut Log) -> Result<usize> {
    log.run(&mut trial.configure("build", &["-DCAIRN_CARGO_OFFLINE=ON"]))?;
    trial.build(log)?;
    let calls = trial.calls()?;
    ensure!(library_calls(&calls).len() == 1, "cargo is not asked for the library: {calls:?}");
    for call in &calls {
        ensure!(call.contains(" --locked --offline "), "cargo may use the network: {call}");
    }
    Ok(calls.len())
}

fn refusals(trial: &Trial, log: &mut Log) -> Result<()> {
    let target = "CARGO_TARGET_THUMBV7M_NONE_EABI_RUSTFLAGS";
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", target] {
        let mut command = trial.configure("refused", &[]);
        trial.is_refused(log, command.env(name, "-Ctarget-cpu=native"), &[&format!("{name} is set"), "unset it"])?;
    }
    let prebuilt = "CONFIG_CAIRN_PREBUILT on Zephyr, CAIRN_PREBUILT_DIR on FreeRTOS";
    let rustc = program(&trial.folder, "rustc", "#!/bin/sh\necho /nowhere/lib\n")?;
    let rustc = format!("-DCAIRN_RUSTC={}", rustc.display());
    let mut missing = trial.configure("refused", &["-DCAIRN_CARGO_ARGS=", &rustc]);
    trial.is_refused(log, &mut missing, &[&format!("rustup target add {TARGET}"), "build-std", prebuilt])?;
    let old = program(&trial.folder, "old-rustc", "#!/bin/sh\necho no such target >&2\nexit 1\n")?;
    let old = format!("-DCAIRN_RUSTC={}", old.display());
    let mut unknown = trial.configure("refused", &["-DCAIRN_CARGO_ARGS=", &old]);
    trial.is_refused(log, &mut unknown, &["does not know the target", "no such target", prebuilt])?;
    let mut no_cargo = trial.configure("refused", &["-DCAIRN_CARGO=/nowhere/cargo"]);
    trial.is_refused(log, &mut no_cargo, &["/nowhere/cargo does not run", "https://rustup.rs", prebuilt])?;
    let mut no_target = trial.configure("refused", &["-DCMAKE_C_FLAGS=-mcpu=cortex-a7"]);
    trial.is_refused(log, &mut no_target, &["no Rust target is known", "Set CAIRN_RUST_TARGET"])?;
    let wrong = trial.folder.join("wrong.config");
    fs::write(&wrong, "CONFIG_CAIRN_PAYLOAD_MAX=none\n")?;
    let wrong = format!("-DCAIRN_DOTCONFIG={}", wrong.display());
    let mut wrong = trial.configure("refused", &[&wrong]);
    trial.is_refused(log, &mut wrong, &["is no configuration of Cairn", "PAYLOAD_MAX"])
}

fn library_calls(calls: &[String]) -> Vec<&String> {
    calls.iter().filter(|call| call.contains(" rustc ")).collect()
}

fn program(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
