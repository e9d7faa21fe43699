// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Faults as a command line names them, when they happen, and those that happen by chance. Written `12:nack,30:flip=-1`:
//! transfers are counted from 1, writes and reads together. Read by the chip at the beginning of each transfer.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

use crate::Fault;

/// What a name is followed by.
enum Value {
    None,
    Signed(i8),
    Byte(u8),
    Number(u32),
    Word(u16),
}

impl Fault {
    /// One of each kind, with usual values: what a sweep or a list of names goes through.
    pub const KINDS: &'static [Self] = &[
        Self::Nack,
        Self::GhostNack,
        Self::Flip(-1),
        Self::Deaf,
        Self::Ones,
        Self::Torn,
        Self::Ready(1),
        Self::WrongReady(2),
        Self::WrongSequence,
        Self::Late(300),
        Self::WaitingForever,
        Self::Resize(16),
        Self::Abort,
        Self::Status(0x6f00),
        Self::StatusAfter(0x6f00),
        Self::FalseSignature,
        Self::PowerLoss,
        Self::Hang,
        Self::Latchup,
        Self::Death,
    ];

    /// What lines and chips do on a bad day and a driver gets over: neither status words, which may be true, nor what only a
    /// new chip mends.
    pub const BAD_DAY: &'static [Self] = &[
        Self::Nack,
        Self::GhostNack,
        Self::Flip(1),
        Self::Flip(-1),
        Self::Deaf,
        Self::Ones,
        Self::Torn,
        Self::Ready(1),
        Self::WrongSequence,
        Self::Late(50),
        Self::PowerLoss,
        Self::Hang,
    ];

    const fn parts(self) -> (&'static str, Value) {
        match self {
            Self::Nack => ("nack", Value::None),
            Self::GhostNack => ("ghost-nack", Value::None),
            Self::Flip(byte) => ("flip", Value::Signed(byte)),
            Self::Deaf => ("deaf", Value::None),
            Self::Ones => ("ones", Value::None),
            Self::Torn => ("torn", Value::None),
            Self::Ready(error) => ("ready", Value::Byte(error)),
            Self::WrongReady(error) => ("wrong-ready", Value::Byte(error)),
            Self::WrongSequence => ("wrong-sequence", Value::None),
            Self::Late(ms) => ("late", Value::Number(ms)),
            Self::WaitingForever => ("waiting-forever", Value::None),
            Self::Resize(bytes) => ("resize", Value::Byte(bytes)),
            Self::Abort => ("abort", Value::None),
            Self::Status(word) => ("status", Value::Word(word)),
            Self::StatusAfter(word) => ("status-after", Value::Word(word)),
            Self::FalseSignature => ("false-signature", Value::None),
            Self::PowerLoss => ("power-loss", Value::None),
            Self::Hang => ("hang", Value::None),
            Self::Latchup => ("latchup", Value::None),
            Self::Death => ("death", Value::None),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = self.parts();
        match value {
            Value::None => f.write_str(name),
            Value::Signed(number) => write!(f, "{name}={number}"),
            Value::Byte(number) => write!(f, "{name}={number}"),
            Value::Number(number) => write!(f, "{name}={number}"),
            Value::Word(word) => write!(f, "{name}={word:04x}"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        fn number<T: FromStr>(text: &str, value: Option<&str>) -> Result<T, String> {
            let value = value.ok_or_else(|| format!("{text:?} needs a value"))?;
            value.parse().map_err(|_| format!("{text:?} has no such value"))
        }
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let known = Self::KINDS.iter().find(|kind| kind.parts().0 == name);
        let Some(known) = known else { return Err(format!("{text:?} is no fault")) };
        let word = || {
            let digits = value.filter(|digits| digits.len() == 4);
            let word = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
            word.ok_or_else(|| format!("{text:?} needs a status word, four hexadecimal digits"))
        };
        Ok(match known {
            Self::Flip(_) => Self::Flip(number(text, value)?),
            Self::Ready(_) => Self::Ready(number(text, value)?),
            Self::WrongReady(_) => Self::WrongReady(number(text, value)?),
            Self::Late(_) => Self::Late(number(text, value)?),
            Self::Resize(_) => Self::Resize(number(text, value)?),
            Self::Status(_) => Self::Status(word()?),
            Self::StatusAfter(_) => Self::StatusAfter(word()?),
            plain if value.is_none() => *plain,
            _ => return Err(format!("{text:?}: this fault has no value")),
        })
    }
}

/// Faults, each at its transfer. The chip takes it as [`crate::Chip::follow`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub(crate) Vec<(u64, Fault)>);

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

/// Faults by chance: what happens is decided by the seed and the transfer's number, and by nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chance {
    seed: u64,
    /// Of 2^32.
    share: u64,
    kinds: Vec<Fault>,
}

impl Chance {
    /// A transfer in 2^32 / `share` fails, in a way drawn evenly from `kinds`.
    #[must_use]
    pub const fn new(seed: u64, share: u64, kinds: Vec<Fault>) -> Self {
        Self { seed, share, kinds }
    }

    pub(crate) fn draw(&self, transfer: u64) -> Option<Fault> {
        let hash = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(transfer.to_be_bytes()).finalize();
        let (words, _) = hash.as_chunks::<4>();
        let [happens, which] = [words[0], words[1]].map(u32::from_be_bytes);
        let kinds = u64::try_from(self.kinds.len()).ok()?;
        let at = u64::from(which).checked_rem(kinds).and_then(|at| usize::try_from(at).ok())?;
        self.kinds.get(at).copied().filter(|_| u64::from(happens) < self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_is_written() {
        for fault in Fault::KINDS.iter().chain(Fault::BAD_DAY) {
            assert_eq!(fault.to_string().parse(), Ok(*fault));
        }
        let plan: Plan = "3:status=6a82,12:flip=-2,12:late=40".parse().unwrap();
        assert_eq!(plan, Plan(vec![(3, Fault::Status(0x6a82)), (12, Fault::Flip(-2)), (12, Fault::Late(40))]));
        for wrong in
            ["3", "0:nack", "x:nack", "3:nothing", "3:flip", "3:flip=200", "3:nack=1", "3:status=6f0", "3:late=x"]
        {
            assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn chance_repeats_with_its_seed_and_keeps_to_its_share() {
        let drawn = |seed: u64, share: u64| -> Vec<Option<Fault>> {
            let chance = Chance::new(seed, share, Fault::BAD_DAY.to_vec());
            (0..4_000).map(|transfer| chance.draw(transfer)).collect()
        };
        let tenth = drawn(1, (1 << 32) / 10);
        assert_eq!(tenth, drawn(1, (1 << 32) / 10));
        assert_ne!(tenth, drawn(2, (1 << 32) / 10));
        let happened = tenth.iter().flatten().count();
        assert!((300..500).contains(&happened), "{happened}");
        for kind in Fault::BAD_DAY {
            assert!(tenth.contains(&Some(*kind)), "{kind}");
        }
        assert!(drawn(1, 0).iter().all(Option::is_none) && drawn(1, 1 << 32).iter().all(Option::is_some));
        assert_eq!(Chance::new(1, 1 << 32, Vec::new()).draw(1), None);
    }
}
