// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a received datagram means to the exchange under way. Everything here may come from anybody.
//!
//! Only a response that OSCORE verifies ends an exchange. Of the rest:
//!
//! | datagram | effect |
//! | --- | --- |
//! | empty ACK with our Message ID | as RFC 7252 asks: no more retransmissions, a bounded wait for the response |
//! | unprotected 4.xx or 5.xx with our token; RST with our Message ID | remembered, see below |
//! | another copy of a confirmable response that was verified | acknowledged again, a few times |
//! | everything else: unprotected 2.xx, another token, Message ID or address, what does not parse or verify | none, no reply |
//!
//! An unprotected error is honest when the relay has no context for the kid, and forged when an attacker wants the device to give
//! up. Nobody can tell, so it neither ends the exchange nor stops retransmissions: a verified response still wins. It gives the
//! failure its reason (`Rejected` instead of `TimeOut`), and shortens the wait to `refusal_wait`, which covers another
//! retransmission and its answer: a misconfigured fleet must not keep its radios up for minutes at each attempt. Nothing that is
//! unverified is answered: not even with RST, whose Message ID an attacker could choose so that it cancels a genuine response.

use cairn::{ports::LinkError, time::Millis};
use embedded_nal::UdpClientStack;

use super::CoapLink;
use crate::{
    message::{Code, Message, Type, option::ECHO_MAX},
    oscore::UnprotectError,
};

/// What a verified response is to the client.
enum Verified {
    /// Success; the downlink lies in the transmit buffer.
    Downlink(usize),
    /// The relay asks for freshness: that the request be repeated with what was copied.
    Challenge(EchoValue),
    /// The relay refused with this code.
    Refused(Code),
}

struct EchoValue {
    bytes: [u8; ECHO_MAX],
    length: usize,
}

impl<N: UdpClientStack, const TX: usize, const RX: usize> CoapLink<N, TX, RX> {
    /// Acts on the `length` bytes in the receive buffer, which came from the relay's address.
    pub(super) fn take_datagram(&mut self, now: Millis, length: usize) {
        let Some(exchange) = self.exchange.as_mut() else { return };
        let Some(Ok(message)) = self.rx.get(..length).map(Message::parse) else { return };
        let head = message.head;
        let ours = head.message_id == exchange.leg.message_id;
        let responds = head.code.is_response() && head.token == exchange.leg.token;
        let repeated = head.kind == Type::Confirmable && exchange.acknowledge_again(head.message_id, head.token);
        // What comes after the answer has nothing to say.
        if repeated || exchange.is_answered() {
            return;
        }
        match head.kind {
            Type::Acknowledgement if ours && head.code == Code::EMPTY => {
                exchange.acknowledged(now, self.settings.transmission.response_wait);
            }
            Type::Reset if ours && head.code == Code::EMPTY => exchange.refused(now, Code::EMPTY),
            Type::Acknowledgement if ours && responds => self.take_response(now, length, head.code, None),
            Type::Confirmable if responds => self.take_response(now, length, head.code, Some(head.message_id)),
            Type::NonConfirmable if responds => self.take_response(now, length, head.code, None),
            _ => {}
        }
    }

    /// A response with our token, confirmable when it has a Message ID here.
    fn take_response(&mut self, now: Millis, length: usize, outer_code: Code, confirmable: Option<u16>) {
        let verified = self.verify(length);
        let linger = self.settings.transmission.linger;
        let Some(exchange) = self.exchange.as_mut() else { return };
        match verified {
            Err(UnprotectError::NotProtected) if !outer_code.is_success() => exchange.refused(now, outer_code),
            Err(_) => {}
            Ok(verified) => {
                exchange.take(confirmable);
                match verified {
                    Verified::Downlink(length) => exchange.answer(now, Ok(length), linger),
                    Verified::Challenge(echo) if !exchange.echoed => self.answer_challenge(now, &echo),
                    Verified::Challenge(_) => {
                        exchange.answer(now, Err(LinkError::Rejected(Code::UNAUTHORIZED.0)), linger);
                    }
                    Verified::Refused(code) => exchange.answer(now, Err(LinkError::Rejected(code.0)), linger),
                }
            }
        }
    }

    /// Verifies the response in the receive buffer and takes from it what counts.
    fn verify(&mut self, length: usize) -> Result<Verified, UnprotectError> {
        let exchange = self.exchange.as_ref().ok_or(UnprotectError::Context)?;
        let datagram = self.rx.get_mut(..length).ok_or(UnprotectError::Option)?;
        let inner = self.context.unprotect_response(&exchange.leg.binding, datagram)?;
        // No response of the relay has a critical option; one that has is not what it says (RFC 7252 section 5.4.1).
        if inner.code.is_success() && inner.options.unknown_critical(&[]).is_none() {
            // The request is not needed any more, and the receive buffer may be while the link lingers.
            let room = self.tx.get_mut(..inner.payload.len()).ok_or(UnprotectError::Plaintext)?;
            room.copy_from_slice(inner.payload);
            return Ok(Verified::Downlink(inner.payload.len()));
        }
        if let Some(echo) = inner.options.echo().filter(|_| inner.code == Code::UNAUTHORIZED) {
            let mut value = EchoValue { bytes: [0; ECHO_MAX], length: echo.len() };
            value.bytes.get_mut(..echo.len()).ok_or(UnprotectError::Plaintext)?.copy_from_slice(echo);
            return Ok(Verified::Challenge(value));
        }
        Ok(Verified::Refused(inner.code))
    }

    /// Repeats the request with Echo inside, under a new number, token and Message ID (RFC 9175 section 2.3).
    fn answer_challenge(&mut self, now: Millis, echo: &EchoValue) {
        let leg = self.reprotect(echo);
        let linger = self.settings.transmission.linger;
        let Some(exchange) = self.exchange.as_mut() else { return };
        exchange.echoed = true;
        match leg {
            Ok(leg) => exchange.restart(leg),
            Err(error) => exchange.answer(now, Err(error), linger),
        }
    }

    fn reprotect(&mut self, echo: &EchoValue) -> Result<super::Leg, LinkError> {
        let exchange = self.exchange.as_ref().ok_or(LinkError::Refused)?;
        let request = self.tx.get_mut(..exchange.leg.length).ok_or(LinkError::Refused)?;
        let payload = self.context.reopen_request(&exchange.leg.binding, request).map_err(|_| LinkError::Refused)?;
        self.protect(payload, echo.bytes.get(..echo.length))
    }
}
