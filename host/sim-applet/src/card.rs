// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The card: one command in, one response out (ISO/IEC 7816-4, ETSI TS 102 221). Logical channels 0 to 3, applets behind
//! SELECT by AID, and responses by GET RESPONSE on T=0. Power can be taken from it at any time.

use crate::{
    applet::{Applet, SUCCESS, tlv},
    fault::{CardFault, Plan},
    key::Chain,
};

/// SW1 SW2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

/// A command read from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    pub(crate) ins: u8,
    pub(crate) p1: u8,
    pub(crate) p2: u8,
    pub(crate) data: &'a [u8],
    /// Bytes expected; 256 for a byte of 0.
    pub(crate) le: Option<usize>,
}

/// The transmission protocol, as far as it shows (TS 102 221 section 7.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// A command with data has no Le; what it answers waits for GET RESPONSE.
    #[default]
    T0,
    /// A command without Le is answered with a status word only.
    T1,
}

#[derive(Clone, Debug, Default)]
struct Channel {
    selected: Option<usize>,
    /// What GET RESPONSE has still to give.
    waiting: Vec<u8>,
}

/// Channels 0 to 3; 0 is always open and has the telephone's application on it, which is not played.
const CHANNELS: usize = 4;

/// A card with applets.
#[derive(Clone, Debug)]
pub struct Card {
    applets: Vec<Applet>,
    protocol: Protocol,
    channels: [Option<Channel>; CHANNELS],
    chain: Chain,
    plan: Plan,
    commands: usize,
    resets: u32,
}

impl Card {
    /// A card whose keys and random numbers follow from `seed`.
    #[must_use]
    pub fn new(applets: Vec<Applet>, protocol: Protocol, seed: [u8; 32], plan: Plan) -> Self {
        let channels = [Some(Channel::default()), None, None, None];
        Self { applets, protocol, channels, chain: Chain::new(seed), plan, commands: 0, resets: 0 }
    }

    /// The applets.
    #[must_use]
    pub fn applets(&self) -> &[Applet] {
        &self.applets
    }

    /// Commands seen so far.
    #[must_use]
    pub const fn commands(&self) -> usize {
        self.commands
    }

    /// How often it lost power.
    #[must_use]
    pub const fn resets(&self) -> u32 {
        self.resets
    }

    /// Logical channels open besides the basic one.
    #[must_use]
    pub fn open_channels(&self) -> usize {
        self.channels.iter().skip(1).flatten().count()
    }

    /// Takes its power away and gives it back: channels, selections and sessions are gone, keys stay.
    pub fn power_cycle(&mut self) {
        self.resets += 1;
        self.channels = [Some(Channel::default()), None, None, None];
        self.applets.iter_mut().for_each(Applet::reset);
    }

    /// One command; the response with its status word, or `None` when the card fell silent: it lost its power.
    pub fn exchange(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.commands += 1;
        match self.plan.of_card(self.commands) {
            None => Some(self.run(bytes)),
            Some(CardFault::Status(word)) => Some(word.to_be_bytes().to_vec()),
            Some(CardFault::PowerBefore) => {
                self.power_cycle();
                None
            }
            Some(CardFault::PowerAfter) => {
                self.run(bytes);
                self.power_cycle();
                None
            }
            Some(CardFault::Flip(bit)) => {
                let mut response = self.run(bytes);
                let at = bit / 8 % response.len();
                response[at] ^= 1 << (bit % 8);
                Some(response)
            }
            Some(CardFault::Cut) => {
                let mut response = self.run(bytes);
                response.truncate(response.len() / 2);
                Some(response)
            }
        }
    }

    fn run(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (data, status) = match self.answer(bytes) {
            Ok((data, status)) => (data, status),
            Err(status) => (Vec::new(), status),
        };
        [&data[..], &status.0.to_be_bytes()].concat()
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<(Vec<u8>, Status), Status> {
        let [class, ins, p1, p2, body @ ..] = bytes else { return Err(Status(0x6700)) };
        let (class, channel) = split_class(*class)?;
        let (data, le) = parts(body, self.protocol)?;
        let command = Command { ins: *ins, p1: *p1, p2: *p2, data, le };
        let place = self.channels.get_mut(usize::from(channel)).and_then(Option::as_mut).ok_or(Status(0x6881))?;
        if (class, *ins) == (0, 0xC0) {
            return get_response(place, le.unwrap_or(256));
        }
        place.waiting.clear();
        let data = match (class, *ins) {
            (0, 0x70) => return self.manage_channel(channel, &command),
            (0, 0xA4) => self.select(channel, &command)?,
            _ => {
                let applet = place.selected.ok_or(Status(0x6D00))?;
                let applet = &mut self.applets[applet];
                if !applet.takes_class(class) {
                    return Err(Status(0x6E00));
                }
                applet.run(channel, &command, &mut self.chain)?
            }
        };
        Ok(self.deliver(channel, &command, data))
    }

    /// Response data in the way of the protocol.
    fn deliver(&mut self, channel: u8, command: &Command<'_>, data: Vec<u8>) -> (Vec<u8>, Status) {
        match (self.protocol, command.le) {
            _ if data.is_empty() => (data, SUCCESS),
            (Protocol::T1, None) => (Vec::new(), SUCCESS),
            (Protocol::T0, Some(le)) if le != data.len() && le != 256 => {
                (Vec::new(), Status(0x6C00 | low_byte(data.len())))
            }
            (Protocol::T0, _) if !command.data.is_empty() => {
                let status = Status(0x6100 | low_byte(data.len()));
                if let Some(place) = &mut self.channels[usize::from(channel)] {
                    place.waiting = data;
                }
                (Vec::new(), status)
            }
            _ => (data, SUCCESS),
        }
    }

    /// TS 102 221 section 11.1.17.
    fn manage_channel(&mut self, on: u8, command: &Command<'_>) -> Result<(Vec<u8>, Status), Status> {
        match (command.p1, usize::from(command.p2)) {
            (0, 0) => {
                let free = self.channels.iter().position(Option::is_none).ok_or(Status(0x6A81))?;
                self.channels[free] = Some(Channel::default());
                Ok((vec![u8::try_from(free).unwrap_or(0)], SUCCESS))
            }
            (0x80, channel) => {
                let channel = if channel == 0 { usize::from(on) } else { channel };
                let place = self.channels.get_mut(channel).filter(|_| channel > 0).ok_or(Status(0x6A86))?;
                let closed = place.take().ok_or(Status(0x6200))?;
                let number = u8::try_from(channel).unwrap_or(0);
                if let Some(applet) = closed.selected {
                    self.applets[applet].deselected(number);
                }
                Ok((Vec::new(), SUCCESS))
            }
            _ => Err(Status(0x6A86)),
        }
    }

    /// TS 102 221 section 11.1.1: by AID only; the answer is the DF name (ISO/IEC 7816-4 section 7.4.3).
    fn select(&mut self, channel: u8, command: &Command<'_>) -> Result<Vec<u8>, Status> {
        if (command.p1, command.p2) != (4, 0) {
            return Err(Status(0x6A86));
        }
        let found = self.applets.iter().position(|applet| applet.is_named(command.data)).ok_or(Status(0x6A82))?;
        if let Some(place) = &mut self.channels[usize::from(channel)]
            && let Some(before) = place.selected.replace(found)
        {
            self.applets[before].deselected(channel);
        }
        let name = tlv(0x84, command.data);
        Ok(tlv(0x6F, &name))
    }
}

fn get_response(place: &mut Channel, le: usize) -> Result<(Vec<u8>, Status), Status> {
    if place.waiting.is_empty() {
        return Err(Status(0x6985));
    }
    let rest = place.waiting.split_off(le.min(place.waiting.len()));
    let data = std::mem::replace(&mut place.waiting, rest);
    let left = place.waiting.len();
    Ok((data, if left == 0 { SUCCESS } else { Status(0x6100 | low_byte(left)) }))
}

/// A length in the second byte of a status word: 256 and more as 0.
fn low_byte(length: usize) -> u16 {
    u16::try_from(length).ok().filter(|length| *length < 256).unwrap_or(0)
}

/// The class on channel 0, and the channel (TS 102 221 section 10.1.1).
fn split_class(class: u8) -> Result<(u8, u8), Status> {
    match class {
        0x00..=0x03 | 0x80..=0x83 => Ok((class & 0xFC, class & 3)),
        0x40..=0x4F | 0xC0..=0xCF => Ok((class & 0xB0, 4 + (class & 0x0F))),
        _ => Err(Status(0x6E00)),
    }
}

/// Data and Le behind the header.
fn parts(body: &[u8], protocol: Protocol) -> Result<(&[u8], Option<usize>), Status> {
    let le = |byte: u8| Some(if byte == 0 { 256 } else { usize::from(byte) });
    match body {
        [] => Ok((&[], None)),
        [byte] => Ok((&[], le(*byte))),
        [length, rest @ ..] => match rest.split_at_checked(usize::from(*length)) {
            Some((data, [])) if !data.is_empty() => Ok((data, None)),
            Some((data, [byte])) if !data.is_empty() && protocol == Protocol::T1 => Ok((data, le(*byte))),
            _ => Err(Status(0x6700)),
        },
    }
}
