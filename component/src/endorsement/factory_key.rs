// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A root of trust that is a key the factory put into the device: it shows that the device has what only the factory
//! gives out, and no more. For platforms without PSA initial attestation and without a secure element. Called by
//! [`super::endorse`].

use minicbor::{
    Encoder,
    encode::write::{Cursor, EndOfArray},
};

use super::{RootError, RootOfTrust};
use crate::{
    cose::{CoseError, Kid, OVERHEAD_MAX, sign1},
    signer::{DeviceId, Signer},
    time::{TimeQuality, WallTime},
};

/// Claim `eat_profile` of these tokens (RFC 9711 section 6): the rules of docs/endorsement.md. A UUID, as Cairn has no
/// domain of its own to name things under.
pub const PROFILE: &str = "urn:uuid:42f11d2f-8388-4d5f-a8e8-6967da197e58";

/// Type byte of a UEID that is 256 random bits or a hash of enough of them (RFC 9711 section 4.2.1): a device id is the
/// hash of a public key.
const UEID_RAND: u8 = 0x01;

/// Claims by their keys (RFC 8392 section 4, RFC 9711 section 10.2), in the order in which they are written.
mod claim {
    pub(super) const IAT: u16 = 6;
    pub(super) const EAT_NONCE: u16 = 10;
    pub(super) const UEID: u16 = 256;
    pub(super) const EAT_PROFILE: u16 = 265;
    pub(super) const SWNAME: u16 = 270;
    pub(super) const SWVERSION: u16 = 271;
}

/// Most bytes of a software's name, and of its version.
pub const SOFTWARE_MAX: usize = 32;

const CLAIMS_MAX: usize = 1 + (1 + 9) + (1 + 34) + (3 + 35) + (3 + 2 + PROFILE.len()) + 2 * (3 + 2 + SOFTWARE_MAX) + 1;

/// Longest token, in bytes.
pub const FACTORY_TOKEN_MAX: usize = OVERHEAD_MAX + CLAIMS_MAX;

/// The software that asks for the token, as it calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Software<'a> {
    /// At most [`SOFTWARE_MAX`] bytes.
    pub name: &'a str,
    /// At most [`SOFTWARE_MAX`] bytes.
    pub version: &'a str,
}

/// A factory's attestation key and what it says of the device.
#[derive(Debug)]
pub struct FactoryKeyRoot<'a, S> {
    signer: S,
    device: DeviceId,
    issued_s: Option<u64>,
    software: Option<Software<'a>>,
}

impl<'a, S: Signer> FactoryKeyRoot<'a, S> {
    /// The root whose key `signer` holds, for `device`. A time that only counts from boot is not told.
    pub const fn new(signer: S, device: DeviceId, now: WallTime, software: Option<Software<'a>>) -> Self {
        let issued_s = match now.quality {
            TimeQuality::SinceBoot => None,
            _ => Some(now.unix_ms / 1000),
        };
        Self { signer, device, issued_s, software }
    }

    fn claims(&self, eat_nonce: &[u8; 32]) -> Result<Cursor<[u8; CLAIMS_MAX]>, TooLong> {
        let mut ueid = [UEID_RAND; 33];
        ueid[1..].copy_from_slice(&self.device.0);
        let mut e = Encoder::new(Cursor::new([0; CLAIMS_MAX]));
        e.map(3 + u64::from(self.issued_s.is_some()) + 2 * u64::from(self.software.is_some()))?;
        if let Some(seconds) = self.issued_s {
            e.u16(claim::IAT)?.u64(seconds)?;
        }
        e.u16(claim::EAT_NONCE)?.bytes(eat_nonce)?;
        e.u16(claim::UEID)?.bytes(&ueid)?;
        e.u16(claim::EAT_PROFILE)?.str(PROFILE)?;
        if let Some(Software { name, version }) = self.software {
            e.u16(claim::SWNAME)?.str(name)?;
            e.u16(claim::SWVERSION)?.array(1)?.str(version)?;
        }
        Ok(e.into_writer())
    }
}

/// A name or version is longer than [`SOFTWARE_MAX`].
struct TooLong;

impl From<minicbor::encode::Error<EndOfArray>> for TooLong {
    fn from(_: minicbor::encode::Error<EndOfArray>) -> Self {
        Self
    }
}

impl<S: Signer> RootOfTrust for FactoryKeyRoot<'_, S> {
    /// The token's `kid` is the attestation key's id, under the signature.
    fn token(&mut self, eat_nonce: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
        let claims = self.claims(eat_nonce).map_err(|TooLong| RootError::BufferTooSmall)?;
        let length = claims.position();
        let claims = claims.into_inner();
        let payload = claims.get(..length).unwrap_or_default();
        let kid = self.signer.public_key()?.key_id();
        sign1(&mut self.signer, Kid::Protected(&kid.0), &[], payload, out).map_err(|error| match error {
            CoseError::Signer(error) => RootError::Signer(error),
            _ => RootError::BufferTooSmall,
        })
    }
}
