// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One `poll(now)` that drains the inbox, seals, signs and runs exchanges, and says when to be called next.

use crate::journal::JournalError;

/// Why a submission got no sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// The application may not submit this kind.
    Kind,
    /// The journal refused it.
    Journal(JournalError),
}
