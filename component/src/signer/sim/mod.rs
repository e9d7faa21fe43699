// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A signer on the SIM: the IoT SAFE applet of the GSMA with a P-256 key, or the secp256k1 applet of docs/sim-applet.md,
//! which has the same commands. Called by the agent through [`Signer`]; reaches the card through an [`ApduChannel`], which
//! `cairn-at-modem` has for modems. The key never leaves the card; what comes from the card is verified before it leaves
//! here.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`apdu`] | commands and status words as bytes |
//! | `iot_safe` | the applet's commands and answers; pure |
//! | [`applet`] | which applet, which key |

pub mod apdu;
pub mod applet;
mod iot_safe;

use heapless::Vec;

pub use self::{
    apdu::{Command, StatusWord},
    applet::Applet,
};
use self::{
    apdu::{INS_GET_RESPONSE, RESPONSE_MAX},
    iot_safe::Request,
};
use super::{Capabilities, Digest, PublicKey, Signature, Signer, SignerError};

/// Why a card's answer did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// Whoever holds the card does not answer, or there is no card.
    Gone,
    /// No answer in time.
    TimeOut,
    /// The card, or whoever holds it, restarted: the logical channel is gone.
    Interrupted,
    /// The one who holds the card does not pass the command on; the number is that of `+CME ERROR` (3GPP TS 27.007
    /// section 9.2), where it gave one.
    Refused(Option<u16>),
    /// What came is no answer: cut short, garbled, or too long.
    Garbled,
    /// The card refused the channel or the applet.
    Status(StatusWord),
}

/// A logical channel of a card, one at a time (ISO/IEC 7816-4 section 5.4.1).
pub trait ApduChannel {
    /// Opens a channel on which the application `aid` is selected. A channel that was open is given up.
    ///
    /// # Errors
    /// [`ChannelError`]; no channel is open then.
    fn open(&mut self, aid: &[u8]) -> Result<(), ChannelError>;

    /// Sends `command`, whose class names channel 0, on the open channel, and puts the response into `response`, status
    /// word included. Blocks until it is there; returns its length.
    ///
    /// # Errors
    /// [`ChannelError`]; the channel may be unusable then.
    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, ChannelError>;

    /// Closes the channel as well as it can. Does nothing when none is open.
    fn close(&mut self);

    /// As [`ApduChannel::close`], after something went wrong: an answer may still come, or may have been another
    /// command's, and must not be taken for the next one's.
    fn abandon(&mut self) {
        self.close();
    }
}

/// Why one attempt did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Channel(ChannelError),
    Status(StatusWord),
    /// The answer is not of the command's form, or its point is not on the curve.
    Answer,
    /// The signature is not one of the key over the digest.
    Signature,
}

/// Whole dialogues per call: one again after anything but silence, which would double the time a caller waits. Also after
/// a plain no: that may have been the answer to another command.
const ATTEMPTS: u8 = 2;

impl Trouble {
    const fn is_silence(self) -> bool {
        matches!(self, Self::Channel(ChannelError::Gone | ChannelError::TimeOut))
    }
}

impl From<Trouble> for SignerError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Status(word) | Trouble::Channel(ChannelError::Status(word)) => word.into(),
            Trouble::Channel(ChannelError::TimeOut) => Self::TimeOut,
            // 27.007 section 9.2.1: 22 not found, which is how modems say 6A82 to AT+CCHO.
            Trouble::Channel(ChannelError::Refused(Some(22))) => Self::NotProvisioned,
            // PIN, PUK or another code required, wrong password, SIM blocked.
            Trouble::Channel(ChannelError::Refused(Some(5 | 6 | 7 | 11 | 12 | 16 | 17 | 18 | 262))) => Self::Locked,
            Trouble::Channel(ChannelError::Gone | ChannelError::Interrupted | ChannelError::Refused(_)) => Self::Gone,
            Trouble::Channel(ChannelError::Garbled) | Trouble::Answer | Trouble::Signature => Self::FaultDetected,
        }
    }
}

/// Whether a private key can sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The container is there and empty: generate.
    Empty,
    /// It can sign.
    Active,
}

/// The key of an applet on a card reached through `C`.
///
/// Each call opens a channel and closes it, so that a card, a modem and a device that lose power at different times agree
/// again at the next call, and the modem may switch the card off in between.
#[derive(Debug)]
pub struct SimSigner<C> {
    channel: C,
    applet: Applet,
    /// The class that the applet takes: that of IoT.05 until it was refused.
    class: u8,
    key: Option<PublicKey>,
}

impl<C: ApduChannel> SimSigner<C> {
    /// A signer that has not spoken to the card yet.
    pub const fn new(channel: C, applet: Applet) -> Self {
        Self { channel, applet, class: iot_safe::CLASS, key: None }
    }

    /// Has the card make a new key pair and gives its public key. The card decides whether it may: one with a key that
    /// must not be replaced answers with [`SignerError::Locked`]. After any other error read the [`SimSigner::state`]: the
    /// pair may have been made.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn generate(&mut self) -> Result<PublicKey, SignerError> {
        self.key = None;
        let applet = self.applet;
        let key = self.dialogue(1, |session| {
            let answer = session.ask(iot_safe::generate_key_pair(applet.private_key))?;
            public_key(&applet, &answer)
        })?;
        self.key = Some(key);
        Ok(key)
    }

    /// Whether the key can sign (GET DATA).
    ///
    /// # Errors
    /// [`SignerError`]; [`SignerError::NotProvisioned`] when there is no such container, or no applet.
    pub fn state(&mut self) -> Result<KeyState, SignerError> {
        let applet = self.applet;
        self.dialogue(ATTEMPTS, |session| {
            let answer = session.ask(iot_safe::private_key_information(applet.private_key))?;
            match iot_safe::activated(&answer).ok_or(Trouble::Answer)? {
                true => Ok(KeyState::Active),
                false => Ok(KeyState::Empty),
            }
        })
    }

    /// Gives the channel back.
    pub fn into_channel(self) -> C {
        self.channel
    }

    /// Does `work` on an open channel, at most `attempts` times.
    fn dialogue<T>(
        &mut self,
        attempts: u8,
        work: impl Fn(&mut Session<'_, C>) -> Result<T, Trouble>,
    ) -> Result<T, SignerError> {
        let mut last = Trouble::Channel(ChannelError::Gone);
        for _ in 0..attempts {
            let worked = match self.channel.open(self.applet.aid) {
                Ok(()) => work(&mut Session { channel: &mut self.channel, class: &mut self.class, with_le: true }),
                Err(error) => Err(Trouble::Channel(error)),
            };
            match worked {
                Ok(result) => {
                    self.channel.close();
                    return Ok(result);
                }
                Err(trouble) => last = trouble,
            }
            self.channel.abandon();
            if last.is_silence() {
                break;
            }
        }
        Err(last.into())
    }
}

/// The public key in an answer, on its curve.
fn public_key(applet: &Applet, answer: &[u8]) -> Result<PublicKey, Trouble> {
    let point = iot_safe::point(answer).ok_or(Trouble::Answer)?;
    PublicKey::from_sec1(applet.alg, point).map_err(|_| Trouble::Answer)
}

impl<C: ApduChannel> Signer for SimSigner<C> {
    /// Asks the card once; later calls give what it said. After another card was put in, signatures fail with
    /// [`SignerError::FaultDetected`].
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        if let Some(key) = self.key {
            return Ok(key);
        }
        let applet = self.applet;
        let key = self.dialogue(ATTEMPTS, |session| {
            public_key(&applet, &session.ask(iot_safe::read_public_key(applet.public_key))?)
        })?;
        self.key = Some(key);
        Ok(key)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { deterministic: false, recovery_id: false, key_outside_ram: true, fault_guarded: true }
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        let key = self.public_key()?;
        let applet = self.applet;
        self.dialogue(ATTEMPTS, |session| {
            session.open(applet.private_key)?;
            let answer = session.ask(iot_safe::signature_update(digest))?;
            session.close();
            let signature = iot_safe::signature(&answer).ok_or(Trouble::Answer)?;
            key.accept(digest, &signature).map_err(|_| Trouble::Signature)
        })
    }
}

/// An open channel with the applet selected.
struct Session<'a, C> {
    channel: &'a mut C,
    class: &'a mut u8,
    /// Commands with data that are answered end in Le. Cards on T=0 may want them without.
    with_le: bool,
}

type Answer = Vec<u8, RESPONSE_MAX>;

impl<C: ApduChannel> Session<'_, C> {
    /// Opens a signature's session. One that somebody left open is closed first.
    fn open(&mut self, private_key: &[u8]) -> Result<(), Trouble> {
        match self.ask(iot_safe::signature_init(private_key)) {
            Err(Trouble::Status(StatusWord::CONDITIONS)) => {
                self.close();
                self.ask(iot_safe::signature_init(private_key))
            }
            other => other,
        }
        .map(drop)
    }

    /// Closes a signature's session. An applet that closed it by itself refuses: no harm.
    fn close(&mut self) {
        let _ = self.ask(Some(iot_safe::close_session()));
    }

    /// Sends a request in the form the element takes; the answer without its status word, which is 9000.
    fn ask(&mut self, request: Option<Request>) -> Result<Answer, Trouble> {
        // Only an id that is empty or too long makes no request: there is no such key.
        let request = request.ok_or(Trouble::Status(StatusWord(0x6A88)))?;
        let mut class = *self.class;
        let mut answer = self.send(&request.command(class, self.with_le))?;
        // The other form of either kind, each once.
        for _ in 0..2 {
            match answer.1 {
                StatusWord::NO_CLASS if class == *self.class => class ^= iot_safe::CLASS,
                StatusWord::WRONG_LENGTH if self.with_le => self.with_le = false,
                _ => break,
            }
            answer = self.send(&request.command(class, self.with_le))?;
        }
        if answer.1 != StatusWord::NO_CLASS {
            *self.class = class;
        }
        if answer.1 == StatusWord::OK { Ok(answer.0) } else { Err(Trouble::Status(answer.1)) }
    }

    /// Sends a command and fetches all of its response.
    fn send(&mut self, command: &Command<'_>) -> Result<(Answer, StatusWord), Trouble> {
        let (mut data, mut word) = self.transmit(command)?;
        if let Some(le) = word.wanted_le() {
            (data, word) = self.transmit(&Command { le: Some(le), ..*command })?;
        }
        // Each GET RESPONSE but the last fills what is left of the answer by at least a byte.
        for _ in 0..RESPONSE_MAX {
            let Some(waiting) = word.waiting() else { break };
            let fetch = Command { class: 0, ins: INS_GET_RESPONSE, p1: 0, p2: 0, data: &[], le: Some(waiting) };
            let (more, next) = self.transmit(&fetch)?;
            let fits = data.extend_from_slice(&more).is_ok();
            if !fits || (more.is_empty() && next.waiting().is_some()) {
                return Err(Trouble::Channel(ChannelError::Garbled));
            }
            word = next;
        }
        Ok((data, word))
    }

    fn transmit(&mut self, command: &Command<'_>) -> Result<(Answer, StatusWord), Trouble> {
        const GARBLED: Trouble = Trouble::Channel(ChannelError::Garbled);
        let command = command.encode().ok_or(GARBLED)?;
        let mut response = [0; RESPONSE_MAX];
        let length = self.channel.transmit(&command, &mut response).map_err(Trouble::Channel)?;
        let (data, word) = response.get(..length).and_then(StatusWord::split).ok_or(GARBLED)?;
        Ok((Answer::from_slice(data).map_err(|_| GARBLED)?, word))
    }
}
