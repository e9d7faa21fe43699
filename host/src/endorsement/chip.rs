// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tokens of secure elements of the SE050 family: an unprotected claims set (RFC 9781) around the chip's own statement
//! about the ledger key (NXP AN12413, ReadObject with attestation, applets before version 7). Called by [`super::verify`];
//! shares no code with what writes them in the component.

use cairn::signer::{Algorithm, PublicKey};
use coset::cbor::{Value, de::from_reader};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use sha2::{Digest as _, Sha256};

use super::{
    Refusal, Roots, claim,
    token::{Claims, claims},
};

/// The profile of these tokens: the rules of docs/endorsement.md.
pub(super) const PROFILE: &str = "urn:uuid:5d0c7a3e-91b4-4f0a-8a6b-3c2f60e1d874";

/// The tag of an unprotected claims set (RFC 9781 section 6.2).
const UCCS: u64 = 601;

/// The claim with the chip's statement (private use).
const STATEMENT: i128 = -65537;

/// What a chip names itself with.
pub type ChipId = [u8; 18];

/// AN12413, Origin: generated in the chip.
const GENERATED: u8 = 2;

/// Bytes of an object's attributes before its policy: identifier 4, type 1, authentication 1, attempts 2, authentication
/// object 4, most attempts 2. Behind it: origin 1, version 4.
const BEFORE_POLICY: usize = 14;
const BEHIND_POLICY: usize = 5;

/// The chip's statement, taken apart and not believed.
struct Statement<'a> {
    /// What the signature is over: the values of TAG_1 to TAG_5.
    signed: Vec<u8>,
    point: &'a [u8],
    kind: u8,
    origin: u8,
    freshness: &'a [u8],
    chip: ChipId,
    signature: &'a [u8],
}

/// Whether a token begins with the tag 601, as deterministic CBOR writes it.
pub(super) const fn is_unprotected(token: &[u8]) -> bool {
    matches!(token, [0xd9, 0x02, 0x59, ..])
}

/// The chip that vouches for `key` in a token over `eat_nonce`.
///
/// # Errors
/// The first [`Refusal`].
pub(super) fn vouches(token: &[u8], key: &PublicKey, eat_nonce: &[u8; 32], roots: &Roots) -> Result<ChipId, Refusal> {
    let claims = read(token)?;
    match claims.text(claim::EAT_PROFILE, "eat_profile")? {
        PROFILE => {}
        // Nothing signs the claims: no other profile may be believed in this form.
        other => return Err(Refusal::UnknownProfile(other.to_owned())),
    }
    let statement = Statement::read(claims.bytes(STATEMENT, "-65537, the chip's statement")?)?;
    let untrusted = || Refusal::UntrustedRoot(format!("chip 0x{}", hex::encode(statement.chip)));
    let root = roots.chip(&statement.chip).ok_or_else(untrusted)?;
    statement.check_signature(&root.key)?;
    if claims.bytes(claim::EAT_NONCE, "eat_nonce")? != eat_nonce {
        return Err(Refusal::OtherNonce);
    }
    if statement.freshness != &eat_nonce[..16] {
        return Err(Refusal::StatementNotFresh);
    }
    if statement.point != [&[4][..], &key.xy].concat() {
        return Err(Refusal::StatementOfOtherKey);
    }
    if !is_key_pair(statement.kind, key.alg) {
        return Err(Refusal::NotAKeyPair(statement.kind));
    }
    if statement.origin != GENERATED {
        return Err(Refusal::NotGenerated(statement.origin));
    }
    Ok(statement.chip)
}

fn read(token: &[u8]) -> Result<Claims, Refusal> {
    let mut rest = token;
    let value: Value = from_reader(&mut rest).map_err(|_| Refusal::TokenMalformed)?;
    match value {
        Value::Tag(UCCS, inside) if rest.is_empty() => claims(*inside),
        _ => Err(Refusal::TokenMalformed),
    }
}

/// AN12413, SecureObjectType: TYPE_EC_KEY_PAIR, and the types of newer applets for one curve each.
fn is_key_pair(kind: u8, alg: Algorithm) -> bool {
    match alg {
        Algorithm::Es256 => matches!(kind, 0x01 | 0x29),
        Algorithm::Es256k => matches!(kind, 0x01 | 0x5d),
    }
}

impl<'a> Statement<'a> {
    fn read(mut bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut values = [&[][..]; 6];
        for (value, tag) in values.iter_mut().zip(0x41..) {
            *value = take(&mut bytes, tag).ok_or(Refusal::StatementMalformed)?;
        }
        let [point, attributes, timestamp, freshness, chip, signature] = values;
        let shaped = bytes.is_empty() && point.len() == 65 && timestamp.len() == 12 && freshness.len() == 16;
        let chip = ChipId::try_from(chip).ok().filter(|_| shaped).ok_or(Refusal::StatementMalformed)?;
        let (kind, origin) = kind_and_origin(attributes).ok_or(Refusal::StatementMalformed)?;
        let signed = values[..5].concat();
        Ok(Self { signed, point, kind, origin, freshness, chip, signature })
    }

    fn check_signature(&self, key: &PublicKey) -> Result<(), Refusal> {
        let holds = || {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&[&[4][..], &key.xy].concat()).ok()?;
            let signature = p256::ecdsa::DerSignature::from_bytes(self.signature).ok()?;
            let signature = p256::ecdsa::Signature::try_from(signature).ok()?;
            key.verify_prehash(&Sha256::digest(&self.signed), &signature).ok()
        };
        holds().ok_or(Refusal::TokenSignature)
    }
}

/// The value of the TLV with `tag` that `bytes` begins with; lengths of one, two and three bytes (ISO/IEC 7816-4 annex E).
fn take<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (length, rest) = match **bytes {
        [first, length @ 0..=0x7f, ref rest @ ..] if first == tag => (usize::from(length), rest),
        [first, 0x81, length, ref rest @ ..] if first == tag => (usize::from(length), rest),
        [first, 0x82, high, low, ref rest @ ..] if first == tag => (usize::from(u16::from_be_bytes([high, low])), rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(value)
}

/// The object's type and origin. The policy between them is a list of length, and as many bytes; attributes in which it
/// does not end where the origin begins have another form, and are not guessed at.
fn kind_and_origin(attributes: &[u8]) -> Option<(u8, u8)> {
    let (head, rest) = attributes.split_at_checked(BEFORE_POLICY)?;
    let (mut policy, tail) = rest.split_at_checked(rest.len().checked_sub(BEHIND_POLICY)?)?;
    while let [length, more @ ..] = policy {
        // An authentication object and access rules, at least.
        if *length < 8 {
            return None;
        }
        policy = more.get(usize::from(*length)..)?;
    }
    Some((head[4], tail[0]))
}

#[cfg(test)]
mod tests;
