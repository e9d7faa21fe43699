// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The C glue for Zephyr, compiled against stub headers (zephyr-stubs/include): needs no workspace, so that every CI sees a call with a
//! wrong type. In each variant of the configuration, with the `.config` that Kconfig.zephyr gives and the files that
//! rtos-zephyr/CMakeLists.txt names for it. That the stubs are Zephyr's is seen where there is a workspace, by the builds there.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use super::misfits;

mod proofs;

use crate::{
    kconfig,
    process::Log,
    project::Project,
    setup::Need,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// Every variant with both compilers.
pub(crate) const STAGE: Stage = Stage {
    name: "zephyr-glue",
    about: "the C glue for Zephyr compiles against stub headers, in each variant",
    needs: &[Need::Python, Need::Embedded],
    body: compile_all,
};

pub(super) const GLUE: &str = "rtos-zephyr";

/// A configuration and a board.
pub(super) struct Variant<'a> {
    pub(super) name: &'a str,
    /// The nodes that the devicetree chose, for Kconfig.
    pub(super) chosen: &'a str,
    pub(super) choices: &'a [&'a str],
    /// What the stub headers and Zephyr's own configuration say besides.
    pub(super) macros: &'a [&'a str],
}

pub(super) const JOURNAL: &str = "cairn,journal=65536";
pub(super) const WITH_MODEM: &str = "cairn,journal=65536;cairn,modem=0";
pub(super) const SECURE: &str = "CONFIG_CSPRNG_ENABLED=1";

const VARIANTS: &[Variant<'static>] = &[
    Variant {
        name: "udp",
        chosen: JOURNAL,
        choices: &["SHELL=y", "LOG=y", "SNTP=y", "SNTP_SERVER=time.example:1123"],
        macros: &[SECURE],
    },
    Variant { name: "modem", chosen: WITH_MODEM, choices: &["SHELL=y", "LOG=y"], macros: &[SECURE] },
    Variant {
        name: "custom",
        chosen: JOURNAL,
        choices: &["TRANSPORT_CUSTOM=y", "SIGNER_CUSTOM=y", "LOG=y"],
        macros: &[SECURE],
    },
    Variant {
        name: "bare",
        chosen: JOURNAL,
        choices: &["TEST_RANDOM_GENERATOR=y", "INSECURE_ENTROPY=y", "LOG=y"],
        macros: &["STUB_CHOSEN_cairn_factory=0", "STUB_COMPATIBLE_zephyr_sim_flash=1"],
    },
    Variant {
        name: "mapped",
        chosen: JOURNAL,
        choices: &["LOG=y", "FIRMWARE_RECORD=y"],
        macros: &[SECURE, "STUB_COMPATIBLE_soc_nv_flash=1", "CONFIG_INIT_STACKS=1", "CONFIG_THREAD_STACK_INFO=1"],
    },
    Variant {
        name: "boot-loader",
        chosen: JOURNAL,
        choices: &["TRANSPORT_CUSTOM=y", "BOOTLOADER_MCUBOOT=y", "LOG=y"],
        macros: &[SECURE, "CONFIG_MCUBOOT_IMG_MANAGER=1", "STUB_CHOSEN_cairn_image=0"],
    },
    // The crate cairn-zephyr's C.
    Variant { name: "rust", chosen: JOURNAL, choices: &["RUST=y", "CAIRN_RUST=y"], macros: &[SECURE] },
    Variant {
        name: "rust-alone",
        chosen: JOURNAL,
        choices: &["RUST=y", "CAIRN_RUST=y", "CAIRN_RUST_SOCKETS=n"],
        macros: &[SECURE, "STUB_CHOSEN_cairn_factory=0", "STUB_COMPATIBLE_zephyr_sim_flash=1"],
    },
    Variant {
        name: "element",
        chosen: JOURNAL,
        choices: &["SIGNER_SE050=y", "MONOTONIC=y", "LOG=y"],
        macros: &[SECURE],
    },
    Variant {
        name: "element-supply",
        chosen: JOURNAL,
        choices: &["SIGNER_SE050=y", "SE050_SCP03=n", "LOG=y"],
        macros: &[SECURE, "STUB_PROPERTY_vin_supply=1"],
    },
    Variant {
        name: "sim",
        chosen: WITH_MODEM,
        choices: &["SIGNER_SIM=y", "SIM_IOT_SAFE=y", "LOG=y"],
        macros: &[SECURE],
    },
    Variant {
        name: "keys",
        chosen: JOURNAL,
        choices: &[
            "SIGNER_P256=y",
            "KEY_STORE=y",
            "KEY_NOISE=y",
            "FACTORY_IN_IMAGE=y",
            "FACTORY_FILE=factory.bin",
            "LOG=y",
        ],
        macros: &[SECURE],
    },
];

/// Zephyr's own numbers that the glue names.
const OF_ZEPHYR: &[&str] = &["CONFIG_NUM_PREEMPT_PRIORITIES=15", "CONFIG_APPLICATION_INIT_PRIORITY=90"];

const COMPILERS: &[(&str, &[&str])] = &[
    ("gcc", &[]),
    ("arm-none-eabi-gcc", &["-mcpu=cortex-m3", "-mthumb"]),
    ("arm-none-eabi-gcc", &["-mcpu=cortex-m0", "-mthumb"]),
];

/// What to do when it fails and the code is right.
const HOW: &str = "a call of Zephyr's that is not known here gets its declaration, as Zephyr 4.1 has it, in the header of the same \
                   name under xtask/zephyr-stubs/include; a new file is named in rtos-zephyr/CMakeLists.txt, a new option needs a \
                   variant in xtask/src/zephyr/glue.rs";

fn compile_all(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let [of_c, of_rust] = ["CMakeLists.txt", "rust/shim.cmake"].map(|name| project.path(GLUE).join(name));
    let (of_c, of_rust) = (fs::read_to_string(of_c).context(GLUE)?, fs::read_to_string(of_rust).context(GLUE)?);
    let (mut seen, mut compiled) = (BTreeSet::new(), 0);
    for variant in VARIANTS {
        let folder = project.directory(&format!("zephyr-glue/{}", variant.name))?;
        let config = configure(project, log, variant, &folder)?;
        let cmake = if config.contains("CONFIG_CAIRN_RUST") { &of_rust } else { &of_c };
        let sources = sources(cmake, &config);
        for (compiler, options) in COMPILERS {
            let mut command = compilation(project, &folder, compiler, options);
            command.args(sources.iter().map(|source| project.path(GLUE).join(source)));
            log.run(&mut command).with_context(|| format!("variant {}", variant.name)).context(HOW)?;
            compiled += sources.len();
        }
        seen.extend(sources);
    }
    let missed: Vec<_> = [all_in(project, "src")?, all_in(project, "rust")?].concat();
    let missed: Vec<_> = missed.into_iter().filter(|source| !seen.contains(source)).collect();
    ensure!(missed.is_empty(), "no variant compiles {}; {HOW}", missed.join(", "));
    refuses_wrong_calls(project, log)?;
    proofs::all(project, log)?;
    let misfits = misfits::each_says_what_to_do(project, log)?;
    passed(format!(
        "{} files in {} variants, {compiled} compilations, {misfits} boards that do not fit",
        seen.len(),
        VARIANTS.len()
    ))
}

/// The C files of a folder of the glue.
fn all_in(project: &Project, folder: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(project.path(GLUE).join(folder)).with_context(|| folder.to_owned())?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let c = names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "c"));
    Ok(c.map(|name| format!("{folder}/{name}")).collect())
}

/// Writes `.config`, `autoconf.h` as Zephyr does of it, and `cairn_config.h`; the symbols that are set.
pub(super) fn configure(
    project: &Project,
    log: &mut Log,
    variant: &Variant<'_>,
    folder: &Path,
) -> Result<BTreeSet<String>> {
    let dotconfig = folder.join("zephyr.config");
    kconfig::on_zephyr(project, log, &dotconfig, variant.chosen, variant.choices)?;
    let text = fs::read_to_string(&dotconfig)?;
    let mut autoconf = String::new();
    let set = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    for (name, value) in set.clone() {
        writeln!(autoconf, "#define {name} {}", if value == "y" { "1" } else { value })?;
    }
    for (name, value) in OF_ZEPHYR.iter().chain(variant.macros).filter_map(|line| line.split_once('=')) {
        writeln!(autoconf, "#define {name} {value}")?;
    }
    fs::write(folder.join("autoconf.h"), autoconf)?;
    // As generate_inc_file_for_target writes a file.
    fs::write(folder.join("cairn_factory.inc"), "0x43, 0x41, 0x49,\n")?;
    let set: BTreeSet<String> = set.map(|(name, _)| name.to_owned()).collect();
    if set.contains("CONFIG_CAIRN") {
        let (header, config) = (folder.join("cairn_config.h"), dotconfig.to_string_lossy().into_owned());
        log.run(&mut kconfig::cairn_config(project, &["header", &config, &header.to_string_lossy()]))?;
    }
    Ok(set)
}

/// The files that CMakeLists.txt takes for this configuration. It reads the few forms that are written there.
fn sources(cmake: &str, config: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut conditions = Vec::new();
    for line in cmake.lines().map(str::trim) {
        let holds = |name: &str| !name.starts_with("CONFIG_") || config.contains(name);
        if let Some(condition) = line.strip_prefix("if(").and_then(|rest| rest.strip_suffix(')')) {
            conditions.push(match condition.strip_prefix("NOT ") {
                // The first lines leave when CONFIG_CAIRN is not set.
                Some(name) => name.starts_with("CONFIG_") && !config.contains(name),
                None => condition.split(" OR ").any(holds),
            });
        } else if line == "else()" {
            if let Some(condition) = conditions.last_mut() {
                *condition = !*condition;
            }
        } else if line.starts_with("endif") {
            conditions.pop();
        }
        let Some(list) = line.strip_prefix("zephyr_library_sources") else { continue };
        let words: Vec<_> = list.trim_start_matches("_ifdef").trim_matches(['(', ')']).split_whitespace().collect();
        if conditions.iter().all(|holds| *holds) && words.first().is_some_and(|first| holds(first)) {
            let named = words.iter().map(|word| word.trim_matches('"').replace("${CMAKE_CURRENT_LIST_DIR}/", "rust/"));
            found.extend(named.filter(|name| name.starts_with("src/") || name.starts_with("rust/")));
        }
    }
    found
}

pub(super) fn compilation(project: &Project, folder: &Path, compiler: &str, options: &[&str]) -> Command {
    let mut command = Command::new(compiler);
    command.args(["-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]).args(options);
    // As Zephyr does with newlib.
    command.arg("-D__LINUX_ERRNO_EXTENSIONS__").arg("-imacros").arg(folder.join("autoconf.h"));
    command.arg("-isystem").arg(project.path("xtask/zephyr-stubs/include"));
    for include in [folder.to_owned(), project.path(GLUE), project.path("component/capi/include")] {
        command.arg("-I").arg(include);
    }
    command
}

/// The stubs are strict enough: calls that Zephyr's headers would not take are not taken.
fn refuses_wrong_calls(project: &Project, log: &mut Log) -> Result<()> {
    const WRONG: &[&str] = &[
        "#include <zephyr/kernel.h>\nint wrong(struct k_sem *sem) { return k_sem_take(sem, 5); }\n",
        "#include <zephyr/drivers/flash.h>\nint wrong(int dev, void *to) { return flash_read(dev, 0, to, 1); }\n",
        "#include <zephyr/zvfs/eventfd.h>\nint wrong(int fd, int *value) { return zvfs_eventfd_read(fd, value); }\n",
        "#include <zephyr/logging/log.h>\nvoid wrong(void) { LOG_ERR(\"%s\", 5); }\n",
        "#include <zephyr/kernel.h>\nvoid wrong(void) { k_not_in_zephyr(); }\n",
        "#include \"cairn_port.h\"\nint cairn_port_udp_send(const uint8_t *bytes, int length) { return bytes[length]; }\n",
    ];
    let folder = project.directory("zephyr-glue/udp")?;
    for (at, text) in WRONG.iter().enumerate() {
        let source = folder.join(format!("wrong-{at}.c"));
        fs::write(&source, text)?;
        let mut command = compilation(project, &folder, "gcc", &[]);
        let (status, said) = log.status_within(command.arg(&source), Duration::from_secs(60))?;
        if status.success() || !said.contains("error:") {
            bail!("the stubs take a wrong call: {text}");
        }
    }
    Ok(())
}
