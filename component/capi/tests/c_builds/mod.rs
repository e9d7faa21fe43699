// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds the static library and C programs over it as a product does: a .config, the features that cairn-config reads in it,
//! the header it makes of it, and the C compiler. Used by the tests beside it.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Mutex,
};

use cairn::{
    batch::DeploymentId,
    factory::{FACTORY_MAX, Factory},
    signer::{Algorithm, PublicKey},
};
use cairn_evidence::verify::{Expectation, check_statement};

/// A library of one configuration.
pub(crate) struct Build {
    /// Where its files are, `cairn_config.h` among them.
    pub(crate) directory: PathBuf,
    pub(crate) library: PathBuf,
}

static BUILDING: Mutex<()> = Mutex::new(());

pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The target directory of the cargo that runs the test.
pub(crate) fn cargo_target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    output
}

pub(crate) fn cargo(target: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    // The variables that cargo gives a running test would change what the inner cargo builds.
    cargo.current_dir(here()).env("CARGO_TARGET_DIR", target).env_remove("CAIRN_DOTCONFIG");
    cargo
}

pub(crate) fn compiler() -> Command {
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pthread", "-I"]).arg(here().join("include"));
    cc
}

/// Writes `cairn_config.h` of `dotconfig` into `directory`.
pub(crate) fn header(target: &Path, dotconfig: &Path, directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    succeed(ask_config(target).arg("header").arg(dotconfig).arg(directory.join("cairn_config.h")));
}

fn ask_config(target: &Path) -> Command {
    let mut cargo = cargo(target);
    cargo.args(["run", "--quiet", "--package", "cairn-config", "--"]);
    cargo
}

/// The default configuration with other values for some symbols, named without `CONFIG_CAIRN_`; an empty value takes the line out.
pub(crate) fn configuration(changes: &[(&str, &str)]) -> String {
    let default = fs::read_to_string(here().join("../config/default.config")).unwrap();
    let is_changed = |line: &str| {
        changes.iter().any(|(name, _)| {
            line.starts_with(&format!("CONFIG_CAIRN_{name}=")) || line == format!("# CONFIG_CAIRN_{name} is not set")
        })
    };
    let kept = default.lines().filter(|line| !is_changed(line)).map(str::to_owned);
    let changed = changes.iter().filter(|(_, value)| !value.is_empty());
    let changed = changed.map(|(name, value)| format!("CONFIG_CAIRN_{name}={value}"));
    kept.chain(changed).flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// The library of the default configuration with `changes`, built as for a product; files go to a folder `name`.
pub(crate) fn library(name: &str, changes: &[(&str, &str)]) -> Build {
    library_with(name, changes, "std")
}

/// The same with more features than the configuration's.
pub(crate) fn library_with(name: &str, changes: &[(&str, &str)], more: &str) -> Build {
    // By the test's name too: test programs may run at the same time.
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(concat!("c-builds-", env!("CARGO_CRATE_NAME"))).join(name);
    let target = cargo_target();
    fs::create_dir_all(&directory).unwrap();
    let dotconfig = directory.join("test.config");
    let text = configuration(changes);
    // Written only when it is another: cargo would build anew.
    if fs::read_to_string(&dotconfig).ok().as_ref() != Some(&text) {
        fs::write(&dotconfig, text).unwrap();
    }
    header(&target, &dotconfig, &directory);
    let features = succeed(ask_config(&target).arg("features").arg(&dotconfig)).stdout;
    let features = format!("{more},{}", String::from_utf8(features).unwrap().trim());
    let one_at_a_time = BUILDING.lock().unwrap();
    let own = libraries();
    succeed(rustc(&own, &features).env("CAIRN_DOTCONFIG", &dotconfig));
    // A copy: the next one replaces the file.
    let library = directory.join("libcairn_capi.a");
    fs::copy(own.join("debug/libcairn_capi.a"), &library).unwrap();
    drop(one_at_a_time);
    Build { directory, library }
}

/// Apart from the tests' own target directory, where all would be built anew with another configuration.
fn libraries() -> PathBuf {
    cargo_target().join("c-libraries")
}

fn rustc(target: &Path, features: &str) -> Command {
    let mut cargo = cargo(target);
    cargo.args(["rustc", "--quiet", "--package", "cairn-capi", "--lib", "--crate-type", "staticlib"]);
    cargo.args(["--no-default-features", "--features", features]);
    cargo
}

/// What the compiler says of a library of the default configuration with features that are not its own.
pub(crate) fn refusal(features: &str) -> String {
    let _one_at_a_time = BUILDING.lock().unwrap();
    let output = rustc(&libraries(), &format!("std,{features}")).output().unwrap();
    assert!(!output.status.success(), "{features}: it builds");
    String::from_utf8(output.stderr).unwrap()
}

/// A program of C files of `c/`, linked to the library of `build`.
pub(crate) fn program(build: &Build, name: &str, sources: &[&str]) -> PathBuf {
    let program = build.directory.join(name);
    let mut cc = compiler();
    cc.arg("-I").arg(&build.directory).args(["-g", "-o"]).arg(&program);
    cc.args(sources.iter().map(|source| here().join(format!("tests/c/{source}.c"))));
    succeed(cc.arg(&build.library).args(["-lm", "-ldl"]));
    program
}

/// A device of the tests' deployment.
pub(crate) fn factory(alg: Algorithm, private_key: Option<[u8; 32]>) -> Factory {
    Factory {
        alg,
        private_key,
        blind_secret: [0x22; 32],
        deployment: [0x33; 32],
        kid: *b"kid0",
        master_secret: [0x44; 16],
        relay: SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 5683),
        attestation: None,
    }
}

/// Writes a factory blob into `directory`.
pub(crate) fn blob(directory: &Path, name: &str, factory: &Factory) -> PathBuf {
    let mut image = [0; FACTORY_MAX];
    let length = factory.encode(&mut image).unwrap();
    let path = directory.join(name);
    fs::write(&path, &image[..length]).unwrap();
    path
}

/// That what a scenario printed is evidence of record `seq` that `key` signed.
pub(crate) fn signed_by(printed: &str, seq: u64, key: &PublicKey) {
    let evidence =
        cairn_evidence::cbor::decode(&hex::decode(printed.trim()).unwrap()).expect("what docs/wire.cddl says");
    assert_eq!((evidence.record.seq.0, evidence.key.alg), (seq, key.alg));
    assert_eq!(evidence.key.public_key, key.compressed());
    // Only the deployment is looked at without a ledger.
    let expectation = Expectation {
        deployment: DeploymentId([0x33; 32]),
        chain_id: 0,
        contract: [0; 20],
        device: Some(key.device_id()),
        min_confirmations: 0,
    };
    check_statement(&evidence, &expectation).expect("it verifies");
}
