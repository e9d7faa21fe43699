// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers given lately, so that a retransmission gets the same bytes again (RFC 7252 section 4.5) and is not acted upon twice.
//! Kept in memory: after a restart OSCORE's replay window, which is durable, refuses what was seen.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    net::SocketAddr,
};

use super::UnixMs;

/// EXCHANGE_LIFETIME of RFC 7252 section 4.8.2, milliseconds.
pub const LIFETIME_MS: u64 = 247_000;

/// Answers kept at most.
const CAPACITY: usize = 1 << 16;

/// Who asked, and under which Message ID.
type Asked = (SocketAddr, u16);

#[derive(Debug)]
struct Answer {
    /// A Message ID that comes with other bytes is another request: behind address translation, of another device.
    request: u64,
    response: Vec<u8>,
    at: UnixMs,
}

/// Answers given lately. Only answers to requests that were verified belong here, so that strangers cannot fill it.
#[derive(Debug, Default)]
pub struct Recent {
    answers: HashMap<Asked, Answer>,
    order: VecDeque<(UnixMs, Asked)>,
    hasher: RandomState,
}

impl Recent {
    /// What was answered to this very request; `None` when it was not seen lately.
    #[must_use]
    pub fn answer(&self, asked: Asked, request: &[u8]) -> Option<&[u8]> {
        let answer = self.answers.get(&asked)?;
        (answer.request == self.hasher.hash_one(request)).then_some(&answer.response)
    }

    /// Remembers an answer, and forgets old ones.
    pub fn remember(&mut self, asked: Asked, request: &[u8], response: &[u8], now: UnixMs) {
        while let Some((at, oldest)) = self.order.front().copied() {
            if self.order.len() < CAPACITY && now < at.saturating_add(LIFETIME_MS) {
                break;
            }
            self.order.pop_front();
            if self.answers.get(&oldest).is_some_and(|answer| answer.at == at) {
                self.answers.remove(&oldest);
            }
        }
        let request = self.hasher.hash_one(request);
        self.answers.insert(asked, Answer { request, response: response.to_vec(), at: now });
        self.order.push_back((now, asked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_repeated_for_its_lifetime_and_to_its_own_request_only() {
        let mut recent = Recent::default();
        let asked = ("10.0.0.1:5683".parse().unwrap(), 7);
        recent.remember(asked, b"request", b"answer", 1000);
        assert_eq!(recent.answer(asked, b"request"), Some(&b"answer"[..]));
        assert_eq!(recent.answer(asked, b"another"), None);
        assert_eq!(recent.answer((asked.0, 8), b"request"), None);
        recent.remember((asked.0, 9), b"later", b"", 1000 + LIFETIME_MS - 1);
        assert!(recent.answer(asked, b"request").is_some());
        recent.remember((asked.0, 10), b"last", b"", 1000 + LIFETIME_MS);
        assert_eq!(recent.answer(asked, b"request"), None);
        assert_eq!(recent.answer((asked.0, 9), b"later"), Some(&b""[..]));
    }

    #[test]
    fn a_flood_forgets_the_oldest_and_stays_bounded() {
        let mut recent = Recent::default();
        for number in 0..=u32::try_from(CAPACITY).unwrap() {
            let from = SocketAddr::from((number.to_be_bytes(), 1));
            recent.remember((from, 7), b"x", b"y", 5);
        }
        assert_eq!((recent.order.len(), recent.answers.len()), (CAPACITY, CAPACITY));
    }
}
