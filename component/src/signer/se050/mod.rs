// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A key in an external secure element of NXP's SE050 family, over I2C. The agent signs with it where the board has
//! one; a factory provisions it. The key is generated in the chip and never leaves it, and no signature of the chip's
//! leaves this module that the public key does not verify.
//!
//! From the wire up: [`block`] is the form of a block, [`atr`] what the chip says of itself, [`link`] carries APDUs,
//! [`apdu`] is the applet's commands, [`scp03`] protects them, [`curve`] says what it signs on; [`Se050`] puts them
//! together and recovers from what goes wrong. [`PowerGate`] is the board's power switch. [`SharedChip`]
//! lends one chip to the agent and to `endorsement::SecureElementRoot`;
//! [`ChipCounters`] are its counters against a journal that is rolled back. What was checked against
//! what, and what has not been seen on a real chip, is in docs/signers.md.

use core::marker::PhantomData;

use embedded_hal::{delay::DelayNs, i2c::I2c};
use iso7816::Status;

mod apdu;
mod atr;
mod attestation;
mod block;
mod counters;
mod curve;
mod link;
mod power;
mod scp03;
mod shared;
mod steps;

pub use apdu::Version;
pub use attestation::{ATTESTATION_MAX, Attestation};
pub use counters::ChipCounters;
pub use curve::ChipCurve;
pub use power::{AlwaysOn, EnablePin, GateError, PowerGate};
pub use scp03::PlatformKeys;
pub use shared::SharedChip;

use super::{Algorithm, Capabilities, Digest, PublicKey, Signature, Signer, SignerError, YParity};
use crate::ports::Entropy;
use apdu::{Command, RESPONSE_BYTES};
use link::{Link, LinkError};
use scp03::{Channel, ChannelError};

/// Names an object on the chip: the ledger key's is chosen by the factory, from 0x0000_0001 to 0x7fff_0000 (AN12413,
/// object identifiers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectId(pub u32);

/// The P-256 key that NXP provisions for attestation ("cloud connectivity key 0", AN12436).
pub const NXP_ATTESTATION_KEY: ObjectId = ObjectId(0xf000_0012);

/// How a board has the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The ledger key.
    pub key: ObjectId,
    /// Seven bits; 0x48 as delivered.
    pub address: u8,
    /// Clock of the bus: what time on it is reckoned by.
    pub bus_khz: u16,
    /// The largest INF the host takes, 16 to 254: less than 254 where the I2C driver's buffer is smaller than 259
    /// bytes.
    pub information_bytes: u8,
    /// From power to the first block, in milliseconds.
    pub power_up_ms: u16,
    /// From no power to power again, in milliseconds: the supply's capacitors empty.
    pub power_off_ms: u16,
    /// The longest one attempt of an operation takes, in milliseconds. A failed one is repeated once.
    pub attempt_ms: u16,
    /// Whether the chip loses its power after each operation.
    pub gate: bool,
    /// Whether the key may be deleted again ([`Se050::destroy`]); said when it is generated.
    pub erasable: bool,
}

impl Settings {
    /// The defaults for `key`: 400 kHz, power gated, 2 s an attempt.
    #[must_use]
    pub const fn new(key: ObjectId) -> Self {
        Self {
            key,
            address: 0x48,
            bus_khz: 400,
            information_bytes: 254,
            power_up_ms: 30,
            power_off_ms: 10,
            attempt_ms: 2_000,
            gate: true,
            erasable: true,
        }
    }

    /// The longest an operation blocks, in milliseconds, not counting the software's own computing: two attempts, twice
    /// the power's settling and the leave-taking.
    #[must_use]
    pub const fn bound_ms(&self) -> u32 {
        2 * (self.attempt_ms as u32 + self.power_up_ms as u32 + self.power_off_ms as u32) + 2 * CLOSING_MS as u32
    }
}

/// The longest the chip is given to take note that a session ends, or that it shall restart.
const CLOSING_MS: u16 = 50;

/// Why the chip did not do what it was asked. [`SignerError`] is the short form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Se050Error {
    /// There is no such object on the chip.
    NotProvisioned,
    /// The object is there and may not be used: its policy, a missing secure channel, or wrong platform keys.
    Locked,
    /// The chip does not answer at all, or its power switch fails.
    Gone,
    /// It did not answer in time.
    TimeOut,
    /// What it answered is not true, or not the chip's, or it reports an internal error.
    FaultDetected,
    /// It answered with a status that has no meaning of its own here (AN12413, error codes).
    Refused(u16),
    /// A host challenge needs entropy and there is none.
    NoEntropy,
    /// The applet is of a version whose answer has another form.
    Unsupported,
}

impl From<Se050Error> for SignerError {
    fn from(error: Se050Error) -> Self {
        match error {
            Se050Error::NotProvisioned => Self::NotProvisioned,
            Se050Error::Locked | Se050Error::Refused(_) | Se050Error::NoEntropy | Se050Error::Unsupported => {
                Self::Locked
            }
            Se050Error::Gone => Self::Gone,
            Se050Error::TimeOut => Self::TimeOut,
            Se050Error::FaultDetected => Self::FaultDetected,
        }
    }
}

/// Whether [`Se050::provision`] made the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioned {
    /// It is new.
    Generated,
    /// It was there. Only an attestation says whether the chip generated it.
    Existed,
}

/// What went wrong in one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Link(LinkError),
    Channel(ChannelError),
    /// The chip answered with this status.
    Status(u16),
    /// What it answered makes no sense.
    Malformed,
    Error(Se050Error),
}

impl From<LinkError> for Trouble {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<ChannelError> for Trouble {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

impl From<apdu::TooLong> for Trouble {
    fn from(_: apdu::TooLong) -> Self {
        Self::Malformed
    }
}

impl Trouble {
    /// What the caller hears when the second attempt ended with it.
    fn verdict(self) -> Se050Error {
        match self {
            Self::Link(LinkError::Gone) => Se050Error::Gone,
            Self::Link(LinkError::TimeOut | LinkError::Resynchronised | LinkError::Broken) => Se050Error::TimeOut,
            Self::Link(LinkError::TooLong) | Self::Malformed => Se050Error::FaultDetected,
            Self::Channel(ChannelError::Impostor) => Se050Error::Locked,
            Self::Channel(_) => Se050Error::FaultDetected,
            Self::Status(status) => match Status::from_u16(status) {
                Status::SecurityStatusNotSatisfied | Status::ConditionsOfUseNotSatisfied => Se050Error::Locked,
                // "Command not allowed: access denied based on object policy".
                Status::CommandNotAllowedNoEf => Se050Error::Locked,
                Status::NotFound => Se050Error::NotProvisioned,
                Status::UnspecifiedCheckingError => Se050Error::FaultDetected,
                _ => Se050Error::Refused(status),
            },
            Self::Error(error) => error,
        }
    }
}

/// How far the connection is.
enum State {
    /// No power, or none that is known of.
    Off,
    /// Power, and a connection that is not to be trusted.
    On,
    /// The applet is selected, and the secure channel open where there are keys for one.
    Open(Option<Channel>),
}

/// A key on curve `C` in a chip on bus `B`; `D` waits, `G` switches the power, `E` makes challenges.
pub struct Se050<C, B, D, G, E> {
    link: Link<B, D>,
    gate: G,
    entropy: E,
    keys: Option<PlatformKeys>,
    settings: Settings,
    state: State,
    version: Option<Version>,
    public: Option<PublicKey>,
    /// Of the command last sent. Here and not on the stack, which is at its deepest where a response is looked at.
    response: [u8; RESPONSE_BYTES],
    curve: PhantomData<C>,
}

impl<C: ChipCurve, B: I2c, D: DelayNs, G: PowerGate, E: Entropy> Se050<C, B, D, G, E> {
    /// A signer on `bus`. With `keys` everything but SELECT goes through a secure channel, and a key that is generated
    /// cannot be used without one; `entropy` is asked for its challenges only. Does not talk to the chip.
    pub fn new(bus: B, delay: D, gate: G, entropy: E, keys: Option<PlatformKeys>, settings: Settings) -> Self {
        let link = Link::new(bus, delay, settings.address, settings.bus_khz);
        Self {
            link,
            gate,
            entropy,
            keys,
            settings,
            state: State::Off,
            version: None,
            public: None,
            response: [0; RESPONSE_BYTES],
            curve: PhantomData,
        }
    }

    /// Version and features of the applet.
    ///
    /// # Errors
    /// [`Se050Error`].
    pub fn version(&mut self) -> Result<Version, Se050Error> {
        self.operate(|chip| chip.version.ok_or(Trouble::Malformed))
    }

    /// Generates the ledger key, and creates its curve first where the chip has none. A key that is there already
    /// stays: a provisioning that lost its power is simply repeated.
    ///
    /// # Errors
    /// [`Se050Error`].
    pub fn provision(&mut self) -> Result<(PublicKey, Provisioned), Se050Error> {
        let mut generated = false;
        let key = self.operate(|chip| {
            if !chip.exists()? {
                chip.generate()?;
                generated = true;
            }
            chip.read_public_key()
        })?;
        Ok((key, if generated { Provisioned::Generated } else { Provisioned::Existed }))
    }

    /// Deletes the ledger key and checks that it is gone. Deleting what is not there is no error.
    ///
    /// # Errors
    /// [`Se050Error::Locked`] when the key was generated as not erasable; other [`Se050Error`]s: the key may be there.
    pub fn destroy(&mut self) -> Result<(), Se050Error> {
        self.public = None;
        self.operate(|chip| {
            if chip.exists()? {
                chip.delete()?;
            }
            if chip.exists()? { Err(Trouble::Error(Se050Error::Locked)) } else { Ok(()) }
        })
    }

    /// The ledger key's public key and attributes with the chip's statement about them, signed by `attester` over
    /// `freshness` as well: what an endorsement carries.
    ///
    /// # Errors [`Se050Error::Unsupported`] with an applet from version 7 on (SE050E, SE051), whose attestation has
    /// another form; other [`Se050Error`]s.
    pub fn attest(&mut self, attester: ObjectId, freshness: &[u8; 16]) -> Result<Attestation, Se050Error> {
        self.operate(|chip| chip.read_attested(attester, freshness))
    }

    /// What the counter `object` says; 0 when it was never raised.
    ///
    /// # Errors
    /// [`Se050Error`].
    pub fn counter(&mut self, object: ObjectId) -> Result<u64, Se050Error> {
        self.operate(|chip| chip.read_counter(object)).map(Option::unwrap_or_default)
    }

    /// Raises the counter `object` to `value`, and makes it first where there is none; a lower value changes nothing. The
    /// chip lets nobody lower or delete it.
    ///
    /// # Errors
    /// [`Se050Error`]: it may have been raised.
    pub fn raise_counter(&mut self, object: ObjectId, value: u64) -> Result<(), Se050Error> {
        self.operate(|chip| chip.raise(object, value))
    }

    /// Does `operation` with the chip, a second time from the start when the first failed, and takes its power again.
    fn operate<T>(&mut self, mut operation: impl FnMut(&mut Self) -> Result<T, Trouble>) -> Result<T, Se050Error> {
        let mut result = self.attempt(&mut operation);
        if let Err(trouble) = result
            && trouble.is_worth_another_attempt()
        {
            if trouble == Trouble::Link(LinkError::Resynchronised) {
                // The chip listens, and may have restarted unseen: the connection starts again, the power stays.
                self.state = State::On;
            } else {
                self.power_cycle();
            }
            result = self.attempt(&mut operation);
        }
        if result.is_err() {
            self.power_cycle();
        }
        self.leave();
        result.map_err(Trouble::verdict)
    }

    fn attempt<T>(&mut self, operation: &mut impl FnMut(&mut Self) -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.power_up()?;
        self.link.grant(self.settings.attempt_ms);
        self.open()?;
        operation(self)
    }

    fn power_up(&mut self) -> Result<(), Trouble> {
        if matches!(self.state, State::Off) {
            self.gate.switch_on().map_err(|GateError| Trouble::Error(Se050Error::Gone))?;
            self.link.settle_ms(self.settings.power_up_ms);
            self.state = State::On;
        }
        Ok(())
    }

    /// From any state to one in which the chip has forgotten everything.
    fn power_cycle(&mut self) {
        self.link.grant(CLOSING_MS);
        if !G::CUTS_POWER {
            self.link.restart();
        }
        // A switch that fails shows when it is to switch on.
        let _ = self.gate.switch_off();
        self.state = State::Off;
        self.link.settle_ms(self.settings.power_off_ms);
    }

    fn leave(&mut self) {
        if self.settings.gate && !matches!(self.state, State::Off) {
            self.link.grant(CLOSING_MS);
            self.link.close();
            let _ = self.gate.switch_off();
            self.state = State::Off;
        }
    }

    fn open(&mut self) -> Result<(), Trouble> {
        if matches!(self.state, State::Open(_)) {
            return Ok(());
        }
        self.link.open(self.settings.information_bytes.clamp(16, 254))?;
        let data = exchange(&mut self.link, &Command::select()?, &mut self.response)?;
        self.version = Some(Version::parse(data).ok_or(Trouble::Malformed)?);
        self.state = State::Open(self.open_channel()?);
        Ok(())
    }

    fn open_channel(&mut self) -> Result<Option<Channel>, Trouble> {
        let Some(keys) = &self.keys else { return Ok(None) };
        let mut challenge = [0; 8];
        self.entropy.fill(&mut challenge).map_err(|_| Trouble::Error(Se050Error::NoEntropy))?;
        let command = scp03::initialize_update(keys, &challenge)?;
        let data = exchange(&mut self.link, &command, &mut self.response)?;
        let (channel, command) = Channel::new(keys, &challenge, data)?;
        exchange(&mut self.link, &command, &mut self.response)?;
        Ok(Some(channel))
    }

    /// Sends `command`, protected where there is a channel; the data of the response, whose status is success.
    fn request(&mut self, command: &Command) -> Result<&[u8], Trouble> {
        let Self { link, state: State::Open(channel), response, .. } = self else { return Err(Trouble::Malformed) };
        let Some(channel) = channel else { return exchange(link, command, response).map(|data| &*data) };
        // A refusal is not protected (Amendment D section 6.2.5); it cannot make a false answer true.
        let data = exchange(link, &channel.wrap(command)?, response)?;
        Ok(channel.unwrap(data, SUCCESS)?)
    }
}

impl Trouble {
    /// Whether the chip might answer differently when it starts afresh: it might have lost its power in mid-command.
    fn is_worth_another_attempt(self) -> bool {
        !matches!(self, Self::Error(_) | Self::Channel(ChannelError::TooLong) | Self::Link(LinkError::TooLong))
    }
}

/// The status of success (ISO/IEC 7816-4 table 5).
const SUCCESS: u16 = 0x9000;

/// One command and its response over the link; the data of the response, whose status is success.
fn exchange<'r, B: I2c, D: DelayNs>(
    link: &mut Link<B, D>,
    command: &Command,
    response: &'r mut [u8; RESPONSE_BYTES],
) -> Result<&'r mut [u8], Trouble> {
    let bytes = link.exchange(&command.serialize()?, response)?;
    let (data, status) = response.get_mut(..bytes).and_then(apdu::split).ok_or(Trouble::Malformed)?;
    if status == SUCCESS { Ok(data) } else { Err(Trouble::Status(status)) }
}

impl<C: ChipCurve, B: I2c, D: DelayNs, G: PowerGate, E: Entropy> Signer for Se050<C, B, D, G, E> {
    /// Read from the chip once, then kept.
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        if let Some(key) = self.public {
            return Ok(key);
        }
        let key = self.operate(|chip| {
            if chip.exists()? { chip.read_public_key() } else { Err(Trouble::Error(Se050Error::NotProvisioned)) }
        })?;
        self.public = Some(key);
        Ok(key)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            deterministic: false,
            // Verifying a signature gives it.
            recovery_id: C::ALGORITHM == Algorithm::Es256k,
            key_outside_ram: true,
            fault_guarded: true,
        }
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        let key = self.public_key()?;
        let signature = self.operate(|chip| chip.sign_digest(digest))?;
        // Here, with the chip's power off again and the buffers released: verifying takes the most stack.
        key.accept(digest, &signature)
    }

    fn sign_recoverable(&mut self, digest: &Digest) -> Result<(Signature, YParity), SignerError> {
        if C::ALGORITHM != Algorithm::Es256k {
            return Err(SignerError::NotRecoverable);
        }
        let key = self.public_key()?;
        let signature = self.operate(|chip| chip.sign_digest(digest))?;
        let signature = Signature::low(key.alg, &signature).ok_or(SignerError::FaultDetected)?;
        // This is a verification as well.
        let parity = key.y_parity(digest, &signature).ok_or(SignerError::FaultDetected)?;
        Ok((signature, parity))
    }
}
