// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the client knows of the exchange it is in: when to send again, when to give up, what was refused, what it cost. Called by
//! the client only; touches no socket and no key.

use cairn::{ports::LinkError, power::cost::ExchangeCost, time::Millis};

use super::timing::Transmission;
use crate::{message::Code, oscore::Binding};

/// Tokens are short: a response is verified by OSCORE, the token only finds its request.
pub(super) type Token = [u8; 2];

/// How often one exchange acknowledges the same response again: whoever repeats it cannot make the device send for ever.
const REPEATED_ACKS: u8 = 4;

/// When something is due for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Not sent yet.
    Unsent,
    /// Sent; to be sent again after `wait`, which began when the stack took the last transmission.
    Repeat { at: Millis, wait: Millis, left: u8 },
    /// Nothing more is sent.
    GiveUp { at: Millis },
}

/// One request of an exchange: its first, or its repetition with Echo.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) message_id: u16,
    pub(super) token: Token,
    /// Verifies the response.
    pub(super) binding: Binding,
    /// Bytes of the protected request in the transmit buffer.
    pub(super) length: usize,
    timer: Timer,
    acknowledged: bool,
}

impl Leg {
    pub(super) const fn new(message_id: u16, token: Token, binding: Binding, length: usize) -> Self {
        Self { message_id, token, binding, length, timer: Timer::Unsent, acknowledged: false }
    }

    /// The stack took the request; `first_wait` counts for its first transmission.
    fn sent(&mut self, now: Millis, transmission: &Transmission, first_wait: Millis) {
        let (wait, left) = match self.timer {
            Timer::Unsent => (first_wait, transmission.max_retransmit),
            Timer::Repeat { wait, left, .. } => (Millis(wait.0.saturating_mul(2)), left.saturating_sub(1)),
            Timer::GiveUp { .. } => return,
        };
        let at = now.after(wait);
        self.timer = if left == 0 { Timer::GiveUp { at } } else { Timer::Repeat { at, wait, left } };
    }

    /// An empty ACK came: the request is not repeated any more. Only the first one counts.
    fn acknowledged(&mut self, now: Millis, response_wait: Millis) {
        if !self.acknowledged {
            self.acknowledged = true;
            self.timer = Timer::GiveUp { at: now.after(response_wait) };
        }
    }
}

/// How the exchange ended, when that is known but an ACK must still go out or the link lingers.
pub(super) type Answer = Result<usize, LinkError>;

/// What [`Exchange::due`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before this time.
    Nothing(Millis),
    /// The request is to be sent again.
    Repeat,
    /// The exchange is over.
    Over(Answer),
}

/// What is to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// An empty ACK for this Message ID.
    Acknowledgement(u16),
    /// The request in the transmit buffer.
    Request,
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) leg: Leg,
    /// An Echo challenge was answered.
    pub(super) echoed: bool,
    pub(super) cost: ExchangeCost,
    /// The stack could not receive at least once.
    pub(super) stack_failed: bool,
    started: Millis,
    request_due: bool,
    acknowledgement_due: Option<u16>,
    /// Since when the stack has not taken what is to be sent.
    blocked_since: Option<Millis>,
    /// The first refusal nobody can verify.
    refusal: Option<(Millis, Code)>,
    /// The confirmable response that was verified and acknowledged: another copy of it is acknowledged again.
    taken: Option<(u16, Token)>,
    repeated_acks: u8,
    answer: Option<(Millis, Answer)>,
}

impl Exchange {
    pub(super) fn new(now: Millis, leg: Leg) -> Self {
        Self {
            leg,
            echoed: false,
            cost: ExchangeCost::default(),
            stack_failed: false,
            started: now,
            request_due: true,
            acknowledgement_due: None,
            blocked_since: None,
            refusal: None,
            taken: None,
            repeated_acks: 0,
            answer: None,
        }
    }

    /// What is to be sent next: an ACK before a request.
    pub(super) fn outgoing(&self) -> Option<Outgoing> {
        let request = self.request_due.then_some(Outgoing::Request);
        self.acknowledgement_due.map(Outgoing::Acknowledgement).or(request)
    }

    /// The stack took `outgoing`, `length` bytes.
    pub(super) fn sent(
        &mut self,
        outgoing: Outgoing,
        length: usize,
        now: Millis,
        transmission: &Transmission,
        first_wait: Millis,
    ) {
        self.blocked_since = None;
        self.cost.bytes_up = self.cost.bytes_up.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
        self.cost.datagrams_up = self.cost.datagrams_up.saturating_add(1);
        match outgoing {
            Outgoing::Acknowledgement(_) => self.acknowledgement_due = None,
            Outgoing::Request => {
                self.request_due = false;
                self.leg.sent(now, transmission, first_wait);
            }
        }
    }

    /// The stack did not take what is to be sent: over, when that has lasted too long.
    pub(super) fn blocked(&mut self, now: Millis, transmission: &Transmission) -> Due {
        let since = *self.blocked_since.get_or_insert(now);
        let end = since.after(transmission.send_wait);
        if now >= end { Due::Over(self.failed(LinkError::Unreachable)) } else { Due::Nothing(end) }
    }

    /// What `error` makes of the exchange: nothing, when its answer is known already.
    pub(super) fn failed(&self, error: LinkError) -> Answer {
        self.answer.map_or(Err(error), |(_, answer)| answer)
    }

    /// A datagram came, `length` bytes, whatever it is.
    pub(super) fn received(&mut self, length: usize) {
        self.cost.bytes_down = self.cost.bytes_down.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
        self.cost.datagrams_down = self.cost.datagrams_down.saturating_add(1);
    }

    /// An empty ACK for the request came.
    pub(super) fn acknowledged(&mut self, now: Millis, response_wait: Millis) {
        self.leg.acknowledged(now, response_wait);
    }

    /// The request was refused by somebody who may be anybody.
    pub(super) fn refused(&mut self, now: Millis, code: Code) {
        self.refusal.get_or_insert((now, code));
    }

    /// A verified response came, confirmable when it has a Message ID here: that copy is acknowledged.
    pub(super) fn take(&mut self, confirmable: Option<u16>) {
        if let Some(message_id) = confirmable {
            self.acknowledgement_due = Some(message_id);
            self.taken = Some((message_id, self.leg.token));
        }
    }

    /// Acknowledges a confirmable response again if it is another copy of the one taken; whether it is.
    pub(super) fn acknowledge_again(&mut self, message_id: u16, token: &[u8]) -> bool {
        let duplicate = self.taken.is_some_and(|(id, taken)| id == message_id && taken == token);
        if duplicate && self.repeated_acks < REPEATED_ACKS {
            self.repeated_acks += 1;
            self.acknowledgement_due = Some(message_id);
        }
        duplicate
    }

    /// The answer is known; the exchange is over when its ACK, if any, was sent and the link has lingered.
    pub(super) fn answer(&mut self, now: Millis, answer: Answer, linger: Millis) {
        let until = if self.acknowledgement_due.is_some() { now.after(linger) } else { now };
        self.answer = Some((until, answer));
    }

    /// Whether the answer is known.
    pub(super) const fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// The request is sent anew as another leg.
    pub(super) fn restart(&mut self, leg: Leg) {
        self.leg = leg;
        self.request_due = true;
        self.refusal = None;
    }

    /// What the timers ask for. A repetition is asked for once.
    pub(super) fn due(&mut self, now: Millis, transmission: &Transmission) -> Due {
        if let Some((until, answer)) = self.answer {
            let over = now >= until && self.acknowledgement_due.is_none();
            return if over { Due::Over(answer) } else { Due::Nothing(until) };
        }
        let refused = self.refusal.map(|(at, code)| (at.after(transmission.refusal_wait), code));
        if let Some((end, code)) = refused
            && now >= end
        {
            return Due::Over(Err(LinkError::Rejected(code.0)));
        }
        let next = match self.leg.timer {
            Timer::GiveUp { at } if now >= at => {
                let silence = if self.stack_failed { LinkError::Unreachable } else { LinkError::TimeOut };
                let refusal = self.refusal.map(|(_, code)| LinkError::Rejected(code.0));
                return Due::Over(Err(refusal.unwrap_or(silence)));
            }
            Timer::Repeat { at, .. } if now >= at => {
                self.request_due = true;
                return Due::Repeat;
            }
            Timer::Repeat { at, .. } | Timer::GiveUp { at } => at,
            Timer::Unsent => now,
        };
        Due::Nothing(refused.map_or(next, |(end, _)| next.min(end)))
    }

    /// What it cost until now.
    pub(super) fn cost(&self, now: Millis) -> ExchangeCost {
        let duration_ms = u32::try_from(now.since(self.started).0).unwrap_or(u32::MAX);
        ExchangeCost { duration_ms, ..self.cost }
    }
}
