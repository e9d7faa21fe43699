// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What energy an exchange costs, and when to spend it.

pub mod cost;
pub mod schedule;
