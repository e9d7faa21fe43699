// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn_endorse`, and the agent's part of it: which root of trust this build has, and what the factory gave it. Never
//! looks into a token.

use cairn::{
    endorsement::{EndorseError, NONCE_BYTES, RootError, endorsement_max, factory_key::FACTORY_TOKEN_MAX},
    factory::{AttestationKey, Factory, KID_BYTES},
};

use crate::{
    api::answered,
    instance::DeviceAgent,
    result::cairn_result_t::{self, CAIRN_E_BUFFER, CAIRN_E_NULL, CAIRN_E_ROOT},
    waiters::{Answer, Buffer, Request},
    waiting::{ask_for_bytes, may_ask},
};

/// `CAIRN_ENDORSEMENT_MAX` of cairn.h.
pub const CAIRN_ENDORSEMENT_MAX: usize = endorsement_max(FACTORY_TOKEN_MAX);

#[cfg(feature = "se050-attestation")]
const _: () = assert!(
    cairn::endorsement::secure_element::SE050_TOKEN_MAX <= FACTORY_TOKEN_MAX,
    "a chip's token fits CAIRN_ENDORSEMENT_MAX"
);

/// `CAIRN_ENDORSEMENT_OVERHEAD` of cairn.h.
pub const CAIRN_ENDORSEMENT_OVERHEAD: usize = endorsement_max(0);

/// The root of trust is a factory's key.
const FACTORY_KEY: bool =
    cfg!(all(feature = "endorsement", not(any(feature = "psa-attestation", feature = "se050-attestation"))));

/// Bytes of a verifier's nonce.
pub const CAIRN_NONCE_BYTES: usize = 32;
const _: () = assert!(CAIRN_NONCE_BYTES == NONCE_BYTES, "CAIRN_NONCE_BYTES");

/// What an endorsement takes that the agent does not know.
#[allow(dead_code, reason = "which of it is used, the root of trust decides")]
pub(crate) struct Birthmark {
    kid: [u8; KID_BYTES],
    attestation: Option<AttestationKey>,
}

impl Birthmark {
    pub(crate) fn of(factory: &Factory) -> Self {
        // A build without the root has no use for the secret.
        let attestation = if FACTORY_KEY { factory.attestation } else { None };
        Self { kid: factory.kid, attestation }
    }
}

/// Has the platform's root of trust vouch for this device, and the device's key prove that it is there: writes an
/// endorsement, which `cairn provision endorse` verifies before the key is registered (docs/endorsement.md).
///
/// CAIRN_ROOT of the configuration chooses the root: PSA initial attestation, the secure element that signs, or the attestation
/// key of the factory blob.
///
/// @param nonce      CAIRN_NONCE_BYTES bytes that `cairn provision challenge` drew.
/// @param buffer     Where it goes. CAIRN_ENDORSEMENT_MAX bytes are always enough but with PSA: then
///                   CAIRN_ENDORSEMENT_OVERHEAD more than PSA_INITIAL_ATTEST_MAX_TOKEN_SIZE. Written only before this call
///                   returns.
/// @param capacity   How much fits.
/// @param length     Where its length goes. Untouched unless the answer is CAIRN_OK.
/// @param timeout_ms Waits for the agent to begin for at most this long; it then signs twice.
///
/// Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_NULL, CAIRN_E_BUSY, CAIRN_E_TIMEOUT, CAIRN_E_BUFFER,
/// those of the signer (CAIRN_E_SIGNER_NOT_PROVISIONED to CAIRN_E_SIGNER_FAULT); CAIRN_E_ROOT when there is no root of trust or
/// it refuses; why the agent could not start. `buffer` may be written partly then.
///
/// # Safety
/// `nonce` is NULL or valid for reading CAIRN_NONCE_BYTES bytes; `buffer` is NULL or valid for writing `capacity`
/// bytes; `length` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_endorse(
    nonce: *const u8,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
    timeout_ms: u32,
) -> cairn_result_t {
    answered((|| {
        let instance = may_ask()?;
        if nonce.is_null() {
            return Err(CAIRN_E_NULL);
        }
        let request = |buffer| Request::Endorsement { nonce, buffer };
        // SAFETY: the caller vouches for both.
        unsafe { ask_for_bytes(instance, buffer, capacity, length, timeout_ms, request) }
    })())
}

/// Does what a waiting task asked for, in the agent's task. Never inlined: a signature lies under it.
#[inline(never)]
pub(crate) fn serve(agent: &mut DeviceAgent, birthmark: &Birthmark, nonce: *const u8, buffer: Buffer) -> Answer {
    let Buffer { start, capacity } = buffer;
    // SAFETY: cairn_endorse's caller vouched for both and does not return while its place is Running, which it is.
    let (nonce, out) =
        unsafe { (*nonce.cast::<[u8; NONCE_BYTES]>(), core::slice::from_raw_parts_mut(start, capacity)) };
    match vouched(agent, birthmark, &nonce, out) {
        Ok(length) => Ok(length as u64),
        Err(EndorseError::BufferTooSmall | EndorseError::Root(RootError::BufferTooSmall)) => Err(CAIRN_E_BUFFER),
        Err(EndorseError::Signer(error)) => Err(error.into()),
        Err(EndorseError::Root(_)) => Err(CAIRN_E_ROOT),
    }
}

#[cfg(feature = "psa-attestation")]
fn vouched(
    agent: &mut DeviceAgent,
    birthmark: &Birthmark,
    nonce: &[u8; NONCE_BYTES],
    out: &mut [u8],
) -> Result<usize, EndorseError> {
    agent.endorse(nonce, &birthmark.kid, &mut cairn_psa::PsaRoot, out)
}

/// The attestation key's curve: the one that the device's key is on.
#[cfg(all(feature = "endorsement", feature = "es256"))]
type Curve = cairn::signer::software::P256;
#[cfg(all(feature = "endorsement", not(feature = "es256")))]
type Curve = cairn::signer::software::Secp256k1;

#[cfg(all(feature = "se050-attestation", not(feature = "psa-attestation")))]
fn vouched(
    agent: &mut DeviceAgent,
    birthmark: &Birthmark,
    nonce: &[u8; NONCE_BYTES],
    out: &mut [u8],
) -> Result<usize, EndorseError> {
    agent.endorse_itself(nonce, &birthmark.kid, out)
}

#[cfg(all(feature = "endorsement", not(any(feature = "psa-attestation", feature = "se050-attestation"))))]
fn vouched(
    agent: &mut DeviceAgent,
    birthmark: &Birthmark,
    nonce: &[u8; NONCE_BYTES],
    out: &mut [u8],
) -> Result<usize, EndorseError> {
    use cairn::{
        endorsement::{FactoryKeyRoot, factory_key::Software},
        ports::Clock as _,
        signer::{SignerError, software::CurveSigner},
    };

    use crate::port::{PortClock, PortEntropy};

    let none = EndorseError::Root(RootError::Signer(SignerError::NotProvisioned));
    let key = birthmark.attestation.as_ref().filter(|key| key.alg == crate::signer::ALGORITHM).ok_or(none)?;
    // Of the curve that the image has anyway.
    let signer = CurveSigner::<Curve, _>::with_entropy(&key.private_key, PortEntropy).map_err(|_| none)?;
    let software = Software { name: "cairn", version: env!("CARGO_PKG_VERSION") };
    let mut root = FactoryKeyRoot::new(signer, agent.device(), PortClock.wall(), Some(software));
    agent.endorse(nonce, &birthmark.kid, &mut root, out)
}

#[cfg(not(any(feature = "endorsement", feature = "psa-attestation", feature = "se050-attestation")))]
fn vouched(_: &mut DeviceAgent, _: &Birthmark, _: &[u8; NONCE_BYTES], _: &mut [u8]) -> Result<usize, EndorseError> {
    Err(EndorseError::Root(RootError::Signer(cairn::signer::SignerError::NotProvisioned)))
}
