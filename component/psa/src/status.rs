// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What PSA Crypto answers, as errors. Never calls it.

use cairn::signer::SignerError;

/// Why PSA Crypto did not do what it was asked (PSA Crypto API 1.0, section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PsaError {
    /// The key's policy does not allow it.
    NotPermitted,
    /// The implementation or its driver does not have the curve or the algorithm.
    NotSupported,
    /// A parameter is wrong, or the key is of another kind.
    InvalidArgument,
    /// There is a key with this number.
    AlreadyExists,
    /// There is no key with this number.
    DoesNotExist,
    /// No memory.
    InsufficientMemory,
    /// No room to keep the key.
    InsufficientStorage,
    /// The element or the secure side does not answer.
    CommunicationFailure,
    /// The storage failed, or what it gave is damaged.
    StorageFailure,
    /// The hardware failed.
    HardwareFailure,
    /// There is not enough entropy to make a key.
    InsufficientEntropy,
    /// The signature is not one of this key over this digest.
    InvalidSignature,
    /// Tampering was detected.
    CorruptionDetected,
    /// What was answered makes no sense.
    DataInvalid,
    /// Any other status.
    Other(i32),
}

/// `PSA_ERROR_DATA_INVALID`.
pub(crate) const DATA_INVALID: i32 = -153;

pub(crate) fn check(status: i32) -> Result<(), PsaError> {
    if status == 0 { Ok(()) } else { Err(of(status)) }
}

/// The error with this number, which is not 0.
pub(crate) const fn of(status: i32) -> PsaError {
    match status {
        -133 => PsaError::NotPermitted,
        -134 => PsaError::NotSupported,
        -135 => PsaError::InvalidArgument,
        // A key that does not exist is an invalid handle in implementations of version 1.0 beta.
        -136 | -140 => PsaError::DoesNotExist,
        -139 => PsaError::AlreadyExists,
        -141 => PsaError::InsufficientMemory,
        -142 => PsaError::InsufficientStorage,
        -145 => PsaError::CommunicationFailure,
        -146 | -152 => PsaError::StorageFailure,
        -147 => PsaError::HardwareFailure,
        -148 => PsaError::InsufficientEntropy,
        -149 => PsaError::InvalidSignature,
        -151 => PsaError::CorruptionDetected,
        DATA_INVALID => PsaError::DataInvalid,
        other => PsaError::Other(other),
    }
}

impl From<PsaError> for SignerError {
    fn from(error: PsaError) -> Self {
        match error {
            PsaError::DoesNotExist | PsaError::InvalidArgument => Self::NotProvisioned,
            PsaError::NotPermitted => Self::Locked,
            PsaError::InvalidSignature
            | PsaError::CorruptionDetected
            | PsaError::HardwareFailure
            | PsaError::DataInvalid => Self::FaultDetected,
            _ => Self::Gone,
        }
    }
}
