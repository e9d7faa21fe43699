// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The signer over PSA Crypto against the Mbed TLS of this machine, and that a curve the application's PSA Crypto does not
//! have is a build error.

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
    about: "the PSA Crypto signer against Mbed TLS; initial attestation; a missing curve is a build error",
    needs: &[Need::MbedTls],
    body: test,
};

/// What a curve is called by cairn_psa.h, and by the configuration of Mbed TLS 2.28.
const CURVES: [(&str, &str); 2] = [
    ("CAIRN_PSA_NEEDS_ES256K", "MBEDTLS_ECP_DP_SECP256K1_ENABLED"),
    ("CAIRN_PSA_NEEDS_ES256", "MBEDTLS_ECP_DP_SECP256R1_ENABLED"),
];

const COMPILATION: Duration = Duration::from_secs(60);

fn test(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--locked", "-p", "cairn-psa", "--features", "host-mbedtls"]).current_dir(project.path(""));
    let count = Counts::of(&log.run(&mut cargo)?);
    ensure!(count.passed > 0 && count.ignored == 0, "{} tests ran, {} were ignored", count.passed, count.ignored);
    let mut attestation = Command::new("cargo");
    attestation.args(["test", "--locked", "-p", "cairn-psa", "--features", "initial-attestation"]);
    attestation.args(["--test", "attestation"]).current_dir(project.path(""));
    let attested = Counts::of(&log.run(&mut attestation)?);
    ensure!(attested.passed > 0 && attested.ignored == 0, "{} attestation tests ran", attested.passed);
    let folder = project.directory("psa")?;
    for (needed, enabled) in CURVES {
        let without = folder.join(format!("without_{enabled}.h"));
        std::fs::write(&without, format!("#include <mbedtls/config.h>\n#undef {enabled}\n"))?;
        compiles(context, log, needed, None, true)?;
        compiles(context, log, needed, Some(&without), false)?;
    }
    passed(format!("{} tests", count.passed + attested.passed))
}

/// Compiles the C half for one curve, against the machine's configuration of Mbed TLS or another one.
fn compiles(context: &Context, log: &mut Log, needed: &str, config: Option<&Path>, expected: bool) -> Result<()> {
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]).arg(format!("-D{needed}"));
    if let Some(config) = config {
        gcc.arg(format!("-DMBEDTLS_CONFIG_FILE=\"{}\"", config.display()));
    }
    gcc.arg(context.project.path("component/psa/c/cairn_psa.c"));
    let (status, said) = log.status_within(&mut gcc, COMPILATION)?;
    match (status.success(), expected) {
        (true, true) => Ok(()),
        (false, false) if said.contains("This PSA Crypto has no ") => Ok(()),
        (true, false) => bail!("{needed} compiles without the curve"),
        (false, _) => bail!("{needed} does not compile as it should: {said}"),
    }
}
