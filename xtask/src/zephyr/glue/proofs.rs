// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Options that only the C glue reads, and what is seen of each in a compilation: a size or a number that becomes another, or a build
//! that stops with a sentence. Part of the stage `zephyr-glue`.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};

use super::{GLUE, JOURNAL, SECURE, Variant, WITH_MODEM, compilation, configure};
use crate::{process::Log, project::Project};

/// What must come of a configuration.
enum Seen {
    /// A constant expression of C that holds after the file, and does not with the default.
    Holds(&'static str),
    /// The build stops and says so.
    Stops(&'static str),
}

struct Proof {
    source: &'static str,
    chosen: &'static str,
    choices: &'static [&'static str],
    macros: &'static [&'static str],
    seen: Seen,
}

const PROOFS: &[Proof] = &[
    Proof {
        source: "src/thread.c",
        chosen: JOURNAL,
        choices: &["TASK_STACK_BYTES=9216"],
        macros: &[],
        seen: Seen::Holds("sizeof(stack) == 9216"),
    },
    Proof {
        source: "src/thread.c",
        chosen: JOURNAL,
        choices: &["WAITERS=7"],
        macros: &[],
        seen: Seen::Holds("ARRAY_SIZE(waiters) == 7"),
    },
    Proof {
        source: "src/thread.c",
        chosen: JOURNAL,
        choices: &["TASK_PRIORITY=15"],
        macros: &[],
        seen: Seen::Stops("CONFIG_CAIRN_TASK_PRIORITY must be below CONFIG_NUM_PREEMPT_PRIORITIES"),
    },
    Proof {
        source: "src/uart.c",
        chosen: WITH_MODEM,
        choices: &["AT_RX_BYTES=1024"],
        macros: &[],
        seen: Seen::Holds("sizeof(_ring_buffer_data_received) == 1024"),
    },
    Proof {
        source: "src/flash.c",
        chosen: JOURNAL,
        choices: &["JOURNAL_BYTES=131072"],
        macros: &[],
        seen: Seen::Stops("smaller than CONFIG_CAIRN_JOURNAL_BYTES"),
    },
    Proof {
        source: "src/flash.c",
        chosen: JOURNAL,
        choices: &["FLASH_WRITE_SIZE=2"],
        macros: &[],
        seen: Seen::Stops("CONFIG_CAIRN_FLASH_WRITE_SIZE must be whole words"),
    },
    Proof {
        source: "src/flash.c",
        chosen: JOURNAL,
        choices: &["FLASH_ERASE_SIZE=2048"],
        macros: &[],
        seen: Seen::Stops("CONFIG_CAIRN_FLASH_ERASE_SIZE must be whole erase units"),
    },
    Proof {
        source: "src/entropy.c",
        chosen: JOURNAL,
        choices: &[],
        macros: &["CONFIG_CSPRNG_ENABLED=1", "CONFIG_TEST_CSPRNG_GENERATOR=1"],
        seen: Seen::Stops("say CONFIG_CAIRN_INSECURE_ENTROPY=y"),
    },
    Proof {
        source: "src/sntp.c",
        chosen: JOURNAL,
        choices: &["SNTP=y"],
        macros: &[],
        seen: Seen::Stops("CONFIG_CAIRN_SNTP_SERVER says no server"),
    },
    Proof {
        source: "src/sntp.c",
        chosen: JOURNAL,
        choices: &["SNTP=y", "SNTP_SERVER=ten.chars!", "SNTP_INTERVAL_H=5", "SNTP_STACK_BYTES=2048"],
        macros: &[],
        seen: Seen::Holds(
            "INTERVAL_MS == 5 * 3600000 && sizeof(CONFIG_CAIRN_SNTP_SERVER) == 11 && cairn_sntp_stack_bytes == 2048",
        ),
    },
    Proof {
        source: "src/factory.c",
        chosen: JOURNAL,
        choices: &["FACTORY_IN_IMAGE=y", "FACTORY_FILE=any.bin"],
        macros: &["STUB_CHOSEN_cairn_factory=0"],
        // The stage writes a file of three bytes.
        seen: Seen::Holds("sizeof(embedded) == 3"),
    },
];

/// Every proof holds, and those of a constant fail with the default.
pub(super) fn all(project: &Project, log: &mut Log) -> Result<()> {
    for (at, proof) in PROOFS.iter().enumerate() {
        match proof.seen {
            Seen::Holds(expression) => {
                let text = format!("_Static_assert({expression}, \"the option's number\");\n");
                let (good, said) = compile(project, log, at, proof, proof.choices, &text)?;
                ensure!(good, "{}: {expression} does not hold with {:?}: {said}", proof.source, proof.choices);
                let (good, _) = compile(project, log, at, proof, &[], &text)?;
                ensure!(!good, "{}: {expression} holds without {:?} too", proof.source, proof.choices);
            }
            Seen::Stops(sentence) => {
                let (good, said) = compile(project, log, at, proof, proof.choices, "")?;
                ensure!(
                    !good && said.contains(sentence),
                    "{} with {:?} and {:?} does not stop with '{sentence}': {said}",
                    proof.source,
                    proof.choices,
                    proof.macros
                );
            }
        }
    }
    Ok(())
}

/// Compiles the proof's file with `text` behind it.
fn compile(
    project: &Project,
    log: &mut Log,
    at: usize,
    proof: &Proof,
    choices: &'static [&'static str],
    text: &str,
) -> Result<(bool, String)> {
    let folder = project.directory(&format!("zephyr-glue/proof-{at}"))?;
    let all: Vec<&'static str> = choices.iter().copied().chain(["LOG=y"]).collect();
    // A generator of its own is one of the proofs.
    let secure = (!proof.source.ends_with("entropy.c")).then_some(SECURE);
    let macros: Vec<&'static str> = proof.macros.iter().copied().chain(secure).collect();
    configure(project, log, &Variant { name: "proof", chosen: proof.chosen, choices: &all, macros: &macros }, &folder)?;
    let source = folder.join("proof.c");
    fs::write(&source, format!("#include \"{}\"\n{text}", project.path(GLUE).join(proof.source).display()))?;
    let (status, said) =
        log.status_within(compilation(project, &folder, "gcc", &[]).arg(source), Duration::from_secs(60))?;
    Ok((status.success(), said))
}
