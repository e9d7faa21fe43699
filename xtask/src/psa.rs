// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signer, hashes and cipher over PSA Crypto against the Mbed TLS of this machine, and that what the application's PSA Crypto does
//! not have is a build error.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Result, bail, ensure};

use crate::{
    host::Counts,
    process::Log,
    setup::Need,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Keys, signatures and faults on a real PSA Crypto.
pub(crate) const STAGE: Stage = Stage {
    name: "psa",
    about: "signer, SHA-256 and AES-CCM by Mbed TLS's PSA Crypto; initial attestation; what is missing is a build error",
    needs: &[Need::MbedTls],
    body: test,
};

/// A C half, what an application that needs something of it defines, and what the configuration of Mbed TLS 2.28 calls that.
const NEEDS: [(&str, &str, &str); 4] = [
    ("component/psa/c/cairn_psa.c", "CAIRN_PSA_NEEDS_ES256K", "MBEDTLS_ECP_DP_SECP256K1_ENABLED"),
    ("component/psa/c/cairn_psa.c", "CAIRN_PSA_NEEDS_ES256", "MBEDTLS_ECP_DP_SECP256R1_ENABLED"),
    ("component/psa/crypto/c/cairn_psa_crypto.c", "CAIRN_PSA_NEEDS_SHA_256", "MBEDTLS_SHA256_C"),
    ("component/psa/crypto/c/cairn_psa_crypto.c", "CAIRN_PSA_NEEDS_AES_CCM", "MBEDTLS_CCM_C"),
];

/// What is tested over PSA Crypto, with which features, and which tests of it: all of them when none is named. Mbed TLS 2.28 has no
/// locks, and a device hashes in one task: one test at a time.
const TESTED: [(&str, &str, &[&str]); 4] = [
    ("cairn-psa", "host-mbedtls", &[]),
    ("cairn-psa-crypto", "host-mbedtls", &[]),
    ("cairn-coap", "psa-aead,cairn/psa-hash,cairn-psa-crypto/host-mbedtls", &[]),
    ("cairn-rtos", "psa-hash,cairn-psa-crypto/host-mbedtls", HASHING),
];

/// The core's tests in which it hashes: vectors, trees, journal and agent.
const HASHING: &[&str] = &[
    "agent",
    "agent_endorsement",
    "agent_gives_way",
    "agent_hash_faults",
    "agent_properties",
    "agent_retention",
    "agent_rotation",
    "anchor_vectors",
    "cose_vectors",
    "journal_basics",
    "merkle_properties",
    "merkle_vectors",
];

const COMPILATION: Duration = Duration::from_secs(60);

fn test(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let mut passed_tests = 0;
    for (package, features, tests) in TESTED {
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--locked", "-p", package, "--features", features]).current_dir(project.path(""));
        if !tests.is_empty() {
            // Unit tests too.
            cargo.arg("--lib");
        }
        cargo.args(tests.iter().flat_map(|test| ["--test", test])).args(["--", "--test-threads", "1"]);
        let count = Counts::of(&log.run(&mut cargo)?);
        let (passed, ignored) = (count.passed, count.ignored);
        ensure!(passed as usize > tests.len() && ignored == 0, "{package}: {passed} tests ran, {ignored} were ignored");
        passed_tests += passed;
    }
    let mut attestation = Command::new("cargo");
    attestation.args(["test", "--locked", "-p", "cairn-psa", "--features", "initial-attestation"]);
    attestation.args(["--test", "attestation"]).current_dir(project.path(""));
    let attested = Counts::of(&log.run(&mut attestation)?);
    ensure!(attested.passed > 0 && attested.ignored == 0, "{} attestation tests ran", attested.passed);
    let mut in_c = Command::new("cargo");
    in_c.args(["test", "--locked", "--workspace", "--features", "cairn-capi/host-mbedtls", "--test", "signer_psa"]);
    let in_c = Counts::of(&log.run(in_c.current_dir(project.path("")))?);
    ensure!(in_c.passed > 0 && in_c.ignored == 0, "{} tests of the C interface ran", in_c.passed);
    let folder = project.directory("psa")?;
    for (source, needed, enabled) in NEEDS {
        let without = folder.join(format!("without_{enabled}.h"));
        std::fs::write(&without, format!("#include <mbedtls/config.h>\n#undef {enabled}\n"))?;
        compiles(context, log, (source, needed), None, true)?;
        compiles(context, log, (source, needed), Some(&without), false)?;
    }
    passed(format!("{} tests", passed_tests + attested.passed + in_c.passed))
}

/// Compiles a C half for one need, against the machine's configuration of Mbed TLS or another one.
fn compiles(
    context: &Context,
    log: &mut Log,
    (source, needed): (&str, &str),
    config: Option<&Path>,
    expected: bool,
) -> Result<()> {
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]).arg(format!("-D{needed}"));
    if let Some(config) = config {
        gcc.arg(format!("-DMBEDTLS_CONFIG_FILE=\"{}\"", config.display()));
    }
    gcc.arg(context.project.path(source));
    let (status, said) = log.status_within(&mut gcc, COMPILATION)?;
    match (status.success(), expected) {
        (true, true) => Ok(()),
        (false, false) if said.contains("This PSA Crypto has no ") => Ok(()),
        (true, false) => bail!("{needed} compiles without it"),
        (false, _) => bail!("{needed} does not compile as it should: {said}"),
    }
}
