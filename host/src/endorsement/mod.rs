// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Judges a device's endorsement: that a trusted root of trust attests the ledger key, freshly, for this device and
//! deployment, and that the ledger key is there. Called by `cairn provision endorse`; reads no clock, file or database.
//! docs/endorsement.md says why each step is there.

use cairn::{
    batch::DeploymentId,
    endorsement::{Binding, Endorsement, NotAnEndorsement, factory_key, possession_digest},
    record::StreamId,
    signer::{DeviceId, KeyId, PublicKey},
};
use cairn_evidence::signature;

use crate::relay::UnixMs;

mod chip;
mod refusal;
mod token;
mod trust;

pub use chip::ChipId;
pub use refusal::Refusal;
use token::Token;
pub use trust::{ChipRoot, FactoryRoot, PsaRoot, Roots};

/// The profile of PSA tokens that is taken (RFC 9783 section 5.2).
pub const PSA_PROFILE: &str = "tag:psacertified.org,2023:psa#tfm";

/// Claims by their keys: RFC 9711 section 10.2, RFC 9783 section 4.
mod claim {
    pub(super) const EAT_NONCE: i128 = 10;
    pub(super) const UEID: i128 = 256;
    pub(super) const EAT_PROFILE: i128 = 265;
    pub(super) const PSA_LIFECYCLE: i128 = 2395;
    pub(super) const PSA_IMPLEMENTATION: i128 = 2396;
}

/// What the one who asks knows.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The stream the device's journal is of, when it is known.
    pub stream: Option<StreamId>,
    /// Who is believed.
    pub roots: &'a Roots,
    /// The time, Unix milliseconds.
    pub now: UnixMs,
}

/// A nonce that was drawn, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The device: named after its first key, which need not be the present one.
    pub device: DeviceId,
    /// The present ledger key of the device.
    pub key: KeyId,
    /// The device's kid.
    pub kid: [u8; 4],
    /// It is good before then, Unix milliseconds.
    pub expires_ms: UnixMs,
    /// An endorsement was accepted for it.
    pub used: bool,
}

/// Who vouched for the ledger key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A factory's attestation key.
    FactoryKey(KeyId),
    /// A platform with PSA initial attestation, by its instance id.
    Psa([u8; 33]),
    /// The secure element in which the ledger key was generated.
    Chip(ChipId),
}

/// What holds when every step passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endorsed {
    /// Who vouched.
    pub root: Root,
    /// What is bound.
    pub binding: Binding,
    /// The device.
    pub device: DeviceId,
}

/// Reads an endorsement: CBOR, or CBOR in hexadecimal as a device's console prints it.
///
/// # Errors
/// [`Refusal::Format`], [`Refusal::Version`].
pub fn read(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let digits: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = hex::decode(digits).ok().filter(|decoded| !decoded.is_empty()).unwrap_or_else(|| bytes.to_vec());
    decode(&bytes).map(drop)?;
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<Endorsement<'_>, Refusal> {
    Endorsement::decode(bytes).map_err(|error| match error {
        NotAnEndorsement::UnknownVersion => Refusal::Version,
        NotAnEndorsement::Malformed => Refusal::Format,
    })
}

/// The verifier's nonce that an endorsement answers: tells which challenge to look up.
///
/// # Errors
/// As [`read`].
pub fn nonce(bytes: &[u8]) -> Result<[u8; 32], Refusal> {
    decode(bytes).map(|endorsement| endorsement.nonce)
}

/// Runs every step; `challenge` is what was drawn under the endorsement's nonce, if anything was.
///
/// # Errors
/// The first [`Refusal`].
pub fn verify(bytes: &[u8], challenge: Option<&Challenge>, expectation: &Expectation<'_>) -> Result<Endorsed, Refusal> {
    let endorsement = decode(bytes)?;
    if endorsement.deployment != expectation.deployment {
        return Err(Refusal::OtherDeployment { found: endorsement.deployment, expected: expectation.deployment });
    }
    let challenge = fresh(challenge, expectation.now)?;
    let key = asked_for(&endorsement, challenge, expectation)?;
    let binding = endorsement.binding(key);
    let device = challenge.device;
    let root = vouched(endorsement.token, &binding, device, expectation.roots)?;
    let digest = possession_digest(endorsement.token);
    signature::check(&key, &digest, &endorsement.proof).map_err(Refusal::Possession)?;
    Ok(Endorsed { root, binding, device })
}

/// Who signed the token, which is over `binding`.
fn vouched(token: &[u8], binding: &Binding, device: DeviceId, roots: &Roots) -> Result<Root, Refusal> {
    if chip::is_unprotected(token) {
        return chip::vouches(token, &binding.key, &binding.eat_nonce(), roots).map(Root::Chip);
    }
    let token = Token::read(token)?;
    let root = match token.claims().text(claim::EAT_PROFILE, "eat_profile")? {
        factory_key::PROFILE => vouched_by_factory(&token, device, roots)?,
        PSA_PROFILE => vouched_by_psa(&token, roots)?,
        other => return Err(Refusal::UnknownProfile(other.to_owned())),
    };
    let over = token.claims().bytes(claim::EAT_NONCE, "eat_nonce")?;
    if over == binding.eat_nonce() { Ok(root) } else { Err(Refusal::OtherNonce) }
}

fn fresh(challenge: Option<&Challenge>, now: UnixMs) -> Result<&Challenge, Refusal> {
    match challenge {
        None => Err(Refusal::NonceUnknown),
        Some(challenge) if challenge.used => Err(Refusal::NonceUsed),
        Some(challenge) if now >= challenge.expires_ms => Err(Refusal::NonceExpired),
        Some(challenge) => Ok(challenge),
    }
}

/// The ledger key, when the endorsement is about the device that was challenged.
fn asked_for(
    endorsement: &Endorsement<'_>,
    challenge: &Challenge,
    expectation: &Expectation<'_>,
) -> Result<PublicKey, Refusal> {
    if endorsement.kid != challenge.kid {
        return Err(Refusal::OtherKid { found: endorsement.kid, expected: challenge.kid });
    }
    let key = signature::public_key(endorsement.alg, &endorsement.public_key).map_err(|_| Refusal::KeyNotOnCurve)?;
    if key.key_id() != challenge.key {
        return Err(Refusal::OtherKey { found: key.key_id(), expected: challenge.key });
    }
    match expectation.stream {
        Some(expected) if expected != endorsement.stream => {
            Err(Refusal::OtherStream { found: endorsement.stream, expected })
        }
        _ => Ok(key),
    }
}

fn vouched_by_factory(token: &Token, device: DeviceId, roots: &Roots) -> Result<Root, Refusal> {
    let untrusted = || Refusal::UntrustedRoot(format!("attestation key 0x{}", hex::encode(token.kid())));
    let id = token.kid().try_into().map(KeyId).map_err(|_| untrusted())?;
    let root = roots.factory(id).ok_or_else(untrusted)?;
    if let Some(trusted) = root.device
        && trusted != device
    {
        return Err(Refusal::RootOfOtherDevice { trusted, found: device });
    }
    token.check_signature(&root.key)?;
    if token.claims().bytes(claim::UEID, "ueid")? != [&[1][..], &device.0].concat() {
        return Err(Refusal::OtherUeid);
    }
    Ok(Root::FactoryKey(id))
}

fn vouched_by_psa(token: &Token, roots: &Roots) -> Result<Root, Refusal> {
    let instance = token.claims().bytes(claim::UEID, "ueid")?;
    let untrusted = || Refusal::UntrustedRoot(format!("PSA instance 0x{}", hex::encode(instance)));
    let root = roots.psa(instance).ok_or_else(untrusted)?;
    token.check_signature(&root.key)?;
    let lifecycle = token.claims().number(claim::PSA_LIFECYCLE, "psa-security-lifecycle")?;
    // RFC 9783 section 4.3.1: 0x3000 to 0x30ff is secured.
    if !(0x3000..=0x30ff).contains(&lifecycle) {
        return Err(Refusal::NotSecured(lifecycle));
    }
    let implementation = token.claims().bytes(claim::PSA_IMPLEMENTATION, "psa-implementation-id")?;
    if implementation != root.implementation {
        return Err(Refusal::OtherImplementation(implementation.to_vec()));
    }
    Ok(Root::Psa(root.instance))
}

#[cfg(test)]
mod tests;
