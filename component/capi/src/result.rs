// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every function of the C interface answers: one enum, each value with its own text. Made from the core's errors
//! here and nowhere else.

use core::ffi::{CStr, c_char};

use cairn::{
    agent::SubmitError,
    factory::FactoryError,
    journal::{GuardError, JournalError, MountError},
    signer::SignerError,
};

/// What a function of Cairn answers. `cairn_strerror` gives each value's text.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub enum cairn_result_t {
    /// It was done.
    CAIRN_OK = 0,
    /// A pointer that must not be NULL is NULL.
    CAIRN_E_NULL = 1,
    /// A value is outside what the function takes: an unknown priority or upload mode.
    CAIRN_E_ARGUMENT = 2,
    /// `cairn_init` was not called, or did not succeed.
    CAIRN_E_NOT_INITIALISED = 3,
    /// `cairn_init` succeeded before.
    CAIRN_E_ALREADY_INITIALISED = 4,
    /// The storage is smaller than `CAIRN_STORAGE_SIZE`, or not aligned like `cairn_storage_t`.
    CAIRN_E_STORAGE = 5,
    /// Not allowed where it was called: in an interrupt, in the event callback, or in the wrong task.
    CAIRN_E_CONTEXT = 6,
    /// The payload is longer than `CONFIG_CAIRN_PAYLOAD_MAX`.
    CAIRN_E_TOO_LONG = 7,
    /// An application may not submit this kind: only `CAIRN_KIND_READING`, `CAIRN_KIND_EVENT`, and from 64 on.
    CAIRN_E_KIND = 8,
    /// The queue between the application and the agent's task is full; the refusal is counted in the status.
    CAIRN_E_QUEUE_FULL = 9,
    /// The journal is full, and nothing in it may be reclaimed.
    CAIRN_E_JOURNAL_FULL = 10,
    /// The journal's flash failed: it cannot be reached, or does not hold what is written to it.
    CAIRN_E_MEDIUM = 11,
    /// The agent's task did not answer in time. A record that was submitted may still be journaled.
    CAIRN_E_TIMEOUT = 12,
    /// `CONFIG_CAIRN_WAITERS` tasks wait for the agent already.
    CAIRN_E_BUSY = 13,
    /// There is no such record or batch, or it was reclaimed.
    CAIRN_E_NOT_FOUND = 14,
    /// The record's batch is not sealed and signed yet: try again after `CAIRN_EVENT_SIGNED`.
    CAIRN_E_NOT_SEALED = 15,
    /// The buffer is too small for the evidence or the endorsement.
    CAIRN_E_BUFFER = 16,
    /// There is no factory blob at the address given: the partition was never written, or it is another place.
    CAIRN_E_FACTORY_ABSENT = 17,
    /// The factory blob is cut short, or its check sum or content is wrong.
    CAIRN_E_FACTORY_DAMAGED = 18,
    /// The factory blob's version or key is not one this build can use.
    CAIRN_E_FACTORY_UNSUPPORTED = 19,
    /// The entropy source gave nothing.
    CAIRN_E_ENTROPY = 20,
    /// The signer detected a fault: two signatures that differ, one that does not verify, an answer that makes no sense. Nothing
    /// was signed.
    CAIRN_E_SIGNER_FAULT = 21,
    /// The journal's or the batch's state forbids it.
    CAIRN_E_CONFLICT = 22,
    /// The record was lost before its batch was sealed; its place in the batch says so.
    CAIRN_E_LOST = 23,
    /// The journal's flash holds something that is no journal. Is it the right partition? If nothing in it is wanted, have it
    /// formatted by `cairn_journal_format`.
    CAIRN_E_JOURNAL_FOREIGN = 24,
    /// The journal was written by a version of Cairn with another format: run that version, or give up what the journal
    /// holds by `cairn_journal_format`.
    CAIRN_E_JOURNAL_VERSION = 25,
    /// The journal was made with another `CONFIG_CAIRN_JOURNAL_BYTES`, `CONFIG_CAIRN_FLASH_WRITE_SIZE` or
    /// `CONFIG_CAIRN_FLASH_ERASE_SIZE`: build with those, or give up what it holds by `cairn_journal_format`.
    CAIRN_E_JOURNAL_GEOMETRY = 26,
    /// There is no root of trust to vouch for the device, or it refused: the factory blob has no attestation key of an
    /// algorithm this build has, the build has no root, or the platform's service does not attest.
    CAIRN_E_ROOT = 27,
    /// The journal's flash is behind the product's counter: an older content was put back, or another device's flash put in.
    /// The way on is a new stream: have the journal formatted by `cairn_journal_format`; `after_rollback` in the status says so
    /// from then on.
    CAIRN_E_JOURNAL_ROLLED_BACK = 28,
    /// The product's counter does not answer.
    CAIRN_E_COUNTER = 29,
    /// The signer has no key: none of this number in PSA Crypto, no such object on the secure element, no applet or no key
    /// on the SIM.
    CAIRN_E_SIGNER_NOT_PROVISIONED = 30,
    /// The signer's key exists and may not be used: a PIN, a policy, wrong platform keys.
    CAIRN_E_SIGNER_LOCKED = 31,
    /// The secure element, the SIM or the modem does not answer at all. The agent looks again a minute later.
    CAIRN_E_SIGNER_GONE = 32,
    /// The secure element or the SIM did not answer in time. The agent looks again a minute later.
    CAIRN_E_SIGNER_TIMEOUT = 33,
    /// The factory blob has no private key, and this build signs with one that the factory gives.
    CAIRN_E_KEY_MISSING = 34,
    /// The factory blob has a private key, and in this build something else holds the device's key. One that lies about in flash
    /// protects nothing: provision the device with `--public-key`, and take the other key for lost.
    CAIRN_E_KEY_UNWANTED = 35,
    /// The key is not the one whose turn it is, or is another device's: the journal was begun with another key, or a rotation
    /// named another. Was the factory blob of another device written beside an old journal?
    CAIRN_E_OTHER_KEY = 36,
    /// The platform's SHA-256 failed (`CONFIG_CAIRN_PSA_HASH`): what depends on it was not done, and is tried again when it is due.
    CAIRN_E_HASH = 37,
    /// A primitive did not give its known answer: `selftest_failed` in the status says which. The agent does not run then, until
    /// the device restarts.
    CAIRN_E_SELFTEST = 38,
    /// The key store's flash failed, or holds what a later version wrote.
    CAIRN_E_KEY_STORE = 39,
    /// The key in flash is sealed and this device's secret does not open it, it is plain where keys are to be sealed, or the
    /// platform gave no secret.
    CAIRN_E_KEY_SEAL = 40,
    /// Both copies of the key in flash are damaged.
    CAIRN_E_KEY_DAMAGED = 41,
    /// A key that was to be erased may still be in the flash.
    CAIRN_E_KEY_NOT_ERASED = 42,
    /// The device's key was destroyed.
    CAIRN_E_KEY_DESTROYED = 43,
    /// More urgent records of its kind came than are taken (`CONFIG_CAIRN_URGENT_BURST`, `CONFIG_CAIRN_URGENT_INTERVAL_S`): it was
    /// not journaled but counted, durably, and one record will say how many there were.
    CAIRN_E_COALESCED = 44,
    /// The energy model contradicts itself: a coverage level costs less than a better one.
    CAIRN_E_ENERGY_MODEL = 45,
    /// Nothing is left of the battery for Cairn beside the rest of the device and the modem's sleep, for as long as it must last.
    CAIRN_E_BATTERY = 46,
}

impl cairn_result_t {
    /// Every result, at the place of its number.
    const ALL: &[Self] = &[
        Self::CAIRN_OK,
        Self::CAIRN_E_NULL,
        Self::CAIRN_E_ARGUMENT,
        Self::CAIRN_E_NOT_INITIALISED,
        Self::CAIRN_E_ALREADY_INITIALISED,
        Self::CAIRN_E_STORAGE,
        Self::CAIRN_E_CONTEXT,
        Self::CAIRN_E_TOO_LONG,
        Self::CAIRN_E_KIND,
        Self::CAIRN_E_QUEUE_FULL,
        Self::CAIRN_E_JOURNAL_FULL,
        Self::CAIRN_E_MEDIUM,
        Self::CAIRN_E_TIMEOUT,
        Self::CAIRN_E_BUSY,
        Self::CAIRN_E_NOT_FOUND,
        Self::CAIRN_E_NOT_SEALED,
        Self::CAIRN_E_BUFFER,
        Self::CAIRN_E_FACTORY_ABSENT,
        Self::CAIRN_E_FACTORY_DAMAGED,
        Self::CAIRN_E_FACTORY_UNSUPPORTED,
        Self::CAIRN_E_ENTROPY,
        Self::CAIRN_E_SIGNER_FAULT,
        Self::CAIRN_E_CONFLICT,
        Self::CAIRN_E_LOST,
        Self::CAIRN_E_JOURNAL_FOREIGN,
        Self::CAIRN_E_JOURNAL_VERSION,
        Self::CAIRN_E_JOURNAL_GEOMETRY,
        Self::CAIRN_E_ROOT,
        Self::CAIRN_E_JOURNAL_ROLLED_BACK,
        Self::CAIRN_E_COUNTER,
        Self::CAIRN_E_SIGNER_NOT_PROVISIONED,
        Self::CAIRN_E_SIGNER_LOCKED,
        Self::CAIRN_E_SIGNER_GONE,
        Self::CAIRN_E_SIGNER_TIMEOUT,
        Self::CAIRN_E_KEY_MISSING,
        Self::CAIRN_E_KEY_UNWANTED,
        Self::CAIRN_E_OTHER_KEY,
        Self::CAIRN_E_HASH,
        Self::CAIRN_E_SELFTEST,
        Self::CAIRN_E_KEY_STORE,
        Self::CAIRN_E_KEY_SEAL,
        Self::CAIRN_E_KEY_DAMAGED,
        Self::CAIRN_E_KEY_NOT_ERASED,
        Self::CAIRN_E_KEY_DESTROYED,
        Self::CAIRN_E_COALESCED,
        Self::CAIRN_E_ENERGY_MODEL,
        Self::CAIRN_E_BATTERY,
    ];

    const fn text(self) -> &'static CStr {
        match self {
            Self::CAIRN_OK => c"done",
            Self::CAIRN_E_NULL => c"a pointer is NULL",
            Self::CAIRN_E_ARGUMENT => c"an argument is out of range",
            Self::CAIRN_E_NOT_INITIALISED => c"cairn_init was not called or failed",
            Self::CAIRN_E_ALREADY_INITIALISED => c"cairn_init was called before",
            Self::CAIRN_E_STORAGE => c"the storage is too small or not aligned",
            Self::CAIRN_E_CONTEXT => c"not allowed in this interrupt, callback or task",
            Self::CAIRN_E_TOO_LONG => c"the payload is longer than CONFIG_CAIRN_PAYLOAD_MAX",
            Self::CAIRN_E_KIND => c"an application may not submit this kind of record",
            Self::CAIRN_E_QUEUE_FULL => c"the record queue is full",
            Self::CAIRN_E_JOURNAL_FULL => c"the journal is full",
            Self::CAIRN_E_MEDIUM => c"the journal's medium failed",
            Self::CAIRN_E_TIMEOUT => c"the agent did not answer in time",
            Self::CAIRN_E_BUSY => c"too many tasks wait for the agent",
            Self::CAIRN_E_NOT_FOUND => c"no such record or batch is kept",
            Self::CAIRN_E_NOT_SEALED => c"the record's batch is not sealed and signed yet",
            Self::CAIRN_E_BUFFER => c"the buffer is too small",
            Self::CAIRN_E_FACTORY_ABSENT => c"there is no factory blob",
            Self::CAIRN_E_FACTORY_DAMAGED => c"the factory blob is damaged",
            Self::CAIRN_E_FACTORY_UNSUPPORTED => c"the factory blob is of a kind this build cannot use",
            Self::CAIRN_E_ENTROPY => c"the entropy source failed",
            Self::CAIRN_E_SIGNER_FAULT => c"the signer detected a fault",
            Self::CAIRN_E_CONFLICT => c"the batch's state forbids it",
            Self::CAIRN_E_LOST => c"the record was lost",
            Self::CAIRN_E_JOURNAL_FOREIGN => {
                c"the flash holds something that is no journal; cairn_journal_format would overwrite it"
            }
            Self::CAIRN_E_JOURNAL_VERSION => c"the journal is of another version of its format",
            Self::CAIRN_E_JOURNAL_GEOMETRY => c"the journal was made for another division of the flash",
            Self::CAIRN_E_ROOT => c"no root of trust vouches for the device",
            Self::CAIRN_E_JOURNAL_ROLLED_BACK => c"the journal's flash was rolled back",
            Self::CAIRN_E_COUNTER => c"the counter does not answer",
            Self::CAIRN_E_SIGNER_NOT_PROVISIONED => c"the signer has no key",
            Self::CAIRN_E_SIGNER_LOCKED => c"the signer's key may not be used",
            Self::CAIRN_E_SIGNER_GONE => c"the signer does not answer at all",
            Self::CAIRN_E_SIGNER_TIMEOUT => c"the signer did not answer in time",
            Self::CAIRN_E_KEY_MISSING => c"the factory blob has no private key, and this build signs with one",
            Self::CAIRN_E_KEY_UNWANTED => c"the factory blob has a private key, and this build's key is elsewhere",
            Self::CAIRN_E_OTHER_KEY => c"the key is not the one whose turn it is in the journal",
            Self::CAIRN_E_HASH => c"the platform's SHA-256 failed",
            Self::CAIRN_E_SELFTEST => c"a primitive failed its self-test",
            Self::CAIRN_E_KEY_STORE => c"the key store's flash failed",
            Self::CAIRN_E_KEY_SEAL => c"the key in flash is not sealed for this device",
            Self::CAIRN_E_KEY_DAMAGED => c"the key in flash is damaged",
            Self::CAIRN_E_KEY_NOT_ERASED => c"a key could not be erased",
            Self::CAIRN_E_KEY_DESTROYED => c"the device's key was destroyed",
            Self::CAIRN_E_COALESCED => c"counted: too many urgent records of its kind",
            Self::CAIRN_E_ENERGY_MODEL => c"a coverage level costs less than a better one",
            Self::CAIRN_E_BATTERY => c"nothing of the battery is left for Cairn",
        }
    }
}

impl From<FactoryError> for cairn_result_t {
    fn from(error: FactoryError) -> Self {
        match error {
            FactoryError::Absent => Self::CAIRN_E_FACTORY_ABSENT,
            FactoryError::Damaged | FactoryError::Malformed => Self::CAIRN_E_FACTORY_DAMAGED,
            FactoryError::UnknownVersion => Self::CAIRN_E_FACTORY_UNSUPPORTED,
            FactoryError::BufferTooSmall => Self::CAIRN_E_BUFFER,
        }
    }
}

#[cfg(feature = "key-store")]
impl From<cairn::keys::store::StoreError> for cairn_result_t {
    fn from(error: cairn::keys::store::StoreError) -> Self {
        use cairn::keys::store::StoreError;
        match error {
            StoreError::NoKey => Self::CAIRN_E_KEY_MISSING,
            StoreError::AlreadyThere => Self::CAIRN_E_CONFLICT,
            StoreError::NotASecret => Self::CAIRN_E_FACTORY_UNSUPPORTED,
            StoreError::Entropy => Self::CAIRN_E_ENTROPY,
            StoreError::WrongSeal => Self::CAIRN_E_KEY_SEAL,
            StoreError::UnknownVersion | StoreError::Medium => Self::CAIRN_E_KEY_STORE,
            StoreError::Damaged => Self::CAIRN_E_KEY_DAMAGED,
            StoreError::NotErased => Self::CAIRN_E_KEY_NOT_ERASED,
        }
    }
}

#[cfg(feature = "key-store")]
impl From<cairn::agent::RotateError> for cairn_result_t {
    fn from(error: cairn::agent::RotateError) -> Self {
        use cairn::agent::RotateError;
        match error {
            RotateError::Pending | RotateError::SameKey => Self::CAIRN_E_CONFLICT,
            RotateError::Signer(error) => error.into(),
            RotateError::Journal(error) => error.into(),
        }
    }
}

#[cfg(feature = "key-store")]
impl From<cairn::agent::AdoptError> for cairn_result_t {
    fn from(error: cairn::agent::AdoptError) -> Self {
        use cairn::agent::AdoptError;
        match error {
            AdoptError::NotSigned => Self::CAIRN_E_CONFLICT,
            AdoptError::OtherKey => Self::CAIRN_E_OTHER_KEY,
            AdoptError::Signer(error) => error.into(),
            AdoptError::Journal(error) => error.into(),
        }
    }
}

impl From<JournalError> for cairn_result_t {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Full => Self::CAIRN_E_JOURNAL_FULL,
            JournalError::TooLong => Self::CAIRN_E_TOO_LONG,
            JournalError::NotFound => Self::CAIRN_E_NOT_FOUND,
            JournalError::Conflict => Self::CAIRN_E_CONFLICT,
            JournalError::Medium => Self::CAIRN_E_MEDIUM,
            JournalError::Counter => Self::CAIRN_E_COUNTER,
            JournalError::Hash => Self::CAIRN_E_HASH,
        }
    }
}

impl From<GuardError> for cairn_result_t {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::RolledBack(_) => Self::CAIRN_E_JOURNAL_ROLLED_BACK,
            GuardError::Counter(_) => Self::CAIRN_E_COUNTER,
            GuardError::Journal(error) => error.into(),
        }
    }
}

impl From<MountError> for cairn_result_t {
    fn from(error: MountError) -> Self {
        match error {
            MountError::NotFormatted => Self::CAIRN_E_JOURNAL_FOREIGN,
            MountError::UnknownVersion => Self::CAIRN_E_JOURNAL_VERSION,
            MountError::OtherGeometry => Self::CAIRN_E_JOURNAL_GEOMETRY,
            MountError::Medium => Self::CAIRN_E_MEDIUM,
        }
    }
}

impl From<SubmitError> for cairn_result_t {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Kind => Self::CAIRN_E_KIND,
            SubmitError::TooLong => Self::CAIRN_E_TOO_LONG,
            SubmitError::Coalesced => Self::CAIRN_E_COALESCED,
            SubmitError::Journal(error) => error.into(),
        }
    }
}

impl From<SignerError> for cairn_result_t {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::NotProvisioned => Self::CAIRN_E_SIGNER_NOT_PROVISIONED,
            SignerError::Locked => Self::CAIRN_E_SIGNER_LOCKED,
            SignerError::Gone => Self::CAIRN_E_SIGNER_GONE,
            SignerError::TimeOut => Self::CAIRN_E_SIGNER_TIMEOUT,
            SignerError::FaultDetected => Self::CAIRN_E_SIGNER_FAULT,
            // Nothing in the C interface asks for a recovery id.
            SignerError::NotRecoverable => Self::CAIRN_E_ARGUMENT,
        }
    }
}

/// The text of a result, in English, without a full stop.
///
/// @return A string that lives for ever; "unknown result" for a number that is none. Never NULL.
///
/// Blocks: never. Tasks: any. Interrupts: yes. Before cairn_init: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_strerror(result: i32) -> *const c_char {
    let result = usize::try_from(result).ok().and_then(|number| cairn_result_t::ALL.get(number));
    result.map_or(c"unknown result", |result| result.text()).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_its_own_text_and_stands_at_its_number() {
        let declared = include_str!("result.rs")
            .lines()
            .filter(|line| line.strip_prefix("    CAIRN_").and_then(|rest| rest.split_once(" = ")).is_some());
        assert_eq!(declared.count(), cairn_result_t::ALL.len());
        for (i, result) in cairn_result_t::ALL.iter().enumerate() {
            assert_eq!(*result as usize, i);
            assert!(!result.text().is_empty());
            assert!(cairn_result_t::ALL[..i].iter().all(|other| other.text() != result.text()), "{result:?}");
        }
    }

    #[test]
    fn a_number_that_is_no_result_has_a_text_too() {
        for number in [-1, i32::MIN, i32::MAX, 1000] {
            // SAFETY: cairn_strerror gives a C string that lives for ever.
            assert_eq!(unsafe { CStr::from_ptr(cairn_strerror(number)) }, c"unknown result");
        }
    }
}
