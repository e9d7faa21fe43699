// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks the numbers of a scenario, one by one, and remembers the first that cannot be. Asked by [`crate::scenario`] and
//! [`crate::model_file`]; knows no scenario.

use crate::scenario::ScenarioError;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Checks(Option<ScenarioError>);

impl Checks {
    /// `value` is a number from `low` to `high`.
    pub(crate) fn within(&mut self, field: &str, value: f64, low: f64, high: f64) {
        if !(low..=high).contains(&value) && self.0.is_none() {
            let (field, value) = (field.to_owned(), value.to_string());
            self.0 = Some(ScenarioError::Value { field, value, allowed: format!("{low} to {high}") });
        }
    }

    /// Each of three values, by coverage level.
    pub(crate) fn each(&mut self, field: &str, values: [f64; 3], low: f64, high: f64) {
        for (level, value) in values.into_iter().enumerate() {
            self.within(&format!("{field}[{level}]"), value, low, high);
        }
    }

    /// The first that cannot be.
    pub(crate) fn verdict(self) -> Result<(), ScenarioError> {
        self.0.map_or(Ok(()), Err)
    }
}
