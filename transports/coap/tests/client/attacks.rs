// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Forged, replayed, reordered and truncated datagrams: they change nothing and cost a bounded wait (invariant 5).

use std::net::SocketAddr;

use cairn::{ports::LinkError, time::Millis};
use cairn_coap::{
    Settings, Transmission,
    message::{Builder, Code, Message, Type, option},
};
use proptest::prelude::*;

use crate::network::{Carry, Relay, World, settings, stored, unprotected};

fn ok() -> Result<Vec<u8>, LinkError> {
    Ok(b"stored".to_vec())
}

/// The transmission times of a request nobody answers, for the default seed.
fn undisturbed() -> Vec<u64> {
    let mut world = World::new(settings());
    world.exchange(|_, _| vec![]);
    world.sent().into_iter().map(|(at, _)| at).collect()
}

#[test]
fn a_forged_unprotected_success_changes_nothing() {
    for kind in [Type::Acknowledgement, Type::Confirmable, Type::NonConfirmable] {
        let forge = |_: &mut Relay, datagram: &[u8]| vec![(10, unprotected(datagram, kind, Code::CHANGED, b"final"))];
        let mut world = World::new(settings());
        let ended = world.exchange(forge);
        assert_eq!(ended.downlink, Err(LinkError::TimeOut));
        let times: Vec<_> = world.sent().into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, undisturbed(), "neither acknowledged nor repeated less");
    }
}

#[test]
fn a_verified_response_wins_over_forged_refusals_even_when_the_request_was_lost_first() {
    for (kind, code) in [
        (Type::Acknowledgement, Code::UNAUTHORIZED),
        (Type::Confirmable, Code::SERVICE_UNAVAILABLE),
        (Type::NonConfirmable, Code::BAD_REQUEST),
        (Type::Reset, Code::EMPTY),
    ] {
        for transmission in [Transmission::RFC_7252, Transmission::NB_IOT] {
            let mut world = World::new(Settings { transmission, ..settings() });
            let mut count = 0;
            let ended = world.exchange(|relay, datagram| {
                count += 1;
                let forged = (10, unprotected(datagram, kind, code, b""));
                if count == 1 { vec![forged] } else { vec![forged, (9000, stored(relay, datagram))] }
            });
            assert_eq!(ended.downlink, ok(), "{kind:?} {code}");
            assert_eq!(usize::from(ended.cost.datagrams_up), world.sent().len());
        }
    }
}

#[test]
fn an_unverified_refusal_is_reported_when_time_runs_out() {
    for (kind, code, reported) in [
        (Type::Acknowledgement, Code::UNAUTHORIZED, 0x81),
        (Type::NonConfirmable, Code::SERVICE_UNAVAILABLE, 0xa3),
        (Type::Reset, Code::EMPTY, 0),
    ] {
        let mut world = World::new(settings());
        let ended = world.exchange(|_, datagram| vec![(10, unprotected(datagram, kind, code, b""))]);
        assert_eq!(ended.downlink, Err(LinkError::Rejected(reported)));
        let times: Vec<_> = world.sent().into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, undisturbed());
    }
}

#[test]
fn an_unverified_refusal_shortens_the_wait_on_nb_iot_to_one_more_transmission_and_its_answer() {
    let transmission = Transmission::NB_IOT;
    for seed in 0..50 {
        let mut world = World::new(Settings { transmission, seed, ..settings() });
        let ended = world.exchange(|_, datagram| {
            vec![(2000, unprotected(datagram, Type::Acknowledgement, Code::UNAUTHORIZED, b""))]
        });
        assert_eq!(ended.downlink, Err(LinkError::Rejected(0x81)));
        assert_eq!(world.now(), 2000 + transmission.refusal_wait.0);
        let sent = world.sent();
        assert_eq!(sent.len(), 2);
        assert!(world.now() - sent[1].0 >= 10_000, "the second transmission has a round trip for its answer");
    }
}

#[test]
fn a_reset_or_ack_for_another_message_changes_nothing() {
    for kind in [Type::Reset, Type::Acknowledgement] {
        let mut world = World::new(settings());
        let ended = world.exchange(|_, datagram| {
            let mut other = unprotected(datagram, kind, Code::EMPTY, b"");
            other[3] ^= 1;
            vec![(10, other)]
        });
        assert_eq!(ended.downlink, Err(LinkError::TimeOut));
        assert_eq!(ended.cost.datagrams_up, 5);
    }
}

#[test]
fn a_refusal_before_an_echo_challenge_does_not_shorten_what_follows_it() {
    let transmission = Transmission::NB_IOT;
    let mut world = World::new(Settings { transmission, ..settings() });
    let ended = world.exchange(|relay, datagram| {
        if datagram.len() > 206 {
            return vec![];
        }
        let request = relay.verify(datagram);
        let challenge = relay.respond(request, Carry::Piggybacked, Code::UNAUTHORIZED, Some(&[5; 8]), b"");
        vec![(10, unprotected(datagram, Type::Reset, Code::EMPTY, b"")), (20, challenge)]
    });
    assert_eq!(ended.downlink, Err(LinkError::TimeOut));
    assert_eq!(ended.cost.datagrams_up, 1 + 3);
}

#[test]
fn an_earlier_response_replayed_for_a_later_request_changes_nothing() {
    let mut world = World::new(settings());
    let mut earlier = Vec::new();
    world.exchange(|relay, datagram| {
        earlier = stored(relay, datagram);
        vec![(0, earlier.clone())]
    });
    let ended = world.exchange(|_, datagram| {
        let request = Message::parse(datagram).unwrap().head;
        let mut replayed = earlier.clone();
        replayed[2..4].copy_from_slice(&request.message_id.to_be_bytes());
        replayed[4..6].copy_from_slice(request.token);
        vec![(0, earlier.clone()), (10, replayed)]
    });
    assert_eq!(ended.downlink, Err(LinkError::TimeOut));
    assert_eq!(ended.cost.datagrams_up, 5);
}

#[test]
fn an_echo_challenge_of_an_earlier_request_or_unprotected_is_not_answered() {
    let mut world = World::new(settings());
    let mut challenge = Vec::new();
    world.exchange(|relay, datagram| {
        let request = relay.verify(datagram);
        let echo = request.echo.is_none().then_some(&[3; 8][..]);
        let code = if echo.is_some() { Code::UNAUTHORIZED } else { Code::CHANGED };
        let response = relay.respond(request, Carry::Piggybacked, code, echo, b"");
        if echo.is_some() {
            challenge.clone_from(&response);
        }
        vec![(0, response)]
    });
    let before = world.sent().len();
    let ended = world.exchange(|_, datagram| {
        let request = Message::parse(datagram).unwrap().head;
        let mut replayed = challenge.clone();
        replayed[2..4].copy_from_slice(&request.message_id.to_be_bytes());
        replayed[4..6].copy_from_slice(request.token);
        let mut plain = [0; 32];
        let kind = Type::Acknowledgement;
        let mut builder =
            Builder::message(&mut plain, kind, Code::UNAUTHORIZED, request.message_id, request.token).unwrap();
        builder.option(option::ECHO, &[1; 8]).unwrap();
        let length = builder.finish();
        vec![(5, replayed), (10, plain[..length].to_vec())]
    });
    assert_eq!(ended.downlink, Err(LinkError::Rejected(0x81)));
    let sent = world.sent();
    assert!(sent[before..].iter().all(|(_, datagram)| *datagram == sent[before].1));
}

#[test]
fn a_truncated_response_changes_nothing() {
    let mut world = World::new(settings());
    let ended = world.exchange(|relay, datagram| {
        let whole = stored(relay, datagram);
        let mut answers: Vec<_> = (0..whole.len()).map(|length| (length as u64, whole[..length].to_vec())).collect();
        answers.push((100, [&whole[..], &[0]].concat()));
        answers.push((200, whole));
        answers
    });
    assert_eq!(ended.downlink, ok());
    assert_eq!((world.now(), ended.cost.datagrams_up), (200, 1));
}

#[test]
fn a_response_with_any_bit_flipped_is_ignored_or_says_the_same() {
    let bits = 24 * 8;
    for bit in 0..bits {
        let mut world = World::new(settings());
        let ended = world.exchange(|relay, datagram| {
            let mut response = stored(relay, datagram);
            assert_eq!(response.len() * 8, bits);
            response[bit / 8] ^= 1 << (bit % 8);
            vec![(0, response)]
        });
        assert!(ended.downlink == ok() || ended.downlink == Err(LinkError::TimeOut), "{bit}: {ended:?}");
        // Type and outer code are nobody's to verify; all else is.
        if bit >= 16 {
            assert_eq!(ended.downlink, Err(LinkError::TimeOut), "bit {bit}");
        }
    }
}

#[test]
fn datagrams_from_elsewhere_are_counted_and_ignored() {
    let mut world = World::new(settings());
    world.start();
    let air = world.air.clone();
    let ended = world.drive(|relay, datagram| {
        let from: SocketAddr = ([192, 0, 2, 8], 5683).into();
        let now = air.borrow().now;
        let response = stored(relay, datagram);
        air.borrow_mut().deliver_from(now + 5, response.clone(), from);
        vec![(1000, response)]
    });
    assert_eq!(ended.downlink, ok());
    assert_eq!((ended.cost.datagrams_down, world.now()), (2, 1000));
}

#[test]
fn a_flood_cannot_prolong_an_exchange() {
    let mut world = World::new(settings());
    let ended = world.exchange(|_, datagram| {
        let forged = unprotected(datagram, Type::Confirmable, Code::CHANGED, b"x");
        (0..20_000).map(|i| (i, forged.clone())).collect()
    });
    assert_eq!(ended.downlink, Err(LinkError::TimeOut));
    assert!(world.now() <= Transmission::RFC_7252.max_transmit_wait().0);
    assert_eq!(ended.cost.datagrams_up, 5, "nothing unverified is answered");
}

#[test]
fn a_flood_that_outruns_the_polls_cannot_prolong_an_exchange() {
    let mut world = World::new(settings());
    world.start();
    world.air.borrow_mut().now = 1;
    for _ in 0..100_000 {
        world.air.borrow_mut().deliver(0, vec![0x40, 0, 0, 0]);
    }
    // Time moves on, the stack never runs dry: eight datagrams a poll, and the timers hold.
    let mut end = 0;
    for now in (0..200_000).step_by(100) {
        world.air.borrow_mut().now = now;
        if let Ok(outcome) = cairn::ports::Link::poll(&mut world.link, Millis(now)) {
            assert_eq!(outcome.downlink, Err(LinkError::TimeOut));
            assert!(u64::from(outcome.cost.datagrams_down) <= 8 * (now / 100 + 1));
            end = now;
            break;
        }
    }
    assert!((1..=Transmission::RFC_7252.max_transmit_wait().0 + 500).contains(&end), "{end}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn arbitrary_datagrams_never_panic_and_never_make_a_downlink(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        imitate: bool,
    ) {
        let mut world = World::new(settings());
        let ended = world.exchange(|_, datagram| {
            let head = Message::parse(datagram).unwrap().head;
            datagrams.iter().map(|bytes| {
                let mut bytes = bytes.clone();
                if imitate && bytes.len() > 6 {
                    bytes[0] = bytes[0] & 0x30 | 0x42;
                    bytes[2..4].copy_from_slice(&head.message_id.to_be_bytes());
                    bytes[4..6].copy_from_slice(head.token);
                }
                (10, bytes)
            }).collect()
        });
        prop_assert!(matches!(ended.downlink, Err(LinkError::TimeOut | LinkError::Rejected(_))));
        prop_assert!(world.now() <= Transmission::RFC_7252.max_transmit_wait().0);
        prop_assert!(ended.cost.datagrams_up <= 5);
    }
}
