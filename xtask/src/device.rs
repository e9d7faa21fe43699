// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The component's crates build for every kind of Cortex-M, as a device builds them.

use anyhow::Result;

use crate::{
    embedded::TARGETS,
    lint::DEVICE_CRATES,
    process::Log,
    setup::Need,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// All crates for all targets; the static library for C as well.
pub(crate) const STAGE: Stage = Stage {
    name: "device",
    about: "the component builds for every Cortex-M target",
    needs: &[Need::Embedded],
    body: build,
};

fn build(context: &Context, log: &mut Log) -> Result<Outcome> {
    for target in TARGETS {
        println!("      {target}");
        let mut cargo = context.toolchain()?.cargo(&context.project, "build");
        cargo.args(["--lib", "--locked", "--quiet", "--profile", "device", "--target", target]);
        for name in DEVICE_CRATES {
            cargo.args(["-p", name]);
        }
        log.run(&mut cargo)?;
    }
    passed(TARGETS.join(", "))
}
