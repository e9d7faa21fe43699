// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boards and configurations that the glue for Zephyr must not build for: each stops the build with a sentence that says what to do.
//! Called by the stage zephyr-glue, over its stub headers.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::glue::{GLUE, JOURNAL, SECURE, Variant, WITH_MODEM, compilation, configure};
use crate::{process::Log, project::Project};

/// A board that does not fit.
struct Misfit {
    board: Variant<'static>,
    source: &'static str,
    /// What the compiler says; it writes an apostrophe with a backslash.
    says: &'static str,
}

const fn misfit(
    name: &'static str,
    choices: &'static [&'static str],
    macros: &'static [&'static str],
    source: &'static str,
    says: &'static str,
) -> Misfit {
    Misfit { board: Variant { name, chosen: JOURNAL, choices, macros }, source, says }
}

const fn with_modem(
    name: &'static str,
    macros: &'static [&'static str],
    source: &'static str,
    says: &'static str,
) -> Misfit {
    Misfit { board: Variant { name, chosen: WITH_MODEM, choices: &["LOG=y"], macros }, source, says }
}

const LOG_ON: &[&str] = &["LOG=y"];
const ELEMENT: &[&str] = &["SIGNER_SE050=y", "LOG=y"];
const KEYS: &[&str] = &["KEY_STORE=y", "LOG=y"];

const MISFITS: &[Misfit] = &[
    misfit("no-entropy", LOG_ON, &[], "src/entropy.c", "this board has no entropy driver"),
    misfit(
        "test-entropy",
        LOG_ON,
        &[SECURE, "CONFIG_TEST_CSPRNG_GENERATOR=1"],
        "src/entropy.c",
        "CONFIG_CAIRN_INSECURE_ENTROPY=y",
    ),
    // The test generator is there, and nobody said that it will do.
    misfit(
        "generator",
        &["TEST_RANDOM_GENERATOR=y", "LOG=y"],
        &[],
        "src/entropy.c",
        "this board has no entropy driver",
    ),
    misfit(
        "no-journal",
        LOG_ON,
        &[SECURE, "STUB_CHOSEN_cairn_journal=0"],
        "src/flash.c",
        "chosen { cairn,journal = &storage_partition; }",
    ),
    misfit(
        "small-journal",
        LOG_ON,
        &[SECURE, "STUB_REG_SIZE=4096"],
        "src/flash.c",
        "the partition cairn,journal is smaller than CONFIG_CAIRN_JOURNAL_BYTES",
    ),
    misfit(
        "no-keys",
        KEYS,
        &[SECURE, "STUB_CHOSEN_cairn_keys=0"],
        "src/keys.c",
        "chosen { cairn,keys = &key_partition; }",
    ),
    misfit("small-keys", KEYS, &[SECURE, "STUB_REG_SIZE=4096"], "src/keys.c", "cairn,keys is smaller than two units"),
    misfit(
        "keys-in-journal",
        KEYS,
        &[SECURE, "STUB_CHOSEN_cairn_keys=1"],
        "src/keys.c",
        "cairn,keys and cairn,journal must be two partitions",
    ),
    misfit(
        "no-element",
        ELEMENT,
        &[SECURE, "STUB_CHOSEN_cairn_secure_element=0"],
        "src/element.c",
        "chosen { cairn,secure-element = &se050; }",
    ),
    misfit(
        "no-power",
        ELEMENT,
        &[SECURE, "STUB_PROPERTY_power_gpios=0"],
        "src/element.c",
        "has neither power-gpios nor vin-supply",
    ),
    misfit(
        "other-address",
        &["SIGNER_SE050=y", "SE050_I2C_ADDRESS=0x49", "LOG=y"],
        &[SECURE],
        "src/element.c",
        "is not CONFIG_CAIRN_SE050_I2C_ADDRESS",
    ),
    misfit(
        "no-image",
        &["FIRMWARE_RECORD=y", "LOG=y"],
        &[SECURE, "STUB_CHOSEN_cairn_image=0", "STUB_CHOSEN_zephyr_code_partition=0"],
        "src/firmware.c",
        "chosen { cairn,image = &slot0_partition; }",
    ),
    misfit("no-server", &["SNTP=y", "LOG=y"], &[SECURE], "src/sntp.c", "CONFIG_CAIRN_SNTP_SERVER says no server"),
    with_modem("no-modem", &[SECURE, "STUB_CHOSEN_cairn_modem=0"], "src/uart.c", "chosen { cairn,modem = &uart1; }"),
    with_modem(
        "driver-of-zephyr-s",
        &[SECURE, "CONFIG_MODEM=1", "STUB_CHILDREN=1"],
        "src/uart.c",
        "also has a modem driver of Zephyr",
    ),
    with_modem(
        "console-on-modem",
        &[SECURE, "CONFIG_UART_CONSOLE=1", "STUB_CHOSEN_zephyr_console=3"],
        "src/uart.c",
        "the UART cairn,modem is the console",
    ),
];

/// How many there are.
pub(super) fn each_says_what_to_do(project: &Project, log: &mut Log) -> Result<usize> {
    for Misfit { board, source, says } in MISFITS {
        let folder = project.directory(&format!("zephyr-glue/misfit-{}", board.name))?;
        configure(project, log, board, &folder)?;
        let mut command = compilation(project, &folder, "gcc", &["-fmessage-length=0"]);
        command.arg(project.path(GLUE).join(source));
        let (status, said) = log.status_within(&mut command, Duration::from_secs(60))?;
        ensure!(!status.success(), "{source} builds for {}", board.name);
        ensure!(said.contains(says), "{source} for {} does not say \"{says}\" but: {said}", board.name);
    }
    Ok(MISFITS.len())
}
