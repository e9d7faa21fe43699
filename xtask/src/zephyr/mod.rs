// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stages on Zephyr: they run where there is a workspace, and say so where there is none.

mod end_to_end;
mod glue;
mod image;
mod lock;
mod lock_native;
mod misfits;
mod native;
mod sample;
mod twister;
mod workspace;

pub(crate) use end_to_end::END_TO_END;
pub(crate) use glue::STAGE as GLUE;
pub(crate) use image::{build, configure, version};
pub(crate) use lock::{END_TO_END as END_TO_END_LOCK, EXCLUSION};
pub(crate) use lock_native::END_TO_END_LOCK_NATIVE;
pub(crate) use native::END_TO_END_NATIVE;
pub(crate) use twister::STAGE;
pub(crate) use workspace::NO_WORKSPACE;
