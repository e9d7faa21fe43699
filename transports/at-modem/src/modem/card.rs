// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One command for the card in the modem and its answer (3GPP TS 27.007 sections 8.17, 8.43, 8.45, 8.46). `conversation`
//! decides when it is sent; it knows nothing of what is in it.

use cairn::time::Millis;
use heapless::Vec;

use crate::parser::{decode_hex, field, number};

/// What is asked of the card, or of the modem about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardAsk {
    /// `AT+CSIM` on the basic channel: a restart of the modem before it was sent does it no harm.
    Basic,
    /// `AT+CSIM` on a logical channel of the caller's.
    Generic,
    /// `AT+CCHO`: a logical channel with this application; the answer is the session, two bytes big-endian.
    Open,
    /// `AT+CGLA` in this session.
    Session(u16),
    /// `AT+CCHC`: closes this session.
    Close(u16),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardFailure {
    /// A command is under way, or none is to be answered.
    Busy,
    /// The command or the room for its answer is longer than the driver's buffer.
    TooLong,
    /// The modem cannot be woken, does not come up, or its port fails.
    NoModem,
    /// No answer within the command's limit, or [`super::Settings::card_limit`] ended.
    TimeOut,
    /// The modem restarted or slept: the channel is gone.
    Restarted,
    /// `ERROR`, or `+CME ERROR` with its number.
    Refused(Option<u16>),
    /// The modem said `OK` without an answer that can be read.
    Garbled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    None,
    /// `heard`: an answer line came, and whether it could be read.
    Pending {
        heard: Option<bool>,
    },
    Done(Result<(), CardFailure>),
}

/// The command on its way and, later, its answer, at most `APDU` bytes of either.
#[derive(Clone, Debug)]
pub(super) struct Card<const APDU: usize> {
    ask: CardAsk,
    bytes: Vec<u8, APDU>,
    progress: Progress,
    by: Millis,
}

impl<const APDU: usize> Card<APDU> {
    pub(super) const fn new() -> Self {
        Self { ask: CardAsk::Basic, bytes: Vec::new(), progress: Progress::None, by: Millis(0) }
    }

    /// Whether there is a command to be sent or answered. Never, in a driver without a buffer for one.
    pub(super) const fn pending(&self) -> bool {
        APDU > 0 && matches!(self.progress, Progress::Pending { .. })
    }

    pub(super) const fn ask(&self) -> CardAsk {
        self.ask
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn session(&self) -> u16 {
        match self.ask {
            CardAsk::Session(session) | CardAsk::Close(session) => session,
            CardAsk::Basic | CardAsk::Generic | CardAsk::Open => 0,
        }
    }

    /// Takes a command over.
    ///
    /// # Errors
    /// `Busy`, `TooLong`.
    pub(super) fn load(&mut self, ask: CardAsk, bytes: &[u8], by: Millis) -> Result<(), CardFailure> {
        if self.pending() {
            return Err(CardFailure::Busy);
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes).map_err(|_| CardFailure::TooLong)?;
        (self.ask, self.by, self.progress) = (ask, by, Progress::Pending { heard: None });
        Ok(())
    }

    pub(super) fn end(&mut self, result: Result<(), CardFailure>) {
        if self.pending() {
            self.progress = Progress::Done(result);
        }
    }

    /// A command that nobody began in time is given up.
    pub(super) fn expire(&mut self, now: Millis) {
        if now >= self.by {
            self.end(Err(CardFailure::TimeOut));
        }
    }

    /// The modem restarted or slept, `under_way` with the command sent.
    pub(super) fn restarted(&mut self, under_way: bool) {
        if under_way || !matches!(self.ask, CardAsk::Basic | CardAsk::Open) {
            self.end(Err(CardFailure::Restarted));
        }
    }

    /// A line while the whole command is with the modem; `prefix` begins the one with the answer.
    pub(super) fn hear(&mut self, text: &[u8], prefix: &str) {
        let Progress::Pending { heard } = &mut self.progress else { return };
        let rest = text.strip_prefix(prefix.as_bytes()).map(<[u8]>::trim_ascii);
        let read = match (self.ask, rest) {
            // TS 27.007 table 105 has the bare number; modems put their name before it.
            (CardAsk::Open, rest) => match (rest, rest.or(Some(text)).and_then(number)) {
                (_, Some(session)) => Vec::from_slice(&session.to_be_bytes()).ok(),
                (Some(_), None) => None,
                (None, None) => return,
            },
            (CardAsk::Close(_), _) | (_, None) => return,
            (_, Some(rest)) => response(rest),
        };
        *heard = Some(read.is_some());
        self.bytes = read.unwrap_or_default();
    }

    /// The modem said `OK`.
    pub(super) fn accepted(&mut self) {
        let Progress::Pending { heard } = self.progress else { return };
        let complete = heard == Some(true) || matches!(self.ask, CardAsk::Close(_));
        self.end(if complete { Ok(()) } else { Err(CardFailure::Garbled) });
    }

    /// The last command was answered well.
    pub(super) const fn sound(&self) -> bool {
        matches!(self.progress, Progress::Done(Ok(())))
    }

    /// The result, once; its bytes go to `out`.
    pub(super) fn take(&mut self, out: &mut [u8]) -> nb::Result<usize, CardFailure> {
        match self.progress {
            Progress::None => Err(CardFailure::Busy.into()),
            Progress::Pending { .. } => Err(nb::Error::WouldBlock),
            Progress::Done(result) => {
                self.progress = Progress::None;
                result?;
                let room = out.get_mut(..self.bytes.len()).ok_or(CardFailure::TooLong)?;
                room.copy_from_slice(&self.bytes);
                Ok(self.bytes.len())
            }
        }
    }
}

/// `<length>,<response>`: the length counts hex digits.
fn response<const APDU: usize>(list: &[u8]) -> Option<Vec<u8, APDU>> {
    let digits = field(list, 1)?;
    let length = field(list, 0).and_then(number)?;
    let mut bytes = [0; APDU];
    let decoded = decode_hex(digits, &mut bytes).ok()?;
    let bytes = bytes.get(..decoded).filter(|_| usize::from(length) == digits.len())?;
    Vec::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(ask: CardAsk, prefix: &str, lines: &[&str]) -> Result<([u8; 4], usize), nb::Error<CardFailure>> {
        let mut card = Card::<4>::new();
        card.load(ask, &[], Millis(1)).unwrap();
        for line in lines {
            card.hear(line.as_bytes(), prefix);
        }
        card.accepted();
        let mut out = [0; 4];
        card.take(&mut out).map(|length| (out, length))
    }

    #[test]
    fn a_response_is_read_with_and_without_quotes_and_only_when_it_is_whole() {
        for line in ["+CSIM: 6,\"019000\"", "+CSIM: 6,019000", "+CSIM:6, \"019000\""] {
            assert_eq!(heard(CardAsk::Generic, "+CSIM:", &["+CSQ: 1,2", line]), Ok(([1, 0x90, 0, 0], 3)), "{line}");
        }
        for line in
            ["+CSIM: 6,\"01900\"", "+CSIM: 8,\"019000\"", "+CSIM: 10,\"0190000000\"", "+CSIM: 6", "+CSIM:", "+CSI"]
        {
            let garbled = Err(nb::Error::Other(CardFailure::Garbled));
            assert_eq!(heard(CardAsk::Generic, "+CSIM:", &[line]), garbled, "{line}");
        }
    }

    #[test]
    fn a_session_is_a_number_with_or_without_its_command_before_it() {
        for line in ["+CCHO: 2", "2", "+CCHO:2"] {
            assert_eq!(heard(CardAsk::Open, "+CCHO:", &[line]), Ok(([0, 2, 0, 0], 2)), "{line}");
        }
        for line in ["+CCHO: x", "+CCHO: ", "+IP: 1"] {
            assert_eq!(heard(CardAsk::Open, "+CCHO:", &[line]), Err(nb::Error::Other(CardFailure::Garbled)), "{line}");
        }
        assert_eq!(heard(CardAsk::Close(2), "+CCHC", &["+CCHC"]), Ok(([0; 4], 0)));
    }

    #[test]
    fn a_driver_without_a_buffer_never_has_work_for_the_card() {
        let mut card = Card::<0>::new();
        assert_eq!(card.load(CardAsk::Basic, &[0], Millis(1)), Err(CardFailure::TooLong));
        assert!(card.load(CardAsk::Basic, &[], Millis(1)).is_ok() && !card.pending());
    }
}
