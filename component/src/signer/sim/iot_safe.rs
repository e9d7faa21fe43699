// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The commands of GSMA IoT.05 version 1.0 (IoT SAFE applet) that a signer needs, and their answers; the secp256k1 applet
//! of docs/sim-applet.md has the same. Pure; called by [`super::SimSigner`].
//!
//! | byte | what | IoT.05 |
//! | --- | --- | --- |
//! | INS 2A | COMPUTE SIGNATURE – INIT: P1 00 opens the session in P2, 01 closes it | section 3, command's own |
//! | INS 2B | COMPUTE SIGNATURE – UPDATE: P1 80 with the last data | the same |
//! | INS B9, CB, CD | GENERATE KEY PAIR, GET DATA, READ PUBLIC KEY | the same |
//! | 84, 85 | id of a private, a public key: 1 to 20 bytes | section 2, tables of tags |
//! | A1 | mode of operation: 03, the hash was made outside | 2.5.14 |
//! | 91 | hash algorithm, two bytes: 0001 SHA-256 | 2.5.1 |
//! | 92 | signature algorithm: 04 ECDSA | 2.5.2 |
//! | 9E | final hash | with 2B |
//! | 33 | computed signature, r ‖ s; its length takes two bytes | with 2B |
//! | 34, 49, 86 | public key data; in it the key, in it 04 ‖ X ‖ Y | with B9 and CD |
//! | C1, 4A | private key information; in it the state, 01 activated, 00 deactivated | with CB |
//!
//! docs/sim-applet.md says which of these were read in the specification and which in programs that drive real cards.

use heapless::Vec;

use super::apdu::{COMMAND_MAX, Command};
use crate::signer::Digest;

/// Class of the commands; some applets want the interindustry class 00 instead.
pub(super) const CLASS: u8 = 0x80;
const INS_SIGNATURE_INIT: u8 = 0x2A;
const INS_SIGNATURE_UPDATE: u8 = 0x2B;
const INS_GENERATE_KEY_PAIR: u8 = 0xB9;
const INS_GET_DATA: u8 = 0xCB;
const INS_READ_PUBLIC_KEY: u8 = 0xCD;

const TAG_SIGNATURE: u8 = 0x33;
const TAG_PUBLIC_KEY_DATA: u8 = 0x34;
const TAG_PUBLIC_KEY: u8 = 0x49;
const TAG_POINT: u8 = 0x86;
const TAG_STATE: u8 = 0x4A;
const TAG_PRIVATE_KEY_ID: u8 = 0x84;
const TAG_PUBLIC_KEY_ID: u8 = 0x85;
const TAG_HASH: u8 = 0x91;
const TAG_ALGORITHM: u8 = 0x92;
const TAG_FINAL_HASH: u8 = 0x9E;
const TAG_MODE: u8 = 0xA1;
const TAG_PRIVATE_KEY_INFORMATION: u8 = 0xC1;

/// The session of our signatures; applets have at least one, and number them from 1 in every program known to work.
const SESSION: u8 = 1;
const CLOSE_SESSION: u8 = 0x01;
const LAST_DATA: u8 = 0x80;

/// Longest key id (IoT.05, tables of tags 84 and 85).
pub(super) const ID_MAX: usize = 20;

/// Data of a command, built from fields.
type Data = Vec<u8, COMMAND_MAX>;

/// Which answer is wanted and to what data: one command of the applet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    ins: u8,
    p1: u8,
    p2: u8,
    data: Data,
    answered: bool,
}

impl Request {
    /// The command in class `class`. `with_le` is false for elements that want a command with data to go without Le.
    pub(super) fn command(&self, class: u8, with_le: bool) -> Command<'_> {
        let le = (self.answered && with_le).then_some(0);
        Command { class, ins: self.ins, p1: self.p1, p2: self.p2, data: &self.data, le }
    }

    fn of_key(ins: u8, p1: u8, tag: u8, id: &[u8]) -> Option<Self> {
        let id = checked(id)?;
        Some(Self { ins, p1, p2: 0, data: fields(&[(tag, id)])?, answered: true })
    }
}

/// Asks for the point of the public key `id`. All of these are `None` only when an id is longer than [`ID_MAX`].
pub(super) fn read_public_key(id: &[u8]) -> Option<Request> {
    Request::of_key(INS_READ_PUBLIC_KEY, 0, TAG_PUBLIC_KEY_ID, id)
}

/// Makes a new pair in the container of the private key `id`.
pub(super) fn generate_key_pair(id: &[u8]) -> Option<Request> {
    Request::of_key(INS_GENERATE_KEY_PAIR, 0, TAG_PRIVATE_KEY_ID, id)
}

/// Asks what is known of the private key `id`.
pub(super) fn private_key_information(id: &[u8]) -> Option<Request> {
    Request::of_key(INS_GET_DATA, TAG_PRIVATE_KEY_INFORMATION, TAG_PRIVATE_KEY_ID, id)
}

/// Opens the session that signs a hash made outside with the private key `id`.
pub(super) fn signature_init(id: &[u8]) -> Option<Request> {
    let id = checked(id)?;
    let data = fields(&[(TAG_PRIVATE_KEY_ID, id), (TAG_MODE, &[3]), (TAG_HASH, &[0, 1]), (TAG_ALGORITHM, &[4])])?;
    Some(Request { ins: INS_SIGNATURE_INIT, p1: 0, p2: SESSION, data, answered: false })
}

/// Signs `digest` in the open session.
pub(super) fn signature_update(digest: &Digest) -> Option<Request> {
    let data = fields(&[(TAG_FINAL_HASH, &digest.0)])?;
    Some(Request { ins: INS_SIGNATURE_UPDATE, p1: LAST_DATA, p2: SESSION, data, answered: true })
}

/// Closes the session.
pub(super) const fn close_session() -> Request {
    Request { ins: INS_SIGNATURE_INIT, p1: CLOSE_SESSION, p2: SESSION, data: Vec::new(), answered: false }
}

fn checked(id: &[u8]) -> Option<&[u8]> {
    (1..=ID_MAX).contains(&id.len()).then_some(id)
}

fn fields(fields: &[(u8, &[u8])]) -> Option<Data> {
    let mut data = Data::new();
    for (tag, value) in fields {
        let length = u8::try_from(value.len()).ok()?;
        data.extend_from_slice(&[*tag, length]).ok()?;
        data.extend_from_slice(value).ok()?;
    }
    Some(data)
}

/// The value of the first field with `tag` in a list of fields, lengths as in BER (ISO/IEC 8825-1 section 8.1.3).
fn find(mut list: &[u8], tag: u8) -> Option<&[u8]> {
    while let [this, rest @ ..] = list {
        let (length, rest) = match *rest {
            [0x81, length, ref rest @ ..] => (usize::from(length), rest),
            [0x82, first, last, ref rest @ ..] => (usize::from(u16::from_be_bytes([first, last])), rest),
            [length @ 0..=0x7F, ref rest @ ..] => (usize::from(length), rest),
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        if *this == tag {
            return Some(value);
        }
        list = rest;
    }
    None
}

/// The uncompressed point in an answer to [`read_public_key`] or [`generate_key_pair`].
pub(super) fn point(answer: &[u8]) -> Option<&[u8; 65]> {
    find(find(find(answer, TAG_PUBLIC_KEY_DATA)?, TAG_PUBLIC_KEY)?, TAG_POINT)?.try_into().ok()
}

/// r ‖ s in the answer to [`signature_update`]: 64 bytes as the specification has it, or the DER that some applets give.
pub(super) fn signature(answer: &[u8]) -> Option<[u8; 64]> {
    let value = match answer {
        [TAG_SIGNATURE, 0, length, value @ ..] | [TAG_SIGNATURE, length, value @ ..]
            if usize::from(*length) == value.len() =>
        {
            value
        }
        _ => return None,
    };
    value.try_into().ok().or_else(|| from_der(value))
}

/// ECDSA-Sig-Value of RFC 3279 section 2.2.3: SEQUENCE of two INTEGERs of at most 32 bytes.
fn from_der(bytes: &[u8]) -> Option<[u8; 64]> {
    let [0x30, length, rest @ ..] = bytes else { return None };
    let (r, rest) = integer(rest, usize::from(*length) == rest.len())?;
    let (s, rest) = integer(rest, true)?;
    let mut out = [0; 64];
    let (high, low) = out.split_at_mut(32);
    for (scalar, place) in [(r, high), (s, low)] {
        let at = place.len().checked_sub(scalar.len())?;
        place.get_mut(at..)?.copy_from_slice(scalar);
    }
    rest.is_empty().then_some(out)
}

/// A non-negative INTEGER without its sign byte, and what follows it.
fn integer(bytes: &[u8], sound: bool) -> Option<(&[u8], &[u8])> {
    let [0x02, length, rest @ ..] = bytes else { return None };
    let (value, rest) = rest.split_at_checked(usize::from(*length)).filter(|_| sound)?;
    Some((value.strip_prefix(&[0]).unwrap_or(value), rest))
}

/// Whether the private key in an answer to [`private_key_information`] is activated.
pub(super) fn activated(answer: &[u8]) -> Option<bool> {
    match find(find(answer, TAG_PRIVATE_KEY_INFORMATION)?, TAG_STATE)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn bytes(request: Option<Request>) -> Vec<u8> {
        request.unwrap().command(CLASS, false).encode().unwrap().to_vec()
    }

    /// Command for command what a published program sends to a real card on channel 0, with its ids 303036 and 303037.
    #[test]
    fn commands_are_byte_for_byte_what_real_cards_are_sent() {
        let (private, public) = (b"006", b"007");
        assert_eq!(bytes(read_public_key(public)), hex::decode("80cd0000058503303037").unwrap());
        assert_eq!(bytes(generate_key_pair(private)), hex::decode("80b90000058403303036").unwrap());
        assert_eq!(bytes(signature_init(private)), hex::decode("802a00010f8403303036a1010391020001920104").unwrap());
        let digest = Digest([0xB9; 32]);
        assert_eq!(bytes(signature_update(&digest))[..7], hex::decode("802b8001229e20").unwrap());
        assert_eq!(bytes(Some(close_session())), hex::decode("802a010100").unwrap());
    }

    #[test]
    fn an_id_of_one_to_twenty_bytes_fits_and_no_other_is_sent() {
        for length in 1..=ID_MAX {
            assert!(signature_init(&[1; ID_MAX][..length]).unwrap().command(CLASS, true).encode().is_some());
        }
        for id in [&[][..], &[1; ID_MAX + 1]] {
            assert!(read_public_key(id).is_none() && signature_init(id).is_none());
        }
    }

    #[test]
    fn a_point_is_found_in_both_answers_that_hold_one() {
        let mut data = hex::decode("344549438641").unwrap();
        data.extend([4; 65]);
        assert_eq!(point(&data), Some(&[4; 65]));
        let mut generated = hex::decode("84033030368503303037").unwrap();
        generated.extend(&data);
        assert_eq!(point(&generated), Some(&[4; 65]));
        for end in 0..data.len() {
            assert_eq!(point(&data[..end]), None, "cut at {end}");
        }
        assert_eq!(point(&hex::decode("3403490186").unwrap()), None);
    }

    #[test]
    fn a_signature_is_read_with_a_length_of_one_byte_or_two_and_from_der() {
        let (r, s) = ([0x11; 32], [0x92; 32]);
        let raw: Vec<u8> = [r, s].concat();
        for header in ["330040", "3340"] {
            let answer = [hex::decode(header).unwrap(), raw.clone()].concat();
            assert_eq!(signature(&answer).unwrap()[..], raw, "{header}");
            assert_eq!(signature(&answer[..answer.len() - 1]), None);
        }
        let der = [hex::decode("30450220").unwrap(), r.to_vec(), hex::decode("022100").unwrap(), s.to_vec()].concat();
        let answer = [hex::decode("3347").unwrap(), der.clone()].concat();
        assert_eq!(signature(&answer).unwrap()[..], raw);
        let short = hex::decode("33083006020107020105").unwrap();
        let signature_of_small_scalars = signature(&short).unwrap();
        assert_eq!((signature_of_small_scalars[31], signature_of_small_scalars[63]), (7, 5));
        for wrong in ["33", "3300", "3302", "330100", "33083006020107020205", "33083005020107020105", "340101"] {
            assert_eq!(signature(&hex::decode(wrong).unwrap()), None, "{wrong}");
        }
    }

    #[test]
    fn the_state_of_a_key_is_one_of_two() {
        for (state, expected) in [("01", Some(true)), ("00", Some(false)), ("02", None), ("", None)] {
            let answer =
                hex::decode(std::format!("c10b8403303036600101 4a{:02x}{state}", state.len() / 2).replace(' ', ""));
            let mut answer = answer.unwrap();
            answer[1] = u8::try_from(answer.len() - 2).unwrap();
            assert_eq!(activated(&answer), expected, "{state}");
        }
    }
}
