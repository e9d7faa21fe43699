// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CoAP options (RFC 7252 section 3.1): delta and length with their 13 and 14 extensions. Checked as a whole before anybody
//! iterates them, so that iteration cannot fail.

use super::{PAYLOAD_MARKER, ParseError};

/// RFC 7252 section 5.10.1.
pub const URI_HOST: u16 = 3;
/// RFC 7641; not supported under OSCORE here.
pub const OBSERVE: u16 = 6;
/// RFC 7252 section 5.10.1.
pub const URI_PORT: u16 = 7;
/// RFC 8613 section 2.
pub const OSCORE: u16 = 9;
/// RFC 7252 section 5.10.1; one option per path segment.
pub const URI_PATH: u16 = 11;
/// RFC 7252 section 5.10.3.
pub const CONTENT_FORMAT: u16 = 12;
/// RFC 7252 section 5.10.5.
pub const MAX_AGE: u16 = 14;
/// RFC 7252 section 5.10.1.
pub const URI_QUERY: u16 = 15;
/// RFC 7252 section 5.10.2.
pub const PROXY_URI: u16 = 35;
/// RFC 7252 section 5.10.2.
pub const PROXY_SCHEME: u16 = 39;
/// RFC 9175 section 2.2: freshness; [`ECHO_MAX`] bytes at most.
pub const ECHO: u16 = 252;

/// Longest Echo value, RFC 9175 section 2.2.1. The shortest is one byte.
pub const ECHO_MAX: usize = 40;

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoapOption<'a> {
    /// Its number.
    pub number: u16,
    /// Its value.
    pub value: &'a [u8],
}

impl CoapOption<'_> {
    /// Whether a receiver that does not know this option must refuse the message: odd numbers (RFC 7252 section 5.4.6).
    #[must_use]
    pub const fn is_critical(&self) -> bool {
        self.number & 1 == 1
    }
}

/// A checked sequence of encoded options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// No options.
    pub const NONE: Self = Self(&[]);

    /// Checks `bytes` as options without payload, as [`super::Builder::options`] writes them.
    ///
    /// # Errors
    /// [`ParseError`] when they are not, or when a payload marker stands in them ([`ParseError::OptionNibble`]).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (options, payload) = Self::parse_with_payload(bytes)?;
        if payload.is_empty() { Ok(options) } else { Err(ParseError::OptionNibble) }
    }

    /// Checks what follows the token (or, inside OSCORE, the code) and splits it: options, payload.
    pub(crate) fn parse_with_payload(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), ParseError> {
        let mut rest = bytes;
        let mut number = 0;
        loop {
            match rest.split_first() {
                None => return Ok((Self(bytes), rest)),
                Some((&PAYLOAD_MARKER, [])) => return Err(ParseError::EmptyPayload),
                Some((&PAYLOAD_MARKER, payload)) => {
                    let options = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
                    return Ok((Self(options), payload));
                }
                Some(_) => {
                    let (option, after) = decode(rest, number)?;
                    number = option.number;
                    rest = after;
                }
            }
        }
    }

    /// The options in order.
    #[must_use]
    pub const fn iter(&self) -> OptionIter<'a> {
        OptionIter { rest: self.0, number: 0 }
    }

    /// The value of the first option with `number`.
    #[must_use]
    pub fn get(&self, number: u16) -> Option<&'a [u8]> {
        self.all(number).next()
    }

    /// The values of all options with `number`, such as the segments of a path.
    pub fn all(&self, number: u16) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.iter().filter(move |option| option.number == number).map(|option| option.value)
    }

    /// The Echo value (RFC 9175), or `None` when there is none or its length is not 1..=40.
    #[must_use]
    pub fn echo(&self) -> Option<&'a [u8]> {
        self.get(ECHO).filter(|value| (1..=ECHO_MAX).contains(&value.len()))
    }

    /// The number of the first critical option that is not in `known`: its message must be refused (RFC 7252 section 5.4.1).
    #[must_use]
    pub fn unknown_critical(&self, known: &[u16]) -> Option<u16> {
        self.iter().find(|option| option.is_critical() && !known.contains(&option.number)).map(|option| option.number)
    }
}

impl<'a> IntoIterator for Options<'a> {
    type Item = CoapOption<'a>;
    type IntoIter = OptionIter<'a>;

    fn into_iter(self) -> OptionIter<'a> {
        self.iter()
    }
}

/// Iterates checked options.
#[derive(Clone, Debug)]
pub struct OptionIter<'a> {
    rest: &'a [u8],
    number: u16,
}

impl<'a> Iterator for OptionIter<'a> {
    type Item = CoapOption<'a>;

    fn next(&mut self) -> Option<CoapOption<'a>> {
        // The bytes were checked: an error here is the end.
        let (option, rest) = decode(self.rest, self.number).ok()?;
        self.number = option.number;
        self.rest = rest;
        Some(option)
    }
}

/// The first option of `bytes`, after an option with number `previous`, and what follows it.
fn decode(bytes: &[u8], previous: u16) -> Result<(CoapOption<'_>, &[u8]), ParseError> {
    let (&first, rest) = bytes.split_first().ok_or(ParseError::Truncated)?;
    let (delta, rest) = extended(first >> 4, rest)?;
    let (length, rest) = extended(first & 0x0f, rest)?;
    let number = u32::from(previous).checked_add(delta).and_then(|number| u16::try_from(number).ok());
    let number = number.ok_or(ParseError::OptionNumber)?;
    let length = usize::try_from(length).map_err(|_| ParseError::Truncated)?;
    let (value, rest) = rest.split_at_checked(length).ok_or(ParseError::Truncated)?;
    Ok((CoapOption { number, value }, rest))
}

/// A delta or length with its extension bytes: at most 65535 + 269.
fn extended(nibble: u8, rest: &[u8]) -> Result<(u32, &[u8]), ParseError> {
    match nibble {
        13 => {
            let (&byte, rest) = rest.split_first().ok_or(ParseError::Truncated)?;
            Ok((u32::from(byte) + 13, rest))
        }
        14 => {
            let (&bytes, rest) = rest.split_first_chunk().ok_or(ParseError::Truncated)?;
            Ok((u32::from(u16::from_be_bytes(bytes)) + 269, rest))
        }
        15 => Err(ParseError::OptionNibble),
        small => Ok((u32::from(small), rest)),
    }
}
