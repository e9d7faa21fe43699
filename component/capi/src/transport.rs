// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The link that the cargo features chose, made once when the agent starts. Only constructors here: the transports are
//! crates of their own.

#[cfg(not(any(feature = "at-modem", feature = "udp")))]
compile_error!("no transport: cairn-capi takes exactly one of the features at-modem and udp");
#[cfg(all(feature = "at-modem", feature = "udp"))]
compile_error!("two transports: cairn-capi takes exactly one of the features at-modem and udp");

use core::net::SocketAddr;

use cairn::{factory::Factory, record::StreamId};
use cairn_coap::{
    client::{CoapLink, Settings, Transmission},
    oscore::{Context, DeriveError, Secrets},
};

#[cfg(feature = "signer-sim")]
pub(crate) use chosen::Stack;
pub(crate) use chosen::{Port, TX, stack};
use chosen::{RX, TRANSMISSION};

/// CoAP with OSCORE.
pub(crate) type Link = CoapLink<Port, TX, RX>;

#[cfg(feature = "at-modem")]
mod chosen {
    use cairn::power::cost::Heard;
    use cairn_at_modem::{AtModem, Dialect, dialect};
    use cairn_coap::client::{OVERHEAD_MAX, Transmission};

    use crate::port::{PortClock, PortUart};

    /// The modem on the port's UART.
    const DIALECT: &Dialect = if cfg!(feature = "modem-bc66") { &dialect::BC66 } else { &dialect::BC660K };

    /// Longest datagram up: the longest uplink in its envelope, or what the modem takes; the agent keeps batches below
    /// that.
    pub(crate) const TX: usize = {
        let wanted = cairn_config::UPLINK_MAX + OVERHEAD_MAX;
        if wanted < DIALECT.largest_datagram { wanted } else { DIALECT.largest_datagram }
    };

    /// Longest datagram down: what fits a line of the modem as hex digits.
    pub(super) const RX: usize = (cairn_config::AT_LINE_MAX - 40) / 2;
    const _: () = assert!(RX >= 160, "CONFIG_CAIRN_AT_LINE_MAX is too small for a downlink: at least 360");

    /// Datagrams that may wait between two steps of the agent: a response and its repetition.
    const QUEUE: usize = 2;

    pub(super) const TRANSMISSION: Transmission = Transmission::NB_IOT;

    pub(crate) type Stack = AtModem<PortUart, PortClock, 1, TX, RX, QUEUE, { cairn_config::AT_LINE_MAX }, APDU>;

    /// What the link sends through.
    #[cfg(not(feature = "signer-sim"))]
    pub(crate) type Port = Stack;
    /// What the link sends through, and the signer: handles to one modem.
    ///
    /// cbindgen:ignore
    #[cfg(feature = "signer-sim")]
    pub(crate) type Port = cairn_at_modem::sim::Shared<'static, Stack>;

    /// Bytes of a command for the SIM, and of its answer.
    #[cfg(not(feature = "signer-sim"))]
    const APDU: usize = 0;
    #[cfg(feature = "signer-sim")]
    const APDU: usize = cairn_at_modem::sim::APDU;
    const _: () = assert!(
        cairn_config::AT_LINE_MAX >= 2 * APDU + 40,
        "CONFIG_CAIRN_AT_LINE_MAX is too small for the SIM's answers: at least 296"
    );

    /// What the modem said of the network.
    pub(super) fn hear(port: &mut Port) -> Heard {
        port.heard()
    }

    /// The modem, which nothing was said to yet.
    pub(crate) fn stack() -> Stack {
        Stack::new(DIALECT, cairn_at_modem::Settings::default(), PortUart::new(), PortClock)
    }
}

#[cfg(feature = "udp")]
mod chosen {
    use cairn::{power::cost::Heard, time::Millis};
    use cairn_coap::client::{OVERHEAD_MAX, Transmission};

    pub(crate) use crate::port::PortUdp as Port;

    /// Longest datagram up: the longest uplink in its envelope.
    pub(crate) const TX: usize = cairn_config::UPLINK_MAX + OVERHEAD_MAX;

    /// Longest datagram down: the longest downlink in its envelope has some 150 bytes.
    pub(super) const RX: usize = 256;

    /// The port wakes the agent's task when a datagram came: in between only timers are looked at.
    pub(super) const TRANSMISSION: Transmission =
        Transmission { stack_poll: Millis::from_secs(60), ..Transmission::NB_IOT };

    pub(crate) const fn stack() -> Port {
        Port
    }

    /// A socket of the system's stack tells nothing of the radio.
    pub(super) fn hear(_: &mut Port) -> Heard {
        Heard::default()
    }
}

/// The security context of this device in this stream: its sender id is its kid, the relay's is empty.
///
/// # Errors
/// [`DeriveError::Hash`] only, for a kid of 4 bytes and a stream of 8.
pub(crate) fn context(factory: &Factory, stream: StreamId) -> Result<Context, DeriveError> {
    let secrets =
        Secrets { master_secret: &factory.master_secret, master_salt: &[], id_context: Some(&stream.0.to_be_bytes()) };
    Context::derive(&secrets, &factory.kid, &[])
}

/// The link of this device through `port`. `seed` spreads message ids, tokens and waits.
pub(crate) fn link(factory: &Factory, context: Context, seed: u64, port: Port) -> Link {
    let settings = Settings {
        relay: SocketAddr::V4(factory.relay),
        transmission: Transmission {
            ack_timeout: cairn::time::Millis(cairn_config::COAP_ACK_TIMEOUT_MS as u64),
            max_retransmit: cairn_config::COAP_MAX_RETRANSMIT,
            ..TRANSMISSION
        },
        keep_socket: false,
        seed,
    };
    CoapLink::new(port, settings, context).hearing(chosen::hear)
}
