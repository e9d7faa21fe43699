// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plots as SVG text. Every line has a colour that all eyes can tell apart (Okabe and Ito 2008) and a mark of its own, for paper without
//! colours. [`frame`] is what they have in common.

mod budget;
mod coverage;
mod energy;
mod frame;
mod lines;

use core::fmt;

pub(super) use budget::budget;
pub(super) use coverage::coverage;
pub(super) use energy::energy;
pub(super) use lines::{battery, staleness};

/// A plot could not be drawn.
#[derive(Debug)]
pub struct DrawError(String);

impl fmt::Display for DrawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot draw: {}", self.0)
    }
}

impl core::error::Error for DrawError {}

impl<E: core::error::Error + Send + Sync> From<plotters::drawing::DrawingAreaErrorKind<E>> for DrawError {
    fn from(error: plotters::drawing::DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}
