// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the element asks of the chip, one step each. Called by the operations of [`Se050`], within an attempt: every
//! step may be repeated.

use embedded_hal::{delay::DelayNs, i2c::I2c};
use iso7816::Status;

use super::{
    Attestation, ChipCurve, ObjectId, PowerGate, Se050, Se050Error, Trouble,
    apdu::{self, Command, rule},
};
use crate::{
    ports::Entropy,
    signer::{Digest, PublicKey},
};

/// What CheckObjectExists answers (AN12413, Result: RESULT_SUCCESS, RESULT_FAILURE).
const EXISTS: u8 = 0x01;
const MISSING: u8 = 0x02;

impl<C: ChipCurve, B: I2c, D: DelayNs, G: PowerGate, E: Entropy> Se050<C, B, D, G, E> {
    pub(super) fn exists(&mut self) -> Result<bool, Trouble> {
        self.has(self.settings.key)
    }

    fn has(&mut self, object: ObjectId) -> Result<bool, Trouble> {
        let data = self.request(&Command::exists(object.0)?)?;
        match apdu::only(data) {
            Some([EXISTS]) => Ok(true),
            Some([MISSING]) => Ok(false),
            _ => Err(Trouble::Malformed),
        }
    }

    /// The key's point, which is checked to be on the curve.
    pub(super) fn read_public_key(&mut self) -> Result<PublicKey, Trouble> {
        let data = self.request(&Command::read(self.settings.key.0)?)?;
        let point = apdu::only(data).ok_or(Trouble::Malformed)?;
        PublicKey::from_sec1(C::ALGORITHM, point).map_err(|_| Trouble::Malformed)
    }

    /// Generates the key; where the chip lacks the curve it refuses (6985), and the curve is created first. A curve
    /// that was half created when the power failed is created anew.
    pub(super) fn generate(&mut self) -> Result<(), Trouble> {
        let secure = if self.keys.is_some() { rule::SECURE_MESSAGING } else { 0 };
        let erasable = if self.settings.erasable { rule::DELETE } else { 0 };
        let rules = rule::SIGN | rule::READ | erasable | secure;
        let command = Command::generate(self.settings.key.0, C::NUMBER, rules)?;
        match self.request(&command) {
            Err(Trouble::Status(status)) if refuses_conditions(status) => {
                self.create_curve()?;
                self.request(&command)?;
            }
            result => {
                result?;
            }
        }
        Ok(())
    }

    fn create_curve(&mut self) -> Result<(), Trouble> {
        let create = Command::create_curve(C::NUMBER)?;
        match self.request(&create) {
            Err(Trouble::Status(_)) => {
                self.request(&Command::delete_curve(C::NUMBER)?)?;
                self.request(&create)?;
            }
            result => {
                result?;
            }
        }
        for (parameter, value) in C::PARAMETERS {
            self.request(&Command::set_curve(C::NUMBER, parameter, value)?)?;
        }
        Ok(())
    }

    /// What a counter says; `None` when it is not there.
    pub(super) fn read_counter(&mut self, counter: ObjectId) -> Result<Option<u64>, Trouble> {
        if !self.has(counter)? {
            return Ok(None);
        }
        let data = self.request(&Command::read(counter.0)?)?;
        let value: [u8; 8] = apdu::only(data).and_then(|value| value.try_into().ok()).ok_or(Trouble::Malformed)?;
        Ok(Some(u64::from_be_bytes(value)))
    }

    /// Makes a counter or raises it, and reads what it says then. It may be raised and read, and never deleted.
    pub(super) fn raise(&mut self, counter: ObjectId, value: u64) -> Result<(), Trouble> {
        let secure = if self.keys.is_some() { rule::SECURE_MESSAGING } else { 0 };
        match self.read_counter(counter)? {
            Some(now) if now >= value => return Ok(()),
            Some(_) => self.request(&Command::raise_counter(counter.0, value)?)?,
            None => self.request(&Command::create_counter(counter.0, value, rule::READ | rule::WRITE | secure)?)?,
        };
        if self.read_counter(counter)? == Some(value) { Ok(()) } else { Err(Trouble::Malformed) }
    }

    pub(super) fn delete(&mut self) -> Result<(), Trouble> {
        self.request(&Command::delete(self.settings.key.0)?).map(drop)
    }

    /// r ‖ s of a signature, not verified yet.
    pub(super) fn sign_digest(&mut self, digest: &Digest) -> Result<[u8; 64], Trouble> {
        let command = Command::sign(self.settings.key.0, &digest.0)?;
        let trouble = match self.request(&command) {
            Ok(data) => return apdu::only(data).and_then(apdu::signature).ok_or(Trouble::Malformed),
            Err(trouble) => trouble,
        };
        match trouble {
            // The chip says the same of a key that is missing and of one that may not be used.
            Trouble::Status(status) if refuses_conditions(status) && !self.exists()? => {
                Err(Trouble::Error(Se050Error::NotProvisioned))
            }
            trouble => Err(trouble),
        }
    }

    pub(super) fn read_attested(&mut self, attester: ObjectId, freshness: &[u8; 16]) -> Result<Attestation, Trouble> {
        if self.version.is_none_or(|version| version.applet[0] >= 7) {
            return Err(Trouble::Error(Se050Error::Unsupported));
        }
        let data = self.request(&Command::attest(self.settings.key.0, attester.0, freshness)?)?;
        let attestation = Attestation::parse(data).ok_or(Trouble::Malformed)?;
        let ours = attestation.freshness == *freshness;
        let point = PublicKey::from_sec1(C::ALGORITHM, &attestation.point).is_ok();
        if ours && point { Ok(attestation) } else { Err(Trouble::Malformed) }
    }
}

fn refuses_conditions(status: u16) -> bool {
    Status::from_u16(status) == Status::ConditionsOfUseNotSatisfied
}
