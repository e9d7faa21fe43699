// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the CMake of an RTOS comes by the Rust library: which Rust target it finds, how it calls cargo, what it says when something is
//! missing. Nothing here needs Zephyr, and no device code is compiled: an application of one line is linked with what a stand-in for
//! cargo makes.

mod calls;
mod targets;

use anyhow::Result;

use crate::{
    process::Log,
    setup::Need,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// CMake and cargo.
pub(crate) const STAGE: Stage = Stage {
    name: "cmake",
    about: "C builds find the Rust target, call cargo as they should, and say what is missing",
    needs: &[Need::Embedded],
    body: check,
};

fn check(context: &Context, log: &mut Log) -> Result<Outcome> {
    let mapped = targets::check(&context.project, log)?;
    let called = calls::check(context, log)?;
    passed(format!("{mapped} processors; {called} calls of cargo"))
}
