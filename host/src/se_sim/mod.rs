// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn se-sim`: plays a secure element of NXP's SE050 family for firmware that runs in QEMU, whose I2C is a serial port.
//! The chip itself is `cairn-se-sim`; here are its command line, its line, its memory in a file and its log.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `args` | the command line |
//! | `line` | the line: listening on TCP or a unix socket, connecting |
//! | `kept` | the file with what the chip keeps without power |
//! | `record` | the log: one JSON object per line |

mod args;
mod kept;
mod line;
mod record;

use std::io::Write as _;

use cairn_se_sim::{ATTESTER, wire::Asked};

pub use self::args::Args;
use self::{kept::Kept, record::Record};

/// Plays the chip until it is interrupted (SIGINT or SIGTERM) or the line, when it is not one that is listened on, ends.
/// What a host was told of is in the memory's file: it does not matter how the program ends.
///
/// # Errors
/// An address that is not loopback without `--allow-nonlocal`; a line, log or memory file that cannot be opened or
/// written.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.check()?;
    let (told, played) = tokio::sync::oneshot::channel();
    // A thread of its own, which ends with the program: it waits for bytes, which nothing interrupts.
    std::thread::Builder::new().name("se-sim".into()).spawn(move || {
        // Nobody listens when the program was interrupted.
        let _ = told.send(play(&args));
    })?;
    tokio::select! {
        played = played => played?,
        () = crate::modem::interrupted() => Ok(()),
    }
}

fn play(args: &Args) -> anyhow::Result<()> {
    let mut record = Record::open(args.log.as_deref())?;
    let (mut kept, mut chip) = Kept::open(args)?;
    chip.follow(&args.faults.clone().unwrap_or_default(), args.chance());
    let place = line::Place::open(args)?;
    let attester = chip.public_key(ATTESTER).map(hex::encode).unwrap_or_default();
    let id = hex::encode(chip.unique_id());
    record.begin(&chip);
    {
        let mut out = std::io::stdout().lock();
        // Nobody may be reading. Scripts wait for the second line.
        let _ = writeln!(out, "cairn se-sim: chip {id}, attestation key {attester}");
        let _ = writeln!(out, "cairn se-sim: ready, SE050 {}", place.name()?);
        let _ = out.flush();
    }
    place.serve(&mut chip, args.pace(), &mut |chip, asked: &Asked| {
        record.request(chip, asked);
        kept.keep(chip)
    })
}
