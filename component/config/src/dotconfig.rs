// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads a Kconfig `.config`: which symbols there are, what each may be, and the hash that names a configuration.
//! Shared by build.rs and the program `cairn-config`, on the host only; never guesses a value that is missing.

use std::{collections::BTreeMap, fmt::Write as _};

use sha2::{Digest as _, Sha256};

/// What a symbol may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `y` or not set.
    Bool,
    /// A decimal number between two bounds, both allowed.
    Int {
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
        /// The constant's type.
        rust: &'static str,
    },
}

/// One Kconfig symbol, named without `CONFIG_CAIRN_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// Name; also the constant's.
    pub(crate) name: &'static str,
    /// What it may be. kconfig/Kconfig says the same ranges; `cargo xtask test` compares them.
    pub(crate) kind: Kind,
    /// Documentation of the constant, with its unit.
    pub(crate) about: &'static str,
}

const fn int(name: &'static str, rust: &'static str, min: u64, max: u64, about: &'static str) -> Symbol {
    Symbol { name, kind: Kind::Int { min, max, rust }, about }
}

const fn boolean(name: &'static str, about: &'static str) -> Symbol {
    Symbol { name, kind: Kind::Bool, about }
}

/// Every symbol a configuration has, each exactly once.
pub(crate) const SYMBOLS: &[Symbol] = &[
    int("PAYLOAD_MAX", "usize", 1, 1024, "Largest payload of a record, in bytes."),
    int("QUEUE_LENGTH", "usize", 1, 1024, "Records that may wait between the application and the agent's task."),
    int("WAITERS", "usize", 1, 32, "Tasks that may be inside `cairn_submit_wait` at the same time."),
    int("TASK_STACK_BYTES", "usize", 2048, 65536, "Stack of the agent's task, in bytes."),
    int("TASK_PRIORITY", "u32", 0, 31, "Priority of the agent's task, in the RTOS's own numbers."),
    int("JOURNAL_BYTES", "usize", 4096, 16_777_216, "Flash that the journal uses, in bytes."),
    int("FLASH_WRITE_SIZE", "usize", 1, 32, "Word of the journal's flash, in bytes."),
    int("FLASH_ERASE_SIZE", "usize", 256, 131_072, "Erase unit of the journal's flash, in bytes."),
    int("UPLINK_MAX", "usize", 320, 1408, "Largest uplink, in bytes before OSCORE and CoAP are added."),
    int("UPLOAD_INTERVAL_S", "u32", 60, 2_592_000, "Seconds between two batches."),
    boolean("JOURNAL_FULL_REFUSE", "A full journal refuses urgent records too."),
    boolean("JOURNAL_FULL_DISPLACE", "In a full journal, routine records give way to urgent ones."),
    boolean("UPLOAD_DATA", "The relay is given the records; it makes the evidence."),
    boolean("UPLOAD_HASH_ONLY", "The relay is given anchors only; records stay on the device until released."),
    int(
        "RETENTION_HOURS",
        "u32",
        0,
        175_200,
        "Hours after which records of hash-only batches are released; 0 is never.",
    ),
    int("CLOCK_STEP_MS", "u32", 100, 3_600_000, "Wall-clock steps from this many milliseconds on get a clock record."),
    int("RELAY_STEP_MAX_S", "u32", 0, 2_592_000, "Seconds by which a relay may move a clock that was set."),
    int("SENDER_SEQUENCE_BLOCK", "u32", 8, 65536, "OSCORE sender sequence numbers reserved at a time."),
    int("COAP_ACK_TIMEOUT_MS", "u32", 1000, 60_000, "ACK_TIMEOUT of RFC 7252 section 4.8, in milliseconds."),
    int("COAP_MAX_RETRANSMIT", "u8", 0, 8, "MAX_RETRANSMIT of RFC 7252 section 4.8."),
    int("AT_LINE_MAX", "usize", 64, 4096, "Longest line taken from the modem, in bytes without line end."),
    int("AT_RX_BYTES", "usize", 64, 4096, "Bytes kept between the modem UART's interrupt and the agent's task."),
];

/// Symbols of which exactly one is set.
const CHOICES: &[&[&str]] = &[&["JOURNAL_FULL_REFUSE", "JOURNAL_FULL_DISPLACE"], &["UPLOAD_DATA", "UPLOAD_HASH_ONLY"]];

/// Uplink bytes that are not records: the anchor, its signature, the batch key, a record's time and kind; rounded up.
const UPLINK_OVERHEAD: u64 = 256;

/// Numbers of the journal's format, in bytes: the least sector, a sector's header, an entry's head, the most before a record's
/// payload, and the longest payload that Cairn writes itself. A test of `cairn-capi` compares them with the component's.
pub(crate) const SECTOR_MIN: u64 = 1024;
pub(crate) const SECTOR_HEADER: u64 = 160;
pub(crate) const ENTRY_HEAD: u64 = 8;
pub(crate) const RECORD_PREFIX: u64 = 14;
pub(crate) const IDENTITY_PAYLOAD: u64 = 106;

/// Prefix of every symbol this crate answers for.
pub(crate) const PREFIX: &str = "CONFIG_CAIRN_";

/// The value of one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A [`Kind::Bool`].
    Bool(bool),
    /// A [`Kind::Int`].
    Int(u64),
}

/// A complete, checked configuration: every symbol of [`SYMBOLS`] has a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    values: BTreeMap<&'static str, Value>,
}

impl Config {
    /// Reads the text of a `.config`. Lines of other components are skipped.
    ///
    /// # Errors
    /// Everything that is wrong with it, one line each, beginning with the line number where there is one.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let mut values = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            match parse_line(line.trim()) {
                Ok(Some((name, value))) => {
                    if values.insert(name, value).is_some() {
                        errors.push(format!("line {number}: {PREFIX}{name} is set twice"));
                    }
                }
                Ok(None) => {}
                Err(why) => errors.push(format!("line {number}: {why}")),
            }
        }
        if errors.is_empty() {
            errors.extend(missing(&values));
        }
        if errors.is_empty() {
            errors.extend(contradictions(&values));
        }
        if errors.is_empty() { Ok(Self { values }) } else { Err(errors) }
    }

    /// Every symbol with its value, in the order of [`SYMBOLS`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Symbol, Value)> {
        SYMBOLS.iter().filter_map(|symbol| Some((symbol, *self.values.get(symbol.name)?)))
    }

    /// First 8 hex digits of SHA-256 over the sorted lines `CONFIG_CAIRN_NAME=value\n`, a symbol that is not set as
    /// `n`: the order, comments and other components' lines of the file do not matter.
    pub(crate) fn hash(&self) -> String {
        let mut lines = String::new();
        for (name, value) in &self.values {
            let _ = match value {
                Value::Bool(set) => writeln!(lines, "{PREFIX}{name}={}", if *set { "y" } else { "n" }),
                Value::Int(number) => writeln!(lines, "{PREFIX}{name}={number}"),
            };
        }
        Sha256::digest(lines).iter().take(4).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }
}

/// One line: a symbol of ours and its value, or `None` when the line is none of our business.
fn parse_line(line: &str) -> Result<Option<(&'static str, Value)>, String> {
    if let Some(name) = line.strip_prefix("# ").and_then(|rest| rest.strip_suffix(" is not set")) {
        let Some(symbol) = find(name)? else { return Ok(None) };
        return match symbol.kind {
            Kind::Bool => Ok(Some((symbol.name, Value::Bool(false)))),
            Kind::Int { .. } => Err(format!("{name} needs a number")),
        };
    }
    let Some((name, text)) = line.split_once('=') else { return Ok(None) };
    let Some(symbol) = find(name)? else { return Ok(None) };
    let value = match symbol.kind {
        Kind::Bool => match text {
            "y" => Value::Bool(true),
            "n" => Value::Bool(false),
            _ => return Err(format!("{name}={text}: is y or n")),
        },
        Kind::Int { min, max, .. } => match text.parse::<u64>() {
            Ok(number) if (min..=max).contains(&number) => Value::Int(number),
            Ok(_) => return Err(format!("{name}={text}: must be {min} to {max} ({})", symbol.about)),
            Err(_) => return Err(format!("{name}={text}: is not a decimal number")),
        },
    };
    Ok(Some((symbol.name, value)))
}

/// The symbol a `.config` calls `name`; `None` when it is another component's.
fn find(name: &str) -> Result<Option<&'static Symbol>, String> {
    let Some(own) = name.strip_prefix(PREFIX) else { return Ok(None) };
    match SYMBOLS.iter().find(|symbol| symbol.name == own) {
        Some(symbol) => Ok(Some(symbol)),
        None => Err(format!("{name}: Cairn has no such option; was the file made for another version?")),
    }
}

fn missing(values: &BTreeMap<&'static str, Value>) -> impl Iterator<Item = String> {
    SYMBOLS.iter().filter(|symbol| !values.contains_key(symbol.name)).map(|symbol| {
        format!("{PREFIX}{} is missing; make the file anew from kconfig/ ({})", symbol.name, symbol.about)
    })
}

fn contradictions(values: &BTreeMap<&'static str, Value>) -> Vec<String> {
    let mut errors = Vec::new();
    for choice in CHOICES {
        let set = choice.iter().filter(|name| values.get(*name) == Some(&Value::Bool(true))).count();
        if set != 1 {
            errors.push(format!("exactly one of {PREFIX}{} must be y, {set} are", choice.join(&format!(", {PREFIX}"))));
        }
    }
    if let (Some(Value::Int(payload)), Some(Value::Int(uplink))) = (values.get("PAYLOAD_MAX"), values.get("UPLINK_MAX"))
        && values.get("UPLOAD_DATA") == Some(&Value::Bool(true))
        && payload + UPLINK_OVERHEAD > *uplink
    {
        errors.push(format!(
            "{PREFIX}UPLINK_MAX={uplink} cannot carry one record of {PREFIX}PAYLOAD_MAX={payload}: needs {}",
            payload + UPLINK_OVERHEAD
        ));
    }
    errors.extend(flash_contradictions(values));
    errors
}

/// What the journal asks of its flash; docs/journal.md says why. Whether two batches fit is checked when the library is
/// compiled, which knows what they take.
fn flash_contradictions(values: &BTreeMap<&'static str, Value>) -> Vec<String> {
    let number = |name| match values.get(name) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    };
    let (bytes, word, erase) = (number("JOURNAL_BYTES"), number("FLASH_WRITE_SIZE"), number("FLASH_ERASE_SIZE"));
    let mut errors = Vec::new();
    for (name, value) in [("FLASH_WRITE_SIZE", word), ("FLASH_ERASE_SIZE", erase)] {
        if !value.is_power_of_two() {
            errors.push(format!("{PREFIX}{name}={value}: must be a power of two"));
        }
    }
    let sector = erase.max(SECTOR_MIN);
    if bytes % sector != 0 || bytes < 2 * sector {
        errors.push(format!(
            "{PREFIX}JOURNAL_BYTES={bytes}: must be whole sectors of {sector} bytes, at least two \
             ({PREFIX}FLASH_ERASE_SIZE={erase})"
        ));
    }
    if values.get("JOURNAL_FULL_DISPLACE") == Some(&Value::Bool(true)) && bytes < 4 * sector {
        errors.push(format!(
            "{PREFIX}JOURNAL_BYTES={bytes}: {PREFIX}JOURNAL_FULL_DISPLACE needs four sectors of {sector} bytes or more"
        ));
    }
    let granule = word.max(ENTRY_HEAD);
    let record = 2 * SECTOR_HEADER.next_multiple_of(granule)
        + (ENTRY_HEAD + RECORD_PREFIX + number("PAYLOAD_MAX").max(IDENTITY_PAYLOAD)).next_multiple_of(granule);
    if record > sector {
        errors.push(format!(
            "{PREFIX}PAYLOAD_MAX={}: a longest record takes {record} bytes with the sector's header and does not fit a \
             sector of {sector}",
            number("PAYLOAD_MAX")
        ));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = include_str!("../default.config");

    fn errors(text: &str) -> String {
        Config::parse(text).expect_err("must be refused").join("\n")
    }

    #[test]
    fn the_committed_default_is_complete_and_in_range() {
        let config = Config::parse(DEFAULT).expect("default.config");
        assert_eq!(config.iter().count(), SYMBOLS.len());
    }

    #[test]
    fn symbol_names_are_unique_and_every_choice_names_booleans() {
        for (i, symbol) in SYMBOLS.iter().enumerate() {
            assert!(SYMBOLS[..i].iter().all(|other| other.name != symbol.name), "{}", symbol.name);
        }
        for name in CHOICES.iter().flat_map(|choice| choice.iter()) {
            assert!(SYMBOLS.iter().any(|symbol| symbol.name == *name && symbol.kind == Kind::Bool), "{name}");
        }
    }

    #[test]
    fn every_number_is_refused_just_outside_its_bounds() {
        for symbol in SYMBOLS {
            let Kind::Int { min, max, .. } = symbol.kind else { continue };
            for bad in [min.checked_sub(1), Some(max + 1)].into_iter().flatten() {
                let line = format!("{PREFIX}{}={bad}", symbol.name);
                let text: String = DEFAULT
                    .lines()
                    .map(|old| if old.starts_with(&format!("{PREFIX}{}=", symbol.name)) { &line } else { old })
                    .flat_map(|line| [line, "\n"])
                    .collect();
                assert!(errors(&text).contains(&format!("must be {min} to {max}")), "{line}");
            }
        }
    }

    #[test]
    fn a_symbol_that_is_unknown_missing_repeated_or_no_number_is_named() {
        assert!(
            errors(&format!("{DEFAULT}CONFIG_CAIRN_TYPO=1\n")).contains("CONFIG_CAIRN_TYPO: Cairn has no such option")
        );
        assert!(errors(&format!("{DEFAULT}# CONFIG_CAIRN_TYPO is not set\n")).contains("CONFIG_CAIRN_TYPO"));
        assert!(errors("").contains("CONFIG_CAIRN_WAITERS is missing"));
        assert!(errors(&format!("{DEFAULT}CONFIG_CAIRN_WAITERS=2\n")).contains("CONFIG_CAIRN_WAITERS is set twice"));
        assert!(errors("CONFIG_CAIRN_WAITERS=0x2\n").contains("is not a decimal number"));
        assert!(errors("CONFIG_CAIRN_UPLOAD_DATA=maybe\n").contains("is y or n"));
        assert!(errors("# CONFIG_CAIRN_WAITERS is not set\n").contains("needs a number"));
    }

    #[test]
    fn a_choice_with_two_or_no_answers_is_refused() {
        let both = DEFAULT.replace("# CONFIG_CAIRN_UPLOAD_HASH_ONLY is not set", "CONFIG_CAIRN_UPLOAD_HASH_ONLY=y");
        let none = DEFAULT.replace("CONFIG_CAIRN_UPLOAD_DATA=y", "# CONFIG_CAIRN_UPLOAD_DATA is not set");
        assert!(errors(&both).contains("2 are"));
        assert!(errors(&none).contains("0 are"));
    }

    #[test]
    fn an_uplink_that_cannot_carry_the_largest_record_is_refused() {
        let text = DEFAULT.replace("CONFIG_CAIRN_PAYLOAD_MAX=64", "CONFIG_CAIRN_PAYLOAD_MAX=1024");
        assert!(errors(&text).contains("cannot carry one record"));
    }

    #[test]
    fn a_flash_that_the_journal_cannot_use_is_refused_with_the_reason() {
        let with = |changes: &[(&str, &str)]| {
            changes.iter().fold(DEFAULT.to_owned(), |text, (from, to)| {
                assert!(text.contains(from), "{from}");
                text.replace(from, to)
            })
        };
        let (word, unit) = ("FLASH_WRITE_SIZE=8", "FLASH_ERASE_SIZE=4096");
        assert!(errors(&with(&[(word, "FLASH_WRITE_SIZE=12")])).contains("must be a power of two"));
        assert!(
            errors(&with(&[(unit, "FLASH_ERASE_SIZE=3072")])).contains("FLASH_ERASE_SIZE=3072: must be a power of two")
        );
        assert!(
            errors(&with(&[(unit, "FLASH_ERASE_SIZE=65536")])).contains("whole sectors of 65536 bytes, at least two")
        );
        let bytes = "JOURNAL_BYTES=65536";
        let (refuse, displace) = ("JOURNAL_FULL_REFUSE=y", "# CONFIG_CAIRN_JOURNAL_FULL_DISPLACE is not set");
        let gives_way = [(refuse, "JOURNAL_FULL_REFUSE=n"), (displace, "CONFIG_CAIRN_JOURNAL_FULL_DISPLACE=y")];
        Config::parse(&with(&gives_way)).expect("sixteen sectors are enough");
        let short = [gives_way[0], gives_way[1], (bytes, "JOURNAL_BYTES=12288")];
        assert!(errors(&with(&short)).contains("needs four sectors of 4096 bytes"));
        assert!(errors(&with(&[(bytes, "JOURNAL_BYTES=10000")])).contains("whole sectors of 4096 bytes"));
        let (payload, uplink) = ("PAYLOAD_MAX=64", "UPLINK_MAX=1024");
        let long = [(unit, "FLASH_ERASE_SIZE=256"), (payload, "PAYLOAD_MAX=800"), (uplink, "UPLINK_MAX=1408")];
        assert!(errors(&with(&long)).contains("takes 1144 bytes"));
        for good in [
            [(bytes, "JOURNAL_BYTES=4096"), (unit, "FLASH_ERASE_SIZE=256")],
            [(bytes, "JOURNAL_BYTES=262144"), (unit, "FLASH_ERASE_SIZE=131072")],
            [(word, "FLASH_WRITE_SIZE=1"), (unit, "FLASH_ERASE_SIZE=8192")],
        ] {
            Config::parse(&with(&good)).expect("a flash that works");
        }
    }

    #[test]
    fn the_hash_depends_on_values_and_on_nothing_else() {
        let config = Config::parse(DEFAULT).expect("default.config");
        let mut lines: Vec<_> = DEFAULT.lines().collect();
        lines.reverse();
        let shuffled = format!("CONFIG_OTHER=7\n# a comment\n{}\n", lines.join("\n"));
        assert_eq!(config.hash(), Config::parse(&shuffled).expect("shuffled").hash());
        let changed = DEFAULT.replace("CONFIG_CAIRN_PAYLOAD_MAX=64", "CONFIG_CAIRN_PAYLOAD_MAX=65");
        assert_ne!(config.hash(), Config::parse(&changed).expect("changed").hash());
    }
}
