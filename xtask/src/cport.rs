// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The C headers as an integrator's compilers see them: the stub port compiles for the host and for Cortex-M, and cairn.h
//! compiles as C++.

use std::{fs, path::Path, process::Command};

use anyhow::Result;

use crate::{
    process::Log,
    setup::Need,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// The stub port, three compilers.
pub(crate) const STAGE: Stage = Stage {
    name: "c-port",
    about: "cairn.h and a stub port compile as C and C++",
    needs: &[Need::Embedded, Need::Fuzz],
    body: compile,
};

const STUB: &str = "component/capi/tests/c/stub_port.c";
const STRICT: &[&str] = &["-Wall", "-Wextra", "-Werror", "-pedantic", "-c"];

fn compile(context: &Context, log: &mut Log) -> Result<Outcome> {
    let project = &context.project;
    let include = project.directory("c-port")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--locked", "-p", "cairn-config", "--", "header"]);
    cargo.arg(project.path("component/config/default.config")).arg(include.join("cairn_config.h"));
    log.run(cargo.current_dir(project.path("")))?;
    let cpp = include.join("cairn.cpp");
    fs::write(&cpp, "#include \"cairn.h\"\n#include \"cairn_port.h\"\nint unused;\n")?;
    let stub = project.path(STUB);
    let compilers: [(&str, &[&str], &Path); 4] = [
        ("gcc", &["-std=c11"], &stub),
        ("arm-none-eabi-gcc", &["-std=c11", "-mcpu=cortex-m3", "-mthumb"], &stub),
        ("arm-none-eabi-gcc", &["-std=c11", "-mcpu=cortex-m0", "-mthumb"], &stub),
        ("g++", &["-std=c++17"], &cpp),
    ];
    for (compiler, options, source) in compilers {
        let mut command = Command::new(compiler);
        command
            .args(options)
            .args(STRICT)
            .arg("-I")
            .arg(&include)
            .arg("-I")
            .arg(project.path("component/capi/include"));
        log.run(command.arg(source).arg("-o").arg(include.join("out.o")))?;
    }
    passed("gcc, arm-none-eabi-gcc for M3 and M0, g++")
}
