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

/// Answers requests until the stream ends.
///
/// # Errors
/// Those of the stream; `InvalidData` for what is no request.
pub fn serve(chip: &mut Chip, mut stream: impl Read + Write, pace: Pace) -> io::Result<()> {
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
        let answer = answer(chip, request[0], &mut stream)?;
        stream.write_all(&answer)?;
        stream.flush()?;
    }
}

fn answer(chip: &mut Chip, request: u8, stream: &mut impl Read) -> io::Result<Vec<u8>> {
    match request {
        b'W' => {
            let length = u16::from_be_bytes(array(stream)?);
            let mut bytes = vec![0; usize::from(length)];
            stream.read_exact(&mut bytes)?;
            Ok(if chip.write(&bytes).is_ok() { b"A".to_vec() } else { b"N".to_vec() })
        }
        b'R' => {
            let mut answer = vec![b'A'];
            answer.resize(1 + usize::from(u16::from_be_bytes(array(stream)?)), 0);
            Ok(if chip.read(&mut answer[1..]).is_ok() { answer } else { b"N".to_vec() })
        }
        b'P' => {
            let [on] = array(stream)?;
            chip.power(on != 0);
            Ok(b"A".to_vec())
        }
        b'T' => {
            chip.pass(u64::from(u32::from_be_bytes(array(stream)?)));
            Ok(b"A".to_vec())
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn array<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
