// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The relay as a program: a UDP socket, the clock and the rounds of anchoring, on one thread. SQLite blocks for as long as its file
//! system takes to synchronise; nothing holds the store while it waits for a node. Called by `cairn relay run`.

use std::{
    cell::Cell,
    future::Future,
    io,
    net::SocketAddr,
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::net::UdpSocket;

use super::{UnixMs, anchoring::Anchoring, endpoint::Endpoint, intake::Offer, store::Store};
use crate::chain::{Block, Ledger};

/// Longest datagram taken, in bytes.
const DATAGRAM_MAX: usize = 65_535;

/// The clock's Unix milliseconds; 0 on a machine whose clock is before 1970.
#[must_use]
pub fn unix_ms() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Serves devices on `socket` and brings what they sent onto the ledger, until `stop` completes. With `offer_blocks` devices are
/// told the hash of a recent block, which takes 35 bytes of each downlink.
///
/// # Errors
/// What the socket says when it cannot be read any more.
pub async fn run<L: Ledger>(
    socket: UdpSocket,
    store: Store,
    mut endpoint: Endpoint,
    mut anchoring: Anchoring<L>,
    offer_blocks: bool,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let store = Mutex::new(store);
    let head: Cell<Option<Block>> = Cell::new(None);
    let anchor = async {
        loop {
            let next = anchoring.advance(&store, unix_ms()).await;
            head.set(anchoring.head());
            tokio::time::sleep(Duration::from_millis(next.saturating_sub(unix_ms()).max(1))).await;
        }
    };
    let serve = async {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            let (length, from) = receive(&socket, &mut buffer).await?;
            let block_hash = head.get().filter(|_| offer_blocks).map(|block| block.hash.0);
            let datagram = buffer.get_mut(..length).unwrap_or_default();
            if let Some(answer) = endpoint.receive(&store, from, datagram, &Offer { block_hash }, unix_ms())
                && let Err(error) = socket.send_to(&answer, from).await
            {
                // A device that is gone, or a network that is: it asks again.
                tracing::debug!(%from, %error, "an answer was not sent");
            }
        }
    };
    tokio::select! {
        () = stop => Ok(()),
        never = anchor => never,
        failed = serve => failed,
    }
}

/// The next datagram. An ICMP message about an earlier answer is no reason to stop.
async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    loop {
        match socket.recv_from(buffer).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            other => return other,
        }
    }
}
