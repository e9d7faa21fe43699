// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lines, fields and hex digits out of a modem's byte stream. [`crate::modem`] feeds it; it knows no dialect, does no I/O
//! and never fails: what makes no sense is counted and dropped, and the next line is read as if nothing had happened.

use heapless::Vec;

/// What became of a byte given to [`Lines::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The line goes on.
    More,
    /// A line is complete; it can be read with [`Lines::line`] until the next [`Lines::push`].
    Line,
    /// A line longer than the buffer, or with bytes in it that are not printable ASCII, ended here and was dropped.
    Dropped,
}

/// Assembles lines of at most `LINE` bytes. CR and LF both end a line, so `\r\nOK\r\n` is one line; empty lines are skipped.
#[derive(Clone, Debug, Default)]
pub struct Lines<const LINE: usize> {
    bytes: Vec<u8, LINE>,
    /// The line is too long or has noise in it: drop it whole, up to the next line end.
    spoilt: bool,
    /// `bytes` was handed out and is cleared by the next push.
    complete: bool,
}

impl<const LINE: usize> Lines<LINE> {
    /// An assembler in the middle of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), spoilt: false, complete: false }
    }

    /// Takes the next byte. Noise before the first printable byte of a line (a UART that is just waking up) is ignored;
    /// noise inside a line spoils that line, because half a hex string must never look like a shorter one.
    pub fn push(&mut self, byte: u8) -> Pushed {
        if self.complete {
            self.reset();
        }
        match byte {
            b'\r' | b'\n' => self.end(),
            b' '..=b'~' => {
                if self.bytes.push(byte).is_err() {
                    self.spoilt = true;
                }
                Pushed::More
            }
            _ => {
                self.spoilt |= !self.bytes.is_empty();
                Pushed::More
            }
        }
    }

    fn end(&mut self) -> Pushed {
        if self.spoilt {
            self.reset();
            return Pushed::Dropped;
        }
        self.complete = !self.bytes.is_empty();
        if self.complete { Pushed::Line } else { Pushed::More }
    }

    /// The line that the last [`Lines::push`] completed; empty when it completed none.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        if self.complete { &self.bytes } else { &[] }
    }

    /// Marks the line that is being received as lost: bytes of it are missing (UART overrun).
    pub fn spoil(&mut self) {
        if self.complete {
            self.reset();
        }
        self.spoilt = true;
    }

    fn reset(&mut self) {
        self.bytes.clear();
        self.spoilt = false;
        self.complete = false;
    }
}

/// The kinds of lines every dialect shares (ITU-T V.250 section 5.7.1, 3GPP TS 27.007 section 9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A command repeated by a modem with echo on.
    Echo,
    /// The final result `OK`.
    Ok,
    /// The final results `ERROR`, `+CME ERROR: n` and `+CMS ERROR: n`; the number, when it is one.
    Error(Option<u16>),
    /// Anything else: an answer or an unsolicited result code.
    Text(&'a [u8]),
}

/// Tells final results and echoes from the rest.
#[must_use]
pub fn classify(line: &[u8]) -> Line<'_> {
    if line == b"OK" {
        return Line::Ok;
    }
    if line == b"ERROR" {
        return Line::Error(None);
    }
    for prefix in [b"+CME ERROR:", b"+CMS ERROR:"] {
        if let Some(rest) = line.strip_prefix(prefix) {
            return Line::Error(number(rest.trim_ascii()));
        }
    }
    match line {
        [b'A' | b'a', b'T' | b't', ..] => Line::Echo,
        _ => Line::Text(line),
    }
}

/// Field `index` (from 0) of a comma-separated list, without surrounding spaces and quotes. Commas between quotes separate
/// nothing. `None` when there are fewer fields.
#[must_use]
pub fn field(list: &[u8], index: usize) -> Option<&[u8]> {
    let mut quoted = false;
    let is_comma = move |byte: &u8| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    };
    let raw = list.split(is_comma).nth(index)?.trim_ascii();
    Some(raw.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(raw))
}

/// How many fields [`field`] finds in `list`; at least one.
#[must_use]
pub fn fields(list: &[u8]) -> usize {
    let mut quoted = false;
    let commas = list.iter().filter(|&&byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    });
    commas.count() + 1
}

/// An unsigned decimal number that fits, and nothing else.
#[must_use]
pub fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u16, |sum, byte| match byte {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u16::from(byte - b'0')),
        _ => None,
    })
}

/// Eight binary digits: an octet as 3GPP TS 27.007 writes timers.
#[must_use]
pub fn octet(bits: &[u8]) -> Option<u8> {
    let bits: &[u8; 8] = bits.try_into().ok()?;
    bits.iter().try_fold(0_u8, |octet, bit| match bit {
        b'0' | b'1' => Some(octet << 1 | (bit - b'0')),
        _ => None,
    })
}

/// A decimal number with an optional minus sign.
#[must_use]
pub fn signed(digits: &[u8]) -> Option<i16> {
    match digits.strip_prefix(b"-") {
        Some(rest) => i16::try_from(number(rest)?).ok()?.checked_neg(),
        None => i16::try_from(number(digits)?).ok(),
    }
}

/// The universal time in what follows `+CTZEU: `, `<tz>,<dst>[,<utime>]` (3GPP TS 27.007 section 8.41), in Unix milliseconds. Taken
/// with quotes and without; `None` when the network told none, or no time from 2020 to 2099.
#[must_use]
pub fn universal_time(list: &[u8]) -> Option<u64> {
    let list = list.trim_ascii();
    let list = list.strip_suffix(b"\"").unwrap_or(list);
    let time: &[u8; 19] = list.last_chunk()?;
    let [b'"' | b',', ..] = list.get(list.len().checked_sub(20)?..)? else { return None };
    let mut numbers = [0_u64; 6];
    let separators = [b'/', b'/', b',', b':', b':'];
    let mut fields = time.split(|byte| separators.contains(byte));
    for number_of in &mut numbers {
        *number_of = u64::from(number(fields.next()?)?);
    }
    let at = |index: usize| time.get(index).copied();
    let placed = [4, 7, 10, 13, 16].into_iter().zip(separators).all(|(index, separator)| at(index) == Some(separator));
    let [year, month, day, hour, minute, second] = numbers;
    let leap = year % 4 == 0;
    let days = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month_before = usize::try_from(month.checked_sub(1)?).ok()?;
    let possible = placed
        && (2020..2100).contains(&year)
        && (1..=*days.get(month_before)?).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    // From 2020 to 2099 every fourth year is a leap year, the first one included.
    let years = year.checked_sub(2020)?;
    let since_2020 =
        years * 365 + years.div_ceil(4) + days.iter().take(month_before).sum::<u64>() + day.checked_sub(1)?;
    let seconds = ((DAYS_TO_2020 + since_2020) * 24 + hour) * 3600 + minute * 60 + second;
    possible.then_some(seconds * 1000)
}

/// Days from 1970-01-01 to 2020-01-01.
const DAYS_TO_2020: u64 = 18_262;

/// Why hex digits gave no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HexError {
    /// An odd number of digits, or something that is no hex digit.
    Malformed,
    /// More bytes than `out` holds.
    TooLong,
}

/// Decodes hex digits of either case into `out`; returns how many bytes that was.
///
/// # Errors
/// [`HexError`]; `out` may then hold a part of the bytes.
pub fn decode_hex(digits: &[u8], out: &mut [u8]) -> Result<usize, HexError> {
    let (pairs, []) = digits.as_chunks::<2>() else { return Err(HexError::Malformed) };
    if pairs.len() > out.len() {
        return Err(HexError::TooLong);
    }
    for (pair, slot) in pairs.iter().zip(out.iter_mut()) {
        let [high, low] = *pair;
        *slot = nibble(high).zip(nibble(low)).map(|(high, low)| high << 4 | low).ok_or(HexError::Malformed)?;
    }
    Ok(pairs.len())
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The two upper-case hex digits of `byte`.
#[must_use]
pub const fn hex_digits(byte: u8) -> [u8; 2] {
    const fn digit(nibble: u8) -> u8 {
        if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
    }
    [digit(byte >> 4), digit(byte & 0x0F)]
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{string::String, vec::Vec};

    use super::*;

    /// Every complete line in `bytes`, and how many were dropped.
    fn lines<const LINE: usize>(bytes: &[u8]) -> (Vec<String>, usize) {
        let mut assembler = Lines::<LINE>::new();
        let (mut found, mut dropped) = (Vec::new(), 0);
        for &byte in bytes {
            match assembler.push(byte) {
                Pushed::More => {}
                Pushed::Line => found.push(String::from_utf8(assembler.line().to_vec()).unwrap()),
                Pushed::Dropped => dropped += 1,
            }
        }
        (found, dropped)
    }

    #[test]
    fn cr_lf_and_both_end_a_line_and_empty_lines_are_skipped() {
        assert_eq!(lines::<16>(b"\r\nOK\r\n\r\nA\rB\nC").0, ["OK", "A", "B"]);
    }

    #[test]
    fn a_line_that_fills_the_buffer_is_kept_and_one_byte_more_is_dropped_whole() {
        assert_eq!(lines::<4>(b"1234\r\n12345\r\nOK\r\n"), (["1234", "OK"].map(String::from).to_vec(), 1));
    }

    #[test]
    fn noise_before_a_line_is_ignored_and_noise_inside_spoils_only_that_line() {
        assert_eq!(lines::<16>(b"\0\xFF\x80RDY\r\nO\xFFK\r\nOK\r\n"), (["RDY", "OK"].map(String::from).to_vec(), 1));
    }

    #[test]
    fn a_spoilt_line_is_dropped_up_to_its_end() {
        let mut assembler = Lines::<16>::new();
        assert_eq!(assembler.push(b'O'), Pushed::More);
        assembler.spoil();
        assert_eq!(assembler.push(b'K'), Pushed::More);
        assert_eq!(assembler.push(b'\r'), Pushed::Dropped);
        assert_eq!(assembler.push(b'\n'), Pushed::More);
        assert_eq!(assembler.line(), b"");
    }

    #[test]
    fn final_results_and_echoes_are_told_from_text() {
        assert_eq!(classify(b"OK"), Line::Ok);
        assert_eq!(classify(b"ERROR"), Line::Error(None));
        assert_eq!(classify(b"+CME ERROR: 50"), Line::Error(Some(50)));
        assert_eq!(classify(b"+CMS ERROR:500"), Line::Error(Some(500)));
        assert_eq!(classify(b"+CME ERROR: SIM busy"), Line::Error(None));
        assert_eq!(classify(b"AT+CSQ"), Line::Echo);
        assert_eq!(classify(b"ate0"), Line::Echo);
        assert_eq!(classify(b"+CSQ: 22,0"), Line::Text(b"+CSQ: 22,0"));
        assert_eq!(classify(b"OKAY"), Line::Text(b"OKAY"));
    }

    #[test]
    fn fields_respect_quotes_and_lose_them() {
        let list = b"0, 7 ,\"a,b\",\"\",,x\"";
        let expected: [&[u8]; 5] = [b"0", b"7", b"a,b", b"", b""];
        for (index, want) in expected.into_iter().enumerate() {
            assert_eq!(field(list, index), Some(want), "field {index}");
        }
        assert_eq!(field(list, 5), Some(b"x\"".as_slice()));
        assert_eq!(field(list, 6), None);
        assert_eq!(fields(list), 6);
        assert_eq!((field(b"", 0), fields(b"")), (Some(b"".as_slice()), 1));
    }

    #[test]
    fn numbers_are_digits_only_and_must_fit() {
        assert_eq!(number(b"65535"), Some(65535));
        assert_eq!([b"65536".as_slice(), b"", b"+1", b"1 ", b"-1", b"0x1"].map(number), [None; 6]);
        assert_eq!([b"-92".as_slice(), b"0", b"-32767", b"32767"].map(signed), [-92, 0, -32767, 32767].map(Some));
        assert_eq!([b"--1".as_slice(), b"-", b"32768", b""].map(signed), [None; 4]);
    }

    #[test]
    fn hex_decodes_both_cases_and_refuses_what_is_not_hex_or_too_long() {
        let mut out = [0; 2];
        assert_eq!((decode_hex(b"aF09", &mut out), out), (Ok(2), [0xAF, 0x09]));
        assert_eq!(decode_hex(b"", &mut out), Ok(0));
        assert_eq!(decode_hex(b"0", &mut out), Err(HexError::Malformed));
        assert_eq!(decode_hex(b"0g", &mut out), Err(HexError::Malformed));
        assert_eq!(decode_hex(b"010203", &mut out), Err(HexError::TooLong));
        for byte in 0..=255_u8 {
            assert_eq!((decode_hex(&hex_digits(byte), &mut out), out[0]), (Ok(1), byte));
        }
    }

    #[test]
    fn universal_time_is_read_with_quotes_and_without_and_nothing_else_is() {
        for (line, unix_s) in [
            (&b"\"+32\",0,\"2026/11/21,19:30:05\""[..], 1_795_289_405),
            (b"+32,0,2026/11/21,19:30:05", 1_795_289_405),
            (b"-20,1,2020/01/01,00:00:00", 1_577_836_800),
            (b"+0,0,2024/02/29,23:59:59 ", 1_709_251_199),
            (b"+0,0,2024/03/01,00:00:00", 1_709_251_200),
            (b"+0,0,2025/01/01,00:00:00", 1_735_689_600),
            (b"+0,0,2099/12/31,23:59:59", 4_102_444_799),
        ] {
            assert_eq!(universal_time(line), Some(unix_s * 1000), "{line:?}");
        }
        for line in [
            &b""[..],
            b"+32,0",
            b"+32,0,",
            b"2026/11/21,19:30:05",
            b"+32,0,26/11/21,19:30:05",
            b"+32,0,12026/11/21,19:30:05",
            b"+32,0,2019/12/31,23:59:59",
            b"+32,0,2100/01/01,00:00:00",
            b"+32,0,2026/02/29,00:00:00",
            b"+32,0,2026/00/21,19:30:05",
            b"+32,0,2026/13/21,19:30:05",
            b"+32,0,2026/11/00,19:30:05",
            b"+32,0,2026/11/31,19:30:05",
            b"+32,0,2026/11/21,24:30:05",
            b"+32,0,2026/11/21,19:60:05",
            b"+32,0,2026/11/21,19:30:60",
            b"+32,0,2026-11-21,19:30:05",
            b"+32,0,2026/11/21 19:30:05",
            b"+32,0,2026/11/2/,19:30:05",
            b"+32,0,2026/11/21,19:30:0x",
        ] {
            assert_eq!(universal_time(line), None, "{line:?}");
        }
    }
}
