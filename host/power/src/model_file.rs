// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The energy model as a scenario changes it: each row may be given, in the units of docs/power.md; what is not stays as it is.
//! Read by [`crate::scenario`] for what is true and for what the device believes.

use cairn::power::cost::{LevelCosts, Model};
use serde::Deserialize;

use crate::{checks::Checks, scenario::whole};

/// Rows that differ from a model.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFile {
    /// At CE0.
    pub ce0: LevelFile,
    /// At CE1.
    pub ce1: LevelFile,
    /// At CE2.
    pub ce2: LevelFile,
    /// What the device draws asleep, microwatts.
    pub floor_uw: Option<f64>,
    /// What a connection draws that waits, milliwatts.
    pub tail_mw: Option<f64>,
    /// How long the network keeps it, seconds.
    pub tail_s: Option<f64>,
    /// One signature, millijoules.
    pub signature_mj: Option<f64>,
    /// One write to flash, millijoules.
    pub flash_write_mj: Option<f64>,
    /// One sector erased, millijoules.
    pub flash_erase_mj: Option<f64>,
}

/// Rows of one coverage level.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LevelFile {
    /// Waking the modem and finding the cell, millijoules.
    pub wake_mj: Option<f64>,
    /// Random access and set-up, millijoules.
    pub setup_mj: Option<f64>,
    /// One byte on the wire, millijoules.
    pub byte_mj: Option<f64>,
    /// Waiting for one answer, millijoules.
    pub round_trip_mj: Option<f64>,
    /// Giving the connection up, millijoules.
    pub release_mj: Option<f64>,
    /// A tracking area update, millijoules.
    pub tau_mj: Option<f64>,
    /// Attaching, millijoules.
    pub attach_mj: Option<f64>,
    /// How long an exchange takes, seconds.
    pub usual_s: Option<f64>,
}

/// A thousandth of the unit that a file gives.
fn put(row: &mut u32, value: Option<f64>) {
    if let Some(value) = value {
        *row = whole(value * 1000.0);
    }
}

impl LevelFile {
    fn over(&self, mut row: LevelCosts) -> LevelCosts {
        put(&mut row.wake_uj, self.wake_mj);
        put(&mut row.setup_uj, self.setup_mj);
        put(&mut row.byte_uj, self.byte_mj);
        put(&mut row.round_trip_uj, self.round_trip_mj);
        put(&mut row.release_uj, self.release_mj);
        put(&mut row.tau_uj, self.tau_mj);
        put(&mut row.attach_uj, self.attach_mj);
        put(&mut row.usual_ms, self.usual_s);
        row
    }

    fn check(&self, name: &str, checks: &mut Checks) {
        let rows = [
            ("wake_mj", self.wake_mj),
            ("setup_mj", self.setup_mj),
            ("byte_mj", self.byte_mj),
            ("round_trip_mj", self.round_trip_mj),
            ("release_mj", self.release_mj),
            ("tau_mj", self.tau_mj),
            ("attach_mj", self.attach_mj),
        ];
        for (row, value) in rows {
            checks.within(&format!("{name}.{row}"), value.unwrap_or(0.0), 0.0, 1e6);
        }
        checks.within(&format!("{name}.usual_s"), self.usual_s.unwrap_or(1.0), 0.1, 300.0);
    }
}

impl ModelFile {
    /// `model` with the rows that are given.
    #[must_use]
    pub fn over(&self, mut model: Model) -> Model {
        let [ce0, ce1, ce2] = model.levels;
        model.levels = [self.ce0.over(ce0), self.ce1.over(ce1), self.ce2.over(ce2)];
        put(&mut model.floor_nw, self.floor_uw);
        put(&mut model.tail_uw, self.tail_mw);
        put(&mut model.tail_ms, self.tail_s);
        put(&mut model.signature_uj, self.signature_mj);
        put(&mut model.flash_write_uj, self.flash_write_mj);
        put(&mut model.flash_erase_uj, self.flash_erase_mj);
        model
    }

    pub(crate) fn check(&self, name: &str, checks: &mut Checks) {
        for (level, rows) in [("ce0", &self.ce0), ("ce1", &self.ce1), ("ce2", &self.ce2)] {
            rows.check(&format!("{name}.{level}"), checks);
        }
        checks.within(&format!("{name}.floor_uw"), self.floor_uw.unwrap_or(0.0), 0.0, 1e6);
        checks.within(&format!("{name}.tail_mw"), self.tail_mw.unwrap_or(1.0), 0.001, 5000.0);
        checks.within(&format!("{name}.tail_s"), self.tail_s.unwrap_or(0.0), 0.0, 300.0);
        checks.within(&format!("{name}.signature_mj"), self.signature_mj.unwrap_or(0.0), 0.0, 1e4);
        checks.within(&format!("{name}.flash_write_mj"), self.flash_write_mj.unwrap_or(0.0), 0.0, 1e4);
        checks.within(&format!("{name}.flash_erase_mj"), self.flash_erase_mj.unwrap_or(0.0), 0.0, 1e4);
    }
}
