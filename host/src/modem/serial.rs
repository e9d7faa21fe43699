// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The serial line to the device. Called by `run`; hands each line to the bridge.

use std::{io::Write, path::Path};

use anyhow::Context as _;
use rustix::termios::{OptionalActions, isatty, tcgetattr, tcsetattr};
use tokio::net::{
    TcpListener, TcpStream,
    unix::pipe::{Receiver, Sender},
};

use super::{args::Args, bridge::Bridge};

/// Serves the device on the line the arguments name; with `--listen` one line after another, for ever.
///
/// # Errors
/// The line cannot be opened, or fails; a listener never fails for a line that does.
pub(super) async fn play(args: &Args, bridge: &mut Bridge) -> anyhow::Result<()> {
    if let Some(path) = &args.pty {
        let line = terminal(path).with_context(|| format!("cannot open {} as a serial line", path.display()))?;
        ready(args, &format!("on {}", path.display()));
        return Ok(bridge.converse(line).await?);
    }
    if let Some(address) = args.connect {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        ready(args, &format!("connected to {address}"));
        return Ok(bridge.converse(stream).await?);
    }
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    ready(args, &format!("listening on {}", listener.local_addr()?));
    loop {
        let (stream, from) = tokio::select! {
            accepted = listener.accept() => accepted?,
            never = bridge.wait_for_line() => never,
        };
        stream.set_nodelay(true)?;
        tracing::info!(%from, "device on the line");
        if let Err(error) = bridge.converse(stream).await {
            tracing::info!(%from, %error, "the device hung up");
        }
    }
}

/// What scripts wait for.
fn ready(args: &Args, place: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading.
    let _ = writeln!(out, "cairn modem: ready, {:?} {place}", args.dialect);
    let _ = out.flush();
}

/// A terminal in raw mode. Pipes of tokio read and write any descriptor that can be polled, terminals too.
fn terminal(path: &Path) -> std::io::Result<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> {
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    if !isatty(&file) {
        return Err(std::io::Error::other("it is no terminal"));
    }
    let mut modes = tcgetattr(&file)?;
    modes.make_raw();
    tcsetattr(&file, OptionalActions::Now, &modes)?;
    let reading = Receiver::from_file_unchecked(file.try_clone()?)?;
    Ok(tokio::io::join(reading, Sender::from_file_unchecked(file)?))
}
