// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The chip's pins over a byte stream, for a host that runs elsewhere: firmware in QEMU whose I2C is a serial port. Called
//! by whoever accepted the connection.
//!
//! | request | answer |
//! | --- | --- |
//! | `W`, length (2 bytes, big-endian), bytes | `A`, or `N` when the chip did not acknowledge |
//! | `R`, length (2) | `A` and that many bytes, or `N` |
//! | `P`, 1 or 0 | `A`: the supply is on or off |
//! | `T`, microseconds (4) | `A`: that much time has passed |
//!
//! Anything else ends the conversation with an error; so does a stream that ends in mid-request.

use std::{
    io::{self, Read, Write},
    time::Instant,
};

use crate::Chip;

/// What moves the chip's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The host's `T` requests only.
    Virtual,
    /// The wall clock as well.
    Wall,
}

/// One request, and whether the chip acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A write of these bytes.
    Write(Vec<u8>, bool),
    /// A read: the bytes, or how many it would have been.
    Read(Result<Vec<u8>, usize>),
    /// The supply was switched on, or off.
    Power(bool),
    /// That many microseconds passed.
    Time(u32),
}

/// Answers requests until the stream ends.
///
/// # Errors
/// Those of the stream; `InvalidData` for what is no request.
pub fn serve(chip: &mut Chip, stream: impl Read + Write, pace: Pace) -> io::Result<()> {
    serve_watched(chip, stream, pace, &mut |_, _| Ok(()))
}

/// [`serve`], with `watch` called after each request was done and before it is answered: what is kept then is kept
/// before the host knows of it.
///
/// # Errors
/// As [`serve`]; what `watch` fails with ends the conversation too.
pub fn serve_watched(
    chip: &mut Chip,
    mut stream: impl Read + Write,
    pace: Pace,
    watch: &mut dyn FnMut(&Chip, &Asked) -> io::Result<()>,
) -> io::Result<()> {
    let mut asked = Instant::now();
    loop {
        let mut request = [0];
        if stream.read(&mut request)? == 0 {
            return Ok(());
        }
        if pace == Pace::Wall {
            let now = Instant::now();
            chip.pass(u64::try_from((now - asked).as_micros()).unwrap_or(u64::MAX));
            asked = now;
        }
        let done = ask(chip, request[0], &mut stream)?;
        watch(chip, &done)?;
        stream.write_all(&done.answer())?;
        stream.flush()?;
    }
}

impl Asked {
    fn answer(&self) -> Vec<u8> {
        match self {
            Self::Write(_, false) | Self::Read(Err(_)) => b"N".to_vec(),
            Self::Read(Ok(bytes)) => [b"A", &bytes[..]].concat(),
            Self::Write(_, true) | Self::Power(_) | Self::Time(_) => b"A".to_vec(),
        }
    }
}

fn ask(chip: &mut Chip, request: u8, stream: &mut impl Read) -> io::Result<Asked> {
    match request {
        b'W' => {
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(array(stream)?))];
            stream.read_exact(&mut bytes)?;
            let acknowledged = chip.write(&bytes).is_ok();
            Ok(Asked::Write(bytes, acknowledged))
        }
        b'R' => {
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(array(stream)?))];
            let length = bytes.len();
            let acknowledged = chip.read(&mut bytes).is_ok();
            Ok(Asked::Read(if acknowledged { Ok(bytes) } else { Err(length) }))
        }
        b'P' => {
            let [on] = array(stream)?;
            chip.power(on != 0);
            Ok(Asked::Power(on != 0))
        }
        b'T' => {
            let us = u32::from_be_bytes(array(stream)?);
            chip.pass(u64::from(us));
            Ok(Asked::Time(us))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn array<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
