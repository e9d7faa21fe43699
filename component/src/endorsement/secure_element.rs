// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A secure element of the SE050 family as the root of trust: the chip that holds the ledger key states that it generated
//! it, signed by the key its maker put into it. Called by [`super::endorse`]; judges nothing.
//!
//! The chip signs a structure of its own, over 16 bytes of ours: the token is therefore not a COSE message but a set of
//! claims without a signature (UCCS, RFC 9781, which RFC 9711 allows for an EAT) that carries the chip's statement as it
//! is. What protects the claims is the proof of possession around them, by the very key that the statement is about.

use core::cell::RefCell;

use embedded_hal::{delay::DelayNs, i2c::I2c};
use minicbor::{
    Encoder,
    data::Tag,
    encode::write::{Cursor, EndOfSlice},
};

use super::{RootError, RootOfTrust};
use crate::{
    ports::Entropy,
    signer::{
        SignerError,
        se050::{ATTESTATION_MAX, Attestation, ChipCurve, NXP_ATTESTATION_KEY, ObjectId, PowerGate, Se050},
    },
};

/// Claim `eat_profile` of these tokens (RFC 9711 section 6): the rules of docs/endorsement.md.
pub const PROFILE: &str = "urn:uuid:5d0c7a3e-91b4-4f0a-8a6b-3c2f60e1d874";

/// The tag of an unprotected claims set (RFC 9781 section 6.2).
pub const UCCS: u64 = 601;

/// The claim with the chip's statement: private use (RFC 8392 section 9.1: below -65536).
pub const STATEMENT: i32 = -65537;

/// Claims by their keys (RFC 9711 section 10.2).
const EAT_NONCE: u8 = 10;
const EAT_PROFILE: u16 = 265;

/// Longest token, in bytes.
pub const SE050_TOKEN_MAX: usize = 3 + 1 + (1 + 34) + (3 + 2 + PROFILE.len()) + (5 + 3 + ATTESTATION_MAX);

/// The chip that the agent signs with, as what vouches for its key. The agent has it as
/// [`SharedChip`](crate::signer::se050::SharedChip) of the same cell.
pub struct SecureElementRoot<'a, S> {
    chip: &'a RefCell<S>,
    attester: ObjectId,
}

impl<'a, S> SecureElementRoot<'a, S> {
    /// The root in `chip` whose key is `attester`: [`NXP_ATTESTATION_KEY`](crate::signer::se050::NXP_ATTESTATION_KEY)
    /// where nobody made another.
    pub const fn new(chip: &'a RefCell<S>, attester: ObjectId) -> Self {
        Self { chip, attester }
    }
}

impl From<minicbor::encode::Error<EndOfSlice>> for RootError {
    fn from(_: minicbor::encode::Error<EndOfSlice>) -> Self {
        Self::BufferTooSmall
    }
}

impl<C: ChipCurve, B: I2c, D: DelayNs, G: PowerGate, E: Entropy> RootOfTrust
    for SecureElementRoot<'_, Se050<C, B, D, G, E>>
{
    /// A tagged UCCS with the chip's statement over the first 16 bytes of `eat_nonce`.
    fn token(&mut self, eat_nonce: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
        let mut chip = self.chip.try_borrow_mut().map_err(|_| RootError::Signer(SignerError::Locked))?;
        token(&mut *chip, self.attester, eat_nonce, out)
    }
}

/// A chip that nobody shares, attesting with the key that NXP put into it ([`super::endorse_itself`]).
impl<C: ChipCurve, B: I2c, D: DelayNs, G: PowerGate, E: Entropy> RootOfTrust for Se050<C, B, D, G, E> {
    fn token(&mut self, eat_nonce: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
        token(self, NXP_ATTESTATION_KEY, eat_nonce, out)
    }
}

fn token<C: ChipCurve, B: I2c, D: DelayNs, G: PowerGate, E: Entropy>(
    chip: &mut Se050<C, B, D, G, E>,
    attester: ObjectId,
    eat_nonce: &[u8; 32],
    out: &mut [u8],
) -> Result<usize, RootError> {
    let mut freshness = [0; 16];
    freshness.iter_mut().zip(eat_nonce).for_each(|(to, from)| *to = *from);
    let attestation = chip.attest(attester, &freshness).map_err(|error| RootError::Signer(error.into()))?;
    write(eat_nonce, &attestation, out)
}

fn write(eat_nonce: &[u8; 32], attestation: &Attestation, out: &mut [u8]) -> Result<usize, RootError> {
    let mut e = Encoder::new(Cursor::new(out));
    e.tag(Tag::new(UCCS))?.map(3)?.u8(EAT_NONCE)?.bytes(eat_nonce)?;
    e.u16(EAT_PROFILE)?.str(PROFILE)?;
    e.i32(STATEMENT)?.bytes_len(attestation.encoded_bytes() as u64)?;
    let start = e.writer().position();
    let out = e.into_writer().into_inner();
    let room = out.get_mut(start..).ok_or(RootError::BufferTooSmall)?;
    Ok(start + attestation.encode(room).ok_or(RootError::BufferTooSmall)?)
}
