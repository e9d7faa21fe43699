// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Honest networks: loss, delay, duplicates, separate responses, Echo.

use std::collections::HashMap;

use cairn::{
    ports::{Link, LinkError},
    power::cost::{Attach, CoverageLevel, Heard, PsmTimers},
    time::Millis,
};
use cairn_coap::{
    Settings, Transmission,
    client::OVERHEAD_MAX,
    message::{Code, Message, Type},
};
use proptest::prelude::*;

use crate::network::{Carry, UPLINK, World, settings, stored, unprotected};

pub(crate) fn ok() -> Result<Vec<u8>, LinkError> {
    Ok(b"stored".to_vec())
}

#[test]
fn one_exchange_is_one_request_and_one_piggybacked_response() {
    let mut world = World::new(settings());
    let ended = world.exchange(|relay, datagram| vec![(1600, stored(relay, datagram))]);
    assert_eq!(ended.downlink, ok());
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(ended.cost.bytes_up as usize, sent[0].1.len());
    assert_eq!(ended.cost.bytes_down, 4 + 2 + 1 + 1 + 1 + 1 + 6 + 8);
    assert_eq!((ended.cost.datagrams_up, ended.cost.datagrams_down, ended.cost.connections), (1, 1, 1));
    assert_eq!((ended.cost.duration_ms, ended.cost.coverage), (1600, None));
    assert_eq!((world.air.borrow().open, world.link.wake_at()), (0, None));
    assert_eq!(world.link.poll(Millis(world.now())), Err(nb::Error::WouldBlock));
}

#[test]
fn what_the_modem_heard_is_told_of_the_exchange_it_was_heard_in_and_timers_once() {
    let mut world = World::new(settings());
    let timers = PsmTimers { active: None, periodic_update: Some(Millis(3_600_000)) };
    let heard = Heard { coverage: Some(CoverageLevel::Ce2), attach: Attach::Attached, timers: Some(timers) };
    world.air.borrow_mut().heard = heard;
    let cost = world.exchange(|relay, datagram| vec![(1600, stored(relay, datagram))]).cost;
    assert_eq!((cost.coverage, cost.attach), (Some(CoverageLevel::Ce2), Attach::Attached));
    let cost = world.exchange(|relay, datagram| vec![(1600, stored(relay, datagram))]).cost;
    assert_eq!((cost.coverage, cost.attach), (None, Attach::Unknown));
    assert_eq!(world.link.psm_timers(), Some(timers), "kept until they are asked for");
    assert_eq!(world.link.psm_timers(), None);
    world.air.borrow_mut().heard = heard;
    let failed = world.exchange(|_, _| vec![]);
    assert_eq!(
        (failed.downlink, failed.cost.attach),
        (Err(LinkError::TimeOut), Attach::Attached),
        "also of one that failed"
    );
}

/// The numbers in the crate's documentation.
#[test]
fn protection_adds_36_bytes_to_the_first_uplink_and_26_to_the_others() {
    let mut world = World::new(settings());
    for length in [206, 196, 196] {
        assert_eq!(world.exchange(|relay, datagram| vec![(0, stored(relay, datagram))]).downlink, ok());
        assert_eq!(world.sent().last().unwrap().1.len(), length);
    }
    assert_eq!(UPLINK.len(), 170);
}

#[test]
fn the_kid_context_is_sent_until_the_relay_answered_and_again_after_a_failure() {
    let mut world = World::new(settings());
    let mut sent_context = Vec::new();
    for answers in [false, true, true, false, true, true] {
        let mut seen = false;
        let ended = world.exchange(|relay, datagram| {
            if std::mem::replace(&mut seen, true) {
                return vec![];
            }
            let request = relay.verify(datagram);
            sent_context.push(request.has_kid_context);
            let response = relay.respond(request, Carry::Piggybacked, Code::CHANGED, None, b"stored");
            if answers { vec![(0, response)] } else { vec![] }
        });
        assert_eq!(ended.downlink.is_ok(), answers);
    }
    assert_eq!(sent_context, [true, true, false, false, true, false]);
}

#[test]
fn a_lost_request_is_repeated_byte_for_byte_at_the_times_of_the_rfc() {
    for (transmission, seed) in [(Transmission::RFC_7252, 3), (Transmission::NB_IOT, 4)] {
        let mut world = World::new(Settings { transmission, seed, ..settings() });
        let ended = world.exchange(|_, _| vec![]);
        assert_eq!(ended.downlink, Err(LinkError::TimeOut));
        let sent = world.sent();
        assert_eq!(sent.len(), 1 + usize::from(transmission.max_retransmit));
        assert!(sent.iter().all(|(_, datagram)| *datagram == sent[0].1));
        let first = sent[1].0 - sent[0].0;
        assert!((transmission.ack_timeout.0..=transmission.ack_timeout.0 * 3 / 2).contains(&first), "{first}");
        for (i, pair) in sent.windows(2).enumerate() {
            assert_eq!(pair[1].0 - pair[0].0, first << i);
        }
        assert_eq!(world.now(), first * ((2 << transmission.max_retransmit) - 1));
        assert!(world.now() <= transmission.max_transmit_wait().0);
        assert_eq!((ended.cost.datagrams_down, ended.cost.bytes_down), (0, 0));
        assert_eq!(u64::from(ended.cost.duration_ms), world.now());
    }
}

#[test]
fn a_response_to_the_last_retransmission_counts() {
    let mut world = World::new(settings());
    let mut count = 0;
    let ended = world.exchange(|relay, datagram| {
        count += 1;
        if count == 5 { vec![(3000, stored(relay, datagram))] } else { vec![] }
    });
    assert_eq!(ended.downlink, ok());
    assert_eq!(ended.cost.datagrams_up, 5);
}

#[test]
fn a_later_wake_protects_the_same_uplink_under_a_new_number_token_and_message_id() {
    let mut world = World::new(settings());
    assert_eq!(world.exchange(|_, _| vec![]).downlink, Err(LinkError::TimeOut));
    let first = world.sent()[0].1.clone();
    let mut number = 0;
    let ended = world.exchange(|relay, datagram| {
        let request = relay.verify(datagram);
        number = request.number;
        assert_eq!(request.payload, UPLINK);
        vec![(0, relay.respond(request, Carry::Piggybacked, Code::CHANGED, None, b"stored"))]
    });
    assert_eq!(ended.downlink, ok());
    assert_eq!(number, 1);
    let last = world.sent().pop().unwrap().1;
    let (first, last) = (Message::parse(&first).unwrap().head, Message::parse(&last).unwrap().head);
    assert!(first.message_id != last.message_id && first.token != last.token);
}

#[test]
fn another_seed_gives_other_message_ids_and_tokens() {
    let heads: Vec<_> = (0..8)
        .map(|seed| {
            let mut world = World::new(Settings { seed, ..settings() });
            world.exchange(|relay, datagram| vec![(0, stored(relay, datagram))]);
            let sent = world.sent();
            let head = Message::parse(&sent[0].1).unwrap().head;
            (head.message_id, head.token.to_vec())
        })
        .collect();
    for (i, head) in heads.iter().enumerate() {
        assert!(heads[..i].iter().all(|other| other.0 != head.0 && other.1 != head.1));
    }
}

/// Which messages a separate response comes in.
fn separate(kind: Type, ack_after: Option<u64>, response_after: &'static [u64], linger: Millis) -> (World, Vec<usize>) {
    let transmission = Transmission { linger, ..Transmission::RFC_7252 };
    let mut world = World::new(Settings { transmission, ..settings() });
    let ended = world.exchange(|relay, datagram| {
        if datagram.len() == 4 {
            let ack = Message::parse(datagram).unwrap().head;
            assert_eq!((ack.kind, ack.code, ack.message_id), (Type::Acknowledgement, Code::EMPTY, 0x7777));
            return vec![];
        }
        let mut answers = Vec::new();
        if let Some(delay) = ack_after {
            answers.push((delay, unprotected(datagram, Type::Acknowledgement, Code::EMPTY, b"")));
        }
        let request = relay.verify(datagram);
        let response = relay.respond(request, Carry::Separate(kind, 0x7777), Code::CHANGED, None, b"stored");
        answers.extend(response_after.iter().map(|delay| (*delay, response.clone())));
        answers
    });
    assert_eq!(ended.downlink, ok());
    let sizes = world.sent().iter().map(|(_, datagram)| datagram.len()).collect();
    (world, sizes)
}

#[test]
fn a_separate_confirmable_response_is_acknowledged() {
    let (world, sent) = separate(Type::Confirmable, Some(500), &[40_000], Millis(0));
    assert_eq!(sent, [206, 4]);
    assert_eq!(world.now(), 40_000);
}

#[test]
fn a_separate_non_confirmable_response_is_not_acknowledged() {
    assert_eq!(separate(Type::NonConfirmable, Some(500), &[40_000], Millis(0)).1, [206]);
}

#[test]
fn a_separate_response_may_overtake_the_empty_ack_or_do_without() {
    assert_eq!(separate(Type::Confirmable, Some(900), &[800], Millis(0)).1, [206, 4]);
    assert_eq!(separate(Type::Confirmable, None, &[800], Millis(0)).1, [206, 4]);
}

#[test]
fn a_repeated_separate_response_is_acknowledged_again_and_delivered_once() {
    let (world, sent) = separate(Type::Confirmable, Some(500), &[1000, 3000, 7000], Millis(5000));
    assert_eq!(sent, [206, 4, 4]);
    assert_eq!(world.now(), 6000, "the link lingered 5 s after the first copy");
    // Both copies wait in the stack at once.
    assert_eq!(separate(Type::Confirmable, None, &[1000, 1000], Millis(5000)).1, [206, 4, 4]);
}

#[test]
fn a_response_repeated_without_end_is_acknowledged_a_few_times() {
    let copies: &[u64] = &[100; 50];
    assert_eq!(separate(Type::Confirmable, None, copies, Millis(5000)).1, [206, 4, 4, 4, 4, 4]);
}

#[test]
fn a_response_announced_and_never_sent_is_a_time_out_after_a_bounded_wait() {
    let mut world = World::new(settings());
    let ended = world.exchange(|_, datagram| {
        let ack = unprotected(datagram, Type::Acknowledgement, Code::EMPTY, b"");
        vec![(1000, ack.clone()), (50_000, ack)]
    });
    assert_eq!(ended.downlink, Err(LinkError::TimeOut));
    assert_eq!(world.now(), 1000 + Transmission::RFC_7252.response_wait.0, "a second ACK prolongs nothing");
    assert_eq!(ended.cost.datagrams_up, 1);
}

#[test]
fn a_kept_socket_serves_many_exchanges_and_ignores_what_is_late() {
    let mut world = World::new(Settings { keep_socket: true, ..settings() });
    let mut late = Vec::new();
    for i in 0..4 {
        let ended = world.exchange(|relay, datagram| {
            let response = stored(relay, datagram);
            let mut answers: Vec<_> = late.drain(..).map(|old: Vec<u8>| (0, old)).collect();
            answers.push((10, response.clone()));
            late.push(response);
            answers
        });
        assert_eq!(ended.downlink, ok());
        assert_eq!(ended.cost.connections, u16::from(i == 0));
    }
    assert_eq!((world.air.borrow().opened, world.air.borrow().open), (1, 1));
}

#[test]
fn an_echo_challenge_is_answered_once_under_a_new_number_with_the_kid_context() {
    for carry in [Carry::Piggybacked, Carry::Separate(Type::Confirmable, 0x4242)] {
        let mut world = World::new(settings());
        let mut requests = Vec::new();
        let ended = world.exchange(|relay, datagram| {
            if datagram.len() == 4 {
                return vec![];
            }
            let request = relay.verify(datagram);
            assert_eq!(request.payload, UPLINK);
            requests.push((request.number, request.echo.clone(), request.has_kid_context));
            let response = if request.echo.is_none() {
                relay.respond(request, carry, Code::UNAUTHORIZED, Some(&[9; 40]), b"")
            } else {
                relay.respond(request, Carry::Piggybacked, Code::CHANGED, None, b"stored")
            };
            vec![(100, response.clone()), (150, response)]
        });
        assert_eq!(ended.downlink, ok());
        assert_eq!(requests, [(0, None, true), (1, Some(vec![9; 40]), true)]);
        let sizes: Vec<_> = world.sent().iter().map(|(_, datagram)| datagram.len()).collect();
        match carry {
            Carry::Piggybacked => assert_eq!(sizes, [206, 249]),
            Carry::Separate(..) => assert_eq!(sizes, [206, 4, 249, 4]),
        }
        assert_eq!(ended.cost.connections, 1);
    }
}

#[test]
fn a_second_echo_challenge_in_one_exchange_is_a_refusal() {
    let mut world = World::new(settings());
    let ended = world.exchange(|relay, datagram| {
        let request = relay.verify(datagram);
        vec![(0, relay.respond(request, Carry::Piggybacked, Code::UNAUTHORIZED, Some(&[1]), b""))]
    });
    assert_eq!(ended.downlink, Err(LinkError::Rejected(0x81)));
    assert_eq!(ended.cost.datagrams_up, 2);
}

#[test]
fn an_echo_challenge_with_no_number_left_ends_the_exchange() {
    let mut world = World::new(settings());
    world.link.grant(7..8);
    let ended = world.exchange(|relay, datagram| {
        let request = relay.verify(datagram);
        vec![(0, relay.respond(request, Carry::Piggybacked, Code::UNAUTHORIZED, Some(&[1; 8]), b""))]
    });
    assert_eq!(ended.downlink, Err(LinkError::SequenceExhausted));
    assert_eq!(ended.cost.datagrams_up, 1);
}

#[test]
fn a_verified_refusal_ends_the_exchange_at_once_with_its_code() {
    for code in [Code::BAD_REQUEST, Code::UNAUTHORIZED, Code::FORBIDDEN, Code::CONFLICT, Code::SERVICE_UNAVAILABLE] {
        let mut world = World::new(settings());
        let ended = world.exchange(|relay, datagram| {
            let request = relay.verify(datagram);
            vec![(700, relay.respond(request, Carry::Piggybacked, code, None, b""))]
        });
        assert_eq!(ended.downlink, Err(LinkError::Rejected(code.0)));
        assert_eq!((world.now(), ended.cost.datagrams_up), (700, 1));
    }
}

#[test]
fn a_verified_success_with_a_critical_option_is_a_refusal() {
    for (inner, expected) in [(23, Err(LinkError::Rejected(0x44))), (28, ok())] {
        let mut world = World::new(settings());
        let ended = world.exchange(|relay, datagram| {
            let request = relay.verify(datagram);
            let carry = Carry::Piggybacked;
            vec![(0, relay.respond_with(request, carry, Code::CHANGED, Some((inner, &[6])), b"stored"))]
        });
        assert_eq!(ended.downlink, expected, "Block2 is critical, Size2 is not");
    }
}

#[test]
fn an_echo_value_that_is_no_echo_value_is_a_refusal() {
    for echo in [&[][..], &[1; 41]] {
        let mut world = World::new(settings());
        let ended = world.exchange(|relay, datagram| {
            let request = relay.verify(datagram);
            vec![(0, relay.respond(request, Carry::Piggybacked, Code::UNAUTHORIZED, Some(echo), b""))]
        });
        assert_eq!((ended.downlink, ended.cost.datagrams_up), (Err(LinkError::Rejected(0x81)), 1));
    }
}

#[test]
fn the_first_verified_response_stands_while_the_link_lingers() {
    let transmission = Transmission { linger: Millis(5000), ..Transmission::RFC_7252 };
    let mut world = World::new(Settings { transmission, ..settings() });
    let ended = world.exchange(|relay, datagram| {
        if datagram.len() == 4 {
            return vec![];
        }
        let carry = Carry::Separate(Type::Confirmable, 1);
        let request = relay.verify(datagram);
        let first = relay.respond(request, carry, Code::CHANGED, None, b"stored");
        relay.window = cairn_coap::oscore::ReplayWindow::EMPTY;
        let request = relay.verify(datagram);
        let second = relay.respond(request, Carry::Piggybacked, Code::UNAUTHORIZED, Some(&[5; 8]), b"");
        vec![(100, first), (200, second)]
    });
    assert_eq!((ended.downlink, world.now()), (ok(), 5100));
    assert_eq!(world.sent().len(), 2, "the request and one ACK");
}

#[test]
fn numbers_are_used_as_granted_and_no_further() {
    let mut world = World::new(settings());
    world.link.grant(40..42);
    let mut used = Vec::new();
    for left in [2, 1] {
        assert_eq!(world.link.granted(), left);
        let ended = world.exchange(|relay, datagram| {
            let request = relay.verify(datagram);
            used.push(request.number);
            vec![(0, relay.respond(request, Carry::Piggybacked, Code::CHANGED, None, b"stored"))]
        });
        assert_eq!(ended.downlink, ok());
    }
    assert_eq!(used, [40, 41]);
    assert_eq!(world.link.start(Millis(0), &UPLINK), Err(LinkError::SequenceExhausted));
    assert_eq!((world.link.granted(), world.link.wake_at()), (0, None));
    world.link.grant(u64::MAX - 1..u64::MAX);
    assert_eq!(world.link.granted(), 0, "a Partial IV has 40 bits");
}

#[test]
fn start_refuses_what_is_too_long_and_what_comes_during_an_exchange() {
    let mut world = World::new(settings());
    let capacity = world.link.capacity();
    assert_eq!(capacity, 512 - OVERHEAD_MAX);
    assert_eq!(world.link.start(Millis(0), &vec![0; capacity + 1]), Err(LinkError::Refused));
    assert_eq!(world.link.granted(), 1000);
    world.link.grant((1 << 40) - 2..1 << 40);
    world.link.start(Millis(0), &vec![1; capacity]).unwrap();
    assert_eq!(world.link.start(Millis(0), &[1]), Err(LinkError::Refused));
    let longest = [5; 40];
    let ended = world.drive(|relay, datagram| {
        let request = relay.verify(datagram);
        let echo = request.echo.is_none().then_some(&longest[..]);
        let code = if echo.is_some() { Code::UNAUTHORIZED } else { Code::CHANGED };
        vec![(0, relay.respond(request, Carry::Piggybacked, code, echo, b"stored"))]
    });
    assert_eq!(ended.downlink, ok(), "the longest uplink leaves room for the longest Echo");
}

#[test]
fn a_new_context_names_itself_and_needs_numbers_of_its_own() {
    let mut world = World::new(settings());
    world.exchange(|relay, datagram| vec![(0, stored(relay, datagram))]);
    let secrets = cairn_coap::oscore::Secrets { master_secret: &[1; 16], master_salt: &[], id_context: Some(&[9; 8]) };
    let context = || cairn_coap::oscore::Context::derive(&secrets, &[1], &[]).unwrap();
    world.link.set_context(context()).unwrap();
    assert_eq!(world.link.granted(), 0);
    world.link.grant(0..9);
    world.start();
    assert_eq!(world.link.set_context(context()), Err(LinkError::Refused));
    assert_eq!(world.drive(|_, _| vec![]).downlink, Err(LinkError::TimeOut));
    let sent = world.sent();
    let message = Message::parse(&sent[1].1).unwrap();
    let identifiers = cairn_coap::oscore::Identifiers::of(&message).unwrap();
    assert_eq!((identifiers.kid, identifiers.kid_context), (Some(&[1][..]), Some(&[9; 8][..])));
}

/// What the air does with one datagram: lost, or delivered once or twice after delays.
fn fate() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        2 => Just(vec![]),
        4 => (0..9000u64).prop_map(|delay| vec![delay]),
        1 => (0..9000u64, 0..60_000u64).prop_map(|(a, b)| vec![a, b]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Loss, duplication, delay and reordering in both directions, over several exchanges on one socket: each exchange ends in
    /// bounded time, a downlink is the one of its own uplink, and the relay takes no request twice.
    #[test]
    fn any_network_ends_each_exchange_with_its_own_downlink_or_a_time_out(
        fates in prop::collection::vec((fate(), fate()), 60),
        seed: u64,
    ) {
        let transmission = Transmission::NB_IOT;
        let mut world = World::new(Settings { transmission, seed, keep_socket: true, ..settings() });
        let mut fates = fates.into_iter().cycle();
        let mut answered: HashMap<u16, Vec<u8>> = HashMap::new();
        for _ in 0..6 {
            let begin = world.now();
            let mut numbers = Vec::new();
            let ended = world.exchange(|relay, datagram| {
                let (up, down) = fates.next().unwrap();
                let id = Message::parse(datagram).unwrap().head.message_id;
                let Some(first) = up.first() else { return vec![] };
                let response = answered.entry(id).or_insert_with(|| {
                    let request = relay.verify(datagram);
                    let payload = request.number.to_be_bytes();
                    relay.respond(request, Carry::Piggybacked, Code::CHANGED, None, &payload)
                });
                numbers.push(response.clone());
                down.iter().map(|delay| (first + delay, response.clone())).collect()
            });
            let number = world.sent().iter().map(|(_, d)| Message::parse(d).unwrap().head.message_id)
                .collect::<std::collections::BTreeSet<_>>().len() as u64 - 1;
            match ended.downlink {
                Ok(downlink) => prop_assert_eq!(downlink, number.to_be_bytes()),
                Err(error) => prop_assert_eq!(error, LinkError::TimeOut),
            }
            prop_assert!(world.now() - begin <= transmission.max_transmit_wait().0);
            prop_assert!(ended.cost.datagrams_up <= 1 + u16::from(transmission.max_retransmit));
        }
    }
}
