// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What goes wrong, and at which command. Written `3:6f00,5:silent`: a list of number and kind, numbers counted from 1
//! separately at the card (every command that reaches it) and at the modem (every AT command for the card).

use std::str::FromStr;

/// What the card does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardFault {
    /// Answers with this status word and does nothing.
    Status(u16),
    /// Loses its power before it did anything.
    PowerBefore,
    /// Loses its power when it was done, before it could say so.
    PowerAfter,
    /// Flips this bit of the response, counted from its beginning and around.
    Flip(usize),
    /// Gives the first half of the response.
    Cut,
}

/// What the modem does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModemFault {
    /// Never answers.
    Silent,
    /// Answers after the device has stopped waiting.
    Late,
    /// `ERROR`, and the card hears nothing.
    Error,
    /// `+CME ERROR` with this number, and the card hears nothing.
    Cme(u16),
    /// `OK` without the answer.
    Lost,
    /// The answer, and never `OK`.
    NoOk,
    /// The answer broken off in the middle of a line.
    Half,
    /// Bytes that are no line before the answer.
    Noise,
    /// Bytes that are no line instead of the answer, then `OK`.
    Garbage,
    /// Unsolicited codes before, between and after the lines of the answer.
    Codes,
    /// Restarts, and the card with it, before the card heard the command.
    Restart,
    /// Restarts, and the card with it, when the card was done.
    RestartAfter,
}

/// One of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// At the card.
    Card(CardFault),
    /// At the modem.
    Modem(ModemFault),
}

impl Fault {
    /// Every kind, the status words of the specification and the numbers of 27.007 with the usual ones.
    pub const KINDS: &'static [Self] = &[
        Self::Card(CardFault::Status(0x6985)),
        Self::Card(CardFault::Status(0x6982)),
        Self::Card(CardFault::Status(0x6983)),
        Self::Card(CardFault::Status(0x6A82)),
        Self::Card(CardFault::Status(0x6A88)),
        Self::Card(CardFault::Status(0x6A80)),
        Self::Card(CardFault::Status(0x6F00)),
        Self::Card(CardFault::Status(0x6400)),
        Self::Card(CardFault::Status(0x6881)),
        Self::Card(CardFault::Status(0x6700)),
        Self::Card(CardFault::Status(0x6E00)),
        Self::Card(CardFault::Status(0x6D00)),
        Self::Card(CardFault::Status(0x6100)),
        Self::Card(CardFault::Status(0x6120)),
        Self::Card(CardFault::Status(0x6C01)),
        Self::Card(CardFault::Status(0x9000)),
        Self::Card(CardFault::PowerBefore),
        Self::Card(CardFault::PowerAfter),
        Self::Card(CardFault::Flip(0)),
        Self::Card(CardFault::Flip(20)),
        Self::Card(CardFault::Flip(77)),
        Self::Card(CardFault::Flip(400)),
        Self::Card(CardFault::Cut),
        Self::Modem(ModemFault::Silent),
        Self::Modem(ModemFault::Late),
        Self::Modem(ModemFault::Error),
        Self::Modem(ModemFault::Cme(3)),
        Self::Modem(ModemFault::Cme(10)),
        Self::Modem(ModemFault::Cme(11)),
        Self::Modem(ModemFault::Cme(13)),
        Self::Modem(ModemFault::Cme(14)),
        Self::Modem(ModemFault::Lost),
        Self::Modem(ModemFault::NoOk),
        Self::Modem(ModemFault::Half),
        Self::Modem(ModemFault::Noise),
        Self::Modem(ModemFault::Garbage),
        Self::Modem(ModemFault::Codes),
        Self::Modem(ModemFault::Restart),
        Self::Modem(ModemFault::RestartAfter),
    ];
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let modem = |fault| Ok(Self::Modem(fault));
        match text {
            "power" => return Ok(Self::Card(CardFault::PowerBefore)),
            "power-after" => return Ok(Self::Card(CardFault::PowerAfter)),
            "cut" => return Ok(Self::Card(CardFault::Cut)),
            "silent" => return modem(ModemFault::Silent),
            "late" => return modem(ModemFault::Late),
            "error" => return modem(ModemFault::Error),
            "lost" => return modem(ModemFault::Lost),
            "no-ok" => return modem(ModemFault::NoOk),
            "half" => return modem(ModemFault::Half),
            "noise" => return modem(ModemFault::Noise),
            "garbage" => return modem(ModemFault::Garbage),
            "codes" => return modem(ModemFault::Codes),
            "restart" => return modem(ModemFault::Restart),
            "restart-after" => return modem(ModemFault::RestartAfter),
            _ => {}
        }
        let number = |digits: &str| digits.parse().map_err(|_| format!("{text:?} is no fault"));
        if let Some(code) = text.strip_prefix("cme") {
            return modem(ModemFault::Cme(number(code)?));
        }
        if let Some(bit) = text.strip_prefix("flip") {
            return Ok(Self::Card(CardFault::Flip(usize::from(number(bit)?))));
        }
        let word = u16::from_str_radix(text, 16).ok().filter(|_| text.len() == 4);
        word.map(|word| Self::Card(CardFault::Status(word))).ok_or_else(|| format!("{text:?} is no fault"))
    }
}

/// Faults and when they happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(Vec<(usize, Fault)>);

impl Plan {
    /// Nothing goes wrong but this, at command `number`.
    #[must_use]
    pub fn once(number: usize, fault: Fault) -> Self {
        Self(vec![(number, fault)])
    }

    /// This goes wrong at each of these commands.
    #[must_use]
    pub fn always(numbers: impl IntoIterator<Item = usize>, fault: Fault) -> Self {
        Self(numbers.into_iter().map(|number| (number, fault)).collect())
    }

    pub(crate) fn of_card(&self, number: usize) -> Option<CardFault> {
        self.0.iter().find_map(|(at, fault)| match fault {
            Fault::Card(fault) if *at == number => Some(*fault),
            _ => None,
        })
    }

    pub(crate) fn of_modem(&self, number: usize) -> Option<ModemFault> {
        self.0.iter().find_map(|(at, fault)| match fault {
            Fault::Modem(fault) if *at == number => Some(*fault),
            _ => None,
        })
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |item: &str| {
            let (number, fault) = item.split_once(':').ok_or_else(|| format!("{item:?} is not NUMBER:FAULT"))?;
            let number = number.parse().ok().filter(|number| *number > 0);
            Ok((number.ok_or_else(|| format!("{item:?} has no number from 1"))?, fault.parse()?))
        };
        text.split(',').filter(|item| !item.is_empty()).map(one).collect::<Result<_, String>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        let plan: Plan = "3:6f00,5:silent,5:power,9:cme14,10:flip77".parse().unwrap();
        assert_eq!(plan.of_card(3), Some(CardFault::Status(0x6F00)));
        assert_eq!((plan.of_card(5), plan.of_modem(5)), (Some(CardFault::PowerBefore), Some(ModemFault::Silent)));
        assert_eq!((plan.of_modem(9), plan.of_card(10)), (Some(ModemFault::Cme(14)), Some(CardFault::Flip(77))));
        assert_eq!(plan.of_card(4), None);
        assert_eq!("".parse(), Ok(Plan::default()));
        for wrong in ["3", "0:cut", "x:cut", "3:6f0", "3:nothing", "3:cmex"] {
            assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
        }
    }
}
