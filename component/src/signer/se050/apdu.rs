// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The commands of the chip's applet that Cairn uses (NXP AN12413, "SE050 APDU specification", rev. 2.12) and what they
//! answer. Called by the element; encodes and decodes, does no I/O.

use heapless::Vec;
use iso7816::{
    Instruction,
    command::{CommandBuilder, ExpectedLen, class::Class},
};

/// Room for a command's data: the longest is the generator of a curve, 73 bytes, or 88 under secure messaging.
pub(super) const DATA_BYTES: usize = 96;

/// Room for a whole command.
pub(super) const COMMAND_BYTES: usize = DATA_BYTES + 9;

/// Room for a whole response: the longest is an attested public key, some 260 bytes under secure messaging.
pub(super) const RESPONSE_BYTES: usize = 352;

/// A command's data.
pub(super) type Data = Vec<u8, DATA_BYTES>;

/// The applet's instance (AN12413 section 2.3).
const APPLET: [u8; 16] = [0xa0, 0, 0, 0x03, 0x96, 0x54, 0x53, 0, 0, 0, 0x01, 0x03, 0, 0, 0, 0];

/// Class byte of the applet's commands (AN12413, CLA).
const CLA: u8 = 0x80;

/// Instructions (AN12413: INS_WRITE, INS_READ, INS_CRYPTO, INS_MGMT, INS_ATTEST).
mod ins {
    pub(super) const WRITE: u8 = 0x01;
    pub(super) const READ: u8 = 0x02;
    pub(super) const CRYPTO: u8 = 0x03;
    pub(super) const MANAGE: u8 = 0x04;
    /// Ored to `READ`.
    pub(super) const ATTEST: u8 = 0x20;
}

/// First parameters (AN12413: P1_DEFAULT, P1_EC, P1_COUNTER, P1_CURVE, P1_SIGNATURE, P1_KEY_PAIR).
mod p1 {
    pub(super) const DEFAULT: u8 = 0x00;
    pub(super) const EC: u8 = 0x01;
    pub(super) const COUNTER: u8 = 0x08;
    pub(super) const CURVE: u8 = 0x0b;
    pub(super) const SIGNATURE: u8 = 0x0c;
    /// Ored to `EC`.
    pub(super) const KEY_PAIR: u8 = 0x60;
}

/// Second parameters (AN12413: P2_DEFAULT, P2_CREATE, P2_SIGN, P2_EXIST, P2_DELETE_OBJECT, P2_PARAM).
mod p2 {
    pub(super) const DEFAULT: u8 = 0x00;
    pub(super) const CREATE: u8 = 0x04;
    pub(super) const SIGN: u8 = 0x09;
    pub(super) const EXIST: u8 = 0x27;
    pub(super) const DELETE: u8 = 0x28;
    pub(super) const PARAMETER: u8 = 0x40;
}

/// Tags (AN12413: TAG_POLICY, TAG_1 to TAG_7).
pub(super) mod tag {
    pub(in super::super) const POLICY: u8 = 0x11;
    /// TAG_1; TAG_2 and so on follow.
    pub(in super::super) const FIRST: u8 = 0x41;
    pub(in super::super) const SECOND: u8 = 0x42;
    pub(in super::super) const THIRD: u8 = 0x43;
    pub(in super::super) const FOURTH: u8 = 0x44;
    pub(in super::super) const FIFTH: u8 = 0x45;
    pub(in super::super) const SIXTH: u8 = 0x46;
    pub(in super::super) const SEVENTH: u8 = 0x47;
}

/// ECDSA over a SHA-256 digest that the host computed (AN12413, ECSignatureAlgo: SIG_ECDSA_SHA_256).
const ECDSA_SHA_256: u8 = 0x21;

/// What may be done with an object (AN12413, object policies: POLICY_OBJ_ALLOW_SIGN, _READ, _WRITE, _DELETE,
/// POLICY_OBJ_REQUIRE_SM).
pub(super) mod rule {
    pub(in super::super) const SIGN: u32 = 0x1000_0000;
    pub(in super::super) const READ: u32 = 0x0020_0000;
    /// Of a counter: it may be raised.
    pub(in super::super) const WRITE: u32 = 0x0010_0000;
    pub(in super::super) const DELETE: u32 = 0x0004_0000;
    /// Only under secure messaging.
    pub(in super::super) const SECURE_MESSAGING: u32 = 0x0002_0000;
}

/// What a curve needs to be created (AN12413, ECCurveParam).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Parameter {
    /// a of y² = x³ + a·x + b.
    A = 0x01,
    /// b.
    B = 0x02,
    /// The generator, uncompressed.
    Generator = 0x04,
    /// Its order.
    Order = 0x08,
    /// The field's prime.
    Prime = 0x10,
}

/// The data of a command is longer than [`DATA_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// A command without its class byte's secure messaging bit, its length fields and its protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) cla: u8,
    pub(super) ins: u8,
    pub(super) p1: u8,
    pub(super) p2: u8,
    pub(super) data: Data,
    pub(super) answer: Answer,
}

/// How much response a command expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A status.
    None,
    /// Up to 256 bytes.
    Short,
    /// More: length fields are extended (ISO/IEC 7816-4 section 5.2).
    Extended,
}

impl Command {
    const fn new(ins: u8, p1: u8, p2: u8, answer: Answer) -> Self {
        Self { cla: CLA, ins, p1, p2, data: Vec::new(), answer }
    }

    /// SELECT by name (ISO/IEC 7816-4, AN12413 table 51); answers a [`Version`].
    pub(super) fn select() -> Result<Self, TooLong> {
        let mut data = Vec::new();
        data.extend_from_slice(&APPLET).map_err(|_| TooLong)?;
        Ok(Self { cla: 0x00, ins: Instruction::Select.into(), p1: 0x04, p2: 0x00, data, answer: Answer::Short })
    }

    /// CheckObjectExists.
    pub(super) fn exists(object: u32) -> Result<Self, TooLong> {
        Self::new(ins::MANAGE, p1::DEFAULT, p2::EXIST, Answer::Short).with(tag::FIRST, &object.to_be_bytes())
    }

    /// ReadObject: of a key pair, the public key.
    pub(super) fn read(object: u32) -> Result<Self, TooLong> {
        Self::new(ins::READ, p1::DEFAULT, p2::DEFAULT, Answer::Short).with(tag::FIRST, &object.to_be_bytes())
    }

    /// ReadObject with attestation by `attester`, over `freshness` as well.
    pub(super) fn attest(object: u32, attester: u32, freshness: &[u8; 16]) -> Result<Self, TooLong> {
        Self::new(ins::READ | ins::ATTEST, p1::DEFAULT, p2::DEFAULT, Answer::Extended)
            .with(tag::FIRST, &object.to_be_bytes())?
            .with(tag::FIFTH, &attester.to_be_bytes())?
            .with(tag::SIXTH, &[ECDSA_SHA_256])?
            .with(tag::SEVENTH, freshness)
    }

    /// WriteECKey without a key: the chip generates a pair on `curve` that may be used as `rules` say, by anybody.
    pub(super) fn generate(object: u32, curve: u8, rules: u32) -> Result<Self, TooLong> {
        Self::new(ins::WRITE, p1::EC | p1::KEY_PAIR, p2::DEFAULT, Answer::None)
            .with(tag::POLICY, &policy(rules))?
            .with(tag::FIRST, &object.to_be_bytes())?
            .with(tag::SECOND, &[curve])
    }

    /// WriteCounter of one that is not there: 8 bytes with this value, to be used by anybody as `rules` say.
    pub(super) fn create_counter(object: u32, value: u64, rules: u32) -> Result<Self, TooLong> {
        Self::new(ins::WRITE, p1::COUNTER, p2::DEFAULT, Answer::None)
            .with(tag::POLICY, &policy(rules))?
            .with(tag::FIRST, &object.to_be_bytes())?
            .with(tag::THIRD, &value.to_be_bytes())
    }

    /// WriteCounter of one that is there: it is raised to this value.
    pub(super) fn raise_counter(object: u32, value: u64) -> Result<Self, TooLong> {
        Self::new(ins::WRITE, p1::COUNTER, p2::DEFAULT, Answer::None)
            .with(tag::FIRST, &object.to_be_bytes())?
            .with(tag::THIRD, &value.to_be_bytes())
    }

    /// CreateECCurve.
    pub(super) fn create_curve(curve: u8) -> Result<Self, TooLong> {
        Self::new(ins::WRITE, p1::CURVE, p2::CREATE, Answer::None).with(tag::FIRST, &[curve])
    }

    /// SetECCurveParam.
    pub(super) fn set_curve(curve: u8, parameter: Parameter, value: &[u8]) -> Result<Self, TooLong> {
        Self::new(ins::WRITE, p1::CURVE, p2::PARAMETER, Answer::None)
            .with(tag::FIRST, &[curve])?
            .with(tag::SECOND, &[parameter as u8])?
            .with(tag::THIRD, value)
    }

    /// DeleteECCurve.
    pub(super) fn delete_curve(curve: u8) -> Result<Self, TooLong> {
        Self::new(ins::MANAGE, p1::CURVE, p2::DELETE, Answer::None).with(tag::FIRST, &[curve])
    }

    /// DeleteSecureObject.
    pub(super) fn delete(object: u32) -> Result<Self, TooLong> {
        Self::new(ins::MANAGE, p1::DEFAULT, p2::DELETE, Answer::None).with(tag::FIRST, &object.to_be_bytes())
    }

    /// ECDSASign of a digest.
    pub(super) fn sign(object: u32, digest: &[u8; 32]) -> Result<Self, TooLong> {
        Self::new(ins::CRYPTO, p1::SIGNATURE, p2::SIGN, Answer::Short)
            .with(tag::FIRST, &object.to_be_bytes())?
            .with(tag::SECOND, &[ECDSA_SHA_256])?
            .with(tag::THIRD, digest)
    }

    fn with(mut self, tag: u8, value: &[u8]) -> Result<Self, TooLong> {
        // Up to 127 bytes the length is one byte (ISO/IEC 7816-4 annex E); DATA_BYTES is below that.
        let length = u8::try_from(value.len()).map_err(|_| TooLong)?;
        self.data.extend_from_slice(&[tag, length]).map_err(|_| TooLong)?;
        self.data.extend_from_slice(value).map_err(|_| TooLong)?;
        Ok(self)
    }

    /// The command's bytes.
    pub(super) fn serialize(&self) -> Result<Vec<u8, COMMAND_BYTES>, TooLong> {
        let class = Class::from_byte(self.cla).map_err(|_| TooLong)?;
        let expected = match self.answer {
            Answer::None => ExpectedLen::Ne(0),
            Answer::Short => ExpectedLen::Ne(256),
            Answer::Extended => ExpectedLen::Max,
        };
        let data = self.data.as_slice();
        let builder = CommandBuilder::new(class, Instruction::from(self.ins), self.p1, self.p2, data, expected);
        let mut bytes = Vec::new();
        builder.serialize_into(&mut bytes).map_err(|_| TooLong)?;
        Ok(bytes)
    }
}

/// Length of the rest, authentication object (0: none), rules (AN12413, object policies).
const fn policy(rules: u32) -> [u8; 9] {
    let [a, b, c, d] = rules.to_be_bytes();
    [8, 0, 0, 0, 0, a, b, c, d]
}

const _: () = assert!(DATA_BYTES < 0x80);

/// Splits a response into its data and its status.
pub(super) fn split(response: &mut [u8]) -> Option<(&mut [u8], u16)> {
    let (data, status) = response.split_last_chunk_mut::<2>()?;
    Some((data, u16::from_be_bytes(*status)))
}

/// Takes the value of the TLV with `tag` that `data` begins with (ISO/IEC 7816-4 annex E).
pub(super) fn take<'d>(data: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let (first, rest) = data.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    (*first == tag).then(|| {
        *data = rest;
        value
    })
}

/// The value of the only TLV in `data`, which has TAG_1.
pub(super) fn only(mut data: &[u8]) -> Option<&[u8]> {
    let value = take(&mut data, tag::FIRST)?;
    data.is_empty().then_some(value)
}

/// What the applet answers to SELECT (AN12413 table 52): its version and what it was configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major, minor and patch of the applet.
    pub applet: [u8; 3],
    /// Which features it has (AN12413, AppletConfig).
    pub features: u16,
}

impl Version {
    /// Reads seven bytes: applet (3), features (2), secure box (2). Newer applets add to them.
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let (applet, rest) = data.split_first_chunk::<3>()?;
        let (features, _) = rest.split_first_chunk::<2>()?;
        Some(Self { applet: *applet, features: u16::from_be_bytes(*features) })
    }
}

/// r ‖ s of a signature in DER: a SEQUENCE of two positive INTEGERs of at most 32 bytes (RFC 3279 section 2.2.3).
pub(super) fn signature(der: &[u8]) -> Option<[u8; 64]> {
    let mut rest = der;
    let mut sequence = take(&mut rest, 0x30)?;
    let r = scalar(take(&mut sequence, 0x02)?)?;
    let s = scalar(take(&mut sequence, 0x02)?)?;
    let mut both = [0; 64];
    both.iter_mut().zip(r.iter().chain(&s)).for_each(|(to, from)| *to = *from);
    (rest.is_empty() && sequence.is_empty()).then_some(both)
}

fn scalar(integer: &[u8]) -> Option<[u8; 32]> {
    let magnitude = match integer {
        [0, magnitude @ ..] => magnitude,
        [0x80..=0xff, ..] => return None,
        magnitude => magnitude,
    };
    let mut scalar = [0; 32];
    let start = scalar.len().checked_sub(magnitude.len())?;
    scalar.get_mut(start..)?.copy_from_slice(magnitude);
    Some(scalar)
}

#[cfg(test)]
mod tests {
    use std::{format, string::String};

    use super::*;

    #[test]
    fn commands_are_those_of_the_specification() {
        let bytes = |command: Result<Command, TooLong>| hex::encode(command.unwrap().serialize().unwrap());
        assert_eq!(bytes(Command::select()), "00a4040010a000000396545300000001030000000000");
        assert_eq!(bytes(Command::exists(0x2000_0001)), "800400270641042000000100");
        assert_eq!(bytes(Command::read(0x2000_0001)), "800200000641042000000100");
        assert_eq!(bytes(Command::delete(0x2000_0001)), "8004002806410420000001");
        assert_eq!(bytes(Command::create_curve(0x10)), "80010b0403410110");
        assert_eq!(bytes(Command::delete_curve(0x10)), "80040b2803410110");
        assert_eq!(bytes(Command::set_curve(0x10, Parameter::B, &[7])), "80010b4009410110420102430107");
        let signing = format!("80030c092b4104000000054201214320{}00", "ab".repeat(32));
        assert_eq!(bytes(Command::sign(5, &[0xab; 32])), signing);
        let generating = ["8001610014", "1109080000000010200000", "410400000005", "420110"].concat();
        assert_eq!(bytes(Command::generate(5, 0x10, rule::SIGN | rule::READ)), generating);
        let counting = ["800108001b", "1109080000000000320000", "410400000007", "43080000000000000009"].concat();
        let rules = rule::READ | rule::WRITE | rule::SECURE_MESSAGING;
        assert_eq!(bytes(Command::create_counter(7, 9, rules)), counting);
        assert_eq!(bytes(Command::raise_counter(7, 9)), "800108001041040000000743080000000000000009");
        let attesting =
            ["8022000000", "0021", "410400000005", "4504f0000012", "460121", "4710", &"09".repeat(16), "0000"];
        assert_eq!(bytes(Command::attest(5, 0xf000_0012, &[9; 16])), attesting.concat());
    }

    #[test]
    fn a_command_that_does_not_fit_is_refused() {
        assert_eq!(Command::set_curve(0x10, Parameter::Generator, &[4; 88]).map(|command| command.data.len()), Ok(96));
        assert_eq!(Command::set_curve(0x10, Parameter::Generator, &[4; 89]), Err(TooLong));
    }

    #[test]
    fn tlvs_are_taken_one_after_the_other_and_only_whole() {
        let mut data: &[u8] = &[0x41, 1, 7, 0x42, 0x81, 2, 8, 9, 0x43, 0x82, 0, 1, 10];
        assert_eq!(take(&mut data, 0x42), None);
        assert_eq!(take(&mut data, 0x41), Some(&[7][..]));
        assert_eq!(take(&mut data, 0x42), Some(&[8, 9][..]));
        assert_eq!(take(&mut data, 0x43), Some(&[10][..]));
        assert!(data.is_empty());
        for bytes in
            [&[][..], &[0x41], &[0x41, 1], &[0x41, 0x81], &[0x41, 0x82, 1], &[0x41, 0x80], &[0x41, 0x83, 0, 0, 0]]
        {
            assert_eq!(take(&mut &*bytes, 0x41), None, "{bytes:?}");
        }
        assert_eq!(only(&[0x41, 1, 7]), Some(&[7][..]));
        assert_eq!(only(&[0x41, 1, 7, 0]), None);
    }

    #[test]
    fn a_signature_is_two_positive_integers_and_nothing_else() {
        let der = |r: &str, s: &str| hex::decode(der_hex(r, s)).unwrap();
        let padded = |r: u8, s: u8| {
            let mut both = [0; 64];
            (both[31], both[63]) = (r, s);
            both
        };
        assert_eq!(signature(&der("01", "02")), Some(padded(1, 2)));
        assert_eq!(signature(&der("0080", "02")), Some(padded(0x80, 2)));
        let full = format!("00{}", "ff".repeat(32));
        assert_eq!(signature(&der(&full, &full)), Some([0xff; 64]));
        assert_eq!(signature(&der("80", "02")), None, "negative");
        assert_eq!(signature(&der(&"01".repeat(33), "02")), None, "33 bytes");
        let mut longer = der("01", "02");
        longer.push(0);
        assert_eq!(signature(&longer), None);
        assert_eq!(signature(&longer[..4]), None);
        assert_eq!(signature(&[0x30, 3, 2, 1, 1]), None, "one integer");
    }

    fn der_hex(r: &str, s: &str) -> String {
        let integer = |value: &str| format!("02{:02x}{value}", value.len() / 2);
        let both = integer(r) + &integer(s);
        format!("30{:02x}{both}", both.len() / 2)
    }

    #[test]
    fn a_response_ends_with_its_status() {
        assert_eq!(split(&mut [0x90]), None);
        assert_eq!(split(&mut [1, 2, 0x69, 0x85]), Some((&mut [1, 2][..], 0x6985)));
        assert_eq!(
            Version::parse(&[3, 1, 1, 0x6f, 0xff, 1, 0x0b]),
            Some(Version { applet: [3, 1, 1], features: 0x6fff })
        );
    }
}
