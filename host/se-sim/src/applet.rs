// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The applet: what each command of NXP AN12413 that the simulator knows does, and what it answers. Called by the chip
//! with one command APDU at a time. Values are the specification's hexadecimal numbers.

use p256::ecdsa::signature::Signer as _;

use crate::{
    apdu::{Apdu, put},
    channel::{Channel, Keys},
    memory::{Counter, KeyPair, Memory, P256, SECP256K1, rules},
};

/// Status words: ISO/IEC 7816-4 table 6 and AN12413, error codes.
mod sw {
    pub(super) const OK: u16 = 0x9000;
    pub(super) const WRONG_LENGTH: u16 = 0x6700;
    pub(super) const SECURITY_STATUS: u16 = 0x6982;
    pub(super) const CONDITIONS: u16 = 0x6985;
    pub(super) const NOT_ALLOWED: u16 = 0x6986;
    pub(super) const WRONG_DATA: u16 = 0x6a80;
    pub(super) const NOT_FOUND: u16 = 0x6a82;
    pub(super) const INS: u16 = 0x6d00;
}

/// Access rules: AN12413, object policies.
const ALLOW_SIGN: u32 = 0x1000_0000;
const ALLOW_READ: u32 = 0x0020_0000;
const ALLOW_WRITE: u32 = 0x0010_0000;
const ALLOW_DELETE: u32 = 0x0004_0000;
const REQUIRE_SM: u32 = 0x0002_0000;
const ALLOW_ATTESTATION: u32 = 0x0000_8000;

/// The applet and what it remembers while it has power.
#[derive(Clone)]
pub(crate) struct Applet {
    pub(crate) memory: Memory,
    /// Platform keys, and whether a channel is required.
    pub(crate) keys: Option<(Keys, bool)>,
    /// The next signature is of another digest.
    pub(crate) false_signature: bool,
    pub(crate) version: [u8; 3],
    selected: bool,
    channel: Option<Channel>,
    sequence: u32,
    ticks: u64,
}

type Outcome = Result<Vec<u8>, u16>;

impl Applet {
    pub(crate) fn new(memory: Memory, keys: Option<(Keys, bool)>, version: [u8; 3]) -> Self {
        Self { version, memory, keys, false_signature: false, selected: false, channel: None, sequence: 0, ticks: 0 }
    }

    /// Power was lost, or the connection reset: nothing is selected and no channel open.
    pub(crate) fn reset(&mut self) {
        self.selected = false;
        self.channel = None;
        self.false_signature = false;
    }

    /// How long a command takes, in microseconds: the order of magnitude of measurements that users have published. The
    /// specification promises nothing.
    pub(crate) fn duration_us(command: &[u8]) -> u64 {
        match command {
            [_, 0x03, 0x0c, 0x09, ..] => 45_000,
            [_, 0x01, 0x61, ..] => 150_000,
            [_, 0x22, ..] => 70_000,
            [_, 0x01 | 0x50 | 0x82, ..] => 12_000,
            _ => 3_000,
        }
    }

    /// A command APDU and its response.
    pub(crate) fn process(&mut self, command: &[u8]) -> Vec<u8> {
        self.ticks += 1;
        let Some(apdu) = Apdu::parse(command) else { return sw::WRONG_LENGTH.to_be_bytes().to_vec() };
        let plain = |outcome: Outcome| {
            let (mut data, status) = outcome.map_or_else(|status| (Vec::new(), status), |data| (data, sw::OK));
            data.extend(status.to_be_bytes());
            data
        };
        match apdu.header {
            [0x00, 0xa4, 0x04, 0x00] => plain(self.select(&apdu)),
            [0x80, 0x50, ..] => plain(self.initialize_update(&apdu)),
            [0x84, 0x82, ..] => plain(self.external_authenticate(&apdu)),
            [cla, ..] if cla & 0x04 != 0 => {
                let Some(inner) = self.channel.as_mut().and_then(|channel| channel.open(&apdu)) else {
                    self.channel = None;
                    return plain(Err(sw::SECURITY_STATUS));
                };
                let outcome = self.execute(&inner, true);
                let channel = self.channel.as_mut().expect("it was opened above");
                match outcome {
                    Ok(data) => channel.seal(&data, sw::OK),
                    Err(status) => channel.seal(&[], status),
                }
            }
            _ if matches!(self.keys, Some((_, true))) => plain(Err(sw::SECURITY_STATUS)),
            _ => plain(self.execute(&apdu, false)),
        }
    }

    /// AN12413 section 2.3 (the instance's AID) and tables 51 and 52.
    fn select(&mut self, apdu: &Apdu) -> Outcome {
        self.reset();
        if apdu.data != [0xa0, 0, 0, 3, 0x96, 0x54, 0x53, 0, 0, 0, 1, 3, 0, 0, 0, 0] {
            return Err(sw::NOT_FOUND);
        }
        self.selected = true;
        let [major, minor, patch] = self.version;
        // All features, secure box 1.11.
        Ok(vec![major, minor, patch, 0x6f, 0xff, 1, 0x0b])
    }

    fn initialize_update(&mut self, apdu: &Apdu) -> Outcome {
        let (keys, _) = self.keys.filter(|_| self.selected).ok_or(sw::CONDITIONS)?;
        let host: [u8; 8] = apdu.data[..].try_into().map_err(|_| sw::WRONG_LENGTH)?;
        if apdu.header[2] != keys.version {
            return Err(0x6a88);
        }
        self.sequence += 1;
        let [card, ..] = *self.memory.random().as_chunks::<8>().0 else { unreachable!("32 bytes") };
        let (channel, answer) = Channel::initialize(&keys, host, card, self.sequence);
        self.channel = Some(channel);
        Ok(answer)
    }

    fn external_authenticate(&mut self, apdu: &Apdu) -> Outcome {
        if self.channel.as_mut().is_some_and(|channel| channel.authenticate(apdu)) {
            return Ok(Vec::new());
        }
        self.channel = None;
        Err(sw::SECURITY_STATUS)
    }

    fn execute(&mut self, apdu: &Apdu, secure: bool) -> Outcome {
        if !self.selected {
            return Err(sw::INS);
        }
        match apdu.header {
            [0x80, 0x04, 0x00, 0x27] => self.check_object_exists(apdu),
            [0x80, 0x04, 0x00, 0x28] => self.delete_object(apdu, secure),
            [0x80, 0x02, 0x00, 0x00] => self.read_object(apdu, secure),
            [0x80, 0x22, 0x00, 0x00] => self.read_attested(apdu, secure),
            [0x80, 0x01, 0x61, 0x00] => self.write_key_pair(apdu),
            [0x80, 0x01, 0x08, 0x00] => self.write_counter(apdu, secure),
            [0x80, 0x01, 0x0b, 0x04] => self.create_curve(apdu),
            [0x80, 0x01, 0x0b, 0x40] => self.set_curve_parameter(apdu),
            [0x80, 0x04, 0x0b, 0x28] => self.delete_curve(apdu),
            [0x80, 0x03, 0x0c, 0x09] => self.sign(apdu, secure),
            _ => Err(sw::INS),
        }
    }

    /// That object `object` may be used for `wanted` here. What a missing one answers AN12413 does not say for each
    /// command; 6985 is what users report.
    fn allowed(&self, object: u32, wanted: u32, secure: bool) -> Result<(), u16> {
        let rules = rules(self.memory.policy(object).ok_or(sw::CONDITIONS)?);
        let under_protection = secure || rules & REQUIRE_SM == 0;
        if rules & wanted == wanted && under_protection { Ok(()) } else { Err(sw::NOT_ALLOWED) }
    }

    /// A key that may be used for `wanted` here.
    fn usable(&self, object: u32, wanted: u32, secure: bool) -> Result<&KeyPair, u16> {
        self.allowed(object, wanted, secure)?;
        self.memory.keys.get(&object).ok_or(sw::CONDITIONS)
    }

    fn check_object_exists(&self, apdu: &Apdu) -> Outcome {
        let [object] = apdu.values([(0x41, true)]).ok_or(sw::WRONG_DATA)?;
        let known = self.memory.policy(number(object)?).is_some();
        Ok(vec![0x41, 1, if known { 1 } else { 2 }])
    }

    fn delete_object(&mut self, apdu: &Apdu, secure: bool) -> Outcome {
        let [object] = apdu.values([(0x41, true)]).ok_or(sw::WRONG_DATA)?;
        let object = number(object)?;
        self.allowed(object, ALLOW_DELETE, secure)?;
        self.memory.keys.remove(&object);
        self.memory.counters.remove(&object);
        Ok(Vec::new())
    }

    fn read_object(&self, apdu: &Apdu, secure: bool) -> Outcome {
        let [object] = apdu.values([(0x41, true)]).ok_or(sw::WRONG_DATA)?;
        let object = number(object)?;
        self.allowed(object, ALLOW_READ, secure)?;
        let value = match self.memory.counters.get(&object) {
            Some(counter) => counter.value.clone(),
            None => self.usable(object, ALLOW_READ, secure)?.point(),
        };
        let mut answer = Vec::new();
        put(&mut answer, 0x41, &value);
        Ok(answer)
    }

    /// WriteCounter: makes one of TAG_2 bytes, or with the value in TAG_3; or raises one, by 1 or to TAG_3, which has as
    /// many bytes. "Counters can only be incremented, not decremented": what a lower value answers is not said; 6985 here.
    fn write_counter(&mut self, apdu: &Apdu, secure: bool) -> Outcome {
        let [policy, object, size, value] =
            apdu.values([(0x11, false), (0x41, true), (0x42, false), (0x43, false)]).ok_or(sw::WRONG_DATA)?;
        let object = number(object)?;
        if self.memory.policy(object).is_none() {
            let value = match (size, value) {
                (_, Some(value)) if matches!(value.len(), 1..=8) => value.to_vec(),
                (Some(&[0, size @ 1..=8]), None) => vec![0; usize::from(size)],
                _ => return Err(sw::WRONG_DATA),
            };
            let policy = policy.unwrap_or_default().to_vec();
            self.memory.counters.insert(object, Counter { value, policy });
            return Ok(Vec::new());
        }
        self.allowed(object, ALLOW_WRITE, secure)?;
        let counter = self.memory.counters.get_mut(&object).ok_or(sw::CONDITIONS)?;
        let next = match value {
            Some(value) => value.to_vec(),
            None => {
                let now = counter.value.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
                let next = now.checked_add(1).ok_or(sw::CONDITIONS)?.to_be_bytes();
                next[8 - counter.value.len()..].to_vec()
            }
        };
        if next.len() != counter.value.len() {
            return Err(sw::WRONG_DATA);
        }
        if next < counter.value {
            return Err(sw::CONDITIONS);
        }
        counter.value = next;
        Ok(Vec::new())
    }

    fn read_attested(&mut self, apdu: &Apdu, secure: bool) -> Outcome {
        let [object, attester, algorithm, freshness] =
            apdu.values([(0x41, true), (0x45, true), (0x46, true), (0x47, true)]).ok_or(sw::WRONG_DATA)?;
        let object = number(object)?;
        let freshness = freshness.filter(|freshness| freshness.len() == 16).ok_or(sw::WRONG_DATA)?;
        if algorithm != Some(&[0x21]) {
            return Err(sw::WRONG_DATA);
        }
        let key = self.usable(object, ALLOW_READ, secure)?;
        let attester = self.usable(number(attester)?, ALLOW_ATTESTATION, secure)?;
        let values = [
            (0x41, key.point()),
            (0x42, attributes(object, key)),
            (0x43, [[0; 4], [0; 4], u32::try_from(self.ticks).unwrap_or(u32::MAX).to_be_bytes()].concat()),
            (0x44, freshness.to_vec()),
            (0x45, self.memory.unique_id.to_vec()),
        ];
        // "TAG_6 will hold the signature over all concatenated value fields of the response".
        let signed: Vec<u8> = values.iter().flat_map(|(_, value)| value.clone()).collect();
        let signer = p256::ecdsa::SigningKey::from_slice(&attester.secret).map_err(|_| sw::CONDITIONS)?;
        let signature: p256::ecdsa::DerSignature = signer.sign(&signed);
        let mut answer = Vec::new();
        for (tag, value) in &values {
            put(&mut answer, *tag, value);
        }
        put(&mut answer, 0x46, signature.as_bytes());
        Ok(answer)
    }

    fn write_key_pair(&mut self, apdu: &Apdu) -> Outcome {
        let [policy, object, curve] = apdu.values([(0x11, false), (0x41, true), (0x42, true)]).ok_or(sw::WRONG_DATA)?;
        let (policy, object) = (policy.unwrap_or_default().to_vec(), number(object)?);
        let &[curve] = curve.unwrap_or_default() else { return Err(sw::WRONG_DATA) };
        // Generating over a key needs POLICY_OBJ_ALLOW_GEN, which none has here.
        if self.memory.policy(object).is_some() {
            return Err(sw::NOT_ALLOWED);
        }
        // As seen on a chip: NXP community, "Trouble generating an EC Key pair using EC curve Secp256k1".
        if !self.memory.has_curve(curve) {
            return Err(sw::CONDITIONS);
        }
        let secret = self.memory.secret(curve);
        self.memory.keys.insert(object, KeyPair { curve, secret, policy, origin: 2 });
        Ok(Vec::new())
    }

    fn create_curve(&mut self, apdu: &Apdu) -> Outcome {
        let curve = curve_number(apdu)?;
        if self.memory.curves.contains_key(&curve) {
            return Err(sw::CONDITIONS);
        }
        self.memory.curves.insert(curve, [].into());
        Ok(Vec::new())
    }

    fn set_curve_parameter(&mut self, apdu: &Apdu) -> Outcome {
        let [curve, parameter, value] =
            apdu.values([(0x41, true), (0x42, true), (0x43, true)]).ok_or(sw::WRONG_DATA)?;
        let (&[curve], &[parameter]) = (curve.unwrap_or_default(), parameter.unwrap_or_default()) else {
            return Err(sw::WRONG_DATA);
        };
        let parameters = self.memory.curves.get_mut(&curve).ok_or(sw::CONDITIONS)?;
        if parameters.insert(parameter, value.unwrap_or_default().to_vec()).is_some() {
            return Err(sw::CONDITIONS);
        }
        Ok(Vec::new())
    }

    fn delete_curve(&mut self, apdu: &Apdu) -> Outcome {
        let curve = curve_number(apdu)?;
        let used = self.memory.keys.values().any(|key| key.curve == curve);
        if used || self.memory.curves.remove(&curve).is_none() {
            return Err(sw::CONDITIONS);
        }
        Ok(Vec::new())
    }

    fn sign(&mut self, apdu: &Apdu, secure: bool) -> Outcome {
        let [object, algorithm, digest] =
            apdu.values([(0x41, true), (0x42, true), (0x43, true)]).ok_or(sw::WRONG_DATA)?;
        let mut digest: [u8; 32] = digest.unwrap_or_default().try_into().map_err(|_| sw::WRONG_DATA)?;
        if algorithm != Some(&[0x21]) {
            return Err(sw::WRONG_DATA);
        }
        let flip = self.memory.random()[0] & 1 != 0;
        if core::mem::take(&mut self.false_signature) {
            digest[31] ^= 1;
        }
        let (r, s) = self.usable(number(object)?, ALLOW_SIGN, secure)?.sign(&digest, flip);
        let mut integers = Vec::new();
        put(&mut integers, 0x02, &integer(r));
        put(&mut integers, 0x02, &integer(s));
        let mut der = Vec::new();
        put(&mut der, 0x30, &integers);
        let mut answer = Vec::new();
        put(&mut answer, 0x41, &der);
        Ok(answer)
    }
}

/// AN12413, attributes of objects that are not authentication objects: identifier, type, authentication attribute, tag
/// length, owner, (reserved), policy, origin, version.
fn attributes(object: u32, key: &KeyPair) -> Vec<u8> {
    // SecureObjectType: an EC key pair, and one on P-256 (AN12413).
    let kind = if key.curve == P256 { 0x29 } else { 0x01 };
    let mut attributes = object.to_be_bytes().to_vec();
    attributes.extend([kind, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    attributes.extend(&key.policy);
    attributes.extend([key.origin, 0, 0, 0, 0]);
    attributes
}

fn number(value: Option<&[u8]>) -> Result<u32, u16> {
    Ok(u32::from_be_bytes(value.unwrap_or_default().try_into().map_err(|_| sw::WRONG_DATA)?))
}

fn curve_number(apdu: &Apdu) -> Result<u8, u16> {
    let [curve] = apdu.values([(0x41, true)]).ok_or(sw::WRONG_DATA)?;
    match curve {
        Some(&[curve @ (P256 | SECP256K1)]) => Ok(curve),
        _ => Err(sw::WRONG_DATA),
    }
}

/// A positive INTEGER, shortest form (X.690 section 8.3).
fn integer(scalar: [u8; 32]) -> Vec<u8> {
    let start = scalar.iter().position(|byte| *byte != 0).unwrap_or(31);
    let mut integer = scalar[start..].to_vec();
    if integer[0] & 0x80 != 0 {
        integer.insert(0, 0);
    }
    integer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ATTESTER;

    #[test]
    fn the_attestation_key_is_there_as_delivered_and_cannot_be_used_for_anything_else() {
        let mut applet = Applet::new(Memory::new(1), None, [3, 1, 1]);
        assert_eq!(applet.process(&[0x80, 4, 0, 0x27, 6, 0x41, 4, 0xf0, 0, 0, 0x12, 0]), [0x6d, 0]);
        let select = [0, 0xa4, 4, 0, 16, 0xa0, 0, 0, 3, 0x96, 0x54, 0x53, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0];
        assert_eq!(applet.process(&select), [3, 1, 1, 0x6f, 0xff, 1, 0x0b, 0x90, 0]);
        assert_eq!(applet.process(&[0x80, 4, 0, 0x27, 6, 0x41, 4, 0xf0, 0, 0, 0x12, 0]), [0x41, 1, 1, 0x90, 0]);
        assert_eq!(applet.process(&[0x80, 4, 0, 0x28, 6, 0x41, 4, 0xf0, 0, 0, 0x12]), [0x69, 0x86]);
        assert!(applet.memory.keys.contains_key(&ATTESTER));
    }

    #[test]
    fn the_commands_that_people_published_are_answered_as_they_published() {
        let mut applet = Applet::new(Memory::new(1), None, [3, 1, 1]);
        applet.selected = true;
        // NXP community: 69 85 while the chip has no such curve.
        let generate = [0x80, 1, 0x61, 0, 9, 0x41, 4, 0, 0, 0, 5, 0x42, 1, 0x10];
        assert_eq!(applet.process(&generate), [0x69, 0x85]);
    }
}
