// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two applets: GSMA IoT.05 version 1.0 as far as signing goes, and docs/sim-applet.md. Called by [`crate::card`] with
//! commands for a channel on which the applet is selected; knows no transport.
//!
//! Played: GET DATA of the application, of a private and of a public key (CB), GET RANDOM (84), READ PUBLIC KEY (CD),
//! GENERATE KEY PAIR (B9), COMPUTE SIGNATURE – INIT (2A) and UPDATE (2B) with a hash made outside. Not played: labels, files,
//! PUT PUBLIC KEY, key agreement, derivation and verification; they answer 6D00.

use std::collections::HashMap;

use crate::{
    card::{Command, Status},
    key::{Chain, Curve, Key},
};

/// GSMA IoT SAFE.
const IOT_SAFE: &str = "A0000005590010";
/// docs/sim-applet.md.
const CAIRN_K1: &str = "F0434149524E4B31";

const OK: u16 = 0x9000;
const WRONG_LENGTH: u16 = 0x6700;
const CONDITIONS: u16 = 0x6985;
const INCORRECT_DATA: u16 = 0x6A80;
const INCORRECT_P1_P2: u16 = 0x6A86;
const NOT_FOUND: u16 = 0x6A88;
const NO_INSTRUCTION: u16 = 0x6D00;

/// Sessions there are, numbered from 1.
const SESSIONS: u8 = 2;

/// A container for a pair.
#[derive(Clone, Debug)]
struct Pair {
    private_id: Vec<u8>,
    public_id: Vec<u8>,
    key: Option<Key>,
    /// Whether GENERATE KEY PAIR may replace a key that is there: access condition "update" of the object.
    replaceable: bool,
}

/// How far a signature's session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    pair: usize,
    signed: bool,
}

/// An applet, with what it keeps when the card loses power and what it does not.
#[derive(Clone, Debug)]
pub struct Applet {
    aid: Vec<u8>,
    curve: Curve,
    /// The one class it takes: 80 as in the specification, or 00.
    class: u8,
    /// Signatures are DER, as some applets have it.
    der: bool,
    pairs: Vec<Pair>,
    /// By channel and session number.
    sessions: HashMap<(u8, u8), Session>,
    signatures: u64,
}

impl Applet {
    /// An IoT SAFE applet with one pair of containers.
    #[must_use]
    pub fn iot_safe(private_id: &[u8], public_id: &[u8]) -> Self {
        Self::new(IOT_SAFE, Curve::P256, private_id, public_id)
    }

    /// Cairn's secp256k1 applet; its ids are fixed.
    #[must_use]
    pub fn secp256k1() -> Self {
        Self::new(CAIRN_K1, Curve::Secp256k1, &[1], &[2])
    }

    fn new(aid: &str, curve: Curve, private_id: &[u8], public_id: &[u8]) -> Self {
        let pair =
            Pair { private_id: private_id.to_vec(), public_id: public_id.to_vec(), key: None, replaceable: false };
        Self {
            aid: hex::decode(aid).unwrap_or_default(),
            curve,
            class: 0x80,
            der: false,
            pairs: vec![pair],
            sessions: HashMap::new(),
            signatures: 0,
        }
    }

    /// With this key in its first container; as it is when `secret` is no key.
    #[must_use]
    pub fn with_secret(mut self, secret: &[u8; 32]) -> Self {
        self.pairs[0].key = Key::from_secret(self.curve, secret);
        self
    }

    /// Taking the interindustry class instead of the proprietary one.
    #[must_use]
    pub fn interindustry(mut self) -> Self {
        self.class = 0;
        self
    }

    /// Giving signatures as DER.
    #[must_use]
    pub fn with_der(mut self) -> Self {
        self.der = true;
        self
    }

    /// Letting GENERATE KEY PAIR replace a key.
    #[must_use]
    pub fn replaceable(mut self) -> Self {
        self.pairs[0].replaceable = true;
        self
    }

    /// The secret of the first container, if there is a key in it.
    #[must_use]
    pub fn secret(&self) -> Option<[u8; 32]> {
        self.pairs[0].key.as_ref().map(Key::secret)
    }

    /// Signatures made.
    #[must_use]
    pub const fn signatures(&self) -> u64 {
        self.signatures
    }

    /// Whether SELECT with these bytes means this applet: its id, or the first five or more bytes of it.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        name.len() >= 5 && self.aid.starts_with(name)
    }

    pub(crate) fn takes_class(&self, class: u8) -> bool {
        self.class == class
    }

    /// The channel was closed, or another applet selected on it.
    pub(crate) fn deselected(&mut self, channel: u8) {
        self.sessions.retain(|(of, _), _| *of != channel);
    }

    /// The card lost power: what is not persistent is gone.
    pub(crate) fn reset(&mut self) {
        self.sessions.clear();
    }

    /// Runs a command: response data, or why there is none.
    pub(crate) fn run(&mut self, channel: u8, command: &Command<'_>, chain: &mut Chain) -> Result<Vec<u8>, Status> {
        match (command.ins, command.p1, command.p2) {
            (0x84, 0, 0) => Self::random(command, chain),
            (0xB9, 0, 0) => self.generate(command.data, chain),
            (0xCB, 0, 0) => Ok(self.application()),
            (0xCB, 0xC1 | 0xC2, 0) => self.information(command),
            (0xCD, 0, 0) => {
                let pair = self.pair(field(command.data, 0x85)?, |pair| &pair.public_id)?;
                public_key_data(self.pairs[pair].key.as_ref().ok_or(Status(CONDITIONS))?)
            }
            (0x2A, close, session @ 1..=SESSIONS) if close <= 1 => {
                self.signature_init((channel, session), close == 1, command.data)
            }
            (0x2B, 0x80, session @ 1..=SESSIONS) => self.signature_update((channel, session), command.data),
            (0x84 | 0xB9 | 0xCB | 0xCD | 0x2A | 0x2B, ..) => Err(Status(INCORRECT_P1_P2)),
            _ => Err(Status(NO_INSTRUCTION)),
        }
    }

    fn random(command: &Command<'_>, chain: &mut Chain) -> Result<Vec<u8>, Status> {
        let wanted = command.le.filter(|le| *le > 0).ok_or(Status(WRONG_LENGTH))?;
        let bytes = std::iter::repeat_with(|| chain.next_bytes()).flatten();
        Ok(bytes.take(wanted).collect())
    }

    /// GET DATA – application: version, identifier, numbers of objects, algorithms, sessions.
    fn application(&self) -> Vec<u8> {
        let mut out = tlv(0x10, &[1]);
        out.extend(tlv(0x11, &self.aid));
        let pairs = u8::try_from(self.pairs.len()).unwrap_or(u8::MAX);
        for (tag, count) in [(0xB1, 0), (0xB2, pairs), (0xB3, pairs), (0xB4, 0)] {
            out.extend(tlv(tag, &[count]));
        }
        // Signature and key generation; SHA-256; ECDSA; no agreement, no derivation.
        for (tag, value) in [(0x90, &[3][..]), (0x91, &[0, 1]), (0x92, &[4]), (0x93, &[0]), (0x94, &[0])] {
            out.extend(tlv(tag, value));
        }
        out.extend(tlv(0xB7, &[SESSIONS]));
        out
    }

    /// GET DATA of one key: identifier, access conditions, state, type, usage, functions, algorithms.
    fn information(&self, command: &Command<'_>) -> Result<Vec<u8>, Status> {
        let private = command.p1 == 0xC1;
        let tag = if private { 0x84 } else { 0x85 };
        let id = field(command.data, tag)?;
        let pair = self.pair(id, |pair| if private { &pair.private_id } else { &pair.public_id })?;
        let pair = &self.pairs[pair];
        let kind = match self.curve {
            Curve::P256 => 0x13,
            Curve::Secp256k1 => 0xF3,
        };
        let mut body = tlv(tag, id);
        let access = u8::from(!private) | u8::from(pair.replaceable || pair.key.is_none()) << 1;
        for (tag, value) in [(0x60, access), (0x4A, u8::from(pair.key.is_some())), (0x4B, kind), (0x4E, 1), (0x61, 3)] {
            body.extend(tlv(tag, &[value]));
        }
        body.extend(tlv(0x92, &[4]));
        body.extend(tlv(0x91, &[0, 1]));
        Ok(tlv(command.p1, &body))
    }

    fn generate(&mut self, data: &[u8], chain: &mut Chain) -> Result<Vec<u8>, Status> {
        let at = self.pair(field(data, 0x84)?, |pair| &pair.private_id)?;
        let curve = self.curve;
        let pair = &mut self.pairs[at];
        if pair.key.is_some() && !pair.replaceable {
            return Err(Status(CONDITIONS));
        }
        let key = chain.next_key(curve);
        let mut out = tlv(0x84, &pair.private_id);
        out.extend(tlv(0x85, &pair.public_id));
        out.extend(public_key_data(&key)?);
        pair.key = Some(key);
        Ok(out)
    }

    fn signature_init(&mut self, session: (u8, u8), close: bool, data: &[u8]) -> Result<Vec<u8>, Status> {
        if close {
            return self.sessions.remove(&session).map(|_| Vec::new()).ok_or(Status(CONDITIONS));
        }
        if self.sessions.contains_key(&session) {
            return Err(Status(CONDITIONS));
        }
        let fields = fields(data)?;
        let [(0x84, id), (0xA1, [3]), (0x91, [0, 1]), (0x92, [4])] = fields[..] else {
            return Err(Status(INCORRECT_DATA));
        };
        let pair = self.pair(id, |pair| &pair.private_id)?;
        if self.pairs[pair].key.is_none() {
            return Err(Status(CONDITIONS));
        }
        self.sessions.insert(session, Session { pair, signed: false });
        Ok(Vec::new())
    }

    fn signature_update(&mut self, session: (u8, u8), data: &[u8]) -> Result<Vec<u8>, Status> {
        let open = self.sessions.get_mut(&session).filter(|open| !open.signed).ok_or(Status(CONDITIONS))?;
        let hash = field(data, 0x9E)?.try_into().map_err(|_| Status(INCORRECT_DATA))?;
        open.signed = true;
        let key = self.pairs[open.pair].key.as_ref().ok_or(Status(CONDITIONS))?;
        self.signatures += 1;
        let raw = key.sign(hash, self.signatures.is_multiple_of(2));
        let value = if self.der { der(&raw) } else { raw.to_vec() };
        let length = u16::try_from(value.len()).map_err(|_| Status(0x6F00))?;
        Ok([&[0x33][..], &length.to_be_bytes(), &value].concat())
    }

    fn pair(&self, id: &[u8], of: impl Fn(&Pair) -> &Vec<u8>) -> Result<usize, Status> {
        self.pairs.iter().position(|pair| of(pair) == id).ok_or(Status(NOT_FOUND))
    }
}

/// What ends a command that succeeded.
pub(crate) const SUCCESS: Status = Status(OK);

/// A field: one byte of tag, one of length.
pub(crate) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    [&[tag, length][..], value].concat()
}

fn public_key_data(key: &Key) -> Result<Vec<u8>, Status> {
    Ok(tlv(0x34, &tlv(0x49, &tlv(0x86, &key.point()))))
}

/// Every field of a command: one byte of tag, one of length.
fn fields(mut data: &[u8]) -> Result<Vec<(u8, &[u8])>, Status> {
    let mut found = Vec::new();
    while let [tag, length, rest @ ..] = data {
        let (value, rest) = rest.split_at_checked(usize::from(*length)).ok_or(Status(INCORRECT_DATA))?;
        found.push((*tag, value));
        data = rest;
    }
    if data.is_empty() { Ok(found) } else { Err(Status(INCORRECT_DATA)) }
}

/// The one field of a command that has only this one.
fn field(data: &[u8], tag: u8) -> Result<&[u8], Status> {
    match fields(data)?[..] {
        [(found, value)] if found == tag => Ok(value),
        _ => Err(Status(INCORRECT_DATA)),
    }
}

/// ECDSA-Sig-Value (RFC 3279 section 2.2.3).
fn der(raw: &[u8; 64]) -> Vec<u8> {
    let integer = |scalar: &[u8]| {
        let significant: Vec<u8> = scalar.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign: &[u8] = if significant.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
        tlv(2, &[sign, &significant].concat())
    };
    tlv(0x30, &[integer(&raw[..32]), integer(&raw[32..])].concat())
}
