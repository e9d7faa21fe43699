// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The relay's CoAP and OSCORE endpoint: one datagram in, at most one out. It opens the message, guards against replays and old ID
//! Contexts (Echo, RFC 9175), hands the uplink to [`super::intake`] and protects the answer. Called by [`super::server`] and by tests;
//! reads no clock and no socket. What it must not forget is in the store before it answers.

use std::{net::SocketAddr, sync::Mutex};

use cairn::uplink::{DOWNLINK_MAX, Downlink};
use cairn_coap::{
    message::{Builder, Code, Head, Message, Options, Type, option},
    oscore::{Binding, Context, Identifiers, Inner, ReplayWindow, Secrets, UnprotectError},
};

use super::{
    UnixMs,
    anchoring::locked,
    intake::{self, IntakeError, Offer, Rejection, Rules},
    recent::Recent,
    store::{
        Store, StoreError,
        contexts::{ContextState, ECHO_BYTES, StoredContext},
        devices::{Device, KID_BYTES},
    },
};

/// Path of the only resource.
const PATH: &[u8] = b"a";

/// Bytes of an ID Context: a stream's number.
const ID_CONTEXT_BYTES: usize = 8;

/// A challenge is good for so many milliseconds: longer than any exchange lasts (RFC 7252: 247 s).
pub const ECHO_LIFE_MS: u64 = 600_000;

/// Room for any answer.
const ANSWER_MAX: usize = 64 + DOWNLINK_MAX;

/// Fills bytes that nobody can guess.
pub type Entropy = Box<dyn FnMut(&mut [u8]) + Send>;

/// The endpoint of one relay.
pub struct Endpoint {
    rules: Rules,
    entropy: Entropy,
    recent: Recent,
    message_id: u16,
}

/// What of a request's header its answer repeats.
struct Asked {
    kind: Type,
    message_id: u16,
    token: Vec<u8>,
}

/// An answer before it is protected: code, Echo value, payload.
struct Plain {
    code: Code,
    echo: Option<[u8; ECHO_BYTES]>,
    payload: Vec<u8>,
}

impl Plain {
    const fn code(code: Code) -> Self {
        Self { code, echo: None, payload: Vec::new() }
    }
}

/// Why a request gets no protected answer.
enum Refused {
    /// An unprotected answer, which the device cannot verify.
    Unprotected(Code),
    /// None at all: the device asks again.
    Silence(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Silence(error)
    }
}

impl Endpoint {
    /// An endpoint that has answered nothing yet.
    #[must_use]
    pub fn new(rules: Rules, mut entropy: Entropy) -> Self {
        let mut message_id = [0; 2];
        entropy(&mut message_id);
        Self { rules, entropy, recent: Recent::default(), message_id: u16::from_be_bytes(message_id) }
    }

    /// Takes one datagram, which is used up; gives the answer's bytes, if there is one.
    pub fn receive(
        &mut self,
        store: &Mutex<Store>,
        from: SocketAddr,
        datagram: &mut [u8],
        offer: &Offer,
        now: UnixMs,
    ) -> Option<Vec<u8>> {
        let message = Message::parse(datagram).ok()?;
        let head = message.head;
        let asked = Asked { kind: head.kind, message_id: head.message_id, token: head.token.to_vec() };
        if head.code == Code::EMPTY && head.kind == Type::Confirmable {
            // A ping (RFC 7252 section 4.3).
            return write(Type::Reset, Code::EMPTY, head.message_id, &[]);
        }
        if !head.code.is_request() || !matches!(head.kind, Type::Confirmable | Type::NonConfirmable) {
            return None;
        }
        let key = (from, head.message_id);
        if let Some(answer) = self.recent.answer(key, datagram) {
            tracing::debug!(%from, message_id = head.message_id, "repeated");
            return Some(answer.to_vec());
        }
        let request = datagram.to_vec();
        let (answer, verified) = self.answer(store, from, &asked, datagram, offer, now);
        if let Some(answer) = answer.as_ref().filter(|_| verified) {
            self.recent.remember(key, &request, answer, now);
        }
        answer
    }

    /// The answer, and whether the request was verified.
    fn answer(
        &mut self,
        store: &Mutex<Store>,
        from: SocketAddr,
        asked: &Asked,
        datagram: &mut [u8],
        offer: &Offer,
        now: UnixMs,
    ) -> (Option<Vec<u8>>, bool) {
        let (kind, message_id) = match asked.kind {
            Type::Confirmable => (Type::Acknowledgement, asked.message_id),
            _ => {
                self.message_id = self.message_id.wrapping_add(1);
                (Type::NonConfirmable, self.message_id)
            }
        };
        let head = Head { kind, code: Code::EMPTY, message_id, token: &asked.token, options: Options::NONE };
        match self.open(&mut locked(store), &head, datagram, offer, now) {
            Ok(answer) => (answer, true),
            Err(Refused::Unprotected(code)) => {
                tracing::debug!(%from, code = %shown(code), "refused unprotected");
                (write(kind, code, message_id, &asked.token), false)
            }
            Err(Refused::Silence(error)) => {
                tracing::error!(%error, "a request stays unanswered");
                (None, false)
            }
        }
    }

    /// Opens a request and answers it, protected; `head` is the answer's, without its code.
    fn open(
        &mut self,
        store: &mut Store,
        head: &Head<'_>,
        datagram: &mut [u8],
        offer: &Offer,
        now: UnixMs,
    ) -> Result<Option<Vec<u8>>, Refused> {
        let (device, mut stored) = self.context_of(store, datagram, now)?;
        let secrets =
            Secrets { master_secret: &*device.master_secret, master_salt: &[], id_context: Some(&stored.id_context) };
        let context =
            Context::derive(&secrets, &[], &device.kid).map_err(|_| Refused::Unprotected(Code::UNAUTHORIZED))?;
        let (inner, binding) = context.unprotect_request(&mut stored.window, datagram).map_err(refused)?;
        let (plain, own_number) = match stored.state {
            ContextState::Challenged { echo } if !is_fresh(&stored, &echo, &inner, now) => {
                let own_number = stored.own_number.max(own_number_at(now));
                (self.challenge(store, &device, stored, own_number, now)?, Some(own_number))
            }
            ContextState::Challenged { .. } => {
                // Nothing below this number is taken any more (RFC 8613 appendix B.1.2): the window may be of a restored copy.
                let window = ReplayWindow::from_parts(stored.window.parts().0, u32::MAX);
                store.activate(device.kid, &stored.id_context, window, now)?;
                tracing::info!(kid = %hex::encode(device.kid), "new ID Context; older ones are retired");
                (self.serve(store, &device, &inner, offer, now), None)
            }
            ContextState::Active => {
                store.put_window(device.kid, &stored.id_context, stored.window)?;
                (self.serve(store, &device, &inner, offer, now), None)
            }
            ContextState::Retired => return Err(Refused::Unprotected(Code::UNAUTHORIZED)),
        };
        Ok(protect(&context, binding, own_number, head, &plain))
    }

    /// Whose request it is, and under which ID Context: the one it names, or else the active one.
    fn context_of(&mut self, store: &Store, datagram: &[u8], now: UnixMs) -> Result<(Device, StoredContext), Refused> {
        let unauthorized = || Refused::Unprotected(Code::UNAUTHORIZED);
        let message = Message::parse(datagram).map_err(|_| Refused::Unprotected(Code::BAD_REQUEST))?;
        let identifiers = Identifiers::of(&message).map_err(refused)?;
        let kid: [u8; KID_BYTES] = identifiers.kid.and_then(|kid| kid.try_into().ok()).ok_or_else(unauthorized)?;
        let device = store.device_by_kid(&kid)?.ok_or_else(unauthorized)?;
        let stored = match identifiers.kid_context {
            None => store.active_context(kid)?,
            Some(name) => match store.context(kid, name)? {
                None if name.len() == ID_CONTEXT_BYTES => Some(self.unknown_context(name, now)),
                known => known,
            },
        };
        let stored = stored.filter(|stored| stored.state != ContextState::Retired).ok_or_else(unauthorized)?;
        Ok((device, stored))
    }

    fn unknown_context(&mut self, name: &[u8], now: UnixMs) -> StoredContext {
        StoredContext {
            id_context: name.to_vec(),
            state: ContextState::Challenged { echo: self.echo() },
            window: ReplayWindow::EMPTY,
            own_number: 0,
            since_ms: now,
        }
    }

    fn echo(&mut self) -> [u8; ECHO_BYTES] {
        let mut echo = [0; ECHO_BYTES];
        (self.entropy)(&mut echo);
        echo
    }

    /// Asks the device to repeat an Echo value. The answer goes out under a number of the relay's own, used up here: nobody knows
    /// whether this very request was answered before.
    fn challenge(
        &mut self,
        store: &mut Store,
        device: &Device,
        mut stored: StoredContext,
        own_number: u64,
        now: UnixMs,
    ) -> Result<Plain, StoreError> {
        let echo = match stored.state {
            ContextState::Challenged { echo } if !is_stale(&stored, now) => echo,
            _ => {
                stored.since_ms = now;
                self.echo()
            }
        };
        stored.own_number = own_number + 1;
        store.put_challenged(device.kid, echo, &stored)?;
        Ok(Plain { echo: Some(echo), ..Plain::code(Code::UNAUTHORIZED) })
    }

    /// Answers a request whose sender and freshness are certain.
    fn serve(&self, store: &mut Store, device: &Device, inner: &Inner<'_>, offer: &Offer, now: UnixMs) -> Plain {
        if let Some(code) = refusal_of_request(inner) {
            return Plain::code(code);
        }
        match intake::take(store, &self.rules, device, inner.payload, offer, now) {
            Ok(downlink) => Plain { payload: encoded(&downlink), ..Plain::code(Code::CHANGED) },
            Err(IntakeError::Rejected(rejection)) => {
                tracing::warn!(kid = %hex::encode(device.kid), %rejection, "uplink refused");
                if rejection == Rejection::Unregistered {
                    ask_again(store, device);
                }
                Plain::code(rejection.coap_code())
            }
            Err(IntakeError::Store(error)) => {
                tracing::error!(%error, "an uplink was not stored");
                Plain::code(Code::SERVICE_UNAVAILABLE)
            }
        }
    }
}

/// The registry is asked about this key in the next round: perhaps it was registered meanwhile.
fn ask_again(store: &mut Store, device: &Device) {
    if let Err(error) = store.note_key_status(device.key_id(), device.status, 0) {
        tracing::error!(%error, "cannot note that a key is to be checked");
    }
}

fn encoded(downlink: &Downlink) -> Vec<u8> {
    let mut bytes = vec![0; DOWNLINK_MAX];
    // The longest downlink fits.
    let length = downlink.encode(&mut bytes).unwrap_or_default();
    bytes.truncate(length);
    bytes
}

/// What is wrong with a request before its payload is looked at.
fn refusal_of_request(inner: &Inner<'_>) -> Option<Code> {
    if inner.options.unknown_critical(&[option::URI_PATH]).is_some() {
        return Some(Code::BAD_OPTION);
    }
    if !inner.options.all(option::URI_PATH).eq([PATH]) {
        return Some(Code::NOT_FOUND);
    }
    (inner.code != Code::POST).then_some(Code::METHOD_NOT_ALLOWED)
}

/// The lowest number of the relay's own that may be used now: 64 for each second since 1970, so that a database restored from a
/// copy, which does not know what was used since, uses none twice. A Partial IV has room for it until the year 2514.
const fn own_number_at(now: UnixMs) -> u64 {
    now / 1000 * 64
}

fn is_stale(stored: &StoredContext, now: UnixMs) -> bool {
    now >= stored.since_ms.saturating_add(ECHO_LIFE_MS)
}

fn is_fresh(stored: &StoredContext, echo: &[u8; ECHO_BYTES], inner: &Inner<'_>, now: UnixMs) -> bool {
    inner.options.echo() == Some(echo) && !is_stale(stored, now)
}

fn refused(error: UnprotectError) -> Refused {
    Refused::Unprotected(error.response_code().unwrap_or(Code::UNAUTHORIZED))
}

fn shown(code: Code) -> String {
    format!("{}.{:02}", code.class(), code.detail())
}

fn write(kind: Type, code: Code, message_id: u16, token: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; 16];
    let length = Builder::message(&mut out, kind, code, message_id, token).ok()?.finish();
    out.truncate(length);
    Some(out)
}

fn protect(
    context: &Context,
    binding: Binding,
    own_number: Option<u64>,
    head: &Head<'_>,
    plain: &Plain,
) -> Option<Vec<u8>> {
    let mut options = [0; 4 + ECHO_BYTES];
    let mut builder = Builder::options(&mut options);
    if let Some(echo) = &plain.echo {
        builder.option(option::ECHO, echo).ok()?;
    }
    let length = builder.finish();
    let options = Options::parse(options.get(..length)?).ok()?;
    let head = Head { code: plain.code, options, ..*head };
    let mut out = vec![0; ANSWER_MAX];
    let length = context.protect_response(binding, own_number, &head, &plain.payload, &mut out).ok()?;
    out.truncate(length);
    Some(out)
}
