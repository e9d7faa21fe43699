// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is told of simulated lives, from [`crate::outcome::Comparison`]: [`table`] for a terminal, [`json`] for machines, [`html`] for
//! people, with the plots of [`plots`] in it. [`summary`] has the numbers that all of them show, [`sentences`] says what they mean.
//! `cairn power` calls them. Nothing here simulates, opens files or prints.

mod cells;
mod group;
pub mod html;
pub mod json;
mod plots;
mod quantity;
mod sentences;
mod series;
pub mod summary;
pub mod table;

#[cfg(test)]
mod tests;
