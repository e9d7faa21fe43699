// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes a CoAP message into a caller's buffer, in the order of the wire.

use super::{Code, PAYLOAD_MARKER, TOKEN_MAX, Type};

/// Why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmitError {
    /// The buffer is too small.
    NoRoom,
    /// An option's number is below the one before it.
    OptionOrder,
    /// A token above 8 bytes, or an option value above 65535 + 269 bytes.
    TooLong,
}

/// Writes header and token, then options in ascending order, then the payload.
#[derive(Debug)]
pub struct Builder<'b> {
    buffer: &'b mut [u8],
    length: usize,
    number: u16,
}

impl<'b> Builder<'b> {
    /// Starts a message in `buffer`.
    ///
    /// # Errors
    /// [`EmitError::NoRoom`], [`EmitError::TooLong`].
    pub fn message(
        buffer: &'b mut [u8],
        kind: Type,
        code: Code,
        message_id: u16,
        token: &[u8],
    ) -> Result<Self, EmitError> {
        let token_length = u8::try_from(token.len()).ok().filter(|&n| usize::from(n) <= TOKEN_MAX);
        let token_length = token_length.ok_or(EmitError::TooLong)?;
        let [id_high, id_low] = message_id.to_be_bytes();
        let mut builder = Self::options(buffer);
        builder.append(&[1 << 6 | (kind as u8) << 4 | token_length, code.0, id_high, id_low])?;
        builder.append(token)?;
        Ok(builder)
    }

    /// Starts a bare sequence of options, for [`super::Options::parse`].
    #[must_use]
    pub const fn options(buffer: &'b mut [u8]) -> Self {
        Self { buffer, length: 0, number: 0 }
    }

    /// Appends an option; repeated numbers are allowed, descending ones are not.
    ///
    /// # Errors
    /// [`EmitError`]; the message is then not to be used.
    pub fn option(&mut self, number: u16, value: &[u8]) -> Result<&mut Self, EmitError> {
        let delta = number.checked_sub(self.number).ok_or(EmitError::OptionOrder)?;
        let length = u32::try_from(value.len()).map_err(|_| EmitError::TooLong)?;
        let (delta_nibble, delta_bytes, delta_used) = extension(u32::from(delta))?;
        let (length_nibble, length_bytes, length_used) = extension(length)?;
        self.append(&[delta_nibble << 4 | length_nibble])?;
        self.append(delta_bytes.get(2 - delta_used..).unwrap_or_default())?;
        self.append(length_bytes.get(2 - length_used..).unwrap_or_default())?;
        self.append(value)?;
        self.number = number;
        Ok(self)
    }

    /// Appends an option whose value is an unsigned integer without leading zeros (RFC 7252 section 3.2).
    ///
    /// # Errors
    /// As [`Builder::option`].
    pub fn uint(&mut self, number: u16, value: u32) -> Result<&mut Self, EmitError> {
        let bytes = value.to_be_bytes();
        let skip = bytes.iter().take_while(|&&byte| byte == 0).count();
        self.option(number, bytes.get(skip..).unwrap_or_default())
    }

    /// Appends the payload, with its marker unless it is empty, and returns the message's length.
    ///
    /// # Errors
    /// [`EmitError::NoRoom`].
    pub fn payload(mut self, payload: &[u8]) -> Result<usize, EmitError> {
        if !payload.is_empty() {
            self.append(&[PAYLOAD_MARKER])?;
            self.append(payload)?;
        }
        Ok(self.length)
    }

    /// Ends a message without payload and returns its length.
    #[must_use]
    pub const fn finish(self) -> usize {
        self.length
    }

    /// Where the next byte goes.
    pub(crate) const fn position(&self) -> usize {
        self.length
    }

    /// Appends bytes that are no option, and lets option numbers start anew after them.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), EmitError> {
        self.number = 0;
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), EmitError> {
        let end = self.length.checked_add(bytes.len()).ok_or(EmitError::NoRoom)?;
        self.buffer.get_mut(self.length..end).ok_or(EmitError::NoRoom)?.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }
}

/// The nibble of a delta or length, its extension bytes right-aligned in two, and how many of them count.
fn extension(value: u32) -> Result<(u8, [u8; 2], usize), EmitError> {
    match (u8::try_from(value), u16::try_from(value.wrapping_sub(269))) {
        (Ok(small @ 0..=12), _) => Ok((small, [0; 2], 0)),
        (_, Ok(wide)) => Ok((14, wide.to_be_bytes(), 2)),
        _ => match u8::try_from(value.wrapping_sub(13)) {
            Ok(byte) => Ok((13, [0, byte], 1)),
            Err(_) => Err(EmitError::TooLong),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, Options, option};

    #[test]
    fn lengths_and_deltas_take_the_shortest_extension() {
        for (value, nibble, used) in
            [(0, 0, 0), (12, 12, 0), (13, 13, 1), (268, 13, 1), (269, 14, 2), (65535 + 269, 14, 2)]
        {
            let (got, _, bytes) = extension(value).unwrap();
            assert_eq!((got, bytes), (nibble, used), "{value}");
        }
        assert_eq!(extension(65535 + 270), Err(EmitError::TooLong));
    }

    #[test]
    fn options_must_ascend() {
        let mut buffer = [0; 16];
        let mut builder = Builder::options(&mut buffer);
        builder.option(11, b"a").unwrap().option(11, b"b").unwrap();
        assert_eq!(builder.option(3, b"").err(), Some(EmitError::OptionOrder));
    }

    #[test]
    fn an_unsigned_integer_has_no_leading_zeros() {
        let mut buffer = [0; 16];
        let mut builder = Builder::options(&mut buffer);
        builder.uint(option::CONTENT_FORMAT, 0).unwrap().uint(option::MAX_AGE, 60).unwrap().uint(60, 0x1_0000).unwrap();
        let length = builder.finish();
        let options = Options::parse(&buffer[..length]).unwrap();
        assert_eq!(options.get(option::CONTENT_FORMAT), Some(&[][..]));
        assert_eq!(options.get(option::MAX_AGE), Some(&[60][..]));
        assert_eq!(options.get(60), Some(&[1, 0, 0][..]));
    }

    #[test]
    fn every_buffer_that_is_too_small_is_refused() {
        let build = |buffer: &mut [u8]| -> Result<usize, EmitError> {
            let mut builder = Builder::message(buffer, Type::Confirmable, Code::POST, 1, &[1, 2])?;
            builder.option(option::URI_PATH, b"a")?.option(option::ECHO, &[7; 40])?;
            builder.payload(b"payload")
        };
        let mut buffer = [0; 128];
        let length = build(&mut buffer).unwrap();
        assert_eq!(length, 4 + 2 + 2 + 43 + 1 + 7);
        for short in 0..length {
            assert_eq!(build(&mut [0; 128][..short]), Err(EmitError::NoRoom), "{short}");
        }
        let message = Message::parse(&buffer[..length]).unwrap();
        assert_eq!(message.head.options.echo(), Some(&[7; 40][..]));
        assert_eq!(message.head.options.unknown_critical(&[]), Some(option::URI_PATH));
        assert_eq!(message.head.options.unknown_critical(&[option::URI_PATH]), None);
    }
}
