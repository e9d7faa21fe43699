// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What energy things cost, how much may be spent, and when to spend it. [`cost`]: the model, and what exchanges teach it.
//! [`budget`]: the bucket, with [`accesses`] and [`urgent`], the limits that a reset must not lift either. [`schedule`]: when to
//! seal and when to wake the radio.

pub mod accesses;
mod apart;
pub mod budget;
pub mod cost;
pub mod coverage;
pub mod outlook;
mod rides;
mod room;
pub mod schedule;
pub mod scheduler;
pub mod urgent;
mod worth;
