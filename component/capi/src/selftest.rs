// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn_selftest`: known answers of what this build is configured with, on demand and, by option, before the agent starts. An
//! agent whose primitives fail stops: nothing is hashed, signed or sent any more.

use core::ffi::{CStr, c_char};

use cairn::selftest::{self, Check, Primitive};

use crate::{
    api::answered,
    instance::{Instance, Step},
    result::cairn_result_t::{self, CAIRN_E_SELFTEST},
    waiters::{Answer, Request, Work},
    waiting::{ask, may_ask},
};

/// What a self-test tests. `cairn_primitive_name` gives each one's name.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub enum cairn_primitive_t {
    /// None.
    CAIRN_PRIMITIVE_NONE = 0,
    /// SHA-256: the tree, the anchors' digests.
    CAIRN_PRIMITIVE_SHA256 = 1,
    /// HMAC-SHA-256: blinds.
    CAIRN_PRIMITIVE_HMAC_SHA256 = 2,
    /// HKDF-SHA-256: batch keys.
    CAIRN_PRIMITIVE_HKDF_SHA256 = 3,
    /// Keccak-256: what is signed, and key ids.
    CAIRN_PRIMITIVE_KECCAK256 = 4,
    /// Signatures on secp256k1 in software.
    CAIRN_PRIMITIVE_ES256K = 5,
    /// Signatures on P-256 in software.
    CAIRN_PRIMITIVE_ES256 = 6,
    /// AES-128: the channel to a secure element.
    CAIRN_PRIMITIVE_AES128 = 7,
    /// AES-CMAC: the same.
    CAIRN_PRIMITIVE_AES_CMAC = 8,
    /// AES Key Wrap: keys at rest.
    CAIRN_PRIMITIVE_AES_KEY_WRAP = 9,
    /// AES-CCM: the channel to the relay.
    CAIRN_PRIMITIVE_AES_CCM = 10,
    /// The derivation of that channel's keys.
    CAIRN_PRIMITIVE_OSCORE_KEYS = 11,
    /// The signer's key, where an accelerator or an element keeps it: what it signs is verified.
    CAIRN_PRIMITIVE_SIGNER = 12,
}

/// The name of a primitive, for people.
///
/// @return A string that lives for ever; "none" for 0, "unknown" for a number that is no cairn_primitive_t. Never NULL.
///
/// Blocks: never. Tasks: any. Interrupts: yes. Before cairn_init: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_primitive_name(primitive: u8) -> *const c_char {
    const NAMES: [&CStr; 13] = [
        c"none",
        c"SHA-256",
        c"HMAC-SHA-256",
        c"HKDF-SHA-256",
        c"Keccak-256",
        c"ES256K",
        c"ES256",
        c"AES-128",
        c"AES-CMAC",
        c"AES-KW",
        c"AES-CCM",
        c"OSCORE-keys",
        c"signer",
    ];
    NAMES.get(usize::from(primitive)).unwrap_or(&c"unknown").as_ptr()
}

/// Has the agent's task test what this build is configured with: known answers of every primitive, from published vectors, and,
/// where an accelerator, an element or a SIM keeps the key, a signature of its own over nothing that means anything, which is
/// verified. When one is wrong the agent stops, for what it would hash, sign and send could not be trusted: from then on everything answers
/// CAIRN_E_SELFTEST until the device restarts. CONFIG_CAIRN_SELFTEST_AT_BOOT has it done before the agent starts, too.
///
/// @param timeout_ms Waits for the agent to begin for at most this long; it then takes about as long as two signatures.
/// @param failed     Where the cairn_primitive_t goes that failed, CAIRN_PRIMITIVE_NONE when none did; may be NULL. Untouched
///                   unless the answer is CAIRN_OK or CAIRN_E_SELFTEST.
///
/// Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no. It runs on the agent's stack, which is made for
/// signatures; the caller needs little.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_BUSY, CAIRN_E_TIMEOUT: nothing was tested; CAIRN_E_SELFTEST, now or at
/// the start; CAIRN_E_SIGNER_… when the signer does not answer, which stops nothing; why else the agent could not start.
///
/// # Safety
/// `failed` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_selftest(timeout_ms: u32, failed: *mut u8) -> cairn_result_t {
    let request = Request::Work(Work(on_demand));
    let result = may_ask().and_then(|instance| ask(instance, request, timeout_ms)).map(drop);
    if !failed.is_null() && matches!(result, Ok(()) | Err(CAIRN_E_SELFTEST)) {
        let which = Instance::get().map_or(0, |instance| instance.shared(|shared| shared.status.selftest_failed));
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { failed.write(which) };
    }
    answered(result)
}

/// The primitives behind every build's formats, and those of its signer.
const OWN: &[Check] = &[
    Check::SHA256,
    Check::HMAC_SHA256,
    Check::HKDF_SHA256,
    Check::KECCAK256,
    #[cfg(any(feature = "signer-software", feature = "endorsement"))]
    Check::ES256K,
    #[cfg(feature = "signer-p256")]
    Check::ES256,
    #[cfg(feature = "key-store")]
    Check::AES_KEY_WRAP,
    #[cfg(feature = "signer-libsecp256k1")]
    LIBSECP256K1,
    #[cfg(feature = "signer-se050")]
    Check::AES128,
    #[cfg(feature = "signer-se050")]
    Check::AES_CMAC,
];

/// Those of the channel to the relay.
const CHANNEL: &[Check] = cairn_coap::oscore::selftest::CHECKS;

/// The signer over libsecp256k1, with a context of its own.
#[cfg(feature = "signer-libsecp256k1")]
const LIBSECP256K1: Check = Check {
    primitive: Primitive::Es256k,
    passes: || {
        let mut context = cairn_libsecp256k1::Storage::new();
        let signer = cairn_libsecp256k1::Libsecp256k1Signer::new(&mut context, &selftest::ES256K_SECRET);
        signer.is_ok_and(|mut signer| selftest::es256k_signs(&mut signer))
    },
};

/// Makes every check. Never inlined: a signature lies under it.
///
/// # Errors
/// `CAIRN_E_SELFTEST`.
#[inline(never)]
pub(crate) fn known_answers(instance: &Instance) -> Result<(), cairn_result_t> {
    [OWN, CHANNEL].into_iter().try_for_each(selftest::run).map_err(|primitive| failed(instance, primitive))
}

fn failed(instance: &Instance, primitive: Primitive) -> cairn_result_t {
    instance.shared(|shared| shared.status.selftest_failed = primitive as u8);
    CAIRN_E_SELFTEST
}

/// Has a signer that is not software sign something that says nothing, and verifies it. A software signer
/// is known by its answers.
///
/// # Errors
/// `CAIRN_E_SELFTEST`; the signer's own when it does not answer.
#[cfg(any(feature = "signer-psa", feature = "signer-se050", feature = "signer-sim", feature = "signer-custom"))]
#[inline(never)]
fn own_key(instance: &Instance, step: &mut Step<'_>) -> Result<(), cairn_result_t> {
    use cairn::signer::SignerError;

    let Some((agent, ..)) = step.agent() else { return Ok(()) };
    match agent.prove_signer() {
        Err(SignerError::FaultDetected) => Err(failed(instance, Primitive::Signer)),
        other => Ok(other?),
    }
}

#[cfg(not(any(feature = "signer-psa", feature = "signer-se050", feature = "signer-sim", feature = "signer-custom")))]
#[allow(clippy::unnecessary_wraps, reason = "as of a signer that may fail")]
const fn own_key(_: &Instance, _: &mut Step<'_>) -> Result<(), cairn_result_t> {
    Ok(())
}

/// Has the signer's own key tested when the agent has just started. What does not answer is the agent's to meet again.
pub(crate) fn own_key_at_boot(instance: &Instance, step: &mut Step<'_>) {
    if own_key(instance, step) == Err(CAIRN_E_SELFTEST) {
        step.stop(CAIRN_E_SELFTEST);
    }
}

/// Does what `cairn_selftest` asked for.
fn on_demand(instance: &Instance, step: &mut Step<'_>) -> Answer {
    let tested = known_answers(instance).and_then(|()| own_key(instance, step));
    if tested == Err(CAIRN_E_SELFTEST) {
        step.stop(CAIRN_E_SELFTEST);
    }
    tested.map(|()| 0)
}

/// From now on the primitive of this number fails its test, whatever it gives; 0 mends it. For tests of those who use Cairn:
/// never part of a device's build.
///
/// cbindgen:ignore
#[cfg(feature = "sabotage")]
#[unsafe(no_mangle)]
pub extern "C" fn cairn_sabotage(primitive: u8) {
    selftest::sabotage(primitive);
}
