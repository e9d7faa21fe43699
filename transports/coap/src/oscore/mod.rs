// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OSCORE (RFC 8613) as pure functions over the caller's buffers, for both roles. Used by the client, and by the relay as
//! server. It never sends, stores or counts anything: sender sequence numbers come from the caller, who must have reserved
//! them durably, and the replay window is the caller's to persist.
//!
//! AEAD AES-CCM-16-64-128 and HKDF-SHA-256 only: the mandatory ones. No Observe, no block-wise transfer of protected messages.
//!
//! - `mod.rs`: [`Context`], and how a message is protected and verified;
//! - `option.rs`: the value of the OSCORE option, which names key and number: [`Identifiers`];
//! - `cipher.rs`: nonce, additional data, key derivation; `ccm.rs`: the AEAD, or `platform_ccm.rs`: the platform's;
//! - `window.rs`: [`ReplayWindow`];
//! - [`selftest`]: known answers, for a device's self-test.
//!
//! What is protected (class E): the inner code, all options but Uri-Host, Uri-Port and Proxy-Scheme, and the payload. What is not:
//! type, Message ID, token, and the outer code, which is replaced (2.04 or POST).

#[cfg_attr(feature = "psa-aead", path = "platform_ccm.rs")]
mod ccm;
mod cipher;
mod option;
mod protect;
pub mod selftest;
mod unprotect;
mod window;

pub use cipher::TAG_BYTES;
pub use option::{Identifiers, MalformedOption, PartialIv};
pub use protect::ProtectError;
pub use unprotect::{Inner, UnprotectError};
pub use window::{ReplayWindow, Replayed};

use zeroize::ZeroizeOnDrop;

use crate::oscore::cipher::{IV_BYTES, KEY_BYTES, Purpose, derive};

/// Longest sender or recipient id: the nonce has room for 7 bytes (RFC 8613 section 3.3).
pub const ID_MAX: usize = 7;
/// Longest ID Context this crate keeps. RFC 8613 sets no limit; a stream's number has 8 bytes.
pub const ID_CONTEXT_MAX: usize = 8;
/// Sender sequence numbers are below this: a Partial IV has 5 bytes.
pub const NUMBER_END: u64 = 1 << 40;

/// A few bytes with a length: an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short<const MAX: usize> {
    bytes: [u8; MAX],
    length: u8,
}

impl<const MAX: usize> Short<MAX> {
    pub(crate) fn new(value: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { bytes, length: u8::try_from(value.len()).ok()? })
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// What both ends of a security context share (RFC 8613 section 3.2).
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// Master Secret.
    pub master_secret: &'a [u8],
    /// Master Salt; empty when there is none.
    pub master_salt: &'a [u8],
    /// ID Context.
    pub id_context: Option<&'a [u8]>,
}

/// Why there is no context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeriveError {
    /// An id above [`ID_MAX`], an ID Context above [`ID_CONTEXT_MAX`], or sender and recipient with the same id.
    Identifiers,
    /// The platform's SHA-256 failed (feature `psa-hash` of `cairn-rtos`).
    Hash,
}

/// The keys and names of one end of a security context. Keys are wiped when it is dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Context {
    sender_key: [u8; KEY_BYTES],
    recipient_key: [u8; KEY_BYTES],
    common_iv: [u8; IV_BYTES],
    #[zeroize(skip)]
    sender_id: Short<ID_MAX>,
    #[zeroize(skip)]
    recipient_id: Short<ID_MAX>,
    #[zeroize(skip)]
    id_context: Option<Short<ID_CONTEXT_MAX>>,
}

impl Context {
    /// Derives the context of the end whose sender id is `sender_id` (RFC 8613 section 3.2.1).
    ///
    /// # Errors
    /// [`DeriveError`].
    pub fn derive(secrets: &Secrets<'_>, sender_id: &[u8], recipient_id: &[u8]) -> Result<Self, DeriveError> {
        if sender_id == recipient_id {
            return Err(DeriveError::Identifiers);
        }
        let id_context = match secrets.id_context {
            Some(id) => Some(Short::new(id).ok_or(DeriveError::Identifiers)?),
            None => None,
        };
        let sender = Short::new(sender_id).ok_or(DeriveError::Identifiers)?;
        let recipient = Short::new(recipient_id).ok_or(DeriveError::Identifiers)?;
        let mut context = Self {
            sender_key: [0; KEY_BYTES],
            recipient_key: [0; KEY_BYTES],
            common_iv: [0; IV_BYTES],
            sender_id: sender,
            recipient_id: recipient,
            id_context,
        };
        derive(secrets, sender_id, Purpose::Key, &mut context.sender_key)?;
        derive(secrets, recipient_id, Purpose::Key, &mut context.recipient_key)?;
        derive(secrets, &[], Purpose::Iv, &mut context.common_iv)?;
        Ok(context)
    }

    /// The id this end sends: `kid` in its requests.
    #[must_use]
    pub fn sender_id(&self) -> &[u8] {
        self.sender_id.as_slice()
    }

    /// The id of the other end.
    #[must_use]
    pub fn recipient_id(&self) -> &[u8] {
        self.recipient_id.as_slice()
    }

    /// The ID Context, sent as kid context.
    #[must_use]
    pub fn id_context(&self) -> Option<&[u8]> {
        self.id_context.as_ref().map(Short::as_slice)
    }
}

impl core::fmt::Debug for Context {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context")
            .field("sender_id", &self.sender_id())
            .field("recipient_id", &self.recipient_id())
            .field("id_context", &self.id_context())
            .finish_non_exhaustive()
    }
}

/// Ties a response to its request: the request's `kid`, Partial IV and nonce (RFC 8613 sections 5.2 and 5.4).
///
/// It is neither `Clone` nor `Copy`, and protecting a response consumes it: a second response under the request's nonce would give
/// away the plaintext of both. A server that must answer the same request again repeats the bytes of its first answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Binding {
    kid: Short<ID_MAX>,
    partial_iv: PartialIv,
    nonce: [u8; IV_BYTES],
}

impl Binding {
    /// The request's sender sequence number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.partial_iv.number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs and outputs of one end in RFC 8613 appendix C.1 to C.3, hexadecimal.
    struct Derivation {
        salt: &'static str,
        id_context: Option<&'static str>,
        sender_id: &'static [u8],
        recipient_id: &'static [u8],
        sender_key: &'static str,
        recipient_key: &'static str,
        common_iv: &'static str,
        sender_nonce: &'static str,
        recipient_nonce: &'static str,
    }

    const C_1_1: Derivation = Derivation {
        salt: "9e7ca92223786340",
        id_context: None,
        sender_id: &[],
        recipient_id: &[1],
        sender_key: "f0910ed7295e6ad4b54fc793154302ff",
        recipient_key: "ffb14e093c94c9cac9471648b4f98710",
        common_iv: "4622d4dd6d944168eefb54987c",
        sender_nonce: "4622d4dd6d944168eefb54987c",
        recipient_nonce: "4722d4dd6d944169eefb54987c",
    };
    const C_2_1: Derivation = Derivation {
        salt: "",
        id_context: None,
        sender_id: &[0],
        recipient_id: &[1],
        sender_key: "321b26943253c7ffb6003b0b64d74041",
        recipient_key: "e57b5635815177cd679ab4bcec9d7dda",
        common_iv: "be35ae297d2dace910c52e99f9",
        sender_nonce: "bf35ae297d2dace910c52e99f9",
        recipient_nonce: "bf35ae297d2dace810c52e99f9",
    };
    const C_3_1: Derivation = Derivation {
        salt: "9e7ca92223786340",
        id_context: Some("37cbf3210017a2d3"),
        sender_id: &[],
        recipient_id: &[1],
        sender_key: "af2a1300a5e95788b356336eeecd2b92",
        recipient_key: "e39a0c7c77b43f03b4b39ab9a268699f",
        common_iv: "2ca58fb85ff1b81c0b7181b85e",
        sender_nonce: "2ca58fb85ff1b81c0b7181b85e",
        recipient_nonce: "2da58fb85ff1b81d0b7181b85e",
    };

    fn check(vector: &Derivation, server: bool) {
        let secret = hex::decode("0102030405060708090a0b0c0d0e0f10").unwrap();
        let salt = hex::decode(vector.salt).unwrap();
        let id_context = vector.id_context.map(|id| hex::decode(id).unwrap());
        let secrets = Secrets { master_secret: &secret, master_salt: &salt, id_context: id_context.as_deref() };
        let mut context = if server {
            Context::derive(&secrets, vector.recipient_id, vector.sender_id).unwrap()
        } else {
            Context::derive(&secrets, vector.sender_id, vector.recipient_id).unwrap()
        };
        if server {
            core::mem::swap(&mut context.sender_key, &mut context.recipient_key);
            core::mem::swap(&mut context.sender_id, &mut context.recipient_id);
        }
        assert_eq!(hex::encode(context.sender_key), vector.sender_key);
        assert_eq!(hex::encode(context.recipient_key), vector.recipient_key);
        assert_eq!(hex::encode(context.common_iv), vector.common_iv);
        let zero = PartialIv::new(0).unwrap();
        let nonce = |id| hex::encode(cipher::nonce(&context.common_iv, id, &zero));
        assert_eq!(nonce(context.sender_id()), vector.sender_nonce);
        assert_eq!(nonce(context.recipient_id()), vector.recipient_nonce);
    }

    #[test]
    fn c_1_derivation_with_master_salt() {
        check(&C_1_1, false);
        check(&C_1_1, true);
    }

    #[test]
    fn c_2_derivation_without_master_salt() {
        check(&C_2_1, false);
        check(&C_2_1, true);
    }

    #[test]
    fn c_3_derivation_with_id_context() {
        check(&C_3_1, false);
        check(&C_3_1, true);
    }

    #[test]
    fn ids_that_do_not_fit_the_nonce_or_are_equal_are_refused() {
        let derive = |id_context, sender: &[u8], recipient: &[u8]| {
            let secrets = Secrets { master_secret: &[1; 16], master_salt: &[], id_context };
            Context::derive(&secrets, sender, recipient).map(|_| ())
        };
        assert_eq!(derive(None, &[0; 7], &[]), Ok(()));
        assert_eq!(derive(None, &[0; 8], &[]), Err(DeriveError::Identifiers));
        assert_eq!(derive(None, &[], &[0; 8]), Err(DeriveError::Identifiers));
        assert_eq!(derive(None, &[5], &[5]), Err(DeriveError::Identifiers));
        assert_eq!(derive(Some(&[0; 9]), &[5], &[]), Err(DeriveError::Identifiers));
    }

    #[test]
    fn keys_are_not_shown() {
        let secrets = Secrets { master_secret: &[1; 16], master_salt: &[], id_context: Some(&[9; 8]) };
        let context = Context::derive(&secrets, &[5], &[]).unwrap();
        let shown = std::format!("{context:?}");
        assert!(shown.contains("[5]") && shown.contains("..") && !shown.contains("key"), "{shown}");
    }
}
