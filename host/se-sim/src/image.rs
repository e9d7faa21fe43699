// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the chip keeps without power, as a text that is written to a file and read again: one word and its values a line.
//! It holds the simulated chip's private keys. Called by the chip; does no I/O.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::memory::{Counter, KeyPair, Memory};

const FIRST_LINE: &str = "cairn-se-sim 1";

/// Why a text is not what a chip keeps: the number of the line that is wrong, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadImage(pub usize);

impl std::fmt::Display for BadImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} is none of a simulated chip's memory", self.0)
    }
}

impl std::error::Error for BadImage {}

fn hex(bytes: &[u8]) -> String {
    // A value of no bytes is still a word.
    if bytes.is_empty() { "-".into() } else { bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    if text == "-" {
        return Some(Vec::new());
    }
    let digits = text.as_bytes();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() * 2 == digits.len())
}

fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    bytes(text)?.try_into().ok()
}

impl Memory {
    pub(crate) fn image(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        let mut line = |words: &[String]| {
            let _ = writeln!(text, "{}", words.join(" "));
        };
        line(&["unique-id".into(), hex(&self.unique_id)]);
        line(&["random".into(), hex(&self.seed), self.drawn.to_string()]);
        for (curve, parameters) in &self.curves {
            line(&["curve".into(), hex(&[*curve])]);
            for (number, value) in parameters {
                line(&["parameter".into(), hex(&[*curve]), hex(&[*number]), hex(value)]);
            }
        }
        for (object, key) in &self.keys {
            let words = [&object.to_be_bytes()[..], &[key.curve], &[key.origin], &key.policy, &key.secret].map(hex);
            line(&[&["key".to_owned()][..], &words].concat());
        }
        for (object, counter) in &self.counters {
            let words = [&object.to_be_bytes()[..], &counter.policy, &counter.value].map(hex);
            line(&[&["counter".to_owned()][..], &words].concat());
        }
        text
    }

    pub(crate) fn from_image(text: &str) -> Result<Self, BadImage> {
        let mut memory = Self::default();
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
        if lines.next().is_none_or(|(_, line)| line != FIRST_LINE) {
            return Err(BadImage(1));
        }
        let mut singles = [false; 2];
        for (number, line) in lines {
            memory.take(line, &mut singles).ok_or(BadImage(number))?;
        }
        if singles == [true; 2] { Ok(memory) } else { Err(BadImage(text.lines().count() + 1)) }
    }

    fn take(&mut self, line: &str, singles: &mut [bool; 2]) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["unique-id", id] if !singles[0] => {
                self.unique_id = fixed(id)?;
                singles[0] = true;
            }
            ["random", seed, drawn] if !singles[1] => {
                (self.seed, self.drawn) = (fixed(seed)?, drawn.parse().ok()?);
                singles[1] = true;
            }
            ["curve", curve] => {
                let [curve] = fixed(curve)?;
                self.curves.insert(curve, BTreeMap::new()).is_none().then_some(())?;
            }
            ["parameter", curve, number, value] => {
                let ([curve], [number]) = (fixed(curve)?, fixed(number)?);
                self.curves.get_mut(&curve)?.insert(number, bytes(value)?).is_none().then_some(())?;
            }
            ["key", object, curve, origin, policy, secret] => {
                let ([curve], [origin], policy, secret) =
                    (fixed(curve)?, fixed(origin)?, bytes(policy)?, fixed(secret)?);
                let key = KeyPair { curve, secret, policy, origin };
                key.is_in_range().then_some(())?;
                self.keys.insert(u32::from_be_bytes(fixed(object)?), key).is_none().then_some(())?;
            }
            ["counter", object, policy, value] => {
                let counter = Counter { policy: bytes(policy)?, value: bytes(value)? };
                self.counters.insert(u32::from_be_bytes(fixed(object)?), counter).is_none().then_some(())?;
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{P256, SECP256K1};

    fn memory() -> Memory {
        let mut memory = Memory::new(7);
        let secret = memory.secret(SECP256K1);
        memory.curves.insert(SECP256K1, [(1, vec![0; 32]), (2, Vec::new())].into());
        memory
            .keys
            .insert(5, KeyPair { curve: SECP256K1, secret, policy: vec![8, 0, 0, 0, 0, 0x10, 0, 0, 0], origin: 2 });
        memory.keys.insert(6, KeyPair { curve: P256, secret, policy: Vec::new(), origin: 2 });
        memory.counters.insert(7, Counter { value: vec![0, 0, 0, 9], policy: Vec::new() });
        memory
    }

    #[test]
    fn a_chip_is_read_as_it_was_written_and_draws_on() {
        let mut memory = memory();
        let mut again = Memory::from_image(&memory.image()).unwrap();
        assert_eq!(again, memory);
        assert_eq!(again.random(), memory.random());
        assert_eq!(again.image(), memory.image());
    }

    #[test]
    fn a_text_with_a_line_missing_doubled_or_changed_is_refused() {
        let image = memory().image();
        assert_eq!(Memory::from_image(""), Err(BadImage(1)));
        assert_eq!(Memory::from_image("cairn-se-sim 2\n"), Err(BadImage(1)));
        assert_eq!(Memory::from_image("cairn-se-sim 1\n"), Err(BadImage(2)));
        let lines: Vec<&str> = image.lines().collect();
        for at in 1..lines.len() {
            let mut doubled = lines.clone();
            doubled.insert(at, lines[at]);
            assert_eq!(Memory::from_image(&doubled.join("\n")), Err(BadImage(at + 2)), "{}", lines[at]);
            let mut longer = lines.clone();
            let more = format!("{} 00", lines[at]);
            longer[at] = &more;
            assert_eq!(Memory::from_image(&longer.join("\n")), Err(BadImage(at + 1)), "{more}");
        }
        let key = lines.iter().find(|line| line.starts_with("key 00000006")).unwrap();
        let secret = key.rsplit(' ').next().unwrap();
        let zero = image.replace(secret, &"00".repeat(32));
        assert_ne!(zero, image);
        assert!(Memory::from_image(&zero).is_err(), "a secret of zero");
    }
}
