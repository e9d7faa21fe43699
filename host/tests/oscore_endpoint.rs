// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The relay's CoAP and OSCORE endpoint against cairn-coap's client side: challenges, replays, retransmissions, retired contexts, codes.

mod device;

use std::{net::SocketAddr, sync::Mutex};

use cairn::{record::Kind, uplink::Downlink};
use cairn_coap::{
    message::{Builder, Code, Message, Type, option},
    oscore::{Identifiers, ReplayWindow},
};
use cairn_host::{
    chain::KeyStatus,
    relay::{
        anchoring::locked,
        endpoint::{ECHO_LIFE_MS, Endpoint},
        intake::Offer,
        store::Store,
    },
};
use device::{
    HOME, RULES, START_MS, TestDevice,
    client::{ASK, Answer, Ask, Client},
};

const FROM: &str = "10.0.0.9:40000";

/// Random bytes that count up: no two challenges are alike.
fn endpoint() -> Endpoint {
    let mut count = 0u8;
    Endpoint::new(
        RULES,
        Box::new(move |out| {
            out.iter_mut().for_each(|byte| {
                count = count.wrapping_add(1);
                *byte = count;
            });
        }),
    )
}

/// A relay's endpoint and its database.
struct Relay {
    store: Mutex<Store>,
    endpoint: Endpoint,
    now_ms: u64,
}

impl Relay {
    fn new(device: &TestDevice) -> Self {
        let mut store = Store::in_memory(&HOME).unwrap();
        store.add_device(&device.provisioned(), START_MS).unwrap();
        Self { store: Mutex::new(store), endpoint: endpoint(), now_ms: START_MS }
    }

    /// Kills the relay and starts it on the same database.
    fn restart(self) -> Self {
        Self { endpoint: endpoint(), ..self }
    }

    fn receive(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let from: SocketAddr = FROM.parse().unwrap();
        self.endpoint.receive(&self.store, from, &mut datagram.to_vec(), &Offer::default(), self.now_ms)
    }

    fn stored(&self) -> u32 {
        locked(&self.store).totals().unwrap().stored
    }
}

/// The client of a device.
fn client_of(device: &TestDevice) -> Client {
    let provisioned = device.provisioned();
    Client::new(provisioned.kid, &provisioned.master_secret, device.stream)
}

impl Client {
    /// One request and its verified answer.
    fn exchange(&mut self, relay: &mut Relay, ask: &Ask<'_>, payload: &[u8]) -> Answer {
        let (request, binding) = self.request(ask, payload);
        let answer = relay.receive(&request).expect("an answer");
        self.open(&binding, &answer)
    }

    /// A request, the challenge it meets, and its repetition with Echo.
    fn introduce(&mut self, relay: &mut Relay, payload: &[u8]) -> Answer {
        let challenge = self.exchange(relay, &ASK, payload);
        assert_eq!(challenge.code, Code::UNAUTHORIZED);
        self.exchange(relay, &Ask { echo: challenge.echo.as_deref(), ..ASK }, payload)
    }
}

/// Code and OSCORE option of an answer that is not protected, or is.
fn outside(answer: &[u8]) -> (Type, Code, bool) {
    let message = Message::parse(answer).unwrap();
    (message.head.kind, message.head.code, message.head.options.get(option::OSCORE).is_some())
}

fn uplink(device: &mut TestDevice) -> Vec<u8> {
    device.seal(4, Kind::READING).uplink(true)
}

#[test]
fn a_new_context_is_challenged_and_served_once_it_repeats_the_echo() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    let uplink = uplink(&mut device);
    let challenge = client.exchange(&mut relay, &ASK, &uplink);
    assert_eq!((challenge.code, challenge.payload.len(), relay.stored()), (Code::UNAUTHORIZED, 0, 0));
    let echo = challenge.echo.expect("an Echo value");
    let wrong = client.exchange(&mut relay, &Ask { echo: Some(b"guessed!"), ..ASK }, &uplink);
    assert_eq!((wrong.code, wrong.echo.as_ref(), relay.stored()), (Code::UNAUTHORIZED, Some(&echo), 0));
    let served = client.exchange(&mut relay, &Ask { echo: Some(&echo), ..ASK }, &uplink);
    assert_eq!((served.code, relay.stored()), (Code::CHANGED, 1));
    assert_eq!(Downlink::decode(&served.payload).unwrap().stream, device.stream);
    let unnamed = client.exchange(&mut relay, &Ask { named: false, ..ASK }, &uplink);
    assert_eq!(unnamed.code, Code::CHANGED, "the active context needs no name");
}

#[test]
fn a_challenge_that_is_too_old_is_not_taken() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    let uplink = uplink(&mut device);
    let old = client.exchange(&mut relay, &ASK, &uplink).echo.unwrap();
    relay.now_ms += ECHO_LIFE_MS;
    let fresh = client.exchange(&mut relay, &Ask { echo: Some(&old), ..ASK }, &uplink);
    assert_eq!(fresh.code, Code::UNAUTHORIZED);
    let fresh = fresh.echo.unwrap();
    assert_ne!(fresh, old);
    assert_eq!(client.exchange(&mut relay, &Ask { echo: Some(&fresh), ..ASK }, &uplink).code, Code::CHANGED);
}

#[test]
fn a_retransmission_gets_the_same_bytes_and_is_acted_upon_once() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    client.introduce(&mut relay, &uplink(&mut device));
    let (request, _) = client.request(&ASK, &uplink(&mut device));
    let first = relay.receive(&request).unwrap();
    relay.now_ms += 50_000;
    assert_eq!(relay.receive(&request).unwrap(), first, "although the clock in a fresh downlink would differ");
    assert_eq!(relay.stored(), 2);
}

#[test]
fn a_request_replayed_after_a_restart_is_refused_and_a_fresh_one_served() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    let uplink = uplink(&mut device);
    client.introduce(&mut relay, &uplink);
    let (request, _) = client.request(&ASK, &uplink);
    relay.receive(&request).unwrap();
    let mut relay = relay.restart();
    let answer = relay.receive(&request).unwrap();
    assert_eq!(outside(&answer), (Type::Acknowledgement, Code::UNAUTHORIZED, false));
    assert_eq!(client.exchange(&mut relay, &ASK, &uplink).code, Code::CHANGED);
}

#[test]
fn an_older_context_is_retired_for_good_by_a_newer_one_also_over_a_restart() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut old) = (Relay::new(&device), client_of(&device));
    old.introduce(&mut relay, &uplink(&mut device));
    let mut rebooted = TestDevice::new(1);
    rebooted.stream.0 ^= 0xff;
    let mut new = client_of(&rebooted);
    let (held_back, _) = old.request(&ASK, &uplink(&mut device));
    assert_eq!(new.introduce(&mut relay, &uplink(&mut rebooted)).code, Code::CHANGED);
    for _ in 0..2 {
        let answer = relay.receive(&held_back).unwrap();
        assert_eq!(outside(&answer), (Type::Acknowledgement, Code::UNAUTHORIZED, false));
        assert_eq!(relay.stored(), 2);
        relay = relay.restart();
    }
    assert_eq!(new.exchange(&mut relay, &ASK, &uplink(&mut rebooted)).code, Code::CHANGED);
}

#[test]
fn a_held_back_request_of_a_context_nobody_introduced_retires_nothing() {
    let mut device = TestDevice::new(1);
    let mut forgotten = TestDevice::new(1);
    forgotten.stream.0 ^= 0xff;
    let (held_back, _) = client_of(&forgotten).request(&ASK, &uplink(&mut forgotten));
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    client.introduce(&mut relay, &uplink(&mut device));
    let answer = relay.receive(&held_back).unwrap();
    assert!(outside(&answer).2, "it is challenged, and whoever held it back cannot answer");
    assert_eq!(client.exchange(&mut relay, &ASK, &uplink(&mut device)).code, Code::CHANGED);
    assert_eq!(relay.stored(), 2);
}

#[test]
fn no_two_challenges_have_the_same_partial_iv_also_over_a_restart() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    let uplink = uplink(&mut device);
    let mut seen = Vec::new();
    for round in 0..6 {
        let (request, binding) = client.request(&ASK, &uplink);
        let answer = relay.receive(&request).unwrap();
        assert_eq!(client.open(&binding, &answer).code, Code::UNAUTHORIZED);
        let message = Message::parse(&answer).unwrap();
        let number = Identifiers::of(&message).unwrap().partial_iv.expect("a number of its own").number();
        assert!(!seen.contains(&number), "{number} twice");
        seen.push(number);
        if round % 2 == 1 {
            relay = relay.restart();
        }
    }
}

#[test]
fn a_database_restored_from_a_copy_answers_no_request_twice() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    let uplink = uplink(&mut device);
    client.introduce(&mut relay, &uplink);
    let (captured, _) = client.request(&ASK, &uplink);
    relay.receive(&captured).unwrap();
    // As a copy is that was made before the request came: it is not in the window.
    let mut relay = relay.restart();
    let old = ReplayWindow::from_parts(1, 3);
    locked(&relay.store).put_window(device.provisioned().kid, &device.stream.0.to_be_bytes(), old).unwrap();
    assert_eq!(locked(&relay.store).distrust_contexts().unwrap(), 1);
    let answer = relay.receive(&captured).unwrap();
    let message = Message::parse(&answer).unwrap();
    assert!(Identifiers::of(&message).unwrap().partial_iv.is_some(), "challenged, under a number of the relay's own");
    assert_eq!(client.introduce(&mut relay, &uplink).code, Code::CHANGED);
    let mut relay = relay.restart();
    assert_eq!(outside(&relay.receive(&captured).unwrap()), (Type::Acknowledgement, Code::UNAUTHORIZED, false));
}

#[test]
fn what_is_wrong_with_a_request_is_told_in_a_protected_answer() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    client.introduce(&mut relay, &uplink(&mut device));
    let (second, third) = (device.fork(3, Kind::READING).uplink(true), uplink(&mut device));
    assert_eq!(client.exchange(&mut relay, &ASK, &third).code, Code::CHANGED);
    let gap = {
        drop(uplink(&mut device));
        uplink(&mut device)
    };
    let cases = [
        (Ask { path: "b", ..ASK }, &third[..], Code::NOT_FOUND),
        (Ask { code: Code::GET, ..ASK }, &third, Code::METHOD_NOT_ALLOWED),
        (Ask { extra: Some(2049), ..ASK }, &third, Code::BAD_OPTION),
        (ASK, b"rubbish", Code::BAD_REQUEST),
        (ASK, &second, Code::CONFLICT),
        (ASK, &gap, Code::UNPROCESSABLE_ENTITY),
    ];
    for (ask, payload, code) in cases {
        assert_eq!(client.exchange(&mut relay, &ask, payload), Answer { code, echo: None, payload: vec![] });
    }
    let revoked = KeyStatus { registered_at: 1, revoked_at: 2 };
    locked(&relay.store).note_key_status(device.key.key_id(), revoked, START_MS).unwrap();
    assert_eq!(client.exchange(&mut relay, &ASK, &third).code, Code::FORBIDDEN);
}

#[test]
fn strangers_learn_nothing_and_change_nothing() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    let uplink = uplink(&mut device);
    client.introduce(&mut relay, &uplink);
    let mut stranger = client_of(&TestDevice::new(2));
    let (request, _) = stranger.request(&ASK, &uplink);
    let refused = (Type::Acknowledgement, Code::UNAUTHORIZED, false);
    assert_eq!(outside(&relay.receive(&request).unwrap()), refused, "unknown kid");
    let (mut forged, _) = client.request(&ASK, &uplink);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(outside(&relay.receive(&forged).unwrap()), (Type::Acknowledgement, Code::BAD_REQUEST, false));
    let mut plain = [0; 64];
    let mut builder = Builder::message(&mut plain, Type::Confirmable, Code::POST, 5, &[1]).unwrap();
    builder.option(option::URI_PATH, b"a").unwrap();
    let length = builder.payload(b"hello").unwrap();
    assert_eq!(outside(&relay.receive(&plain[..length]).unwrap()), refused, "not protected");
    assert_eq!(relay.receive(&[0x40, 0, 0, 9]).unwrap(), [0x70, 0, 0, 9], "a ping gets its reset");
    for silence in [&[][..], &[0x40], &[0xff; 40], &[0x60, 0, 0, 9], &[0x40, 0x45, 0, 9]] {
        assert_eq!(relay.receive(silence), None);
    }
    assert_eq!(relay.stored(), 1);
}

#[test]
fn a_non_confirmable_request_gets_a_non_confirmable_answer() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    client.introduce(&mut relay, &uplink(&mut device));
    let (request, binding) = client.request(&Ask { kind: Type::NonConfirmable, ..ASK }, &uplink(&mut device));
    let answer = relay.receive(&request).unwrap();
    assert_eq!(outside(&answer).0, Type::NonConfirmable);
    assert_eq!(client.open(&binding, &answer).code, Code::CHANGED);
}

#[test]
fn an_answer_is_at_most_80_bytes_of_udp_payload() {
    let mut device = TestDevice::new(1);
    let (mut relay, mut client) = (Relay::new(&device), client_of(&device));
    client.introduce(&mut relay, &uplink(&mut device));
    for _ in 0..30 {
        let (request, _) = client.request(&ASK, &uplink(&mut device));
        let answer = relay.receive(&request).unwrap();
        assert!(answer.len() <= 80, "{}", answer.len());
    }
}
