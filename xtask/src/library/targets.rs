// SPDX-License-Identifier: Apache-2.0 OR MIT
//! component/capi/cairn_rust_target.cmake: which Rust target the options of Zephyr and the flags of a compiler mean.

use std::{fmt::Write as _, fs, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{process::Log, project::Project};

/// Options of Zephyr that are set, and the target; empty where there is none.
const KCONFIG: &[(&str, &str)] = &[
    ("CPU_CORTEX_M0", "thumbv6m-none-eabi"),
    ("CPU_CORTEX_M0PLUS", "thumbv6m-none-eabi"),
    ("CPU_CORTEX_M1", "thumbv6m-none-eabi"),
    ("CPU_CORTEX_M3", "thumbv7m-none-eabi"),
    ("CPU_CORTEX_M4", "thumbv7em-none-eabi"),
    ("CPU_CORTEX_M4 FPU FP_SOFTABI", "thumbv7em-none-eabi"),
    ("CPU_CORTEX_M4 FPU FP_HARDABI", "thumbv7em-none-eabihf"),
    ("CPU_CORTEX_M7", "thumbv7em-none-eabi"),
    ("CPU_CORTEX_M7 FPU FP_HARDABI", "thumbv7em-none-eabihf"),
    ("CPU_CORTEX_M23", "thumbv8m.base-none-eabi"),
    ("CPU_CORTEX_M33", "thumbv8m.main-none-eabi"),
    ("CPU_CORTEX_M33 FPU FP_SOFTABI", "thumbv8m.main-none-eabi"),
    ("CPU_CORTEX_M33 FPU FP_HARDABI", "thumbv8m.main-none-eabihf"),
    ("CPU_CORTEX_M55", "thumbv8m.main-none-eabi"),
    ("CPU_CORTEX_M85 FPU FP_HARDABI", "thumbv8m.main-none-eabihf"),
    ("CPU_AARCH32_CORTEX_R", ""),
    ("RISCV", "riscv32i-unknown-none-elf"),
    ("RISCV RISCV_ISA_EXT_M", "riscv32im-unknown-none-elf"),
    ("RISCV RISCV_ISA_EXT_M RISCV_ISA_EXT_C", "riscv32imc-unknown-none-elf"),
    ("RISCV RISCV_ISA_EXT_M RISCV_ISA_EXT_A", "riscv32im-unknown-none-elf"),
    ("RISCV RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C", "riscv32imac-unknown-none-elf"),
    ("RISCV RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C FPU", "riscv32imac-unknown-none-elf"),
    ("RISCV RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C FPU FLOAT_HARD", "riscv32imafc-unknown-none-elf"),
    ("RISCV RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C FPU FLOAT_HARD CPU_HAS_FPU_DOUBLE_PRECISION", ""),
    ("RISCV RISCV_ISA_RV32E RISCV_ISA_EXT_M RISCV_ISA_EXT_C", ""),
    ("RISCV 64BIT", ""),
    ("ARCH_POSIX 64BIT", "x86_64-unknown-linux-gnu"),
    ("ARCH_POSIX", ""),
    ("X86", ""),
];

/// What the Arm compiler is told, and the target.
const COMPILER: &[(&str, &str)] = &[
    ("-mcpu=cortex-m0", "thumbv6m-none-eabi"),
    ("-mcpu=cortex-m0plus", "thumbv6m-none-eabi"),
    ("-mcpu=cortex-m3", "thumbv7m-none-eabi"),
    ("-mcpu=cortex-m4", "thumbv7em-none-eabi"),
    ("-mcpu=cortex-m4 -mfloat-abi=softfp -mfpu=fpv4-sp-d16", "thumbv7em-none-eabi"),
    ("-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16", "thumbv7em-none-eabihf"),
    ("-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-d16", "thumbv7em-none-eabihf"),
    ("-mcpu=cortex-m23", "thumbv8m.base-none-eabi"),
    ("-mcpu=cortex-m33", "thumbv8m.main-none-eabi"),
    ("-mcpu=cortex-m33 -mfloat-abi=hard -mfpu=fpv5-sp-d16", "thumbv8m.main-none-eabihf"),
    ("-mcpu=cortex-m55 -mfloat-abi=hard", "thumbv8m.main-none-eabihf"),
    ("-mcpu=cortex-a7", ""),
];

/// What GCC defines for RISC-V (riscv-c-api-doc): this machine need not have a compiler for it.
const RISCV: &[(&str, &str)] = &[
    ("__riscv_mul __riscv_compressed __riscv_float_abi_soft", "riscv32imc-unknown-none-elf"),
    ("__riscv_mul __riscv_compressed __riscv_atomic __riscv_float_abi_soft", "riscv32imac-unknown-none-elf"),
    ("__riscv_mul __riscv_compressed __riscv_atomic __riscv_float_abi_single", "riscv32imafc-unknown-none-elf"),
    ("__riscv_mul __riscv_compressed __riscv_atomic __riscv_float_abi_double", ""),
    ("__riscv_32e __riscv_compressed __riscv_float_abi_soft", ""),
];

/// Gives how many were asked.
pub(super) fn check(project: &Project, log: &mut Log) -> Result<usize> {
    let script = project.directory("cmake")?.join("targets.cmake");
    let asked = KCONFIG.len() + COMPILER.len() + RISCV.len();
    fs::write(&script, ask(project)).context("targets.cmake")?;
    let said = log.run(Command::new("cmake").arg("-P").arg(&script))?;
    let answers: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("-- target:")).collect();
    ensure!(answers.len() == asked, "{asked} were asked, {} answered: {said}", answers.len());
    for ((given, expected), answer) in KCONFIG.iter().chain(COMPILER).chain(RISCV).zip(answers) {
        ensure!(answer == *expected, "{given} means the target '{answer}' and should mean '{expected}'");
    }
    Ok(asked)
}

/// A script that prints `target:` and the target for each.
fn ask(project: &Project) -> String {
    let mut script = format!(
        "include(\"{}\")\nset(CMAKE_HOST_SYSTEM_NAME Linux)\nset(CMAKE_HOST_SYSTEM_PROCESSOR x86_64)\n",
        project.path("component/capi/cairn_rust_target.cmake").display()
    );
    script.push_str("function(kconfig)\n  foreach(name IN LISTS ARGN)\n    set(CONFIG_${name} y)\n  endforeach()\n");
    script.push_str("  cairn_rust_target_of_kconfig(target panic)\n  message(STATUS \"target:${target}\")\n");
    // The host's program has the panic handler of std; no other may.
    script.push_str("  set(expected panic-handler)\n  if(target MATCHES linux)\n    set(expected std)\n  endif()\n");
    script.push_str("  if(NOT panic STREQUAL expected)\n    message(FATAL_ERROR \"${ARGN}: ${panic}\")\n  endif()\n");
    script.push_str("endfunction()\n");
    script.push_str("function(macros text)\n  cairn_rust_target_of_macros(target \"${text}\")\n");
    script.push_str("  message(STATUS \"target:${target}\")\nendfunction()\n");
    for (options, _) in KCONFIG {
        let _ = writeln!(script, "kconfig({options})");
    }
    for (flags, _) in COMPILER {
        let _ = writeln!(
            script,
            "execute_process(COMMAND arm-none-eabi-gcc {flags} -dM -E -x c /dev/null OUTPUT_VARIABLE text \
             COMMAND_ERROR_IS_FATAL ANY)\nmacros(\"${{text}}\")"
        );
    }
    for (defined, _) in RISCV {
        let defines: String = defined.split(' ').map(|name| format!("#define {name} 1\\n")).collect();
        let _ = writeln!(script, "macros(\"#define __riscv_xlen 32\\n{defines}\")");
    }
    script
}
