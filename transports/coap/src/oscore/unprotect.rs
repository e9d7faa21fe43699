// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Verifying a request or a response (RFC 8613 sections 8.2 and 8.4). Nothing of a message is to be believed before.

use core::ops::Range;

use super::{
    Binding, Context, Identifiers, MalformedOption, PartialIv, ReplayWindow, Replayed, TAG_BYTES,
    cipher::{Sealing, Unsealed, nonce},
};
use crate::message::{Code, Message, Options, ParseError, option};

/// Why a message was not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnprotectError {
    /// No CoAP message.
    Message(ParseError),
    /// No OSCORE option: the message is not protected.
    NotProtected,
    /// The OSCORE option is malformed, there are two of them, or it lacks what this message must have.
    Option,
    /// Kid or kid context are not this context's.
    Context,
    /// A request with this number was seen, or it is too old.
    Replayed,
    /// The tag is wrong: another key, another request, or a changed message.
    Forged,
    /// The platform's AES-CCM failed (feature `psa-aead`): nothing is known of the message.
    Platform,
    /// Verified, but no CoAP inside.
    Plaintext,
}

impl UnprotectError {
    /// What a server answers, unprotected (RFC 8613 section 8.2); `None`: it answers nothing, or by the rules of plain CoAP.
    #[must_use]
    pub const fn response_code(self) -> Option<Code> {
        match self {
            Self::Message(_) | Self::NotProtected | Self::Platform => None,
            Self::Option => Some(Code::BAD_OPTION),
            Self::Context | Self::Replayed => Some(Code::UNAUTHORIZED),
            Self::Forged | Self::Plaintext => Some(Code::BAD_REQUEST),
        }
    }
}

impl From<ParseError> for UnprotectError {
    fn from(error: ParseError) -> Self {
        Self::Message(error)
    }
}

impl From<MalformedOption> for UnprotectError {
    fn from(_: MalformedOption) -> Self {
        Self::Option
    }
}

impl From<Replayed> for UnprotectError {
    fn from(_: Replayed) -> Self {
        Self::Replayed
    }
}

impl From<Unsealed> for UnprotectError {
    fn from(error: Unsealed) -> Self {
        match error {
            Unsealed::Forged | Unsealed::Length => Self::Forged,
            #[cfg(feature = "psa-aead")]
            Unsealed::Platform => Self::Platform,
        }
    }
}

/// A verified message: what was inside. Type, Message ID and token are the outer message's and not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner<'d> {
    /// The method or response code that counts.
    pub code: Code,
    /// Only these options count, besides Uri-Host, Uri-Port and Proxy-Scheme outside.
    pub options: Options<'d>,
    /// The payload.
    pub payload: &'d [u8],
}

impl<'d> Inner<'d> {
    fn parse(text: &'d [u8]) -> Result<Self, UnprotectError> {
        let (&code, rest) = text.split_first().ok_or(UnprotectError::Plaintext)?;
        let (options, payload) = Options::parse_with_payload(rest).map_err(|_| UnprotectError::Plaintext)?;
        Ok(Self { code: Code(code), options, payload })
    }
}

impl<'a> Identifiers<'a> {
    /// The OSCORE option of `message`.
    ///
    /// # Errors
    /// [`UnprotectError::NotProtected`], [`UnprotectError::Option`].
    pub fn of(message: &Message<'a>) -> Result<Self, UnprotectError> {
        let mut options = message.head.options.all(option::OSCORE);
        let value = options.next().ok_or(UnprotectError::NotProtected)?;
        // Not repeatable, and critical (RFC 7252 section 5.4.5).
        if options.next().is_some() || message.payload.len() <= TAG_BYTES {
            return Err(UnprotectError::Option);
        }
        Ok(Self::parse(value)?)
    }
}

impl Context {
    /// Verifies the request in `datagram`, decrypting in place, and takes its number into `window`, which the caller persists
    /// before it acts. When this fails the window is unchanged, and the datagram is not to be used any more.
    ///
    /// # Errors
    /// [`UnprotectError`], whose [`UnprotectError::response_code`] says what to answer.
    pub fn unprotect_request<'d>(
        &self,
        window: &mut ReplayWindow,
        datagram: &'d mut [u8],
    ) -> Result<(Inner<'d>, Binding), UnprotectError> {
        let outer = self.outer(datagram)?;
        let partial_iv = outer.partial_iv.ok_or(UnprotectError::Option)?;
        if !outer.has_kid {
            return Err(UnprotectError::Option);
        }
        let number = partial_iv.number();
        window.check(number)?;
        let nonce = nonce(&self.common_iv, self.recipient_id(), &partial_iv);
        let sealing = Sealing {
            key: &self.recipient_key,
            nonce: &nonce,
            request_kid: self.recipient_id(),
            request_iv: &partial_iv,
        };
        let inner = Inner::parse(open(&sealing, datagram, outer.text)?)?;
        if !inner.code.is_request() {
            return Err(UnprotectError::Plaintext);
        }
        window.accept(number)?;
        Ok((inner, Binding { kid: self.recipient_id, partial_iv, nonce }))
    }

    /// Verifies that `datagram` is the other end's response to the request that `binding` stands for, decrypting in place. The
    /// caller has matched token and source address. When this fails the datagram is not to be used any more.
    ///
    /// # Errors
    /// [`UnprotectError`].
    pub fn unprotect_response<'d>(
        &self,
        binding: &Binding,
        datagram: &'d mut [u8],
    ) -> Result<Inner<'d>, UnprotectError> {
        let outer = self.outer(datagram)?;
        let own_nonce = outer.partial_iv.as_ref().map(|number| nonce(&self.common_iv, self.recipient_id(), number));
        let sealing = Sealing {
            key: &self.recipient_key,
            nonce: own_nonce.as_ref().unwrap_or(&binding.nonce),
            request_kid: binding.kid.as_slice(),
            request_iv: &binding.partial_iv,
        };
        let inner = Inner::parse(open(&sealing, datagram, outer.text)?)?;
        if inner.code.is_response() { Ok(inner) } else { Err(UnprotectError::Plaintext) }
    }

    /// Decrypts a request of this end's own, in place, and returns where its payload lies: so that the client need not keep
    /// the plaintext to send it again with an Echo option.
    ///
    /// # Errors
    /// [`UnprotectError`] when `datagram` is not what `binding` was made for.
    pub fn reopen_request(&self, binding: &Binding, datagram: &mut [u8]) -> Result<Range<usize>, UnprotectError> {
        let message = Message::parse(datagram)?;
        let text = datagram.len() - message.payload.len()..datagram.len();
        let end = text.end.saturating_sub(TAG_BYTES);
        let sealing = Sealing {
            key: &self.sender_key,
            nonce: &binding.nonce,
            request_kid: binding.kid.as_slice(),
            request_iv: &binding.partial_iv,
        };
        let inner = Inner::parse(open(&sealing, datagram, text)?)?;
        Ok(end - inner.payload.len()..end)
    }

    /// Reads what is outside, and checks that it names this context.
    fn outer(&self, datagram: &[u8]) -> Result<Outer, UnprotectError> {
        let message = Message::parse(datagram)?;
        let identifiers = Identifiers::of(&message)?;
        let kid_differs = identifiers.kid.is_some_and(|kid| kid != self.recipient_id());
        let context_differs = identifiers.kid_context.is_some_and(|context| Some(context) != self.id_context());
        if kid_differs || context_differs {
            return Err(UnprotectError::Context);
        }
        Ok(Outer {
            partial_iv: identifiers.partial_iv,
            has_kid: identifiers.kid.is_some(),
            text: datagram.len() - message.payload.len()..datagram.len(),
        })
    }
}

struct Outer {
    partial_iv: Option<PartialIv>,
    has_kid: bool,
    /// Ciphertext and tag within the datagram.
    text: Range<usize>,
}

fn open<'d>(sealing: &Sealing<'_>, datagram: &'d mut [u8], text: Range<usize>) -> Result<&'d [u8], UnprotectError> {
    let sealed = datagram.get_mut(text).ok_or(UnprotectError::Option)?;
    let length = sealed.len().checked_sub(TAG_BYTES).ok_or(UnprotectError::Option)?;
    sealing.decrypt(sealed)?;
    sealed.get(..length).ok_or(UnprotectError::Option)
}
