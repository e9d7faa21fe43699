// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The line to the host of the chip. Called by `play`; hands each line to the chip, which has no power before the host
//! gives it some and loses it with the line.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::PathBuf,
};

use anyhow::Context as _;
use cairn_se_sim::{
    Chip,
    wire::{Asked, Pace, serve_watched},
};

use super::Args;

/// What looks on.
pub(super) type Watch<'a> = dyn FnMut(&Chip, &Asked) -> io::Result<()> + 'a;

/// Where the chip is reached.
pub(super) enum Place {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
    Connected(TcpStream),
}

impl Place {
    /// Opens what the arguments name.
    ///
    /// # Errors
    /// An address that cannot be listened on or connected to.
    pub(super) fn open(args: &Args) -> anyhow::Result<Self> {
        if let Some(path) = &args.unix {
            // A program that was killed leaves its socket; another file is not ours to remove.
            use std::os::unix::fs::FileTypeExt as _;
            if std::fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket()) {
                std::fs::remove_file(path).with_context(|| path.display().to_string())?;
            }
            let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
            return Ok(Self::Unix(listener, path.clone()));
        }
        if let Some(address) = args.connect {
            let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
            return Ok(Self::Connected(stream));
        }
        let listener = TcpListener::bind(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
        Ok(Self::Tcp(listener))
    }

    /// What scripts read; a port is at its end.
    ///
    /// # Errors
    /// The listener has no address.
    pub(super) fn name(&self) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => format!("listening on {}", listener.local_addr()?),
            Self::Unix(_, path) => format!("listening on {}", path.display()),
            Self::Connected(stream) => format!("connected to {}", stream.peer_addr()?),
        })
    }

    /// Serves the chip's host; where one listens, one after another, for ever.
    ///
    /// # Errors
    /// The line cannot be opened, or one that was connected to fails; a memory that cannot be written. A listener never
    /// fails for a line that does.
    pub(super) fn serve(&self, chip: &mut Chip, pace: Pace, watch: &mut Watch<'_>) -> anyhow::Result<()> {
        loop {
            match self {
                Self::Tcp(listener) => {
                    let (stream, _) = listener.accept()?;
                    stream.set_nodelay(true)?;
                    converse(chip, &stream, pace, watch)?;
                }
                Self::Unix(listener, _) => converse(chip, &listener.accept()?.0, pace, watch)?,
                Self::Connected(stream) => {
                    stream.set_nodelay(true)?;
                    serve_watched(chip, stream, pace, watch)?;
                    return Ok(());
                }
            }
        }
    }
}

/// One line. What the watch fails with is not the line's fault and ends the program.
fn converse(chip: &mut Chip, stream: impl Read + Write, pace: Pace, watch: &mut Watch<'_>) -> io::Result<()> {
    let mut lost = None;
    let ended = serve_watched(chip, stream, pace, &mut |chip, asked| {
        watch(chip, asked).map_err(|error| {
            let kind = error.kind();
            lost = Some(error);
            kind.into()
        })
    });
    chip.power(false);
    match (lost, ended) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => {
            tracing::info!(%error, "the host hung up");
            Ok(())
        }
        (None, Ok(())) => Ok(()),
    }
}
