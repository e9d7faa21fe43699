// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads flash images that hold a journal, as they come back from the field. [`find`]: where in the image it is and how it
//! divides the flash. [`dump`]: every byte of it, piece by piece. [`check`]: what a mount would do. `cairn journal` prints it; the
//! fuzz target `journal` holds it against the journal itself.
//!
//! There is no parser here: headers, entries and the mount are the component's own, over an [`Image`].
#![forbid(unsafe_code)]

pub mod check;
pub mod dump;
pub mod find;
mod image;

pub use image::{Image, PastTheEnd};
