// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entity attestation tokens as they come: COSE_Sign1 (RFC 9052) around claims (RFC 9711), read with coset and
//! ciborium, which share nothing with what writes them in the component. Called by [`super::verify`]; believes no claim
//! and trusts no key.

use std::collections::BTreeMap;

use cairn::signer::{Algorithm, PublicKey};
use coset::{
    CborSerializable as _, CoseSign1, RegisteredLabelWithPrivate, TaggedCborSerializable as _, cbor::Value, iana,
};
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use sha2::{Digest as _, Sha256};

use super::Refusal;

/// A COSE_Sign1 message that was read and not checked.
pub(super) struct Message {
    cose: CoseSign1,
    alg: Algorithm,
}

/// A token that was read and not checked.
pub(super) struct Token {
    message: Message,
    claims: Claims,
}

/// Claims with numbers, by them.
pub(super) struct Claims(BTreeMap<i128, Value>);

/// Reads a set of claims.
pub(super) fn claims(value: Value) -> Result<Claims, Refusal> {
    let Value::Map(entries) = value else { return Err(Refusal::Claim("at all")) };
    let mut claims = BTreeMap::new();
    for (key, value) in entries {
        // Claims with names are nothing to us.
        let Value::Integer(key) = key else { continue };
        if claims.insert(i128::from(key), value).is_some() {
            return Err(Refusal::Claim("set: one key is there twice"));
        }
    }
    Ok(Claims(claims))
}

impl Claims {
    /// A claim that is a byte string.
    pub(super) fn bytes(&self, key: i128, name: &'static str) -> Result<&[u8], Refusal> {
        self.0.get(&key).and_then(Value::as_bytes).map(Vec::as_slice).ok_or(Refusal::Claim(name))
    }

    /// A claim that is a text.
    pub(super) fn text(&self, key: i128, name: &'static str) -> Result<&str, Refusal> {
        self.0.get(&key).and_then(Value::as_text).ok_or(Refusal::Claim(name))
    }

    /// A claim that is a number, not negative.
    pub(super) fn number(&self, key: i128, name: &'static str) -> Result<u64, Refusal> {
        let number = self.0.get(&key).and_then(Value::as_integer);
        number.and_then(|number| u64::try_from(number).ok()).ok_or(Refusal::Claim(name))
    }
}

impl Message {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let cose = CoseSign1::from_tagged_slice(bytes).map_err(|_| Refusal::TokenMalformed)?;
        let header = &cose.protected.header;
        let known = header.crit.is_empty() && cose.unprotected.crit.is_empty() && cose.unprotected.alg.is_none();
        let alg = match header.alg {
            Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256K)) if known => Algorithm::Es256k,
            Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) if known => Algorithm::Es256,
            _ => return Err(Refusal::TokenAlgorithm),
        };
        Ok(Self { cose, alg })
    }

    /// Whether `key` signed it, and `aad` with it. COSE allows both halves for s, and so do the tokens of PSA
    /// platforms: it is brought into the lower one before it is checked.
    pub(super) fn is_signed_by(&self, key: &PublicKey, aad: &[u8]) -> bool {
        let hash = Sha256::digest(self.cose.tbs_data(aad));
        let signature = &self.cose.signature;
        let sec1 = [&[4][..], &key.xy].concat();
        let holds = match key.alg {
            Algorithm::Es256k => k256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).and_then(|key| {
                key.verify_prehash(&hash, &k256::ecdsa::Signature::from_slice(signature)?.normalize_s())
            }),
            Algorithm::Es256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).and_then(|key| {
                key.verify_prehash(&hash, &p256::ecdsa::Signature::from_slice(signature)?.normalize_s())
            }),
        };
        key.alg == self.alg && holds.is_ok()
    }
}

impl Token {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let message = Message::read(bytes)?;
        let payload = message.cose.payload.as_deref().ok_or(Refusal::TokenMalformed)?;
        let claims = claims(Value::from_slice(payload).map_err(|_| Refusal::Claim("at all"))?)?;
        Ok(Self { message, claims })
    }

    /// The key identifier, empty when there is none.
    pub(super) fn kid(&self) -> &[u8] {
        match &self.message.cose.protected.header.key_id {
            none if none.is_empty() => &self.message.cose.unprotected.key_id,
            kid => kid,
        }
    }

    /// What it says.
    pub(super) const fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(super) fn check_signature(&self, key: &PublicKey) -> Result<(), Refusal> {
        if self.message.is_signed_by(key, &[]) { Ok(()) } else { Err(Refusal::TokenSignature) }
    }
}
