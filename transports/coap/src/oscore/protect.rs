// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Protecting a request or a response (RFC 8613 sections 8.1 and 8.3).

use core::ops::Range;

use super::{
    Binding, Context, Identifiers, PartialIv, TAG_BYTES,
    cipher::{Sealing, Unsealed, nonce},
    option::VALUE_MAX,
};
use crate::message::{Builder, Code, EmitError, Head, Options, PAYLOAD_MARKER, option};

/// Why a message could not be protected. Its number is used up all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtectError {
    /// The message could not be written.
    Emit(EmitError),
    /// The sender sequence number does not fit a Partial IV.
    Number,
    /// This option cannot be protected here: OSCORE itself, Observe, Proxy-Uri (which must be split first).
    Option(u16),
    /// Longer than CCM encrypts (65535 bytes).
    TooLong,
    /// The platform's AES-CCM failed (feature `psa-aead`). Nothing of the message is left in the buffer.
    Platform,
}

impl From<Unsealed> for ProtectError {
    fn from(error: Unsealed) -> Self {
        match error {
            Unsealed::Forged | Unsealed::Length => Self::TooLong,
            #[cfg(feature = "psa-aead")]
            Unsealed::Platform => Self::Platform,
        }
    }
}

impl From<EmitError> for ProtectError {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

impl Context {
    /// Protects a request under sender sequence number `number`, which must never be used again, and writes it to `out`. The
    /// code and options of `head` are those of the unprotected request. Returns the length, and what verifies the response.
    /// The kid context is sent when asked for and when this context has an ID Context.
    ///
    /// # Errors
    /// [`ProtectError`].
    pub fn protect_request(
        &self,
        number: u64,
        kid_context: bool,
        head: &Head<'_>,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, Binding), ProtectError> {
        out.get_mut(..payload.len()).ok_or(EmitError::NoRoom)?.copy_from_slice(payload);
        self.protect_request_in_place(number, kid_context, head, out, 0..payload.len())
    }

    /// As [`Context::protect_request`], of a payload that already lies in the buffer, at `payload`.
    ///
    /// # Errors
    /// [`ProtectError`].
    pub fn protect_request_in_place(
        &self,
        number: u64,
        kid_context: bool,
        head: &Head<'_>,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<(usize, Binding), ProtectError> {
        let partial_iv = PartialIv::new(number).ok_or(ProtectError::Number)?;
        let nonce = nonce(&self.common_iv, self.sender_id(), &partial_iv);
        let identifiers = Identifiers {
            partial_iv: Some(partial_iv),
            kid_context: self.id_context().filter(|_| kid_context),
            kid: Some(self.sender_id()),
        };
        let sealing =
            Sealing { key: &self.sender_key, nonce: &nonce, request_kid: self.sender_id(), request_iv: &partial_iv };
        let length = seal(&sealing, Code::POST, &identifiers, head, buffer, payload)?;
        Ok((length, Binding { kid: self.sender_id, partial_iv, nonce }))
    }

    /// Protects the response to the request that `binding` stands for and writes it to `out`. Returns the length.
    ///
    /// With `number` the response has a Partial IV of its own (RFC 8613 section 5.2). That is a must for a server that cannot
    /// be sure that it never answered this very request before, such as one that challenges with Echo because it has no
    /// replay window for a new ID Context: the same request, replayed after a restart, would otherwise make it encrypt two
    /// texts under one nonce. Numbers must not repeat within the context.
    ///
    /// # Errors
    /// [`ProtectError`].
    pub fn protect_response(
        &self,
        binding: Binding,
        number: Option<u64>,
        head: &Head<'_>,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, ProtectError> {
        out.get_mut(..payload.len()).ok_or(EmitError::NoRoom)?.copy_from_slice(payload);
        let partial_iv = match number {
            Some(number) => Some(PartialIv::new(number).ok_or(ProtectError::Number)?),
            None => None,
        };
        let own_nonce = partial_iv.as_ref().map(|number| nonce(&self.common_iv, self.sender_id(), number));
        let sealing = Sealing {
            key: &self.sender_key,
            nonce: own_nonce.as_ref().unwrap_or(&binding.nonce),
            request_kid: binding.kid.as_slice(),
            request_iv: &binding.partial_iv,
        };
        let identifiers = Identifiers { partial_iv, kid_context: None, kid: None };
        seal(&sealing, Code::CHANGED, &identifiers, head, out, 0..payload.len())
    }
}

/// Whether the option stays outside (class U, RFC 8613 section 4.1.2).
const fn is_outer(number: u16) -> bool {
    matches!(number, option::URI_HOST | option::URI_PORT | option::PROXY_SCHEME)
}

/// Builds the protected message around the payload at `payload` and returns its length.
fn seal(
    sealing: &Sealing<'_>,
    outer_code: Code,
    identifiers: &Identifiers<'_>,
    head: &Head<'_>,
    buffer: &mut [u8],
    payload: Range<usize>,
) -> Result<usize, ProtectError> {
    let no_room = ProtectError::Emit(EmitError::NoRoom);
    let length = payload.end.checked_sub(payload.start).ok_or(no_room)?;
    // The payload waits at the buffer's end while everything before it is written, then moves to its place.
    let parked = buffer.len().checked_sub(TAG_BYTES).and_then(|room| room.checked_sub(length)).ok_or(no_room)?;
    move_within(buffer, payload.start, length, parked).ok_or(no_room)?;
    let (front, _) = buffer.split_at_mut_checked(parked).ok_or(no_room)?;

    let mut builder = Builder::message(front, head.kind, outer_code, head.message_id, head.token)?;
    write_outer_options(&mut builder, &head.options, identifiers)?;
    builder.raw(&[PAYLOAD_MARKER])?;
    let start = builder.position();
    builder.raw(&[head.code.0])?;
    for inner in head.options.iter().filter(|option| !is_outer(option.number)) {
        builder.option(inner.number, inner.value)?;
    }
    if length > 0 {
        builder.raw(&[PAYLOAD_MARKER])?;
    }
    let text_end = builder.position() + length;
    let payload_at = builder.finish();
    move_within(buffer, parked, length, payload_at).ok_or(no_room)?;

    let end = text_end + TAG_BYTES;
    let sealed = sealing.encrypt(buffer.get_mut(start..end).ok_or(no_room)?);
    // What is left of the parked plaintext.
    buffer.get_mut(end.max(parked)..).unwrap_or_default().fill(0);
    sealed?;
    Ok(end)
}

/// `copy_within` that says so when it does not fit: no panic is left in the image. Not inlined, so that its checks are seen.
#[inline(never)]
fn move_within(buffer: &mut [u8], from: usize, length: usize, to: usize) -> Option<()> {
    let end = from.checked_add(length)?;
    if end > buffer.len() || to > buffer.len() - length {
        return None;
    }
    buffer.copy_within(from..end, to);
    Some(())
}

/// Class U options and the OSCORE option, in ascending order.
fn write_outer_options(
    builder: &mut Builder<'_>,
    options: &Options<'_>,
    identifiers: &Identifiers<'_>,
) -> Result<(), ProtectError> {
    let mut value = [0; VALUE_MAX];
    let length = identifiers.encode(&mut value).ok_or(EmitError::TooLong)?;
    let value = value.get(..length).unwrap_or_default();
    let refused = |number| matches!(number, option::OSCORE | option::OBSERVE | option::PROXY_URI);
    if let Some(refused) = options.iter().find(|option| refused(option.number)) {
        return Err(ProtectError::Option(refused.number));
    }
    for outer in options.iter().filter(|outer| is_outer(outer.number) && outer.number < option::OSCORE) {
        builder.option(outer.number, outer.value)?;
    }
    builder.option(option::OSCORE, value)?;
    for outer in options.iter().filter(|outer| is_outer(outer.number) && outer.number > option::OSCORE) {
        builder.option(outer.number, outer.value)?;
    }
    Ok(())
}
