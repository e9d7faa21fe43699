// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads a Kconfig `.config`: what its lines say, what contradicts what, and the hash that names a configuration. Which
//! symbols there are is in symbols.rs. Shared by build.rs and the program `cairn-config`, on the host only; never guesses a
//! value that is missing.

use std::{collections::BTreeMap, fmt::Write as _};

use sha2::{Digest as _, Sha256};

use crate::symbols::{CHECKED_ONLY, CHOICES, Kind, OF_THE_GLUE, OFFERED_BY_SOME, SYMBOLS, Symbol};

/// Uplink bytes that are not records: the anchor, its signature, the batch key, a record's time and kind; rounded up.
const UPLINK_OVERHEAD: u64 = 256;

/// Numbers of the journal's format, in bytes: the least sector, a sector's header, an entry's head, the most before a record's
/// payload, and the longest payload that Cairn writes itself. A test of `cairn-capi` compares them with the component's.
pub(crate) const SECTOR_MIN: u64 = 1024;
pub(crate) const SECTOR_HEADER: u64 = 160;
pub(crate) const ENTRY_HEAD: u64 = 8;
pub(crate) const RECORD_PREFIX: u64 = 14;
pub(crate) const OWN_PAYLOAD: u64 = 138;

/// Which cargo features of `cairn-capi` a choice turns on. Everything else reaches Rust as a constant. `cairn-capi` asserts
/// that its features are those of its configuration.
const FEATURES: &[(&str, &str)] = &[
    ("AT_MODEM", "at-modem"),
    ("UDP", "udp"),
    ("TRANSPORT_CUSTOM", "udp"),
    ("MODEM_BC66", "modem-bc66"),
    ("MONOTONIC", "monotonic"),
    ("KEY_STORE", "key-store"),
    ("KEY_NOISE", "key-noise"),
    ("SIGNER_SOFTWARE", "signer-software"),
    ("SIGNER_P256", "signer-p256"),
    ("SIGNER_FAST", "signer-fast"),
    ("SIGNER_LIBSECP256K1", "signer-libsecp256k1"),
    ("SIGNER_PSA", "signer-psa"),
    ("PSA_HASH", "psa-hash"),
    ("PSA_AEAD", "psa-aead"),
    ("SIGNER_SE050", "signer-se050"),
    ("SIGNER_SIM", "signer-sim"),
    ("SIGNER_CUSTOM", "signer-custom"),
    ("KEY_P256", "es256"),
    ("SIM_IOT_SAFE", "es256"),
    ("ROOT_FACTORY_KEY", "endorsement"),
    ("ROOT_PSA", "psa-attestation"),
    ("ROOT_SE050", "se050-attestation"),
];

/// Prefix of every symbol this crate answers for.
pub(crate) const PREFIX: &str = "CONFIG_CAIRN_";

/// The value of one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A [`Kind::Bool`].
    Bool(bool),
    /// A [`Kind::Int`] or a [`Kind::Hex`].
    Int(u64),
    /// A [`Kind::Bytes`].
    Bytes(Vec<u8>),
}

/// A complete, checked configuration: every symbol of [`SYMBOLS`] whose dependencies are met has a value, and no other has.
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
            errors.extend(unmet(&values));
        }
        if errors.is_empty() {
            errors.extend(contradictions(&values));
        }
        if errors.is_empty() { Ok(Self { values }) } else { Err(errors) }
    }

    /// Every symbol, in the order of [`SYMBOLS`], with its value; `None` for one that this configuration has no use for.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Symbol, Option<&Value>)> {
        SYMBOLS.iter().map(|symbol| (symbol, self.values.get(symbol.name)))
    }

    /// The cargo features of `cairn-capi` that this configuration chooses, each once.
    pub(crate) fn features(&self) -> Vec<&'static str> {
        let mut features: Vec<_> =
            FEATURES.iter().filter(|(name, _)| set(&self.values, name)).map(|(_, f)| *f).collect();
        features.dedup();
        features
    }

    /// First 8 hex digits of SHA-256 over the sorted lines `CONFIG_CAIRN_NAME=value\n` of what is set, numbers in decimal:
    /// the order, comments and other components' lines of the file do not matter, and [`CHECKED_ONLY`] does not either.
    pub(crate) fn hash(&self) -> String {
        let mut lines = String::new();
        for (name, value) in self.values.iter().filter(|(name, _)| !CHECKED_ONLY.contains(*name)) {
            let _ = match value {
                Value::Bool(true) => writeln!(lines, "{PREFIX}{name}=y"),
                Value::Bool(false) => Ok(()),
                Value::Int(number) => writeln!(lines, "{PREFIX}{name}={number}"),
                Value::Bytes(bytes) => writeln!(lines, "{PREFIX}{name}={bytes:02x?}"),
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
            Kind::Int { .. } | Kind::Hex { .. } => Err(format!("{name} needs a number")),
            Kind::Bytes { .. } => Err(format!("{name} needs hex digits in quotes")),
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
        Kind::Hex { min, max, .. } => match text.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16)) {
            Some(Ok(number)) if (min..=max).contains(&number) => Value::Int(number),
            Some(Ok(_)) => return Err(format!("{name}={text}: must be {min:#x} to {max:#x} ({})", symbol.about)),
            _ => return Err(format!("{name}={text}: is not a hexadecimal number, 0x first")),
        },
        Kind::Bytes { min, max } => match quoted_bytes(text) {
            Some(bytes) if (min..=max).contains(&bytes.len()) => Value::Bytes(bytes),
            _ => {
                return Err(format!(
                    "{name}={text}: must be {min} to {max} bytes in hex digits, in quotes ({})",
                    symbol.about
                ));
            }
        },
    };
    Ok(Some((symbol.name, value)))
}

/// The bytes of `"303036"`.
fn quoted_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix('"')?.strip_suffix('"')?;
    if !digits.is_ascii() || digits.len() % 2 != 0 {
        return None;
    }
    let pair = |at: usize| digits.get(at..at + 2).filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(pair(at)?, 16).ok()).collect()
}

/// The symbol a `.config` calls `name`; `None` when it is another component's.
fn find(name: &str) -> Result<Option<&'static Symbol>, String> {
    let Some(own) = name.strip_prefix(PREFIX) else { return Ok(None) };
    if OF_THE_GLUE.contains(&own) || own.starts_with("LOG_LEVEL") {
        return Ok(None);
    }
    match SYMBOLS.iter().find(|symbol| symbol.name == own) {
        Some(symbol) => Ok(Some(symbol)),
        None => Err(format!("{name}: Cairn has no such option; was the file made for another version?")),
    }
}

type Values = BTreeMap<&'static str, Value>;

fn set(values: &Values, name: &str) -> bool {
    values.get(name) == Some(&Value::Bool(true))
}

/// Whether this configuration has a use for the symbol.
fn met(values: &Values, symbol: &Symbol) -> bool {
    symbol.needs.is_empty() || symbol.needs.iter().any(|need| set(values, need))
}

fn missing(values: &Values) -> Vec<String> {
    let wanted = SYMBOLS.iter().filter(|symbol| met(values, symbol) && !OFFERED_BY_SOME.contains(&symbol.name));
    let missing = wanted.filter(|symbol| !values.contains_key(symbol.name));
    let say = |symbol: &Symbol| {
        format!("{PREFIX}{} is missing; make the file anew from kconfig/ ({})", symbol.name, symbol.about)
    };
    missing.map(say).collect()
}

/// What is set although what it belongs to is not: two signers, an option of another one.
fn unmet(values: &Values) -> Vec<String> {
    let unmet = SYMBOLS.iter().filter(|symbol| !met(values, symbol));
    let wanted = unmet.filter(|symbol| !matches!(values.get(symbol.name), None | Some(Value::Bool(false))));
    let say = |symbol: &Symbol| {
        let needs = symbol.needs.join(&format!(" or {PREFIX}"));
        format!("{PREFIX}{} is set, which needs {PREFIX}{needs} ({})", symbol.name, symbol.about)
    };
    wanted.map(say).collect()
}

fn contradictions(values: &Values) -> Vec<String> {
    let mut errors = Vec::new();
    for choice in CHOICES {
        let offered = SYMBOLS.iter().any(|symbol| symbol.name == choice[0] && met(values, symbol));
        let chosen = choice.iter().filter(|name| set(values, name)).count();
        if offered && chosen != 1 {
            errors.push(format!(
                "exactly one of {PREFIX}{} must be y, {chosen} are",
                choice.join(&format!(", {PREFIX}"))
            ));
        }
    }
    if let (Some(Value::Int(payload)), Some(Value::Int(uplink))) = (values.get("PAYLOAD_MAX"), values.get("UPLINK_MAX"))
        && set(values, "UPLOAD_DATA")
        && payload + UPLINK_OVERHEAD > *uplink
    {
        errors.push(format!(
            "{PREFIX}UPLINK_MAX={uplink} cannot carry one record of {PREFIX}PAYLOAD_MAX={payload}: needs {}",
            payload.max(&OWN_PAYLOAD) + UPLINK_OVERHEAD
        ));
    }
    errors.extend(ledger_contradiction(values));
    errors.extend(flash_contradictions(values));
    errors.extend(deadline_contradictions(values));
    errors.extend(energy_contradictions(values));
    errors
}

/// The number of a symbol; 0 where there is none.
fn number(values: &Values, name: &str) -> u64 {
    match values.get(name) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    }
}

/// What may wait longer is not due before what may not.
fn deadline_contradictions(values: &Values) -> Vec<String> {
    let pairs = [("DEADLINE_URGENT_S", "DEADLINE_ROUTINE_S"), ("DEADLINE_ROUTINE_S", "DEADLINE_BULK_S")];
    let wrong = pairs.into_iter().filter(|(sooner, later)| number(values, sooner) > number(values, later));
    let say = |(sooner, later)| {
        format!(
            "{PREFIX}{later}={}: records that may wait longer cannot be due before others, and {PREFIX}{sooner} is {}",
            number(values, later),
            number(values, sooner)
        )
    };
    wrong.map(say).collect()
}

/// Nothing is cheaper where coverage is worse: whoever says so has two numbers interchanged.
fn energy_contradictions(values: &Values) -> Vec<String> {
    let mut errors = Vec::new();
    for symbol in SYMBOLS {
        let Some((level, row)) = symbol.name.strip_prefix("ENERGY_CE").and_then(|rest| rest.split_once('_')) else {
            continue;
        };
        let worse = match level {
            "0" => format!("ENERGY_CE1_{row}"),
            "1" => format!("ENERGY_CE2_{row}"),
            _ => continue,
        };
        let (here, there) = (number(values, symbol.name), number(values, &worse));
        if there < here {
            errors.push(format!(
                "{PREFIX}{worse}={there}: less than {PREFIX}{}={here}, and coverage is worse there",
                symbol.name
            ));
        }
    }
    errors
}

/// Direct mode is the contract's: it recovers the key from the signature, which it can on secp256k1 only. A relay in direct mode
/// would put such a device's anchors under a root, and nobody would have been told.
fn ledger_contradiction(values: &Values) -> Option<String> {
    let p256 = ["SIGNER_P256", "KEY_P256", "SIM_IOT_SAFE"].into_iter().find(|name| set(values, name))?;
    set(values, "LEDGER_DIRECT").then(|| {
        format!(
            "{PREFIX}LEDGER_DIRECT: a contract cannot recover the key of {PREFIX}{p256}, which is on P-256; choose \
             {PREFIX}LEDGER_ROOT, or a signer on secp256k1"
        )
    })
}

/// What the journal asks of its flash; docs/journal.md says why. Whether two batches fit is checked when the library is
/// compiled, which knows what they take.
fn flash_contradictions(values: &Values) -> Vec<String> {
    let number = |name| number(values, name);
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
    if set(values, "JOURNAL_FULL_DISPLACE") && bytes < 4 * sector {
        errors.push(format!(
            "{PREFIX}JOURNAL_BYTES={bytes}: {PREFIX}JOURNAL_FULL_DISPLACE needs four sectors of {sector} bytes or more"
        ));
    }
    let granule = word.max(ENTRY_HEAD);
    let record = 2 * SECTOR_HEADER.next_multiple_of(granule)
        + (ENTRY_HEAD + RECORD_PREFIX + number("PAYLOAD_MAX").max(OWN_PAYLOAD)).next_multiple_of(granule);
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
#[path = "dotconfig_tests.rs"]
mod tests;
