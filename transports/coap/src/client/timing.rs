// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long the client waits for what: the transmission parameters of RFC 7252 section 4.8 under their names there, and what the
//! RFC leaves to the application. Only data and arithmetic.

use cairn::time::Millis;

/// Transmission parameters. Start from [`Transmission::NB_IOT`] or [`Transmission::RFC_7252`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// ACK_TIMEOUT: the first retransmission comes no earlier.
    pub ack_timeout: Millis,
    /// ACK_RANDOM_FACTOR in percent, at least 100: the first retransmission comes no later than ACK_TIMEOUT times this.
    pub ack_random_factor_percent: u16,
    /// MAX_RETRANSMIT: how often a request is repeated, each wait twice the one before.
    pub max_retransmit: u8,
    /// MAX_LATENCY: how long a datagram may be on its way.
    pub max_latency: Millis,
    /// How long a response may take that was announced by an empty ACK.
    pub response_wait: Millis,
    /// How long a verified response may take after a refusal that nobody can verify: an unprotected error, or RST.
    pub refusal_wait: Millis,
    /// How long the stack may take to accept a datagram, which is how long a modem may look for its network.
    pub send_wait: Millis,
    /// After a separate confirmable response was acknowledged: how long to stay, should that ACK be lost and the response come
    /// again. The outcome is given after it.
    pub linger: Millis,
    /// How often a stack that said `WouldBlock` is asked again when no event came.
    pub stack_poll: Millis,
}

impl Transmission {
    /// The defaults of RFC 7252 section 4.8; the rest sized after them.
    pub const RFC_7252: Self = Self {
        ack_timeout: Millis::from_secs(2),
        ack_random_factor_percent: 150,
        max_retransmit: 4,
        max_latency: Millis::from_secs(100),
        response_wait: Millis::from_secs(93),
        refusal_wait: Millis::from_secs(93),
        send_wait: Millis::from_secs(30),
        linger: Millis(0),
        stack_poll: Millis(100),
    };

    /// For NB-IoT. A round trip takes 1.6 s in good coverage and up to 10 s where the radio must repeat itself (3GPP TR 45.820
    /// asks for a 10 s delay there): with the RFC's 2 s each request would be sent two or three times for nothing. The last
    /// transmission is at most 45 s and the end at most 105 s after the first. A modem may need minutes to find its network.
    /// A refusal nobody can verify ends the exchange after 25 s: always after one more retransmission (at most 15 s later) and
    /// time for its answer.
    pub const NB_IOT: Self = Self {
        ack_timeout: Millis::from_secs(10),
        ack_random_factor_percent: 150,
        max_retransmit: 2,
        max_latency: Millis::from_secs(100),
        response_wait: Millis::from_secs(60),
        refusal_wait: Millis::from_secs(25),
        send_wait: Millis::from_secs(180),
        linger: Millis(0),
        stack_poll: Millis(100),
    };

    /// ACK_TIMEOUT × ACK_RANDOM_FACTOR, in 32-bit arithmetic: a Cortex-M divides no 64 bits.
    const fn longest_first_wait(&self) -> u64 {
        let [timeout, percent] = [narrow(self.ack_timeout.0), self.ack_random_factor_percent as u32];
        let hundreds = (timeout / 100).saturating_mul(percent);
        hundreds.saturating_add(timeout % 100 * percent / 100) as u64
    }

    /// MAX_TRANSMIT_SPAN: from the first to the last transmission of a request.
    #[must_use]
    pub const fn max_transmit_span(&self) -> Millis {
        Millis(self.longest_first_wait().saturating_mul(waits(self.max_retransmit)))
    }

    /// MAX_TRANSMIT_WAIT: from the first transmission until the sender gives up.
    #[must_use]
    pub const fn max_transmit_wait(&self) -> Millis {
        Millis(self.longest_first_wait().saturating_mul(waits(self.max_retransmit) * 2 + 1))
    }

    /// PROCESSING_DELAY: how long a node takes to acknowledge.
    #[must_use]
    pub const fn processing_delay(&self) -> Millis {
        self.ack_timeout
    }

    /// MAX_RTT.
    #[must_use]
    pub const fn max_rtt(&self) -> Millis {
        self.max_latency.after(self.max_latency).after(self.processing_delay())
    }

    /// EXCHANGE_LIFETIME: for so long must a server know a Message ID, and a client not use it again.
    #[must_use]
    pub const fn exchange_lifetime(&self) -> Millis {
        self.max_transmit_span().after(self.max_rtt())
    }

    /// The wait before the first retransmission, for a random number.
    pub(super) const fn first_wait(&self, random: u32) -> Millis {
        let spread = narrow(self.longest_first_wait().saturating_sub(self.ack_timeout.0));
        Millis(self.ack_timeout.0.saturating_add((spread as u64 * random as u64) >> 32))
    }
}

#[allow(clippy::cast_possible_truncation)] // saturates before
const fn narrow(value: u64) -> u32 {
    if value > u32::MAX as u64 { u32::MAX } else { value as u32 }
}

/// 1 + 2 + 4 + …, `count` terms: the waits before as many retransmissions, in units of the first.
const fn waits(count: u8) -> u64 {
    if count < 32 { (1 << count) - 1 } else { u32::MAX as u64 }
}

/// SplitMix64: spreads a random seed over Message IDs, tokens and waits. No key depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread(pub(super) u64);

impl Spread {
    /// The next 32 bits.
    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 32) as u32
    }

    /// The next 16 bits.
    pub(super) fn next_u16(&mut self) -> u16 {
        (self.next() >> 16) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7252 section 4.8.2, tables 2 and 3.
    #[test]
    fn derived_parameters_are_those_of_the_rfc() {
        let rfc = Transmission::RFC_7252;
        assert_eq!(rfc.max_transmit_span(), Millis::from_secs(45));
        assert_eq!(rfc.max_transmit_wait(), Millis::from_secs(93));
        assert_eq!(rfc.processing_delay(), Millis::from_secs(2));
        assert_eq!(rfc.max_rtt(), Millis::from_secs(202));
        assert_eq!(rfc.exchange_lifetime(), Millis::from_secs(247));
        assert_eq!(Transmission::NB_IOT.max_transmit_span(), Millis::from_secs(45));
        assert_eq!(Transmission::NB_IOT.max_transmit_wait(), Millis::from_secs(105));
    }

    #[test]
    fn the_first_wait_is_spread_between_ack_timeout_and_its_random_factor() {
        let rfc = Transmission::RFC_7252;
        assert_eq!(rfc.first_wait(0), Millis(2000));
        assert_eq!(rfc.first_wait(u32::MAX), Millis(2999));
        let mut spread = Spread(7);
        let waits: std::vec::Vec<_> = (0..1000).map(|_| rfc.first_wait(spread.next()).0).collect();
        assert!(waits.iter().min() < Some(&2010) && waits.iter().max() > Some(&2990));
    }
}
