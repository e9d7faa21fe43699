// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Evidence: one file that lets a third party check, against a ledger, that a record came from a device, at its place in the
//! device's history, and was not changed.
//!
//! [`model`] is what a file says, [`cbor`] and [`json`] are its two forms (docs/wire.cddl, `evidence`), [`signature`]
//! checks one signature, [`rotation`] follows a device from its first key to the one that signed, [`mod@verify`] runs
//! the steps and [`refusal`] names why a step failed. Called by the relay (which completes evidence) and by `cairn
//! verify`. Never does I/O: what a ledger says is gathered by the caller and handed in as [`verify::LedgerFacts`].
#![forbid(unsafe_code)]

pub mod cbor;
pub mod json;
pub mod model;
pub mod refusal;
pub mod rotation;
pub mod signature;
pub mod verify;

pub use model::{Evidence, EvidenceKey, Inclusion, OwnedRecord, Rotation, Route, TransactionRef};
pub use refusal::{Refusal, RotationFault, Step};
pub use signature::SignatureError;
pub use verify::{Expectation, LedgerFacts, Verdict, verify};

/// Reads an evidence file in any form: JSON when its first byte that is not white space is `{`, CBOR in hexadecimal when it is
/// nothing but hexadecimal digits and white space (as a device's console prints it), CBOR otherwise.
///
/// # Errors
/// [`cbor::FormatError`] when it is none of these, whole and strict.
pub fn read(bytes: &[u8]) -> Result<Evidence, cbor::FormatError> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => json::from_json(bytes),
        _ => match from_hex(bytes) {
            Some(decoded) => cbor::decode(&decoded),
            None => cbor::decode(bytes),
        },
    }
}

fn from_hex(bytes: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if digits.is_empty() { None } else { hex::decode(digits).ok() }
}
