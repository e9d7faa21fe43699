// SPDX-License-Identifier: Apache-2.0 OR MIT
//! For whoever reads a flash image elsewhere, of a division known only when it runs: the very code that a device mounts with.
//! Called by `cairn journal` and by the fuzz target; reads only.
//!
//! A sector's header comes from [`read_header`], what follows it from [`Walk::piece`], a record's payload from
//! [`read_payload`], and what a mount would do from [`Mounted::find`].

pub use super::{
    mount::Mounted,
    scan::{Content, Piece, Place, Walk, read_header, read_payload},
};
