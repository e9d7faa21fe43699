// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The CoAP message of RFC 7252 section 3: what a datagram says, and nothing about when it is sent. Used by the client, by OSCORE
//! and by the relay. Pure and bounded: no I/O, no state, no allocation; any bytes parse or give an error.
//!
//! - [`Message::parse`] reads a datagram, [`Options`] iterates what was checked there;
//! - [`Builder`] (in `build.rs`) writes one.
//!
//! ```
//! use cairn_coap::message::{Builder, Code, Message, Type, option};
//!
//! let mut datagram = [0; 32];
//! let mut builder = Builder::message(&mut datagram, Type::Confirmable, Code::POST, 0x1234, &[7, 8])?;
//! builder.option(option::URI_PATH, b"a")?;
//! let length = builder.payload(b"hello")?;
//!
//! let message = Message::parse(&datagram[..length]).unwrap();
//! assert_eq!(message.head.code, Code::POST);
//! assert_eq!(message.head.options.get(option::URI_PATH), Some(&b"a"[..]));
//! assert_eq!(message.payload, b"hello");
//! # Ok::<(), cairn_coap::message::EmitError>(())
//! ```

mod build;
pub mod option;

pub use build::{Builder, EmitError};
pub use option::{CoapOption, OptionIter, Options};

/// Longest token, RFC 7252 section 3.
pub const TOKEN_MAX: usize = 8;
/// The byte between options and payload.
pub(crate) const PAYLOAD_MARKER: u8 = 0xff;

/// The type of a message, RFC 7252 section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// CON: is repeated until it is acknowledged.
    Confirmable = 0,
    /// NON.
    NonConfirmable = 1,
    /// ACK, with or without a response.
    Acknowledgement = 2,
    /// RST: the receiver cannot make sense of the message with this Message ID.
    Reset = 3,
}

impl Type {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Confirmable,
            1 => Self::NonConfirmable,
            2 => Self::Acknowledgement,
            _ => Self::Reset,
        }
    }
}

/// A request method or response code: class × 32 + detail.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u8);

impl Code {
    /// 0.00, an empty message.
    pub const EMPTY: Self = Self(0);
    /// 0.01
    pub const GET: Self = Self(1);
    /// 0.02
    pub const POST: Self = Self(2);
    /// 0.05 (RFC 8132); the outer code of a protected Observe request.
    pub const FETCH: Self = Self(5);
    /// 2.04
    pub const CHANGED: Self = Self(0x44);
    /// 2.05
    pub const CONTENT: Self = Self(0x45);
    /// 4.00
    pub const BAD_REQUEST: Self = Self(0x80);
    /// 4.01
    pub const UNAUTHORIZED: Self = Self(0x81);
    /// 4.02
    pub const BAD_OPTION: Self = Self(0x82);
    /// 4.03
    pub const FORBIDDEN: Self = Self(0x83);
    /// 4.04
    pub const NOT_FOUND: Self = Self(0x84);
    /// 4.05
    pub const METHOD_NOT_ALLOWED: Self = Self(0x85);
    /// 4.09 (RFC 8132)
    pub const CONFLICT: Self = Self(0x89);
    /// 4.22 (RFC 8132)
    pub const UNPROCESSABLE_ENTITY: Self = Self(0x96);
    /// 5.00
    pub const INTERNAL_SERVER_ERROR: Self = Self(0xa0);
    /// 5.03
    pub const SERVICE_UNAVAILABLE: Self = Self(0xa3);

    /// The class: 0 request, 2 success, 4 client error, 5 server error.
    #[must_use]
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The detail, 0..=31.
    #[must_use]
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }

    /// Whether this is a method: class 0, not empty.
    #[must_use]
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }

    /// Whether this is a response code: class 2, 4 or 5.
    #[must_use]
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2 | 4 | 5)
    }

    /// Whether this is a response of class 2.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl core::fmt::Debug for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// Why bytes are no CoAP message. RFC 7252 calls all of these a message format error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// The bytes end inside the header, the token or an option.
    Truncated,
    /// The version is not 1.
    Version,
    /// The token length is 9..=15.
    TokenLength,
    /// An option's delta or length nibble is 15 and it is not the payload marker.
    OptionNibble,
    /// An option's number is above 65535.
    OptionNumber,
    /// The payload marker is followed by nothing.
    EmptyPayload,
    /// Code 0.00 with a token, options or payload.
    NotEmpty,
}

/// Everything of a message but its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Confirmable or not, acknowledgement, reset.
    pub kind: Type,
    /// Method or response code.
    pub code: Code,
    /// Message ID: matches ACK and RST to what they answer, and finds duplicates.
    pub message_id: u16,
    /// At most [`TOKEN_MAX`] bytes: matches a response to its request.
    pub token: &'a [u8],
    /// Checked when they were parsed.
    pub options: Options<'a>,
}

/// A CoAP message in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Header, token and options.
    pub head: Head<'a>,
    /// Empty when there is none.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram, all of it: options are checked here once.
    ///
    /// # Errors
    /// [`ParseError`], RFC 7252 section 3.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let (&[first, code, id_high, id_low], rest) = datagram.split_first_chunk().ok_or(ParseError::Truncated)?;
        if first >> 6 != 1 {
            return Err(ParseError::Version);
        }
        let token_length = usize::from(first & 0x0f);
        if token_length > TOKEN_MAX {
            return Err(ParseError::TokenLength);
        }
        let (token, rest) = rest.split_at_checked(token_length).ok_or(ParseError::Truncated)?;
        let code = Code(code);
        if code == Code::EMPTY && !(token.is_empty() && rest.is_empty()) {
            return Err(ParseError::NotEmpty);
        }
        let (options, payload) = Options::parse_with_payload(rest)?;
        let message_id = u16::from_be_bytes([id_high, id_low]);
        Ok(Self { head: Head { kind: Type::from_bits(first >> 4), code, message_id, token, options }, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_rfc_7252_appendix_a_parses() {
        // Figure 16: CON GET, MID 0x7d34, Uri-Path "temperature".
        let message = Message::parse(b"\x40\x01\x7d\x34\xbbtemperature").unwrap();
        assert_eq!((message.head.kind, message.head.code), (Type::Confirmable, Code::GET));
        assert_eq!(message.head.message_id, 0x7d34);
        assert_eq!(message.head.options.get(option::URI_PATH), Some(&b"temperature"[..]));
        assert_eq!(message.payload, b"");
    }

    #[test]
    fn each_format_error_is_named() {
        for (bytes, error) in [
            (&b""[..], ParseError::Truncated),
            (&[0x40, 1, 0], ParseError::Truncated),
            (&[0x00, 1, 0, 0], ParseError::Version),
            (&[0x80, 1, 0, 0], ParseError::Version),
            (&[0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], ParseError::TokenLength),
            (&[0x42, 1, 0, 0, 7], ParseError::Truncated),
            (&[0x40, 1, 0, 0, 0xf1, 0], ParseError::OptionNibble),
            (&[0x40, 1, 0, 0, 0x1f, 0], ParseError::OptionNibble),
            (&[0x40, 1, 0, 0, 0x12, 0], ParseError::Truncated),
            (&[0x40, 1, 0, 0, 0xe0, 0xff], ParseError::Truncated),
            (&[0x40, 1, 0, 0, 0xe0, 0xff, 0xff], ParseError::OptionNumber),
            (&[0x40, 1, 0, 0, 0xff], ParseError::EmptyPayload),
            (&[0x41, 0, 0, 0, 1], ParseError::NotEmpty),
            (&[0x40, 0, 0, 0, 0xff, 1], ParseError::NotEmpty),
        ] {
            assert_eq!(Message::parse(bytes), Err(error), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_code_is_shown_as_the_rfc_writes_it() {
        assert_eq!(std::format!("{}", Code::UNPROCESSABLE_ENTITY), "4.22");
        assert!(Code::POST.is_request() && !Code::EMPTY.is_request() && Code::CONFLICT.is_response());
    }
}
