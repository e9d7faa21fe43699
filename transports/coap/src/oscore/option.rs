// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The value of the OSCORE option, the compressed COSE object of RFC 8613 section 6.1: which key and which number a message was
//! protected with. The relay looks contexts up by it. Unauthenticated until the message has been verified.

use super::{ID_CONTEXT_MAX, ID_MAX, NUMBER_END, Short};

/// Longest Partial IV.
const PARTIAL_IV_MAX: usize = 5;
const LENGTH_MASK: u8 = 0x07;
const KID_FLAG: u8 = 0x08;
const KID_CONTEXT_FLAG: u8 = 0x10;
const RESERVED: u8 = 0xe0;

/// Longest value this crate writes: flags, Partial IV, length and bytes of the kid context, kid.
pub(super) const VALUE_MAX: usize = 1 + PARTIAL_IV_MAX + 1 + ID_CONTEXT_MAX + ID_MAX;

/// The option's value breaks RFC 8613 section 6.1: reserved bits, a length that does not fit, or a number with leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedOption;

/// A sender sequence number as it is sent: 1 to 5 bytes, no leading zeros, zero as one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialIv(Short<PARTIAL_IV_MAX>);

impl PartialIv {
    /// The Partial IV of `number`, or `None` from [`NUMBER_END`] on.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        if number >= NUMBER_END {
            return None;
        }
        let bytes = number.to_be_bytes();
        let skip = bytes.iter().take_while(|&&byte| byte == 0).count().min(bytes.len() - 1);
        Short::new(bytes.get(skip..)?).map(Self)
    }

    /// Only the shortest encoding is taken: a request's number then has one form in the additional data.
    fn from_wire(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [] | [0, _, ..] => None,
            _ => Short::new(bytes).map(Self),
        }
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.as_slice().iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    /// The bytes sent.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// What an OSCORE option says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identifiers<'a> {
    /// Present in every request; in a response only when it does not use the request's.
    pub partial_iv: Option<PartialIv>,
    /// ID Context of the sender's context.
    pub kid_context: Option<&'a [u8]>,
    /// Sender id; present in every request.
    pub kid: Option<&'a [u8]>,
}

impl<'a> Identifiers<'a> {
    /// Reads an option's value.
    ///
    /// # Errors
    /// [`MalformedOption`].
    pub fn parse(value: &'a [u8]) -> Result<Self, MalformedOption> {
        let Some((&flags, rest)) = value.split_first() else { return Ok(Self::default()) };
        // All flags zero must be the empty value.
        if flags == 0 || flags & RESERVED != 0 {
            return Err(MalformedOption);
        }
        let length = usize::from(flags & LENGTH_MASK);
        let (partial_iv, rest) = rest.split_at_checked(length).ok_or(MalformedOption)?;
        let partial_iv = match length {
            0 => None,
            _ => Some(PartialIv::from_wire(partial_iv).ok_or(MalformedOption)?),
        };
        let (kid_context, rest) = if flags & KID_CONTEXT_FLAG == 0 {
            (None, rest)
        } else {
            let (&length, rest) = rest.split_first().ok_or(MalformedOption)?;
            let (kid_context, rest) = rest.split_at_checked(usize::from(length)).ok_or(MalformedOption)?;
            (Some(kid_context), rest)
        };
        match (flags & KID_FLAG != 0, rest) {
            (true, kid) => Ok(Self { partial_iv, kid_context, kid: Some(kid) }),
            (false, []) => Ok(Self { partial_iv, kid_context, kid: None }),
            (false, _) => Err(MalformedOption),
        }
    }

    /// Writes the value and returns its length, or `None` when it does not fit [`VALUE_MAX`].
    pub(super) fn encode(&self, out: &mut [u8; VALUE_MAX]) -> Option<usize> {
        let partial_iv = self.partial_iv.as_ref().map_or(&[][..], PartialIv::as_slice);
        let mut flags = u8::try_from(partial_iv.len()).ok()?;
        let mut end = 1;
        append(out, &mut end, partial_iv)?;
        if let Some(kid_context) = self.kid_context {
            flags |= KID_CONTEXT_FLAG;
            append(out, &mut end, &[u8::try_from(kid_context.len()).ok()?])?;
            append(out, &mut end, kid_context)?;
        }
        if let Some(kid) = self.kid {
            flags |= KID_FLAG;
            append(out, &mut end, kid)?;
        }
        let [first, ..] = out;
        *first = flags;
        Some(if flags == 0 { 0 } else { end })
    }
}

fn append(out: &mut [u8], end: &mut usize, bytes: &[u8]) -> Option<()> {
    let next = *end + bytes.len();
    out.get_mut(*end..next)?.copy_from_slice(bytes);
    *end = next;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8613 section 6.3.
    #[test]
    fn the_examples_of_section_6_3_are_written_and_read() {
        let number = |n| PartialIv::new(n);
        let context = &[0x44, 0x61, 0x6c, 0x65, 0x6b][..];
        for (identifiers, bytes) in [
            (Identifiers { partial_iv: number(5), kid: Some(&[0x25]), kid_context: None }, &[0x09, 0x05, 0x25][..]),
            (Identifiers { partial_iv: number(0), kid: Some(&[]), kid_context: None }, &[0x09, 0x00]),
            (
                Identifiers { partial_iv: number(5), kid: Some(&[]), kid_context: Some(context) },
                &[0x19, 0x05, 0x05, 0x44, 0x61, 0x6c, 0x65, 0x6b],
            ),
            (Identifiers::default(), &[]),
            (Identifiers { partial_iv: number(7), kid: None, kid_context: None }, &[0x01, 0x07]),
        ] {
            let mut out = [0; VALUE_MAX];
            let length = identifiers.encode(&mut out).unwrap();
            assert_eq!(&out[..length], bytes);
            assert_eq!(Identifiers::parse(bytes), Ok(identifiers));
        }
    }

    #[test]
    fn malformed_values_are_refused() {
        for bytes in [
            &[0x00][..],            // all flags zero, not empty
            &[0x20],                // each reserved bit
            &[0x49, 1],             //
            &[0x89, 1],             //
            &[0x06, 1, 2, 3, 4, 5], // Partial IV above 5 bytes
            &[0x0e, 1, 2, 3, 4, 5, 6],
            &[0x09],             // Partial IV cut
            &[0x0a, 0, 5],       // leading zero
            &[0x19, 5],          // kid context without length
            &[0x19, 5, 3, 1, 2], // kid context cut
            &[0x01, 5, 6],       // kid without its flag
        ] {
            assert_eq!(Identifiers::parse(bytes), Err(MalformedOption), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_partial_iv_has_one_to_five_bytes() {
        for (number, bytes) in [(0, &[0][..]), (255, &[255]), (256, &[1, 0]), (0xff_ffff_ffff, &[0xff; 5])] {
            let partial_iv = PartialIv::new(number).unwrap();
            assert_eq!(partial_iv.as_slice(), bytes);
            assert_eq!(partial_iv.number(), number);
        }
        assert_eq!(PartialIv::new(NUMBER_END), None);
    }
}
